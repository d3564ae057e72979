//! SQLite on the store, from outside: one binary, one claim a test.
#![allow(missing_docs)]

mod basics;
mod differential;

//! SQLite on the store, from outside: one binary, one claim a test.
#![allow(missing_docs)]

mod backends;
mod basics;
mod chores;
mod dialect;
mod differential;
mod logs;
mod processes;
mod simulated;
mod threads;

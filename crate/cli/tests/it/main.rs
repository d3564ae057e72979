//! The command from outside, in one binary.

mod failures;
mod formats;
mod keys;
mod run;
mod shell;
mod signals;
mod terminal;
mod transcript;
mod transcripts;

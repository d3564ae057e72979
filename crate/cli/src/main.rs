//! The command `coffer`: what people and scripts do with a Coffer database outside of a browser.
//!
//! One verb, one file in `verb/`. What verbs share stands beside this file: opening (`open.rs`), keys (`key.rs`), rows and
//! values as text (`rows.rs`, `value.rs`), files that appear whole or not at all (`output.rs`), progress, and signals.
//!
//! I1  Results go to stdout and nothing else does; everything said about them goes to stderr.
//! I2  Every failure is one line on stderr, says what to do, and has the exit code of its kind (`failure.rs`).
//! I3  A signal, at any moment, leaves the database as the last commit left it.
#![forbid(unsafe_code)]

mod failure;
mod interrupt;
mod key;
mod open;
mod output;
mod progress;
mod rows;
mod schema;
mod script;
mod text;
mod usage;
mod value;
mod verb;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use crate::failure::Outcome;
use crate::verb::Command;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run() -> Outcome {
    match Command::try_parse() {
        Ok(command) => {
            interrupt::watch();
            command.run()
        }
        Err(error) if error.use_stderr() => Err(usage::failure(&error)),
        // Help, or the version.
        Err(told) => Ok(write!(std::io::stdout(), "{}", told.render())?),
    }
}

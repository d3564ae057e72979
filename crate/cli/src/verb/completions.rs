//! `coffer completions`: what a shell needs to complete our arguments.

use std::io::{Write, stdout};

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use crate::failure::Outcome;

/// Print completions for a shell
#[derive(Args, Debug)]
pub struct Completions {
    /// Which shell.
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub fn run(&self) -> Outcome {
        let mut script = Vec::new();
        generate(self.shell, &mut super::Command::command(), "coffer", &mut script);
        Ok(stdout().write_all(&script)?)
    }
}

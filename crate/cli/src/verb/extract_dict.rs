//! `coffer extract-dict`: the dictionary of a database as a file.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use crate::failure::{Failure, Outcome};
use crate::open::{Access, DatabaseArgs};
use crate::output::Output;

/// Write a database's compression dictionary to a file
#[derive(Args, Debug)]
pub struct ExtractDict {
    #[command(flatten)]
    database: DatabaseArgs,
    /// The file to write.
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Replace the file if it exists.
    #[arg(long)]
    force: bool,
}

impl ExtractDict {
    pub fn run(&self) -> Outcome {
        let database = self.database.open(Access::Read)?;
        let dictionary = database.dictionary()?.ok_or_else(|| {
            Failure::data(format!("{} has no dictionary; give it one with: coffer embed-dict", self.database.name()))
        })?;
        let mut out = Output::create(Some(&self.output), self.force)?;
        out.write_all(&dictionary)?;
        out.finish()?;
        writeln!(std::io::stdout(), "{} bytes", dictionary.len())?;
        Ok(())
    }
}

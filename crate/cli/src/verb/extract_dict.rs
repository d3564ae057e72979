//! `coffer extract-dict`: the dictionary of a database as a file.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::failure::{Failure, Outcome};
use crate::interrupt::Hold;
use crate::open::{Access, DatabaseArgs};
use crate::output::Output;
use crate::text;

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
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

impl ExtractDict {
    pub fn run(&self) -> Outcome {
        let database = self.database.open(Access::Read)?;
        let dictionary = database.dictionary()?.ok_or_else(|| {
            Failure::data(format!("{} has no dictionary; give it one with: coffer embed-dict", self.database.name()))
        })?;
        // It takes no time, and what is half written is taken away again.
        let _hold = Hold::new();
        let mut out = Output::create(Some(&self.output), self.force)?;
        out.write_all(&dictionary)?;
        out.finish()?;
        let bytes = dictionary.len();
        text::result(self.json, &json!({ "bytes": bytes }), &format!("{bytes} bytes"))
    }
}

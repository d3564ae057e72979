//! `coffer embed-dict`: gives a database a dictionary, and compresses what it holds with it.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use coffer_sqlite::CheckpointMode;
use coffer_store::Dictionary;
use serde_json::json;

use crate::failure::{Failure, Outcome};
use crate::open::{Access, DatabaseArgs};
use crate::progress::Rewriting;
use crate::text;

/// Give a database a compression dictionary
#[derive(Args, Debug)]
pub struct EmbedDict {
    #[command(flatten)]
    database: DatabaseArgs,
    /// The dictionary, from train-dict or zstd --train.
    #[arg(value_name = "DICTIONARY", required_unless_present = "none")]
    dictionary: Option<PathBuf>,
    /// Compress without a dictionary from now on.
    #[arg(long, conflicts_with = "dictionary")]
    none: bool,
    /// Leave what is stored as it is: only new segments use the dictionary.
    #[arg(long)]
    later: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

impl EmbedDict {
    pub fn run(&self) -> Outcome {
        let dictionary = self.dictionary.as_deref().map(|file| {
            let bytes = fs::read(file).map_err(|error| Failure::file("read", file.display(), &error))?;
            // zstd takes any bytes for a dictionary, and one that was never trained makes things worse.
            let trained = bytes.starts_with(DICTIONARY_MAGIC).then(|| Dictionary::new(bytes.clone()).ok()).flatten();
            trained.ok_or_else(|| {
                Failure::data(format!("{} is not a dictionary; make one with: coffer train-dict", file.display()))
            })?;
            Ok::<_, Failure>(bytes)
        });
        let dictionary = dictionary.transpose()?;
        let database = self.database.open(Access::Write)?;
        let before = database.storage_info()?.stored_bytes;
        let progress = Rewriting::watch(&database, "embed");
        database.embed_dictionary(dictionary.as_deref())?;
        if !self.later {
            database.checkpoint(CheckpointMode::Truncate)?;
            database.compact()?;
        }
        let after = database.storage_info()?.stored_bytes;
        database.close()?;
        drop(progress);
        let document = json!({ "bytes_before": before, "bytes_after": after });
        text::result(self.json, &document, &format!("{before} -> {after} bytes"))
    }
}

/// How a trained zstd dictionary begins.
pub const DICTIONARY_MAGIC: &[u8] = &[0x37, 0xa4, 0x30, 0xec];

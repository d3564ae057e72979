//! `coffer checkpoint`: folds the log into a segment.

use clap::{Args, ValueEnum};
use coffer_sqlite::CheckpointMode;
use serde_json::json;

use crate::failure::Outcome;
use crate::open::{Access, DatabaseArgs};
use crate::progress::Rewriting;
use crate::text;

/// Fold the log into a sealed segment
#[derive(Args, Debug)]
pub struct Checkpoint {
    #[command(flatten)]
    database: DatabaseArgs,
    /// What to leave of the log.
    #[arg(long, value_enum, default_value = "full")]
    mode: Mode,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Mode {
    /// Fold what nobody is using.
    Passive,
    /// Fold everything.
    Full,
    /// Fold everything and begin the log anew.
    Restart,
    /// Fold everything and give back the log's space.
    Truncate,
}

impl Checkpoint {
    pub fn run(&self) -> Outcome {
        let database = self.database.open(Access::Write)?;
        let progress = Rewriting::watch(&database, "checkpoint");
        database.checkpoint(match self.mode {
            Mode::Passive => CheckpointMode::Passive,
            Mode::Full => CheckpointMode::Full,
            Mode::Restart => CheckpointMode::Restart,
            Mode::Truncate => CheckpointMode::Truncate,
        })?;
        let info = database.storage_info()?;
        database.close()?;
        drop(progress);
        let document = json!({
            "last_checkpoint": info.last_checkpoint,
            "wal_size": info.wal_size,
            "segments": info.segments,
            "stored_bytes": info.stored_bytes,
        });
        text::result(self.json, &document, "")
    }
}

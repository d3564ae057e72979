//! `coffer backup`: everything in one file, or what came after a commit.

use std::path::PathBuf;

use clap::Args;
use coffer_store::CommitId;
use serde_json::json;

use crate::failure::Outcome;
use crate::open::DatabaseArgs;
use crate::text;
use crate::verb::export::single;

/// Write a backup: one file, encrypted as the database is
///
/// A full backup is a single-file database: query, info and verify open it. With --since it holds only what came after that
/// commit, and restore wants it after the backup that has that commit.
#[derive(Args, Debug)]
pub struct Backup {
    #[command(flatten)]
    database: DatabaseArgs,
    /// The file to write.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Only what came after this commit, which an earlier backup has.
    #[arg(long, value_name = "COMMIT")]
    since: Option<u64>,
    /// Replace the file if it exists.
    #[arg(long)]
    force: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

impl Backup {
    pub fn run(&self) -> Outcome {
        let (commit, bytes) = single::write(&self.database, &self.file, self.force, self.since.map(CommitId))?;
        let document = json!({ "commit": commit.0, "since": self.since, "bytes": bytes });
        text::result(self.json, &document, &format!("commit {commit}, {bytes} bytes"))
    }
}

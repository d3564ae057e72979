//! `coffer compact`: everything live in one segment, and the rest of the space given back.

use clap::Args;
use coffer_sqlite::CheckpointMode;
use coffer_store::CodecChoice;
use serde_json::json;

use crate::failure::Outcome;
use crate::open::{Access, DatabaseArgs};
use crate::progress::Rewriting;
use crate::text;
use crate::verb::init::parse_codec;

/// Rewrite everything live into one segment and give back the rest
#[derive(Args, Debug)]
pub struct Compact {
    #[command(flatten)]
    database: DatabaseArgs,
    /// Change the codec of segments on the way: none, rle, lz4, zstd:LEVEL or gzip:LEVEL.
    #[arg(long, value_name = "CODEC[:LEVEL]", value_parser = parse_codec)]
    codec: Option<CodecChoice>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

impl Compact {
    pub fn run(&self) -> Outcome {
        let database = self.database.open(Access::Write)?;
        let before = database.storage_info()?;
        let progress = Rewriting::watch(&database, "compact");
        if let Some(codec) = self.codec {
            let (hot, _) = database.with_store(|store| Ok(store.codecs()))?;
            database.set_codec(hot, codec)?;
        }
        database.checkpoint(CheckpointMode::Truncate)?;
        database.compact()?;
        let after = database.storage_info()?;
        database.close()?;
        drop(progress);
        let document = json!({
            "bytes_before": before.stored_bytes,
            "bytes_after": after.stored_bytes,
            "segments_before": before.segments,
            "segments_after": after.segments,
        });
        let (bytes, segments) = ((before.stored_bytes, after.stored_bytes), (before.segments, after.segments));
        let line = format!("{} -> {} bytes, {} -> {} segments", bytes.0, bytes.1, segments.0, segments.1);
        text::result(self.json, &document, &line)
    }
}

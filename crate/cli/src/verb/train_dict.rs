//! `coffer train-dict`: learns a zstd dictionary from a database's pages.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use coffer_store::Scratch;
use serde_json::json;

use crate::failure::{Failure, Outcome};
use crate::interrupt::Hold;
use crate::open::{Access, DatabaseArgs};
use crate::output::Output;
use crate::text;

/// Learn a compression dictionary from a database's pages
#[derive(Args, Debug)]
pub struct TrainDict {
    #[command(flatten)]
    database: DatabaseArgs,
    /// The file to write.
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Bytes of the dictionary at most.
    #[arg(long, value_name = "BYTES", default_value_t = 112_640, value_parser = clap::value_parser!(u32).range(256..=1 << 20))]
    size: u32,
    /// Replace the file if it exists.
    #[arg(long)]
    force: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Pages to learn from, for each byte of the dictionary: what zstd's authors advise.
const SAMPLE_FACTOR: u64 = 100;

impl TrainDict {
    pub fn run(&self) -> Outcome {
        let database = self.database.open(Access::Read)?;
        Output::check(&self.output, self.force)?;
        let sample_bytes = u64::from(self.size) * SAMPLE_FACTOR;
        let dictionary = database
            .with_store(|store| store.train_dictionary(self.size as usize, sample_bytes, &mut Scratch::default()))?;
        let dictionary = dictionary.ok_or_else(|| {
            let message = "holds too little to learn a dictionary from; load more data, or ask for a smaller --size";
            Failure::data(format!("{} {message}", self.database.name()))
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

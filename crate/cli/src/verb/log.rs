//! `coffer log`: the commits, newest first.

use std::io::{BufWriter, Write, stdout};

use clap::Args;
use coffer_store::{CommitId, RequestId};
use serde_json::json;

use crate::failure::Outcome;
use crate::open::{Access, DatabaseArgs};
use crate::text;

/// List commits, newest first, and say which can be read
///
/// A commit marked * can be read with query --at: the newest, those that the archive keeps, and single ones that a
/// program keeps. Of the others those are listed that the log still holds.
#[derive(Args, Debug)]
pub struct Log {
    #[command(flatten)]
    database: DatabaseArgs,
    /// List this many at most.
    #[arg(long, short = 'n', value_name = "COUNT", default_value_t = usize::MAX, hide_default_value = true)]
    count: usize,
    /// Print one JSON object per line.
    #[arg(long)]
    json: bool,
}

impl Log {
    pub fn run(&self) -> Outcome {
        let database = self.database.open(Access::Read)?;
        let (known, kept) = database.with_store(|store| Ok((store.known_commits(), store.kept_commits())))?;
        let kept: Vec<CommitId> = kept.iter().map(|info| info.commit).collect();
        let mut out = BufWriter::new(stdout());
        for info in known.iter().rev().take(self.count) {
            let readable = kept.contains(&info.commit);
            let (pages, commit) = (info.page_count, info.commit.0);
            let request = (info.request != RequestId::NONE).then(|| info.request.to_string());
            if self.json {
                let time_ms = Some(info.time_ms).filter(|ms| *ms > 0);
                let document = json!({ "commit": commit, "time_ms": time_ms, "pages": pages.0, "readable": readable, "request": request });
                writeln!(out, "{document}")?;
            } else {
                let mark = if readable { '*' } else { ' ' };
                let line = format!("{commit:>8} {mark} {:20} {pages:>8} pages", text::time(info.time_ms));
                writeln!(out, "{line}{}", request.map(|request| format!("  {request}")).unwrap_or_default())?;
            }
        }
        Ok(out.flush()?)
    }
}

//! `coffer info`: what a database or a backup is and holds.

use std::io::{BufWriter, Write, stdout};

use clap::Args;
use coffer_store::FORMAT_VERSION;

use crate::failure::Outcome;
use crate::open::{Access, DatabaseArgs};
use crate::schema::tables;
use crate::text::{self, Fact};
use crate::value;

/// Show what a database is and what it takes
#[derive(Args, Debug)]
pub struct Info {
    #[command(flatten)]
    database: DatabaseArgs,
    /// Count the rows of all tables as well, which reads them.
    #[arg(long)]
    rows: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

impl Info {
    pub fn run(&self) -> Outcome {
        let database = self.database.open(Access::Read)?;
        let connection = database.connect()?;
        let mut facts: Vec<(&str, Fact)> = vec![
            ("path", self.database.name().into()),
            ("format_version", u64::from(FORMAT_VERSION).into()),
            ("sqlite_version", coffer_sqlite::rusqlite::version().to_owned().into()),
        ];
        let (id, chain, kept, slots) = database.with_store(|store| {
            Ok((store.database(), store.head_chain(), store.kept_commits(), store.key_slots().len()))
        })?;
        facts.push(("database_id", id.to_string().into()));
        facts.push(("chain", value::hex(&chain.0).into()));
        facts.push(("last_commit_time", Fact::Time(kept.last().map_or(0, |info| info.time_ms))));
        facts.push(("kept_commits", (kept.len() as u64).into()));
        facts.push(("key_slots", (slots as u64).into()));
        let tables = tables(&connection)?;
        facts.push(("tables", (tables.len() as u64).into()));
        if self.rows {
            let mut rows = 0_u64;
            for table in &tables {
                let sql = format!("select count(*) from {}", value::name(table));
                let count: i64 = connection.query_row(&sql, [], |row| row.get(0))?;
                rows += u64::try_from(count).unwrap_or(0);
            }
            facts.push(("rows", rows.into()));
        }
        facts.extend(database.storage_info()?.figures().into_iter().map(|(name, figure)| (name, Fact::Figure(figure))));
        let mut out = BufWriter::new(stdout());
        text::facts(&mut out, &facts, self.json)?;
        Ok(out.flush()?)
    }
}

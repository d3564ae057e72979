//! `coffer info`: what a database or a backup is and holds.

use std::io::{BufWriter, Write, stdout};

use clap::Args;
use coffer_sqlite::Figure;
use coffer_store::FORMAT_VERSION;

use crate::failure::Outcome;
use crate::open::{Access, DatabaseArgs};
use crate::schema::tables;
use crate::text;
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
        let mut figures: Vec<(&str, Figure)> = vec![
            ("path", Figure::Text(self.database.name())),
            ("format_version", Figure::Integer(u64::from(FORMAT_VERSION))),
            ("sqlite_version", Figure::Text(coffer_sqlite::rusqlite::version().to_owned())),
        ];
        let (id, chain, kept, slots) = database.with_store(|store| {
            Ok((store.database(), store.head_chain(), store.kept_commits(), store.key_slots().len()))
        })?;
        figures.push(("database_id", Figure::Text(id.to_string())));
        figures.push(("chain", Figure::Text(value::hex(&chain.0))));
        let newest = kept.last();
        figures.push(("last_commit_time", Figure::Text(text::time(newest.map_or(0, |info| info.time_ms)))));
        figures.push(("kept_commits", Figure::Integer(kept.len() as u64)));
        figures.push(("key_slots", Figure::Integer(slots as u64)));
        let tables = tables(&connection)?;
        figures.push(("tables", Figure::Integer(tables.len() as u64)));
        if self.rows {
            let mut rows = 0_u64;
            for table in &tables {
                let sql = format!("select count(*) from {}", value::name(table));
                let count: i64 = connection.query_row(&sql, [], |row| row.get(0))?;
                rows += u64::try_from(count).unwrap_or(0);
            }
            figures.push(("rows", Figure::Integer(rows)));
        }
        figures.extend(database.storage_info()?.figures());
        let mut out = BufWriter::new(stdout());
        text::figures(&mut out, &figures, self.json)?;
        Ok(out.flush()?)
    }
}

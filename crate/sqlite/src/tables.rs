//! `memory_stats` and `storage_info` as tables: `select * from storage_info`.
//!
//! One row, one column for each figure. There is nothing to create, and nothing is stored.

use coffer_store::Error;
use rusqlite::types::Value;

use crate::ffi::{OneRow, add_table};
use crate::figures::{Figure, MemoryStats, StorageInfo};
use crate::registry::{self, Host};

type Figures = Vec<(&'static str, Figure)>;

/// Makes the tables known to a connection on the database of this name.
pub(crate) fn install(connection: &rusqlite::Connection, database: &str) -> rusqlite::Result<()> {
    add(connection, "memory_stats", database, &MemoryStats::NAMES, |host| Ok(host.memory_stats()?.figures()))?;
    add(connection, "storage_info", database, &StorageInfo::NAMES, |host| Ok(host.storage_info()?.figures()))
}

fn add(
    connection: &rusqlite::Connection,
    table: &str,
    database: &str,
    names: &'static [&'static str],
    ask: fn(&dyn Host) -> Result<Figures, Error>,
) -> rusqlite::Result<()> {
    // By name: the connection must not keep the database alive, nor is a database of the browser's `Send`.
    let database = database.to_owned();
    let ask = move || {
        let host = registry::find_host(&database);
        let host = host.ok_or_else(|| rusqlite::Error::ModuleError(format!("{database} is closed")))?;
        let figures = ask(host.as_ref()).map_err(|error| rusqlite::Error::ModuleError(error.to_string()))?;
        Ok(figures.into_iter().map(|(_, figure)| value(figure)).collect())
    };
    add_table(connection, table, OneRow { names, ask: Box::new(ask) })
}

fn value(figure: Figure) -> Value {
    match figure {
        Figure::Integer(value) => Value::Integer(i64::try_from(value).unwrap_or(i64::MAX)),
        Figure::Real(value) => Value::Real(value),
        Figure::Text(value) => Value::Text(value),
    }
}

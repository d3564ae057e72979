//! The pragmas that answer with rows: `pragma storage_info` and the like, and the same as tables: `select * from storage_info`.
//!
//! SQLite lets a file system answer a pragma with one text, and with no rows or columns. So each of these is a table that needs no
//! `create`, and a statement that asks for the pragma is prepared as a `select` from it ([`prepared_as`]). On the bare
//! [`rusqlite::Connection`] below a [`crate::Connection`], which is prepared by SQLite alone, the answer is one JSON text.
//!
//! I1  What is read is made when a statement begins, so a cursor sees one moment.

use std::borrow::Cow;

use coffer_store::Error;
use rusqlite::types::Value;

use crate::admin;
use crate::ffi::{Answer, Source, add_table};
use crate::figures::{Figure, MemoryStats, StorageInfo};
use crate::registry::{self, Host};

/// One of them.
struct RowSet {
    name: &'static str,
    columns: &'static [&'static str],
    /// What it takes, if it takes something.
    argument: Option<&'static str>,
    rows: fn(&dyn Host, Option<&Value>) -> Result<Answer, Error>,
}

const ALL: [RowSet; 5] = [
    RowSet {
        name: "memory_stats",
        columns: &MemoryStats::NAMES,
        argument: None,
        rows: |host, _| Ok(vec![values(host.memory_stats()?.figures())]),
    },
    RowSet {
        name: "storage_info",
        columns: &StorageInfo::NAMES,
        argument: None,
        rows: |host, _| Ok(vec![values(host.storage_info()?.figures())]),
    },
    RowSet {
        name: "key_slots",
        columns: &["slot", "kind"],
        argument: None,
        rows: |host, _| {
            let slots = host.key_slots()?.into_iter();
            Ok(slots.map(|(slot, kind)| vec![slot.into(), Value::Text(kind.to_owned())]).collect())
        },
    },
    RowSet {
        name: "page_history",
        columns: &["commit_id", "time_ms"],
        argument: Some("page"),
        rows: |host, page| {
            // Where SQLite's own take a name that is nowhere, they answer no rows.
            let page = match page {
                Some(Value::Integer(page)) => u32::try_from(*page).ok(),
                Some(Value::Text(page)) => page.parse().ok(),
                _ => None,
            };
            let versions = host.page_history(page.unwrap_or(0))?.into_iter();
            Ok(versions.map(|(commit, time_ms)| vec![number(commit.0), number(time_ms)]).collect())
        },
    },
    RowSet {
        name: "compaction",
        columns: &["compaction", "segments", "stored_bytes", "dead_bytes", "write_amplification"],
        argument: None,
        rows: |host, _| {
            let info = host.storage_info()?;
            Ok(vec![vec![
                Value::Integer(i64::from(host.settings().compaction)),
                number(info.segments),
                number(info.stored_bytes),
                number(info.dead_bytes),
                Value::Real(info.write_amplification),
            ]])
        },
    },
];

/// Before a table's name, as SQLite has it: a table of the user's may have the bare name.
const PREFIX: &str = "pragma_";

/// Makes the tables known to a connection.
pub(crate) fn install(connection: &rusqlite::Connection) -> rusqlite::Result<()> {
    for set in ALL {
        for prefix in ["", PREFIX] {
            // By name: the connection must not keep the database alive, nor is a database of the browser's `Send`.
            let rows = set.rows;
            let ask = move |database: &str, argument: Option<&Value>| {
                let host = registry::find_host(database);
                let host = host
                    .ok_or_else(|| rusqlite::Error::ModuleError(format!("'{database}' is no open Coffer database")))?;
                rows(host.as_ref(), argument).map_err(|error| rusqlite::Error::ModuleError(error.to_string()))
            };
            let source = Source { columns: set.columns, argument: set.argument, ask: Box::new(ask) };
            add_table(connection, &format!("{prefix}{}", set.name), source)?;
        }
    }
    Ok(())
}

/// What SQLite is to prepare for a statement: a `select` for a pragma that answers with rows, and anything else as it is.
pub(crate) fn prepared_as(sql: &str) -> Cow<'_, str> {
    if !admin::may_begin_with(sql, "pragma") {
        return sql.into();
    }
    select(sql).map_or(sql.into(), Cow::Owned)
}

fn select(sql: &str) -> Option<String> {
    let words = admin::words(sql);
    let words: Vec<&str> = words.iter().map(|(word, _)| word.as_str()).collect();
    let (schema, rest) = match words.get(1..)? {
        [schema, ".", rest @ ..] => (Some(*schema), rest),
        rest => (None, rest),
    };
    let (name, rest) = rest.split_first()?;
    let set = ALL.into_iter().find(|set| name.eq_ignore_ascii_case(set.name))?;
    let argument = match rest {
        [] => None,
        ["(", argument, ")"] | ["=", argument] => Some(*argument),
        _ => return None,
    };
    // With an argument that it does not take, it is a setting, or wrong.
    if argument.is_some() != set.argument.is_some() {
        return None;
    }
    let mut given: Vec<String> = argument.into_iter().chain(schema).map(quoted).collect();
    if set.argument.is_some() && argument.is_none() {
        given.insert(0, "null".to_owned());
    }
    Some(format!("select * from {PREFIX}{}({})", set.name, given.join(",")))
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn values(figures: Vec<(&'static str, Figure)>) -> Vec<Value> {
    figures.into_iter().map(|(_, figure)| value(figure)).collect()
}

fn value(figure: Figure) -> Value {
    match figure {
        Figure::Integer(value) => number(value),
        Figure::Real(value) => Value::Real(value),
        Figure::Text(value) => Value::Text(value),
    }
}

fn number(value: u64) -> Value {
    Value::Integer(i64::try_from(value).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pragmas_with_rows_become_selects() {
        for (sql, becomes) in [
            ("pragma storage_info", "select * from pragma_storage_info()"),
            (" /* how full */ PRAGMA Main.Storage_Info ;", "select * from pragma_storage_info('Main')"),
            ("pragma page_history(7)", "select * from pragma_page_history('7')"),
            ("pragma \"it's\".page_history = 7", "select * from pragma_page_history('7','it''s')"),
            ("pragma compaction", "select * from pragma_compaction()"),
        ] {
            assert_eq!(prepared_as(sql), becomes);
        }
    }

    #[test]
    fn anything_else_stays_as_it_is() {
        for sql in [
            "pragma compaction = off",
            "pragma compaction(off)",
            "pragma page_history",
            "pragma storage_info(1)",
            "pragma table_info(storage_info)",
            "pragma foreign_keys = on",
            "select 'pragma storage_info'",
            "pragma",
            "",
        ] {
            assert!(matches!(prepared_as(sql), Cow::Borrowed(same) if same == sql), "{sql}");
        }
    }
}

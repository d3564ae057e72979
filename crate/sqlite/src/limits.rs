//! Row limits (`max_rows`), kept by temporary triggers: SQLite itself then refuses the row, inside the statement that would
//! add it, with a constraint error that names the table.
//!
//! The triggers belong to the connection and are never stored, so a limit does not follow the data to plain SQLite. They are
//! made anew when a limit or the schema has changed.
//!
//! I1  A limit counts rows after the statement's own replacements, so `insert or replace` of a row works in a full table.

use std::cell::Cell;
use std::sync::Arc;

use rusqlite::Connection;

use crate::error::Result;
use crate::registry::Host;

/// For which limits and which schema the connection's triggers were made.
#[derive(Default)]
pub(crate) struct RowLimits {
    made_for: Cell<(u64, i64)>,
}

impl RowLimits {
    /// Brings the triggers up to date. Costs one load when no limit was ever set.
    pub fn keep(&self, connection: &Connection, host: &Arc<dyn Host>) -> Result<()> {
        let version = host.limits_version();
        if version == 0 || connection.is_readonly("main")? {
            return Ok(());
        }
        let schema: i64 = connection.query_row("pragma main.schema_version", [], |row| row.get(0))?;
        if self.made_for.get() == (version, schema) {
            return Ok(());
        }
        make(connection, host)?;
        self.made_for.set((version, schema));
        Ok(())
    }
}

fn make(connection: &Connection, host: &Arc<dyn Host>) -> Result<()> {
    let settings = host.settings();
    let names = |sql: &str| -> rusqlite::Result<Vec<String>> {
        connection.prepare(sql)?.query_map([], |row| row.get(0))?.collect()
    };
    let mut script = Vec::new();
    for trigger in
        names("select name from temp.sqlite_schema where type = 'trigger' and name glob 'coffer_max_rows *'")?
    {
        script.push(format!("drop trigger temp.{};", quoted(&trigger, '"')));
    }
    // Virtual tables and what lies beneath them take no triggers; their rows belong to other tables or to the module.
    let tables = names(
        "select name from pragma_table_list where schema = 'main' and type = 'table' and name not glob 'sqlite_*'",
    )?;
    for table in tables {
        let Some(rows) = settings.max_rows_of.get(&table).copied().unwrap_or(settings.max_rows) else { continue };
        let full = format!("max_rows: table {table} is full: it may hold {rows} rows");
        script.push(format!(
            "create temp trigger {} after insert on main.{table}
             when (select count(*) from main.{table}) > {rows} begin select raise(abort, {}); end;",
            quoted(&format!("coffer_max_rows {table}"), '"'),
            quoted(&full, '\''),
            table = quoted(&table, '"'),
        ));
    }
    connection.execute_batch(&script.concat())?;
    Ok(())
}

/// A name or text as SQL writes it.
fn quoted(text: &str, quote: char) -> String {
    format!("{quote}{}{quote}", text.replace(quote, &format!("{quote}{quote}")))
}

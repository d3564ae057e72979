//! A database as the SQL that makes it again, in the manner of SQLite's own shell: tables with their rows, then what needs
//! the rows to be there. Virtual tables are put into the schema as they are, since what lies beneath them is dumped as well.

use std::io::Write;

use coffer_sqlite::Connection;
use coffer_sqlite::rusqlite::types::ValueRef;

use crate::failure::{Failure, Outcome};
use crate::value::{self, quoted};

/// Writes everything, or some tables with what belongs to them.
pub fn write(
    connection: &Connection,
    only: &[String],
    out: &mut impl Write,
    tick: &mut dyn FnMut(u64) -> Outcome,
) -> Outcome {
    let wanted = |table: &str| only.is_empty() || only.iter().any(|name| name.eq_ignore_ascii_case(table));
    let objects = connection.query_all(OBJECTS, [], |row| {
        Ok(Object { kind: row.get(0)?, name: row.get(1)?, table: row.get(2)?, sql: row.get(3)? })
    })?;
    let objects: Vec<Object> = objects.into_iter().filter(|object| wanted(&object.table)).collect();
    writeln!(out, "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;")?;
    let mut schema_writable = false;
    for object in objects.iter().filter(|object| object.kind == "table") {
        if object.is_virtual() {
            if !schema_writable {
                writeln!(out, "PRAGMA writable_schema=ON;")?;
                schema_writable = true;
            }
            let (name, sql) = (quoted(&object.name, '\''), quoted(&object.sql, '\''));
            writeln!(
                out,
                "INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql)VALUES('table',{name},{name},0,{sql});"
            )?;
            continue;
        }
        match object.name.as_str() {
            "sqlite_sequence" => writeln!(out, "DELETE FROM sqlite_sequence;")?,
            name if name.starts_with("sqlite_stat") => writeln!(out, "ANALYZE sqlite_schema;")?,
            _ => writeln!(out, "{};", object.sql)?,
        }
        rows(connection, &object.name, out, tick)?;
    }
    for object in objects.iter().filter(|object| object.kind != "table") {
        writeln!(out, "{};", object.sql)?;
    }
    if schema_writable {
        writeln!(out, "PRAGMA writable_schema=OFF;")?;
    }
    writeln!(out, "COMMIT;")?;
    Ok(())
}

struct Object {
    kind: String,
    name: String,
    table: String,
    sql: String,
}

impl Object {
    fn is_virtual(&self) -> bool {
        self.sql.get(..14).is_some_and(|start| start.eq_ignore_ascii_case("create virtual"))
    }
}

/// Tables in the order they were made, those of SQLite's own after them; then indexes, triggers and views.
const OBJECTS: &str = "select type, name, tbl_name, sql from sqlite_schema where sql is not null
    and (name not like 'sqlite~_%' escape '~' or name = 'sqlite_sequence' or name like 'sqlite~_stat_' escape '~')
    order by case type when 'table' then 0 when 'index' then 1 when 'view' then 2 else 3 end,
    name like 'sqlite~_%' escape '~', rowid";

fn rows(connection: &Connection, table: &str, out: &mut impl Write, tick: &mut dyn FnMut(u64) -> Outcome) -> Outcome {
    // Generated columns are left out: they cannot be written to.
    let columns = "select name from pragma_table_xinfo(?1) where hidden in (0, 1)";
    let columns: Vec<String> = connection.query_all(columns, [table], |row| row.get(0))?;
    let hidden = "select count(*) from pragma_table_xinfo(?1) where hidden > 1";
    let hidden: i64 = connection.query_row(hidden, [table], |row| row.get(0))?;
    let names = columns.iter().map(|name| value::name(name)).collect::<Vec<_>>().join(",");
    let table = value::name(table);
    let sql = format!("select {names} from {table}");
    let complain = |error| Failure::from(connection.error(error, &sql));
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.raw_query();
    let listed = if hidden > 0 { format!("({names})") } else { String::new() };
    while let Some(row) = rows.next().map_err(complain)? {
        let values: Result<Vec<String>, _> =
            (0..columns.len()).map(|index| row.get_ref(index).map(|value: ValueRef<'_>| value::sql(value))).collect();
        writeln!(out, "INSERT INTO {table}{listed} VALUES({});", values.map_err(complain)?.join(","))?;
        tick(1)?;
    }
    Ok(())
}

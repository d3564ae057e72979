//! Tables as JSON.

use std::io::Write;

use coffer_sqlite::Connection;
use coffer_sqlite::rusqlite::types::ValueRef;

use crate::failure::{Failure, Outcome};
use crate::rows::object;
use crate::value;

/// How rows stand together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `[{...}, {...}]`.
    Rows,
    /// `{"t": [{...}, {...}], "u": []}`.
    Tables,
    /// `{...}` on each line.
    Lines,
    /// `{"table": "t", "row": {...}}` on each line.
    NamedLines,
}

pub fn write(
    connection: &Connection,
    tables: &[String],
    layout: Layout,
    out: &mut impl Write,
    tick: &mut dyn FnMut(u64) -> Outcome,
) -> Outcome {
    let mut line = String::new();
    if layout == Layout::Tables {
        out.write_all(b"{")?;
    }
    for (index, table) in tables.iter().enumerate() {
        let mut name = String::new();
        value::json_text(table, &mut name);
        if layout == Layout::Tables {
            write!(out, "{}{name}:", if index == 0 { "\n" } else { ",\n" })?;
        }
        if matches!(layout, Layout::Rows | Layout::Tables) {
            out.write_all(b"[")?;
        }
        let sql = format!("select * from {}", value::name(table));
        let complain = |error| Failure::from(connection.error(error, &sql));
        let mut statement = connection.prepare(&sql)?;
        let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let mut rows = statement.raw_query();
        let mut count = 0_u64;
        while let Some(row) = rows.next().map_err(complain)? {
            let values: Result<Vec<ValueRef<'_>>, _> = (0..columns.len()).map(|index| row.get_ref(index)).collect();
            let values = values.map_err(complain)?;
            line.clear();
            match layout {
                Layout::Rows | Layout::Tables => {
                    line.push_str(if count == 0 { "\n" } else { ",\n" });
                    object(&columns, &values, &mut line);
                }
                Layout::Lines => {
                    object(&columns, &values, &mut line);
                    line.push('\n');
                }
                Layout::NamedLines => {
                    line.push_str("{\"table\":");
                    line.push_str(&name);
                    line.push_str(",\"row\":");
                    object(&columns, &values, &mut line);
                    line.push_str("}\n");
                }
            }
            out.write_all(line.as_bytes())?;
            count += 1;
            tick(1)?;
        }
        match layout {
            Layout::Rows => out.write_all(b"\n]\n")?,
            Layout::Tables => out.write_all(if count == 0 { b"]" } else { b"\n]" })?,
            Layout::Lines | Layout::NamedLines => {}
        }
    }
    if layout == Layout::Tables {
        out.write_all(b"\n}\n")?;
    }
    Ok(())
}

//! The tables that rows go to: looked up or made, with one prepared insert each.
//!
//! Rows for a table that is not there wait until there are enough of them to tell the columns' types.

use std::collections::BTreeMap;
use std::sync::Arc;

use coffer_sqlite::Connection;
use coffer_sqlite::rusqlite::params_from_iter;
use coffer_sqlite::rusqlite::types::Value;

use super::{Conflict, Place, Record};
use crate::failure::{Failure, Outcome};
use crate::value::{self, parse_blob_literal};

pub struct Target<'a> {
    connection: &'a Connection,
    /// The table of rows that do not name one.
    table: Option<&'a str>,
    conflict: Conflict,
    /// Fields are text and become what the column holds.
    untyped: bool,
    tables: BTreeMap<String, Table>,
    rows: u64,
}

struct Table {
    columns: Vec<Column>,
    /// Rows that wait for the table to be made.
    waiting: Option<Vec<Record>>,
    /// The insert for the columns of the row before.
    insert: Option<(Option<Arc<[String]>>, String)>,
}

struct Column {
    name: String,
    blob: bool,
}

/// Rows from which the types of a new table's columns are told.
const SAMPLE_ROWS: usize = 1000;

impl<'a> Target<'a> {
    pub fn new(connection: &'a Connection, table: Option<&'a str>, conflict: Conflict, untyped: bool) -> Self {
        Self { connection, table, conflict, untyped, tables: BTreeMap::new(), rows: 0 }
    }

    /// Inserts a row, or keeps it until its table is made.
    pub fn take(&mut self, record: Record) -> Outcome {
        let name = match self.table.or(record.table.as_deref()) {
            Some(name) => name.to_owned(),
            None => return Err(Failure::usage("the rows do not name their table; say --table TABLE")),
        };
        if !self.tables.contains_key(&name) {
            let columns = columns(self.connection, &name)?;
            let waiting = columns.is_empty().then(Vec::new);
            self.tables.insert(name.clone(), Table { columns, waiting, insert: None });
        }
        let Some(table) = self.tables.get_mut(&name) else { return Ok(()) };
        if let Some(waiting) = &mut table.waiting {
            waiting.push(record);
            if waiting.len() >= SAMPLE_ROWS {
                self.make(&name)?;
            }
            return Ok(());
        }
        self.insert(&name, record)
    }

    /// Makes what waits. Gives how many rows were inserted.
    pub fn finish(mut self) -> Outcome<u64> {
        let waiting: Vec<String> =
            self.tables.iter().filter(|(_, table)| table.waiting.is_some()).map(|(name, _)| name.clone()).collect();
        for name in waiting {
            self.make(&name)?;
        }
        Ok(self.rows)
    }

    fn make(&mut self, name: &str) -> Outcome {
        let Some(table) = self.tables.get_mut(name) else { return Ok(()) };
        let waiting = table.waiting.take().unwrap_or_default();
        let mut types: Vec<(String, Type)> = Vec::new();
        for record in &waiting {
            let names: Vec<String> = match &record.columns {
                Some(names) => names.to_vec(),
                None => (1..=record.values.len()).map(|number| format!("c{number}")).collect(),
            };
            for (name, value) in names.into_iter().zip(&record.values) {
                let seen = Type::of(value, self.untyped);
                match types.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(&name)) {
                    Some((_, known)) => *known = known.with(seen),
                    None => types.push((name, seen)),
                }
            }
        }
        let list = types
            .iter()
            .map(|(name, kind)| format!("{}{}", value::name(name), kind.declared(self.untyped)))
            .collect::<Vec<_>>();
        self.connection.execute_batch(&format!("create table {}({})", value::name(name), list.join(", ")))?;
        table.columns = columns(self.connection, name)?;
        waiting.into_iter().try_for_each(|record| self.insert(name, record))
    }

    fn insert(&mut self, name: &str, record: Record) -> Outcome {
        let Some(table) = self.tables.get_mut(name) else { return Ok(()) };
        let place = record.place;
        let known = table.insert.as_ref().is_some_and(|(columns, _)| same(columns.as_ref(), record.columns.as_ref()));
        if !known {
            let sql =
                insert_sql(name, &table.columns, record.columns.as_deref(), record.values.len(), self.conflict, place)?;
            table.insert = Some((record.columns.clone(), sql));
        }
        let Some((_, sql)) = &table.insert else { return Ok(()) };
        if record.columns.is_none() && record.values.len() != table.columns.len() {
            let (given, wanted) = (record.values.len(), table.columns.len());
            return Err(Failure::data(format!("{place} has {given} values, but {name} has {wanted} columns")));
        }
        let mut values = record.values;
        if self.untyped {
            for (index, value) in values.iter_mut().enumerate() {
                let column = match &record.columns {
                    Some(names) => names
                        .get(index)
                        .and_then(|name| table.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name))),
                    None => table.columns.get(index),
                };
                if let (Value::Text(text), true) = (&*value, column.is_some_and(|column| column.blob))
                    && let Some(bytes) = parse_blob_literal(text)
                {
                    *value = Value::Blob(bytes);
                }
            }
        }
        let mut statement = self.connection.prepare_cached(sql)?;
        let inserted = statement.execute(params_from_iter(values)).map_err(|error| {
            let failure = Failure::from(self.connection.error(error, ""));
            Failure { message: format!("{place}: {}", failure.message), ..failure }
        })?;
        self.rows += inserted as u64;
        Ok(())
    }
}

/// The columns that can be written to; none if there is no such table.
fn columns(connection: &Connection, table: &str) -> Outcome<Vec<Column>> {
    let sql = "select name, type from pragma_table_xinfo(?1) where hidden in (0, 1) order by cid";
    Ok(connection.query_all(sql, [table], |row| {
        let kind: String = row.get(1)?;
        Ok(Column { name: row.get(0)?, blob: kind.to_ascii_uppercase().contains("BLOB") })
    })?)
}

fn same(one: Option<&Arc<[String]>>, other: Option<&Arc<[String]>>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => Arc::ptr_eq(one, other) || one == other,
        _ => false,
    }
}

fn insert_sql(
    table: &str,
    known: &[Column],
    columns: Option<&[String]>,
    count: usize,
    conflict: Conflict,
    place: Place,
) -> Outcome<String> {
    let verb = match conflict {
        Conflict::Abort => "insert",
        Conflict::Ignore => "insert or ignore",
        Conflict::Replace => "insert or replace",
    };
    let shown = value::name(table);
    let places = vec!["?"; count].join(",");
    let Some(columns) = columns else { return Ok(format!("{verb} into {shown} values({places})")) };
    if let Some(stranger) =
        columns.iter().find(|name| !known.iter().any(|column| column.name.eq_ignore_ascii_case(name)))
    {
        let names = known.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ");
        return Err(Failure::data(format!("{place}: {table} has no column {stranger}; it has: {names}")));
    }
    if columns.is_empty() {
        return Ok(format!("{verb} into {shown} default values"));
    }
    let names = columns.iter().map(|name| value::name(name)).collect::<Vec<_>>().join(",");
    Ok(format!("{verb} into {shown}({names}) values({places})"))
}

/// What a new column is declared as: the narrowest type that changes no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    /// Only NULLs so far.
    Unknown,
    Integer,
    Real,
    /// Integers and reals.
    Number,
    Text,
    Blob,
    /// Different ones.
    Any,
}

impl Type {
    fn of(value: &Value, untyped: bool) -> Self {
        match value {
            Value::Null => Self::Unknown,
            Value::Integer(_) => Self::Integer,
            Value::Real(_) => Self::Real,
            Value::Blob(_) => Self::Blob,
            Value::Text(text) if untyped => Self::of_field(text),
            Value::Text(_) => Self::Text,
        }
    }

    /// A field is a number only if it is written as SQLite would write that number: 007 is not.
    fn of_field(text: &str) -> Self {
        if text.parse::<i64>().is_ok_and(|number| number.to_string() == text) {
            return Self::Integer;
        }
        if text.parse::<f64>().is_ok_and(|number| number.is_finite() && format!("{number:?}") == text) {
            return Self::Real;
        }
        if parse_blob_literal(text).is_some() { Self::Blob } else { Self::Text }
    }

    fn with(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unknown, kind) | (kind, Self::Unknown) => kind,
            (one, other) if one == other => one,
            (Self::Integer | Self::Real | Self::Number, Self::Integer | Self::Real | Self::Number) => Self::Number,
            _ => Self::Any,
        }
    }

    /// A column without a type keeps whatever it is given as it is, which is what a mixture needs. Fields that are text would
    /// stay text in it, so numbers get a type that makes them numbers.
    fn declared(self, untyped: bool) -> &'static str {
        match self {
            Self::Number if untyped => " NUMERIC",
            Self::Unknown | Self::Any | Self::Number => "",
            Self::Integer => " INTEGER",
            Self::Real => " REAL",
            Self::Text => " TEXT",
            Self::Blob => " BLOB",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_the_narrowest_that_changes_nothing() {
        let of = |fields: &[&str]| fields.iter().map(|text| Type::of_field(text)).fold(Type::Unknown, Type::with);
        assert_eq!(of(&["1", "-20"]), Type::Integer);
        assert_eq!(of(&["1.5", "2.0"]), Type::Real);
        assert_eq!(of(&["1", "2.5"]), Type::Number);
        assert_eq!(of(&["1", "x"]), Type::Any);
        assert_eq!(of(&["007"]), Type::Text);
        assert_eq!(of(&["1.50"]), Type::Text);
        assert_eq!(of(&["x'00'"]), Type::Blob);
        assert_eq!(of(&[]), Type::Unknown);
    }
}

//! Rows from JSON: objects, whose members are columns, or arrays, whose elements are in the table's order.
//!
//! A document is one array of rows, or an object with an array for each table. It is read row by row: only one row is ever
//! in memory.

use std::fmt;
use std::io::{self, BufRead, Read};
use std::sync::Arc;

use coffer_sqlite::rusqlite::types::Value;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Value as Json;

use super::{Place, Record, Sink};
use crate::failure::{Exit, Failure, Outcome};
use crate::value::{BLOB_MEMBER, parse_hex};

/// One row on each line, or a table's name with a row.
pub fn read_lines(mut input: impl BufRead, sink: &mut Sink<'_>) -> Outcome {
    let mut text = String::new();
    for line in 1.. {
        text.clear();
        let read = input.read_line(&mut text).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => {
                Failure::data(format!("line {line}: not UTF-8; convert the file with iconv and load it again"))
            }
            _ => Failure::file("read", "on", &error),
        })?;
        if read == 0 {
            break;
        }
        if text.trim().is_empty() {
            continue;
        }
        let json: Json = serde_json::from_str(&text).map_err(|error| bad(line, &error))?;
        let (table, row) = named(json);
        sink(record(table, row, Place::Line(line))?)?;
    }
    Ok(())
}

/// `{"table": "t", "row": {...}}` names its table; anything else is a row.
fn named(json: Json) -> (Option<String>, Json) {
    match json {
        Json::Object(mut members)
            if members.len() == 2
                && members.get("table").is_some_and(Json::is_string)
                && members.get("row").is_some_and(|row| row.is_object() || row.is_array()) =>
        {
            let row = members.remove("row").unwrap_or_default();
            let table = members.remove("table").and_then(|table| table.as_str().map(str::to_owned));
            (table, row)
        }
        row => (None, row),
    }
}

/// One array of rows, or an object with an array for each table.
pub fn read_document(input: impl Read, sink: &mut Sink<'_>) -> Outcome {
    let mut state = State { sink, failure: None, rows: 0 };
    let mut deserializer = serde_json::Deserializer::from_reader(input);
    let read = deserializer.deserialize_any(Document(&mut state)).and_then(|()| deserializer.end());
    match (state.failure, read) {
        (Some(failure), _) => Err(failure),
        (None, Err(error)) => Err(bad(error.line() as u64, &error)),
        (None, Ok(())) => Ok(()),
    }
}

fn bad(line: u64, error: &serde_json::Error) -> Failure {
    if error.is_io() {
        return Failure::data(format!("cannot read on: {error}"));
    }
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or_default();
    let column = if error.column() > 0 { format!(", column {}", error.column()) } else { String::new() };
    Failure::data(format!("line {line}{column}: {text}; check that it is JSON of the format that was named"))
}

struct State<'a, 'b> {
    sink: &'a mut Sink<'b>,
    /// What the sink said: the parser only knows that it is to stop.
    failure: Option<Failure>,
    rows: u64,
}

impl State<'_, '_> {
    fn take<E: serde::de::Error>(&mut self, table: Option<&str>, row: Json) -> Result<(), E> {
        self.rows += 1;
        let taken = record(table.map(str::to_owned), row, Place::Row(self.rows)).and_then(|record| (self.sink)(record));
        taken.map_err(|failure| {
            self.failure = Some(failure);
            E::custom("stopped")
        })
    }
}

struct Document<'s, 'a, 'b>(&'s mut State<'a, 'b>);

impl<'de> Visitor<'de> for Document<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of rows, or an object with an array of rows for each table")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, rows: A) -> Result<(), A::Error> {
        Rows { state: self.0, table: None }.visit_seq(rows)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut tables: A) -> Result<(), A::Error> {
        while let Some(table) = tables.next_key::<String>()? {
            tables.next_value_seed(Rows { state: self.0, table: Some(table) })?;
        }
        Ok(())
    }
}

struct Rows<'s, 'a, 'b> {
    state: &'s mut State<'a, 'b>,
    table: Option<String>,
}

impl<'de> DeserializeSeed<'de> for Rows<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Rows<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        while let Some(row) = rows.next_element::<Json>()? {
            if !row.is_object() && !row.is_array() {
                return Err(A::Error::custom("a row must be an object or an array"));
            }
            self.state.take(self.table.as_deref(), row)?;
        }
        Ok(())
    }
}

fn record(table: Option<String>, row: Json, place: Place) -> Outcome<Record> {
    match row {
        Json::Object(members) => {
            let (names, values): (Vec<String>, Vec<Value>) =
                members.into_iter().map(|(name, json)| (name, value(json))).unzip();
            Ok(Record { table, columns: Some(Arc::from(names)), values, place })
        }
        Json::Array(elements) => {
            Ok(Record { table, columns: None, values: elements.into_iter().map(value).collect(), place })
        }
        _ => Err(Failure::new(Exit::Data, format!("{place}: a row must be an object or an array"))),
    }
}

/// A value of JSON as one of SQL: `true` and `false` are 1 and 0, and what has parts stays JSON.
fn value(json: Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(truth) => Value::Integer(i64::from(truth)),
        Json::String(text) => Value::Text(text),
        Json::Number(number) => {
            let digits = number.to_string();
            match (digits.parse::<i64>(), digits.parse::<f64>()) {
                (Ok(integer), _) => Value::Integer(integer),
                // An integer of more than 64 bits would lose digits as a real.
                (_, Ok(real)) if digits.contains(['.', 'e', 'E']) => Value::Real(real),
                _ => Value::Text(digits),
            }
        }
        Json::Object(members) if members.len() == 1 => match blob(&members) {
            Some(bytes) => Value::Blob(bytes),
            None => Value::Text(Json::Object(members).to_string()),
        },
        other => Value::Text(other.to_string()),
    }
}

fn blob(members: &serde_json::Map<String, Json>) -> Option<Vec<u8>> {
    parse_hex(members.get(BLOB_MEMBER)?.as_str()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Outcome<Vec<(Option<String>, Vec<Value>)>> {
        let mut rows = Vec::new();
        read_document(text.as_bytes(), &mut |record| {
            rows.push((record.table, record.values));
            Ok(())
        })?;
        Ok(rows)
    }

    #[test]
    fn values_keep_what_they_are() {
        let json = r#"[[1, 1.0, "1", true, null, 9223372036854775808, {"$blob":"00ff"}, {"a":[1]}]]"#;
        let rows = all(json).unwrap();
        assert_eq!(
            rows[0].1,
            [
                Value::Integer(1),
                Value::Real(1.0),
                Value::Text("1".to_owned()),
                Value::Integer(1),
                Value::Null,
                Value::Text("9223372036854775808".to_owned()),
                Value::Blob(vec![0, 255]),
                Value::Text("{\"a\":[1]}".to_owned()),
            ]
        );
    }

    #[test]
    fn tables_are_named_by_their_members() {
        let rows = all(r#"{"a": [[1], [2]], "b": []}"#).unwrap();
        assert_eq!(rows.iter().map(|(table, _)| table.as_deref()).collect::<Vec<_>>(), [Some("a"), Some("a")]);
    }

    #[test]
    fn what_is_not_rows_is_refused() {
        for wrong in ["", "7", "[7]", "[[1]", "{\"a\": 7}", "[[1]] x"] {
            assert!(all(wrong).is_err(), "{wrong}");
        }
    }
}

//! Running SQL: the statements of a text, one after the other, with their rows written as they come.

use std::io::Write;

use coffer_sqlite::rusqlite::types::{Value, ValueRef};
use coffer_sqlite::{Connection, statement};

use crate::failure::{Failure, Outcome};
use crate::rows::{Rows, Style};

/// A parameter by name or, without one, by position.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Without the colon, dollar or at sign before it.
    pub name: Option<String>,
    pub value: Value,
}

/// Runs every statement, the last one with or without its semicolon.
pub fn run(
    connection: &Connection,
    script: &str,
    parameters: &[Parameter],
    style: &Style,
    out: &mut impl Write,
) -> Outcome {
    let mut rest = script;
    while let Some((first, after)) = statement::first(rest) {
        run_one(connection, first, parameters, style, out)?;
        rest = after;
    }
    run_one(connection, rest, parameters, style, out).map(|_| ())
}

/// Runs one statement. Gives how many rows it returned; `None` if it is not one that returns rows.
pub fn run_one(
    connection: &Connection,
    sql: &str,
    parameters: &[Parameter],
    style: &Style,
    out: &mut impl Write,
) -> Outcome<Option<u64>> {
    if sql.contains('\0') {
        // SQLite would take it for the end, and say nothing of what comes after.
        return Err(Failure::data("the SQL has a zero byte in it; write char(0) for one"));
    }
    if statement::own(connection, sql)? {
        return Ok(None);
    }
    let complain = |error| Failure::from(connection.error(error, sql));
    let mut prepared = connection.prepare(sql)?;
    bind(&mut prepared, parameters)?;
    let columns: Vec<String> = prepared.column_names().map(str::to_owned).collect();
    let count = columns.len();
    let is_nothing = count == 0 && prepared.expanded_sql().is_none();
    let mut stepping = prepared.raw_query();
    if count == 0 {
        // White space and comments are no statement, and SQLite does not take one that is none.
        if is_nothing {
            return Ok(None);
        }
        while stepping.next().map_err(complain)?.is_some() {}
        return Ok(None);
    }
    let mut rows = Rows::new(out, style, columns)?;
    while let Some(row) = stepping.next().map_err(complain)? {
        let values: Result<Vec<ValueRef<'_>>, _> = (0..count).map(|index| row.get_ref(index)).collect();
        rows.row(&values.map_err(complain)?)?;
    }
    rows.end().map(Some)
}

/// Every parameter of the statement must have been given. What was given may belong to another statement of the script.
fn bind(prepared: &mut coffer_sqlite::rusqlite::Statement<'_>, parameters: &[Parameter]) -> Outcome {
    let mut positional = parameters.iter().filter(|parameter| parameter.name.is_none());
    for index in 1..=prepared.parameter_count() {
        let name = prepared.parameter_name(index).map(str::to_owned);
        let given = match name.as_deref().filter(|name| !name.starts_with('?')) {
            Some(name) => parameters.iter().find(|parameter| parameter.name.as_deref() == name.get(1..)),
            None => positional.next(),
        };
        let given = given.ok_or_else(|| {
            let shown = name.unwrap_or_else(|| format!("number {index}"));
            Failure::usage(format!("the statement's parameter {shown} has no value; give one with --param"))
        })?;
        prepared.raw_bind_parameter(index, &given.value)?;
    }
    Ok(())
}

/// `name=value` or `value`. What looks like a number is one; what is in quotes is text; `null` is NULL.
impl From<&str> for Parameter {
    fn from(text: &str) -> Self {
        let is_name =
            |name: &str| !name.is_empty() && name.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
        let (name, value) = match text.split_once('=') {
            Some((name, value)) if is_name(name.trim_start_matches([':', '$', '@'])) => {
                (Some(name.trim_start_matches([':', '$', '@']).to_owned()), value)
            }
            _ => (None, text),
        };
        Self { name, value: parse_value(value) }
    }
}

fn parse_value(text: &str) -> Value {
    if text.eq_ignore_ascii_case("null") {
        return Value::Null;
    }
    if let Some(inner) = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        return Value::Text(inner.replace("''", "'"));
    }
    if let Some(bytes) = crate::value::parse_blob_literal(text) {
        return Value::Blob(bytes);
    }
    if let Ok(number) = text.parse::<i64>() {
        return Value::Integer(number);
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Value::Real(number),
        _ => Value::Text(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_as_people_mean_them() {
        let parse = Parameter::from;
        let named = |name: &str, value| Parameter { name: Some(name.to_owned()), value };
        assert_eq!(parse("id=7"), named("id", Value::Integer(7)));
        assert_eq!(parse(":id=7.5"), named("id", Value::Real(7.5)));
        assert_eq!(parse("a='7'"), named("a", Value::Text("7".to_owned())));
        assert_eq!(parse("a=x'00'"), named("a", Value::Blob(vec![0])));
        assert_eq!(parse("NULL"), Parameter { name: None, value: Value::Null });
        assert_eq!(parse("1 = 1"), Parameter { name: None, value: Value::Text("1 = 1".to_owned()) });
    }
}

//! One SQL value as text, in every format that the command writes. The formats that can be read back lose nothing.

use std::fmt::Write;

use coffer_sqlite::rusqlite::types::ValueRef;

/// The only member of the object that stands for a blob in JSON: its bytes in hexadecimal.
pub const BLOB_MEMBER: &str = "$blob";

/// For people: what a table or a list shows. Control characters are escaped, so a value stays on its line.
pub fn plain(value: ValueRef<'_>, null: &str) -> String {
    match value {
        ValueRef::Null => null.to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => real(number),
        ValueRef::Text(bytes) => printable(&String::from_utf8_lossy(bytes)),
        ValueRef::Blob(bytes) => blob_literal(bytes),
    }
}

/// Text with its control characters escaped.
pub fn printable(text: &str) -> String {
    if !text.chars().any(char::is_control) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if character.is_control() { out.extend(character.escape_default()) } else { out.push(character) }
    }
    out
}

/// As JSON. Integers keep all their digits; a blob is `{"$blob":"00ff"}`.
pub fn json(value: ValueRef<'_>, out: &mut String) {
    match value {
        ValueRef::Null => out.push_str("null"),
        ValueRef::Integer(number) => push(out, format_args!("{number}")),
        ValueRef::Real(number) => out.push_str(&real(number)),
        ValueRef::Text(bytes) => json_text(&String::from_utf8_lossy(bytes), out),
        ValueRef::Blob(bytes) => push(out, format_args!("{{\"{BLOB_MEMBER}\":\"{}\"}}", hex(bytes))),
    }
}

/// Text as JSON.
pub fn json_text(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control < ' ' => push(out, format_args!("\\u{:04x}", u32::from(control))),
            other => out.push(other),
        }
    }
    out.push('"');
}

/// As an SQL literal that gives back the same value.
pub fn sql(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "NULL".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => real(number),
        // SQLite's text may hold what no literal can: bytes that are not UTF-8, and zeros.
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => quoted(text, '\''),
            _ => format!("CAST({} AS TEXT)", blob_literal(bytes)),
        },
        ValueRef::Blob(bytes) => blob_literal(bytes),
    }
}

/// As a field of CSV, before quoting.
pub fn csv(value: ValueRef<'_>, null: &str) -> String {
    match value {
        ValueRef::Null => null.to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => real(number),
        ValueRef::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        ValueRef::Blob(bytes) => blob_literal(bytes),
    }
}

/// The shortest digits that give back the same number, and always one that reads as a real.
fn real(number: f64) -> String {
    if number.is_infinite() {
        return if number > 0.0 { "9.0e+999".to_owned() } else { "-9.0e+999".to_owned() };
    }
    format!("{number:?}")
}

/// `x'00ff'`.
fn blob_literal(bytes: &[u8]) -> String {
    format!("x'{}'", hex(bytes))
}

/// The bytes that `x'00ff'` stands for.
pub fn parse_blob_literal(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix(['x', 'X'])?.strip_prefix('\'')?.strip_suffix('\'')?;
    parse_hex(digits)
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut out, byte| {
        push(&mut out, format_args!("{byte:02x}"));
        out
    })
}

/// The bytes that hexadecimal digits stand for.
pub fn parse_hex(digits: &str) -> Option<Vec<u8>> {
    if !digits.len().is_multiple_of(2) || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()).collect()
}

/// A name or text as SQL quotes it.
pub fn quoted(text: &str, quote: char) -> String {
    format!("{quote}{}{quote}", text.replace(quote, &format!("{quote}{quote}")))
}

/// A name as SQL quotes it.
pub fn name(text: &str) -> String {
    quoted(text, '"')
}

/// Writing to a string cannot fail.
fn push(out: &mut String, what: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(what);
}

#[cfg(test)]
mod tests {
    use super::*;
    use coffer_sqlite::rusqlite::{Connection, types::Value};

    #[test]
    fn a_literal_gives_back_the_value() {
        let connection = Connection::open_in_memory().unwrap();
        let values = [
            Value::Null,
            Value::Integer(i64::MIN),
            Value::Integer(i64::MAX),
            Value::Real(0.1),
            Value::Real(-1e300),
            Value::Real(5e-324),
            Value::Real(1.0),
            Value::Real(f64::INFINITY),
            Value::Text("it's\n\"text\"".to_owned()),
            Value::Text("a\0b".to_owned()),
            Value::Text(String::new()),
            Value::Blob(vec![0, 255]),
            Value::Blob(Vec::new()),
        ];
        for value in values {
            let literal = sql(ValueRef::from(&value));
            let read: Value = connection.query_row(&format!("select {literal}"), [], |row| row.get(0)).unwrap();
            assert_eq!(read, value, "{literal}");
        }
    }

    #[test]
    fn json_escapes_what_it_must() {
        let mut out = String::new();
        json_text("a\"b\\c\n\u{1}\u{e9}", &mut out);
        assert_eq!(out, "\"a\\\"b\\\\c\\n\\u0001\u{e9}\"");
    }

    #[test]
    fn blobs_are_read_back() {
        assert_eq!(parse_blob_literal("x'00fF'"), Some(vec![0, 255]));
        assert_eq!(parse_blob_literal("x'0'"), None);
        assert_eq!(parse_blob_literal("x'+1'"), None);
        assert_eq!(parse_blob_literal("'00'"), None);
    }

    #[test]
    fn plain_values_stay_on_their_line() {
        assert_eq!(plain(ValueRef::Text(b"a\nb"), ""), "a\\nb");
    }
}

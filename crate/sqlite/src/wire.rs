//! Values as bytes, for callers behind a `postMessage`.
//!
//! One buffer that is handed over costs less than structured cloning of thousands of row objects, so rows leave and parameters enter in
//! this form. It lives in memory between one release's worker and its page; nothing of it is ever stored.
//!
//! ```text
//! value       tag u8, then: 0 null | 1 integer i64 | 2 real f64 | 3 text: length u32, UTF-8 | 4 blob: length u32, bytes | 5 integer i32
//! rows        column count u32, names (each length u32, UTF-8), row count u32, values row by row
//! parameters  form u8 (0 by position, 1 by name), count u32, then each: [name: length u32, UTF-8,] value
//! ```
//! Little-endian. The other side is `js/src/wire.ts`.
//!
//! I1  What `parameters` accepts has been read to its last byte; anything left over, cut short or unknown is an error, never a panic.

use rusqlite::types::{Value, ValueRef};

const NULL: u8 = 0;
const INTEGER: u8 = 1;
const REAL: u8 = 2;
const TEXT: u8 = 3;
const BLOB: u8 = 4;
const SMALL_INTEGER: u8 = 5;

/// Rows of a result, written as they come.
pub struct RowWriter {
    bytes: Vec<u8>,
    count_at: usize,
    row_count: u32,
}

impl RowWriter {
    /// Starts a result with these columns.
    pub fn new<'a>(columns: impl ExactSizeIterator<Item = &'a str>) -> Self {
        let mut bytes = Vec::with_capacity(1024);
        put_length(&mut bytes, columns.len());
        for name in columns {
            put_bytes(&mut bytes, name.as_bytes());
        }
        let count_at = bytes.len();
        bytes.extend_from_slice(&[0; 4]);
        Self { bytes, count_at, row_count: 0 }
    }

    /// Adds the next value of the current row; refuses it if there is no memory for it (wasm ends at 4 GiB).
    pub fn value(&mut self, value: ValueRef<'_>) -> Result<(), TooLarge> {
        let payload = match value {
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => size_of::<u32>() + bytes.len(),
            _ => size_of::<u64>(),
        };
        let out = &mut self.bytes;
        out.try_reserve(1 + payload).map_err(|_| TooLarge)?;
        match value {
            ValueRef::Null => out.push(NULL),
            ValueRef::Integer(n) => {
                if let Ok(small) = i32::try_from(n) {
                    out.push(SMALL_INTEGER);
                    out.extend_from_slice(&small.to_le_bytes());
                } else {
                    out.push(INTEGER);
                    out.extend_from_slice(&n.to_le_bytes());
                }
            }
            ValueRef::Real(x) => {
                out.push(REAL);
                out.extend_from_slice(&x.to_le_bytes());
            }
            ValueRef::Text(text) => {
                out.push(TEXT);
                put_bytes(out, text);
            }
            ValueRef::Blob(blob) => {
                out.push(BLOB);
                put_bytes(out, blob);
            }
        }
        Ok(())
    }

    /// Ends the current row.
    pub fn end_row(&mut self) {
        self.row_count += 1;
    }

    /// The whole result.
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes[self.count_at..self.count_at + 4].copy_from_slice(&self.row_count.to_le_bytes());
        self.bytes
    }
}

fn put_length(out: &mut Vec<u8>, length: usize) {
    let length = u32::try_from(length).expect("SQLite's values and column counts are below 2^31");
    out.extend_from_slice(&length.to_le_bytes());
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_length(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// The values to bind to a statement.
#[derive(Debug, PartialEq)]
pub enum Parameters {
    /// In the order of the statement's `?`.
    Positional(Vec<Value>),
    /// By name, without the `:`, `@` or `$`.
    Named(Vec<(String, Value)>),
}

impl Parameters {
    /// For a statement that takes none.
    pub const NONE: Self = Self::Positional(Vec::new());
}

/// There is no memory for a result of that size.
#[derive(Debug, PartialEq, Eq)]
pub struct TooLarge;

/// The bytes are not parameters in the form this module reads.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed;

/// Reads parameters. An empty buffer means none.
pub fn parameters(bytes: &[u8]) -> Result<Parameters, Malformed> {
    if bytes.is_empty() {
        return Ok(Parameters::NONE);
    }
    let mut input = Input(bytes);
    let form = input.byte()?;
    let count = input.length()?;
    let parsed = match form {
        0 => Parameters::Positional((0..count).map(|_| input.value()).collect::<Result<_, _>>()?),
        1 => Parameters::Named((0..count).map(|_| Ok((input.text()?, input.value()?))).collect::<Result<_, _>>()?),
        _ => return Err(Malformed),
    };
    // I1
    if input.0.is_empty() { Ok(parsed) } else { Err(Malformed) }
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, tail) = self.0.split_first_chunk::<N>().ok_or(Malformed)?;
        self.0 = tail;
        Ok(*head)
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn length(&mut self) -> Result<usize, Malformed> {
        let length = u32::from_le_bytes(self.array()?);
        usize::try_from(length).map_err(|_| Malformed)
    }

    fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.length()?;
        let (head, tail) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = tail;
        Ok(head)
    }

    fn text(&mut self) -> Result<String, Malformed> {
        std::str::from_utf8(self.bytes()?).map(str::to_owned).map_err(|_| Malformed)
    }

    fn value(&mut self) -> Result<Value, Malformed> {
        Ok(match self.byte()? {
            NULL => Value::Null,
            INTEGER => Value::Integer(i64::from_le_bytes(self.array()?)),
            REAL => Value::Real(f64::from_le_bytes(self.array()?)),
            TEXT => Value::Text(self.text()?),
            BLOB => Value::Blob(self.bytes()?.to_vec()),
            SMALL_INTEGER => Value::Integer(i64::from(i32::from_le_bytes(self.array()?))),
            _ => return Err(Malformed),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parameters by position in wire form, from the same writer that rows use.
    fn positional(values: &[Value]) -> Vec<u8> {
        let mut writer = RowWriter { bytes: vec![0], count_at: 1, row_count: 0 };
        writer.bytes.extend_from_slice(&[0; 4]);
        for value in values {
            writer.value(value.into()).unwrap();
            writer.end_row();
        }
        writer.finish()
    }

    #[test]
    fn parameters_come_back_as_they_were() {
        let values = vec![
            Value::Null,
            Value::Integer(-1),
            Value::Integer(i64::MAX),
            Value::Integer(i64::from(i32::MAX) + 1),
            Value::Real(-0.5),
            Value::Text("strong\u{1f512}box".into()),
            Value::Blob(vec![0, 255, 7]),
        ];
        assert_eq!(parameters(&positional(&values)), Ok(Parameters::Positional(values)));
    }

    #[test]
    fn cut_or_padded_parameters_are_refused() {
        let whole = positional(&[Value::Integer(1 << 40), Value::Text("text".into()), Value::Blob(vec![1; 9])]);
        for length in 1..whole.len() {
            assert_eq!(parameters(&whole[..length]), Err(Malformed), "cut to {length}");
        }
        assert_eq!(parameters(&[&whole[..], &[0]].concat()), Err(Malformed));
    }

    #[test]
    fn a_count_beyond_the_bytes_is_refused_without_reserving_for_it() {
        assert_eq!(parameters(&[0, 0xff, 0xff, 0xff, 0xff]), Err(Malformed));
        assert_eq!(parameters(&[9, 0, 0, 0, 0]), Err(Malformed));
    }

    #[test]
    fn rows_start_with_their_columns_and_count() {
        let mut writer = RowWriter::new(["id", "x"].into_iter());
        writer.value(ValueRef::Integer(5)).unwrap();
        writer.value(ValueRef::Null).unwrap();
        writer.end_row();
        let expected: Vec<u8> = [
            &[2, 0, 0, 0, 2, 0, 0, 0][..],
            b"id",
            &[1, 0, 0, 0],
            b"x",
            &[1, 0, 0, 0],
            &[SMALL_INTEGER, 5, 0, 0, 0, NULL],
        ]
        .concat();
        assert_eq!(writer.finish(), expected);
    }
}

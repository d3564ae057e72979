//! Values as bytes, for callers behind a `postMessage`.
//!
//! One buffer that is handed over costs less than structured cloning of thousands of row objects, so rows leave and parameters enter in
//! this form. It lives in memory between one release's worker and its page; nothing of it is ever stored.
//!
//! ```text
//! value       tag u8, then: 0 null | 1 integer i64 | 2 real f64 | 3 text | 4 blob: length u32, bytes | 5 integer i32
//! parameters  form u8 (0 by position, 1 by name), count u32, then each: [name: length u32, UTF-8,] value; a text is length u32, UTF-8
//! sets        parameters, one after another: of many runs of one statement
//! outcomes    for each run: rows changed f64 (NaN: it failed), rowid i64
//! rows        row count u32, column count u32, place of the texts u32, more u8 (1: further chunks follow),
//!             length u32 of each column name, values row by row, texts
//! ```
//! A result leaves in chunks of rows. Its texts (the names first) stand together at the end, and a text among the values is only its length,
//! counted in UTF-16 units: the reader decodes all of them in one call and cuts substrings, which is several times cheaper than a call for
//! each. Little-endian. The other side is `js/src/wire.ts`.
//!
//! I1  What `parameters` accepts has been read to its last byte; anything left over, cut short or unknown is an error, never a panic.

use rusqlite::types::ValueRef;

const NULL: u8 = 0;
const INTEGER: u8 = 1;
const REAL: u8 = 2;
const TEXT: u8 = 3;
const BLOB: u8 = 4;
const SMALL_INTEGER: u8 = 5;

/// A chunk of a result's rows, written as they come.
pub struct RowWriter {
    bytes: Vec<u8>,
    texts: Vec<u8>,
    row_count: u32,
}

/// Where the header keeps what is known only at the end.
const ROW_COUNT_AT: usize = 0;
const COLUMN_COUNT_AT: usize = 4;
const TEXTS_AT: usize = 8;
const MORE_AT: usize = 12;
const HEADER_BYTES: usize = 13;

impl RowWriter {
    /// Starts a chunk of a result with these columns.
    pub fn new<'a>(columns: impl ExactSizeIterator<Item = &'a str>) -> Self {
        let mut bytes = Vec::with_capacity(512);
        bytes.resize(HEADER_BYTES, 0);
        put_count(&mut bytes, COLUMN_COUNT_AT, columns.len());
        let mut texts = Vec::with_capacity(256);
        for name in columns {
            put_length(&mut bytes, name.encode_utf16().count());
            texts.extend_from_slice(name.as_bytes());
        }
        Self { bytes, texts, row_count: 0 }
    }

    /// Adds the next value of the current row; refuses it if there is no memory for it (wasm ends at 4 GiB).
    pub fn value(&mut self, value: ValueRef<'_>) -> Result<(), TooLarge> {
        let out = &mut self.bytes;
        let payload = if let ValueRef::Blob(blob) = value { size_of::<u32>() + blob.len() } else { size_of::<u64>() };
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
                self.text(text)?;
            }
            ValueRef::Blob(blob) => {
                out.push(BLOB);
                put_length(out, blob.len());
                out.extend_from_slice(blob);
            }
        }
        Ok(())
    }

    /// SQLite keeps whatever bytes it was given as text. What is not UTF-8 is replaced here, as the reader would, so that lengths agree.
    fn text(&mut self, text: &[u8]) -> Result<(), TooLarge> {
        self.texts.try_reserve(text.len()).map_err(|_| TooLarge)?;
        let units = if text.is_ascii() {
            self.texts.extend_from_slice(text);
            text.len()
        } else {
            let text = String::from_utf8_lossy(text);
            self.texts.try_reserve(text.len()).map_err(|_| TooLarge)?;
            self.texts.extend_from_slice(text.as_bytes());
            text.encode_utf16().count()
        };
        put_length(&mut self.bytes, units);
        Ok(())
    }

    /// Ends the current row.
    pub fn end_row(&mut self) {
        self.row_count += 1;
    }

    /// Rows that are complete.
    pub fn rows(&self) -> u32 {
        self.row_count
    }

    /// Bytes written so far.
    pub fn size(&self) -> usize {
        self.bytes.len() + self.texts.len()
    }

    /// The whole chunk; `more` if it is not the last of its result.
    pub fn finish(mut self, more: bool) -> Vec<u8> {
        let texts_at = self.bytes.len();
        self.bytes[ROW_COUNT_AT..COLUMN_COUNT_AT].copy_from_slice(&self.row_count.to_le_bytes());
        put_count(&mut self.bytes, TEXTS_AT, texts_at);
        self.bytes[MORE_AT] = u8::from(more);
        self.bytes.extend_from_slice(&self.texts);
        self.bytes
    }
}

fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).expect("SQLite's values, column counts and our chunks are below 2^32").to_le_bytes()
}

fn put_length(out: &mut Vec<u8>, value: usize) {
    out.extend_from_slice(&length(value));
}

fn put_count(out: &mut [u8], at: usize, value: usize) {
    out[at..at + 4].copy_from_slice(&length(value));
}

/// The values to bind to a statement, where they were received.
#[derive(Debug, PartialEq)]
pub enum Parameters<'a> {
    /// In the order of the statement's `?`.
    Positional(Vec<ValueRef<'a>>),
    /// By name, without the `:`, `@` or `$`.
    Named(Vec<(&'a str, ValueRef<'a>)>),
}

impl Parameters<'_> {
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
pub fn parameters(bytes: &[u8]) -> Result<Parameters<'_>, Malformed> {
    let mut sets = Sets::new(bytes, 0);
    let parsed = sets.next().unwrap_or(Ok(Parameters::NONE))?;
    // I1
    if sets.next().is_none() { Ok(parsed) } else { Err(Malformed) }
}

/// Sets of parameters that stand one after another.
pub struct Sets<'a> {
    input: Input<'a>,
    total_bytes: usize,
}

impl<'a> Sets<'a> {
    /// Reads from `start` on, which is where a set begins.
    pub fn new(bytes: &'a [u8], start: usize) -> Self {
        Self { input: Input(bytes.get(start..).unwrap_or_default()), total_bytes: bytes.len() }
    }

    /// Where the next set begins.
    pub fn at(&self) -> usize {
        self.total_bytes - self.input.0.len()
    }

    fn set(&mut self) -> Result<Parameters<'a>, Malformed> {
        let input = &mut self.input;
        let form = input.byte()?;
        let count = input.length()?;
        Ok(match form {
            0 => {
                // A value takes a byte at least, so this reserves no more than was received.
                let mut values = Vec::with_capacity(count.min(input.0.len()));
                for _ in 0..count {
                    values.push(input.value()?);
                }
                Parameters::Positional(values)
            }
            1 => Parameters::Named((0..count).map(|_| Ok((input.text()?, input.value()?))).collect::<Result<_, _>>()?),
            _ => return Err(Malformed),
        })
    }
}

impl<'a> Iterator for Sets<'a> {
    type Item = Result<Parameters<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.input.0.is_empty() {
            return None;
        }
        let set = self.set();
        if set.is_err() {
            // What follows something unreadable has no beginning.
            self.input.0 = &[];
        }
        Some(set)
    }
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

    fn text(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed)
    }

    fn value(&mut self) -> Result<ValueRef<'a>, Malformed> {
        Ok(match self.byte()? {
            NULL => ValueRef::Null,
            INTEGER => ValueRef::Integer(i64::from_le_bytes(self.array()?)),
            REAL => ValueRef::Real(f64::from_le_bytes(self.array()?)),
            TEXT => ValueRef::Text(self.text()?.as_bytes()),
            BLOB => ValueRef::Blob(self.bytes()?),
            SMALL_INTEGER => ValueRef::Integer(i64::from(i32::from_le_bytes(self.array()?))),
            _ => return Err(Malformed),
        })
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::types::Value;

    use super::*;

    /// Parameters by position in wire form.
    fn positional(values: &[Value]) -> Vec<u8> {
        let mut bytes = vec![0];
        put_length(&mut bytes, values.len());
        for value in values {
            match value {
                Value::Text(text) => {
                    bytes.push(TEXT);
                    put_length(&mut bytes, text.len());
                    bytes.extend_from_slice(text.as_bytes());
                }
                other => {
                    let mut writer = RowWriter::new(std::iter::empty());
                    writer.value(other.into()).unwrap();
                    bytes.extend_from_slice(&writer.finish(false)[HEADER_BYTES..]);
                }
            }
        }
        bytes
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
        let expected = values.iter().map(ValueRef::from).collect();
        assert_eq!(parameters(&positional(&values)), Ok(Parameters::Positional(expected)));
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
    fn sets_are_read_one_after_another_from_where_one_begins() {
        let first = positional(&[Value::Integer(1), Value::Text("one".into())]);
        let second = positional(&[Value::Integer(2), Value::Null]);
        let bytes = [&first[..], &second[..]].concat();
        let mut sets = Sets::new(&bytes, 0);
        assert_eq!(sets.next(), Some(parameters(&first)));
        assert_eq!(sets.at(), first.len());
        assert_eq!(Sets::new(&bytes, sets.at()).collect::<Vec<_>>(), [parameters(&second)]);
        let cut: Vec<_> = Sets::new(&bytes[..bytes.len() - 1], 0).collect();
        assert_eq!(cut, [parameters(&first), Err(Malformed)]);
    }

    #[test]
    fn a_count_beyond_the_bytes_is_refused_without_reserving_for_it() {
        assert_eq!(parameters(&[0, 0xff, 0xff, 0xff, 0xff]), Err(Malformed));
        assert_eq!(parameters(&[9, 0, 0, 0, 0]), Err(Malformed));
    }

    #[test]
    fn rows_start_with_their_columns_and_end_with_their_texts() {
        let mut writer = RowWriter::new(["id", "x"].into_iter());
        writer.value(ValueRef::Integer(5)).unwrap();
        writer.value(ValueRef::Text("a\u{1f512}".as_bytes())).unwrap();
        writer.end_row();
        assert_eq!((writer.rows(), writer.size()), (1, 13 + 8 + 10 + 8));
        let expected: Vec<u8> = [
            &[1, 0, 0, 0, 2, 0, 0, 0, 31, 0, 0, 0, 1][..],
            &[2, 0, 0, 0, 1, 0, 0, 0],
            &[SMALL_INTEGER, 5, 0, 0, 0, TEXT, 3, 0, 0, 0],
            "idxa\u{1f512}".as_bytes(),
        ]
        .concat();
        assert_eq!(writer.finish(true), expected);
    }

    #[test]
    fn text_that_is_no_utf8_is_as_long_as_what_replaces_it() {
        let mut writer = RowWriter::new(std::iter::empty());
        writer.value(ValueRef::Text(b"a\xff\xf0\x9fb")).unwrap();
        let bytes = writer.finish(false);
        assert_eq!(bytes[HEADER_BYTES..], [&[TEXT, 4, 0, 0, 0][..], "a\u{fffd}\u{fffd}b".as_bytes()].concat());
    }
}

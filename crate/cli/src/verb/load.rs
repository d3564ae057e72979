//! `coffer load`: rows from CSV, JSON Lines or JSON into a table. One transaction, row by row: memory does not grow with the
//! file, and what fails half-way leaves nothing behind. There is nothing to tidy up, so a signal ends it at once, even while
//! it waits for a pipe.

mod csv;
mod json;
mod target;

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::{Args, ValueEnum};
use coffer_sqlite::Connection;
use coffer_sqlite::rusqlite::types::Value;
use serde_json::json;

use crate::failure::{Failure, Outcome};
use crate::open::{Access, DatabaseArgs};
use crate::progress::{Progress, Unit};
use crate::text;
use target::Target;

/// Load rows from CSV, JSON Lines or JSON into a table
///
/// A table that is not there is made, with columns named as in the file and types that fit its first rows. JSON that export
/// wrote of several tables names them itself, and needs no --table.
#[derive(Args, Debug)]
pub struct Load {
    #[command(flatten)]
    database: DatabaseArgs,
    /// The file; - is stdin.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The table.
    #[arg(long, short, value_name = "TABLE")]
    table: Option<String>,
    /// The format; by default what the file's name says.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// What to do with a row that breaks a uniqueness rule.
    #[arg(long, value_enum, default_value = "abort")]
    on_conflict: Conflict,
    /// What separates fields in CSV.
    #[arg(long, value_name = "CHARACTER", default_value = ",", value_parser = parse_delimiter)]
    delimiter: u8,
    /// The first line of the CSV is a row, not names; columns are taken in the table's order.
    #[arg(long)]
    no_header: bool,
    /// What stands for NULL in CSV.
    #[arg(long, value_name = "TEXT", default_value = "")]
    null: String,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Csv,
    Ndjson,
    Json,
}

/// What to do with a row that cannot be there beside another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Conflict {
    /// Stop, and load nothing.
    Abort,
    /// Leave the new row out.
    Ignore,
    /// Put the new row in the other's place.
    Replace,
}

/// A row as a reader found it: names of columns, if it has any, and values.
pub struct Record {
    /// The table that the row names itself.
    pub table: Option<String>,
    /// Shared by all rows of a CSV; `None` for the table's own order.
    pub columns: Option<Arc<[String]>>,
    pub values: Vec<Value>,
    /// Where it is in the file, for messages.
    pub place: Place,
}

/// Where something is in a file.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// On this line, counted from 1.
    Line(u64),
    /// It is this row of a document whose lines mean nothing, counted from 1.
    Row(u64),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(number) => write!(f, "line {number}"),
            Self::Row(number) => write!(f, "row {number}"),
        }
    }
}

/// Takes rows, one after the other.
type Sink<'a> = dyn FnMut(Record) -> Outcome + 'a;

impl Load {
    pub fn run(&self) -> Outcome {
        let format = self.format()?;
        let (input, total) = self.input()?;
        let database = self.database.open(Access::Write)?;
        let connection = database.connect()?;
        connection.execute_batch("begin immediate")?;
        let rows = self.load(&connection, format, input, total).map_err(|failure| self.named(failure))?;
        connection.execute_batch("commit")?;
        drop(connection);
        database.close()?;
        let line = format!("{rows} row{}", if rows == 1 { "" } else { "s" });
        text::result(self.json, &json!({ "rows": rows }), &line)
    }

    /// A failure within the file, with its name.
    fn named(&self, Failure { exit, message }: Failure) -> Failure {
        let name = if self.is_stdin() { "stdin".to_owned() } else { self.file.display().to_string() };
        Failure { exit, message: format!("{name}: {message}; nothing was loaded") }
    }

    fn is_stdin(&self) -> bool {
        self.file.as_os_str() == "-"
    }

    fn format(&self) -> Outcome<Format> {
        if let Some(format) = self.format {
            return Ok(format);
        }
        let extension = self.file.extension().and_then(OsStr::to_str).unwrap_or_default().to_ascii_lowercase();
        match extension.as_str() {
            "csv" => Ok(Format::Csv),
            "ndjson" | "jsonl" => Ok(Format::Ndjson),
            "json" => Ok(Format::Json),
            _ => Err(Failure::usage(format!("cannot tell the format of {}; say --format", self.file.display()))),
        }
    }

    fn input(&self) -> Outcome<(Input, Option<u64>)> {
        if self.is_stdin() {
            return Ok((Counted::new(Box::new(io::stdin())), None));
        }
        let fail = |error: io::Error| Failure::file("read", self.file.display(), &error);
        let file = File::open(&self.file).map_err(fail)?;
        let found = file.metadata().map_err(fail)?;
        if found.is_dir() {
            return Err(fail(io::ErrorKind::IsADirectory.into()));
        }
        let bytes = found.len();
        Ok((Counted::new(Box::new(file)), Some(bytes)))
    }

    fn load(&self, connection: &Connection, format: Format, input: Input, total: Option<u64>) -> Outcome<u64> {
        let read = Arc::clone(&input.read);
        let mut progress = Progress::new("load", total, Unit::Bytes);
        let mut target = Target::new(connection, self.table.as_deref(), self.on_conflict, format == Format::Csv);
        let mut sink = |record| {
            progress.set(read.load(Ordering::Relaxed));
            target.take(record)
        };
        let input = BufReader::with_capacity(1 << 16, input);
        match format {
            Format::Csv => csv::read(input, self.delimiter, !self.no_header, &self.null, &mut sink)?,
            Format::Ndjson => json::read_lines(input, &mut sink)?,
            Format::Json => json::read_document(input, &mut sink)?,
        }
        target.finish()
    }
}

fn parse_delimiter(text: &str) -> Result<u8, String> {
    match text {
        "\\t" | "tab" => Ok(b'\t'),
        _ => <[u8; 1]>::try_from(text.as_bytes())
            .map(|[byte]| byte)
            .map_err(|_| "one ASCII character, or tab".to_owned()),
    }
}

/// The file, or stdin.
type Input = Counted<Box<dyn Read>>;

/// Counts what was read, for the progress bar.
struct Counted<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl<R> Counted<R> {
    fn new(inner: R) -> Self {
        Self { inner, read: Arc::default() }
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(out)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

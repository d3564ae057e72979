//! Rows from CSV. Every field is text; what it becomes is up to the column.

use std::io::Read;
use std::sync::Arc;

use coffer_sqlite::rusqlite::types::Value;

use super::{Place, Record, Sink};
use crate::failure::{Failure, Outcome};

pub fn read(input: impl Read, delimiter: u8, header: bool, null: &str, sink: &mut Sink<'_>) -> Outcome {
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).delimiter(delimiter).flexible(false).from_reader(input);
    let mut record = csv::StringRecord::new();
    let mut columns: Option<Arc<[String]>> = None;
    let mut first = true;
    while reader.read_record(&mut record).map_err(complain)? {
        if std::mem::take(&mut first) && header {
            // A byte order mark is how some programs begin a file; it is no part of a name.
            let names = record.iter().map(|name| name.trim_start_matches('\u{feff}').to_owned()).collect();
            columns = Some(names);
            continue;
        }
        let value = |field: &str| if field == null { Value::Null } else { Value::Text(field.to_owned()) };
        let place = Place::Line(record.position().map_or(0, csv::Position::line));
        sink(Record { table: None, columns: columns.clone(), values: record.iter().map(value).collect(), place })?;
    }
    Ok(())
}

fn complain(error: csv::Error) -> Failure {
    let line = error.position().map_or(0, csv::Position::line);
    match error.into_kind() {
        csv::ErrorKind::Io(error) => Failure::file("read", "on", &error),
        csv::ErrorKind::Utf8 { err, .. } => {
            Failure::data(format!("line {line}: not UTF-8 ({err}); convert the file with iconv and load it again"))
        }
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => Failure::data(format!(
            "line {line} has {len} fields where the lines before have {expected_len}; check its quotes and separators"
        )),
        other => Failure::data(format!("line {line}: {other:?}")),
    }
}

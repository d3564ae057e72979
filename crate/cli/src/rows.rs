//! Rows as text: a table for people, a list for pipes, JSON, JSON Lines and CSV for programs.
//!
//! Rows are written as they come. Only a table waits, for its first rows, to learn how wide its columns are.

use std::io::Write;

use clap::ValueEnum;
use coffer_sqlite::rusqlite::types::ValueRef;

use crate::failure::{Failure, Outcome};
use crate::value;

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Columns under each other.
    Table,
    /// One array of objects.
    Json,
    /// One object on each line.
    Ndjson,
    /// Comma-separated values, with a line of names.
    Csv,
    /// One row on each line, values separated by |.
    List,
}

/// What can be chosen about it.
#[derive(Clone, Debug)]
pub struct Style {
    pub format: Format,
    /// Whether names of columns come first; `None` is what the format usually does.
    pub headers: Option<bool>,
    /// What stands for NULL where the format has no word for it.
    pub null: String,
}

impl Style {
    pub fn new(format: Format) -> Self {
        Self { format, headers: None, null: String::new() }
    }
}

/// Writes the rows of one result.
pub struct Rows<'a, W: Write> {
    out: &'a mut W,
    style: &'a Style,
    columns: Vec<String>,
    count: u64,
    /// A table's first rows, until its widths are known.
    waiting: Vec<Vec<Cell>>,
    widths: Option<Vec<Width>>,
    line: String,
}

struct Cell {
    text: String,
    number: bool,
}

struct Width {
    characters: usize,
    right: bool,
}

/// Rows from which a table learns its widths.
const TABLE_ROWS: usize = 500;

impl<'a, W: Write> Rows<'a, W> {
    pub fn new(out: &'a mut W, style: &'a Style, columns: Vec<String>) -> Outcome<Self> {
        let mut rows = Self { out, style, columns, count: 0, waiting: Vec::new(), widths: None, line: String::new() };
        let headers = style.headers.unwrap_or(style.format == Format::Csv);
        if headers && matches!(style.format, Format::Csv | Format::List) {
            let names = std::mem::take(&mut rows.columns);
            match style.format {
                Format::Csv => rows.csv(names.iter().map(String::as_str))?,
                _ => writeln!(rows.out, "{}", names.join("|"))?,
            }
            rows.columns = names;
        }
        Ok(rows)
    }

    /// One more row.
    pub fn row(&mut self, values: &[ValueRef<'_>]) -> Outcome {
        self.count += 1;
        match self.style.format {
            Format::Table => self.table_row(values)?,
            Format::Json | Format::Ndjson => self.json_row(values)?,
            Format::Csv => {
                let fields: Vec<String> = values.iter().map(|value| value::csv(*value, &self.style.null)).collect();
                self.csv(fields.iter().map(String::as_str))?;
            }
            Format::List => {
                let texts: Vec<String> = values.iter().map(|value| value::plain(*value, &self.style.null)).collect();
                writeln!(self.out, "{}", texts.join("|"))?;
            }
        }
        Ok(())
    }

    /// There are no more. Gives how many there were.
    pub fn end(mut self) -> Outcome<u64> {
        match self.style.format {
            Format::Table => {
                if self.widths.is_none() {
                    self.table_begin()?;
                }
            }
            Format::Json => writeln!(self.out, "{}", if self.count == 0 { "[]" } else { "]" })?,
            Format::Ndjson | Format::Csv | Format::List => {}
        }
        Ok(self.count)
    }

    fn csv<'b>(&mut self, fields: impl Iterator<Item = &'b str>) -> Outcome {
        let mut writer = csv::Writer::from_writer(&mut *self.out);
        writer.write_record(fields).map_err(csv_failure)?;
        Ok(writer.flush()?)
    }

    fn json_row(&mut self, values: &[ValueRef<'_>]) -> Outcome {
        self.line.clear();
        if self.style.format == Format::Json {
            self.line.push_str(if self.count == 1 { "[" } else { ",\n" });
        }
        object(&self.columns, values, &mut self.line);
        if self.style.format == Format::Ndjson {
            self.line.push('\n');
        }
        Ok(self.out.write_all(self.line.as_bytes())?)
    }

    fn table_row(&mut self, values: &[ValueRef<'_>]) -> Outcome {
        let cell = |value: &ValueRef<'_>| Cell {
            text: value::plain(*value, &self.style.null),
            number: matches!(value, ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Null),
        };
        let cells: Vec<Cell> = values.iter().map(cell).collect();
        if self.widths.is_some() {
            return self.table_line(&cells);
        }
        self.waiting.push(cells);
        if self.waiting.len() >= TABLE_ROWS { self.table_begin() } else { Ok(()) }
    }

    fn table_begin(&mut self) -> Outcome {
        let waiting = std::mem::take(&mut self.waiting);
        let headers = self.style.headers.unwrap_or(true);
        let width = |index: usize| {
            let cells = || waiting.iter().filter_map(|row| row.get(index));
            let longest = cells().map(|cell| cell.text.chars().count()).max().unwrap_or(0);
            let name = self.columns.get(index).filter(|_| headers).map_or(0, |name| name.chars().count());
            Width { characters: longest.max(name), right: !waiting.is_empty() && cells().all(|cell| cell.number) }
        };
        let widths: Vec<Width> = (0..self.columns.len()).map(width).collect();
        if headers && !self.columns.is_empty() {
            let rules = widths.iter().map(|width| "-".repeat(width.characters)).collect::<Vec<_>>().join("  ");
            let names = self.columns.iter().map(|name| Cell { text: name.clone(), number: false }).collect::<Vec<_>>();
            self.widths = Some(widths);
            self.table_line(&names)?;
            writeln!(self.out, "{rules}")?;
        } else {
            self.widths = Some(widths);
        }
        waiting.iter().try_for_each(|row| self.table_line(row))
    }

    fn table_line(&mut self, cells: &[Cell]) -> Outcome {
        self.line.clear();
        for (cell, width) in cells.iter().zip(self.widths.iter().flatten()) {
            if !self.line.is_empty() {
                self.line.push_str("  ");
            }
            let padding = " ".repeat(width.characters.saturating_sub(cell.text.chars().count()));
            let (before, after) = if width.right { (padding.as_str(), "") } else { ("", padding.as_str()) };
            self.line.push_str(before);
            self.line.push_str(&cell.text);
            self.line.push_str(after);
        }
        Ok(writeln!(self.out, "{}", self.line.trim_end())?)
    }
}

/// A row as one JSON object.
pub fn object(columns: &[String], values: &[ValueRef<'_>], out: &mut String) {
    out.push('{');
    for (index, (name, value)) in columns.iter().zip(values).enumerate() {
        if index > 0 {
            out.push(',');
        }
        value::json_text(name, out);
        out.push(':');
        value::json(*value, out);
    }
    out.push('}');
}

/// A failure of the CSV library.
pub fn csv_failure(error: csv::Error) -> Failure {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error.into(),
        other => Failure::data(format!("CSV: {other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: Format, columns: &[&str], rows: &[&[ValueRef<'_>]]) -> String {
        let style = Style::new(format);
        let mut out = Vec::new();
        let mut writer = Rows::new(&mut out, &style, columns.iter().map(|name| (*name).to_owned()).collect()).unwrap();
        for row in rows {
            writer.row(row).unwrap();
        }
        writer.end().unwrap();
        String::from_utf8(out).unwrap()
    }

    const ROWS: &[&[ValueRef<'_>]] = &[
        &[ValueRef::Integer(1), ValueRef::Text(b"one, \"two\"")],
        &[ValueRef::Integer(20), ValueRef::Null],
        &[ValueRef::Real(0.5), ValueRef::Blob(&[0, 255])],
    ];

    #[test]
    fn every_format_writes_the_rows() {
        let all = |format| written(format, &["n", "text"], ROWS);
        assert_eq!(all(Format::Table), "  n  text\n---  ----------\n  1  one, \"two\"\n 20\n0.5  x'00ff'\n");
        assert_eq!(all(Format::List), "1|one, \"two\"\n20|\n0.5|x'00ff'\n");
        assert_eq!(all(Format::Csv), "n,text\n1,\"one, \"\"two\"\"\"\n20,\n0.5,x'00ff'\n");
        assert_eq!(
            all(Format::Ndjson),
            "{\"n\":1,\"text\":\"one, \\\"two\\\"\"}\n{\"n\":20,\"text\":null}\n{\"n\":0.5,\"text\":{\"$blob\":\"00ff\"}}\n"
        );
        assert_eq!(
            all(Format::Json),
            "[{\"n\":1,\"text\":\"one, \\\"two\\\"\"},\n{\"n\":20,\"text\":null},\n{\"n\":0.5,\"text\":{\"$blob\":\"00ff\"}}]\n"
        );
    }

    #[test]
    fn no_rows_are_still_a_result() {
        assert_eq!(written(Format::Json, &["a"], &[]), "[]\n");
        assert_eq!(written(Format::Csv, &["a"], &[]), "a\n");
        assert_eq!(written(Format::Table, &["a"], &[]), "a\n-\n");
    }

    #[test]
    fn a_long_table_goes_on_after_its_widths_are_known() {
        let rows: Vec<Vec<ValueRef<'_>>> = (0..2000).map(|number| vec![ValueRef::Integer(number)]).collect();
        let rows: Vec<&[ValueRef<'_>]> = rows.iter().map(Vec::as_slice).collect();
        let text = written(Format::Table, &["n"], &rows);
        assert_eq!(text.lines().count(), 2002);
        assert!(text.ends_with("1999\n"));
    }
}

//! `coffer export`: a database, tables or a query, in formats that others read: JSON, JSON Lines, CSV, SQL, a plain SQLite
//! database, or a single-file Coffer database.
//!
//! All of it is one snapshot, however long it takes.

mod json;
pub mod single;
pub mod sql;
mod sqlite;

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use coffer_sqlite::Connection;

use crate::failure::{Failure, Outcome};
use crate::interrupt::Hold;
use crate::open::{Access, DatabaseArgs};
use crate::output::Output;
use crate::progress::{Progress, Unit};
use crate::rows::{self, Style};
use crate::schema::tables;
use crate::script;
use crate::value;

/// Write a database, tables or a query in another format
#[derive(Args, Debug)]
pub struct Export {
    #[command(flatten)]
    database: DatabaseArgs,
    /// The format.
    #[arg(long, value_enum)]
    format: Format,
    /// The file to write; stdout if there is none.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file if it exists.
    #[arg(long)]
    force: bool,
    /// Only this table; may be given several times.
    #[arg(long = "table", short, value_name = "TABLE")]
    tables: Vec<String>,
    /// The rows of this query, instead of tables.
    #[arg(long, value_name = "SQL", conflicts_with = "tables")]
    query: Option<String>,
    /// What stands for NULL in CSV.
    #[arg(long, value_name = "TEXT", default_value = "")]
    null: String,
    /// Leave out the line of names in CSV.
    #[arg(long)]
    no_header: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// An object with an array of rows for each table, or one array for one table or query.
    Json,
    /// One row on each line; with several tables, with the name of its table.
    Ndjson,
    /// Comma-separated values of one table or query.
    Csv,
    /// The statements that make the database again.
    Sql,
    /// A plain SQLite database.
    Sqlite,
    /// A Coffer database in one file, under the same keys.
    Coffer,
}

impl Export {
    pub fn run(&self) -> Outcome {
        let whole = matches!(self.format, Format::Sqlite | Format::Coffer);
        if whole && (self.query.is_some() || !self.tables.is_empty()) {
            return Err(Failure::usage("this format holds a whole database; leave out --table and --query"));
        }
        if self.format == Format::Sql && self.query.is_some() {
            return Err(Failure::usage(
                "SQL makes tables again, not the rows of a query; use --table, or another format",
            ));
        }
        let file = || {
            let path = self.output.as_deref().filter(|path| path.as_os_str() != "-");
            path.ok_or_else(|| Failure::usage("this format is a file; name it with -o FILE"))
        };
        match self.format {
            Format::Sqlite => sqlite::write(&self.database, file()?, self.force),
            Format::Coffer => single::write(&self.database, file()?, self.force, None).map(|_| ()),
            _ => self.text(),
        }
    }

    fn text(&self) -> Outcome {
        let database = self.database.open(Access::Read)?;
        let connection = database.connect()?;
        connection.execute_batch("begin")?;
        let tables = self.check_tables(&connection)?;
        let mut out = Output::create(self.output.as_deref(), self.force)?;
        let hold = if out.is_file() { Hold::on(&connection) } else { Hold::briefly_on(&connection) };
        let mut progress = Progress::new("export", None, Unit::Rows);
        let mut count = 0;
        let mut tick = |rows: u64| {
            count += rows;
            progress.set(count);
            hold.check()
        };
        let written = match (self.format, &self.query) {
            (Format::Sql, _) => sql::write(&connection, &self.tables, &mut out, &mut tick),
            (_, Some(query)) => self.rows(&connection, query, &mut out),
            (Format::Csv, None) => {
                if let [table] = tables.as_slice() {
                    self.rows(&connection, &format!("select * from {}", value::name(table)), &mut out)
                } else {
                    let message = "CSV holds one table; choose it with --table, or use --query";
                    Err(Failure::usage(format!("{message} ({})", tables.join(", "))))
                }
            }
            (_, None) => {
                let layout = match (self.format, self.tables.len()) {
                    (Format::Json, 1) => json::Layout::Rows,
                    (Format::Json, _) => json::Layout::Tables,
                    (_, 1) => json::Layout::Lines,
                    _ => json::Layout::NamedLines,
                };
                json::write(&connection, &tables, layout, &mut out, &mut tick)
            }
        };
        hold.check()?;
        written?;
        drop(progress);
        out.finish()
    }

    fn rows(&self, connection: &Connection, query: &str, out: &mut impl Write) -> Outcome {
        let format = match self.format {
            Format::Csv => rows::Format::Csv,
            Format::Ndjson => rows::Format::Ndjson,
            _ => rows::Format::Json,
        };
        let headers = self.no_header.then_some(false);
        let style = Style { format, headers, null: self.null.clone() };
        match script::run_one(connection, query, &[], &style, out)? {
            Some(_) => Ok(()),
            None => Err(Failure::usage("the query returns no rows; give a select")),
        }
    }

    /// The tables asked for, or all.
    fn check_tables(&self, connection: &Connection) -> Outcome<Vec<String>> {
        let known = tables(connection)?;
        if self.tables.is_empty() {
            return Ok(known);
        }
        let views = "select name from sqlite_schema where type = 'view'";
        let views: Vec<String> = connection.query_all(views, [], |row| row.get(0))?;
        for table in &self.tables {
            if !known.iter().chain(&views).any(|name| name.eq_ignore_ascii_case(table)) {
                return Err(Failure::data(format!("there is no table {table}; there are: {}", known.join(", "))));
            }
        }
        Ok(self.tables.clone())
    }
}

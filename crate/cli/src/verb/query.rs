//! `coffer query`: runs SQL and prints the rows.

use std::io::{self, BufWriter, Read, Write};

use clap::Args;
use coffer_store::CommitId;

use crate::failure::{Failure, Outcome};
use crate::interrupt::Hold;
use crate::open::{Access, DatabaseArgs};
use crate::rows::{Format, Style};
use crate::script::{self, Parameter};

/// Run SQL and print the rows it returns
///
/// Several statements may be given, separated by semicolons. All of SQLite's SQL works, and BACKUP DATABASE TO 'file',
/// BACKUP INCREMENTAL TO 'file', RESTORE DATABASE FROM 'file' and COMPACT.
#[derive(Args, Debug)]
pub struct Query {
    #[command(flatten)]
    database: DatabaseArgs,
    /// The SQL; - reads it from stdin.
    #[arg(value_name = "SQL")]
    sql: String,
    /// How to write the rows.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// A parameter: NAME=VALUE for :NAME, or VALUE for the next ? of a statement.
    #[arg(long = "param", short = 'p', value_name = "[NAME=]VALUE")]
    parameters: Vec<Parameter>,
    /// What to print for NULL in a table, a list or CSV.
    #[arg(long, value_name = "TEXT", default_value = "")]
    null: String,
    /// Leave out the names of columns.
    #[arg(long)]
    no_header: bool,
    /// Refuse to change anything.
    #[arg(long)]
    readonly: bool,
    /// Look at a kept commit instead of the newest.
    #[arg(long, value_name = "COMMIT")]
    at: Option<u64>,
}

impl Query {
    pub fn run(&self) -> Outcome {
        let mut sql = self.sql.clone();
        if sql == "-" {
            sql.clear();
            io::stdin().read_to_string(&mut sql).map_err(|error| Failure::file("read", "stdin", &error))?;
        }
        let access = if self.readonly { Access::Read } else { Access::WriteIfAllowed };
        let database = self.database.open(access)?;
        let connection = database.connect()?;
        connection.set_read_at(self.at.map(CommitId));
        let hold = Hold::briefly_on(&connection);
        let headers = if self.no_header { Some(false) } else { None };
        let style = Style { headers, null: self.null.clone(), ..Style::new(self.format) };
        let mut out = BufWriter::new(io::stdout());
        let ran = script::run(&connection, &sql, &self.parameters, &style, &mut out);
        out.flush()?;
        hold.explain(ran)?;
        drop(connection);
        database.close()?;
        Ok(())
    }
}

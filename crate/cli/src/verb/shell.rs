//! `coffer shell`: a line-oriented shell, at a terminal and on a pipe alike.
//!
//! Each statement is answered when its semicolon has come, and the answer is flushed before the next line is read, so a
//! program can hold a conversation. Rows come one per line unless `.mode` says otherwise.

use std::fs;
use std::io::{self, BufRead, BufWriter, IsTerminal, Stdout, Write};
use std::path::Path;
use std::time::Instant;

use clap::{Args, ValueEnum};
use coffer_sqlite::{Connection, Database, statement};

use crate::failure::{Exit, Failure, Outcome};
use crate::interrupt::Hold;
use crate::open::{Access, DatabaseArgs};
use crate::rows::{Format, Style};
use crate::script;
use crate::text::{self, Fact};
use crate::value;
use crate::verb::export::sql;

/// Talk SQL with a database, line by line
///
/// Works at a terminal and on a pipe: each statement is answered as it comes. .help lists the commands of the shell.
#[derive(Args, Debug)]
pub struct Shell {
    #[command(flatten)]
    database: DatabaseArgs,
    /// How to write the rows.
    #[arg(long, value_enum, default_value = "list")]
    mode: Format,
    /// Stop at the first error.
    #[arg(long)]
    bail: bool,
    /// Refuse to change anything.
    #[arg(long)]
    readonly: bool,
}

const HELP: &str = "\
.bail on|off       stop at the first error
.changes on|off    print how many rows a statement changed
.dump [TABLE]      print the database, or a table, as SQL
.exit              leave
.headers on|off    print the names of columns
.help              this
.indexes [TABLE]   list indexes
.info              what the database takes
.mode MODE         table, json, ndjson, csv or list
.nullvalue TEXT    what to print for NULL
.print TEXT        print a line
.quit              leave
.read FILE         run the SQL in a file
.schema [TABLE]    print the SQL that made the database, or a table
.tables [PATTERN]  list tables and views
.timer on|off      print how long each statement took
";

#[expect(clippy::struct_excessive_bools, reason = "switches that people set one by one")]
struct Session {
    database: Database,
    connection: Connection,
    style: Style,
    out: BufWriter<Stdout>,
    bail: bool,
    timer: bool,
    changes: bool,
    failed: bool,
    /// Whether somebody sits at a terminal: a signal then ends the statement and not the shell.
    interactive: bool,
    /// Files that read files end somewhere.
    depth: u32,
}

const DEPTH_MAX: u32 = 16;

/// Whether to read on.
#[derive(PartialEq, Eq)]
enum Next {
    Read,
    Leave,
}

impl Shell {
    pub fn run(&self) -> Outcome {
        let access = if self.readonly { Access::Read } else { Access::WriteIfAllowed };
        let database = self.database.open(access)?;
        let connection = database.connect()?;
        let mut session = Session {
            database,
            connection,
            style: Style::new(self.mode),
            out: BufWriter::new(io::stdout()),
            bail: self.bail,
            timer: false,
            changes: false,
            failed: false,
            interactive: io::stdin().is_terminal(),
            depth: 0,
        };
        let interactive = session.interactive;
        if interactive {
            let name = self.database.name();
            writeln!(session.out, "{name}, SQLite {}; .help lists commands", coffer_sqlite::rusqlite::version())?;
        }
        let conversed = session.converse(&mut io::stdin().lock(), interactive);
        let flushed = session.out.flush();
        let Session { database, connection, failed, bail, .. } = session;
        drop(connection);
        let closed = database.close();
        let next = conversed?;
        let failed = failed && (!interactive || next == Next::Leave && bail);
        flushed?;
        closed?;
        // What failed was said when it did.
        if failed { Err(Failure::new(Exit::Data, "")) } else { Ok(()) }
    }
}

impl Session {
    fn converse(&mut self, input: &mut dyn BufRead, interactive: bool) -> Outcome<Next> {
        let mut pending = String::new();
        let mut line = Vec::new();
        loop {
            if interactive {
                write!(self.out, "{}", if pending.trim().is_empty() { "coffer> " } else { "   ...> " })?;
            }
            self.out.flush()?;
            line.clear();
            let read = input.read_until(b'\n', &mut line).map_err(|error| Failure::file("read", "stdin", &error))?;
            if read == 0 {
                break;
            }
            let line = String::from_utf8_lossy(&line);
            let next = if pending.trim().is_empty() && line.starts_with('.') {
                pending.clear();
                let done = self.command(line.trim());
                self.settle(done)?
            } else {
                pending.push_str(&line);
                self.statements(&mut pending)?
            };
            if next == Next::Leave {
                return Ok(next);
            }
        }
        if interactive {
            writeln!(self.out)?;
        }
        // The last statement may end with the input instead of a semicolon.
        let done = self.statement(&pending).map(|()| Next::Read);
        self.settle(done)
    }

    /// Runs the statements that are complete, and leaves the rest.
    fn statements(&mut self, pending: &mut String) -> Outcome<Next> {
        while let Some((first, rest)) = statement::first(pending) {
            let rest = rest.trim_start().to_owned();
            let done = self.statement(first).map(|()| Next::Read);
            *pending = rest;
            if self.settle(done)? == Next::Leave {
                return Ok(Next::Leave);
            }
        }
        Ok(Next::Read)
    }

    fn statement(&mut self, sql: &str) -> Outcome {
        if sql.trim().is_empty() {
            return Ok(());
        }
        let hold = Hold::briefly_on(&self.connection);
        let (began, before) = (Instant::now(), self.connection.total_changes());
        let ran = script::run_one(&self.connection, sql, &[], &self.style, &mut self.out);
        self.out.flush()?;
        // Also one that came when the statement was over: it was meant for the script, which goes no further.
        if hold.take() && !self.interactive {
            return Err(Failure::interrupted());
        }
        let rows = ran?;
        if self.changes && rows.is_none() {
            writeln!(self.out, "changes: {}", self.connection.total_changes().wrapping_sub(before))?;
        }
        if self.timer {
            writeln!(self.out, "time: {:.3} s", began.elapsed().as_secs_f64())?;
        }
        Ok(())
    }

    /// An error is said and the conversation goes on, unless nobody listens any more or it was to stop.
    fn settle(&mut self, done: Outcome<Next>) -> Outcome<Next> {
        match done {
            Ok(next) => Ok(next),
            Err(failure) if failure.exit == Exit::Done => Err(failure),
            Err(failure) if failure.exit == Exit::Interrupted && (!self.interactive || self.depth > 0) => Err(failure),
            Err(failure) => {
                self.out.flush()?;
                failure.report();
                self.failed = true;
                Ok(if self.bail { Next::Leave } else { Next::Read })
            }
        }
    }

    fn command(&mut self, line: &str) -> Outcome<Next> {
        let (name, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let argument = unquoted(argument.trim());
        match name {
            ".exit" | ".quit" | ".q" => return Ok(Next::Leave),
            ".help" => self.out.write_all(HELP.as_bytes())?,
            ".bail" => self.bail = switch(argument)?,
            ".timer" => self.timer = switch(argument)?,
            ".changes" => self.changes = switch(argument)?,
            ".headers" | ".header" => self.style.headers = Some(switch(argument)?),
            ".nullvalue" => argument.clone_into(&mut self.style.null),
            ".print" => writeln!(self.out, "{argument}")?,
            ".mode" => {
                let modes = "table, json, ndjson, csv or list";
                self.style.format =
                    Format::from_str(argument, true).map_err(|_| Failure::data(format!(".mode takes {modes}")))?;
            }
            ".tables" => self.tables(argument)?,
            ".schema" => self.list(SCHEMA, argument)?,
            ".indexes" | ".indices" => self.list(INDEXES, argument)?,
            ".info" => {
                let figures = self.database.storage_info()?.figures();
                let facts: Vec<_> = figures.into_iter().map(|(name, figure)| (name, Fact::Figure(figure))).collect();
                text::facts(&mut self.out, &facts, false)?;
            }
            ".dump" => {
                let tables: Vec<String> = if argument.is_empty() { Vec::new() } else { vec![argument.to_owned()] };
                sql::write(&self.connection, &tables, &mut self.out, &mut |_| Ok(()))?;
            }
            ".read" => return self.read(Path::new(argument)),
            _ => return Err(Failure::data(format!("there is no command {name}; .help lists those there are"))),
        }
        Ok(Next::Read)
    }

    fn read(&mut self, file: &Path) -> Outcome<Next> {
        if self.depth >= DEPTH_MAX {
            return Err(Failure::data(format!("{} is read by files that it reads", file.display())));
        }
        let fail = |error: io::Error| Failure::file("read", file.display(), &error);
        let opened = fs::File::open(file).map_err(fail)?;
        if opened.metadata().map_err(fail)?.is_dir() {
            return Err(fail(io::ErrorKind::IsADirectory.into()));
        }
        let mut input = io::BufReader::new(opened);
        self.depth += 1;
        let next = self.converse(&mut input, false);
        self.depth -= 1;
        match next? {
            Next::Leave if self.bail => Ok(Next::Leave),
            _ => Ok(Next::Read),
        }
    }

    fn tables(&mut self, pattern: &str) -> Outcome {
        let pattern = if pattern.is_empty() { "%" } else { pattern };
        let names = self.connection.query_all(TABLES, [pattern], |row| row.get::<_, String>(0))?;
        Ok(names.iter().try_for_each(|name| writeln!(self.out, "{name}"))?)
    }

    fn list(&mut self, sql: &str, table: &str) -> Outcome {
        let table = (!table.is_empty()).then_some(table);
        let lines = self.connection.query_all(sql, [table], |row| row.get::<_, String>(0))?;
        if lines.is_empty()
            && let Some(table) = table
        {
            let known = self.connection.query_all(TABLES, [table], |_| Ok(()))?;
            if known.is_empty() {
                return Err(Failure::data(format!(
                    "there is no table {}; .tables lists those there are",
                    value::name(table)
                )));
            }
        }
        Ok(lines.iter().try_for_each(|line| writeln!(self.out, "{line}"))?)
    }
}

const TABLES: &str =
    "select name from sqlite_schema where type in ('table', 'view') and name not like 'sqlite~_%' escape '~'
    and name like ?1 order by name";
const SCHEMA: &str =
    "select sql || ';' from sqlite_schema where sql is not null and name not like 'sqlite~_%' escape '~'
    and (?1 is null or tbl_name = ?1 collate nocase) order by tbl_name, type = 'table' desc, rowid";
const INDEXES: &str =
    "select name from sqlite_schema where type = 'index' and (?1 is null or tbl_name = ?1 collate nocase)
    order by name";

fn switch(word: &str) -> Outcome<bool> {
    match word {
        "on" | "1" | "yes" | "true" => Ok(true),
        "off" | "0" | "no" | "false" => Ok(false),
        _ => Err(Failure::data("say on or off")),
    }
}

/// An argument without the quotes around it.
fn unquoted(text: &str) -> &str {
    let inner = |quote: char| text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    inner('\'').or_else(|| inner('"')).unwrap_or(text)
}

//! What a verb failed with: one line for people, one number for scripts.

use std::fmt::Display;
use std::io;
use std::process::ExitCode;

use coffer_sqlite::{Error, ErrorCode};

/// What a verb returns.
pub type Outcome<T = ()> = Result<T, Failure>;

/// The kinds of failure that a script can tell apart. The numbers are API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Whoever read our output has stopped reading, which is no failure.
    Done = 0,
    /// SQL or data.
    Data = 1,
    /// The command line.
    Usage = 2,
    /// The database cannot be opened: missing, locked, foreign, or not allowed.
    Open = 3,
    /// No key, or a wrong one.
    Key = 4,
    /// Stored bytes are not what was written.
    Corrupt = 5,
    /// Stopped by a signal.
    Interrupted = 130,
}

/// A failure.
#[derive(Debug)]
pub struct Failure {
    /// Its kind.
    pub exit: Exit,
    /// What happened and what to do about it.
    pub message: String,
}

impl Failure {
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }

    /// Something wrong with what was asked for or with the data.
    pub fn data(message: impl Into<String>) -> Self {
        Self::new(Exit::Data, message)
    }

    /// Something wrong with how it was asked for.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// A file that cannot be read or written.
    pub fn file(what: &str, path: impl Display, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(Exit::Done, ""),
            io::ErrorKind::NotFound => {
                Self::new(Exit::Open, format!("cannot {what} {path}: there is no such file or directory"))
            }
            _ => Self::data(format!("cannot {what} {path}: {error}")),
        }
    }

    /// Prints the line, and gives the exit code.
    pub fn report(&self) -> ExitCode {
        if !self.message.is_empty() {
            eprintln!("coffer: {}", one_line(&self.message));
        }
        ExitCode::from(self.exit as u8)
    }
}

/// A message on one line, whatever is in it.
pub fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The kind of failure that an error of the library is.
pub fn exit_of(code: ErrorCode) -> Exit {
    match code {
        ErrorCode::NotFound
        | ErrorCode::Exists
        | ErrorCode::LockedElsewhere
        | ErrorCode::Busy
        | ErrorCode::Foreign
        | ErrorCode::Denied
        | ErrorCode::UnsupportedFormat => Exit::Open,
        ErrorCode::WrongKey | ErrorCode::KeyRequired => Exit::Key,
        ErrorCode::Corrupt => Exit::Corrupt,
        ErrorCode::Aborted => Exit::Interrupted,
        _ => Exit::Data,
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let exit = exit_of(error.code);
        let advice = match error.code {
            ErrorCode::Busy => {
                "another connection is writing; try again when it is done, or wait longer with --busy-timeout"
            }
            ErrorCode::Quota => "the disk is full; free some space and try again",
            ErrorCode::Readonly => "the database is open for reading only",
            ErrorCode::Poisoned | ErrorCode::Io => {
                "nothing that was committed is lost; check the disk and run it again"
            }
            ErrorCode::Aborted => "interrupted; nothing was changed since the last commit",
            _ => "",
        };
        let message = match (error.code, error.sql.as_deref().zip(error.offset)) {
            (ErrorCode::Aborted, _) => advice.to_owned(),
            (_, Some((sql, offset))) => format!("{}{}", error.message, place(sql, offset)),
            // The store's own words may say what to do.
            _ if advice.is_empty() || error.message.contains("try again") => error.message,
            _ => format!("{}: {advice}", error.message),
        };
        Self { exit, message }
    }
}

/// Where in a statement SQLite stumbled.
fn place(sql: &str, offset: u32) -> String {
    let at = usize::try_from(offset).unwrap_or(usize::MAX);
    let Some(before) = sql.get(..at) else { return String::new() };
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!(" (line {line}, column {column})")
}

impl From<coffer_sqlite::rusqlite::Error> for Failure {
    fn from(error: coffer_sqlite::rusqlite::Error) -> Self {
        Error::from(error).into()
    }
}

impl From<coffer_store::Error> for Failure {
    fn from(error: coffer_store::Error) -> Self {
        Error::from(error).into()
    }
}

impl From<coffer_store::DeviceError> for Failure {
    fn from(error: coffer_store::DeviceError) -> Self {
        Error::from(error).into()
    }
}

/// Writing to stdout or to an output file.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::file("write", "the output", &error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_one_line() {
        assert_eq!(one_line("a\n  b\r\nc"), "a b c");
    }

    #[test]
    fn a_syntax_error_is_placed() {
        assert_eq!(place("select 1\nfromm t", 9), " (line 2, column 1)");
        assert_eq!(place("short", 99), "");
    }
}

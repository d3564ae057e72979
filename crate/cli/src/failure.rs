//! What a verb failed with: one line for people, one number for scripts.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use coffer_sqlite::rusqlite::ffi;
use coffer_sqlite::{Error, ErrorCode};
use coffer_store::DeviceOp;

use crate::value;

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
        use io::ErrorKind as Kind;
        let (exit, why) = match error.kind() {
            Kind::BrokenPipe => return Self::new(Exit::Done, ""),
            Kind::NotFound => (Exit::Open, "there is no such file or directory; check the path"),
            Kind::PermissionDenied => (Exit::Open, "the file system does not allow it; check its permissions"),
            Kind::ReadOnlyFilesystem => (Exit::Open, "the file system allows only reading; choose another place"),
            Kind::IsADirectory => (Exit::Open, "it is a directory; name a file"),
            Kind::NotADirectory => (Exit::Open, "a part of the path is no directory; check the path"),
            Kind::InvalidFilename => (Exit::Open, "the name is too long; choose another"),
            Kind::StorageFull | Kind::QuotaExceeded | Kind::FileTooLarge => (Exit::Data, FULL),
            _ => return Self::data(format!("cannot {what} {path}: {error}; check it and try again")),
        };
        Self::new(exit, format!("cannot {what} {path}: {why}"))
    }

    /// A signal came, and was heeded.
    pub fn interrupted() -> Self {
        Self::new(Exit::Interrupted, INTERRUPTED)
    }

    /// Prints the line, and gives the exit code.
    pub fn report(&self) -> ExitCode {
        if !self.message.is_empty() {
            // If nobody can be told, the exit code still says it.
            let _ = writeln!(io::stderr(), "coffer: {}", one_line(&self.message));
        }
        ExitCode::from(self.exit as u8)
    }
}

/// What a full disk asks for.
const FULL: &str = "the disk is full; free some space and try again";
/// What a signal leaves.
pub const INTERRUPTED: &str = "interrupted; nothing was changed since the last commit";

/// A message on one line, whatever is in it: what somebody called a file must not write over the terminal either.
pub fn one_line(message: &str) -> String {
    let lines: Vec<&str> = message.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty()).collect();
    let line = value::printable(&lines.join(" "));
    if line.chars().count() <= LINE {
        return line;
    }
    let (start, end) = (LINE * 3 / 4, LINE / 4);
    let tail: Vec<char> = line.chars().rev().take(end).collect();
    line.chars().take(start).chain(" ... ".chars()).chain(tail.into_iter().rev()).collect()
}

/// Characters of a message that are shown: what is in it may be as long as an argument can be.
const LINE: usize = 1000;

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
        if error.code == ErrorCode::Aborted {
            return Self::interrupted();
        }
        let exit = if cannot_open(&error) { Exit::Open } else { exit_of(error.code) };
        let message = match (error.sql.as_deref().zip(error.offset), advice(&error)) {
            (Some((sql, offset)), _) => format!("{}{}", error.message, place(sql, offset)),
            // The store's own words may say what to do.
            (None, advice) if advice.is_empty() || error.message.contains("try again") => error.message,
            (None, advice) => format!("{}: {advice}", error.message),
        };
        Self { exit, message }
    }
}

/// What to do about an error, where it does not say so itself.
fn advice(error: &Error) -> &'static str {
    match error.code {
        ErrorCode::Busy | ErrorCode::LockedElsewhere => {
            "another connection is writing; try again when it is done, or wait longer with --busy-timeout"
        }
        ErrorCode::Quota => FULL,
        ErrorCode::Readonly => {
            "the database is open for reading only; leave out --readonly, or check the permissions of its files"
        }
        ErrorCode::Io if !writes(error) => "check the disk and try again",
        ErrorCode::Poisoned | ErrorCode::Io => {
            "whether the last change is stored is not known, while those before it are; check the disk, and look whether it is \
             there before making it again"
        }
        _ if cannot_open(error) => "check the path",
        _ => "",
    }
}

/// Whether a device failed in what would have made a change last.
fn writes(error: &Error) -> bool {
    match error.store.as_deref() {
        Some(coffer_store::Error::Device(device)) => {
            matches!(device.op, DeviceOp::Write | DeviceOp::Truncate | DeviceOp::Flush)
        }
        Some(_) => true,
        None => error.result_code != Some(ffi::SQLITE_IOERR_READ),
    }
}

/// A database that a statement names, and SQLite does not open.
fn cannot_open(error: &Error) -> bool {
    error.code == ErrorCode::Sqlite && error.result_code.is_some_and(|code| code & 0xff == ffi::SQLITE_CANTOPEN)
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
        assert_eq!(one_line("two  spaces \u{1b}[2J\n"), "two  spaces \\u{1b}[2J");
        let long = one_line(&format!("begin {} end", "x".repeat(100_000)));
        assert!(long.starts_with("begin x") && long.ends_with("x end") && long.len() < 1100, "{long}");
    }

    #[test]
    fn a_failed_flush_is_not_said_to_have_stored_or_lost_the_change() {
        let told = |op| {
            let device = coffer_store::DeviceError::new(op, "log-0", 64, coffer_store::DeviceErrorKind::Io);
            Failure::from(device).message
        };
        assert_eq!(
            told(DeviceOp::Flush),
            "cannot flush log-0: the device failed: whether the last change is stored is not known, while those before it are; \
             check the disk, and look whether it is there before making it again"
        );
        assert_eq!(
            told(DeviceOp::Read),
            "cannot read log-0 at byte 64: the device failed: check the disk and try again"
        );
        let poisoned = Failure::from(coffer_store::Error::Poisoned);
        assert!(poisoned.message.contains("not known") && !poisoned.message.contains("again;"), "{}", poisoned.message);
    }

    #[test]
    fn a_syntax_error_is_placed() {
        assert_eq!(place("select 1\nfromm t", 9), " (line 2, column 1)");
        assert_eq!(place("short", 99), "");
    }
}

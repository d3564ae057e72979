//! What a caller can be told went wrong.
//!
//! A code exists where a caller would act differently; everything else is data of an existing code. The names in
//! [`ERROR_CODES`] are the ones JavaScript sees and are API; messages are for people and are not. The store's own error
//! travels inside, typed, and [`result_code`] is the one place where it becomes a number of SQLite's.

use std::ffi::c_int;

use coffer_store::{DeviceErrorKind, DeviceOp, Limit};
use rusqlite::ErrorCode as SqliteCode;
use rusqlite::ffi;

/// What the caller can do something about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorCode {
    /// A constraint of the schema, or a row limit, refused the row.
    Constraint,
    /// Somebody else is writing; trying again later may work.
    Busy,
    /// Another transaction committed first; run it again.
    Conflict,
    /// Stored bytes are not what was written.
    Corrupt,
    /// There is no room left.
    Quota,
    /// The statement was interrupted on request.
    Aborted,
    /// A stated limit was reached.
    Limit,
    /// The system does not allow it.
    Denied,
    /// The database is open for reading only.
    Readonly,
    /// This build or this browser cannot do it.
    Unsupported,
    /// Written by a newer Coffer, or with features that this one lacks.
    UnsupportedFormat,
    /// There is no such file.
    NotFound,
    /// It is there already.
    Exists,
    /// Another process or tab holds the files.
    LockedElsewhere,
    /// Not a database of ours.
    Foreign,
    /// The database is encrypted and no key was given.
    KeyRequired,
    /// The key does not open it.
    WrongKey,
    /// The commit asked for is not kept.
    NoSuchCommit,
    /// The device failed.
    Io,
    /// An earlier write failed; reopen.
    Poisoned,
    /// The database or connection was closed.
    Closed,
    /// Any other complaint of SQLite; `result_code` says which.
    Sqlite,
}

impl ErrorCode {
    const ALL: [(Self, &'static str); 22] = [
        (Self::Constraint, "constraint"),
        (Self::Busy, "busy"),
        (Self::Conflict, "conflict"),
        (Self::Corrupt, "corrupt"),
        (Self::Quota, "quota"),
        (Self::Aborted, "aborted"),
        (Self::Limit, "limit"),
        (Self::Denied, "denied"),
        (Self::Readonly, "readonly"),
        (Self::Unsupported, "unsupported"),
        (Self::UnsupportedFormat, "unsupported_format"),
        (Self::NotFound, "not_found"),
        (Self::Exists, "exists"),
        (Self::LockedElsewhere, "locked_elsewhere"),
        (Self::Foreign, "foreign"),
        (Self::KeyRequired, "key_required"),
        (Self::WrongKey, "wrong_key"),
        (Self::NoSuchCommit, "no_such_commit"),
        (Self::Io, "io"),
        (Self::Poisoned, "poisoned"),
        (Self::Closed, "closed"),
        (Self::Sqlite, "sqlite"),
    ];

    /// The name that JavaScript sees.
    pub const fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    fn of_store(error: &coffer_store::Error) -> Self {
        let name = error.code();
        Self::ALL.iter().find(|(_, known)| *known == name).map_or(Self::Io, |&(code, _)| code)
    }

    fn of_sqlite(code: SqliteCode) -> Self {
        match code {
            SqliteCode::ConstraintViolation => Self::Constraint,
            SqliteCode::DatabaseBusy | SqliteCode::DatabaseLocked => Self::Busy,
            SqliteCode::DatabaseCorrupt => Self::Corrupt,
            SqliteCode::NotADatabase => Self::Foreign,
            SqliteCode::DiskFull => Self::Quota,
            SqliteCode::OperationInterrupted => Self::Aborted,
            SqliteCode::TooBig | SqliteCode::OutOfMemory => Self::Limit,
            SqliteCode::PermissionDenied | SqliteCode::AuthorizationForStatementDenied => Self::Denied,
            SqliteCode::ReadOnly => Self::Readonly,
            SqliteCode::SystemIoFailure => Self::Io,
            _ => Self::Sqlite,
        }
    }
}

/// Every name of an [`ErrorCode`], as JavaScript spells it.
pub const ERROR_CODES: &[&str] = &[
    "constraint",
    "busy",
    "conflict",
    "corrupt",
    "quota",
    "aborted",
    "limit",
    "denied",
    "readonly",
    "unsupported",
    "unsupported_format",
    "not_found",
    "exists",
    "locked_elsewhere",
    "foreign",
    "key_required",
    "wrong_key",
    "no_such_commit",
    "io",
    "poisoned",
    "closed",
    "sqlite",
];

/// A failure, with where and what as data.
#[derive(Debug)]
pub struct Error {
    /// What kind of failure.
    pub code: ErrorCode,
    /// For people.
    pub message: String,
    /// SQLite's extended result code, if SQLite complained.
    pub result_code: Option<i32>,
    /// The statement that failed.
    pub sql: Option<String>,
    /// Byte offset in `sql` of the token that SQLite could not take.
    pub offset: Option<u32>,
    /// The store's own error, where it is the cause. Boxed, as the source is, since results are passed about a lot.
    pub store: Option<Box<coffer_store::Error>>,
    source: Option<Box<rusqlite::Error>>,
}

/// What everything here returns.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A failure that SQLite did not report.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), result_code: None, sql: None, offset: None, store: None, source: None }
    }

    /// What SQLite reported while it ran `sql` (empty if it ran none).
    pub fn from_sqlite(error: rusqlite::Error, sql: &str) -> Self {
        let failure = match &error {
            rusqlite::Error::SqlInputError { error, .. } => Some(*error),
            other => other.sqlite_error().copied(),
        };
        let (message, offset) = match &error {
            rusqlite::Error::SqlInputError { msg, offset, .. } => (msg.clone(), u32::try_from(*offset).ok()),
            rusqlite::Error::SqliteFailure(_, Some(message)) => (message.clone(), None),
            other => (other.to_string(), None),
        };
        Self {
            code: failure.map_or(ErrorCode::Sqlite, |failure| ErrorCode::of_sqlite(failure.code)),
            message,
            result_code: failure.map(|failure| failure.extended_code),
            sql: (!sql.is_empty()).then(|| sql.to_owned()),
            offset,
            store: None,
            source: Some(Box::new(error)),
        }
    }

    /// The same with the store's error that was behind it, if it was: a code that no store error maps to is SQLite's own.
    #[must_use]
    pub fn with_store(mut self, store: Option<coffer_store::Error>) -> Self {
        if let Some(store) = store
            && self.result_code.is_some_and(|code| code & 0xff == result_code(&store) & 0xff)
        {
            self.code = ErrorCode::of_store(&store);
            self.message = store.to_string();
            self.store = Some(Box::new(store));
        }
        self
    }
}

impl From<coffer_store::Error> for Error {
    fn from(error: coffer_store::Error) -> Self {
        let mut new = Self::new(ErrorCode::of_store(&error), error.to_string());
        new.store = Some(Box::new(error));
        new
    }
}

impl From<coffer_store::DeviceError> for Error {
    fn from(error: coffer_store::DeviceError) -> Self {
        coffer_store::Error::Device(error).into()
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self::from_sqlite(error, "")
    }
}

/// SQLite's code for an error of the store. The only place where one becomes the other.
pub fn result_code(error: &coffer_store::Error) -> c_int {
    use coffer_store::Error as Store;
    match error {
        Store::Device(device) => match (device.kind, device.op) {
            (DeviceErrorKind::NoSpace, _) => ffi::SQLITE_FULL,
            (DeviceErrorKind::ReadOnly, _) => ffi::SQLITE_READONLY,
            (DeviceErrorKind::Busy | DeviceErrorKind::NotReady, _) => ffi::SQLITE_BUSY,
            (DeviceErrorKind::NotFound | DeviceErrorKind::Exists, _) | (_, DeviceOp::Open) => ffi::SQLITE_CANTOPEN,
            (DeviceErrorKind::ShortRead, _) | (_, DeviceOp::Read) => ffi::SQLITE_IOERR_READ,
            (_, DeviceOp::Write) => ffi::SQLITE_IOERR_WRITE,
            (_, DeviceOp::Flush) => ffi::SQLITE_IOERR_FSYNC,
            (_, DeviceOp::Truncate) => ffi::SQLITE_IOERR_TRUNCATE,
            (_, DeviceOp::Len) => ffi::SQLITE_IOERR_FSTAT,
            (_, DeviceOp::Remove) => ffi::SQLITE_IOERR_DELETE,
            (_, DeviceOp::List) => ffi::SQLITE_IOERR_ACCESS,
        },
        Store::Poisoned => ffi::SQLITE_IOERR_WRITE,
        Store::Corrupt(_) => ffi::SQLITE_CORRUPT,
        Store::Foreign { .. } | Store::KeyRequired | Store::WrongKey => ffi::SQLITE_NOTADB,
        Store::Unsupported { .. } | Store::NoSuchCommit { .. } | Store::Limit(Limit::Files) => ffi::SQLITE_CANTOPEN,
        Store::Conflict { .. } => ffi::SQLITE_BUSY_SNAPSHOT,
        Store::Limit(Limit::LogFull) => ffi::SQLITE_BUSY,
        Store::Limit(Limit::ReadOnly) => ffi::SQLITE_READONLY,
        Store::Limit(Limit::Pages) => ffi::SQLITE_FULL,
        Store::Limit(_) => ffi::SQLITE_ERROR,
        // The store may grow errors that this build has no better word for.
        _ => ffi::SQLITE_IOERR,
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match (&self.store, &self.source) {
            (Some(store), _) => Some(store.as_ref()),
            (None, source) => source.as_ref().map(|error| error.as_ref() as _),
        }
    }
}

#[cfg(test)]
mod tests {
    use coffer_store::{CommitId, DeviceError, Error as Store, Foreign, Unsupported, What};

    use super::*;

    fn failure(setup: &str, sql: &str) -> Error {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        connection.execute_batch(setup).unwrap();
        Error::from_sqlite(connection.execute_batch(sql).unwrap_err(), sql)
    }

    #[test]
    fn a_syntax_error_says_where() {
        let error = failure("", "select 1 fromm t");
        assert_eq!(error.code, ErrorCode::Sqlite);
        assert_eq!(error.sql.as_deref(), Some("select 1 fromm t"));
        assert_eq!(error.result_code, Some(1));
        assert!(error.offset.is_some(), "{error:?}");
    }

    #[test]
    fn a_constraint_has_its_own_code() {
        let error = failure("create table t(x unique); insert into t values (1)", "insert into t values (1)");
        assert_eq!(error.code, ErrorCode::Constraint);
        assert_eq!(error.result_code, Some(2067));
    }

    #[test]
    fn a_full_database_is_a_matter_of_quota() {
        let error = failure("pragma max_page_count = 2; create table t(x)", "insert into t values (zeroblob(100000))");
        assert_eq!(error.code, ErrorCode::Quota);
    }

    #[test]
    fn every_code_is_in_the_list_of_names() {
        for (index, (code, name)) in ErrorCode::ALL.iter().enumerate() {
            assert_eq!(*code as usize, index);
            assert_eq!(ERROR_CODES[index], *name);
        }
        for name in Store::CODES {
            assert!(ERROR_CODES.contains(&name), "{name} has no code here");
        }
    }

    #[test]
    fn every_error_of_the_store_has_its_code_of_sqlite() {
        let device = |op, kind| Store::Device(DeviceError::new(op, "log-1", 0, kind));
        let io = DeviceErrorKind::Io;
        let table = [
            (device(DeviceOp::Write, DeviceErrorKind::NoSpace), ffi::SQLITE_FULL),
            (device(DeviceOp::Write, DeviceErrorKind::ReadOnly), ffi::SQLITE_READONLY),
            (device(DeviceOp::Open, DeviceErrorKind::Busy), ffi::SQLITE_BUSY),
            (device(DeviceOp::Open, DeviceErrorKind::NotReady), ffi::SQLITE_BUSY),
            (device(DeviceOp::Open, DeviceErrorKind::NotFound), ffi::SQLITE_CANTOPEN),
            (device(DeviceOp::Open, DeviceErrorKind::Exists), ffi::SQLITE_CANTOPEN),
            (device(DeviceOp::Open, io), ffi::SQLITE_CANTOPEN),
            (device(DeviceOp::Read, DeviceErrorKind::ShortRead), ffi::SQLITE_IOERR_READ),
            (device(DeviceOp::Read, io), ffi::SQLITE_IOERR_READ),
            (device(DeviceOp::Write, io), ffi::SQLITE_IOERR_WRITE),
            (device(DeviceOp::Flush, io), ffi::SQLITE_IOERR_FSYNC),
            (device(DeviceOp::Truncate, io), ffi::SQLITE_IOERR_TRUNCATE),
            (device(DeviceOp::Len, io), ffi::SQLITE_IOERR_FSTAT),
            (device(DeviceOp::Remove, io), ffi::SQLITE_IOERR_DELETE),
            (device(DeviceOp::List, io), ffi::SQLITE_IOERR_ACCESS),
            (Store::Poisoned, ffi::SQLITE_IOERR_WRITE),
            (Store::corrupt("log-1", 0, What::Frame), ffi::SQLITE_CORRUPT),
            (Store::Foreign { file: "x".into(), hint: Foreign::Sqlite }, ffi::SQLITE_NOTADB),
            (Store::KeyRequired, ffi::SQLITE_NOTADB),
            (Store::WrongKey, ffi::SQLITE_NOTADB),
            (Store::Unsupported { file: "x".into(), what: Unsupported::Version(9) }, ffi::SQLITE_CANTOPEN),
            (Store::NoSuchCommit { commit: CommitId(3) }, ffi::SQLITE_CANTOPEN),
            (Store::Conflict { base: CommitId(1), head: CommitId(2) }, ffi::SQLITE_BUSY_SNAPSHOT),
            (Store::Limit(Limit::LogFull), ffi::SQLITE_BUSY),
            (Store::Limit(Limit::ReadOnly), ffi::SQLITE_READONLY),
            (Store::Limit(Limit::Pages), ffi::SQLITE_FULL),
            (Store::Limit(Limit::Files), ffi::SQLITE_CANTOPEN),
            (Store::Limit(Limit::KeySlots), ffi::SQLITE_ERROR),
        ];
        for (error, code) in table {
            assert_eq!(result_code(&error), code, "{error}");
            let word = error.code();
            assert_eq!(Error::from(error).code.name(), word);
        }
    }

    #[test]
    fn the_store_is_blamed_only_for_its_own_code() {
        let busy = || failure("create table t(x unique); insert into t values (1)", "insert into t values (1)");
        let error = busy().with_store(Some(Store::WrongKey));
        assert_eq!((error.code, error.store), (ErrorCode::Constraint, None));
    }
}

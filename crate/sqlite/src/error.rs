//! What a caller can be told went wrong.
//!
//! A code exists where a caller would act differently; everything else is data of an existing code. The names in [`ERROR_CODES`] are the
//! ones JavaScript sees and are API; messages are for people and are not.

use rusqlite::ErrorCode as SqliteCode;

/// What the caller can do something about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorCode {
    /// A constraint of the schema refused the row.
    Constraint,
    /// Somebody else holds the database; trying again later may work.
    Busy,
    /// Stored bytes are not what was written.
    Corrupt,
    /// There is no room left.
    Quota,
    /// The statement was interrupted on request.
    Aborted,
    /// A stated limit was reached.
    Limit,
    /// Access control or a read-only database refused it.
    Denied,
    /// This build or this browser cannot do it.
    Unsupported,
    /// Any other complaint of SQLite; `result_code` says which.
    Sqlite,
}

/// Every name of an [`ErrorCode`], as JavaScript spells it.
pub const ERROR_CODES: &[&str] =
    &["constraint", "busy", "corrupt", "quota", "aborted", "limit", "denied", "unsupported", "sqlite"];

impl ErrorCode {
    /// The name that JavaScript sees.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Constraint => "constraint",
            Self::Busy => "busy",
            Self::Corrupt => "corrupt",
            Self::Quota => "quota",
            Self::Aborted => "aborted",
            Self::Limit => "limit",
            Self::Denied => "denied",
            Self::Unsupported => "unsupported",
            Self::Sqlite => "sqlite",
        }
    }
}

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
    /// Boxed, since every result would be as large as rusqlite's largest error otherwise.
    source: Option<Box<rusqlite::Error>>,
}

/// What everything here returns.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A failure that SQLite did not report.
    pub fn new(code: ErrorCode, message: String) -> Self {
        Self { code, message, result_code: None, sql: None, offset: None, source: None }
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
            code: failure.map_or(ErrorCode::Sqlite, |failure| kind(failure.code)),
            message,
            result_code: failure.map(|failure| failure.extended_code),
            sql: (!sql.is_empty()).then(|| sql.to_owned()),
            offset,
            source: Some(Box::new(error)),
        }
    }
}

fn kind(code: SqliteCode) -> ErrorCode {
    match code {
        SqliteCode::ConstraintViolation => ErrorCode::Constraint,
        SqliteCode::DatabaseBusy | SqliteCode::DatabaseLocked => ErrorCode::Busy,
        SqliteCode::DatabaseCorrupt | SqliteCode::NotADatabase => ErrorCode::Corrupt,
        SqliteCode::DiskFull => ErrorCode::Quota,
        SqliteCode::OperationInterrupted => ErrorCode::Aborted,
        SqliteCode::TooBig | SqliteCode::OutOfMemory => ErrorCode::Limit,
        SqliteCode::PermissionDenied | SqliteCode::ReadOnly | SqliteCode::AuthorizationForStatementDenied => {
            ErrorCode::Denied
        }
        _ => ErrorCode::Sqlite,
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|error| error.as_ref() as _)
    }
}

#[cfg(test)]
mod tests {
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
        use ErrorCode::{Aborted, Busy, Constraint, Corrupt, Denied, Limit, Quota, Sqlite, Unsupported};
        let names: Vec<_> =
            [Constraint, Busy, Corrupt, Quota, Aborted, Limit, Denied, Unsupported, Sqlite].map(ErrorCode::name).into();
        assert_eq!(names, ERROR_CODES);
    }
}

//! An open database and its connection.
//!
//! Does not know who calls it: the browser's worker, the native command and tests use the same type.

use rusqlite::{Connection, OpenFlags};

use crate::{Error, Result, features};

/// An open database. Dropping it closes it.
pub struct Database {
    connection: Connection,
}

impl Database {
    /// Opens a new, empty database that lives in memory and dies with this value.
    pub fn open_in_memory() -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_in_memory_with_flags(flags).map_err(|error| Error::from_sqlite(error, ""))?;
        features::require(&connection)?;
        Ok(Self { connection })
    }

    /// The connection that statements run on.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_databases_in_memory_share_nothing() {
        let a = Database::open_in_memory().unwrap();
        let b = Database::open_in_memory().unwrap();
        a.connection().execute_batch("create table t(x)").unwrap();
        assert!(b.connection().prepare("select * from t").is_err());
    }
}

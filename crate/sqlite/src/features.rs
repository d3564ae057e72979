//! What the compiled SQLite must be able to do, on every target.
//!
//! The flags stand in `.cargo/config.toml`; this module asks the library that was really linked, so that a build made without them (from
//! another directory, or with a cached object) is refused at open instead of failing in some query later.

use rusqlite::Connection;

use crate::{Error, ErrorCode, Result};

/// SQLite before 3.51.3 can reset its write-ahead log wrongly; a database that met that bug cannot be trusted.
pub const VERSION_NUMBER_MIN: i32 = 3_051_003;

/// Entries that `pragma compile_options` has to list.
pub const REQUIRED: &[&str] = &[
    "DEFAULT_CACHE_SIZE=-16384",
    "DEFAULT_PAGE_SIZE=8192",
    "DQS=0",
    "ENABLE_BATCH_ATOMIC_WRITE",
    "ENABLE_COLUMN_METADATA",
    "ENABLE_DBSTAT_VTAB",
    "ENABLE_FTS5",
    "ENABLE_GEOPOLY",
    "ENABLE_MATH_FUNCTIONS",
    "ENABLE_OFFSET_SQL_FUNC",
    "ENABLE_PREUPDATE_HOOK",
    "ENABLE_RTREE",
    "ENABLE_SESSION",
    "ENABLE_STAT4",
    "OMIT_DEPRECATED",
    "OMIT_SHARED_CACHE",
    "SOUNDEX",
    "TEMP_STORE=2",
];

/// Entries that must not be there: one target's default that the other does not share, so behaviour would differ between them.
pub const FORBIDDEN: &[&str] =
    &["DEFAULT_FOREIGN_KEYS=1", "ENABLE_FTS3", "ENABLE_LOAD_EXTENSION", "ENABLE_UNKNOWN_SQL_FUNCTION"];

/// What `pragma compile_options` lists.
pub fn compile_options(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare("pragma compile_options")?;
    statement.query_map([], |row| row.get(0))?.collect()
}

/// Refuses a SQLite that is too old or was compiled with other flags than ours.
pub fn require(connection: &Connection) -> Result<()> {
    let number = rusqlite::version_number();
    if number < VERSION_NUMBER_MIN {
        return Err(unsupported(format!("SQLite {} is older than 3.51.3", rusqlite::version())));
    }
    let present = compile_options(connection).map_err(|error| Error::from_sqlite(error, ""))?;
    let has = |name: &&&str| present.iter().any(|option| option == **name);
    let missing: Vec<&str> = REQUIRED.iter().filter(|name| !has(name)).copied().collect();
    let surplus: Vec<&str> = FORBIDDEN.iter().filter(has).copied().collect();
    if missing.is_empty() && surplus.is_empty() {
        return Ok(());
    }
    Err(unsupported(format!(
        "SQLite was compiled with other flags than Coffer's: missing {}; too many {}",
        missing.join(" "),
        surplus.join(" ")
    )))
}

fn unsupported(message: String) -> Error {
    Error::new(ErrorCode::Unsupported, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_linked_sqlite_has_every_feature() {
        let connection = Connection::open_in_memory().unwrap();
        require(&connection).unwrap();
        assert!(rusqlite::version_number() >= VERSION_NUMBER_MIN);
    }

    #[test]
    fn every_extension_answers() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "create virtual table notes using fts5(body);
                 insert into notes values ('a strongbox for pages');
                 create virtual table boxes using rtree(id, x0, x1, y0, y1);
                 insert into boxes values (1, 0, 2, 0, 2);
                 create virtual table shapes using geopoly(name);
                 insert into shapes(_shape, name) values ('[[0,0],[1,0],[1,1],[0,0]]', 'triangle');",
            )
            .unwrap();
        let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(count("select count(*) from notes where notes match 'strongbox'"), 1);
        assert_eq!(count("select count(*) from boxes where x0 <= 1 and x1 >= 1"), 1);
        assert_eq!(count("select count(*) from shapes where geopoly_area(_shape) = 0.5"), 1);
        assert_eq!(count("select cast(round(pow(2, 10) + sin(0)) as integer)"), 1024);
        assert!(count("select count(*) from dbstat") > 0);
        assert_eq!(count("select json_extract('{\"a\":7}', '$.a')"), 7);
    }
}

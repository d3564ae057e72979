//! What Coffer adds to SQL: pragmas that read back what they set, tables of figures, row limits, isolation levels.

use coffer_sqlite::rusqlite::types::Value;
use coffer_sqlite::wire::Parameters;
use coffer_sqlite::{Connection, Database, ErrorCode, OpenOptions, rusqlite, statement};
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn memory() -> (Database, Connection) {
    let database = Database::in_memory(OpenOptions::default()).unwrap();
    let connection = database.connect().unwrap();
    (database, connection)
}

/// The first column of a pragma's answer, as text, by way of rusqlite alone.
fn ask(connection: &rusqlite::Connection, pragma: &str) -> String {
    connection
        .query_row(&format!("pragma {pragma}"), [], |row| {
            Ok(match row.get::<_, Value>(0)? {
                Value::Integer(number) => number.to_string(),
                Value::Text(text) => text,
                other => panic!("{other:?}"),
            })
        })
        .unwrap()
}

#[test]
fn pragmas_read_back_what_they_set() {
    let (_database, connection) = memory();
    for (pragma, value, answer) in [
        ("wal_mode", "off", "0"),
        ("wal_mode", "on", "1"),
        ("wal_autocheckpoint", "123", "123"),
        ("wal_autocheckpoint_ms", "4567", "4567"),
        ("wal_truncate", "on", "1"),
        ("wal_truncate", "65536", "65536"),
        ("wal_truncate", "off", "0"),
        ("wal_archive", "on", "1"),
        ("journal_size_limit", "1000000", "1000000"),
        ("journal_size_limit", "-1", "-1"),
        ("cache_memory", "1000000", "1000000"),
        ("cache_memory_soft", "500000", "500000"),
        ("max_rows", "100", "100"),
        ("compression", "'zstd:9'", "zstd:9"),
        ("compression", "lz4", "lz4"),
        ("verify_on_read", "off", "0"),
        ("compaction", "off", "0"),
        ("isolation_level", "'read committed'", "read committed"),
        ("isolation_level", "snapshot", "snapshot"),
        ("isolation_level", "serializable", "serializable"),
        ("busy_timeout", "1234", "1234"),
        ("synchronous", "extra", "3"),
        ("synchronous", "off", "0"),
    ] {
        connection.query_row(&format!("pragma {pragma} = {value}"), [], |_| Ok(())).ok();
        assert_eq!(ask(&connection, pragma), answer, "{pragma} = {value}");
    }
    ask(&connection, "max_rows('t = 5')");
    assert_eq!(ask(&connection, "max_rows('t')"), "5");
    assert_eq!(ask(&connection, "max_rows('other')"), "100");
}

#[test]
fn a_wrong_value_is_refused_with_what_may_stand_there() {
    let (_database, connection) = memory();
    let error = connection.execute_batch("pragma wal_mode = perhaps").unwrap_err();
    assert_eq!(error.message, "wal_mode takes ON or OFF, not 'perhaps'");
    let error = connection.execute_batch("pragma compression = brotli").unwrap_err();
    assert!(error.message.contains("none, rle, lz4, zstd or gzip"), "{}", error.message);
}

#[test]
fn any_journal_mode_is_accepted_and_is_wal() {
    let (_database, connection) = memory();
    connection.execute_batch("create table t(a)").unwrap();
    for mode in ["wal", "delete", "off", "memory", "truncate", "persist"] {
        assert_eq!(ask(&connection, &format!("journal_mode = {mode}")), "wal");
        connection.execute_batch("begin; insert into t values (1); rollback").unwrap();
    }
    assert_eq!(ask(&connection, "journal_mode"), "wal");
    let count: i64 = connection.query_row("select count(*) from t", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 0, "a rollback rolls back in every mode");
    assert_eq!(ask(&connection, "wal_checkpoint(truncate)"), "0", "nobody was in the way");
}

#[test]
fn figures_are_rows_and_json() {
    let (database, connection) = memory();
    connection.execute_batch("create table t(a); insert into t values (zeroblob(100000))").unwrap();
    let (pages, bytes, commit, backend): (u64, u64, u64, String) = connection
        .query_row("select page_count, logical_bytes, last_commit_id, backend from storage_info", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .unwrap();
    let info = database.storage_info().unwrap();
    assert_eq!((pages, bytes, commit, backend), (info.page_count, info.logical_bytes, 2, info.backend.clone()));
    assert_eq!(info.logical_bytes, info.page_count * info.page_size);
    let ratio: f64 = connection.query_row("select compression_ratio from storage_info", [], |row| row.get(0)).unwrap();
    assert!(ratio > 3.0, "{ratio}");
    let json = ask(&connection, "storage_info");
    let by_json: u64 = connection.query_row("select ? ->> '$.page_count'", [&json], |row| row.get(0)).unwrap();
    assert_eq!(by_json, pages);
    let (used, max, total): (u64, u64, u64) = connection
        .query_row("select page_cache_used, page_cache_max, total_memory from memory_stats", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .unwrap();
    assert!(used <= max && total > used, "{used} {max} {total}");
    assert!(ask(&connection, "memory_stats").contains("\"sqlite_used\":"));
    assert_eq!(ask(&connection, "key_slots"), "[]");
}

/// The names of a statement's columns, and its rows.
fn table(connection: &Connection, sql: &str) -> (Vec<String>, Vec<Vec<Value>>) {
    let mut statement = connection.prepare(sql).unwrap();
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let count = names.len();
    let rows = statement.query_map([], |row| (0..count).map(|index| row.get(index)).collect()).unwrap();
    let rows = rows.collect::<rusqlite::Result<_>>().unwrap();
    (names, rows)
}

#[test]
fn a_pragma_with_rows_answers_as_its_table_does() {
    let key = Some(coffer_sqlite::Key::raw([5; 32]));
    let database = Database::in_memory(OpenOptions { key, ..OpenOptions::default() }).unwrap();
    let connection = database.connect().unwrap();
    connection.execute_batch("pragma wal_archive = on; create table t(a); insert into t values (1)").unwrap();
    connection.execute_batch("update t set a = 2; pragma wal_checkpoint").unwrap();
    for (pragma, select) in [
        ("pragma storage_info", "select * from storage_info"),
        ("PRAGMA main.Storage_Info;", "select * from pragma_storage_info('main')"),
        ("pragma key_slots", "select * from key_slots"),
        ("pragma page_history(2)", "select * from page_history(2)"),
        ("pragma page_history = 2", "select commit_id, time_ms from page_history where page = 2"),
        ("pragma compaction", "select * from compaction"),
    ] {
        assert_eq!(table(&connection, pragma), table(&connection, select), "{pragma}");
    }
    let (names, rows) = table(&connection, "pragma memory_stats");
    assert_eq!((names[0].as_str(), names.len(), rows.len()), ("page_cache_used", 9, 1));
    let (names, rows) = table(&connection, "pragma key_slots");
    assert_eq!(names, ["slot", "kind"]);
    assert_eq!(rows, [[Value::Integer(0), Value::Text("raw".to_owned())]]);
    assert_eq!(table(&connection, "pragma page_history(2)").1.len(), 3, "created, filled, updated");
    // The same by every way that leads to a statement.
    let pages: u64 = connection.query_row("pragma storage_info", [], |row| row.get("page_count")).unwrap();
    assert_eq!(connection.query_all("pragma storage_info", [], |row| row.get::<_, u64>(0)).unwrap(), [pages]);
    let wire = statement::query(&connection, "pragma storage_info", &Parameters::Positional(Vec::new())).unwrap();
    let plain = statement::query(&connection, "select * from storage_info", &Parameters::Positional(Vec::new()));
    assert_eq!(wire, plain.unwrap());
    // What it sets, it reads back.
    connection.execute_batch("pragma compaction = off").unwrap();
    assert_eq!(table(&connection, "pragma compaction").1[0][0], Value::Integer(0));
    let error = connection.execute_batch("pragma storage_info(7)").unwrap_err();
    assert_eq!(error.message, "storage_info is read only and takes nothing");
}

#[test]
fn a_table_of_ones_own_does_not_hide_a_pragma() {
    let (_database, connection) = memory();
    connection.execute_batch("create table storage_info(mine); insert into storage_info values (7)").unwrap();
    assert_eq!(table(&connection, "select * from storage_info").0, ["mine"]);
    assert!(table(&connection, "pragma storage_info").0.contains(&"stored_bytes".to_owned()));
}

#[test]
fn a_pragma_is_asked_of_the_database_it_names() {
    let (one, connection) = memory();
    let (two, other) = memory();
    other.execute_batch("create table t(a); insert into t values (zeroblob(100000))").unwrap();
    connection.execute_batch(&format!("attach '{}' as other", two.name())).unwrap();
    let pages = |sql: &str| -> u64 { connection.query_row(sql, [], |row| row.get("page_count")).unwrap() };
    assert_eq!(pages("pragma other.storage_info"), two.storage_info().unwrap().page_count);
    assert_eq!(pages("select * from storage_info('other')"), two.storage_info().unwrap().page_count);
    assert_eq!(pages("pragma main.storage_info"), one.storage_info().unwrap().page_count);
    assert_ne!(pages("pragma storage_info"), pages("pragma other.storage_info"));
    for schema in ["nowhere", "temp"] {
        let error = connection.query_row(&format!("pragma {schema}.storage_info"), [], |_| Ok(())).unwrap_err();
        assert!(error.message.contains("database"), "{}", error.message);
    }
}

#[test]
fn the_cache_stays_within_its_budget_under_load() {
    let (_database, connection) = memory();
    connection.execute_batch("pragma cache_size = 5; pragma cache_memory = 200000; create table t(a, b)").unwrap();
    connection
        .execute_batch(
            "with recursive n(i) as (select 1 union all select i + 1 from n where i < 5000)
             insert into t select i, hex(randomblob(100)) from n",
        )
        .unwrap();
    for _ in 0..3 {
        let _: i64 = connection.query_row("select count(b) from t where a > 0", [], |row| row.get(0)).unwrap();
        let used: u64 = connection.query_row("select page_cache_used from memory_stats", [], |row| row.get(0)).unwrap();
        assert!(used > 100_000 && used <= 200_000, "{used}");
    }
    connection.execute_batch("pragma cache_memory_soft = 50000").unwrap();
    let used: u64 = connection.query_row("select page_cache_used from memory_stats", [], |row| row.get(0)).unwrap();
    assert!(used <= 50_000, "{used}");
}

#[test]
fn rows_past_the_limit_are_refused_by_name() {
    let (database, connection) = memory();
    connection.execute_batch("create table small(a primary key); create table free(a)").unwrap();
    connection.execute_batch("pragma max_rows('small=3')").unwrap();
    for index in 0..3 {
        connection.execute("insert into small values (?)", [index]).unwrap();
    }
    let error = connection.execute("insert into small values (9)", []).unwrap_err();
    assert_eq!(error.code, ErrorCode::Constraint);
    assert_eq!(error.message, "max_rows: table small is full: it may hold 3 rows");
    // A row in place of another, and a row after one was deleted, are within the limit.
    connection.execute("insert or replace into small values (1)", []).unwrap();
    connection.execute_batch("delete from small where a = 0; insert into small values (7)").unwrap();
    connection.execute("insert into free select a from small, (select 1 union select 2)", []).unwrap();
    // A limit for all holds for tables made later too, and for other connections.
    connection.execute_batch("pragma max_rows = 10; create table later(a)").unwrap();
    let many = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 11) insert into later select i from n";
    assert_eq!(connection.execute(many, []).unwrap_err().code, ErrorCode::Constraint);
    let other = database.connect().unwrap();
    assert_eq!(other.execute(many, []).unwrap_err().code, ErrorCode::Constraint);
    connection.execute_batch("pragma max_rows = -1").unwrap();
    connection.execute(many, []).unwrap();
}

#[test]
fn serializable_sees_one_commit_and_read_committed_each_newest() {
    let (database, writer) = memory();
    writer.execute_batch("create table t(a); insert into t values (1)").unwrap();
    let sum = |connection: &Connection| -> i64 {
        connection.query_row("select sum(a) from t", [], |row| row.get(0)).unwrap()
    };
    let [strict, same, loose, looser] = [(); 4].map(|()| database.connect().unwrap());
    same.execute_batch("pragma isolation_level = 'snapshot'").unwrap();
    loose.execute_batch("pragma isolation_level = 'read committed'").unwrap();
    looser.execute_batch("pragma isolation_level = 'read uncommitted'").unwrap();
    for connection in [&strict, &same, &loose, &looser] {
        connection.execute_batch("begin").unwrap();
        assert_eq!(sum(connection), 1);
    }
    // Not committed: nobody sees it at any level (no dirty read).
    writer.execute_batch("begin; insert into t values (10)").unwrap();
    assert_eq!([&strict, &same, &loose, &looser].map(sum), [1, 1, 1, 1]);
    writer.execute_batch("commit").unwrap();
    // Committed: a non-repeatable read is what read committed allows, and serializable forbids.
    assert_eq!([&strict, &same, &loose, &looser].map(sum), [1, 1, 11, 11]);
    // The first write of a read committed transaction builds on the newest commit, and from then on it sees one state.
    loose.execute("insert into t values (100)", []).unwrap();
    assert_eq!(sum(&loose), 111);
    loose.execute_batch("commit").unwrap();
    // A serializable one that would write on what it read long ago is refused (no lost update, no write skew).
    for connection in [&strict, &same] {
        let error = connection.execute("insert into t values (1000)", []).unwrap_err();
        assert_eq!(error.code, ErrorCode::Conflict);
        connection.execute_batch("rollback").unwrap();
        assert_eq!(sum(connection), 111);
    }
}

#[test]
fn a_kept_commit_can_be_read_again() {
    let (database, connection) = memory();
    connection.execute_batch("pragma wal_archive = on; create table t(a); insert into t values (1)").unwrap();
    let kept = connection.last_commit();
    connection.execute_batch("update t set a = 2; pragma wal_checkpoint").unwrap();
    connection.execute_batch(&format!("pragma read_at = {}", kept.0)).unwrap();
    let value =
        |connection: &Connection| -> i64 { connection.query_row("select a from t", [], |row| row.get(0)).unwrap() };
    assert_eq!(value(&connection), 1);
    assert_eq!(connection.execute("update t set a = 3", []).unwrap_err().code, ErrorCode::Readonly);
    connection.execute_batch("pragma read_at = 0").unwrap();
    assert_eq!(value(&connection), 2);
    assert!(connection.execute_batch("pragma read_at = 999999").is_err());
    let history = connection.query_all("pragma page_history(2)", [], |row| row.get::<_, u64>(0)).unwrap();
    assert_eq!(history, [kept.0 - 1, kept.0, kept.0 + 1], "created, filled, updated");
    assert!(ask(&connection, "page_history(2)").contains("\"commit_id\":"));
    drop(database);
}

#[test]
fn temporary_data_goes_to_scratch_storage_and_sorts_right() {
    let (_database, connection) = memory();
    connection
        .execute_batch(
            "pragma temp.cache_size = 10; create temp table big(a, b);
             with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000)
             insert into big select i * 7919 % 20000, hex(zeroblob(50)) from n",
        )
        .unwrap();
    let (first, last): (i64, i64) = connection
        .query_row("select min(a), max(a) from (select a from big order by b, a)", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    assert_eq!((first, last), (0, 19999));
    let used: u64 = connection.query_row("select row_store_used from memory_stats", [], |row| row.get(0)).unwrap();
    // Where there is no scratch storage, SQLite keeps its temporary data itself.
    assert_eq!(used > 0, cfg!(not(target_family = "wasm")));
}

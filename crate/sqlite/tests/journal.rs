//! What a large transaction costs in memory, and how it is undone. One test in a process of its own, as it looks at what SQLite
//! holds in all of it.
#![cfg(not(target_family = "wasm"))]

use coffer_sqlite::{Database, OpenOptions};

#[test]
fn a_transaction_that_changes_everything_needs_no_copy_of_it_and_can_be_undone() {
    const ROWS: u32 = 16_000; // 15 MB
    let directory = tempfile::tempdir().unwrap();
    let database = Database::open(directory.path(), OpenOptions::default()).unwrap();
    let connection = database.connect().unwrap();
    connection.execute_batch("pragma cache_size = -2000; create table t(id integer primary key, a, b)").unwrap();
    let fill = "with recursive n(i) as (select 1 union all select i + 1 from n where i < ?1)
                insert into t select i, i % 7, zeroblob(900) || i from n";
    connection.execute(fill, [ROWS]).unwrap();
    let number = |query: &str| connection.query_row(query, [], |row| row.get::<_, i64>(0)).unwrap();
    let held = || number("select sqlite_used + row_store_used from memory_stats");
    let sum = || number("select sum(id * a + length(b) + cast(substr(b, 901) as integer)) from t");
    let original = sum();

    let before = held();
    connection.execute_batch("begin; update t set a = a + 1").unwrap();
    assert_ne!(sum(), original);
    let during = held();
    assert!(during < before + (3 << 20), "{before} bytes before, {during} in the transaction");
    connection.execute_batch("rollback").unwrap();
    assert_eq!(sum(), original);

    // Part of it is undone, and what was changed before that part stays.
    connection
        .execute_batch(
            "begin; update t set a = 100 where id <= 1000; savepoint s; update t set a = a + 1, b = b || 'x'",
        )
        .unwrap();
    connection.execute_batch("rollback to s").unwrap();
    assert_eq!(number("select count(*) from t where a = 100"), 1000);
    assert_eq!(number("select count(*) from t where a < 7 and length(b) < 910"), i64::from(ROWS) - 1000);
    connection.execute_batch("update t set a = 101 where id = 2000; commit").unwrap();
    assert_eq!(number("select sum(a >= 100) from t"), 1001);
    assert_eq!(connection.query_row("pragma integrity_check", [], |row| row.get::<_, String>(0)).unwrap(), "ok");

    // SQLite keeps one journal for all transactions then.
    connection
        .execute_batch("pragma locking_mode = exclusive; update t set a = 1; begin; update t set a = 2; rollback")
        .unwrap();
    assert_eq!(number("select sum(a) from t"), i64::from(ROWS));
    connection.execute_batch("begin; delete from t where id % 2; rollback; vacuum").unwrap();
    assert_eq!(number("select sum(a) from t"), i64::from(ROWS));

    // What a failed statement did is undone by itself, the rest of its transaction not.
    connection.execute_batch("create unique index i on t(a, id); begin; update t set a = 3 where id = 5").unwrap();
    connection.execute_batch("update t set a = 9, id = case id when 15000 then 5 else id end").unwrap_err();
    connection.execute_batch("commit").unwrap();
    assert_eq!(number("select sum(a) from t"), i64::from(ROWS) + 2);
}

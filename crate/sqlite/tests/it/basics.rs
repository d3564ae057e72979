//! What a database does for those who only know SQL.

use coffer_sqlite::{Database, Key, OpenOptions};

#[test]
fn what_was_committed_is_there_after_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.coffer");
    let options = || OpenOptions { key: Some(Key::raw([3; 32])), ..OpenOptions::default() };
    let database = Database::open(&path, options()).unwrap();
    let connection = database.connect().unwrap();
    connection.execute_batch("create table t(id integer primary key, body text)").unwrap();
    for index in 0..100 {
        connection.execute("insert into t(body) values (?)", [format!("row {index}")]).unwrap();
    }
    drop(connection);
    database.close().unwrap();
    let database = Database::open(&path, options()).unwrap();
    assert_eq!(database.recovered().unwrap().bytes_dropped, 0, "the room ahead in a log is no lost commit");
    let connection = database.connect().unwrap();
    let count: i64 = connection.query_row("select count(*) from t", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 100);
    let check: String = connection.query_row("pragma integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
}

//! What a database does for those who only know SQL.

use coffer_sqlite::coffer_store::{MemStorage, RequestId};
use coffer_sqlite::{Database, ErrorCode, Key, OpenOptions, SystemEntropy, check_key};

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

fn on(storage: &MemStorage, name: &str, key: Option<Key>) -> Database<MemStorage> {
    let options = OpenOptions { key, ..OpenOptions::default() };
    Database::on_storage(name, storage.clone(), Box::new(SystemEntropy), options).unwrap()
}

#[test]
fn a_key_is_checked_on_the_root_alone_with_the_errors_of_opening() {
    let storage = MemStorage::new();
    let raw = |byte| Some(Key::raw([byte; 32]));
    on(&storage, "sealed", raw(3)).close().unwrap();
    let root = storage.bytes("manifest").unwrap();
    let code = |root: &[u8], key: Option<Key>| check_key(root.to_vec(), key.as_ref()).map_err(|error| error.code);
    assert_eq!(code(&root, raw(3)), Ok(()));
    assert_eq!(code(&root, raw(4)), Err(ErrorCode::WrongKey));
    assert_eq!(code(&root, Some(Key::passphrase("guess"))), Err(ErrorCode::WrongKey));
    assert_eq!(code(&root, None), Err(ErrorCode::KeyRequired));
    assert!(code(&root[..100], raw(3)).is_err());
    assert!(code(b"something else", None).is_err());

    let storage = MemStorage::new();
    on(&storage, "plain", None).close().unwrap();
    let root = storage.bytes("manifest").unwrap();
    assert_eq!(code(&root, None), Ok(()));
    assert_eq!(code(&root, raw(3)), Err(ErrorCode::WrongKey));
}

#[test]
fn a_script_is_found_by_its_last_commit_and_a_statement_by_its_own() {
    let storage = MemStorage::new();
    let database = on(&storage, "named", None);
    let connection = database.connect().unwrap();
    connection.execute_batch("create table t(x)").unwrap();
    let (script, statement) = (RequestId([1; 16]), RequestId([2; 16]));
    connection.set_request_of_all(script);
    connection.execute_batch("insert into t values (1); insert into t values (2); insert into t values (3)").unwrap();
    let last = connection.last_commit();
    connection.set_request(statement);
    connection.execute_batch("insert into t values (4); insert into t values (5)").unwrap();
    assert_eq!(database.find_request(script).unwrap(), Some(last));
    assert_eq!(
        database.find_request(statement).unwrap().map(|commit| commit.0),
        Some(last.0 + 1),
        "only the next commit was named"
    );
    // What changes nothing makes no commit, and so is not found.
    let nothing = RequestId([3; 16]);
    connection.set_request_of_all(nothing);
    connection.execute_batch("update t set x = x where x = 100").unwrap();
    assert_eq!(database.find_request(nothing).unwrap(), None);
}

#[cfg(not(target_family = "wasm"))]
#[test]
fn no_statement_copies_an_encrypted_database_to_one_that_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let options = OpenOptions { key: Some(Key::raw([3; 32])), ..OpenOptions::default() };
    let database = Database::open(path("secret"), options).unwrap();
    let connection = database.connect().unwrap();
    connection.execute_batch("create table t(x); insert into t values ('marker')").unwrap();
    let error = connection.execute_batch(&format!("vacuum into '{}'", path("copy").display())).unwrap_err();
    assert!(error.message.contains("without encryption"), "{error}");
    assert!(!path("copy").exists());
    connection.execute_batch(&format!("backup database to '{}'", path("copy").display())).unwrap();
    assert!(path("copy").exists());
}

#[cfg(not(target_family = "wasm"))]
#[test]
fn what_cannot_be_attached_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let plain = directory.path().join("plain");
    rusqlite::Connection::open(&plain).unwrap().execute_batch("create table t(x)").unwrap();
    let database = Database::in_memory(OpenOptions::default()).unwrap();
    let connection = database.connect().unwrap();
    let error = connection.execute_batch(&format!("attach '{}' as other", plain.display())).unwrap_err();
    assert!(error.message.contains("SQLite") && !error.message.contains("unable to open"), "{error}");
}

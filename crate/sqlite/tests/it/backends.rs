//! The native backends pass the suite that every backend passes, and open what is there in any form.

use std::fs;

use coffer_sim::device_suite::{Abilities, run};
use coffer_sqlite::native::{Backend, FileStorage, MapStorage};
use coffer_sqlite::{Create, Database, ErrorCode, Key, OpenOptions, rusqlite};
use coffer_store::{Commit, Device, DeviceErrorKind, OpenMode, PageNo, Storage, Store};

fn abilities() -> Abilities {
    Abilities { offset_max: 5 << 30, ..Abilities::default() }
}

#[test]
fn files_pass_the_device_suite() {
    let directory = tempfile::tempdir().unwrap();
    let mut count = 0;
    let held = run(abilities(), || {
        count += 1;
        let path = directory.path().join(count.to_string());
        fs::create_dir(&path).unwrap();
        FileStorage::new(path)
    });
    assert!(held > 10, "only {held} claims");
}

#[test]
fn mapped_files_pass_the_device_suite() {
    let directory = tempfile::tempdir().unwrap();
    let mut count = 0;
    let held = run(abilities(), || {
        count += 1;
        let path = directory.path().join(count.to_string());
        fs::create_dir(&path).unwrap();
        MapStorage::new(FileStorage::new(path))
    });
    assert!(held > 10, "only {held} claims");
}

#[test]
fn a_log_that_is_cut_while_it_is_read_is_an_error_and_not_the_end_of_the_process() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log-0");
    fs::write(&log, [1; 10_000]).unwrap();
    let device = MapStorage::new(FileStorage::new(directory.path())).open("log-0", OpenMode::Read).unwrap();
    fs::File::options().write(true).open(&log).unwrap().set_len(0).unwrap();
    assert_eq!(device.read_at(5000, &mut [0; 100]).unwrap_err().kind, DeviceErrorKind::ShortRead);
}

#[test]
fn mapped_segments_give_what_files_give() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db");
    for backend in [Backend::File, Backend::Map, Backend::File, Backend::Map] {
        let database = Database::open(&path, OpenOptions { backend, ..OpenOptions::default() }).unwrap();
        let connection = database.connect().unwrap();
        connection.execute_batch("create table if not exists t(a, b)").unwrap();
        connection
            .execute_batch(
                "with recursive n(i) as (select 1 union all select i + 1 from n where i < 3000)
                 insert into t select i, hex(randomblob(40)) from n",
            )
            .unwrap();
        connection.execute_batch("compact").unwrap();
        let check: String = connection.query_row("pragma integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(check, "ok");
    }
    let database = Database::open(&path, OpenOptions::default()).unwrap();
    let count: i64 = database.connect().unwrap().query_row("select count(*) from t", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 12_000);
}

#[test]
fn a_backup_is_a_database_in_one_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("backup.coffer");
    let key = || Some(Key::passphrase("correct horse"));
    let cheap = coffer_sqlite::Kdf::Argon2id { memory_kib: 64, passes: 1, lanes: 1 };
    let options = || OpenOptions { key: key(), kdf: cheap, ..OpenOptions::default() };
    let database = Database::open(directory.path().join("db"), options()).unwrap();
    let connection = database.connect().unwrap();
    connection.execute_batch("create table t(a); insert into t values (1), (2)").unwrap();
    connection.execute_batch(&format!("backup database to '{}'", file.display())).unwrap();
    connection.execute_batch("insert into t values (3)").unwrap();
    let single = Database::open(&file, OpenOptions { create: Create::Never, ..options() }).unwrap();
    let there = single.connect().unwrap();
    let sum = |connection: &coffer_sqlite::Connection| -> i64 {
        connection.query_row("select sum(a) from t", [], |row| row.get(0)).unwrap()
    };
    assert_eq!(sum(&there), 3);
    let beside = || -> Vec<String> {
        let entries = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name());
        entries.map(|name| name.into_string().unwrap()).filter(|name| name.starts_with("backup.coffer-")).collect()
    };
    assert_eq!(beside(), Vec::<String>::new(), "reading leaves nothing behind");
    // It takes changes too, in files beside it.
    there.execute_batch("insert into t values (10)").unwrap();
    assert_eq!(sum(&there), 13);
    drop(there);
    single.close().unwrap();
    let again = Database::open(&file, options()).unwrap();
    assert_eq!(sum(&again.connect().unwrap()), 13);
    again.close().unwrap();
    assert_eq!(beside(), Vec::<String>::new(), "folded into the file at the end, and the locks are gone");
    connection.execute_batch(&format!("restore database from '{}'", file.display())).unwrap();
    assert_eq!(sum(&connection), 13);
    assert_eq!(sum(&database.connect().unwrap()), 13);
}

#[test]
fn a_single_file_stays_there_when_nothing_in_it_is_read_any_more() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("one.coffer");
    let database = Database::open(directory.path().join("db"), OpenOptions::default()).unwrap();
    let connection = database.connect().unwrap();
    connection.execute_batch("create table t(a); insert into t values (1)").unwrap();
    connection.execute_batch(&format!("backup database to '{}'", file.display())).unwrap();
    let single = Database::open(&file, OpenOptions::default()).unwrap();
    single.connect().unwrap().execute_batch("insert into t values (2); compact").unwrap();
    assert_eq!(single.storage_info().unwrap().segments, 1, "all is in another file now");
    assert!(file.is_file(), "but this is the one that the database is known by");
    drop(single); // Not closed: as if it had been killed.
    let again = Database::open(&file, OpenOptions { create: Create::Never, ..OpenOptions::default() }).unwrap();
    let sum: i64 = again.connect().unwrap().query_row("select sum(a) from t", [], |row| row.get(0)).unwrap();
    assert_eq!(sum, 3);
    again.close().unwrap();
    let names = fs::read_dir(directory.path()).unwrap().count();
    assert_eq!(names, 2, "and it is one file again");
}

#[test]
fn what_cannot_be_opened_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let code = |name: &str, options: OpenOptions| match Database::open(at(name), options) {
        Ok(_) => panic!("{name} opened"),
        Err(error) => (error.code, error.message),
    };
    let never = || OpenOptions { create: Create::Never, ..OpenOptions::default() };
    assert_eq!(code("missing", never()).0, ErrorCode::NotFound);
    fs::write(at("text"), "hello").unwrap();
    assert_eq!(code("text", OpenOptions::default()).0, ErrorCode::Foreign);
    let plain = rusqlite::Connection::open(at("plain.sqlite")).unwrap();
    plain.execute_batch("create table t(a)").unwrap();
    let (foreign, message) = code("plain.sqlite", OpenOptions::default());
    assert_eq!(foreign, ErrorCode::Foreign);
    assert!(message.contains("plain SQLite"), "{message}");
    let key = |byte| OpenOptions { key: Some(Key::raw([byte; 32])), ..OpenOptions::default() };
    Database::open(at("locked"), key(1)).unwrap().close().unwrap();
    assert_eq!(code("locked", OpenOptions::default()).0, ErrorCode::KeyRequired);
    assert_eq!(code("locked", key(2)).0, ErrorCode::WrongKey);
    let database = Database::open(at("locked"), key(1)).unwrap();
    assert_eq!(code("locked", key(1)).0, ErrorCode::LockedElsewhere);
    let new = OpenOptions { create: Create::New, ..key(1) };
    database.close().unwrap();
    assert_eq!(code("locked", new).0, ErrorCode::Exists);
}

#[test]
fn two_processes_that_write_in_turn_leave_no_files_behind() {
    let directory = tempfile::tempdir().unwrap();
    // Two storages stand for two processes: each has its own locks on the files that it has open.
    let files = || FileStorage::new(directory.path());
    let entropy = || Box::new(coffer_sqlite::SystemEntropy);
    let mut one = Store::create(files(), entropy(), coffer_store::Options::default(), None).unwrap();
    let (mut two, _) = Store::open(files(), entropy(), coffer_store::Options::default(), None).unwrap();
    for round in 0..60 {
        let store = if round % 2 == 0 { &mut one } else { &mut two };
        // What readers of the process hold while it catches up.
        let held = store.snapshot();
        store.refresh().unwrap();
        drop(held);
        let mut txn = store.begin();
        for page in (1..=20).filter_map(PageNo::new) {
            txn.write(page, &vec![round; store.page_size().bytes()]).unwrap();
        }
        store.commit(txn, Commit::default()).unwrap();
        store.checkpoint(&coffer_store::Inline, 1).unwrap();
        store.compact(coffer_store::Compaction::Auto, &coffer_store::Inline, 1).unwrap();
    }
    let names: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.len() <= 16, "{names:?}");
}

#[test]
fn a_process_that_only_reads_keeps_no_log_from_being_used_again() {
    let directory = tempfile::tempdir().unwrap();
    let files = || FileStorage::new(directory.path());
    let entropy = || Box::new(coffer_sqlite::SystemEntropy);
    let mut writer = Store::create(files(), entropy(), coffer_store::Options::default(), None).unwrap();
    let (mut reader, _) = Store::open(files(), entropy(), coffer_store::Options::default(), None).unwrap();
    for round in 0..40 {
        for _ in 0..2 {
            let mut txn = writer.begin();
            txn.write(PageNo::new(1).unwrap(), &vec![round; writer.page_size().bytes()]).unwrap();
            writer.commit(txn, Commit::default()).unwrap();
            reader.refresh().unwrap();
        }
        writer.checkpoint(&coffer_store::Inline, 1).unwrap();
        reader.refresh().unwrap();
    }
    let names = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let logs: Vec<_> = names.filter(|name| name.starts_with("log-")).collect();
    assert!(logs.len() <= 4, "{logs:?}");
}

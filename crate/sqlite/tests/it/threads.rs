//! Many connections in many threads: one writes, in turn, and readers never notice.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use coffer_sqlite::rusqlite::TransactionBehavior;
use coffer_sqlite::{Connection, Database, ErrorCode, Key, OpenOptions, Settings};

use crate::logs::until;

fn busy(database: &Database) -> Connection {
    let connection = database.connect().unwrap();
    connection.execute_batch("pragma busy_timeout = 60000").unwrap();
    connection
}

fn accounts(options: OpenOptions) -> (tempfile::TempDir, Database) {
    let directory = tempfile::tempdir().unwrap();
    let database = Database::open(directory.path().join("bank"), options).unwrap();
    let connection = database.connect().unwrap();
    connection.execute_batch("create table account(id integer primary key, balance integer)").unwrap();
    for id in 0..20 {
        connection.execute("insert into account values (?, 100)", [id]).unwrap();
    }
    drop(connection);
    (directory, database)
}

#[test]
fn money_moved_by_many_threads_stays_the_same_sum() {
    let settings = Settings { autocheckpoint_pages: 40, ..Settings::default() };
    let options = OpenOptions { key: Some(Key::raw([1; 32])), settings, ..OpenOptions::default() };
    let (_directory, database) = accounts(options);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let writers: Vec<_> = (0..3_i64)
            .map(|writer| {
                let database = &database;
                scope.spawn(move || {
                    let mut connection = busy(database);
                    for round in 0..60_i64 {
                        let (from, to) = ((round * 7 + writer) % 20, (round * 3 + writer * 5) % 20);
                        // Both kinds of beginning: one takes the turn at once, the other when it first writes.
                        let behavior = if round % 2 == 0 {
                            TransactionBehavior::Immediate
                        } else {
                            TransactionBehavior::Exclusive
                        };
                        let transaction = connection.transaction_with_behavior(behavior).unwrap();
                        transaction.execute("update account set balance = balance - 1 where id = ?", [from]).unwrap();
                        transaction.execute("update account set balance = balance + 1 where id = ?", [to]).unwrap();
                        transaction.commit().unwrap();
                    }
                })
            })
            .collect();
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let (database, done) = (&database, &done);
                scope.spawn(move || {
                    let connection = database.connect_reader().unwrap();
                    let mut seen = 0;
                    while !done.load(Ordering::Relaxed) {
                        let sum: i64 =
                            connection.query_row("select sum(balance) from account", [], |row| row.get(0)).unwrap();
                        assert_eq!(sum, 2000);
                        seen += 1;
                    }
                    seen
                })
            })
            .collect();
        for writer in writers {
            writer.join().unwrap();
        }
        done.store(true, Ordering::Relaxed);
        for reader in readers {
            assert!(reader.join().unwrap() > 0);
        }
    });
    until("the log is folded", || database.storage_info().unwrap().last_checkpoint > 0);
    assert_eq!(database.take_upkeep_failure(), None);
}

#[test]
fn a_reader_keeps_its_snapshot_through_writes_and_checkpoints() {
    let (_directory, database) = accounts(OpenOptions::default());
    let reader = database.connect_reader().unwrap();
    reader.execute_batch("begin").unwrap();
    let sum = |connection: &Connection| -> i64 {
        connection.query_row("select sum(balance) from account", [], |row| row.get(0)).unwrap()
    };
    assert_eq!(sum(&reader), 2000);
    let writer = database.connect().unwrap();
    for _ in 0..20 {
        writer.execute("update account set balance = balance + 1", []).unwrap();
        writer.execute_batch("pragma wal_checkpoint(truncate)").unwrap();
        assert_eq!(sum(&reader), 2000);
    }
    writer.execute_batch("compact").unwrap();
    assert_eq!(sum(&reader), 2000);
    reader.execute_batch("commit").unwrap();
    assert_eq!(sum(&reader), 2000 + 20 * 20);
}

#[test]
fn waiting_for_a_writer_ends_with_busy_or_with_the_turn() {
    let (_directory, database) = accounts(OpenOptions::default());
    let (one, two) = (database.connect().unwrap(), database.connect().unwrap());
    one.execute_batch("begin immediate; update account set balance = 0 where id = 1").unwrap();
    two.execute_batch("pragma busy_timeout = 30").unwrap();
    let error = two.execute("update account set balance = 5 where id = 2", []).unwrap_err();
    assert_eq!(error.code, ErrorCode::Busy, "{error}");
    two.execute_batch("pragma busy_timeout = 60000").unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(move || two.execute("update account set balance = 5 where id = 2", []).map(|_| ()));
        thread::sleep(Duration::from_millis(20));
        one.execute_batch("commit").unwrap();
        waiting.join().unwrap().unwrap();
    });
}

#[test]
fn a_transaction_that_read_an_old_commit_is_told_to_run_again() {
    let (_directory, database) = accounts(OpenOptions::default());
    let (one, two) = (database.connect().unwrap(), database.connect().unwrap());
    one.execute_batch("begin; select * from account").unwrap();
    let _: i64 = one.query_row("select count(*) from account", [], |row| row.get(0)).unwrap();
    two.execute("update account set balance = 7 where id = 1", []).unwrap();
    let error = one.execute("update account set balance = 8 where id = 1", []).unwrap_err();
    assert_eq!(error.code, ErrorCode::Conflict, "{error}");
    one.execute_batch("rollback").unwrap();
    one.execute("update account set balance = 8 where id = 1", []).unwrap();
}

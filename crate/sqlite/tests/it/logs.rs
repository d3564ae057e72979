//! What becomes of logs: folded by pages and by time, cut as the pragmas say.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use coffer_sqlite::{Connection, Database, OpenOptions, Settings, Upkeep};

fn log_file_bytes(path: &Path) -> u64 {
    let files = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap());
    let logs = files.filter(|entry| entry.file_name().to_string_lossy().starts_with("log-"));
    logs.map(|entry| entry.metadata().unwrap().len()).sum()
}

fn fill(connection: &Connection, rows: u32) {
    let script = format!(
        "create table if not exists t(a); with recursive n(i) as (select 1 union all select i + 1 from n where i < {rows})
         insert into t select randomblob(500) from n"
    );
    connection.execute_batch(&script).unwrap();
}

fn open(path: &Path, upkeep: Upkeep, settings: Settings) -> Database {
    Database::open(path, OpenOptions { upkeep, settings, ..OpenOptions::default() }).unwrap()
}

pub fn until(what: &str, done: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_mins(1);
    while !done() {
        assert!(Instant::now() < end, "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_truncating_checkpoint_gives_the_space_back() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(directory.path(), Upkeep::Manual, Settings::default());
    let connection = database.connect().unwrap();
    fill(&connection, 2000);
    assert!(log_file_bytes(directory.path()) > 900_000);
    connection.execute_batch("pragma wal_checkpoint(passive)").unwrap();
    assert!(log_file_bytes(directory.path()) > 900_000, "the space is kept for the next commits");
    assert_eq!(database.storage_info().unwrap().wal_frames, 0);
    fill(&connection, 10);
    connection.execute_batch("pragma wal_checkpoint(truncate)").unwrap();
    assert!(log_file_bytes(directory.path()) < 10_000, "{}", log_file_bytes(directory.path()));
}

#[test]
fn a_threshold_cuts_only_logs_above_it() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(directory.path(), Upkeep::Manual, Settings::default());
    let connection = database.connect().unwrap();
    connection.execute_batch("pragma wal_truncate = 300000").unwrap();
    fill(&connection, 2000);
    connection.execute_batch("pragma wal_checkpoint").unwrap();
    assert_eq!(log_file_bytes(directory.path()), 300_000);
}

#[test]
fn the_thread_folds_by_pages_and_by_time() {
    let directory = tempfile::tempdir().unwrap();
    let settings = Settings { autocheckpoint_pages: 50, autocheckpoint_ms: 0, ..Settings::default() };
    let database = open(directory.path(), Upkeep::Background, settings);
    let connection = database.connect().unwrap();
    fill(&connection, 2000);
    until("folded by pages", || database.storage_info().unwrap().wal_frames == 0);
    fill(&connection, 1);
    assert!(database.storage_info().unwrap().wal_frames > 0);
    connection.execute_batch("pragma wal_autocheckpoint_ms = 20").unwrap();
    until("folded by time", || database.storage_info().unwrap().wal_frames == 0);
    assert_eq!(database.take_upkeep_failure(), None);
}

#[test]
fn without_a_log_each_commit_is_folded_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(directory.path(), Upkeep::Inline, Settings::default());
    let connection = database.connect().unwrap();
    connection.execute_batch("pragma wal_mode = off").unwrap();
    for _ in 0..5 {
        fill(&connection, 3);
        assert_eq!(database.storage_info().unwrap().wal_frames, 0);
    }
}

#[test]
fn compaction_takes_bounded_space_for_a_much_rewritten_database() {
    let directory = tempfile::tempdir().unwrap();
    let settings = Settings { autocheckpoint_pages: 100, ..Settings::default() };
    let database = open(directory.path(), Upkeep::Inline, settings);
    let connection = database.connect().unwrap();
    fill(&connection, 1000);
    for _ in 0..20 {
        connection.execute_batch("update t set a = randomblob(500)").unwrap();
    }
    let info = database.storage_info().unwrap();
    assert!(info.stored_bytes < 4 * info.logical_bytes + (2 << 20), "{info:?}");
    connection.execute_batch("compact").unwrap();
    let info = database.storage_info().unwrap();
    assert!(info.dead_bytes * 10 < info.stored_bytes && info.segments == 1, "{info:?}");
}

#[test]
fn vacuum_gives_back_the_space_of_what_was_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory.path().join("a.coffer"), Upkeep::Manual, Settings::default());
    let connection = database.connect().unwrap();
    fill(&connection, 3000);
    database.compact().unwrap();
    let full = database.storage_info().unwrap();
    connection.execute_batch("delete from t where rowid % 10 <> 0").unwrap();
    connection.execute_batch("vacuum").unwrap();
    database.compact().unwrap();
    let small = database.storage_info().unwrap();
    assert!(small.page_count * 5 < full.page_count, "{} of {} pages", small.page_count, full.page_count);
    assert!(small.stored_bytes * 5 < full.stored_bytes, "{} of {} bytes", small.stored_bytes, full.stored_bytes);
    assert_eq!((small.free_pages, small.dead_bytes), (0, 0));
    let rows: i64 = connection.query_row("select count(*) from t", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 300);
}

//! SQLite itself on the simulated disk: killed and cut off at any call, nothing acknowledged is lost.

use coffer_sim::{Crash, Faults, Rng, SimStorage};
use coffer_sqlite::coffer_store::PageSize;
use coffer_sqlite::{Database, Key, OpenOptions, Settings, SystemEntropy, Upkeep};
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn open(storage: &SimStorage, seed: u64) -> coffer_sqlite::Result<Database<SimStorage>> {
    let options = OpenOptions {
        key: (seed.is_multiple_of(2)).then(|| Key::raw([4; 32])),
        page_size: PageSize::new(1024).unwrap(),
        settings: Settings { autocheckpoint_pages: 30, spill_bytes: 20 << 10, ..Settings::default() },
        upkeep: Upkeep::Inline,
        threads: 1,
        ..OpenOptions::default()
    };
    Database::on_storage(&format!("simulated-{seed}"), storage.clone(), Box::new(SystemEntropy), options)
}

/// Transactions until one fails: each leaves its number in every row. Returns the last that was acknowledged.
fn work(database: &Database<SimStorage>, rng: &mut Rng, from: u64) -> u64 {
    let Ok(connection) = database.connect() else { return from };
    let mut acknowledged = from;
    loop {
        let number = acknowledged + 1;
        let rows = rng.skewed(200) + 1;
        let script = format!(
            "begin; update mark set number = {number}; delete from row;
             with recursive n(i) as (select 1 union all select i + 1 from n where i < {rows})
             insert into row select i, {number}, hex(zeroblob(i % 300)) from n;
             update mark set count = {rows}; commit;"
        );
        if connection.execute_batch(&script).is_err() {
            return acknowledged;
        }
        acknowledged = number;
    }
}

#[test]
fn no_crash_loses_an_acknowledged_commit_or_tears_one() {
    for seed in 0..if cfg!(target_family = "wasm") { 8 } else { 60 } {
        let mut rng = Rng::new(seed);
        let storage = SimStorage::new(seed);
        let database = open(&storage, seed).unwrap();
        database
            .connect()
            .unwrap()
            .execute_batch(
                "create table mark(number integer, count integer); insert into mark values (0, 0);
                 create table row(id integer primary key, number integer, filler text); create index i on row(filler)",
            )
            .unwrap();
        let mut database = Some(database);
        let mut acknowledged = 0;
        for life in 0..4 {
            let opened = database.take().map_or_else(|| open(&storage, seed), Ok);
            let Ok(open_now) = opened else { panic!("seed {seed}, life {life}: {:?}", opened.err()) };
            let connection = open_now.connect().unwrap();
            let check: String = connection.query_row("pragma integrity_check", [], |row| row.get(0)).unwrap();
            assert_eq!(check, "ok", "seed {seed}, life {life}");
            let (number, count): (u64, u64) = connection
                .query_row("select number, count from mark", [], |row| Ok((row.get(0)?, row.get(1)?)))
                .unwrap();
            let (rows, least, most): (u64, u64, u64) = connection
                .query_row("select count(*), ifnull(min(number), 0), ifnull(max(number), 0) from row", [], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                })
                .unwrap();
            assert!(
                number == acknowledged || number == acknowledged + 1,
                "seed {seed}, life {life}: {acknowledged} were acknowledged, {number} are there"
            );
            assert_eq!((rows, least, most), (count, number * u64::from(count > 0), number * u64::from(count > 0)));
            drop(connection);
            let kill_at = storage.changing_calls() + 1 + rng.below(400);
            storage.set_faults(Faults { kill_at: Some(kill_at), ..Faults::none() });
            acknowledged = work(&open_now, &mut rng, number);
            drop(open_now);
            let ways = Crash::ALL;
            storage.crash(*rng.pick(&ways));
            storage.set_faults(Faults::none());
        }
    }
}

#[test]
fn a_full_disk_refuses_the_commit_and_takes_the_next_when_there_is_room() {
    let storage = SimStorage::new(7);
    let database = open(&storage, 1001).unwrap();
    let connection = database.connect().unwrap();
    connection.execute_batch("create table t(a)").unwrap();
    storage.set_faults(Faults { disk_bytes: Some(storage.used() + 2000), ..Faults::none() });
    let error = connection.execute("insert into t values (randomblob(50000))", []).unwrap_err();
    assert_eq!(error.code, coffer_sqlite::ErrorCode::Quota, "{error}");
    let count: i64 = connection.query_row("select count(*) from t", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 0);
    storage.set_faults(Faults::none());
    connection.execute("insert into t values (randomblob(50000))", []).unwrap();
}

#[test]
fn each_level_of_synchronous_costs_its_flushes() {
    let storage = SimStorage::new(8);
    let database = open(&storage, 1002).unwrap();
    let connection = database.connect().unwrap();
    connection.execute_batch("create table t(a); pragma wal_autocheckpoint = 0").unwrap();
    let flushes = |level: &str| {
        connection.execute_batch(&format!("pragma synchronous = {level}")).unwrap();
        let before = storage.counters().flushes;
        for index in 0..10 {
            connection.execute("insert into t values (?)", [index]).unwrap();
        }
        storage.counters().flushes - before
    };
    assert_eq!(flushes("off"), 0);
    assert_eq!(flushes("normal"), 10);
    assert_eq!(flushes("full"), 10);
    assert_eq!(flushes("extra"), 20);
}

//! Two processes on one disk, of which one sees a flush fail outside of a commit: at its close, or as it opens. What the system then
//! takes for stored is lost with the power, unless the next writer stores it again, which it must be told to.
//!
//! The disk is a simulated one; the locks are those of two descriptors on real files, which is what the system goes by.

use std::fs;

use coffer_sim::{Crash, Faults, SimStorage};
use coffer_store::Storage;
use tempfile::TempDir;

use super::{At, Database, OpenOptions, Upkeep};
use crate::entropy::SystemEntropy;
use crate::error::Result;
use crate::native::Place;

struct Machine {
    /// Where the lock files are.
    locks: TempDir,
    disk: SimStorage,
    seed: u64,
}

impl Machine {
    fn new(seed: u64) -> Self {
        Self { locks: tempfile::tempdir().unwrap(), disk: SimStorage::new(seed), seed }
    }

    /// Opens the database as a process of this name.
    fn process(&self, name: &str) -> Result<Database<SimStorage>> {
        let options = OpenOptions { upkeep: Upkeep::Manual, ..OpenOptions::default() };
        let place = Place::find(self.locks.path(), &options)?;
        let exists = self.disk.list()?.iter().any(|file| file == "manifest");
        let name = format!("{name} of {} {}", self.seed, self.locks.path().display());
        let at = At { name, backend: "sim".to_owned(), base: None, exists, process: place.locks };
        Database::open_at(self.disk.clone(), Box::new(SystemEntropy), options, at)
    }

    fn fail_flushes(&self, fail: bool) {
        self.disk.set_faults(Faults { flushes: u32::from(fail), ..Faults::none() });
    }

    /// Whether the next writer is told that the one before did not end in order.
    fn is_marked(&self) -> bool {
        fs::read(self.locks.path().join("lock-write")).unwrap()[16..24] != [0; 8]
    }

    /// What is there after the power has failed.
    fn after_a_power_cut(&self, how: Crash) -> String {
        self.disk.crash(how);
        let options = OpenOptions { upkeep: Upkeep::Manual, ..OpenOptions::default() };
        let name = format!("after {} {}", self.seed, self.locks.path().display());
        let database = Database::on_storage(&name, self.disk.clone(), Box::new(SystemEntropy), options).unwrap();
        let connection = database.connect().unwrap();
        connection.query_row("select group_concat(x) from (select x from t order by x)", [], |row| row.get(0)).unwrap()
    }
}

fn run(database: &Database<SimStorage>, sql: &str) {
    database.connect().unwrap().execute_batch(sql).unwrap();
}

const SEEDS: u64 = 24;
const UNFLUSHED: &str = "pragma synchronous = off; insert into t values (1)";
const FLUSHED: &str = "pragma synchronous = full; insert into t values (2)";

#[test]
fn what_a_close_could_not_flush_is_stored_again_by_the_next_writer() {
    for seed in 0..SEEDS {
        let machine = Machine::new(seed);
        let one = machine.process("one").unwrap();
        run(&one, "create table t(x)");
        let two = machine.process("two").unwrap();
        run(&one, UNFLUSHED);
        assert!(!machine.is_marked(), "a commit that was not to be flushed ended in order");
        machine.fail_flushes(true);
        one.close().unwrap_err();
        assert!(machine.is_marked());
        machine.fail_flushes(false);
        run(&two, FLUSHED);
        assert!(!machine.is_marked(), "and is in order again");
        drop(two);
        assert_eq!(machine.after_a_power_cut(Crash::KeepAll), "1,2", "seed {seed}");
    }
}

#[test]
fn what_an_opening_could_not_flush_is_stored_again_by_the_next_writer() {
    for seed in 0..SEEDS {
        let machine = Machine::new(seed);
        let one = machine.process("one").unwrap();
        run(&one, "create table t(x)");
        run(&one, UNFLUSHED);
        assert!(!machine.is_marked());
        machine.fail_flushes(true);
        // It makes durable what it finds, and cannot.
        assert!(machine.process("two").is_err());
        assert!(machine.is_marked());
        machine.fail_flushes(false);
        run(&one, FLUSHED);
        assert!(!machine.is_marked());
        drop(one);
        assert_eq!(machine.after_a_power_cut(Crash::KeepAll), "1,2", "seed {seed}");
    }
}

#[test]
fn who_could_not_store_it_again_leaves_that_to_the_one_after() {
    for seed in 0..SEEDS {
        let machine = Machine::new(seed);
        let one = machine.process("one").unwrap();
        run(&one, "create table t(x)");
        let (two, three) = (machine.process("two").unwrap(), machine.process("three").unwrap());
        run(&one, UNFLUSHED);
        machine.fail_flushes(true);
        one.close().unwrap_err();
        assert!(two.connect().unwrap().execute_batch(FLUSHED).is_err(), "it cannot either");
        assert!(machine.is_marked());
        drop(two.close());
        assert!(machine.is_marked());
        machine.fail_flushes(false);
        run(&three, FLUSHED);
        assert!(!machine.is_marked());
        three.close().unwrap();
        assert_eq!(machine.after_a_power_cut(Crash::DropAll), "1,2", "seed {seed}");
    }
}

fn value(database: &Database<SimStorage>) -> String {
    database.connect().unwrap().query_row("select x from t", [], |row| row.get(0)).unwrap()
}

#[test]
fn a_commit_that_another_process_saw_and_its_writer_took_back_leaves_nothing() {
    let machine = Machine::new(7);
    let one = machine.process("one").unwrap();
    run(&one, "create table t(x); insert into t values ('before')");
    let two = machine.process("two").unwrap();
    let reader = two.connect().unwrap();
    let seen = || -> String { reader.query_row("select x from t", [], |row| row.get(0)).unwrap() };
    assert_eq!(seen(), "before");
    let log = machine.disk.bytes("log-0").unwrap();
    run(&one, "update t set x = 'unseen'");
    assert_eq!(seen(), "unseen");
    // As a write that found the disk full when everything of it that counts was there.
    let device = machine.disk.open("log-0", coffer_store::OpenMode::Write).unwrap();
    coffer_store::Device::truncate(&device, log.len() as u64).unwrap();
    coffer_store::Device::write_at(&device, 0, &log).unwrap();
    one.reload().unwrap();
    let process = one.core.process().unwrap();
    assert!(process.try_write().unwrap());
    process.took_back();
    process.release_write();
    assert_eq!(value(&one), "before");
    assert_eq!(seen(), "before");
    // The same number, and other content.
    run(&one, "update t set x = 'behind'");
    assert_eq!(seen(), "behind");
    run(&two, "update t set x = x || ' it'");
    assert_eq!((value(&one), seen()), ("behind it".to_owned(), "behind it".to_owned()));
}

#[test]
fn a_commit_without_room_is_said_to_be_taken_back() {
    let machine = Machine::new(8);
    let (one, two) = (machine.process("one").unwrap(), machine.process("two").unwrap());
    run(&one, "create table t(x)");
    let told = |database: &Database<SimStorage>| database.core.process().unwrap().was_taken_back();
    assert!(!told(&two));
    machine.disk.set_faults(Faults { disk_bytes: Some(machine.disk.used()), ..Faults::none() });
    assert!(one.connect().unwrap().execute_batch("insert into t values (randomblob(3000000))").is_err());
    machine.disk.set_faults(Faults::none());
    assert_eq!((told(&one), told(&two), told(&two)), (false, true, false));
    run(&two, "insert into t values ('there is room')");
    assert_eq!(value(&one), "there is room");
}

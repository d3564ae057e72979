//! What maintenance costs: how much is written for what is committed, how many files are open, how long snapshots take.
#![expect(clippy::cast_precision_loss, reason = "ratios for people")]

use std::time::Instant;

use coffer_store::{Codec, CodecChoice, Commit, MemStorage, Options, PageSize, Scratch, Storage, Store};

use crate::support::{create, page, put, small};

/// Small pages without compression: what counts here is which bytes are written again, not how they look.
fn plain(log_pages: u32) -> Options {
    let none = CodecChoice::new(Codec::None, 0).unwrap();
    Options { page_size: PageSize::new(512).unwrap(), hot: none, cold: none, checkpoint_pages: log_pages, ..small() }
}

struct Random(u64);

impl Random {
    fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from((self.0 >> 33) % u64::from(end)).unwrap()
    }
}

fn maintain_until_idle(store: &mut Store<MemStorage>) {
    while !store.maintain(1 << 20).unwrap().idle {}
}

#[test]
fn random_updates_of_a_database_fifty_times_the_log_are_written_less_than_six_times() {
    const LOG_PAGES: u32 = 200;
    const PAGES: u32 = 50 * LOG_PAGES;
    let storage = MemStorage::new();
    let mut store = create(&storage, plain(LOG_PAGES), None);
    let content = [7u8; 512];
    for first in (1..=PAGES).step_by(100) {
        put(&mut store, first..first + 100, 1);
        maintain_until_idle(&mut store);
    }
    let before = store.stats().counters;
    let mut random = Random(9);
    let mut files_most = 0;
    // Five times as much as the database holds, so that the steady state is what is measured.
    for round in 0..5 * PAGES / 4 {
        let mut txn = store.begin();
        for _ in 0..4 {
            txn.write(page(1 + random.below(PAGES)), &content).unwrap();
        }
        store.commit(txn, Commit::default()).unwrap();
        if round % 10 == 0 {
            maintain_until_idle(&mut store);
            files_most = files_most.max(storage.list().unwrap().len());
        }
    }
    let after = store.stats().counters;
    let logged = (after.log_bytes - before.log_bytes) as f64;
    let folded = (after.segment_bytes - before.segment_bytes) as f64;
    let amplification = (logged + folded) / logged;
    println!("write amplification {amplification:.2}, {files_most} files, {:?}", store.stats());
    assert!(amplification < 6.0, "{amplification}");
    assert!(files_most <= 16, "{files_most} files");
    let stored = store.stats().stored_bytes as f64;
    assert!(stored < 3.0 * f64::from(PAGES) * 560.0, "{stored} bytes stored");
}

#[test]
fn ten_thousand_live_snapshots_slow_a_commit_by_less_than_twice() {
    let storage = MemStorage::new();
    let mut store = create(&storage, plain(u32::MAX), None);
    put(&mut store, 1..=10_000, 1);
    let mut random = Random(5);
    let mut commits = |store: &mut Store<MemStorage>, snapshots: &mut Vec<_>, keep: bool| {
        let content = [3u8; 512];
        let mut times = Vec::new();
        for _ in 0..2_000 {
            if keep {
                snapshots.push(store.snapshot());
            }
            let mut txn = store.begin();
            for _ in 0..4 {
                txn.write(page(1 + random.below(10_000)), &content).unwrap();
            }
            let start = Instant::now();
            store.commit(txn, Commit::default()).unwrap();
            times.push(start.elapsed());
        }
        times.sort_unstable();
        times[times.len() / 2]
    };
    let mut snapshots = Vec::new();
    while snapshots.len() < 10_000 {
        commits(&mut store, &mut snapshots, true);
    }
    // In turn, so that a noisy machine is noisy for both; the least of several medians is what the code costs.
    let mut with = commits(&mut store, &mut snapshots, false);
    let mut without = with;
    for _ in 0..5 {
        let mut other = create(&MemStorage::new(), plain(u32::MAX), None);
        put(&mut other, 1..=10_000, 1);
        without = without.min(commits(&mut other, &mut Vec::new(), false));
        with = with.min(commits(&mut store, &mut snapshots, false));
    }
    println!("median commit {with:?} with {} snapshots, {without:?} without", snapshots.len());
    assert!(with < 2 * without, "{with:?} against {without:?}");
    let mut out = [0; 512];
    assert!(snapshots[0].read(page(1), &mut out, &mut Scratch::default()).unwrap());
}

#[test]
fn a_reader_that_never_leaves_pins_what_it_sees_and_nothing_written_after() {
    let storage = MemStorage::new();
    let mut store = create(&storage, plain(50), None);
    put(&mut store, 1..=40, 1);
    let reader = store.snapshot();
    let mut pinned_most = 0;
    for version in 2..200 {
        put(&mut store, 1..=40, version);
        maintain_until_idle(&mut store);
        pinned_most = pinned_most.max(store.stats().pinned_files);
    }
    assert!(pinned_most <= 2, "{pinned_most} files pinned");
    // It is reported for as long as it is there.
    assert!(store.stats().pinned_files > 0);
    assert!(storage.list().unwrap().len() <= 16);
    let stored: usize = storage.list().unwrap().iter().map(|name| storage.bytes(name).unwrap().len()).sum();
    assert!(stored < 40 * 560 * 40, "{stored} bytes");
    assert!(reader.read(page(1), &mut [0; 512], &mut Scratch::default()).unwrap());
    drop(reader);
    put(&mut store, 1..=40, 200);
    store.checkpoint(&coffer_store::Inline, 1).unwrap();
    assert_eq!(store.stats().pinned_files, 0);
}

#[test]
fn a_kept_commit_costs_what_it_shows_and_not_all_that_was_ever_written_after_it() {
    const PAGES: u32 = 4000;
    let content = [7u8; 512];
    // What is written over and over, everything or a few pages of it, through logs that are short or hold as much.
    for (hot, log_pages) in [(PAGES, PAGES / 20), (PAGES, PAGES), (PAGES / 20, PAGES / 20)] {
        let storage = MemStorage::new();
        let mut store = create(&storage, plain(log_pages), None);
        for first in (1..=PAGES).step_by(20) {
            put(&mut store, first..first + 20, 1);
        }
        store.checkpoint(&coffer_store::Inline, 1).unwrap();
        let whole = store.stats().stored_bytes;
        store.keep_commit(store.head()).unwrap();
        let before = store.stats().counters;
        let mut random = Random(9);
        let mut stored_most = 0;
        let mut rounds = |store: &mut Store<MemStorage>, count: u32| {
            stored_most = 0;
            for _ in 0..count * hot / 4 {
                let mut txn = store.begin();
                for _ in 0..4 {
                    txn.write(page(1 + random.below(hot)), &content).unwrap();
                }
                store.commit(txn, Commit::default()).unwrap();
                maintain_until_idle(store);
                stored_most = stored_most.max(store.stats().stored_bytes);
            }
            stored_most
        };
        let early = rounds(&mut store, 10);
        let later = rounds(&mut store, 30);
        let after = store.stats().counters;
        let logged = after.log_bytes - before.log_bytes;
        let amplification = (logged + after.segment_bytes - before.segment_bytes) as f64 / logged as f64;
        println!(
            "{hot} of {PAGES}, log {log_pages}: {whole} bytes, then at most {early}, {later}; written {amplification:.2} times"
        );
        // The newest state and what the kept commit shows besides, once more as much that is dead, and logs.
        let needed = whole + u64::from(hot) * 560;
        let logs = 2 * u64::from(log_pages) * 560;
        assert!(later < 2 * needed + logs + (1 << 20), "{later} bytes where {needed} are needed");
        assert!(amplification < 6.0, "{amplification}");

        // Both are there, and letting go of one gives its room back.
        let kept = store.kept_commits()[0].commit;
        let mut out = [0; 512];
        assert!(store.snapshot_at(kept).unwrap().read(page(1), &mut out, &mut Scratch::default()).unwrap());
        assert_ne!(out, content);
        store.release_commit(kept).unwrap();
        let released = rounds(&mut store, 1 + 8 * PAGES / hot / 20);
        println!("released: {released}");
        store.compact(coffer_store::Compaction::Auto, &coffer_store::Inline, 1).unwrap();
        assert!(store.stats().stored_bytes < 2 * whole + (1 << 20), "{:?}", store.stats());
    }
}

//! Catching up with another process, as two stores on one disk: it finds what reading everything anew finds, and reads no more than
//! what the other one wrote.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use coffer_store::{
    Commit, Compaction, Device, DeviceError, Inline, MemDevice, MemStorage, OpenMode, Options, RequestId, Scratch,
    Storage, Store, Synchronous,
};

use crate::support::{Seeded, content, page, slot_key, small};

/// A disk that counts what is read.
#[derive(Clone, Default)]
struct Counting {
    files: MemStorage,
    read: Arc<AtomicU64>,
}

struct CountingDevice {
    device: MemDevice,
    read: Arc<AtomicU64>,
}

impl Storage for Counting {
    type Device = CountingDevice;

    fn open(&self, name: &str, mode: OpenMode) -> Result<CountingDevice, DeviceError> {
        Ok(CountingDevice { device: self.files.open(name, mode)?, read: Arc::clone(&self.read) })
    }

    fn list(&self) -> Result<Vec<String>, DeviceError> {
        self.files.list()
    }

    fn remove(&self, name: &str) -> Result<(), DeviceError> {
        self.files.remove(name)
    }
}

impl Device for CountingDevice {
    fn len(&self) -> Result<u64, DeviceError> {
        self.device.len()
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), DeviceError> {
        self.read.fetch_add(out.len() as u64, Ordering::Relaxed);
        self.device.read_at(offset, out)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), DeviceError> {
        self.device.write_at(offset, data)
    }

    fn truncate(&self, len: u64) -> Result<(), DeviceError> {
        self.device.truncate(len)
    }

    fn flush(&self) -> Result<(), DeviceError> {
        self.device.flush()
    }
}

fn put<S: Storage>(store: &mut Store<S>, pages: impl IntoIterator<Item = u32>, version: u64, request: u64) {
    let size = store.page_size();
    let mut txn = store.begin();
    for number in pages {
        txn.write(page(number), &content(size, number, version)).unwrap();
    }
    let mut id = [0; 16];
    id[8..].copy_from_slice(&request.to_be_bytes());
    let synchronous = if version.is_multiple_of(3) { Synchronous::Off } else { Synchronous::Full };
    store.commit(txn, Commit { request: RequestId(id), synchronous, ..Commit::default() }).unwrap();
}

/// Everything about a store that a reading of everything anew must find as well.
fn known<S: Storage>(store: &Store<S>) -> impl PartialEq + std::fmt::Debug + use<S> {
    let stats = store.stats();
    let figures = [stats.stored_bytes, stats.log_bytes, stats.log_frames, stats.segments, stats.dead_bytes];
    let requests: Vec<_> = std::iter::successors(store.next_request(RequestId([0; 16])), |(request, _)| {
        let mut next = request.0;
        *next.iter_mut().rev().find(|byte| **byte < 255)? += 1;
        store.next_request(RequestId(next))
    })
    .collect();
    let snapshot = store.snapshot();
    let mut scratch = Scratch::default();
    let mut pages = vec![vec![0; 60]; store.page_count().0 as usize];
    for (number, out) in (1..).zip(&mut pages) {
        snapshot.read(page(number), out, &mut scratch).unwrap();
    }
    (store.head(), store.head_chain(), store.page_count(), figures, requests, pages)
}

/// A database of one process, which another one has opened.
fn two(disk: &Counting, options: Options) -> [Store<Counting>; 2] {
    let key = slot_key(5);
    let new = coffer_store::NewKey {
        cipher: coffer_store::Cipher::Aes256Gcm,
        kind: coffer_store::SlotKind::Raw,
        parameters: Vec::new(),
        key: &key,
    };
    let mut first = Store::create(disk.clone(), Box::new(Seeded(1)), options.clone(), Some(new)).unwrap();
    put(&mut first, 1..=40, 0, 0);
    first.checkpoint(&Inline, 1).unwrap();
    let (second, _) = Store::open(disk.clone(), Box::new(Seeded(2)), options, Some(&key)).unwrap();
    [first, second]
}

#[test]
fn whatever_another_process_did_is_found_as_by_opening_anew() {
    for seed in 0..60_u64 {
        let mut random = Seeded(seed * 7 + 1);
        let mut draw = |below: u64| {
            let mut bytes = [0; 8];
            coffer_store::Entropy::fill(&mut random, &mut bytes);
            u64::from_le_bytes(bytes) % below
        };
        let disk = Counting::default();
        let options = Options {
            log_bytes_max: 40_000,
            log_ahead_bytes: [0, 5000][usize::try_from(seed % 2).unwrap()],
            ..small()
        };
        let mut both = two(&disk, options.clone());
        for step in 1..80 {
            let writer = &mut both[usize::try_from(draw(2)).unwrap()];
            writer.refresh().unwrap();
            for _ in 0..=draw(3) {
                match draw(14) {
                    0 => drop(writer.seal_log().unwrap()),
                    1 => drop(writer.checkpoint(&Inline, 1).unwrap()),
                    2 => drop(writer.compact(Compaction::All, &Inline, 1).unwrap()),
                    3 => writer.tidy().unwrap(),
                    4 => {
                        // What a transaction left that never ended.
                        let mut txn = writer.begin();
                        txn.write(page(1), &content(writer.page_size(), 1, 999)).unwrap();
                        drop(writer.spill(&mut txn));
                    }
                    5 => {
                        let mut txn = writer.begin();
                        let least = u32::try_from(20 + draw(30)).unwrap().min(writer.page_count().0);
                        txn.set_page_count(coffer_store::PageCount(least));
                        drop(writer.commit(txn, Commit::default()));
                    }
                    _ => {
                        if writer.needs_checkpoint() || writer.stats().log_bytes > 30_000 {
                            writer.seal_log().unwrap();
                        }
                        let first = u32::try_from(1 + draw(60)).unwrap();
                        let last = first + u32::try_from(draw(6)).unwrap();
                        put(writer, first..=last, step, seed * 1000 + step);
                    }
                }
            }
            let reader = &mut both[usize::try_from(draw(2)).unwrap()];
            reader.refresh().unwrap();
            let anew = Options { read_only: true, ..options.clone() };
            let (anew, _) = Store::open(disk.clone(), Box::new(Seeded(3)), anew, Some(&slot_key(5))).unwrap();
            assert_eq!(known(reader), known(&anew), "seed {seed}, step {step}");
        }
    }
}

#[test]
fn catching_up_costs_what_was_written_and_not_what_is_there() {
    let disk = Counting::default();
    let [mut first, mut second] = two(&disk, small());
    let mut read = |pages: u32| {
        put(&mut first, 1..=pages, 1, 1);
        first.checkpoint(&Inline, 1).unwrap();
        put(&mut first, 1..=1, 2, 2);
        second.refresh().unwrap();
        put(&mut first, 2..=2, 3, 3);
        let before = disk.read.load(Ordering::Relaxed);
        assert!(second.refresh().unwrap());
        assert_eq!(second.head(), first.head());
        disk.read.load(Ordering::Relaxed) - before
    };
    // Its root, the headers of its logs, and two pieces of the log that was written to; the page index of it all has megabytes.
    assert!(read(20_000) < 300_000);
}

#[test]
fn a_log_that_grew_after_its_job_began_is_not_given_up_for_what_the_job_made() {
    let disk = Counting::default();
    let [mut store, _] = two(&disk, small());
    put(&mut store, 1..=10, 1, 1);
    assert!(store.seal_log().unwrap());
    let job = store.fold_job().unwrap().unwrap();
    // Reading everything anew, the newest log takes commits, whoever had sealed it.
    store.refresh().unwrap();
    put(&mut store, 5..=5, 2, 2);
    store.seal_log().unwrap();
    assert!(store.run_job(job, &Inline, 1).is_err());
    let before = known(&store);
    drop(store);
    let (anew, _) = Store::open(disk, Box::new(Seeded(3)), small(), Some(&slot_key(5))).unwrap();
    assert_eq!(known(&anew), before);
}

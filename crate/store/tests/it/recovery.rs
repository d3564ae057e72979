//! What recovery takes for whole, for older and for damaged. Each of these was taught by a mutant that lived.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use coffer_store::{
    Corrupt, DeviceError, Error, Inline, MemDevice, MemStorage, OpenMode, Options, Recovered, Result, Scratch, Storage,
    Store, What, crc32,
};

use crate::support::{Seeded, create, open, page, put, small};

fn try_open<S: Storage>(storage: S, options: Options) -> Result<(Store<S>, Recovered)> {
    Store::open(storage, Box::new(Seeded(4)), options, None)
}

fn what<T>(result: Result<T>) -> Option<What> {
    match result {
        Err(Error::Corrupt(Corrupt { what, .. })) => Some(what),
        Ok(_) => None,
        Err(other) => panic!("{other}"),
    }
}

fn copy(storage: &MemStorage) -> MemStorage {
    let copy = MemStorage::new();
    for name in storage.list().unwrap() {
        copy.put(&name, storage.bytes(&name).unwrap());
    }
    copy
}

/// A root that is damaged until it was looked at so many times.
#[derive(Clone)]
struct Healing {
    files: MemStorage,
    whole: Vec<u8>,
    looks: Arc<AtomicU32>,
    heals_at: u32,
}

impl Storage for Healing {
    type Device = MemDevice;

    fn open(&self, name: &str, mode: OpenMode) -> Result<MemDevice, DeviceError> {
        if name == "manifest" && self.looks.fetch_add(1, Ordering::Relaxed) + 1 == self.heals_at {
            self.files.put(name, self.whole.clone());
        }
        self.files.open(name, mode)
    }

    fn list(&self) -> Result<Vec<String>, DeviceError> {
        self.files.list()
    }

    fn remove(&self, name: &str) -> Result<(), DeviceError> {
        self.files.remove(name)
    }
}

/// A writer may be at work between two reads of a reader; nobody is between those of a writer.
#[test]
fn a_reader_looks_three_times_before_it_believes_in_damage_and_a_writer_once() {
    let whole = MemStorage::new();
    let mut store = create(&whole, small(), None);
    put(&mut store, 1..=3, 1);
    store.checkpoint(&Inline, 1).unwrap();
    store.close().unwrap();
    for (read_only, heals_at, looks_expected) in [(true, 2, 2), (true, 3, 3), (true, 9, 3), (false, 9, 1)] {
        let files = copy(&whole);
        let mut damaged = whole.bytes("manifest").unwrap();
        for byte in &mut damaged {
            *byte ^= 0xff;
        }
        damaged[..8].copy_from_slice(b"COFFERMF");
        files.put("manifest", damaged);
        let looks = Arc::new(AtomicU32::new(0));
        let storage = Healing { files, whole: whole.bytes("manifest").unwrap(), looks: Arc::clone(&looks), heals_at };
        let opened = try_open(storage, Options { read_only, ..small() });
        assert_eq!(opened.is_ok(), heals_at <= 3, "{read_only} {heals_at}");
        assert_eq!(looks.load(Ordering::Relaxed), looks_expected, "{read_only} {heals_at}");
    }
}

/// Changes a number in every slot of a plain manifest behind these bytes, and makes the checksum right again.
fn patch_manifest(storage: &MemStorage, behind: &[u8], at: usize, new: u64) {
    let mut bytes = storage.bytes("manifest").unwrap();
    let mut patched = 0;
    for slot in bytes.chunks_mut(32768).filter(|slot| slot.starts_with(b"COFFERMF")) {
        let end = 80 + usize::try_from(u32::from_le_bytes(slot[40..44].try_into().unwrap())).unwrap();
        let Some(found) = slot[..end].windows(behind.len()).position(|window| window == behind) else { continue };
        slot[found + at..found + at + 8].copy_from_slice(&new.to_le_bytes());
        let crc = crc32(&[&slot[..44], &slot[48..end]]);
        slot[44..48].copy_from_slice(&crc.to_le_bytes());
        patched += 1;
    }
    storage.put("manifest", bytes);
    assert!(patched > 0);
}

#[test]
fn a_segment_whose_seal_says_other_than_the_root_is_not_taken_for_whole() {
    let storage = MemStorage::new();
    let mut store = create(&storage, small(), None);
    put(&mut store, 1..=3, 1);
    put(&mut store, 4..=6, 2);
    store.checkpoint(&Inline, 1).unwrap();
    store.close().unwrap();
    let file_bytes = storage.bytes("seg-1").unwrap().len() as u64;
    // As the manifest names it: id, length, records, first commit and last.
    let entry = [1u64, file_bytes, 6, 0, 2].map(u64::to_le_bytes).concat();
    for (at, new) in [(16, 5), (16, 7), (24, 1), (32, 1)] {
        let storage = copy(&storage);
        patch_manifest(&storage, &entry, at, new);
        match try_open(storage, small()) {
            Ok((_, recovered)) => assert_eq!(recovered.indexes_rebuilt, ["seg-1"], "{new} at {at}"),
            Err(error) => assert!(matches!(error, Error::Corrupt(_)), "{new} at {at}: {error}"),
        }
    }
}

#[test]
fn a_page_that_was_cut_off_stays_so_where_its_old_version_is_kept_for_history() {
    let storage = MemStorage::new();
    let mut store = create(&storage, small(), None);
    store.set_archive(true).unwrap();
    put(&mut store, 1..=5, 1);
    let mut txn = store.begin();
    txn.set_page_count(coffer_store::PageCount(2));
    store.commit(txn, coffer_store::Commit::default()).unwrap();
    put(&mut store, 5..=5, 3);
    store.checkpoint(&Inline, 1).unwrap();
    store.close().unwrap();
    let store = open(&storage, small(), None);
    let shown = |number| store.snapshot().read(page(number), &mut [0; 1024], &mut Scratch::default()).unwrap();
    assert_eq!([1, 2, 3, 4, 5].map(shown), [true, true, false, false, true]);
}

/// A log's header, both copies, with one number changed and the checksum made right again.
fn patch_log(storage: &MemStorage, name: &str, at: usize) {
    let mut bytes = storage.bytes(name).unwrap();
    for start in [0, 3584] {
        bytes[start + at] += 1;
        let crc = crc32(&[&bytes[start..start + 124]]);
        bytes[start + 124..start + 128].copy_from_slice(&crc.to_le_bytes());
    }
    storage.put(name, bytes);
}

#[test]
fn a_log_that_does_not_begin_where_the_root_ends_is_refused() {
    let storage = MemStorage::new();
    let mut store = create(&storage, small(), None);
    put(&mut store, 1..=3, 1);
    store.checkpoint(&Inline, 1).unwrap();
    put(&mut store, 1..=3, 2);
    store.close().unwrap();
    let log = storage
        .list()
        .unwrap()
        .into_iter()
        .find(|name| name.starts_with("log-") && storage.bytes(name).unwrap().get(64) == Some(&1));
    let log = log.expect("a log that begins after the first commit");
    // Generation, last commit before it, chain of that, page count.
    for at in [16, 64, 72, 88] {
        let storage = copy(&storage);
        patch_log(&storage, &log, at);
        assert_eq!(what(try_open(storage, small())), Some(What::LogMissing), "at {at}");
    }
}

#[test]
fn a_log_of_another_database_is_only_passed_over_where_the_root_has_outlived_it() {
    let other = MemStorage::new();
    let mut store = Store::create(other.clone(), Box::new(Seeded(77)), small(), None).unwrap();
    put(&mut store, 1..=1, 1);
    store.close().unwrap();
    let foreign = other.list().unwrap().into_iter().find(|name| name.starts_with("log-")).unwrap();
    let foreign = other.bytes(&foreign).unwrap();

    let storage = MemStorage::new();
    let mut store = create(&storage, small(), None);
    for folded in [false, true] {
        put(&mut store, 1..=3, 1);
        if folded {
            store.checkpoint(&Inline, 1).unwrap();
            put(&mut store, 1..=3, 2);
        }
        store.flush().unwrap();
        let storage = copy(&storage);
        storage.put("log-9", foreign.clone());
        let opened = try_open(storage, small());
        assert_eq!(opened.is_ok(), folded);
        assert!(folded || matches!(opened, Err(Error::Foreign { .. })));
    }
}

#[test]
fn a_log_whose_header_never_came_is_dropped_and_reported_and_what_it_held_does_not_stay() {
    let storage = MemStorage::new();
    let mut store = create(&storage, small(), None);
    put(&mut store, 1..=3, 1);
    store.checkpoint(&Inline, 1).unwrap();
    let before = store.head();
    let logs = |storage: &MemStorage| -> Vec<String> {
        storage.list().unwrap().into_iter().filter(|name| name.starts_with("log-")).collect()
    };
    put(&mut store, 1..=3, 2);
    drop(store);
    let active = logs(&storage).into_iter().find(|name| storage.bytes(name).unwrap()[64] == 1).unwrap();
    let mut bytes = storage.bytes(&active).unwrap();
    // Grown ahead or not, frames end where the zeros begin.
    bytes[..4096].fill(0);
    let file_bytes = bytes.len() as u64;
    storage.put(&active, bytes);
    let (store, recovered) = try_open(copy(&storage), small()).unwrap();
    assert_eq!((store.head(), recovered.bytes_dropped), (before, file_bytes - 4096));
    drop(store);

    // The same bytes, of which the root has all: nothing was lost.
    let storage = MemStorage::new();
    let mut store = create(&storage, small(), None);
    put(&mut store, 1..=3, 1);
    let name = logs(&storage).remove(0);
    let mut bytes = storage.bytes(&name).unwrap();
    bytes[..4096].fill(0);
    store.checkpoint(&Inline, 1).unwrap();
    store.close().unwrap();
    storage.put("log-9", bytes);
    assert_eq!(try_open(copy(&storage), small()).unwrap().1.bytes_dropped, 0);

    // And bytes of nobody in a spare log are gone once it is used.
    let rest = b"what nobody is to read".repeat(999);
    for name in logs(&storage) {
        storage.put(&name, rest.clone());
    }
    let mut store = open(&storage, small(), None);
    for version in 2..6 {
        put(&mut store, 1..=1, version);
        store.checkpoint(&Inline, 1).unwrap();
    }
    let used = logs(&storage).into_iter().filter(|name| storage.bytes(name).unwrap().starts_with(b"COFFERLG"));
    let used: Vec<String> = used.collect();
    assert!(!used.is_empty());
    for name in used {
        let bytes = storage.bytes(&name).unwrap();
        assert!(!bytes.windows(22).any(|window| window == b"what nobody is to read"), "{name}");
    }
}

fn plain() -> Options {
    let none = coffer_store::CodecChoice::from(coffer_store::Codec::None);
    Options { hot: none, cold: none, ..small() }
}

/// Two lives of one database, each of whose commits is whole, and whose frames lie in the same places under the same key.
#[test]
fn a_commit_of_another_life_does_not_continue_this_one() {
    for key in [None, Some(1)] {
        let storage = MemStorage::new();
        let mut store = create(&storage, plain(), key);
        put(&mut store, 1..=1, 1);
        drop(store);
        let lives = [2, 3].map(|version| {
            let storage = copy(&storage);
            let mut store = open(&storage, plain(), key);
            put(&mut store, 1..=2, version);
            put(&mut store, 3..=5, 4);
            let record = store.snapshot().record(page(3), &mut Scratch::default()).unwrap().unwrap();
            let end = store.stats().log_bytes;
            (storage, record.file, record.offset, end)
        });
        let [(one, name, offset, end), (other, other_name, other_offset, other_end)] = lives;
        assert_eq!((&name, offset, end), (&other_name, other_offset, other_end));
        let mut bytes = one.bytes(&name).unwrap();
        let (from, to) = (usize::try_from(offset).unwrap(), usize::try_from(end).unwrap());
        bytes[from..to].copy_from_slice(&other.bytes(&name).unwrap()[from..to]);
        one.put(&name, bytes);
        let slot_key = key.map(crate::support::slot_key);
        let (store, recovered) = Store::open(one, Box::new(Seeded(4)), plain(), slot_key.as_ref()).unwrap();
        assert_eq!(store.head(), coffer_store::CommitId(2));
        assert_eq!(recovered.bytes_dropped, end - offset);
    }
}

#[test]
fn a_commit_that_cuts_and_grows_again_leaves_nothing_between() {
    let storage = MemStorage::new();
    let mut store = create(&storage, small(), None);
    put(&mut store, 1..=5, 1);
    let mut txn = store.begin();
    txn.set_page_count(coffer_store::PageCount(2));
    txn.write(page(5), &[5; 1024]).unwrap();
    store.commit(txn, coffer_store::Commit::default()).unwrap();
    store.close().unwrap();
    let store = open(&storage, small(), None);
    let shown = |number| store.snapshot().read(page(number), &mut [0; 1024], &mut Scratch::default()).unwrap();
    assert_eq!([1, 2, 3, 4, 5].map(shown), [true, true, false, false, true]);
}

#[test]
fn a_root_that_is_older_than_a_segment_is_told_from_a_job_that_was_interrupted() {
    let storage = MemStorage::new();
    let mut store = create(&storage, small(), None);
    put(&mut store, 1..=3, 1);
    store.checkpoint(&Inline, 1).unwrap();
    store.close().unwrap();
    let old = copy(&storage);
    let mut store = open(&storage, small(), None);
    put(&mut store, 1..=3, 2);
    store.checkpoint(&Inline, 1).unwrap();
    store.close().unwrap();
    let newer = storage.bytes("seg-2").unwrap();
    let same = old.bytes("seg-1").unwrap();
    for name in old.list().unwrap().into_iter().filter(|name| name.starts_with("log-")) {
        old.remove(&name).unwrap();
    }
    for (name, bytes, expected) in [
        ("seg-2", &newer, Some(What::CommitsMissing)),
        ("seg-7", &newer, Some(What::CommitsMissing)),
        // As far as the root goes, or of nobody: no news.
        ("seg-2", &same, None),
        ("seg-2", &b"not a segment".to_vec(), None),
        // Its number was used up: an older file that was not removed.
        ("seg-0", &newer, None),
    ] {
        let storage = copy(&old);
        storage.put(name, bytes.clone());
        assert_eq!(what(try_open(storage, small())), expected, "{name}");
    }
}

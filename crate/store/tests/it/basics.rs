//! What everybody relies on: what was committed is read back, whatever happened in between.

use coffer_store::{CommitId, Compaction, Error, Inline, MemDevice, MemStorage, OpenMode, Scratch, Snapshot, Storage};

use crate::support::{content, create, open, page, put, slot_key, small};

fn expect(snapshot: &Snapshot<MemDevice>, numbers: impl IntoIterator<Item = u32>, version: u64) {
    let size = snapshot.page_size();
    let mut out = vec![0; size.get() as usize];
    let mut scratch = Scratch::default();
    for number in numbers {
        assert!(snapshot.read(page(number), &mut out, &mut scratch).unwrap(), "page {number}");
        assert_eq!(out, content(size, number, version), "page {number}");
    }
}

#[test]
fn commits_survive_reopening_folding_and_merging() {
    for key in [None, Some(7)] {
        let storage = MemStorage::new();
        let mut store = create(&storage, small(), key);
        put(&mut store, 1..=50, 1);
        put(&mut store, 10..=20, 2);
        drop(store);
        let mut store = open(&storage, small(), key);
        assert_eq!(store.head(), CommitId(2));
        expect(&store.snapshot(), 10..=20, 2);
        expect(&store.snapshot(), 21..=50, 1);
        store.checkpoint(&Inline, 1).unwrap();
        expect(&store.snapshot(), 10..=20, 2);
        put(&mut store, 5..=12, 3);
        store.checkpoint(&Inline, 1).unwrap();
        put(&mut store, 1..=2, 4);
        store.close().unwrap();
        let mut store = open(&storage, small(), key);
        expect(&store.snapshot(), 1..=2, 4);
        expect(&store.snapshot(), 5..=12, 3);
        expect(&store.snapshot(), 13..=20, 2);
        store.checkpoint(&Inline, 1).unwrap();
        assert_eq!(store.compact(Compaction::All, &Inline, 1).unwrap(), 1);
        assert_eq!(store.stats().segments, 1);
        let verified = store.verify(|_| true).unwrap();
        assert_eq!((verified.damage.len(), verified.records), (0, 50));
        drop(store);
        let store = open(&storage, small(), key);
        expect(&store.snapshot(), 5..=12, 3);
        expect(&store.snapshot(), 21..=50, 1);
    }
}

#[test]
fn a_snapshot_stays_as_it_was_through_everything() {
    let storage = MemStorage::new();
    let mut store = create(&storage, small(), Some(1));
    put(&mut store, 1..=30, 1);
    let first = store.snapshot();
    for version in 2..10 {
        put(&mut store, 1..=30, version);
        store.checkpoint(&Inline, 1).unwrap();
    }
    store.compact(Compaction::All, &Inline, 1).unwrap();
    expect(&first, 1..=30, 1);
    assert!(store.stats().pinned_files > 0);
    drop(first);
    put(&mut store, [1], 11);
    store.checkpoint(&Inline, 1).unwrap();
    assert_eq!(store.stats().pinned_files, 0);
}

#[test]
fn pages_cut_off_do_not_come_back() {
    let storage = MemStorage::new();
    let mut store = create(&storage, small(), None);
    put(&mut store, 1..=30, 1);
    store.checkpoint(&Inline, 1).unwrap();
    let mut txn = store.begin();
    txn.set_page_count(coffer_store::PageCount(10));
    txn.set_page_count(coffer_store::PageCount(40));
    store.commit(txn, coffer_store::Commit::default()).unwrap();
    for _ in 0..2 {
        let snapshot = store.snapshot();
        let mut out = vec![1; 1024];
        assert!(!snapshot.read(page(20), &mut out, &mut Scratch::default()).unwrap());
        assert_eq!(out, [0; 1024]);
        expect(&snapshot, 1..=10, 1);
        store.checkpoint(&Inline, 1).unwrap();
        drop(store);
        store = open(&storage, small(), None);
    }
    assert_eq!(store.page_count().0, 40);
}

#[test]
fn the_wrong_key_is_told_before_anything_is_read_and_changes_nothing() {
    let storage = MemStorage::new();
    let mut store = create(&storage, small(), Some(1));
    put(&mut store, 1..=3, 1);
    drop(store);
    let before = storage.bytes("log-0");
    let error =
        coffer_store::Store::open(storage.clone(), Box::new(crate::support::Seeded(3)), small(), Some(&slot_key(2)));
    assert_eq!(error.unwrap_err(), Error::WrongKey);
    let error = coffer_store::Store::open(storage.clone(), Box::new(crate::support::Seeded(3)), small(), None);
    assert_eq!(error.unwrap_err(), Error::KeyRequired);
    assert_eq!(storage.bytes("log-0"), before);
    expect(&open(&storage, small(), Some(1)).snapshot(), 1..=3, 1);
}

#[test]
fn keys_rotate_and_a_database_is_encrypted_and_decrypted() {
    let storage = MemStorage::new();
    let mut store = create(&storage, small(), Some(1));
    put(&mut store, 1..=30, 1);
    store.checkpoint(&Inline, 1).unwrap();
    put(&mut store, 5..=6, 2);
    store.rotate(&[(0, &slot_key(1))], &Inline, 1).unwrap();
    put(&mut store, 7..=8, 3);
    drop(store);
    let mut store = open(&storage, small(), Some(1));
    expect(&store.snapshot(), 5..=6, 2);
    expect(&store.snapshot(), 7..=8, 3);
    store.decrypt(&Inline, 1).unwrap();
    drop(store);
    let mut store = open(&storage, small(), None);
    expect(&store.snapshot(), 7..=8, 3);
    expect(&store.snapshot(), 9..=30, 1);
    let key = slot_key(9);
    let new_key = coffer_store::NewKey {
        cipher: coffer_store::Cipher::ChaCha20Poly1305,
        kind: coffer_store::SlotKind::Raw,
        parameters: vec![],
        key: &key,
    };
    store.encrypt(new_key, &Inline, 1).unwrap();
    drop(store);
    let store = open(&storage, small(), Some(9));
    expect(&store.snapshot(), 9..=30, 1);
    for name in ["manifest", "log-0", "log-1", "seg-1", "seg-2", "seg-3", "seg-4", "seg-5", "seg-6"] {
        if let Some(bytes) = storage.bytes(name) {
            assert!(!bytes.windows(5).any(|window| window == b"quick"), "{name} is readable");
        }
    }
}

#[test]
fn an_export_is_a_database_in_one_file() {
    let storage = MemStorage::new();
    let mut store = create(&storage, small(), Some(1));
    put(&mut store, 1..=30, 1);
    store.checkpoint(&Inline, 1).unwrap();
    put(&mut store, 5..=6, 2);
    let target = MemStorage::new();
    let device = target.open("notes.coffer", OpenMode::Create).unwrap();
    store.export(None, device, &Inline, 1).unwrap();
    let options = || coffer_store::Options { base: Some("notes.coffer".into()), ..small() };
    let read_only = coffer_store::Options { read_only: true, ..options() };
    let single = open(&target, read_only, Some(1));
    expect(&single.snapshot(), 5..=6, 2);
    expect(&single.snapshot(), 7..=30, 1);
    drop(single);
    let mut single = open(&target, options(), Some(1));
    put(&mut single, 7..=7, 3);
    drop(single);
    let mut single = open(&target, options(), Some(1));
    expect(&single.snapshot(), 7..=7, 3);
    single.checkpoint(&Inline, 1).unwrap();
    drop(single);
    expect(&open(&target, options(), Some(1)).snapshot(), 7..=7, 3);
}

#[test]
fn kept_commits_stay_readable() {
    let storage = MemStorage::new();
    let mut store = create(&storage, small(), Some(1));
    put(&mut store, 1..=10, 1);
    store.set_archive(true).unwrap();
    for version in 2..20 {
        put(&mut store, touched(version), version);
        if version % 4 == 0 {
            store.checkpoint(&Inline, 1).unwrap();
        }
    }
    for _ in 0..2 {
        for version in 2..20u64 {
            let snapshot = store.snapshot_at(CommitId(version)).unwrap();
            expect(&snapshot, touched(version), version);
        }
        store.checkpoint(&Inline, 1).unwrap();
        store.compact(Compaction::All, &Inline, 1).unwrap();
        drop(store);
        store = open(&storage, small(), Some(1));
    }
    assert!(store.snapshot_at(CommitId(100)).is_err());
}

fn touched(version: u64) -> std::ops::RangeInclusive<u32> {
    1..=u32::try_from(version % 10 + 1).unwrap()
}

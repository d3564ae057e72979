//! Verifying a damaged database: all of the damage is named, and what is whole stays readable.

use coffer_store::{Codec, CodecChoice, Error, Inline, MemDevice, MemStorage, OpenMode, Scratch, Storage, Store};
use coffer_store::{Device, Options};

use crate::support::{content, create, open, page, put, small};

/// Segments whose records are long enough to be hit in the middle.
fn plain() -> Options {
    let none = CodecChoice::new(Codec::None, 0).unwrap();
    Options { hot: none, cold: none, ..small() }
}

/// Where the version of a page that is in force is stored.
fn place(store: &Store<MemStorage>, number: u32) -> (String, u64) {
    let record = store.snapshot().record(page(number), &mut Scratch::default()).unwrap().unwrap();
    (record.file, record.offset)
}

/// Inverts a byte of a file that may be open.
fn flip(storage: &MemStorage, name: &str, offset: u64) {
    let device: MemDevice = storage.open(name, OpenMode::Write).unwrap();
    let mut byte = [0];
    device.read_at(offset, &mut byte).unwrap();
    device.write_at(offset, &[!byte[0]]).unwrap();
}

fn damage(store: &Store<MemStorage>) -> (Vec<(String, u64)>, Vec<u32>) {
    let verified = store.verify(|_| true).unwrap();
    let places = verified.damage.iter().map(|error| match error {
        Error::Corrupt(corrupt) => (corrupt.file.clone(), corrupt.offset),
        other => panic!("{other:?}"),
    });
    let mut places: Vec<_> = places.collect();
    places.sort();
    (places, verified.pages_lost.iter().map(|page| page.get()).collect())
}

#[test]
fn verify_names_every_bad_record_and_the_rest_stays_readable() {
    for key in [None, Some(1)] {
        let storage = MemStorage::new();
        let mut store = create(&storage, plain(), key);
        put(&mut store, 1..=20, 1);
        store.checkpoint(&Inline, 1).unwrap();
        put(&mut store, 15..=30, 2);
        store.checkpoint(&Inline, 1).unwrap();
        put(&mut store, 28..=40, 3);
        assert_eq!(damage(&store), (vec![], vec![]));
        let whole = store.verify(|_| true).unwrap();
        // A record in the first segment, two of the second, and a frame of the log; some are the first or the last there.
        let hit: Vec<(String, u64)> = [1, 7, 15, 27, 40].map(|number| place(&store, number)).into();
        for (name, offset) in &hit {
            flip(&storage, name, offset + 200);
        }
        let mut expected = hit.clone();
        expected.sort();
        assert_eq!(damage(&store), (expected, vec![1, 7, 15, 27, 40]));
        assert_eq!(store.verify(|_| true).unwrap().records, whole.records - 5);
        let mut out = vec![0; 1024];
        for number in (1..=40).filter(|number| ![1, 7, 15, 27, 40].contains(number)) {
            let version = if number < 15 {
                1
            } else if number < 28 {
                2
            } else {
                3
            };
            assert!(store.snapshot().read(page(number), &mut out, &mut Scratch::default()).unwrap());
            assert_eq!(out, content(store.page_size(), number, version));
        }
    }
}

/// A record's header is a page number of 8 bytes and a size of 4.
#[test]
fn a_damaged_size_hides_no_damage_behind_it() {
    let storage = MemStorage::new();
    let mut store = create(&storage, plain(), None);
    put(&mut store, 1..=20, 1);
    store.checkpoint(&Inline, 1).unwrap();
    let (name, third) = place(&store, 3);
    let (_, ninth) = place(&store, 9);
    flip(&storage, &name, third + 10);
    flip(&storage, &name, ninth + 200);
    // The index knows the size as well, so the third page can be read.
    assert_eq!(damage(&store), (vec![(name, third), (place(&store, 1).0, ninth)], vec![9]));
}

#[test]
fn damage_to_a_version_that_only_a_kept_commit_shows_is_named() {
    for fold in [true, false] {
        let storage = MemStorage::new();
        let mut store = create(&storage, plain(), None);
        put(&mut store, 1..=5, 1);
        store.keep_commit(store.head()).unwrap();
        let (mut name, mut offset) = place(&store, 4);
        if fold {
            store.checkpoint(&Inline, 1).unwrap();
            (name, offset) = place(&store, 4);
        }
        // So different that it is no patch of what is going to be damaged; tests of patches have that.
        put(&mut store, 1..=5, 1_000_002);
        flip(&storage, &name, offset + 200);
        assert_eq!(damage(&store), (vec![(name, offset)], vec![]), "folded: {fold}");
    }
    // And a database that is opened with the damage in it says the same.
    let storage = MemStorage::new();
    let mut store = create(&storage, plain(), None);
    put(&mut store, 1..=5, 1);
    store.checkpoint(&Inline, 1).unwrap();
    let hit = place(&store, 2);
    store.close().unwrap();
    flip(&storage, &hit.0, hit.1 + 200);
    assert_eq!(damage(&open(&storage, plain(), None)), (vec![hit], vec![2]));
}

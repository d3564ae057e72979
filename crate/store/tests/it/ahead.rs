//! A log file that grows is followed by zeros, so that the next commits change no length.

use coffer_store::{Commit, MemStorage, Options, Store};

use crate::review::{Filling, create_filling};
use crate::support::{Seeded, create, page, put, small};

const AHEAD: u64 = 64 << 10;

fn options() -> Options {
    Options { log_ahead_bytes: AHEAD, ..small() }
}

fn log_bytes(storage: &MemStorage) -> Vec<u8> {
    storage.bytes("log-0").unwrap()
}

#[test]
fn most_commits_leave_the_length_of_the_log_as_it_is() {
    let storage = MemStorage::new();
    let mut store = create(&storage, options(), None);
    let mut lengths = Vec::new();
    for version in 1..=200 {
        put(&mut store, 1..=20, version);
        lengths.push(log_bytes(&storage).len());
    }
    assert!(lengths[0] <= 16 << 10, "a small log stays small: {}", lengths[0]);
    let grown = lengths.windows(2).filter(|pair| pair[0] != pair[1]).count();
    let written = store.stats().log_bytes;
    assert!(written > 4 * AHEAD, "{written} bytes are too few to tell");
    assert!(grown as u64 <= 8 + written / AHEAD, "{grown} commits of 200 made the log grow to {written}");
    assert!(lengths.iter().all(|len| len % 4096 == 0));
    drop(store);
    let (store, recovered) = Store::open(storage, Box::new(Seeded(2)), options(), None).unwrap();
    assert_eq!(store.stats().log_bytes, written);
    assert_eq!(recovered.bytes_dropped, 0, "zeros are no tail");
    assert_eq!(store.snapshot().page_count().0, 20);
}

#[test]
fn a_disk_with_no_room_for_zeros_still_takes_the_commit() {
    let disk = Filling::default();
    let mut store = create_filling(&disk, Some(1));
    store.set_options(|options| options.log_ahead_bytes = AHEAD);
    for version in 1..=3 {
        disk.fill("log-");
        let mut txn = store.begin();
        txn.write(page(1), &vec![version; store.page_size().bytes()]).unwrap();
        store.commit(txn, Commit::default()).unwrap();
        assert_eq!(
            disk.files.bytes("log-0").unwrap().len() as u64,
            store.stats().log_bytes,
            "what counts, and no zeros"
        );
    }
}

#[test]
fn no_zeros_are_written_past_what_a_log_may_take() {
    let storage = MemStorage::new();
    let mut store = create(&storage, Options { log_bytes_max: 40_000, ..options() }, None);
    for version in 1.. {
        if store.stats().log_bytes >= 40_000 {
            break;
        }
        put(&mut store, 1..=5, version);
    }
    let len = log_bytes(&storage).len();
    assert!((40_000..48_000).contains(&len), "{len}");
}

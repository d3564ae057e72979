//! Looking beneath: records and remembered commits.

use coffer_store::{Codec, Inline, MemStorage, Scratch};

use crate::support::{create, page, put, small};

#[test]
fn a_record_says_where_and_how_its_page_is_stored() {
    let storage = MemStorage::new();
    let mut store = create(&storage, small(), Some(1));
    put(&mut store, 1..=4, 1);
    put(&mut store, [2], 2);
    let mut scratch = Scratch::default();
    let in_log = store.snapshot().record(page(2), &mut scratch).unwrap().unwrap();
    assert_eq!((in_log.version.commit.0, in_log.raw_bytes, in_log.encrypted), (2, 1024, true));
    assert!(in_log.file.starts_with("log-"), "{}", in_log.file);
    store.checkpoint(&Inline, 1).unwrap();
    let in_segment = store.snapshot().record(page(2), &mut scratch).unwrap().unwrap();
    assert_eq!((in_segment.version, in_segment.codec, in_segment.dictionary), (in_log.version, Codec::Zstd, false));
    assert!(in_segment.file.starts_with("seg-"), "{}", in_segment.file);
    assert!(in_segment.stored_bytes < in_segment.raw_bytes);
    assert_eq!(store.snapshot().record(page(5), &mut scratch).unwrap(), None);
}

#[test]
fn commits_are_known_before_they_are_kept() {
    let mut store = create(&MemStorage::new(), small(), None);
    put(&mut store, [1], 1);
    put(&mut store, [1], 2);
    let known: Vec<u64> = store.known_commits().iter().map(|info| info.commit.0).collect();
    assert_eq!(known, [1, 2]);
    assert_eq!(store.kept_commits().len(), 1);
}

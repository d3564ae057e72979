//! Every golden vector is read as its text says. Vectors are added and never changed: what one version wrote is read for ever.

use coffer_store::{Commit, Compaction, Inline, MemStorage, PageNo};

use crate::vector::{Header, RULE, files, folder, load, observe};

fn each(mut check: impl FnMut(&str, &MemStorage, &Header, &str)) {
    let mut count = 0;
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let (storage, text) = load(&path);
            let (header, expected) = text.split_once(RULE).unwrap();
            check(path.file_name().unwrap().to_str().unwrap(), &storage, &Header::parse(header), expected);
            count += 1;
        }
    }
    assert!(count >= 40, "only {count} vectors were found");
}

fn copy(storage: &MemStorage) -> MemStorage {
    let copy = MemStorage::new();
    for (name, bytes) in files(storage) {
        copy.put(&name, bytes);
    }
    copy
}

#[test]
fn every_vector_is_read_as_its_text_says() {
    each(|name, storage, header, expected| assert_eq!(observe(storage, header), expected, "{name}"));
}

#[test]
fn what_a_header_says_is_all_read() {
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let (_, text) = load(&path);
            let (header, _) = text.split_once(RULE).unwrap();
            let read = Header::parse(header);
            assert_eq!(read.text(), header, "{}", path.display());
            assert!(!read.shows.is_empty(), "{}", path.display());
        }
    }
}

#[test]
fn reading_changes_nothing_and_neither_does_a_refusal() {
    each(|name, storage, header, expected| {
        let before = files(storage);
        observe(storage, header);
        if !expected.starts_with("result: open") {
            assert!(header.open(storage, false).is_err(), "{name}");
        }
        assert!(files(storage) == before, "{name}");
    });
}

/// What an older version wrote is written on, folded and merged by this one, and nothing of it changes.
#[test]
fn every_whole_vector_is_written_on_and_stays_what_it_was() {
    each(|name, storage, header, expected| {
        if !expected.starts_with("result: open") || expected.contains("damage: ") {
            return;
        }
        let storage = copy(storage);
        let pages = |storage: &MemStorage| -> Vec<String> {
            let text = observe(storage, header);
            let state = text.split("state ").nth(1).unwrap();
            state.lines().filter(|line| line.starts_with("  ")).map(str::to_owned).collect()
        };
        let before = pages(&storage);
        let (mut store, _) = header.open(&storage, false).unwrap();
        let mut txn = store.begin();
        let past = PageNo::new(store.page_count().0 + 1).unwrap();
        txn.write(past, &vec![7; store.page_size().get() as usize]).unwrap();
        store.commit(txn, Commit::default()).unwrap();
        store.checkpoint(&Inline, 1).unwrap();
        store.compact(Compaction::All, &Inline, 1).unwrap();
        store.close().unwrap();
        let after = pages(&storage);
        assert_eq!(after[..before.len()], before, "{name}");
        assert_eq!(after.len(), before.len() + 1, "{name}");
    });
}

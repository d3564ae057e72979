//! Pages that are written again and again: the log is told what changed in them, and everybody who reads it makes the page of that.

use coffer_store::{
    Cipher, Codec, CodecChoice, Commit, CommitId, Device, Error, Inline, Job, MemDevice, MemStorage, NewKey, OpenMode,
    Options, Scratch, SlotKind, Snapshot, Storage, Store, Task, What,
};

use crate::support::{Seeded, content, create, open, page, slot_key, small};

/// A page nearly all of which is the same in each version: noise, so that a whole frame of it is long.
fn edited(number: u32, version: u64) -> Vec<u8> {
    let mut page = vec![0; 1024];
    coffer_store::Entropy::fill(&mut Seeded(u64::from(number)), &mut page);
    let at = usize::try_from(version % 100).unwrap() * 10;
    page[at..at + 20].fill(u8::try_from(version % 251).unwrap());
    page[1000..1008].copy_from_slice(&version.to_le_bytes());
    page
}

fn edit(store: &mut Store<MemStorage>, numbers: impl IntoIterator<Item = u32>, version: u64) {
    let mut txn = store.begin();
    for number in numbers {
        txn.write(page(number), &edited(number, version)).unwrap();
    }
    store.commit(txn, Commit::default()).unwrap();
}

fn expect<D: Device>(snapshot: &Snapshot<D>, numbers: impl IntoIterator<Item = u32>, version: u64) {
    let mut out = vec![0; 1024];
    for number in numbers {
        assert!(snapshot.read(page(number), &mut out, &mut Scratch::default()).unwrap(), "page {number}");
        assert!(out == edited(number, version), "page {number}, version {version}");
    }
}

fn patches(store: &Store<MemStorage>) -> u64 {
    store.stats().counters.patches
}

fn is_patch<D: Device>(snapshot: &Snapshot<D>, number: u32) -> bool {
    snapshot.record(page(number), &mut Scratch::default()).unwrap().unwrap().patch
}

/// Ten commits of four pages each, of which all but the first are patches.
fn ten(storage: &MemStorage, key: Option<u8>) -> Store<MemStorage> {
    let mut store = create(storage, small(), key);
    for version in 1..=10 {
        edit(&mut store, 1..=4, version);
    }
    store
}

#[test]
fn a_page_that_is_written_again_costs_what_changed_in_it() {
    for key in [None, Some(1)] {
        let storage = MemStorage::new();
        let mut store = create(&storage, small(), key);
        edit(&mut store, 1..=4, 1);
        let first = store.stats().counters.log_bytes;
        edit(&mut store, 1..=4, 2);
        let second = store.stats().counters.log_bytes - first;
        assert_eq!(patches(&store), 4);
        assert!(first > 4 * 1024 && second < 4 * 200 + 200, "{first} bytes, then {second}");
        expect(&store.snapshot(), 1..=4, 2);
        assert!(is_patch(&store.snapshot(), 3));
    }
}

#[test]
fn whoever_reads_a_log_makes_pages_of_patches() {
    for key in [None, Some(1)] {
        let storage = MemStorage::new();
        let mut store = ten(&storage, key);
        let ninth = store.snapshot();
        edit(&mut store, 2..=3, 11);
        assert_eq!(patches(&store), 9 * 4 + 2);
        expect(&ninth, 1..=4, 10);
        drop((ninth, store));

        let mut store = open(&storage, small(), key);
        expect(&store.snapshot(), [1, 4], 10);
        expect(&store.snapshot(), 2..=3, 11);
        // The first bytes alone, as SQLite asks for its header.
        let mut start = [0; 100];
        store.snapshot().read(page(2), &mut start, &mut Scratch::default()).unwrap();
        assert_eq!(start[..], edited(2, 11)[..100]);
        assert_eq!(store.verify(|_| true).unwrap().damage, []);
        // This opening has no pages to compare with, until it has written them once.
        edit(&mut store, 1..=4, 12);
        assert_eq!(patches(&store), 0);
        edit(&mut store, 1..=4, 13);
        assert_eq!(patches(&store), 4);

        store.checkpoint(&Inline, 1).unwrap();
        expect(&store.snapshot(), 1..=4, 13);
        assert!(!is_patch(&store.snapshot(), 1), "a segment has whole pages");
        // A new log has no frame that one could be made from.
        edit(&mut store, 1..=4, 14);
        assert_eq!(patches(&store), 4);
        drop(store);
        let store = open(&storage, small(), key);
        expect(&store.snapshot(), 1..=4, 14);
    }
}

#[test]
fn kept_commits_show_their_own_version_of_a_patched_page() {
    let storage = MemStorage::new();
    let mut store = create(&storage, small(), Some(3));
    store.set_archive(true).unwrap();
    for version in 1..=10 {
        edit(&mut store, 1..=4, version);
    }
    for round in 0..3 {
        for version in 1..=10 {
            expect(&store.snapshot_at(CommitId(version)).unwrap(), 1..=4, version);
        }
        match round {
            0 => {
                drop(store);
                store = open(&storage, small(), Some(3));
            }
            _ => drop(store.checkpoint(&Inline, 1).unwrap()),
        }
    }
}

/// A job that is told which bytes it will need, and given no others.
#[test]
fn a_job_that_runs_elsewhere_says_that_it_reads_bases_too() {
    let storage = MemStorage::new();
    let mut store = create(&storage, small(), Some(5));
    edit(&mut store, 1..=4, 1);
    // Between bases and patches, so that no one read covers both by chance.
    for version in 2..=60 {
        let mut txn = store.begin();
        for number in 10..=25 {
            txn.write(page(number), &content(store.page_size(), number, version)).unwrap();
        }
        store.commit(txn, Commit::default()).unwrap();
    }
    edit(&mut store, 1..=4, 2);
    assert!(patches(&store) >= 4);
    assert!(store.seal_log().unwrap());
    let sent = store.fold_job().unwrap().unwrap().to_bytes();
    let job = Job::from_bytes(&sent).unwrap();
    let (target, records) = (job.target(), job.records());
    let log = storage.bytes(job.sources()[0].name()).unwrap();
    let plan: Task<MemDevice, MemDevice> =
        Task::new(Job::from_bytes(&sent).unwrap(), vec![], MemDevice::new("none", vec![]), 1);
    // Everything that was not said is made unreadable.
    let mut known = vec![0xee; log.len()];
    let (end, ranges) = plan.ahead(0, u64::MAX).unwrap();
    assert_eq!(end, records);
    for range in &ranges {
        let range = usize::try_from(range.offset).unwrap()..usize::try_from(range.offset + range.bytes).unwrap();
        known[range.clone()].copy_from_slice(&log[range]);
    }
    assert!(known != log, "something need not be read");
    let output = storage.open(&target, OpenMode::Create).unwrap();
    let mut task = Task::new(job, vec![MemDevice::new("known", known)], output, 3);
    while !task.step(4096, &mut Seeded(9), &Inline).unwrap() {}
    store.install(&task.finish(&mut Seeded(9)).unwrap()).unwrap();
    expect(&store.snapshot(), 1..=4, 2);
    assert_eq!(store.verify(|_| true).unwrap().damage, []);
}

#[test]
fn an_export_and_an_increment_have_whole_pages_of_what_the_log_has_as_patches() {
    let storage = MemStorage::new();
    let mut store = ten(&storage, None);
    let output = std::sync::Arc::new(MemDevice::new("copy", Vec::new()));
    store.export(None, std::sync::Arc::clone(&output), &Inline, 1).unwrap();
    let copied = MemStorage::new();
    copied.put("base", output.to_vec());
    let options = Options { base: Some("base".into()), ..small() };
    expect(&open(&copied, options, None).snapshot(), 1..=4, 10);
}

/// FORMAT: patch-4
#[test]
fn who_chose_not_to_compress_what_is_encrypted_has_no_patches_either() {
    for (codec, key, expected) in [(Codec::None, Some(1), 0), (Codec::None, None, 4), (Codec::Lz4, Some(1), 4)] {
        let storage = MemStorage::new();
        let options = Options { hot: CodecChoice::from(codec), ..small() };
        let mut store = create(&storage, options, key);
        edit(&mut store, 1..=4, 1);
        edit(&mut store, 1..=4, 2);
        assert_eq!(patches(&store), expected, "{codec}, {key:?}");
        expect(&store.snapshot(), 1..=4, 2);
    }
}

#[test]
fn pages_of_large_commits_and_those_that_changed_much_are_whole() {
    let storage = MemStorage::new();
    let mut store = create(&storage, small(), None);
    edit(&mut store, 1..=200, 1);
    edit(&mut store, 1..=200, 2);
    assert_eq!(patches(&store), 0, "of 200 pages");
    edit(&mut store, 1..=4, 3);
    edit(&mut store, 1..=200, 4);
    assert_eq!(patches(&store), 4, "of what had been written by a small one");
    // A quarter and more of the page.
    let mut txn = store.begin();
    let mut much = edited(1, 4);
    much[300..600].fill(1);
    txn.write(page(1), &much).unwrap();
    store.commit(txn, Commit::default()).unwrap();
    assert_eq!(patches(&store), 4);
    assert!(!is_patch(&store.snapshot(), 1));
    // From then on that is what is compared with.
    much[700..710].fill(2);
    let mut txn = store.begin();
    txn.write(page(1), &much).unwrap();
    store.commit(txn, Commit::default()).unwrap();
    assert_eq!(patches(&store), 5);
    let mut out = vec![0; 1024];
    store.snapshot().read(page(1), &mut out, &mut Scratch::default()).unwrap();
    assert!(out == much);
}

#[test]
fn a_transaction_that_is_given_up_leaves_no_base() {
    let storage = MemStorage::new();
    let mut store = create(&storage, small(), Some(1));
    edit(&mut store, [1], 1);
    // Spilled behind the log's end, and then overwritten by another.
    let mut txn = store.begin();
    txn.write(page(2), &edited(2, 7)).unwrap();
    store.spill(&mut txn).unwrap();
    drop(txn);
    edit(&mut store, [2], 8);
    assert_eq!(patches(&store), 0);
    edit(&mut store, [2], 9);
    // One that spilled a page and then wrote it once more: the later frame is what counts.
    let mut txn = store.begin();
    txn.write(page(3), &content(store.page_size(), 3, 1)).unwrap();
    store.spill(&mut txn).unwrap();
    txn.write(page(3), &edited(3, 1)).unwrap();
    store.commit(txn, Commit::default()).unwrap();
    edit(&mut store, [3], 2);
    assert_eq!(patches(&store), 2);
    drop(store);
    let store = open(&storage, small(), Some(1));
    expect(&store.snapshot(), [2], 9);
    expect(&store.snapshot(), [3], 2);
}

#[test]
fn page_one_cut_off_and_grown_again_is_not_made_of_what_it_was() {
    let storage = MemStorage::new();
    let mut store = ten(&storage, Some(2));
    let mut txn = store.begin();
    txn.set_page_count(coffer_store::PageCount(1));
    store.commit(txn, Commit::default()).unwrap();
    edit(&mut store, [4], 20);
    drop(store);
    let store = open(&storage, small(), Some(2));
    expect(&store.snapshot(), [1], 10);
    expect(&store.snapshot(), [4], 20);
    let mut out = vec![1; 1024];
    assert!(!store.snapshot().read(page(2), &mut out, &mut Scratch::default()).unwrap());
    assert!(out.iter().all(|byte| *byte == 0));
}

/// A frame whose base is damaged is lost with it, and told by where the damage is; other pages are read.
#[test]
fn damage_of_a_base_is_found_by_all_its_patches() {
    for key in [None, Some(1)] {
        let storage = MemStorage::new();
        let store = ten(&storage, key);
        let record = |number| store.snapshot().record(page(number), &mut Scratch::default()).unwrap().unwrap();
        let name = record(2).file;
        drop(store);
        let mut bytes = storage.bytes(&name).unwrap();
        // The first commit's frame of page 2 follows that of page 1, behind two headers.
        let first = u64::from(u32::from_le_bytes(bytes[4100..4104].try_into().unwrap()));
        let at = usize::try_from(4096 + first).unwrap();
        bytes[at + 200] ^= 1;
        storage.put(&name, bytes);
        // The frame's own checksum tells at the next opening.
        let key = key.map(slot_key);
        let opened = Store::open(storage.clone(), Box::new(Seeded(2)), small(), key.as_ref());
        let error = opened.map(|_| ()).unwrap_err();
        assert!(matches!(&error, Error::Corrupt(corrupt) if corrupt.what == What::Frame), "{error:?}");
    }
}

#[test]
fn new_databases_of_every_cipher_patch() {
    for cipher in [Cipher::Aes256Gcm, Cipher::ChaCha20Poly1305] {
        let storage = MemStorage::new();
        let key = slot_key(1);
        let new_key = NewKey { cipher, kind: SlotKind::Raw, parameters: Vec::new(), key: &key };
        let mut store = Store::create(storage.clone(), Box::new(Seeded(1)), small(), Some(new_key)).unwrap();
        edit(&mut store, 1..=4, 1);
        edit(&mut store, 1..=4, 2);
        assert_eq!(patches(&store), 4);
        drop(store);
        expect(&open(&storage, small(), Some(1)).snapshot(), 1..=4, 2);
    }
}

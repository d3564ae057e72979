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

/// Commits one page by itself.
fn put_one(store: &mut Store<MemStorage>, number: u32, raw: &[u8]) {
    let mut txn = store.begin();
    txn.write(page(number), raw).unwrap();
    store.commit(txn, Commit::default()).unwrap();
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
    let source = std::sync::Arc::new(MemDevice::new("known", Vec::new()));
    let output = storage.open(&target, OpenMode::Create).unwrap();
    let mut task = Task::new(job, vec![std::sync::Arc::clone(&source)], output, 3);
    let (mut first, mut windows) = (0, 0);
    while first < records {
        let (end, ranges) = plan.ahead(first, 300).unwrap();
        // Everything that was not said is unreadable.
        let mut known = vec![0xee; log.len()];
        let mut bytes = 0;
        for range in &ranges {
            let range = usize::try_from(range.offset).unwrap()..usize::try_from(range.offset + range.bytes).unwrap();
            bytes += range.len();
            known[range.clone()].copy_from_slice(&log[range]);
        }
        assert!(bytes < 40_000, "{bytes} bytes for a window of 300");
        source.write_at(0, &known).unwrap();
        task.limit(end);
        while task.progress().0 < end {
            task.step(4096, &mut Seeded(9), &Inline).unwrap();
        }
        (first, windows) = (end, windows + 1);
    }
    // Each base is longer than a window is to be, so each of the four pages has one of its own, and the sixteen others share six.
    assert_eq!(windows, 10);
    store.install(&task.finish(&mut Seeded(9)).unwrap()).unwrap();
    expect(&store.snapshot(), 1..=4, 2);
    assert_eq!(store.verify(|_| true).unwrap().damage, []);
}

#[test]
fn an_export_and_an_increment_have_whole_pages_of_what_the_log_has_as_patches() {
    let storage = MemStorage::new();
    let mut store = create(&storage, small(), None);
    edit(&mut store, 1..=4, 1);
    let first = std::sync::Arc::new(MemDevice::new("first", Vec::new()));
    store.export(None, std::sync::Arc::clone(&first), &Inline, 1).unwrap();
    for version in 2..=10 {
        edit(&mut store, 1..=4, version);
    }
    let second = std::sync::Arc::new(MemDevice::new("second", Vec::new()));
    let done = store.export(Some(CommitId(1)), std::sync::Arc::clone(&second), &Inline, 1).unwrap();
    assert_eq!((done.records(), patches(&store)), (4, 9 * 4));
    let increment = MemStorage::new();
    increment.put("base", first.to_vec());
    let options = Options { base: Some("base".into()), read_only: true, ..small() };
    let mut copy = open(&increment, options, None);
    copy.lay_over("second", MemDevice::new("second", second.to_vec()), None).unwrap();
    expect(&copy.snapshot(), 1..=4, 10);
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
    put_one(&mut store, 1, &much);
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

/// A base is known by its place in the log, so it serves a page that was cut off and has come again as well.
#[test]
fn a_page_that_was_cut_off_and_comes_again_may_be_a_patch_of_what_it_was() {
    let storage = MemStorage::new();
    let mut store = ten(&storage, Some(2));
    let before = patches(&store);
    let mut txn = store.begin();
    txn.set_page_count(coffer_store::PageCount(1));
    store.commit(txn, Commit::default()).unwrap();
    edit(&mut store, [4], 20);
    assert_eq!(patches(&store), before + 1);
    drop(store);
    let store = open(&storage, small(), Some(2));
    expect(&store.snapshot(), [1], 10);
    expect(&store.snapshot(), [4], 20);
    let mut out = vec![1; 1024];
    assert!(!store.snapshot().read(page(2), &mut out, &mut Scratch::default()).unwrap());
    assert!(out.iter().all(|byte| *byte == 0));
}

/// While the database is open: at the next opening a damaged frame is the end of its log, or an error.
#[test]
fn damage_of_a_base_costs_the_pages_of_its_patches_and_no_others() {
    for (key, what) in [(None, What::RecordChecksum), (Some(1), What::RecordAuthentication)] {
        let storage = MemStorage::new();
        let store = ten(&storage, key);
        // The first commit's frame of page 2 follows that of page 1.
        let mut bytes = storage.bytes("log-0").unwrap();
        let first = u32::from_le_bytes(bytes[4100..4104].try_into().unwrap());
        let base = 4096 + u64::from(first);
        bytes[usize::try_from(base).unwrap() + 200] ^= 1;
        storage.open("log-0", OpenMode::Write).unwrap().write_at(0, &bytes).unwrap();
        let mut out = vec![0; 1024];
        let read = |number, out: &mut [u8]| store.snapshot().read(page(number), out, &mut Scratch::default());
        let expected = Error::corrupt("log-0", base, what);
        assert_eq!(read(2, &mut out).unwrap_err(), expected);
        expect(&store.snapshot(), [1, 3, 4], 10);
        // Once, though ten versions of the page are lost.
        let verified = store.verify(|_| true).unwrap();
        assert_eq!((verified.damage, verified.pages_lost), (vec![expected], vec![page(2)]));
    }
}

#[test]
fn a_page_of_zeros_is_nothing_whatever_it_was_before() {
    let storage = MemStorage::new();
    let mut store = create(&storage, small(), Some(1));
    let mut txn = store.begin();
    // A hundred bytes that do not compress: longer as a frame than as a patch that takes them away.
    let mut raw = vec![0; 1024];
    raw[104..204].copy_from_slice(&edited(1, 1)[104..204]);
    txn.write(page(1), &raw).unwrap();
    store.commit(txn, Commit::default()).unwrap();
    put_one(&mut store, 1, &[0; 1024]);
    assert_eq!(patches(&store), 0);
    assert_eq!(store.snapshot().record(page(1), &mut Scratch::default()).unwrap().unwrap().stored_bytes, 20 + 44);
}

#[test]
fn a_patch_that_takes_more_than_the_whole_page_did_is_none() {
    let storage = MemStorage::new();
    let mut store = create(&storage, small(), Some(1));
    let mut raw = vec![5; 1024];
    for version in 0..2 {
        raw.iter_mut().skip(40 * version).step_by(50).for_each(|byte| *byte += 1);
        put_one(&mut store, 1, &raw);
    }
    assert_eq!(patches(&store), 0, "both compress to less than the twenty places take");
    let mut out = vec![0; 1024];
    store.snapshot().read(page(1), &mut out, &mut Scratch::default()).unwrap();
    assert!(out == raw);
}

#[test]
fn pages_that_are_written_all_the_time_keep_their_bases_while_others_come_and_go() {
    let storage = MemStorage::new();
    let mut store = create(&storage, small(), None);
    edit(&mut store, [1], 1);
    for version in 2..40 {
        edit(&mut store, [1], version);
        // Ten times as many as there is room for, by and by.
        edit(&mut store, (0..16).map(|at| 100 + at + 16 * u32::try_from(version).unwrap()), version);
    }
    assert_eq!(patches(&store), 38);
    assert!(is_patch(&store.snapshot(), 1));
    expect(&store.snapshot(), [1], 39);
}

#[test]
fn a_job_whose_base_lies_outside_of_its_source_is_none() {
    let storage = MemStorage::new();
    let mut store = ten(&storage, Some(5));
    assert!(store.seal_log().unwrap());
    let sent = store.fold_job().unwrap().unwrap().to_bytes();
    assert!(Job::from_bytes(&sent).is_ok());
    // The frame of page 1 is the first of the log, and its body as long as that says.
    let log = storage.bytes("log-0").unwrap();
    let body_bytes = u32::from_le_bytes(log[4100..4104].try_into().unwrap()) - 24;
    let place = (0..sent.len() - 8).rev().find(|&at| {
        sent[at + 4..at + 8] == body_bytes.to_le_bytes() && sent[at..at + 4] != [0; 4] && sent[at + 2..at + 4] == [0; 2]
    });
    let place = place.expect("the base of the last record") + 4;
    for wrong in [u32::MAX, 1024 + 45] {
        let mut altered = sent.to_vec();
        altered[place..place + 4].copy_from_slice(&wrong.to_le_bytes());
        assert!(Job::from_bytes(&altered).is_err(), "{wrong} bytes");
    }
}

/// What a log says of bases is believed only within bounds, before anybody reads so many bytes: a job knows nothing of one that is none.
#[test]
fn a_base_that_no_page_can_have_is_not_read() {
    let (storage, _) = crate::vector::load(&crate::vector::folder().join("bad-patch-long"));
    let mut store = Store::open(storage.clone(), Box::new(Seeded(2)), Options::default(), None).unwrap().0;
    assert!(store.seal_log().unwrap());
    let job = Job::from_bytes(&store.fold_job().unwrap().unwrap().to_bytes()).unwrap();
    let input = storage.open("log-0", OpenMode::Read).unwrap();
    let mut task = Task::new(job, vec![input], MemDevice::new("none", vec![]), 1);
    let error = task.step(1 << 20, &mut Seeded(9), &Inline).unwrap_err();
    assert!(matches!(&error, Error::Corrupt(corrupt) if corrupt.what == What::RecordHeader), "{error:?}");
}

/// A dictionary is learnt from pages wherever they are.
#[test]
fn what_is_learnt_may_come_from_patches() {
    let storage = MemStorage::new();
    let options = Options { learns: true, ..small() };
    let mut store = create(&storage, options, Some(5));
    edit(&mut store, 1..=5000, 1);
    edit(&mut store, 1..=4, 2);
    edit(&mut store, 1..=4, 3);
    assert_eq!(patches(&store), 4);
    let job = store.spare_job().unwrap().expect("there are 4 MB and more");
    assert!(job.learns() && job.sources()[0].name() == "log-0");
    let input = storage.open("log-0", OpenMode::Read).unwrap();
    let mut task = Task::new(job, vec![input], MemDevice::new("none", vec![]), 1);
    while !task.step(1 << 20, &mut Seeded(9), &Inline).unwrap() {}
}

/// What another process chose for the log holds for the next commit of this one.
#[test]
fn a_codec_that_another_process_chose_is_taken_up_with_its_root() {
    let storage = MemStorage::new();
    let mut store = create(&storage, small(), Some(1));
    edit(&mut store, 1..=4, 1);
    let mut other = open(&storage, small(), Some(1));
    other.set_codec(CodecChoice::NONE, CodecChoice::NONE).unwrap();
    drop(other);
    store.refresh().unwrap();
    let raw = content(store.page_size(), 9, 1);
    put_one(&mut store, 9, &raw);
    edit(&mut store, 1..=4, 2);
    let record = store.snapshot().record(page(9), &mut Scratch::default()).unwrap().unwrap();
    assert_eq!((record.codec, patches(&store)), (Codec::None, 0));
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

//! The verbs of the store, each by what it promises.

use std::thread;

use coffer_store::{
    Codec, CodecChoice, Commit, CommitId, Compaction, Done, Error, Inline, Job, Limit, MemDevice, MemStorage, NewKey,
    OpenMode, Options, PageNo, RequestId, Scratch, SlotKind, Storage, Store, Synchronous, Task, Work, Workers,
};

use crate::support::{Seeded, content, create, open, page, put, slot_key, small};

/// The newest content of every page.
fn contents(store: &Store<MemStorage>) -> Vec<Vec<u8>> {
    let snapshot = store.snapshot();
    let mut scratch = Scratch::default();
    (1..=snapshot.page_count().0)
        .map(|number| {
            let mut out = vec![0; snapshot.page_size().bytes()];
            snapshot.read(page(number), &mut out, &mut scratch).unwrap();
            out
        })
        .collect()
}

struct Threads;

impl Workers for Threads {
    fn run(&self, count: usize, work: &Work<'_>) {
        thread::scope(|scope| {
            for worker in 0..count {
                scope.spawn(move || work(worker));
            }
        });
    }
}

#[test]
fn a_job_runs_elsewhere_from_bytes_that_were_sent_while_commits_go_on() {
    let storage = MemStorage::new();
    let mut store = create(&storage, small(), Some(1));
    put(&mut store, 1..=40, 1);
    assert!(store.seal_log().unwrap());
    let job = store.fold_job().unwrap().unwrap();
    let sent = job.to_bytes();
    let sources: Vec<Vec<u8>> = job
        .sources()
        .iter()
        .map(|source| storage.bytes(source.name()).unwrap()[..usize::try_from(source.file_bytes()).unwrap()].to_vec())
        .collect();
    let elsewhere = thread::spawn(move || {
        let job = Job::from_bytes(&sent).unwrap();
        let inputs = sources.into_iter().map(|bytes| MemDevice::new("sent", bytes)).collect();
        let output = std::sync::Arc::new(MemDevice::new("made", Vec::new()));
        let mut task = Task::new(job, inputs, std::sync::Arc::clone(&output), 1);
        let mut entropy = Seeded(99);
        while !task.step(4096, &mut entropy, &Inline).unwrap() {}
        (task.finish(&mut entropy).unwrap().to_bytes(), output.to_vec())
    });
    put(&mut store, 5..=45, 2);
    let (done, made) = elsewhere.join().unwrap();
    let done = Done::from_bytes(&done).unwrap();
    storage.put(&done.target(), made);
    store.install(&done).unwrap();
    put(&mut store, 7..=7, 3);
    let expected = contents(&store);
    drop(store);
    assert_eq!(contents(&open(&storage, small(), Some(1))), expected);
}

#[test]
fn a_result_that_does_not_fit_is_refused() {
    let storage = MemStorage::new();
    let mut store = create(&storage, small(), None);
    put(&mut store, 1..=4, 1);
    store.seal_log().unwrap();
    let job = store.fold_job().unwrap().unwrap();
    let target = job.target();
    let mut task = store.start_task(job, 1).unwrap();
    while !task.step(1 << 20, &mut Seeded(1), &Inline).unwrap() {}
    let done = task.finish(&mut Seeded(1)).unwrap();
    store.install(&done).unwrap();
    assert!(matches!(store.install(&done), Err(Error::Corrupt(_))), "{target} was installed twice");
    assert_eq!(store.verify(|_| true).unwrap().damage, []);
}

#[test]
fn threads_share_a_checkpoint_and_make_the_same_pages() {
    let storage = MemStorage::new();
    let mut store = create(&storage, small(), Some(1));
    put(&mut store, 1..=1000, 1);
    let expected = contents(&store);
    store.checkpoint(&Threads, 3).unwrap();
    assert_eq!(contents(&store), expected);
    assert_eq!(store.verify(|_| true).unwrap().records, 1000);
}

#[test]
fn every_codec_keeps_the_pages_and_can_be_changed_to_any_other() {
    let storage = MemStorage::new();
    let mut store = create(&storage, small(), None);
    put(&mut store, 1..=60, 1);
    let expected = contents(&store);
    for (codec, level) in [(Codec::Gzip, 6), (Codec::None, 0), (Codec::Lz4, 0), (Codec::Rle, 0), (Codec::Zstd, 19)] {
        let choice = CodecChoice::new(codec, level).unwrap();
        store.set_codec(choice, choice).unwrap();
        put(&mut store, 1..=1, 1);
        store.checkpoint(&Inline, 1).unwrap();
        store.compact(Compaction::Stale, &Inline, 1).unwrap();
        store.compact(Compaction::All, &Inline, 1).unwrap();
        assert_eq!(contents(&store), expected, "{codec:?}");
        drop(store);
        store = open(&storage, small(), None);
        assert_eq!(store.codecs(), (choice, choice));
        assert_eq!(contents(&store), expected, "{codec:?}");
    }
    let logical = store.stats().logical_bytes;
    assert!(store.stats().stored_bytes * 3 < logical, "{:?}", store.stats());
}

#[test]
fn a_dictionary_is_remembered_from_creation_trained_embedded_and_dropped() {
    let storage = MemStorage::new();
    let options = Options { dictionary: Some(b"the quick brown fox jumps over the lazy dog. ".repeat(4)), ..small() };
    let mut store = create(&storage, options.clone(), Some(1));
    drop(store);
    store = open(&storage, small(), Some(1));
    assert_eq!(store.dictionary().map(<[u8]>::len), Some(180));
    put(&mut store, 1..=600, 1);
    store.checkpoint(&Inline, 1).unwrap();
    store.compact(Compaction::All, &Inline, 1).unwrap();
    drop(store);
    store = open(&storage, small(), Some(1));
    let expected = contents(&store);
    assert_eq!(store.dictionary().map(<[u8]>::len), Some(180));
    let trained = store.train_dictionary(16 << 10, 1 << 20, &mut Scratch::default()).unwrap().unwrap();
    store.embed_dictionary(Some(trained.clone())).unwrap();
    store.compact(Compaction::Stale, &Inline, 1).unwrap();
    drop(store);
    store = open(&storage, small(), Some(1));
    assert_eq!(store.dictionary(), Some(trained.as_slice()));
    assert_eq!(contents(&store), expected);
    for name in storage.list().unwrap() {
        let bytes = storage.bytes(&name).unwrap();
        assert!(!bytes.windows(5).any(|window| window == b"quick"), "{name} is readable");
    }
    store.embed_dictionary(None).unwrap();
    store.compact(Compaction::Stale, &Inline, 1).unwrap();
    drop(store);
    store = open(&storage, small(), Some(1));
    assert_eq!(store.dictionary(), None);
    assert_eq!(contents(&store), expected);
}

#[test]
fn each_mode_flushes_as_often_as_it_says() {
    let flushes = |synchronous, spill: bool| {
        let mut store = create(&MemStorage::new(), small(), None);
        put(&mut store, 1..=1, 1);
        let before = store.stats().counters;
        let mut txn = store.begin();
        txn.write(page(2), &content(store.page_size(), 2, 1)).unwrap();
        if spill {
            store.spill(&mut txn).unwrap();
            txn.write(page(3), &content(store.page_size(), 3, 1)).unwrap();
        }
        store.commit(txn, Commit { synchronous, ..Commit::default() }).unwrap();
        let after = store.stats().counters;
        (after.writes - before.writes, after.flushes - before.flushes)
    };
    assert_eq!(flushes(Synchronous::Off, false), (1, 0));
    assert_eq!(flushes(Synchronous::Normal, false), (1, 1));
    assert_eq!(flushes(Synchronous::Full, false), (1, 1));
    assert_eq!(flushes(Synchronous::Extra, false), (1, 2));
    assert_eq!(flushes(Synchronous::Off, true), (2, 0));
    assert_eq!(flushes(Synchronous::Normal, true), (2, 1));
    assert_eq!(flushes(Synchronous::Full, true), (2, 2));
    assert_eq!(flushes(Synchronous::Extra, true), (2, 3));
}

#[test]
fn one_flush_serves_all_commits_before_it() {
    let mut store = create(&MemStorage::new(), small(), None);
    let relaxed = Commit { synchronous: Synchronous::Off, ..Commit::default() };
    for number in 1..=5 {
        let mut txn = store.begin();
        txn.write(page(number), &content(store.page_size(), number, 1)).unwrap();
        store.commit(txn, relaxed).unwrap();
    }
    assert_eq!(store.flushed(), CommitId(0));
    let before = store.stats().counters.flushes;
    store.flush().unwrap();
    store.flush().unwrap();
    assert_eq!((store.flushed(), store.stats().counters.flushes - before), (CommitId(5), 1));
}

#[test]
fn a_request_is_found_after_reopening_and_after_folding() {
    let storage = MemStorage::new();
    let mut store = create(&storage, small(), Some(1));
    let request = RequestId([5; 16]);
    let mut txn = store.begin();
    txn.write(page(1), &content(store.page_size(), 1, 1)).unwrap();
    let commit = store.commit(txn, Commit { request, ..Commit::default() }).unwrap();
    put(&mut store, 1..=1, 2);
    for _ in 0..2 {
        assert_eq!(store.find_request(request), Some(commit));
        assert_eq!(store.find_request(RequestId([6; 16])), None);
        store.checkpoint(&Inline, 1).unwrap();
        drop(store);
        store = open(&storage, small(), Some(1));
    }
}

fn request(caller: u8, number: u32) -> RequestId {
    let mut id = [caller; 16];
    id[12..].copy_from_slice(&number.to_be_bytes());
    RequestId(id)
}

fn commit_as(store: &mut Store<MemStorage>, request: RequestId) -> CommitId {
    let mut txn = store.begin();
    txn.write(page(1), &content(store.page_size(), 1, 1)).unwrap();
    store.commit(txn, Commit { request, ..Commit::default() }).unwrap()
}

#[test]
fn a_request_outlasts_any_number_of_commits_of_others() {
    // A tab that is slow to ask again after its leader died must still learn what became of its requests, however much the
    // other tabs have written by then.
    let storage = MemStorage::new();
    let mut store = create(&storage, small(), None);
    let slow: Vec<_> = (0..100).map(|number| commit_as(&mut store, request(1, number))).collect();
    let mut newest = CommitId::ZERO;
    for number in 0..3000 {
        newest = commit_as(&mut store, request(2, number));
        if number % 700 == 0 {
            store.checkpoint(&Inline, 1).unwrap();
            drop(store);
            store = open(&storage, small(), None);
        }
    }
    for _ in 0..2 {
        let found: Vec<_> = (0..100).filter_map(|number| store.find_request(request(1, number))).collect();
        assert_eq!(found, slow);
        assert_eq!(store.find_request(request(2, 2999)), Some(newest));
        assert_eq!(store.find_request(request(2, 0)), None, "the bound holds");
        store.checkpoint(&Inline, 1).unwrap();
        drop(store);
        store = open(&storage, small(), None);
    }
}

#[test]
fn the_newest_requests_are_known_however_many_callers_came_before() {
    // Each visit of a page is a caller of its own, and none says that it will not come back. With fifty visits behind it, a tab
    // whose leader died ran again what was committed: of its requests no more were known than a fiftieth of all.
    let storage = MemStorage::new();
    let mut store = create(&storage, small(), None);
    for caller in 1..=60 {
        for number in 0..100 {
            commit_as(&mut store, request(caller, number));
        }
        if caller % 16 == 0 {
            store.checkpoint(&Inline, 1).unwrap();
        }
    }
    // As many as may wait to be told, of two who take turns.
    let made: Vec<_> =
        (0..512).map(|number| commit_as(&mut store, request(100 + (number % 2) as u8, number))).collect();
    for _ in 0..3 {
        let known: Vec<_> =
            (0..512).filter_map(|number| store.find_request(request(100 + (number % 2) as u8, number))).collect();
        assert_eq!(known, made);
        store.checkpoint(&Inline, 1).unwrap();
        drop(store);
        store = open(&storage, small(), None);
    }
}

#[test]
fn a_request_of_several_commits_is_known_by_the_last() {
    let storage = MemStorage::new();
    let mut store = create(&storage, small(), None);
    let request = RequestId([9; 16]);
    let mut last = CommitId::ZERO;
    for seed in 1..=3 {
        let mut txn = store.begin();
        txn.write(page(1), &content(store.page_size(), 1, seed)).unwrap();
        last = store.commit(txn, Commit { request, ..Commit::default() }).unwrap();
    }
    for _ in 0..2 {
        assert_eq!(store.find_request(request), Some(last));
        store.checkpoint(&Inline, 1).unwrap();
        drop(store);
        store = open(&storage, small(), None);
    }
}

#[test]
fn a_spilled_transaction_commits_rolls_back_and_shrinks() {
    let storage = MemStorage::new();
    let mut store = create(&storage, small(), Some(1));
    put(&mut store, 1..=3, 1);
    let mut dropped = store.begin();
    dropped.write(page(2), &content(store.page_size(), 2, 9)).unwrap();
    store.spill(&mut dropped).unwrap();
    let other = store.begin();
    let mut other = other;
    other.write(page(1), &content(store.page_size(), 1, 8)).unwrap();
    let refused = store.commit(other, Commit::default());
    assert_eq!(refused, Err(Error::Limit(Limit::LogFull)), "another transaction has the end of the log");
    drop(dropped);
    let mut txn = store.begin();
    for number in 1..=30 {
        txn.write(page(number), &content(store.page_size(), number, 2)).unwrap();
        if number % 7 == 0 {
            store.spill(&mut txn).unwrap();
        }
    }
    let mut out = vec![0; 1024];
    assert!(txn.read(page(3), &mut out, &mut Scratch::default()).unwrap());
    assert_eq!(out, content(store.page_size(), 3, 2));
    txn.set_page_count(coffer_store::PageCount(10));
    txn.set_page_count(coffer_store::PageCount(20));
    assert!(!txn.read(page(12), &mut out, &mut Scratch::default()).unwrap());
    store.commit(txn, Commit::default()).unwrap();
    let expected = contents(&store);
    assert_eq!(expected[9], content(store.page_size(), 10, 2));
    assert_eq!(expected[11], vec![0; 1024]);
    drop(store);
    assert_eq!(contents(&open(&storage, small(), Some(1))), expected);
}

#[test]
fn several_keys_open_a_database_and_a_removed_one_does_not() {
    let storage = MemStorage::new();
    let mut store = create(&storage, small(), Some(1));
    put(&mut store, 1..=5, 1);
    let second = store.add_key(SlotKind::Raw, b"salt".to_vec(), &slot_key(2)).unwrap();
    drop(store);
    store = open(&storage, small(), Some(2));
    store.change_key(second, SlotKind::Raw, Vec::new(), &slot_key(3)).unwrap();
    drop(store);
    let refused = |byte| {
        let key = slot_key(byte);
        Store::open(storage.clone(), Box::new(Seeded(3)), small(), Some(&key)).err()
    };
    assert_eq!(refused(2), Some(Error::WrongKey));
    store = open(&storage, small(), Some(3));
    let lost = store.rotate(&[(second, &slot_key(3))], &Inline, 1);
    assert_eq!(lost, Err(Error::Limit(Limit::KeySlotUnsupplied)));
    store.remove_key(0).unwrap();
    assert_eq!(store.remove_key(second), Err(Error::Limit(Limit::LastKeySlot)));
    store.rotate(&[(second, &slot_key(3))], &Inline, 1).unwrap();
    drop(store);
    assert_eq!(refused(1), Some(Error::WrongKey));
    assert_eq!(contents(&open(&storage, small(), Some(3))).len(), 5);
}

#[test]
fn a_log_is_used_again_and_cut_to_what_may_be_kept() {
    let storage = MemStorage::new();
    let mut store = create(&storage, Options { log_bytes_kept: 8192, ..small() }, None);
    for version in 1..20 {
        put(&mut store, 1..=100, version);
        store.checkpoint(&Inline, 1).unwrap();
    }
    let logs: Vec<String> = storage.list().unwrap().into_iter().filter(|name| name.starts_with("log-")).collect();
    assert!(logs.len() <= 2, "{logs:?}");
    assert!(logs.iter().all(|name| storage.bytes(name).unwrap().len() <= 8192));
}

#[test]
fn a_full_log_asks_for_a_checkpoint_and_goes_on_after_it() {
    let mut store = create(&MemStorage::new(), Options { log_bytes_max: 8192, ..small() }, None);
    put(&mut store, 1..=100, 1);
    let commit = |store: &mut Store<MemStorage>| {
        let mut txn = store.begin();
        txn.write(PageNo::new(1).unwrap(), &content(store.page_size(), 1, 2)).unwrap();
        store.commit(txn, Commit::default())
    };
    assert_eq!(commit(&mut store), Err(Error::Limit(Limit::LogFull)));
    store.checkpoint(&Inline, 1).unwrap();
    assert!(commit(&mut store).is_ok());
}

#[test]
fn files_left_by_an_interrupted_job_are_swept() {
    let storage = MemStorage::new();
    let mut store = create(&storage, small(), None);
    put(&mut store, 1..=10, 1);
    store.seal_log().unwrap();
    let job = store.fold_job().unwrap().unwrap();
    let mut task = store.start_task(job, 1).unwrap();
    task.step(1 << 20, &mut Seeded(1), &Inline).unwrap();
    drop((task, store));
    let mut store = open(&storage, small(), None);
    assert_eq!(store.sweep().unwrap(), 1);
    assert!(storage.open("seg-1", OpenMode::Read).is_err());
    assert_eq!(contents(&store).len(), 10);
}

#[test]
fn an_encrypted_database_has_no_readable_byte_anywhere_ever() {
    let storage = MemStorage::new();
    let none = CodecChoice::new(Codec::None, 0).unwrap();
    let mut store = create(&storage, Options { hot: none, cold: none, ..small() }, Some(1));
    let look = |when: &str| {
        for name in storage.list().unwrap() {
            let bytes = storage.bytes(&name).unwrap();
            assert!(!bytes.windows(5).any(|window| window == b"quick"), "{name} is readable {when}");
        }
    };
    put(&mut store, 1..=10, 1);
    look("after a commit");
    let mut txn = store.begin();
    txn.write(page(11), &content(store.page_size(), 11, 1)).unwrap();
    store.spill(&mut txn).unwrap();
    look("after a spill");
    drop(txn);
    store.checkpoint(&Inline, 1).unwrap();
    look("after a checkpoint");
    let device = storage.open("copy", OpenMode::Create).unwrap();
    store.export(None, device, &Inline, 1).unwrap();
    look("after an export");
}

#[test]
fn encrypting_an_encrypted_database_with_another_key_is_refused() {
    let storage = MemStorage::new();
    let mut store = create(&storage, small(), Some(1));
    let key = slot_key(2);
    let other = NewKey { cipher: coffer_store::Cipher::Aes256Gcm, kind: SlotKind::Raw, parameters: vec![], key: &key };
    assert_eq!(store.encrypt(other, &Inline, 1), Err(Error::WrongKey));
}

#[test]
fn a_verb_does_not_wait_for_maintenance_that_is_half_done() {
    let storage = MemStorage::new();
    let mut store = create(&storage, Options { checkpoint_pages: 10, ..small() }, Some(1));
    put(&mut store, 1..=500, 1);
    assert!(!store.maintain(1).unwrap().idle);
    assert_eq!(store.checkpoint(&Inline, 1).unwrap(), 1);
    assert_eq!(store.stats().log_frames, 0);
    put(&mut store, 1..=500, 2);
    store.seal_log().unwrap();
    let job = store.fold_job().unwrap().unwrap();
    assert_eq!(store.checkpoint(&Inline, 1), Err(Error::Limit(Limit::JobOut)));
    store.abandon_job(&job.target()).unwrap();
    store.decrypt(&Inline, 1).unwrap();
    assert_eq!(contents(&store).len(), 500);
}

#[test]
fn an_increment_carries_cuts_that_a_merge_of_everything_has_seen() {
    let storage = MemStorage::new();
    let mut store = create(&storage, small(), None);
    put(&mut store, 1..=30, 1);
    let since = store.head();
    let mut txn = store.begin();
    txn.set_page_count(coffer_store::PageCount(10));
    store.commit(txn, Commit::default()).unwrap();
    let mut txn = store.begin();
    txn.set_page_count(coffer_store::PageCount(30));
    store.commit(txn, Commit::default()).unwrap();
    store.checkpoint(&Inline, 1).unwrap();
    put(&mut store, 1..=2, 2);
    store.checkpoint(&Inline, 1).unwrap();
    store.compact(Compaction::All, &Inline, 1).unwrap();
    let kept: Vec<_> = store.kept_commits();
    assert_eq!(kept.len(), 1, "only the newest commit is kept");
    let increment = MemStorage::new();
    let device = increment.open("increment", OpenMode::Create).unwrap();
    store.export(Some(since), device, &Inline, 1).unwrap();
    let bytes = increment.bytes("increment").unwrap();
    let cut = [2u64.to_le_bytes().as_slice(), &10u32.to_le_bytes(), &10u32.to_le_bytes()].concat();
    assert!(bytes.windows(cut.len()).any(|window| window == cut), "the cut of commit 2 is in the increment");
}

#[test]
fn a_writer_that_was_overtaken_stops_instead_of_forking_the_database() {
    let storage = MemStorage::new();
    let mut store = create(&storage, small(), None);
    put(&mut store, 1..=10, 1);
    let mut other = open(&storage, small(), None);
    other.checkpoint(&Inline, 1).unwrap();
    put(&mut store, 1..=1, 2);
    assert!(matches!(store.checkpoint(&Inline, 1), Err(Error::Conflict { .. })));
    assert!(store.is_poisoned());
    drop((store, other));
    let store = open(&storage, small(), None);
    assert_eq!(store.verify(|_| true).unwrap().damage, []);
    assert_eq!(contents(&store)[9], content(store.page_size(), 10, 1));
}

#[test]
fn an_interrupted_encryption_goes_on_by_itself() {
    let storage = MemStorage::new();
    let mut store = create(&storage, small(), Some(1));
    put(&mut store, 1..=50, 1);
    store.checkpoint(&Inline, 1).unwrap();
    store.rotate_key(&[(0, &slot_key(1))]).unwrap();
    drop(store);
    let mut store = open(&storage, small(), Some(1));
    while !store.maintain(1 << 20).unwrap().idle {}
    assert_eq!(store.finish_rotation().unwrap(), 1, "nothing needs the old key any more");
    drop(store);
    assert_eq!(contents(&open(&storage, small(), Some(1))).len(), 50);
}

#[test]
fn checkpoints_alone_never_run_out_of_segments() {
    let storage = MemStorage::new();
    let mut store = create(&storage, small(), None);
    for version in 1..300 {
        put(&mut store, [1, 2], version);
        store.checkpoint(&Inline, 1).unwrap();
    }
    assert!(store.stats().segments <= 129, "{}", store.stats().segments);
}

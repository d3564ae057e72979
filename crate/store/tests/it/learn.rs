//! Dictionaries that nobody asked for: learnt where they are worth it, taken up where they were interrupted, given up where they fail.

use std::sync::Arc;

use coffer_store::{
    Commit, Compaction, Done, Error, Inline, Job, MemDevice, MemStorage, Options, PageSize, Scratch, Spare, Storage,
    Store, Task,
};

use crate::review::Filling;
use crate::support::{Seeded, create, open, page, slot_key, small};

fn learning() -> Options {
    Options { learns: true, segments_max: 6, ..small() }
}

/// Text in which each page has words of its own and words that every page has.
fn orders(bytes: usize, number: u32, version: u32) -> Vec<u8> {
    let mut seed = Seeded(u64::from(number) << 8 | u64::from(version));
    let mut out = Vec::new();
    while out.len() < bytes {
        let mut drawn = [0; 6];
        coffer_store::Entropy::fill(&mut seed, &mut drawn);
        let [customer, street, own @ ..] = drawn;
        let words = [u32::from(customer) * 7919, u32::from(street) * 104_729].map(|word| format!("{word:08x}"));
        let line = format!(
            "{{\"order\":\"{}\",\"customer\":\"{}\",\"street\":\"{}\",\"state\":\"delivered\"}}",
            u32::from_le_bytes(own),
            words[0],
            words[1]
        );
        out.extend_from_slice(line.as_bytes());
    }
    out.truncate(bytes);
    out
}

fn fill<S: Storage>(store: &mut Store<S>, pages: std::ops::RangeInclusive<u32>, content: impl Fn(u32) -> Vec<u8>) {
    let mut txn = store.begin();
    for number in pages {
        txn.write(page(number), &content(number)).unwrap();
    }
    store.commit(txn, Commit::default()).unwrap();
}

/// Four segments of 1.25 MB each.
fn filled(storage: &MemStorage, key: Option<u8>) -> Store<MemStorage> {
    let mut store = create(storage, learning(), key);
    for part in 0..4 {
        fill(&mut store, part * 1280 + 1..=(part + 1) * 1280, |number| orders(1024, number, 1));
        store.checkpoint(&Inline, 1).unwrap();
    }
    store
}

fn run<S: Storage>(store: &mut Store<S>) -> Option<Spare> {
    let spare = store.spare();
    if let Some(job) = store.spare_job().unwrap() {
        store.run_job(job, &Inline, 1).unwrap();
    }
    spare
}

fn is_whole<S: Storage>(store: &Store<S>, pages: u32) {
    let snapshot = store.snapshot();
    let mut raw = vec![0; store.page_size().get() as usize];
    for number in 1..=pages {
        snapshot.read(page(number), &mut raw, &mut Scratch::default()).unwrap();
        assert_eq!(raw, orders(raw.len(), number, 1), "page {number}");
    }
}

#[test]
fn a_dictionary_is_learnt_and_each_segment_stored_anew_by_a_job_of_its_own() {
    let storage = MemStorage::new();
    let mut store = filled(&storage, Some(1));
    let plain = store.stats().stored_bytes;
    assert_eq!(run(&mut store), Some(Spare::Learn));
    let learnt = store.dictionary().map(<[u8]>::len).unwrap();
    assert!((1000..=32 << 10).contains(&learnt), "{learnt}");
    // The one with nothing but the dictionary is not stored anew.
    for _ in 0..4 {
        let before = store.stats();
        assert_eq!(run(&mut store), Some(Spare::Anew));
        let after = store.stats();
        assert_eq!((after.segments, after.counters.merges), (5, before.counters.merges + 1));
        assert!(after.stored_bytes < before.stored_bytes);
    }
    assert_eq!(run(&mut store), None);
    let stored = store.stats().stored_bytes;
    assert!(stored < plain - plain / 8, "{stored} of {plain}");
    is_whole(&store, 5120);
    assert_eq!(store.verify(|_| true).unwrap().damage, []);
}

#[test]
fn what_was_interrupted_is_taken_up_by_the_next_opening_wherever_it_was() {
    let storage = MemStorage::new();
    let mut store = filled(&storage, Some(1));
    // A crash while it learns leaves nothing, and a database that is not written to is let be.
    assert!(store.spare_job().unwrap().unwrap().learns());
    drop(store);
    store = open(&storage, learning(), Some(1));
    assert_eq!((store.spare(), store.dictionary()), (None, None));
    fill(&mut store, 1..=1, |number| orders(1024, number, 1));
    assert_eq!(run(&mut store), Some(Spare::Learn));
    let dictionary = store.dictionary().map(<[u8]>::to_vec);
    for left in (1..=4).rev() {
        // The job's half-made file is there, as a crash would leave it.
        let job = store.spare_job().unwrap().unwrap();
        let target = job.target();
        drop(store);
        storage.put(&target, vec![1; 1000]);
        store = open(&storage, learning(), Some(1));
        assert_eq!(store.dictionary().map(<[u8]>::to_vec), dictionary);
        assert_eq!(run(&mut store), Some(Spare::Anew), "{left} are left");
    }
    assert_eq!(run(&mut store), None);
    is_whole(&store, 5120);
    drop(store);
    assert_eq!(open(&storage, learning(), Some(1)).spare(), None);
}

#[test]
fn nothing_is_done_unless_it_is_wanted_and_zstd_is_what_compresses() {
    let storage = MemStorage::new();
    let mut store = filled(&storage, None);
    store.set_options(|options| options.learns = false);
    assert_eq!((store.spare(), run(&mut store)), (None, None));
    store.set_options(|options| options.learns = true);
    let (hot, cold) = store.codecs();
    store.set_codec(hot, hot).unwrap();
    assert_eq!(run(&mut store), None);
    store.set_codec(hot, cold).unwrap();
    assert_eq!(run(&mut store), Some(Spare::Learn));
    store.set_codec(hot, hot).unwrap();
    assert_eq!(run(&mut store), None);
    drop(store);
    let mut store = create(&MemStorage::new(), learning(), None);
    fill(&mut store, 1..=4095, |number| orders(1024, number, 1));
    assert_eq!(store.spare(), None, "4 MB is where it begins");
    fill(&mut store, 4096..=4096, |number| orders(1024, number, 1));
    assert_eq!(store.spare(), Some(Spare::Learn));
}

#[test]
fn a_sample_is_of_four_megabytes_at_most_and_from_everywhere() {
    for (page_bytes, pages) in [(512, 40_000), (8192, 800), (65536, 200)] {
        let options = Options { page_size: PageSize::new(page_bytes).unwrap(), ..learning() };
        let mut store = create(&MemStorage::new(), options, None);
        fill(&mut store, 1..=pages / 2, |_| vec![7; page_bytes as usize]);
        store.checkpoint(&Inline, 1).unwrap();
        fill(&mut store, pages / 2 + 1..=pages, |_| vec![7; page_bytes as usize]);
        let job = store.spare_job().unwrap().unwrap();
        assert_eq!(job.records(), (4 << 20) / u64::from(page_bytes), "of {page_bytes} bytes");
        // One segment and the log.
        assert_eq!(job.sources().len(), 2);
    }
}

#[test]
fn no_other_job_is_given_out_beside_it_and_one_that_was_given_up_is_not_tried_again() {
    let storage = MemStorage::new();
    let mut store = filled(&storage, None);
    let job = store.spare_job().unwrap().unwrap();
    assert_eq!((store.spare(), store.spare_job().unwrap().is_none()), (None, true));
    assert!(store.compact_job(Compaction::All).unwrap().is_none());
    store.abandon_job(&job.target()).unwrap();
    assert_eq!(store.spare(), None);
    fill(&mut store, 1..=1, |number| orders(1024, number, 1));
    assert_eq!(store.spare(), None, "commits do not bring it back");
    assert!(store.compact_job(Compaction::All).unwrap().is_some(), "other work goes on");
    drop(store);
    store = open(&storage, learning(), None);
    fill(&mut store, 1..=1, |number| orders(1024, number, 1));
    assert_eq!(store.spare(), Some(Spare::Learn));
    store.forgo_spare();
    assert_eq!(store.spare(), None);
}

#[test]
fn a_verb_that_wants_the_store_interrupts_it_and_it_goes_on_afterwards() {
    let storage = MemStorage::new();
    let mut store = filled(&storage, None);
    run(&mut store);
    let job = store.spare_job().unwrap().unwrap();
    store.begin_job(job).unwrap();
    store.step_job(1).unwrap();
    store.claim_job().unwrap();
    assert_eq!(store.spare(), Some(Spare::Anew));
    for _ in 0..4 {
        run(&mut store);
    }
    assert_eq!(store.spare(), None);
}

#[test]
fn a_job_that_was_out_when_commits_were_taken_back_is_given_out_again() {
    let storage = MemStorage::new();
    let mut store = filled(&storage, None);
    for spare in [Spare::Learn, Spare::Anew] {
        let lost = store.spare_job().unwrap().unwrap();
        assert_eq!(store.spare(), None);
        store.reload().unwrap();
        drop(lost);
        assert_eq!(run(&mut store), Some(spare));
    }
    is_whole(&store, 5120);
}

#[test]
fn a_dictionary_that_takes_more_than_it_saves_is_not_kept() {
    // Pages that shrink to next to nothing: it would save a half of that, and its copies would take more.
    let sparse = |number: u32| {
        let mut raw = orders(256, number, 1);
        raw.resize(8192, 0);
        raw
    };
    for (copies, kept) in [(1, true), (60, false)] {
        let options = Options { page_size: PageSize::DEFAULT, segments_max: copies, ..learning() };
        let mut store = create(&MemStorage::new(), options, Some(1));
        fill(&mut store, 1..=4000, sparse);
        store.checkpoint(&Inline, 1).unwrap();
        assert_eq!(run(&mut store), Some(Spare::Learn));
        assert_eq!(store.dictionary().is_some(), kept, "{copies} copies");
        assert_eq!(store.spare().is_some(), kept, "and is not tried again");
    }
    // Pictures and the like.
    let mut store = create(&MemStorage::new(), learning(), None);
    fill(&mut store, 1..=4096, |number| {
        let mut raw = vec![0; 1024];
        coffer_store::Entropy::fill(&mut Seeded(u64::from(number) << 20), &mut raw);
        raw
    });
    assert_eq!(run(&mut store), Some(Spare::Learn));
    assert_eq!((store.dictionary(), store.spare()), (None, None));
}

#[test]
fn of_much_only_what_is_merged_anyway_is_stored_anew() {
    let options = Options { page_size: PageSize::new(65536).unwrap(), checkpoint_pages: 1 << 20, ..learning() };
    let mut store = create(&MemStorage::new(), options, None);
    fill(&mut store, 1..=1025, |_| vec![7; 65536]);
    store.checkpoint(&Inline, 1).unwrap();
    store.embed_dictionary(Some(vec![7; 4096])).unwrap();
    assert_eq!(store.spare(), None);
    let mut txn = store.begin();
    txn.set_page_count(coffer_store::PageCount(1024));
    store.commit(txn, Commit::default()).unwrap();
    assert_eq!(store.spare(), Some(Spare::Anew));
}

#[test]
fn a_job_that_learns_travels_and_its_result_too() {
    let storage = MemStorage::new();
    let mut store = filled(&storage, Some(1));
    let sent = store.spare_job().unwrap().unwrap().to_bytes().to_vec();
    let job = Job::from_bytes(&sent).unwrap();
    assert_eq!((job.learns(), job.target()), (true, String::new()));
    let inputs = job.sources().iter().map(|source| MemDevice::new("sent", storage.bytes(source.name()).unwrap()));
    let output = Arc::new(MemDevice::new("untouched", Vec::new()));
    let mut task = Task::new(Job::from_bytes(&sent).unwrap(), inputs.collect(), Arc::clone(&output), 1);
    while !task.step(64 << 10, &mut Seeded(1), &Inline).unwrap() {}
    let done = Done::from_bytes(&task.finish(&mut Seeded(1)).unwrap().to_bytes()).unwrap();
    assert!(done.learnt().is_some_and(|learnt| !learnt.is_empty()));
    assert!(output.to_vec().is_empty());
    store.install(&done).unwrap();
    assert_eq!(store.dictionary(), done.learnt());
    // A second time, or after it was given up, it is refused.
    assert!(matches!(store.install(&done), Err(Error::Corrupt(_))));
    assert_eq!(store.spare(), Some(Spare::Anew));
}

#[test]
fn a_dictionary_that_could_not_be_stored_is_not_there_and_nothing_is_compressed_with_it() {
    let disk = Filling::default();
    let mut store = Store::create(disk.clone(), Box::new(Seeded(1)), learning(), None).unwrap();
    fill(&mut store, 1..=4500, |number| orders(1024, number, 1));
    store.checkpoint(&Inline, 1).unwrap();
    let job = store.spare_job().unwrap().unwrap();
    disk.fill("seg-");
    assert!(store.run_job(job, &Inline, 1).is_err());
    assert_eq!((store.dictionary(), store.spare()), (None, None));
    fill(&mut store, 4501..=6000, |number| orders(1024, number, 1));
    store.checkpoint(&Inline, 1).unwrap();
    is_whole(&store, 6000);
    drop(store);
    let (mut store, _) = Store::open(disk.clone(), Box::new(Seeded(2)), learning(), None).unwrap();
    assert_eq!(store.dictionary(), None);
    is_whole(&store, 6000);
    // Nor does a segment that could not be stored anew bring it back in this opening.
    fill(&mut store, 1..=1, |number| orders(1024, number, 1));
    assert_eq!(run(&mut store), Some(Spare::Learn));
    let job = store.spare_job().unwrap().unwrap();
    disk.fill("seg-");
    assert!(store.run_job(job, &Inline, 1).is_err());
    assert_eq!((store.dictionary().is_some(), store.spare()), (true, None));
    is_whole(&store, 6000);
}

#[test]
fn in_an_encrypted_database_no_file_has_what_was_learnt_in_the_clear() {
    let storage = MemStorage::new();
    let mut store = filled(&storage, Some(1));
    while run(&mut store).is_some() {}
    assert!(store.dictionary().unwrap().windows(9).any(|window| window == b"delivered"));
    let readable = |storage: &MemStorage| {
        let names = storage.list().unwrap().into_iter();
        names
            .filter(|name| storage.bytes(name).unwrap().windows(9).any(|window| window == b"delivered"))
            .collect::<Vec<_>>()
    };
    assert_eq!(readable(&storage), Vec::<String>::new());
    // Another key: every copy goes with the segment that it is in.
    let (old, new) = (store.epoch(), slot_key(1));
    store.rotate(&[(0, &new)], &Inline, 1).unwrap();
    assert!(store.epoch() > old && store.dictionary().is_some());
    assert_eq!(readable(&storage), Vec::<String>::new());
    // What was learnt goes when it is dropped and what used it is stored anew.
    store.embed_dictionary(None).unwrap();
    store.compact(Compaction::Stale, &Inline, 1).unwrap();
    store.set_options(|options| options.learns = false);
    drop(store);
    let store = open(&storage, small(), Some(1));
    assert_eq!(store.dictionary(), None);
    is_whole(&store, 5120);
}

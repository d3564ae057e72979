//! Verbs that change the root, begun by a process that dies in the middle, and called again by the next. What the first one
//! wrote may be readable and not durable. Found by seed 216362737: keeping history was answered with "it is kept already",
//! and the power then took that root with the promise.

use coffer_sim::{Crash, Faults, Rng, SimStorage};
use coffer_store::{
    Cipher, Codec, CodecChoice, Commit, CommitId, Error, Inline, NewKey, Options, PageNo, PageSize, SlotKey, SlotKind,
    Store, Synchronous,
};

type Verb = fn(&mut Store<SimStorage>) -> Result<(), Error>;

struct Case {
    name: &'static str,
    before: Option<u8>,
    after: Option<u8>,
    verb: Verb,
    holds: fn(&Store<SimStorage>) -> bool,
    /// Without pages there is nothing to rewrite, which would make the root durable by the way.
    is_empty: bool,
}

/// The newest commit when the verb is called.
const COMMIT: CommitId = CommitId(3);

const CASES: &[Case] = &[
    Case {
        name: "keep history",
        before: None,
        after: None,
        verb: |store| store.set_archive(true),
        holds: |store| store.archive_floor().is_some() && store.snapshot_at(COMMIT).is_ok(),
        is_empty: false,
    },
    Case {
        name: "let history go",
        before: None,
        after: None,
        verb: |store| store.set_archive(false),
        holds: |store| store.archive_floor().is_none(),
        is_empty: false,
    },
    Case {
        name: "keep a commit",
        before: None,
        after: None,
        verb: |store| store.keep_commit(COMMIT),
        holds: |store| store.snapshot_at(COMMIT).is_ok(),
        is_empty: false,
    },
    Case {
        name: "change the codec",
        before: None,
        after: None,
        verb: |store| store.set_codec(lz4(), lz4()),
        holds: |store| store.codecs() == (lz4(), lz4()),
        is_empty: false,
    },
    Case {
        name: "encrypt",
        before: None,
        after: Some(1),
        verb: encrypt,
        holds: |store| store.cipher() == Cipher::Aes256Gcm,
        is_empty: false,
    },
    Case {
        name: "encrypt an empty database",
        before: None,
        after: Some(1),
        verb: encrypt,
        holds: |store| store.cipher() == Cipher::Aes256Gcm,
        is_empty: true,
    },
    Case {
        name: "decrypt an empty database",
        before: Some(1),
        after: None,
        verb: |store| store.decrypt(&Inline, 1),
        holds: |store| store.cipher() == Cipher::None,
        is_empty: true,
    },
    Case {
        name: "decrypt",
        before: Some(1),
        after: None,
        verb: |store| store.decrypt(&Inline, 1),
        holds: |store| store.cipher() == Cipher::None,
        is_empty: false,
    },
    Case {
        name: "change the key",
        before: Some(1),
        after: Some(2),
        verb: |store| store.change_key(0, SlotKind::Raw, Vec::new(), &slot_key(2)),
        holds: |store| store.key_slots().len() == 1,
        is_empty: false,
    },
    Case {
        name: "forget outlived keys",
        before: Some(1),
        after: Some(1),
        verb: |store| {
            if store.epoch().0 == 1 {
                store.rotate_key(&[(0, &slot_key(1))])?;
            }
            store.checkpoint(&Inline, 1)?;
            store.compact(coffer_store::Compaction::Stale, &Inline, 1)?;
            store.finish_rotation().map(|_| ())
        },
        holds: |store| store.epoch().0 == 2,
        is_empty: false,
    },
    Case {
        name: "fold, and forget outlived keys",
        before: Some(1),
        after: Some(1),
        verb: |store| {
            if store.log_frames() > 0 {
                store.checkpoint(&Inline, 1)?;
            }
            store.finish_rotation().map(|_| ())
        },
        holds: |store| store.snapshot_at(COMMIT).is_ok() || store.head() > COMMIT,
        is_empty: false,
    },
];

fn encrypt(store: &mut Store<SimStorage>) -> Result<(), Error> {
    let key = slot_key(1);
    let (cipher, kind) = (Cipher::Aes256Gcm, SlotKind::Raw);
    store.encrypt(NewKey { cipher, kind, parameters: Vec::new(), key: &key }, &Inline, 1)
}

fn lz4() -> CodecChoice {
    CodecChoice::new(Codec::Lz4, 0).unwrap()
}

fn slot_key(byte: u8) -> SlotKey {
    SlotKey::take(&mut [byte; 32])
}

fn options() -> Options {
    Options { page_size: PageSize::new(1024).unwrap(), ..Options::default() }
}

/// Opens with whichever of the keys does.
fn open(disk: &SimStorage, keys: [Option<u8>; 2]) -> (Option<u8>, Store<SimStorage>) {
    let mut last = None;
    for key in keys {
        let slot = key.map(slot_key);
        match Store::open(disk.clone(), Box::new(Rng::new(2)), options(), slot.as_ref()) {
            Ok((store, _)) => return (key, store),
            Err(error) => last = Some(error),
        }
    }
    panic!("no key opens it: {last:?}");
}

fn put(store: &mut Store<SimStorage>, version: u8) {
    let mut txn = store.begin();
    for number in 1..=5 {
        txn.write(PageNo::new(number).unwrap(), &[version; 1024]).unwrap();
    }
    store.commit(txn, Commit { synchronous: Synchronous::Full, ..Commit::default() }).unwrap();
}

/// A database with a folded log and commits in another.
fn prepare(case: &Case) -> (SimStorage, Store<SimStorage>) {
    let disk = SimStorage::new(1);
    let key = case.before.map(slot_key);
    let (cipher, kind) = (Cipher::Aes256Gcm, SlotKind::Raw);
    let new_key = key.as_ref().map(|key| NewKey { cipher, kind, parameters: Vec::new(), key });
    let mut store = Store::create(disk.clone(), Box::new(Rng::new(1)), options(), new_key).unwrap();
    if case.name == "let history go" {
        store.set_archive(true).unwrap();
    }
    if case.is_empty {
        return (disk, store);
    }
    put(&mut store, 1);
    put(&mut store, 2);
    store.checkpoint(&Inline, 1).unwrap();
    put(&mut store, 3);
    assert_eq!(store.head(), COMMIT);
    (disk, store)
}

/// Lets a process die in this changing call of the verb, and the next one call it again. Whether the first one lived. Chance
/// decides how much of the call that it dies in is done.
fn die_and_repeat(case: &Case, at: u64, chance: u64) -> bool {
    // A commit after it may happen to make the root durable; without one nothing may be needed either.
    let commits = chance % 2;
    let (disk, mut store) = prepare(case);
    disk.reseed(chance);
    disk.set_faults(Faults { kill_at: Some(disk.changing_calls() + at), ..Faults::none() });
    let lived = (case.verb)(&mut store).is_ok() && !disk.is_down();
    // All that it wrote is readable, and what it did not flush is not durable.
    disk.crash(Crash::Killed);
    drop(store);
    let (_, mut store) = open(&disk, [case.after, case.before]);
    (case.verb)(&mut store).unwrap_or_else(|error| panic!("{}, call {at}: {error:?}", case.name));
    if commits > 0 {
        put(&mut store, 4);
    }
    disk.crash(Crash::DropAll);
    drop(store);
    let (opened_by, store) = open(&disk, [case.after, case.before]);
    assert_eq!(opened_by, case.after, "{}, call {at}: the key", case.name);
    assert!((case.holds)(&store), "{}: it died in call {at}, was repeated, and the power undid it", case.name);
    let commits_before = if case.is_empty { 0 } else { COMMIT.0 };
    assert_eq!(store.head().0, commits_before + commits, "{}, call {at}", case.name);
    lived
}

#[test]
fn a_verb_repeated_after_a_death_in_it_is_not_undone_by_the_power() {
    for case in CASES {
        let calls = (1..500).find(|&at| (0..16).filter(|&chance| die_and_repeat(case, at, chance)).count() == 16);
        let calls = calls.unwrap_or_else(|| panic!("{} never lives", case.name));
        println!("{}: {} calls", case.name, calls - 1);
        assert!(calls > 2, "{} changes nothing", case.name);
    }
}

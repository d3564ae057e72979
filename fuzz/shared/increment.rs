//! A copy and the increment that continues it, one of which has changed bytes: what was exported is laid over or refused, and
//! nothing is ever written.

use std::sync::OnceLock;

use coffer_store::{
    Commit, CommitId, Inline, MemDevice, MemStorage, OpenMode, Options, PageCount, Scratch, Storage, Store,
};

use super::files::{BASE, Input, Kind, Seeded, edit, page, put};

const INCREMENT: &str = "increment";
const PAGES_READ: u32 = 64;

type Files = Vec<(String, Vec<u8>)>;

/// For each kind: a copy, and what was committed after it.
fn exported(kind: Kind) -> Files {
    let storage = MemStorage::new();
    let key = kind.key();
    let new_key = key.as_ref().map(|key| coffer_store::NewKey {
        cipher: kind.cipher,
        kind: coffer_store::SlotKind::Raw,
        parameters: vec![1, 2],
        key,
    });
    let options = Options { base: None, ..kind.options() };
    let mut store = Store::create(storage, Box::new(Seeded(1)), options, new_key).unwrap();
    put(&mut store, 1..=12, 1);
    let target = MemStorage::new();
    store.export(None, target.open(BASE, OpenMode::Create).unwrap(), &Inline, 1).unwrap();
    let copied = store.head();
    put(&mut store, 2..=4, 2);
    let mut txn = store.begin();
    txn.set_page_count(PageCount(5));
    store.commit(txn, Commit::default()).unwrap();
    put(&mut store, 5..=9, 4);
    store.export(Some(copied), target.open(INCREMENT, OpenMode::Create).unwrap(), &Inline, 1).unwrap();
    [BASE, INCREMENT].map(|name| (name.to_owned(), target.bytes(name).unwrap())).into()
}

pub fn run(data: &[u8]) {
    static MADE: [OnceLock<Files>; 6] = [const { OnceLock::new() }; 6];
    let mut input = Input(data);
    let which = input.byte() % 6;
    let kind = Kind { single: true, ..Kind::of(which) };
    let storage = MemStorage::new();
    for (name, bytes) in MADE[usize::from(which)].get_or_init(|| exported(kind)) {
        storage.put(name, bytes.clone());
    }
    edit(&storage, &mut input);
    let before = (storage.bytes(BASE), storage.bytes(INCREMENT));
    let options = Options { read_only: true, ..kind.options() };
    let key = kind.key();
    let Ok((mut store, _)) = Store::open(storage.clone(), Box::new(Seeded(9)), options, key.as_ref()) else { return };
    let Some(bytes) = storage.bytes(INCREMENT) else { return };
    let copied = store.head();
    // A device of its own: what lies over a copy need not be beside it.
    let beside: MemDevice = {
        storage.put("beside", bytes);
        storage.open("beside", OpenMode::Read).unwrap()
    };
    let laid = store.lay_over("beside", beside, key.as_ref());
    assert_eq!(store.head(), laid.as_ref().copied().unwrap_or(copied));
    let snapshot = store.snapshot();
    let mut raw = vec![0; store.page_size().get() as usize];
    for number in 1..=snapshot.page_count().0.min(PAGES_READ) {
        let _ = snapshot.read(page(number), &mut raw, &mut Scratch::default());
    }
    let _ = store.snapshot_at(CommitId(1));
    let _ = store.verify(|_| true);
    assert!((storage.bytes(BASE), storage.bytes(INCREMENT)) == before, "reading has written");
}

//! A copy with increments over it is what a newer copy would be.

use coffer_store::{
    CommitId, Error, Inline, MemStorage, OpenMode, Options, PageCount, Scratch, Snapshot, Storage, Store,
};

use crate::support::{create, page, put, slot_key, small};

fn export(store: &mut Store<MemStorage>, since: Option<u64>) -> MemStorage {
    let storage = MemStorage::new();
    let device = storage.open("base", OpenMode::Create).unwrap();
    store.export(since.map(CommitId), device, &Inline, 1).unwrap();
    storage
}

fn open_copy(copy: &MemStorage, key: Option<u8>) -> Store<MemStorage> {
    crate::support::open(copy, Options { read_only: true, base: Some("base".into()), ..small() }, key)
}

fn pages(snapshot: &Snapshot<<MemStorage as Storage>::Device>) -> Vec<Vec<u8>> {
    let mut scratch = Scratch::default();
    (1..=snapshot.page_count().0)
        .map(|number| {
            let mut out = vec![0; snapshot.page_size().bytes()];
            snapshot.read(page(number), &mut out, &mut scratch).unwrap();
            out
        })
        .collect()
}

fn lay_over(copy: &mut Store<MemStorage>, increment: &MemStorage, key: Option<u8>) -> Result<CommitId, Error> {
    copy.lay_over("increment", increment.open("base", OpenMode::Read).unwrap(), key.map(slot_key).as_ref())
}

#[test]
fn increments_in_order_are_a_newer_copy() {
    for key in [None, Some(1)] {
        let mut store = create(&MemStorage::new(), small(), key);
        put(&mut store, 1..=20, 1);
        let full = export(&mut store, None);
        put(&mut store, [2, 5, 21], 2);
        let first = export(&mut store, Some(1));
        // It shrinks and grows again: what stood past the cut must not show through.
        let mut txn = store.begin();
        txn.set_page_count(PageCount(3));
        store.commit(txn, coffer_store::Commit::default()).unwrap();
        put(&mut store, [6], 4);
        let second = export(&mut store, Some(2));
        if key.is_some() {
            store.rotate(&[(0, &slot_key(1))], &Inline, 1).unwrap();
        }
        put(&mut store, [3, 30], 5);
        let third = export(&mut store, Some(4));
        let mut copy = open_copy(&full, key);
        assert_eq!(lay_over(&mut copy, &second, key), Err(Error::NoSuchCommit { commit: CommitId(2) }));
        for (increment, commit) in [(&first, 2), (&second, 4), (&third, 5)] {
            assert_eq!(lay_over(&mut copy, increment, key), Ok(CommitId(commit)));
        }
        assert_eq!(copy.head_chain(), store.head_chain());
        assert_eq!(pages(&copy.snapshot()), pages(&store.snapshot()));
        assert_eq!(lay_over(&mut copy, &first, key), Err(Error::NoSuchCommit { commit: CommitId(1) }));
    }
}

#[test]
fn an_increment_of_another_database_is_refused() {
    let mut one = create(&MemStorage::new(), small(), None);
    put(&mut one, [1], 1);
    let full = export(&mut one, None);
    let other = MemStorage::new();
    let mut other = Store::create(other, Box::new(crate::support::Seeded(9)), small(), None).unwrap();
    put(&mut other, [1], 1);
    put(&mut other, [1], 2);
    let increment = export(&mut other, Some(1));
    let mut copy = open_copy(&full, None);
    let before = pages(&copy.snapshot());
    assert_eq!(lay_over(&mut copy, &increment, None), Err(Error::NoSuchCommit { commit: CommitId(1) }));
    assert_eq!(pages(&copy.snapshot()), before);
}

#[test]
fn nothing_is_laid_over_a_database_that_is_written_to() {
    let mut store = create(&MemStorage::new(), small(), None);
    put(&mut store, [1], 1);
    let increment = export(&mut store, None);
    assert!(lay_over(&mut store, &increment, None).is_err());
}

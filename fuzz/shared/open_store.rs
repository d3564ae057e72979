//! A database whose bytes were changed: whatever opens, reads or fails, and what was written on it is there afterwards.

use coffer_store::{Commit, Inline, Scratch, Store, peek};

use super::files::{Input, Kind, PAGE_BYTES, Seeded, content, edit, page, template};

const PAGES_READ: u32 = 64;

pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let kind = Kind::of(input.byte());
    let storage = template(kind);
    edit(&storage, &mut input);
    let key = kind.key();
    let _ = peek(&storage, kind.options().base.as_deref());
    let open = || Store::open(storage.clone(), Box::new(Seeded(9)), kind.options(), key.as_ref());
    let Ok((mut store, _)) = open() else { return };
    let mut scratch = Scratch::default();
    let page_bytes = store.page_size().get() as usize;
    let mut raw = vec![0; page_bytes];
    let snapshot = store.snapshot();
    for number in 1..=snapshot.page_count().0.min(PAGES_READ) {
        let _ = snapshot.read(page(number), &mut raw, &mut scratch);
    }
    for info in store.kept_commits() {
        if let Ok(snapshot) = store.snapshot_at(info.commit) {
            let _ = snapshot.read(page(1), &mut raw, &mut scratch);
        }
    }
    drop(snapshot);
    let _ = store.verify(|_| true);
    // Written on: what was acknowledged is there after reopening, or the error was told before.
    let new = content(3, 77).into_iter().cycle().take(page_bytes).collect::<Vec<_>>();
    let mut txn = store.begin();
    if txn.write(page(3), &new).is_err() {
        return;
    }
    let Ok(head) = store.commit(txn, Commit::default()) else { return };
    let folded = store.checkpoint(&Inline, 1).and_then(|_| store.compact(coffer_store::Compaction::All, &Inline, 1));
    if store.close().is_err() {
        return;
    }
    let (store, _) =
        open().unwrap_or_else(|error| panic!("{head} was acknowledged, then: {error} (folding: {folded:?})"));
    assert_eq!(store.head(), head);
    raw.fill(0);
    store.snapshot().read(page(3), &mut raw, &mut scratch).expect("a page that was just written");
    assert!(raw == new && page_bytes >= PAGE_BYTES);
}

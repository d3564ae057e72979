//! What the tests share: a seeded source of randomness and pages that can be told apart.

use coffer_store::{Cipher, Commit, Entropy, MemStorage, NewKey, Options, PageNo, PageSize, SlotKey, SlotKind, Store};

/// Random bytes that are the same in every run.
pub struct Seeded(pub u64);

impl Entropy for Seeded {
    fn fill(&mut self, out: &mut [u8]) {
        for byte in out {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (self.0 >> 56) as u8;
        }
    }
}

pub fn page(number: u32) -> PageNo {
    PageNo::new(number).unwrap()
}

/// Text-like content that says which page and version it is.
pub fn content(size: PageSize, number: u32, version: u64) -> Vec<u8> {
    let line = format!("page {number} version {version}; the quick brown fox jumps over the lazy dog. ");
    line.bytes().cycle().take(size.get() as usize).collect()
}

pub fn small() -> Options {
    Options { page_size: PageSize::new(1024).unwrap(), ..Options::default() }
}

pub fn slot_key(byte: u8) -> SlotKey {
    SlotKey::take(&mut [byte; 32])
}

pub fn create(storage: &MemStorage, options: Options, key: Option<u8>) -> Store<MemStorage> {
    let key = key.map(slot_key);
    let new_key =
        key.as_ref().map(|key| NewKey { cipher: Cipher::Aes256Gcm, kind: SlotKind::Raw, parameters: Vec::new(), key });
    Store::create(storage.clone(), Box::new(Seeded(1)), options, new_key).unwrap()
}

pub fn open(storage: &MemStorage, options: Options, key: Option<u8>) -> Store<MemStorage> {
    let key = key.map(slot_key);
    Store::open(storage.clone(), Box::new(Seeded(2)), options, key.as_ref()).unwrap().0
}

/// Commits these pages with content of this version.
pub fn put(store: &mut Store<MemStorage>, pages: impl IntoIterator<Item = u32>, version: u64) {
    let size = store.page_size();
    let mut txn = store.begin();
    for number in pages {
        txn.write(page(number), &content(size, number, version)).unwrap();
    }
    store.commit(txn, Commit::default()).unwrap();
}

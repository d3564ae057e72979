//! The bodies of the engine's benchmark: each is made once and then stepped, by criterion on real files or by a page in a
//! browser on memory. They know no clock.
//!
//! Pages hold rows of text, 8 KiB each; zstd and AES-256-GCM as a new database has them. Nothing here flushes: that would
//! measure the disk.

use coffer_store::{
    Cipher, Codec, CodecChoice, Commit, CommitId, Entropy, Inline, NewKey, Options, PageNo, PageSize, RequestId,
    Scratch, SlotKey, SlotKind, Snapshot, Storage, Store, Synchronous, Workers,
};

#[cfg(target_arch = "wasm32")]
mod web;

/// Random numbers that are the same in every run.
pub struct Seeded(pub u64);

impl Seeded {
    /// One below `end`.
    pub fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32 % end
    }
}

impl Entropy for Seeded {
    fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(4) {
            let bytes = self.below(u32::MAX).to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }
}

/// Rows of an order table, as they might lie in a page.
pub fn content(random: &mut Seeded, bytes: usize) -> Vec<u8> {
    let words = ["order", "pending", "shipped", "blue", "large", "Lisbon", "Oslo", "express", "gift", "returned"];
    let mut out = Vec::with_capacity(bytes + 200);
    while out.len() < bytes {
        let word = |random: &mut Seeded| words[random.below(10) as usize];
        let (a, b, c) = (word(random), word(random), word(random));
        let (id, cents, day) = (random.below(1_000_000), random.below(100_000), random.below(30));
        out.extend_from_slice(format!("{id:08}|{a} {b}|{c}@example.org|{cents}.00|2026-11-{day:02};").as_bytes());
    }
    out.truncate(bytes);
    out
}

fn options() -> Options {
    Options { checkpoint_pages: u32::MAX, log_bytes_max: u64::MAX, ..Options::default() }
}

fn key() -> SlotKey {
    SlotKey::take(&mut [7; 32])
}

fn create<S: Storage>(storage: S, options: Options) -> Store<S> {
    let key = key();
    let new_key = NewKey { cipher: Cipher::Aes256Gcm, kind: SlotKind::Raw, parameters: Vec::new(), key: &key };
    Store::create(storage, Box::new(Seeded(1)), options, Some(new_key)).expect("a new database in an empty place")
}

fn open<S: Storage>(storage: S, options: Options) -> Store<S> {
    Store::open(storage, Box::new(Seeded(2)), options, Some(&key())).expect("the database that was just written").0
}

const RELAXED: Commit = Commit { synchronous: Synchronous::Off, request: RequestId::NONE, time_ms: 0 };

fn page(index: u32) -> PageNo {
    PageNo::from_index(index).expect("a page number")
}

fn fill<S: Storage>(store: &mut Store<S>, pages: u32, random: &mut Seeded) {
    let bytes = store.page_size().bytes();
    for first in (0..pages).step_by(1000) {
        let mut txn = store.begin();
        for index in first..pages.min(first + 1000) {
            txn.write(page(index), &content(random, bytes)).expect("a whole page");
        }
        store.commit(txn, RELAXED).expect("room for a commit");
    }
}

/// A commit of four pages, without a flush. Promised: under 150 us natively.
pub struct CommitBody<S: Storage> {
    store: Store<S>,
    random: Seeded,
    pages: Vec<Vec<u8>>,
}

impl<S: Storage> CommitBody<S> {
    /// On an empty place.
    pub fn new(storage: S) -> Self {
        let mut random = Seeded(3);
        let pages = (0..64).map(|_| content(&mut random, 8192)).collect();
        Self { store: create(storage, options()), random, pages }
    }

    /// Empties the log when it has grown; not part of what is measured.
    pub fn prepare(&mut self) {
        if self.store.stats().log_bytes > 64 << 20 {
            self.store.checkpoint(&Inline, 1).expect("room for a checkpoint");
        }
    }

    /// One commit.
    pub fn step(&mut self) -> CommitId {
        let mut txn = self.store.begin();
        for _ in 0..4 {
            let (number, content) = (page(self.random.below(10_000)), self.random.below(64));
            txn.write(number, &self.pages[content as usize]).expect("a whole page");
        }
        self.store.commit(txn, RELAXED).expect("room for a commit")
    }
}

/// Reads of single pages: look up, one positioned read, verify, decrypt, decompress. Promised: under 20 us natively.
pub struct ReadBody<S: Storage> {
    snapshot: Snapshot<S::Device>,
    scratch: Scratch,
    out: Vec<u8>,
    random: Seeded,
    next: u32,
}

/// The pages of the database that is read.
pub const READ_PAGES: u32 = 10_000;

impl<S: Storage> ReadBody<S> {
    /// On an empty place.
    pub fn new(storage: S) -> Self {
        let mut random = Seeded(4);
        let mut store = create(storage, options());
        fill(&mut store, READ_PAGES, &mut random);
        store.checkpoint(&Inline, 1).expect("room for a checkpoint");
        Self { snapshot: store.snapshot(), scratch: Scratch::default(), out: vec![0; 8192], random, next: 0 }
    }

    /// A page somewhere.
    pub fn step(&mut self) -> bool {
        let page = page(self.random.below(READ_PAGES));
        self.snapshot.read(page, &mut self.out, &mut self.scratch).expect("a page that was written")
    }

    /// The page after the last one.
    pub fn scan(&mut self) -> bool {
        self.next = (self.next + 1) % READ_PAGES;
        self.snapshot.read(page(self.next), &mut self.out, &mut self.scratch).expect("a page that was written")
    }
}

/// Opening a database of many pages by its index. Promised: a million under 150 ms natively.
pub struct OpenBody<S> {
    storage: S,
    /// Of the page table.
    pub bytes_per_page: f64,
}

impl<S: Storage + Clone> OpenBody<S> {
    /// On an empty place.
    pub fn new(storage: S, pages: u32) -> Self {
        let small = CodecChoice::new(Codec::Lz4, 0).expect("a level that LZ4 has");
        let options = Options { page_size: PageSize::MIN, hot: small, cold: small, ..options() };
        let mut store = create(storage.clone(), options);
        fill(&mut store, pages, &mut Seeded(5));
        store.checkpoint(&Inline, 1).expect("room for a checkpoint");
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let bytes_per_page = store.stats().table_bytes as f64 / f64::from(pages);
        store.close().expect("a clean end");
        Self { storage, bytes_per_page }
    }

    /// One opening.
    pub fn step(&mut self) -> CommitId {
        open(self.storage.clone(), options()).head()
    }
}

/// Recovering a log. Promised: 64 MiB under 1 s natively.
pub struct RecoverBody<S> {
    storage: S,
}

impl<S: Storage + Clone> RecoverBody<S> {
    /// On an empty place.
    pub fn new(storage: S, log_bytes: u64) -> Self {
        let none = CodecChoice::new(Codec::None, 0).expect("a level that no codec has");
        let mut store = create(storage.clone(), Options { hot: none, ..options() });
        let mut random = Seeded(6);
        while store.stats().log_bytes < log_bytes {
            let mut txn = store.begin();
            for _ in 0..4 {
                txn.write(page(random.below(10_000)), &content(&mut random, 8192)).expect("a whole page");
            }
            store.commit(txn, RELAXED).expect("room for a commit");
        }
        Self { storage }
    }

    /// One opening, which replays the log.
    pub fn step(&mut self) -> CommitId {
        open(self.storage.clone(), Options { read_only: true, ..options() }).head()
    }
}

/// Folding a log of 2000 pages into a segment, by one thread or several.
pub struct FoldBody<S: Storage> {
    store: Store<S>,
}

impl<S: Storage> FoldBody<S> {
    /// The pages that are folded.
    pub const PAGES: u32 = 2000;

    /// On an empty place.
    pub fn new(storage: S) -> Self {
        let mut store = create(storage, options());
        fill(&mut store, Self::PAGES, &mut Seeded(7));
        Self { store }
    }

    /// The one checkpoint; afterwards there is nothing to fold.
    pub fn step(&mut self, workers: &dyn Workers, threads: usize) -> u32 {
        self.store.checkpoint(workers, threads).expect("room for a checkpoint")
    }
}

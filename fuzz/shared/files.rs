//! What the targets make their inputs of: small databases that are whole, edits on their bytes, and checksums made right again,
//! so that a fuzzer gets past them.

use std::collections::BTreeMap;
use std::sync::Mutex;

use coffer_store::{
    Cipher, Codec, CodecChoice, Commit, CommitId, Entropy, Inline, MemStorage, NewKey, OpenMode, Options, PageNo,
    PageSize, RequestId, SlotKey, SlotKind, Storage, Store, crc32,
};
use sha2::{Digest, Sha256};

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

pub const PAGE_BYTES: usize = 512;
pub const BASE: &str = "one.coffer";

/// Bytes taken from the front; zeros when there are no more.
pub struct Input<'a>(pub &'a [u8]);

impl Input<'_> {
    pub fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    pub fn number(&mut self, bytes: usize) -> u64 {
        let mut value = [0; 8];
        let taken = self.take(bytes);
        value[..taken.len()].copy_from_slice(taken);
        u64::from_le_bytes(value)
    }

    pub fn take(&mut self, count: usize) -> &[u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

/// How a template is opened.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    pub cipher: Cipher,
    pub codec: Codec,
    pub dictionary: bool,
    pub single: bool,
}

impl Kind {
    pub fn of(byte: u8) -> Self {
        let (cipher, codec, dictionary, single) = match byte % 6 {
            0 => (Cipher::None, Codec::None, false, false),
            1 => (Cipher::None, Codec::Zstd, true, false),
            2 => (Cipher::None, Codec::Lz4, false, true),
            3 => (Cipher::None, Codec::Rle, false, false),
            4 => (Cipher::Aes256Gcm, Codec::Zstd, false, false),
            _ => (Cipher::ChaCha20Poly1305, Codec::Gzip, true, true),
        };
        Self { cipher, codec, dictionary, single }
    }

    pub fn key(self) -> Option<SlotKey> {
        (self.cipher != Cipher::None).then(|| SlotKey::take(&mut [7; 32]))
    }

    pub fn options(self) -> Options {
        let codec = CodecChoice::from(self.codec);
        Options {
            page_size: PageSize::new(512).unwrap(),
            hot: codec,
            cold: codec,
            dictionary: self.dictionary.then(|| b"version of page, the quick brown fox ".repeat(8)),
            base: self.single.then(|| BASE.to_owned()),
            checkpoint_pages: 4,
            ..Options::default()
        }
    }
}

pub fn page(number: u32) -> PageNo {
    PageNo::new(number).unwrap()
}

pub fn content(number: u32, version: u64) -> Vec<u8> {
    let line = format!("page {number} version {version}; the quick brown fox jumps over the lazy dog. ");
    line.bytes().cycle().take(PAGE_BYTES).collect()
}

pub fn put(store: &mut Store<MemStorage>, pages: impl IntoIterator<Item = u32>, version: u64) {
    let mut txn = store.begin();
    for number in pages {
        txn.write(page(number), &content(number, version)).unwrap();
    }
    let how =
        Commit { request: RequestId([u8::try_from(version).unwrap_or(0); 16]), time_ms: version, ..Commit::default() };
    store.commit(txn, how).unwrap();
}

/// Changes a few bytes of pages, so that the log is told no more than that.
fn touch(store: &mut Store<MemStorage>, pages: impl IntoIterator<Item = u32>, version: u64) {
    let mut txn = store.begin();
    for number in pages {
        let mut raw = vec![0; PAGE_BYTES];
        txn.read(page(number), &mut raw, &mut coffer_store::Scratch::default()).unwrap();
        raw[40..48].copy_from_slice(&version.to_le_bytes());
        txn.write(page(number), &raw).unwrap();
    }
    store.commit(txn, Commit::default()).unwrap();
}

/// A whole database: kept history in segments and commits in logs, or one file. Made once for each kind.
pub fn template(kind: Kind) -> MemStorage {
    type Files = Vec<(String, Vec<u8>)>;
    static MADE: Mutex<BTreeMap<String, Files>> = Mutex::new(BTreeMap::new());
    let mut made = MADE.lock().unwrap();
    let files = made.entry(format!("{kind:?}")).or_insert_with(|| {
        let storage = make(kind);
        let names = storage.list().unwrap();
        names.into_iter().map(|name| (name.clone(), storage.bytes(&name).unwrap())).collect()
    });
    let storage = MemStorage::new();
    for (name, bytes) in files {
        storage.put(name, bytes.clone());
    }
    storage
}

fn make(kind: Kind) -> MemStorage {
    let storage = MemStorage::new();
    let key = kind.key();
    let new_key =
        key.as_ref().map(|key| NewKey { cipher: kind.cipher, kind: SlotKind::Raw, parameters: vec![1, 2], key });
    let options = Options { base: None, ..kind.options() };
    let mut store = Store::create(storage.clone(), Box::new(Seeded(1)), options, new_key).unwrap();
    put(&mut store, 1..=12, 1);
    store.set_archive(true).unwrap();
    put(&mut store, 2..=4, 2);
    store.checkpoint(&Inline, 1).unwrap();
    let mut txn = store.begin();
    txn.set_page_count(coffer_store::PageCount(5));
    store.commit(txn, Commit::default()).unwrap();
    put(&mut store, 6..=7, 4);
    if kind.single {
        let target = MemStorage::new();
        let device = target.open(BASE, OpenMode::Create).unwrap();
        store.export(None, device, &Inline, 1).unwrap();
        return target;
    }
    store.checkpoint(&Inline, 1).unwrap();
    store.keep_commit(CommitId(2)).unwrap();
    put(&mut store, 1..=2, 5);
    touch(&mut store, 1..=2, 6);
    store.seal_log().unwrap();
    put(&mut store, 8..=8, 7);
    touch(&mut store, 8..=8, 8);
    assert!(store.stats().counters.patches >= 3, "{kind:?}: {:?}", store.stats().counters);
    store.close().unwrap();
    storage
}

/// Changes files as the input says. Gives whether checksums are to be made right again.
pub fn edit(storage: &MemStorage, input: &mut Input<'_>) {
    let mut names = storage.list().unwrap();
    names.sort();
    for _ in 0..input.byte() % 8 {
        let what = input.byte();
        let name = names[usize::from(input.byte()) % names.len()].clone();
        let Some(mut bytes) = storage.bytes(&name) else { continue };
        let at = usize::try_from(input.number(3)).unwrap() % (bytes.len() + 1);
        match what % 8 {
            0 => patch(&mut bytes, at, &[input.byte()]),
            1 => patch(&mut bytes, at, &input.number(4).to_le_bytes()[..4]),
            2 => patch(&mut bytes, at, &input.number(8).to_le_bytes()),
            3 => {
                let count = usize::from(input.byte());
                patch(&mut bytes, at, input.take(count));
            }
            4 => bytes.truncate(at),
            5 => {
                let count = usize::from(input.byte());
                bytes.splice(at..at, input.take(count).to_vec());
            }
            6 => {
                // A piece of another file, or of another place in this one.
                let from = names[usize::from(input.byte()) % names.len()].clone();
                let other = storage.bytes(&from).unwrap_or_default();
                let start = usize::try_from(input.number(3)).unwrap() % (other.len() + 1);
                let count = usize::try_from(input.number(2)).unwrap();
                patch(&mut bytes, at, &other[start..(start + count).min(other.len())]);
            }
            _ => {
                storage.remove(&name).unwrap();
                continue;
            }
        }
        storage.put(&name, bytes);
    }
    let mend = input.byte();
    if mend & 1 != 0 {
        mend_checksums(storage, &names);
    }
}

fn patch(bytes: &mut Vec<u8>, at: usize, new: &[u8]) {
    let end = at + new.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[at..end].copy_from_slice(new);
}

fn u32_at(bytes: &[u8], at: usize) -> Option<usize> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize)
}

/// Makes every CRC32 right again that can be found, as an attacker without a key would.
fn mend_checksums(storage: &MemStorage, names: &[String]) {
    let database = storage.bytes("manifest").and_then(|manifest| Some(manifest.get(24..40)?.to_vec()));
    for name in names {
        let Some(mut bytes) = storage.bytes(name) else { continue };
        if name == "manifest" {
            for start in [0, 32768] {
                mend_slot(&mut bytes, start);
            }
        } else if name.starts_with("log-") {
            mend_log(&mut bytes, database.as_deref().unwrap_or(&[0; 16]));
        } else {
            mend_segment(&mut bytes, database.as_deref());
        }
        storage.put(name, bytes);
    }
}

fn mend_slot(bytes: &mut [u8], start: usize) -> Option<()> {
    let end = start + 80 + u32_at(bytes, start + 40)?;
    let crc = crc32(&[bytes.get(start..start + 44)?, bytes.get(start + 48..end)?]);
    bytes.get_mut(start + 44..start + 48)?.copy_from_slice(&crc.to_le_bytes());
    Some(())
}

fn mend(bytes: &mut [u8], start: usize, end: usize, associated: &[u8]) -> Option<()> {
    let crc = crc32(&[associated, bytes.get(start..end.checked_sub(4)?)?]);
    bytes.get_mut(end - 4..end)?.copy_from_slice(&crc.to_le_bytes());
    Some(())
}

fn associated(database: &[u8], kind: u8, file: &[u8], offset: usize, page: u64, body: &[u8]) -> Vec<u8> {
    let mut out = database.to_vec();
    out.extend([kind, 0, 0, 0, 0, 0, 0, 0]);
    out.extend_from_slice(file);
    out.extend((offset as u64).to_le_bytes());
    out.extend(page.to_le_bytes());
    out.extend_from_slice(body.get(..header_bytes(body)).unwrap_or_default());
    out
}

/// How long the header of a body is: a patch's names its base behind the rest.
fn header_bytes(body: &[u8]) -> usize {
    if body.get(1).is_some_and(|flags| flags & 4 != 0) { 24 } else { 16 }
}

fn mend_log(bytes: &mut [u8], database: &[u8]) -> Option<()> {
    mend(bytes, 0, 128, &[]);
    mend(bytes, 3968, 4096, &[]);
    let generation = bytes.get(16..24)?.to_vec();
    let mut chain = Sha256::new_with_prefix(bytes.get(72..88)?);
    let mut at = 4096;
    loop {
        let end = at + u32_at(bytes, at + 4).filter(|&size| size > 44)?;
        let page = u32_at(bytes, at + 8)? as u64;
        let body = at + if page == 0 { 28 } else { 20 };
        // Bodies have the header in their associated data, and their payload behind it.
        let header = associated(database, 1, &generation, at, page, bytes.get(body..)?);
        let encrypted = bytes.get(body + 1)? & 1 != 0;
        if page == 0 && !encrypted {
            let payload = bytes.get_mut(body + 16..body + 16 + 80)?;
            chain.update(header.get(56..64).map_or(&[][..], |commit| commit));
            for field in [0..12, 64..72, 40..56] {
                chain.update(&payload[field]);
            }
            let closed = chain.finalize();
            payload[24..40].copy_from_slice(&closed[..16]);
            chain = Sha256::new_with_prefix(&closed[..16]);
        }
        if !encrypted {
            mend_body(bytes, body, end - 4, &header);
        }
        mend(bytes, at, end, &[])?;
        if page != 0 {
            chain.update(bytes.get(at + 8..at + 12)?);
            chain.update(&bytes[end - 4..end]);
            chain.update(&bytes[end - 20..end - 4]);
        } else if encrypted {
            chain = Sha256::new();
        }
        at = end;
    }
}

/// The header is in the associated data; the checksum covers that and the payload.
fn mend_body(bytes: &mut [u8], start: usize, end: usize, associated: &[u8]) -> Option<()> {
    let header = header_bytes(bytes.get(start..)?);
    mend(bytes, start + header, end, associated)
}

fn mend_segment(bytes: &mut [u8], database: Option<&[u8]>) -> Option<()> {
    mend(bytes, 0, 64, &[]);
    let id = bytes.get(36..44)?.to_vec();
    // A single file says its database in its seal.
    let seal = bytes.len().checked_sub(136)?;
    let own = bytes.get(seal + 12 + 16 + 8..seal + 12 + 16 + 24)?.to_vec();
    let database = database.unwrap_or(&own);
    let mut at = 64 + u32_at(bytes, 20)?;
    loop {
        let page = u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?);
        let end = at + 12 + u32_at(bytes, at + 8).filter(|&size| size >= 20)?;
        if page == (1 << 63) + (4 << 32) {
            mend_slot(bytes, at + 12 + 16);
        }
        let header = associated(database, 2, &id, at, page, bytes.get(at + 12..)?);
        if bytes.get(at + 13)? & 1 == 0 {
            mend_body(bytes, at + 12, end, &header)?;
        }
        at = end;
    }
}

//! Makes the golden vectors of `tests/vectors` that are not there yet. Those that are there are never changed.
//!
//! Each is made from a seed and then read back: what comes of it must be what is demanded here, or nothing is written.

#[path = "../tests/it/support.rs"]
#[allow(dead_code, reason = "shared with the tests, which use more of it")]
mod support;
#[path = "../tests/it/vector.rs"]
#[allow(dead_code, reason = "shared with the tests, which use more of it")]
mod vector;

use coffer_store::{
    Cipher, Codec, CodecChoice, Commit, Inline, MemStorage, NewKey, OpenMode, Options, PageCount, PageSize, SlotKind,
    Storage, Store, Synchronous, crc32,
};
use support::{Seeded, content, page, slot_key};
use vector::{Header, RULE, TEXT, digest, files, folder, hash, observe};

/// What must come of a vector.
enum Demand {
    /// Opens; these pages (of the newest state) have the content of these versions.
    Pages(Vec<(u32, u64)>),
    /// Opens; this line is among what is observed.
    Line(String),
    /// Does not open.
    Refused(String),
}

struct Vector {
    name: &'static str,
    header: Header,
    storage: MemStorage,
    demand: Demand,
}

const KEY: u8 = 0x2a;
const SEGMENT_HEADER: usize = 64;

/// What a database is made with.
#[derive(Clone)]
struct Make {
    cipher: Cipher,
    cold: CodecChoice,
    hot: CodecChoice,
    dictionary: Option<Vec<u8>>,
    seed: u64,
}

impl Default for Make {
    fn default() -> Self {
        Self { cipher: Cipher::None, cold: CodecChoice::NONE, hot: CodecChoice::NONE, dictionary: None, seed: 1 }
    }
}

impl Make {
    fn encrypted() -> Self {
        Self { cipher: Cipher::Aes256Gcm, ..Self::default() }
    }

    fn codec(codec: Codec) -> Self {
        Self { cold: codec.into(), hot: codec.into(), ..Self::default() }
    }

    fn create(&self) -> (MemStorage, Store<MemStorage>) {
        let storage = MemStorage::new();
        let options = Options {
            page_size: PageSize::new(512).unwrap(),
            cold: self.cold,
            hot: self.hot,
            dictionary: self.dictionary.clone(),
            ..Options::default()
        };
        let key = slot_key(KEY);
        let new_key = NewKey { cipher: self.cipher, kind: SlotKind::Raw, parameters: Vec::new(), key: &key };
        let new_key = (self.cipher != Cipher::None).then_some(new_key);
        let store = Store::create(storage.clone(), Box::new(Seeded(self.seed)), options, new_key).unwrap();
        (storage, store)
    }

    fn key(&self) -> Option<u8> {
        (self.cipher != Cipher::None).then_some(KEY)
    }
}

fn put(store: &mut Store<MemStorage>, pages: impl IntoIterator<Item = u32>, version: u64) {
    put_how(store, pages, version, Synchronous::Normal);
}

fn put_how(store: &mut Store<MemStorage>, pages: impl IntoIterator<Item = u32>, version: u64, how: Synchronous) {
    let mut txn = store.begin();
    for number in pages {
        txn.write(page(number), &content(store.page_size(), number, version)).unwrap();
    }
    let how = Commit { synchronous: how, time_ms: 1_700_000_000_000 + version, ..Commit::default() };
    store.commit(txn, how).unwrap();
}

/// Five pages in one segment, folded from two commits, and an empty log.
fn segment(make: &Make) -> MemStorage {
    let (storage, mut store) = make.create();
    put(&mut store, 1..=5, 1);
    put(&mut store, 2..=3, 2);
    store.checkpoint(&Inline, 1).unwrap();
    store.close().unwrap();
    storage.remove("log-0").unwrap();
    storage
}

const SEGMENT_PAGES: [(u32, u64); 5] = [(1, 1), (2, 2), (3, 2), (4, 1), (5, 1)];

/// Three commits in a log, all flushed, and the manifest says no more than that the first two are.
fn log(make: &Make) -> MemStorage {
    let (storage, mut store) = make.create();
    put(&mut store, 1..=3, 1);
    put(&mut store, 2..=2, 2);
    put(&mut store, 3..=3, 3);
    drop(store);
    storage
}

const LOG_PAGES: [(u32, u64); 3] = [(1, 1), (2, 2), (3, 3)];

fn edit(storage: &MemStorage, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = storage.bytes(name).unwrap();
    change(&mut bytes);
    storage.put(name, bytes);
}

fn flip(storage: &MemStorage, name: &str, at: usize) {
    edit(storage, name, |bytes| bytes[at] ^= 0x10);
}

fn u32_at(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

/// The records of a segment: page, start, end.
fn records(bytes: &[u8]) -> Vec<(u64, usize, usize)> {
    let mut at = SEGMENT_HEADER + u32_at(bytes, 20);
    let mut records = Vec::new();
    while at < bytes.len() {
        let end = at + 12 + u32_at(bytes, at + 8);
        records.push((u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()), at, end));
        at = end;
    }
    records
}

const INDEX: u64 = (1 << 63) + (1 << 32);
const COMMITS: u64 = (1 << 63) + (2 << 32);
const SEAL: u64 = (1 << 63) + (5 << 32);

fn record(storage: &MemStorage, name: &str, page: u64) -> (usize, usize) {
    let bytes = storage.bytes(name).unwrap();
    let found = records(&bytes).into_iter().find(|record| record.0 == page).unwrap();
    (found.1, found.2)
}

/// The frames of a log: page, start, end.
fn frames(bytes: &[u8]) -> Vec<(usize, usize, usize)> {
    let mut at = 4096;
    let mut frames = Vec::new();
    while at < bytes.len() {
        let end = at + u32_at(bytes, at + 4);
        frames.push((u32_at(bytes, at + 8), at, end));
        at = end;
    }
    frames
}

/// Sets bytes of a segment's header and makes its checksum right again.
fn reheader(storage: &MemStorage, name: &str, at: usize, value: &[u8]) {
    edit(storage, name, |bytes| {
        bytes[at..at + value.len()].copy_from_slice(value);
        let crc = crc32(&[&bytes[..60]]);
        bytes[60..64].copy_from_slice(&crc.to_le_bytes());
    });
}

/// Sets bytes of both copies of a log's header and makes their checksums right again.
fn relog(storage: &MemStorage, at: usize, value: &[u8]) {
    edit(storage, "log-0", |bytes| {
        for copy in [0, 3968] {
            bytes[copy + at..copy + at + value.len()].copy_from_slice(value);
            let crc = crc32(&[&bytes[copy..copy + 124]]);
            bytes[copy + 124..copy + 128].copy_from_slice(&crc.to_le_bytes());
        }
    });
}

/// Changes the newest slot of the manifest and makes its checksum right again.
fn reroot(storage: &MemStorage, change: impl Fn(&mut [u8])) {
    edit(storage, "manifest", |bytes| {
        let generation = |bytes: &[u8]| bytes.get(16..24).map(|field| u64::from_le_bytes(field.try_into().unwrap()));
        let second = generation(bytes.get(32768..).unwrap_or_default()) > generation(bytes);
        let slot = &mut bytes[if second { 32768 } else { 0 }..];
        let end = 80 + u32_at(slot, 40);
        change(&mut slot[..end]);
        let crc = crc32(&[&slot[..44], &slot[48..end]]);
        slot[44..48].copy_from_slice(&crc.to_le_bytes());
    });
}

/// Changes the body of a record that is not encrypted and makes its checksum right again. The seal says which database it is.
fn rebody(storage: &MemStorage, name: &str, at: (usize, usize), change: impl Fn(&mut [u8])) {
    edit(storage, name, |bytes| {
        let seal = bytes.len() - 136 + 12 + 16;
        let mut associated = bytes[seal + 8..seal + 24].to_vec();
        associated.extend([2, 0, 0, 0, 0, 0, 0, 0]);
        associated.extend_from_slice(&bytes[36..44]);
        associated.extend(u64::try_from(at.0).unwrap().to_le_bytes());
        associated.extend_from_slice(&bytes[at.0..at.0 + 8]);
        let body = &mut bytes[at.0 + 12..at.1];
        let end = body.len() - 4;
        change(&mut body[..end]);
        let crc = crc32(&[&associated, &body[..end]]);
        body[end..].copy_from_slice(&crc.to_le_bytes());
    });
}

/// Four commits in a log; of pages 2 and 3 there are patches, of page 2 two.
fn patches(make: &Make) -> MemStorage {
    let (storage, mut store) = make.create();
    put(&mut store, 1..=3, 1);
    put(&mut store, 2..=3, 2);
    put(&mut store, 1..=1, 3);
    put(&mut store, 2..=2, 4);
    assert_eq!(store.stats().counters.patches, 4);
    drop(store);
    storage
}

const PATCHED_PAGES: [(u32, u64); 3] = [(1, 3), (2, 4), (3, 2)];

/// Makes the checksum of a frame and of its body right again, which is not encrypted and begins `ahead` bytes behind the header.
fn reframe(bytes: &mut [u8], (page, start, end): (usize, usize, usize), ahead: usize) {
    let header_bytes = if bytes[start + 20 + ahead + 1] & 4 == 0 { 16 } else { 24 };
    let mut associated = bytes[24..40].to_vec();
    associated.extend([1, 0, 0, 0, 0, 0, 0, 0]);
    associated.extend_from_slice(&bytes[16..24]);
    associated.extend(u64::try_from(start).unwrap().to_le_bytes());
    associated.extend(u64::try_from(page).unwrap().to_le_bytes());
    let (body, payload_end) = (start + 20 + ahead, end - 8);
    let crc = crc32(&[&associated, &bytes[body..payload_end]]);
    assert!(body + header_bytes <= payload_end);
    bytes[payload_end..end - 4].copy_from_slice(&crc.to_le_bytes());
    let crc = crc32(&[&bytes[start..end - 4]]);
    bytes[end - 4..end].copy_from_slice(&crc.to_le_bytes());
}

/// Changes the body of the last page frame of a log that is not encrypted, whose run has no other, and makes all checksums and the chain
/// right again.
fn repatch(storage: &MemStorage, change: impl Fn(&[(usize, usize, usize)], &mut [u8])) -> usize {
    let mut at = 0;
    edit(storage, "log-0", |bytes| {
        let all = frames(bytes);
        let [.., before, patch, commit] = all[..] else { panic!("too few frames") };
        at = patch.1;
        change(&all, &mut bytes[patch.1 + 20..patch.2 - 8]);
        reframe(bytes, patch, 0);
        let payload = commit.1 + 20 + 8 + 16;
        let chain_before = before.1 + 20 + 8 + 16 + 24;
        let mut hashed = bytes[chain_before..chain_before + 16].to_vec();
        hashed.extend(u32::try_from(patch.0).unwrap().to_le_bytes());
        hashed.extend_from_slice(&bytes[patch.2 - 4..patch.2]);
        hashed.extend_from_slice(&bytes[patch.2 - 20..patch.2 - 4]);
        hashed.extend_from_slice(&bytes[commit.1 + 12..commit.1 + 20]);
        hashed.extend_from_slice(&bytes[payload..payload + 12]);
        hashed.extend_from_slice(&bytes[payload + 64..payload + 72]);
        hashed.extend_from_slice(&bytes[payload + 40..payload + 56]);
        bytes[payload + 24..payload + 40].copy_from_slice(&digest(&hashed)[..16]);
        reframe(bytes, commit, 8);
    });
    at
}

fn whole() -> Vec<Vector> {
    let mut vectors = Vec::new();
    let mut add = |name, shows: &str, make: &Make, storage, pages: &[(u32, u64)]| {
        let header = Header { shows: shows.into(), key: make.key(), ..Header::default() };
        vectors.push(Vector { name, header, storage, demand: Demand::Pages(pages.to_vec()) });
    };
    let plain = Make::default();
    add("segment-plain", "one segment, not compressed, not encrypted", &plain, segment(&plain), &SEGMENT_PAGES);
    for (name, codec) in [
        ("segment-rle", Codec::Rle),
        ("segment-lz4", Codec::Lz4),
        ("segment-zstd", Codec::Zstd),
        ("segment-gzip", Codec::Gzip),
    ] {
        let make = Make::codec(codec);
        add(name, &format!("one segment, compressed with {codec}"), &make, segment(&make), &SEGMENT_PAGES);
    }
    let dictionary = b"; the quick brown fox jumps over the lazy dog. page version ".repeat(3);
    let zstd = Make { dictionary: Some(dictionary), ..Make::codec(Codec::Zstd) };
    let dictionary_shows = "segments with a raw-content dictionary";
    add("segment-dictionary", dictionary_shows, &zstd, with_dictionary(&zstd), &dictionary_pages());
    let sealed = Make { cipher: Cipher::Aes256Gcm, ..zstd };
    let sealed_shows = "segments with an encrypted dictionary";
    add("segment-dictionary-encrypted", sealed_shows, &sealed, with_dictionary(&sealed), &dictionary_pages());
    for (name, cipher) in
        [("segment-aes-256-gcm", Cipher::Aes256Gcm), ("segment-chacha20-poly1305", Cipher::ChaCha20Poly1305)]
    {
        let make = Make { cipher, ..Make::codec(Codec::Zstd) };
        add(name, &format!("one segment under {cipher}"), &make, segment(&make), &SEGMENT_PAGES);
        let name = if cipher == Cipher::Aes256Gcm { "log-aes-256-gcm" } else { "log-chacha20-poly1305" };
        add(name, &format!("a log under {cipher}"), &make, log(&make), &LOG_PAGES);
    }
    add("log-plain", "three commits in a log", &plain, log(&plain), &LOG_PAGES);
    add("log-patches", "pages told by what changed in them", &plain, patches(&plain), &PATCHED_PAGES);
    for (name, cipher) in
        [("log-patches-aes-256-gcm", Cipher::Aes256Gcm), ("log-patches-chacha20-poly1305", Cipher::ChaCha20Poly1305)]
    {
        let make = Make { cipher, ..Make::codec(Codec::Lz4) };
        add(name, &format!("patches under {cipher}"), &make, patches(&make), &PATCHED_PAGES);
    }
    add("log-two", "two logs, the second continues the first", &plain, two_logs(&plain), &[(1, 1), (2, 2), (3, 3)]);
    add("zeros", "a page of zeros is stored as nothing", &plain, zeros(), &[(1, 1), (3, 1)]);
    add("shrunken", "pages that were cut off do not come back", &plain, shrunken(), &[(1, 1), (2, 1), (6, 3)]);
    let torn = log(&plain);
    edit(&torn, "log-0", |bytes| bytes.truncate(bytes.len() - 100));
    add(
        "log-torn",
        "the last commit was torn and never promised: it is dropped",
        &plain,
        torn,
        &[(1, 1), (2, 2), (3, 1)],
    );
    let copy = log(&plain);
    flip(&copy, "log-0", 20);
    add("log-header-copy", "the first copy of a log's header is damaged, the second counts", &plain, copy, &LOG_PAGES);
    let slot = segment(&plain);
    add("manifest-two-slots", "both slots are whole, the newer counts", &plain, slot, &SEGMENT_PAGES);
    vectors
}

fn dictionary_pages() -> Vec<(u32, u64)> {
    (1..=40).map(|number| (number, 1)).collect()
}

fn with_dictionary(make: &Make) -> MemStorage {
    let (storage, mut store) = make.create();
    put(&mut store, 1..=40, 1);
    store.checkpoint(&Inline, 1).unwrap();
    store.close().unwrap();
    storage.remove("log-0").unwrap();
    storage
}

fn two_logs(make: &Make) -> MemStorage {
    let (storage, mut store) = make.create();
    put(&mut store, 1..=3, 1);
    store.seal_log().unwrap();
    put(&mut store, 2..=2, 2);
    put(&mut store, 3..=3, 3);
    drop(store);
    storage
}

fn zeros() -> MemStorage {
    let (storage, mut store) = Make::default().create();
    put(&mut store, 1..=3, 1);
    let mut txn = store.begin();
    txn.write(page(2), &[0; 512]).unwrap();
    store.commit(txn, Commit::default()).unwrap();
    store.checkpoint(&Inline, 1).unwrap();
    store.close().unwrap();
    storage.remove("log-0").unwrap();
    storage
}

fn shrunken() -> MemStorage {
    let (storage, mut store) = Make::default().create();
    put(&mut store, 1..=5, 1);
    store.checkpoint(&Inline, 1).unwrap();
    let mut txn = store.begin();
    txn.set_page_count(PageCount(2));
    store.commit(txn, Commit::default()).unwrap();
    put(&mut store, 6..=6, 3);
    store.checkpoint(&Inline, 1).unwrap();
    store.close().unwrap();
    storage
}

/// Archived history in two segments and a log.
fn archive(make: &Make) -> MemStorage {
    let (storage, mut store) = make.create();
    put(&mut store, 1..=4, 1);
    store.set_archive(true).unwrap();
    put(&mut store, 1..=2, 2);
    put(&mut store, 2..=3, 3);
    store.checkpoint(&Inline, 1).unwrap();
    put(&mut store, 1..=1, 4);
    store.checkpoint(&Inline, 1).unwrap();
    put(&mut store, 4..=5, 5);
    store.close().unwrap();
    storage
}

fn single(make: &Make, since: Option<u64>) -> MemStorage {
    let (_, mut store) = make.create();
    put(&mut store, 1..=5, 1);
    store.checkpoint(&Inline, 1).unwrap();
    put(&mut store, 2..=3, 2);
    let target = MemStorage::new();
    let device = target.open("notes.coffer", OpenMode::Create).unwrap();
    store.export(since.map(coffer_store::CommitId), device, &Inline, 1).unwrap();
    target
}

fn kinds() -> Vec<Vector> {
    let mut vectors = Vec::new();
    for (name, make) in [
        ("format-1-plain", Make::codec(Codec::Zstd)),
        ("format-1-aes-256-gcm", Make { cipher: Cipher::Aes256Gcm, ..Make::codec(Codec::Zstd) }),
        ("format-1-chacha20-poly1305", Make { cipher: Cipher::ChaCha20Poly1305, ..Make::codec(Codec::Lz4) }),
    ] {
        let shows = "a database of format version 1 with every commit kept: two segments and a log".into();
        let header = Header { shows, key: make.key(), also: vec![1, 2, 3, 4, 6], ..Header::default() };
        let demand = Demand::Pages(vec![(1, 4), (2, 3), (3, 3), (4, 5), (5, 5)]);
        vectors.push(Vector { name, header, storage: archive(&make), demand });
    }
    for (name, make) in [("single-file-plain", Make::default()), ("single-file-encrypted", Make::encrypted())] {
        let base = Some("notes.coffer".into());
        let header = Header { shows: "a database in one file".into(), key: make.key(), base, ..Header::default() };
        let demand = Demand::Pages(SEGMENT_PAGES.to_vec());
        vectors.push(Vector { name, header, storage: single(&make, None), demand });
    }
    vectors
}

/// What is done to a body.
type Change = fn(&mut [u8]);

/// What is done to the body of a patch, by one who knows the frames of its log.
type Patching<'p> = &'p dyn Fn(&[(usize, usize, usize)], &mut [u8]);

#[expect(clippy::too_many_lines, reason = "a list")]
fn bad() -> Vec<Vector> {
    let mut vectors = Vec::new();
    let mut add = |name, shows: &str, make: &Make, storage, demand| {
        let header = Header { shows: shows.into(), key: make.key(), ..Header::default() };
        vectors.push(Vector { name, header, storage, demand });
    };
    let refused = |text: &str| Demand::Refused(text.into());
    let plain = Make::default();
    let encrypted = Make::encrypted();
    // Foreign and newer files.
    let storage = MemStorage::new();
    storage.put("manifest", [b"SQLite format 3\0".as_slice(), &[0; 84]].concat());
    add("bad-manifest-sqlite", "a plain SQLite database", &plain, storage, refused("foreign manifest Sqlite"));
    let storage = MemStorage::new();
    storage.put("manifest", b"#!/bin/sh\necho hello\n".to_vec());
    add("bad-manifest-foreign", "something else", &plain, storage, refused("foreign manifest Unknown"));
    let storage = segment(&plain);
    edit(&storage, "seg-1", |bytes| bytes[..16].copy_from_slice(b"SQLite format 3\0"));
    add("bad-segment-foreign", "a SQLite database as a segment", &plain, storage, refused("foreign seg-1 Sqlite"));
    let storage = log(&plain);
    relog(&storage, 24, b"another database");
    add("bad-log-foreign", "the log of another database", &plain, storage, refused("foreign log-0 Unknown"));
    for (name, at, value, what) in [
        ("bad-manifest-newer", 8, 2u16, "Version(2)"),
        ("bad-manifest-version-0", 8, 0, "Version(0)"),
        ("bad-manifest-feature", 10, 0x8001, "Features(32769)"),
        ("bad-manifest-cipher", 14, 9, "Cipher(9)"),
    ] {
        let storage = segment(&plain);
        reroot(&storage, |slot| slot[at..at + 2].copy_from_slice(&value.to_le_bytes()));
        let demand = Demand::Refused(format!("unsupported manifest {what}"));
        add(name, "the manifest needs what version 1 has not", &plain, storage, demand);
    }
    for (name, at, value, what) in [
        ("bad-segment-newer", 28, 2u16, "Version(2)"),
        ("bad-segment-feature", 30, 4, "Features(4)"),
        ("bad-segment-cipher", 34, 9, "Cipher(9)"),
    ] {
        let storage = segment(&plain);
        reheader(&storage, "seg-1", at, &value.to_le_bytes());
        let demand = Demand::Refused(format!("unsupported seg-1 {what}"));
        add(name, "a segment needs what version 1 has not", &plain, storage, demand);
    }
    for (name, at, value, what) in [
        ("bad-log-newer", 8, 2u16, "Version(2)"),
        ("bad-log-feature", 10, 1, "Features(1)"),
        ("bad-log-cipher", 14, 9, "Cipher(9)"),
    ] {
        let storage = log(&plain);
        relog(&storage, at, &value.to_le_bytes());
        let demand = Demand::Refused(format!("unsupported log-0 {what}"));
        add(name, "a log needs what version 1 has not", &plain, storage, demand);
    }
    // The manifest.
    let storage = segment(&plain);
    flip(&storage, "manifest", 100);
    flip(&storage, "manifest", 32768 + 100);
    add("bad-manifest-slots", "both slots are damaged", &plain, storage, refused("corrupt manifest 0 Manifest"));
    let storage = segment(&plain);
    edit(&storage, "manifest", |bytes| bytes.truncate(60));
    add("bad-manifest-truncated", "the manifest ends early", &plain, storage, refused("corrupt manifest 0 Manifest"));
    for (name, shows, at, value) in [
        ("bad-manifest-page-size", "a page size of 1000", 80, 1000u32.to_le_bytes().to_vec()),
        ("bad-manifest-flags", "an unknown flag", 80 + 64, vec![2]),
        ("bad-manifest-reserved", "the reserved byte is not zero", 15, vec![1]),
        ("bad-manifest-count", "more segments than there can be", 80 + 96, 257u32.to_le_bytes().to_vec()),
        ("bad-manifest-order", "a segment with an id that is still to come", 80 + 40, vec![1]),
        ("bad-manifest-generation", "a number at its end", 80 + 8, u64::MAX.to_le_bytes().to_vec()),
    ] {
        let storage = segment(&plain);
        // Both slots, so that the older is no way out.
        reroot(&storage, |slot| slot[at..at + value.len()].copy_from_slice(&value));
        edit(&storage, "manifest", |bytes| bytes[0] = 0);
        add(name, shows, &plain, storage, refused("corrupt manifest 0 ManifestField"));
    }
    let storage = segment(&encrypted);
    reroot(&storage, |slot| slot[80 + 4] ^= 1);
    let unauthentic = refused("corrupt manifest 0 ManifestAuthentication");
    add("bad-manifest-forged", "altered, and the checksum made right", &encrypted, storage, unauthentic);
    add("bad-key-none", "the key is not given", &plain, segment(&encrypted), refused("key_required"));
    let downgraded = refused("wrong_key");
    add("bad-key-downgrade", "a key is given and nothing is encrypted", &encrypted, segment(&plain), downgraded);
    let storage = segment(&encrypted);
    reroot(&storage, |slot| {
        let end = slot.len();
        slot[end - 20] ^= 1;
    });
    add("bad-key-slot", "the wrapped key is damaged", &encrypted, storage, refused("wrong_key"));
    // Logs.
    let storage = log(&plain);
    let first = frames(&storage.bytes("log-0").unwrap())[0];
    flip(&storage, "log-0", first.1 + 60);
    let frame = refused("corrupt log-0 4096 Frame");
    add("bad-log-frame", "a frame that was flushed is damaged", &plain, storage, frame);
    let storage = log(&encrypted);
    flip(&storage, "log-0", 4096 + 60);
    let frame = refused("corrupt log-0 4096 Frame");
    add("bad-log-frame-encrypted", "a frame that was flushed is damaged", &encrypted, storage, frame);
    let (storage, mut store) = plain.create();
    put(&mut store, 1..=3, 1);
    put(&mut store, 2..=2, 2);
    store.close().unwrap();
    let all = frames(&storage.bytes("log-0").unwrap());
    let first_commit = all.iter().find(|frame| frame.0 == 0).unwrap().2;
    edit(&storage, "log-0", |bytes| bytes.truncate(first_commit));
    let missing = Demand::Refused(format!("corrupt log-0 {first_commit} CommitsMissing"));
    add("bad-log-truncated", "a commit that the manifest promised is missing", &plain, storage, missing);
    let (storage, mut store) = plain.create();
    put(&mut store, 1..=3, 1);
    store.close().unwrap();
    storage.remove("log-0").unwrap();
    let missing = refused("corrupt manifest 0 CommitsMissing");
    add("bad-log-removed", "the log with promised commits is gone", &plain, storage, missing);
    for (name, make) in [("bad-log-header", &plain), ("bad-log-header-encrypted", &encrypted)] {
        let storage = log(make);
        edit(&storage, "log-0", |bytes| bytes[..4096].fill(0));
        let header = refused("corrupt log-0 0 LogHeader");
        add(name, "both copies of the header are lost, and the frames promise commits", make, storage, header);
    }
    let storage = two_logs(&plain);
    storage.remove("log-0").unwrap();
    add("bad-log-gap", "the first of two logs is gone", &plain, storage, refused("corrupt log-1 0 LogMissing"));
    let storage = log(&plain);
    relog(&storage, 88, &7u32.to_le_bytes());
    add("bad-log-base", "a log that begins at another state", &plain, storage, refused("corrupt log-0 0 LogMissing"));
    let storage = log(&encrypted);
    relog(&storage, 14, &[2]);
    add(
        "bad-log-other-cipher",
        "another cipher than the manifest's",
        &encrypted,
        storage,
        refused("corrupt log-0 0 LogHeader"),
    );
    // Segments.
    let storage = segment(&plain);
    flip(&storage, "seg-1", 40);
    add("bad-segment-header", "a flipped bit in the header", &plain, storage, refused("corrupt seg-1 0 SegmentHeader"));
    let storage = segment(&plain);
    reheader(&storage, "seg-1", 12, &65u64.to_le_bytes());
    add(
        "bad-segment-start",
        "records do not begin where they must",
        &plain,
        storage,
        refused("corrupt seg-1 0 SegmentHeader"),
    );
    let storage = segment(&plain);
    edit(&storage, "seg-1", |bytes| bytes.truncate(bytes.len() - 1));
    add("bad-segment-truncated", "a segment ends early", &plain, storage, refused("corrupt seg-1 0 SegmentMissing"));
    let storage = segment(&plain);
    storage.remove("seg-1").unwrap();
    add("bad-segment-removed", "a segment is gone", &plain, storage, refused("corrupt seg-1 0 SegmentMissing"));
    let storage = segment(&plain);
    reheader(&storage, "seg-1", 36, &2u64.to_le_bytes());
    add(
        "bad-segment-other",
        "a segment in the place of another",
        &plain,
        storage,
        refused("corrupt seg-1 0 SegmentHeader"),
    );
    for (name, make, other, what) in [
        ("bad-segment-swapped", &plain, Make { seed: 2, ..plain.clone() }, "RecordChecksum"),
        ("bad-segment-swapped-encrypted", &encrypted, Make { seed: 2, ..encrypted.clone() }, "RecordAuthentication"),
    ] {
        let storage = segment(make);
        storage.put("seg-1", segment(&other).bytes("seg-1").unwrap());
        let demand = Demand::Refused(format!("corrupt seg-1 64 {what}"));
        add(name, "the same segment of another database", make, storage, demand);
    }
    let zstd = Make {
        dictionary: Some(b"; the quick brown fox jumps over the lazy dog. page version ".repeat(3)),
        ..Make::codec(Codec::Zstd)
    };
    let storage = with_dictionary(&zstd);
    flip(&storage, "seg-1", 70);
    add("bad-dictionary", "a flipped bit in a dictionary", &zstd, storage, refused("corrupt seg-1 64 Dictionary"));
    let sealed = Make { cipher: Cipher::Aes256Gcm, ..zstd };
    let storage = with_dictionary(&sealed);
    flip(&storage, "seg-1", 90);
    let damaged = refused("corrupt seg-1 64 Dictionary");
    add("bad-dictionary-encrypted", "a flipped bit in an encrypted dictionary", &sealed, storage, damaged);
    // Index, seal and commits record.
    for (name, make, page) in [
        ("bad-index", &plain, INDEX),
        ("bad-index-encrypted", &encrypted, INDEX),
        ("bad-seal", &plain, SEAL),
        ("bad-seal-encrypted", &encrypted, SEAL),
    ] {
        let storage = segment(make);
        let (_, end) = record(&storage, "seg-1", page);
        flip(&storage, "seg-1", end - 30);
        add(
            name,
            "the index cannot be used and is rebuilt by a scan",
            make,
            storage,
            Demand::Line("rebuilt: seg-1".into()),
        );
    }
    let storage = segment(&plain);
    let (start, end) = record(&storage, "seg-1", COMMITS);
    flip(&storage, "seg-1", end - 2);
    let commits = Demand::Refused(format!("corrupt seg-1 {start} Index"));
    add(
        "bad-commits",
        "the record of commits is damaged, and nothing else says where they cut",
        &plain,
        storage,
        commits,
    );
    // Records.
    for (name, make, what) in
        [("bad-record", &plain, "RecordChecksum"), ("bad-record-encrypted", &encrypted, "RecordAuthentication")]
    {
        let storage = segment(make);
        let (start, end) = record(&storage, "seg-1", 4);
        flip(&storage, "seg-1", end - 40);
        let line = Demand::Line(format!("damage: corrupt seg-1 {start} {what}"));
        add(name, "a flipped bit in one page: the others can be read", make, storage, line);
    }
    for (name, make, what) in
        [("bad-spliced", &plain, "RecordChecksum"), ("bad-spliced-encrypted", &encrypted, "RecordAuthentication")]
    {
        let storage = segment(make);
        let (four, five) = (record(&storage, "seg-1", 4), record(&storage, "seg-1", 5));
        edit(&storage, "seg-1", |bytes| {
            let body = bytes[four.0 + 12..four.1].to_vec();
            bytes[five.0 + 12..five.1].copy_from_slice(&body);
        });
        let line = Demand::Line(format!("damage: corrupt seg-1 {} {what}", five.0));
        add(name, "one record's body in the place of another's", make, storage, line);
    }
    let changes: [(&'static str, &str, Change, &str); 5] = [
        ("bad-body-codec", "an unknown codec", |body| body[0] = 99, "RecordHeader"),
        // It was unknown when this vector was made; in a segment it is no better now.
        ("bad-body-flags", "an unknown flag", |body| body[1] = 4, "RecordHeader"),
        ("bad-body-size", "a page of another size", |body| body[4] = 1, "RecordHeader"),
        ("bad-body-dictionary", "a dictionary that is not there", |body| body[1] = 2, "RecordHeader"),
        ("bad-body-content", "it does not decompress to a page", |body| body[0] = 1, "RecordContent"),
    ];
    for (name, shows, change, what) in changes {
        let storage = segment(&plain);
        let at = record(&storage, "seg-1", 4);
        rebody(&storage, "seg-1", at, change);
        let line = Demand::Line(format!("damage: corrupt seg-1 {} {what}", at.0));
        add(name, shows, &plain, storage, line);
    }
    // Patches. The last is of page 2, whose first frame is the second of the log and whose second one is a patch.
    let back = |to: usize, of: &[(usize, usize, usize)]| {
        let (_, start, end) = of[to];
        let back = u32::try_from(of[of.len() - 2].1 - start).unwrap();
        [back.to_le_bytes(), u32::try_from(end - start - 24).unwrap().to_le_bytes()].concat()
    };
    let changes: [(&'static str, &str, Patching<'_>, Option<usize>, &str); 9] = [
        ("bad-patch-flags", "an unknown flag", &|_, body| body[1] = 8, None, "RecordHeader"),
        (
            "bad-patch-long",
            "a base longer than any body of a page",
            &|_, body| body[20..24].copy_from_slice(&557u32.to_le_bytes()),
            None,
            "RecordHeader",
        ),
        ("bad-patch-codec", "a patch with a codec", &|_, body| body[0] = 2, None, "RecordHeader"),
        ("bad-patch-nowhere", "a base before the log's first frame", &|_, body| body[19] = 1, None, "RecordHeader"),
        (
            "bad-patch-inside",
            "a base that overlaps its patch",
            &|_, body| body.copy_within(16..20, 20),
            None,
            "RecordHeader",
        ),
        (
            "bad-patch-page",
            "a base of another page",
            &|of, body| body[16..24].copy_from_slice(&back(0, of)),
            Some(0),
            "RecordChecksum",
        ),
        (
            "bad-patch-patch",
            "a patch of a patch",
            &|of, body| body[16..24].copy_from_slice(&back(4, of)),
            None,
            "RecordHeader",
        ),
        ("bad-patch-stretch", "a stretch that ends behind the page", &|_, body| body[24] = 127, None, "RecordContent"),
        (
            "bad-patch-commit",
            "a base that is no page frame",
            &|of, body| body[16..24].copy_from_slice(&back(3, of)),
            Some(3),
            "RecordChecksum",
        ),
    ];
    for (name, shows, change, base, what) in changes {
        let storage = patches(&plain);
        let all = frames(&storage.bytes("log-0").unwrap());
        let at = repatch(&storage, change);
        let at = base.map_or(at, |base| all[base].1);
        let line = Demand::Line(format!("damage: corrupt log-0 {at} {what}"));
        add(name, shows, &plain, storage, line);
    }
    let wrong = Header { shows: "a wrong key".into(), key: Some(0x2b), ..Header::default() };
    let demand = refused("wrong_key");
    vectors.push(Vector { name: "bad-key-wrong", header: wrong, storage: segment(&encrypted), demand });
    let base = Some("notes.coffer".into());
    let header = Header { shows: "an increment is no database".into(), base, ..Header::default() };
    let demand = refused("corrupt notes.coffer 0 SegmentMissing");
    vectors.push(Vector {
        name: "bad-single-file-increment",
        header: header.clone(),
        storage: single(&plain, Some(1)),
        demand,
    });
    let storage = single(&plain, None);
    let seal = record(&storage, "notes.coffer", SEAL);
    rebody(&storage, "notes.coffer", seal, |body| body[16 + 56..16 + 64].fill(0xff));
    let shows = "the seal of a database in one file names the last commit that there can be".into();
    let header = Header { shows, ..header };
    let demand = refused("corrupt notes.coffer 0 ManifestField");
    vectors.push(Vector { name: "bad-single-file-number", header: header.clone(), storage, demand });
    let storage = single(&plain, None);
    edit(&storage, "notes.coffer", |bytes| bytes.truncate(bytes.len() - 10));
    let header = Header { shows: "a database in one file that ends early".into(), ..header };
    let demand = refused("corrupt notes.coffer 0 Manifest");
    vectors.push(Vector { name: "bad-single-file-truncated", header, storage, demand });
    vectors
}

/// Fails if what was observed is not what is demanded.
fn check(vector: &Vector, observed: &str) -> Result<(), String> {
    let wrong = |wanted: &str| Err(format!("{}: wanted {wanted}, got\n{observed}", vector.name));
    match &vector.demand {
        Demand::Refused(text) if observed == format!("result: {text}\n") => Ok(()),
        Demand::Refused(text) => wrong(text),
        Demand::Line(line) if observed.starts_with("result: open") && observed.lines().any(|seen| seen == line) => {
            Ok(())
        }
        Demand::Line(line) => wrong(line),
        Demand::Pages(pages) => {
            let size = PageSize::new(512).unwrap();
            for &(number, version) in pages {
                let hash = hash(&content(size, number, version));
                let newest = observed.split("state ").nth(1).unwrap_or_default();
                let line = newest.lines().find(|line| line.starts_with(&format!("  {number} ")));
                if line.is_none_or(|line| !line.ends_with(&hash)) {
                    return wrong(&format!("page {number} of version {version}"));
                }
            }
            if observed.contains("damage: ") { wrong("no damage") } else { Ok(()) }
        }
    }
}

fn main() {
    let mut failures = 0;
    for vector in whole().into_iter().chain(kinds()).chain(bad()) {
        let observed = observe(&vector.storage, &vector.header);
        if let Err(why) = check(&vector, &observed) {
            eprintln!("{why}");
            failures += 1;
            continue;
        }
        let text = format!("{}{RULE}{observed}", vector.header.text());
        let target = folder().join(vector.name);
        let contents = files(&vector.storage).into_iter().chain([(TEXT.to_owned(), text.into_bytes())]);
        if target.exists() {
            for (name, bytes) in contents {
                if std::fs::read(target.join(&name)).ok().as_ref() != Some(&bytes) {
                    eprintln!("{}/{name}: kept, though it would be made otherwise now", vector.name);
                }
            }
            continue;
        }
        std::fs::create_dir_all(&target).expect("a folder for the vector");
        for (name, bytes) in contents {
            std::fs::write(target.join(name), bytes).expect("a file of the vector");
        }
        println!("made {}", vector.name);
    }
    if failures > 0 {
        std::process::exit(1);
    }
}

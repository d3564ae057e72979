//! What the engine promises to cost, on real files: `cargo bench -p coffer-store --bench engine --profile quick`.
//!
//! Pages hold rows of text, 8 KiB each; zstd and AES-256-GCM as a new database has them. Nothing here flushes but where it
//! says so: flushing measures the disk.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "small random numbers, and figures for people"
)]

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use coffer_store::{
    Cipher, Codec, CodecChoice, Commit, Device, DeviceError, DeviceErrorKind, DeviceOp, Entropy, Inline, NewKey,
    OpenMode, Options, PageNo, Scratch, SlotKey, SlotKind, Storage, Store, Synchronous,
};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

struct Folder(PathBuf);

struct Opened(File);

fn fail(op: DeviceOp, error: &std::io::Error) -> DeviceError {
    let kind = match error.kind() {
        std::io::ErrorKind::NotFound => DeviceErrorKind::NotFound,
        std::io::ErrorKind::AlreadyExists => DeviceErrorKind::Exists,
        _ => DeviceErrorKind::Io,
    };
    DeviceError::new(op, "", 0, kind).with_detail(error.to_string())
}

impl Storage for Folder {
    type Device = Opened;

    fn open(&self, name: &str, mode: OpenMode) -> Result<Opened, DeviceError> {
        let mut options = OpenOptions::new();
        options.read(true).write(mode != OpenMode::Read).create_new(mode == OpenMode::Create);
        options.open(self.0.join(name)).map(Opened).map_err(|error| fail(DeviceOp::Open, &error))
    }

    fn list(&self) -> Result<Vec<String>, DeviceError> {
        let entries = std::fs::read_dir(&self.0).map_err(|error| fail(DeviceOp::List, &error))?;
        Ok(entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
    }

    fn remove(&self, name: &str) -> Result<(), DeviceError> {
        let _ = std::fs::remove_file(self.0.join(name));
        Ok(())
    }
}

impl Device for Opened {
    fn len(&self) -> Result<u64, DeviceError> {
        self.0.metadata().map(|metadata| metadata.len()).map_err(|error| fail(DeviceOp::Len, &error))
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), DeviceError> {
        self.0.read_exact_at(out, offset).map_err(|error| fail(DeviceOp::Read, &error))
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), DeviceError> {
        self.0.write_all_at(data, offset).map_err(|error| fail(DeviceOp::Write, &error))
    }

    fn truncate(&self, len: u64) -> Result<(), DeviceError> {
        self.0.set_len(len).map_err(|error| fail(DeviceOp::Truncate, &error))
    }

    fn flush(&self) -> Result<(), DeviceError> {
        self.0.sync_data().map_err(|error| fail(DeviceOp::Flush, &error))
    }
}

struct Seeded(u64);

impl Seeded {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }
}

impl Entropy for Seeded {
    fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(4) {
            let bytes = (self.next() as u32).to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }
}

fn content(random: &mut Seeded, bytes: usize) -> Vec<u8> {
    let words = ["order", "pending", "shipped", "blue", "large", "Lisbon", "Oslo", "express", "gift", "returned"];
    let mut out = Vec::with_capacity(bytes + 200);
    while out.len() < bytes {
        let word = |random: &mut Seeded| words[random.next() as usize % words.len()];
        let (a, b, c) = (word(random), word(random), word(random));
        let (id, cents) = (random.next() % 1_000_000, random.next() % 100_000);
        out.extend_from_slice(format!("{id:08}|{a} {b}|{c}@example.org|{cents}.00|2026-11-{:02};", id % 30).as_bytes());
    }
    out.truncate(bytes);
    out
}

fn folder(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("coffer-bench-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

fn key() -> SlotKey {
    SlotKey::take(&mut [7; 32])
}

fn options() -> Options {
    Options { checkpoint_pages: u32::MAX, log_bytes_max: u64::MAX, ..Options::default() }
}

fn create(path: &Path, options: Options, encrypted: bool) -> Store<Folder> {
    let key = key();
    let new_key = NewKey { cipher: Cipher::Aes256Gcm, kind: SlotKind::Raw, parameters: Vec::new(), key: &key };
    Store::create(Folder(path.into()), Box::new(Seeded(1)), options, encrypted.then_some(new_key)).unwrap()
}

fn open(path: &Path, options: Options) -> Store<Folder> {
    Store::open(Folder(path.into()), Box::new(Seeded(2)), options, Some(&key())).unwrap().0
}

const RELAXED: Commit = Commit { synchronous: Synchronous::Off, request: coffer_store::RequestId::NONE, time_ms: 0 };

fn fill(store: &mut Store<Folder>, pages: u32, random: &mut Seeded) {
    let bytes = store.page_size().bytes();
    let mut number = 1;
    while number <= pages {
        let mut txn = store.begin();
        for _ in 0..1000.min(pages - number + 1) {
            txn.write(PageNo::new(number).unwrap(), &content(random, bytes)).unwrap();
            number += 1;
        }
        store.commit(txn, RELAXED).unwrap();
    }
}

/// A commit of four pages, without a flush. Promised: under 150 us.
fn commit(criterion: &mut Criterion) {
    let path = folder("commit");
    let mut random = Seeded(3);
    let store = RefCell::new(create(&path, options(), true));
    let pages: Vec<Vec<u8>> = (0..64).map(|_| content(&mut random, 8192)).collect();
    criterion.bench_function("commit/4 pages of 8 KiB", |bencher| {
        bencher.iter_batched(
            || {
                let mut store = store.borrow_mut();
                if store.stats().log_bytes > 256 << 20 {
                    store.checkpoint(&Inline, 1).unwrap();
                }
                [0; 4].map(|_| (PageNo::new(1 + random.next() as u32 % 10_000).unwrap(), random.next() as usize % 64))
            },
            |writes| {
                let mut store = store.borrow_mut();
                let mut txn = store.begin();
                for (page, index) in writes {
                    txn.write(page, &pages[index]).unwrap();
                }
                store.commit(txn, RELAXED).unwrap()
            },
            BatchSize::SmallInput,
        );
    });
    std::fs::remove_dir_all(path).unwrap();
}

/// A read of one page: look up, one positioned read, verify, decrypt, decompress. Promised: under 20 us.
fn read(criterion: &mut Criterion) {
    let path = folder("read");
    let mut random = Seeded(4);
    let mut store = create(&path, options(), true);
    fill(&mut store, 10_000, &mut random);
    store.checkpoint(&Inline, 1).unwrap();
    let snapshot = store.snapshot();
    let (mut scratch, mut out) = (Scratch::default(), vec![0; 8192]);
    let mut group = criterion.benchmark_group("read");
    group.throughput(Throughput::Bytes(8192));
    group.bench_function("cold, one page of 8 KiB", |bencher| {
        bencher.iter(|| {
            let page = PageNo::new(1 + random.next() as u32 % 10_000).unwrap();
            snapshot.read(page, &mut out, &mut scratch).unwrap()
        });
    });
    let mut number = 0;
    group.bench_function("scan, page after page", |bencher| {
        bencher.iter(|| {
            number = number % 10_000 + 1;
            snapshot.read(PageNo::new(number).unwrap(), &mut out, &mut scratch).unwrap()
        });
    });
    group.finish();
    std::fs::remove_dir_all(path).unwrap();
}

/// Opening a database of a million pages by its index. Promised: under 150 ms.
fn open_million(criterion: &mut Criterion) {
    let path = folder("open");
    let small = CodecChoice::new(Codec::Lz4, 0).unwrap();
    let page_size = coffer_store::PageSize::MIN;
    let mut store = create(&path, Options { page_size, hot: small, cold: small, ..options() }, true);
    fill(&mut store, 1_000_000, &mut Seeded(5));
    store.checkpoint(&Inline, 1).unwrap();
    let table_bytes = store.stats().table_bytes;
    println!("page table: {:.1} bytes a page", table_bytes as f64 / 1e6);
    store.close().unwrap();
    criterion.bench_function("open/1,000,000 pages", |bencher| {
        bencher.iter(|| black_box(open(&path, options()).head()));
    });
    std::fs::remove_dir_all(path).unwrap();
}

/// Recovering a log of 64 MiB. Promised: under 1 s.
fn recover(criterion: &mut Criterion) {
    let path = folder("recover");
    let none = CodecChoice::new(Codec::None, 0).unwrap();
    let mut store = create(&path, Options { hot: none, ..options() }, true);
    let mut random = Seeded(6);
    while store.stats().log_bytes < 64 << 20 {
        let mut txn = store.begin();
        for _ in 0..4 {
            let page = PageNo::new(1 + random.next() as u32 % 10_000).unwrap();
            txn.write(page, &content(&mut random, 8192)).unwrap();
        }
        store.commit(txn, RELAXED).unwrap();
    }
    drop(store);
    let mut group = criterion.benchmark_group("recover");
    group.throughput(Throughput::Bytes(64 << 20));
    group.bench_function("log of 64 MiB", |bencher| {
        bencher.iter(|| black_box(open(&path, Options { read_only: true, ..options() }).head()));
    });
    group.finish();
    std::fs::remove_dir_all(path).unwrap();
}

/// Threads that share the compression of a checkpoint, against one.
fn fold(criterion: &mut Criterion) {
    struct Threads;
    impl coffer_store::Workers for Threads {
        fn run(&self, count: usize, work: &coffer_store::Work<'_>) {
            std::thread::scope(|scope| {
                for worker in 0..count {
                    scope.spawn(move || work(worker));
                }
            });
        }
    }
    let mut group = criterion.benchmark_group("fold");
    group.throughput(Throughput::Bytes(2000 * 8192));
    for threads in [1, 2] {
        group.bench_function(format!("2000 pages, {threads} threads"), |bencher| {
            bencher.iter_batched(
                || {
                    let path = folder(&format!("fold-{threads}"));
                    let mut store = create(&path, options(), true);
                    fill(&mut store, 2000, &mut Seeded(7));
                    (path, store)
                },
                |(path, mut store)| {
                    store.checkpoint(&Threads, threads).unwrap();
                    (path, store)
                },
                BatchSize::PerIteration,
            );
        });
        let _ = std::fs::remove_dir_all(folder(&format!("fold-{threads}")));
    }
    group.finish();
}

criterion_group! {
    name = engine;
    config = Criterion::default().sample_size(10).measurement_time(Duration::from_secs(3));
    targets = commit, read, open_million, recover, fold
}
criterion_main!(engine);

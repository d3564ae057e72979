//! The bodies on real files: `cargo bench -p coffer-bench --profile quick`. In a browser: `npm run bench:engine`.

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit, Nonce, Tag};
use coffer_bench::{CommitBody, FoldBody, OpenBody, READ_PAGES, ReadBody, RecoverBody, Seeded, content};
use coffer_store::{Device, DeviceError, DeviceErrorKind, DeviceOp, OpenMode, Storage, Work, Workers};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

#[derive(Clone)]
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

/// An empty folder that vanishes with its guard.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("coffer-bench-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn storage(&self) -> Folder {
        Folder(self.0.clone())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn commit(criterion: &mut Criterion) {
    let place = Place::new("commit");
    let body = RefCell::new(CommitBody::new(place.storage()));
    criterion.bench_function("commit/4 pages of 8 KiB", |bencher| {
        bencher.iter_batched(|| body.borrow_mut().prepare(), |()| body.borrow_mut().step(), BatchSize::SmallInput);
    });
}

fn read(criterion: &mut Criterion) {
    let place = Place::new("read");
    let mut body = ReadBody::new(place.storage());
    let mut group = criterion.benchmark_group("read");
    group.throughput(Throughput::Bytes(8192));
    group.bench_function("cold, one page of 8 KiB", |bencher| bencher.iter(|| body.step()));
    group.bench_function("scan, page after page", |bencher| bencher.iter(|| body.scan()));
    group.finish();
    beside_the_libraries(&mut body);
}

/// The least that a cold read of a page can cost here: one call of the system, one of the cipher, one of the decompressor, into
/// buffers that are there, at a place that is known.
struct Libraries {
    file: File,
    places: Vec<(u64, usize)>,
    cipher: Aes256Gcm,
    context: zstd_safe::DCtx<'static>,
    body: Vec<u8>,
    out: Vec<u8>,
    random: Seeded,
}

const TAG_BYTES: usize = 16;

impl Libraries {
    fn new(place: &Place) -> Self {
        let cipher = Aes256Gcm::new(&[7; 32].into());
        let mut random = Seeded(4);
        let mut compressor = zstd_safe::CCtx::create();
        let (mut bytes, mut places) = (Vec::new(), Vec::new());
        for _ in 0..READ_PAGES {
            let mut body = vec![0; 16_384];
            let len = compressor.compress(&mut body[..], &content(&mut random, 8192), 3).unwrap();
            // The nonce is the same each time, which nothing but a yardstick may do.
            let tag = cipher.encrypt_inout_detached(&Nonce::default(), b"", body[..len].as_mut().into()).unwrap();
            body.truncate(len);
            body.extend_from_slice(&tag);
            places.push((bytes.len() as u64, body.len()));
            bytes.extend_from_slice(&body);
        }
        let path = place.0.join("pages");
        std::fs::write(&path, bytes).unwrap();
        let file = File::open(path).unwrap();
        let (context, body) = (zstd_safe::DCtx::create(), vec![0; 16_384]);
        Self { file, places, cipher, context, body, out: vec![0; 8192], random }
    }

    fn step(&mut self) -> u8 {
        let (offset, len) = self.places[self.random.below(READ_PAGES) as usize];
        let body = &mut self.body[..len];
        self.file.read_exact_at(body, offset).unwrap();
        let (data, tag) = body.split_at_mut(len - TAG_BYTES);
        let tag = Tag::try_from(&*tag).unwrap();
        self.cipher.decrypt_inout_detached(&Nonce::default(), b"", data.as_mut().into(), &tag).unwrap();
        self.context.decompress(&mut self.out[..], data).unwrap();
        self.out[17]
    }
}

/// Turn by turn, so that what slows the machine down slows both down.
fn beside_the_libraries(body: &mut ReadBody<Folder>) {
    const ROUNDS: usize = 101;
    const READS: u32 = 500;
    let place = Place::new("libraries");
    let mut libraries = Libraries::new(&place);
    let timed = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        (0..READS).for_each(|_| work());
        start.elapsed().as_secs_f64() * 1e6 / f64::from(READS)
    };
    let mut rounds: Vec<(f64, f64)> = (0..ROUNDS)
        .map(|_| {
            let ours = timed(&mut || _ = black_box(body.step()));
            (ours, timed(&mut || _ = black_box(libraries.step())))
        })
        .collect();
    rounds.sort_by(|a, b| (a.0 / a.1).total_cmp(&(b.0 / b.1)));
    let (ours, least) = rounds[ROUNDS / 2];
    println!("cold read beside the libraries alone: {ours:.1} us, {least:.1} us: {:.2} times", ours / least);
}

fn open(criterion: &mut Criterion) {
    let place = Place::new("open");
    let mut body = OpenBody::new(place.storage(), 1_000_000);
    println!("page table: {:.1} bytes a page", body.bytes_per_page);
    criterion.bench_function("open/1,000,000 pages", |bencher| bencher.iter(|| black_box(body.step())));
}

fn recover(criterion: &mut Criterion) {
    let place = Place::new("recover");
    let mut body = RecoverBody::new(place.storage(), 64 << 20);
    let mut group = criterion.benchmark_group("recover");
    group.throughput(Throughput::Bytes(64 << 20));
    group.bench_function("log of 64 MiB", |bencher| bencher.iter(|| black_box(body.step())));
    group.finish();
}

struct Threads;

impl Workers for Threads {
    fn run(&self, count: usize, work: &Work<'_>) {
        std::thread::scope(|scope| {
            for worker in 0..count {
                scope.spawn(move || work(worker));
            }
        });
    }
}

fn fold(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fold");
    group.throughput(Throughput::Bytes(u64::from(FoldBody::<Folder>::PAGES) * 8192));
    for threads in [1, 2] {
        let place = Place::new("fold");
        group.bench_function(format!("2000 pages, {threads} threads"), |bencher| {
            let fresh = || {
                let _ = std::fs::remove_dir_all(&place.0);
                std::fs::create_dir_all(&place.0).unwrap();
                FoldBody::new(place.storage())
            };
            bencher.iter_batched(fresh, |mut body| body.step(&Threads, threads), BatchSize::PerIteration);
        });
    }
    group.finish();
}

criterion_group! {
    name = engine;
    config = Criterion::default().sample_size(10).measurement_time(Duration::from_secs(3));
    targets = commit, read, open, recover, fold
}
criterion_main!(engine);

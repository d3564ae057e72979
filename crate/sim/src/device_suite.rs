//! The one suite that every backend passes: claims about `Storage` and `Device`, each named as a sentence.
//!
//! It knows nothing of the backend but the seam. A claim that does not hold panics at its own line with what was expected
//! and what was seen, so the suite runs under any test harness, in browsers too. A backend that cannot open without waiting says beforehand which
//! files a step will open: [`run_async`] awaits its `prepare` for them, so no step ever meets `NotReady`.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use coffer_store::{Device, DeviceError, DeviceErrorKind, DeviceOp, OpenMode, Storage};

/// What this backend can do beyond the contract, and how far to go.
#[derive(Debug, Clone, Copy)]
pub struct Abilities {
    /// A file may be open twice at once, and both see each other's writes.
    pub shares_files: bool,
    /// A file may be removed while a device is open on it.
    pub removes_open_files: bool,
    /// How far from the start of a file to write: 5 GiB where files are sparse, little where they are memory.
    pub offset_max: u64,
    /// How many files to have open at once.
    pub files_max: usize,
}

impl Default for Abilities {
    /// What a backend in memory can do.
    fn default() -> Self {
        Self { shares_files: true, removes_open_files: true, offset_max: 1 << 20, files_max: 100 }
    }
}

/// One claim: steps over one fresh storage. Devices pass from step to step in `Held`.
pub struct Claim<S: Storage> {
    /// The claim as a sentence.
    pub name: &'static str,
    /// Whether it applies to a backend of these abilities.
    pub applies: fn(&Abilities) -> bool,
    /// What to do, in order.
    pub steps: Vec<Step<S>>,
}

/// A part of a claim that opens only files named beforehand.
pub struct Step<S: Storage> {
    /// The names it may open or create.
    pub files: Vec<String>,
    /// Does it, and panics if the claim does not hold.
    pub run: fn(&S, &mut Held<S>),
}

/// What steps of one claim pass on.
pub struct Held<S: Storage> {
    /// Devices that stay open.
    pub devices: Vec<S::Device>,
    /// The backend's abilities.
    pub abilities: Abilities,
}

/// Runs every claim on a backend that opens without waiting. `fresh` makes an empty storage. Returns how many claims held.
pub fn run<S: Storage>(abilities: Abilities, mut fresh: impl FnMut() -> S) -> usize {
    let future = run_async(abilities, async || fresh(), async |_: &S, _: &[String]| ());
    let mut future = pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(held) => held,
        // Neither closure above awaits anything.
        Poll::Pending => unreachable!("a suite without waiting waited"),
    }
}

/// Runs every claim on a backend that must wait: `prepare` is awaited before each step with the files it may open.
pub async fn run_async<S: Storage>(
    abilities: Abilities,
    mut fresh: impl AsyncFnMut() -> S,
    mut prepare: impl AsyncFnMut(&S, &[String]),
) -> usize {
    let mut held = 0;
    for claim in claims::<S>(&abilities) {
        if !(claim.applies)(&abilities) {
            continue;
        }
        let storage = fresh().await;
        let mut passed_on = Held { devices: Vec::new(), abilities };
        for step in &claim.steps {
            prepare(&storage, &step.files).await;
            (step.run)(&storage, &mut passed_on);
        }
        held += 1;
    }
    held
}

fn always(_: &Abilities) -> bool {
    true
}

#[track_caller]
fn create<S: Storage>(storage: &S, name: &str) -> S::Device {
    open(storage, name, OpenMode::Create)
}

#[track_caller]
fn open<S: Storage>(storage: &S, name: &str, mode: OpenMode) -> S::Device {
    match storage.open(name, mode) {
        Ok(device) => device,
        Err(error) => panic!("opening {name} ({mode:?}) must work: {error}"),
    }
}

#[track_caller]
fn write<D: Device>(device: &D, offset: u64, data: &[u8]) {
    if let Err(error) = device.write_at(offset, data) {
        panic!("writing {} bytes at {offset} must work: {error}", data.len());
    }
}

#[track_caller]
fn truncate<D: Device>(device: &D, len: u64) {
    if let Err(error) = device.truncate(len) {
        panic!("truncating to {len} must work: {error}");
    }
}

#[track_caller]
fn flush<D: Device>(device: &D) {
    if let Err(error) = device.flush() {
        panic!("flushing must work: {error}");
    }
}

#[track_caller]
fn expect_len<D: Device>(device: &D, expected: u64) {
    match device.len() {
        Ok(len) => assert!(len == expected, "the length must be {expected}, and is {len}"),
        Err(error) => panic!("asking the length must work: {error}"),
    }
}

#[track_caller]
fn expect_bytes<D: Device>(device: &D, offset: u64, expected: &[u8]) {
    // Filled with something else first: a backend that leaves the buffer alone must not pass.
    let mut seen: Vec<u8> = expected.iter().map(|byte| !byte).collect();
    if let Err(error) = device.read_at(offset, &mut seen) {
        panic!("reading {} bytes at {offset} must work: {error}", expected.len());
    }
    let differs = seen.iter().zip(expected).position(|(seen, expected)| seen != expected);
    if let Some(at) = differs {
        panic!("byte {} must be {:#04x}, and is {:#04x}", offset + at as u64, expected[at], seen[at]);
    }
}

#[track_caller]
fn expect_error<T>(result: Result<T, DeviceError>, op: DeviceOp, kind: DeviceErrorKind) {
    match result {
        Ok(_) => panic!("{op:?} must fail with {kind:?}, and works"),
        Err(error) => {
            assert!(error.kind == kind, "{op:?} must fail with {kind:?}, and fails with {:?}: {error}", error.kind);
            assert!(error.op == op, "the error must name {op:?}, and names {:?}", error.op);
        }
    }
}

#[track_caller]
fn expect_names<S: Storage>(storage: &S, expected: &[&str]) {
    match storage.list() {
        Ok(mut names) => {
            names.sort();
            assert!(names == expected, "the files must be {expected:?}, and are {names:?}");
        }
        Err(error) => panic!("listing must work: {error}"),
    }
}

/// Bytes that differ from place to place, so that a misplaced byte shows.
fn pattern(len: usize, salt: u64) -> Vec<u8> {
    let mut bytes = vec![0; len];
    crate::rng::Rng::new(salt).bytes(&mut bytes);
    bytes
}

/// The claims, for a harness that runs them one by one. Most run whether or not the backend has an optional ability.
#[expect(clippy::too_many_lines, reason = "a list of independent claims reads best as one list")]
pub fn claims<S: Storage>(abilities: &Abilities) -> Vec<Claim<S>> {
    fn one<S: Storage>(name: &'static str, run: fn(&S, &mut Held<S>)) -> Claim<S> {
        Claim { name, applies: always, steps: vec![Step { files: vec!["a".into()], run }] }
    }
    let numbered: Vec<String> = (0..abilities.files_max).map(|n| format!("file-{n}")).collect();
    let both = || vec!["a".to_string(), "b".to_string()];
    let first = || vec!["a".to_string()];
    vec![
        one("a created file is empty and is listed", |storage, _| {
            expect_names(storage, &[]);
            let device = create(storage, "a");
            expect_len(&device, 0);
            expect_names(storage, &["a"]);
        }),
        one("opening what is missing fails and makes nothing", |storage, _| {
            expect_error(storage.open("a", OpenMode::Write), DeviceOp::Open, DeviceErrorKind::NotFound);
            expect_error(storage.open("a", OpenMode::Read), DeviceOp::Open, DeviceErrorKind::NotFound);
            expect_names(storage, &[]);
        }),
        Claim {
            name: "creating what exists fails and changes nothing",
            applies: always,
            steps: vec![
                Step {
                    files: first(),
                    run: |storage, _| {
                        let device = create(storage, "a");
                        write(&device, 0, b"kept");
                        flush(&device);
                    },
                },
                Step {
                    files: first(),
                    run: |storage, _| {
                        expect_error(storage.open("a", OpenMode::Create), DeviceOp::Open, DeviceErrorKind::Exists);
                        expect_bytes(&open(storage, "a", OpenMode::Write), 0, b"kept");
                    },
                },
            ],
        },
        one("a failed creation leaves the file free to open", |storage, _| {
            drop(create(storage, "a"));
            expect_error(storage.open("a", OpenMode::Create), DeviceOp::Open, DeviceErrorKind::Exists);
            drop(open(storage, "a", OpenMode::Write));
        }),
        one("what was written is read", |storage, _| {
            let device = create(storage, "a");
            let data = pattern(100_000, 1);
            write(&device, 0, &data);
            expect_len(&device, 100_000);
            expect_bytes(&device, 0, &data);
            expect_bytes(&device, 4093, &data[4093..70_001]);
            expect_bytes(&device, 99_999, &data[99_999..]);
        }),
        one("reading past the end is a short read and not zeros", |storage, _| {
            let device = create(storage, "a");
            let mut out = [0; 4];
            expect_error(device.read_at(0, &mut out), DeviceOp::Read, DeviceErrorKind::ShortRead);
            write(&device, 0, b"12345");
            expect_error(device.read_at(2, &mut out), DeviceOp::Read, DeviceErrorKind::ShortRead);
            expect_error(device.read_at(5, &mut out[..1]), DeviceOp::Read, DeviceErrorKind::ShortRead);
            expect_error(device.read_at(1 << 40, &mut out), DeviceOp::Read, DeviceErrorKind::ShortRead);
            assert!(device.read_at(u64::MAX, &mut out).is_err(), "no file reaches the last byte that can be numbered");
            expect_bytes(&device, 1, b"2345");
        }),
        one("a gap left by a write reads as zeros", |storage, _| {
            let device = create(storage, "a");
            write(&device, 10_000, b"end");
            expect_len(&device, 10_003);
            expect_bytes(&device, 0, &[0; 10_000]);
            expect_bytes(&device, 10_000, b"end");
        }),
        one("an overwrite changes its bytes and no others", |storage, _| {
            let device = create(storage, "a");
            let mut data = pattern(20_000, 2);
            write(&device, 0, &data);
            for (offset, len, salt) in [(0, 1, 3), (511, 2, 4), (4096, 4096, 5), (8191, 5000, 6), (19_990, 10, 7)] {
                let piece = pattern(len, salt);
                write(&device, offset as u64, &piece);
                data[offset..offset + len].copy_from_slice(&piece);
            }
            expect_len(&device, 20_000);
            expect_bytes(&device, 0, &data);
        }),
        one("an overwrite may run past the end", |storage, _| {
            let device = create(storage, "a");
            write(&device, 0, &[1; 100]);
            write(&device, 90, &[2; 20]);
            expect_len(&device, 110);
            expect_bytes(&device, 88, &[1, 1, 2, 2]);
        }),
        one("truncating down forgets, and growing again shows zeros", |storage, _| {
            let device = create(storage, "a");
            write(&device, 0, &pattern(9000, 8));
            truncate(&device, 5000);
            expect_len(&device, 5000);
            let mut out = [0];
            expect_error(device.read_at(5000, &mut out), DeviceOp::Read, DeviceErrorKind::ShortRead);
            truncate(&device, 9000);
            expect_len(&device, 9000);
            expect_bytes(&device, 0, &pattern(9000, 8)[..5000]);
            expect_bytes(&device, 5000, &[0; 4000]);
        }),
        one("writing past a truncated end leaves zeros between", |storage, _| {
            let device = create(storage, "a");
            write(&device, 0, &[0xff; 8192]);
            truncate(&device, 100);
            write(&device, 300, b"x");
            expect_len(&device, 301);
            expect_bytes(&device, 100, &[0; 200]);
        }),
        one("truncating to nothing empties the file", |storage, _| {
            let device = create(storage, "a");
            write(&device, 0, b"gone");
            truncate(&device, 0);
            expect_len(&device, 0);
            write(&device, 0, b"new");
            expect_bytes(&device, 0, b"new");
        }),
        one("reads and writes of no bytes work and change nothing", |storage, _| {
            let device = create(storage, "a");
            write(&device, 0, &[]);
            expect_len(&device, 0);
            expect_bytes(&device, 0, &[]);
            write(&device, 0, b"abc");
            write(&device, 1, &[]);
            expect_bytes(&device, 3, &[]);
            expect_bytes(&device, 0, b"abc");
            expect_len(&device, 3);
        }),
        one("flushing is allowed at any time and twice", |storage, _| {
            let device = create(storage, "a");
            flush(&device);
            write(&device, 0, b"abc");
            flush(&device);
            flush(&device);
            expect_bytes(&device, 0, b"abc");
            if let Err(error) = storage.flush_names() {
                panic!("flushing names must work: {error}");
            }
        }),
        Claim {
            name: "a closed file keeps its bytes and its length",
            applies: always,
            steps: vec![
                Step {
                    files: first(),
                    run: |storage, _| {
                        let device = create(storage, "a");
                        write(&device, 0, &pattern(70_000, 9));
                        truncate(&device, 65_537);
                        flush(&device);
                    },
                },
                Step {
                    files: first(),
                    run: |storage, _| {
                        let device = open(storage, "a", OpenMode::Write);
                        expect_len(&device, 65_537);
                        expect_bytes(&device, 0, &pattern(70_000, 9)[..65_537]);
                        write(&device, 65_537, b"more");
                        expect_len(&device, 65_541);
                    },
                },
            ],
        },
        Claim {
            name: "a file opened for reading refuses changes",
            applies: always,
            steps: vec![
                Step {
                    files: first(),
                    run: |storage, _| {
                        let device = create(storage, "a");
                        write(&device, 0, b"fixed");
                        flush(&device);
                    },
                },
                Step {
                    files: first(),
                    run: |storage, _| {
                        let device = open(storage, "a", OpenMode::Read);
                        expect_bytes(&device, 0, b"fixed");
                        expect_error(device.write_at(0, b"x"), DeviceOp::Write, DeviceErrorKind::ReadOnly);
                        expect_error(device.write_at(9, b"x"), DeviceOp::Write, DeviceErrorKind::ReadOnly);
                        expect_error(device.truncate(1), DeviceOp::Truncate, DeviceErrorKind::ReadOnly);
                        expect_len(&device, 5);
                        expect_bytes(&device, 0, b"fixed");
                    },
                },
            ],
        },
        Claim {
            name: "files do not disturb each other",
            applies: always,
            steps: vec![Step {
                files: both(),
                run: |storage, _| {
                    let (a, b) = (create(storage, "a"), create(storage, "b"));
                    write(&a, 0, &[1; 5000]);
                    write(&b, 0, &[2; 3000]);
                    truncate(&a, 4000);
                    expect_len(&b, 3000);
                    expect_bytes(&a, 0, &[1; 4000]);
                    expect_bytes(&b, 0, &[2; 3000]);
                    expect_names(storage, &["a", "b"]);
                },
            }],
        },
        Claim {
            name: "a removed file is gone and may be made anew, empty",
            applies: always,
            steps: vec![
                Step {
                    files: both(),
                    run: |storage, _| {
                        write(&create(storage, "a"), 0, &[1; 1000]);
                        write(&create(storage, "b"), 0, &[2; 1000]);
                        if let Err(error) = storage.remove("a") {
                            panic!("removing must work: {error}");
                        }
                        expect_names(storage, &["b"]);
                        expect_error(storage.open("a", OpenMode::Write), DeviceOp::Open, DeviceErrorKind::NotFound);
                    },
                },
                Step {
                    files: both(),
                    run: |storage, _| {
                        expect_len(&create(storage, "a"), 0);
                        expect_len(&open(storage, "b", OpenMode::Write), 1000);
                        expect_names(storage, &["a", "b"]);
                    },
                },
            ],
        },
        one("removing what is not there is no error", |storage, _| {
            if let Err(error) = storage.remove("a") {
                panic!("removing what is missing must work: {error}");
            }
            expect_names(storage, &[]);
        }),
        Claim {
            name: "a file removed while open never comes back through its old device",
            applies: |abilities| abilities.removes_open_files,
            steps: vec![
                Step {
                    files: first(),
                    run: |storage, held| {
                        let device = create(storage, "a");
                        write(&device, 0, &[1; 1000]);
                        if let Err(error) = storage.remove("a") {
                            panic!("removing an open file must work: {error}");
                        }
                        expect_names(storage, &[]);
                        held.devices.push(device);
                    },
                },
                Step {
                    files: first(),
                    run: |storage, held| {
                        let anew = create(storage, "a");
                        for old in &held.devices {
                            // It may go on or fail; it must not reach the new file.
                            let _ = old.write_at(0, &[9; 500]);
                            let _ = old.flush();
                        }
                        held.devices.clear();
                        expect_len(&anew, 0);
                        expect_names(storage, &["a"]);
                    },
                },
            ],
        },
        Claim {
            name: "two devices on one file see each other's writes",
            applies: |abilities| abilities.shares_files,
            steps: vec![Step {
                files: first(),
                run: |storage, _| {
                    let writer = create(storage, "a");
                    let reader = open(storage, "a", OpenMode::Read);
                    write(&writer, 0, &[5; 2000]);
                    expect_len(&reader, 2000);
                    expect_bytes(&reader, 0, &[5; 2000]);
                    let second = open(storage, "a", OpenMode::Write);
                    write(&second, 1000, &[6; 2000]);
                    expect_len(&writer, 3000);
                    expect_bytes(&writer, 999, &[5, 6]);
                    truncate(&writer, 10);
                    expect_len(&second, 10);
                    drop(writer);
                    expect_bytes(&second, 0, &[5; 10]);
                },
            }],
        },
        one("far offsets are exact", |storage, held| {
            let device = create(storage, "a");
            let far = held.abilities.offset_max;
            write(&device, far, b"far");
            write(&device, 7, b"near");
            expect_len(&device, far + 3);
            expect_bytes(&device, far, b"far");
            expect_bytes(&device, far - 9, &[0; 9]);
            expect_bytes(&device, 7, b"near");
            let mut out = [0; 4];
            expect_error(device.read_at(far, &mut out), DeviceOp::Read, DeviceErrorKind::ShortRead);
            truncate(&device, 8);
            expect_len(&device, 8);
        }),
        one("writes anywhere add up to what a plain array holds", |storage, _| {
            let device = create(storage, "a");
            let mut rng = crate::rng::Rng::new(10);
            let mut array: Vec<u8> = Vec::new();
            for round in 0..300 {
                let offset = rng.index(30_000);
                if rng.one_in(10) {
                    truncate(&device, offset as u64);
                    array.resize(offset, 0);
                } else {
                    let piece = pattern(rng.index(3000), round);
                    write(&device, offset as u64, &piece);
                    // A write of nothing grows nothing.
                    if !piece.is_empty() {
                        array.resize(array.len().max(offset + piece.len()), 0);
                        array[offset..offset + piece.len()].copy_from_slice(&piece);
                    }
                }
                expect_len(&device, array.len() as u64);
            }
            expect_bytes(&device, 0, &array);
        }),
        Claim {
            name: "many files may be open at once",
            applies: always,
            steps: vec![
                Step {
                    files: numbered.clone(),
                    run: |storage, held| {
                        for n in 0..held.abilities.files_max {
                            let device = create(storage, &format!("file-{n}"));
                            write(&device, 0, &pattern(n % 700 + 1, n as u64));
                            held.devices.push(device);
                        }
                        for (n, device) in held.devices.iter().enumerate() {
                            expect_bytes(device, 0, &pattern(n % 700 + 1, n as u64));
                        }
                        held.devices.clear();
                    },
                },
                Step {
                    files: numbered,
                    run: |storage, held| {
                        let count = storage.list().map_or(0, |names| names.len());
                        let expected = held.abilities.files_max;
                        assert!(count == expected, "there must be {expected} files, and are {count}");
                        for n in 0..expected {
                            let device = open(storage, &format!("file-{n}"), OpenMode::Read);
                            expect_bytes(&device, 0, &pattern(n % 700 + 1, n as u64));
                        }
                    },
                },
            ],
        },
        one("an error names the file and the place", |storage, _| {
            let device = create(storage, "a");
            let mut out = [0; 8];
            match device.read_at(77, &mut out) {
                Ok(()) => panic!("reading an empty file must fail"),
                Err(error) => {
                    assert!(error.file == "a", "the error must name the file a, and names {:?}", error.file);
                    assert!(error.offset == 77, "the error must name byte 77, and names {}", error.offset);
                }
            }
        }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use coffer_store::{MemDevice, MemStorage};

    #[test]
    fn files_in_memory_pass() {
        assert!(run(Abilities::default(), MemStorage::new) > 20);
    }

    /// A backend that answers a short read with zeros, as more than one real one did.
    struct Lenient(MemStorage);
    struct LenientDevice(MemDevice);

    impl Storage for Lenient {
        type Device = LenientDevice;
        fn open(&self, name: &str, mode: OpenMode) -> Result<LenientDevice, DeviceError> {
            self.0.open(name, mode).map(LenientDevice)
        }
        fn list(&self) -> Result<Vec<String>, DeviceError> {
            self.0.list()
        }
        fn remove(&self, name: &str) -> Result<(), DeviceError> {
            self.0.remove(name)
        }
    }

    impl Device for LenientDevice {
        fn len(&self) -> Result<u64, DeviceError> {
            self.0.len()
        }
        fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), DeviceError> {
            self.0.read_at(offset, out).or_else(|_| {
                out.fill(0);
                Ok(())
            })
        }
        fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), DeviceError> {
            self.0.write_at(offset, data)
        }
        fn truncate(&self, len: u64) -> Result<(), DeviceError> {
            self.0.truncate(len)
        }
        fn flush(&self) -> Result<(), DeviceError> {
            self.0.flush()
        }
    }

    #[test]
    #[should_panic(expected = "must fail with ShortRead")]
    fn a_backend_that_pads_short_reads_does_not_pass() {
        run(Abilities::default(), || Lenient(MemStorage::new()));
    }
}

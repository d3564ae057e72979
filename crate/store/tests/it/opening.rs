//! What opening writes: nothing it need not, and what it must. Most of these were taught by mutants that lived.

use std::sync::{Arc, Mutex};

use coffer_store::{
    Device, DeviceError, DeviceErrorKind, DeviceOp, Entropy, Error, Inline, MemDevice, MemStorage, OpenMode, Options,
    Recovered, Storage, Store, Synchronous,
};

use crate::support::{Seeded, content, create, page, put, slot_key, small};

/// A call that changes something: the file, what was done, where and how much.
type Call = (String, &'static str, u64, u64);

/// Files in memory that remember what was done to them.
#[derive(Clone)]
struct Watched {
    files: MemStorage,
    calls: Arc<Mutex<Vec<Call>>>,
    /// A file that somebody else holds.
    busy: Option<&'static str>,
}

struct WatchedDevice {
    name: String,
    device: MemDevice,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Storage for Watched {
    type Device = WatchedDevice;

    fn open(&self, name: &str, mode: OpenMode) -> Result<WatchedDevice, DeviceError> {
        if self.busy == Some(name) {
            return Err(DeviceError::new(DeviceOp::Open, name, 0, DeviceErrorKind::Busy));
        }
        let device = self.files.open(name, mode)?;
        Ok(WatchedDevice { name: name.into(), device, calls: Arc::clone(&self.calls) })
    }

    fn list(&self) -> Result<Vec<String>, DeviceError> {
        self.files.list()
    }

    fn remove(&self, name: &str) -> Result<(), DeviceError> {
        self.calls.lock().unwrap().push((name.into(), "remove", 0, 0));
        self.files.remove(name)
    }
}

impl WatchedDevice {
    fn note(&self, what: &'static str, offset: u64, len: usize) {
        self.calls.lock().unwrap().push((self.name.clone(), what, offset, len as u64));
    }
}

impl Device for WatchedDevice {
    fn len(&self) -> Result<u64, DeviceError> {
        self.device.len()
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), DeviceError> {
        self.device.read_at(offset, out)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), DeviceError> {
        self.note("write", offset, data.len());
        self.device.write_at(offset, data)
    }

    fn truncate(&self, len: u64) -> Result<(), DeviceError> {
        self.note("truncate", len, 0);
        self.device.truncate(len)
    }

    fn flush(&self) -> Result<(), DeviceError> {
        self.note("flush", 0, 0);
        self.device.flush()
    }
}

/// Opens a copy of these files and tells what was done to them.
fn open_watched(files: &MemStorage, options: Options) -> (Store<Watched>, Recovered, Vec<Call>) {
    let watched = Watched { files: files.clone(), calls: Arc::default(), busy: None };
    let entropy: Box<dyn Entropy + Send> = Box::new(Seeded(4));
    let (store, recovered) = Store::open(watched.clone(), entropy, options, Some(&slot_key(1))).unwrap();
    let calls = watched.calls.lock().unwrap().clone();
    (store, recovered, calls)
}

#[test]
fn opening_what_was_closed_writes_nothing() {
    let files = MemStorage::new();
    let mut store = create(&files, small(), Some(1));
    put(&mut store, 1..=20, 1);
    store.close().unwrap();
    let (_, recovered, calls) = open_watched(&files, small());
    assert_eq!((recovered.bytes_dropped, calls), (0, vec![]));
}

#[test]
fn opening_for_reading_only_writes_nothing_whatever_it_finds() {
    let files = MemStorage::new();
    let mut store = create(&files, small(), Some(1));
    put(&mut store, 1..=20, 1);
    drop(store);
    let mut log = files.bytes("log-0").unwrap();
    log.truncate(log.len() - 1);
    files.put("log-0", log);
    let (_, recovered, calls) = open_watched(&files, Options { read_only: true, ..small() });
    assert_eq!(calls, vec![]);
    assert!(recovered.bytes_dropped > 0);
}

#[test]
fn only_what_nobody_called_flushed_is_written_again() {
    let files = MemStorage::new();
    let mut store = create(&files, small(), Some(1));
    for version in 1..=50 {
        put(&mut store, [1], version);
    }
    drop(store);
    let log_bytes = files.bytes("log-0").unwrap().len() as u64;
    let (mut store, recovered, calls) = open_watched(&files, small());
    assert_eq!(recovered.bytes_dropped, 0);
    let [(_, "write", start, len), (_, "flush", 0, 0)] = calls.as_slice() else { panic!("{calls:?}") };
    assert_eq!(start + len, log_bytes);
    assert!(*len < log_bytes / 10, "{len} of {log_bytes} bytes written again for one commit of fifty");
    assert_eq!(store.flushed(), store.head());
    store.flush().unwrap();
}

#[test]
fn a_log_of_which_nothing_was_called_flushed_is_written_again_with_its_header() {
    let files = MemStorage::new();
    let mut store = create(&files, small(), Some(1));
    put(&mut store, 1..=5, 1);
    drop(store);
    let log_bytes = files.bytes("log-0").unwrap().len() as u64;
    let (_, _, calls) = open_watched(&files, small());
    assert_eq!(calls, [("log-0".into(), "write", 0, log_bytes), ("log-0".into(), "flush", 0, 0)]);
}

#[test]
fn a_torn_tail_is_reported_and_cut_off_where_the_last_commit_ended() {
    let files = MemStorage::new();
    let mut store = create(&files, small(), Some(1));
    put(&mut store, 1..=5, 1);
    let whole = files.bytes("log-0").unwrap();
    put(&mut store, 1..=5, 2);
    drop(store);
    let mut torn = files.bytes("log-0").unwrap();
    torn.truncate(whole.len() + 100);
    files.put("log-0", torn);
    let (store, recovered, calls) = open_watched(&files, small());
    assert_eq!((recovered.bytes_dropped, store.head().0), (100, 1));
    assert!(calls.contains(&("log-0".into(), "truncate", whole.len() as u64, 0)), "{calls:?}");
    assert_eq!(files.bytes("log-0"), Some(whole));
}

#[test]
fn the_root_is_written_to_its_two_slots_in_turn() {
    let files = MemStorage::new();
    let mut store = create(&files, small(), Some(1));
    store.set_archive(true).unwrap();
    store.set_archive(false).unwrap();
    let root = files.bytes("manifest").unwrap();
    assert!(root.len() > 32_768);
    let generation = |start: usize| u64::from_le_bytes(root[start + 16..start + 24].try_into().unwrap());
    assert_eq!(&root[..8], b"COFFERMF");
    assert_eq!(&root[32_768..32_776], b"COFFERMF");
    assert_eq!(generation(0).abs_diff(generation(32_768)), 1);
}

#[test]
fn commits_that_were_not_flushed_count_when_they_are_there() {
    let files = MemStorage::new();
    let mut store = create(&files, small(), Some(1));
    let mut txn = store.begin();
    txn.write(page(1), &content(store.page_size(), 1, 1)).unwrap();
    let relaxed = coffer_store::Commit { synchronous: Synchronous::Off, ..coffer_store::Commit::default() };
    store.commit(txn, relaxed).unwrap();
    drop(store);
    let (store, recovered, _) = open_watched(&files, small());
    assert_eq!((recovered.bytes_dropped, store.head().0, store.flushed().0), (0, 1, 1));
}

#[test]
fn a_root_that_somebody_holds_is_not_one_that_is_missing() {
    let files = MemStorage::new();
    let mut store = create(&files, small(), None);
    put(&mut store, 1..=5, 1);
    store.export(None, files.open("copy", OpenMode::Create).unwrap(), &Inline, 1).unwrap();
    put(&mut store, 1..=5, 2);
    drop(store);
    let watched = Watched { files, calls: Arc::default(), busy: Some("manifest") };
    let options = Options { base: Some("copy".into()), ..small() };
    let error = Store::open(watched, Box::new(Seeded(5)), options, None).unwrap_err();
    assert!(matches!(error, Error::Device(error) if error.kind == DeviceErrorKind::Busy), "an older copy was opened");
}

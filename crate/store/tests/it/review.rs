//! What a review of the engine found: each test was red once.

use std::sync::{Arc, Mutex};

use coffer_store::{
    Cipher, Commit, Device, DeviceError, DeviceErrorKind, DeviceOp, Error, Limit, MemDevice, MemStorage, NewKey,
    OpenMode, Scratch, SlotKind, Storage, Store, Txn,
};

use crate::support::{Seeded, content, create, open, page, put, slot_key, small};

type Fault = (&'static str, DeviceOp, DeviceErrorKind);

/// What somebody else does right before a read, and how many reads go before that.
type Meanwhile = (usize, Box<dyn FnMut() + Send>);

/// A disk that is full for the next write to a file whose name begins so, or fails otherwise; or that somebody else uses as well.
#[derive(Clone, Default)]
pub(crate) struct Filling {
    pub(crate) files: MemStorage,
    next: Arc<Mutex<Option<Fault>>>,
    /// Read by another process.
    pinned: Option<&'static str>,
    pub(crate) meanwhile: Arc<Mutex<Option<Meanwhile>>>,
}

pub(crate) struct FillingDevice {
    name: String,
    device: MemDevice,
    next: Arc<Mutex<Option<Fault>>>,
    meanwhile: Arc<Mutex<Option<Meanwhile>>>,
}

impl Filling {
    pub(crate) fn fill(&self, name: &'static str) {
        self.fail(name, DeviceOp::Write, DeviceErrorKind::NoSpace);
    }

    /// The next such operation on a file whose name begins so fails.
    pub(crate) fn fail(&self, name: &'static str, op: DeviceOp, kind: DeviceErrorKind) {
        *self.next.lock().unwrap() = Some((name, op, kind));
    }
}

impl Storage for Filling {
    type Device = FillingDevice;

    fn open(&self, name: &str, mode: OpenMode) -> Result<FillingDevice, DeviceError> {
        let device = self.files.open(name, mode)?;
        let (next, meanwhile) = (Arc::clone(&self.next), Arc::clone(&self.meanwhile));
        Ok(FillingDevice { name: name.into(), device, next, meanwhile })
    }

    fn list(&self) -> Result<Vec<String>, DeviceError> {
        self.files.list()
    }

    fn remove(&self, name: &str) -> Result<(), DeviceError> {
        self.files.remove(name)
    }

    fn is_pinned(&self, name: &str) -> bool {
        self.pinned == Some(name)
    }
}

impl Device for FillingDevice {
    fn len(&self) -> Result<u64, DeviceError> {
        self.device.len()
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), DeviceError> {
        let mut meanwhile = self.meanwhile.lock().unwrap();
        match &mut *meanwhile {
            Some((0, act)) => {
                act();
                *meanwhile = None;
            }
            Some((before, _)) => *before -= 1,
            None => {}
        }
        self.device.read_at(offset, out)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), DeviceError> {
        self.meet(DeviceOp::Write, offset)?;
        self.device.write_at(offset, data)
    }

    fn truncate(&self, len: u64) -> Result<(), DeviceError> {
        self.device.truncate(len)
    }

    fn flush(&self) -> Result<(), DeviceError> {
        self.meet(DeviceOp::Flush, 0)?;
        self.device.flush()
    }
}

impl FillingDevice {
    fn meet(&self, op: DeviceOp, offset: u64) -> Result<(), DeviceError> {
        let mut next = self.next.lock().unwrap();
        match next.take_if(|(name, at, _)| self.name.starts_with(*name) && *at == op) {
            Some((_, _, kind)) => Err(DeviceError::new(op, &self.name, offset, kind)),
            None => Ok(()),
        }
    }
}

pub(crate) fn create_filling(disk: &Filling, key: Option<u8>) -> Store<Filling> {
    let key = key.map(slot_key);
    let new_key =
        key.as_ref().map(|key| NewKey { cipher: Cipher::Aes256Gcm, kind: SlotKind::Raw, parameters: Vec::new(), key });
    Store::create(disk.clone(), Box::new(Seeded(1)), small(), new_key).unwrap()
}

pub(crate) fn write<D: Device>(txn: &mut Txn<D>, pages: impl IntoIterator<Item = u32>, version: u64) {
    let size = small().page_size;
    for number in pages {
        txn.write(page(number), &content(size, number, version)).unwrap();
    }
}

/// Whether these pages have this version in the newest state.
pub(crate) fn assert_version<S: Storage>(store: &Store<S>, pages: impl IntoIterator<Item = u32>, version: u64) {
    let mut scratch = Scratch::default();
    let mut out = vec![0; store.page_size().bytes()];
    for number in pages {
        assert!(store.snapshot().read(page(number), &mut out, &mut scratch).unwrap(), "page {number} is not there");
        assert_eq!(out, content(store.page_size(), number, version), "page {number}");
    }
}

#[test]
fn a_transaction_whose_spill_met_a_full_disk_commits_all_of_it_or_nothing() {
    for begun in [false, true] {
        let disk = Filling::default();
        let mut store = create_filling(&disk, None);
        if begun {
            let mut txn = store.begin();
            write(&mut txn, 1..=2, 1);
            store.commit(txn, Commit::default()).unwrap();
        }
        let mut txn = store.begin();
        write(&mut txn, 1..=20, 2);
        store.spill(&mut txn).unwrap();
        write(&mut txn, 21..=40, 2);
        disk.fill("log-");
        assert!(matches!(store.spill(&mut txn), Err(Error::Device(_))));
        let mut out = vec![0; 1024];
        assert!(txn.read(page(7), &mut out, &mut Scratch::default()).unwrap());
        assert_eq!(out, content(small().page_size, 7, 2));
        store.spill(&mut txn).unwrap();
        write(&mut txn, 41..=50, 2);
        store.commit(txn, Commit::default()).unwrap();
        assert_version(&store, 1..=50, 2);
        drop(store);
        assert_version(&open(&disk.files, small(), None), 1..=50, 2);
    }
}

#[test]
fn a_full_disk_while_keys_change_leaves_a_root_that_its_key_opens() {
    type Change = fn(&mut Store<Filling>) -> Result<(), Error>;
    let rotate: Change = |store| store.rotate_key(&[(0, &slot_key(1))]);
    let decrypt: Change = |store| store.decrypt(&coffer_store::Inline, 1);
    for change in [rotate, decrypt] {
        let disk = Filling::default();
        let mut store = create_filling(&disk, Some(1));
        disk.fill("manifest");
        assert!(matches!(change(&mut store), Err(Error::Device(_))));
        let mut txn = store.begin();
        write(&mut txn, 1..=3, 1);
        store.commit(txn, Commit::default()).unwrap();
        drop(store);
        assert_version(&open(&disk.files, small(), Some(1)), 1..=3, 1);
    }
}

#[test]
fn keys_can_be_rotated_any_number_of_times() {
    let storage = MemStorage::new();
    let mut store = create(&storage, small(), Some(1));
    put(&mut store, 1..=3, 1);
    for _ in 0..80 {
        store.rotate_key(&[(0, &slot_key(1))]).unwrap();
    }
    drop(store);
    assert_version(&open(&storage, small(), Some(1)), 1..=3, 1);
}

#[test]
fn too_many_keys_in_use_are_refused_before_the_root_is_written() {
    let storage = MemStorage::new();
    let mut store = create(&storage, small(), Some(1));
    let refused = (0..80).find_map(|version| {
        put(&mut store, 1..=3, version);
        store.rotate_key(&[(0, &slot_key(1))]).err()
    });
    assert!(matches!(refused, Some(Error::Limit(Limit::Manifest))), "{refused:?}");
    put(&mut store, 1..=3, 100);
    drop(store);
    assert_version(&open(&storage, small(), Some(1)), 1..=3, 100);
}

#[test]
fn no_commit_after_a_rotation_is_under_the_old_key() {
    let storage = MemStorage::new();
    let mut store = create(&storage, small(), Some(1));
    // A transaction that was given up leaves a begun log with no commit in it.
    let mut txn = store.begin();
    write(&mut txn, 1..=3, 1);
    store.spill(&mut txn).unwrap();
    let busy = store.rotate_key(&[(0, &slot_key(1))]);
    assert!(matches!(busy, Err(Error::Limit(Limit::LogFull))), "{busy:?}");
    drop(txn);
    let reader = store.snapshot();
    store.rotate_key(&[(0, &slot_key(1))]).unwrap();
    put(&mut store, 1..=3, 2);
    assert_eq!(store.finish_rotation().unwrap(), 1, "data keys that are still needed");
    drop(reader);
    drop(store);
    assert_version(&open(&storage, small(), Some(1)), 1..=3, 2);
}

#[test]
fn a_creation_that_the_power_interrupted_can_be_repeated() {
    let whole = MemStorage::new();
    drop(create(&whole, small(), Some(1)));
    let mut torn = whole.bytes("manifest").unwrap();
    torn.truncate(100);
    for left in [Vec::new(), vec![0; 400], torn] {
        let storage = MemStorage::new();
        storage.put("manifest", left);
        let opened = Store::open(storage.clone(), Box::new(Seeded(2)), small(), Some(&slot_key(1))).err();
        let missing = |error: &Error| matches!(error, Error::Device(error) if error.kind == DeviceErrorKind::NotFound);
        assert!(opened.as_ref().is_some_and(missing), "{opened:?}");
        let mut store = create(&storage, small(), Some(1));
        put(&mut store, 1..=3, 1);
        drop(store);
        assert_version(&open(&storage, small(), Some(1)), 1..=3, 1);
        // With anything of a database beside it, a damaged root is no interrupted creation.
        storage.put("manifest", Vec::new());
        assert!(Store::open(storage.clone(), Box::new(Seeded(2)), small(), Some(&slot_key(1))).is_err());
        let again = Store::create(storage.clone(), Box::new(Seeded(1)), small(), None).err();
        assert!(matches!(again, Some(Error::Device(error)) if error.kind == DeviceErrorKind::Exists));
    }
    let storage = MemStorage::new();
    storage.put("manifest", b"somebody else's".to_vec());
    assert!(Store::create(storage.clone(), Box::new(Seeded(1)), small(), None).is_err());
    assert_eq!(storage.bytes("manifest").unwrap(), b"somebody else's");
}

#[test]
fn a_single_file_survives_a_crash_in_its_first_root() {
    let storage = MemStorage::new();
    let mut store = create(&storage, small(), Some(1));
    put(&mut store, 1..=3, 1);
    let exported = Arc::new(MemDevice::new("out", Vec::new()));
    store.export(None, Arc::clone(&exported), &coffer_store::Inline, 1).unwrap();
    let single = MemStorage::new();
    single.put("notes", exported.to_vec());
    single.put("manifest", vec![0; 33_000]);
    let options = || coffer_store::Options { base: Some("notes".into()), ..small() };
    let mut store = open(&single, options(), Some(1));
    assert_version(&store, 1..=3, 1);
    put(&mut store, 2..=4, 2);
    drop(store);
    assert_version(&open(&single, options(), Some(1)), 2..=4, 2);
}

#[test]
fn a_dictionary_for_which_there_was_no_room_leaves_the_one_before() {
    let disk = Filling::default();
    let mut store = create_filling(&disk, None);
    let (first, second) = (b"the first".repeat(40), b"the second".repeat(40));
    for before in [None, Some(first.as_slice())] {
        store.embed_dictionary(before.map(<[u8]>::to_vec)).unwrap();
        disk.fill("seg-");
        assert!(store.embed_dictionary(Some(second.clone())).is_err());
        assert_eq!(store.dictionary(), before);
    }
}

#[test]
fn compaction_ends_whatever_index_and_dictionary_take() {
    let storage = MemStorage::new();
    let dictionary = (0..1u32 << 20).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut store = create(&storage, small(), None);
    store.embed_dictionary(Some(dictionary)).unwrap();
    put(&mut store, 1..=3, 1);
    store.checkpoint(&coffer_store::Inline, 1).unwrap();
    store.compact(coffer_store::Compaction::All, &coffer_store::Inline, 1).unwrap();
    assert!(store.compact_job(coffer_store::Compaction::Auto).unwrap().is_none());
    assert!(store.compact_job(coffer_store::Compaction::All).unwrap().is_none());
    assert_eq!(store.stats().dead_bytes, 0);
}

#[test]
fn a_log_that_a_reader_held_through_an_encryption_is_emptied() {
    let plain = |storage: &MemStorage| {
        let files = storage.list().unwrap().into_iter().map(|name| (storage.bytes(&name).unwrap(), name));
        files
            .filter(|(bytes, _)| bytes.windows(5).any(|window| window == b"quick"))
            .map(|(_, name)| name)
            .collect::<Vec<_>>()
    };
    let nothing: Vec<String> = Vec::new();
    let none = coffer_store::CodecChoice::new(coffer_store::Codec::None, 0).unwrap();
    let storage = MemStorage::new();
    let mut store = create(&storage, coffer_store::Options { hot: none, cold: none, ..small() }, None);
    put(&mut store, 1..=10, 1);
    store.checkpoint(&coffer_store::Inline, 1).unwrap();
    put(&mut store, 1..=5, 1);
    let reader = store.snapshot();
    let key = slot_key(1);
    let new_key = NewKey { cipher: Cipher::Aes256Gcm, kind: SlotKind::Raw, parameters: Vec::new(), key: &key };
    store.encrypt(new_key, &coffer_store::Inline, 1).unwrap();
    let held = storage.clone();
    let copy = MemStorage::new();
    for name in held.list().unwrap() {
        copy.put(&name, held.bytes(&name).unwrap());
    }
    drop(reader);
    put(&mut store, 1..=2, 2);
    store.checkpoint(&coffer_store::Inline, 1).unwrap();
    assert_eq!(plain(&storage), nothing);
    // The process ended while the reader was there.
    let store = open(&copy, small(), Some(1));
    assert_version(&store, 1..=10, 1);
    assert_eq!(plain(&copy), nothing, "after a reopening");
}

#[test]
fn a_refresh_leaves_a_spilled_transaction_alone() {
    let storage = MemStorage::new();
    let mut store = create(&storage, small(), None);
    put(&mut store, 1..=10, 1);
    store.checkpoint(&coffer_store::Inline, 1).unwrap();
    put(&mut store, 1..=10, 2);
    store.checkpoint(&coffer_store::Inline, 1).unwrap();
    let mut txn = store.begin();
    write(&mut txn, 1..=5, 3);
    store.spill(&mut txn).unwrap();
    assert!(!store.refresh().unwrap());
    write(&mut txn, 6..=10, 3);
    store.spill(&mut txn).unwrap();
    let mut out = vec![0; 1024];
    for number in 1..=10 {
        assert!(txn.read(page(number), &mut out, &mut Scratch::default()).unwrap());
        assert_eq!(out, content(small().page_size, number, 3));
    }
    store.commit(txn, Commit::default()).unwrap();
    assert_version(&store, 1..=10, 3);
}

/// A database of three pages whose log is folded.
fn with_a_waiting_log() -> Filling {
    let disk = Filling::default();
    let mut store = create_filling(&disk, None);
    let mut txn = store.begin();
    write(&mut txn, 1..=3, 1);
    store.commit(txn, Commit::default()).unwrap();
    store.checkpoint(&coffer_store::Inline, 1).unwrap();
    drop(store);
    disk
}

#[test]
fn a_log_that_another_process_reads_is_not_used_after_a_reopening() {
    let disk = with_a_waiting_log();
    let pinned = Filling { pinned: Some("log-0"), ..disk.clone() };
    let before = disk.files.bytes("log-0").unwrap();
    let (mut store, _) = Store::open(pinned, Box::new(Seeded(3)), small(), None).unwrap();
    let mut txn = store.begin();
    write(&mut txn, 1..=3, 2);
    store.commit(txn, Commit::default()).unwrap();
    assert!(disk.files.bytes("log-0").unwrap() == before, "the log was written over");
    drop(store);
    assert_version(&open(&disk.files, small(), None), 1..=3, 2);
}

#[test]
fn a_waiting_log_that_another_process_reads_is_not_cut() {
    let disk = with_a_waiting_log();
    let before = disk.files.bytes("log-0").unwrap().len();
    for (pinned, left) in [(Some("log-0"), before), (None, 0)] {
        let reading = Filling { pinned, ..disk.clone() };
        let (mut store, _) = Store::open(reading, Box::new(Seeded(3)), small(), None).unwrap();
        store.set_options(|options| options.log_bytes_kept = 0);
        store.tidy().unwrap();
        assert_eq!(disk.files.bytes("log-0").unwrap().len(), left, "read by another process: {}", pinned.is_some());
    }
}

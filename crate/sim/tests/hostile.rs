//! Files that are not what they should be: each gets its own error, and none makes the engine panic, loop or take memory
//! that the input has not paid for. One test, since it watches the memory of the whole process.

use cap::Cap;
use coffer_sim::{Profile, Rng, SimStorage, run};
use coffer_store::{Cipher, Error, Foreign, NewKey, Options, SlotKey, SlotKind, Storage, Store, Unsupported, crc32};

#[global_allocator]
static ALLOCATOR: Cap<std::alloc::System> = Cap::new(std::alloc::System, usize::MAX);

/// The simulated files, their copies and the engine's own windows stay far below this.
const PEAK_BYTES_MAX: usize = 160 << 20;

fn open(storage: &SimStorage) -> Result<Store<SimStorage>, Error> {
    Store::open(storage.clone(), Box::new(Rng::new(1)), Options::default(), None).map(|(store, _)| store)
}

fn with_manifest(bytes: Vec<u8>) -> SimStorage {
    let storage = SimStorage::new(1);
    storage.put("manifest", bytes);
    storage
}

fn foreign_files_are_refused_by_name() {
    let mut sqlite = b"SQLite format 3\0".to_vec();
    sqlite.resize(8192, 1);
    let error = open(&with_manifest(sqlite)).unwrap_err();
    assert!(matches!(&error, Error::Foreign { hint: Foreign::Sqlite, .. }), "{error:?}");
    let error = open(&with_manifest(b"GIF89a and so on, for quite a while".repeat(300))).unwrap_err();
    assert!(matches!(&error, Error::Foreign { hint: Foreign::Unknown, .. }), "{error:?}");
    let error = open(&SimStorage::new(1)).unwrap_err();
    assert_eq!(error.code(), "not_found", "{error:?}");
}

/// A manifest slot: 44 bytes of fields with the version at 8 and the body's length at 40, a checksum over all but itself, an
/// authentication code of 32 bytes, the body.
fn with_version(mut slot: Vec<u8>, version: u16) -> Vec<u8> {
    slot[8..10].copy_from_slice(&version.to_le_bytes());
    let body_bytes = u32::from_le_bytes(slot[40..44].try_into().unwrap()) as usize;
    let crc = crc32(&[&slot[..44], &slot[48..80 + body_bytes]]);
    slot[44..48].copy_from_slice(&crc.to_le_bytes());
    slot
}

fn a_newer_version_is_refused_as_such_and_nothing_is_written() {
    let storage = SimStorage::new(1);
    Store::create(storage.clone(), Box::new(Rng::new(1)), Options::default(), None).unwrap().close().unwrap();
    let slot = storage.bytes("manifest").unwrap();
    open(&with_manifest(with_version(slot.clone(), 1))).unwrap();
    let storage = with_manifest(with_version(slot, 0xee));
    let error = open(&storage).unwrap_err();
    assert!(matches!(&error, Error::Unsupported { what: Unsupported::Version(0xee), .. }), "{error:?}");
    assert_eq!(storage.counters().writes.calls, 0);
}

fn an_encrypted_database_tells_a_wrong_key_from_none() {
    let storage = SimStorage::new(1);
    let key = SlotKey::take(&mut [7; 32]);
    let new_key = NewKey { cipher: Cipher::Aes256Gcm, kind: SlotKind::Raw, parameters: Vec::new(), key: &key };
    Store::create(storage.clone(), Box::new(Rng::new(1)), Options::default(), Some(new_key)).unwrap().close().unwrap();
    let written = storage.counters().writes;
    assert_eq!(open(&storage).unwrap_err(), Error::KeyRequired);
    let wrong = SlotKey::take(&mut [8; 32]);
    let opened = Store::open(storage.clone(), Box::new(Rng::new(1)), Options::default(), Some(&wrong));
    assert_eq!(opened.unwrap_err(), Error::WrongKey);
    assert_eq!(storage.counters().writes, written);
    Store::open(storage, Box::new(Rng::new(1)), Options::default(), Some(&key)).unwrap();
}

/// A whole database of which one file is replaced by noise, by a piece of another file, or by a far too long one.
fn files_that_changed_places_are_noticed() {
    for seed in 0..200 {
        let mut rng = Rng::new(seed);
        let storage = SimStorage::new(seed);
        let mut store = Store::create(storage.clone(), Box::new(Rng::new(seed)), Options::default(), None).unwrap();
        for number in 1..=rng.between(1, 5) {
            let mut txn = store.begin();
            let page = coffer_store::PageNo::new(u32::try_from(number).unwrap()).unwrap();
            txn.write(page, &vec![u8::try_from(number).unwrap(); 8192]).unwrap();
            store.commit(txn, coffer_store::Commit::default()).unwrap();
            if rng.one_in(2) {
                store.checkpoint(&coffer_store::Inline, 1).unwrap();
            }
        }
        store.close().unwrap();
        let names = storage.list().unwrap();
        let (target, source) = (rng.pick(&names).clone(), rng.pick(&names).clone());
        let mut bytes = storage.bytes(&source).unwrap();
        match rng.below(4) {
            0 => rng.bytes(&mut bytes),
            1 => bytes.resize(bytes.len() * 5 + 70_000, 0xff),
            2 => bytes.truncate(rng.index(bytes.len() + 1)),
            _ => {}
        }
        storage.put(&target, bytes);
        if let Ok(mut store) = open(&storage) {
            let _ = store.checkpoint(&coffer_store::Inline, 1);
            let _ = store.close();
        }
    }
}

#[test]
fn hostile_files_cost_an_error_and_nothing_else() {
    foreign_files_are_refused_by_name();
    a_newer_version_is_refused_as_such_and_nothing_is_written();
    an_encrypted_database_tells_a_wrong_key_from_none();
    files_that_changed_places_are_noticed();
    for seed in 0..40 {
        if let Err(failure) = run(seed, Profile::AtRest) {
            panic!("{failure}");
        }
    }
    let peak = ALLOCATOR.max_allocated();
    assert!(peak < PEAK_BYTES_MAX, "the process took {peak} bytes");
}

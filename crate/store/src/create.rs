//! Creating a database, and writing its root.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::cipher::Cipher;
use crate::codec::Dictionary;
use crate::device::{Device, DeviceError, DeviceErrorKind, DeviceOp, OpenMode, Storage};
use crate::entropy::Entropy;
use crate::error::{Error, Limit, Result, Unsupported};
use crate::format::layout::{DICTIONARY_BYTES_MAX, MANIFEST_SLOT_BYTES};
use crate::format::manifest::{Manifest, Slot, decode_slot};
use crate::ids::{Chain, CommitId, DatabaseId, Epoch, LogGeneration, PageCount, SegmentId};
use crate::job::Inline;
use crate::keys::{DataKey, KeySlot, Keyring, MasterKey, SlotKey, Wrapped};
use crate::options::{NewKey, Options};
use crate::recover::{MANIFEST, is_unfinished, manifest_slot, newest_generation};
use crate::store::Store;

impl<S: Storage> Store<S> {
    /// Creates a database where there is none, and opens it.
    pub fn create(
        storage: S,
        mut entropy: Box<dyn Entropy + Send>,
        options: Options,
        new_key: Option<NewKey<'_>>,
    ) -> Result<Self> {
        options.hot.codec().require().and(options.cold.codec().require()).map_err(unsupported)?;
        if options.dictionary.as_ref().is_some_and(|dictionary| dictionary.len() > DICTIONARY_BYTES_MAX) {
            return Err(Limit::Dictionary.into());
        }
        let unfinished = unfinished_root(&storage)?;
        let mut database = DatabaseId([0; 16]);
        entropy.fill(&mut database.0);
        let mut manifest = Manifest {
            cipher: Cipher::None,
            generation: 0,
            database,
            page_size: options.page_size,
            page_count: PageCount(0),
            commit: CommitId::ZERO,
            chain: Chain(database.0),
            flushed: CommitId::ZERO,
            segment_next: SegmentId(1),
            log_first: LogGeneration(1),
            hot: options.hot,
            cold: options.cold,
            epoch: Epoch(0),
            archive: false,
            history_floor: CommitId::ZERO,
            log_bytes_written: 0,
            segment_bytes_written: 0,
            pins: Vec::new(),
            segments: Vec::new(),
            data_keys: Vec::new(),
            slots: Vec::new(),
        };
        let mut slot_key = None;
        let keys = match new_key {
            Some(new_key) => {
                slot_key = Some(new_key.key);
                Some(add_encryption(&mut manifest, &mut *entropy, new_key)?)
            }
            None => None,
        };
        let device = match unfinished {
            Some(device) => device,
            None => storage.open(MANIFEST, OpenMode::Create)?,
        };
        let bytes = encode_root(&manifest, keys.as_ref())?;
        let (start, _) = manifest_slot(manifest.generation);
        device.write_at(start, &bytes)?;
        device.flush()?;
        storage.flush_names()?;
        drop(device);
        let dictionary = options.dictionary.clone();
        let (mut store, _) = Self::open(storage, entropy, options, slot_key)?;
        store.root_confirmed = true;
        if let Some(dictionary) = dictionary {
            store.embed_dictionary(Some(dictionary))?;
        }
        Ok(store)
    }

    /// Writes the root as `change` makes it, to the slot that does not hold the newest, and flushes. On an error the store
    /// goes on with the old root.
    pub(crate) fn write_manifest(&mut self, change: impl FnOnce(Manifest) -> Result<Manifest>) -> Result<()> {
        self.write_root(NewKeys::Same, change)
    }

    /// The same, with the keys that the new root is written under. On an error the store goes on with the old ones.
    pub(crate) fn write_root(
        &mut self,
        keys: NewKeys,
        change: impl FnOnce(Manifest) -> Result<Manifest>,
    ) -> Result<()> {
        self.check_writable()?;
        let manifest = change(self.manifest.clone())?;
        self.put_root(keys, manifest)
    }

    /// For every change the same, so it is compiled once.
    fn put_root(&mut self, keys: NewKeys, mut manifest: Manifest) -> Result<()> {
        self.check_newest_root()?;
        self.confirm_root()?;
        manifest.generation += 1;
        manifest.flushed = self.flushed.max(manifest.commit);
        manifest.log_bytes_written += self.counters_unsaved.log_bytes;
        manifest.segment_bytes_written += self.counters_unsaved.segment_bytes;
        if self.manifest_device.is_none() {
            self.manifest_device = Some(match self.storage.open(MANIFEST, OpenMode::Create) {
                // Left by a crash in the first write of it.
                Err(error) if error.kind == DeviceErrorKind::Exists => self.storage.open(MANIFEST, OpenMode::Write)?,
                other => other?,
            });
            self.names_changed = true;
        }
        let master = match &keys {
            NewKeys::Same => self.keys.as_ref(),
            NewKeys::These(keys) => Some(keys),
            NewKeys::None => None,
        };
        let bytes = encode_root(&manifest, master)?;
        if let Err(error) = self.put_manifest(manifest.generation, &bytes) {
            self.restore_manifest(&error);
            return Err(error);
        }
        match keys {
            NewKeys::Same => {}
            NewKeys::These(keys) => self.keys = Some(keys),
            NewKeys::None => self.keys = None,
        }
        if self.names_changed {
            self.storage.flush_names().map_err(|error| self.poison(error))?;
            self.names_changed = false;
        }
        self.counters_unsaved = crate::store::Counters::default();
        self.root_confirmed = true;
        self.manifest = manifest;
        Ok(())
    }

    /// Makes sure, once after an opening, that the root that was found is durable: by writing it over itself. A failed flush
    /// of the process before may have left it readable and not durable, and then the other slot, which is written next,
    /// holds the only durable root, and logs that the found one has outlived are still needed.
    pub(crate) fn confirm_root(&mut self) -> Result<()> {
        if self.root_confirmed || self.manifest_device.is_none() {
            return Ok(());
        }
        let bytes = encode_root(&self.manifest, self.keys.as_ref())?;
        if let Err(error) = self.put_manifest(self.manifest.generation, &bytes) {
            self.poisoned = true;
            return Err(error);
        }
        self.root_confirmed = true;
        Ok(())
    }

    /// What a verb ends with that found everything as it was asked for: before it says so, the root that says so has to be
    /// durable. The process before may have died between writing and flushing it.
    pub(crate) fn confirm_answer(&mut self) -> Result<()> {
        self.check_writable()?;
        self.check_newest_root()?;
        self.confirm_root()
    }

    /// Finds that nobody else has written a root since ours. A lock should see to that; where it did not, as for a tab that
    /// was frozen and woke up, writing on would fork the database, so the store stops.
    pub(crate) fn check_newest_root(&mut self) -> Result<()> {
        self.find_root()?;
        let Some(device) = &self.manifest_device else { return Ok(()) };
        let newest = newest_generation(device)?;
        if newest.is_some_and(|newest| newest > self.manifest.generation) {
            return Err(self.poison(Error::Conflict { base: self.manifest.commit, head: self.view.commit }));
        }
        Ok(())
    }

    /// A self-contained segment had no root beside it when it was opened. Another process may have made one since.
    pub(crate) fn find_root(&mut self) -> Result<()> {
        if self.manifest_device.is_some() || self.options.base.is_none() {
            return Ok(());
        }
        let mode = if self.options.read_only { OpenMode::Read } else { OpenMode::Write };
        match self.storage.open(MANIFEST, mode) {
            // One without a whole slot is what a crash in its first write left.
            Ok(device) if newest_generation(&device)?.is_some() => self.manifest_device = Some(device),
            Err(error) if error.kind != DeviceErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        Ok(())
    }

    fn put_manifest(&mut self, generation: u64, bytes: &[u8]) -> Result<()> {
        let Some(device) = &self.manifest_device else { return Err(Error::Poisoned) };
        let (start, _) = manifest_slot(generation);
        self.counters.writes += 1;
        device.write_at(start, bytes)?;
        self.counters.flushes += 1;
        device.flush()?;
        Ok(())
    }

    /// After a failed write nobody knows whether the new root is in its slot. The old one is put there under the new
    /// generation, after which it is certain again and a full disk is no reason to stop. If that fails too, or the device did
    /// more than run out of space, the store stops.
    fn restore_manifest(&mut self, error: &Error) {
        let full = matches!(error, Error::Device(error) if error.kind == DeviceErrorKind::NoSpace);
        let mut old = self.manifest.clone();
        old.generation += 1;
        let bytes = old.encode(self.keys.as_ref().map(Keyring::master));
        let restored = full && bytes.is_some_and(|bytes| self.put_manifest(old.generation, &bytes).is_ok());
        if restored {
            self.manifest = old;
        } else {
            self.poisoned = true;
        }
    }

    /// A segment with no pages, only a dictionary: how a new database remembers the one it was given.
    pub(crate) fn write_dictionary_segment(&mut self) -> Result<()> {
        let job = self.empty_job();
        self.run_job(job, &Inline, 1)?;
        Ok(())
    }
}

/// What a creation left that a crash interrupted, emptied; nothing if there is no root. Fails if there is one.
fn unfinished_root<S: Storage>(storage: &S) -> Result<Option<S::Device>> {
    if storage.list()?.iter().all(|name| name != MANIFEST) {
        return Ok(None);
    }
    let exists = || DeviceError::new(DeviceOp::Open, MANIFEST, 0, DeviceErrorKind::Exists);
    let device = storage.open(MANIFEST, OpenMode::Write)?;
    let len = device.len()?;
    if len > MANIFEST_SLOT_BYTES as u64 {
        return Err(exists().into());
    }
    let mut bytes = alloc::vec![0; usize::try_from(len).unwrap_or(0)];
    device.read_at(0, &mut bytes)?;
    match decode_slot(MANIFEST, &bytes)? {
        Slot::Broken if is_unfinished(storage, &bytes)? => {
            device.truncate(0)?;
            Ok(Some(device))
        }
        _ => Err(exists().into()),
    }
}

/// The keys under which a root is written.
pub(crate) enum NewKeys {
    /// Those of the one before.
    Same,
    /// Others from here on.
    These(Keyring),
    /// None from here on.
    None,
}

/// The bytes of a root. One that its readers would refuse must never be written: both slots would soon hold it.
fn encode_root(manifest: &Manifest, keys: Option<&Keyring>) -> Result<Vec<u8>> {
    let bytes = manifest.encode(keys.map(Keyring::master)).ok_or(Limit::Manifest)?;
    match decode_slot(MANIFEST, &bytes)? {
        Slot::Whole(_) => Ok(bytes),
        Slot::Broken | Slot::Malformed => Err(Limit::Manifest.into()),
    }
}

/// Gives a manifest its first key slot and data key.
pub(crate) fn add_encryption(
    manifest: &mut Manifest,
    entropy: &mut dyn Entropy,
    new_key: NewKey<'_>,
) -> Result<Keyring> {
    new_key.cipher.require().map_err(unsupported)?;
    if new_key.cipher == Cipher::None {
        return Err(unsupported(Unsupported::Cipher(0)));
    }
    let master = MasterKey::draw(entropy);
    let data = DataKey::draw(entropy);
    let epoch = Epoch(manifest.epoch.0 + 1);
    let slot =
        first_slot(new_key.cipher, entropy, new_key.key, manifest.database, &master, new_key.kind, new_key.parameters)?;
    let wrapped =
        Wrapped::wrap_data(new_key.cipher, entropy, &master, manifest.database, epoch, &data).map_err(unsupported)?;
    manifest.cipher = new_key.cipher;
    manifest.epoch = epoch;
    manifest.data_keys = alloc::vec![(epoch, wrapped)];
    manifest.slots = alloc::vec![slot];
    let mut keys = Keyring::new(new_key.cipher, master);
    keys.insert(epoch, data);
    Ok(keys)
}

fn first_slot(
    cipher: Cipher,
    entropy: &mut dyn Entropy,
    key: &SlotKey,
    database: DatabaseId,
    master: &MasterKey,
    kind: crate::keys::SlotKind,
    parameters: Vec<u8>,
) -> Result<KeySlot> {
    KeySlot::wrap_master(cipher, entropy, key, database, (0, kind, parameters), master)
}

/// What this build lacks was asked for by an option, not found in a file.
pub(crate) fn unsupported(what: Unsupported) -> Error {
    Error::Unsupported { file: "the new database".into(), what }
}

/// A dictionary that was given, ready for use.
pub(crate) fn prepare_dictionary(bytes: Vec<u8>) -> Result<Dictionary> {
    Ok(Dictionary::new(bytes)?)
}

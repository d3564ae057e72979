//! The verbs that change what the database is stored as: codec, dictionary, cipher and keys. All of them say what new segments
//! are to be like and let compaction rewrite the old ones; the database stays in use, and an interrupted verb is taken up by
//! calling it again.

use alloc::vec;
use alloc::vec::Vec;

use crate::checkpoint::SourceDevice;
use crate::cipher::Cipher;
use crate::codec::{CodecChoice, train};
use crate::compact::Compaction;
use crate::create::{NewKeys, add_encryption, prepare_dictionary, unsupported};
use crate::device::{Device, Storage};
use crate::error::{Error, Limit, Result};
use crate::format::layout::KEY_SLOTS_MAX;
use crate::format::manifest::Manifest;
use crate::ids::{CommitId, Epoch, PageNo};
use crate::job::{Done, Inline, Job, Record, Task, Workers};
use crate::keys::{DataKey, KeySlot, Keyring, MasterKey, SlotKey, SlotKind, Wrapped};
use crate::location::{FileSlot, Location};
use crate::options::NewKey;
use crate::scratch::Scratch;
use crate::segment::manifest_copy_payload;
use crate::store::Store;

impl<S: Storage> Store<S> {
    /// Changes the codecs of what is written from now on. [`compact`](Self::compact) with [`Compaction::Stale`] rewrites the rest.
    pub fn set_codec(&mut self, hot: CodecChoice, cold: CodecChoice) -> Result<()> {
        hot.codec().require().and(cold.codec().require()).map_err(unsupported)?;
        self.write_manifest(|manifest| Ok(Manifest { hot, cold, ..manifest }))?;
        self.encoder = Self::encoder_for(&self.manifest);
        self.rewrite_before = self.manifest.segment_next;
        Ok(())
    }

    /// The codecs of the log and of segments.
    pub const fn codecs(&self) -> (CodecChoice, CodecChoice) {
        (self.manifest.hot, self.manifest.cold)
    }

    /// The dictionary of new segments, if there is one.
    pub fn dictionary(&self) -> Option<&[u8]> {
        self.dictionary.as_ref().map(crate::codec::Dictionary::bytes)
    }

    /// Gives new segments a dictionary, or none. Segments that have another are then stale.
    pub fn embed_dictionary(&mut self, dictionary: Option<Vec<u8>>) -> Result<()> {
        self.check_writable()?;
        self.claim_job()?;
        let dictionary = dictionary.map(prepare_dictionary).transpose()?;
        let before = (core::mem::replace(&mut self.dictionary, dictionary), self.rewrite_before);
        self.rewrite_before = self.manifest.segment_next;
        if self.dictionary.is_some()
            && let Err(error) = self.write_dictionary_segment()
        {
            // Nothing may be compressed with what the next opening would not know of.
            (self.dictionary, self.rewrite_before) = before;
            return Err(error);
        }
        // The segment that was written has the dictionary, so it is not stale.
        Ok(())
    }

    /// Trains a dictionary of at most `bytes_max` on a sample of live pages. `None` if there is too little to learn from.
    pub fn train_dictionary(
        &self,
        bytes_max: usize,
        sample_bytes_max: u64,
        scratch: &mut Scratch,
    ) -> Result<Option<Vec<u8>>> {
        let page_bytes = self.manifest.page_size.bytes();
        let page_count = u64::from(self.view.page_count.0);
        let wanted = (sample_bytes_max / page_bytes as u64).max(1);
        let step = page_count.div_ceil(wanted).max(1);
        let mut samples = Vec::new();
        for index in (0..page_count).step_by(usize::try_from(step).unwrap_or(usize::MAX)) {
            let Some(page) = u32::try_from(index).ok().and_then(PageNo::from_index) else { break };
            let mut raw = vec![0; page_bytes];
            if self.view.read(page, &mut raw, scratch)? {
                samples.push(raw);
            }
        }
        let samples: Vec<&[u8]> = samples.iter().map(Vec::as_slice).collect();
        Ok(train(&samples, bytes_max))
    }

    /// How the database is encrypted.
    pub const fn cipher(&self) -> Cipher {
        self.manifest.cipher
    }

    /// The newest key epoch; 0 if the database is not encrypted.
    pub const fn epoch(&self) -> Epoch {
        self.manifest.epoch
    }

    /// The key slots.
    pub fn key_slots(&self) -> &[KeySlot] {
        &self.manifest.slots
    }

    /// Adds a key slot: another key that opens the database. Gives its number.
    pub fn add_key(&mut self, kind: SlotKind, parameters: Vec<u8>, key: &SlotKey) -> Result<u8> {
        self.check_writable()?;
        let used = |number: &u8| self.manifest.slots.iter().any(|slot| slot.number() == *number);
        let number = (0..u8::MAX).find(|number| !used(number)).ok_or(Limit::KeySlots)?;
        if self.manifest.slots.len() >= KEY_SLOTS_MAX {
            return Err(Limit::KeySlots.into());
        }
        let keys = self.keys.as_ref().ok_or(Error::KeyRequired)?;
        let database = self.manifest.database;
        let slot = (number, kind, parameters);
        let slot = KeySlot::wrap_master(keys.cipher(), &mut *self.entropy, key, database, slot, keys.master())?;
        self.write_manifest(|mut manifest| {
            manifest.slots.push(slot);
            Ok(manifest)
        })?;
        Ok(number)
    }

    /// Removes a key slot. The root is written twice, so that neither of its slots has it any more.
    pub fn remove_key(&mut self, number: u8) -> Result<()> {
        if !self.manifest.slots.iter().any(|slot| slot.number() == number) {
            return Err(Limit::KeySlots.into());
        }
        if self.manifest.slots.len() <= 1 {
            return Err(Limit::LastKeySlot.into());
        }
        self.write_manifest(|mut manifest| {
            manifest.slots.retain(|slot| slot.number() != number);
            Ok(manifest)
        })?;
        self.write_manifest(Ok)
    }

    /// Replaces the key of one slot, for instance when a passphrase changes. No page is rewritten.
    pub fn change_key(&mut self, number: u8, kind: SlotKind, parameters: Vec<u8>, key: &SlotKey) -> Result<()> {
        self.check_writable()?;
        let keys = self.keys.as_ref().ok_or(Error::KeyRequired)?;
        let database = self.manifest.database;
        let slot = (number, kind, parameters);
        let slot = KeySlot::wrap_master(keys.cipher(), &mut *self.entropy, key, database, slot, keys.master())?;
        self.write_manifest(|mut manifest| {
            let place = manifest.slots.iter_mut().find(|slot| slot.number() == number).ok_or(Limit::KeySlots)?;
            *place = slot;
            Ok(manifest)
        })?;
        self.write_manifest(Ok)
    }

    /// Opens a new key epoch under a new master key: what is written from now on is encrypted under a new data key, and
    /// [`Compaction::Stale`] rewrites the rest. Every slot's key has to be supplied, since the new master key is wrapped for
    /// each; a slot without one has to be removed first.
    ///
    /// When nothing stale is left, [`finish_rotation`](Self::finish_rotation) forgets the old keys.
    pub fn rotate_key(&mut self, slot_keys: &[(u8, &SlotKey)]) -> Result<()> {
        self.check_writable()?;
        let keys = self.keys.as_ref().ok_or(Error::KeyRequired)?;
        let (cipher, database) = (keys.cipher(), self.manifest.database);
        if self.has_run() {
            // Its log could not be left, and would go on under the old key.
            return Err(Limit::LogFull.into());
        }
        // FORMAT: key-4
        let master = MasterKey::draw(&mut *self.entropy);
        let mut slots = Vec::new();
        for slot in &self.manifest.slots {
            let supplied = slot_keys.iter().find(|(number, _)| *number == slot.number());
            let (_, key) = supplied.ok_or(Limit::KeySlotUnsupplied)?;
            // A wrong key here would lock its owner out.
            slot.unwrap_master(cipher, key, database)?;
            let fields = (slot.number(), slot.kind(), slot.parameters().to_vec());
            slots.push(KeySlot::wrap_master(cipher, &mut *self.entropy, key, database, fields, &master)?);
        }
        self.leave_log()?;
        let epoch = Epoch(self.manifest.epoch.0 + 1);
        let mut rotated = Keyring::new(cipher, master);
        let mut data_keys = Vec::new();
        let used = self.epochs_used();
        let old = self.keys.as_ref().ok_or(Error::KeyRequired)?;
        for (old_epoch, wrapped) in self.manifest.data_keys.iter().filter(|(epoch, _)| used.contains(epoch)) {
            let unwrapped = wrapped.unwrap_data(cipher, old.master(), database, *old_epoch);
            let data = unwrapped.map_err(|what| Error::corrupt(crate::recover::MANIFEST, 0, what))?;
            rotated.insert(*old_epoch, data);
        }
        rotated.insert(epoch, DataKey::draw(&mut *self.entropy));
        for each in rotated.epochs().collect::<Vec<_>>() {
            let Some(data) = rotated.data(each) else { continue };
            let wrapped = Wrapped::wrap_data(cipher, &mut *self.entropy, rotated.master(), database, each, data);
            data_keys.push((each, wrapped.map_err(unsupported)?));
        }
        self.write_root(NewKeys::These(rotated), |manifest| Ok(Manifest { epoch, data_keys, slots, ..manifest }))?;
        self.write_manifest(Ok)
    }

    /// The epochs whose data keys are needed: of files, and of a segment that a job is writing.
    fn epochs_used(&self) -> Vec<Epoch> {
        let logs = self.sealed.iter().chain(&self.log).map(|log| log.header.epoch);
        let mut used: Vec<Epoch> = self.segments.iter().map(|segment| segment.entry.epoch).chain(logs).collect();
        if self.job_out {
            used.push(self.manifest.epoch);
        }
        used
    }

    /// Sees to it that the next commit begins a log, with the salt and the key of then. Nobody has a run.
    fn leave_log(&mut self) -> Result<()> {
        if self.seal_log()? {
            return Ok(());
        }
        let Some(log) = self.log.take() else { return Ok(()) };
        if log.begun {
            // Its generation is begun anew, so no second file may have it, whenever the power goes.
            let emptied = log.file.device.truncate(0).and_then(|()| log.file.device.flush());
            emptied.map_err(|error| self.poison(error))?;
        }
        let kept = log.file.device.len().unwrap_or(0);
        self.log_next = log.generation();
        self.remove_file(log.slot);
        self.retired.push(crate::store::Retired::Log(log.number, log.file, kept));
        Ok(())
    }

    /// Forgets data keys that no file needs any more. Gives how many are left.
    pub fn finish_rotation(&mut self) -> Result<usize> {
        self.check_writable()?;
        let mut used = self.epochs_used();
        used.push(self.manifest.epoch);
        let before = self.manifest.data_keys.len();
        let kept = self.manifest.data_keys.iter().filter(|(epoch, _)| used.contains(epoch)).count();
        if kept < before {
            self.write_manifest(|mut manifest| {
                manifest.data_keys.retain(|(epoch, _)| used.contains(epoch));
                Ok(manifest)
            })?;
            self.write_manifest(Ok)?;
            if let Some(keys) = &mut self.keys {
                let outlived: Vec<Epoch> = keys.epochs().filter(|epoch| !used.contains(epoch)).collect();
                for epoch in outlived {
                    keys.remove(epoch);
                }
            }
        }
        self.scrub_spares()?;
        Ok(kept)
    }

    /// Empties log files that wait to be used again: what they held was written under an outlived key, or none.
    fn scrub_spares(&mut self) -> Result<()> {
        // The root before this one may need them, and may be the only durable one.
        self.confirm_root()?;
        self.recycle();
        let storage = &self.storage;
        for spare in self.spares.iter_mut().filter(|spare| !storage.is_pinned(&spare.number.name())) {
            let device = spare.device(storage)?;
            device.truncate(0)?;
            device.flush()?;
            spare.file_bytes = 0;
        }
        Ok(())
    }

    /// Rotates the key and rewrites everything, here and now.
    pub fn rotate(&mut self, slot_keys: &[(u8, &SlotKey)], workers: &dyn Workers, threads: usize) -> Result<()> {
        self.rotate_key(slot_keys)?;
        self.checkpoint(workers, threads)?;
        self.compact(Compaction::Stale, workers, threads)?;
        self.finish_rotation()?;
        Ok(())
    }

    /// Encrypts a database that is not.
    pub fn encrypt(&mut self, new_key: NewKey<'_>, workers: &dyn Workers, threads: usize) -> Result<()> {
        self.begin_encryption(new_key, workers, threads)?;
        self.compact(Compaction::Stale, workers, threads)?;
        self.scrub_spares()
    }

    /// Has everything encrypted from now on; [`Compaction::Stale`] rewrites what there is, and
    /// [`finish_rotation`](Self::finish_rotation) ends it. Logs are folded here and now, so fold them before.
    pub fn begin_encryption(&mut self, new_key: NewKey<'_>, workers: &dyn Workers, threads: usize) -> Result<()> {
        self.check_writable()?;
        if self.keys.is_some() {
            // An interrupted encryption is taken up by the same key; any other would be ignored, so it is refused.
            let (cipher, database) = (self.manifest.cipher, self.manifest.database);
            let opens = |slot: &KeySlot| slot.unwrap_master(cipher, new_key.key, database).is_ok();
            if !self.manifest.slots.iter().any(opens) {
                return Err(Error::WrongKey);
            }
            return self.confirm_answer();
        }
        self.drain_logs(workers, threads)?;
        let mut manifest = self.manifest.clone();
        let keys = add_encryption(&mut manifest, &mut *self.entropy, new_key)?;
        self.write_root(NewKeys::These(keys), |_| Ok(manifest))?;
        self.write_manifest(Ok)
    }

    /// Stores the database in the clear from now on.
    pub fn decrypt(&mut self, workers: &dyn Workers, threads: usize) -> Result<()> {
        self.check_writable()?;
        if self.keys.is_none() {
            return self.confirm_answer();
        }
        self.decrypting = true;
        let rewritten =
            self.drain_logs(workers, threads).and_then(|()| self.compact(Compaction::Stale, workers, threads));
        self.decrypting = false;
        rewritten?;
        self.write_root(NewKeys::None, |manifest| {
            let (data_keys, slots) = (Vec::new(), Vec::new());
            Ok(Manifest { cipher: Cipher::None, epoch: Epoch(0), data_keys, slots, ..manifest })
        })?;
        self.write_manifest(Ok)?;
        self.scrub_spares()
    }

    /// Says that a decryption is about to come, or not any more: new segments are not encrypted meanwhile, so that
    /// [`Compaction::Stale`] does most of the work in shares and [`decrypt`](Self::decrypt) only the rest. If it does not come,
    /// maintenance encrypts again what was not.
    pub fn set_decrypting(&mut self, decrypting: bool) {
        self.decrypting = decrypting && self.keys.is_some();
    }

    /// Folds every log, so that no frame is left that is encrypted in another way than the database is about to be.
    fn drain_logs(&mut self, workers: &dyn Workers, threads: usize) -> Result<()> {
        if self.has_run() {
            return Err(Limit::LogFull.into());
        }
        self.checkpoint(workers, threads)?;
        // A log that was begun and holds no commit goes back unused.
        if let Some(log) = self.log.take() {
            self.remove_file(log.slot);
            let kept = log.file.device.len()?;
            self.retired.push(crate::store::Retired::Log(log.number, log.file, kept));
            let generation = log.header.generation.next();
            self.write_manifest(|manifest| Ok(Manifest { log_first: generation, ..manifest }))?;
        }
        Ok(())
    }

    /// The job that writes everything live, logs included, as one self-contained segment: a database in one file. With
    /// `since`, only what later commits wrote: an increment on a copy that has that commit.
    pub fn export_job(&mut self, since: Option<CommitId>) -> Result<Job> {
        self.check_writable()?;
        self.flush()?;
        let mut job = self.empty_job();
        let snapshot = self.snapshot();
        let mut slots: Vec<FileSlot> = Vec::new();
        let mut records = Vec::new();
        snapshot.table.for_each(|page, location| {
            if since.is_some_and(|since| location.commit() <= since) {
                return;
            }
            let index = slots.iter().position(|slot| *slot == location.file()).unwrap_or_else(|| {
                slots.push(location.file());
                slots.len() - 1
            });
            let file = FileSlot(u16::try_from(index).unwrap_or(u16::MAX));
            let location = Location::new(file, location.offset(), location.body_bytes(), location.commit());
            records.push(Record::new(page, location));
        });
        for slot in slots {
            let Some(file) = snapshot.files.get(slot) else { continue };
            let log_end = self.sealed.iter().chain(&self.log).find(|log| log.slot == slot).map(|log| log.end);
            job.sources.push(crate::job::Source {
                name: file.name.clone(),
                kind: file.kind,
                id: file.id,
                file_bytes: file.sealed_bytes.or(log_end).unwrap_or(0),
                subkey: crate::checkpoint::clone_subkey(file.subkey.as_ref()),
                dictionary: file.dictionary.clone(),
            });
        }
        job.records = records;
        self.name_bases(&mut job);
        job.base = since.unwrap_or(CommitId::ZERO);
        job.last = self.view.commit;
        job.chain = self.chain;
        job.page_count = self.view.page_count;
        job.commits = self
            .commit_infos()
            .filter(|info| {
                since.is_some_and(|since| info.commit > since) && info.cut.is_some() || info.commit == job.last
            })
            .copied()
            .collect();
        job.seal_flags = 0;
        let copy = Manifest {
            segments: Vec::new(),
            pins: Vec::new(),
            archive: false,
            history_floor: CommitId::ZERO,
            page_count: self.view.page_count,
            commit: self.view.commit,
            chain: self.chain,
            flushed: self.view.commit,
            segment_next: crate::ids::SegmentId(job.header.id.0 + 1),
            log_first: self.log_next,
            ..self.manifest.clone()
        };
        let slot = copy.encode(self.keys.as_ref().map(Keyring::master)).ok_or(Limit::Manifest)?;
        job.manifest = Some(manifest_copy_payload(slot));
        // The file is not one of this database, so its id is not used up; the salt in it is random all the same.
        Ok(job)
    }

    /// Runs an export job into a device: appended from front to back, so that it can be streamed.
    pub fn export<O: Device>(
        &mut self,
        since: Option<CommitId>,
        output: O,
        workers: &dyn Workers,
        threads: usize,
    ) -> Result<Done> {
        let mut task = self.export_task(since, output, threads)?;
        while !task.step(crate::checkpoint::STEP_BYTES, &mut *self.entropy, workers)? {}
        task.finish(&mut *self.entropy)
    }

    /// An export that somebody else runs, in shares. It holds the files that it reads.
    pub fn export_task<O: Device>(
        &mut self,
        since: Option<CommitId>,
        output: O,
        threads: usize,
    ) -> Result<Task<SourceDevice<S::Device>, O>> {
        let job = self.export_job(since)?;
        let mut inputs = Vec::new();
        for source in job.sources() {
            let file = self.view.files.iter().find(|(_, file)| file.name == source.name);
            let file = file.map(|(_, file)| alloc::sync::Arc::clone(file));
            let missing = || Error::corrupt(source.name(), 0, crate::error::What::SegmentMissing);
            inputs.push(SourceDevice(file.ok_or_else(missing)?));
        }
        Ok(Task::new(job, inputs, output, threads))
    }

    /// Gives back the space that a shrunken or much rewritten database holds: everything live in one segment, logs included.
    pub fn shrink(&mut self) -> Result<()> {
        self.checkpoint(&Inline, 1)?;
        self.compact(Compaction::All, &Inline, 1)?;
        Ok(())
    }
}

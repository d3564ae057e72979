//! Checkpointing: a sealed log becomes a segment, and the log is used again.
//!
//! Power can go at each line. Before the new manifest is flushed, the log is there and the new file is one that nothing
//! names. After it, the segment is there and the log is one that the manifest has outlived. The log is only overwritten
//! after that, and only when no snapshot reads it.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::bases::Bases;
use crate::compact::Compaction;
use crate::device::{Device, DeviceErrorKind, OpenMode, Storage};
use crate::error::{Error, Limit, Result, What};
use crate::file::OpenFile;
use crate::format::body::FileKind;
use crate::format::commits::CommitInfo;
use crate::format::layout::SEGMENTS_MAX;
use crate::format::seal::SEAL_EVERY_VERSION;
use crate::format::segment::{SegmentHeader, SegmentSalt};
use crate::ids::{CommitId, Epoch, PageCount, PageNo, RequestId};
use crate::job::{Done, Job, Record, Source, Task, Workers};
use crate::learn::{Learning, is_worth_a_dictionary};
use crate::location::{FileSlot, Location};
use crate::log::{Log, LogNumber};
use crate::recover::{open_entry, read_contents};
use crate::segment::{seal_dictionary, segment_subkey};
use crate::store::{LiveTally, Retired, Segment, SpareLog, Store};

/// What an installed job changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Installed {
    /// Pages in the new segment.
    pub records: u64,
    /// Its length.
    pub file_bytes: u64,
    /// Files that it replaced.
    pub replaced: u32,
}

impl<D> Retired<D> {
    pub fn log_number(&self) -> Option<LogNumber> {
        match self {
            Self::Log(number, ..) => Some(*number),
            Self::Segment(_) | Self::Reopened(_) => None,
        }
    }

    pub fn into_file(self) -> Arc<OpenFile<D>> {
        match self {
            Self::Log(_, file, _) | Self::Segment(file) | Self::Reopened(file) => file,
        }
    }
}

impl<S: Storage> Store<S> {
    /// Closes the active log, so that it can be folded; the next commit begins another. `false` if there is nothing in it,
    /// or a transaction has spilled into it.
    pub fn seal_log(&mut self) -> Result<bool> {
        self.check_writable()?;
        if self.has_run() || self.log.as_ref().is_none_or(|log| log.commits.is_empty()) {
            return Ok(false);
        }
        // FORMAT: write-4. A later log must never be durable where an earlier one is not: the next begins where this one ends.
        self.flush()?;
        if let Some(mut log) = self.log.take() {
            log.bases = Bases::default();
            self.sealed.push_back(log);
        }
        Ok(true)
    }

    /// The job that folds the oldest sealed log into a segment. `None` if no log waits or another job is out.
    pub fn fold_job(&mut self) -> Result<Option<Job>> {
        self.check_writable()?;
        if self.job_out || self.sealed.is_empty() {
            return Ok(None);
        }
        // FORMAT: write-5. I5: what replaces the versions that are left out must be durable.
        self.flush()?;
        let keep = self.keep();
        let Some(log) = self.sealed.front() else { return Ok(None) };
        let file = &log.file;
        let mut versions: Vec<(PageNo, Location)> =
            log.frames.iter().map(|frame| (frame.page, frame.location(log.slot))).collect();
        // Within one commit the later frame of a page counts.
        versions.sort_by_key(|(page, location)| (*page, location.commit()));
        versions.reverse();
        versions.dedup_by_key(|(page, location)| (*page, location.commit()));
        versions.reverse();
        let records = self.needed(&versions, &keep, |_| FileSlot(0));
        let source = Source {
            name: file.name.clone(),
            kind: FileKind::Log,
            id: file.id,
            file_bytes: log.end,
            subkey: clone_subkey(file.subkey.as_ref()),
            dictionary: None,
        };
        let commits = self.remembered(log.commits.iter(), &keep);
        let mut job = self.empty_job();
        let Some(log) = self.sealed.front() else { return Ok(None) };
        job.sources.push(source);
        job.records = records;
        job.base = log.header.base;
        job.last = log.head;
        job.chain = log.chain;
        job.page_count = log.page_count;
        job.commits = commits;
        self.name_bases(&mut job);
        self.drop_small_dictionary(&mut job);
        self.job_out = true;
        Ok(Some(job))
    }

    /// Tells a job which of its records are patches, and of what: who runs it may have to fetch all that it reads beforehand.
    pub(crate) fn name_bases(&self, job: &mut Job) {
        for (index, source) in (0..).zip(&job.sources).filter(|(_, source)| source.kind == FileKind::Log) {
            let mut logs = self.sealed.iter().chain(&self.log);
            let Some(log) = logs.find(|log| log.generation().0 == source.id) else { continue };
            for record in job.records.iter_mut().filter(|record| record.location.file() == FileSlot(index)) {
                let offset = record.location.offset();
                let frame = log.frames.binary_search_by_key(&offset, |frame| frame.offset);
                record.base = frame.ok().and_then(|frame| log.frames.get(frame)?.base);
            }
        }
    }

    /// A small segment is not worth a dictionary in it.
    pub(crate) fn drop_small_dictionary(&mut self, job: &mut Job) {
        let raw_bytes = job.records.len() as u64 * u64::from(self.manifest.page_size.get());
        if !is_worth_a_dictionary(raw_bytes, job.dictionary_stored.len() as u64) && !job.records.is_empty() {
            job.dictionary = None;
            job.dictionary_stored = Vec::new();
            job.header.dictionary_bytes = 0;
        }
    }

    /// Gives a job back unfinished: its file is removed, and another can be asked for.
    ///
    /// After a failed write of the root nobody knows whether it names the file, so it stays; the next opening knows.
    pub fn abandon_job(&mut self, target: &str) -> Result<()> {
        self.job_out = false;
        if self.learning == Learning::Out {
            // It would fail again, and nobody asked for it.
            self.learning = Learning::Over;
        }
        if !self.poisoned && !target.is_empty() {
            self.storage.remove(target)?;
        }
        Ok(())
    }

    /// A job that writes the next segment, with nothing in it yet.
    pub(crate) fn empty_job(&mut self) -> Job {
        let id = self.manifest.segment_next;
        let encrypted = self.keys.is_some() && !self.decrypting;
        // FORMAT: nonce-2
        let mut salt = SegmentSalt([0; 12]);
        self.entropy.fill(&mut salt.0);
        let cipher = if encrypted { self.manifest.cipher } else { crate::cipher::Cipher::None };
        let epoch = if encrypted { self.manifest.epoch } else { Epoch(0) };
        let page_size = self.manifest.page_size;
        let mut header = SegmentHeader { page_size, dictionary_bytes: 0, cipher, id, epoch, salt };
        let data_key = self.keys.as_ref().and_then(|keys| keys.data(epoch));
        let subkey = data_key.and_then(|key| segment_subkey(&header, &self.manifest.database, key));
        let dictionary = self.dictionary.clone().filter(|_| uses_dictionary(self.manifest.cold));
        let dictionary_stored = dictionary.as_ref().map_or_else(Vec::new, |dictionary| {
            let database = &self.manifest.database;
            seal_dictionary(dictionary.bytes(), id, database, subkey.as_ref(), &mut *self.entropy)
        });
        header.dictionary_bytes = u32::try_from(dictionary_stored.len()).unwrap_or(0);
        let commit = self.manifest.commit;
        Job {
            header,
            database: self.manifest.database,
            subkey,
            dictionary_stored,
            dictionary,
            cold: self.manifest.cold,
            sources: Vec::new(),
            records: Vec::new(),
            base: commit,
            last: commit,
            chain: self.manifest.chain,
            page_count: self.manifest.page_count,
            commits: Vec::new(),
            seal_flags: if self.manifest.archive { SEAL_EVERY_VERSION } else { 0 },
            manifest: None,
            copies: 0,
        }
    }

    /// Takes the result of a job into the database: opens the segment, swaps the manifest, retires what it replaces.
    pub fn install(&mut self, done: &Done) -> Result<Installed> {
        self.check_writable()?;
        if let Some(learnt) = &done.learnt {
            return self.install_learnt(done, learnt);
        }
        self.job_out = false;
        let entry = done.entry;
        let manifest = crate::format::manifest::Manifest { segments: alloc::vec![entry], ..self.manifest.clone() };
        let (file, header) = open_entry(&self.storage, &manifest, self.keys.as_ref(), &self.options, entry)?;
        let mut contents = read_contents(&file, &header, &entry)?;
        let position = self.position_of(done)?;
        // FORMAT: write-7. A finished task has flushed the content.
        self.storage.flush_names().map_err(|error| self.poison(error))?;
        self.counters.segment_bytes += entry.file_bytes;
        self.counters_unsaved.segment_bytes += entry.file_bytes;
        let folded = done.log.and_then(|generation| self.sealed.front().filter(|log| log.generation() == generation));
        let fold = folded.map(|log| (log.generation(), log.head, log.chain, log.page_count));
        let replaced = done.segments.len();
        self.write_manifest(|mut manifest| {
            manifest.segments.splice(position..position + replaced, [entry]);
            manifest.segment_next = manifest.segment_next.max(crate::ids::SegmentId(entry.id.0 + 1));
            if let Some((generation, commit, chain, page_count)) = fold {
                manifest.log_first = generation.next();
                (manifest.commit, manifest.chain, manifest.page_count) = (commit, chain, page_count);
            }
            if manifest.segments.len() > SEGMENTS_MAX { Err(Limit::Files.into()) } else { Ok(manifest) }
        })?;
        if header.dictionary_bytes > 0 {
            self.dictionary.clone_from(&file.dictionary);
        }
        let slot = self.insert_file(Arc::new(file));
        let record_bytes = contents.record_bytes();
        let entries = core::mem::take(&mut contents.entries);
        let segment = Segment::new(entry, slot, record_bytes, contents);
        let old: Vec<Segment> = self.segments.splice(position..position + replaced, [segment]).collect();
        let mut old_slots: Vec<FileSlot> = old.iter().map(|segment| segment.slot).collect();
        if fold.is_some()
            && let Some(log) = self.sealed.pop_front()
        {
            old_slots.push(log.slot);
            let kept = log.file.device.len().unwrap_or(log.end);
            self.retired.push(Retired::Log(log.number, log.file, kept));
            self.counters.folds += 1;
        } else if replaced > 0 {
            self.counters.merges += 1;
        }
        self.repoint(slot, &entries, &old_slots);
        if self.learning == Learning::Out {
            self.learning = Learning::Ready;
        }
        for segment in old {
            if let Some(file) = self.view.files.get(segment.slot) {
                self.retired.push(Retired::Segment(Arc::clone(file)));
            }
        }
        for slot in &old_slots {
            self.remove_file(*slot);
        }
        self.recycle();
        let count = u32::try_from(old_slots.len()).unwrap_or(u32::MAX);
        Ok(Installed { records: entry.records, file_bytes: entry.file_bytes, replaced: count })
    }

    /// Where in the list of segments the result goes; an error if what it replaces is not there as it was.
    fn position_of(&self, done: &Done) -> Result<usize> {
        let stale = || Error::corrupt(&done.target(), 0, What::Message);
        if let Some(generation) = done.log {
            // With all that it holds: what the segment lacks would be given up with it.
            let is_it = |log: &Log<_>| log.generation() == generation && log.head == done.entry.last;
            return if self.sealed.front().is_some_and(is_it) && done.segments.is_empty() {
                Ok(self.segments.len())
            } else {
                Err(stale())
            };
        }
        let Some(first) = done.segments.first() else { return Ok(self.segments.len()) };
        let position = self.segments.iter().position(|segment| segment.entry.id == *first).ok_or_else(stale)?;
        let there = self.segments.iter().skip(position).map(|segment| segment.entry.id);
        if there.take(done.segments.len()).eq(done.segments.iter().copied()) { Ok(position) } else { Err(stale()) }
    }

    /// Lets the table find in the new segment what it found in the files that it replaces.
    fn repoint(&mut self, slot: FileSlot, entries: &[crate::format::index::IndexEntry], old: &[FileSlot]) {
        let mut tally = LiveTally::new(&mut self.segments);
        let page_count: PageCount = self.view.page_count;
        for entry in entries.iter().filter(|entry| page_count.contains(entry.page)) {
            let current = self.view.table.get(entry.page);
            if current.is_some_and(|current| current.commit() == entry.commit && old.contains(&current.file())) {
                let location = Location::new(slot, entry.offset, entry.body_bytes, entry.commit);
                self.view.table.set(entry.page, location);
                tally.add(location);
            }
        }
    }

    /// Uses again or removes what no snapshot reads any more. Failing to is no harm: it is tried again later.
    pub(crate) fn recycle(&mut self) {
        // FORMAT: write-8
        self.retired.retain(|retired| !matches!(retired, Retired::Reopened(file) if Arc::strong_count(file) == 1));
        let read = |retired: &Retired<S::Device>| match retired {
            Retired::Reopened(file) => Some(file.name.clone()),
            _ => None,
        };
        let reopened: Vec<String> = self.retired.iter().filter_map(read).collect();
        let mut kept = Vec::new();
        for retired in core::mem::take(&mut self.retired) {
            let pinned = |name: &String| self.storage.is_pinned(name) || reopened.contains(name);
            match retired {
                Retired::Log(number, file, file_bytes) if !pinned(&file.name) => match Arc::try_unwrap(file) {
                    Ok(file) => self.spare_log(number, file, file_bytes),
                    Err(file) => kept.push(Retired::Log(number, file, file_bytes)),
                },
                Retired::Segment(file) if !pinned(&file.name) => match Arc::try_unwrap(file) {
                    Ok(file) => {
                        let name = file.face.name;
                        drop(file.device);
                        // What stays is removed by the next sweep.
                        let _ = self.storage.remove(&name);
                    }
                    Err(file) => kept.push(Retired::Segment(file)),
                },
                pinned => kept.push(pinned),
            }
        }
        self.retired = kept;
    }

    /// Lets go of files that no snapshot reads any more, and cuts waiting log files to what they may keep. Installing does so
    /// too, but sees the snapshots that its caller still holds then.
    pub fn tidy(&mut self) -> Result<()> {
        self.check_writable()?;
        self.recycle();
        let kept = self.options.log_bytes_kept;
        let storage = &self.storage;
        // One that was found at the opening may still be read by another process.
        let free = |spare: &SpareLog<S::Device>| !storage.is_pinned(&spare.number.name());
        for spare in self.spares.iter_mut().filter(|spare| spare.file_bytes > kept && free(spare)) {
            spare.device(storage)?.truncate(kept)?;
            spare.file_bytes = kept;
        }
        Ok(())
    }

    fn spare_log(&mut self, number: LogNumber, file: OpenFile<S::Device>, file_bytes: u64) {
        let OpenFile { device, epoch, .. } = file;
        // What was written under another key, or none, is not to stay until the file happens to be written over.
        let stale = epoch != self.manifest.epoch;
        if self.spares.len() >= SPARES_MAX || stale && device.truncate(0).is_err() {
            drop(device);
            let _ = self.storage.remove(&number.name());
            return;
        }
        let file_bytes = if stale { 0 } else { file_bytes };
        let kept = self.options.log_bytes_kept;
        let cut = file_bytes > kept && device.truncate(kept).is_ok();
        let file_bytes = if cut { kept } else { file_bytes };
        self.spares.push(SpareLog { number, device: Some(device), file_bytes, stale: false });
    }

    /// Removes files of an interrupted job or an outlived root. Only for a caller who knows that nobody else has the database
    /// open.
    pub fn sweep(&mut self) -> Result<u32> {
        self.check_writable()?;
        let mut removed = 0;
        for name in self.storage.list()? {
            let Some(id) = crate::segment::segment_of_name(&name) else { continue };
            let named = self.segments.iter().any(|segment| segment.entry.id == id);
            let read =
                self.retired.iter().any(|retired| matches!(retired, Retired::Segment(file) if file.name == name));
            if !named && !read && !self.job_out {
                self.storage.remove(&name)?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Stops what [`maintain`](Self::maintain) is in the middle of, for a verb that cannot wait. Fails if a job is elsewhere.
    pub fn claim_job(&mut self) -> Result<()> {
        if let Some(task) = self.running.take() {
            let target = task.target();
            drop(task);
            // It did not fail.
            let learning = self.learning;
            self.abandon_job(&target)?;
            if learning == Learning::Out {
                self.learning = Learning::Ready;
            }
        }
        if self.job_out { Err(Limit::JobOut.into()) } else { Ok(()) }
    }

    /// Folds everything that is in the logs, here and now.
    pub fn checkpoint(&mut self, workers: &dyn Workers, threads: usize) -> Result<u32> {
        self.check_writable()?;
        self.claim_job()?;
        self.seal_log()?;
        let mut folded = 0;
        while let Some(job) = self.fold_job()? {
            self.run_job(job, workers, threads)?;
            folded += 1;
        }
        // A shell that only ever checkpoints must not run into the limit of segments.
        if self.segments.len() > SEGMENTS_MAX / 2 {
            self.compact(Compaction::Auto, workers, threads)?;
        }
        Ok(folded)
    }

    /// Runs a job here, from beginning to end.
    pub fn run_job(&mut self, job: Job, workers: &dyn Workers, threads: usize) -> Result<Installed> {
        let target = job.target();
        let result = self.run_job_inner(job, workers, threads);
        if result.is_err() {
            let _ = self.abandon_job(&target);
        }
        result
    }

    fn run_job_inner(&mut self, job: Job, workers: &dyn Workers, threads: usize) -> Result<Installed> {
        let mut task = self.start_task(job, threads)?;
        while !task.step(STEP_BYTES, &mut *self.entropy, workers)? {
            let (done, total) = task.progress();
            workers.progress(done, total);
        }
        let done = task.finish(&mut *self.entropy)?;
        self.install(&done)
    }

    /// Starts a job on this store's own open files.
    pub fn start_task(&mut self, job: Job, threads: usize) -> Result<Task<SourceDevice<S::Device>, S::Device>> {
        let mut inputs = Vec::new();
        for source in job.sources() {
            let file =
                self.view.files.iter().find(|(_, file)| file.name == source.name).map(|(_, file)| Arc::clone(file));
            inputs.push(SourceDevice(file.ok_or_else(|| Error::corrupt(&source.name, 0, What::SegmentMissing))?));
        }
        let target = job.target();
        if job.learns() {
            return Ok(Task::start(job, inputs, None, threads));
        }
        let output = match self.storage.open(&target, OpenMode::Create) {
            Err(error) if error.kind == DeviceErrorKind::Exists => {
                // Left by a job that a crash interrupted, unless somebody else has written since: then it may be theirs.
                self.check_newest_root()?;
                self.storage.remove(&target)?;
                self.storage.open(&target, OpenMode::Create)?
            }
            other => other?,
        };
        Ok(Task::new(job, inputs, output, threads))
    }

    /// What must not be dropped besides the newest versions.
    pub(crate) fn keep(&self) -> Keep {
        let floor = if self.manifest.archive { self.manifest.history_floor } else { CommitId(u64::MAX) };
        Keep { floor, pins: self.manifest.pins.clone() }
    }

    /// Of versions in page and commit order, those that the newest state or a kept commit shows.
    pub(crate) fn needed(
        &self,
        versions: &[(PageNo, Location)],
        keep: &Keep,
        source: impl Fn(FileSlot) -> FileSlot,
    ) -> Vec<Record> {
        let mut records = Vec::with_capacity(versions.len());
        for (index, &(page, location)) in versions.iter().enumerate() {
            let next = versions.get(index + 1).filter(|next| next.0 == page).map(|next| next.1.commit());
            let newest = self.view.location(page);
            if newest == Some(location) || keep.shows(location.commit(), next) {
                let file = source(location.file());
                let location = Location::new(file, location.offset(), location.body_bytes(), location.commit());
                records.push(Record::new(page, location));
            }
        }
        records
    }

    /// Of commits in their order, those that a segment has to remember. A cut is forgotten once a later one cut at least as
    /// much off, unless history is kept: what it hides is hidden by the later one. Cuts are never forgotten otherwise, since an
    /// increment on an older copy needs them.
    pub(crate) fn remembered<'c>(
        &self,
        commits: impl DoubleEndedIterator<Item = &'c CommitInfo>,
        keep: &Keep,
    ) -> Vec<CommitInfo> {
        let asked = |info: &CommitInfo| info.request != RequestId::NONE && self.requests.remembers(info.request);
        let keeps_history = keep.any();
        let mut lowest_later: Option<PageCount> = None;
        let mut remembered = Vec::new();
        for (from_last, info) in commits.rev().enumerate() {
            let hides = info.cut.is_some_and(|cut| lowest_later.is_none_or(|lowest| cut < lowest));
            let cuts = hides || info.cut.is_some() && keeps_history;
            // The last may be the newest of all, which can be kept at any later time.
            if cuts || asked(info) || keep.keeps(info.commit) || from_last == 0 {
                remembered.push(*info);
            }
            lowest_later = info.cut.into_iter().chain(lowest_later).min();
        }
        remembered.reverse();
        remembered
    }
}

/// A share of work that does not hold anybody up.
pub(crate) const STEP_BYTES: u64 = 4 << 20;

/// Log files kept for use besides the active one.
pub(crate) const SPARES_MAX: usize = 2;

/// A job's source that is open in the store. Holding it keeps the file.
#[derive(Debug)]
pub struct SourceDevice<D>(pub(crate) Arc<OpenFile<D>>);

impl<D: Device> Device for SourceDevice<D> {
    fn len(&self) -> Result<u64, crate::device::DeviceError> {
        self.0.device.len()
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), crate::device::DeviceError> {
        self.0.device.read_at(offset, out)
    }

    fn write_at(&self, offset: u64, _data: &[u8]) -> Result<(), crate::device::DeviceError> {
        Err(crate::device::DeviceError::new(
            crate::device::DeviceOp::Write,
            &self.0.name,
            offset,
            DeviceErrorKind::ReadOnly,
        ))
    }

    fn truncate(&self, len: u64) -> Result<(), crate::device::DeviceError> {
        self.write_at(len, &[])
    }

    fn flush(&self) -> Result<(), crate::device::DeviceError> {
        Ok(())
    }
}

/// Which commits are kept besides the newest.
pub(crate) struct Keep {
    /// Every commit from here on.
    pub floor: CommitId,
    /// Single ones, ascending.
    pub pins: Vec<CommitId>,
}

impl Keep {
    pub fn keeps(&self, commit: CommitId) -> bool {
        commit >= self.floor || self.pins.binary_search(&commit).is_ok()
    }

    /// The newest that is kept, if any is: where every commit is kept, that is any there will be.
    pub fn newest(&self) -> Option<CommitId> {
        if self.floor == CommitId(u64::MAX) { self.pins.last().copied() } else { Some(CommitId(u64::MAX)) }
    }

    pub fn any(&self) -> bool {
        self.floor != CommitId(u64::MAX) || !self.pins.is_empty()
    }

    /// Whether a kept commit shows a version that `next` replaced. Where nothing is known of a next version, the newest state
    /// may have one, and keeping is the safe answer for as long as any later commit is kept.
    pub fn shows(&self, commit: CommitId, next: Option<CommitId>) -> bool {
        let end = next.unwrap_or(CommitId(u64::MAX));
        if self.floor < end && self.floor != CommitId(u64::MAX) {
            return true;
        }
        let first = self.pins.partition_point(|pin| *pin < commit);
        self.pins.get(first).is_some_and(|pin| *pin < end)
    }
}

pub(crate) fn uses_dictionary(choice: crate::codec::CodecChoice) -> bool {
    choice.codec() == crate::codec::Codec::Zstd
}

/// A job takes its subkeys along.
pub(crate) fn clone_subkey(subkey: Option<&crate::cipher::Subkey>) -> Option<crate::cipher::Subkey> {
    let secret = subkey?.to_secret_bytes();
    crate::cipher::Subkey::from_secret_bytes(secret.as_slice()).ok()
}

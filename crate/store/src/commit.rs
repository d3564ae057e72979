//! Committing: the staged pages of a transaction become frames, one write, and the newest state.
//!
//! Power can go at each line. Before the write, nothing has happened. In the middle of it, recovery finds no valid commit
//! frame and drops the run. After it, the commit is there or not, as a whole; after the flush, it is there.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;

use crate::bases::{Base, Bases};
use crate::codec::Codec;
use crate::device::{Device, DeviceErrorKind, OpenMode, Storage};
use crate::error::{Error, Limit, Result, What};
use crate::format::frame::CommitPayload;
use crate::format::layout::{COMMITS_MAX, LOG_DATA_START};
use crate::format::log::LogHeader;
use crate::format::manifest::{Slot, decode_slot};
use crate::ids::{Chain, CommitId, Epoch, PageNo, PageSize, RequestId, Salt};
use crate::log::{Assembler, FrameRef, Log, LogNumber, Run};
use crate::options::{Commit, Synchronous};
use crate::recover::{log_file, manifest_slot};
use crate::segment::segment_name;
use crate::store::{LiveTally, Store};
use crate::txn::Txn;

impl<S: Storage> Store<S> {
    /// Commits a transaction. On an error it is gone, as if it had never been; only after `Poisoned` nobody knows, until
    /// the store is opened again.
    pub fn commit(&mut self, mut txn: Txn<S::Device>, how: Commit) -> Result<CommitId> {
        self.check_turn(&txn)?;
        if txn.is_empty() && how.request == RequestId::NONE {
            return Ok(self.view.commit);
        }
        let full = |log: &Log<S::Device>| log.end >= self.options.log_bytes_max || log.commits.len() >= COMMITS_MAX;
        if self.log.as_ref().is_some_and(|log| !log.commits.is_empty() && full(log)) {
            return Err(Limit::LogFull.into());
        }
        self.begin_log()?;
        txn.stage_cut();
        let spilled = txn.run.is_some();
        let Some(mut run) = txn.run.take().or_else(|| self.log.as_ref().map(Log::run)) else {
            return Err(Error::Poisoned);
        };
        if spilled && how.synchronous >= Synchronous::Full {
            self.flush_device()?;
        }
        let written_to = run.end;
        self.assemble(&txn, &mut run)?;
        let mut payload = CommitPayload {
            page_count: txn.page_count,
            page_count_low: txn.page_count_low.min(txn.page_count),
            frame_count: u32::try_from(run.frames.len()).map_err(|_| Limit::Pages)?,
            run_start: run.start,
            chain: Chain::default(),
            request: how.request,
            // FORMAT: write-2
            flushed: self.flushed,
            time_ms: how.time_ms,
            generation: run.generation,
        };
        self.with_assembler(|assembler| assembler.commit(&mut run, &mut payload));
        self.write_log(written_to, run.start)?;
        if how.synchronous >= Synchronous::Normal {
            self.flush_commit(how.synchronous)?;
        }
        let staged = core::mem::take(&mut txn.staged);
        drop(txn);
        let commit = self.apply(run, &payload, staged);
        if how.synchronous >= Synchronous::Normal {
            self.flushed = commit;
        }
        Ok(commit)
    }

    /// Writes the staged pages of a transaction behind the log's end, so that it need not fit in memory. They count for
    /// nothing until the transaction commits.
    pub fn spill(&mut self, txn: &mut Txn<S::Device>) -> Result<()> {
        self.check_turn(txn)?;
        if txn.staged.is_empty() {
            return Ok(());
        }
        self.begin_log()?;
        // The same commit, but perhaps in other files: a log may have been begun since, or a segment installed.
        txn.base = self.view.clone();
        let Some(mut run) = txn.run.take().or_else(|| self.log.as_ref().map(Log::run)) else {
            return Err(Error::Poisoned);
        };
        self.run = Arc::downgrade(&run.token);
        let (written_to, frames_before, hasher) = (run.end, run.frames.len(), run.hasher.clone());
        let written = self.assemble(txn, &mut run).and_then(|()| self.write_log(written_to, written_to));
        if let Err(error) = written {
            // The transaction lives on as it was, with what it spilled before: without the run it would commit without it.
            run.frames.truncate(frames_before);
            (run.end, run.hasher) = (written_to, hasher);
            txn.run = Some(run);
            return Err(error);
        }
        let Some(slot) = self.log.as_ref().map(|log| log.slot) else { return Err(Error::Poisoned) };
        for frame in run.frames.get(frames_before..).unwrap_or_default() {
            txn.spilled.insert(frame.page, frame.location(slot));
            txn.cut.remove(&frame.page);
        }
        txn.staged.clear();
        txn.run = Some(run);
        Ok(())
    }

    /// Whether this transaction may write: it is on the newest state, and no other one has pages behind the log's end.
    fn check_turn(&self, txn: &Txn<S::Device>) -> Result<()> {
        self.check_writable()?;
        if txn.base.commit != self.view.commit {
            return Err(Error::Conflict { base: txn.base.commit, head: self.view.commit });
        }
        let mine = txn.run.as_ref().map(|run| Arc::as_ptr(&run.token));
        let others = self.run.upgrade().is_some_and(|token| Some(Arc::as_ptr(&token)) != mine);
        if others { Err(Limit::LogFull.into()) } else { Ok(()) }
    }

    /// Whether a transaction has pages behind the log's end.
    pub(crate) fn has_run(&self) -> bool {
        self.run.strong_count() > 0
    }

    /// Sees to it that there is an active log. Nothing is written: the header goes along with the first run.
    pub(crate) fn begin_log(&mut self) -> Result<()> {
        if self.log.is_some() {
            return Ok(());
        }
        if self.manifest_device.is_none() {
            self.write_manifest(Ok)?;
        }
        let (number, device, file_bytes) = self.take_spare()?;
        // FORMAT: nonce-2
        let mut salt = Salt::default();
        self.entropy.fill(&mut salt.0);
        let header = LogHeader {
            cipher: self.manifest.cipher,
            generation: self.log_next,
            database: self.manifest.database,
            salt,
            epoch: if self.keys.is_some() { self.manifest.epoch } else { Epoch(0) },
            page_size: self.manifest.page_size,
            base: self.view.commit,
            base_chain: self.chain,
            base_page_count: self.view.page_count,
        };
        let file = Arc::new(log_file(number, device, &header, self.keys.as_ref())?);
        let slot = self.insert_file(Arc::clone(&file));
        self.log = Some(Log::new(number, file, slot, header, file_bytes));
        self.log_next = self.log_next.next();
        Ok(())
    }

    /// A file for a log, and how long it is.
    fn take_spare(&mut self) -> Result<(LogNumber, S::Device, u64)> {
        self.recycle();
        if !self.spares.is_empty() {
            self.confirm_root()?;
        }
        // One that was found at the opening may still be read by another process.
        let free = self.spares.iter().rposition(|spare| !self.storage.is_pinned(&spare.number.name()));
        if let Some(mut spare) = free.map(|place| self.spares.remove(place)) {
            let (kept, file_bytes) = (self.options.log_bytes_kept, spare.file_bytes);
            let device = spare.device(&self.storage)?;
            if file_bytes > kept {
                device.truncate(kept)?;
            }
            if let Some(device) = spare.device {
                return Ok((spare.number, device, file_bytes.min(kept)));
            }
        }
        let number = self.free_log_number();
        let name = number.name();
        let device = match self.storage.open(&name, OpenMode::Create) {
            // Left by a crash between its creation and its first use.
            Err(error) if error.kind == DeviceErrorKind::Exists => self.storage.open(&name, OpenMode::Write)?,
            other => other?,
        };
        self.names_changed = true;
        Ok((number, device, 0))
    }

    /// The files that the next commits and the next job may create, for a shell that has to make them beforehand because its
    /// backend cannot open without waiting.
    pub fn next_files(&self) -> [String; 2] {
        [self.free_log_number().name(), segment_name(self.manifest.segment_next)]
    }

    fn free_log_number(&self) -> LogNumber {
        let used = |number: LogNumber| {
            self.log.iter().chain(&self.sealed).any(|log| log.number == number)
                || self.retired.iter().any(|retired| retired.log_number() == Some(number))
                || self.spares.iter().any(|spare| spare.number == number)
        };
        // At most as many are used as there are files open, so the search ends.
        (0..u32::MAX).map(LogNumber).find(|&number| !used(number)).unwrap_or(LogNumber(u32::MAX))
    }

    /// Appends the staged pages to the run and to the buffer, behind the header if the log has none yet.
    fn assemble(&mut self, txn: &Txn<S::Device>, run: &mut Run) -> Result<()> {
        self.buffer.clear();
        let Some(log) = &self.log else { return Err(Error::Poisoned) };
        if !log.begun {
            self.buffer.extend_from_slice(&log.header.encode());
        }
        self.with_assembler(|assembler| {
            for (&page, raw) in &txn.staged {
                assembler.page(run, page, raw);
            }
        });
        Ok(())
    }

    fn with_assembler(&mut self, assemble: impl FnOnce(&mut Assembler<'_, S::Device>)) {
        let Some(log) = &self.log else { return };
        let patches = self.may_patch();
        let entropy = &mut *self.entropy;
        assemble(&mut Assembler {
            file: &log.file,
            encoder: &mut self.encoder,
            bases: patches.then_some(&log.bases),
            patch: &mut self.patch,
            entropy,
            out: &mut self.buffer,
        });
    }

    /// Whether a page may be told by what changed in it. How much that was can be seen by the length, key or not; whoever has a key and
    /// chose not to compress wants no length to tell anything.
    ///
    /// FORMAT: patch-4
    fn may_patch(&self) -> bool {
        self.keys.is_none() || self.manifest.hot.codec() != Codec::None
    }

    /// Writes the buffer in one call, with zeros behind it if the file grows. If the disk is full the log is cut off at `keep`.
    fn write_log(&mut self, run_at: u64, keep: u64) -> Result<()> {
        let Some(log) = &mut self.log else { return Err(Error::Poisoned) };
        let at = if log.begun { run_at } else { 0 };
        debug_assert!(log.begun || run_at == LOG_DATA_START as u64);
        self.counters.writes += 1;
        let len = self.buffer.len();
        let end = at + len as u64;
        if end > log.file_bytes {
            let most = self.options.log_ahead_bytes.min(self.options.log_bytes_max.saturating_sub(end));
            self.buffer.resize(len + room_ahead(end, most), 0);
        }
        let mut written = log.file.device.write_at(at, &self.buffer);
        if self.buffer.len() > len && matches!(&written, Err(error) if error.kind == DeviceErrorKind::NoSpace) {
            // There may be room enough for what counts. The bytes are the same, so no nonce is used for others.
            self.buffer.truncate(len);
            written = log.file.device.write_at(at, &self.buffer);
        }
        match written {
            Ok(()) => {
                log.begun = true;
                log.file_bytes = log.file_bytes.max(at + self.buffer.len() as u64);
                self.counters.log_bytes += len as u64;
                self.counters_unsaved.log_bytes += len as u64;
                self.shrink_buffer();
                Ok(())
            }
            Err(error) if error.kind == DeviceErrorKind::NoSpace => {
                // Cutting the file leaves nothing of the failed write, so that the caller's rollback is true after a crash as
                // well: it may have stored everything. Without the flush a header could come back, of a log that is begun
                // elsewhere by then. Nothing committed is touched, so the store stays usable.
                let end = if log.begun { keep } else { 0 };
                log.file_bytes = end;
                if log.file.device.truncate(end).and_then(|()| log.file.device.flush()).is_err() {
                    self.poisoned = true;
                }
                Err(error.into())
            }
            Err(error) => Err(self.poison(error)),
        }
    }

    /// A commit of a gigabyte must not keep a gigabyte for ever.
    fn shrink_buffer(&mut self) {
        const BUFFER_BYTES_KEPT: usize = 4 << 20;
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_BYTES_KEPT);
    }

    fn flush_device(&mut self) -> Result<()> {
        let Some(log) = &self.log else { return Ok(()) };
        self.counters.flushes += 1;
        log.file.device.flush().map_err(|error| self.poison(error))
    }

    fn flush_commit(&mut self, synchronous: Synchronous) -> Result<()> {
        if self.names_changed {
            self.storage.flush_names().map_err(|error| self.poison(error))?;
            self.names_changed = false;
        }
        self.flush_device()?;
        if synchronous == Synchronous::Extra {
            self.check_manifest().map_err(|error| self.poison(error))?;
            self.flush_device()?;
        }
        Ok(())
    }

    /// Reads the manifest back and finds in it what was last written.
    fn check_manifest(&self) -> Result<()> {
        let Some(device) = &self.manifest_device else { return Ok(()) };
        let (start, slot_bytes) = manifest_slot(self.manifest.generation);
        let stored = device.len()?.saturating_sub(start).min(slot_bytes);
        let mut bytes = vec![0; usize::try_from(stored).unwrap_or(0)];
        device.read_at(start, &mut bytes)?;
        match decode_slot(crate::recover::MANIFEST, &bytes)? {
            Slot::Whole(manifest) if manifest.generation() == self.manifest.generation => Ok(()),
            _ => Err(Error::corrupt(crate::recover::MANIFEST, start, What::Manifest)),
        }
    }

    /// Makes a run that is in the log the newest state.
    fn apply(&mut self, run: Run, payload: &CommitPayload, mut staged: BTreeMap<PageNo, Box<[u8]>>) -> CommitId {
        let patches = self.may_patch();
        let Some(log) = &mut self.log else { return self.view.commit };
        if patches {
            renew_bases(&mut log.bases, &run, &mut staged, self.manifest.page_size);
        }
        let slot = log.slot;
        let mut tally = LiveTally::new(&mut self.segments);
        let table = &mut self.view.table;
        if payload.page_count_low < self.view.page_count {
            table.truncate(payload.page_count_low, |location| tally.remove(location));
        }
        for frame in run.frames.iter().filter(|frame| payload.page_count.contains(frame.page)) {
            self.counters.patches += u64::from(frame.base.is_some());
            if let Some(replaced) = table.set(frame.page, frame.location(slot)) {
                tally.remove(replaced);
            }
        }
        log.append(run, payload);
        self.view.commit = log.head;
        self.view.page_count = payload.page_count;
        self.chain = payload.chain;
        self.requests.add(payload.request, self.view.commit);
        self.counters.commits += 1;
        self.view.commit
    }
}

/// What a commit wrote as a whole can be patched from now on. The last frames of its run are those of what was staged.
fn renew_bases(bases: &mut Bases, run: &Run, staged: &mut BTreeMap<PageNo, Box<[u8]>>, page_size: PageSize) {
    let admits = Bases::admit(run.frames.iter().filter(|frame| frame.base.is_none()).count(), page_size);
    let spilled = run.frames.len().saturating_sub(staged.len());
    for (frame, (number, page)) in run.frames.get(spilled..).unwrap_or_default().iter().zip(staged) {
        let FrameRef { page: written, offset, body_bytes, base, .. } = *frame;
        debug_assert_eq!(written, *number);
        match base {
            Some(_) => bases.used(written),
            None if !admits => {}
            None => bases.insert(Base { number: written, page: core::mem::take(page), offset, body_bytes }),
        }
    }
}

/// How many zeros to write behind a run that makes a log file grow to `end`. A file system has to note each growth down before a
/// flush returns, which takes as long again as the flush; in bytes that are there already, it has not. As many as the file has,
/// so that a small log stays small, up to `most`; to the end of a block.
fn room_ahead(end: u64, most: u64) -> usize {
    const BLOCK: u64 = 4096;
    if most == 0 {
        return 0;
    }
    let grown = (end + end.min(most)).next_multiple_of(BLOCK);
    usize::try_from(grown - end).unwrap_or(0)
}

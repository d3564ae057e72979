//! The store: the state of an open database and the small verbs on it. The large ones have files of their own: `create`,
//! `recover`, `commit`, `checkpoint`, `compact`, `rewrite`, `keyslots`, `verify`.
//!
//! ```text
//!            commit                  seal_log                 fold_job + install
//!   Txn ------------> active log --------------> sealed log --------------------> segment
//!                        ^                           |                               | compact_job + install
//!                        '----- spare <--- retired --'                               v
//!                              (when no snapshot reads it)                        segment
//! ```
//!
//! I1  A commit is one contiguous write to the active log and at most the flushes that were asked for.
//! I2  The manifest only ever names segments that are whole and flushed.
//! I3  A file that a snapshot can read is neither overwritten nor removed: snapshots hold `Arc`s of it.
//! I4  After a write or flush of which nobody knows the outcome, nothing is written any more (`Poisoned`); reads go on.
//! I5  What is dropped when a log is folded or segments are merged was replaced by something that is flushed.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::fmt;

use crate::checkpoint::SourceDevice;
use crate::codec::{Dictionary, Encoder};
use crate::device::{Device, OpenMode, Storage};
use crate::entropy::Entropy;
use crate::error::{Error, Limit, Result};
use crate::file::{FileSet, OpenFile};
use crate::format::commits::CommitInfo;
use crate::format::manifest::{Manifest, SegmentEntry};
use crate::ids::{Chain, CommitId, DatabaseId, LogGeneration, PageCount, PageSize, RequestId, SegmentId};
use crate::job::Task;
use crate::keys::Keyring;
use crate::learn::Learning;
use crate::location::{FileSlot, Location};
use crate::log::{Log, LogNumber, Requests};
use crate::options::Options;
use crate::snapshot::Snapshot;
use crate::sorted::SortedMap;
use crate::txn::Txn;

/// An open database: pages, committed one transaction at a time and readable at any number of snapshots.
///
/// One writer's state machine; a shell with threads puts it behind a lock and reads through [`Snapshot`]s outside of it.
#[expect(clippy::struct_excessive_bools, reason = "independent facts, not a state in disguise")]
pub struct Store<S: Storage> {
    pub(crate) storage: S,
    pub(crate) entropy: Box<dyn Entropy + Send>,
    pub(crate) options: Options,
    pub(crate) keys: Option<Keyring>,
    pub(crate) manifest: Manifest,
    /// `None` while a single-file database has none beside it yet.
    pub(crate) manifest_device: Option<S::Device>,
    /// The newest commit.
    pub(crate) view: Snapshot<S::Device>,
    pub(crate) chain: Chain,
    /// Takes commits; begun by the first.
    pub(crate) log: Option<Log<S::Device>>,
    /// Oldest first, waiting to be folded.
    pub(crate) sealed: VecDeque<Log<S::Device>>,
    pub(crate) log_next: LogGeneration,
    pub(crate) spares: Vec<SpareLog<S::Device>>,
    /// Replaced, but perhaps still read by a snapshot.
    pub(crate) retired: Vec<Retired<S::Device>>,
    /// As in the manifest, oldest first.
    pub(crate) segments: Vec<Segment>,
    /// Every commit up to here is known to be flushed.
    pub(crate) flushed: CommitId,
    pub(crate) requests: Requests,
    pub(crate) encoder: Encoder,
    /// The bytes of the commit being assembled.
    pub(crate) buffer: Vec<u8>,
    /// The patch being made.
    pub(crate) patch: Vec<u8>,
    pub(crate) poisoned: bool,
    /// A job was given out and has not come back.
    pub(crate) job_out: bool,
    /// The dictionary of the next segment.
    pub(crate) dictionary: Option<Dictionary>,
    /// Lives while a transaction has spilled into the log.
    pub(crate) run: Weak<()>,
    pub(crate) names_changed: bool,
    /// The root was written and flushed since the store was opened.
    pub(crate) root_confirmed: bool,
    /// Segments older than this are to be rewritten, since codec or dictionary changed.
    pub(crate) rewrite_before: SegmentId,
    /// New segments are not encrypted any more: a decryption is under way.
    pub(crate) decrypting: bool,
    /// Whether what nobody asked for is done.
    pub(crate) learning: Learning,
    /// The job that `maintain` is at.
    pub(crate) running: Option<Task<SourceDevice<S::Device>, S::Device>>,
    pub(crate) counters: Counters,
    /// What was written since the manifest last said how much.
    pub(crate) counters_unsaved: Counters,
}

/// A log file that can be begun anew.
pub(crate) struct SpareLog<D> {
    pub number: LogNumber,
    /// None if another process may want it: having it open would keep it from being used again, and who takes it opens it.
    pub device: Option<D>,
    pub file_bytes: u64,
    /// It holds what must not stay: written under another key or none, or the rest of a torn beginning.
    pub stale: bool,
}

impl<D: Device> SpareLog<D> {
    /// Its file, for who is about to change it.
    pub fn device<S: Storage<Device = D>>(&mut self, storage: &S) -> Result<&D> {
        let device = match self.device.take() {
            Some(device) => device,
            None => storage.open(&self.number.name(), OpenMode::Write)?,
        };
        Ok(self.device.insert(device))
    }
}

/// A file that is not part of the newest state any more.
pub(crate) enum Retired<D> {
    Log(LogNumber, Arc<OpenFile<D>>, u64),
    Segment(Arc<OpenFile<D>>),
    /// It was opened anew, or replaced by another process, and only snapshots read it through this device.
    Reopened(Arc<OpenFile<D>>),
}

/// A live segment.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub entry: SegmentEntry,
    pub slot: FileSlot,
    pub commits: Vec<CommitInfo>,
    /// Of its last commit; zeros if its seal is damaged.
    pub chain: Chain,
    pub page_count: PageCount,
    /// What its page records take, live and dead.
    pub record_bytes: u64,
    pub live: Live,
    /// What kept commits need of the rest; `None` until somebody asks.
    pub kept: Option<Kept>,
}

impl Segment {
    pub fn new(entry: SegmentEntry, slot: FileSlot, record_bytes: u64, contents: crate::recover::Contents) -> Self {
        let (chain, page_count) = contents.seal.map_or_else(Default::default, |seal| (seal.chain, seal.page_count));
        Self {
            entry,
            slot,
            commits: contents.commits,
            chain,
            page_count,
            record_bytes,
            live: Live::default(),
            kept: None,
        }
    }

    /// Bytes that only kept commits need, as far as they were counted.
    pub fn kept_bytes(&self) -> u64 {
        self.kept.map_or(0, |kept| kept.bytes)
    }
}

/// How much of a segment the newest state still uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Live {
    pub records: u64,
    pub bytes: u64,
}

/// How much of a segment kept commits show and the newest state does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kept {
    pub bytes: u64,
    /// The newest commit that is kept: it or an older one shows every version up to here that the next commit replaces.
    pub newest: CommitId,
}

/// What was done since the store was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Commits.
    pub commits: u64,
    /// Write calls.
    pub writes: u64,
    /// Flush calls.
    pub flushes: u64,
    /// Page frames that were written as patches.
    pub patches: u64,
    /// Bytes written to logs.
    pub log_bytes: u64,
    /// Bytes written to segments.
    pub segment_bytes: u64,
    /// Segments made by folding logs.
    pub folds: u64,
    /// Segments made by merging or rewriting others.
    pub merges: u64,
}

impl<S: Storage> Store<S> {
    /// The newest commit.
    pub const fn head(&self) -> CommitId {
        self.view.commit
    }

    /// The chain checksum of the newest commit. An app can keep it elsewhere as a witness: a database whose chain at that
    /// commit differs was rolled back or forged.
    pub const fn head_chain(&self) -> Chain {
        self.chain
    }

    /// How many pages the newest state has.
    pub const fn page_count(&self) -> PageCount {
        self.view.page_count
    }

    /// The size of a page.
    pub const fn page_size(&self) -> PageSize {
        self.manifest.page_size
    }

    /// The identity of the database.
    pub const fn database(&self) -> DatabaseId {
        self.manifest.database
    }

    /// How it was opened.
    pub const fn options(&self) -> &Options {
        &self.options
    }

    /// Changes how it behaves from now on. What is only read at creation stays as it is.
    pub fn set_options(&mut self, change: impl FnOnce(&mut Options)) {
        change(&mut self.options);
    }

    /// Where its files are.
    pub const fn storage(&self) -> &S {
        &self.storage
    }

    /// Every commit up to here is known to be flushed.
    pub const fn flushed(&self) -> CommitId {
        self.flushed
    }

    /// Whether a failed write or flush has stopped all writing.
    pub const fn is_poisoned(&self) -> bool {
        self.poisoned
    }

    /// The newest state, to be read for as long as it is held.
    pub fn snapshot(&self) -> Snapshot<S::Device> {
        self.view.clone()
    }

    /// Begins a transaction on the newest state.
    pub fn begin(&self) -> Txn<S::Device> {
        Txn::new(self.view.clone())
    }

    /// The commit that carried this request, if it is there and recent.
    pub fn find_request(&self, request: RequestId) -> Option<CommitId> {
        self.requests.get(request)
    }

    /// The first request from this one on, in the order of their bytes, that a recent commit carried: for callers whose names stand for
    /// several requests.
    pub fn next_request(&self, request: RequestId) -> Option<(RequestId, CommitId)> {
        self.requests.next(request)
    }

    /// Whether the active log has taken enough for a checkpoint to be worth it, or sealed logs wait.
    pub fn needs_checkpoint(&self) -> bool {
        // Commits count as well as frames, since each is remembered until it is folded.
        let active = self.log.as_ref().map_or(0, |log| log.frames.len().max(log.commits.len() / 64));
        !self.sealed.is_empty() || active >= self.options.checkpoint_pages as usize
    }

    /// Page frames in the logs that are not folded yet.
    pub fn log_frames(&self) -> u64 {
        let sealed: usize = self.sealed.iter().map(|log| log.frames.len()).sum();
        (sealed + self.log.as_ref().map_or(0, |log| log.frames.len())) as u64
    }

    pub(crate) fn check_writable(&self) -> Result<()> {
        // FORMAT: write-3
        if self.poisoned {
            return Err(Error::Poisoned);
        }
        if self.options.read_only {
            return Err(Limit::ReadOnly.into());
        }
        Ok(())
    }

    /// A write or flush failed and nobody knows what is stored: nothing is written from here on.
    pub(crate) fn poison<E: Into<Error>>(&mut self, error: E) -> Error {
        self.poisoned = true;
        error.into()
    }

    pub(crate) fn insert_file(&mut self, file: Arc<OpenFile<S::Device>>) -> FileSlot {
        Arc::make_mut(&mut self.view.files).insert(file)
    }

    pub(crate) fn remove_file(&mut self, slot: FileSlot) {
        Arc::make_mut(&mut self.view.files).remove(slot);
    }

    pub(crate) fn encoder_for(manifest: &Manifest) -> Encoder {
        Encoder::new(manifest.hot, None)
    }

    /// Makes every commit so far durable: the barrier behind which a caller can promise anything.
    pub fn flush(&mut self) -> Result<()> {
        if self.flushed == self.view.commit {
            return Ok(());
        }
        self.check_writable()?;
        self.flush_log()
    }

    pub(crate) fn flush_log(&mut self) -> Result<()> {
        if self.names_changed {
            self.storage.flush_names().map_err(|error| self.poison(error))?;
            self.names_changed = false;
        }
        if let Some(log) = &self.log {
            self.counters.flushes += 1;
            log.file.device.flush().map_err(|error| self.poison(error))?;
        }
        self.flushed = self.view.commit;
        Ok(())
    }

    /// Ends the use of the store. Everything committed is flushed, and the manifest says so, which lets the next opening
    /// tell a clean end from lost commits.
    pub fn close(mut self) -> Result<()> {
        if self.options.read_only || self.poisoned {
            return Ok(());
        }
        self.flush()?;
        self.recycle();
        if self.manifest.flushed != self.view.commit {
            self.write_manifest(Ok)?;
        }
        Ok(())
    }
}

/// Live bytes by segment, as a table changes.
pub(crate) struct LiveTally<'a> {
    pub segments: &'a mut [Segment],
    by_slot: SortedMap<FileSlot, usize>,
}

impl<'a> LiveTally<'a> {
    pub fn new(segments: &'a mut [Segment]) -> Self {
        let mut by_slot = SortedMap::new();
        for (index, segment) in segments.iter().enumerate() {
            by_slot.insert(segment.slot, index);
        }
        Self { segments, by_slot }
    }

    fn segment(&mut self, location: Location) -> Option<&mut Segment> {
        let &index = self.by_slot.get(&location.file())?;
        self.segments.get_mut(index)
    }

    pub fn add(&mut self, location: Location) {
        if let Some(Segment { live, .. }) = self.segment(location) {
            live.records += 1;
            live.bytes += record_bytes(location);
        }
    }

    pub fn remove(&mut self, location: Location) {
        if let Some(Segment { live, kept, .. }) = self.segment(location) {
            live.records = live.records.saturating_sub(1);
            live.bytes = live.bytes.saturating_sub(record_bytes(location));
            if let Some(kept) = kept.as_mut().filter(|kept| location.commit() <= kept.newest) {
                kept.bytes += record_bytes(location);
            }
        }
    }
}

/// What a record in a segment takes.
pub(crate) fn record_bytes(location: Location) -> u64 {
    crate::format::layout::RECORD_HEADER_BYTES as u64 + u64::from(location.body_bytes())
}

impl<S: Storage> fmt::Debug for Store<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({:?}, {:?}, {} segments)", self.manifest.database, self.view.commit, self.segments.len())
    }
}

/// An empty set of files, for a view that has none yet.
pub(crate) fn no_files<D: Device>() -> Arc<FileSet<D>> {
    Arc::new(FileSet::default())
}

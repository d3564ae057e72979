//! The long verbs in shares, for a shell with one thread: between two steps of one, anything else may happen to the database,
//! and does. [`crate::Database`] has the same verbs in one piece, for who can wait.
//!
//! H1  A step that fails for a file that is not ready yet has done nothing that its repetition would do twice.
//! H2  Dropping a chore half-way leaves what was committed as it is; what it has written counts for nothing, or is taken up by
//!     calling the verb again.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use coffer_store::{
    Cipher, CommitId, Compaction, Device, DeviceError, DeviceErrorKind, DeviceOp, Error as StoreError, Inline, Job,
    Limit, NewKey, PageCount, PageNo, Scratch, SlotKey, Snapshot, SourceDevice, Storage, Store, Task, Txn,
    Verification,
};

use crate::core::Core;
use crate::database::{Database, fitting};
use crate::entropy::SystemEntropy;
use crate::error::{Error, ErrorCode, Result};
use crate::key::{Key, NewSlot};
use crate::main_file::{counter, present_header, sqlite_bytes};
use crate::portable::{Portable, lock};
use crate::pragma::CheckpointMode;

/// A long verb that is under way.
pub struct Chore<S: Storage> {
    core: Arc<Core<S>>,
    work: Work<S>,
    result: ChoreResult,
    done: u64,
    total: u64,
}

/// How far a chore is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes done, of pages uncompressed.
    pub done: u64,
    /// About how many there are.
    pub total: u64,
    /// Whether it is done.
    pub finished: bool,
    /// Whether it could do nothing now: a checkpoint is at work elsewhere, or a large transaction.
    pub waiting: bool,
}

/// What a chore came to.
#[derive(Clone, Debug, Default)]
pub struct ChoreResult {
    /// The commit that was saved, or made.
    pub commit: Option<CommitId>,
    /// Records that were opened.
    pub records: u64,
    /// What is damaged.
    pub damage: Vec<StoreError>,
    /// Pages of the newest state that cannot be read.
    pub pages_lost: Vec<PageNo>,
}

type Running<S> = Task<SourceDevice<<S as Storage>::Device>, <S as Storage>::Device>;
type ReadPage = Box<dyn FnMut(PageNo, &mut [u8]) -> std::result::Result<(), StoreError>>;

enum Work<S: Storage> {
    /// Logs and segments become others.
    Rewrite {
        stages: VecDeque<Stage>,
        running: Option<Running<S>>,
    },
    /// A share of upkeep, of so many bytes.
    Upkeep,
    Verify(Box<Verification<S::Device>>),
    /// A backup leaves through `out`.
    Backup {
        task: Option<Box<Task<SourceDevice<S::Device>, Outbox>>>,
        out: Outbox,
    },
    /// A plain SQLite database leaves.
    Plain {
        snapshot: Snapshot<S::Device>,
        next: u32,
        scratch: Scratch,
        out: Vec<u8>,
    },
    /// The pages of another database come in.
    Replace {
        txn: Option<Txn<S::Device>>,
        read: ReadPage,
        next: u32,
        count: u32,
        page: Vec<u8>,
    },
}

enum Stage {
    /// Ends the log, so that it can be folded.
    Seal,
    Fold,
    /// Rewrites what has an outlived key, codec or dictionary.
    Stale,
    All,
    Tidy,
    CutLogs,
    Rotate(Vec<(u8, SlotKey)>),
    Encrypt(NewSlot, Cipher),
    BeginDecryption,
    Decrypt,
    /// Lets go of what an outlived key had encrypted.
    Scrub,
}

impl<S> Database<S>
where
    S: Storage + Portable + 'static,
    S::Device: Portable + 'static,
{
    fn chore(&self, work: Work<S>, total: u64) -> Chore<S> {
        Chore { core: Arc::clone(&self.core), work, result: ChoreResult::default(), done: 0, total }
    }

    fn rewrite_chore(&self, stages: impl IntoIterator<Item = Stage>, everything: bool) -> Result<Chore<S>> {
        let stats = self.core.with_store(|store| Ok(store.stats()))?;
        let pages = stats.log_frames + if everything { u64::from(stats.page_count.0) } else { 0 };
        let stages = stages.into_iter().collect();
        Ok(self.chore(Work::Rewrite { stages, running: None }, pages * u64::from(stats.page_size.get())))
    }

    /// Folds logs into segments, as [`Database::checkpoint`].
    pub fn checkpoint_chore(&self, mode: CheckpointMode) -> Result<Chore<S>> {
        let last = if mode == CheckpointMode::Truncate { Stage::CutLogs } else { Stage::Tidy };
        self.rewrite_chore([Stage::Seal, Stage::Fold, last], false)
    }

    /// Merges everything live into one segment, as [`Database::compact`].
    pub fn compact_chore(&self) -> Result<Chore<S>> {
        self.rewrite_chore([Stage::Seal, Stage::Fold, Stage::Stale, Stage::All, Stage::Tidy], true)
    }

    /// Does of what upkeep is due as much as rewrites so many bytes.
    pub fn upkeep_chore(&self, budget_bytes: u64) -> Chore<S> {
        self.chore(Work::Upkeep, budget_bytes)
    }

    /// Encrypts everything anew, as [`Database::rotate_key`].
    pub fn rotate_chore(&self, keys: &[Key]) -> Result<Chore<S>> {
        let mut slots = Vec::new();
        for key in keys {
            slots.extend(self.slots_of(key)?);
        }
        let stages = [Stage::Seal, Stage::Fold, Stage::Rotate(slots), Stage::Seal, Stage::Fold, Stage::Stale];
        self.rewrite_chore(stages.into_iter().chain([Stage::Scrub, Stage::Scrub]), true)
    }

    /// Encrypts a database that is not, as [`Database::encrypt`].
    pub fn encrypt_chore(&self, key: &Key, cipher: Cipher) -> Result<Chore<S>> {
        let slot = NewSlot::derive(key, self.kdf, &mut SystemEntropy)?;
        let stages = [Stage::Seal, Stage::Fold, Stage::Encrypt(slot, cipher), Stage::Stale];
        self.rewrite_chore(stages.into_iter().chain([Stage::Scrub, Stage::Scrub]), true)
    }

    /// Stores the database in the clear from now on, as [`Database::decrypt`].
    pub fn decrypt_chore(&self) -> Result<Chore<S>> {
        let stages = [Stage::BeginDecryption, Stage::Seal, Stage::Fold, Stage::Stale, Stage::Decrypt, Stage::Tidy];
        self.rewrite_chore(stages, true)
    }

    /// Opens every record that counts, as [`Database::verify`].
    pub fn verify_chore(&self) -> Result<Chore<S>> {
        let verification = self.core.with_store(|store| Ok(store.verification()))?;
        let total = verification.progress().1;
        Ok(self.chore(Work::Verify(Box::new(verification)), total))
    }

    /// Writes a backup, as [`Database::back_up`]. Its bytes are taken with [`Chore::take_output`].
    pub fn backup_chore(&self, since: Option<CommitId>) -> Result<Chore<S>> {
        let out = Outbox::default();
        let (task, commit) = self.core.with_store(|store| {
            let commit = store.head();
            if let Some(since) = since.filter(|since| *since > commit) {
                return Err(StoreError::NoSuchCommit { commit: since });
            }
            Ok((store.export_task(since, out.clone(), 1)?, commit))
        })?;
        let total = task.progress().1 * u64::from(self.core.page_size.get());
        let mut chore = self.chore(Work::Backup { task: Some(Box::new(task)), out }, total);
        chore.result.commit = Some(commit);
        Ok(chore)
    }

    /// Writes a plain SQLite database. Its bytes are taken with [`Chore::take_output`].
    pub fn plain_chore(&self) -> Result<Chore<S>> {
        let snapshot = self.core.head();
        let mut scratch = Scratch::default();
        let mut first = [0; 100];
        let bytes = u64::from(snapshot.page_count().0) * u64::from(snapshot.page_size().get());
        if bytes > 0 {
            snapshot.read(FIRST, &mut first, &mut scratch)?;
        }
        // SQLite's pages may be smaller than ours, and end within the last.
        let total = sqlite_bytes(&first).map_or(bytes, |said| said.min(bytes));
        let commit = snapshot.commit();
        let mut chore = self.chore(Work::Plain { snapshot, next: 1, scratch, out: Vec::new() }, total);
        chore.result.commit = Some(commit);
        Ok(chore)
    }

    /// Replaces everything by a plain SQLite database, in one commit. The turn to write must be the caller's until it is done.
    pub fn import_chore(&self, source: impl Device + 'static) -> Result<Chore<S>> {
        let len = source.len()?;
        let mut first = [0; 100];
        if len > 0 {
            let there = usize::try_from(len).unwrap_or(usize::MAX).min(first.len());
            source.read_at(0, &mut first[..there])?;
            if !first.starts_with(b"SQLite format 3\0") {
                let message = "the file is not a plain SQLite database; a backup is brought back with restore()";
                return Err(Error::new(ErrorCode::Foreign, message));
            }
        }
        if sqlite_bytes(&first).is_some_and(|said| said > len) {
            return Err(Error::new(
                ErrorCode::Corrupt,
                "the SQLite database is cut off: it is shorter than it says; get it again",
            ));
        }
        let page_bytes = u64::from(self.core.page_size.get());
        let count = u32::try_from(len.div_ceil(page_bytes)).map_err(|_| StoreError::Limit(Limit::Pages))?;
        let read = move |page: PageNo, out: &mut [u8]| {
            let start = u64::from(page.get() - 1) * page_bytes;
            let there = usize::try_from(len - start).unwrap_or(usize::MAX).min(out.len());
            let (known, rest) = out.split_at_mut(there);
            rest.fill(0);
            Ok(source.read_at(start, known)?)
        };
        self.replace_chore(Box::new(read), count)
    }

    /// Replaces everything by what a backup holds, in one commit. The turn to write must be the caller's until it is done.
    pub fn restore_chore<B: Storage + 'static>(&self, backup: &Backup<B>) -> Result<Chore<S>>
    where
        B::Device: 'static,
    {
        let snapshot = backup.store.snapshot();
        if snapshot.page_size() != self.core.page_size {
            return Err(StoreError::Limit(Limit::PageSize).into());
        }
        if self.head() == CommitId::ZERO {
            let ((hot, cold), dictionary) = (backup.store.codecs(), backup.store.dictionary().map(<[u8]>::to_vec));
            self.set_codec(hot, cold)?;
            if dictionary.is_some() {
                self.embed_dictionary(dictionary.as_deref())?;
            }
        }
        let count = snapshot.page_count().0;
        let mut scratch = Scratch::default();
        let read = move |page: PageNo, out: &mut [u8]| snapshot.read(page, out, &mut scratch).map(|_| ());
        self.replace_chore(Box::new(read), count)
    }

    fn replace_chore(&self, read: ReadPage, count: u32) -> Result<Chore<S>> {
        let txn = Some(self.core.with_store(|store| Ok(store.begin()))?);
        let page = vec![0; self.core.page_size.bytes()];
        let total = u64::from(count) * page.len() as u64;
        Ok(self.chore(Work::Replace { txn, read, next: 1, count, page }, total))
    }
}

/// What a backup holds: a full one, with increments laid over it.
pub struct Backup<B: Storage> {
    store: Store<B>,
}

impl<B: Storage> Backup<B> {
    /// Opens a full backup, a file of this name.
    pub fn open(storage: B, name: &str, key: Option<&Key>) -> Result<Self> {
        let peek = coffer_store::peek(&storage, Some(name))?;
        let key = key.filter(|_| !peek.slots.is_empty()).map(|key| fitting(key, &peek)).transpose()?;
        let options =
            coffer_store::Options { base: Some(name.to_owned()), read_only: true, ..coffer_store::Options::default() };
        let (store, _) = Store::open(storage, Box::new(SystemEntropy), options, key.as_ref())?;
        Ok(Self { store })
    }

    /// Lays an increment over it that continues what is there.
    pub fn lay_over(&mut self, storage: &B, name: &str, key: Option<&Key>) -> Result<()> {
        let device = storage.open(name, coffer_store::OpenMode::Read)?;
        lay_over(&mut self.store, name, storage, name, device, key).map(|_| ())
    }
}

/// Lays an increment over a backup that is open. `shown` is how people know it.
pub(crate) fn lay_over<B: Storage, P: Storage>(
    store: &mut Store<B>,
    shown: &str,
    storage: &P,
    name: &str,
    device: B::Device,
    key: Option<&Key>,
) -> Result<CommitId> {
    let peek = coffer_store::peek(storage, Some(name))?;
    let key = key.filter(|_| !peek.slots.is_empty()).map(|key| fitting(key, &peek)).transpose()?;
    store.lay_over(shown, device, key.as_ref()).map_err(|error| match error {
        StoreError::NoSuchCommit { .. } => {
            let what = "does not continue what was given before it; give a full backup, then its increments in order";
            Error::new(ErrorCode::NoSuchCommit, format!("{shown} {what}"))
        }
        error => error.into(),
    })
}

impl<S> Chore<S>
where
    S: Storage + Portable + 'static,
    S::Device: Portable + 'static,
{
    /// Does about so many bytes' worth.
    pub fn step(&mut self, budget_bytes: u64) -> Result<Progress> {
        let mut waiting = false;
        let finished = match self.share(budget_bytes) {
            Err(StoreError::Limit(Limit::JobOut | Limit::LogFull)) => {
                waiting = true;
                false
            }
            other => other?,
        };
        self.done = if finished { self.total } else { self.done.min(self.total) };
        Ok(Progress { done: self.done, total: self.total, finished, waiting })
    }

    /// What it came to so far.
    pub fn result(&self) -> &ChoreResult {
        &self.result
    }

    /// The bytes that it made since the last time.
    pub fn take_output(&mut self) -> Vec<u8> {
        match &mut self.work {
            Work::Backup { out, .. } => std::mem::take(&mut lock(&out.0).bytes),
            Work::Plain { out, .. } => std::mem::take(out),
            _ => Vec::new(),
        }
    }

    fn share(&mut self, budget_bytes: u64) -> std::result::Result<bool, StoreError> {
        let core = &self.core;
        match &mut self.work {
            Work::Rewrite { stages, running } => rewrite(core, stages, running, budget_bytes, &mut self.done),
            Work::Upkeep => {
                let share = budget_bytes.min(self.total - self.done);
                let idle = core.change_store(|store| Ok(store.maintain(share)?.idle))?;
                self.done += share;
                Ok(idle || self.done >= self.total)
            }
            Work::Verify(verification) => {
                let finished = verification.step(budget_bytes)?;
                self.done = verification.progress().0;
                if finished {
                    let verified =
                        std::mem::replace(verification, Box::new(core.with_store(|store| Ok(store.verification()))?))
                            .finish();
                    self.result.records = verified.records;
                    self.result.damage = verified.damage;
                    self.result.pages_lost = verified.pages_lost;
                }
                Ok(finished)
            }
            Work::Backup { task, .. } => {
                let Some(running) = task else { return Ok(true) };
                let complete = running.step(budget_bytes, &mut SystemEntropy, &Inline)?;
                self.done = running.progress().0 * u64::from(core.page_size.get());
                if let Some(task) = task.take_if(|_| complete) {
                    task.finish(&mut SystemEntropy)?;
                    core.count_backup(self.result.commit.unwrap_or_default());
                }
                Ok(complete)
            }
            Work::Plain { snapshot, next, scratch, out } => {
                let until = self.done + budget_bytes;
                while self.done < self.total && self.done < until {
                    let Some(number) = PageNo::new(*next) else { break };
                    let start = out.len();
                    out.resize(start + core.page_size.bytes(), 0);
                    snapshot.read(number, &mut out[start..], scratch)?;
                    if number == FIRST {
                        present_header(&mut out[start..], Some(counter(snapshot.commit(), 0)));
                    }
                    *next += 1;
                    let left = self.total - self.done;
                    out.truncate(start + usize::try_from(left).unwrap_or(usize::MAX).min(core.page_size.bytes()));
                    self.done += (out.len() - start) as u64;
                }
                Ok(self.done >= self.total)
            }
            Work::Replace { txn, read, next, count, page } => {
                let Some(writing) = txn else { return Ok(true) };
                let until = self.done + budget_bytes;
                while let Some(number) = PageNo::new(*next).filter(|number| number.get() <= *count) {
                    // Before the page, so that a log which is not ready yet finds nothing half done (H1).
                    core.spill_if_due(writing, REPLACED_BYTES_MAX)?;
                    if self.done >= until {
                        return Ok(false);
                    }
                    read(number, page)?;
                    Core::<S>::stage(writing, number, page)?;
                    *next += 1;
                    self.done += page.len() as u64;
                }
                // The log that takes the commit is begun by this, which can be repeated; the commit cannot.
                core.with_store(|store| store.spill(writing))?;
                if let Some(txn) = txn.take() {
                    self.result.commit = Some(core.commit_replaced(txn, PageCount(*count))?);
                }
                Ok(true)
            }
        }
    }
}

/// A share of what rewrites files.
fn rewrite<S>(
    core: &Core<S>,
    stages: &mut VecDeque<Stage>,
    running: &mut Option<Running<S>>,
    budget_bytes: u64,
    done: &mut u64,
) -> std::result::Result<bool, StoreError>
where
    S: Storage + Portable + 'static,
    S::Device: Portable + 'static,
{
    if let Some(mut task) = running.take() {
        let before = task.progress().0;
        match task.step(budget_bytes, &mut SystemEntropy, &Inline) {
            Ok(complete) => {
                *done += (task.progress().0 - before) * u64::from(core.page_size.get());
                if !complete {
                    *running = Some(task);
                    return Ok(false);
                }
            }
            Err(error) => {
                let _ = core.with_store(|store| store.abandon_job(&task.target()));
                return Err(error);
            }
        }
        let target = task.target();
        let installed =
            task.finish(&mut SystemEntropy).and_then(|made| core.change_store(|store| store.install(&made)));
        if installed.is_err() {
            let _ = core.with_store(|store| store.abandon_job(&target));
        }
        installed?;
        core.with_store(Store::tidy)?;
        return Ok(false);
    }
    let Some(stage) = stages.front() else { return Ok(true) };
    let job = core.change_store(|store| {
        store.claim_job()?;
        match stage {
            Stage::Seal => store.seal_log().map(|_| None),
            Stage::Fold => store.fold_job(),
            Stage::Stale => store.compact_job(Compaction::Stale),
            Stage::All => store.compact_job(Compaction::All),
            Stage::Tidy => store.tidy().map(|()| None),
            Stage::CutLogs => Ok(None),
            Stage::Rotate(slots) => {
                let slots: Vec<(u8, &SlotKey)> = slots.iter().map(|(number, key)| (*number, key)).collect();
                store.rotate_key(&slots).map(|()| None)
            }
            Stage::Encrypt(slot, cipher) => {
                let parameters = slot.parameters.clone();
                let new = NewKey { cipher: *cipher, kind: slot.kind, parameters, key: &slot.key };
                store.begin_encryption(new, &Inline, 1).map(|()| None)
            }
            Stage::BeginDecryption => {
                store.set_decrypting(true);
                Ok(None)
            }
            Stage::Decrypt => store.decrypt(&Inline, 1).map(|()| None),
            Stage::Scrub => store.finish_rotation().map(|_| None),
        }
    })?;
    if matches!(stage, Stage::CutLogs) {
        core.cut_logs()?;
    }
    // One that makes several jobs is over when it makes none.
    if job.is_none() || matches!(stage, Stage::All) {
        start(core, job, running)?;
        stages.pop_front();
    } else {
        start(core, job, running)?;
    }
    Ok(false)
}

fn start<S>(core: &Core<S>, job: Option<Job>, running: &mut Option<Running<S>>) -> std::result::Result<(), StoreError>
where
    S: Storage + Portable + 'static,
    S::Device: Portable + 'static,
{
    let Some(job) = job else { return Ok(()) };
    let target = job.target();
    match core.with_store(|store| store.start_task(job, 1)) {
        Ok(task) => *running = Some(task),
        Err(error) => {
            let _ = core.with_store(|store| store.abandon_job(&target));
            return Err(error);
        }
    }
    Ok(())
}

impl<S: Storage> Drop for Chore<S> {
    fn drop(&mut self) {
        let Work::Rewrite { stages, running } = &mut self.work else { return };
        let target = running.take().map(|task| task.target());
        let stops_decrypting = stages.iter().any(|stage| matches!(stage, Stage::Decrypt));
        // What stays behind is removed by the next opening (H2).
        let _ = self.core.let_go(|store| {
            if stops_decrypting {
                store.set_decrypting(false);
            }
            target.map_or(Ok(()), |target| store.abandon_job(&target))
        });
    }
}

/// What of a new content waits in memory for its way into the log. A browser's never gives back what it had once, and each byte that
/// waits is there three times while it goes: as a page, packed, and on its way.
const REPLACED_BYTES_MAX: u64 = 2 << 20;

const FIRST: PageNo = PageNo::new(1).expect("1 is a page number");

/// Takes the bytes of a backup as they are made, until somebody fetches them.
#[derive(Clone, Default)]
struct Outbox(Arc<Mutex<Outgoing>>);

#[derive(Default)]
struct Outgoing {
    len: u64,
    bytes: Vec<u8>,
}

impl Outbox {
    fn refuse<T>(op: DeviceOp, offset: u64) -> std::result::Result<T, DeviceError> {
        Err(DeviceError::new(op, "the backup", offset, DeviceErrorKind::Io).with_detail("it has left already"))
    }
}

impl Device for Outbox {
    fn len(&self) -> std::result::Result<u64, DeviceError> {
        Ok(lock(&self.0).len)
    }

    fn read_at(&self, offset: u64, _out: &mut [u8]) -> std::result::Result<(), DeviceError> {
        Self::refuse(DeviceOp::Read, offset)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> std::result::Result<(), DeviceError> {
        let mut outgoing = lock(&self.0);
        if offset != outgoing.len {
            return Self::refuse(DeviceOp::Write, offset);
        }
        outgoing.bytes.extend_from_slice(data);
        outgoing.len += data.len() as u64;
        Ok(())
    }

    fn truncate(&self, len: u64) -> std::result::Result<(), DeviceError> {
        if len == lock(&self.0).len { Ok(()) } else { Self::refuse(DeviceOp::Truncate, len) }
    }

    fn flush(&self) -> std::result::Result<(), DeviceError> {
        Ok(())
    }
}

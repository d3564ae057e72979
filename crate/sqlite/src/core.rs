//! One open database: the store behind its lock, the newest snapshot beside it, and the turn to write.
//!
//! I1  `head` is a snapshot of a commit that was acknowledged or is being: it is replaced right after each commit, and
//!     taking it needs no lock of the store. Readers never wait for a writer, a checkpoint or a flush.
//! I2  Only the connection that owns the turn commits; other processes are kept out by the process lock meanwhile.
//! I3  The process lock is held from the moment a writer has caught up with other processes until it lets go of the turn.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use coffer_store::{
    Commit, CommitId, Compaction, Device, DeviceError, DeviceErrorKind, DeviceOp, Error, Job, PageCount, PageNo,
    PageSize, Scratch, Snapshot, Storage, Store, Txn, Workers,
};

use crate::cache::PageCache;
use crate::entropy::SystemEntropy;
use crate::figures::{MemoryStats, StorageInfo};
#[cfg(not(target_family = "wasm"))]
use crate::key::Key;
use crate::lock::{ProcessLock, Turn, Writing};
use crate::main_file::MainFile;
use crate::portable::{Portable, lock};
use crate::pragma::CheckpointMode;
use crate::registry::{self, Host, PageSource};
use crate::session::Session;
use crate::settings::Settings;
use crate::trace;
use crate::vfs::VfsFile;
use crate::workers::{Threads, Watched, Watcher};

/// One open database.
pub(crate) struct Core<S: Storage> {
    /// The name SQLite knows it by.
    pub name: String,
    pub page_size: PageSize,
    pub read_only: bool,
    /// What `storage_info` calls the place of the files.
    pub backend: String,
    /// Threads to compress with.
    pub threads: usize,
    /// How much to read at once where a call is dear.
    pub cluster_bytes: u32,
    pub cache: PageCache,
    pub settings: Mutex<Settings>,
    pub turn: Turn,
    process: Option<Box<dyn ProcessLock>>,
    /// Called when the log has grown to where it should be folded.
    pub wake: Mutex<Option<Wake>>,
    /// Hears how far rewritings are.
    pub watcher: Mutex<Option<Arc<dyn Watcher>>>,
    store: Mutex<Option<Store<S>>>,
    head: RwLock<Snapshot<S::Device>>,
    process_held: AtomicBool,
    /// Held while what other processes wrote is taken in.
    taking_in: Mutex<()>,
    inline_upkeep: AtomicBool,
    upkeep_failure: Mutex<Option<Error>>,
    /// What it was opened with; opens its backups too.
    #[cfg(not(target_family = "wasm"))]
    key: Option<Key>,
    /// The commit of the last backup taken here; 0 is none.
    backed_up: AtomicU64,
    limits_version: AtomicU64,
    /// How many times commits were taken back, whose numbers others have since.
    pub reloads: AtomicU32,
}

/// What a database is opened with, besides its store.
pub(crate) struct Parts {
    pub name: String,
    pub read_only: bool,
    pub backend: String,
    pub threads: usize,
    pub cluster_bytes: u32,
    pub process: Option<Box<dyn ProcessLock>>,
    #[cfg(not(target_family = "wasm"))]
    pub key: Option<Key>,
}

/// Wakes whoever maintains the database.
pub(crate) type Wake = Box<dyn Fn() + Send>;

impl<S> Core<S>
where
    S: Storage + Portable + 'static,
    S::Device: Portable + 'static,
{
    pub fn new(store: Store<S>, settings: Settings, parts: Parts) -> Self {
        let limited = settings.max_rows.is_some() || !settings.max_rows_of.is_empty();
        Self {
            name: parts.name,
            page_size: store.page_size(),
            read_only: parts.read_only,
            backend: parts.backend,
            threads: parts.threads,
            cluster_bytes: parts.cluster_bytes,
            cache: PageCache::new(settings.cache_memory, settings.cache_memory_soft),
            settings: Mutex::new(settings),
            turn: Turn::default(),
            process: parts.process,
            wake: Mutex::new(None),
            watcher: Mutex::new(None),
            head: RwLock::new(store.snapshot()),
            store: Mutex::new(Some(store)),
            process_held: AtomicBool::new(false),
            taking_in: Mutex::default(),
            inline_upkeep: AtomicBool::new(false),
            upkeep_failure: Mutex::new(None),
            #[cfg(not(target_family = "wasm"))]
            key: parts.key,
            backed_up: AtomicU64::new(0),
            limits_version: AtomicU64::new(u64::from(limited)),
            reloads: AtomicU32::new(0),
        }
    }

    /// The newest snapshot (I1).
    pub fn head(&self) -> Snapshot<S::Device> {
        self.head.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Runs with the store. After [`Core::close`] there is none.
    pub fn with_store<R>(&self, section: impl FnOnce(&mut Store<S>) -> Result<R, Error>) -> Result<R, Error> {
        let mut store = lock(&self.store);
        let Some(store) = store.as_mut() else { return Err(Error::Poisoned) };
        let result = section(store);
        if let (Err(error), Some(process)) = (&result, self.process()) {
            match error {
                _ if store.is_poisoned() => process.lost_track(),
                Error::Device(error) if error.kind == DeviceErrorKind::NoSpace => process.took_back(),
                _ => {}
            }
        }
        result
    }

    /// As [`Core::with_store`], and publishes the head that it leaves.
    pub fn change_store<R>(&self, section: impl FnOnce(&mut Store<S>) -> Result<R, Error>) -> Result<R, Error> {
        self.with_store(|store| {
            let result = section(store);
            // Under the store's lock, so that heads are published in the order of their commits.
            *self.head.write().unwrap_or_else(std::sync::PoisonError::into_inner) = store.snapshot();
            result
        })
    }

    /// Takes over what is stored where the storage has taken commits back. Whoever reads or writes at the moment gets a conflict.
    pub fn reload(&self) -> Result<(), Error> {
        self.reloads.fetch_add(1, Ordering::Relaxed);
        self.cache.clear();
        self.change_store(Store::reload)
    }

    /// A snapshot to read from: the newest one of all processes, or a kept one.
    pub fn snapshot(&self, at: Option<CommitId>) -> Result<Snapshot<S::Device>, Error> {
        if let Some(commit) = at {
            return self.with_store(|store| store.snapshot_at(commit));
        }
        self.catch_up()?;
        Ok(self.head())
    }

    /// Learns of other processes' commits, if they announced any.
    fn catch_up(&self) -> Result<(), Error> {
        let Some(process) = self.process() else { return Ok(()) };
        let Some(news) = process.news()? else { return Ok(()) };
        let mut refreshed = Ok(());
        process.with_files(false, &mut || {
            refreshed = self.change_store(|store| {
                // While this process is the writer, for a transaction or for upkeep, and has taken in what was before, nobody knows
                // more than it does, and neither must lose the log under it.
                if process.is_held() && !process.is_behind() { Ok(()) } else { store.refresh().map(|_| ()) }
            });
        })?;
        refreshed?;
        process.saw(news);
        self.heed_taken_back(process);
        Ok(())
    }

    /// Forgets what was seen of a commit that another process took back. Whoever reads or writes at the moment gets a conflict.
    fn heed_taken_back(&self, process: &dyn ProcessLock) {
        if process.was_taken_back() {
            self.reloads.fetch_add(1, Ordering::Relaxed);
            self.cache.clear();
        }
    }

    /// Tries to become the writer. With other processes about, the head is the newest of all when this returns true.
    pub fn try_write(&self, file: u64) -> Result<bool, Error> {
        if !self.turn.try_take(file) {
            return Ok(false);
        }
        let held = self.hold_process();
        if !matches!(held, Ok(true)) {
            self.release_write(file);
        }
        held
    }

    /// Keeps other processes from writing, and catches up with what they wrote before.
    fn hold_process(&self) -> Result<bool, Error> {
        let Some(process) = self.process() else { return Ok(true) };
        if self.process_held.load(Ordering::Acquire) {
            return Ok(true);
        }
        self.check_usable()?;
        if !process.try_write()? {
            return Ok(false);
        }
        if let Err(error) = self.take_in(process) {
            process.release_write();
            return Err(error);
        }
        self.process_held.store(true, Ordering::Release);
        Ok(true)
    }

    /// Who has lost track of what is stored does not take the turn: the next one would store again what is in order.
    fn check_usable(&self) -> Result<(), Error> {
        self.with_store(|store| if store.is_poisoned() { Err(Error::Poisoned) } else { Ok(()) })
    }

    /// Takes in what other processes wrote, as one who holds the turn of this process. Whoever else holds it waits for the end, for
    /// it would write where they have written.
    fn take_in(&self, process: &dyn ProcessLock) -> Result<(), Error> {
        if !process.is_behind() && !process.is_unproven() {
            return Ok(());
        }
        let _one = lock(&self.taking_in);
        if process.is_behind() {
            self.refresh()?;
        }
        if process.is_unproven() {
            self.with_store(Store::prove)?;
        }
        process.caught_up();
        Ok(())
    }

    /// The limits on rows have changed.
    pub fn count_limits_change(&self) {
        self.limits_version.fetch_add(1, Ordering::Relaxed);
    }

    fn replace_pages_in_turn(&self, pages: &mut PageSource<'_>) -> Result<CommitId, Error> {
        let mut txn = self.with_store(|store| Ok(store.begin()))?;
        let mut page = vec![0; self.page_size.bytes()];
        for number in (1..=pages.count.0).filter_map(PageNo::new) {
            (pages.read)(number, &mut page)?;
            Self::stage(&mut txn, number, &mut page)?;
            self.spill_if_due(&mut txn, u64::MAX)?;
        }
        self.commit_replaced(txn, pages.count)
    }

    /// Stages a page of another database.
    pub fn stage(txn: &mut Txn<S::Device>, number: PageNo, page: &mut [u8]) -> Result<(), Error> {
        if number.get() == 1 {
            // A schema of the same version number would be taken for the one that connections know.
            let mut known = [0; SCHEMA_COOKIE.end];
            txn.snapshot().read(number, &mut known, &mut Scratch::default())?;
            let newest = field(&known, SCHEMA_COOKIE).max(field(page, SCHEMA_COOKIE));
            set_field(page, SCHEMA_COOKIE, newest.wrapping_add(1));
        }
        txn.write(number, page)
    }

    /// Sends what is staged to the log when it is much: as much as is set, or `bytes_max` if that is less.
    pub fn spill_if_due(&self, txn: &mut Txn<S::Device>, bytes_max: u64) -> Result<(), Error> {
        if txn.staged_bytes() >= lock(&self.settings).spill_bytes.min(bytes_max) {
            self.with_store(|store| store.spill(txn))?;
        }
        Ok(())
    }

    /// Makes the pages that were staged the whole database.
    pub fn commit_replaced(&self, mut txn: Txn<S::Device>, count: PageCount) -> Result<CommitId, Error> {
        txn.set_page_count(count);
        let how = Commit { time_ms: crate::ffi::now_ms(), ..Commit::default() };
        let commit = self.change_store(|store| store.commit(txn, how))?;
        if let Some(process) = self.process() {
            process.announce();
        }
        self.wake_maintenance();
        Ok(commit)
    }

    /// Pages on SQLite's free list, as the first page says.
    fn free_pages(&self) -> Result<u64, Error> {
        const FREE_PAGES: std::ops::Range<usize> = 36..40;
        let Some(first) = PageNo::new(1) else { return Ok(0) };
        let mut page = [0; FREE_PAGES.end];
        self.head().read(first, &mut page, &mut Scratch::default())?;
        Ok(u64::from(field(&page, FREE_PAGES)))
    }

    /// Runs while this process is the only one that may change files, and none is learning them.
    pub fn alone<R>(&self, mut section: impl FnMut() -> Result<R, Error>) -> Result<R, Error> {
        let Some(process) = self.process() else { return section() };
        let mut result = None;
        process.with_files(true, &mut || result = Some(section()))?;
        result.unwrap_or(Err(Error::Poisoned))
    }

    /// Keeps other processes from writing while `section` runs, whoever's turn it is among our own connections. `None` if
    /// another process is writing.
    fn as_writer<R>(&self, section: impl FnOnce() -> Result<R, Error>) -> Result<Option<R>, Error> {
        let Some(process) = self.process() else { return section().map(Some) };
        self.check_usable()?;
        let Some(_writing) = Writing::try_take(process)? else { return Ok(None) };
        let result = self.take_in(process).and_then(|()| section());
        process.announce();
        result.map(Some)
    }

    /// As [`as_writer`](Self::as_writer), for what somebody asked for: another process's commit or upkeep is waited for, up to a limit.
    #[cfg(not(target_family = "wasm"))]
    fn as_writer_in_time<R>(&self, mut section: impl FnMut() -> Result<R, Error>) -> Result<Option<R>, Error> {
        let until = std::time::Instant::now() + WRITER_WAIT;
        loop {
            let done = self.as_writer(&mut section)?;
            if done.is_some() || std::time::Instant::now() >= until {
                return Ok(done);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// In wasm there are no other processes.
    #[cfg(target_family = "wasm")]
    fn as_writer_in_time<R>(&self, section: impl FnOnce() -> Result<R, Error>) -> Result<Option<R>, Error> {
        self.as_writer(section)
    }

    /// One round of maintenance: seals the log if it is due (or `force`), folds what is sealed, and compacts if that is on.
    /// The work itself is done without any lock, so commits go on. Gives whether anything was done.
    pub fn maintain(&self, force: bool, threads: usize) -> Result<bool, Error> {
        if force && cfg!(target_family = "wasm") {
            // There is one thread: a job that is not done is one that waits for its turn here, or is in another worker. Natively
            // the thread that has it goes on.
            self.with_store(Store::claim_job)?;
        }
        let done = self.as_writer(|| {
            let mut did = false;
            // Not sealed if a transaction has spilled into the log: it will be when that is over.
            self.with_store(|store| if force || store.needs_checkpoint() { store.seal_log() } else { Ok(false) })?;
            while let Some(job) = self.with_store(Store::fold_job)? {
                self.run(job, threads)?;
                did = true;
            }
            if lock(&self.settings).compaction {
                while let Some(job) = self.with_store(|store| store.compact_job(Compaction::Auto))? {
                    self.run(job, threads)?;
                    did = true;
                }
            }
            Ok(did)
        })?;
        Ok(done.unwrap_or(false))
    }

    /// Changes the database beside its commits (keys, codecs, kept commits), with other processes kept out. Fails if one goes
    /// on writing.
    pub fn rewrite<R>(&self, change: impl FnMut(&mut Store<S>) -> Result<R, Error>) -> Result<R, Error> {
        let mut change = change;
        let done = self.as_writer_in_time(|| self.alone(|| self.change_store(&mut change)))?;
        done.ok_or_else(|| Error::Device(DeviceError::new(DeviceOp::Write, &self.name, 0, DeviceErrorKind::Busy)))
    }

    /// From now on, the commit that makes upkeep due does it.
    pub fn set_inline_upkeep(&self) {
        self.inline_upkeep.store(true, Ordering::Relaxed);
    }

    /// What upkeep failed at last, once.
    pub fn take_upkeep_failure(&self) -> Option<Error> {
        lock(&self.upkeep_failure).take()
    }

    /// One round of upkeep whose failure is kept for whoever asks: a commit that was made must not be reported as failed.
    pub fn keep_up(&self, force: bool) {
        if self.process().is_some_and(|process| !process.is_used()) {
            return; // Nobody has written, and looking after that must not leave locks behind.
        }
        if let Err(error) = self.maintain(force, self.threads) {
            *lock(&self.upkeep_failure) = Some(error);
        }
    }

    /// The turn to write among processes, for who closes a database and puts one file in place of it. Nothing if nobody has
    /// written, or another process is writing.
    #[cfg(not(target_family = "wasm"))]
    pub fn hold_to_close(&self) -> Result<Option<Writing<'_>>, Error> {
        let Some(process) = self.process().filter(|process| process.is_used()) else { return Ok(None) };
        if self.check_usable().is_err() {
            return Ok(None);
        }
        let writing = Writing::try_take(process)?;
        if writing.is_some() {
            self.take_in(process)?;
        }
        Ok(writing)
    }

    /// Ends the use of the store.
    pub fn close(&self) -> Result<(), Error> {
        let Some(store) = lock(&self.store).take() else { return Ok(()) };
        let process = self.process().filter(|process| !self.read_only && process.is_used());
        let Some(process) = process else { return store.close() };
        // Another process that writes has everything that we would say.
        let Some(_writing) = Writing::try_take(process)? else { return Ok(()) };
        let closed = if process.is_behind() || process.is_unproven() { Ok(()) } else { store.close() };
        if closed.is_err() {
            process.lost_track();
        }
        closed
    }

    /// Threads to rewrite with.
    pub fn workers(&self, threads: usize) -> Watched {
        Watched { threads: Threads(threads), watcher: lock(&self.watcher).clone() }
    }

    /// Runs a job outside of the store's lock, and installs what it made.
    fn run(&self, job: Job, threads: usize) -> Result<(), Error> {
        let target = job.target();
        let result = self.with_store(|store| store.start_task(job, threads)).and_then(|mut task| {
            let mut entropy = SystemEntropy;
            let workers = self.workers(threads);
            while !task.step(STEP_BYTES, &mut entropy, &workers)? {
                let (done, total) = task.progress();
                workers.progress(done, total);
            }
            task.finish(&mut entropy)
        });
        match result {
            // The head of before is let go of in between, and with it the files that only it read.
            Ok(done) => self.alone(|| {
                self.change_store(|store| store.install(&done))?;
                self.with_store(Store::tidy)
            }),
            Err(error) => {
                // The job's own failure is what matters; its file is swept at the next opening if it stays.
                drop(self.with_store(|store| store.abandon_job(&target)));
                Err(error)
            }
        }
    }

    /// Carries out `wal_checkpoint`.
    pub fn checkpoint(&self, mode: CheckpointMode) -> Result<(), Error> {
        if self.read_only {
            return Ok(());
        }
        self.maintain(true, self.threads)?;
        if mode == CheckpointMode::Truncate {
            self.as_writer_in_time(|| self.cut_logs())?;
        }
        Ok(())
    }

    /// Gives back the space of logs that wait to be used again.
    pub fn cut_logs(&self) -> Result<(), Error> {
        self.alone(|| {
            self.with_store(|store| {
                let kept = store.options().log_bytes_kept;
                store.set_options(|options| options.log_bytes_kept = 0);
                let cut = store.tidy();
                store.set_options(|options| options.log_bytes_kept = kept);
                cut
            })
        })
    }

    /// A backup of this commit was taken here.
    pub fn count_backup(&self, commit: CommitId) {
        self.backed_up.store(commit.0, Ordering::Relaxed);
    }

    fn refresh(&self) -> Result<(), Error> {
        let Some(process) = self.process() else { return Ok(()) };
        let news = process.news()?;
        let mut refreshed = Ok(());
        process.with_files(false, &mut || refreshed = self.change_store(|store| store.refresh().map(|_| ())))?;
        refreshed?;
        if let Some(news) = news {
            process.saw(news);
        }
        self.heed_taken_back(process);
        Ok(())
    }

    /// Tells whoever maintains the database that there is work.
    pub fn wake_maintenance(&self) {
        if self.inline_upkeep.load(Ordering::Relaxed) {
            self.keep_up(false);
        }
        if let Some(wake) = lock(&self.wake).as_ref() {
            wake();
        }
    }
}

impl<S: Storage> Core<S> {
    /// What keeps other processes out. In wasm there are none, and what would deal with them is left out.
    pub fn process(&self) -> Option<&dyn ProcessLock> {
        if cfg!(target_family = "wasm") { None } else { self.process.as_deref() }
    }

    /// Runs with the store for who is being dropped, and cannot ask more of it than that it stores.
    pub fn let_go(&self, section: impl FnOnce(&mut Store<S>) -> Result<(), Error>) -> Result<(), Error> {
        lock(&self.store).as_mut().map_or(Ok(()), section)
    }

    /// Lets others write, if this file of a connection was the writer or had been given the turn.
    pub fn release_write(&self, file: u64) {
        if self.turn.owner() != Some(file) {
            return;
        }
        // The process lock goes first: the next writer of this process takes it anew (I3).
        if let Some(process) = self.process()
            && self.process_held.swap(false, Ordering::AcqRel)
        {
            process.release_write();
        }
        self.turn.release(file);
        trace::lock(&self.name, file, "released the turn to write");
    }
}

impl<S> Host for Core<S>
where
    S: Storage + Portable + 'static,
    S::Device: Portable + 'static,
{
    fn open_file(self: Arc<Self>, session: Arc<Session>, write: bool) -> Result<Box<dyn VfsFile>, Error> {
        Ok(Box::new(MainFile::new(self, session, write)))
    }

    fn wait_for_turn(&self, file: u64, limit: Duration) -> bool {
        #[cfg(not(target_family = "wasm"))]
        let until = std::time::Instant::now() + limit;
        if !self.turn.wait(file, limit) {
            return false;
        }
        #[cfg(not(target_family = "wasm"))]
        {
            // Other processes cannot wake us, so their lock is asked for again and again, ever more slowly.
            let mut pause = Duration::from_micros(200);
            while !self.hold_process().unwrap_or(false) {
                if std::time::Instant::now() >= until {
                    self.turn.release(file);
                    return false;
                }
                std::thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(10));
            }
        }
        true
    }

    fn is_read_only(&self) -> bool {
        self.read_only
    }

    fn storage_info(&self) -> Result<StorageInfo, Error> {
        let stats = self.with_store(|store| Ok(store.stats()))?;
        let free_pages = self.free_pages()?;
        let page_count = u64::from(stats.page_count.0);
        #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
        let ratio = if stats.stored_bytes == 0 { 1.0 } else { stats.logical_bytes as f64 / stats.stored_bytes as f64 };
        Ok(StorageInfo {
            page_count,
            used_pages: page_count.saturating_sub(free_pages),
            free_pages,
            page_size: u64::from(stats.page_size.get()),
            stored_bytes: stats.stored_bytes,
            logical_bytes: stats.logical_bytes,
            compression_ratio: ratio,
            wal_size: stats.log_bytes,
            wal_frames: stats.log_frames,
            segments: stats.segments,
            dead_bytes: stats.dead_bytes,
            write_amplification: stats.write_amplification,
            last_checkpoint: stats.checkpoint.0,
            last_commit_id: stats.commit.0,
            codec: stats.codec.to_string(),
            cipher: stats.cipher.name().to_owned(),
            key_epoch: u64::from(stats.epoch.0),
            dictionary_bytes: stats.dictionary_bytes,
            backend: self.backend.clone(),
        })
    }

    fn memory_stats(&self) -> Result<MemoryStats, Error> {
        let stats = self.with_store(|store| Ok(store.stats()))?;
        let (page_cache_used, row_store_used) = (self.cache.used_bytes(), registry::pool().used_bytes());
        let sqlite_used = crate::ffi::sqlite_memory_used();
        #[cfg(target_family = "wasm")]
        let wasm_heap = core::arch::wasm32::memory_size::<0>() as u64 * 65536;
        #[cfg(not(target_family = "wasm"))]
        let wasm_heap = 0;
        let parts = page_cache_used + row_store_used + sqlite_used + stats.table_bytes;
        Ok(MemoryStats {
            page_cache_used,
            page_cache_max: self.cache.hard_bytes(),
            decoded_cache_used: self.cache.page_bytes(),
            row_store_used,
            page_table_used: stats.table_bytes,
            wal_size: stats.log_bytes,
            sqlite_used,
            wasm_heap,
            total_memory: parts.max(wasm_heap),
        })
    }

    fn key_slots(&self) -> Result<Vec<(u8, &'static str)>, Error> {
        self.with_store(|store| Ok(store.key_slots().iter().map(|slot| (slot.number(), slot.kind().name())).collect()))
    }

    fn page_history(&self, page: u32) -> Result<Vec<(CommitId, u64)>, Error> {
        let Some(page) = PageNo::new(page) else { return Ok(Vec::new()) };
        self.with_store(|store| {
            let mut versions = Vec::new();
            let mut newest = None;
            for info in store.kept_commits() {
                let version = store.snapshot_at(info.commit)?.locate(page);
                if let Some(version) = version.filter(|_| version != newest) {
                    versions.push((version.commit, info.time_ms));
                }
                newest = version;
            }
            Ok(versions)
        })
    }

    fn settings(&self) -> Settings {
        lock(&self.settings).clone()
    }

    fn limits_version(&self) -> u64 {
        self.limits_version.load(Ordering::Relaxed)
    }

    #[cfg(not(target_family = "wasm"))]
    fn key(&self) -> Option<Key> {
        self.key.clone()
    }

    #[cfg(not(target_family = "wasm"))]
    fn last_backup(&self) -> Option<CommitId> {
        let commit = CommitId(self.backed_up.load(Ordering::Relaxed));
        (commit != CommitId::ZERO).then_some(commit)
    }

    fn replace_pages(&self, pages: &mut PageSource<'_>, limit: Duration) -> Result<CommitId, Error> {
        let file = registry::next_id();
        if !self.wait_for_turn(file, limit) {
            return Err(Error::Device(DeviceError::new(DeviceOp::Write, &self.name, 0, DeviceErrorKind::Busy)));
        }
        let result = self.replace_pages_in_turn(pages);
        self.release_write(file);
        result
    }

    fn compact(&self) -> Result<(), Error> {
        self.maintain(true, self.threads)?;
        self.as_writer_in_time(|| {
            while let Some(job) = self.with_store(|store| store.compact_job(Compaction::Stale))? {
                self.run(job, self.threads)?;
            }
            if let Some(job) = self.with_store(|store| store.compact_job(Compaction::All))? {
                self.run(job, self.threads)?;
            }
            Ok(())
        })?
        .ok_or(Error::Limit(coffer_store::Limit::LogFull))
    }

    fn back_up(&self, out: &dyn Device, since: Option<CommitId>) -> Result<CommitId, Error> {
        self.with_store(|store| {
            store.export(since, ByReference(out), &self.workers(self.threads), self.threads)?;
            self.backed_up.store(store.head().0, Ordering::Relaxed);
            Ok(store.head())
        })
    }
}

/// How long a verb waits for another process that writes: as long as a statement does by default.
#[cfg(not(target_family = "wasm"))]
const WRITER_WAIT: Duration = Duration::from_secs(5);

/// The version of the schema, in the first page.
const SCHEMA_COOKIE: std::ops::Range<usize> = 40..44;

/// A number of SQLite's, most significant byte first.
fn field(page: &[u8], place: std::ops::Range<usize>) -> u32 {
    page.get(place).unwrap_or_default().iter().fold(0, |sum, &byte| sum << 8 | u32::from(byte))
}

fn set_field(page: &mut [u8], place: std::ops::Range<usize>, mut value: u32) {
    for byte in page[place].iter_mut().rev() {
        *byte = (value & 0xff) as u8;
        value >>= 8;
    }
}

/// A device lent for the time of a call.
struct ByReference<'a>(&'a dyn Device);

impl Device for ByReference<'_> {
    fn len(&self) -> Result<u64, DeviceError> {
        self.0.len()
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), DeviceError> {
        self.0.read_at(offset, out)
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

/// A share of work between two looks at whether to go on.
const STEP_BYTES: u64 = 4 << 20;

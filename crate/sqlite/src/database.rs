//! An open database, and its connections.
//!
//! A [`Database`] owns the files; [`Database::connect`] gives any number of connections on it, one of which writes at a
//! time. It does not know who calls it: the browser's worker, the native command and tests use the same type.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use coffer_store::{
    Cipher, CodecChoice, CommitId, Device, DeviceError, DeviceErrorKind, DeviceOp, Entropy, MemStorage, NewKey,
    PageSize, Recovered, RequestId, SlotKey, Storage, Store, Verified,
};
use rusqlite::OpenFlags;

use crate::cache::{CACHE_BYTES, Caches};
use crate::connection::Connection;
use crate::core::{Core, Parts};
use crate::entropy::SystemEntropy;
use crate::error::{Error, ErrorCode, Result};
use crate::figures::{MemoryStats, StorageInfo};
use crate::key::{Kdf, Key, NewSlot, candidates};
use crate::lock::{ProcessLock, Writing};
use crate::portable::{Portable, lock};
use crate::pragma::CheckpointMode;
use crate::registry::{self, Host};
use crate::settings::Settings;
use crate::workers::{Watcher, default_threads};

/// Whether opening may make a database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Create {
    /// It must be there.
    Never,
    /// Made if it is not there.
    #[default]
    IfMissing,
    /// It must not be there.
    New,
}

/// Who folds logs and merges segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Upkeep {
    /// A thread of its own; in wasm, as `Inline`.
    #[default]
    Background,
    /// The commit that makes it due.
    Inline,
    /// Nobody but [`Database::checkpoint`] and [`Database::compact`].
    Manual,
}

/// How to open a database.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// Whether it may be made. Default: if it is missing.
    pub create: Create,
    /// Refuse to write. Default: false.
    pub read_only: bool,
    /// The key. Default: none; a new database is then not encrypted.
    pub key: Option<Key>,
    /// How a new database's passphrase is stretched. Default: Argon2id.
    pub kdf: Kdf,
    /// A new database's cipher, if there is a key. Default: AES-256-GCM.
    pub cipher: Cipher,
    /// A new database's page size. Default: 8192.
    pub page_size: PageSize,
    /// A new database's codec for the log. Default: LZ4.
    pub hot: CodecChoice,
    /// A new database's codec for segments. Default: zstd at level 3.
    pub cold: CodecChoice,
    /// A new database's dictionary. Default: none, and natively none is learnt by itself.
    pub dictionary: Option<Vec<u8>>,
    /// Check checksums of unencrypted data at each read. Default: true.
    pub verify_on_read: bool,
    /// What pragmas can change later.
    pub settings: Settings,
    /// How long a connection waits for another writer. Default: 5 s.
    pub busy_timeout: Duration,
    /// Who folds logs and merges segments. Default: a thread.
    pub upkeep: Upkeep,
    /// Threads to compress with at a checkpoint. Default: the machine's, at most 4.
    pub threads: usize,
    /// SQLite's page cache of each connection, in bytes. Default: 4 MiB; see [`OpenOptions::set_cache_bytes`].
    pub connection_cache_bytes: u64,
    /// Bytes to read at once where one call for so many costs no more than one for a page. Default: 0, as many as are wanted
    /// unless a scan is noticed.
    pub cluster_bytes: u32,
    /// A log file that has to grow, grows by up to this much more than is needed: a flush waits for the file system's note of each
    /// growth. Default: 1 MiB; in wasm 256 KiB; in memory, 0.
    pub log_ahead_bytes: u32,
    /// What `storage_info` calls the place of the files of [`Database::on_storage`]. Default: `storage`.
    pub place: &'static str,
    /// How files are read. Default: by position.
    #[cfg(not(target_family = "wasm"))]
    pub backend: crate::native::Backend,
}

impl Default for OpenOptions {
    fn default() -> Self {
        let store = coffer_store::Options::default();
        Self {
            create: Create::default(),
            read_only: false,
            key: None,
            kdf: Kdf::default(),
            cipher: Cipher::Aes256Gcm,
            page_size: store.page_size,
            hot: store.hot,
            cold: store.cold,
            dictionary: None,
            verify_on_read: true,
            settings: Settings::default(),
            busy_timeout: Duration::from_secs(5),
            upkeep: Upkeep::default(),
            threads: default_threads(),
            connection_cache_bytes: Caches::of(CACHE_BYTES).connection,
            cluster_bytes: 0,
            log_ahead_bytes: if cfg!(target_family = "wasm") { 256 << 10 } else { 1 << 20 },
            place: "storage",
            #[cfg(not(target_family = "wasm"))]
            backend: crate::native::Backend::default(),
        }
    }
}

impl OpenOptions {
    /// Sets what pages take in memory at most while there is one connection, in bytes. Default: 32 MiB. An eighth of it is SQLite's own
    /// cache, which each connection has, and the rest is shared by all.
    pub fn set_cache_bytes(&mut self, bytes: u64) {
        let Caches { connection, shared } = Caches::of(bytes);
        self.connection_cache_bytes = connection;
        self.settings.cache_memory = shared;
        self.settings.cache_memory_soft = shared;
    }
}

/// The storage of a database that nobody names another for.
#[cfg(not(target_family = "wasm"))]
pub type DefaultStorage = crate::native::NativeStorage;
/// The storage of a database that nobody names another for.
#[cfg(target_family = "wasm")]
pub type DefaultStorage = MemStorage;

/// An open database. Dropping it ends its maintenance; connections that are still there go on.
pub struct Database<S: Storage = DefaultStorage> {
    pub(crate) core: Arc<Core<S>>,
    recovered: Option<Recovered>,
    connection_cache_bytes: u64,
    busy_timeout: Duration,
    pub(crate) kdf: Kdf,
    #[cfg(not(target_family = "wasm"))]
    maintenance: Option<crate::native::Maintenance>,
    /// The files of a single-file database, which is folded into its file at the end.
    #[cfg(not(target_family = "wasm"))]
    single: Option<crate::native::FileStorage>,
    /// Tells other processes that this one has a single-file database open, whether or not the store still reads that file.
    #[cfg(not(target_family = "wasm"))]
    pin: Option<crate::native::FileDevice>,
}

#[cfg(not(target_family = "wasm"))]
impl Database {
    /// Opens the database at a path: a directory, which may be made, or a single file.
    pub fn open(path: impl AsRef<std::path::Path>, options: OpenOptions) -> Result<Self> {
        let path = path.as_ref();
        let place = crate::native::Place::find(path, &options)?;
        let name = crate::native::future_name(path);
        let backend = match (&place.base, options.backend) {
            (Some(_), _) => "single file",
            (None, crate::native::Backend::File) => "file",
            (None, crate::native::Backend::Map) => "mmap",
        };
        let at = At { name, backend: backend.to_owned(), base: place.base, exists: place.exists, process: place.locks };
        let key = options.key.clone();
        let entropy = Box::new(crate::entropy::PiecedEntropy::new(SystemEntropy));
        // From before the root is read, so that nobody folds what is being read; and of the file that is there then.
        let pin = || {
            let single = place.single.as_ref();
            single.map(|files| files.open(crate::native::BASE, coffer_store::OpenMode::Read)).transpose()
        };
        let early = pin()?;
        let opened = Self::open_at(place.storage, entropy, options, at);
        let opened = opened.map_err(|error| crate::native::not_alone(path, key.as_ref(), &error).unwrap_or(error))?;
        let pin = pin()?;
        drop(early);
        Ok(Self { single: place.single, pin, ..opened })
    }

    /// Replaces the contents by those of a backup, in one commit: a full one, with any increments that continue it, in their
    /// order. They open with the key that this database was opened with. Gives the commit that was restored.
    pub fn restore(&self, backups: &[std::path::PathBuf]) -> Result<CommitId> {
        self.restore_watched(backups, |_, _| true)
    }

    /// As [`Database::restore`]. `progress` hears how many pages are done of how many, and may say `false` to stop: everything is
    /// then as it was, and the error is [`ErrorCode::Aborted`].
    pub fn restore_watched(
        &self,
        backups: &[std::path::PathBuf],
        progress: impl FnMut(u64, u64) -> bool,
    ) -> Result<CommitId> {
        crate::native::restore(&self.host(), backups, self.busy_timeout, progress)
    }

    /// Opens a new, empty database that lives in memory and dies with its last handle.
    pub fn in_memory(mut options: OpenOptions) -> Result<Self> {
        options.log_ahead_bytes = 0;
        let storage = crate::native::NativeStorage::Memory(MemStorage::new());
        Self::on_storage(&memory_name(), storage, Box::new(SystemEntropy), options)
    }
}

#[cfg(target_family = "wasm")]
impl Database {
    /// Opens a new, empty database that lives in memory and dies with its last handle.
    pub fn in_memory(mut options: OpenOptions) -> Result<Self> {
        options.log_ahead_bytes = 0;
        Self::on_storage(&memory_name(), MemStorage::new(), Box::new(SystemEntropy), options)
    }
}

fn memory_name() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    format!("memory-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// How long an opening waits for another process to end its turn to write, so that it can tidy up itself.
const SOON: Duration = Duration::from_millis(50);

/// Where a database is and how it is called.
struct At {
    name: String,
    backend: String,
    base: Option<String>,
    exists: bool,
    process: Option<Box<dyn ProcessLock>>,
}

impl<S> Database<S>
where
    S: Storage + Portable + 'static,
    S::Device: Portable + 'static,
{
    /// Opens the database in a storage, under a name by which `ATTACH` finds it.
    pub fn on_storage(name: &str, storage: S, entropy: Box<dyn Entropy + Send>, options: OpenOptions) -> Result<Self> {
        let exists = storage.list()?.iter().any(|file| file == "manifest");
        let at = At { name: name.to_owned(), backend: options.place.to_owned(), base: None, exists, process: None };
        Self::open_at(storage, entropy, options, at)
    }

    fn open_at(storage: S, entropy: Box<dyn Entropy + Send>, options: OpenOptions, mut at: At) -> Result<Self> {
        crate::trace::from_environment();
        registry::install().map_err(|fault| {
            Error::new(ErrorCode::Sqlite, format!("SQLite does not take the file system (code {})", fault.0))
        })?;
        if registry::find_host(&at.name).is_some() {
            return Err(already_open(&at.name));
        }
        let mut store_options = coffer_store::Options {
            page_size: options.page_size,
            hot: options.hot,
            cold: options.cold,
            dictionary: options.dictionary.clone(),
            read_only: options.read_only,
            verify_on_read: options.verify_on_read,
            base: at.base.clone(),
            log_ahead_bytes: options.log_ahead_bytes.into(),
            ..coffer_store::Options::default()
        };
        // Recovery may drop an unfinished tail and begin a root: not while another process is writing one. To read what is there nobody
        // waits for that one, though: what it wrote is taken in with the first turn to write, and tidying up left to an opening that has it.
        let writer = match &at.process {
            // A single file that nobody has written to has nothing to recover.
            Some(process) if !options.read_only && (at.base.is_none() || process.is_used()) => {
                // One that only opens or commits is soon done.
                let whole = at.exists && coffer_store::peek(&storage, at.base.as_deref()).is_ok();
                let limit = if whole { options.busy_timeout.min(SOON) } else { options.busy_timeout };
                let writing = Writing::wait(process.as_ref(), limit)?;
                if writing.is_some() && at.base.is_none() {
                    // Whoever had it may have made the database.
                    at.exists = storage.list()?.iter().any(|file| file == "manifest");
                }
                writing
            }
            _ => None,
        };
        // Somebody may begin to write while the key is derived, also beside a single file that nobody has written to.
        store_options.beside_writer = at.process.is_some() && writer.is_none() && !options.read_only;
        // Beside a writer, files are at least to stay the same ones.
        let beside = at.process.as_deref().filter(|_| writer.is_none());
        let beside_writer = store_options.beside_writer;
        let opened = open_store(storage, entropy, &options, store_options, &at, beside);
        if let (Some(process), true) = (&at.process, beside_writer) {
            process.lost_sight();
        }
        if let (Err(Error { store: Some(_), .. }), Some(process), Some(_)) = (&opened, &at.process, &writer) {
            // Perhaps in the middle of making durable what the process before had written.
            process.lost_track();
        }
        drop(writer);
        if let Some(process) = &at.process {
            process.recheck();
        }
        let (mut store, recovered) = opened?;
        options.settings.apply(&mut store);
        let parts = Parts {
            name: at.name.clone(),
            read_only: options.read_only,
            backend: at.backend,
            threads: options.threads.max(1),
            cluster_bytes: options.cluster_bytes,
            process: at.process,
            #[cfg(not(target_family = "wasm"))]
            key: options.key,
        };
        let core = Arc::new(Core::new(store, options.settings, parts));
        let host: Arc<dyn Host> = Arc::clone(&core) as _;
        if !registry::add_host(&at.name, &host) {
            return Err(already_open(&at.name));
        }
        #[cfg(not(target_family = "wasm"))]
        let maintenance = match options.upkeep {
            Upkeep::Background if !options.read_only => {
                let started = crate::native::Maintenance::start(&core);
                Some(started.map_err(|error| Error::new(ErrorCode::Limit, format!("no thread for upkeep: {error}")))?)
            }
            _ => None,
        };
        if options.upkeep == Upkeep::Inline || (cfg!(target_family = "wasm") && options.upkeep == Upkeep::Background) {
            core.set_inline_upkeep();
        }
        Ok(Self {
            core,
            recovered,
            connection_cache_bytes: options.connection_cache_bytes,
            busy_timeout: options.busy_timeout,
            kdf: options.kdf,
            #[cfg(not(target_family = "wasm"))]
            maintenance,
            #[cfg(not(target_family = "wasm"))]
            single: None,
            #[cfg(not(target_family = "wasm"))]
            pin: None,
        })
    }

    /// A connection that may write. Any number may be open; one writes at a time, and the others wait for their turn.
    pub fn connect(&self) -> Result<Connection> {
        self.connect_as(!self.core.read_only)
    }

    /// A connection that only reads: each transaction sees one commit, waits for nobody and holds nobody up.
    pub fn connect_reader(&self) -> Result<Connection> {
        self.connect_as(false)
    }

    fn connect_as(&self, write: bool) -> Result<Connection> {
        let session = registry::new_session(self.busy_timeout);
        let access = if write { OpenFlags::SQLITE_OPEN_READ_WRITE } else { OpenFlags::SQLITE_OPEN_READ_ONLY };
        let flags = access | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let uri = format!("file:{}?connection={}", uri_path(&self.core.name), session.id);
        let opened = rusqlite::Connection::open_with_flags_and_vfs(uri, flags, registry::VFS_NAME);
        let raw = opened.map_err(|error| Error::from_sqlite(error, "").with_store(session.take_error()))?;
        crate::features::require(&raw)?;
        let page_bytes = u64::from(self.core.page_size.get());
        Connection::set_up(raw, session, self.host(), page_bytes, self.connection_cache_bytes)
    }

    pub(crate) fn host(&self) -> Arc<dyn Host> {
        Arc::clone(&self.core) as _
    }

    /// The name by which `ATTACH` finds this database.
    pub fn name(&self) -> &str {
        &self.core.name
    }

    /// The newest state, page by page.
    pub fn snapshot(&self) -> coffer_store::Snapshot<S::Device> {
        self.core.head()
    }

    /// What opening found; nothing if the database was made just now.
    pub fn recovered(&self) -> Option<&Recovered> {
        self.recovered.as_ref()
    }

    /// The newest commit.
    pub fn head(&self) -> CommitId {
        self.core.head().commit()
    }

    /// The commit that carried this request, if it is there and recent.
    pub fn find_request(&self, request: RequestId) -> Result<Option<CommitId>> {
        Ok(self.core.with_store(|store| Ok(store.find_request(request)))?)
    }

    /// The first request from this one on, in the order of their bytes, that a recent commit carried: for callers whose names stand for
    /// several requests.
    pub fn next_request(&self, request: RequestId) -> Result<Option<(RequestId, CommitId)>> {
        Ok(self.core.with_store(|store| Ok(store.next_request(request)))?)
    }

    /// Makes every commit so far durable, whatever `synchronous` was when they were made.
    pub fn flush(&self) -> Result<()> {
        Ok(self.core.with_store(Store::flush)?)
    }

    /// Takes over what is stored, for a shell whose storage took commits, could not store them after all, and is as it was before
    /// them. Transactions that are open fail with a conflict; connections go on with the next.
    pub fn reload(&self) -> Result<()> {
        Ok(self.core.reload()?)
    }

    /// Folds logs into segments.
    pub fn checkpoint(&self, mode: CheckpointMode) -> Result<()> {
        Ok(self.core.checkpoint(mode)?)
    }

    /// Merges everything live into one segment, under the newest codec, dictionary and key, and gives back the rest.
    pub fn compact(&self) -> Result<()> {
        Ok(self.core.compact()?)
    }

    /// Figures of the files.
    pub fn storage_info(&self) -> Result<StorageInfo> {
        Ok(self.core.storage_info()?)
    }

    /// Figures of the memory.
    pub fn memory_stats(&self) -> Result<MemoryStats> {
        Ok(self.core.memory_stats()?)
    }

    /// What upkeep failed at last, once; it tries again at the next occasion.
    pub fn take_upkeep_failure(&self) -> Option<coffer_store::Error> {
        self.core.take_upkeep_failure()
    }

    /// Opens every record of every file that counts. `progress` hears how many are done and may say `false` to stop.
    pub fn verify(&self, progress: impl FnMut(u64) -> bool) -> Result<Verified> {
        Ok(self.core.with_store(|store| store.verify(progress))?)
    }

    /// Writes a backup: the whole database as one self-contained file, or what came after a commit. Gives the commit that
    /// the backup holds. An encrypted database's backup opens with the same keys.
    pub fn back_up(&self, out: &dyn Device, since: Option<CommitId>) -> Result<CommitId> {
        Ok(self.core.back_up(out, since)?)
    }

    /// Replaces everything by the pages of another database's snapshot, in one commit. Both must have one page size.
    pub fn replace_by<D: Device>(&self, snapshot: &coffer_store::Snapshot<D>) -> Result<CommitId> {
        let mut scratch = coffer_store::Scratch::default();
        let mut read = |page, out: &mut [u8]| snapshot.read(page, out, &mut scratch).map(|_| ());
        if snapshot.page_size() != self.core.page_size {
            return Err(coffer_store::Error::Limit(coffer_store::Limit::PageSize).into());
        }
        let mut pages = registry::PageSource { count: snapshot.page_count(), read: &mut read };
        Ok(self.core.replace_pages(&mut pages, self.busy_timeout)?)
    }

    /// Adds a key that opens the database. Gives its slot.
    pub fn add_key(&self, key: &Key) -> Result<u8> {
        let slot = NewSlot::derive(key, self.kdf, &mut SystemEntropy)?;
        Ok(self.core.rewrite(|store| store.add_key(slot.kind, slot.parameters.clone(), &slot.key))?)
    }

    /// Removes a key slot.
    pub fn remove_key(&self, slot: u8) -> Result<()> {
        Ok(self.core.rewrite(|store| store.remove_key(slot))?)
    }

    /// Replaces the slot that `old` opens by one for `new`. No page is rewritten. Gives the slot.
    pub fn change_key(&self, old: &Key, new: &Key) -> Result<u8> {
        let number = self.slots_of(old)?.first().map(|(number, _)| *number);
        let number = number.ok_or(coffer_store::Error::WrongKey)?;
        let slot = NewSlot::derive(new, self.kdf, &mut SystemEntropy)?;
        self.core.rewrite(|store| store.change_key(number, slot.kind, slot.parameters.clone(), &slot.key))?;
        Ok(number)
    }

    /// Encrypts everything anew under a fresh key; what was written before opens nothing any more. `keys` must hold one for
    /// every slot.
    pub fn rotate_key(&self, keys: &[Key]) -> Result<()> {
        let mut slots = Vec::new();
        for key in keys {
            slots.extend(self.slots_of(key)?);
        }
        let slots: Vec<(u8, &SlotKey)> = slots.iter().map(|(number, key)| (*number, key)).collect();
        let threads = self.core.threads;
        let workers = self.core.workers(threads);
        self.core.rewrite(|store| store.rotate(&slots, &workers, threads))?;
        self.scrub()
    }

    /// Encrypts a database that is not.
    pub fn encrypt(&self, key: &Key, cipher: Cipher) -> Result<()> {
        let slot = NewSlot::derive(key, self.kdf, &mut SystemEntropy)?;
        let threads = self.core.threads;
        let workers = self.core.workers(threads);
        self.core.rewrite(|store| {
            let new = NewKey { cipher, kind: slot.kind, parameters: slot.parameters.clone(), key: &slot.key };
            store.encrypt(new, &workers, threads)
        })?;
        self.scrub()
    }

    /// Until a rewrite is over, the newest snapshot of before holds the files that it replaced. Now what they held can go.
    fn scrub(&self) -> Result<()> {
        Ok(self.core.rewrite(|store| store.finish_rotation().map(|_| ()))?)
    }

    /// Stores the database in the clear from now on.
    pub fn decrypt(&self) -> Result<()> {
        let threads = self.core.threads;
        let workers = self.core.workers(threads);
        Ok(self.core.rewrite(|store| store.decrypt(&workers, threads))?)
    }

    /// Has somebody hear from now on how far rewritings are: compaction, checkpoints, changes of keys.
    pub fn watch(&self, watcher: Option<Arc<dyn Watcher>>) {
        *lock(&self.core.watcher) = watcher;
    }

    /// Changes the codecs of the log and of segments. What is stored stays as it is until it is compacted.
    pub fn set_codec(&self, hot: CodecChoice, cold: CodecChoice) -> Result<()> {
        Ok(self.core.rewrite(|store| store.set_codec(hot, cold))?)
    }

    /// The dictionary of new segments.
    pub fn dictionary(&self) -> Result<Option<Vec<u8>>> {
        Ok(self.core.with_store(|store| Ok(store.dictionary().map(<[u8]>::to_vec)))?)
    }

    /// Gives new segments a dictionary, or none.
    pub fn embed_dictionary(&self, dictionary: Option<&[u8]>) -> Result<()> {
        Ok(self.core.rewrite(|store| store.embed_dictionary(dictionary.map(<[u8]>::to_vec)))?)
    }

    /// Keeps a commit readable, however much is folded and merged.
    pub fn keep_commit(&self, commit: CommitId) -> Result<()> {
        Ok(self.core.rewrite(|store| store.keep_commit(commit))?)
    }

    /// Lets go of a kept commit.
    pub fn release_commit(&self, commit: CommitId) -> Result<()> {
        Ok(self.core.rewrite(|store| store.release_commit(commit))?)
    }

    /// Runs with the store itself, for tools that look beneath SQL. Connections see what it leaves as their next snapshot.
    pub fn with_store<R>(
        &self,
        section: impl FnOnce(&mut Store<S>) -> std::result::Result<R, coffer_store::Error>,
    ) -> Result<R> {
        Ok(self.core.change_store(section)?)
    }

    /// The settings of now.
    pub fn settings(&self) -> Settings {
        lock(&self.core.settings).clone()
    }

    /// The slots that a key opens, with their keys.
    pub(crate) fn slots_of(&self, key: &Key) -> Result<Vec<(u8, SlotKey)>> {
        let (slots, cipher, database) =
            self.core.with_store(|store| Ok((store.key_slots().to_vec(), store.stats().cipher, store.database())))?;
        let mut opened = Vec::new();
        for slot in &slots {
            for candidate in candidates(key, std::slice::from_ref(slot))? {
                if slot.unwrap_master(cipher, &candidate, database).is_ok() {
                    opened.push((slot.number(), candidate));
                    break;
                }
            }
        }
        Ok(opened)
    }

    /// Ends the use of the database: upkeep stops, everything committed is flushed, and a single-file database is folded into
    /// its file. Connections that are still open can begin nothing any more.
    pub fn close(self) -> Result<()> {
        #[cfg(not(target_family = "wasm"))]
        drop(self.maintenance);
        // Held to the end, when the new file is in its place: nobody commits to what it was made from, or opens the database to write.
        #[cfg(not(target_family = "wasm"))]
        let writer = match &self.single {
            Some(_) if !self.core.read_only => self.core.hold_to_close()?,
            _ => None,
        };
        #[cfg(not(target_family = "wasm"))]
        let folded = match &self.single {
            Some(files) if writer.is_some() => fold(files, &self.core)?,
            _ => false,
        };
        registry::remove_host(&self.core.name);
        self.core.close()?;
        #[cfg(not(target_family = "wasm"))]
        if let Some(files) = self.single.as_ref().filter(|_| folded) {
            put_folded(files, &self.core)?;
        }
        #[cfg(not(target_family = "wasm"))]
        drop(self.pin);
        Ok(())
    }
}

/// Writes what a single-file database and the files beside it hold as the one file that it will be. Not if there is nothing
/// beside it, or somebody else has it open.
#[cfg(not(target_family = "wasm"))]
fn fold<S>(files: &crate::native::FileStorage, core: &Core<S>) -> Result<bool>
where
    S: Storage + Portable + 'static,
    S::Device: Portable + 'static,
{
    use crate::native::{BASE, FOLDED};
    if !files.path_of("manifest").exists() || files.is_pinned(BASE) {
        return Ok(false);
    }
    files.remove(FOLDED)?;
    let device = files.open(FOLDED, coffer_store::OpenMode::Create)?;
    core.back_up(&device, None)?;
    device.flush()?;
    files.flush_names()?;
    Ok(true)
}

/// Puts the folded file in place of everything, unless somebody has opened the database to read it meanwhile: then it stays as it
/// is, and whoever closes it last folds it.
#[cfg(not(target_family = "wasm"))]
fn put_folded<S>(files: &crate::native::FileStorage, core: &Core<S>) -> Result<()>
where
    S: Storage + Portable + 'static,
    S::Device: Portable + 'static,
{
    let failed = |error: std::io::Error| {
        DeviceError::new(DeviceOp::Write, core.name.as_str(), 0, DeviceErrorKind::Io).with_detail(error.to_string())
    };
    core.alone(|| {
        if files.is_pinned(crate::native::BASE) {
            return Ok(files.remove(crate::native::FOLDED)?);
        }
        files.fold().and_then(|()| crate::native::remove_locks(files)).map_err(|error| failed(error).into())
    })?;
    Ok(())
}

fn already_open(name: &str) -> Error {
    Error::new(ErrorCode::LockedElsewhere, format!("{name} is open in this process already; use that Database"))
}

fn refused(kind: DeviceErrorKind) -> Error {
    DeviceError::new(DeviceOp::Open, "manifest", 0, kind).into()
}

/// Creates or opens the store, trying the key on every slot that its kind could open.
fn open_store<S: Storage>(
    storage: S,
    mut entropy: Box<dyn Entropy + Send>,
    options: &OpenOptions,
    store_options: coffer_store::Options,
    at: &At,
    beside: Option<&dyn ProcessLock>,
) -> Result<(Store<S>, Option<Recovered>)> {
    // A root that was never finished is answered as not there, and is taken over.
    let peek = match at.exists.then(|| coffer_store::peek(&storage, store_options.base.as_deref())).transpose() {
        Err(coffer_store::Error::Device(error)) if error.kind == DeviceErrorKind::NotFound => None,
        peek => peek?,
    };
    let Some(peek) = peek else {
        if options.create == Create::Never || options.read_only {
            return Err(refused(DeviceErrorKind::NotFound));
        }
        if store_options.beside_writer {
            let message = format!("another process is making {}; try again when it is done", at.name);
            return Err(Error::new(ErrorCode::Busy, message));
        }
        let slot = options.key.as_ref().map(|key| NewSlot::derive(key, options.kdf, &mut *entropy)).transpose()?;
        let new_key = slot.as_ref().map(|slot| NewKey {
            cipher: options.cipher,
            kind: slot.kind,
            parameters: slot.parameters.clone(),
            key: &slot.key,
        });
        return Ok((Store::create(storage, entropy, store_options, new_key)?, None));
    };
    if options.create == Create::New {
        return Err(refused(DeviceErrorKind::Exists));
    }
    let key = key_for(options.key.as_ref(), &peek)?;
    let mut opened = Err(coffer_store::Error::Poisoned);
    let mut parts = Some((storage, entropy, store_options));
    let mut open = || {
        if let Some((storage, entropy, store_options)) = parts.take() {
            opened = Store::open(storage, entropy, store_options, key.as_ref());
        }
    };
    match beside {
        // Not while the key is derived, which would hold up whoever changes files.
        Some(process) => process.with_files(false, &mut open)?,
        None => open(),
    }
    let (store, recovered) = opened?;
    Ok((store, Some(recovered)))
}

/// Whether a key opens the database that has this root (its file `manifest`): `Ok`, or the error that opening would give. Needs no
/// other file, so that who may not touch the files can still be asked for the key.
pub fn check_key(manifest: Vec<u8>, key: Option<&Key>) -> Result<()> {
    let storage = MemStorage::new();
    storage.put("manifest", manifest);
    let peek = coffer_store::peek(&storage, None)?;
    match key_for(key, &peek)? {
        None if !peek.slots.is_empty() => Err(coffer_store::Error::KeyRequired.into()),
        _ => Ok(()),
    }
}

/// What a caller's key, if there is one, becomes for a database.
fn key_for(key: Option<&Key>, peek: &coffer_store::Peek) -> Result<Option<SlotKey>> {
    match key {
        None => Ok(None),
        // A key for a database that has none would promise a secrecy that is not there.
        Some(_) if peek.slots.is_empty() => {
            let message = "the database is not encrypted; open it without a key, then encrypt it";
            Err(Error::new(ErrorCode::WrongKey, message))
        }
        Some(key) => fitting(key, peek).map(Some),
    }
}

/// What a key becomes for the slot that it opens.
pub(crate) fn fitting(key: &Key, peek: &coffer_store::Peek) -> Result<SlotKey> {
    for slot in &peek.slots {
        for candidate in candidates(key, std::slice::from_ref(slot))? {
            if slot.unwrap_master(peek.cipher, &candidate, peek.database).is_ok() {
                return Ok(candidate);
            }
        }
    }
    Err(coffer_store::Error::WrongKey.into())
}

/// A name as the path of a `file:` URI.
fn uri_path(name: &str) -> String {
    name.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => char::from(byte).to_string(),
            other => format!("%{other:02x}"),
        })
        .collect()
}

#[cfg(all(test, not(target_family = "wasm")))]
mod unflushed;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_the_uri() {
        assert_eq!(uri_path("/a b/c?d#e%.db"), "/a%20b/c%3fd%23e%25.db");
    }
}

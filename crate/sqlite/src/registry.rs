//! The file system that SQLite sees under the name `coffer`: databases by their names, everything else private.
//!
//! A database opened by [`crate::Database`] is known here by its name, so that `ATTACH 'name'` finds it from any
//! connection. Names of journals are answered as "not there": a journal lives and dies in memory, so none is ever hot.
//!
//! I1  A name leads to at most one open database of the process; two handles on the same files would break the engine.

use std::cell::RefCell;
use std::ffi::c_int;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use coffer_store::{CommitId, Device, Error, PageCount, PageNo, SortedMap};
use rusqlite::ffi;

use crate::error::result_code;
use crate::figures::{MemoryStats, StorageInfo};
use crate::file::File;
use crate::journal::JournalFile;
#[cfg(not(target_family = "wasm"))]
use crate::key::Key;
use crate::memory::{MemoryFile, Pool};
use crate::portable::Portable;
use crate::session::Session;
use crate::settings::Settings;
use crate::vfs::{Fault, OpenKind, OpenRequest, Outcome, Vfs, VfsFile};

/// A database that connections can be opened on.
pub(crate) trait Host: Portable {
    /// A handle of SQLite's on it.
    fn open_file(self: Arc<Self>, session: Arc<Session>, write: bool) -> Result<Box<dyn VfsFile>, Error>;
    /// Waits for the turn to write.
    fn wait_for_turn(&self, file: u64, limit: Duration) -> bool;
    /// Whether no connection can write.
    fn is_read_only(&self) -> bool;
    /// Figures of the files.
    fn storage_info(&self) -> Result<StorageInfo, Error>;
    /// Figures of the memory.
    fn memory_stats(&self) -> Result<MemoryStats, Error>;
    /// The key slots: their numbers and kinds.
    fn key_slots(&self) -> Result<Vec<(u8, &'static str)>, Error>;
    /// The versions of a page that kept commits show: by which commit, and when it was.
    fn page_history(&self, page: u32) -> Result<Vec<(CommitId, u64)>, Error>;
    /// The settings of now.
    fn settings(&self) -> Settings;
    /// Gives back the space of what is not used any more.
    fn compact(&self) -> Result<(), Error>;
    /// Writes a backup to a device: everything, or what came after a commit. Gives the commit that it holds.
    fn back_up(&self, out: &dyn Device, since: Option<CommitId>) -> Result<CommitId, Error>;
    /// The commit of the last backup taken here.
    #[cfg(not(target_family = "wasm"))]
    fn last_backup(&self) -> Option<CommitId>;
    /// What the database was opened with.
    #[cfg(not(target_family = "wasm"))]
    fn key(&self) -> Option<Key>;
    /// Changes whenever a limit on rows does; 0 as long as there never was one.
    fn limits_version(&self) -> u64;
    /// Replaces every page, in one commit.
    fn replace_pages(&self, pages: &mut PageSource<'_>, limit: Duration) -> Result<CommitId, Error>;
}

/// The pages of another database.
pub(crate) struct PageSource<'a> {
    /// How many there are.
    pub count: PageCount,
    /// Reads one.
    pub read: &'a mut ReadPage<'a>,
}

/// Reads a page of another database.
pub(crate) type ReadPage<'a> = dyn FnMut(PageNo, &mut [u8]) -> Result<(), Error> + 'a;

#[derive(Default)]
struct Registry {
    hosts: SortedMap<String, Weak<dyn Host>>,
    sessions: SortedMap<u64, Weak<Session>>,
    /// By the address of SQLite's connection, so that attached databases share the connection's session.
    by_address: SortedMap<usize, Weak<Session>>,
    pool: Option<Arc<Pool>>,
}

#[cfg(not(target_family = "wasm"))]
fn with<R>(section: impl FnOnce(&mut Registry) -> R) -> R {
    static REGISTRY: std::sync::Mutex<Option<Registry>> = std::sync::Mutex::new(None);
    section(crate::portable::lock(&REGISTRY).get_or_insert_default())
}

#[cfg(target_family = "wasm")]
fn with<R>(section: impl FnOnce(&mut Registry) -> R) -> R {
    thread_local! {
        static REGISTRY: RefCell<Registry> = RefCell::default();
    }
    REGISTRY.with_borrow_mut(section)
}

thread_local! {
    /// The last failure on this thread, for `xGetLastError`.
    static LAST_ERROR: RefCell<Option<(c_int, String)>> = const { RefCell::new(None) };
    /// Why the last `ATTACH` on this thread failed: the connection has a session, and what it attaches has none yet.
    static ATTACH_FAILURE: RefCell<Option<Error>> = const { RefCell::new(None) };
}

/// Why attaching failed, once.
pub(crate) fn take_attach_failure() -> Option<Error> {
    ATTACH_FAILURE.take()
}

/// Turns an error into SQLite's code, and keeps the error itself and its text for whoever asks.
pub(crate) fn report(session: &Session, error: Error) -> Fault {
    let code = result_code(&error);
    LAST_ERROR.set(Some((code, error.to_string())));
    session.keep_error(error);
    Fault(code)
}

/// The name under which SQLite knows this file system.
pub(crate) const VFS_NAME: &std::ffi::CStr = c"coffer";

/// Memory for temporary data before it goes to scratch storage.
const TEMP_BYTES: u64 = 64 << 20;

/// Registers the file system, once.
pub(crate) fn install() -> Outcome<()> {
    static INSTALLED: OnceLock<Outcome<()>> = OnceLock::new();
    *INSTALLED.get_or_init(|| crate::ffi::register(VFS_NAME, &Coffer))
}

/// The pool of all files in memory.
pub(crate) fn pool() -> Arc<Pool> {
    with(|registry| Arc::clone(registry.pool.get_or_insert_with(|| Arc::new(Pool::new(TEMP_BYTES, scratch())))))
}

#[cfg(not(target_family = "wasm"))]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere there is none")]
fn scratch() -> Option<Box<dyn crate::memory::Scratch>> {
    Some(Box::new(crate::native::TempScratch))
}

#[cfg(target_family = "wasm")]
fn scratch() -> Option<Box<dyn crate::memory::Scratch>> {
    None // Opening a file cannot be waited for inside a call of SQLite.
}

/// Makes a database known under a name. False if the name is taken (I1).
pub(crate) fn add_host(name: &str, host: &Arc<dyn Host>) -> bool {
    with(|registry| {
        if registry.hosts.get(name).is_some_and(|host| host.strong_count() > 0) {
            return false;
        }
        registry.hosts.insert(name.to_owned(), Arc::downgrade(host));
        true
    })
}

/// Forgets a name.
pub(crate) fn remove_host(name: &str) {
    with(|registry| registry.hosts.remove(name));
}

/// The open database of a name.
pub(crate) fn find_host(name: &str) -> Option<Arc<dyn Host>> {
    with(|registry| registry.hosts.get(name).and_then(Weak::upgrade))
}

/// A new connection's session, found again by its number when SQLite opens the file.
pub(crate) fn new_session(busy_timeout: Duration) -> Arc<Session> {
    let session = Session::new(next_id(), busy_timeout);
    with(|registry| {
        registry.sessions.retain(|_, session| session.strong_count() > 0);
        registry.by_address.retain(|_, session| session.strong_count() > 0);
        registry.sessions.insert(session.id, Arc::downgrade(&session));
    });
    session
}

/// A number that nobody else in the process has.
pub(crate) fn next_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Ties a session to the address of SQLite's connection, and returns the one that was tied first while it lives: an
/// attached database joins the session of the main one.
pub(crate) fn join_session(address: usize, session: &Arc<Session>) -> Arc<Session> {
    with(|registry| {
        // A session known by its number is the main database's, and begins the address's new life.
        if !registry.sessions.contains_key(&session.id)
            && let Some(first) = registry.by_address.get(&address).and_then(Weak::upgrade)
        {
            return first;
        }
        registry.by_address.insert(address, Arc::downgrade(session));
        Arc::clone(session)
    })
}

struct Coffer;

impl Coffer {
    fn open_main(name: &str, request: &OpenRequest<'_>) -> Outcome<(File, bool)> {
        let known =
            request.connection.and_then(|id| with(|registry| registry.sessions.get(&id).and_then(Weak::upgrade)));
        let attaches = known.is_none();
        let session = known.unwrap_or_else(|| Session::new(next_id(), Duration::from_secs(5)));
        let failed = |error: Error| {
            if attaches {
                ATTACH_FAILURE.set(Some(error.clone()));
            }
            report(&session, error)
        };
        let host = match find_host(name) {
            Some(host) => host,
            None => open_on_demand(name, request).map_err(failed)?,
        };
        let write = request.write && !host.is_read_only();
        let file = host.open_file(Arc::clone(&session), write).map_err(failed)?;
        if attaches {
            ATTACH_FAILURE.set(None);
        }
        Ok((File::Main(file), !write))
    }
}

/// `ATTACH 'path'` of a database that nobody has opened: opened with default options, closed with its last handle.
#[cfg(not(target_family = "wasm"))]
fn open_on_demand(name: &str, request: &OpenRequest<'_>) -> Result<Arc<dyn Host>, Error> {
    use coffer_store::{DeviceError, DeviceErrorKind, DeviceOp};
    // `VACUUM INTO` has no word for a key. What it copies out of an encrypted database must not be readable by that.
    if request.create && !std::path::Path::new(name).exists() && is_any_encrypted() {
        let error = DeviceError::new(DeviceOp::Open, name, 0, DeviceErrorKind::NotFound);
        return Err(Error::Device(
            error.with_detail("VACUUM INTO would make it without encryption; use BACKUP DATABASE TO"),
        ));
    }
    crate::native::open_host(name, request.write, request.create)
}

#[cfg(not(target_family = "wasm"))]
fn is_any_encrypted() -> bool {
    let open: Vec<Arc<dyn Host>> = with(|registry| registry.hosts.values().filter_map(Weak::upgrade).collect());
    let none = coffer_store::Cipher::None.name();
    open.iter().any(|host| host.storage_info().is_ok_and(|info| info.cipher != none))
}

#[cfg(target_family = "wasm")]
fn open_on_demand(name: &str, _request: &OpenRequest<'_>) -> Result<Arc<dyn Host>, Error> {
    use coffer_store::{DeviceError, DeviceErrorKind, DeviceOp};
    let error = DeviceError::new(DeviceOp::Open, name, 0, DeviceErrorKind::NotFound);
    Err(Error::Device(error.with_detail("open the database before attaching it")))
}

impl Vfs for Coffer {
    fn open(&self, request: &OpenRequest<'_>) -> Outcome<(File, bool)> {
        match (request.kind, request.name) {
            (OpenKind::Main, Some(name)) => Self::open_main(name, request),
            (OpenKind::Wal, _) => Err(Fault(ffi::SQLITE_CANTOPEN)),
            (OpenKind::MainJournal, _) if let Some(originals) = &request.originals => {
                Ok((File::Journal(JournalFile::new(Arc::clone(originals), pool())), false))
            }
            _ => Ok((File::Memory(MemoryFile::new(pool())), false)),
        }
    }

    fn delete(&self, _name: &str) -> Outcome<()> {
        Ok(()) // Only journals are ever deleted, and ours die with their handles.
    }

    fn exists(&self, name: &str) -> Outcome<bool> {
        Ok(find_host(name).is_some())
    }

    fn full_name(&self, name: &str) -> Outcome<String> {
        if find_host(name).is_some() {
            return Ok(name.to_owned());
        }
        #[cfg(not(target_family = "wasm"))]
        if let Some(path) = crate::native::canonical_name(name) {
            return Ok(path);
        }
        Ok(name.to_owned())
    }

    fn last_error(&self) -> Option<(c_int, String)> {
        LAST_ERROR.with_borrow(Clone::clone)
    }
}

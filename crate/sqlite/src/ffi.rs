//! SQLite's C interface to a file system, turned into calls of [`crate::vfs`]; virtual tables of one row; a mapped file; and the default file
//! system of SQLite for wasm.
//!
//! The only file of the project with `unsafe`. It decides nothing: each function checks pointers, converts, calls, and maps
//! the answer. It knows neither the store nor the dialect. Nothing unwinds into C: a panic becomes `SQLITE_INTERNAL`.
//!
//! I1  A `RawFile` has methods exactly while it holds a live [`File`]; a failed open leaves the methods null, so SQLite
//!     will not close it.
//! I2  References made from SQLite's pointers never outlive the call they came with.

#![cfg_attr(
    target_family = "wasm",
    allow(clippy::cast_ptr_alignment, reason = "SQLite allocates handles at multiples of 8 on every target")
)]

use std::borrow::Cow;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{null, null_mut};
use std::sync::Arc;
#[cfg(not(target_family = "wasm"))]
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::ffi;
use rusqlite::types::Value;
use rusqlite::vtab::{Context, Filters, IndexInfo, Module, VTab, VTabConfig, VTabConnection, VTabCursor};

use crate::file::File;
use crate::vfs::{Control, Fault, LockLevel, OpenKind, OpenRequest, Outcome, PragmaCall, Reply, Vfs, VfsFile};

/// A file as SQLite sees it: its header, then what is ours.
#[repr(C)]
struct RawFile {
    base: ffi::sqlite3_file,
    /// The connection that opened it, once SQLite has told us.
    connection: *mut ffi::sqlite3,
    file: MaybeUninit<File>,
}

/// What a registered file system keeps for ever.
struct Registered {
    vfs: &'static dyn Vfs,
    /// Gives time, sleep and randomness.
    base: *mut ffi::sqlite3_vfs,
}

/// The longest name of a file, with its terminating zero.
const NAME_BYTES_MAX: c_int = 4096;

/// 1970-01-01 as a Julian day number, in milliseconds.
const EPOCH_MS: i64 = 210_866_760_000_000;

/// A file system that can do nothing yet.
const BARE: ffi::sqlite3_vfs = ffi::sqlite3_vfs {
    iVersion: 2,
    szOsFile: 0,
    mxPathname: NAME_BYTES_MAX,
    pNext: null_mut(),
    zName: null(),
    pAppData: null_mut(),
    xOpen: None,
    xDelete: None,
    xAccess: None,
    xFullPathname: None,
    xDlOpen: None,
    xDlError: None,
    xDlSym: None,
    xDlClose: None,
    xRandomness: None,
    xSleep: None,
    xCurrentTime: None,
    xGetLastError: None,
    xCurrentTimeInt64: None,
    xSetSystemCall: None,
    xGetSystemCall: None,
    xNextSystemCall: None,
};

/// Registers a file system under a name, not as the default. It stays for the life of the process.
pub fn register(name: &CStr, vfs: &'static dyn Vfs) -> Outcome<()> {
    // SAFETY: a null name asks for the default file system; this also initialises SQLite, and may be called at any time.
    let base = unsafe { ffi::sqlite3_vfs_find(null()) };
    if base.is_null() {
        return Err(Fault(ffi::SQLITE_ERROR));
    }
    let registered = Box::into_raw(Box::new(Registered { vfs, base }));
    let raw = ffi::sqlite3_vfs {
        szOsFile: c_int::try_from(size_of::<RawFile>()).expect("a file handle is small"),
        zName: CString::from(name).into_raw(),
        pAppData: registered.cast(),
        xOpen: Some(x_open),
        xDelete: Some(x_delete),
        xAccess: Some(x_access),
        xFullPathname: Some(x_full_pathname),
        xRandomness: Some(x_randomness),
        xSleep: Some(x_sleep),
        xCurrentTime: Some(x_current_time),
        xGetLastError: Some(x_get_last_error),
        xCurrentTimeInt64: Some(x_current_time_int64),
        ..BARE
    };
    // SAFETY: SQLite keeps the pointer; the box is leaked on purpose and so lives as long as the process.
    accept(unsafe { ffi::sqlite3_vfs_register(Box::into_raw(Box::new(raw)), 0) })
}

/// What SQLite for wasm calls in place of `sqlite3_os_init` (.cargo/config.toml renames it): the default file system there gives time and
/// randomness, and has no files. The one that `sqlite-wasm-rs` brings keeps files in memory, which we do too, and would weigh 7 KB.
#[cfg(target_family = "wasm")]
mod host {
    use std::ffi::{c_char, c_int};

    use rusqlite::ffi;
    use sqlite_wasm_rs::WasmOsCallback;
    use sqlite_wasm_rs::vfs::OsCallback;

    use super::EPOCH_MS;

    const DAY_MS: f64 = 86_400_000.0;

    #[unsafe(no_mangle)]
    extern "C" fn coffer_os_init() -> c_int {
        let raw = ffi::sqlite3_vfs {
            szOsFile: c_int::try_from(size_of::<ffi::sqlite3_file>()).expect("a file handle is small"),
            zName: c"host".as_ptr(),
            xOpen: Some(x_open),
            xDelete: Some(x_delete),
            xAccess: Some(x_access),
            xFullPathname: Some(x_full_pathname),
            xRandomness: Some(x_randomness),
            xSleep: Some(x_sleep),
            xCurrentTime: Some(x_current_time),
            xCurrentTimeInt64: Some(x_current_time_int64),
            ..super::BARE
        };
        // SAFETY: SQLite keeps the pointer; the box is leaked on purpose and so lives as long as the module.
        unsafe { ffi::sqlite3_vfs_register(Box::into_raw(Box::new(raw)), 1) }
    }

    unsafe extern "C" fn x_open(
        _vfs: *mut ffi::sqlite3_vfs,
        _name: *const c_char,
        file: *mut ffi::sqlite3_file,
        _flags: c_int,
        _out: *mut c_int,
    ) -> c_int {
        // SAFETY: SQLite passes room for a file; without methods it will not close it.
        unsafe { (*file).pMethods = std::ptr::null() };
        ffi::SQLITE_CANTOPEN
    }

    unsafe extern "C" fn x_delete(_vfs: *mut ffi::sqlite3_vfs, _name: *const c_char, _sync: c_int) -> c_int {
        ffi::SQLITE_IOERR_DELETE_NOENT
    }

    unsafe extern "C" fn x_access(
        _vfs: *mut ffi::sqlite3_vfs,
        _name: *const c_char,
        _flags: c_int,
        out: *mut c_int,
    ) -> c_int {
        // SAFETY: SQLite passes a place for the answer.
        unsafe { *out = 0 };
        ffi::SQLITE_OK
    }

    unsafe extern "C" fn x_full_pathname(
        _vfs: *mut ffi::sqlite3_vfs,
        _name: *const c_char,
        _room: c_int,
        _out: *mut c_char,
    ) -> c_int {
        ffi::SQLITE_CANTOPEN
    }

    unsafe extern "C" fn x_randomness(_vfs: *mut ffi::sqlite3_vfs, amount: c_int, out: *mut c_char) -> c_int {
        // SAFETY: SQLite passes room for `amount` bytes, and has cleared them.
        let out = unsafe { std::slice::from_raw_parts_mut(out.cast::<u8>(), usize::try_from(amount).unwrap_or(0)) };
        c_int::try_from(WasmOsCallback.random(out)).unwrap_or(0)
    }

    /// A page without headers for it has nothing that a thread could sleep on, and nobody else would run meanwhile.
    unsafe extern "C" fn x_sleep(_vfs: *mut ffi::sqlite3_vfs, microseconds: c_int) -> c_int {
        microseconds
    }

    unsafe extern "C" fn x_current_time(_vfs: *mut ffi::sqlite3_vfs, out: *mut f64) -> c_int {
        let Ok(now) = WasmOsCallback.epoch_timestamp_in_ms() else { return ffi::SQLITE_ERROR };
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of any century have fewer than 53 bits")]
        let days = (now + EPOCH_MS) as f64 / DAY_MS;
        // SAFETY: SQLite passes a place for the answer.
        unsafe { *out = days };
        ffi::SQLITE_OK
    }

    unsafe extern "C" fn x_current_time_int64(_vfs: *mut ffi::sqlite3_vfs, out: *mut i64) -> c_int {
        let Ok(now) = WasmOsCallback.epoch_timestamp_in_ms() else { return ffi::SQLITE_ERROR };
        // SAFETY: SQLite passes a place for the answer.
        unsafe { *out = now + EPOCH_MS };
        ffi::SQLITE_OK
    }
}

/// Bytes of memory that SQLite holds now in this process.
pub fn sqlite_memory_used() -> u64 {
    // SAFETY: the function takes no pointers and may be called at any time.
    u64::try_from(unsafe { ffi::sqlite3_memory_used() }).unwrap_or(0)
}

/// Whether the open transaction owes a row to a foreign key that is checked when it commits.
pub fn owes_rows(connection: &rusqlite::Connection) -> bool {
    let (mut current, mut unused) = (0, 0);
    // SAFETY: the handle is that of an open connection, which this thread alone uses; the call writes two numbers.
    let told = unsafe {
        let handle = connection.handle();
        ffi::sqlite3_db_status(handle, ffi::SQLITE_DBSTATUS_DEFERRED_FKS, &raw mut current, &raw mut unused, 0)
    };
    told == ffi::SQLITE_OK && current != 0
}

/// Milliseconds since 1970, by the clock of SQLite's default file system, which exists on every target.
pub fn now_ms() -> u64 {
    // SAFETY: a null name asks for the default file system, which lives as long as the process.
    let base = unsafe { ffi::sqlite3_vfs_find(null()) };
    if base.is_null() {
        return 0;
    }
    let mut now = EPOCH_MS;
    // SAFETY: `base` is a registered file system; its clock writes one number.
    unsafe {
        if let (true, Some(clock)) = ((*base).iVersion >= 2, (*base).xCurrentTimeInt64) {
            clock(base, &raw mut now);
        }
    }
    u64::try_from(now - EPOCH_MS).unwrap_or(0)
}

/// Maps a whole file for reading.
#[cfg(not(target_family = "wasm"))]
pub fn map_file(file: &std::fs::File) -> std::io::Result<memmap2::Mmap> {
    // SAFETY: the contract of `native::MapStorage` is that its sealed files are never cut or rewritten while they are
    // open by any process that keeps to the store's rules; a stranger who cuts one gets this process a SIGBUS, and
    // the backend's documentation says so.
    unsafe { memmap2::Mmap::map(file) }
}

/// Counts at the beginning of a file, as other processes change them.
#[cfg(not(target_family = "wasm"))]
pub struct SharedCounts {
    map: memmap2::MmapRaw,
    writable: bool,
}

#[cfg(not(target_family = "wasm"))]
impl SharedCounts {
    /// Maps the first `count` numbers of a file that has them, to be changed if it was opened for that.
    pub fn map(file: &std::fs::File, count: usize, writable: bool) -> std::io::Result<Self> {
        let mut options = memmap2::MmapOptions::new();
        let options = options.len(8 * count);
        let map = if writable { options.map_raw(file)? } else { options.map_raw_read_only(file)? };
        Ok(Self { map, writable })
    }

    /// The number at an index, as it is now.
    pub fn load(&self, index: usize) -> u64 {
        u64::from_le(self.at(index).load(Ordering::Acquire))
    }

    /// Puts a number at an index, for every process that maps the file or reads it.
    pub fn store(&self, index: usize, count: u64) {
        assert!(self.writable, "who only reads counts nothing");
        self.at(index).store(count.to_le(), Ordering::Release);
    }

    fn at(&self, index: usize) -> &AtomicU64 {
        assert!(8 * (index + 1) <= self.map.len(), "the number is mapped");
        #[expect(clippy::cast_ptr_alignment, reason = "a map begins at a page")]
        let place = self.map.as_mut_ptr().cast::<u64>();
        // SAFETY: the map is page-aligned, lives as long as `self` and holds the number, which was checked; the file is never
        // cut, and others change it while we look, which is what an atomic is for. Only `store` writes, and only where the map allows it.
        unsafe { AtomicU64::from_ptr(place.add(index)) }
    }
}

fn accept(code: c_int) -> Outcome<()> {
    if code == ffi::SQLITE_OK { Ok(()) } else { Err(Fault(code)) }
}

/// Runs a call so that no panic reaches C.
fn guard(call: impl FnOnce() -> Outcome<()>) -> c_int {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(())) => ffi::SQLITE_OK,
        Ok(Err(Fault(code))) => code,
        Err(_) => ffi::SQLITE_INTERNAL,
    }
}

const MISUSE: Fault = Fault(ffi::SQLITE_MISUSE);

/// The file behind SQLite's handle.
///
/// # Safety
/// `raw` is a handle that [`x_open`] opened and [`x_close`] has not closed, and no other reference to it lives.
unsafe fn open_file<'a>(raw: *mut ffi::sqlite3_file) -> &'a mut File {
    // SAFETY: the caller's promise; an open handle holds a live file (I1).
    unsafe { (*raw.cast::<RawFile>()).file.assume_init_mut() }
}

/// The file system behind SQLite's handle.
///
/// # Safety
/// `raw` was registered by [`register`].
unsafe fn registered<'a>(raw: *mut ffi::sqlite3_vfs) -> &'a Registered {
    // SAFETY: `register` put it there and it is never freed.
    unsafe { &*(*raw).pAppData.cast::<Registered>() }
}

/// A C string as text.
///
/// # Safety
/// `text` is null or points to a zero-terminated string that lives for `'a`.
unsafe fn text<'a>(text: *const c_char) -> Outcome<Option<&'a str>> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's promise.
    let bytes = unsafe { CStr::from_ptr(text) };
    bytes.to_str().map(Some).map_err(|_| Fault(ffi::SQLITE_CANTOPEN))
}

/// Text in memory of SQLite's, which SQLite will free.
fn sqlite_text(text: &str) -> *mut c_char {
    let bytes: Vec<u8> = text.bytes().filter(|&byte| byte != 0).collect();
    let Ok(wanted) = u64::try_from(bytes.len() + 1) else { return null_mut() };
    // SAFETY: the allocator may be called at any time once SQLite is initialised.
    let place = unsafe { ffi::sqlite3_malloc64(wanted) }.cast::<u8>();
    if !place.is_null() {
        // SAFETY: the block is new and one byte longer than the text.
        unsafe {
            place.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
            place.add(bytes.len()).write(0);
        }
    }
    place.cast()
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 1,
    xClose: Some(x_close),
    xRead: Some(x_read),
    xWrite: Some(x_write),
    xTruncate: Some(x_truncate),
    xSync: Some(x_sync),
    xFileSize: Some(x_file_size),
    xLock: Some(x_lock),
    xUnlock: Some(x_unlock),
    xCheckReservedLock: Some(x_check_reserved_lock),
    xFileControl: Some(x_file_control),
    xSectorSize: Some(x_sector_size),
    xDeviceCharacteristics: Some(x_device_characteristics),
    xShmMap: None,
    xShmLock: None,
    xShmBarrier: None,
    xShmUnmap: None,
    xFetch: None,
    xUnfetch: None,
};

unsafe extern "C" fn x_open(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    out: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    let raw = out.cast::<RawFile>();
    // SAFETY: SQLite hands over `szOsFile` bytes for the handle; null methods say that it is not open (I1).
    unsafe { (*raw).base.pMethods = null() };
    guard(|| {
        let kind = OpenKind::from_flags(flags).ok_or(MISUSE)?;
        // SAFETY: SQLite's name lives at least until the file is closed.
        let file_name = unsafe { text(name) }?;
        let mut connection = None;
        if kind == OpenKind::Main && !name.is_null() {
            // SAFETY: the name of a main database comes with its URI parameters, as this function requires.
            connection = unsafe { text(ffi::sqlite3_uri_parameter(name, c"connection".as_ptr())) }?;
        }
        let mut originals = None;
        if kind == OpenKind::MainJournal && !name.is_null() {
            // SAFETY: SQLite made the name of this journal, as this function requires, and gives the handle of its database, which is
            // open and ours, as one file system opens both; no call on it is under way while SQLite is in this one.
            originals = unsafe { open_file(ffi::sqlite3_database_file_object(name)) }.originals();
        }
        let request = OpenRequest {
            name: file_name,
            kind,
            write: flags & ffi::SQLITE_OPEN_READWRITE != 0,
            create: flags & ffi::SQLITE_OPEN_CREATE != 0,
            connection: connection.and_then(|id| id.parse().ok()),
            originals,
        };
        // SAFETY: SQLite calls us with the file system we registered.
        let (file, readonly) = unsafe { registered(vfs) }.vfs.open(&request)?;
        // SAFETY: as above; the fields are written before the methods make the handle open (I1).
        unsafe {
            (&raw mut (*raw).connection).write(null_mut());
            (&raw mut (*raw).file).write(MaybeUninit::new(file));
            (*raw).base.pMethods = &raw const METHODS;
            if !out_flags.is_null() {
                let access = if readonly { ffi::SQLITE_OPEN_READONLY } else { ffi::SQLITE_OPEN_READWRITE };
                *out_flags = flags & !(ffi::SQLITE_OPEN_READONLY | ffi::SQLITE_OPEN_READWRITE) | access;
            }
        }
        Ok(())
    })
}

unsafe extern "C" fn x_close(file: *mut ffi::sqlite3_file) -> c_int {
    guard(|| {
        // SAFETY: SQLite closes an open handle once; with null methods nobody touches the file after it (I1).
        unsafe {
            (*file).pMethods = null();
            (*file.cast::<RawFile>()).file.assume_init_drop();
        }
        Ok(())
    })
}

unsafe extern "C" fn x_read(file: *mut ffi::sqlite3_file, out: *mut c_void, amount: c_int, offset: i64) -> c_int {
    guard(|| {
        let (Ok(amount), Ok(offset)) = (usize::try_from(amount), u64::try_from(offset)) else { return Err(MISUSE) };
        // SAFETY: SQLite's buffer has room for `amount` bytes, which it has initialised or does not read; the handle is
        // open and used by one call at a time.
        let (out, file) = unsafe { (std::slice::from_raw_parts_mut(out.cast::<u8>(), amount), open_file(file)) };
        let there = file.read(out, offset)?;
        if there < amount { Err(Fault(ffi::SQLITE_IOERR_SHORT_READ)) } else { Ok(()) }
    })
}

unsafe extern "C" fn x_write(file: *mut ffi::sqlite3_file, data: *const c_void, amount: c_int, offset: i64) -> c_int {
    guard(|| {
        let (Ok(amount), Ok(offset)) = (usize::try_from(amount), u64::try_from(offset)) else { return Err(MISUSE) };
        // SAFETY: SQLite's buffer holds `amount` bytes; the handle is open and used by one call at a time.
        let (data, file) = unsafe { (std::slice::from_raw_parts(data.cast::<u8>(), amount), open_file(file)) };
        file.write(data, offset)
    })
}

unsafe extern "C" fn x_truncate(file: *mut ffi::sqlite3_file, size: i64) -> c_int {
    // SAFETY: the handle is open and used by one call at a time.
    guard(|| unsafe { open_file(file) }.truncate(u64::try_from(size).map_err(|_| MISUSE)?))
}

unsafe extern "C" fn x_sync(file: *mut ffi::sqlite3_file, _flags: c_int) -> c_int {
    // SAFETY: the handle is open and used by one call at a time.
    guard(|| unsafe { open_file(file) }.sync())
}

unsafe extern "C" fn x_file_size(file: *mut ffi::sqlite3_file, out: *mut i64) -> c_int {
    guard(|| {
        // SAFETY: the handle is open and used by one call at a time.
        let size = unsafe { open_file(file) }.size()?;
        // SAFETY: SQLite passes a place for the answer.
        unsafe { *out = i64::try_from(size).map_err(|_| MISUSE)? };
        Ok(())
    })
}

unsafe extern "C" fn x_lock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    // SAFETY: the handle is open and used by one call at a time.
    guard(|| unsafe { open_file(file) }.lock(LockLevel::from_code(level).ok_or(MISUSE)?))
}

unsafe extern "C" fn x_unlock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    // SAFETY: the handle is open and used by one call at a time.
    guard(|| unsafe { open_file(file) }.unlock(LockLevel::from_code(level).ok_or(MISUSE)?))
}

unsafe extern "C" fn x_check_reserved_lock(file: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    guard(|| {
        // SAFETY: the handle is open and used by one call at a time.
        let reserved = unsafe { open_file(file) }.is_reserved()?;
        // SAFETY: SQLite passes a place for the answer.
        unsafe { *out = c_int::from(reserved) };
        Ok(())
    })
}

unsafe extern "C" fn x_file_control(file: *mut ffi::sqlite3_file, op: c_int, argument: *mut c_void) -> c_int {
    guard(|| {
        // SAFETY: `file` is an open handle of ours and `argument` is what SQLite's documentation says `op` comes with.
        let reply = unsafe { control(file, op, argument) }?;
        match reply {
            Reply::Done => Ok(()),
            Reply::NotFound | Reply::Text(_) | Reply::Refused(_) => Err(Fault(ffi::SQLITE_NOTFOUND)),
        }
    })
}

/// # Safety
/// `raw` is an open handle of ours and `argument` what `op` comes with.
unsafe fn control(raw: *mut ffi::sqlite3_file, op: c_int, argument: *mut c_void) -> Outcome<Reply> {
    // SAFETY: the caller's promise.
    let file = unsafe { open_file(raw) };
    match op {
        ffi::SQLITE_FCNTL_SYNC => file.control(Control::Sync),
        ffi::SQLITE_FCNTL_COMMIT_PHASETWO => file.control(Control::CommitPhaseTwo),
        ffi::SQLITE_FCNTL_LOCKSTATE => {
            // SAFETY: this operation comes with a place for a number.
            unsafe { *argument.cast::<c_int>() = file.lock_level().code() };
            Ok(Reply::Done)
        }
        ffi::SQLITE_FCNTL_HAS_MOVED => {
            // SAFETY: this operation comes with a place for a number. A registered database cannot be moved away.
            unsafe { *argument.cast::<c_int>() = 0 };
            Ok(Reply::Done)
        }
        ffi::SQLITE_FCNTL_VFSNAME => {
            // SAFETY: this operation comes with a place for a string that SQLite frees.
            unsafe { *argument.cast::<*mut c_char>() = sqlite_text("coffer") };
            Ok(Reply::Done)
        }
        ffi::SQLITE_FCNTL_PDB => {
            // SAFETY: this operation comes with the address of the connection's pointer.
            let connection = unsafe { *argument.cast::<*mut ffi::sqlite3>() };
            // SAFETY: the handle is open; the pointer is kept only to ask for autocommit during calls of that connection.
            unsafe { (*raw.cast::<RawFile>()).connection = connection };
            file.control(Control::Connection(connection.addr()))
        }
        // SAFETY: passed on as it came.
        ffi::SQLITE_FCNTL_PRAGMA => unsafe { pragma(raw, argument.cast()) },
        _ => Ok(Reply::NotFound),
    }
}

/// # Safety
/// `raw` is an open handle of ours; `words` holds the three strings of `SQLITE_FCNTL_PRAGMA`.
unsafe fn pragma(raw: *mut ffi::sqlite3_file, words: *mut *mut c_char) -> Outcome<Reply> {
    // SAFETY: the second and third word are the pragma's name and argument, alive during this call.
    let (name, argument) = unsafe { (text(*words.add(1))?, text(*words.add(2))?) };
    let Some(name) = name else { return Ok(Reply::NotFound) };
    // SAFETY: the handle is open. A pragma runs on the connection that opened the file, which is alive.
    let autocommit = unsafe {
        let connection = (*raw.cast::<RawFile>()).connection;
        connection.is_null() || ffi::sqlite3_get_autocommit(connection) != 0
    };
    // SAFETY: the handle is open and used by one call at a time.
    let reply = unsafe { open_file(raw) }.control(Control::Pragma(PragmaCall { name, argument, autocommit }))?;
    match reply {
        Reply::Text(answer) => {
            // SAFETY: the first word is the place for the answer, which SQLite frees.
            unsafe { *words = sqlite_text(&answer) };
            Ok(Reply::Done)
        }
        Reply::Refused(reason) => {
            // SAFETY: as above; with an error it is the message.
            unsafe { *words = sqlite_text(&reason) };
            Err(Fault(ffi::SQLITE_ERROR))
        }
        reply => Ok(reply),
    }
}

unsafe extern "C" fn x_sector_size(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: the handle is open and used by one call at a time.
    c_int::try_from(unsafe { open_file(file) }.sector_bytes()).unwrap_or(512)
}

unsafe extern "C" fn x_device_characteristics(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: the handle is open and used by one call at a time.
    unsafe { open_file(file) }.characteristics().0
}

unsafe extern "C" fn x_delete(vfs: *mut ffi::sqlite3_vfs, name: *const c_char, _sync_names: c_int) -> c_int {
    guard(|| {
        // SAFETY: SQLite's name lives through the call, and the file system is ours.
        let (name, vfs) = unsafe { (text(name)?, registered(vfs)) };
        vfs.vfs.delete(name.ok_or(MISUSE)?)
    })
}

unsafe extern "C" fn x_access(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    _flags: c_int,
    out: *mut c_int,
) -> c_int {
    guard(|| {
        // SAFETY: SQLite's name lives through the call, and the file system is ours.
        let (name, vfs) = unsafe { (text(name)?, registered(vfs)) };
        let exists = vfs.vfs.exists(name.ok_or(MISUSE)?)?;
        // SAFETY: SQLite passes a place for the answer.
        unsafe { *out = c_int::from(exists) };
        Ok(())
    })
}

unsafe extern "C" fn x_full_pathname(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    room: c_int,
    out: *mut c_char,
) -> c_int {
    guard(|| {
        // SAFETY: SQLite's name lives through the call, and the file system is ours.
        let (name, vfs) = unsafe { (text(name)?, registered(vfs)) };
        let full = CString::new(vfs.vfs.full_name(name.ok_or(MISUSE)?)?).map_err(|_| Fault(ffi::SQLITE_CANTOPEN))?;
        let bytes = full.as_bytes_with_nul();
        if bytes.len() > usize::try_from(room).unwrap_or(0) {
            return Err(Fault(ffi::SQLITE_CANTOPEN_FULLPATH));
        }
        // SAFETY: there is room for `room` bytes, which was checked.
        unsafe { out.cast::<u8>().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        Ok(())
    })
}

unsafe extern "C" fn x_randomness(vfs: *mut ffi::sqlite3_vfs, amount: c_int, out: *mut c_char) -> c_int {
    // SAFETY: the default file system outlives ours, and the arguments are passed on as they came.
    unsafe {
        let base = registered(vfs).base;
        (*base).xRandomness.map_or(0, |randomness| randomness(base, amount, out))
    }
}

unsafe extern "C" fn x_sleep(vfs: *mut ffi::sqlite3_vfs, microseconds: c_int) -> c_int {
    // SAFETY: as in `x_randomness`.
    unsafe {
        let base = registered(vfs).base;
        (*base).xSleep.map_or(0, |sleep| sleep(base, microseconds))
    }
}

unsafe extern "C" fn x_current_time(vfs: *mut ffi::sqlite3_vfs, out: *mut f64) -> c_int {
    // SAFETY: as in `x_randomness`.
    unsafe {
        let base = registered(vfs).base;
        (*base).xCurrentTime.map_or(ffi::SQLITE_ERROR, |now| now(base, out))
    }
}

unsafe extern "C" fn x_current_time_int64(vfs: *mut ffi::sqlite3_vfs, out: *mut i64) -> c_int {
    // SAFETY: as in `x_randomness`; a base without this call has the older one.
    unsafe {
        let base = registered(vfs).base;
        if let (true, Some(now)) = ((*base).iVersion >= 2, (*base).xCurrentTimeInt64) {
            return now(base, out);
        }
        let mut days = 0.0;
        let code = x_current_time(vfs, &raw mut days);
        #[expect(clippy::cast_possible_truncation, reason = "a Julian day in milliseconds is far below 2^53")]
        let milliseconds = (days * 86_400_000.0) as i64;
        *out = milliseconds;
        code
    }
}

unsafe extern "C" fn x_get_last_error(vfs: *mut ffi::sqlite3_vfs, room: c_int, out: *mut c_char) -> c_int {
    // SAFETY: SQLite calls us with the file system we registered.
    let last = catch_unwind(|| unsafe { registered(vfs) }.vfs.last_error()).ok().flatten();
    let Some((code, text)) = last else { return 0 };
    if let (Ok(room @ 1..), false) = (usize::try_from(room), out.is_null()) {
        let end = (0..=text.len().min(room - 1)).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        // SAFETY: `end` is less than `room`, so the text and its terminating zero fit.
        unsafe {
            out.cast::<u8>().copy_from_nonoverlapping(text.as_ptr(), end);
            out.add(end).write(0);
        }
    }
    code
}

/// The rows of a virtual table.
pub type Answer = Vec<Vec<Value>>;

/// What a virtual table shows: some columns, and what may be given in parentheses behind its name.
pub struct Source {
    /// The columns.
    pub columns: &'static [&'static str],
    /// The name of the table's argument, if it takes one; the schema that it is asked of comes after it.
    pub argument: Option<&'static str>,
    /// Gives the rows, for the file name of a schema and the argument.
    pub ask: Box<Ask>,
}

/// Gives rows.
pub type Ask = dyn Fn(&str, Option<&Value>) -> rusqlite::Result<Answer> + Send + Sync;

/// Makes a table known to a connection, under a name that needs no `create virtual table`.
pub fn add_table(connection: &rusqlite::Connection, name: &str, source: Source) -> rusqlite::Result<()> {
    const MODULE: Module<'_, Table> = Module::eponymous_only_module();
    connection.create_module(name, &MODULE, Some(Arc::new(source)))
}

#[repr(C)]
struct Table {
    base: ffi::sqlite3_vtab,
    connection: *mut ffi::sqlite3,
    source: Arc<Source>,
}

/// Bits of a plan: what was given in parentheses.
const WITH_ARGUMENT: c_int = 1;
const WITH_SCHEMA: c_int = 2;

// SAFETY: the struct is `repr(C)` and begins with SQLite's, as rusqlite requires.
unsafe impl VTab<'_> for Table {
    type Aux = Arc<Source>;
    type Cursor = Rows;

    fn connect(
        db: &mut VTabConnection,
        aux: Option<&Self::Aux>,
        _module: &[u8],
        _database: &[u8],
        _table: &[u8],
        _arguments: &[&[u8]],
    ) -> rusqlite::Result<(Cow<'static, CStr>, Self)> {
        db.config(VTabConfig::Innocuous)?;
        let source = aux.ok_or_else(|| rusqlite::Error::ModuleError("a table without a source".to_owned()))?;
        let mut columns = source.columns.join(",");
        for name in source.argument.into_iter().chain(["schema"]) {
            columns.push(',');
            columns.push_str(name);
            columns.push_str(" hidden");
        }
        let schema = CString::new(format!("create table x({columns})"))?;
        // SAFETY: the handle is only used by cursors of this table, which SQLite closes before the connection.
        let connection = unsafe { db.handle() };
        Ok((schema.into(), Self { base: ffi::sqlite3_vtab::default(), connection, source: Arc::clone(source) }))
    }

    fn best_index(&self, info: &mut IndexInfo) -> rusqlite::Result<bool> {
        let first = c_int::try_from(self.source.columns.len()).unwrap_or(c_int::MAX);
        let hidden =
            if self.source.argument.is_some() { [WITH_ARGUMENT, WITH_SCHEMA].as_slice() } else { &[WITH_SCHEMA] };
        let (mut plan, mut given) = (0, 0);
        for (&bit, column) in hidden.iter().zip(first..) {
            let equal = |constraint: &rusqlite::vtab::IndexConstraint<'_>| {
                constraint.column() == column
                    && constraint.operator() == rusqlite::vtab::IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_EQ
            };
            let Some((place, usable)) =
                info.constraints().enumerate().find(|(_, it)| equal(it)).map(|(place, it)| (place, it.is_usable()))
            else {
                continue;
            };
            if !usable {
                return Ok(false); // Another plan will have it.
            }
            (plan, given) = (plan | bit, given + 1);
            let mut usage = info.constraint_usage(place);
            usage.set_argv_index(given);
            usage.set_omit(true);
        }
        info.set_idx_num(plan);
        info.set_estimated_cost(1.0);
        info.set_estimated_rows(1);
        Ok(true)
    }

    fn open(&mut self) -> rusqlite::Result<Rows> {
        let (connection, source) = (self.connection, Arc::clone(&self.source));
        Ok(Rows {
            base: ffi::sqlite3_vtab_cursor::default(),
            connection,
            source,
            hidden: [Value::Null, Value::Null],
            answer: Vec::new(),
            at: 0,
        })
    }
}

#[repr(C)]
struct Rows {
    base: ffi::sqlite3_vtab_cursor,
    connection: *mut ffi::sqlite3,
    source: Arc<Source>,
    /// The argument and the schema, as they were given.
    hidden: [Value; 2],
    answer: Answer,
    at: usize,
}

impl Rows {
    /// The file name of a schema of this connection.
    fn file_name(&self, schema: &str) -> rusqlite::Result<String> {
        let schema = CString::new(schema)?;
        // SAFETY: the connection outlives its cursors, and the name lives through the call.
        let name = unsafe { text(ffi::sqlite3_db_filename(self.connection, schema.as_ptr())) };
        match name {
            Ok(Some(name)) => Ok(name.to_owned()),
            _ => Err(rusqlite::Error::ModuleError(format!("unknown database {}", schema.to_string_lossy()))),
        }
    }
}

// SAFETY: the struct is `repr(C)` and begins with SQLite's, as rusqlite requires.
unsafe impl VTabCursor for Rows {
    fn filter(&mut self, plan: c_int, _text: Option<&str>, arguments: &Filters<'_>) -> rusqlite::Result<()> {
        let (with_argument, with_schema) = (plan & WITH_ARGUMENT != 0, plan & WITH_SCHEMA != 0);
        let mut argument = None;
        if with_argument {
            argument = Some(arguments.get::<Value>(0)?);
        }
        let schema = if with_schema { arguments.get::<Option<String>>(usize::from(with_argument))? } else { None };
        let name = self.file_name(schema.as_deref().unwrap_or("main"))?;
        self.answer = (self.source.ask)(&name, argument.as_ref())?;
        self.hidden = [argument.unwrap_or(Value::Null), schema.map_or(Value::Null, Value::Text)];
        self.at = 0;
        Ok(())
    }

    fn next(&mut self) -> rusqlite::Result<()> {
        self.at += 1;
        Ok(())
    }

    fn eof(&self) -> bool {
        self.at >= self.answer.len()
    }

    fn column(&self, context: &mut Context, index: c_int) -> rusqlite::Result<()> {
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        let hidden = index.checked_sub(self.source.columns.len()).map(|hidden| match self.source.argument {
            Some(_) => self.hidden.get(hidden),
            None => self.hidden.get(hidden + 1),
        });
        context.set_result(hidden.unwrap_or_else(|| self.answer.get(self.at).and_then(|row| row.get(index))))
    }

    fn rowid(&self) -> rusqlite::Result<i64> {
        Ok(i64::try_from(self.at).unwrap_or(i64::MAX))
    }
}

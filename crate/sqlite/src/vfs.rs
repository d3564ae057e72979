//! What SQLite asks of a file system, in safe types.
//!
//! `ffi.rs` turns SQLite's calls into these and back. Nothing here knows the store. Errors are SQLite's extended result
//! codes; the text and the typed error behind a code are kept by whoever made it (see [`crate::error`]).
//!
//! I1  A file's methods are never called by two threads at once: SQLite holds the connection's mutex.
//! I2  A file never panics across the boundary on purpose; if it does, the call reports `SQLITE_INTERNAL`.

use std::ffi::c_int;
use std::sync::Arc;

use rusqlite::ffi;

use crate::portable::Portable;

/// An extended result code of SQLite that is not `SQLITE_OK`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault(pub c_int);

/// What a call of SQLite on us returns.
pub type Outcome<T> = Result<T, Fault>;

/// What kind of file SQLite opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenKind {
    /// A database with a name.
    Main,
    /// A rollback journal of a main database.
    MainJournal,
    /// A temporary database.
    Temp,
    /// The journal of a temporary database.
    TempJournal,
    /// A sorter's or a materialised view's file.
    Transient,
    /// A statement journal.
    Subjournal,
    /// The journal that ties several databases' journals together.
    SuperJournal,
    /// A write-ahead log; never asked for, since we offer no shared memory.
    Wal,
}

impl OpenKind {
    /// The kind that the open flags name; SQLite sets exactly one of them.
    pub fn from_flags(flags: c_int) -> Option<Self> {
        const KINDS: [(c_int, OpenKind); 8] = [
            (ffi::SQLITE_OPEN_MAIN_DB, OpenKind::Main),
            (ffi::SQLITE_OPEN_MAIN_JOURNAL, OpenKind::MainJournal),
            (ffi::SQLITE_OPEN_TEMP_DB, OpenKind::Temp),
            (ffi::SQLITE_OPEN_TEMP_JOURNAL, OpenKind::TempJournal),
            (ffi::SQLITE_OPEN_TRANSIENT_DB, OpenKind::Transient),
            (ffi::SQLITE_OPEN_SUBJOURNAL, OpenKind::Subjournal),
            (ffi::SQLITE_OPEN_SUPER_JOURNAL, OpenKind::SuperJournal),
            (ffi::SQLITE_OPEN_WAL, OpenKind::Wal),
        ];
        KINDS.iter().find(|(flag, _)| flags & flag != 0).map(|&(_, kind)| kind)
    }
}

/// How far a connection has locked a database. Ordered: a later one includes the earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LockLevel {
    /// Nothing held.
    None,
    /// Reading: a snapshot is held.
    Shared,
    /// The one that may write.
    Reserved,
    /// On the way to exclusive.
    Pending,
    /// Writing.
    Exclusive,
}

impl LockLevel {
    /// The level that SQLite means by this number.
    pub fn from_code(code: c_int) -> Option<Self> {
        match code {
            ffi::SQLITE_LOCK_NONE => Some(Self::None),
            ffi::SQLITE_LOCK_SHARED => Some(Self::Shared),
            ffi::SQLITE_LOCK_RESERVED => Some(Self::Reserved),
            ffi::SQLITE_LOCK_PENDING => Some(Self::Pending),
            ffi::SQLITE_LOCK_EXCLUSIVE => Some(Self::Exclusive),
            _ => None,
        }
    }

    /// SQLite's number for the level.
    pub fn code(self) -> c_int {
        match self {
            Self::None => ffi::SQLITE_LOCK_NONE,
            Self::Shared => ffi::SQLITE_LOCK_SHARED,
            Self::Reserved => ffi::SQLITE_LOCK_RESERVED,
            Self::Pending => ffi::SQLITE_LOCK_PENDING,
            Self::Exclusive => ffi::SQLITE_LOCK_EXCLUSIVE,
        }
    }
}

/// Promises about a file that let SQLite do less. Each is claimed only where its reason holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceCharacteristics(pub c_int);

impl DeviceCharacteristics {
    /// A database on the store.
    ///
    /// - `SAFE_APPEND`: a page past the end becomes visible only with the commit that counts it.
    /// - `SEQUENTIAL`: writes become durable in the order of their commits; the log is one sequence.
    /// - `POWERSAFE_OVERWRITE`: a lost write never damages its neighbours, for nothing is overwritten in place.
    /// - `UNDELETABLE_WHEN_OPEN`: a database is found by its registered name, and its files stay while it is open.
    ///
    /// `BATCH_ATOMIC` is true as well but not claimed: it spares a journal that is on the disk, and ours is not.
    pub const STORE: Self = Self(
        ffi::SQLITE_IOCAP_SAFE_APPEND
            | ffi::SQLITE_IOCAP_SEQUENTIAL
            | ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
            | ffi::SQLITE_IOCAP_UNDELETABLE_WHEN_OPEN,
    );

    /// A file in memory or in scratch storage. It never outlives its handle, so no crash can show any order or tear
    /// (`ATOMIC`, `SAFE_APPEND`, `SEQUENTIAL`, `POWERSAFE_OVERWRITE`).
    pub const SCRATCH: Self = Self(
        ffi::SQLITE_IOCAP_ATOMIC
            | ffi::SQLITE_IOCAP_SAFE_APPEND
            | ffi::SQLITE_IOCAP_SEQUENTIAL
            | ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE,
    );
}

/// A database as the write transaction that is open on it found it.
pub trait Originals: Portable {
    /// Which state it is, if it has exactly these bytes at `offset`; each transaction's is another one. Where that is not known without
    /// reading a file, a file is read, or nothing said.
    fn state_with(&self, data: &[u8], offset: u64, read: bool) -> Option<u64>;
    /// Fills `out` from `offset` of that state; fails if it is another one by now.
    fn read(&self, state: u64, out: &mut [u8], offset: u64) -> Outcome<()>;
}

/// A request to open a file.
pub struct OpenRequest<'a> {
    /// The full name; `None` for a file that only this handle will ever see.
    pub name: Option<&'a str>,
    /// What it is for.
    pub kind: OpenKind,
    /// Whether it may be written.
    pub write: bool,
    /// Whether it may be created.
    #[cfg_attr(target_family = "wasm", expect(dead_code, reason = "what a worker opens has to be there"))]
    pub create: bool,
    /// Which connection this is, when [`crate::Database::connect`] opened it.
    pub connection: Option<u64>,
    /// For a journal: what its database was like.
    pub originals: Option<Arc<dyn Originals>>,
}

/// What SQLite tells or asks a file beyond reading and writing.
#[derive(Debug)]
pub enum Control<'a> {
    /// All pages of a transaction have been written; `xSync` follows unless `synchronous` is off.
    Sync,
    /// The transaction is done and the lock about to be released.
    CommitPhaseTwo,
    /// A pragma that SQLite offers before it looks at it itself.
    Pragma(PragmaCall<'a>),
    /// The address of the connection that opened the file: its identity, never dereferenced here.
    Connection(usize),
}

/// One pragma as SQLite passes it.
#[derive(Debug)]
pub struct PragmaCall<'a> {
    /// Its name.
    pub name: &'a str,
    /// The argument, if any.
    pub argument: Option<&'a str>,
    /// Whether the connection is outside of an explicit transaction.
    pub autocommit: bool,
}

/// What a file says to a [`Control`].
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    /// It does not know; SQLite goes on as it would have.
    NotFound,
    /// Done; nothing to say.
    Done,
    /// Done; this is the pragma's one row.
    Text(String),
    /// A pragma was refused, for this reason.
    Refused(String),
}

/// An open file.
pub trait VfsFile {
    /// Fills `out` from `offset`; what lies past the end is zeros. Returns how many bytes there really were.
    fn read(&mut self, out: &mut [u8], offset: u64) -> Outcome<usize>;
    /// Writes all of `data`.
    fn write(&mut self, data: &[u8], offset: u64) -> Outcome<()>;
    /// Sets the length.
    fn truncate(&mut self, len: u64) -> Outcome<()>;
    /// Makes what was written durable.
    fn sync(&mut self) -> Outcome<()>;
    /// The length in bytes.
    fn size(&mut self) -> Outcome<u64>;
    /// Climbs to a lock level.
    fn lock(&mut self, level: LockLevel) -> Outcome<()>;
    /// Falls to a lock level, `Shared` or `None`.
    fn unlock(&mut self, level: LockLevel) -> Outcome<()>;
    /// Whether anybody holds `Reserved` or more.
    fn is_reserved(&mut self) -> Outcome<bool>;
    /// The level held now.
    fn lock_level(&self) -> LockLevel;
    /// Everything else.
    fn control(&mut self, control: Control<'_>) -> Outcome<Reply>;
    /// The smallest write that does not touch its neighbours, in bytes.
    fn sector_bytes(&self) -> u32;
    /// What may be relied on.
    fn characteristics(&self) -> DeviceCharacteristics;
    /// What a write transaction found, for its journal.
    fn originals(&self) -> Option<Arc<dyn Originals>> {
        None
    }
}

/// A file system.
pub trait Vfs: Sync {
    /// Opens a file; the flag says whether it came out read-only. Fails with nothing held.
    fn open(&self, request: &OpenRequest<'_>) -> Outcome<(crate::file::File, bool)>;
    /// Removes a file by name.
    fn delete(&self, name: &str) -> Outcome<()>;
    /// Whether a file of this name exists.
    fn exists(&self, name: &str) -> Outcome<bool>;
    /// The name by which a file is known whatever the current directory.
    fn full_name(&self, name: &str) -> Outcome<String>;
    /// What went wrong last on this thread, for people.
    fn last_error(&self) -> Option<(c_int, String)>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_levels_go_to_sqlite_and_back() {
        for code in 0..=4 {
            assert_eq!(LockLevel::from_code(code).map(LockLevel::code), Some(code));
        }
        assert_eq!(LockLevel::from_code(5), None);
        assert!(LockLevel::Shared < LockLevel::Reserved);
    }

    #[test]
    fn every_kind_of_file_is_told_by_its_flag() {
        assert_eq!(OpenKind::from_flags(ffi::SQLITE_OPEN_MAIN_DB | ffi::SQLITE_OPEN_READWRITE), Some(OpenKind::Main));
        assert_eq!(OpenKind::from_flags(ffi::SQLITE_OPEN_SUBJOURNAL), Some(OpenKind::Subjournal));
        assert_eq!(OpenKind::from_flags(ffi::SQLITE_OPEN_READWRITE), None);
    }
}

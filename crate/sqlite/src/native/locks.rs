//! Keeps several processes on one database apart, by locks of the system on files beside it.
//!
//! ```text
//! SQLite's state      here
//! SHARED              a shared lock on every log and segment that is open (files.rs); `lock-files` shared while the set of
//!                     files is being read
//! RESERVED            `lock-write`, exclusively, for the transaction
//! PENDING, EXCLUSIVE  `lock-files`, exclusively, while the set of files changes
//! ```
//! The system drops all of them when a process dies, however it dies.
//!
//! I1  `lock-write` also holds three counts. The first grows whenever a process becomes the writer, before it writes: who
//!     finds it changed has to look again, even if that process died half-way. The second grows after each commit, and
//!     tells readers that looking again is worth it. The third grows when a commit was taken back that somebody may have seen. Between
//!     them stands whether a writer is at work: where one died, or
//!     ended without knowing what it had stored, the next one finds that and stores it again.
//! I2  The lock on `lock-write` is counted inside the process: transactions and maintenance may hold it together.
//! I3  Who only reads makes no files, nor does anybody beside a single-file database before it writes: where there are none,
//!     nobody has written, and it looks again each time.
//! I4  Lock files are removed with the turn to write held and nobody else's pin on the database, or with the directory by whoever
//!     removes that. Who had opened them by then finds them without a name when it tries to write or has opened the database,
//!     and looks again: it must not write beside who has the turn by files of the same names.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use coffer_store::{DeviceError, DeviceErrorKind, DeviceOp};

use super::files::{FileStorage, device_error};
use crate::ffi::SharedCounts;
use crate::lock::ProcessLock;
use crate::portable::lock;

const WRITE: &str = "lock-write";
const FILES: &str = "lock-files";

/// The locks of one database's directory.
pub(crate) struct FileLocks {
    storage: FileStorage,
    reader: bool,
    /// None yet, or none any more (I3, I4).
    open: RwLock<Option<Arc<Open>>>,
    holders: Mutex<u32>,
    /// One of our threads at a time: the system's lock belongs to the descriptor, so it would not keep them apart.
    files_turn: Mutex<()>,
    /// The first count as we left it.
    begun: AtomicU64,
    /// It was another when we took the lock, and nobody has looked again since (I1).
    behind: AtomicBool,
    /// The writer before had not ended in order when we took the lock, and nobody has stored again what it wrote since (I1).
    unproven: AtomicBool,
    /// We shall not either.
    lost_track: AtomicBool,
    /// The second count as of which we have looked.
    seen: AtomicU64,
    /// The third count that we have heeded.
    taken_back: AtomicU64,
}

struct Open {
    write: File,
    files: File,
    counts: SharedCounts,
}

/// Where the counts are.
const BEGUN: usize = 0;
const ANNOUNCED: usize = 1;
/// 1 while a writer is at work.
const AT_WORK: usize = 2;
const TAKEN_BACK: usize = 3;
const COUNTS: usize = 4;
/// The counts, and what keeps their block.
const WRITE_BYTES: u64 = 40;

impl Open {
    fn new(storage: &FileStorage, reader: bool, make: bool) -> Result<Self, DeviceError> {
        let open = |name| {
            let mut options = OpenOptions::new();
            options.read(true).write(!reader).create(make).truncate(false);
            options.open(storage.path_of(name)).map_err(|error| device_error(DeviceOp::Open, name, 0, &error))
        };
        // In this order: who finds the second has found a whole first.
        let write = open(WRITE)?;
        let fail = |error: io::Error| device_error(DeviceOp::Open, WRITE, 0, &error);
        if write.metadata().map_err(fail)?.len() < WRITE_BYTES {
            if !make {
                return Err(DeviceError::new(DeviceOp::Open, WRITE, 0, DeviceErrorKind::NotFound));
            }
            // Harmless however many do it at once, as nobody counts here. It gives the counts before it their block on the disk:
            // where a map is written to and the disk has no room for it, the process is killed.
            write.write_all_at(&[0; 8], WRITE_BYTES - 8).map_err(fail)?;
        }
        let counts = SharedCounts::map(&write, COUNTS, !reader).map_err(fail)?;
        Ok(Self { write, files: open(FILES)?, counts })
    }

    /// Whether the files have been removed (I4). The one that is looked at goes first.
    fn is_gone(&self) -> bool {
        self.write.metadata().is_ok_and(|metadata| metadata.nlink() == 0)
    }
}

impl FileLocks {
    /// The locks of a database in a directory; their files are made if they are not there.
    pub fn open(storage: &FileStorage) -> Result<Self, DeviceError> {
        let locks = Self::when_needed(storage, false);
        if let Some(open) = locks.look(true)? {
            locks.begun.store(open.counts.load(BEGUN), Ordering::Relaxed);
        }
        Ok(locks)
    }

    /// The locks of a database whose files are made by the first write, or never by who only reads.
    pub fn when_needed(storage: &FileStorage, reader: bool) -> Self {
        let locks = Self {
            storage: storage.clone(),
            reader,
            open: RwLock::new(None),
            holders: Mutex::new(0),
            files_turn: Mutex::new(()),
            begun: AtomicU64::new(0),
            behind: AtomicBool::new(false),
            unproven: AtomicBool::new(false),
            lost_track: AtomicBool::new(false),
            seen: AtomicU64::new(0),
            taken_back: AtomicU64::new(0),
        };
        if let Ok(Some(open)) = locks.look(false) {
            // Read before the database is: whatever comes later is news.
            locks.begun.store(open.counts.load(BEGUN), Ordering::Relaxed);
            locks.seen.store(open.counts.load(ANNOUNCED), Ordering::Relaxed);
            locks.taken_back.store(open.counts.load(TAKEN_BACK), Ordering::Relaxed);
        }
        locks
    }

    fn known(&self) -> Option<Arc<Open>> {
        self.open.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The files, as soon as there are any; or made.
    fn look(&self, make: bool) -> Result<Option<Arc<Open>>, DeviceError> {
        if let Some(open) = self.known() {
            return Ok(Some(open));
        }
        let make = make && !self.reader;
        match Open::new(&self.storage, self.reader, make) {
            // Another thread's is as good.
            Ok(open) => Ok(Some(Arc::clone(
                self.open.write().unwrap_or_else(PoisonError::into_inner).get_or_insert(Arc::new(open)),
            ))),
            // A medium that cannot be written to has no writers either.
            Err(_) if !make => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The counts of other files are others: none of ours is theirs.
    fn forget(&self) {
        self.lost_sight();
        self.seen.store(u64::MAX, Ordering::Release);
        self.taken_back.store(0, Ordering::Release);
        *self.open.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Removes the files, for who holds the turn to write. Nobody else may have the database open (I4).
    pub fn remove(storage: &FileStorage) -> io::Result<()> {
        std::fs::remove_file(storage.path_of(WRITE))?;
        std::fs::remove_file(storage.path_of(FILES))
    }

    /// Takes the system's lock on the files as they are now.
    fn lock_write(&self) -> Result<Option<Arc<Open>>, DeviceError> {
        loop {
            let Some(open) = self.look(true)? else { return Ok(None) };
            match open.write.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(device_error(DeviceOp::Open, WRITE, 0, &error)),
            }
            if !open.is_gone() {
                return Ok(Some(open));
            }
            self.forget();
        }
    }

    fn trace(&self, name: &str, what: &str) {
        crate::trace::file_lock(|| self.storage.path_of(name), what);
    }

    /// Only the holder of the write lock counts on, so nobody else does meanwhile.
    fn count_on(open: &Open, index: usize) -> u64 {
        let count = open.counts.load(index).wrapping_add(1);
        open.counts.store(index, count);
        count
    }
}

impl ProcessLock for FileLocks {
    fn is_used(&self) -> bool {
        self.look(false).is_ok_and(|open| open.is_some())
    }

    fn recheck(&self) {
        if self.known().is_some_and(|open| open.is_gone()) {
            self.forget();
        }
    }

    fn try_write(&self) -> Result<bool, DeviceError> {
        if self.reader {
            return Ok(true); // What a reader then tries is refused by the store, which says why.
        }
        let mut holders = lock(&self.holders);
        if *holders == 0 {
            let Some(open) = self.lock_write()? else { return Ok(false) };
            let before = open.counts.load(BEGUN);
            if self.begun.swap(Self::count_on(&open, BEGUN), Ordering::AcqRel) != before {
                self.behind.store(true, Ordering::Release);
            }
            if open.counts.load(AT_WORK) != 0 {
                self.unproven.store(true, Ordering::Release);
            }
            open.counts.store(AT_WORK, 1);
            self.trace(WRITE, "locked");
        }
        *holders += 1;
        Ok(true)
    }

    fn is_held(&self) -> bool {
        *lock(&self.holders) > 0
    }

    fn is_behind(&self) -> bool {
        self.behind.load(Ordering::Acquire)
    }

    fn is_unproven(&self) -> bool {
        self.unproven.load(Ordering::Acquire)
    }

    fn caught_up(&self) {
        self.behind.store(false, Ordering::Release);
        self.unproven.store(false, Ordering::Release);
    }

    fn lost_track(&self) {
        self.lost_track.store(true, Ordering::Release);
    }

    fn lost_sight(&self) {
        self.begun.store(u64::MAX, Ordering::Release);
    }

    fn release_write(&self) {
        let Some(open) = self.known().filter(|_| !self.reader) else { return };
        let mut holders = lock(&self.holders);
        *holders = holders.saturating_sub(1);
        if *holders == 0 {
            if !self.lost_track.load(Ordering::Acquire) && !self.is_unproven() {
                open.counts.store(AT_WORK, 0);
            }
            // Unlocking a lock that we hold cannot fail but for a broken descriptor, with which the lock is gone anyway.
            drop(open.write.unlock());
            self.trace(WRITE, "unlocked");
        }
    }

    fn announce(&self) {
        let Some(open) = self.known().filter(|_| !self.reader) else { return };
        self.seen.store(Self::count_on(&open, ANNOUNCED), Ordering::Release);
    }

    fn took_back(&self) {
        if !self.is_held() {
            return;
        }
        if let Some(open) = self.known() {
            self.taken_back.store(Self::count_on(&open, TAKEN_BACK), Ordering::Release);
            self.seen.store(Self::count_on(&open, ANNOUNCED), Ordering::Release);
        }
    }

    fn was_taken_back(&self) -> bool {
        let Some(open) = self.known() else { return false };
        let count = open.counts.load(TAKEN_BACK);
        self.taken_back.swap(count, Ordering::AcqRel) != count
    }

    fn news(&self) -> Result<Option<u64>, DeviceError> {
        let Some(open) = self.look(false)? else { return Ok(None) };
        let count = open.counts.load(ANNOUNCED);
        Ok((self.seen.load(Ordering::Acquire) != count).then_some(count))
    }

    fn saw(&self, news: u64) {
        self.seen.store(news, Ordering::Release);
    }

    fn with_files(&self, exclusive: bool, section: &mut dyn FnMut()) -> Result<(), DeviceError> {
        let _turn = lock(&self.files_turn);
        let mut open = self.look(exclusive)?;
        if open.is_none() {
            section();
            open = self.look(false)?;
            // If a writer came meanwhile, what was learnt may be half of before and half of after.
        }
        let Some(open) = open else { return Ok(()) };
        let files = &open.files;
        let locked = if exclusive { files.lock() } else { files.lock_shared() };
        locked.map_err(|error| device_error(DeviceOp::Open, FILES, 0, &error))?;
        self.trace(FILES, if exclusive { "locked" } else { "locked, shared" });
        section();
        let unlocked = files.unlock().map_err(|error| device_error(DeviceOp::Open, FILES, 0, &error));
        self.trace(FILES, "unlocked");
        unlocked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_writes_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        // Two descriptors stand for two processes: the system's locks belong to descriptors.
        let files = FileStorage::new(directory.path());
        let (ours, theirs) = (FileLocks::open(&files).unwrap(), FileLocks::open(&files).unwrap());
        assert!(ours.try_write().unwrap());
        assert!(ours.try_write().unwrap(), "maintenance of the same process shares the lock");
        assert!(!theirs.try_write().unwrap());
        ours.release_write();
        assert!(!theirs.try_write().unwrap());
        ours.release_write();
        assert!(theirs.try_write().unwrap());
        theirs.release_write();
    }

    #[test]
    fn who_does_not_get_the_turn_gives_up_nothing_of_anothers() {
        let directory = tempfile::tempdir().unwrap();
        let files = FileStorage::new(directory.path());
        let (ours, theirs) = (FileLocks::open(&files).unwrap(), FileLocks::open(&files).unwrap());
        assert!(theirs.try_write().unwrap());
        assert!(crate::lock::Writing::try_take(&ours).unwrap().is_none());
        // The other one dies at its work, and leaves what it may not have stored.
        drop(theirs);
        assert!(ours.try_write().unwrap() && ours.is_unproven());
    }

    #[test]
    fn what_another_process_wrote_is_to_be_taken_in_until_it_is() {
        // Told only to the first who asks, it was overwritten by the second, who asked before the first had looked.
        let directory = tempfile::tempdir().unwrap();
        let files = FileStorage::new(directory.path());
        let (ours, theirs) = (FileLocks::open(&files).unwrap(), FileLocks::open(&files).unwrap());
        assert!(ours.try_write().unwrap() && !ours.is_behind(), "nobody wrote before");
        ours.release_write();
        for _ in 0..2 {
            // The first of ours, one beside it, and one after looking has failed.
            assert!(theirs.try_write().unwrap() && theirs.is_behind());
            assert!(theirs.try_write().unwrap() && theirs.is_behind());
            theirs.release_write();
            theirs.release_write();
        }
        assert!(theirs.try_write().unwrap());
        theirs.caught_up();
        assert!(!theirs.is_behind());
        theirs.release_write();
        assert!(theirs.try_write().unwrap() && !theirs.is_behind(), "nobody wrote since");
    }

    #[test]
    fn a_writer_that_did_not_end_in_order_is_noticed_until_what_it_wrote_is_stored_again() {
        let directory = tempfile::tempdir().unwrap();
        let files = FileStorage::new(directory.path());
        let [killed, ours, theirs] = [(); 3].map(|()| FileLocks::open(&files).unwrap());
        assert!(killed.try_write().unwrap() && !killed.is_unproven(), "nobody wrote before");
        drop(killed);
        assert!(ours.try_write().unwrap() && ours.is_unproven());
        ours.release_write(); // without having managed to
        assert!(theirs.try_write().unwrap() && theirs.is_unproven());
        theirs.caught_up();
        theirs.release_write();
        assert!(ours.try_write().unwrap());
        ours.caught_up();
        ours.lost_track();
        ours.release_write();
        assert!(theirs.try_write().unwrap() && theirs.is_unproven(), "a flush had failed there");
        theirs.caught_up();
        theirs.release_write();
        let next = FileLocks::open(&files).unwrap();
        assert!(next.try_write().unwrap() && !next.is_unproven());
    }

    #[test]
    fn an_announced_commit_is_news_once_to_others() {
        let directory = tempfile::tempdir().unwrap();
        let files = FileStorage::new(directory.path());
        let (ours, theirs) = (FileLocks::open(&files).unwrap(), FileLocks::open(&files).unwrap());
        ours.announce();
        assert_eq!(ours.news().unwrap(), None);
        assert_eq!(theirs.news().unwrap(), Some(1));
        theirs.saw(1);
        assert_eq!(theirs.news().unwrap(), None);
    }

    #[test]
    fn a_reader_makes_no_files_and_notices_the_first_writer() {
        let directory = tempfile::tempdir().unwrap();
        let files = FileStorage::new(directory.path());
        let reader = FileLocks::when_needed(&files, true);
        let mut looked = 0;
        reader.with_files(false, &mut || looked += 1).unwrap();
        assert_eq!((reader.news().unwrap(), looked), (None, 1));
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        let writer = FileLocks::open(&files).unwrap();
        assert!(writer.try_write().unwrap());
        writer.announce();
        assert_eq!(reader.news().unwrap(), Some(1));
    }

    #[test]
    fn removed_locks_are_noticed_by_who_had_opened_them() {
        let directory = tempfile::tempdir().unwrap();
        for files in [FileStorage::new(directory.path()), FileStorage::single(&directory.path().join("database"))] {
            check_removed_locks(&directory, &files);
            std::fs::remove_dir_all(directory.path()).unwrap();
            std::fs::create_dir(directory.path()).unwrap();
        }
    }

    fn check_removed_locks(directory: &tempfile::TempDir, files: &FileStorage) {
        let (early, late) = (FileLocks::open(files).unwrap(), FileLocks::when_needed(files, false));
        FileLocks::remove(files).unwrap();
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        late.recheck();
        assert!(!late.is_used());
        assert!(early.try_write().unwrap() && early.is_behind(), "the locks are others now");
        assert!(!late.try_write().unwrap(), "both lock the same files");
    }
}

//! A directory of files, read and written by position.
//!
//! Each open file carries a shared lock of the system's, which tells other processes that it is read here: they neither
//! overwrite nor remove it ([`FileStorage::is_pinned`]).
//!
//! I1  All devices of one file in this process share one lock, its pin, so that asking about others does not find us.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};

use coffer_store::{Device, DeviceError, DeviceErrorKind, DeviceOp, OpenMode, Storage};

use crate::portable::lock;

/// The files of a database in a directory; or those of a single-file database, which stand beside it.
#[derive(Clone, Debug)]
pub struct FileStorage {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    directory: PathBuf,
    /// The file's own name, if it is a single-file database.
    single: Option<OsString>,
    pins: Mutex<BTreeMap<String, Weak<Pin>>>,
}

/// A shared lock on a file that some device of ours has open.
#[derive(Debug)]
struct Pin {
    file: File,
    path: PathBuf,
}

impl Drop for Pin {
    fn drop(&mut self) {
        crate::trace::file_lock(|| self.path.clone(), "unpinned");
    }
}

/// One open file.
#[derive(Debug)]
pub struct FileDevice {
    name: String,
    file: File,
    writable: bool,
    /// Held for as long as the device is.
    _pin: Arc<Pin>,
}

/// Names that belong to the directory's locks, not to the database.
const LOCK_PREFIX: &str = "lock-";

/// The new file of a single-file database, while it is being made.
pub(crate) const FOLDED: &str = "folded";

/// The name by which the store knows the file of a single-file database.
pub const BASE: &str = "base";

impl FileStorage {
    /// The files in a directory, which must exist.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { inner: Arc::new(Inner { directory: directory.into(), single: None, pins: Mutex::default() }) }
    }

    /// A single-file database: the store knows the file as [`BASE`], and its other files stand beside it, under names that
    /// begin with the file's.
    pub fn single(file: &Path) -> Self {
        let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let single = file.file_name().map(OsStr::to_owned);
        Self { inner: Arc::new(Inner { directory: directory.to_owned(), single, pins: Mutex::default() }) }
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.inner.directory
    }

    /// Where a file of this name is.
    pub fn path_of(&self, name: &str) -> PathBuf {
        match &self.inner.single {
            Some(single) if name == BASE => self.inner.directory.join(single),
            Some(single) => {
                let mut beside = single.clone();
                beside.push("-");
                beside.push(name);
                self.inner.directory.join(beside)
            }
            None => self.inner.directory.join(name),
        }
    }

    /// Whether beside a single-file database stands the one that is to be put in its place.
    pub(super) fn has_folded(file: &Path) -> bool {
        Self::single(file).path_of(FOLDED).exists()
    }

    /// Ends what [`FileStorage::fold`] began, if the process died within it. For who has the turn to write.
    pub(super) fn finish_fold(file: &Path) -> io::Result<()> {
        let storage = Self::single(file);
        let folded = storage.path_of(FOLDED);
        if !folded.exists() {
            return Ok(());
        }
        if storage.path_of("manifest").exists() {
            // It may not be whole. What it was made from is.
            return fs::remove_file(folded);
        }
        fs::rename(folded, file)?;
        storage.remove_beside()
    }

    /// Puts a whole new file in place of a single-file database and of everything beside it.
    ///
    /// The root beside goes first: from then on the folded file is the database, whatever happens.
    pub(crate) fn fold(&self) -> io::Result<()> {
        fs::remove_file(self.path_of("manifest"))?;
        File::open(&self.inner.directory)?.sync_all()?;
        fs::rename(self.path_of(FOLDED), self.path_of(BASE))?;
        self.remove_beside()
    }

    fn remove_beside(&self) -> io::Result<()> {
        for name in self.list().unwrap_or_default().iter().filter(|name| *name != BASE) {
            fs::remove_file(self.path_of(name))?;
        }
        File::open(&self.inner.directory)?.sync_all()
    }

    fn path(&self, op: DeviceOp, name: &str) -> Result<PathBuf, DeviceError> {
        // Names come from the store, but a damaged manifest must not lead us out of the directory.
        let plain = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0']);
        if plain { Ok(self.path_of(name)) } else { Err(DeviceError::new(op, name, 0, DeviceErrorKind::NotFound)) }
    }

    /// The pin of an open file, made if we have none on this very file.
    fn pin(&self, name: &str, path: &Path, file: &File) -> io::Result<Arc<Pin>> {
        let mut pins = lock(&self.inner.pins);
        pins.retain(|_, pin| pin.strong_count() > 0);
        if let Some(pin) = pins.get(name).and_then(Weak::upgrade)
            && is_same(&pin.file, file)
        {
            return Ok(pin);
        }
        let pinned = File::open(path)?;
        pinned.lock_shared()?;
        crate::trace::file_lock(|| path.to_owned(), "pinned");
        let pin = Arc::new(Pin { file: pinned, path: path.to_owned() });
        pins.insert(name.to_owned(), Arc::downgrade(&pin));
        Ok(pin)
    }
}

/// The system's error in the words of the seam.
pub(crate) fn device_error(op: DeviceOp, name: &str, offset: u64, error: &io::Error) -> DeviceError {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => DeviceErrorKind::NotFound,
        io::ErrorKind::AlreadyExists => DeviceErrorKind::Exists,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            DeviceErrorKind::NoSpace
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => DeviceErrorKind::ReadOnly,
        io::ErrorKind::WouldBlock | io::ErrorKind::ResourceBusy => DeviceErrorKind::Busy,
        io::ErrorKind::UnexpectedEof => DeviceErrorKind::ShortRead,
        _ => DeviceErrorKind::Io,
    };
    DeviceError::new(op, name, offset, kind).with_detail(error.to_string())
}

impl Storage for FileStorage {
    type Device = FileDevice;

    fn open(&self, name: &str, mode: OpenMode) -> Result<FileDevice, DeviceError> {
        let path = self.path(DeviceOp::Open, name)?;
        let fail = |error: io::Error| device_error(DeviceOp::Open, name, 0, &error);
        let mut options = OpenOptions::new();
        options.read(true).write(mode != OpenMode::Read).create_new(mode == OpenMode::Create);
        let file = options.open(&path).map_err(fail)?;
        if file.metadata().map_err(fail)?.is_dir() {
            return Err(DeviceError::new(DeviceOp::Open, name, 0, DeviceErrorKind::NotFound));
        }
        let pin = self.pin(name, &path, &file).map_err(fail)?;
        Ok(FileDevice { name: name.to_owned(), file, writable: mode != OpenMode::Read, _pin: pin })
    }

    fn list(&self) -> Result<Vec<String>, DeviceError> {
        let fail = |error: io::Error| device_error(DeviceOp::List, "", 0, &error);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.inner.directory).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let is_file = entry.file_type().map_err(fail)?.is_file();
            let name = entry.file_name();
            let ours = match &self.inner.single {
                None => name.to_str(),
                Some(single) if name == *single => Some(BASE),
                Some(single) => {
                    let rest = name.as_bytes().strip_prefix(single.as_bytes());
                    rest.and_then(|rest| rest.strip_prefix(b"-")).and_then(|rest| std::str::from_utf8(rest).ok())
                }
            };
            if let Some(name) = ours.filter(|_| is_file).filter(|name| !name.starts_with(LOCK_PREFIX)) {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    fn remove(&self, name: &str) -> Result<(), DeviceError> {
        if name == BASE && self.inner.single.is_some() {
            // It is by this file that people and processes know the database, whether or not anything in it is still read.
            return Ok(());
        }
        let path = self.path(DeviceOp::Remove, name)?;
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(device_error(DeviceOp::Remove, name, 0, &error))
            }
            _ => Ok(()),
        }
    }

    fn flush_names(&self) -> Result<(), DeviceError> {
        let fail = |error: io::Error| device_error(DeviceOp::Flush, "", 0, &error);
        File::open(&self.inner.directory).and_then(|directory| directory.sync_all()).map_err(fail)
    }

    fn is_pinned(&self, name: &str) -> bool {
        let Ok(path) = self.path(DeviceOp::Open, name) else { return false };
        let Ok(file) = File::open(&path) else { return false };
        let pins = lock(&self.inner.pins);
        let Some(pin) = pins.get(name).and_then(Weak::upgrade).filter(|pin| is_same(&pin.file, &file)) else {
            return file.try_lock().is_err();
        };
        // Taking the exclusive lock gives up our shared one for a moment. Only the one writing process asks, and only the
        // writing process removes files, so nobody can use that moment.
        let pinned = pin.file.try_lock().is_err();
        pinned | pin.file.lock_shared().is_err()
    }
}

fn is_same(one: &File, other: &File) -> bool {
    match (one.metadata(), other.metadata()) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => false,
    }
}

impl FileDevice {
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    fn fail(&self, op: DeviceOp, offset: u64, error: &io::Error) -> DeviceError {
        device_error(op, &self.name, offset, error)
    }

    fn check_writable(&self, op: DeviceOp, offset: u64) -> Result<(), DeviceError> {
        if self.writable {
            return Ok(());
        }
        Err(DeviceError::new(op, &self.name, offset, DeviceErrorKind::ReadOnly))
    }
}

/// What is given to the system at once. Linux keeps what one call writes in one piece of its cache, up to megabytes, and walks through
/// the whole piece for each later write into it and each flush: a small commit into a log that was written ahead at once
/// takes 5 % longer.
const WRITE_BYTES: u64 = 64 << 10;

impl Device for FileDevice {
    fn len(&self) -> Result<u64, DeviceError> {
        let metadata = self.file.metadata().map_err(|error| self.fail(DeviceOp::Len, 0, &error))?;
        Ok(metadata.len())
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), DeviceError> {
        self.file.read_exact_at(out, offset).map_err(|error| self.fail(DeviceOp::Read, offset, &error))
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), DeviceError> {
        self.check_writable(DeviceOp::Write, offset)?;
        let mut rest = data;
        while !rest.is_empty() {
            let at = offset + (data.len() - rest.len()) as u64;
            let len = usize::try_from(WRITE_BYTES - at % WRITE_BYTES).unwrap_or(usize::MAX);
            let (piece, behind) = rest.split_at(len.min(rest.len()));
            self.file.write_all_at(piece, at).map_err(|error| self.fail(DeviceOp::Write, at, &error))?;
            rest = behind;
        }
        Ok(())
    }

    fn truncate(&self, len: u64) -> Result<(), DeviceError> {
        self.check_writable(DeviceOp::Truncate, len)?;
        self.file.set_len(len).map_err(|error| self.fail(DeviceOp::Truncate, len, &error))
    }

    fn flush(&self) -> Result<(), DeviceError> {
        self.file.sync_data().map_err(|error| self.fail(DeviceOp::Flush, 0, &error))
    }
}

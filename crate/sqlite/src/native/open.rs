//! Where a native database is: a directory, a single file, or memory; and opening one by its path alone.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use coffer_store::{Device, DeviceError, DeviceErrorKind, DeviceOp, Error, MemDevice, MemStorage, OpenMode, Storage};

use super::files::{FileDevice, FileStorage};
use super::locks::FileLocks;
use super::mapped::{MapDevice, MapStorage};
use crate::database::{Create, Database, OpenOptions};
use crate::lock::{ProcessLock, Writing};
use crate::registry::Host;

/// How files are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    /// By position.
    #[default]
    File,
    /// Sealed segments through memory maps.
    Map,
}

/// The files of a native database. An enum, since the ways are few and known.
#[derive(Clone, Debug)]
pub enum NativeStorage {
    /// Files, read by position.
    File(FileStorage),
    /// Files, sealed ones mapped.
    Map(MapStorage),
    /// Memory.
    Memory(MemStorage),
}

/// One open file of a native database.
#[derive(Debug)]
pub enum NativeDevice {
    /// Read by position.
    File(FileDevice),
    /// Mapped if sealed.
    Map(MapDevice),
    /// Memory.
    Memory(MemDevice),
}

/// What was found at a path, with what opening it takes.
pub(crate) struct Place {
    pub storage: NativeStorage,
    /// The name of the base segment, for a single-file database.
    pub base: Option<String>,
    /// Whether there is a database already.
    pub exists: bool,
    pub locks: Option<Box<dyn ProcessLock>>,
    /// The files of a single-file database.
    pub single: Option<FileStorage>,
}

impl Place {
    /// Looks at a path. A directory is made for a new database if `create` allows.
    pub fn find(path: &Path, options: &OpenOptions) -> Result<Self, Error> {
        let name = path.display().to_string();
        if !options.read_only && FileStorage::has_folded(path) {
            finish_fold(path, options).map_err(|error| Error::Device(DeviceError { file: name.clone(), ..error }))?;
        }
        let fail = |kind: DeviceErrorKind| Error::Device(DeviceError::new(DeviceOp::Open, &name, 0, kind));
        let io = |error: &std::io::Error| Error::Device(super::files::device_error(DeviceOp::Open, &name, 0, error));
        let (files, base) = match std::fs::metadata(path) {
            Ok(found) if found.is_dir() => (FileStorage::new(path), None),
            Ok(_) => (FileStorage::single(path), Some(super::BASE.to_owned())),
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(&error)),
            Err(_) if options.create == Create::Never || options.read_only => {
                return Err(fail(DeviceErrorKind::NotFound));
            }
            Err(_) => {
                std::fs::create_dir(path).map_err(|error| io(&error))?;
                (FileStorage::new(path), None)
            }
        };
        let exists = base.is_some() || files.list()?.iter().any(|name| name == "manifest");
        if !exists && options.create == Create::Never {
            return Err(fail(DeviceErrorKind::NotFound));
        }
        let locks = if options.read_only || base.is_some() {
            FileLocks::when_needed(&files, options.read_only)
        } else {
            FileLocks::open(&files)?
        };
        let locks: Option<Box<dyn ProcessLock>> = Some(Box::new(locks));
        let single = base.is_some().then(|| files.clone());
        let storage = match options.backend {
            Backend::File => NativeStorage::File(files),
            Backend::Map => NativeStorage::Map(MapStorage::new(files)),
        };
        Ok(Self { storage, base, exists, locks, single })
    }
}

/// Ends what a process began that died while it put one file in place of a database. One that is still at it is waited for.
fn finish_fold(path: &Path, options: &OpenOptions) -> Result<(), DeviceError> {
    let files = FileStorage::single(path);
    let locks = FileLocks::open(&files)?;
    let writing = Writing::wait(&locks, options.busy_timeout)?;
    let _writing = writing.ok_or_else(|| DeviceError::new(DeviceOp::Open, super::BASE, 0, DeviceErrorKind::Busy))?;
    let finished = FileStorage::finish_fold(path);
    if finished.is_ok() && !files.is_pinned(super::BASE) {
        let _ = FileLocks::remove(&files); // Who writes makes them anew.
    }
    finished.map_err(|error| super::files::device_error(DeviceOp::Open, super::BASE, 0, &error))
}

/// The one name of a path, whichever way it is written. `None` if there is nothing there.
pub(crate) fn canonical_name(name: &str) -> Option<String> {
    Some(std::fs::canonicalize(name).ok()?.to_string_lossy().into_owned())
}

/// As [`canonical_name`], for a path of which only the parent need exist.
pub(crate) fn future_name(path: &Path) -> String {
    let text = path.to_string_lossy().into_owned();
    canonical_name(&text).unwrap_or_else(|| {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        match (std::fs::canonicalize(parent), path.file_name()) {
            (Ok(parent), Some(file)) => parent.join(file).to_string_lossy().into_owned(),
            _ => text,
        }
    })
}

/// Opens a database that a statement attaches by its path, with default options. It is closed with its last handle.
pub(crate) fn open_host(name: &str, write: bool, create: bool) -> Result<Arc<dyn Host>, Error> {
    let options = OpenOptions {
        create: if create { Create::IfMissing } else { Create::Never },
        read_only: !write,
        ..OpenOptions::default()
    };
    let database = Database::open(PathBuf::from(name), options);
    database.map(|database| database.host()).map_err(|error| match error.store {
        Some(store) => *store,
        None => {
            Error::Device(DeviceError::new(DeviceOp::Open, name, 0, DeviceErrorKind::Io).with_detail(error.message))
        }
    })
}

impl Storage for NativeStorage {
    type Device = NativeDevice;

    fn open(&self, name: &str, mode: OpenMode) -> Result<NativeDevice, DeviceError> {
        Ok(match self {
            Self::File(storage) => NativeDevice::File(storage.open(name, mode)?),
            Self::Map(storage) => NativeDevice::Map(storage.open(name, mode)?),
            Self::Memory(storage) => NativeDevice::Memory(storage.open(name, mode)?),
        })
    }

    fn list(&self) -> Result<Vec<String>, DeviceError> {
        match self {
            Self::File(storage) => storage.list(),
            Self::Map(storage) => storage.list(),
            Self::Memory(storage) => storage.list(),
        }
    }

    fn remove(&self, name: &str) -> Result<(), DeviceError> {
        match self {
            Self::File(storage) => storage.remove(name),
            Self::Map(storage) => storage.remove(name),
            Self::Memory(storage) => storage.remove(name),
        }
    }

    fn flush_names(&self) -> Result<(), DeviceError> {
        match self {
            Self::File(storage) => storage.flush_names(),
            Self::Map(storage) => storage.flush_names(),
            Self::Memory(storage) => storage.flush_names(),
        }
    }

    fn is_pinned(&self, name: &str) -> bool {
        match self {
            Self::File(storage) => storage.is_pinned(name),
            Self::Map(storage) => storage.is_pinned(name),
            Self::Memory(storage) => storage.is_pinned(name),
        }
    }
}

impl NativeDevice {
    fn inner(&self) -> &dyn Device {
        match self {
            Self::File(device) => device,
            Self::Map(device) => device,
            Self::Memory(device) => device,
        }
    }
}

impl Device for NativeDevice {
    fn len(&self) -> Result<u64, DeviceError> {
        self.inner().len()
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), DeviceError> {
        self.inner().read_at(offset, out)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), DeviceError> {
        self.inner().write_at(offset, data)
    }

    fn truncate(&self, len: u64) -> Result<(), DeviceError> {
        self.inner().truncate(len)
    }

    fn flush(&self) -> Result<(), DeviceError> {
        self.inner().flush()
    }
}

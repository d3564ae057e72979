//! A directory of files of which the sealed ones are read through memory maps.
//!
//! A read of a mapped file is a copy of memory, without a call of the system. Only files opened for reading are mapped:
//! the store opens sealed segments so, and those never change. Who only reads opens logs so as well, which are not mapped:
//! their writer cuts them.
//!
//! I1  A map is made once, at the length the file had when it was opened. Whoever cuts a sealed segment behind our back
//!     (which no Coffer does) ends this process with a bus error; use [`super::FileStorage`] where that is to be feared.

use coffer_store::{Device, DeviceError, DeviceErrorKind, DeviceOp, OpenMode, Storage};

use super::files::{FileDevice, FileStorage, device_error};

/// What the names of logs begin with.
const LOG_PREFIX: &str = "log-";

/// The files of a database in a directory, sealed ones mapped.
#[derive(Clone, Debug)]
pub struct MapStorage {
    files: FileStorage,
}

/// One open file.
#[derive(Debug)]
pub struct MapDevice {
    name: String,
    file: FileDevice,
    map: Option<memmap2::Mmap>,
}

impl MapStorage {
    /// The files in a directory, which must exist.
    pub fn new(files: FileStorage) -> Self {
        Self { files }
    }
}

impl Storage for MapStorage {
    type Device = MapDevice;

    fn open(&self, name: &str, mode: OpenMode) -> Result<MapDevice, DeviceError> {
        let file = self.files.open(name, mode)?;
        let mut map = None;
        // An empty file cannot be mapped.
        if mode == OpenMode::Read && !name.starts_with(LOG_PREFIX) && file.len()? > 0 {
            let mapped = crate::ffi::map_file(file.file());
            map = Some(mapped.map_err(|error| device_error(DeviceOp::Open, name, 0, &error))?);
        }
        Ok(MapDevice { name: name.to_owned(), file, map })
    }

    fn list(&self) -> Result<Vec<String>, DeviceError> {
        self.files.list()
    }

    fn remove(&self, name: &str) -> Result<(), DeviceError> {
        self.files.remove(name)
    }

    fn flush_names(&self) -> Result<(), DeviceError> {
        self.files.flush_names()
    }

    fn is_pinned(&self, name: &str) -> bool {
        self.files.is_pinned(name)
    }
}

impl Device for MapDevice {
    fn len(&self) -> Result<u64, DeviceError> {
        self.file.len()
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), DeviceError> {
        let Some(map) = &self.map else { return self.file.read_at(offset, out) };
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        match map.get(start..).and_then(|tail| tail.get(..out.len())) {
            Some(bytes) => {
                out.copy_from_slice(bytes);
                Ok(())
            }
            // Past the map there may be bytes that another handle has written since.
            None if self.file.len()? > map.len() as u64 => self.file.read_at(offset, out),
            None => Err(DeviceError::new(DeviceOp::Read, &self.name, offset, DeviceErrorKind::ShortRead)),
        }
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), DeviceError> {
        self.file.write_at(offset, data)
    }

    fn truncate(&self, len: u64) -> Result<(), DeviceError> {
        self.file.truncate(len)
    }

    fn flush(&self) -> Result<(), DeviceError> {
        self.file.flush()
    }
}

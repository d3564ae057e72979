//! Files in memory: for tests, for jobs that travel as bytes, and for databases that are meant to vanish.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use super::{Device, DeviceError, DeviceErrorKind, DeviceOp, OpenMode, Storage};
use crate::sorted::SortedMap;
use crate::sync::Shared;

/// The bytes of a file, shared by its devices.
type Bytes = Arc<Shared<Vec<u8>>>;

/// A set of files in memory. Clones share the files.
#[derive(Clone, Default)]
pub struct MemStorage {
    files: Arc<Shared<SortedMap<String, Bytes>>>,
}

impl MemStorage {
    /// No files yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A copy of a file's bytes.
    pub fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        let file = self.files.with(|files| files.get(name).cloned())?;
        Some(file.with(|bytes| bytes.clone()))
    }

    /// Puts a file there, in place of any of that name.
    pub fn put(&self, name: &str, bytes: Vec<u8>) {
        self.files.with(|files| files.insert(name.to_string(), Arc::new(Shared::new(bytes))));
    }
}

impl Storage for MemStorage {
    type Device = MemDevice;

    fn open(&self, name: &str, mode: OpenMode) -> Result<MemDevice, DeviceError> {
        let fail = |kind| Err(DeviceError::new(DeviceOp::Open, name, 0, kind));
        self.files.with(|files| match (files.get(name), mode) {
            (Some(_), OpenMode::Create) => fail(DeviceErrorKind::Exists),
            (None, OpenMode::Read | OpenMode::Write) => fail(DeviceErrorKind::NotFound),
            (Some(bytes), mode) => {
                Ok(MemDevice { name: name.into(), bytes: Arc::clone(bytes), writable: mode != OpenMode::Read })
            }
            (None, OpenMode::Create) => {
                let bytes = Arc::new(Shared::new(Vec::new()));
                files.insert(name.into(), Arc::clone(&bytes));
                Ok(MemDevice { name: name.into(), bytes, writable: true })
            }
        })
    }

    fn list(&self) -> Result<Vec<String>, DeviceError> {
        Ok(self.files.with(|files| files.keys().cloned().collect()))
    }

    fn remove(&self, name: &str) -> Result<(), DeviceError> {
        self.files.with(|files| files.remove(name));
        Ok(())
    }
}

impl fmt::Debug for MemStorage {
    // A derived one would print the database.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemStorage")
    }
}

/// One file in memory.
pub struct MemDevice {
    name: String,
    bytes: Bytes,
    writable: bool,
}

impl MemDevice {
    /// A file of its own, in no storage.
    pub fn new(name: &str, bytes: Vec<u8>) -> Self {
        Self { name: name.into(), bytes: Arc::new(Shared::new(bytes)), writable: true }
    }

    /// A copy of its bytes.
    pub fn to_vec(&self) -> Vec<u8> {
        self.bytes.with(|bytes| bytes.clone())
    }

    fn fail(&self, op: DeviceOp, offset: u64, kind: DeviceErrorKind) -> DeviceError {
        DeviceError::new(op, &self.name, offset, kind)
    }

    fn range(&self, op: DeviceOp, offset: u64, len: usize) -> Result<core::ops::Range<usize>, DeviceError> {
        let start = usize::try_from(offset).ok();
        let range = start.and_then(|start| Some(start..start.checked_add(len)?));
        range.ok_or_else(|| self.fail(op, offset, DeviceErrorKind::NoSpace))
    }
}

impl Device for MemDevice {
    fn len(&self) -> Result<u64, DeviceError> {
        Ok(self.bytes.with(|bytes| bytes.len() as u64))
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), DeviceError> {
        let range = self.range(DeviceOp::Read, offset, out.len())?;
        self.bytes.with(|bytes| match bytes.get(range) {
            Some(stored) => {
                out.copy_from_slice(stored);
                Ok(())
            }
            None => Err(self.fail(DeviceOp::Read, offset, DeviceErrorKind::ShortRead)),
        })
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), DeviceError> {
        if !self.writable {
            return Err(self.fail(DeviceOp::Write, offset, DeviceErrorKind::ReadOnly));
        }
        let range = self.range(DeviceOp::Write, offset, data.len())?;
        self.bytes.with(|bytes| {
            if bytes.len() < range.end {
                let more = range.end - bytes.len();
                bytes.try_reserve(more).map_err(|_| self.fail(DeviceOp::Write, offset, DeviceErrorKind::NoSpace))?;
                bytes.resize(range.end, 0);
            }
            if let Some(place) = bytes.get_mut(range) {
                place.copy_from_slice(data);
            }
            Ok(())
        })
    }

    fn truncate(&self, len: u64) -> Result<(), DeviceError> {
        if !self.writable {
            return Err(self.fail(DeviceOp::Truncate, len, DeviceErrorKind::ReadOnly));
        }
        let end = self.range(DeviceOp::Truncate, len, 0)?.end;
        self.bytes.with(|bytes| bytes.resize(end, 0));
        Ok(())
    }

    fn flush(&self) -> Result<(), DeviceError> {
        Ok(())
    }
}

impl fmt::Debug for MemDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemDevice({})", self.name)
    }
}

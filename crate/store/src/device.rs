//! The seam to the outside world: `Storage` names and opens files, a `Device` is one open file.
//!
//! Everything above it is deterministic. Every backend passes the one suite in `coffer-sim`. Methods take `&self`, since a
//! writer and many readers share an open file; a backend that needs exclusion brings its own.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

mod mem;

pub use mem::{MemDevice, MemStorage};

/// Names, opens, lists and removes the files of one database.
pub trait Storage {
    /// One open file.
    type Device: Device;

    /// Opens a file. With [`OpenMode::Create`] the file must not exist and begins empty. Fails with nothing held.
    ///
    /// A backend that cannot open without waiting fails with [`DeviceErrorKind::NotReady`]; its shell opens the file and
    /// calls again, so every caller must be repeatable up to this point.
    fn open(&self, name: &str, mode: OpenMode) -> Result<Self::Device, DeviceError>;

    /// The names of all files, in any order.
    fn list(&self) -> Result<Vec<String>, DeviceError>;

    /// Removes a file. Devices already open on it may go on or fail. Removing what is not there is no error.
    fn remove(&self, name: &str) -> Result<(), DeviceError>;

    /// Makes earlier creations and removals durable, where names live apart from contents.
    fn flush_names(&self) -> Result<(), DeviceError> {
        Ok(())
    }

    /// Whether somebody outside this process still reads this file, so that it must not be overwritten or removed.
    fn is_pinned(&self, name: &str) -> bool {
        let _ = name;
        false
    }
}

/// One open file: bytes by position.
#[expect(clippy::len_without_is_empty, reason = "asking a device its length is a call that can fail and costs")]
pub trait Device {
    /// The length now, in bytes.
    fn len(&self) -> Result<u64, DeviceError>;

    /// Fills `out` from `offset` or fails; never a short read. Reading past the end is [`DeviceErrorKind::ShortRead`].
    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), DeviceError>;

    /// Writes all of `data` or fails. Past the end the file grows, and a gap reads as zeros. A failed write may have
    /// stored any part of `data`, and nothing else.
    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), DeviceError>;

    /// Sets the length. New bytes read as zeros.
    fn truncate(&self, len: u64) -> Result<(), DeviceError>;

    /// Makes every earlier write and truncation of this file durable before it returns.
    fn flush(&self) -> Result<(), DeviceError>;
}

/// How to open a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// It exists; only read.
    Read,
    /// It exists; read and write.
    Write,
    /// It does not exist; make it, read and write.
    Create,
}

/// A failed call on a device or storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceError {
    /// What was being done.
    pub op: DeviceOp,
    /// The file's name; empty for the storage as a whole.
    pub file: String,
    /// Where in the file.
    pub offset: u64,
    /// What kind of failure, by what the caller can do.
    pub kind: DeviceErrorKind,
    /// What the system said.
    pub detail: String,
}

/// A call on a device or storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceOp {
    /// Opening or creating a file.
    Open,
    /// Listing names.
    List,
    /// Removing a file.
    Remove,
    /// Asking the length.
    Len,
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Setting the length.
    Truncate,
    /// Making durable.
    Flush,
}

/// The kinds of device failure that a caller would treat differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceErrorKind {
    /// No such file.
    NotFound,
    /// The file is there already.
    Exists,
    /// Somebody else holds the file.
    Busy,
    /// The disk or quota is full.
    NoSpace,
    /// Writing is not allowed.
    ReadOnly,
    /// The file ends before the bytes asked for.
    ShortRead,
    /// The backend has to wait before it can; its shell prepares and calls again.
    NotReady,
    /// Anything else.
    Io,
}

impl DeviceError {
    /// An error of this kind on this file.
    pub fn new(op: DeviceOp, file: &str, offset: u64, kind: DeviceErrorKind) -> Self {
        Self { op, file: file.into(), offset, kind, detail: String::new() }
    }

    /// The same with what the system said.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }
}

impl fmt::Display for DeviceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let op = match self.op {
            DeviceOp::Open => "open",
            DeviceOp::List => "list",
            DeviceOp::Remove => "remove",
            DeviceOp::Len => "measure",
            DeviceOp::Read => "read",
            DeviceOp::Write => "write",
            DeviceOp::Truncate => "truncate",
            DeviceOp::Flush => "flush",
        };
        let kind = match self.kind {
            DeviceErrorKind::NotFound => "there is no such file",
            DeviceErrorKind::Exists => "it is there already",
            DeviceErrorKind::Busy => "somebody else holds it; close the other user and try again",
            DeviceErrorKind::NoSpace => "the disk or quota is full; free some space and try again",
            DeviceErrorKind::ReadOnly => "writing is not allowed",
            DeviceErrorKind::ShortRead => "the file ends too early",
            DeviceErrorKind::NotReady => "the file is not open yet",
            DeviceErrorKind::Io => "the device failed",
        };
        let file = if self.file.is_empty() { "the storage" } else { self.file.as_str() };
        write!(f, "cannot {op} {file}")?;
        // Of the other calls the place means nothing.
        if matches!(self.op, DeviceOp::Read | DeviceOp::Write | DeviceOp::Truncate) {
            write!(f, " at byte {}", self.offset)?;
        }
        write!(f, ": {kind}")?;
        if !self.detail.is_empty() {
            write!(f, " ({})", self.detail)?;
        }
        Ok(())
    }
}

impl core::error::Error for DeviceError {}

impl<D: Device> Device for alloc::sync::Arc<D> {
    fn len(&self) -> Result<u64, DeviceError> {
        (**self).len()
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), DeviceError> {
        (**self).read_at(offset, out)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), DeviceError> {
        (**self).write_at(offset, data)
    }

    fn truncate(&self, len: u64) -> Result<(), DeviceError> {
        (**self).truncate(len)
    }

    fn flush(&self) -> Result<(), DeviceError> {
        (**self).flush()
    }
}

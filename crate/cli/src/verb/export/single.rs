//! A Coffer database in one file: everything live as one sealed segment, encrypted as the database is. It is also what a
//! backup is.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use coffer_sqlite::native::{BASE, FileStorage};
use coffer_store::{CommitId, Device, DeviceError, DeviceErrorKind, DeviceOp, OpenMode, Storage};

use crate::failure::{Failure, Outcome};
use crate::interrupt::Hold;
use crate::open::{Access, DatabaseArgs};
use crate::output::Part;
use crate::progress::{Progress, Unit};

/// Writes everything, or what came after a commit. Gives the commit that the file holds and its length.
pub fn write(database: &DatabaseArgs, path: &Path, force: bool, since: Option<CommitId>) -> Outcome<(CommitId, u64)> {
    let database = database.open(Access::Write)?;
    if let Some(since) = since.filter(|since| *since > database.head()) {
        let message = format!("there is no commit {since} yet; the newest is {}", database.head());
        return Err(Failure::usage(message));
    }
    let hold = Hold::new();
    let part = Part::new(path, force)?;
    let name = path.display().to_string();
    let made = FileStorage::single(part.path()).open(BASE, OpenMode::Create);
    let device = made.map_err(|error| DeviceError { file: name.clone(), ..error })?;
    let progress = Mutex::new(Progress::new("write", None, Unit::Bytes));
    let watched = Watched { device, name, hold: &hold, progress };
    let written = database.back_up(&watched, since).map_err(Failure::from);
    let commit = hold.explain(written)?;
    watched.flush()?;
    let bytes = watched.len()?;
    drop(watched);
    hold.check()?;
    part.finish()?;
    database.close()?;
    Ok((commit, bytes))
}

/// A device that shows how much was written, and fails when a signal comes.
struct Watched<'a, D> {
    device: D,
    /// As people call it.
    name: String,
    hold: &'a Hold,
    progress: Mutex<Progress>,
}

impl<D> Watched<'_, D> {
    fn named<T>(&self, result: Result<T, DeviceError>) -> Result<T, DeviceError> {
        result.map_err(|error| DeviceError { file: self.name.clone(), ..error })
    }
}

impl<D: Device> Device for Watched<'_, D> {
    fn len(&self) -> Result<u64, DeviceError> {
        self.named(self.device.len())
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), DeviceError> {
        self.named(self.device.read_at(offset, out))
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), DeviceError> {
        if self.hold.check().is_err() {
            return Err(DeviceError::new(DeviceOp::Write, BASE, offset, DeviceErrorKind::Io).with_detail("interrupted"));
        }
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).set(offset + data.len() as u64);
        self.named(self.device.write_at(offset, data))
    }

    fn truncate(&self, len: u64) -> Result<(), DeviceError> {
        self.named(self.device.truncate(len))
    }

    fn flush(&self) -> Result<(), DeviceError> {
        self.named(self.device.flush())
    }
}

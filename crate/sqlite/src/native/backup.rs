//! `BACKUP ... TO 'path'` and `RESTORE DATABASE FROM 'path'` on the file system.
//!
//! I1  A backup has its name only when it is whole and flushed: until then it is a `.part` beside it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use coffer_store::{
    CommitId, Corrupt, Device, DeviceError, DeviceErrorKind, DeviceOp, OpenMode, PageNo, Scratch, Storage, What,
};

use super::files::{FileStorage, device_error};
use super::open::NativeDevice;
use crate::database::{Create, Database, OpenOptions, Upkeep, fitting};
use crate::error::{Error, ErrorCode, Result};
use crate::key::Key;
use crate::registry::{Host, PageSource};

/// Writes a backup to a path where there is no file yet.
pub(crate) fn back_up(host: &dyn Host, path: &str, incremental: bool) -> Result<()> {
    let since = host.last_backup();
    if incremental && since.is_none() {
        let message = "there is no backup to add to since the database was opened; take a full one first";
        return Err(Error::new(ErrorCode::Sqlite, message));
    }
    if Path::new(path).exists() {
        return Err(DeviceError::new(DeviceOp::Open, path, 0, DeviceErrorKind::Exists).into());
    }
    let part = PathBuf::from(format!("{path}.part"));
    let storage = FileStorage::single(&part);
    drop(fs::remove_file(&part)); // What an earlier one left that was killed.
    let device = storage.open(super::BASE, OpenMode::Create)?;
    let written = host.back_up(&device, since.filter(|_| incremental)).map_err(Error::from);
    let named = written.and_then(|_| {
        device.flush()?;
        fs::rename(&part, path).map_err(|error| device_error(DeviceOp::Open, path, 0, &error))?;
        Ok(storage.flush_names()?)
    });
    if named.is_err() {
        drop(fs::remove_file(&part));
    }
    named
}

/// Replaces a database's contents by those of a full backup with increments over it, in one commit. Gives the commit that
/// the newest of them holds.
/// `progress` hears how many pages are done of how many, and may say `false` to stop, which leaves everything as it was.
pub(crate) fn restore(
    host: &Arc<dyn Host>,
    paths: &[PathBuf],
    limit: Duration,
    mut progress: impl FnMut(u64, u64) -> bool,
) -> Result<CommitId> {
    let Some((full, increments)) = paths.split_first() else {
        return Err(Error::new(ErrorCode::NotFound, "no backup was named"));
    };
    let options = OpenOptions {
        create: Create::Never,
        read_only: true,
        key: host.key(),
        upkeep: Upkeep::Manual,
        ..OpenOptions::default()
    };
    let backup = Database::open(full, options)?;
    for increment in increments {
        lay_over(&backup, increment, host.key().as_ref())?;
    }
    let snapshot = backup.snapshot();
    let mut scratch = Scratch::default();
    let (total, mut stopped) = (u64::from(snapshot.page_count().0), false);
    let mut read = |page: PageNo, out: &mut [u8]| {
        if !progress(u64::from(page.get() - 1), total) {
            stopped = true;
            return Err(coffer_store::Error::Poisoned); // Ends it. What is said is said below.
        }
        snapshot.read(page, out, &mut scratch).map(|_| ())
    };
    let mut pages = PageSource { count: snapshot.page_count(), read: &mut read };
    if u64::from(snapshot.page_size().get()) != host.storage_info()?.page_size {
        return Err(coffer_store::Error::Limit(coffer_store::Limit::PageSize).into());
    }
    let replaced = host.replace_pages(&mut pages, limit);
    if stopped {
        return Err(Error::new(ErrorCode::Aborted, "interrupted"));
    }
    replaced?;
    Ok(snapshot.commit())
}

/// What to say of a file that was refused as a database because it is an increment. `None` if that is not why.
pub(crate) fn not_alone(path: &Path, key: Option<&Key>, refused: &Error) -> Option<Error> {
    match refused.store.as_deref() {
        Some(coffer_store::Error::Corrupt(Corrupt { file, what: What::SegmentMissing, .. })) if file == super::BASE => {
        }
        _ => return None,
    }
    let storage = FileStorage::single(path);
    let peek = coffer_store::peek(&storage, Some(super::BASE)).ok()?;
    let key = key.filter(|_| !peek.slots.is_empty()).map(|key| fitting(key, &peek)).transpose().ok()?;
    let base = coffer_store::increment_base(&storage, super::BASE, key.as_ref()).ok()?;
    let name = path.display();
    let message = format!(
        "{name} is an increment, which holds only what came after commit {base}; restore the full backup first, then this: \
         coffer restore NEW.coffer FULL {name}"
    );
    (base != CommitId::ZERO).then(|| Error::new(ErrorCode::Foreign, message))
}

fn lay_over(backup: &Database, increment: &Path, key: Option<&Key>) -> Result<CommitId> {
    let storage = FileStorage::single(increment);
    let device = NativeDevice::File(storage.open(super::BASE, OpenMode::Read)?);
    let name = increment.to_string_lossy();
    let mut laid = None;
    backup.with_store(|store| {
        laid = Some(crate::chore::lay_over(store, &name, &storage, super::BASE, device, key));
        Ok(())
    })?;
    laid.unwrap_or_else(|| Err(coffer_store::Error::Poisoned.into()))
}

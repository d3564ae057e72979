//! A Coffer database in one file: everything live as one sealed segment, encrypted as the database is. It is also what a
//! backup is.

use std::path::Path;

use coffer_sqlite::native::{BASE, FileStorage};
use coffer_store::{CommitId, Device, OpenMode, Storage};

use crate::failure::Outcome;
use crate::open::{Access, DatabaseArgs};
use crate::output::Part;

/// Writes everything, or what came after a commit. Gives the commit that the file holds and its length.
pub fn write(database: &DatabaseArgs, path: &Path, force: bool, since: Option<CommitId>) -> Outcome<(CommitId, u64)> {
    let database = database.open(Access::Write)?;
    let hold = crate::interrupt::Hold::new();
    let part = Part::new(path, force)?;
    let device = FileStorage::single(part.path()).open(BASE, OpenMode::Create)?;
    let commit = database.back_up(&device, since)?;
    device.flush()?;
    let bytes = device.len()?;
    drop(device);
    hold.check()?;
    part.finish()?;
    database.close()?;
    Ok((commit, bytes))
}

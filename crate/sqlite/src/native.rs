//! Storage on a native file system, and what only threads can do.

mod backup;
mod files;
mod locks;
mod maintenance;
mod mapped;
mod open;
mod scratch;

pub(crate) use files::FOLDED;
pub use files::{BASE, FileDevice, FileStorage};
pub use mapped::MapStorage;
pub use open::{Backend, NativeDevice, NativeStorage};

pub(crate) use backup::{back_up, not_alone, restore};
pub(crate) use maintenance::Maintenance;

/// Removes the lock files of a database that nobody else has open, for who has the turn to write.
pub(crate) fn remove_locks(files: &FileStorage) -> std::io::Result<()> {
    locks::FileLocks::remove(files)
}
pub(crate) use open::{Place, canonical_name, future_name, open_host};
pub(crate) use scratch::TempScratch;

//! Increments: what came after a commit, laid over a copy that has that commit.
//!
//! The copy and the increment are segments of one database, so together they are what a newer copy would be: a view, made
//! without writing anything.

use alloc::sync::Arc;

use crate::device::{OpenMode, Storage};
use crate::error::{Error, Limit, Result};
use crate::file::OpenFile;
use crate::ids::CommitId;
use crate::keys::SlotKey;
use crate::location::Location;
use crate::recover::{open_self_contained, overlay, read_contents, read_copied_root, unlock};
use crate::store::Store;

/// The commit that a copy must have for a self-contained segment to be laid over it; the first of all commits if it is a full copy.
/// `key` opens one of its slots.
pub fn increment_base<S: Storage>(storage: &S, name: &str, key: Option<&SlotKey>) -> Result<CommitId> {
    let device = storage.open(name, OpenMode::Read)?;
    let (header, sealed) = read_copied_root(&device, name)?;
    let (manifest, keys) = unlock(sealed, key)?;
    let (_, seal, _) = open_self_contained(device, name, &header, manifest.database, keys.as_ref())?;
    Ok(seal.base)
}

impl<S: Storage> Store<S> {
    /// Shows what an increment (an export `since` a commit) holds over the newest state, and gives its commit. Only for a
    /// store that is open for reading; nothing is written. `key` opens one of the increment's own slots.
    ///
    /// Fails with [`Error::NoSuchCommit`] if the increment does not continue this state: it begins after it, ends before it,
    /// or belongs to another database.
    pub fn lay_over(&mut self, name: &str, device: S::Device, key: Option<&SlotKey>) -> Result<CommitId> {
        if !self.options.read_only {
            return Err(Limit::ReadOnly.into());
        }
        let (header, sealed) = read_copied_root(&device, name)?;
        // The increment's own keys: they may have been rotated since the copy was made.
        let (manifest, keys) = unlock(sealed, key)?;
        let (file, seal, entry) = open_self_contained(device, name, &header, manifest.database, keys.as_ref())?;
        let continues = (seal.base..=seal.last).contains(&self.view.commit);
        if manifest.database != self.manifest.database || !continues || header.page_size != self.manifest.page_size {
            return Err(Error::NoSuchCommit { commit: seal.base });
        }
        let contents = read_contents(&file, &header, &entry)?;
        // Copies and increments may carry one id, by which a reader knows what it has read ahead. So this one is not.
        let slot = self.insert_file(Arc::new(OpenFile { sealed_bytes: None, ..file }));
        overlay(&mut self.view.table, &contents, seal.last, |entry| {
            Location::new(slot, entry.offset, entry.body_bytes, entry.commit)
        });
        self.view.table.truncate(seal.page_count, |_| ());
        self.view.page_count = seal.page_count;
        self.view.commit = seal.last;
        self.chain = seal.chain;
        Ok(seal.last)
    }
}

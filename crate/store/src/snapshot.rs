//! A snapshot: one committed state, readable for as long as somebody holds it.
//!
//! S1  It holds the files that it reads from; they are neither removed nor overwritten while it lives.
//! S2  It borrows nothing and locks nothing: readers on any thread neither wait for a writer nor make one wait.

use alloc::sync::Arc;
use core::fmt;

use crate::device::Device;
use crate::error::Result;
use crate::file::FileSet;
use crate::ids::{CommitId, PageCount, PageNo, PageSize};
use crate::location::Location;
use crate::scratch::Scratch;
use crate::table::Table;

/// One committed state of a database. Cheap to clone; reading needs only a [`Scratch`].
pub struct Snapshot<D> {
    pub(crate) commit: CommitId,
    pub(crate) page_count: PageCount,
    pub(crate) page_size: PageSize,
    pub(crate) verify: bool,
    pub(crate) table: Table,
    pub(crate) files: Arc<FileSet<D>>,
}

/// The identity of a page's content: a page has one content per commit that wrote it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PageVersion {
    /// Which page.
    pub page: PageNo,
    /// The commit that wrote it.
    pub commit: CommitId,
}

impl<D> Clone for Snapshot<D> {
    fn clone(&self) -> Self {
        Self { table: self.table.clone(), files: Arc::clone(&self.files), ..*self }
    }
}

impl<D: Device> Snapshot<D> {
    /// Which commit it shows.
    pub const fn commit(&self) -> CommitId {
        self.commit
    }

    /// How many pages the database has in it.
    pub const fn page_count(&self) -> PageCount {
        self.page_count
    }

    /// The size of a page.
    pub const fn page_size(&self) -> PageSize {
        self.page_size
    }

    /// Which version of a page it shows; `None` if the page was never written or lies past the end.
    pub fn locate(&self, page: PageNo) -> Option<PageVersion> {
        self.location(page).map(|location| PageVersion { page, commit: location.commit() })
    }

    pub(crate) fn location(&self, page: PageNo) -> Option<Location> {
        if self.page_count.contains(page) { self.table.get(page) } else { None }
    }

    /// Reads a page, or its first bytes if `out` is shorter. `false`, and zeros, if there is no version of it.
    pub fn read(&self, page: PageNo, out: &mut [u8], scratch: &mut Scratch) -> Result<bool> {
        let Some(location) = self.location(page) else {
            out.fill(0);
            return Ok(false);
        };
        self.read_location(page, location, out, scratch)?;
        Ok(true)
    }

    pub(crate) fn read_location(
        &self,
        page: PageNo,
        location: Location,
        out: &mut [u8],
        scratch: &mut Scratch,
    ) -> Result<()> {
        let file = self.files.of(location)?;
        let page_bytes = self.page_size.bytes();
        let mut fetched = scratch.fetch(file, location)?;
        if out.len() == page_bytes {
            return fetched.open(file, page, location, self.verify, out);
        }
        let mut whole = core::mem::take(fetched.page);
        whole.resize(page_bytes, 0);
        fetched.open(file, page, location, self.verify, &mut whole)?;
        let (first, rest) = out.split_at_mut(out.len().min(page_bytes));
        first.copy_from_slice(whole.get(..first.len()).unwrap_or_default());
        rest.fill(0);
        scratch.page = whole;
        Ok(())
    }
}

impl<D> fmt::Debug for Snapshot<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Snapshot({:?}, {} pages)", self.commit, self.page_count)
    }
}

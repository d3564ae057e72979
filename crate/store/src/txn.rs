//! A transaction: the pages that a writer has changed, over the snapshot it began from.
//!
//! X1  Nothing of it is visible to anybody else before it commits, and dropping it discards it.
//! X2  Pages past the smallest size it ever had do not show through from the snapshot below.
//! X3  Spilled pages lie in the log behind the last commit; they count for nothing until a commit frame follows.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use core::fmt;

use crate::device::Device;
use crate::error::{Limit, Result};
use crate::ids::{CommitId, PageCount, PageNo};
use crate::location::Location;
use crate::log::Run;
use crate::scratch::Scratch;
use crate::snapshot::Snapshot;

/// Changes to be committed.
pub struct Txn<D> {
    pub(crate) base: Snapshot<D>,
    pub(crate) staged: BTreeMap<PageNo, Box<[u8]>>,
    pub(crate) spilled: BTreeMap<PageNo, Location>,
    /// Spilled, then cut off: the frames are in the log, so a later growth over them must write zeros.
    pub(crate) cut: BTreeMap<PageNo, Location>,
    pub(crate) page_count: PageCount,
    pub(crate) page_count_low: PageCount,
    pub(crate) run: Option<Run>,
}

impl<D: Device> Txn<D> {
    pub(crate) const fn new(base: Snapshot<D>) -> Self {
        let page_count = base.page_count;
        Self {
            base,
            staged: BTreeMap::new(),
            spilled: BTreeMap::new(),
            cut: BTreeMap::new(),
            page_count,
            page_count_low: page_count,
            run: None,
        }
    }

    /// The commit that it began from.
    pub const fn base(&self) -> CommitId {
        self.base.commit
    }

    /// The snapshot that it began from.
    pub const fn snapshot(&self) -> &Snapshot<D> {
        &self.base
    }

    /// How many pages the database has in it.
    pub const fn page_count(&self) -> PageCount {
        self.page_count
    }

    /// What its staged pages take in memory; past a budget, spill.
    pub fn staged_bytes(&self) -> u64 {
        self.staged.len() as u64 * u64::from(self.base.page_size.get())
    }

    /// Whether committing it would change nothing.
    pub fn is_empty(&self) -> bool {
        self.staged.is_empty()
            && self.spilled.is_empty()
            && self.page_count == self.base.page_count
            && self.page_count_low == self.base.page_count
    }

    /// Whether committing it would change something even if this page had not been written.
    pub fn changes_more_than(&self, page: PageNo) -> bool {
        self.staged.len() > usize::from(self.staged.contains_key(&page))
            || !self.spilled.is_empty()
            || self.page_count != self.base.page_count
            || self.page_count_low != self.base.page_count
    }

    /// Whether it has its own version of a page, rather than the snapshot's.
    pub fn has(&self, page: PageNo) -> bool {
        self.staged.contains_key(&page) || self.spilled.contains_key(&page) || !self.page_count_low.contains(page)
    }

    /// The version of a page that is going to be committed, while it is in memory.
    pub fn staged(&self, page: PageNo) -> Option<&[u8]> {
        self.staged.get(&page).map(|staged| &**staged)
    }

    /// Reads a page as this transaction sees it; as [`Snapshot::read`].
    pub fn read(&self, page: PageNo, out: &mut [u8], scratch: &mut Scratch) -> Result<bool> {
        if let Some(staged) = self.staged.get(&page) {
            let (first, rest) = out.split_at_mut(out.len().min(staged.len()));
            first.copy_from_slice(staged.get(..first.len()).unwrap_or_default());
            rest.fill(0);
            return Ok(true);
        }
        if let Some(&location) = self.spilled.get(&page) {
            self.base.read_location(page, location, out, scratch)?;
            return Ok(true);
        }
        if !self.page_count_low.contains(page) {
            out.fill(0);
            return Ok(false);
        }
        self.base.read(page, out, scratch)
    }

    /// Sets a whole page. The database grows to hold it.
    pub fn write(&mut self, page: PageNo, data: &[u8]) -> Result<()> {
        if data.len() != self.base.page_size.bytes() {
            return Err(Limit::PageSize.into());
        }
        match self.staged.get_mut(&page) {
            Some(staged) => staged.copy_from_slice(data),
            None => {
                self.staged.insert(page, data.into());
            }
        }
        self.page_count = self.page_count.max(PageCount(page.get()));
        Ok(())
    }

    /// Takes back what was written to a page, so that the snapshot's version of it shows again. `false`, and nothing done, where
    /// that cannot be: the page has gone to the log already, or the database had been cut off before it.
    pub fn unwrite(&mut self, page: PageNo) -> bool {
        let shows_through = self.page_count_low.contains(page) && !self.spilled.contains_key(&page);
        shows_through && self.staged.remove(&page).is_some()
    }

    /// Cuts the database off after `count` pages, or lets it grow to them with zeros.
    pub fn set_page_count(&mut self, count: PageCount) {
        if count < self.page_count {
            if let Some(first) = PageNo::from_index(count.0) {
                self.staged.split_off(&first);
                self.cut.extend(self.spilled.split_off(&first));
            }
            self.page_count_low = self.page_count_low.min(count);
        }
        self.page_count = count;
    }

    /// Pages that must be written as zeros, because the log holds spilled versions that were cut off since.
    pub(crate) fn stage_cut(&mut self) {
        let zeros = alloc::vec![0; self.base.page_size.bytes()].into_boxed_slice();
        for (page, _) in core::mem::take(&mut self.cut) {
            if self.page_count.contains(page) && !self.spilled.contains_key(&page) {
                self.staged.entry(page).or_insert_with(|| zeros.clone());
            }
        }
    }
}

impl<D> fmt::Debug for Txn<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Txn(on {:?}, {} staged, {} spilled)", self.base.commit, self.staged.len(), self.spilled.len())
    }
}

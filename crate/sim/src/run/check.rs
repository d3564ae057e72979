//! Comparing what the store shows with what the model says.

use coffer_store::{CommitId, Error, PageNo, Scratch, Snapshot};

use super::{Runner, Step, wrong};
use crate::content::Content;
use crate::storage::SimDevice;

impl Runner {
    /// Compares one page. A read that fails for a simulated reason is no difference.
    pub(super) fn compare(
        &mut self,
        what: &str,
        page: u32,
        expected: Option<Content>,
        read: impl FnOnce(PageNo, &mut [u8], &mut Scratch) -> Result<bool, Error>,
    ) -> Step {
        let Some(number) = PageNo::new(page) else { return Ok(()) };
        let page_bytes = self.options.page_size.bytes();
        // Sometimes only the first bytes are asked for.
        let asked = if self.rng.one_in(16) { 1 + self.rng.index(page_bytes) } else { page_bytes };
        // Filled with something else first: a read that forgets a part must show.
        let mut seen = vec![0xa5; asked];
        let mut scratch = std::mem::take(&mut self.scratch);
        let result = read(number, &mut seen, &mut scratch);
        self.scratch = scratch;
        let Some(written) = self.tolerated("read", result)? else { return Ok(()) };
        self.summary.pages_compared += 1;
        // Pages that were spilled, cut off and grown over again are stored as zeros rather than left out.
        if !written && expected.is_some() {
            wrong!("{what} says that {number:?} was never written ({})", self.model.story(page));
        }
        let mut wanted = vec![0; page_bytes];
        if let Some(content) = expected {
            content.fill(&mut wanted);
        }
        if seen != wanted[..asked] {
            let at = seen.iter().zip(&wanted).position(|(seen, wanted)| seen != wanted).unwrap_or(0);
            let story = self.model.story(page);
            wrong!("{what} shows {number:?} with other bytes from {at} on; expected {expected:?} ({story})");
        }
        Ok(())
    }

    /// Compares some pages of a snapshot: the recently changed ones and a random sample, or all.
    pub(super) fn compare_snapshot(&mut self, what: &str, snapshot: &Snapshot<SimDevice>, pages: usize) -> Step {
        let commit = snapshot.commit();
        let (count, expected) = (snapshot.page_count().0, self.model.page_count(commit));
        if count != expected {
            wrong!("{what} of {commit:?} has {count} pages and must have {expected}");
        }
        // A little past the end too.
        let end = count.saturating_add(2);
        let all = usize::try_from(end).unwrap_or(usize::MAX);
        for turn in 0..pages.min(all) {
            let page = if pages >= all {
                u32::try_from(turn).unwrap_or(0) + 1
            } else if self.rng.one_in(2) && !self.recent.is_empty() {
                self.recent[self.rng.index(self.recent.len())]
            } else {
                1 + u32::try_from(self.rng.below(u64::from(end))).unwrap_or(0)
            };
            self.compare_page_of(what, snapshot, page)?;
            if self.disk.is_down() {
                break;
            }
        }
        Ok(())
    }

    pub(super) fn compare_page_of(&mut self, what: &str, snapshot: &Snapshot<SimDevice>, page: u32) -> Step {
        let expected = self.model.content(snapshot.commit(), page);
        self.compare(what, page, expected, |page, out, scratch| snapshot.read(page, out, scratch))
    }

    /// Compares the newest state: every page that a crash could have mixed up, and some others.
    pub(super) fn compare_recent(&mut self) -> Step {
        let snapshot = self.store().snapshot();
        let mut recent: Vec<u32> = self.recent.iter().copied().collect();
        recent.sort_unstable();
        recent.dedup();
        for page in recent {
            self.compare_page_of("the reopened store", &snapshot, page)?;
        }
        self.compare_snapshot("the reopened store", &snapshot, 30)
    }

    pub(crate) fn compare_head(&mut self, pages: usize) -> Step {
        let snapshot = self.store().snapshot();
        if snapshot.commit() != self.model.head() {
            wrong!("a snapshot shows {:?} and the head is {:?}", snapshot.commit(), self.model.head());
        }
        self.compare_snapshot("the head", &snapshot, pages)
    }

    /// Compares a commit of the past that the store says it keeps.
    pub(super) fn compare_past(&mut self, commit: CommitId, pages: usize) -> Step {
        let result = self.store().snapshot_at(commit);
        match result {
            Ok(snapshot) => {
                if snapshot.commit() != commit {
                    wrong!("asked for {commit:?} the store shows {:?}", snapshot.commit());
                }
                self.compare_snapshot("the past", &snapshot, pages)
            }
            Err(Error::NoSuchCommit { .. }) if commit != self.model.head() && !self.must_keep(commit) => Ok(()),
            Err(error) => self.tolerate("a look at the past", &error),
        }
    }
}

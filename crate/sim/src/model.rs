//! What a store must remember: every commit, every page, who was told what, and so what a reopening may show.
//!
//! M1 A reopened store shows exactly one commit: some prefix of history, never a mixture.
//! M2 The prefix holds every commit that was known to be flushed, whatever happened.
//! M3 If only the process died, the prefix holds every commit that was acknowledged.
//! M4 A commit that failed is either wholly there or wholly not after a reopening; before it, it is not there.
//! M5 A page that was never written, or was cut off and not written since, reads as zeros and says so.

use std::collections::{BTreeMap, HashMap};

use coffer_store::{CommitId, RequestId};

use crate::content::Content;

/// The history of one database.
#[derive(Debug, Clone)]
pub struct Model {
    /// By commit id; the first is the empty state.
    commits: Vec<Committed>,
    /// Each page's versions, oldest first. `None` is a page that was cut off.
    pages: BTreeMap<u32, Vec<(u64, Option<Content>)>>,
    requests: HashMap<RequestId, CommitId>,
    flushed: CommitId,
    /// A commit whose fate is open until the store is reopened (M4).
    in_doubt: Option<Change>,
}

#[derive(Debug, Clone, Copy)]
struct Committed {
    page_count: u32,
    request: RequestId,
}

/// The changes of one transaction.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// Pages written, by number.
    pub writes: BTreeMap<u32, Content>,
    /// The smallest page count that the transaction ever had: older versions past it are gone.
    pub page_count_low: u32,
    /// The page count in the end.
    pub page_count: u32,
    /// What the caller calls it.
    pub request: RequestId,
    /// Some of it is in the log already.
    pub spilled: bool,
}

/// How the store came to be reopened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It was closed, and closing succeeded.
    Closed,
    /// It was dropped or the process was killed; the system lived on.
    Killed,
    /// The power failed.
    PowerCut,
}

impl Change {
    /// A transaction that begins from this page count.
    pub fn new(page_count: u32) -> Self {
        Self { page_count_low: page_count, page_count, ..Self::default() }
    }

    /// Sets a page; the database grows to hold it.
    pub fn write(&mut self, page: u32, content: Content) {
        self.writes.insert(page, content);
        self.page_count = self.page_count.max(page);
    }

    /// Cuts off or grows.
    pub fn set_page_count(&mut self, count: u32) {
        self.writes.split_off(&count.saturating_add(1));
        self.page_count_low = self.page_count_low.min(count);
        self.page_count = count;
    }
}

impl Model {
    /// A database without commits.
    pub fn new() -> Self {
        let empty = Committed { page_count: 0, request: RequestId::NONE };
        Self {
            commits: vec![empty],
            pages: BTreeMap::new(),
            requests: HashMap::new(),
            flushed: CommitId::ZERO,
            in_doubt: None,
        }
    }

    /// The newest commit.
    pub fn head(&self) -> CommitId {
        CommitId(self.commits.len() as u64 - 1)
    }

    /// The newest commit that no crash may take (M2).
    pub fn flushed(&self) -> CommitId {
        self.flushed
    }

    /// How many pages a commit has.
    pub fn page_count(&self, commit: CommitId) -> u32 {
        usize::try_from(commit.0).ok().and_then(|index| self.commits.get(index)).map_or(0, |commit| commit.page_count)
    }

    /// What a page holds at a commit; `None` if it was never written (M5).
    pub fn content(&self, commit: CommitId, page: u32) -> Option<Content> {
        if page > self.page_count(commit) {
            return None;
        }
        let versions = self.pages.get(&page)?;
        let newer = versions.partition_point(|&(since, _)| since <= commit.0);
        versions[..newer].last().and_then(|&(_, content)| content)
    }

    /// A page's history in words, for reports: its latest versions, and the commits that cut it off.
    pub fn story(&self, page: u32) -> String {
        let versions = self.pages.get(&page).map_or(&[][..], Vec::as_slice);
        let latest = &versions[versions.len().saturating_sub(6)..];
        let words = latest.iter().map(|(since, content)| match content {
            Some(_) => format!("written in {since}"),
            None => format!("cut off in {since}"),
        });
        let counts = self.commits.iter().enumerate().rev().take(8);
        let counts: Vec<String> = counts.map(|(commit, of)| format!("{commit}: {}", of.page_count)).collect();
        format!("{}; page counts {}", words.collect::<Vec<_>>().join(", "), counts.join(", "))
    }

    /// What a page holds in a transaction on the head.
    pub fn content_in(&self, base: CommitId, change: &Change, page: u32) -> Option<Content> {
        if page > change.page_count {
            return None;
        }
        let own = change.writes.get(&page).copied();
        own.or_else(|| if page <= change.page_count_low { self.content(base, page) } else { None })
    }

    /// The commit that this request made.
    pub fn find_request(&self, request: RequestId) -> Option<CommitId> {
        self.requests.get(&request).copied()
    }

    /// The request that made a commit.
    pub fn request_of(&self, commit: CommitId) -> RequestId {
        usize::try_from(commit.0).ok().and_then(|index| self.commits.get(index)).map_or(RequestId::NONE, |c| c.request)
    }

    /// A commit that the store acknowledged.
    pub fn commit(&mut self, change: &Change) -> CommitId {
        self.in_doubt = None;
        let commit = self.head().next();
        if change.page_count_low < self.page_count(self.head()) {
            for (page, versions) in self.pages.range_mut(change.page_count_low + 1..) {
                let live = versions.last().is_some_and(|(_, content)| content.is_some());
                if live && !change.writes.contains_key(page) {
                    versions.push((commit.0, None));
                }
            }
        }
        for (&page, &content) in &change.writes {
            self.pages.entry(page).or_default().push((commit.0, Some(content)));
        }
        if change.request != RequestId::NONE {
            self.requests.insert(change.request, commit);
        }
        self.commits.push(Committed { page_count: change.page_count, request: change.request });
        commit
    }

    /// A commit that failed so that nobody knows (M4).
    pub fn doubt(&mut self, change: Change) {
        self.in_doubt = Some(change);
    }

    /// Everything up to this commit is known to be flushed.
    pub fn flush(&mut self, commit: CommitId) {
        self.flushed = self.flushed.max(commit);
    }

    /// The store was reopened and shows this commit. Checks M2 to M4 and makes it the head.
    pub fn reopen(&mut self, shown: CommitId, ending: Ending) -> Result<(), String> {
        let least = match ending {
            Ending::Closed | Ending::Killed => self.head(),
            Ending::PowerCut => self.flushed,
        };
        if shown < least {
            let rule = if ending == Ending::PowerCut { "flushed (M2)" } else { "acknowledged (M3)" };
            return Err(format!("shows {shown:?} though {least:?} was {rule}; the head was {:?}", self.head()));
        }
        if shown == self.head().next()
            && let Some(change) = self.in_doubt.take()
        {
            self.commit(&change);
        }
        if shown > self.head() {
            return Err(format!("shows {shown:?} though the head was {:?} and nothing was in doubt", self.head()));
        }
        self.in_doubt = None;
        self.rewind(shown);
        // What a power cut left is all that the disk holds, so it is durable by itself.
        if ending == Ending::PowerCut {
            self.flushed = shown;
        }
        Ok(())
    }

    fn rewind(&mut self, head: CommitId) {
        if head == self.head() {
            return;
        }
        for commit in self.commits.drain(usize::try_from(head.0).unwrap_or(usize::MAX).saturating_add(1)..) {
            self.requests.remove(&commit.request);
        }
        for versions in self.pages.values_mut() {
            let kept = versions.partition_point(|&(since, _)| since <= head.0);
            versions.truncate(kept);
        }
    }
}

impl Default for Model {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn some(seed: u64) -> Content {
        Content::draw(&mut Rng::new(seed), 0)
    }

    fn model() -> Model {
        let mut model = Model::new();
        let mut change = Change::new(0);
        change.write(1, some(1));
        change.write(3, some(2));
        model.commit(&change);
        let mut change = Change::new(3);
        change.set_page_count(1);
        change.set_page_count(4);
        change.write(4, some(3));
        model.commit(&change);
        model
    }

    #[test]
    fn every_commit_stays_as_it_was() {
        let model = model();
        let at = |commit, page| model.content(CommitId(commit), page);
        assert_eq!([at(0, 1), at(1, 1), at(2, 1)], [None, Some(some(1)), Some(some(1))]);
        assert_eq!([at(1, 2), at(1, 3), at(2, 3), at(2, 4)], [None, Some(some(2)), None, Some(some(3))]);
        assert_eq!((model.page_count(CommitId(1)), model.page_count(CommitId(2))), (3, 4));
    }

    #[test]
    fn a_reopening_shows_a_prefix_with_everything_flushed() {
        let mut lost = model();
        lost.flush(CommitId(1));
        assert!(lost.clone().reopen(CommitId(0), Ending::PowerCut).is_err());
        assert!(lost.clone().reopen(CommitId(1), Ending::Killed).is_err());
        assert!(lost.clone().reopen(CommitId(3), Ending::PowerCut).is_err());
        lost.reopen(CommitId(1), Ending::PowerCut).unwrap();
        assert_eq!(lost.content(CommitId(1), 3), Some(some(2)));
        assert_eq!((lost.head(), lost.flushed()), (CommitId(1), CommitId(1)));
    }

    #[test]
    fn a_commit_in_doubt_may_show_until_the_reopening() {
        let mut model = model();
        let mut change = Change::new(4);
        change.write(2, some(9));
        model.doubt(change);
        let mut shown = model.clone();
        shown.reopen(CommitId(3), Ending::Killed).unwrap();
        assert_eq!(shown.content(CommitId(3), 2), Some(some(9)));
        model.reopen(CommitId(2), Ending::Killed).unwrap();
        assert!(model.reopen(CommitId(3), Ending::Killed).is_err());
    }
}

//! Snapshots held for long, and commits of the past.

use coffer_store::CommitId;

use super::{Runner, Step};

impl Runner {
    pub(super) fn take_snapshot(&mut self) -> Step {
        if self.snapshots.len() < self.plan.snapshots_max {
            let snapshot = self.store().snapshot();
            // A clone is the same state; either may outlive the other.
            let held = if self.rng.one_in(4) { snapshot.clone() } else { snapshot };
            self.snapshots.push(held);
        }
        self.read_snapshot()
    }

    pub(super) fn read_snapshot(&mut self) -> Step {
        if self.snapshots.is_empty() {
            return Ok(());
        }
        let index = self.rng.index(self.snapshots.len());
        let snapshot = self.snapshots[index].clone();
        let pages = if self.rng.one_in(20) { 500 } else { 8 };
        self.compare_snapshot("a held snapshot", &snapshot, pages)
    }

    pub(super) fn drop_snapshot(&mut self) {
        if !self.snapshots.is_empty() {
            let index = self.rng.index(self.snapshots.len());
            drop(self.snapshots.swap_remove(index));
        }
    }

    pub(super) fn read_history(&mut self) -> Step {
        let head = self.model.head();
        let back = self.rng.skewed(head.0 + 1);
        self.compare_past(CommitId(head.0 - back), 8)
    }

    /// Whether the store promised to keep this commit.
    pub(super) fn must_keep(&self, commit: CommitId) -> bool {
        self.kept.contains(&commit) || self.archived_from.is_some_and(|from| commit >= from)
    }

    /// Keeps a commit, lets one go, or keeps all from here on.
    pub(super) fn keep_history(&mut self) -> Step {
        let head = self.model.head();
        let choice = self.rng.below(6);
        self.note(|| {
            ["archive", "no archive", "trim", "release", "keep", "keep"][usize::try_from(choice).unwrap_or(0)]
                .to_string()
        });
        match choice {
            0 => {
                let result = self.store().set_archive(true);
                if self.tolerated("keeping history", result)?.is_some() && self.archived_from.is_none() {
                    self.archived_from = Some(head);
                }
            }
            1 => {
                self.archived_from = None;
                let result = self.store().set_archive(false);
                self.tolerated("letting history go", result)?;
            }
            2 => {
                let before = CommitId(head.0.saturating_sub(self.rng.skewed(head.0 + 1)));
                self.archived_from = self.archived_from.map(|from| from.max(before));
                let result = self.store().trim_history(before);
                self.tolerated("trimming history", result)?;
            }
            3 => {
                if let Some(&commit) = self.kept.iter().next() {
                    self.kept.remove(&commit);
                    let result = self.store().release_commit(commit);
                    self.tolerated("letting a commit go", result)?;
                }
            }
            _ => {
                let result = self.store().keep_commit(head);
                if self.kept.len() < 20 && self.tolerated("keeping a commit", result)?.is_some() {
                    self.kept.insert(head);
                }
            }
        }
        self.read_kept()
    }

    /// What is said to be kept can be read.
    pub(super) fn read_kept(&mut self) -> Step {
        if self.disk.is_down() {
            return Ok(());
        }
        let kept: Vec<CommitId> = self.store().kept_commits().iter().map(|info| info.commit).collect();
        for commit in [self.rng.index(kept.len()), kept.len().saturating_sub(2)].map(|index| kept.get(index).copied()) {
            let Some(commit) = commit else { continue };
            self.compare_kept(commit)?;
        }
        if let Some(&commit) = self.kept.iter().next() {
            self.compare_kept(commit)?;
        }
        Ok(())
    }

    fn compare_kept(&mut self, commit: CommitId) -> Step {
        let result = self.store().snapshot_at(commit);
        match self.tolerated("a look at a kept commit", result)? {
            Some(snapshot) => self.compare_snapshot("a kept commit", &snapshot, 12),
            None => Ok(()),
        }
    }
}

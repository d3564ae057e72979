//! Kept commits: reading the database as it was.
//!
//! Segments hold versions, each with its commit, so history needs no mechanism of its own: a kept commit is one whose versions
//! folding and merging do not drop.

use alloc::vec::Vec;

use crate::device::Storage;
use crate::error::{Error, Limit, Result};
use crate::format::commits::CommitInfo;
use crate::format::layout::PINS_MAX;
use crate::format::manifest::Manifest;
use crate::ids::{CommitId, PageCount};
use crate::location::Location;
use crate::recover::{overlay, read_contents};
use crate::segment::read_header;
use crate::snapshot::Snapshot;
use crate::store::Store;
use crate::table::Table;

impl<S: Storage> Store<S> {
    /// Keeps every commit from now on readable, or stops doing so and lets compaction drop what only history needed.
    pub fn set_archive(&mut self, archive: bool) -> Result<()> {
        if archive == self.manifest.archive {
            return self.confirm_answer();
        }
        let floor = self.view.commit;
        self.keep_otherwise(|mut manifest| {
            manifest.archive = archive;
            manifest.history_floor = if archive { floor } else { CommitId::ZERO };
            Ok(manifest)
        })
    }

    /// Lets go of every commit before this one, except single ones that are kept.
    pub fn trim_history(&mut self, before: CommitId) -> Result<()> {
        let head = self.view.commit;
        self.keep_otherwise(|mut manifest| {
            manifest.history_floor = manifest.history_floor.max(before.min(head));
            Ok(manifest)
        })
    }

    /// Keeps a commit that is readable now.
    pub fn keep_commit(&mut self, commit: CommitId) -> Result<()> {
        if commit != self.view.commit && !self.keep().keeps(commit) {
            return Err(Error::NoSuchCommit { commit });
        }
        self.keep_otherwise(|mut manifest| {
            if let Err(place) = manifest.pins.binary_search(&commit) {
                if manifest.pins.len() >= PINS_MAX {
                    return Err(Limit::KeptCommits.into());
                }
                manifest.pins.insert(place, commit);
            }
            Ok(manifest)
        })
    }

    /// Lets go of a commit that was kept.
    pub fn release_commit(&mut self, commit: CommitId) -> Result<()> {
        self.keep_otherwise(|mut manifest| {
            manifest.pins.retain(|pin| *pin != commit);
            Ok(manifest)
        })
    }

    /// Changes which commits are kept, and forgets what those before needed.
    fn keep_otherwise(&mut self, change: impl FnOnce(Manifest) -> Result<Manifest>) -> Result<()> {
        self.write_manifest(change)?;
        for segment in &mut self.segments {
            segment.kept = None;
        }
        Ok(())
    }

    /// The commits that can be read, oldest first, as far as something is known of them.
    pub fn kept_commits(&self) -> Vec<CommitInfo> {
        let keep = self.keep();
        let head = self.view.commit;
        self.commit_infos().filter(|info| keep.keeps(info.commit) || info.commit == head).copied().collect()
    }

    /// Whether every commit from some point on is kept, and from which.
    pub fn archive_floor(&self) -> Option<CommitId> {
        self.manifest.archive.then_some(self.manifest.history_floor)
    }

    pub(crate) fn commit_infos(&self) -> impl Iterator<Item = &CommitInfo> {
        let logs = self.sealed.iter().chain(&self.log).flat_map(|log| &log.commits);
        self.segments.iter().flat_map(|segment| &segment.commits).chain(logs)
    }

    /// The state after a kept commit.
    pub fn snapshot_at(&self, commit: CommitId) -> Result<Snapshot<S::Device>> {
        if commit == self.view.commit {
            return Ok(self.snapshot());
        }
        let gone = || Error::NoSuchCommit { commit };
        if commit > self.view.commit || !self.keep().keeps(commit) {
            return Err(gone());
        }
        let page_count = if commit == CommitId::ZERO {
            PageCount(0)
        } else {
            self.commit_infos().find(|info| info.commit == commit).ok_or_else(gone)?.page_count
        };
        let mut table = Table::default();
        for segment in self.segments.iter().filter(|segment| segment.entry.base < commit) {
            let Some(file) = self.view.files.get(segment.slot) else { continue };
            let header = read_header(&file.device, &file.name)?;
            let contents = read_contents(file, &header, &segment.entry)?;
            overlay(&mut table, &contents, commit, |entry| {
                Location::new(segment.slot, entry.offset, entry.body_bytes, entry.commit)
            });
        }
        for log in self.sealed.iter().chain(&self.log) {
            let mut frames = log.frames.iter().peekable();
            for info in log.commits.iter().take_while(|info| info.commit <= commit) {
                if let Some(cut) = info.cut {
                    table.truncate(cut, |_| ());
                }
                while let Some(frame) = frames.next_if(|frame| frame.commit <= info.commit) {
                    if info.page_count.contains(frame.page) {
                        table.set(frame.page, frame.location(log.slot));
                    }
                }
            }
        }
        table.truncate(page_count, |_| ());
        Ok(Snapshot { commit, page_count, table, ..self.view.clone() })
    }
}

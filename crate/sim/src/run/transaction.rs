//! Writing, committing, and the ways not to commit.

use coffer_store::{Commit, DeviceErrorKind, Error, Limit, PageCount, PageNo, RequestId, Synchronous};

use super::{Runner, Step, wrong};
use crate::content::Content;
use crate::model::Change;

/// Pages remembered as recently changed.
const RECENT_MAX: usize = 200;

impl Runner {
    fn begin(&mut self) {
        if self.txn.is_none() {
            let txn = self.store().begin();
            let change = Change::new(txn.page_count().0);
            self.txn = Some((txn, change));
        }
    }

    fn draw_page(&mut self, page_count: u32) -> u32 {
        let max = u64::from(self.plan.pages_max);
        let draw = if self.rng.below(256) < self.plan.hot_in_256 {
            self.rng.skewed(max.min(16))
        } else if self.rng.one_in(3) {
            u64::from(page_count).min(max - 1)
        } else {
            self.rng.below(max)
        };
        u32::try_from(draw + 1).unwrap_or(1)
    }

    fn remember(&mut self, page: u32) {
        if self.recent.len() == RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(page);
    }

    pub(super) fn write(&mut self) -> Step {
        self.begin();
        let mut bytes = vec![0; self.options.page_size.bytes()];
        for _ in 0..=self.rng.skewed(self.plan.write_pages_max) {
            let count = self.txn.as_ref().map_or(0, |(_, change)| change.page_count);
            let page = self.draw_page(count);
            let content = Content::draw(&mut self.rng, self.plan.noise_in_256);
            content.fill(&mut bytes);
            self.remember(page);
            let Some((txn, change)) = &mut self.txn else { break };
            let Some(number) = PageNo::new(page) else { break };
            if let Err(error) = txn.write(number, &bytes) {
                wrong!("writing {number:?} in a transaction failed: {error:?}");
            }
            change.write(page, content);
        }
        let spill_bytes = self.options.spill_bytes;
        if self.txn.as_ref().is_some_and(|(txn, _)| txn.staged_bytes() > spill_bytes) {
            return self.spill();
        }
        Ok(())
    }

    pub(super) fn resize(&mut self) {
        self.begin();
        let max = u64::from(self.plan.pages_max);
        let Some((txn, change)) = &mut self.txn else { return };
        let from = u64::from(change.page_count);
        let to = match self.rng.below(4) {
            0 => self.rng.below(from + 1),
            1 => from.saturating_sub(self.rng.skewed(10)),
            2 => (from + self.rng.skewed(10)).min(max),
            _ => self.rng.below(max + 1),
        };
        let to = u32::try_from(to).unwrap_or(0);
        txn.set_page_count(PageCount(to));
        change.set_page_count(to);
        self.remember(to);
        self.remember(to + 1);
    }

    pub(super) fn read_own(&mut self) -> Step {
        let Some((txn, change)) = self.txn.take() else { return Ok(()) };
        let mut outcome = Ok(());
        if txn.page_count().0 != change.page_count {
            wrong!("a transaction has {} pages and must have {}", txn.page_count(), change.page_count);
        }
        for _ in 0..8 {
            let recent = self.recent.get(self.rng.index(self.recent.len())).copied();
            let page = match recent {
                Some(page) if self.rng.one_in(2) => page,
                _ => self.draw_page(change.page_count),
            };
            let expected = self.model.content_in(txn.base(), &change, page);
            outcome = self.compare("a transaction", page, expected, |page, out, scratch| txn.read(page, out, scratch));
            if outcome.is_err() {
                break;
            }
        }
        self.txn = Some((txn, change));
        outcome
    }

    pub(super) fn commit(&mut self) -> Step {
        let Some((txn, mut change)) = self.txn.take() else { return Ok(()) };
        let synchronous = *self.rng.pick(&[
            Synchronous::Off,
            Synchronous::Normal,
            Synchronous::Normal,
            Synchronous::Full,
            Synchronous::Extra,
        ]);
        if self.rng.one_in(2) {
            self.rng.bytes(&mut change.request.0);
        }
        let how = Commit { synchronous, request: change.request, time_ms: u64::from(self.step) };
        let (base, empty) = (txn.base(), txn.is_empty());
        let result = self.store().commit(txn, how);
        self.note(|| format!("{synchronous:?}"));
        match result {
            Ok(commit) => {
                if base != self.model.head() {
                    wrong!(
                        "a transaction on {base:?} was committed as {commit:?} though the head was {:?}",
                        self.model.head()
                    );
                }
                self.committed(&change, commit, synchronous, empty)
            }
            Err(Error::Conflict { base: told, head }) => {
                if base == self.model.head() || told != base || head != self.model.head() {
                    wrong!("a conflict of {told:?} with {head:?}; it was {base:?} with {:?}", self.model.head());
                }
                Ok(())
            }
            // Another transaction has pages behind the log's end.
            Err(Error::Limit(Limit::LogFull)) if self.held_spill => self.expect_head("a commit out of turn"),
            Err(Error::Limit(Limit::LogFull)) if self.options.log_bytes_max < 1 << 30 => {
                self.expect_head("a commit into a full log")?;
                self.checkpoint()
            }
            Err(error) => {
                let no_space = matches!(&error, Error::Device(device) if device.kind == DeviceErrorKind::NoSpace);
                let refused = error == Error::Poisoned;
                self.tolerate("commit", &error)?;
                if !refused && (self.disk.is_down() || !no_space) {
                    self.model.doubt(change);
                }
                if self.disk.is_down() { Ok(()) } else { self.expect_head("a failed commit") }
            }
        }
    }

    fn committed(
        &mut self,
        change: &Change,
        commit: coffer_store::CommitId,
        synchronous: Synchronous,
        empty: bool,
    ) -> Step {
        // Nothing to commit and nothing to remember it by: the store may leave it out, and then promises nothing.
        if empty && commit == self.model.head() {
            return self.expect_head("an empty commit");
        }
        let expected = self.model.commit(change);
        if commit != expected {
            wrong!("a commit was numbered {commit:?} and must be {expected:?}");
        }
        if synchronous != Synchronous::Off {
            self.model.flush(commit);
        }
        self.summary.commits += 1;
        self.expect_head("a commit")?;
        if self.rng.one_in(8) { self.compare_head(4) } else { Ok(()) }
    }

    pub(super) fn rollback(&mut self) -> Step {
        self.txn = None;
        self.expect_head("a rollback")
    }

    pub(super) fn spill(&mut self) -> Step {
        let Some((mut txn, mut change)) = self.txn.take() else { return Ok(()) };
        let result = self.store().spill(&mut txn);
        let stale = txn.base() != self.model.head();
        match result {
            Ok(()) => {
                change.spilled = true;
                self.txn = Some((txn, change));
            }
            // A transaction that lost the race learns it here or at its commit.
            Err(Error::Conflict { .. }) if stale => {}
            Err(Error::Limit(Limit::LogFull)) if self.held_spill => {}
            Err(Error::Limit(Limit::LogFull)) if self.options.log_bytes_max < 1 << 30 => return self.checkpoint(),
            Err(error) => self.tolerate("spill", &error)?,
        }
        Ok(())
    }

    /// First committer wins, whatever the other one had spilled.
    pub(super) fn compete(&mut self) -> Step {
        let Some((held, held_change)) = self.txn.take() else { return Ok(()) };
        self.held_spill = held_change.spilled;
        let outcome = self.write().and_then(|()| self.commit());
        self.held_spill = false;
        outcome?;
        if !self.disk.is_down() && !self.broken {
            self.txn = Some((held, held_change));
        }
        Ok(())
    }

    pub(super) fn flush(&mut self) -> Step {
        let result = self.store().flush();
        if self.tolerated("flush", result)?.is_some() {
            self.model.flush(self.model.head());
        }
        Ok(())
    }

    pub(super) fn find_request(&mut self) -> Step {
        let mut unknown = RequestId::NONE;
        self.rng.bytes(&mut unknown.0);
        if let Some(commit) = self.store().find_request(unknown) {
            wrong!("a request that nobody made is known as {commit:?}");
        }
        if self.store().find_request(RequestId::NONE).is_some() {
            wrong!("the request that is none is known");
        }
        let head = self.model.head();
        let commit = coffer_store::CommitId(head.0.saturating_sub(self.rng.skewed(head.0 + 1)));
        let request = self.model.request_of(commit);
        if request == RequestId::NONE {
            return Ok(());
        }
        match self.store().find_request(request) {
            Some(found) if found == commit => Ok(()),
            // Only the newest many are remembered, which no run exceeds.
            found => wrong!("the request of {commit:?} is known as {found:?}"),
        }
    }
}

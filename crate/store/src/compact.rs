//! Compaction: merging and rewriting segments, and the steps of maintenance.
//!
//! C1  Only neighbours in the order of commits are merged, so each page's newest version stays in the newest segment that has
//!     one, whatever is merged when.
//! C2  The number of segments is bounded by the cheapest merge that makes one fewer; dead bytes by merging all when they pass
//!     a share of the others. Both are figures in `Options`, and the write amplification that follows is measured.
//! C3  What a kept commit shows is not dead, by the very rule by which a merge drops versions: no merge is done for what it
//!     would write again.

use alloc::vec::Vec;

use crate::checkpoint::{Installed, STEP_BYTES, clone_subkey};
use crate::device::Storage;
use crate::error::Result;
use crate::format::body::FileKind;
use crate::format::layout::COMMITS_MAX;
use crate::ids::{Epoch, PageNo};
use crate::job::{Inline, Job, Source, Workers};
use crate::location::{FileSlot, Location};
use crate::recover::read_contents;
use crate::segment::read_header;
use crate::store::{Kept, Segment, Store, record_bytes};

/// Which segments to rewrite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compaction {
    /// What keeps their number and dead bytes bounded; nothing if both are.
    Auto,
    /// All into one.
    All,
    /// One that has an outlived key, codec or dictionary; nothing if none has.
    Stale,
    /// One that lacks the dictionary that the database has, where little enough lacks it; nothing if none does.
    Learnt,
}

/// What a share of maintenance did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Maintained {
    /// Nothing is left to do.
    pub idle: bool,
    /// A segment was installed.
    pub installed: Option<Installed>,
}

impl<S: Storage> Store<S> {
    /// The job that merges or rewrites segments. `None` if there is nothing to do or another job is out.
    pub fn compact_job(&mut self, compaction: Compaction) -> Result<Option<Job>> {
        self.check_writable()?;
        if self.job_out {
            return Ok(None);
        }
        let chosen = match compaction {
            Compaction::Auto => {
                self.count_kept()?;
                self.choose()
            }
            Compaction::All => (self.segments.len() > 1 || self.dead_bytes() > 0).then_some(0..self.segments.len()),
            Compaction::Stale => self.stale(),
            Compaction::Learnt => self.lacking(),
        };
        let Some(chosen) = chosen.filter(|chosen| !chosen.is_empty()) else { return Ok(None) };
        // I5: what replaces the versions that are left out must be durable.
        self.flush()?;
        self.merge_job(chosen).map(Some)
    }

    fn merge_job(&mut self, chosen: core::ops::Range<usize>) -> Result<Job> {
        let mut job = self.empty_job();
        let keep = self.keep();
        let mut versions: Vec<(PageNo, Location)> = Vec::new();
        let mut sources = Vec::new();
        let segments = self.segments.get(chosen.clone()).unwrap_or_default();
        for segment in segments {
            let Some(file) = self.view.files.get(segment.slot) else { continue };
            let header = read_header(&file.device, &file.name)?;
            let contents = read_contents(file, &header, &segment.entry)?;
            versions.extend(
                contents.entries.iter().map(|entry| {
                    (entry.page, Location::new(segment.slot, entry.offset, entry.body_bytes, entry.commit))
                }),
            );
            sources.push((segment.slot, file));
        }
        versions.sort_by_key(|(page, location)| (*page, location.commit()));
        let slots: Vec<FileSlot> = sources.iter().map(|(slot, _)| *slot).collect();
        let source_index = |slot: FileSlot| {
            let index = slots.iter().position(|candidate| *candidate == slot).unwrap_or(slots.len());
            FileSlot(u16::try_from(index).unwrap_or(u16::MAX))
        };
        job.records = self.needed(&versions, &keep, source_index);
        job.sources = sources
            .iter()
            .map(|(_, file)| Source {
                name: file.name.clone(),
                kind: FileKind::Segment,
                id: file.id,
                file_bytes: file.sealed_bytes.unwrap_or(0),
                subkey: clone_subkey(file.subkey.as_ref()),
                dictionary: file.dictionary.clone(),
            })
            .collect();
        job.commits = self.remembered(segments.iter().flat_map(|segment| &segment.commits), &keep);
        if let (Some(first), Some(last)) = (segments.first(), segments.last()) {
            (job.base, job.last) = (first.entry.base, last.entry.last);
            (job.chain, job.page_count) = (last.chain, last.page_count);
        }
        self.job_out = true;
        Ok(job)
    }

    /// Bytes of records in segments that the newest state does not use. Index and dictionary are none: no merge gets rid of
    /// them, and one would follow the other for ever.
    pub(crate) fn dead_bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.record_bytes.saturating_sub(segment.live.bytes)).sum()
    }

    fn live_bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.live.bytes).sum()
    }

    fn kept_bytes(&self) -> u64 {
        self.segments.iter().map(Segment::kept_bytes).sum()
    }

    fn dead_bytes_max(&self) -> u64 {
        let needed = self.live_bytes() + self.kept_bytes();
        (needed / 100).saturating_mul(u64::from(self.options.dead_percent_max)).max(DEAD_BYTES_MIN)
    }

    /// Counts what kept commits need of each segment, once it matters: it takes a look into indexes.
    fn count_kept(&mut self) -> Result<()> {
        let keep = self.keep();
        let Some(newest) = keep.newest() else { return Ok(()) };
        for index in 0..self.segments.len() {
            if self.dead_bytes() <= self.dead_bytes_max() + self.kept_bytes() {
                break;
            }
            let Some(segment) = self.segments.get(index).filter(|segment| segment.kept.is_none()) else { continue };
            let Some(file) = self.view.files.get(segment.slot) else { continue };
            let header = read_header(&file.device, &file.name)?;
            let contents = read_contents(file, &header, &segment.entry)?;
            let mut bytes = 0;
            let mut entries = contents.entries.iter().peekable();
            while let Some(entry) = entries.next() {
                let location = Location::new(segment.slot, entry.offset, entry.body_bytes, entry.commit);
                let next = entries.peek().filter(|next| next.page == entry.page).map(|next| next.commit);
                if self.view.location(entry.page) != Some(location) && keep.shows(entry.commit, next) {
                    bytes += record_bytes(location);
                }
            }
            if let Some(segment) = self.segments.get_mut(index) {
                segment.kept = Some(Kept { bytes, newest });
            }
        }
        Ok(())
    }

    /// Which neighbours to merge, by C2.
    fn choose(&self) -> Option<core::ops::Range<usize>> {
        if let Some(outlived) = self.outlived() {
            return Some(outlived);
        }
        let dead = self.dead_bytes().saturating_sub(self.kept_bytes());
        if dead > self.dead_bytes_max() && self.commits_fit(&(0..self.segments.len())) {
            return Some(0..self.segments.len());
        }
        if self.segments.len() <= self.options.segments_max.max(1) {
            return None;
        }
        self.cheapest_run()
    }

    /// The neighbours whose merge writes the least for each file that it saves.
    ///
    /// FORMAT: write-6
    fn cheapest_run(&self) -> Option<core::ops::Range<usize>> {
        let needed = |segment: &Segment| segment.live.bytes + segment.kept_bytes();
        let cost: Vec<u64> = self.segments.iter().map(|segment| needed(segment) + MERGE_BYTES_FIXED).collect();
        let mut best: Option<(u64, core::ops::Range<usize>)> = None;
        for start in 0..cost.len() {
            let mut bytes = 0u64;
            for (count, one) in (1u64..).zip(cost.get(start..).unwrap_or_default()) {
                bytes += one;
                if count < 2 {
                    continue;
                }
                let each = bytes / (count - 1);
                let end = start + usize::try_from(count).unwrap_or(usize::MAX);
                if !self.commits_fit(&(start..end)) {
                    break;
                }
                if best.as_ref().is_none_or(|(least, _)| each <= *least) {
                    best = Some((each, start..end));
                }
            }
        }
        best.map(|(_, run)| run)
    }

    /// Whether what these segments remember of commits has room in one record.
    fn commits_fit(&self, run: &core::ops::Range<usize>) -> bool {
        let segments = self.segments.get(run.clone()).unwrap_or_default();
        segments.iter().map(|segment| segment.commits.len()).sum::<usize>() <= COMMITS_MAX
    }

    /// The key epoch of new segments.
    fn target_epoch(&self) -> Epoch {
        if self.decrypting || self.keys.is_none() { Epoch(0) } else { self.manifest.epoch }
    }

    /// A segment under an outlived key, or none where there should be one: a rotation or encryption that was interrupted goes
    /// on by itself.
    fn outlived(&self) -> Option<core::ops::Range<usize>> {
        let epoch = self.target_epoch();
        self.segments.iter().position(|segment| segment.entry.epoch != epoch).map(|index| index..index + 1)
    }

    fn stale(&self) -> Option<core::ops::Range<usize>> {
        let epoch = self.target_epoch();
        let stale = |segment: &Segment| segment.entry.epoch != epoch || segment.entry.id < self.rewrite_before;
        self.segments.iter().position(stale).map(|index| index..index + 1)
    }

    /// Merges or rewrites until nothing of that kind is left to do.
    pub fn compact(&mut self, compaction: Compaction, workers: &dyn Workers, threads: usize) -> Result<u32> {
        self.check_writable()?;
        self.claim_job()?;
        let mut count = 0;
        while let Some(job) = self.compact_job(compaction)? {
            self.run_job(job, workers, threads)?;
            count += 1;
            if compaction == Compaction::All {
                break;
            }
        }
        Ok(count)
    }

    /// A bounded share of whatever is due: folding a log, or merging segments. Call it when there is time.
    pub fn maintain(&mut self, budget_bytes: u64) -> Result<Maintained> {
        if !self.is_at_work() {
            let Some(job) = self.due_job(true)? else {
                return Ok(Maintained { idle: !self.job_out, installed: None });
            };
            self.begin_job(job)?;
        }
        self.step_job(budget_bytes)
    }

    /// The job that is due: folding the log, which is closed for it once it has grown enough, or else merging segments unless
    /// `compaction` is off. `None` if nothing is, or a job is out.
    pub fn due_job(&mut self, compaction: bool) -> Result<Option<Job>> {
        if self.needs_checkpoint() && self.sealed.is_empty() {
            self.seal_log()?;
        }
        // Where commits never pause a log always waits, and a log that grows meanwhile is better than ever more files.
        if compaction
            && self.segments.len() > self.options.segments_max
            && let Some(job) = self.compact_job(Compaction::Auto)?
        {
            return Ok(Some(job));
        }
        match self.fold_job()? {
            None if compaction => self.compact_job(Compaction::Auto),
            job => Ok(job),
        }
    }

    /// Starts a job here, to be done by [`step_job`](Self::step_job).
    pub fn begin_job(&mut self, job: Job) -> Result<()> {
        let target = job.target();
        match self.start_task(job, 1) {
            Ok(task) => self.running = Some(task),
            Err(error) => {
                let _ = self.abandon_job(&target);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Whether a job was begun here and is not done.
    pub const fn is_at_work(&self) -> bool {
        self.running.is_some()
    }

    /// A bounded share of the job that was begun here.
    pub fn step_job(&mut self, budget_bytes: u64) -> Result<Maintained> {
        let Some(mut task) = self.running.take() else { return Ok(Maintained::default()) };
        match task.step(budget_bytes.min(STEP_BYTES), &mut *self.entropy, &Inline) {
            Ok(false) => {
                self.running = Some(task);
                Ok(Maintained::default())
            }
            Ok(true) => {
                let target = task.target();
                let installed = task.finish(&mut *self.entropy).and_then(|done| self.install(&done));
                if installed.is_err() {
                    let _ = self.abandon_job(&target);
                }
                Ok(Maintained { idle: false, installed: Some(installed?) })
            }
            Err(error) => {
                let _ = self.abandon_job(&task.target());
                Err(error)
            }
        }
    }
}

/// Dead bytes below this are not worth a merge.
const DEAD_BYTES_MIN: u64 = 1 << 20;

/// What a merge costs besides bytes, so that tiny segments are merged many at a time.
const MERGE_BYTES_FIXED: u64 = 64 << 10;

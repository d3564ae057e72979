//! Verifying: every byte of every file that counts, and a list of what is bad. The index leads from record to record, so that
//! one damaged size does not hide what lies behind it; only where the index is damaged itself are the records walked.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use crate::device::{Device, Storage};
use crate::error::{Error, Result, What};
use crate::file::OpenFile;
use crate::format::index::IndexEntry;
use crate::format::layout::RECORD_HEADER_BYTES;
use crate::format::manifest::SegmentEntry;
use crate::format::segment::SegmentHeader;
use crate::ids::PageNo;
use crate::location::Location;
use crate::recover::read_contents;
use crate::scratch::Scratch;
use crate::segment::{check_record, read_header, scan_some};
use crate::snapshot::Snapshot;
use crate::store::Store;

/// What verifying found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// Page records that were opened, in segments and logs.
    pub records: u64,
    /// Bytes of the files that were read.
    pub bytes: u64,
    /// What is damaged, with file and offset.
    pub damage: Vec<Error>,
    /// Pages of the newest state that cannot be read because of it.
    pub pages_lost: Vec<PageNo>,
}

/// A verification that is under way, of the state in which it began: what is committed or folded meanwhile changes nothing in
/// it, and it holds nobody up.
pub struct Verification<D> {
    verified: Verified,
    /// The segments that are still to be looked at, last first, and where in the newest of them.
    segments: Vec<(Arc<OpenFile<D>>, SegmentEntry)>,
    place: Option<Way>,
    /// Frames in logs that only older commits show.
    frames: Vec<(PageNo, Location)>,
    snapshot: Snapshot<D>,
    next_page: u32,
    scratch: Scratch,
    raw: Vec<u8>,
    done_bytes: u64,
    total_bytes: u64,
}

/// How the records of a segment are gone through, and what of them is left.
enum Way {
    Index(vec::IntoIter<IndexEntry>),
    Walk(SegmentHeader, u64),
}

impl<D: Device> Verification<D> {
    /// Bytes done and bytes in all, stored ones of segments and uncompressed ones of pages.
    pub const fn progress(&self) -> (u64, u64) {
        (self.done_bytes, self.total_bytes)
    }

    /// Records that were opened so far.
    pub fn records(&self) -> u64 {
        self.verified.records
    }

    /// Looks at about so many bytes. True when all is done.
    pub fn step(&mut self, budget_bytes: u64) -> Result<bool> {
        let Some((file, entry)) = self.segments.last() else { return self.state(budget_bytes) };
        let Some(way) = self.place.take().or_else(|| begin(file, entry, &mut self.verified.damage)) else {
            self.next_segment();
            return Ok(false);
        };
        let (records, damage) = (&mut self.verified.records, &mut self.verified.damage);
        let (spent, left) = match way {
            Way::Walk(header, start) => {
                let next = scan_some(file, &header, start, budget_bytes, |found| match found {
                    Ok(_) => *records += 1,
                    Err(error) => damage.push(error),
                })?;
                (next.map_or(0, |next| next - start), next.map(|next| Way::Walk(header, next)))
            }
            Way::Index(mut entries) => {
                let mut spent = 0;
                let left = loop {
                    let Some(entry) = entries.next() else { break None };
                    match check_record(file, &entry, &mut self.raw) {
                        Ok(()) => *records += 1,
                        Err(error @ Error::Corrupt(_)) => damage.push(error),
                        Err(error) => return Err(error),
                    }
                    spent += (RECORD_HEADER_BYTES + entry.body_bytes as usize) as u64;
                    if spent >= budget_bytes {
                        break Some(Way::Index(entries));
                    }
                };
                (spent, left)
            }
        };
        self.done_bytes += spent;
        self.place = left;
        if self.place.is_none() {
            self.next_segment();
        }
        Ok(false)
    }

    /// What was found.
    pub fn finish(self) -> Verified {
        self.verified
    }

    fn next_segment(&mut self) {
        self.segments.pop();
        let left: u64 = self.segments.iter().map(|(_, entry)| entry.file_bytes).sum();
        self.done_bytes = self.total_bytes.saturating_sub(left + self.page_bytes());
    }

    fn page_bytes(&self) -> u64 {
        u64::from(self.snapshot.page_count.0) * u64::from(self.snapshot.page_size.get())
    }

    /// Pages of the state itself, which may be in logs, after those in logs that it does not show.
    fn state(&mut self, budget_bytes: u64) -> Result<bool> {
        self.raw.resize(self.snapshot.page_size.bytes(), 0);
        let mut spent = 0;
        while spent < budget_bytes.max(1) {
            let Some((page, location)) = self.frames.pop() else { return Ok(self.pages(budget_bytes - spent)) };
            match self.snapshot.read_location(page, location, &mut self.raw, &mut self.scratch) {
                Ok(()) => self.verified.records += 1,
                // That of a base is found with each of its patches.
                Err(error @ Error::Corrupt(_)) if self.verified.damage.contains(&error) => {}
                Err(error @ Error::Corrupt(_)) => self.verified.damage.push(error),
                Err(error) => return Err(error),
            }
            spent += self.raw.len() as u64;
        }
        Ok(false)
    }

    /// Whether a page is in a log or an increment, and not in a segment, whose records are gone through before.
    fn is_only_read_as_page(&self, page: PageNo) -> bool {
        let file = self.snapshot.location(page).and_then(|location| self.snapshot.files.of(location).ok());
        file.is_some_and(|file| file.sealed_bytes.is_none())
    }

    fn pages(&mut self, budget_bytes: u64) -> bool {
        let mut spent = 0;
        while let Some(page) = PageNo::new(self.next_page).filter(|page| self.snapshot.page_count.contains(*page)) {
            if spent >= budget_bytes {
                return false;
            }
            match self.snapshot.read(page, &mut self.raw, &mut self.scratch) {
                Ok(_) => self.verified.records += u64::from(self.is_only_read_as_page(page)),
                Err(error) => {
                    self.verified.pages_lost.push(page);
                    if !self.verified.damage.contains(&error) {
                        self.verified.damage.push(error);
                    }
                }
            }
            spent += self.raw.len() as u64;
            self.next_page += 1;
        }
        self.done_bytes = self.total_bytes;
        true
    }
}

/// Looks at what leads to a segment's records. `None` if nothing does.
fn begin<D: Device>(file: &OpenFile<D>, entry: &SegmentEntry, damage: &mut Vec<Error>) -> Option<Way> {
    match read_header(&file.device, &file.name) {
        Ok(header) => {
            match read_contents(file, &header, entry) {
                Ok(contents) if !contents.rebuilt => return Some(Way::Index(contents.entries.into_iter())),
                Ok(_) => damage.push(file.corrupt(entry.file_bytes, What::Index)),
                Err(error) => damage.push(error),
            }
            let start = header.data_start();
            Some(Way::Walk(header, start))
        }
        Err(error) => {
            damage.push(error);
            None
        }
    }
}

impl<D> fmt::Debug for Verification<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verification({} of {} bytes)", self.done_bytes, self.total_bytes)
    }
}

impl<S: Storage> Store<S> {
    /// Begins to verify the state of now.
    pub fn verification(&self) -> Verification<S::Device> {
        let mut verified = Verified::default();
        let mut segments = Vec::new();
        for segment in self.segments.iter().rev() {
            let Some(file) = self.view.files.get(segment.slot) else { continue };
            verified.bytes += segment.entry.file_bytes;
            segments.push((Arc::clone(file), segment.entry));
        }
        let snapshot = Snapshot { verify: true, ..self.view.clone() };
        let page_size = self.manifest.page_size;
        let total_bytes = verified.bytes + u64::from(snapshot.page_count.0) * u64::from(page_size.get());
        verified.bytes += self.sealed.iter().chain(&self.log).map(|log| log.end).sum::<u64>();
        let logs = self.sealed.iter().chain(&self.log);
        let frames = logs.flat_map(|log| log.frames.iter().map(|frame| (frame.page, frame.location(log.slot))));
        // The others are opened as pages of the state.
        let frames: Vec<_> = frames.filter(|(page, location)| snapshot.location(*page) != Some(*location)).collect();
        Verification {
            verified,
            segments,
            place: None,
            frames,
            snapshot,
            next_page: 1,
            scratch: Scratch::default(),
            raw: vec![0; page_size.bytes()],
            done_bytes: 0,
            total_bytes,
        }
    }

    /// Opens every record of every segment and log, and every page of the newest state. `progress` is told the records done
    /// and may say `false` to stop.
    pub fn verify(&self, mut progress: impl FnMut(u64) -> bool) -> Result<Verified> {
        let mut verification = self.verification();
        while !verification.step(STEP_BYTES)? && progress(verification.records()) {}
        Ok(verification.finish())
    }
}

const STEP_BYTES: u64 = 1 << 20;

//! Verifying: every byte of every file that counts, and a list of what is bad.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use crate::device::{Device, Storage};
use crate::error::{Error, Result, What};
use crate::file::OpenFile;
use crate::format::manifest::SegmentEntry;
use crate::format::segment::SegmentHeader;
use crate::ids::PageNo;
use crate::recover::read_contents;
use crate::scratch::Scratch;
use crate::segment::{read_header, scan_some};
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
    place: Option<(SegmentHeader, u64)>,
    snapshot: Snapshot<D>,
    next_page: u32,
    scratch: Scratch,
    raw: Vec<u8>,
    done_bytes: u64,
    total_bytes: u64,
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
        let Some((file, entry)) = self.segments.last() else { return Ok(self.pages(budget_bytes)) };
        let place = self.place.take().or_else(|| {
            let header = begin(file, entry, &mut self.verified.damage)?;
            let start = header.data_start();
            Some((header, start))
        });
        let Some((header, start)) = place else {
            self.next_segment();
            return Ok(false);
        };
        let (records, damage) = (&mut self.verified.records, &mut self.verified.damage);
        let next = scan_some(file, &header, start, budget_bytes, |found| match found {
            Ok(_) => *records += 1,
            Err(error) => damage.push(error),
        })?;
        match next {
            Some(next) => {
                self.done_bytes += next - start;
                self.place = Some((header, next));
            }
            None => self.next_segment(),
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

    /// Pages of the state itself, which may be in logs.
    fn pages(&mut self, budget_bytes: u64) -> bool {
        let mut spent = 0;
        while let Some(page) = PageNo::new(self.next_page).filter(|page| self.snapshot.page_count.contains(*page)) {
            if spent >= budget_bytes {
                return false;
            }
            if let Err(error) = self.snapshot.read(page, &mut self.raw, &mut self.scratch) {
                self.verified.pages_lost.push(page);
                if !self.verified.damage.contains(&error) {
                    self.verified.damage.push(error);
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
fn begin<D: Device>(file: &OpenFile<D>, entry: &SegmentEntry, damage: &mut Vec<Error>) -> Option<SegmentHeader> {
    match read_header(&file.device, &file.name) {
        Ok(header) => {
            match read_contents(file, &header, entry) {
                Ok(contents) if contents.rebuilt => damage.push(file.corrupt(entry.file_bytes, What::Index)),
                Err(error) => damage.push(error),
                Ok(_) => {}
            }
            Some(header)
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
        verified.records = self.log_frames();
        Verification {
            verified,
            segments,
            place: None,
            snapshot,
            next_page: 1,
            scratch: Scratch::default(),
            raw: vec![0; page_size.bytes()],
            done_bytes: 0,
            total_bytes,
        }
    }

    /// Opens every record of every segment, and every page of the newest state. `progress` is told the records done and may
    /// say `false` to stop.
    pub fn verify(&self, mut progress: impl FnMut(u64) -> bool) -> Result<Verified> {
        let mut verification = self.verification();
        while !verification.step(STEP_BYTES)? && progress(verification.records()) {}
        Ok(verification.finish())
    }
}

const STEP_BYTES: u64 = 1 << 20;

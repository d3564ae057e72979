//! What a segment holds, by its index or by a scan where that is damaged, and how it lies over what is older.

use alloc::vec::Vec;

use crate::cipher::Cipher;
use crate::device::Device;
use crate::error::{Error, Result, What};
use crate::file::OpenFile;
use crate::format::commits::CommitInfo;
use crate::format::index::IndexEntry;
use crate::format::layout::SEGMENT_HEADER_BYTES;
use crate::format::manifest::SegmentEntry;
use crate::format::seal::Seal;
use crate::format::segment::SegmentHeader;
use crate::ids::{CommitId, PageCount};
use crate::location::Location;
use crate::segment::{read_commits, read_index, read_seal, scan_records, walk_to_commits};
use crate::table::Table;

/// What a segment holds.
pub(crate) struct Contents {
    /// In page order, and commit order within a page.
    pub entries: Vec<IndexEntry>,
    pub commits: Vec<CommitInfo>,
    /// `None` if it is damaged.
    pub seal: Option<Seal>,
    pub rebuilt: bool,
}

impl Contents {
    /// What its page records take.
    pub fn record_bytes(&self) -> u64 {
        let header_bytes = crate::format::layout::RECORD_HEADER_BYTES as u64;
        self.entries.iter().map(|entry| header_bytes + u64::from(entry.body_bytes)).sum()
    }
}

/// Reads a segment's index and commits, or scans its records if those are damaged.
pub(crate) fn read_contents<D: Device>(
    file: &OpenFile<D>,
    header: &SegmentHeader,
    entry: &SegmentEntry,
) -> Result<Contents> {
    let indexed = || -> Result<Contents> {
        let seal = read_seal(file, header)?;
        if seal.last != entry.last || seal.base != entry.base || seal.records != entry.records {
            return Err(file.corrupt(entry.file_bytes, What::Seal));
        }
        check_dictionary(file, header, Some(&seal))?;
        // A seal can claim any number; an index entry takes three bytes at least.
        let entries_max = (seal.commits_start - seal.index_start) / 3;
        let capacity = seal.records.min(entries_max).min(1 << 20);
        let mut entries = Vec::with_capacity(usize::try_from(capacity).unwrap_or(0));
        read_index(file, header, &seal, |index| entries.push(index))?;
        Ok(Contents { entries, commits: read_commits(file, &seal)?, seal: Some(seal), rebuilt: false })
    };
    match indexed() {
        Err(Error::Corrupt(found)) if found.what != What::Dictionary => scan_contents(file, header, entry),
        other => other,
    }
}

/// Nothing but the seal tells whether a dictionary that no key authenticates is as it was written, and a page decompressed
/// with another is another page.
fn check_dictionary<D: Device>(file: &OpenFile<D>, header: &SegmentHeader, seal: Option<&Seal>) -> Result<()> {
    // FORMAT: segment-8
    let Some(dictionary) = file.dictionary.as_ref().filter(|_| header.cipher == Cipher::None) else { return Ok(()) };
    if seal.is_some_and(|seal| seal.dictionary_crc == dictionary.id()) {
        Ok(())
    } else {
        Err(file.corrupt(SEGMENT_HEADER_BYTES as u64, What::Dictionary))
    }
}

/// FORMAT: index-3
fn scan_contents<D: Device>(file: &OpenFile<D>, header: &SegmentHeader, entry: &SegmentEntry) -> Result<Contents> {
    let seal = read_seal(file, header).ok();
    check_dictionary(file, header, seal.as_ref())?;
    let mut entries = Vec::new();
    let mut damage = None;
    scan_records(file, header, |found| match found {
        Ok(index) => entries.push(index),
        Err(error) => damage = damage.take().or(Some(error)),
    })?;
    if let Some(error) = damage {
        return Err(error);
    }
    if entries.len() as u64 != entry.records {
        return Err(file.corrupt(entry.file_bytes, What::Index));
    }
    // Commits that shrank the database are remembered in the commits record alone; it may be whole where the index is not.
    let commits = match &seal {
        Some(seal) => read_commits(file, seal)?,
        None => walk_to_commits(file, header)?,
    };
    entries.sort_unstable_by_key(|index| (index.page, index.commit));
    Ok(Contents { entries, commits, seal, rebuilt: true })
}

/// Lays the versions of a segment over those of older ones.
pub(crate) fn overlay(
    table: &mut Table,
    contents: &Contents,
    upto: CommitId,
    location: impl Fn(&IndexEntry) -> Location,
) {
    let cuts = Cuts::new(contents.commits.iter().filter(|info| info.commit <= upto));
    table.truncate(cuts.lowest, |_| ());
    for entry in contents.entries.iter().filter(|entry| entry.commit <= upto) {
        if cuts.shows(entry.page.get(), entry.commit) {
            table.set(entry.page, location(entry));
        }
    }
}

/// Which commits cut the database off where, to tell whether a version still shows through.
struct Cuts {
    lowest: PageCount,
    /// By size, with the newest commit that cut at that size or below.
    cuts: Vec<(PageCount, CommitId)>,
}

impl Cuts {
    fn new<'a>(commits: impl Iterator<Item = &'a CommitInfo>) -> Self {
        let mut cuts: Vec<_> = commits.filter_map(|info| Some((info.cut?, info.commit))).collect();
        cuts.sort_unstable();
        let mut newest = CommitId::ZERO;
        for (_, commit) in &mut cuts {
            newest = newest.max(*commit);
            *commit = newest;
        }
        let lowest = cuts.first().map_or(PageCount(u32::MAX), |cut| cut.0);
        Self { lowest, cuts }
    }

    /// Whether no commit after `commit` cut this page off.
    fn shows(&self, page: u32, commit: CommitId) -> bool {
        let below = self.cuts.partition_point(|(count, _)| count.0 < page);
        below.checked_sub(1).and_then(|last| self.cuts.get(last)).is_none_or(|(_, newest)| *newest <= commit)
    }
}

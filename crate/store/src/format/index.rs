//! The index of a segment: which versions of which pages it holds, and where.
//!
//! Records stand in the order of the index without gaps, so an entry needs no offset: only the first of each index record
//! is written, the others follow from the sizes.

use alloc::vec::Vec;

use super::layout::{INDEX_ENTRIES_MAX, INDEX_ENTRY_BYTES_MAX, RECORD_HEADER_BYTES};
use crate::bytes::{Put, Reader};
use crate::ids::{CommitId, PageNo};

/// One version of one page in a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct IndexEntry {
    pub page: PageNo,
    pub commit: CommitId,
    /// Where the record begins.
    pub offset: u64,
    /// Of the record's body.
    pub body_bytes: u32,
}

/// The raw payload of one index record at most.
pub(crate) const INDEX_PAYLOAD_BYTES_MAX: usize = 12 + INDEX_ENTRIES_MAX * INDEX_ENTRY_BYTES_MAX;

/// Collects the entries of one index record.
#[derive(Default)]
pub(crate) struct IndexEncoder {
    out: Vec<u8>,
    count: usize,
    last_page: u32,
    last_commit: u64,
}

impl IndexEncoder {
    pub const fn is_full(&self) -> bool {
        self.count >= INDEX_ENTRIES_MAX
    }

    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds the record that follows the one before.
    pub fn push(&mut self, entry: IndexEntry) {
        if self.count == 0 {
            self.out.put_u64(entry.offset);
            self.out.put_u32(0);
        }
        debug_assert!(entry.page.get() >= self.last_page, "an index is in page order");
        self.out.put_varint(u64::from(entry.page.get().wrapping_sub(self.last_page)));
        self.out.put_varint(zigzag(entry.commit.0.wrapping_sub(self.last_commit)));
        self.out.put_varint(u64::from(entry.body_bytes));
        self.last_page = entry.page.get();
        self.last_commit = entry.commit.0;
        self.count += 1;
    }

    /// The payload, and an empty encoder after it.
    pub fn finish(&mut self) -> Vec<u8> {
        let count = u32::try_from(self.count).unwrap_or(u32::MAX);
        let mut out = core::mem::take(self).out;
        crate::bytes::patch(&mut out, 8, &count.to_le_bytes());
        out
    }
}

/// Reads the payload of one index record, entry by entry. `None` at the first that breaks a rule.
///
/// FORMAT: index-2
pub(crate) fn decode_index(payload: &[u8], mut entry: impl FnMut(IndexEntry)) -> Option<usize> {
    let mut reader = Reader::new(payload);
    let mut offset = reader.u64()?;
    let count = reader.u32()? as usize;
    if count == 0 || count > INDEX_ENTRIES_MAX {
        return None;
    }
    let (mut page, mut commit) = (0u32, 0u64);
    for _ in 0..count {
        let step = u32::try_from(reader.varint()?).ok()?;
        page = page.checked_add(step)?;
        commit = commit.wrapping_add(unzigzag(reader.varint()?));
        let body_bytes = u32::try_from(reader.varint()?).ok()?;
        entry(IndexEntry { page: PageNo::new(page)?, commit: CommitId(commit), offset, body_bytes });
        offset = offset.checked_add(RECORD_HEADER_BYTES as u64 + u64::from(body_bytes))?;
    }
    reader.is_empty().then_some(count)
}

/// Small differences either way become small numbers.
const fn zigzag(difference: u64) -> u64 {
    (difference << 1) ^ (difference >> 63).wrapping_neg()
}

const fn unzigzag(value: u64) -> u64 {
    (value >> 1) ^ (value & 1).wrapping_neg()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_round_trip_with_offsets_that_follow_from_sizes() {
        let sizes = [10u32, 70_000, 0, 300];
        let mut entries = Vec::new();
        let mut offset = 64;
        for (index, body_bytes) in (0u32..).zip(sizes) {
            let page = PageNo::new(1 + index * 1000).unwrap();
            entries.push(IndexEntry { page, commit: CommitId(50 - u64::from(index) * 7), offset, body_bytes });
            offset += 12 + u64::from(body_bytes);
        }
        let mut encoder = IndexEncoder::default();
        for &entry in &entries {
            encoder.push(entry);
        }
        let payload = encoder.finish();
        assert!(encoder.is_empty());
        let mut decoded = Vec::new();
        assert_eq!(decode_index(&payload, |entry| decoded.push(entry)), Some(4));
        assert_eq!(decoded, entries);
    }

    #[test]
    fn differences_of_any_sign_round_trip() {
        for difference in [0, 1, u64::MAX, u64::MAX / 2, 1 << 63, 12345] {
            assert_eq!(unzigzag(zigzag(difference)), difference);
        }
    }

    #[test]
    fn a_count_beyond_the_limit_is_refused() {
        let mut payload = Vec::new();
        payload.put_u64(64);
        payload.put_u32(u32::MAX);
        assert_eq!(decode_index(&payload, |_| ()), None);
    }

    #[test]
    fn an_index_record_has_one_entry_at_least_and_not_too_many() {
        let payload = |count: usize| {
            let mut out = 64u64.to_le_bytes().to_vec();
            out.extend(u32::try_from(count).unwrap().to_le_bytes());
            // A step of one page, the same commit, an empty body.
            out.extend([1, 0, 0].repeat(count));
            decode_index(&out, |_| ())
        };
        assert_eq!((payload(0), payload(1)), (None, Some(1)));
        assert_eq!((payload(INDEX_ENTRIES_MAX), payload(INDEX_ENTRIES_MAX + 1)), (Some(INDEX_ENTRIES_MAX), None));
    }
}

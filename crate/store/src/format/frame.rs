//! Log frames: a page frame carries one page's body, a commit frame closes the run of a transaction.
//!
//! The checksum at the end needs no key, so a log can be scanned, and told from a torn one, without opening its bodies.

use alloc::vec::Vec;

use super::layout::{COMMIT_PAYLOAD_BYTES, FRAME_HEADER_BYTES, FRAME_MAGIC, FRAME_TRAILER_BYTES};
use crate::bytes::{Put, Reader};
use crate::crc::crc32;
use crate::format::body::{body_bytes_max, fixed_body_bytes};
use crate::ids::{Chain, CommitId, LogGeneration, PageCount, PageSize, RequestId};

/// The fields before a frame's body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FrameHeader {
    /// Of the whole frame.
    pub frame_bytes: u32,
    /// 0 in a commit frame.
    pub page: u32,
    pub commit: CommitId,
}

impl FrameHeader {
    /// FORMAT: frame-1
    pub fn decode(bytes: &[u8], page_size: PageSize) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        if reader.u32()? != FRAME_MAGIC {
            return None;
        }
        let header = Self { frame_bytes: reader.u32()?, page: reader.u32()?, commit: CommitId(reader.u64()?) };
        let payload_max = if header.page == 0 { COMMIT_MARK_BYTES + COMMIT_PAYLOAD_BYTES } else { page_size.bytes() };
        // FORMAT: frame-2
        let frame_bytes_max = FRAME_HEADER_BYTES + body_bytes_max(payload_max) + FRAME_TRAILER_BYTES;
        let frame_bytes = header.frame_bytes as usize;
        (frame_bytes > FRAME_HEADER_BYTES + FRAME_TRAILER_BYTES && frame_bytes <= frame_bytes_max).then_some(header)
    }
}

/// Begins a frame: its header, with the size to be set when the body is there. Returns where it begins.
pub(crate) fn begin_frame(out: &mut Vec<u8>, page: u32, commit: CommitId) -> usize {
    let start = out.len();
    out.put_u32(FRAME_MAGIC);
    out.put_u32(0);
    out.put_u32(page);
    out.put_u64(commit.0);
    start
}

/// Ends a frame that [`begin_frame`] began: sets the size and appends the checksum, which it returns.
pub(crate) fn end_frame(out: &mut Vec<u8>, start: usize) -> u32 {
    let frame_bytes = u32::try_from(out.len() - start + FRAME_TRAILER_BYTES).unwrap_or(u32::MAX);
    crate::bytes::patch(out, start + 4, &frame_bytes.to_le_bytes());
    let crc = crc32(&[out.get(start..).unwrap_or_default()]);
    out.put_u32(crc);
    crc
}

/// Checks a whole frame's checksum and gives it with the body between.
///
/// FORMAT: frame-3
pub(crate) fn check_frame(frame: &[u8]) -> Option<(u32, &[u8])> {
    let (covered, crc) = frame.split_last_chunk::<FRAME_TRAILER_BYTES>()?;
    let crc = u32::from_le_bytes(*crc);
    if crc32(&[covered]) != crc {
        return None;
    }
    Some((crc, covered.get(FRAME_HEADER_BYTES..)?))
}

/// The page data of a commit frame begins with its flushed mark in the clear, so that damage is told from a torn tail even
/// where the key's salt is lost; the body repeats it, authenticated.
pub(crate) const COMMIT_MARK_BYTES: usize = 8;

/// Splits the page data of a commit frame into its clear flushed mark and its body.
pub(crate) fn split_commit(page_data: &[u8]) -> Option<(CommitId, &[u8])> {
    let (mark, body) = page_data.split_first_chunk::<COMMIT_MARK_BYTES>()?;
    Some((CommitId(u64::from_le_bytes(*mark)), body))
}

/// How long a commit frame is.
pub(crate) const fn commit_frame_bytes(encrypted: bool) -> usize {
    let body_bytes = fixed_body_bytes(COMMIT_PAYLOAD_BYTES, encrypted);
    FRAME_HEADER_BYTES + COMMIT_MARK_BYTES + body_bytes + FRAME_TRAILER_BYTES
}

/// What a commit frame says of its transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct CommitPayload {
    /// The database's size after it.
    pub page_count: PageCount,
    /// The smallest size it had on the way: older versions of pages past this do not show through.
    pub page_count_low: PageCount,
    /// Page frames in the run.
    pub frame_count: u32,
    /// Where the run begins.
    pub run_start: u64,
    /// Over everything up to and with this commit.
    pub chain: Chain,
    pub request: RequestId,
    /// Every commit up to here was known to be flushed when this was written.
    pub flushed: CommitId,
    /// When, in milliseconds since 1970; 0 if nobody said.
    pub time_ms: u64,
    pub generation: LogGeneration,
}

impl CommitPayload {
    pub fn encode(&self) -> [u8; COMMIT_PAYLOAD_BYTES] {
        let mut out = Vec::with_capacity(COMMIT_PAYLOAD_BYTES);
        out.put_u32(self.page_count.0);
        out.put_u32(self.page_count_low.0);
        out.put_u32(self.frame_count);
        out.put_u32(0);
        out.put_u64(self.run_start);
        out.put(&self.chain.0);
        out.put(&self.request.0);
        out.put_u64(self.flushed.0);
        out.put_u64(self.time_ms);
        out.put_u64(self.generation.0);
        out.first_chunk().copied().unwrap_or([0; COMMIT_PAYLOAD_BYTES])
    }

    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let payload = Self {
            page_count: PageCount(reader.u32()?),
            page_count_low: PageCount(reader.u32()?),
            frame_count: {
                let frame_count = reader.u32()?;
                reader.zeros(4)?;
                frame_count
            },
            run_start: reader.u64()?,
            chain: Chain(reader.array()?),
            request: RequestId(reader.array()?),
            flushed: CommitId(reader.u64()?),
            time_ms: reader.u64()?,
            generation: LogGeneration(reader.u64()?),
        };
        reader.is_empty().then_some(payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload() -> CommitPayload {
        CommitPayload {
            page_count: PageCount(12),
            page_count_low: PageCount(11),
            frame_count: 3,
            run_start: 4096,
            chain: Chain([1; 16]),
            request: RequestId([2; 16]),
            flushed: CommitId(8),
            time_ms: 77,
            generation: LogGeneration(4),
        }
    }

    #[test]
    fn commit_payload_round_trips() {
        assert_eq!(CommitPayload::decode(&payload().encode()), Some(payload()));
        assert_eq!(CommitPayload::decode(&payload().encode()[1..]), None);
    }

    #[test]
    fn every_flipped_bit_of_a_frame_is_noticed() {
        let mut out = Vec::new();
        let start = begin_frame(&mut out, 5, CommitId(9));
        out.put(b"a body of some bytes");
        end_frame(&mut out, start);
        assert!(check_frame(&out).is_some());
        assert_eq!(
            FrameHeader::decode(&out, PageSize::MIN),
            Some(FrameHeader { frame_bytes: 44, page: 5, commit: CommitId(9) })
        );
        for bit in 0..out.len() * 8 {
            let mut flipped = out.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(check_frame(&flipped).is_none(), "bit {bit}");
        }
    }

    #[test]
    fn a_frame_larger_than_a_page_can_be_is_refused_before_it_is_read() {
        let mut out = Vec::new();
        begin_frame(&mut out, 5, CommitId(9));
        crate::bytes::patch(&mut out, 4, &u32::MAX.to_le_bytes());
        assert_eq!(FrameHeader::decode(&out, PageSize::MAX), None);
    }

    #[test]
    fn a_frame_has_a_body_and_no_larger_one_than_its_page() {
        let size = PageSize::new(1024).unwrap();
        let header = |page: u32, frame_bytes: usize| {
            let mut bytes = Vec::new();
            begin_frame(&mut bytes, page, CommitId(1));
            crate::bytes::patch(&mut bytes, 4, &u32::try_from(frame_bytes).unwrap().to_le_bytes());
            FrameHeader::decode(&bytes, size).is_some()
        };
        let around = FRAME_HEADER_BYTES + FRAME_TRAILER_BYTES;
        for (page, payload_most) in [(1, 1024), (0, COMMIT_MARK_BYTES + COMMIT_PAYLOAD_BYTES)] {
            let most = around + body_bytes_max(payload_most);
            assert!(!header(page, 0) && !header(page, around) && header(page, around + 1));
            assert!(header(page, most) && !header(page, most + 1) && !header(page, u32::MAX as usize));
        }
    }
}

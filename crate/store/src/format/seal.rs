//! The seal: the last record of a segment, of fixed size, found from the end of the file.

use alloc::vec::Vec;

use super::body::fixed_body_bytes;
use super::layout::{RECORD_HEADER_BYTES, SEAL_PAYLOAD_BYTES};
use crate::bytes::{Put, Reader};
use crate::ids::{Chain, CommitId, DatabaseId, PageCount, SegmentId};

/// What a seal says of its segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Seal {
    pub id: SegmentId,
    pub database: DatabaseId,
    /// Where the first index record begins.
    pub index_start: u64,
    pub index_records: u32,
    /// The database's size after `last`.
    pub page_count: PageCount,
    /// Page records.
    pub records: u64,
    /// The segment covers commits after `base`, up to and with `last`.
    pub base: CommitId,
    pub last: CommitId,
    pub chain: Chain,
    /// Of the dictionary section as stored.
    pub dictionary_crc: u32,
    pub flags: u32,
    /// Where the commits record begins.
    pub commits_start: u64,
    /// Of the whole file.
    pub file_bytes: u64,
}

/// A manifest copy stands before the seal: the segment is a database of its own.
pub(crate) const SEAL_SELF_CONTAINED: u32 = 1;
/// The index holds every version that was written in its range, not only the newest.
pub(crate) const SEAL_EVERY_VERSION: u32 = 2;

/// How many bytes at the end of a segment are its seal.
pub(crate) const fn seal_record_bytes(encrypted: bool) -> usize {
    RECORD_HEADER_BYTES + fixed_body_bytes(SEAL_PAYLOAD_BYTES, encrypted)
}

impl Seal {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(SEAL_PAYLOAD_BYTES);
        out.put_u64(self.id.0);
        out.put(&self.database.0);
        out.put_u64(self.index_start);
        out.put_u32(self.index_records);
        out.put_u32(self.page_count.0);
        out.put_u64(self.records);
        out.put_u64(self.base.0);
        out.put_u64(self.last.0);
        out.put(&self.chain.0);
        out.put_u32(self.dictionary_crc);
        out.put_u32(self.flags);
        out.put_u64(self.commits_start);
        out.put_u64(self.file_bytes);
        out
    }

    /// FORMAT: seal-2
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let seal = Self {
            id: SegmentId(reader.u64()?),
            database: DatabaseId(reader.array()?),
            index_start: reader.u64()?,
            index_records: reader.u32()?,
            page_count: PageCount(reader.u32()?),
            records: reader.u64()?,
            base: CommitId(reader.u64()?),
            last: CommitId(reader.u64()?),
            chain: Chain(reader.array()?),
            dictionary_crc: reader.u32()?,
            flags: reader.u32()?,
            commits_start: reader.u64()?,
            file_bytes: reader.u64()?,
        };
        let flags_known = seal.flags & !(SEAL_SELF_CONTAINED | SEAL_EVERY_VERSION) == 0;
        let places_agree = seal.index_start <= seal.commits_start && seal.commits_start <= seal.file_bytes;
        (reader.is_empty() && flags_known && places_agree && seal.base <= seal.last).then_some(seal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each number at the end of what it may be.
    fn seal() -> Seal {
        Seal {
            id: SegmentId(1),
            database: DatabaseId([2; 16]),
            index_start: 100,
            index_records: 1,
            page_count: PageCount(3),
            records: 3,
            base: CommitId(4),
            last: CommitId(4),
            chain: Chain([6; 16]),
            dictionary_crc: 7,
            flags: SEAL_SELF_CONTAINED | SEAL_EVERY_VERSION,
            commits_start: 100,
            file_bytes: 100,
        }
    }

    #[test]
    fn seal_round_trips() {
        let mut bytes = seal().encode();
        assert_eq!(bytes.len(), SEAL_PAYLOAD_BYTES);
        assert_eq!(Seal::decode(&bytes), Some(seal()));
        assert_eq!(Seal::decode(&bytes[..bytes.len() - 1]), None);
        bytes.push(0);
        assert_eq!(Seal::decode(&bytes), None);
    }

    #[test]
    fn each_rule_of_a_seal_is_one_by_itself() {
        for bad in [
            Seal { index_start: 101, file_bytes: 200, ..seal() },
            Seal { commits_start: 101, ..seal() },
            Seal { base: CommitId(5), ..seal() },
            Seal { flags: seal().flags | 1 << 31, ..seal() },
        ] {
            assert_eq!(Seal::decode(&bad.encode()), None, "{bad:?}");
        }
    }
}

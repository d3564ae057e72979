//! The 64-byte header of a sealed segment (SQLCEvfS).

use alloc::vec::Vec;

use super::layout::SEGMENT_HEADER_BYTES;
use super::{FORMAT_VERSION, check_version, foreign};
use crate::bytes::{Put, Reader};
use crate::cipher::Cipher;
use crate::crc::crc32;
use crate::error::{Error, Result, Unsupported, What};
use crate::ids::{Epoch, PageSize, Salt, SegmentId};

const MAGIC: &[u8; 8] = b"SQLCEvfS";
const FLAG_ENCRYPTED: u32 = 1;
const SALT_BYTES: usize = 12;

/// What the first bytes of a segment say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SegmentHeader {
    pub page_size: PageSize,
    /// Of the dictionary section that follows, as stored.
    pub dictionary_bytes: u32,
    pub cipher: Cipher,
    pub id: SegmentId,
    pub epoch: Epoch,
    pub salt: SegmentSalt,
}

/// The random part of a segment's salt; the header has no room for more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SegmentSalt(pub [u8; SALT_BYTES]);

impl SegmentSalt {
    /// FORMAT: segment-4
    pub fn salt(self) -> Salt {
        let mut salt = [0; 16];
        crate::bytes::patch(&mut salt, 0, &self.0);
        Salt(salt)
    }
}

impl SegmentHeader {
    /// Where the records begin.
    pub fn data_start(&self) -> u64 {
        SEGMENT_HEADER_BYTES as u64 + u64::from(self.dictionary_bytes)
    }

    pub fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut out = Vec::with_capacity(SEGMENT_HEADER_BYTES);
        out.put(MAGIC);
        out.put_u32(self.page_size.get());
        out.put_u64(self.data_start());
        out.put_u32(self.dictionary_bytes);
        out.put_u32(if self.cipher == Cipher::None { 0 } else { FLAG_ENCRYPTED });
        out.put_u16(FORMAT_VERSION);
        out.put_u16(0);
        out.put_u16(0);
        out.put_u8(self.cipher.id());
        out.put_u8(0);
        out.put_u64(self.id.0);
        out.put_u32(self.epoch.0);
        out.put(&self.salt.0);
        let crc = crc32(&[&out]);
        out.put_u32(crc);
        out.first_chunk().copied().unwrap_or([0; SEGMENT_HEADER_BYTES])
    }

    /// FORMAT: segment-1
    pub fn decode(file: &str, bytes: &[u8; SEGMENT_HEADER_BYTES]) -> Result<Self> {
        let damaged = || Error::corrupt(file, 0, What::SegmentHeader);
        if !bytes.starts_with(MAGIC) {
            return Err(foreign(file, bytes));
        }
        let (covered, crc) = bytes.split_last_chunk::<4>().ok_or_else(damaged)?;
        if crc32(&[covered]) != u32::from_le_bytes(*crc) {
            return Err(damaged());
        }
        let mut reader = Reader::new(covered.get(28..).unwrap_or_default());
        let version = reader.u16().ok_or_else(damaged)?;
        let required = reader.u16().ok_or_else(damaged)?;
        check_version(file, version, required)?;
        let cipher_id = covered.get(34).copied().ok_or_else(damaged)?;
        let cipher = Cipher::from_id(cipher_id)
            .ok_or_else(|| Error::Unsupported { file: file.into(), what: Unsupported::Cipher(cipher_id) })?;
        Self::decode_fields(cipher, Reader::new(covered)).ok_or_else(damaged)
    }

    fn decode_fields(cipher: Cipher, mut reader: Reader<'_>) -> Option<Self> {
        reader.take(MAGIC.len())?;
        let page_size = PageSize::new(reader.u32()?)?;
        let data_start = reader.u64()?;
        let dictionary_bytes = reader.u32()?;
        let flags = reader.u32()?;
        reader.take(2 + 2 + 2 + 1)?;
        reader.zeros(1)?;
        let id = SegmentId(reader.u64()?);
        let epoch = Epoch(reader.u32()?);
        let salt = SegmentSalt(reader.array()?);
        let header = Self { page_size, dictionary_bytes, cipher, id, epoch, salt };
        // FORMAT: segment-2
        let flags_agree = (flags == FLAG_ENCRYPTED) == (cipher != Cipher::None) && flags & !FLAG_ENCRYPTED == 0;
        (flags_agree && data_start == header.data_start() && reader.is_empty()).then_some(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> SegmentHeader {
        SegmentHeader {
            page_size: PageSize::DEFAULT,
            dictionary_bytes: 1000,
            cipher: Cipher::None,
            id: SegmentId(7),
            epoch: Epoch(0),
            salt: SegmentSalt([9; 12]),
        }
    }

    #[test]
    fn header_round_trips_and_its_fields_stand_where_the_format_says() {
        let bytes = header().encode();
        assert_eq!(SegmentHeader::decode("seg-7", &bytes), Ok(header()));
        assert_eq!(&bytes[..8], b"SQLCEvfS");
        assert_eq!(bytes[8..12], 8192u32.to_le_bytes());
        assert_eq!(bytes[12..20], 1064u64.to_le_bytes());
        assert_eq!(bytes[20..24], 1000u32.to_le_bytes());
        assert_eq!(bytes[24..28], [0; 4]);
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let bytes = header().encode();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(SegmentHeader::decode("seg-7", &flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_plain_sqlite_database_is_named_as_such() {
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        bytes[..16].copy_from_slice(b"SQLite format 3\0");
        let error = SegmentHeader::decode("x", &bytes).unwrap_err();
        assert_eq!(error, Error::Foreign { file: "x".into(), hint: crate::error::Foreign::Sqlite });
    }
}

//! The header of a log, in two copies.

use alloc::vec::Vec;

use super::layout::{LOG_DATA_START, LOG_HEADER_BYTES, LOG_HEADER_COPY_START};
use super::{FORMAT_VERSION, check_version};
use crate::bytes::{Put, Reader, patch};
use crate::cipher::Cipher;
use crate::crc::crc32;
use crate::error::{Error, Result, Unsupported};
use crate::ids::{Chain, CommitId, DatabaseId, Epoch, LogGeneration, PageCount, PageSize, Salt};

const MAGIC: &[u8; 8] = b"COFFERLG";

/// What the first bytes of a log say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LogHeader {
    pub cipher: Cipher,
    pub generation: LogGeneration,
    pub database: DatabaseId,
    pub salt: Salt,
    pub epoch: Epoch,
    pub page_size: PageSize,
    /// The last commit before this log.
    pub base: CommitId,
    pub base_chain: Chain,
    pub base_page_count: PageCount,
}

impl LogHeader {
    fn encode_one(&self) -> [u8; LOG_HEADER_BYTES] {
        let mut fields = Vec::with_capacity(LOG_HEADER_BYTES);
        fields.put(MAGIC);
        fields.put_u16(FORMAT_VERSION);
        fields.put_u16(0);
        fields.put_u16(0);
        fields.put_u8(self.cipher.id());
        fields.put_u8(0);
        fields.put_u64(self.generation.0);
        fields.put(&self.database.0);
        fields.put(&self.salt.0);
        fields.put_u32(self.epoch.0);
        fields.put_u32(self.page_size.get());
        fields.put_u64(self.base.0);
        fields.put(&self.base_chain.0);
        fields.put_u32(self.base_page_count.0);
        let mut out = [0; LOG_HEADER_BYTES];
        patch(&mut out, 0, &fields);
        let crc = crc32(&[out.get(..LOG_HEADER_BYTES - 4).unwrap_or_default()]);
        patch(&mut out, LOG_HEADER_BYTES - 4, &crc.to_le_bytes());
        out
    }

    /// Everything before the first frame: both copies and zeros between.
    pub fn encode(&self) -> [u8; LOG_DATA_START] {
        let mut out = [0; LOG_DATA_START];
        let one = self.encode_one();
        patch(&mut out, 0, &one);
        patch(&mut out, LOG_HEADER_COPY_START, &one);
        out
    }

    /// The first copy that is whole; `None` if neither is.
    ///
    /// FORMAT: log-1
    pub fn decode(file: &str, bytes: &[u8]) -> Result<Option<Self>> {
        for start in [0, LOG_HEADER_COPY_START] {
            let copy = bytes.get(start..).and_then(|tail| tail.first_chunk::<LOG_HEADER_BYTES>());
            if let Some(header) = copy.map(|copy| Self::decode_one(file, copy)).transpose()?.flatten() {
                return Ok(Some(header));
            }
        }
        Ok(None)
    }

    fn decode_one(file: &str, bytes: &[u8; LOG_HEADER_BYTES]) -> Result<Option<Self>> {
        let Some((covered, crc)) = bytes.split_last_chunk::<4>() else { return Ok(None) };
        if crc32(&[covered]) != u32::from_le_bytes(*crc) {
            return Ok(None);
        }
        let mut reader = Reader::new(covered);
        if reader.array() != Some(*MAGIC) {
            return Ok(None);
        }
        let (Some(version), Some(required), Some(_compatible)) = (reader.u16(), reader.u16(), reader.u16()) else {
            return Ok(None);
        };
        check_version(file, version, required)?;
        let cipher_id = reader.u8().unwrap_or(u8::MAX);
        let cipher = Cipher::from_id(cipher_id)
            .ok_or_else(|| Error::Unsupported { file: file.into(), what: Unsupported::Cipher(cipher_id) })?;
        Ok(Self::decode_fields(cipher, reader))
    }

    fn decode_fields(cipher: Cipher, mut reader: Reader<'_>) -> Option<Self> {
        reader.zeros(1)?;
        let header = Self {
            cipher,
            generation: LogGeneration(reader.u64()?),
            database: DatabaseId(reader.array()?),
            salt: Salt(reader.array()?),
            epoch: Epoch(reader.u32()?),
            page_size: PageSize::new(reader.u32()?)?,
            base: CommitId(reader.u64()?),
            base_chain: Chain(reader.array()?),
            base_page_count: PageCount(reader.u32()?),
        };
        reader.zeros(reader.rest().len())?;
        Some(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> LogHeader {
        LogHeader {
            cipher: Cipher::Aes256Gcm,
            generation: LogGeneration(3),
            database: DatabaseId([1; 16]),
            salt: Salt([2; 16]),
            epoch: Epoch(4),
            page_size: PageSize::DEFAULT,
            base: CommitId(100),
            base_chain: Chain([5; 16]),
            base_page_count: PageCount(6),
        }
    }

    #[test]
    fn a_header_survives_the_loss_of_either_copy() {
        let bytes = header().encode();
        for start in [0, 3584] {
            let mut damaged = bytes;
            damaged[start..start + 512].fill(0);
            assert_eq!(LogHeader::decode("log-0", &damaged), Ok(Some(header())));
        }
        assert_eq!(LogHeader::decode("log-0", &[0; LOG_DATA_START]), Ok(None));
    }

    #[test]
    fn a_newer_version_is_refused_by_name() {
        let mut bytes = header().encode();
        bytes[8] = 2;
        let crc = crc32(&[&bytes[..124]]);
        bytes[124..128].copy_from_slice(&crc.to_le_bytes());
        let error = LogHeader::decode("log-0", &bytes).unwrap_err();
        assert_eq!(error, Error::Unsupported { file: "log-0".into(), what: Unsupported::Version(2) });
    }
}

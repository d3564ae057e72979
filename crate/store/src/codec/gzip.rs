//! One gzip member (RFC 1952) for each page, with no name and no time, so that `gunzip` reads what we write.
//!
//! G1: a member says its own CRC32 and length, and both are checked. G2: nothing follows the member.

use alloc::boxed::Box;

use miniz_oxide::DataFormat;
use miniz_oxide::deflate::core::{CompressorOxide, TDEFLFlush, TDEFLStatus, compress};
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

use crate::crc::crc32;
use crate::error::What;

/// Magic, method deflate, no flags, no time, no hint, unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
/// The part of the header that must be as we write it; time, hint and system are for people.
const HEADER_FIXED: [u8; 4] = [0x1f, 0x8b, 8, 0];

/// A deflate compressor, kept between pages.
pub struct Encoder(Box<CompressorOxide>);

impl Encoder {
    pub fn new(level: u8) -> Self {
        let mut compressor = Box::<CompressorOxide>::default();
        compressor.set_format_and_level(DataFormat::Raw, level);
        Self(compressor)
    }

    /// Writes the coded form of `raw` to the beginning of `out` and returns its length, or `None` if it does not fit.
    pub fn encode(&mut self, raw: &[u8], out: &mut [u8]) -> Option<usize> {
        let (header, rest) = out.split_first_chunk_mut()?;
        *header = HEADER;
        self.0.reset();
        let (status, taken, len) = compress(&mut self.0, raw, rest, TDEFLFlush::Finish);
        if status != TDEFLStatus::Done || taken != raw.len() {
            return None;
        }
        let (crc, rest) = rest.get_mut(len..)?.split_first_chunk_mut()?;
        *crc = crc32(&[raw]).to_le_bytes();
        *rest.first_chunk_mut()? = u32::try_from(raw.len()).ok()?.to_le_bytes();
        Some(HEADER.len() + len + 8)
    }
}

/// An inflater, kept between pages.
#[derive(Default)]
pub struct Decoder(Option<Box<DecompressorOxide>>);

impl Decoder {
    /// Fills `out` from `stored`.
    pub fn decode(&mut self, stored: &[u8], out: &mut [u8]) -> Result<(), What> {
        self.decode_checked(stored, out).ok_or(What::RecordContent)
    }

    fn decode_checked(&mut self, stored: &[u8], out: &mut [u8]) -> Option<()> {
        let (header, rest) = stored.split_first_chunk::<{ HEADER.len() }>()?;
        let (rest, len) = rest.split_last_chunk()?;
        let (deflated, crc) = rest.split_last_chunk()?;
        // FORMAT: codec-2. The length is known beforehand, so a member of another page size is refused before it is inflated.
        if !header.starts_with(&HEADER_FIXED) || usize::try_from(u32::from_le_bytes(*len)).ok()? != out.len() {
            return None;
        }
        let inflater = self.0.get_or_insert_default();
        inflater.init();
        let (status, taken, len) = decompress(inflater, deflated, out, 0, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF);
        let whole = status == TINFLStatus::Done && taken == deflated.len() && len == out.len();
        (whole && crc32(&[out]) == u32::from_le_bytes(*crc)).then_some(())
    }
}

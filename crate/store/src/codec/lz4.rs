//! The LZ4 block format: no frame, no length; the record's header knows both.

use lz4_flex::block::{CompressTable, compress_into_with_table, decompress_into, get_maximum_output_size};

use crate::error::What;

/// A match table, kept between pages.
pub struct Encoder(CompressTable);

impl Encoder {
    pub fn new() -> Self {
        // The large table takes pages of 64 KiB too, so that what is written never depends on what was written before.
        Self(CompressTable::large())
    }

    /// How much room it has to be given for a page: the library insists on the worst case.
    pub const fn room(raw_bytes: usize) -> usize {
        get_maximum_output_size(raw_bytes)
    }

    /// Writes the coded form of `raw` to the beginning of `out` and returns its length.
    pub fn encode(&mut self, raw: &[u8], out: &mut [u8]) -> Option<usize> {
        compress_into_with_table(raw, out, &mut self.0).ok()
    }
}

/// Fills `out` from `stored`.
pub fn decode(stored: &[u8], out: &mut [u8]) -> Result<(), What> {
    match decompress_into(stored, out) {
        Ok(len) if len == out.len() => Ok(()),
        _ => Err(What::RecordContent),
    }
}

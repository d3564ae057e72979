//! The LZ4 block format: no frame, no length; the record's header knows both.

use alloc::vec::Vec;

use lz4_flex::block::{CompressTable, compress_into_with_table, decompress_into, get_maximum_output_size};

use crate::error::What;

/// A match table and a buffer, both kept between pages.
pub struct Encoder {
    table: CompressTable,
    scratch: Vec<u8>,
}

impl Encoder {
    pub fn new() -> Self {
        // The large table takes pages of 64 KiB too, so that what is written never depends on what was written before.
        Self { table: CompressTable::large(), scratch: Vec::new() }
    }

    /// Writes the coded form of `raw` to the beginning of `out` and returns its length, or `None` if it does not fit.
    pub fn encode(&mut self, raw: &[u8], out: &mut [u8]) -> Option<usize> {
        // The library insists on room for the worst case.
        let room = get_maximum_output_size(raw.len());
        if self.scratch.len() < room {
            self.scratch.resize(room, 0);
        }
        let len = compress_into_with_table(raw, &mut self.scratch, &mut self.table).ok()?;
        out.get_mut(..len)?.copy_from_slice(self.scratch.get(..len)?);
        Some(len)
    }
}

/// Fills `out` from `stored`.
pub fn decode(stored: &[u8], out: &mut [u8]) -> Result<(), What> {
    match decompress_into(stored, out) {
        Ok(len) if len == out.len() => Ok(()),
        _ => Err(What::RecordContent),
    }
}

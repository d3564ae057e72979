//! The LZ4 block format: no frame, no length; the record's header knows both.

use lz4_flex::block::{CompressTable, compress_into_with_table, decompress_into, get_maximum_output_size};

use crate::error::What;

/// The match tables, kept between pages. Which one a page needs depends on its length alone, so that what is written never depends
/// on what was written before; the larger one takes twice as long to clear.
pub struct Encoder {
    small: CompressTable,
    large: Option<CompressTable>,
}

/// The small table counts in 16 bits.
const SMALL_BYTES_MAX: usize = u16::MAX as usize - 1;

impl Encoder {
    pub fn new() -> Self {
        Self { small: CompressTable::small(), large: None }
    }

    /// How much room it has to be given for a page: the library insists on the worst case.
    pub const fn room(raw_bytes: usize) -> usize {
        get_maximum_output_size(raw_bytes)
    }

    /// Writes the coded form of `raw` to the beginning of `out` and returns its length.
    pub fn encode(&mut self, raw: &[u8], out: &mut [u8]) -> Option<usize> {
        let table = match raw.len() {
            ..=SMALL_BYTES_MAX => &mut self.small,
            _ => self.large.get_or_insert_with(CompressTable::large),
        };
        compress_into_with_table(raw, out, table).ok()
    }
}

/// Fills `out` from `stored`.
pub fn decode(stored: &[u8], out: &mut [u8]) -> Result<(), What> {
    match decompress_into(stored, out) {
        Ok(len) if len == out.len() => Ok(()),
        _ => Err(What::RecordContent),
    }
}

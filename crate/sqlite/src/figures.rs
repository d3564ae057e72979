//! Figures about a database, for SQL and for programs: `memory_stats` and `storage_info`.

use std::fmt::Write;

/// One figure's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Figure {
    /// A count or a number of bytes.
    Integer(u64),
    /// A ratio.
    Real(f64),
    /// A name.
    Text(String),
}

/// What a database takes on disk, and how it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct StorageInfo {
    /// Pages of the newest state.
    pub page_count: u64,
    /// Those that hold something.
    pub used_pages: u64,
    /// Those on SQLite's free list.
    pub free_pages: u64,
    /// The store's page size.
    pub page_size: u64,
    /// Bytes of all segments, and of logs up to their ends.
    pub stored_bytes: u64,
    /// Bytes of all pages, uncompressed.
    pub logical_bytes: u64,
    /// Logical over stored.
    pub compression_ratio: f64,
    /// Bytes in logs that are not folded.
    pub wal_size: u64,
    /// Page frames in them.
    pub wal_frames: u64,
    /// Sealed segments.
    pub segments: u64,
    /// Bytes in segments that the newest state does not use.
    pub dead_bytes: u64,
    /// Everything written over everything committed.
    pub write_amplification: f64,
    /// The newest commit that is in segments.
    pub last_checkpoint: u64,
    /// The newest commit.
    pub last_commit_id: u64,
    /// The codec of segments.
    pub codec: String,
    /// The cipher.
    pub cipher: String,
    /// The key's age.
    pub key_epoch: u64,
    /// Bytes of the dictionary for new segments.
    pub dictionary_bytes: u64,
    /// Where the files are.
    pub backend: String,
}

/// What a database takes in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct MemoryStats {
    /// Decoded pages, with their bookkeeping: what `cache_memory` bounds.
    pub page_cache_used: u64,
    /// The bound.
    pub page_cache_max: u64,
    /// The decoded pages alone.
    pub decoded_cache_used: u64,
    /// Temporary tables and sorters that are in memory.
    pub row_store_used: u64,
    /// The page table: where each page is.
    pub page_table_used: u64,
    /// Bytes in logs that are not folded.
    pub wal_size: u64,
    /// What SQLite holds in this process, its page caches included.
    pub sqlite_used: u64,
    /// The wasm heap; 0 natively.
    pub wasm_heap: u64,
    /// All memory above; in wasm the heap, which holds everything.
    pub total_memory: u64,
}

impl StorageInfo {
    /// Names, in the order of [`StorageInfo::figures`].
    pub const NAMES: [&'static str; 19] = [
        "page_count",
        "used_pages",
        "free_pages",
        "page_size",
        "stored_bytes",
        "logical_bytes",
        "compression_ratio",
        "wal_size",
        "wal_frames",
        "segments",
        "dead_bytes",
        "write_amplification",
        "last_checkpoint",
        "last_commit_id",
        "codec",
        "cipher",
        "key_epoch",
        "dictionary_bytes",
        "backend",
    ];

    /// Every figure, with its name.
    pub fn figures(&self) -> Vec<(&'static str, Figure)> {
        let values = [
            Figure::Integer(self.page_count),
            Figure::Integer(self.used_pages),
            Figure::Integer(self.free_pages),
            Figure::Integer(self.page_size),
            Figure::Integer(self.stored_bytes),
            Figure::Integer(self.logical_bytes),
            Figure::Real(self.compression_ratio),
            Figure::Integer(self.wal_size),
            Figure::Integer(self.wal_frames),
            Figure::Integer(self.segments),
            Figure::Integer(self.dead_bytes),
            Figure::Real(self.write_amplification),
            Figure::Integer(self.last_checkpoint),
            Figure::Integer(self.last_commit_id),
            Figure::Text(self.codec.clone()),
            Figure::Text(self.cipher.clone()),
            Figure::Integer(self.key_epoch),
            Figure::Integer(self.dictionary_bytes),
            Figure::Text(self.backend.clone()),
        ];
        Self::NAMES.into_iter().zip(values).collect()
    }
}

impl MemoryStats {
    /// Names, in the order of [`MemoryStats::figures`].
    pub const NAMES: [&'static str; 9] = [
        "page_cache_used",
        "page_cache_max",
        "decoded_cache_used",
        "row_store_used",
        "page_table_used",
        "wal_size",
        "sqlite_used",
        "wasm_heap",
        "total_memory",
    ];

    /// Every figure, with its name.
    pub fn figures(&self) -> Vec<(&'static str, Figure)> {
        let values = [
            self.page_cache_used,
            self.page_cache_max,
            self.decoded_cache_used,
            self.row_store_used,
            self.page_table_used,
            self.wal_size,
            self.sqlite_used,
            self.wasm_heap,
            self.total_memory,
        ];
        Self::NAMES.into_iter().zip(values.map(Figure::Integer)).collect()
    }
}

/// Figures as one JSON object.
pub fn json(figures: &[(&'static str, Figure)]) -> String {
    let mut out = String::from("{");
    for (index, (name, figure)) in figures.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        // Writing to a string cannot fail.
        let _ = match figure {
            Figure::Integer(value) => write!(out, "{comma}\"{name}\":{value}"),
            Figure::Real(value) => write!(out, "{comma}\"{name}\":{}", decimal(*value)),
            Figure::Text(value) => write!(out, "{comma}\"{name}\":{}", json_text(value)),
        };
    }
    out.push('}');
    out
}

/// A ratio with four decimals. Not by the library's formatting of floating point: nothing else needs its 8 KB in a browser.
fn decimal(ratio: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the cast saturates, and ratios are positive"
    )]
    let scaled = (ratio * 10_000.0 + 0.5) as u64;
    format!("{}.{:04}", scaled / 10_000, scaled % 10_000)
}

/// Text as JSON.
pub fn json_text(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            control if u32::from(control) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_have_four_decimals() {
        for ratio in [0.0, 1.0, 0.35, 2.000_04, 2.000_06, 1234.5, 99.999_96] {
            assert_eq!(decimal(ratio), format!("{ratio:.4}"));
        }
    }

    #[test]
    fn figures_are_one_json_object() {
        let figures = [("a", Figure::Integer(1)), ("b", Figure::Real(0.5)), ("c", Figure::Text("x\"\n".into()))];
        assert_eq!(json(&figures), "{\"a\":1,\"b\":0.5000,\"c\":\"x\\\"\\u000a\"}");
    }
}

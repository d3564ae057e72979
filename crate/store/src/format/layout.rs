//! Every offset and size on disk, each derived from the one before it. A snapshot test prints them, so that a change of
//! the format is a visible difference.

/// A frame begins with this, so that a scan can find its feet after damage.
pub const FRAME_MAGIC: u32 = 0x377F_0682;
/// magic u32, frame size u32, page number u32, commit ID u64.
pub const FRAME_HEADER_BYTES: usize = 4 + 4 + 4 + 8;
/// CRC u32 at the end of a frame.
pub const FRAME_TRAILER_BYTES: usize = 4;

/// codec u8, flags u8, zero u16, raw size u32, commit ID u64.
pub const BODY_HEADER_BYTES: usize = 1 + 1 + 2 + 4 + 8;
/// What a patch was made from: how far back u32, body size u32; behind the header.
pub const PATCH_BASE_BYTES: usize = 4 + 4;
/// The nonce of an encrypted body.
pub const BODY_NONCE_BYTES: usize = 12;
/// The tag of an encrypted body.
pub const BODY_TAG_BYTES: usize = 16;
/// The checksum of a body that is not encrypted.
pub const BODY_CRC_BYTES: usize = 4;
/// What a body adds to its payload at most.
pub const BODY_OVERHEAD_BYTES_MAX: usize = BODY_HEADER_BYTES + BODY_NONCE_BYTES + BODY_TAG_BYTES;

/// The fixed payload of a commit frame.
pub const COMMIT_PAYLOAD_BYTES: usize = 4 + 4 + 4 + 4 + 8 + 16 + 16 + 8 + 8 + 8;

/// One copy of a log's header.
pub const LOG_HEADER_BYTES: usize = 128;
/// Where the second copy stands: at the end of the first 4 KiB, so that one lost sector leaves a copy.
pub const LOG_HEADER_COPY_START: usize = LOG_DATA_START - LOG_HEADER_BYTES;
/// Where frames begin.
pub const LOG_DATA_START: usize = 4096;

/// The header of a segment.
pub const SEGMENT_HEADER_BYTES: usize = 64;
/// page number u64, size u32.
pub const RECORD_HEADER_BYTES: usize = 8 + 4;
/// The fixed payload of a seal.
pub const SEAL_PAYLOAD_BYTES: usize = 8 + 16 + 8 + 4 + 4 + 8 + 8 + 8 + 16 + 4 + 4 + 8 + 8;
/// Entries in one index record at most, which bounds what a reader holds at once.
pub const INDEX_ENTRIES_MAX: usize = 16_384;
/// An index entry at most: three varints.
pub const INDEX_ENTRY_BYTES_MAX: usize = 10 + 10 + 5;
/// One entry of the commits record.
pub const COMMIT_INFO_BYTES: usize = 8 + 4 + 4 + 8 + 16;
/// Entries in a commits record at most.
pub const COMMITS_MAX: usize = 1 << 20;

/// One of the two slots of a manifest.
pub const MANIFEST_SLOT_BYTES: usize = 32_768;
/// magic, version, features, cipher, generation, database id, body length, checksum, authentication.
pub const MANIFEST_HEADER_BYTES: usize = 8 + 2 + 2 + 2 + 1 + 1 + 8 + 16 + 4 + 4 + 32;
/// The part of it that checksum and authentication cover, before the body.
pub const MANIFEST_COVERED_BYTES: usize = 44;

/// Coffer's own records have page numbers from here up.
pub const SPECIAL_PAGE: u64 = 1 << 63;
/// Index records: one each for up to [`INDEX_ENTRIES_MAX`] records.
pub const INDEX_PAGE: u64 = SPECIAL_PAGE + (1 << 32);
/// The commits record.
pub const COMMITS_PAGE: u64 = SPECIAL_PAGE + (2 << 32);
/// The page number that stands for the dictionary section in associated data.
pub const DICTIONARY_PAGE: u64 = SPECIAL_PAGE + (3 << 32);
/// A copy of the manifest, in a self-contained segment.
pub const MANIFEST_PAGE: u64 = SPECIAL_PAGE + (4 << 32);
/// The seal: the last record of a segment.
pub const SEAL_PAGE: u64 = SPECIAL_PAGE + (5 << 32);

/// A dictionary at most.
pub const DICTIONARY_BYTES_MAX: usize = 1 << 20;
/// Segments that a manifest can name at most.
pub const SEGMENTS_MAX: usize = 256;
/// Key slots at most.
pub const KEY_SLOTS_MAX: usize = 8;
/// Data keys (epochs) that can live at once.
pub const DATA_KEYS_MAX: usize = 64;
/// Generations, commits, ids and counters of bytes stay below this.
pub const NUMBER_END: u64 = 1 << 62;
/// Key epochs stay below this.
pub const EPOCH_END: u32 = 1 << 31;
/// Single kept commits at most.
pub const PINS_MAX: usize = 512;

const _: () = assert!(FRAME_HEADER_BYTES == 20);
const _: () = assert!(BODY_HEADER_BYTES == 16);
const _: () = assert!(COMMIT_PAYLOAD_BYTES == 80);
const _: () = assert!(SEAL_PAYLOAD_BYTES == 104);
const _: () = assert!(MANIFEST_HEADER_BYTES == 80);
const _: () = assert!(LOG_HEADER_COPY_START == 3968);

#[cfg(all(test, feature = "std", feature = "aes-gcm"))]
mod tests;

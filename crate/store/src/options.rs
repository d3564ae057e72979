//! How a store is created and opened.

use alloc::string::String;
use alloc::vec::Vec;

use crate::cipher::Cipher;
use crate::codec::{Codec, CodecChoice};
use crate::ids::{PageSize, RequestId};
use crate::keys::SlotKey;
use crate::keys::SlotKind;

/// What a store is created with, and how an open one behaves. The first four are only read at creation; afterwards the
/// database itself remembers them.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "switches that are set one by one, by name")]
pub struct Options {
    /// The size of every page. Default 8192.
    pub page_size: PageSize,
    /// How frames of the log are compressed: often, so fast. Default LZ4.
    pub hot: CodecChoice,
    /// How segments are compressed: once, so well. Default zstd at level 3.
    pub cold: CodecChoice,
    /// A zstd dictionary for segments. Default none.
    pub dictionary: Option<Vec<u8>>,
    /// Refuse to write. Default false.
    pub read_only: bool,
    /// Check checksums on each read of unencrypted data; encrypted data is always authenticated. Default true.
    pub verify_on_read: bool,
    /// Page frames in the log after which [`Store::needs_checkpoint`](crate::Store::needs_checkpoint) says so. Default 1000.
    pub checkpoint_pages: u32,
    /// The active log grows to this at most before commits wait for a checkpoint. Default 1 GiB.
    pub log_bytes_max: u64,
    /// A log that is used again is first cut to this length. Default 64 MiB.
    pub log_bytes_kept: u64,
    /// A log file that has to grow, grows by up to this much more than is needed, so that the next commits are written into bytes
    /// that are there. Default 0: for storage whose flush takes no longer when a file grew.
    pub log_ahead_bytes: u64,
    /// At the opening: another process may be writing, so nothing is. Whoever then gets the turn to write refreshes first.
    pub beside_writer: bool,
    /// Segments at most before they are merged. Default 10, which with logs and manifest keeps 16 files open.
    pub segments_max: usize,
    /// Merge everything when dead bytes pass this share of the live ones, in percent. Default 100.
    pub dead_percent_max: u32,
    /// Bytes of staged pages after which a transaction should spill. Default 16 MiB.
    pub spill_bytes: u64,
    /// Learn a dictionary, and store anew what lacks it, where a shell has time to spare
    /// ([`Store::spare_job`](crate::Store::spare_job)). Default false.
    pub learns: bool,
    /// The name of a self-contained segment that is the database, if there is no manifest. Default none.
    pub base: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            page_size: PageSize::DEFAULT,
            hot: CodecChoice::best_available(Codec::Lz4, 0),
            cold: CodecChoice::best_available(Codec::Zstd, 3),
            dictionary: None,
            read_only: false,
            verify_on_read: true,
            checkpoint_pages: 1000,
            log_bytes_max: 1 << 30,
            log_bytes_kept: 64 << 20,
            log_ahead_bytes: 0,
            beside_writer: false,
            segments_max: 10,
            dead_percent_max: 100,
            spill_bytes: 16 << 20,
            learns: false,
            base: None,
        }
    }
}

/// How a new database is encrypted: the cipher and its first key slot.
#[derive(Debug)]
pub struct NewKey<'a> {
    /// Which cipher.
    pub cipher: Cipher,
    /// How the slot's key comes about, for those who open it later.
    pub kind: SlotKind,
    /// What they need for it: salt and costs, or a wrapped blob. At most 512 bytes, not secret.
    pub parameters: Vec<u8>,
    /// The key itself.
    pub key: &'a SlotKey,
}

/// What a commit is to do besides committing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Commit {
    /// How durable it must be when it returns.
    pub synchronous: Synchronous,
    /// What to call it, so that a caller can ask for it after a crash.
    pub request: RequestId,
    /// When, in milliseconds since 1970; 0 if nobody says.
    pub time_ms: u64,
}

/// How durable a commit is when it returns.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Synchronous {
    /// Written, not flushed. A crash of the process loses nothing; a power cut can lose the newest commits, never an older one.
    Off,
    /// One flush.
    #[default]
    Normal,
    /// One flush, and one before the commit frame if pages were spilled.
    Full,
    /// Two flushes, the second after the manifest was read back and found whole.
    Extra,
}

//! The storage engine of Coffer: pages, kept compressed, encrypted, checksummed and versioned in an append-only log of
//! sealed segments.
//!
//! It knows pages, commits and bytes, and nothing of SQLite, JavaScript, clocks or random devices: what it needs enters by
//! parameter, so that the same engine runs natively, in wasm and in a deterministic simulator. FORMAT.md is the normative
//! text of what it writes.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::big_endian_bytes)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]
#![cfg_attr(
    not(feature = "std"),
    allow(clippy::arc_with_non_send_sync, reason = "without std the crate is single-threaded; see sync.rs")
)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod bases;
mod bytes;
mod checkpoint;
mod cipher;
mod codec;
mod commit;
mod compact;
mod crc;
mod create;
#[cfg(any(test, feature = "decoders"))]
#[doc(hidden)]
pub mod decoders;
mod device;
mod entropy;
mod error;
mod file;
mod format;
mod history;
mod ids;
mod increment;
mod inspect;
mod job;
mod keys;
mod learn;
mod location;
mod log;
mod options;
mod patch;
mod recover;
mod refresh;
mod replay;
mod rewrite;
mod scratch;
mod segment;
mod snapshot;
mod sorted;
mod stats;
mod store;
mod sync;
mod table;
mod txn;
mod verify;

pub use checkpoint::{Installed, SourceDevice};
pub use cipher::{Cipher, NONCE_BYTES, Nonce, Subkey, TAG_BYTES};
pub use codec::{Codec, CodecChoice, Decoder, Dictionary, Encoded, Encoder, UnknownName, train};
pub use compact::{Compaction, Maintained};
pub use crc::crc32;
pub use device::{Device, DeviceError, DeviceErrorKind, DeviceOp, MemDevice, MemStorage, OpenMode, Storage};
pub use entropy::Entropy;
pub use error::{Corrupt, Error, Foreign, Limit, Result, Unsupported, What};
pub use format::commits::CommitInfo;
pub use format::{FORMAT_VERSION, REQUIRED_FEATURES};
pub use ids::{
    Chain, CommitId, DatabaseId, Epoch, LogGeneration, PageCount, PageNo, PageSize, RequestId, Salt, SegmentId,
};
pub use increment::increment_base;
pub use inspect::PageRecord;
pub use job::{Done, Inline, Job, ReadRange, Source, Task, Workers};
pub use keys::{
    DataKey, KEY_BYTES, KeySlot, Keyring, MAC_BYTES, MasterKey, SlotKey, SlotKind, Wrapped, manifest_mac,
    verify_manifest_mac,
};
pub use learn::Spare;
pub use options::{Commit, NewKey, Options, Synchronous};
pub use recover::{Peek, Recovered, peek};
pub use scratch::Scratch;
pub use snapshot::{PageVersion, Snapshot};
pub use sorted::SortedMap;
pub use stats::Stats;
pub use store::{Counters, Store};
pub use sync::Work;
pub use txn::Txn;
pub use verify::{Verification, Verified};

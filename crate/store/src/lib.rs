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

mod cipher;
mod codec;
mod crc;
mod device;
mod entropy;
mod error;
mod ids;
mod keys;
mod sync;

pub use cipher::{Cipher, NONCE_BYTES, Nonce, Subkey, TAG_BYTES};
pub use codec::{Codec, CodecChoice, Decoder, Dictionary, Encoded, Encoder, UnknownName, train};
pub use crc::crc32;
pub use device::{Device, DeviceError, DeviceErrorKind, DeviceOp, MemDevice, MemStorage, OpenMode, Storage};
pub use entropy::Entropy;
pub use error::{Corrupt, Error, Foreign, Limit, Result, Unsupported, What};
pub use ids::{
    Chain, CommitId, DatabaseId, Epoch, LogGeneration, PageCount, PageNo, PageSize, RequestId, Salt, SegmentId,
};
pub use keys::{
    DataKey, KEY_BYTES, KeySlot, Keyring, MAC_BYTES, MasterKey, SlotKey, SlotKind, Wrapped, manifest_mac,
    verify_manifest_mac,
};

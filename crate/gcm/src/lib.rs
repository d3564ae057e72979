//! AES-256-GCM (NIST SP 800-38D) with nonces of 12 bytes and tags of 16, for WebAssembly with its 128-bit vectors.
//!
//! WebAssembly has no instruction for AES, and the portable form of the `aes` and `polyval` crates, which everything else of
//! Coffer uses, was a quarter of a commit's time and most of a cold read's there. This does the same several times as fast: AES
//! sliced into bits, eight blocks at once, and GHASH by looking nibbles up inside vectors. docs/decisions/0021 has the figures.
//!
//! G1: no branch and no address depends on key, plain text or what comes of them. G2: nothing of the plain text is given before
//! the tag has been checked. G3: what holds a key is made where it stays, zeroized when it is dropped, and never printed.

#![no_std]
#![forbid(unsafe_code)]
#![expect(clippy::inline_always, reason = "a lane that is passed in memory costs more than what is done with it")]

extern crate alloc;

mod aes;
mod ghash;
mod lane;

use alloc::boxed::Box;

use aes::{Aes256, BATCH, BATCH_BYTES, BLOCK_BYTES};
use ghash::{Ghash, Multiplier};

pub const KEY_BYTES: usize = 32;
pub const NONCE_BYTES: usize = 12;
pub const TAG_BYTES: usize = BLOCK_BYTES;

/// The most that one message may hold: the counter of blocks has 32 bits, and two of its values are taken.
pub const MESSAGE_BYTES_MAX: u64 = ((1 << 32) - 2) * BLOCK_BYTES as u64;
// The standard's limit, in bits: 2^39 - 256.
const _: () = assert!(MESSAGE_BYTES_MAX * 8 == (1 << 39) - 256);

/// The tag is not that of this message under this key, or the message or what is associated is longer than it may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refused;

/// The cipher under one key.
pub struct Aes256Gcm {
    aes: Aes256,
    multiplier: Multiplier,
}

impl Aes256Gcm {
    /// Boxed, since what is moved leaves copies of itself behind (G3).
    pub fn boxed(key: &[u8; KEY_BYTES]) -> Box<Self> {
        let mut this = Box::new(Self { aes: Aes256::unset(), multiplier: Multiplier::unset() });
        this.aes.set_key(key);
        let hash_key = this.aes.encrypt_zeros();
        this.multiplier.set_key(&hash_key);
        this
    }

    /// Encrypts in place and returns the tag. A nonce must never be used a second time with the same key.
    // Not inlined, here and below: a caller that is compiled for size would take the loops along.
    #[inline(never)]
    pub fn seal(
        &self,
        nonce: &[u8; NONCE_BYTES],
        associated: &[u8],
        data: &mut [u8],
    ) -> Result<[u8; TAG_BYTES], Refused> {
        check_length(associated)?;
        check_length(data)?;
        let first = self.aes.encrypt_counters(nonce, 1);
        self.add_keystream(nonce, &first, data);
        Ok(self.tag(&first, associated, data))
    }

    /// Decrypts in place, or fails and leaves `data` as it was (G2).
    #[inline(never)]
    pub fn open(
        &self,
        nonce: &[u8; NONCE_BYTES],
        associated: &[u8],
        data: &mut [u8],
        tag: &[u8; TAG_BYTES],
    ) -> Result<(), Refused> {
        check_length(associated)?;
        check_length(data)?;
        let first = self.aes.encrypt_counters(nonce, 1);
        let expected = self.tag(&first, associated, data);
        let differs = expected.iter().zip(tag).fold(0, |differs, (ours, theirs)| differs | (ours ^ theirs));
        if core::hint::black_box(differs) != 0 {
            return Err(Refused);
        }
        self.add_keystream(nonce, &first, data);
        Ok(())
    }

    /// Adds to `data` the keystream that begins with `first`, of which one block is for the tag.
    fn add_keystream(&self, nonce: &[u8; NONCE_BYTES], first: &[u8; BATCH_BYTES], data: &mut [u8]) {
        let (head, rest) = data.split_at_mut(data.len().min(BATCH_BYTES - BLOCK_BYTES));
        add(head, &first[BLOCK_BYTES..]);
        let mut counter = 1;
        for batch in rest.chunks_mut(BATCH_BYTES) {
            counter += BATCH;
            add(batch, &self.aes.encrypt_counters(nonce, counter));
        }
    }

    /// The hash of what is sealed, masked with the first block of the keystream.
    fn tag(&self, first: &[u8; BATCH_BYTES], associated: &[u8], sealed: &[u8]) -> [u8; TAG_BYTES] {
        let mut hash = Ghash::new(&self.multiplier);
        hash.update_padded(associated);
        hash.update_padded(sealed);
        let mut lengths = [0; BLOCK_BYTES];
        let (of_associated, of_sealed) = lengths.split_at_mut(BLOCK_BYTES / 2);
        of_associated.copy_from_slice(&(associated.len() as u64 * 8).to_be_bytes());
        of_sealed.copy_from_slice(&(sealed.len() as u64 * 8).to_be_bytes());
        hash.update_padded(&lengths);
        let mut tag = hash.finish();
        add(&mut tag, first);
        tag
    }
}

impl core::fmt::Debug for Aes256Gcm {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Aes256Gcm")
    }
}

fn check_length(data: &[u8]) -> Result<(), Refused> {
    if data.len() as u64 > MESSAGE_BYTES_MAX { Err(Refused) } else { Ok(()) }
}

/// Exclusive or, as far as the shorter one goes. By words, since what compiles for size makes no vectors of a loop over bytes.
fn add(to: &mut [u8], what: &[u8]) {
    let len = to.len().min(what.len());
    let ((to, to_end), (what, what_end)) = (to[..len].as_chunks_mut(), what[..len].as_chunks());
    for (to, what) in to.iter_mut().zip(what) {
        *to = (u64::from_ne_bytes(*to) ^ u64::from_ne_bytes(*what)).to_ne_bytes();
    }
    for (to, what) in to_end.iter_mut().zip(what_end) {
        *to ^= what;
    }
}

//! Keys as people have them, and how they become the 32 bytes that open a key slot.
//!
//! A passphrase is stretched by Argon2id (default) or PBKDF2 with the salt and costs that the slot itself stores, so a slot
//! made with today's costs still opens when tomorrow's are higher. Knows nothing of databases beyond a slot's parameters.
//!
//! I1  Secrets are wiped when dropped and never printed.
//! I2  Costs read from a slot are bounded before anything is allocated: a hostile file must not exhaust us.

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use coffer_store::{Entropy, KeySlot, SlotKey, SlotKind};
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use crate::error::{Error, ErrorCode, Result};

/// A key as a caller has it.
#[derive(Clone)]
#[non_exhaustive]
pub enum Key {
    /// Words that a person remembers.
    Passphrase(Zeroizing<String>),
    /// A passphrase that somebody else has stretched by PBKDF2, for a slot of this salt and these rounds.
    Stretched {
        /// What came of it.
        key: Zeroizing<[u8; 32]>,
        /// The salt.
        salt: [u8; SALT_BYTES],
        /// The rounds.
        rounds: u32,
    },
    /// 32 bytes of a key that is already one.
    Raw(Zeroizing<[u8; 32]>),
    /// What the caller's own unwrapping yielded (a key in hardware, a passkey), with the wrapped form to store.
    External {
        /// The unwrapped key.
        key: Zeroizing<[u8; 32]>,
        /// What the caller needs to unwrap it next time; at most 512 bytes, not secret.
        wrapped: Vec<u8>,
    },
}

impl Key {
    /// A passphrase.
    pub fn passphrase(words: impl Into<String>) -> Self {
        Self::Passphrase(Zeroizing::new(words.into()))
    }

    /// A raw key.
    pub fn raw(bytes: [u8; 32]) -> Self {
        Self::Raw(Zeroizing::new(bytes))
    }
}

impl fmt::Debug for Key {
    // I1: a derived one would print the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passphrase(_) => "Key::Passphrase",
            Self::Stretched { .. } => "Key::Stretched",
            Self::Raw(_) => "Key::Raw",
            Self::External { .. } => "Key::External",
        })
    }
}

/// How a passphrase is stretched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kdf {
    /// Argon2id, hard on memory.
    Argon2id {
        /// Memory, in KiB.
        memory_kib: u32,
        /// Passes over it.
        passes: u32,
        /// Lanes; more than one only helps where there are threads.
        lanes: u32,
    },
    /// PBKDF2 with HMAC-SHA-256, which WebCrypto has as well.
    Pbkdf2 {
        /// Rounds.
        rounds: u32,
    },
}

impl Default for Kdf {
    /// Argon2id with the second choice of RFC 9106, scaled to what a phone's browser can spare: 19 MiB, two passes. About
    /// 50 ms natively and 100 ms in wasm.
    fn default() -> Self {
        Self::Argon2id { memory_kib: 19_456, passes: 2, lanes: 1 }
    }
}

/// What PBKDF2 costs by default (OWASP 2023).
pub const PBKDF2_ROUNDS: u32 = 600_000;

/// Bytes of a passphrase slot's salt.
pub const SALT_BYTES: usize = 16;
const MEMORY_KIB_MAX: u32 = 1 << 20;
const PASSES_MAX: u32 = 64;
const LANES_MAX: u32 = 16;
const ROUNDS_MAX: u32 = 20_000_000;

/// A slot to be made: its kind, the parameters to store with it, and its key.
pub struct NewSlot {
    /// How the key comes about.
    pub kind: SlotKind,
    /// Salt and costs, or the caller's wrapped form.
    pub parameters: Vec<u8>,
    /// The key.
    pub key: SlotKey,
}

impl NewSlot {
    /// Makes a slot's key from a caller's, with a fresh salt.
    pub fn derive(key: &Key, kdf: Kdf, entropy: &mut dyn Entropy) -> Result<Self> {
        Ok(match key {
            Key::Passphrase(words) => {
                let mut salt = [0; SALT_BYTES];
                entropy.fill(&mut salt);
                Self { kind: kdf.kind(), parameters: kdf.encode(&salt), key: stretch(words, kdf, &salt)? }
            }
            Key::Stretched { key, salt, rounds } => {
                let kdf = Kdf::Pbkdf2 { rounds: *rounds };
                Self { kind: kdf.kind(), parameters: kdf.encode(salt), key: slot_key(key.clone()) }
            }
            Key::Raw(bytes) => Self { kind: SlotKind::Raw, parameters: Vec::new(), key: slot_key(bytes.clone()) },
            Key::External { key, wrapped } => {
                Self { kind: SlotKind::External, parameters: wrapped.clone(), key: slot_key(key.clone()) }
            }
        })
    }
}

/// The keys with which to try a database's slots: one for each slot that this kind of key could open.
pub fn candidates(key: &Key, slots: &[KeySlot]) -> Result<Vec<SlotKey>> {
    match key {
        Key::Raw(bytes) => Ok(vec![slot_key(bytes.clone())]),
        Key::External { key, .. } => Ok(vec![slot_key(key.clone())]),
        Key::Stretched { key, salt, rounds } => {
            let stretched = (Kdf::Pbkdf2 { rounds: *rounds }, *salt);
            let fits = |slot: &KeySlot| Ok(Kdf::decode(slot.kind(), slot.parameters())? == Some(stretched));
            Ok(if slots.iter().map(fits).collect::<Result<Vec<_>>>()?.contains(&true) {
                vec![slot_key(key.clone())]
            } else {
                Vec::new()
            })
        }
        Key::Passphrase(words) => {
            let mut keys = Vec::new();
            for slot in slots {
                if let Some((kdf, salt)) = Kdf::decode(slot.kind(), slot.parameters())? {
                    keys.push(stretch(words, kdf, &salt)?);
                }
            }
            Ok(keys)
        }
    }
}

fn slot_key(mut bytes: Zeroizing<[u8; 32]>) -> SlotKey {
    SlotKey::take(&mut bytes)
}

impl Kdf {
    fn kind(self) -> SlotKind {
        match self {
            Self::Argon2id { .. } => SlotKind::Argon2id,
            Self::Pbkdf2 { .. } => SlotKind::Pbkdf2,
        }
    }

    /// Salt, then the costs as u32.
    fn encode(self, salt: &[u8; SALT_BYTES]) -> Vec<u8> {
        let mut out = salt.to_vec();
        match self {
            Self::Argon2id { memory_kib, passes, lanes } => {
                for cost in [memory_kib, passes, lanes] {
                    out.extend_from_slice(&cost.to_le_bytes());
                }
            }
            Self::Pbkdf2 { rounds } => out.extend_from_slice(&rounds.to_le_bytes()),
        }
        out
    }

    /// `None` for a slot that is not a passphrase's.
    fn decode(kind: SlotKind, parameters: &[u8]) -> Result<Option<(Self, [u8; SALT_BYTES])>> {
        let damaged = || Error::new(ErrorCode::Corrupt, "a key slot's parameters are damaged; use another key");
        let cost = |index: usize| {
            let at = SALT_BYTES + 4 * index;
            let bytes = parameters.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
            bytes.map(u32::from_le_bytes).ok_or_else(damaged)
        };
        let kdf = match kind {
            SlotKind::Argon2id => Self::Argon2id { memory_kib: cost(0)?, passes: cost(1)?, lanes: cost(2)? },
            SlotKind::Pbkdf2 => Self::Pbkdf2 { rounds: cost(0)? },
            SlotKind::Raw | SlotKind::External => return Ok(None),
        };
        let bounded = match kdf {
            Self::Argon2id { memory_kib, passes, lanes } => {
                memory_kib <= MEMORY_KIB_MAX && passes <= PASSES_MAX && lanes <= LANES_MAX
            }
            Self::Pbkdf2 { rounds } => (1..=ROUNDS_MAX).contains(&rounds),
        };
        if !bounded {
            return Err(damaged()); // I2
        }
        let salt = parameters.first_chunk().ok_or_else(damaged)?;
        Ok(Some((kdf, *salt)))
    }
}

fn stretch(words: &str, kdf: Kdf, salt: &[u8]) -> Result<SlotKey> {
    let mut out = Zeroizing::new([0; 32]);
    match kdf {
        Kdf::Argon2id { memory_kib, passes, lanes } => {
            let refuse = |error: argon2::Error| Error::new(ErrorCode::Limit, format!("Argon2id: {error}"));
            let params = Params::new(memory_kib, passes, lanes, Some(32)).map_err(refuse)?;
            let mut memory = vec![argon2::Block::default(); params.block_count()];
            let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
            let done = argon.hash_password_into_with_memory(words.as_bytes(), salt, out.as_mut_slice(), &mut memory);
            // The blocks hold what the passphrase was stretched to.
            for block in &mut memory {
                block.as_mut().zeroize();
            }
            done.map_err(refuse)?;
        }
        Kdf::Pbkdf2 { rounds } => {
            pbkdf2::pbkdf2_hmac::<Sha256>(words.as_bytes(), salt, rounds, out.as_mut_slice());
        }
    }
    Ok(slot_key(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
    }

    /// The raw output, for comparison with published vectors.
    fn argon2id(words: &[u8], salt: &[u8], memory_kib: u32, passes: u32, lanes: u32) -> String {
        let mut out = [0; 32];
        let params = Params::new(memory_kib, passes, lanes, Some(32)).unwrap();
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into(words, salt, &mut out).unwrap();
        hex(&out)
    }

    #[test]
    fn argon2id_gives_the_known_answers() {
        // From the reference implementation's own tests (src/test.c, version 0x13, Argon2id).
        assert_eq!(
            argon2id(b"password", b"somesalt", 65536, 2, 1),
            "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7"
        );
        assert_eq!(
            argon2id(b"password", b"diffsalt", 65536, 2, 1),
            "bdf32b05ccc42eb15d58fd19b1f856b113da1e9a5874fdcc544308565aa8141c"
        );
    }

    #[test]
    fn pbkdf2_gives_the_known_answers() {
        // RFC 7914, section 11, first 32 bytes.
        let mut out = [0; 32];
        pbkdf2::pbkdf2_hmac::<Sha256>(b"passwd", b"salt", 1, &mut out);
        assert_eq!(hex(&out), "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");
        pbkdf2::pbkdf2_hmac::<Sha256>(b"Password", b"NaCl", 80_000, &mut out);
        assert_eq!(hex(&out), "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56");
    }

    #[test]
    fn costs_travel_in_the_slot_and_absurd_ones_are_refused() {
        let salt = [5; SALT_BYTES];
        for kdf in [Kdf::default(), Kdf::Pbkdf2 { rounds: PBKDF2_ROUNDS }] {
            assert_eq!(Kdf::decode(kdf.kind(), &kdf.encode(&salt)).unwrap(), Some((kdf, salt)));
            assert!(Kdf::decode(kdf.kind(), &kdf.encode(&salt)[..18]).is_err());
        }
        let absurd = Kdf::Argon2id { memory_kib: u32::MAX, passes: 1, lanes: 1 };
        assert!(Kdf::decode(SlotKind::Argon2id, &absurd.encode(&salt)).is_err());
        assert_eq!(Kdf::decode(SlotKind::Raw, &[]).unwrap(), None);
    }

    #[test]
    fn a_key_never_prints_itself() {
        assert_eq!(format!("{:?}", Key::passphrase("hunter2")), "Key::Passphrase");
        assert_eq!(format!("{:?}", Key::raw([0x41; 32])), "Key::Raw");
    }
}

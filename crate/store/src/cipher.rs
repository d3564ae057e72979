//! Authenticated encryption: a record's bytes under a file's subkey.
//!
//! It knows keys, nonces and bytes; what is bound as associated data is its caller's choice.
//!
//! K1: a nonce is drawn at random and consumed by the one sealing that uses it. K2: a subkey belongs to one file: HKDF-SHA-256
//! of the data key under the file's salt. K3: opening gives nothing before the tag has been checked. K4: keys are zeroized
//! when dropped and never printed.

use core::fmt;
use core::str::FromStr;

#[cfg(feature = "chacha20poly1305")]
use chacha20poly1305::aead::AeadInOut;
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::codec::UnknownName;
use crate::entropy::Entropy;
use crate::error::{Unsupported, What};
use crate::ids::Salt;
use crate::keys::{DataKey, KEY_BYTES, Secret};

#[cfg(feature = "aes-gcm")]
mod gcm;

/// The length of a nonce.
pub const NONCE_BYTES: usize = 12;
/// The length of an authentication tag.
pub const TAG_BYTES: usize = 16;

/// A cipher, authenticating what it encrypts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[repr(u8)]
pub enum Cipher {
    /// Not encrypted.
    #[default]
    None = 0,
    /// AES-256 in Galois/counter mode: the fastest where the processor helps.
    Aes256Gcm = 1,
    /// ChaCha20-Poly1305 (RFC 8439): the faster one where nothing helps, as in wasm.
    ChaCha20Poly1305 = 2,
}

impl Cipher {
    /// Every cipher, in the order of ids.
    pub const ALL: [Self; 3] = [Self::None, Self::Aes256Gcm, Self::ChaCha20Poly1305];

    /// The number that stands for it in files.
    pub const fn id(self) -> u8 {
        self as u8
    }

    /// The cipher with this number.
    pub const fn from_id(id: u8) -> Option<Self> {
        match id {
            0 => Some(Self::None),
            1 => Some(Self::Aes256Gcm),
            2 => Some(Self::ChaCha20Poly1305),
            _ => None,
        }
    }

    /// Whether this build has it.
    pub const fn is_available(self) -> bool {
        match self {
            Self::None => true,
            Self::Aes256Gcm => cfg!(feature = "aes-gcm"),
            Self::ChaCha20Poly1305 => cfg!(feature = "chacha20poly1305"),
        }
    }

    /// Fails if this build lacks it.
    pub const fn require(self) -> Result<(), Unsupported> {
        if self.is_available() { Ok(()) } else { Err(Unsupported::Cipher(self.id())) }
    }

    /// Its name, as options and listings spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Aes256Gcm => "aes-256-gcm",
            Self::ChaCha20Poly1305 => "chacha20-poly1305",
        }
    }
}

impl fmt::Display for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Cipher {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|cipher| cipher.name() == name).ok_or(UnknownName)
    }
}

/// A number used once. It cannot be copied, and sealing consumes it (K1).
pub struct Nonce([u8; NONCE_BYTES]);

impl Nonce {
    /// Draws a fresh one.
    pub fn draw(entropy: &mut dyn Entropy) -> Self {
        // FORMAT: nonce-1
        let mut bytes = [0; NONCE_BYTES];
        entropy.fill(&mut bytes);
        Self(bytes)
    }
}

/// The cipher of one file, made ready (K2).
pub struct Subkey {
    secret: Secret,
    engine: Engine,
}

enum Engine {
    #[cfg(feature = "aes-gcm")]
    Aes256Gcm(alloc::boxed::Box<gcm::Aes256Gcm>),
    #[cfg(feature = "chacha20poly1305")]
    ChaCha20Poly1305(alloc::boxed::Box<chacha20poly1305::ChaCha20Poly1305>),
}

impl Subkey {
    /// The length of [`Subkey::to_secret_bytes`].
    pub const SECRET_BYTES: usize = 1 + KEY_BYTES;

    /// The subkey of the file with this salt, for the use that `context` names. `None` if the build lacks the cipher, and for
    /// [`Cipher::None`].
    pub fn derive(cipher: Cipher, data_key: &DataKey, salt: &Salt, context: &[u8]) -> Option<Self> {
        Self::from_secret(cipher, derive_secret(data_key.secret().expose(), &salt.0, context))
    }

    /// Encrypts in place and returns what is needed to open it: the nonce and the tag. The data may be at most 4 GiB long.
    #[expect(clippy::needless_pass_by_value, reason = "a nonce that was used must be gone (K1)")]
    pub fn seal(&self, nonce: Nonce, associated: &[u8], data: &mut [u8]) -> ([u8; NONCE_BYTES], [u8; TAG_BYTES]) {
        let Ok(tag) = self.engine.seal(&nonce.0, associated, data) else {
            unreachable!("a record is far below the longest message of its cipher")
        };
        (nonce.0, tag)
    }

    /// Decrypts in place, or fails with [`What::RecordAuthentication`] and leaves nothing of the plain text in `data` (K3).
    pub fn open(
        &self,
        nonce: &[u8; NONCE_BYTES],
        associated: &[u8],
        data: &mut [u8],
        tag: &[u8; TAG_BYTES],
    ) -> Result<(), What> {
        self.engine.open(nonce, associated, data, tag).map_err(|Refused| What::RecordAuthentication)
    }

    /// Which cipher it is.
    pub fn cipher(&self) -> Cipher {
        match self.engine {
            #[cfg(feature = "aes-gcm")]
            Engine::Aes256Gcm(_) => Cipher::Aes256Gcm,
            #[cfg(feature = "chacha20poly1305")]
            Engine::ChaCha20Poly1305(_) => Cipher::ChaCha20Poly1305,
        }
    }

    /// The subkey as bytes, to send it to a worker of the same origin and to nobody else. They open one file.
    pub fn to_secret_bytes(&self) -> Zeroizing<[u8; Self::SECRET_BYTES]> {
        let mut bytes = Zeroizing::new([self.cipher().id(); Self::SECRET_BYTES]);
        if let Some(key) = bytes.last_chunk_mut() {
            *key = *self.secret.expose();
        }
        bytes
    }

    /// The subkey that was sent. Fails with [`What::Message`] if these bytes are none.
    pub fn from_secret_bytes(bytes: &[u8]) -> Result<Self, What> {
        let parse = || {
            let (&cipher, key) = bytes.split_first()?;
            Self::from_secret(Cipher::from_id(cipher)?, Secret::copy_of(key.try_into().ok()?))
        };
        parse().ok_or(What::Message)
    }

    pub(crate) fn from_secret(cipher: Cipher, secret: Secret) -> Option<Self> {
        Some(Self { engine: Engine::new(cipher, &secret)?, secret })
    }
}

impl fmt::Debug for Subkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subkey({})", self.cipher())
    }
}

/// HKDF-SHA-256 (RFC 5869) to one key.
pub(crate) fn derive_secret(from: &[u8], salt: &[u8], context: &[u8]) -> Secret {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    let Ok(()) = Hkdf::<Sha256>::new(Some(salt), from).expand(context, key.as_mut()) else {
        unreachable!("HKDF-SHA-256 gives up to 8160 bytes, and a key has 32")
    };
    Secret::copy_of(&key)
}

/// The cipher would not have it.
struct Refused;

#[cfg(any(feature = "aes-gcm", feature = "chacha20poly1305"))]
impl Engine {
    fn new(cipher: Cipher, secret: &Secret) -> Option<Self> {
        match cipher {
            Cipher::None => None,
            #[cfg(feature = "aes-gcm")]
            Cipher::Aes256Gcm => Some(Self::Aes256Gcm(gcm::Aes256Gcm::boxed(secret.expose()))),
            #[cfg(feature = "chacha20poly1305")]
            Cipher::ChaCha20Poly1305 => {
                use chacha20poly1305::KeyInit;
                let engine = chacha20poly1305::ChaCha20Poly1305::new(secret.expose().into());
                Some(Self::ChaCha20Poly1305(alloc::boxed::Box::new(engine)))
            }
            #[cfg(not(all(feature = "aes-gcm", feature = "chacha20poly1305")))]
            _ => None,
        }
    }

    fn seal(&self, nonce: &[u8; NONCE_BYTES], associated: &[u8], data: &mut [u8]) -> Result<[u8; TAG_BYTES], Refused> {
        match self {
            #[cfg(feature = "aes-gcm")]
            Self::Aes256Gcm(engine) => engine.seal(nonce, associated, data).map_err(|_| Refused),
            #[cfg(feature = "chacha20poly1305")]
            Self::ChaCha20Poly1305(engine) => engine
                .encrypt_inout_detached(nonce.into(), associated, data.into())
                .map(Into::into)
                .map_err(|_| Refused),
        }
    }

    fn open(
        &self,
        nonce: &[u8; NONCE_BYTES],
        associated: &[u8],
        data: &mut [u8],
        tag: &[u8; TAG_BYTES],
    ) -> Result<(), Refused> {
        match self {
            #[cfg(feature = "aes-gcm")]
            Self::Aes256Gcm(engine) => engine.open(nonce, associated, data, tag).map_err(|_| Refused),
            #[cfg(feature = "chacha20poly1305")]
            Self::ChaCha20Poly1305(engine) => {
                engine.decrypt_inout_detached(nonce.into(), associated, data.into(), tag.into()).map_err(|_| Refused)
            }
        }
    }
}

#[cfg(not(any(feature = "aes-gcm", feature = "chacha20poly1305")))]
impl Engine {
    fn new(_: Cipher, _: &Secret) -> Option<Self> {
        None
    }

    fn seal(&self, _: &[u8; NONCE_BYTES], _: &[u8], _: &mut [u8]) -> Result<[u8; TAG_BYTES], Refused> {
        match *self {}
    }

    fn open(&self, _: &[u8; NONCE_BYTES], _: &[u8], _: &mut [u8], _: &[u8; TAG_BYTES]) -> Result<(), Refused> {
        match *self {}
    }
}

#[cfg(all(test, feature = "aes-gcm", feature = "chacha20poly1305"))]
mod tests;

//! The keys of a database, how each is wrapped under another, and the manifest's authentication.
//!
//! ```text
//! passphrase, raw key, caller's wrap -> slot key --wraps--> master key --wraps--> data key of each epoch --> subkey of each file
//!                                                               `--> manifest MAC key
//! ```
//!
//! It knows no passphrases: deriving a slot key happens outside and enters as 32 bytes.
//!
//! K5: what is wrapped is bound to its database and its place (slot number, kind and parameters, or epoch), so that nothing can
//! be moved. K6: a wrong slot key is told by the slot alone, before any page is read. K7: keys live on the heap, are zeroized
//! when dropped, never printed and never copied.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroize;

use crate::cipher::{Cipher, NONCE_BYTES, Nonce, Subkey, TAG_BYTES, derive_secret};
use crate::entropy::Entropy;
use crate::error::{Error, Limit, Result, Unsupported, What};
use crate::ids::{DatabaseId, Epoch, Salt};
use crate::sorted::SortedMap;

/// The length of every key.
pub const KEY_BYTES: usize = 32;
/// The length of the manifest's authentication code.
pub const MAC_BYTES: usize = 32;

/// The uses of a key, as HKDF contexts. Different uses never share a derived key.
const USE_SLOT: &[u8] = b"coffer slot 1";
const USE_EPOCH: &[u8] = b"coffer epoch 1";
const USE_MANIFEST: &[u8] = b"coffer manifest 1";

/// 32 bytes on the heap, so that moving a key leaves no copies behind (K7).
pub(crate) struct Secret(Box<[u8; KEY_BYTES]>);

impl Secret {
    pub(crate) fn copy_of(bytes: &[u8; KEY_BYTES]) -> Self {
        let mut secret = Self(Box::new([0; KEY_BYTES]));
        secret.0.copy_from_slice(bytes);
        secret
    }

    fn draw(entropy: &mut dyn Entropy) -> Self {
        let mut secret = Self(Box::new([0; KEY_BYTES]));
        entropy.fill(secret.0.as_mut());
        secret
    }

    pub(crate) fn expose(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

macro_rules! key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        pub struct $name(Secret);

        impl $name {
            /// Takes these bytes over and wipes the caller's.
            pub fn take(bytes: &mut [u8; KEY_BYTES]) -> Self {
                let key = Self(Secret::copy_of(bytes));
                bytes.zeroize();
                key
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    };
}
key! {
    /// Encrypts records: one for each epoch. Files use subkeys of it.
    DataKey
}
key! {
    /// Wraps the data keys and authenticates the manifest: one for each database, the same in every key slot.
    MasterKey
}
key! {
    /// Wraps the master key in one slot: what a passphrase, a raw key or a caller's wrap yields.
    SlotKey
}

impl DataKey {
    /// Draws a fresh one.
    pub fn draw(entropy: &mut dyn Entropy) -> Self {
        Self(Secret::draw(entropy))
    }

    pub(crate) fn secret(&self) -> &Secret {
        &self.0
    }
}

impl MasterKey {
    /// Draws a fresh one.
    pub fn draw(entropy: &mut dyn Entropy) -> Self {
        Self(Secret::draw(entropy))
    }
}

/// Where a slot key comes from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum SlotKind {
    /// A key of 32 bytes, as it is.
    Raw = 0,
    /// A passphrase through Argon2id.
    Argon2id = 1,
    /// A passphrase through PBKDF2.
    Pbkdf2 = 2,
    /// The caller's own wrap: a key in hardware, a passkey.
    External = 3,
}

impl SlotKind {
    /// The number that stands for it in files.
    pub const fn id(self) -> u8 {
        self as u8
    }

    /// The kind with this number.
    pub const fn from_id(id: u8) -> Option<Self> {
        match id {
            0 => Some(Self::Raw),
            1 => Some(Self::Argon2id),
            2 => Some(Self::Pbkdf2),
            3 => Some(Self::External),
            _ => None,
        }
    }

    /// Its name, as options and listings spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Argon2id => "argon2id",
            Self::Pbkdf2 => "pbkdf2",
            Self::External => "external",
        }
    }
}

/// A key encrypted under another: nonce, sealed key, tag.
#[derive(Clone, PartialEq, Eq)]
pub struct Wrapped {
    nonce: [u8; NONCE_BYTES],
    sealed: [u8; KEY_BYTES],
    tag: [u8; TAG_BYTES],
}

impl Wrapped {
    /// The length of [`Wrapped::to_bytes`].
    pub const BYTES: usize = NONCE_BYTES + KEY_BYTES + TAG_BYTES;

    /// Wraps the data key of an epoch under the master key. Fails if the build lacks the cipher.
    pub fn wrap_data(
        cipher: Cipher,
        entropy: &mut dyn Entropy,
        master: &MasterKey,
        database: DatabaseId,
        epoch: Epoch,
        data: &DataKey,
    ) -> Result<Self, Unsupported> {
        Self::wrap(cipher, entropy, &master.0, database, USE_EPOCH, &epoch.0.to_le_bytes(), &data.0)
    }

    /// The data key. Fails with [`What::Key`] if it was damaged, or wrapped for another database, epoch, cipher or master key.
    pub fn unwrap_data(
        &self,
        cipher: Cipher,
        master: &MasterKey,
        database: DatabaseId,
        epoch: Epoch,
    ) -> Result<DataKey, What> {
        self.open(cipher, &master.0, database, USE_EPOCH, &epoch.0.to_le_bytes()).map(DataKey).ok_or(What::Key)
    }

    /// The stored form.
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let parts = self.nonce.iter().chain(&self.sealed).chain(&self.tag);
        for (target, byte) in bytes.iter_mut().zip(parts) {
            *target = *byte;
        }
        bytes
    }

    /// From the stored form. Whether it is whole is seen when it is unwrapped.
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let mut wrapped = Self { nonce: [0; NONCE_BYTES], sealed: [0; KEY_BYTES], tag: [0; TAG_BYTES] };
        let parts = wrapped.nonce.iter_mut().chain(&mut wrapped.sealed).chain(&mut wrapped.tag);
        for (target, byte) in parts.zip(bytes) {
            *target = *byte;
        }
        wrapped
    }

    fn wrap(
        cipher: Cipher,
        entropy: &mut dyn Entropy,
        wrapping: &Secret,
        database: DatabaseId,
        used: &[u8],
        place: &[u8],
        key: &Secret,
    ) -> Result<Self, Unsupported> {
        let subkey = Self::subkey(cipher, wrapping, database, used).ok_or(Unsupported::Cipher(cipher.id()))?;
        let mut sealed = *key.expose();
        let (nonce, tag) = subkey.seal(Nonce::draw(entropy), &Self::associated(database, used, place), &mut sealed);
        Ok(Self { nonce, sealed, tag })
    }

    fn open(
        &self,
        cipher: Cipher,
        wrapping: &Secret,
        database: DatabaseId,
        used: &[u8],
        place: &[u8],
    ) -> Option<Secret> {
        let subkey = Self::subkey(cipher, wrapping, database, used)?;
        let mut key = Secret::copy_of(&self.sealed);
        subkey.open(&self.nonce, &Self::associated(database, used, place), key.0.as_mut(), &self.tag).ok()?;
        Some(key)
    }

    fn subkey(cipher: Cipher, wrapping: &Secret, database: DatabaseId, used: &[u8]) -> Option<Subkey> {
        Subkey::from_secret(cipher, derive_secret(wrapping.expose(), &database.0, used))
    }

    /// K5. The use has a fixed length for each use, and the database always, so no two places read the same.
    fn associated(database: DatabaseId, used: &[u8], place: &[u8]) -> Vec<u8> {
        [used, &database.0, place].concat()
    }
}

impl fmt::Debug for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wrapped")
    }
}

/// One way to unlock a database: the master key, wrapped under a slot key, and what is needed to derive that slot key again.
#[derive(Clone, PartialEq, Eq)]
pub struct KeySlot {
    number: u8,
    kind: SlotKind,
    parameters: Vec<u8>,
    wrapped: Wrapped,
}

impl KeySlot {
    /// The longest parameters.
    pub const PARAMETER_BYTES_MAX: usize = 512;
    /// The longest stored form.
    pub const BYTES_MAX: usize = 4 + Self::PARAMETER_BYTES_MAX + Wrapped::BYTES;

    /// Wraps the master key under a slot key. `slot` is the number, the kind and the parameters. Fails with
    /// [`Limit::KeySlots`] if the parameters are too long, or as unsupported if the build lacks the cipher.
    pub fn wrap_master(
        cipher: Cipher,
        entropy: &mut dyn Entropy,
        slot_key: &SlotKey,
        database: DatabaseId,
        slot: (u8, SlotKind, Vec<u8>),
        master: &MasterKey,
    ) -> Result<Self> {
        let (number, kind, parameters) = slot;
        let place = Self::place(number, kind, &parameters).ok_or(Limit::KeySlots)?;
        let wrapped = Wrapped::wrap(cipher, entropy, &slot_key.0, database, USE_SLOT, &place, &master.0)
            .map_err(|what| Error::Unsupported { file: "manifest".into(), what })?;
        Ok(Self { number, kind, parameters, wrapped })
    }

    /// The master key. Fails with [`Error::WrongKey`] if this is not the key of this slot, or the slot was altered (K6).
    pub fn unwrap_master(&self, cipher: Cipher, slot_key: &SlotKey, database: DatabaseId) -> Result<MasterKey> {
        let place = Self::place(self.number, self.kind, &self.parameters).ok_or(Limit::KeySlots)?;
        self.wrapped.open(cipher, &slot_key.0, database, USE_SLOT, &place).map(MasterKey).ok_or(Error::WrongKey)
    }

    /// Its number, unique in the database.
    pub fn number(&self) -> u8 {
        self.number
    }

    /// Where its key comes from.
    pub fn kind(&self) -> SlotKind {
        self.kind
    }

    /// What deriving the key needs (a salt and costs, or the caller's wrapped blob): public, and opaque to the store.
    pub fn parameters(&self) -> &[u8] {
        &self.parameters
    }

    /// Appends the stored form: number, kind, length of the parameters (u16), parameters, wrapped key.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let Some(place) = Self::place(self.number, self.kind, &self.parameters) else {
            unreachable!("a slot's parameters were checked when it was made or read")
        };
        out.extend_from_slice(&place);
        out.extend_from_slice(&self.wrapped.to_bytes());
    }

    /// Takes one slot from the beginning of `bytes` and returns it with what follows. Fails with [`What::ManifestField`].
    pub fn decode(bytes: &[u8]) -> Result<(Self, &[u8]), What> {
        let parse = || {
            // FORMAT: key-3
            let (&[number, kind, low, high], rest) = bytes.split_first_chunk()?;
            let len = usize::from(u16::from_le_bytes([low, high]));
            if len > Self::PARAMETER_BYTES_MAX {
                return None;
            }
            let (parameters, rest) = rest.split_at_checked(len)?;
            let (wrapped, rest) = rest.split_first_chunk()?;
            let kind = SlotKind::from_id(kind)?;
            Some((Self { number, kind, parameters: parameters.to_vec(), wrapped: Wrapped::from_bytes(wrapped) }, rest))
        };
        parse().ok_or(What::ManifestField)
    }

    /// What the wrapped key is bound to: the stored form but for the wrapped key itself.
    fn place(number: u8, kind: SlotKind, parameters: &[u8]) -> Option<Vec<u8>> {
        let len = u16::try_from(parameters.len()).ok().filter(|&len| usize::from(len) <= Self::PARAMETER_BYTES_MAX)?;
        Some([&[number, kind.id()], &len.to_le_bytes()[..], parameters].concat())
    }
}

impl fmt::Debug for KeySlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySlot({}, {}, {} bytes of parameters)", self.number, self.kind.name(), self.parameters.len())
    }
}

/// The manifest's authentication code: HMAC-SHA-256 under a key derived from the master key for this use and database.
pub fn manifest_mac(master: &MasterKey, database: DatabaseId, bytes: &[u8]) -> [u8; MAC_BYTES] {
    manifest_hmac(master, database, bytes).finalize().into_bytes().into()
}

/// Whether a manifest was written by a holder of the master key. Takes the same time wherever the codes differ.
pub fn verify_manifest_mac(
    master: &MasterKey,
    database: DatabaseId,
    bytes: &[u8],
    mac: &[u8; MAC_BYTES],
) -> Result<(), What> {
    manifest_hmac(master, database, bytes).verify_slice(mac).map_err(|_| What::ManifestAuthentication)
}

fn manifest_hmac(master: &MasterKey, database: DatabaseId, bytes: &[u8]) -> Hmac<Sha256> {
    let key = derive_secret(master.0.expose(), &database.0, USE_MANIFEST);
    let Ok(hmac) = Hmac::<Sha256>::new_from_slice(key.expose()) else { unreachable!("HMAC takes keys of any length") };
    hmac.chain_update(bytes)
}

/// What an unlocked database holds.
pub struct Keyring {
    cipher: Cipher,
    master: MasterKey,
    data: SortedMap<Epoch, DataKey>,
}

impl Keyring {
    /// A keyring with no data keys yet.
    pub fn new(cipher: Cipher, master: MasterKey) -> Self {
        Self { cipher, master, data: SortedMap::new() }
    }

    /// Adds the data key of an epoch.
    pub fn insert(&mut self, epoch: Epoch, key: DataKey) {
        self.data.insert(epoch, key);
    }

    /// Forgets the data key of an epoch that no file uses any more.
    pub fn remove(&mut self, epoch: Epoch) {
        self.data.remove(&epoch);
    }

    /// The database's cipher.
    pub fn cipher(&self) -> Cipher {
        self.cipher
    }

    /// The master key.
    pub fn master(&self) -> &MasterKey {
        &self.master
    }

    /// The data key of an epoch.
    pub fn data(&self, epoch: Epoch) -> Option<&DataKey> {
        self.data.get(&epoch)
    }

    /// The epochs whose data keys are here, oldest first.
    pub fn epochs(&self) -> impl DoubleEndedIterator<Item = Epoch> {
        self.data.keys().copied()
    }

    /// The epoch whose key encrypts what is written now: the newest.
    pub fn newest(&self) -> Option<Epoch> {
        self.epochs().next_back()
    }

    /// The subkey of a file of this epoch and salt. `None` if there is no data key for the epoch.
    pub fn subkey(&self, epoch: Epoch, salt: &Salt, context: &[u8]) -> Option<Subkey> {
        Subkey::derive(self.cipher, self.data(epoch)?, salt, context)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({}, {} epochs)", self.cipher, self.data.len())
    }
}

#[cfg(all(test, feature = "aes-gcm", feature = "chacha20poly1305"))]
mod tests;

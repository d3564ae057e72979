//! AES-256-GCM from where the target has it best: the `aes-gcm` crate, which knows the processors' instructions, and on wasm's vectors, which
//! that crate does not know, `coffer-gcm` (docs/decisions/0021). Both give the same bytes.

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
pub use there::Aes256Gcm;

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub use coffer_gcm::Aes256Gcm;

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod there {
    use aes_gcm::KeyInit;
    use aes_gcm::aead::{AeadInOut, Error};
    use alloc::boxed::Box;

    use crate::cipher::{NONCE_BYTES, TAG_BYTES};
    use crate::keys::KEY_BYTES;

    /// That crate's, in the form of `coffer-gcm`'s.
    pub struct Aes256Gcm(aes_gcm::Aes256Gcm);

    impl Aes256Gcm {
        pub fn boxed(key: &[u8; KEY_BYTES]) -> Box<Self> {
            Box::new(Self(aes_gcm::Aes256Gcm::new(key.into())))
        }

        pub fn seal(
            &self,
            nonce: &[u8; NONCE_BYTES],
            associated: &[u8],
            data: &mut [u8],
        ) -> Result<[u8; TAG_BYTES], Error> {
            self.0.encrypt_inout_detached(nonce.into(), associated, data.into()).map(Into::into)
        }

        pub fn open(
            &self,
            nonce: &[u8; NONCE_BYTES],
            associated: &[u8],
            data: &mut [u8],
            tag: &[u8; TAG_BYTES],
        ) -> Result<(), Error> {
            self.0.decrypt_inout_detached(nonce.into(), associated, data.into(), tag.into())
        }
    }
}

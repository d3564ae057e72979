//! Any bytes as a row of key slots: what parses is stored as the same bytes, and no guessed key opens it.
#![no_main]

use coffer_store::{Cipher, DatabaseId, Error, KeySlot, SlotKey, Subkey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    while let Ok((slot, after)) = KeySlot::decode(rest) {
        let mut stored = Vec::new();
        slot.encode(&mut stored);
        assert!(stored.len() <= KeySlot::BYTES_MAX);
        assert_eq!([&stored, after].concat(), rest);
        for cipher in Cipher::ALL {
            let opened = slot.unwrap_master(cipher, &SlotKey::take(&mut [1; 32]), DatabaseId([0; 16]));
            assert_eq!(opened.err(), Some(Error::WrongKey));
        }
        rest = after;
    }
    if let Ok(subkey) = Subkey::from_secret_bytes(bytes) {
        assert_eq!(subkey.to_secret_bytes()[..], *bytes);
    }
});

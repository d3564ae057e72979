//! Known answers, and every way in which a sealed record must not open.

use alloc::vec::Vec;
use alloc::{format, vec};

use super::*;

struct Counter(u8);

impl Entropy for Counter {
    fn fill(&mut self, out: &mut [u8]) {
        for byte in out {
            self.0 = self.0.wrapping_add(1);
            *byte = self.0;
        }
    }
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn subkey(cipher: Cipher, key: &[u8]) -> Subkey {
    Subkey::from_secret(cipher, Secret::copy_of(key.try_into().unwrap())).unwrap()
}

const CIPHERS: [Cipher; 2] = [Cipher::Aes256Gcm, Cipher::ChaCha20Poly1305];

fn known_answer(cipher: Cipher, plain: &[u8], [key, nonce, associated, sealed, tag]: [&str; 5]) {
    let key = subkey(cipher, &hex(key));
    let nonce: [u8; NONCE_BYTES] = hex(nonce).try_into().unwrap();
    let mut data = plain.to_vec();
    let (stored_nonce, stored_tag) = key.seal(Nonce(nonce), &hex(associated), &mut data);
    assert_eq!((stored_nonce, stored_tag.to_vec(), &data), (nonce, hex(tag), &hex(sealed)));
    key.open(&stored_nonce, &hex(associated), &mut data, &stored_tag).unwrap();
    assert_eq!(data, plain);
}

/// Test case 16 of the GCM specification (`McGrew` and Viega).
#[test]
fn aes_256_gcm_known_answer() {
    known_answer(
        Cipher::Aes256Gcm,
        &hex(
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
        ),
        [
            "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
            "cafebabefacedbaddecaf888",
            "feedfacedeadbeeffeedfacedeadbeefabaddad2",
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
            "76fc6ece0f4e1768cddf8853bb2d551b",
        ],
    );
}

/// RFC 8439, section 2.8.2.
#[test]
fn chacha20_poly1305_known_answer() {
    let plain = "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.";
    known_answer(
        Cipher::ChaCha20Poly1305,
        plain.as_bytes(),
        [
            "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
            "070000004041424344454647",
            "50515253c0c1c2c3c4c5c6c7",
            "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b6116",
            "1ae10b594f09e26a7e902ecbd0600691",
        ],
    );
}

/// RFC 5869, test case 1: its first 32 bytes, since HKDF's shorter outputs are beginnings of its longer ones.
#[test]
fn hkdf_known_answer() {
    let key = derive_secret(&[0x0b; 22], &hex("000102030405060708090a0b0c"), &hex("f0f1f2f3f4f5f6f7f8f9"));
    assert_eq!(key.expose()[..], hex("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"));
}

#[test]
fn a_subkey_is_the_hkdf_of_its_data_key_salt_and_context() {
    let data = DataKey::take(&mut core::array::from_fn(|i| u8::try_from(i).unwrap()));
    let salt = Salt(core::array::from_fn(|i| 0xa0 + u8::try_from(i).unwrap()));
    let expected = hex("f21282aa3ec9fc1fb47e0030610192a0340d588fb12fcc4d6d708203db76852d");
    for cipher in CIPHERS {
        let key = Subkey::derive(cipher, &data, &salt, b"coffer test").unwrap();
        assert_eq!(key.to_secret_bytes()[..], [&[cipher.id()], &expected[..]].concat());
        let other = Subkey::derive(cipher, &data, &Salt([0; 16]), b"coffer test").unwrap();
        assert_ne!(key.to_secret_bytes(), other.to_secret_bytes());
        let other = Subkey::derive(cipher, &data, &salt, b"coffer best").unwrap();
        assert_ne!(key.to_secret_bytes(), other.to_secret_bytes());
    }
    assert!(Subkey::derive(Cipher::None, &data, &salt, b"coffer test").is_none());
}

#[test]
fn nothing_opens_but_what_was_sealed() {
    for cipher in CIPHERS {
        let key = subkey(cipher, &[7; 32]);
        let plain: Vec<u8> = (0..100).collect();
        let mut sealed = plain.clone();
        let (nonce, tag) = key.seal(Nonce::draw(&mut Counter(0)), b"place", &mut sealed);
        let open = |nonce: &[u8; 12], associated: &[u8], sealed: &[u8], tag: &[u8; 16]| {
            let mut data = sealed.to_vec();
            let result = key.open(nonce, associated, &mut data, tag);
            // K3: a refused record shows no plain text.
            assert!(result.is_ok() || data.len() < 8 || data[..8] != plain[..8]);
            result.map(|()| data)
        };
        let refused = Err(What::RecordAuthentication);
        assert_eq!(open(&nonce, b"place", &sealed, &tag), Ok(plain.clone()));
        for bit in 0..sealed.len() * 8 {
            let mut sealed = sealed.clone();
            sealed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(&nonce, b"place", &sealed, &tag), refused);
        }
        for bit in 0..NONCE_BYTES * 8 {
            let mut nonce = nonce;
            nonce[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(&nonce, b"place", &sealed, &tag), refused);
        }
        for bit in 0..TAG_BYTES * 8 {
            let mut tag = tag;
            tag[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(&nonce, b"place", &sealed, &tag), refused);
        }
        for associated in [&b""[..], b"plac", b"placf", b"placeh"] {
            assert_eq!(open(&nonce, associated, &sealed, &tag), refused);
        }
        for len in 0..sealed.len() {
            assert_eq!(open(&nonce, b"place", &sealed[..len], &tag), refused);
        }
        let mut data = sealed.clone();
        assert_eq!(subkey(cipher, &[8; 32]).open(&nonce, b"place", &mut data, &tag), Err(What::RecordAuthentication));
        let other = if cipher == Cipher::Aes256Gcm { Cipher::ChaCha20Poly1305 } else { Cipher::Aes256Gcm };
        assert_eq!(subkey(other, &[7; 32]).open(&nonce, b"place", &mut data, &tag), Err(What::RecordAuthentication));
    }
}

#[test]
fn records_of_every_length_come_back() {
    for cipher in CIPHERS {
        let key = subkey(cipher, &[1; 32]);
        for len in (0..200).chain([511, 512, 513, 4096, 8191, 8192, 65_536, 70_000]) {
            let plain = vec![0x5a; len];
            let mut data = plain.clone();
            let (nonce, tag) = key.seal(Nonce::draw(&mut Counter(9)), b"", &mut data);
            assert!(len < 16 || data != plain);
            key.open(&nonce, b"", &mut data, &tag).unwrap();
            assert_eq!(data, plain);
        }
    }
}

#[test]
fn a_subkey_survives_the_way_to_a_worker() {
    for cipher in CIPHERS {
        let key = subkey(cipher, &[3; 32]);
        let sent = key.to_secret_bytes();
        let received = Subkey::from_secret_bytes(&sent[..]).unwrap();
        let mut data = *b"page";
        let (nonce, tag) = key.seal(Nonce::draw(&mut Counter(0)), b"", &mut data);
        received.open(&nonce, b"", &mut data, &tag).unwrap();
        assert_eq!(&data, b"page");
        assert_eq!(received.cipher(), cipher);
    }
    for bytes in [&[][..], &[1; 32], &[1; 34], &[0; 33], &[3; 33]] {
        assert_eq!(Subkey::from_secret_bytes(bytes).err(), Some(What::Message));
    }
}

#[test]
fn names_ids_and_silence() {
    for cipher in Cipher::ALL {
        assert_eq!(Cipher::from_id(cipher.id()), Some(cipher));
        assert_eq!(cipher.name().parse(), Ok(cipher));
        assert_eq!(cipher.require(), Ok(()));
    }
    assert_eq!(Cipher::from_id(3), None);
    assert_eq!("rot13".parse::<Cipher>(), Err(UnknownName));
    assert_eq!(format!("{:?}", subkey(Cipher::Aes256Gcm, &[9; 32])), "Subkey(aes-256-gcm)");
}

#[test]
fn subkeys_are_shared_between_threads() {
    fn is_shareable<T: Send + Sync>() {}
    is_shareable::<Subkey>();
}

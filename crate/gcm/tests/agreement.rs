//! Both forms of a lane are held against published vectors and the `aes-gcm` crate: natively, and as wasm with vectors by
//! `node scripts/wasm-test.mjs gcm`.

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm as Reference, KeyInit};
use coffer_gcm::{Aes256Gcm, KEY_BYTES, NONCE_BYTES, Refused};

#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;
#[cfg(target_family = "wasm")]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_dedicated_worker);
#[cfg(target_family = "wasm")]
const _: () = assert!(cfg!(target_feature = "simd128"), "this would test the form that natively is tested anyway");
// What holds a key does something when it is dropped.
const _: () = assert!(std::mem::needs_drop::<Aes256Gcm>());

/// Key, nonce, plain text, associated data, sealed text, tag: test cases 13 to 16 of "The Galois/Counter Mode of Operation", which
/// proposed it.
const VECTORS: [[&str; 6]; 4] = [
    [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "000000000000000000000000",
        "",
        "",
        "",
        "530f8afbc74536b9a963b4f1c4cb738b",
    ],
    [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "000000000000000000000000",
        "00000000000000000000000000000000",
        "",
        "cea7403d4d606b6e074ec5d3baf39d18",
        "d0d1c8a799996bf0265b98b5d48ab919",
    ],
    [
        "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
        "cafebabefacedbaddecaf888",
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
        "",
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad",
        "b094dac5d93471bdec1a502270e3cc6c",
    ],
    [
        "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
        "cafebabefacedbaddecaf888",
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
        "feedfacedeadbeeffeedfacedeadbeefabaddad2",
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
        "76fc6ece0f4e1768cddf8853bb2d551b",
    ],
];

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("the vectors are hexadecimal"))
        .collect()
}

fn array<const N: usize>(hex: &str) -> [u8; N] {
    bytes(hex).try_into().expect("the vectors have the right lengths")
}

/// Bytes without a pattern, the same in each run: xorshift.
struct Bytes(u64);

impl Bytes {
    fn fill(&mut self, into: &mut [u8]) {
        for byte in into {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            *byte = self.0.to_le_bytes()[4];
        }
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        self.fill(&mut array);
        array
    }

    fn vec(&mut self, len: usize) -> Vec<u8> {
        let mut vec = vec![0; len];
        self.fill(&mut vec);
        vec
    }
}

#[test]
fn the_vectors_of_the_standard_hold() {
    for [key, nonce, plain, associated, sealed, tag] in VECTORS {
        let cipher = Aes256Gcm::boxed(&array(key));
        let mut data = bytes(plain);
        assert_eq!(cipher.seal(&array(nonce), &bytes(associated), &mut data), Ok(array(tag)));
        assert_eq!(data, bytes(sealed));
        assert_eq!(cipher.open(&array(nonce), &bytes(associated), &mut data, &array(tag)), Ok(()));
        assert_eq!(data, bytes(plain));
    }
}

/// Seals and opens with both, and gives what differs.
fn differs(random: &mut Bytes, len: usize, associated: usize) -> bool {
    let (key, nonce) = (random.array::<KEY_BYTES>(), random.array::<NONCE_BYTES>());
    let (plain, associated) = (random.vec(len), random.vec(associated));
    let (cipher, reference) = (Aes256Gcm::boxed(&key), Reference::new(&key.into()));
    let mut theirs = plain.clone();
    let their_tag: [u8; 16] = reference
        .encrypt_inout_detached(&nonce.into(), &associated, theirs.as_mut_slice().into())
        .expect("short enough")
        .into();
    let mut ours = plain.clone();
    let our_tag = cipher.seal(&nonce, &associated, &mut ours);
    if our_tag != Ok(their_tag) || ours != theirs {
        return true;
    }
    cipher.open(&nonce, &associated, &mut ours, &their_tag) != Ok(()) || ours != plain
}

/// Around every block and batch of the first kilobyte, of pages, and of the longest record; beyond it the counter's third byte.
#[test]
fn every_length_comes_out_as_the_aes_gcm_crate_has_it() {
    let mut random = Bytes(0x9e37_79b9_7f4a_7c15);
    let lengths = (0..1100).chain([4096, 8191, 8192, 65_537, 262_144, 262_145, (1 << 20) + 200]);
    let wrong: Vec<usize> = lengths.filter(|len| differs(&mut random, *len, len % 41)).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn every_length_of_associated_data_comes_out_as_the_aes_gcm_crate_has_it() {
    let mut random = Bytes(0x0dd_ba11);
    let wrong: Vec<usize> = (0..300).chain([5000]).filter(|associated| differs(&mut random, 50, *associated)).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn what_was_changed_is_refused_and_nothing_of_it_is_given() {
    let mut random = Bytes(7);
    let (key, nonce) = (random.array(), random.array());
    let cipher = Aes256Gcm::boxed(&key);
    let (mut sealed, associated) = (random.vec(300), random.vec(20));
    let tag = cipher.seal(&nonce, &associated, &mut sealed).expect("short enough");
    let refused = |nonce: &[u8; NONCE_BYTES], associated: &[u8], sealed: &[u8], tag: &[u8; 16]| {
        let mut data = sealed.to_vec();
        cipher.open(nonce, associated, &mut data, tag) == Err(Refused) && data == sealed
    };
    assert!(!refused(&nonce, &associated, &sealed, &tag));
    for bit in 0..8 {
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1 << bit;
            assert!(refused(&nonce, &associated, &changed, &tag), "bit {bit} of byte {at}");
        }
        for at in 0..tag.len() {
            let mut changed = tag;
            changed[at] ^= 1 << bit;
            assert!(refused(&nonce, &associated, &sealed, &changed), "bit {bit} of byte {at} of the tag");
        }
        for at in 0..associated.len() {
            let mut changed = associated.clone();
            changed[at] ^= 1 << bit;
            assert!(refused(&nonce, &changed, &sealed, &tag), "bit {bit} of byte {at} of the associated data");
        }
    }
    for bit in 0..NONCE_BYTES * 8 {
        let mut other = nonce;
        other[bit / 8] ^= 1 << (bit % 8);
        assert!(refused(&other, &associated, &sealed, &tag), "bit {bit} of the nonce");
    }
    assert!(refused(&nonce, &associated, &sealed[..299], &tag), "a byte is missing");
    assert!(refused(&nonce, &associated[..19], &sealed, &tag), "a byte of the associated data is missing");
}

#[test]
fn a_key_is_never_printed() {
    assert_eq!(format!("{:?}", Aes256Gcm::boxed(&[7; KEY_BYTES])), "Aes256Gcm");
}

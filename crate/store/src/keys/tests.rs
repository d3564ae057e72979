//! Wrapping and unwrapping, and what must not unwrap.

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

const CIPHERS: [Cipher; 2] = [Cipher::Aes256Gcm, Cipher::ChaCha20Poly1305];
const DATABASE: DatabaseId = DatabaseId([4; 16]);

fn slot(cipher: Cipher) -> (KeySlot, SlotKey, MasterKey) {
    let (slot_key, master) = (SlotKey::take(&mut [1; 32]), MasterKey::take(&mut [2; 32]));
    let place = (3, SlotKind::Argon2id, b"salt and costs".to_vec());
    let slot = KeySlot::wrap_master(cipher, &mut Counter(0), &slot_key, DATABASE, place, &master).unwrap();
    (slot, slot_key, master)
}

fn encoded(slot: &KeySlot) -> Vec<u8> {
    let mut bytes = Vec::new();
    slot.encode(&mut bytes);
    bytes
}

#[test]
fn a_slot_gives_the_master_key_to_its_key_only() {
    for cipher in CIPHERS {
        let (slot, slot_key, master) = slot(cipher);
        assert_eq!(slot.unwrap_master(cipher, &slot_key, DATABASE).unwrap().0.expose(), master.0.expose());
        for wrong in [
            slot.unwrap_master(cipher, &SlotKey::take(&mut [9; 32]), DATABASE),
            slot.unwrap_master(cipher, &slot_key, DatabaseId([5; 16])),
            slot.unwrap_master(Cipher::None, &slot_key, DATABASE),
        ] {
            assert_eq!(wrong.err(), Some(Error::WrongKey));
        }
    }
}

#[test]
fn a_slot_is_bound_to_every_bit_of_its_stored_form() {
    for cipher in CIPHERS {
        let (slot, slot_key, _) = slot(cipher);
        let bytes = encoded(&slot);
        let (back, rest) = KeySlot::decode(&bytes).unwrap();
        assert!(back == slot && rest.is_empty());
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            match KeySlot::decode(&bytes) {
                Ok((slot, _)) => {
                    assert_eq!(slot.unwrap_master(cipher, &slot_key, DATABASE).err(), Some(Error::WrongKey));
                }
                Err(what) => assert_eq!(what, What::ManifestField),
            }
        }
        for len in 0..bytes.len() {
            assert_eq!(KeySlot::decode(&bytes[..len]).err(), Some(What::ManifestField));
        }
    }
}

#[test]
fn slots_follow_one_another() {
    let (slot, ..) = slot(Cipher::Aes256Gcm);
    let mut bytes = encoded(&slot);
    slot.encode(&mut bytes);
    bytes.push(7);
    let (first, rest) = KeySlot::decode(&bytes).unwrap();
    let (second, rest) = KeySlot::decode(rest).unwrap();
    assert!(first == slot && second == slot);
    assert_eq!(rest, [7]);
    assert_eq!((slot.number(), slot.kind(), slot.parameters()), (3, SlotKind::Argon2id, &b"salt and costs"[..]));
}

#[test]
fn parameters_end_at_their_limit() {
    let (slot_key, master) = (SlotKey::take(&mut [1; 32]), MasterKey::take(&mut [2; 32]));
    let wrap = |len| {
        let place = (0, SlotKind::External, vec![1; len]);
        KeySlot::wrap_master(Cipher::Aes256Gcm, &mut Counter(0), &slot_key, DATABASE, place, &master)
    };
    let longest = encoded(&wrap(KeySlot::PARAMETER_BYTES_MAX).unwrap());
    assert_eq!(longest.len(), KeySlot::BYTES_MAX);
    assert!(KeySlot::decode(&longest).is_ok());
    assert_eq!(wrap(KeySlot::PARAMETER_BYTES_MAX + 1).err(), Some(Error::Limit(Limit::KeySlots)));
    let mut longer = longest;
    longer[2..4].copy_from_slice(&513_u16.to_le_bytes());
    longer.push(0);
    assert_eq!(KeySlot::decode(&longer).err(), Some(What::ManifestField));
}

#[test]
fn a_data_key_is_bound_to_its_epoch_and_database() {
    for cipher in CIPHERS {
        let (master, data) = (MasterKey::draw(&mut Counter(50)), DataKey::draw(&mut Counter(100)));
        let wrapped = Wrapped::wrap_data(cipher, &mut Counter(0), &master, DATABASE, Epoch(2), &data).unwrap();
        let wrapped = Wrapped::from_bytes(&wrapped.to_bytes());
        let open = |wrapped: &Wrapped, epoch| wrapped.unwrap_data(cipher, &master, DATABASE, epoch);
        assert_eq!(open(&wrapped, Epoch(2)).unwrap().0.expose(), data.0.expose());
        assert_eq!(open(&wrapped, Epoch(3)).err(), Some(What::Key));
        assert_eq!(wrapped.unwrap_data(cipher, &master, DatabaseId([0; 16]), Epoch(2)).err(), Some(What::Key));
        let other = MasterKey::draw(&mut Counter(51));
        assert_eq!(wrapped.unwrap_data(cipher, &other, DATABASE, Epoch(2)).err(), Some(What::Key));
        for bit in 0..Wrapped::BYTES * 8 {
            let mut bytes = wrapped.to_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(&Wrapped::from_bytes(&bytes), Epoch(2)).err(), Some(What::Key));
        }
    }
}

/// A slot key and a master key that are the same bytes still wrap differently: the uses are kept apart.
#[test]
fn a_wrapped_data_key_is_no_wrapped_master_key() {
    let (slot, ..) = slot(Cipher::Aes256Gcm);
    let same = MasterKey::take(&mut [1; 32]);
    for epoch in 0..4 {
        let opened = slot.wrapped.unwrap_data(Cipher::Aes256Gcm, &same, DATABASE, Epoch(epoch));
        assert_eq!(opened.err(), Some(What::Key));
    }
}

#[test]
fn without_a_cipher_nothing_is_wrapped() {
    let (master, data) = (MasterKey::draw(&mut Counter(0)), DataKey::draw(&mut Counter(0)));
    let wrapped = Wrapped::wrap_data(Cipher::None, &mut Counter(0), &master, DATABASE, Epoch(0), &data);
    assert_eq!(wrapped.err(), Some(Unsupported::Cipher(0)));
}

/// The answer was computed with Python's `hmac` from the formulas in this module's and FORMAT.md's words.
#[test]
fn the_manifest_code_is_a_known_answer_and_bound() {
    let master = MasterKey::take(&mut core::array::from_fn(|i| u8::try_from(i).unwrap()));
    let database = DatabaseId(core::array::from_fn(|i| 0xa0 + u8::try_from(i).unwrap()));
    let mac = manifest_mac(&master, database, b"the manifest");
    let known = [
        0xa8, 0x8a, 0x33, 0x73, 0xc5, 0x2a, 0xc7, 0x8b, 0x60, 0xc3, 0xf6, 0xf8, 0x8c, 0x6a, 0x3d, 0x1a, 0x05, 0x1e,
        0x29, 0x65, 0xd4, 0x5e, 0xb1, 0x7f, 0xa6, 0xe4, 0xc8, 0x30, 0xd3, 0x29, 0xf3, 0x30,
    ];
    assert_eq!(mac, known);
    assert_eq!(verify_manifest_mac(&master, database, b"the manifest", &mac), Ok(()));
    let refused = Err(What::ManifestAuthentication);
    assert_eq!(verify_manifest_mac(&master, database, b"the manifesto", &mac), refused);
    assert_eq!(verify_manifest_mac(&master, DATABASE, b"the manifest", &mac), refused);
    assert_eq!(verify_manifest_mac(&MasterKey::take(&mut [0; 32]), database, b"the manifest", &mac), refused);
    for bit in 0..MAC_BYTES * 8 {
        let mut mac = mac;
        mac[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(verify_manifest_mac(&master, database, b"the manifest", &mac), refused);
    }
}

#[test]
fn a_keyring_keeps_its_epochs_in_order() {
    let mut ring = Keyring::new(Cipher::ChaCha20Poly1305, MasterKey::draw(&mut Counter(0)));
    assert_eq!(ring.newest(), None);
    for epoch in [2, 1, 3] {
        ring.insert(Epoch(epoch), DataKey::draw(&mut Counter(u8::try_from(epoch).unwrap())));
    }
    assert_eq!(ring.newest(), Some(Epoch(3)));
    assert_eq!(ring.epochs().map(|epoch| epoch.0).collect::<Vec<_>>(), [1, 2, 3]);
    let (one, two) = (ring.subkey(Epoch(1), &Salt([0; 16]), b""), ring.subkey(Epoch(2), &Salt([0; 16]), b""));
    assert_ne!(one.unwrap().to_secret_bytes(), two.unwrap().to_secret_bytes());
    ring.remove(Epoch(1));
    assert!(ring.data(Epoch(1)).is_none() && ring.subkey(Epoch(1), &Salt([0; 16]), b"").is_none());
}

#[test]
fn taking_a_key_wipes_the_source_and_printing_shows_nothing() {
    let mut bytes = [0x77; 32];
    let key = DataKey::take(&mut bytes);
    assert_eq!(bytes, [0; 32]);
    assert_eq!(key.0.expose(), &[0x77; 32]);
    let (slot, slot_key, master) = slot(Cipher::Aes256Gcm);
    assert_eq!(format!("{key:?} {slot_key:?} {master:?}"), "DataKey SlotKey MasterKey");
    assert_eq!(format!("{slot:?} {:?}", slot.wrapped), "KeySlot(3, argon2id, 14 bytes of parameters) Wrapped");
    let ring = Keyring::new(Cipher::Aes256Gcm, master);
    assert_eq!(format!("{ring:?}"), "Keyring(aes-256-gcm, 0 epochs)");
}

#[test]
fn kinds_have_ids_of_their_own() {
    for id in 0..=u8::MAX {
        assert_eq!(SlotKind::from_id(id).map(SlotKind::id), (id < 4).then_some(id));
    }
}

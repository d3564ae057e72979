//! CRC32, the checksum of everything that no key authenticates.
//!
//! It is the CRC of gzip and Ethernet. It finds accidents, never an attacker; with a key the AEAD tag takes its place.

#[cfg(any(test, target_family = "wasm"))]
mod tables;

/// The CRC32 of these parts as if they were one run of bytes.
#[cfg(target_family = "wasm")]
pub fn crc32(parts: &[&[u8]]) -> u32 {
    !parts.iter().fold(!0, |sum, part| tables::update(sum, part))
}

/// The CRC32 of these parts as if they were one run of bytes.
#[cfg(not(target_family = "wasm"))]
pub fn crc32(parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        assert_eq!(crc32(&[b"123456789"]), 0xcbf4_3926);
        assert_eq!(crc32(&[]), 0);
        assert_eq!(crc32(&[b"The quick brown fox jumps over the lazy dog"]), 0x414f_a339);
    }

    #[test]
    fn parts_are_one_run() {
        let bytes: alloc::vec::Vec<u8> = (0..=255).collect();
        for cut in 0..bytes.len() {
            let (head, tail) = bytes.split_at(cut);
            assert_eq!(crc32(&[head, &[], tail]), crc32(&[&bytes]));
        }
    }
}

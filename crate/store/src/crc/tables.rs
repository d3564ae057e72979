//! CRC32 by tables that are made when they are first needed.
//!
//! In a browser they would be 16 KB of a download that no compressor makes smaller; to make them takes some microseconds. Elsewhere
//! `crc32fast` has instructions for it.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// What a byte does to the sum, for each of the 16 places it can have in a chunk: `TABLES[3][3]` is for the first, `TABLES[0][0]` for the
/// last. They are atomic so that they may be filled without a lock: who comes second writes the same numbers.
static TABLES: [[[AtomicU32; 256]; 4]; 4] = [const { [const { [const { AtomicU32::new(0) }; 256] }; 4] }; 4];

static MADE: AtomicBool = AtomicBool::new(false);

const POLYNOMIAL: u32 = 0xedb8_8320;

fn make() {
    if MADE.load(Ordering::Acquire) {
        return;
    }
    for byte in 0..=255_u8 {
        let mut sum = u32::from(byte);
        for table in TABLES.iter().flatten() {
            for _ in 0..8 {
                sum = if sum & 1 == 1 { (sum >> 1) ^ POLYNOMIAL } else { sum >> 1 };
            }
            if let Some(entry) = table.get(usize::from(byte)) {
                entry.store(sum, Ordering::Relaxed);
            }
        }
    }
    MADE.store(true, Ordering::Release);
}

fn look(table: &[AtomicU32; 256], byte: u8) -> u32 {
    // A byte is always below 256.
    table.get(usize::from(byte)).map_or(0, |entry| entry.load(Ordering::Relaxed))
}

fn four(tables: &[[AtomicU32; 256]; 4], word: u32) -> u32 {
    let [last, third, second, first] = tables;
    let bytes = word.to_le_bytes();
    look(first, bytes[0]) ^ look(second, bytes[1]) ^ look(third, bytes[2]) ^ look(last, bytes[3])
}

/// Goes on with a sum, which begins and ends inverted.
pub fn update(mut sum: u32, bytes: &[u8]) -> u32 {
    make();
    let [last, third, second, first] = &TABLES;
    let (chunks, rest) = bytes.as_chunks::<16>();
    for chunk in chunks {
        // It has exactly four of four.
        let ([a, b, c, d], []) = chunk.as_chunks::<4>() else { continue };
        let word = |bytes: &[u8; 4]| u32::from_le_bytes(*bytes);
        sum = four(first, word(a) ^ sum) ^ four(second, word(b)) ^ four(third, word(c)) ^ four(last, word(d));
    }
    for byte in rest {
        let low = sum.to_le_bytes()[0];
        sum = look(&last[0], low ^ byte) ^ (sum >> 8);
    }
    sum
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn agrees_with_the_other_at_every_length_and_alignment() {
        let mut state = 1_u32;
        let bytes: Vec<u8> = (0..200)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state.to_le_bytes()[3]
            })
            .collect();
        for start in 0..20 {
            for end in start..bytes.len() {
                assert_eq!(!update(!0, &bytes[start..end]), crc32fast::hash(&bytes[start..end]), "{start}..{end}");
            }
        }
        let (head, tail) = bytes.split_at(77);
        assert_eq!(!update(update(!0, head), tail), crc32fast::hash(&bytes));
    }
}

//! GHASH by tables of nibbles that are looked up inside a vector, so that no address depends on what is hashed.
//!
//! A block is a polynomial over GF(2), modulo x^128 + x^7 + x^2 + x + 1: byte 0 has the lowest powers, and of a byte the highest bit has the
//! lowest. The product of a byte and the hash key is looked up in two halves, nibble by nibble. Row `j` of the tables has byte `j` of every nibble's product,
//! so one look-up gives that byte for sixteen bytes of a block at once; moving what is summed on by a byte for each row puts them where they belong.

use core::hint::black_box;

use zeroize::Zeroizing;

use crate::aes::BLOCK_BYTES;
use crate::lane::{Lane, bytes, pair};

/// The products of the hash key and every nibble, by rows: of a byte's lower half (the higher powers), and of its upper half.
pub struct Multiplier(Zeroizing<[[Lane; 2]; BLOCK_BYTES]>);

impl Multiplier {
    /// Without a key, which [`Multiplier::set_key`] writes where this lies then.
    pub fn unset() -> Self {
        Self(Zeroizing::new([[Lane::splat(0); 2]; BLOCK_BYTES]))
    }

    pub fn set_key(&mut self, key: &[u8; BLOCK_BYTES]) {
        // Powers 0 to 7 of x times the key. A number's highest bit is power 0, so that doubling is a shift down.
        let mut power = Zeroizing::new(u128::from_be_bytes(*key));
        let powers = Zeroizing::new(core::array::from_fn::<u128, 8, _>(|_| {
            let this = *power;
            // The box keeps the compiler from making a branch of it.
            let leaves = 0_u128.wrapping_sub(black_box(this & 1));
            *power = (this >> 1) ^ (leaves & (0b1110_0001 << 120));
            this
        }));
        let mut rows = Zeroizing::new([[[0; 2]; 2]; BLOCK_BYTES]);
        for nibble in 0..16_usize {
            for (half, powers) in [&powers[4..], &powers[..4]].into_iter().enumerate() {
                let product =
                    Zeroizing::new(powers.iter().enumerate().fold(0, |sum, (power, of_key)| {
                        if nibble >> (3 - power) & 1 == 1 { sum ^ of_key } else { sum }
                    }));
                for (row, byte) in rows.iter_mut().zip(product.to_be_bytes()) {
                    row[half][nibble / 8] |= u64::from(byte) << (nibble % 8 * 8);
                }
            }
        }
        for (lanes, row) in self.0.iter_mut().zip(&*rows) {
            *lanes = row.map(Lane::new);
        }
    }

    /// The block times the hash key.
    #[inline(always)]
    fn multiply(&self, block: Lane) -> Lane {
        let lower = block & Lane::splat(0x0f);
        let upper = block.down::<4>() & Lane::splat(0x0f);
        let zero = Lane::splat(0);
        let (mut low, mut high) = (zero, zero);
        // Not written out: the engine would take all rows out of the loop over blocks, and have no registers for them.
        for [of_lower, of_upper] in self.0.iter().rev() {
            high = high.next(low);
            low = low.next(zero) ^ (of_lower.look_up(lower) ^ of_upper.look_up(upper));
        }
        // x^128 is x^7 + x^2 + x + 1, and the highest power in `high` is 119, so that nothing leaves it.
        let before = high.next(zero);
        let (by_1, by_2, by_7) = (
            high.bytes_down::<1>() ^ before.bytes_up::<7>(),
            high.bytes_down::<2>() ^ before.bytes_up::<6>(),
            high.bytes_down::<7>() ^ before.bytes_up::<1>(),
        );
        low ^ high ^ by_1 ^ by_2 ^ by_7
    }
}

/// What was hashed so far.
pub struct Ghash<'a> {
    multiplier: &'a Multiplier,
    sum: Lane,
}

impl<'a> Ghash<'a> {
    pub fn new(multiplier: &'a Multiplier) -> Self {
        Self { multiplier, sum: Lane::splat(0) }
    }

    /// Hashes the bytes, and zeros up to the end of their last block.
    pub fn update_padded(&mut self, bytes: &[u8]) {
        let (blocks, rest) = bytes.as_chunks::<BLOCK_BYTES>();
        self.update(blocks);
        if !rest.is_empty() {
            let mut block = [0; BLOCK_BYTES];
            block[..rest.len()].copy_from_slice(rest);
            self.update(&[block]);
        }
    }

    #[inline(never)]
    fn update(&mut self, blocks: &[[u8; BLOCK_BYTES]]) {
        for block in blocks {
            self.sum = self.multiplier.multiply(self.sum ^ Lane::new(pair(block)));
        }
    }

    pub fn finish(self) -> [u8; BLOCK_BYTES] {
        bytes(self.sum.pair())
    }
}

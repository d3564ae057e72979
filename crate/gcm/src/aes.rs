//! AES-256, encrypting only, eight blocks at once: sliced into bits, as Kasper and Schwabe describe it (CHES 2009).
//!
//! Of eight blocks, slice `i` has bit `i` of every byte: byte `n` of the slice is of byte `n` of the blocks, and its bit `j` of block
//! `j`. Bytes are substituted by the gates of Boyar and Peralta's circuit, whose constant is left out and added to the keys of the
//! rounds instead: shifting and mixing let it through.
//!
//! Rows are never shifted ("fixslicing", Adomnicai and Peyrin, CHES 2021). After `frame` shifts that were left out, row `r` stands `frame * r`
//! columns from where it should. Its neighbour below is then `frame` columns away, for every row, and the one two below twice as many;
//! the keys are put into their frames when they are made. Four shifts are none, and what two of the fourteen leave is made up for at the end.

use zeroize::Zeroizing;

use crate::lane::{Lane, Pair, bytes, pair};
use crate::{KEY_BYTES, NONCE_BYTES};

pub const BLOCK_BYTES: usize = 16;
/// The blocks that are encrypted at once.
pub const BATCH: u32 = 8;
pub const BATCH_BYTES: usize = BATCH as usize * BLOCK_BYTES;

const ROUNDS: usize = 14;
const SLICES: usize = 8;
/// What substituting a byte adds to it at the end.
const SUBSTITUTION: u8 = 0x63;

/// The keys of the rounds, sliced.
pub struct Aes256(Zeroizing<[[Lane; SLICES]; ROUNDS + 1]>);

impl Aes256 {
    /// Without a key, which [`Aes256::set_key`] writes where this lies then: what is moved leaves copies behind.
    pub fn unset() -> Self {
        Self(Zeroizing::new([[Lane::splat(0); SLICES]; ROUNDS + 1]))
    }

    pub fn set_key(&mut self, key: &[u8; KEY_BYTES]) {
        let mut keys = Zeroizing::new([0; (ROUNDS + 1) * BLOCK_BYTES]);
        expand(key, &mut keys);
        for (round, (sliced, key)) in self.0.iter_mut().zip(keys.as_chunks::<BLOCK_BYTES>().0).enumerate() {
            let added = if round == 0 { 0 } else { SUBSTITUTION };
            let framed = Zeroizing::new(core::array::from_fn(|place| {
                let from = (place + 4 * (4 - round % 4) * (place % 4)) % BLOCK_BYTES;
                key[from] ^ added
            }));
            *sliced = [Lane::new(pair(&framed)); SLICES];
            transpose(sliced);
        }
    }

    /// A block of zeros, encrypted.
    pub fn encrypt_zeros(&self) -> Zeroizing<[u8; BLOCK_BYTES]> {
        let batch = Zeroizing::new(self.encrypt([[0; 2]; SLICES]));
        Zeroizing::new(*batch.first_chunk().unwrap_or(&[0; BLOCK_BYTES]))
    }

    /// The blocks that are this nonce and a counter from `first` on, encrypted.
    pub fn encrypt_counters(&self, nonce: &[u8; NONCE_BYTES], first: u32) -> [u8; BATCH_BYTES] {
        let [low, high] = pair(&core::array::from_fn(|at| nonce.get(at).copied().unwrap_or(0)));
        let mut counter = first;
        self.encrypt(core::array::from_fn(|_| {
            let block = [low, high | u64::from(counter.swap_bytes()) << 32];
            counter = counter.wrapping_add(1);
            block
        }))
    }

    fn encrypt(&self, blocks: [Pair; SLICES]) -> [u8; BATCH_BYTES] {
        let mut slices = blocks.map(Lane::new);
        transpose(&mut slices);
        let [first, inner @ .., before_last, last] = &*self.0;
        add(&mut slices, first);
        for [one, two, three, four] in inner.as_chunks().0 {
            round::<1>(&mut slices, one);
            round::<2>(&mut slices, two);
            round::<3>(&mut slices, three);
            round::<0>(&mut slices, four);
        }
        round::<1>(&mut slices, before_last);
        substitute(&mut slices);
        add(&mut slices, last);
        slices = slices.map(shift_rows_twice);
        transpose(&mut slices);
        let mut encrypted = [0; BATCH_BYTES];
        for (block, lane) in encrypted.chunks_exact_mut(BLOCK_BYTES).zip(slices) {
            block.copy_from_slice(&bytes(lane.pair()));
        }
        encrypted
    }
}

/// The keys of all rounds, one after another (FIPS 197, 5.2).
fn expand(key: &[u8; KEY_BYTES], keys: &mut [u8; (ROUNDS + 1) * BLOCK_BYTES]) {
    keys[..KEY_BYTES].copy_from_slice(key);
    let mut constant = 1_u32;
    for at in (KEY_BYTES..keys.len()).step_by(4) {
        let word = |at: usize| keys.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |word| u32::from_le_bytes(*word));
        let mut last = word(at - 4);
        match at % KEY_BYTES {
            0 => {
                last = substitute_word(last.rotate_right(8)) ^ constant;
                constant <<= 1;
            }
            16 => last = substitute_word(last),
            _ => {}
        }
        let next = last ^ word(at - KEY_BYTES);
        keys[at..at + 4].copy_from_slice(&next.to_le_bytes());
    }
}

fn substitute_word(word: u32) -> u32 {
    let mut slices = [Lane::splat(0); SLICES];
    slices[0] = Lane::new([u64::from(word), 0]);
    transpose(&mut slices);
    substitute(&mut slices);
    transpose(&mut slices);
    let [byte_0, byte_1, byte_2, byte_3, ..] = bytes(slices[0].pair());
    u32::from_le_bytes([byte_0, byte_1, byte_2, byte_3].map(|byte| byte ^ SUBSTITUTION))
}

#[inline(always)]
fn add(slices: &mut [Lane; SLICES], key: &[Lane; SLICES]) {
    for (slice, key) in slices.iter_mut().zip(key) {
        *slice = *slice ^ *key;
    }
}

/// Turns blocks into slices and back: in each byte, bit `i` of register `j` for bit `j` of register `i`.
#[inline(always)]
fn transpose(registers: &mut [Lane; SLICES]) {
    for (one, other) in [(0, 1), (2, 3), (4, 5), (6, 7)] {
        swap::<1>(registers, one, other, 0x55);
    }
    for (one, other) in [(0, 2), (1, 3), (4, 6), (5, 7)] {
        swap::<2>(registers, one, other, 0x33);
    }
    for (one, other) in [(0, 4), (1, 5), (2, 6), (3, 7)] {
        swap::<4>(registers, one, other, 0x0f);
    }
}

/// Swaps the bits of `one` above those of `mask` for those of `other` in it.
#[inline(always)]
fn swap<const BITS: u32>(registers: &mut [Lane; SLICES], one: usize, other: usize, mask: u8) {
    let differ = (registers[one].down::<BITS>() ^ registers[other]) & Lane::splat(mask);
    registers[other] = registers[other] ^ differ;
    registers[one] = registers[one] ^ differ.up::<BITS>();
}

/// One round but the last, in the frame that it ends in.
#[inline(always)]
fn round<const FRAME: usize>(slices: &mut [Lane; SLICES], key: &[Lane; SLICES]) {
    substitute(slices);
    // Mixing is, with `t` for the sum of each byte and the one below it: twice `t`, the one below, and the `t` two below.
    let below = slices.map(|slice| slice.columns::<FRAME>().turn());
    let sums: [Lane; SLICES] = core::array::from_fn(|bit| slices[bit] ^ below[bit]);
    *slices = core::array::from_fn(|bit| {
        let two_below = sums[bit].turn_twice();
        let two_below = if FRAME.is_multiple_of(2) { two_below } else { two_below.columns::<2>() };
        let rest = below[bit] ^ two_below;
        // Doubling moves each bit up, and the one that leaves comes back in bits 0, 1, 3 and 4 (x^8 = x^4 + x^3 + x + 1).
        match bit {
            0 => rest ^ sums[7],
            1 | 3 | 4 => rest ^ sums[bit - 1] ^ sums[7],
            _ => rest ^ sums[bit - 1],
        }
    });
    add(slices, key);
}

/// Moves rows 1 and 3 by two columns.
#[inline(always)]
fn shift_rows_twice(slice: Lane) -> Lane {
    let odd_rows = Lane::new([0xff00_ff00_ff00_ff00; 2]);
    slice ^ ((slice ^ slice.columns::<2>()) & odd_rows)
}

/// Substitutes each byte but for adding [`SUBSTITUTION`]. The names are those of Boyar and Peralta, "A depth-16 circuit for the AES
/// S-box" (2011), whose bit 0 is the highest.
#[inline(always)]
#[expect(clippy::too_many_lines, reason = "a circuit has no parts to give names to")]
fn substitute(slices: &mut [Lane; SLICES]) {
    let [x7, x6, x5, x4, x3, x2, x1, x0] = *slices;
    let y14 = x3 ^ x5;
    let y13 = x0 ^ x6;
    let y9 = x0 ^ x3;
    let y8 = x0 ^ x5;
    let t0 = x1 ^ x2;
    let y1 = t0 ^ x7;
    let y4 = y1 ^ x3;
    let y12 = y13 ^ y14;
    let y2 = y1 ^ x0;
    let y5 = y1 ^ x6;
    let y3 = y5 ^ y8;
    let t1 = x4 ^ y12;
    let y15 = t1 ^ x5;
    let y20 = t1 ^ x1;
    let y6 = y15 ^ x7;
    let y10 = y15 ^ t0;
    let y11 = y20 ^ y9;
    let y7 = x7 ^ y11;
    let y17 = y10 ^ y11;
    let y19 = y10 ^ y8;
    let y16 = t0 ^ y11;
    let y21 = y13 ^ y16;
    let y18 = x0 ^ y16;
    let t2 = y12 & y15;
    let t3 = y3 & y6;
    let t4 = t3 ^ t2;
    let t5 = y4 & x7;
    let t6 = t5 ^ t2;
    let t7 = y13 & y16;
    let t8 = y5 & y1;
    let t9 = t8 ^ t7;
    let t10 = y2 & y7;
    let t11 = t10 ^ t7;
    let t12 = y9 & y11;
    let t13 = y14 & y17;
    let t14 = t13 ^ t12;
    let t15 = y8 & y10;
    let t16 = t15 ^ t12;
    let t17 = t4 ^ t14;
    let t18 = t6 ^ t16;
    let t19 = t9 ^ t14;
    let t20 = t11 ^ t16;
    let t21 = t17 ^ y20;
    let t22 = t18 ^ y19;
    let t23 = t19 ^ y21;
    let t24 = t20 ^ y18;
    let t25 = t21 ^ t22;
    let t26 = t21 & t23;
    let t27 = t24 ^ t26;
    let t28 = t25 & t27;
    let t29 = t28 ^ t22;
    let t30 = t23 ^ t24;
    let t31 = t22 ^ t26;
    let t32 = t31 & t30;
    let t33 = t32 ^ t24;
    let t34 = t23 ^ t33;
    let t35 = t27 ^ t33;
    let t36 = t24 & t35;
    let t37 = t36 ^ t34;
    let t38 = t27 ^ t36;
    let t39 = t29 & t38;
    let t40 = t25 ^ t39;
    let t41 = t40 ^ t37;
    let t42 = t29 ^ t33;
    let t43 = t29 ^ t40;
    let t44 = t33 ^ t37;
    let t45 = t42 ^ t41;
    let z0 = t44 & y15;
    let z1 = t37 & y6;
    let z2 = t33 & x7;
    let z3 = t43 & y16;
    let z4 = t40 & y1;
    let z5 = t29 & y7;
    let z6 = t42 & y11;
    let z7 = t45 & y17;
    let z8 = t41 & y10;
    let z9 = t44 & y12;
    let z10 = t37 & y3;
    let z11 = t33 & y4;
    let z12 = t43 & y13;
    let z13 = t40 & y5;
    let z14 = t29 & y2;
    let z15 = t42 & y9;
    let z16 = t45 & y14;
    let z17 = t41 & y8;
    let t46 = z15 ^ z16;
    let t47 = z10 ^ z11;
    let t48 = z5 ^ z13;
    let t49 = z9 ^ z10;
    let t50 = z2 ^ z12;
    let t51 = z2 ^ z5;
    let t52 = z7 ^ z8;
    let t53 = z0 ^ z3;
    let t54 = z6 ^ z7;
    let t55 = z16 ^ z17;
    let t56 = z12 ^ t48;
    let t57 = t50 ^ t53;
    let t58 = z4 ^ t46;
    let t59 = z3 ^ t54;
    let t60 = t46 ^ t57;
    let t61 = z14 ^ t57;
    let t62 = t52 ^ t58;
    let t63 = t49 ^ t58;
    let t64 = z4 ^ t59;
    let t65 = t61 ^ t62;
    let t66 = z1 ^ t63;
    let t67 = t64 ^ t65;
    let s3 = t53 ^ t66;
    *slices = [t48 ^ t60, t56 ^ t62, t47 ^ t65, t51 ^ t66, s3, t55 ^ t67, t64 ^ s3, t59 ^ t63];
}

//! Sixteen bytes at once: WebAssembly's vector where it has one, a pair of numbers elsewhere.
//!
//! Byte 0 is the lowest of the first number. The second form is there so that the same code is tested natively; nothing of it is
//! tuned, and no build of Coffer's runs on it.

pub use imp::Lane;

/// A lane's bytes as two numbers.
pub type Pair = [u64; 2];

impl Default for Lane {
    fn default() -> Self {
        Self::splat(0)
    }
}

// So that an array of lanes is zeroized as one of numbers is.
impl zeroize::DefaultIsZeroes for Lane {}

#[inline(always)]
pub fn pair(bytes: &[u8; 16]) -> Pair {
    let half = |at: usize| bytes[at..].first_chunk().map_or(0, |half| u64::from_le_bytes(*half));
    [half(0), half(8)]
}

#[inline(always)]
pub fn bytes([low, high]: Pair) -> [u8; 16] {
    (u128::from(low) | u128::from(high) << 64).to_le_bytes()
}

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod imp {
    use core::arch::wasm32::{
        i8x16_swizzle, u8x16_shl, u8x16_shr, u8x16_shuffle, u8x16_splat, u16x8_shuffle, u32x4_shl, u32x4_shr,
        u32x4_shuffle, u64x2, u64x2_extract_lane, u64x2_shl, u64x2_shr, v128, v128_and, v128_or, v128_xor,
    };
    use core::ops::{BitAnd, BitXor};

    use super::Pair;

    #[derive(Clone, Copy)]
    pub struct Lane(v128);

    impl Lane {
        #[inline(always)]
        pub fn new([low, high]: Pair) -> Self {
            Self(u64x2(low, high))
        }

        #[inline(always)]
        pub fn splat(byte: u8) -> Self {
            Self(u8x16_splat(byte))
        }

        #[inline(always)]
        pub fn pair(self) -> Pair {
            [u64x2_extract_lane::<0>(self.0), u64x2_extract_lane::<1>(self.0)]
        }

        /// The bits of both numbers, shifted; what crosses a byte is for the caller to mask.
        #[inline(always)]
        pub fn up<const BITS: u32>(self) -> Self {
            Self(u64x2_shl(self.0, BITS))
        }

        #[inline(always)]
        pub fn down<const BITS: u32>(self) -> Self {
            Self(u64x2_shr(self.0, BITS))
        }

        /// Each byte by itself.
        #[inline(always)]
        pub fn bytes_up<const BITS: u32>(self) -> Self {
            Self(u8x16_shl(self.0, BITS))
        }

        #[inline(always)]
        pub fn bytes_down<const BITS: u32>(self) -> Self {
            Self(u8x16_shr(self.0, BITS))
        }

        /// The four columns of four bytes turned down by so many: column 0 comes from column `BY`.
        #[inline(always)]
        pub fn columns<const BY: usize>(self) -> Self {
            Self(match BY % 4 {
                1 => u32x4_shuffle::<1, 2, 3, 0>(self.0, self.0),
                2 => u32x4_shuffle::<2, 3, 0, 1>(self.0, self.0),
                3 => u32x4_shuffle::<3, 0, 1, 2>(self.0, self.0),
                _ => self.0,
            })
        }

        /// Each column turned by one byte: its first comes from its second. Engines have no quick way for bytes at any places, but
        /// shift quickly.
        #[inline(always)]
        pub fn turn(self) -> Self {
            Self(v128_or(u32x4_shr(self.0, 8), u32x4_shl(self.0, 24)))
        }

        /// Each column turned by two bytes.
        #[inline(always)]
        pub fn turn_twice(self) -> Self {
            Self(u16x8_shuffle::<1, 0, 3, 2, 5, 4, 7, 6>(self.0, self.0))
        }

        /// Bytes moved to the next place, the last one of `before` to the first.
        #[inline(always)]
        pub fn next(self, before: Self) -> Self {
            Self(u8x16_shuffle::<15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30>(before.0, self.0))
        }

        /// The byte of this table at each of the places, which are below 16.
        #[inline(always)]
        pub fn look_up(self, places: Self) -> Self {
            Self(i8x16_swizzle(self.0, places.0))
        }
    }

    impl BitXor for Lane {
        type Output = Self;

        #[inline(always)]
        fn bitxor(self, other: Self) -> Self {
            Self(v128_xor(self.0, other.0))
        }
    }

    impl BitAnd for Lane {
        type Output = Self;

        #[inline(always)]
        fn bitand(self, other: Self) -> Self {
            Self(v128_and(self.0, other.0))
        }
    }
}

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod imp {
    use core::ops::{BitAnd, BitXor};

    use super::{Pair, bytes, pair};

    #[derive(Clone, Copy)]
    pub struct Lane(Pair);

    impl Lane {
        pub fn new(pair: Pair) -> Self {
            Self(pair)
        }

        pub fn splat(byte: u8) -> Self {
            Self::of([byte; 16])
        }

        pub fn pair(self) -> Pair {
            self.0
        }

        pub fn up<const BITS: u32>(self) -> Self {
            Self(self.0.map(|number| number << BITS))
        }

        pub fn down<const BITS: u32>(self) -> Self {
            Self(self.0.map(|number| number >> BITS))
        }

        pub fn bytes_up<const BITS: u32>(self) -> Self {
            Self::of(bytes(self.0).map(|byte| byte << BITS))
        }

        pub fn bytes_down<const BITS: u32>(self) -> Self {
            Self::of(bytes(self.0).map(|byte| byte >> BITS))
        }

        pub fn columns<const BY: usize>(self) -> Self {
            self.moved(|place| (place + 4 * BY) % 16)
        }

        pub fn turn(self) -> Self {
            self.moved(|place| (place & !3) | ((place + 1) & 3))
        }

        pub fn turn_twice(self) -> Self {
            self.turn().turn()
        }

        pub fn next(self, before: Self) -> Self {
            let (old, new) = (bytes(self.0), bytes(before.0));
            Self::of(core::array::from_fn(|at| if at == 0 { new[15] } else { old[at - 1] }))
        }

        pub fn look_up(self, places: Self) -> Self {
            // In constant time here too: every entry is read, and the one that is meant is kept.
            let table = bytes(self.0);
            Self::of(bytes(places.0).map(|place| {
                (0_u8..).zip(table).fold(0, |found, (at, byte)| {
                    let [_, same] = u16::from(at ^ place).wrapping_sub(1).to_le_bytes();
                    found | (byte & same)
                })
            }))
        }

        fn of(bytes: [u8; 16]) -> Self {
            Self(pair(&bytes))
        }

        fn moved(self, from: impl Fn(usize) -> usize) -> Self {
            let old = bytes(self.0);
            Self::of(core::array::from_fn(|place| old[from(place)]))
        }
    }

    impl BitXor for Lane {
        type Output = Self;

        fn bitxor(self, other: Self) -> Self {
            Self([self.0[0] ^ other.0[0], self.0[1] ^ other.0[1]])
        }
    }

    impl BitAnd for Lane {
        type Output = Self;

        fn bitand(self, other: Self) -> Self {
            Self([self.0[0] & other.0[0], self.0[1] & other.0[1]])
        }
    }
}

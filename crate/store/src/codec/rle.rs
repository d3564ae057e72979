//! Run-length coding in the manner of `PackBits`, with long runs.
//!
//! | control byte | what follows | what it stands for |
//! |---|---|---|
//! | `c` in 0..=127 | `c + 1` bytes | these bytes |
//! | `c` in 128..=254 | one byte | that byte `c - 125` times: 3 to 129 |
//! | 255 | u16 little-endian `n`, one byte | that byte `n` times |
//!
//! R1: the output never grows past what its buffer holds. R2: a decoder takes exactly its input and fills exactly its output.

use crate::error::What;

const LITERALS_MAX: usize = 128;
const RUN_MIN: usize = 3;
const SHORT_RUN_MAX: usize = 129;
const LONG_RUN_MAX: usize = u16::MAX as usize;
const RUN_BIAS: usize = 125;
const LONG_RUN: u8 = 255;

/// Writes the coded form of `raw` to the beginning of `out` and returns its length, or `None` if it does not fit.
pub fn encode(raw: &[u8], out: &mut [u8]) -> Option<usize> {
    let mut writer = Writer { out, len: 0 };
    let mut rest = raw;
    let mut literals = 0;
    while let Some(pending) = rest.get(literals..).filter(|pending| !pending.is_empty()) {
        let run = run_length(pending);
        if run < RUN_MIN {
            literals += run;
            continue;
        }
        let (before, after) = rest.split_at_checked(literals)?;
        writer.put_literals(before)?;
        let (same, after) = after.split_at_checked(run)?;
        writer.put_run(*same.first()?, run)?;
        rest = after;
        literals = 0;
    }
    writer.put_literals(rest)?;
    Some(writer.len)
}

/// Fills `out` from `stored`.
pub fn decode(stored: &[u8], out: &mut [u8]) -> Result<(), What> {
    decode_checked(stored, out).ok_or(What::RecordContent)
}

fn decode_checked(mut stored: &[u8], mut out: &mut [u8]) -> Option<()> {
    while let Some((&control, rest)) = stored.split_first() {
        if usize::from(control) < LITERALS_MAX {
            let count = usize::from(control) + 1;
            let (literals, rest) = rest.split_at_checked(count)?;
            let (target, left) = out.split_at_mut_checked(count)?;
            target.copy_from_slice(literals);
            (stored, out) = (rest, left);
        } else {
            let (count, rest) = if control == LONG_RUN {
                let (count, rest) = rest.split_first_chunk()?;
                (usize::from(u16::from_le_bytes(*count)), rest)
            } else {
                (usize::from(control) - RUN_BIAS, rest)
            };
            let (&byte, rest) = rest.split_first()?;
            let (target, left) = out.split_at_mut_checked(count)?;
            target.fill(byte);
            (stored, out) = (rest, left);
        }
    }
    out.is_empty().then_some(())
}

/// How often the first byte is repeated, up to the longest run; 0 for no bytes.
fn run_length(bytes: &[u8]) -> usize {
    let Some(&first) = bytes.first() else { return 0 };
    bytes.iter().take(LONG_RUN_MAX).take_while(|&&byte| byte == first).count()
}

struct Writer<'a> {
    out: &'a mut [u8],
    len: usize,
}

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.len.checked_add(bytes.len())?;
        self.out.get_mut(self.len..end)?.copy_from_slice(bytes);
        self.len = end;
        Some(())
    }

    fn put_literals(&mut self, bytes: &[u8]) -> Option<()> {
        for chunk in bytes.chunks(LITERALS_MAX) {
            self.put(&[u8::try_from(chunk.len() - 1).ok()?])?;
            self.put(chunk)?;
        }
        Some(())
    }

    fn put_run(&mut self, byte: u8, count: usize) -> Option<()> {
        if count <= SHORT_RUN_MAX {
            self.put(&[u8::try_from(count + RUN_BIAS).ok()?, byte])
        } else {
            let [low, high] = u16::try_from(count).ok()?.to_le_bytes();
            self.put(&[LONG_RUN, low, high, byte])
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;

    fn round_trip(raw: &[u8]) -> usize {
        // The worst case is one control byte for 128 literals, and for every short literal stretch between runs.
        let mut coded = vec![0; raw.len() * 2 + 8];
        let len = encode(raw, &mut coded).unwrap();
        let mut back = vec![0xaa; raw.len()];
        decode(&coded[..len], &mut back).unwrap();
        assert_eq!(back, raw);
        len
    }

    #[test]
    fn known_answers() {
        let mut out = [0; 16];
        assert_eq!(encode(b"", &mut out), Some(0));
        assert_eq!(encode(b"abbb", &mut out).map(|len| &out[..len]), Some(&[0, b'a', 128, b'b'][..]));
        assert_eq!(encode(&[7; 129], &mut [0; 2]), Some(2));
        assert_eq!(encode(&[7; 130], &mut out).map(|len| &out[..len]), Some(&[255, 130, 0, 7][..]));
    }

    #[test]
    fn runs_at_every_boundary_come_back() {
        let lengths = [1, 2, 3, 4, 127, 128, 129, 130, 131, 255, 256, 65_534, 65_535, 65_536, 65_537, 65_538, 70_000];
        for length in lengths {
            round_trip(&vec![0; length]);
            let mut raw = vec![1, 2];
            raw.extend(vec![9; length]);
            raw.extend([3, 3]);
            round_trip(&raw);
        }
        assert_eq!(round_trip(&vec![0; 65_536]), 4 + 2);
        for literals in [127_u8, 128, 129, 200] {
            round_trip(&(0..literals).collect::<Vec<_>>());
        }
    }

    #[test]
    fn too_small_a_buffer_is_refused_at_every_size() {
        let raw = b"aaaaaaaaabcdefgggggggggggggggggggggghijk";
        let mut room = [0; 64];
        let len = encode(raw, &mut room).unwrap();
        for size in 0..len {
            assert_eq!(encode(raw, &mut room[..size]), None);
        }
        assert_eq!(encode(raw, &mut room[..len]), Some(len));
    }

    #[test]
    fn only_the_exact_length_decodes() {
        let mut coded = [0; 64];
        let len = encode(b"aaaabcdeeeeeeee", &mut coded).unwrap();
        let mut out = [0; 32];
        assert_eq!(decode(&coded[..len], &mut out[..15]), Ok(()));
        assert_eq!(decode(&coded[..len], &mut out[..14]), Err(What::RecordContent));
        assert_eq!(decode(&coded[..len], &mut out[..16]), Err(What::RecordContent));
        assert_eq!(decode(&coded[..len - 1], &mut out[..15]), Err(What::RecordContent));
        assert_eq!(decode(&[255, 3], &mut out[..3]), Err(What::RecordContent));
    }
}

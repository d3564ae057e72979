//! Patches: a page told by what differs from an earlier version of it, which whoever reads it has to have.
//!
//! P1  A patch is made only of what is the new page's: applied to the version that it was made from, it gives that page exactly.
//! P2  Whatever the bytes say, applying them changes nothing outside the page, allocates nothing and ends.

use alloc::vec::Vec;

use crate::bytes::{Put, Reader};

/// Pages are compared by so many bytes at once; what is the same for less is told along.
const STEP_BYTES: usize = 8;

/// Puts into `out` what makes `new` of `old`, both of one length. `false` if that takes more than `most` bytes.
pub(crate) fn diff(old: &[u8], new: &[u8], most: usize, out: &mut Vec<u8>) -> bool {
    out.clear();
    let mut told = 0;
    let mut differs_from = None;
    let (old_steps, new_steps) = (old.as_chunks::<STEP_BYTES>().0, new.as_chunks::<STEP_BYTES>().0);
    for (index, (old_step, new_step)) in old_steps.iter().zip(new_steps).enumerate() {
        let same = u64::from_ne_bytes(*old_step) == u64::from_ne_bytes(*new_step);
        match (same, differs_from) {
            (false, None) => differs_from = Some(index * STEP_BYTES),
            (true, Some(from)) => {
                told = tell(new, told, from, index * STEP_BYTES, out);
                differs_from = None;
                if out.len() > most {
                    return false;
                }
            }
            _ => {}
        }
    }
    if let Some(from) = differs_from {
        tell(new, told, from, new.len(), out);
    }
    out.len() <= most
}

/// Appends one stretch that differs; gives where it ends.
fn tell(new: &[u8], told: usize, from: usize, to: usize, out: &mut Vec<u8>) -> usize {
    out.put_varint((from - told) as u64);
    out.put_varint((to - from) as u64);
    out.put(new.get(from..to).unwrap_or_default());
    to
}

/// Makes the new page of the one that the patch was made from. `None` if it is no patch of a page of this size.
///
/// FORMAT: patch-3
pub(crate) fn apply(patch: &[u8], page: &mut [u8]) -> Option<()> {
    let mut reader = Reader::new(patch);
    let mut rest = page;
    while !reader.is_empty() {
        let same = usize::try_from(reader.varint()?).ok()?;
        let differs = usize::try_from(reader.varint()?).ok()?;
        let (told, behind) = rest.split_at_mut_checked(same)?.1.split_at_mut_checked(differs)?;
        told.copy_from_slice(reader.take(differs)?);
        rest = behind;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn there_and_back(old: &[u8], new: &[u8]) -> usize {
        let mut out = vec![1, 2, 3];
        assert!(diff(old, new, usize::MAX, &mut out));
        let mut page = old.to_vec();
        assert_eq!(apply(&out, &mut page), Some(()));
        assert_eq!(page, new);
        // The bound is exact.
        let len = out.len();
        assert!(diff(old, new, len, &mut out) && (len == 0 || !diff(old, new, len - 1, &mut out)));
        len
    }

    #[test]
    fn a_patch_makes_the_new_page_of_the_old_one() {
        let old: Vec<u8> = (0..=255).chain((0..=255).rev()).map(|byte: u8| byte.wrapping_mul(7)).collect();
        assert_eq!(there_and_back(&old, &old), 0);
        for at in 0..old.len() {
            for until in [at + 1, at + 9, at + 100, old.len()] {
                let mut new = old.clone();
                new[at..until.min(old.len())].iter_mut().for_each(|byte| *byte ^= 0x55);
                let len = there_and_back(&old, &new);
                assert!(len <= until - at + 4 + 2 * (STEP_BYTES - 1), "{at}..{until} took {len}");
            }
        }
        let mut scattered = old.clone();
        scattered.iter_mut().step_by(24).for_each(|byte| *byte ^= 1);
        there_and_back(&old, &scattered);
    }

    #[test]
    fn no_bytes_lead_outside_the_page() {
        let mut bytes = Vec::new();
        for (same, differs, told) in [(513, 0, 0), (0, 513, 513), (500, 13, 13), (0, 9, 8), (u64::MAX, u64::MAX, 0)] {
            bytes.clear();
            bytes.put_varint(same);
            bytes.put_varint(differs);
            bytes.put(&vec![7; told]);
            assert_eq!(apply(&bytes, &mut [0; 512]), None, "{same}, {differs}, {told}");
        }
        // Endless, unless an empty stretch is bytes read.
        assert_eq!(apply(&[0; 4096], &mut [0; 512]), Some(()));
        assert_eq!(apply(&[0; 4095], &mut [0; 512]), None);
    }
}

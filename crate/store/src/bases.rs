//! The bases of a log: frames of it whose pages are still in memory, so that what is written to such a page again can be a patch.
//!
//! A frame never changes once its commit is in the log, so a base holds for as long as its log does, whoever writes.
//!
//! A1  A base is a whole page frame, of a commit that is in the log.
//! A2  Together they take [`BYTES_MAX`] at most, or as much as [`COUNT_MIN`] pages. A commit of many pages brings none: its pages are less
//!     likely to be written again soon than those that it would push out.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use crate::format::body::PatchBase;
use crate::ids::{PageNo, PageSize};

/// What pages of bases take in memory at most.
const BYTES_MAX: usize = 512 << 10;

/// However large pages are.
const COUNT_MIN: usize = 16;

/// However small they are: the search for one is along all of them.
const COUNT_MAX: usize = 64;

/// The share of all bases that one commit may bring.
const COMMIT_SHARE: usize = 4;

/// Few, so a search from one end to the other is the quickest.
#[derive(Default)]
pub(crate) struct Bases {
    /// The one that was of use last comes last.
    in_use: Vec<Base>,
}

pub(crate) struct Base {
    pub number: PageNo,
    pub page: Box<[u8]>,
    /// Where its frame begins, and the length of the body.
    pub offset: u64,
    pub body_bytes: u32,
}

impl Base {
    /// How a frame at an offset names it; `None` from too far away.
    pub fn seen_from(&self, offset: u64) -> Option<PatchBase> {
        let back = u32::try_from(offset.checked_sub(self.offset)?).ok()?;
        Some(PatchBase { back, body_bytes: self.body_bytes })
    }

    /// A patch that takes more than this is no gain over a whole frame.
    pub fn patch_bytes_max(&self) -> usize {
        (self.page.len() / 4).min(self.body_bytes as usize)
    }
}

impl Bases {
    pub fn get(&self, number: PageNo) -> Option<&Base> {
        self.in_use.iter().find(|base| base.number == number)
    }

    /// Whether a commit brings bases that wrote so many pages as a whole (A2).
    pub fn admit(pages: usize, page_size: PageSize) -> bool {
        pages <= count_max(page_size.bytes()) / COMMIT_SHARE
    }

    /// A commit used the base of a page.
    pub fn used(&mut self, number: PageNo) {
        if let Some(behind) = self.place(number).and_then(|place| self.in_use.get_mut(place..)) {
            behind.rotate_left(1);
        }
    }

    /// A commit wrote a page as a whole.
    pub fn insert(&mut self, base: Base) {
        let oldest = if self.in_use.len() < count_max(base.page.len()) { None } else { Some(0) };
        if let Some(place) = self.place(base.number).or(oldest) {
            self.in_use.remove(place);
        }
        self.in_use.push(base);
    }

    fn place(&self, number: PageNo) -> Option<usize> {
        self.in_use.iter().position(|base| base.number == number)
    }
}

fn count_max(page_bytes: usize) -> usize {
    (BYTES_MAX / page_bytes).clamp(COUNT_MIN, COUNT_MAX)
}

impl fmt::Debug for Bases {
    /// Pages are people's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bases({})", self.in_use.len())
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn base(number: u32) -> Base {
        Base { number: PageNo::new(number).unwrap(), page: vec![0; 64 << 10].into(), offset: 4096, body_bytes: 100 }
    }

    #[test]
    fn the_one_that_was_not_used_for_longest_goes_first() {
        let mut bases = Bases::default();
        for number in 1..=16 {
            bases.insert(base(number));
        }
        bases.used(PageNo::new(1).unwrap());
        bases.insert(base(3));
        bases.insert(base(17));
        let numbers: Vec<u32> = bases.in_use.iter().map(|base| base.number.get()).collect();
        assert_eq!(numbers, [4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 1, 3, 17], "2 went, and each is there once");
        bases.used(PageNo::new(20).unwrap());
        assert_eq!(bases.in_use.len(), 16);
    }

    #[test]
    fn a_commit_of_four_pages_brings_bases_whatever_their_size_and_a_large_one_none() {
        for (page_bytes, most) in [(512, 16), (8192, 16), (16384, 8), (65536, 4)] {
            let size = PageSize::new(page_bytes).unwrap();
            assert!(Bases::admit(most, size) && !Bases::admit(most + 1, size), "{page_bytes}");
        }
    }

    #[test]
    fn a_base_is_named_by_how_far_away_it_is() {
        let base = base(1);
        assert_eq!(base.seen_from(5000), Some(PatchBase { back: 904, body_bytes: 100 }));
        assert_eq!(base.seen_from(4095), None);
        assert_eq!(base.seen_from((5 << 30) + 4096), None);
    }
}

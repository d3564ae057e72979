//! The vocabulary: page numbers, counts, sizes, commit ids and the names of files' contents.
//!
//! Every integer with a meaning has a type, so an index, a count and a size never mix silently. Only conversions live here.

use core::fmt;
use core::num::NonZeroU32;

/// A page's number. Pages are counted from 1, as in SQLite.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageNo(NonZeroU32);

impl PageNo {
    /// The page with this number, or `None` for 0, which is no page.
    pub const fn new(number: u32) -> Option<Self> {
        match NonZeroU32::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The page at a 0-based index, or `None` past the last page a database can have.
    pub const fn from_index(index: u32) -> Option<Self> {
        match index.checked_add(1) {
            Some(number) => Self::new(number),
            None => None,
        }
    }

    /// The number, from 1.
    pub const fn get(self) -> u32 {
        self.0.get()
    }

    /// The 0-based index.
    pub const fn index(self) -> u32 {
        self.0.get() - 1
    }
}

impl fmt::Debug for PageNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "page {}", self.0)
    }
}

impl fmt::Display for PageNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How many pages a database has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct PageCount(pub u32);

impl PageCount {
    /// Whether a page of this number lies inside.
    pub const fn contains(self, page: PageNo) -> bool {
        page.get() <= self.0
    }
}

impl fmt::Display for PageCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The size of every page of a database: a power of two from 512 to 65536.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PageSize(u32);

impl PageSize {
    /// The smallest page SQLite knows.
    pub const MIN: Self = Self(512);
    /// The largest page SQLite knows.
    pub const MAX: Self = Self(65536);
    /// What a new database gets when nobody says otherwise.
    pub const DEFAULT: Self = Self(8192);

    /// A page size, or `None` if SQLite could not have it.
    pub const fn new(bytes: u32) -> Option<Self> {
        if bytes.is_power_of_two() && bytes >= Self::MIN.0 && bytes <= Self::MAX.0 { Some(Self(bytes)) } else { None }
    }

    /// In bytes.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// In bytes, for slices.
    pub const fn bytes(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for PageSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A committed state of a database. Commits are numbered from 1 without gaps; 0 is the empty state before the first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct CommitId(pub u64);

impl CommitId {
    /// The empty state before the first commit.
    pub const ZERO: Self = Self(0);

    /// The commit after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Debug for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "commit {}", self.0)
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A sealed segment's number; its file is `seg-<id>`. Never reused within a database.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct SegmentId(pub u64);

/// One life of a log file: grows by one each time a log is begun, whichever file it is in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct LogGeneration(pub u64);

impl LogGeneration {
    /// The life after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// The age of a data key; rotating the key opens the next epoch. 0 where nothing is encrypted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Epoch(pub u32);

/// The random identity of a database, made once at creation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DatabaseId(pub [u8; 16]);

/// What a caller calls its request, to learn after a crash whether it committed. All zeros means none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RequestId(pub [u8; 16]);

impl RequestId {
    /// No request.
    pub const NONE: Self = Self([0; 16]);
}

/// The checksum of everything committed up to some commit; equal chains mean equal histories.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Chain(pub [u8; 16]);

/// The random salt of one file, from which its subkey is derived.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Salt(pub [u8; 16]);

macro_rules! hex_text {
    ($($name:ident: $prefix:literal),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                for byte in self.0 {
                    write!(f, "{byte:02x}")?;
                }
                Ok(())
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "-{}"), self)
            }
        }
    )*};
}
hex_text!(DatabaseId: "db", RequestId: "req", Chain: "chain", Salt: "salt");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_numbers_start_at_one() {
        assert_eq!(PageNo::new(0), None);
        assert_eq!(PageNo::from_index(0).map(PageNo::get), Some(1));
        assert_eq!(PageNo::from_index(u32::MAX), None);
    }

    #[test]
    fn page_sizes_are_those_of_sqlite() {
        let sizes: alloc::vec::Vec<u32> = (0..=131_072).filter(|&n| PageSize::new(n).is_some()).collect();
        assert_eq!(sizes, [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536]);
    }
}

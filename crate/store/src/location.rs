//! Where a version of a page lies: 20 bytes, so that a table of a million pages fits in 20 MB.

use core::fmt;

use crate::ids::CommitId;

/// A file's place in a [`FileSet`](crate::file::FileSet).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct FileSlot(pub u16);

/// File, offset, length and commit of one version of a page.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Location {
    offset_low: u32,
    offset_high: u16,
    file: u16,
    body_bytes: u32,
    commit_low: u32,
    commit_high: u32,
}

const _: () = assert!(size_of::<Location>() == 20);

impl Location {
    /// No version: the page was never written.
    pub const NONE: Self =
        Self { offset_low: 0, offset_high: 0, file: 0, body_bytes: 0, commit_low: 0, commit_high: 0 };

    /// Offsets have 48 bits; a file as long as that is refused where it is opened.
    #[expect(clippy::cast_possible_truncation, reason = "each number is cut into the halves that are stored")]
    pub const fn new(file: FileSlot, offset: u64, body_bytes: u32, commit: CommitId) -> Self {
        Self {
            offset_low: offset as u32,
            offset_high: (offset >> 32) as u16,
            file: file.0,
            body_bytes,
            commit_low: commit.0 as u32,
            commit_high: (commit.0 >> 32) as u32,
        }
    }

    pub const fn file(self) -> FileSlot {
        FileSlot(self.file)
    }

    /// Where the frame or record begins.
    pub const fn offset(self) -> u64 {
        self.offset_low as u64 | (self.offset_high as u64) << 32
    }

    pub const fn body_bytes(self) -> u32 {
        self.body_bytes
    }

    pub const fn commit(self) -> CommitId {
        CommitId(self.commit_low as u64 | (self.commit_high as u64) << 32)
    }

    /// File and offset, to put locations in the order in which they lie.
    pub const fn place(self) -> (u16, u64) {
        (self.file, self.offset())
    }

    pub const fn is_some(self) -> bool {
        self.body_bytes != 0
    }
}

/// Files are refused from this length on.
pub(crate) const FILE_BYTES_MAX: u64 = 1 << 48;

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}:{}@{}", self.file, self.offset(), self.body_bytes, self.commit())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_round_trip_at_their_limits() {
        let location = Location::new(FileSlot(u16::MAX), FILE_BYTES_MAX - 1, u32::MAX, CommitId(u64::MAX));
        assert_eq!(location.file(), FileSlot(u16::MAX));
        assert_eq!(location.offset(), FILE_BYTES_MAX - 1);
        assert_eq!(location.body_bytes(), u32::MAX);
        assert_eq!(location.commit(), CommitId(u64::MAX));
    }
}

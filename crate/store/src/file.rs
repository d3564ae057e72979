//! Open files: a device with what is needed to open the bodies in it, and the set of them that a view reads from.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Deref;

use crate::cipher::Subkey;
use crate::codec::{Decoder, Dictionary};
use crate::device::Device;
use crate::error::{Error, Result, What};
use crate::format::body::{FileKind, Opened, Opening, PatchBase, Place, open_body};
use crate::ids::{DatabaseId, Epoch, PageNo};
use crate::location::{FileSlot, Location};
use crate::patch;

/// An open log or segment. Whoever holds the `Arc` keeps the file from being removed or overwritten.
pub(crate) struct OpenFile<D> {
    pub face: Face,
    pub device: D,
    /// For a segment its length, up to which it may be read ahead; a log is never read ahead, since it still grows.
    pub sealed_bytes: Option<u64>,
    /// Of its key; 0 if it is not encrypted.
    pub epoch: Epoch,
}

/// What opens the bodies of a file, wherever their bytes come from.
pub(crate) struct Face {
    pub name: String,
    pub kind: FileKind,
    /// The log's generation or the segment's id.
    pub id: u64,
    pub database: DatabaseId,
    pub subkey: Option<Subkey>,
    pub dictionary: Option<Dictionary>,
}

impl<D> Deref for OpenFile<D> {
    type Target = Face;

    fn deref(&self) -> &Face {
        &self.face
    }
}

impl Face {
    /// Where a body in this file lies.
    pub fn place(&self, offset: u64, page: u64) -> Place<'_> {
        Place { database: &self.database, kind: self.kind, file: self.id, offset, page }
    }

    pub fn opening(&self, verify: bool) -> Opening<'_> {
        Opening { subkey: self.subkey.as_ref(), dictionary: self.dictionary.as_ref(), verify }
    }

    pub fn corrupt(&self, offset: u64, what: What) -> Error {
        Error::corrupt(&self.name, offset, what)
    }

    /// Opens a body of this file in place and checks that it is the version that the table names. Of a patch the page is made
    /// by what this gives, from the body of its base.
    pub fn open_page<'b>(
        &self,
        body: &'b mut [u8],
        page: PageNo,
        location: Location,
        verify: bool,
        decoder: &mut Decoder,
        out: &mut [u8],
    ) -> Result<Option<Patch<'b>>> {
        let corrupt = |what| self.corrupt(location.offset(), what);
        let place = self.place(location.offset(), u64::from(page.get()));
        let opened = open_body(body, place, self.opening(verify), decoder, out).map_err(corrupt)?;
        let (header, patch) = match opened {
            Opened::Page(header) => (header, None),
            Opened::Patch(header, base, bytes) => {
                let offset = place.base_offset(base, out.len()).ok_or_else(|| corrupt(What::RecordHeader))?;
                (header, Some(Patch { page, location, offset, base, verify, bytes }))
            }
        };
        // FORMAT: body-5
        if header.commit == location.commit() { Ok(patch) } else { Err(corrupt(What::RecordHeader)) }
    }

    /// Makes the page of a patch.
    pub fn open_patched(
        &self,
        patch: &Patch<'_>,
        base_body: &mut [u8],
        decoder: &mut Decoder,
        out: &mut [u8],
    ) -> Result<()> {
        let place = self.place(patch.offset, u64::from(patch.page.get()));
        let opened = open_body(base_body, place, self.opening(patch.verify), decoder, out);
        let made = match opened.map_err(|what| self.corrupt(patch.offset, what))? {
            // FORMAT: patch-2
            Opened::Page(header) if header.commit < patch.location.commit() => {
                patch::apply(patch.bytes, out).ok_or(What::RecordContent)
            }
            _ => Err(What::RecordHeader),
        };
        made.map_err(|what| self.corrupt(patch.location.offset(), what))
    }
}

/// A page that was stored as a patch: to be made of its base.
pub(crate) struct Patch<'b> {
    page: PageNo,
    location: Location,
    /// Where the frame of its base begins.
    pub offset: u64,
    pub base: PatchBase,
    verify: bool,
    bytes: &'b [u8],
}

impl Patch<'_> {
    /// How long the body of its base is: no longer than any body of a page.
    pub const fn base_bytes(&self) -> usize {
        self.base.body_bytes as usize
    }
}

impl<D> fmt::Debug for OpenFile<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenFile({})", self.name)
    }
}

/// The files of a view, by slot.
#[derive(Debug)]
pub(crate) struct FileSet<D> {
    files: Vec<Option<Arc<OpenFile<D>>>>,
}

impl<D> Default for FileSet<D> {
    fn default() -> Self {
        Self { files: Vec::new() }
    }
}

impl<D> Clone for FileSet<D> {
    fn clone(&self) -> Self {
        Self { files: self.files.clone() }
    }
}

impl<D: Device> FileSet<D> {
    pub fn get(&self, slot: FileSlot) -> Option<&Arc<OpenFile<D>>> {
        self.files.get(usize::from(slot.0))?.as_ref()
    }

    /// The file that a location of this view's table names. The table only names files of the set.
    pub fn of(&self, location: Location) -> Result<&Arc<OpenFile<D>>> {
        self.get(location.file()).ok_or_else(|| Error::corrupt("", location.offset(), What::SegmentMissing))
    }

    /// Puts a file into the first free slot.
    pub fn insert(&mut self, file: Arc<OpenFile<D>>) -> FileSlot {
        let free = self.files.iter().position(Option::is_none).unwrap_or(self.files.len());
        if free == self.files.len() {
            self.files.push(None);
        }
        if let Some(place) = self.files.get_mut(free) {
            *place = Some(file);
        }
        FileSlot(u16::try_from(free).unwrap_or(u16::MAX))
    }

    pub fn remove(&mut self, slot: FileSlot) -> Option<Arc<OpenFile<D>>> {
        self.files.get_mut(usize::from(slot.0))?.take()
    }

    pub fn iter(&self) -> impl Iterator<Item = (FileSlot, &Arc<OpenFile<D>>)> {
        (0..).map(FileSlot).zip(&self.files).filter_map(|(slot, file)| Some((slot, file.as_ref()?)))
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::format::body::{append_body, append_patch};
    use crate::ids::CommitId;

    fn log() -> Face {
        let (name, database) = ("log-0".into(), DatabaseId([3; 16]));
        Face { name, kind: FileKind::Log, id: 1, database, subkey: None, dictionary: None }
    }

    /// FORMAT: patch-2
    #[test]
    fn a_patch_is_made_of_a_page_of_an_earlier_commit() {
        let face = log();
        let (mut base, mut decoder, mut page) = (Vec::new(), Decoder::default(), vec![0; 512]);
        append_body(&mut base, face.place(4096, 1), CommitId(9), &[5; 512], None, None);
        let named = PatchBase { back: 904, body_bytes: u32::try_from(base.len()).unwrap() };
        for (commit, expected) in [(9, Err(face.corrupt(5000, What::RecordHeader))), (10, Ok(()))] {
            let mut body = Vec::new();
            append_patch(&mut body, face.place(5000, 1), CommitId(commit), 512, named, &[1, 2, 8, 8], None);
            let location = Location::new(FileSlot(0), 5000, u32::try_from(body.len()).unwrap(), CommitId(commit));
            let number = PageNo::new(1).unwrap();
            let patch = face.open_page(&mut body, number, location, true, &mut decoder, &mut page).unwrap().unwrap();
            assert_eq!(face.open_patched(&patch, &mut base.clone(), &mut decoder, &mut page), expected);
        }
        assert_eq!(page[..4], [5, 8, 8, 5]);
    }

    /// FORMAT: body-5
    #[test]
    fn a_body_is_of_the_commit_that_the_table_says() {
        let face = log();
        let mut body = Vec::new();
        append_body(&mut body, face.place(4096, 1), CommitId(9), &[5; 512], None, None);
        for (commit, opens) in [(9, true), (8, false), (10, false)] {
            let location = Location::new(FileSlot(0), 4096, u32::try_from(body.len()).unwrap(), CommitId(commit));
            let (mut body, mut decoder, mut page) = (body.clone(), Decoder::default(), vec![0; 512]);
            let opened =
                face.open_page(&mut body, PageNo::new(1).unwrap(), location, true, &mut decoder, &mut page).is_ok();
            assert_eq!(opened, opens, "{commit}");
        }
    }
}

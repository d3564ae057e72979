//! Looking beneath: where a page lies and how it is stored, and what is remembered of commits. For tools that debug.

use alloc::string::String;
use alloc::vec::Vec;

use crate::codec::Codec;
use crate::device::{Device, Storage};
use crate::error::{Result, What};
use crate::format::body::BodyHeader;
use crate::format::commits::CommitInfo;
use crate::ids::PageNo;
use crate::scratch::Scratch;
use crate::snapshot::{PageVersion, Snapshot};
use crate::store::Store;

/// How one version of a page is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PageRecord {
    /// Which page, and the commit that wrote it.
    pub version: PageVersion,
    /// The file that holds it.
    pub file: String,
    /// Where its frame or record begins there.
    pub offset: u64,
    /// Bytes there, with the header of the frame or record.
    pub stored_bytes: u64,
    /// Bytes of the page, uncompressed.
    pub raw_bytes: u64,
    /// How it is compressed.
    pub codec: Codec,
    /// Whether the file's dictionary was used.
    pub dictionary: bool,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// Whether it is told by what differs from an earlier frame of the log.
    pub patch: bool,
}

impl<D: Device> Snapshot<D> {
    /// How the version of a page that this snapshot shows is stored; `None` if there is none. Reads its header and trusts
    /// it: only reading the page itself checks it.
    pub fn record(&self, page: PageNo, scratch: &mut Scratch) -> Result<Option<PageRecord>> {
        let Some(location) = self.location(page) else { return Ok(None) };
        let file = self.files.of(location)?;
        let body = scratch.fetch(file, location)?.body;
        let header = BodyHeader::decode(body).ok_or_else(|| file.corrupt(location.offset(), What::RecordHeader))?;
        Ok(Some(PageRecord {
            version: PageVersion { page, commit: location.commit() },
            file: file.name.clone(),
            offset: location.offset(),
            stored_bytes: file.kind.header_bytes() as u64 + u64::from(location.body_bytes()),
            raw_bytes: u64::from(header.raw_bytes),
            codec: header.codec,
            dictionary: header.dictionary,
            encrypted: header.encrypted,
            patch: header.base.is_some(),
        }))
    }
}

impl<S: Storage> Store<S> {
    /// The commits of which something is still known, oldest first, whether or not they can still be read: those in logs,
    /// and of those in segments the ones worth remembering.
    pub fn known_commits(&self) -> Vec<CommitInfo> {
        self.commit_infos().copied().collect()
    }
}

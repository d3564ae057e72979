//! What a reader needs between reads: a decompressor, buffers and the last cluster it fetched. One per connection.

use alloc::vec::Vec;
use core::fmt;

use crate::codec::Decoder;
use crate::device::Device;
use crate::error::Result;
use crate::file::OpenFile;
use crate::ids::PageNo;
use crate::location::Location;

/// A reader's working memory. Never shared between threads; any number of snapshots of one database, but of one only, can be
/// read through it, since what it read ahead is known by the segment's id.
#[derive(Default)]
pub struct Scratch {
    pub(crate) decoder: Decoder,
    pub(crate) page: Vec<u8>,
    body: Vec<u8>,
    /// The body that a patch was made from.
    base: Vec<u8>,
    cluster: Cluster,
    cluster_bytes_min: u32,
    /// Where the record after the last one read begins, to notice a scan.
    expected: (u64, u64),
    /// Reads that followed one another without a gap.
    streak: u32,
}

/// A body, and what it is opened with.
pub(crate) struct Fetched<'s> {
    pub body: &'s mut [u8],
    pub decoder: &'s mut Decoder,
    /// For the body of a patch's base.
    pub base: &'s mut Vec<u8>,
    /// For a page of which not all is wanted.
    pub page: &'s mut Vec<u8>,
}

impl Fetched<'_> {
    /// The page, whether it is there as a whole or as a patch.
    pub fn open<D: Device>(
        &mut self,
        file: &OpenFile<D>,
        number: PageNo,
        location: Location,
        verify: bool,
        out: &mut [u8],
    ) -> Result<()> {
        let patch = file.open_page(self.body, number, location, verify, self.decoder, out)?;
        let Some(patch) = patch else { return Ok(()) };
        self.base.resize(patch.base_bytes(), 0);
        file.device.read_at(patch.offset + file.kind.header_bytes() as u64, self.base)?;
        file.open_patched(&patch, self.base, self.decoder, out)
    }
}

#[derive(Default)]
struct Cluster {
    file: u64,
    start: u64,
    bytes: Vec<u8>,
}

/// A scan reads ahead by this much at most; one call costs the same up to here even where calls are dear.
const CLUSTER_BYTES_MAX: u32 = 64 * 1024;

impl Scratch {
    /// Memory for a reader on a device where a call for this many bytes costs no more than one for a page. 0 reads
    /// exactly what is wanted unless a scan is noticed.
    pub fn with_cluster(cluster_bytes: u32) -> Self {
        Self { cluster_bytes_min: cluster_bytes.min(CLUSTER_BYTES_MAX), ..Self::default() }
    }

    /// What it holds in memory.
    pub fn memory_bytes(&self) -> u64 {
        let buffers = [&self.page, &self.body, &self.base, &self.cluster.bytes];
        buffers.iter().map(|buffer| buffer.capacity() as u64).sum()
    }

    /// The body at a location, in a buffer of ours, to be opened in place.
    pub(crate) fn fetch<D: Device>(&mut self, file: &OpenFile<D>, location: Location) -> Result<Fetched<'_>> {
        let wanted = location.body_bytes() as usize;
        let start = location.offset() + file.kind.header_bytes() as u64;
        self.body.resize(wanted, 0);
        if let Some(sealed_bytes) = file.sealed_bytes {
            let ahead = self.read_ahead(file.id, location, start);
            if !self.cluster.copy(file.id, start, &mut self.body) {
                let cluster_bytes = u64::from(ahead).max(wanted as u64).min(sealed_bytes.saturating_sub(start));
                if cluster_bytes > wanted as u64 {
                    self.cluster.fill(file, start, usize::try_from(cluster_bytes).unwrap_or(wanted))?;
                    self.cluster.copy(file.id, start, &mut self.body);
                } else {
                    file.device.read_at(start, &mut self.body)?;
                }
            }
        } else {
            file.device.read_at(start, &mut self.body)?;
        }
        let Self { body, decoder, base, page, .. } = self;
        Ok(Fetched { body, decoder, base, page })
    }

    /// How much to fetch: more for each read that followed the one before, since records of a B-tree lie together.
    fn read_ahead(&mut self, file: u64, location: Location, start: u64) -> u32 {
        let follows = self.expected == (file, location.offset());
        self.streak = if follows { (self.streak + 1).min(5) } else { 0 };
        self.expected = (file, start + u64::from(location.body_bytes()));
        let scan = if self.streak < 2 { 0 } else { 4096u32 << (self.streak - 1) };
        self.cluster_bytes_min.max(scan).min(CLUSTER_BYTES_MAX)
    }
}

impl Cluster {
    /// Copies the bytes at `start` if all of them are here.
    fn copy(&self, file: u64, start: u64, out: &mut [u8]) -> bool {
        if self.file != file {
            return false;
        }
        let Some(from) = start.checked_sub(self.start).and_then(|from| usize::try_from(from).ok()) else {
            return false;
        };
        match self.bytes.get(from..).and_then(|tail| tail.get(..out.len())) {
            Some(bytes) => {
                out.copy_from_slice(bytes);
                true
            }
            None => false,
        }
    }

    fn fill<D: Device>(&mut self, file: &OpenFile<D>, start: u64, bytes: usize) -> Result<()> {
        // A failed read must not leave bytes of another place under this name.
        self.file = 0;
        self.bytes.resize(bytes, 0);
        file.device.read_at(start, &mut self.bytes)?;
        (self.file, self.start) = (file.id, start);
        Ok(())
    }
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scratch")
    }
}

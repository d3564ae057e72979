//! Figures about an open store.

use crate::cipher::Cipher;
use crate::codec::CodecChoice;
use crate::device::Storage;
use crate::ids::{CommitId, Epoch, PageCount, PageSize};
use crate::store::{Counters, Store};

/// What a database takes and how it is kept.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// The newest commit.
    pub commit: CommitId,
    /// Pages of the newest state.
    pub page_count: PageCount,
    /// Their size.
    pub page_size: PageSize,
    /// Bytes of all segments and of logs up to their ends.
    pub stored_bytes: u64,
    /// Bytes of all pages, uncompressed.
    pub logical_bytes: u64,
    /// Bytes of logs that are not folded yet.
    pub log_bytes: u64,
    /// Page frames in them.
    pub log_frames: u64,
    /// Segments.
    pub segments: u64,
    /// Bytes in segments that the newest state does not use.
    pub dead_bytes: u64,
    /// Files that are kept only because a snapshot reads them.
    pub pinned_files: u64,
    /// Everything ever written over everything ever committed to a log. 1 is the least there can be.
    pub write_amplification: f64,
    /// The commit that the segments hold.
    pub checkpoint: CommitId,
    /// The codec of segments.
    pub codec: CodecChoice,
    /// The cipher.
    pub cipher: Cipher,
    /// The key epoch.
    pub epoch: Epoch,
    /// Bytes of the dictionary of new segments.
    pub dictionary_bytes: u64,
    /// Bytes of the page table in memory.
    pub table_bytes: u64,
    /// Since the store was opened.
    pub counters: Counters,
}

impl<S: Storage> Store<S> {
    /// The last commit that is folded: what is in the logs came after it.
    pub fn folded(&self) -> CommitId {
        self.manifest.commit
    }

    /// Figures of now.
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
    pub fn stats(&self) -> Stats {
        let log_bytes: u64 = self.sealed.iter().chain(&self.log).map(|log| log.end).sum();
        let segment_bytes: u64 = self.segments.iter().map(|segment| segment.entry.file_bytes).sum();
        let logged = self.manifest.log_bytes_written + self.counters_unsaved.log_bytes;
        let folded = self.manifest.segment_bytes_written + self.counters_unsaved.segment_bytes;
        Stats {
            commit: self.view.commit,
            page_count: self.view.page_count,
            page_size: self.manifest.page_size,
            stored_bytes: segment_bytes + log_bytes,
            logical_bytes: u64::from(self.view.page_count.0) * u64::from(self.manifest.page_size.get()),
            log_bytes,
            log_frames: self.log_frames(),
            segments: self.segments.len() as u64,
            dead_bytes: self.dead_bytes(),
            pinned_files: self.retired.len() as u64,
            write_amplification: if logged == 0 { 1.0 } else { (logged + folded) as f64 / logged as f64 },
            checkpoint: self.manifest.commit,
            codec: self.manifest.cold,
            cipher: self.manifest.cipher,
            epoch: self.manifest.epoch,
            dictionary_bytes: self.dictionary().map_or(0, |dictionary| dictionary.len() as u64),
            table_bytes: self.view.table.memory_bytes(),
            counters: self.counters,
        }
    }
}

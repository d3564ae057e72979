//! What pragmas set for a whole database while it is open. They read back what was set.

use coffer_store::{SortedMap, Storage, Store};

use crate::cache::{CACHE_BYTES, Caches};
use crate::pragma::Truncate;

/// The settings of an open database, shared by its connections.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `wal_mode`: off folds each commit at once.
    pub wal_mode: bool,
    /// `wal_autocheckpoint`, in pages; 0 is never.
    pub autocheckpoint_pages: u32,
    /// `wal_autocheckpoint_ms`; 0 is never.
    pub autocheckpoint_ms: u64,
    /// `wal_truncate`.
    pub truncate: Truncate,
    /// `wal_archive`: every commit stays readable.
    pub archive: bool,
    /// `journal_size_limit`, in bytes.
    pub log_bytes_max: Option<u64>,
    /// `cache_memory`, in bytes: decoded pages never take more.
    pub cache_memory: u64,
    /// `cache_memory_soft`, in bytes: what they go down to between transactions.
    pub cache_memory_soft: u64,
    /// `max_rows` of every table.
    pub max_rows: Option<u64>,
    /// `max_rows` of single tables; these go before the one above.
    pub max_rows_of: SortedMap<String, Option<u64>>,
    /// `compaction`: whether it runs by itself.
    pub compaction: bool,
    /// Bytes of uncommitted pages in memory before they go to the log.
    pub spill_bytes: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            wal_mode: true,
            autocheckpoint_pages: 4096,
            autocheckpoint_ms: 30_000,
            truncate: Truncate::Off,
            archive: false,
            log_bytes_max: None,
            cache_memory: Caches::of(CACHE_BYTES).shared,
            cache_memory_soft: Caches::of(CACHE_BYTES).shared,
            max_rows: None,
            max_rows_of: SortedMap::new(),
            compaction: true,
            spill_bytes: 32 << 20,
        }
    }
}

impl Settings {
    /// Hands the store what concerns it.
    pub(crate) fn apply<S: Storage>(&self, store: &mut Store<S>) {
        store.set_options(|options| {
            options.checkpoint_pages = match (self.wal_mode, self.autocheckpoint_pages) {
                (false, _) => 1,
                (true, 0) => u32::MAX,
                (true, pages) => pages,
            };
            options.log_bytes_max = self.log_bytes_max.unwrap_or(u64::MAX);
            options.log_bytes_kept = match self.truncate {
                Truncate::On => 0,
                Truncate::Above(bytes) => bytes,
                // SQLite cuts its log to the journal size limit after a checkpoint; so do we.
                Truncate::Off => self.log_bytes_max.unwrap_or(u64::MAX).min(LOG_BYTES_KEPT),
            };
            options.spill_bytes = self.spill_bytes;
        });
    }
}

/// A log that is used again keeps this much of its space, whatever it once grew to. In a browser space is a quota, and two logs
/// of a small database could take more of it than the database does.
const LOG_BYTES_KEPT: u64 = if cfg!(target_family = "wasm") { 4 << 20 } else { 64 << 20 };

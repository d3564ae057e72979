//! Decoded pages, shared by all connections of a database.
//!
//! A page is found by its version, so a commit invalidates nothing: old readers go on finding old versions. SQLite's own
//! cache sits above and serves one connection until another commits; this one saves the decryption and decompression then.
//!
//! I1  `used_bytes` never passes the hard budget, whatever is inserted by however many threads.
//! I2  After [`PageCache::trim`] it is at most the soft budget.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use coffer_store::PageVersion;

use crate::portable::lock;

/// Locks are taken for one copy of a page; a few of them keep readers out of each other's way.
const SHARDS: usize = 8;
/// What an entry takes beside its page: the slot, the map's entry, the allocation.
const ENTRY_BYTES: u64 = 96;
/// One in so many pages that go is one that has been there for long, and not the newest.
const OLDER_SHARE: u32 = 3;

/// What pages take in memory at most, unless somebody says otherwise.
pub(crate) const CACHE_BYTES: u64 = 32 << 20;

/// How memory for pages is shared out.
pub(crate) struct Caches {
    /// SQLite's own of each connection, whose pages cost nothing to come by.
    pub connection: u64,
    /// That of decoded pages, which all connections share.
    pub shared: u64,
}

impl Caches {
    /// An eighth is SQLite's, since it drops what was used longest ago: of a scan that is larger, all of it before it comes round again. The
    /// shared cache keeps most of such a scan, and a hit there costs one copy (docs/decisions/0023). Of little, SQLite has up to half.
    pub fn of(bytes: u64) -> Self {
        let connection = (bytes / 8).max(bytes.min(2 << 20) / 2);
        Self { connection, shared: bytes - connection }
    }
}

/// A cache of decoded pages with a budget.
pub struct PageCache {
    shards: [Mutex<Shard>; SHARDS],
    used_bytes: AtomicU64,
    hard_bytes: AtomicU64,
    soft_bytes: AtomicU64,
    hits: AtomicU64,
    misses: AtomicU64,
}

#[derive(Default)]
struct Shard {
    index: HashMap<PageVersion, usize>,
    slots: Vec<Slot>,
    hand: usize,
    /// How many pages have gone.
    gone: u32,
}

struct Slot {
    version: PageVersion,
    page: Box<[u8]>,
    /// Seen since the hand last passed.
    used: bool,
}

impl PageCache {
    /// An empty cache that may grow to `hard_bytes`, and is trimmed to `soft_bytes` between transactions.
    pub fn new(hard_bytes: u64, soft_bytes: u64) -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            used_bytes: AtomicU64::new(0),
            hard_bytes: AtomicU64::new(hard_bytes),
            soft_bytes: AtomicU64::new(soft_bytes),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    /// Copies a page's first bytes out, if it is here.
    pub fn copy(&self, version: PageVersion, out: &mut [u8]) -> bool {
        self.look(version, |page| out.copy_from_slice(&page[..out.len()])).is_some()
    }

    /// Looks at a page, if it is here, without a copy of it. For a glance: others wait for the end.
    pub fn look<T>(&self, version: PageVersion, glance: impl FnOnce(&[u8]) -> T) -> Option<T> {
        let mut shard = lock(self.shard(version));
        let Some(&slot) = shard.index.get(&version) else {
            self.misses.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        let slot = &mut shard.slots[slot];
        slot.used = true;
        self.hits.fetch_add(1, Ordering::Relaxed);
        Some(glance(&slot.page))
    }

    /// Keeps a copy of a page if the budget has room for it after others have gone.
    pub fn insert(&self, version: PageVersion, page: &[u8]) {
        let cost = page.len() as u64 + ENTRY_BYTES;
        let mut shard = lock(self.shard(version));
        if shard.index.contains_key(&version) {
            return;
        }
        while !self.reserve(cost) {
            match shard.evict() {
                Some(freed) => self.used_bytes.fetch_sub(freed, Ordering::Relaxed),
                None => return,
            };
        }
        let at = shard.slots.len();
        shard.slots.push(Slot { version, page: page.into(), used: false });
        shard.index.insert(version, at);
    }

    /// Forgets every page.
    pub fn clear(&self) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            while let Some(freed) = shard.evict() {
                self.used_bytes.fetch_sub(freed, Ordering::Relaxed);
            }
        }
    }

    /// Goes down to the soft budget.
    pub fn trim(&self) {
        let soft = self.soft_bytes().min(self.hard_bytes());
        while self.used_bytes() > soft {
            let mut freed_any = false;
            for shard in &self.shards {
                if let Some(freed) = lock(shard).evict() {
                    self.used_bytes.fetch_sub(freed, Ordering::Relaxed);
                    freed_any = true;
                }
            }
            if !freed_any {
                return;
            }
        }
    }

    /// Changes the hard budget, and keeps it at once.
    pub fn set_hard(&self, bytes: u64) {
        self.hard_bytes.store(bytes, Ordering::Relaxed);
        self.trim();
    }

    /// Changes the soft budget, and keeps it at once.
    pub fn set_soft(&self, bytes: u64) {
        self.soft_bytes.store(bytes, Ordering::Relaxed);
        self.trim();
    }

    /// The hard budget.
    pub fn hard_bytes(&self) -> u64 {
        self.hard_bytes.load(Ordering::Relaxed)
    }

    /// The soft budget.
    pub fn soft_bytes(&self) -> u64 {
        self.soft_bytes.load(Ordering::Relaxed)
    }

    /// What the cache takes now.
    pub fn used_bytes(&self) -> u64 {
        self.used_bytes.load(Ordering::Relaxed)
    }

    /// The pages alone, without their bookkeeping.
    pub fn page_bytes(&self) -> u64 {
        let entries: usize = self.shards.iter().map(|shard| lock(shard).slots.len()).sum();
        self.used_bytes().saturating_sub(entries as u64 * ENTRY_BYTES)
    }

    /// Reads that found their page here, and reads that did not.
    #[cfg(test)]
    pub fn hits_and_misses(&self) -> (u64, u64) {
        (self.hits.load(Ordering::Relaxed), self.misses.load(Ordering::Relaxed))
    }

    fn shard(&self, version: PageVersion) -> &Mutex<Shard> {
        &self.shards[version.page.get() as usize % SHARDS]
    }

    /// Claims room before anything is allocated, so that threads cannot pass the budget together (I1).
    fn reserve(&self, cost: u64) -> bool {
        let hard = self.hard_bytes();
        let claim = |used: u64| used.checked_add(cost).filter(|&sum| sum <= hard);
        self.used_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, claim).is_ok()
    }
}

impl Shard {
    /// Gives up a page that was not used since it was last passed over. Returns what that freed.
    ///
    /// Mostly the one that came last: a pass over more than there is room for then finds most of it again in the next one, where
    /// without the oldest it would find nothing. But each third time the one the hand is at, or what nobody reads any
    /// more would stay for ever, and what is read now would come and go in the one place behind it.
    fn evict(&mut self) -> Option<u64> {
        let newest = self.slots.len().checked_sub(1)?;
        self.gone = self.gone.wrapping_add(1);
        let mut at = newest;
        if self.gone.is_multiple_of(OLDER_SHARE) || self.slots[newest].used {
            self.hand %= self.slots.len();
            while std::mem::take(&mut self.slots[self.hand].used) {
                self.hand = (self.hand + 1) % self.slots.len();
            }
            at = self.hand;
            self.hand += 1;
        }
        let slot = self.slots.swap_remove(at);
        self.index.remove(&slot.version);
        if let Some(moved) = self.slots.get(at) {
            self.index.insert(moved.version, at);
        }
        Some(slot.page.len() as u64 + ENTRY_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use coffer_store::{CommitId, PageNo};

    use super::*;

    fn version(page: u32, commit: u64) -> PageVersion {
        PageVersion { page: PageNo::new(page).unwrap(), commit: CommitId(commit) }
    }

    #[test]
    fn versions_of_a_page_do_not_mix() {
        let cache = PageCache::new(1 << 20, 1 << 20);
        cache.insert(version(1, 1), &[1; 512]);
        cache.insert(version(1, 2), &[2; 512]);
        let mut out = [0; 100];
        assert!(cache.copy(version(1, 1), &mut out));
        assert_eq!(out, [1; 100]);
        assert!(!cache.copy(version(1, 3), &mut out));
        assert_eq!(cache.hits_and_misses(), (1, 1));
    }

    #[test]
    fn the_hard_budget_holds_under_threads() {
        let cache = PageCache::new(200_000, 50_000);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let cache = &cache;
                scope.spawn(move || {
                    for page in 1..2000 {
                        cache.insert(version(page, thread), &[0; 4096]);
                        assert!(cache.used_bytes() <= 200_000);
                    }
                });
            }
        });
        assert!(cache.used_bytes() > 100_000, "the budget is used: {}", cache.used_bytes());
        let counted: usize = cache.shards.iter().map(|shard| lock(shard).slots.len()).sum();
        assert_eq!(cache.used_bytes(), counted as u64 * (4096 + ENTRY_BYTES));
        cache.trim();
        assert!(cache.used_bytes() <= 50_000);
    }

    #[test]
    fn pages_in_use_stay_when_others_go() {
        let cache = PageCache::new(16 * (512 + ENTRY_BYTES), u64::MAX);
        let mut out = [0; 512];
        cache.insert(version(8, 1), &[8; 512]);
        for round in 1..200 {
            assert!(cache.copy(version(8, 1), &mut out), "round {round}");
            cache.insert(version(8 * (round + 1), 1), &[0; 512]);
        }
    }

    /// Passes over so many pages, one behind the other, and gives how many the last of them found.
    fn found_by_the_last_of(passes: u32, cache: &PageCache, pages: u32) -> u64 {
        let mut out = [0; 512];
        let mut found = 0;
        for _ in 0..passes {
            let (before, _) = cache.hits_and_misses();
            for page in 1..=pages {
                if !cache.copy(version(page, 1), &mut out) {
                    cache.insert(version(page, 1), &[1; 512]);
                }
            }
            found = cache.hits_and_misses().0 - before;
        }
        found
    }

    #[test]
    fn scans_find_most_of_what_there_is_room_for_whatever_was_there_before() {
        const ROOM: u32 = 1000;
        for (pages, least) in [(ROOM - 50, 850), (ROOM + 120, 750), (2 * ROOM, 400)] {
            let cache = PageCache::new(u64::from(ROOM) * (512 + ENTRY_BYTES), u64::MAX);
            for page in 1..=ROOM + 200 {
                cache.insert(version(page, 9), &[9; 512]);
                cache.copy(version(page, 9), &mut [0; 512]);
            }
            let found = found_by_the_last_of(10, &cache, pages);
            assert!(found >= least, "{found} of {pages}");
        }
    }
}

//! The fault plan, and what is counted.

use coffer_store::{DeviceErrorKind, DeviceOp};

use super::disk::Verdict;
use crate::rng::Rng;

/// Which calls fail. Each rate is "one call in so many"; 0 is never.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Faults {
    /// Reads, length queries and listings that fail once (F5).
    pub reads: u32,
    /// Writes that fail with a part stored (F3).
    pub writes: u32,
    /// Truncations, creations, removals and openings that fail.
    pub others: u32,
    /// Flushes that fail (F4).
    pub flushes: u32,
    /// The disk's size in bytes: writing past it fails with `NoSpace`, a part stored.
    pub disk_bytes: Option<u64>,
    /// The changing call in which the process dies, counted as [`super::SimStorage::changing_calls`] counts.
    pub kill_at: Option<u64>,
    /// A lie outside the fault model.
    pub lie: Option<Lie>,
}

/// What no engine survives: only to prove that the checker notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// Flushes of files succeed and do nothing.
    Flushes,
    /// Flushes of names succeed and do nothing.
    NameFlushes,
    /// One write in thirty succeeds and stores nothing.
    Writes,
    /// One write in thirty is stored a sector off.
    Places,
}

/// How often a lie about a write is told: once in so many.
pub(super) const LIES: u64 = 30;

impl Faults {
    /// None at all.
    pub fn none() -> Self {
        Self::default()
    }

    pub(super) fn verdict(&self, op: DeviceOp, rng: &mut Rng) -> Verdict {
        use DeviceErrorKind::Io;
        let (rate, verdict) = match op {
            DeviceOp::Read | DeviceOp::Len | DeviceOp::List => (self.reads, Verdict::Refuse(Io)),
            DeviceOp::Write => (self.writes, Verdict::Part(Io)),
            DeviceOp::Flush => (self.flushes, Verdict::Part(Io)),
            DeviceOp::Open | DeviceOp::Remove | DeviceOp::Truncate => (self.others, Verdict::Refuse(Io)),
        };
        if rng.one_in(u64::from(rate)) { verdict } else { Verdict::Pass }
    }
}

/// How often something was called, and with how many bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Calls.
    pub calls: u64,
    /// Bytes asked for in them.
    pub bytes: u64,
}

/// Everything asked of the disk, failed calls included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Openings and creations.
    pub opens: u64,
    /// Listings.
    pub lists: u64,
    /// Removals.
    pub removes: u64,
    /// Length queries.
    pub lens: u64,
    /// Reads.
    pub reads: Tally,
    /// Writes: the numerator of write amplification.
    pub writes: Tally,
    /// Truncations.
    pub truncates: u64,
    /// Flushes of files.
    pub flushes: u64,
    /// Flushes of names.
    pub name_flushes: u64,
    /// Calls that failed.
    pub failed: u64,
}

impl Counters {
    /// All calls.
    pub fn calls(&self) -> u64 {
        let names = self.opens + self.lists + self.removes + self.name_flushes;
        names + self.lens + self.truncates + self.flushes + self.reads.calls + self.writes.calls
    }

    /// Adds another disk's.
    pub fn add(&mut self, other: &Self) {
        self.opens += other.opens;
        self.lists += other.lists;
        self.removes += other.removes;
        self.lens += other.lens;
        self.reads.calls += other.reads.calls;
        self.reads.bytes += other.reads.bytes;
        self.writes.calls += other.writes.calls;
        self.writes.bytes += other.writes.bytes;
        self.truncates += other.truncates;
        self.flushes += other.flushes;
        self.name_flushes += other.name_flushes;
        self.failed += other.failed;
    }

    pub(super) fn count(&mut self, op: DeviceOp, bytes: u64, whole_storage: bool) {
        match op {
            DeviceOp::Open => self.opens += 1,
            DeviceOp::List => self.lists += 1,
            DeviceOp::Remove => self.removes += 1,
            DeviceOp::Len => self.lens += 1,
            DeviceOp::Truncate => self.truncates += 1,
            DeviceOp::Flush if whole_storage => self.name_flushes += 1,
            DeviceOp::Flush => self.flushes += 1,
            DeviceOp::Read => self.reads.add(bytes),
            DeviceOp::Write => self.writes.add(bytes),
        }
    }
}

impl Tally {
    fn add(&mut self, bytes: u64) {
        self.calls += 1;
        self.bytes += bytes;
    }
}

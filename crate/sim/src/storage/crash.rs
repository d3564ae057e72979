//! How a crash decides which unsynced changes survive.

use super::disk::Disk;
use super::file::{Change, What, store};
use crate::rng::Rng;

/// A way to end. All but `Killed` are power cuts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// The process dies and the system lives on: everything stays live, and unsynced as it was (F6).
    Killed,
    /// Every unsynced change survives, in the sense of a power cut: what a failed flush dropped is lost.
    KeepAll,
    /// No unsynced change survives.
    DropAll,
    /// The changes up to some moment survive, in order, and none after it.
    Prefix,
    /// Each change survives or not by itself.
    Subset,
    /// The sectors of each write survive or not, each by itself.
    Torn {
        /// Bytes in a sector.
        sector: usize,
    },
    /// Late changes survive and early ones do not, within files and across them.
    Reordered,
}

impl Crash {
    /// Every way there is.
    pub const ALL: [Self; 8] = [
        Self::Killed,
        Self::KeepAll,
        Self::DropAll,
        Self::Prefix,
        Self::Subset,
        Self::Torn { sector: 512 },
        Self::Torn { sector: 4096 },
        Self::Reordered,
    ];

    /// Whether chance has a part in it, so that trying it again from the same state may end differently.
    pub const fn is_random(self) -> bool {
        matches!(self, Self::Prefix | Self::Subset | Self::Torn { .. } | Self::Reordered)
    }
}

/// Decides about changes, seeing them in the order in which they were made within each file.
struct Judge {
    how: Crash,
    /// For `Prefix` and `Reordered`: the moment that divides early from late.
    pivot: u64,
    /// One crash is lenient, the next severe: the share of survivors in 256.
    keep_in_256: u64,
    rng: Rng,
}

impl Judge {
    fn survives(&mut self, sequence: u64) -> bool {
        match self.how {
            Crash::Killed | Crash::KeepAll => true,
            Crash::DropAll => false,
            Crash::Prefix => sequence <= self.pivot,
            Crash::Subset | Crash::Torn { .. } => self.chance(),
            // The one at the pivot is lost for certain, those after it all survive, those before it by chance.
            Crash::Reordered => sequence > self.pivot || sequence < self.pivot && self.chance(),
        }
    }

    fn chance(&mut self) -> bool {
        self.rng.below(256) < self.keep_in_256
    }

    /// Stores what survives of one change.
    fn apply(&mut self, change: &Change, bytes: &mut Vec<u8>) {
        match (self.how, &change.what) {
            (Crash::Torn { sector }, What::Write { offset, data }) => self.tear(sector, *offset, data, bytes),
            _ if self.survives(change.sequence) => change.what.apply(bytes),
            // F1: the length may have reached the disk without the bytes.
            (Crash::Subset, What::Write { offset, data }) if self.rng.one_in(4) => {
                let end = offset + data.len();
                if end > bytes.len() {
                    bytes.resize(end, 0);
                }
            }
            _ => {}
        }
    }

    /// Stores some of the aligned sectors that a write touches.
    fn tear(&mut self, sector: usize, offset: usize, data: &[u8], bytes: &mut Vec<u8>) {
        let mut at = 0;
        while at < data.len() {
            let end = ((offset + at) / sector + 1) * sector - offset;
            let end = end.min(data.len());
            if self.chance() {
                store(bytes, offset + at, &data[at..end]);
            }
            at = end;
        }
    }
}

impl Disk {
    /// See [`super::SimStorage::crash`].
    pub(super) fn crash(&mut self, how: Crash) {
        self.boot += 1;
        self.down = false;
        self.faults = super::Faults { lie: self.faults.lie, ..super::Faults::none() };
        self.open_devices = 0;
        for file in self.files.iter_mut().flatten() {
            file.opens = 0;
        }
        if how != Crash::Killed {
            self.cut_power(how);
        }
        self.collect();
        self.used = self.names.values().map(|&id| self.file(id).live.len() as u64).sum();
    }

    fn cut_power(&mut self, how: Crash) {
        let mut judge = self.judge(how);
        for change in std::mem::take(&mut self.names_unsynced) {
            if judge.survives(change.sequence) {
                change.apply(&mut self.names_durable);
            }
        }
        self.names.clone_from(&self.names_durable);
        for file in self.files.iter_mut().flatten() {
            for change in std::mem::take(&mut file.unsynced) {
                judge.apply(&change, &mut file.durable);
            }
            file.live.clone_from(&file.durable);
        }
    }

    fn judge(&mut self, how: Crash) -> Judge {
        let files = self.files.iter().flatten();
        let mut moments: Vec<u64> = files.flat_map(|file| file.unsynced.iter().map(|change| change.sequence)).collect();
        moments.extend(self.names_unsynced.iter().map(|change| change.sequence));
        moments.sort_unstable();
        // 0 keeps nothing of a prefix.
        let index = self.rng.index(moments.len() + 1);
        let pivot = match how {
            Crash::Reordered => moments.get(index.min(moments.len().saturating_sub(1))).copied().unwrap_or(0),
            _ => index.checked_sub(1).and_then(|index| moments.get(index)).copied().unwrap_or(0),
        };
        let keep_in_256 = *self.rng.pick(&[16, 64, 128, 192, 240]);
        Judge { how, pivot, keep_in_256, rng: self.rng.fork() }
    }
}

//! What a simulated user does, and how often: weights drawn anew for each run, so that some runs never do what others do all
//! the time (swarm testing).

use crate::rng::Rng;

/// One thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Write some pages in the open transaction, beginning one if there is none.
    Write,
    /// Cut the database off, or let it grow, in the open transaction.
    Resize,
    /// Read pages through the open transaction.
    ReadOwn,
    /// Commit the open transaction.
    Commit,
    /// Drop the open transaction.
    Rollback,
    /// Move the open transaction's pages to the log.
    Spill,
    /// Let another transaction commit first, and see the open one refused.
    Compete,
    /// Make every commit so far durable.
    Flush,
    /// Take a snapshot of the head and hold it.
    Snapshot,
    /// Read a held snapshot.
    ReadSnapshot,
    /// Let a held snapshot go.
    DropSnapshot,
    /// Read a commit of the past.
    ReadHistory,
    /// Keep a commit, let one go, or keep all from here on.
    KeepHistory,
    /// Ask which commit a request made.
    FindRequest,
    /// Switch to the other log.
    Seal,
    /// Begin to fold the oldest sealed log, or to merge segments, aside.
    BeginJob,
    /// Do a part of the job that runs aside, and install it when it is done.
    StepJob,
    /// Forget the job that runs aside.
    AbandonJob,
    /// Do a bounded amount of upkeep.
    Maintain,
    /// Seal, fold and install.
    Checkpoint,
    /// Merge everything into one segment.
    Compact,
    /// Compress differently from here on.
    SetCodec,
    /// Train and embed a dictionary, or drop it.
    Dictionary,
    /// Encrypt, decrypt or rotate the data key.
    Rekey,
    /// Add, change or remove a key slot.
    KeySlot,
    /// Export everything as one file, open it and compare.
    Export,
    /// Check every stored byte.
    Verify,
    /// Look for another process's commits.
    Refresh,
    /// Close and open again.
    Reopen,
    /// Try to open with a wrong key, or without one.
    WrongKey,
    /// End the process or the power now.
    Crash,
    /// End the process or the power in one of the next device calls.
    CrashSoon,
    /// Let device calls fail for a while, or end that.
    Faults,
    /// Make the disk small for a while, or end that.
    FillDisk,
}

use Operation as O;

/// Every operation with its usual weight.
const USUAL: [(Operation, u32); 34] = [
    (O::Write, 120),
    (O::Resize, 10),
    (O::ReadOwn, 10),
    (O::Commit, 100),
    (O::Rollback, 6),
    (O::Spill, 10),
    (O::Compete, 3),
    (O::Flush, 8),
    (O::Snapshot, 12),
    (O::ReadSnapshot, 20),
    (O::DropSnapshot, 10),
    (O::ReadHistory, 6),
    (O::KeepHistory, 2),
    (O::FindRequest, 6),
    (O::Seal, 10),
    (O::BeginJob, 12),
    (O::StepJob, 24),
    (O::AbandonJob, 2),
    (O::Maintain, 12),
    (O::Checkpoint, 4),
    (O::Compact, 1),
    (O::SetCodec, 2),
    (O::Dictionary, 1),
    (O::Rekey, 2),
    (O::KeySlot, 2),
    (O::Export, 1),
    (O::Verify, 2),
    (O::Refresh, 1),
    (O::Reopen, 3),
    (O::WrongKey, 1),
    (O::Crash, 2),
    (O::CrashSoon, 3),
    (O::Faults, 2),
    (O::FillDisk, 1),
];

/// What kind of trouble a run looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Everything, in proportions drawn from the seed.
    Swarm,
    /// Nothing ever fails: the engine's own bookkeeping.
    Calm,
    /// Crashes above all.
    Crash,
    /// Failing devices and full disks above all.
    Fault,
    /// No crash, a clean end, then damage at rest.
    AtRest,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 5] = [Self::Swarm, Self::Calm, Self::Crash, Self::Fault, Self::AtRest];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Swarm => "swarm",
            Self::Calm => "calm",
            Self::Crash => "crash",
            Self::Fault => "fault",
            Self::AtRest => "atrest",
        }
    }

    /// The profile of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.name() == name)
    }

    fn percent(self, operation: Operation) -> u32 {
        let crash = matches!(operation, O::Crash | O::CrashSoon);
        let fault = matches!(operation, O::Faults | O::FillDisk);
        match self {
            Self::Calm | Self::AtRest if crash || fault => 0,
            Self::Crash if crash => 800,
            Self::Fault if fault => 800,
            Self::Crash if fault => 0,
            _ => 100,
        }
    }
}

/// How often each operation is drawn in one run.
#[derive(Debug, Clone)]
pub struct Weights([u32; USUAL.len()]);

impl Weights {
    /// Draws weights: each operation is left out, rare, usual or frequent.
    pub fn draw(rng: &mut Rng, profile: Profile) -> Self {
        let mut weights = [0; USUAL.len()];
        for (weight, (operation, usual)) in weights.iter_mut().zip(USUAL) {
            let percent = match rng.below(8) {
                0 | 1 => 0,
                2 => 20,
                3..=5 => 100,
                6 => 300,
                _ => 1000,
            };
            // Without these nothing happens at all.
            let percent = if matches!(operation, O::Write | O::Commit) { percent.max(100) } else { percent };
            *weight = usual * percent * profile.percent(operation) / 100;
        }
        Self(weights)
    }

    /// The next operation.
    pub fn pick(&self, rng: &mut Rng) -> Operation {
        USUAL[rng.weighted(&self.0)].0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_drawn_sooner_or_later_and_only_where_it_belongs() {
        let mut seen = std::collections::HashSet::new();
        for seed in 0..200 {
            let mut rng = Rng::new(seed);
            let weights = Weights::draw(&mut rng, Profile::Swarm);
            seen.extend((0..500).map(|_| weights.pick(&mut rng)));
            let calm = Weights::draw(&mut rng, Profile::Calm);
            let drawn: Vec<Operation> = (0..500).map(|_| calm.pick(&mut rng)).collect();
            assert!(!drawn.contains(&O::Crash) && !drawn.contains(&O::Faults));
        }
        assert_eq!(seen.len(), USUAL.len());
    }
}

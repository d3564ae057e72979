//! The crash explorer: a short workload, ended at every call that changes or flushes something, in every way there is.
//!
//! Where chance has a part in how the power goes, each end is tried with several draws. The rest is exhaustive: if the
//! explorer passes, no single crash of these workloads loses or mixes anything.

use coffer_store::{Cipher, Options, PageSize};

use crate::operation::{Operation, Profile, Weights};
use crate::plan::Plan;
use crate::rng::Rng;
use crate::run::{Failure, Runner, Wrong, caught};
use crate::storage::{Crash, Faults, SimStorage};

/// A fixed list of things to do.
pub struct Workload {
    /// What it is for.
    pub name: &'static str,
    /// Everything derives from it.
    pub seed: u64,
    cipher: Option<Cipher>,
    options: Options,
    operations: Vec<Operation>,
}

/// What an exploration saw.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Explored {
    /// Calls at which the workload was ended.
    pub calls: u64,
    /// Ends that were tried and recovered from.
    pub ends: u64,
}

/// How many draws for each end in which chance has a part.
const DRAWS: u64 = 3;

/// The workloads that every change of the engine must pass.
pub fn canonical() -> Vec<Workload> {
    use Operation as O;
    let small = |page_size| Options {
        page_size: PageSize::new(page_size).unwrap_or(PageSize::MIN),
        segments_max: 2,
        log_bytes_kept: 4096,
        log_ahead_bytes: 3000,
        ..Options::default()
    };
    let repeat = |operations: &[Operation], times: usize| operations.repeat(times);
    vec![
        Workload {
            name: "commits of every durability",
            seed: 1,
            cipher: None,
            options: small(512),
            operations: repeat(&[O::Write, O::Commit, O::Write, O::Commit, O::Resize, O::Commit, O::Flush], 4),
        },
        Workload {
            name: "spilled transactions, some of them rolled back",
            seed: 2,
            cipher: None,
            options: Options { spill_bytes: 2048, ..small(1024) },
            operations: [
                repeat(&[O::Write, O::Spill, O::Write, O::Commit], 3),
                repeat(&[O::Write, O::Spill, O::Resize, O::Spill, O::Rollback, O::Write, O::Commit], 3),
            ]
            .concat(),
        },
        Workload {
            name: "logs sealed, folded and used again",
            seed: 3,
            cipher: None,
            options: small(512),
            operations: repeat(&[O::Write, O::Commit, O::Seal, O::Write, O::Commit, O::Checkpoint], 4),
        },
        Workload {
            name: "commits while a job runs aside",
            seed: 4,
            cipher: Some(Cipher::Aes256Gcm),
            options: small(512),
            operations: repeat(
                &[
                    O::Write,
                    O::Commit,
                    O::Seal,
                    O::BeginJob,
                    O::Write,
                    O::Commit,
                    O::StepJob,
                    O::Write,
                    O::Commit,
                    O::StepJob,
                ],
                4,
            ),
        },
        Workload {
            name: "keys changed, data encrypted and decrypted",
            seed: 5,
            cipher: None,
            options: small(512),
            operations: repeat(&[O::Write, O::Commit, O::Rekey, O::Write, O::Commit, O::KeySlot, O::Maintain], 4),
        },
        Workload {
            name: "readers that stay, merges and kept history",
            seed: 6,
            cipher: Some(Cipher::ChaCha20Poly1305),
            options: small(1024),
            operations: repeat(
                &[
                    O::Write,
                    O::Commit,
                    O::Snapshot,
                    O::KeepHistory,
                    O::Write,
                    O::Commit,
                    O::Checkpoint,
                    O::Compact,
                    O::ReadSnapshot,
                ],
                3,
            ),
        },
        Workload {
            name: "clean ends",
            seed: 7,
            cipher: None,
            options: small(4096),
            operations: repeat(&[O::Write, O::Commit, O::Reopen, O::Write, O::Commit, O::Checkpoint, O::Reopen], 3),
        },
    ]
}

/// What every recovered store must still be able to do.
const AFTERWARDS: [Operation; 8] = [
    Operation::Write,
    Operation::Commit,
    Operation::Checkpoint,
    Operation::Write,
    Operation::Commit,
    Operation::Flush,
    Operation::Verify,
    Operation::Reopen,
];

/// Tries every end of a workload. After each the first openings die too, in each of their calls, until one lives.
pub fn explore(workload: &Workload) -> Result<Explored, Failure> {
    let mut explored = Explored::default();
    for kill_at in 1.. {
        for how in Crash::ALL {
            for draw in 0..if how.is_random() { DRAWS } else { 1 } {
                for dies_opening in [None].into_iter().chain((1..=OPENING_CALLS_MAX).map(Some)) {
                    let end = End { kill_at, how, draw, dies_opening };
                    match attempt(workload, end)? {
                        Life::Unharmed => return Ok(explored),
                        Life::DiedOnce if dies_opening.is_some() => break,
                        Life::DiedOnce | Life::DiedAgain => explored.ends += 1,
                    }
                }
            }
        }
        explored.calls = kill_at;
    }
    Ok(explored)
}

/// An opening makes fewer calls that change or flush something, or the rest is left to chance.
const OPENING_CALLS_MAX: u64 = 12;

/// One way to die.
#[derive(Debug, Clone, Copy)]
struct End {
    kill_at: u64,
    how: Crash,
    draw: u64,
    dies_opening: Option<u64>,
}

/// What became of a workload.
enum Life {
    /// It ended before the call in which it was to die.
    Unharmed,
    /// The opening afterwards ended before the call in which it was to die, or was not to die.
    DiedOnce,
    /// The opening died too.
    DiedAgain,
}

/// Runs the workload up to its death in one call, and what comes after.
fn attempt(workload: &Workload, end: End) -> Result<Life, Failure> {
    let End { kill_at, how, draw, .. } = end;
    let disk = SimStorage::new(draw);
    disk.set_faults(Faults { kill_at: Some(kill_at), ..Faults::none() });
    let mut rng = Rng::new(workload.seed);
    let plan = Plan {
        options: workload.options.clone(),
        cipher: workload.cipher,
        pages_max: 24,
        write_pages_max: 6,
        noise_in_256: 64,
        hot_in_256: 64,
        steps: 0,
        weights: Weights::draw(&mut rng, Profile::Calm),
        crashes: vec![how],
        snapshots_max: 3,
        profile: Profile::Calm,
    };
    let mut runner = Runner::of(rng, plan, disk);
    runner.dies_opening = end.dies_opening;
    let what = match caught(|| live_and_die(&mut runner, &workload.operations)) {
        Ok(life) => return Ok(life),
        Err(Wrong(what)) => what,
    };
    let what = format!("{} ({end:?}): {what}", workload.name);
    Err(runner.failure(workload.seed, what))
}

fn live_and_die(runner: &mut Runner, operations: &[Operation]) -> Result<Life, Wrong> {
    runner.create()?;
    for &operation in operations {
        if runner.summary.crashes > 0 {
            break;
        }
        runner.perform(operation)?;
    }
    if runner.summary.crashes == 0 {
        return Ok(Life::Unharmed);
    }
    let life = if runner.summary.crashes > 1 { Life::DiedAgain } else { Life::DiedOnce };
    // An opening that needed fewer calls leaves the plan behind.
    runner.disk.set_faults(Faults::none());
    for operation in AFTERWARDS {
        runner.perform(operation)?;
    }
    runner.compare_head(usize::MAX)?;
    Ok(life)
}

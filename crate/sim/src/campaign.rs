//! Many runs, one after the other or on several threads, for so many seeds or so long.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::operation::Profile;
use crate::run::{Failure, Summary, run};

/// The version of the generator. A change after which a seed means another run raises it, so that the recorded window
/// begins at seeds of its own; the whole new window is to pass once before it lands.
pub const GENERATOR: u64 = 1;

/// Runs in the recorded window: more than a fast machine makes in half a minute.
pub const WINDOW_RUNS: u64 = 1000;

/// Which runs to make.
#[derive(Debug, Clone)]
pub struct Campaign {
    /// The first seed; the following count up from it.
    pub start: u64,
    /// Runs at most.
    pub runs: u64,
    /// No run begins after this time.
    pub time: Duration,
    /// The profiles, in turn; the seed decides which.
    pub profiles: Vec<Profile>,
    /// Threads.
    pub threads: usize,
    /// Failures after which it ends.
    pub failures_max: usize,
}

/// What a campaign did.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Runs made.
    pub runs: u64,
    /// All of them added up.
    pub summary: Summary,
    /// What went wrong.
    pub failures: Vec<Failure>,
    /// How long it took.
    pub time: Duration,
}

impl Campaign {
    /// The recorded window: the same seeds in the same order on every machine, so that what is found in it was brought by
    /// the change at hand, and not by the hour of the day. Every test run walks through its beginning, which has passed;
    /// the rest is walked by command, before a release at the latest.
    pub fn window(time: Duration, threads: usize) -> Self {
        Self {
            start: GENERATOR * 1_000_000_000,
            runs: WINDOW_RUNS,
            time,
            profiles: Profile::ALL.to_vec(),
            threads,
            failures_max: 1,
        }
    }

    /// The profile of a seed.
    pub fn profile(&self, seed: u64) -> Profile {
        let index = seed % self.profiles.len().max(1) as u64;
        usize::try_from(index).ok().and_then(|index| self.profiles.get(index)).copied().unwrap_or(Profile::Swarm)
    }

    /// Makes the runs. `report` is told of each failure at once.
    pub fn run(&self, report: impl Fn(&Failure) + Sync) -> Outcome {
        let began = Instant::now();
        let next = AtomicU64::new(0);
        let stop = AtomicBool::new(false);
        let outcome = Mutex::new(Outcome::default());
        std::thread::scope(|scope| {
            for _ in 0..self.threads.max(1) {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) && began.elapsed() < self.time {
                        let turn = next.fetch_add(1, Ordering::Relaxed);
                        if turn >= self.runs {
                            break;
                        }
                        let seed = self.start.wrapping_add(turn);
                        let result = run(seed, self.profile(seed));
                        let mut outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
                        outcome.runs += 1;
                        match result {
                            Ok(summary) => outcome.summary.add(&summary),
                            Err(failure) => {
                                report(&failure);
                                outcome.failures.push(failure);
                                if outcome.failures.len() >= self.failures_max {
                                    stop.store(true, Ordering::Relaxed);
                                }
                            }
                        }
                    }
                });
            }
        });
        let mut outcome = outcome.into_inner().unwrap_or_else(PoisonError::into_inner);
        outcome.time = began.elapsed();
        outcome
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Summary { operations, commits, crashes, openings, pages_compared, damages, counters } = &self.summary;
        write!(
            f,
            "{} runs in {:.1} s: {operations} operations, {commits} commits, {crashes} crashes, {openings} openings, \
             {damages} damages, {pages_compared} pages compared, {} device calls, {} failures",
            self.runs,
            self.time.as_secs_f64(),
            counters.calls(),
            self.failures.len()
        )
    }
}

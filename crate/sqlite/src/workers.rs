//! Threads that compress parts of one checkpoint at once; in wasm, where there are none, the caller's alone.
//!
//! They live for one batch: a batch is megabytes of compression, beside which starting a thread is nothing.

use std::sync::Arc;

use coffer_store::{Work, Workers};

use crate::portable::Portable;

/// This many threads, the caller's among them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Threads(pub usize);

impl Workers for Threads {
    #[cfg(not(target_family = "wasm"))]
    fn run(&self, count: usize, work: &Work<'_>) {
        use std::sync::atomic::{AtomicUsize, Ordering};
        let next = AtomicUsize::new(0);
        let take = || {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= count {
                    return;
                }
                work(index);
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..self.0.min(count) {
                scope.spawn(take);
            }
            take();
        });
    }

    #[cfg(target_family = "wasm")]
    fn run(&self, count: usize, work: &Work<'_>) {
        debug_assert_eq!(self.0, 1, "there is one thread");
        (0..count).for_each(work);
    }
}

/// Hears how far a rewriting of a database is.
pub trait Watcher: Portable {
    /// So many pages are done of so many. There may be several rewritings in a row.
    fn progress(&self, done: u64, total: u64);
}

impl<F: Fn(u64, u64) + Portable> Watcher for F {
    fn progress(&self, done: u64, total: u64) {
        self(done, total);
    }
}

/// Threads, and who watches what they do.
pub(crate) struct Watched {
    pub threads: Threads,
    pub watcher: Option<Arc<dyn Watcher>>,
}

impl Workers for Watched {
    fn run(&self, count: usize, work: &Work<'_>) {
        self.threads.run(count, work);
    }

    fn progress(&self, done: u64, total: u64) {
        if let Some(watcher) = &self.watcher {
            watcher.progress(done, total);
        }
    }
}

/// As many as the machine has, up to four.
pub(crate) fn default_threads() -> usize {
    #[cfg(not(target_family = "wasm"))]
    return std::thread::available_parallelism().map_or(1, |count| count.get().min(4));
    #[cfg(target_family = "wasm")]
    1
}

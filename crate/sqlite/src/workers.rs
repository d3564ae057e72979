//! Threads that compress parts of one checkpoint at once; in wasm, where there are none, the caller's alone.
//!
//! They live for one batch: a batch is megabytes of compression, beside which starting a thread is nothing.

use coffer_store::{Work, Workers};

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

/// As many as the machine has, up to four.
pub(crate) fn default_threads() -> usize {
    #[cfg(not(target_family = "wasm"))]
    return std::thread::available_parallelism().map_or(1, |count| count.get().min(4));
    #[cfg(target_family = "wasm")]
    1
}

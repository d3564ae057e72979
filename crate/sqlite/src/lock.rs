//! Who may write, and in which order those who wait get their turn.
//!
//! Readers never come here: they hold snapshots. Writers take the one turn of a database; those who wait are served first
//! come, first served, so that no busy thread starves another. Other processes are asked through [`ProcessLock`].
//!
//! I1  At most one connection owns the turn, and only the owner writes.
//! I2  While somebody waits, the turn never goes to somebody who did not wait.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use coffer_store::DeviceError;

use crate::portable::{Portable, lock};

/// The exclusion of other processes that have the same database open.
pub trait ProcessLock: Portable {
    /// Whether anybody has written, so that there is something to lock.
    fn is_used(&self) -> bool;
    /// Looks again, now that the database is open, whether the locks are still the ones that others take.
    fn recheck(&self);
    /// Tries to become the one writing process, or to be it once more.
    fn try_write(&self) -> Result<bool, DeviceError>;
    /// Whether this process is it.
    fn is_held(&self) -> bool;
    /// Whether another process has been it since we were, and what it wrote has not been taken in: whoever finds that must not
    /// write, however many of this process found it before.
    fn is_behind(&self) -> bool;
    /// Whether who was it before did not end in order, so that what it wrote last may be there to read and not durable.
    fn is_unproven(&self) -> bool;
    /// It has been taken in, by who holds the turn of this process, and is durable if it was unproven.
    fn caught_up(&self);
    /// This process does not know what it has stored, and will not end in order.
    fn lost_track(&self);
    /// The database was read while another process had the turn: whatever that one has done since is to be taken in.
    fn lost_sight(&self);
    /// Lets other processes write.
    fn release_write(&self);
    /// Tells other processes that there is something new to read.
    fn announce(&self);
    /// A commit of ours failed for want of room, and another process may have seen it before it was taken back: its number will be
    /// used again, so that nothing may be kept that is known by it.
    fn took_back(&self);
    /// Whether another process has said so since this was last asked.
    fn was_taken_back(&self) -> bool;
    /// What other processes have announced since [`ProcessLock::saw`], if anything.
    fn news(&self) -> Result<Option<u64>, DeviceError>;
    /// The news have been taken in.
    fn saw(&self, news: u64);
    /// Runs while no process changes the set of files (`exclusive` = false), or while none is learning it.
    fn with_files(&self, exclusive: bool, section: &mut dyn FnMut()) -> Result<(), DeviceError>;
}

/// The turn to write among processes, while it lives.
pub struct Writing<'a>(&'a dyn ProcessLock);

impl<'a> Writing<'a> {
    /// Takes it, unless another process has it.
    pub fn try_take(process: &'a dyn ProcessLock) -> Result<Option<Self>, DeviceError> {
        // Not `then_some`: that makes one whatever the answer, and letting go of it gives up a turn that another process has.
        Ok(process.try_write()?.then(|| Self(process)))
    }

    /// Waits for it up to a limit. Other processes cannot wake us, so it is asked for again and again, ever more slowly; in wasm there are
    /// none to wait for.
    pub fn wait(process: &'a dyn ProcessLock, limit: Duration) -> Result<Option<Self>, DeviceError> {
        #[cfg(not(target_family = "wasm"))]
        {
            let until = std::time::Instant::now() + limit;
            let mut pause = Duration::from_micros(200);
            while std::time::Instant::now() < until {
                if let Some(writing) = Self::try_take(process)? {
                    return Ok(Some(writing));
                }
                std::thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(10));
            }
        }
        #[cfg(target_family = "wasm")]
        let _ = limit;
        Self::try_take(process)
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.0.release_write();
    }
}

/// The one turn to write.
#[derive(Default)]
pub struct Turn {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    owner: Option<u64>,
    waiting: VecDeque<u64>,
}

impl Turn {
    /// Takes the turn if it is free and nobody waited longer, or if it is this connection's already.
    pub fn try_take(&self, connection: u64) -> bool {
        let mut state = lock(&self.state);
        if state.owner == Some(connection) {
            return true;
        }
        if state.owner.is_some() || state.waiting.front().is_some_and(|&first| first != connection) {
            return false;
        }
        state.owner = Some(connection);
        true
    }

    /// Waits up to `limit` for the turn. In wasm nobody could give it up meanwhile, so there is no waiting.
    pub fn wait(&self, connection: u64, limit: Duration) -> bool {
        if cfg!(target_family = "wasm") || limit.is_zero() {
            return self.try_take(connection);
        }
        let mut state = lock(&self.state);
        if state.owner == Some(connection) {
            return true;
        }
        state.waiting.push_back(connection);
        let is_mine = |state: &State| state.owner.is_none() && state.waiting.front() == Some(&connection); // I2
        let (mut state, _) = self
            .changed
            .wait_timeout_while(state, limit, |state| !is_mine(state))
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let mine = is_mine(&state);
        state.waiting.retain(|&other| other != connection);
        if mine {
            state.owner = Some(connection);
        }
        // Whoever stands behind one that gave up, or that just moved on, has to look again.
        self.changed.notify_all();
        mine
    }

    /// Gives the turn up, if it is this connection's.
    pub fn release(&self, connection: u64) -> bool {
        let mut state = lock(&self.state);
        if state.owner != Some(connection) {
            return false;
        }
        state.owner = None;
        // Waking costs a call of the system, whether anybody waits or not, and this is done for each commit.
        if !state.waiting.is_empty() {
            self.changed.notify_all();
        }
        true
    }

    /// The connection whose turn it is.
    pub fn owner(&self) -> Option<u64> {
        lock(&self.state).owner
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;

    #[test]
    fn those_who_wait_are_served_in_order() {
        let turn = Arc::new(Turn::default());
        let order = Arc::new(Mutex::new(Vec::new()));
        assert!(turn.try_take(0));
        let mut threads = Vec::new();
        for id in 1..=4 {
            let (mine, order) = (Arc::clone(&turn), Arc::clone(&order));
            threads.push(thread::spawn(move || {
                assert!(mine.wait(id, Duration::from_secs(20)));
                order.lock().unwrap().push(id);
                assert!(mine.release(id));
            }));
            while lock(&turn.state).waiting.len() < usize::try_from(id).unwrap() {
                thread::yield_now();
            }
        }
        assert!(!turn.try_take(9), "a newcomer jumped the queue");
        turn.release(0);
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(*order.lock().unwrap(), [1, 2, 3, 4]);
        assert!(turn.try_take(9));
    }

    #[test]
    fn waiting_ends_at_its_limit_and_leaves_no_trace() {
        let turn = Turn::default();
        assert!(turn.try_take(1));
        assert!(!turn.wait(2, Duration::from_millis(5)));
        assert!(turn.release(1));
        assert!(turn.try_take(3));
    }
}

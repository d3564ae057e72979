//! The thread that folds logs and merges segments while commits go on.
//!
//! It wakes when a commit says that the log is long enough, and when it has been long enough since the last time.
//!
//! I1  It ends when its handle is dropped, after the job it is at.
//! I2  Wake-ups do not queue: one stands for everything that happened until it is looked at.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use coffer_store::Storage;

use crate::core::Core;
use crate::portable::{Portable, lock};

/// A running maintenance thread.
pub(crate) struct Maintenance {
    signal: Arc<Signal>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Signal {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    due: bool,
    stop: bool,
}

/// Why the thread looks.
#[derive(PartialEq, Eq)]
enum Reason {
    Due,
    Time,
    Stop,
}

impl Signal {
    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut lock(&self.state));
        self.changed.notify_all();
    }

    /// Waits for a reason to look; without an interval, time is none.
    fn wait(&self, interval: Option<Duration>) -> Reason {
        let idle = |state: &mut State| !state.due && !state.stop;
        let state = lock(&self.state);
        let mut state = match interval {
            Some(interval) => {
                self.changed.wait_timeout_while(state, interval, idle).unwrap_or_else(PoisonError::into_inner).0
            }
            None => self.changed.wait_while(state, idle).unwrap_or_else(PoisonError::into_inner),
        };
        match (state.stop, std::mem::take(&mut state.due)) {
            (true, _) => Reason::Stop,
            (false, true) => Reason::Due,
            (false, false) => Reason::Time,
        }
    }
}

impl Maintenance {
    /// Starts the thread, and has the database's commits wake it.
    pub fn start<S>(core: &Arc<Core<S>>) -> std::io::Result<Self>
    where
        S: Storage + Portable + 'static,
        S::Device: Portable + 'static,
    {
        let signal = Arc::new(Signal::default());
        let waker = Arc::clone(&signal);
        *lock(&core.wake) = Some(Box::new(move || waker.change(|state| state.due = true)));
        let (ours, core) = (Arc::clone(&signal), Arc::downgrade(core));
        let thread = thread::Builder::new().name("coffer-maintenance".to_owned()).spawn(move || {
            loop {
                let interval = core.upgrade().map_or(0, |core| lock(&core.settings).autocheckpoint_ms);
                let reason = ours.wait((interval > 0).then(|| Duration::from_millis(interval)));
                let Some(core) = core.upgrade().filter(|_| reason != Reason::Stop) else { return };
                core.keep_up(reason == Reason::Time);
            }
        })?;
        Ok(Self { signal, thread: Some(thread) })
    }
}

impl Drop for Maintenance {
    fn drop(&mut self) {
        self.signal.change(|state| state.stop = true);
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            // A panic of the thread was reported when it happened.
            drop(thread.join());
        }
    }
}

//! Signals: by default one ends the process at once, which the engine survives by design. A verb that has something to tidy
//! up holds signals off and looks at them itself; a second signal then ends the process all the same.
//!
//! A write past a file size limit is a signal too; it is taken, so that the write fails with an error that can be told.

use std::process;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use coffer_sqlite::rusqlite::{Connection, InterruptHandle};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;

use crate::failure::{Exit, Failure, Outcome};

static CAUGHT: AtomicBool = AtomicBool::new(false);
static HOLDERS: AtomicUsize = AtomicUsize::new(0);
static STATEMENTS: Mutex<Vec<InterruptHandle>> = Mutex::new(Vec::new());

/// Begins to listen. A process that cannot is one that signals end in the ordinary way.
pub fn watch() {
    drop(signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false))));
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGHUP]) else { return };
    let listen = move || {
        for signal in signals.forever() {
            let held = HOLDERS.load(Ordering::SeqCst) > 0;
            if !held || CAUGHT.swap(true, Ordering::SeqCst) {
                process::exit(128 + signal);
            }
            for statement in STATEMENTS.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                statement.interrupt();
            }
        }
    };
    drop(thread::Builder::new().name("signals".to_owned()).spawn(listen));
}

/// While it lives, a signal only interrupts the statements of its connections, and [`Hold::check`] tells.
pub struct Hold {
    caught: &'static AtomicBool,
}

impl Hold {
    pub fn new() -> Self {
        HOLDERS.fetch_add(1, Ordering::SeqCst);
        Self { caught: &CAUGHT }
    }

    /// Statements of this connection end when a signal comes.
    pub fn on(connection: &Connection) -> Self {
        STATEMENTS.lock().unwrap_or_else(PoisonError::into_inner).push(connection.get_interrupt_handle());
        Self::new()
    }

    /// Fails if a signal came.
    pub fn check(&self) -> Outcome {
        if self.caught.load(Ordering::SeqCst) {
            return Err(Failure::new(Exit::Interrupted, "interrupted; nothing was changed since the last commit"));
        }
        Ok(())
    }

    /// A failure that a signal brought about is told as that. What succeeded before the signal could stop it has succeeded.
    pub fn explain<T>(&self, result: Outcome<T>) -> Outcome<T> {
        result.or_else(|failure| self.check().and(Err(failure)))
    }

    /// Whether a signal came; it is then dealt with, and the next one counts anew.
    pub fn take(&self) -> bool {
        self.caught.swap(false, Ordering::SeqCst)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        HOLDERS.fetch_sub(1, Ordering::SeqCst);
        STATEMENTS.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

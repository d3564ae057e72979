//! Signals: by default one ends the process at once, which the engine survives by design. A verb that has something to tidy
//! up holds signals off and looks at them itself; a second signal then ends the process all the same. So does time, where what
//! holds signals off may be waiting for somebody to read its output.
//!
//! A write past a file size limit is a signal too; it is taken, so that the write fails with an error that can be told.

use std::io::{IsTerminal, Write, stderr};
use std::process;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use coffer_sqlite::rusqlite::{Connection, InterruptHandle};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;

use crate::failure::{Failure, INTERRUPTED, Outcome};

static CAUGHT: AtomicBool = AtomicBool::new(false);
static HOLDERS: AtomicUsize = AtomicUsize::new(0);
/// Whether it is only for the statements that signals are held off.
static BRIEF: AtomicBool = AtomicBool::new(false);
/// What is said instead of the usual.
static TOLD: Mutex<Option<String>> = Mutex::new(None);
static STATEMENTS: Mutex<Vec<InterruptHandle>> = Mutex::new(Vec::new());

/// How long a statement has to end after a signal.
const PATIENCE: Duration = Duration::from_secs(2);

/// Begins to listen. A process that cannot is one that signals end in the ordinary way.
pub fn watch() {
    drop(signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false))));
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGHUP]) else { return };
    let listen = move || {
        for signal in signals.forever() {
            let held = HOLDERS.load(Ordering::SeqCst) > 0;
            if !held || CAUGHT.swap(true, Ordering::SeqCst) {
                leave(signal);
            }
            for statement in STATEMENTS.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                statement.interrupt();
            }
            if BRIEF.load(Ordering::SeqCst) {
                let insist = move || {
                    thread::sleep(PATIENCE);
                    if CAUGHT.load(Ordering::SeqCst) {
                        leave(signal);
                    }
                };
                drop(thread::Builder::new().spawn(insist));
            }
        }
    };
    drop(thread::Builder::new().name("signals".to_owned()).spawn(listen));
}

/// From now on, this is what to do after a signal that ends the process.
pub fn tell(message: String) {
    *TOLD.lock().unwrap_or_else(PoisonError::into_inner) = Some(message);
}

fn leave(signal: i32) -> ! {
    // Perhaps in the middle of a progress bar.
    let over = if stderr().is_terminal() { "\r\u{1b}[2K" } else { "" };
    let told = TOLD.lock().unwrap_or_else(PoisonError::into_inner).take();
    let _ = writeln!(stderr(), "{over}coffer: {}", told.as_deref().unwrap_or(INTERRUPTED));
    process::exit(128 + signal)
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

    /// As [`Hold::on`], and not for longer than it takes a statement to end, for who has nothing to tidy up but the statement.
    pub fn briefly_on(connection: &Connection) -> Self {
        BRIEF.store(true, Ordering::SeqCst);
        Self::on(connection)
    }

    /// Fails if a signal came.
    pub fn check(&self) -> Outcome {
        if self.caught.load(Ordering::SeqCst) {
            return Err(Failure::interrupted());
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
        if HOLDERS.fetch_sub(1, Ordering::SeqCst) == 1 {
            BRIEF.store(false, Ordering::SeqCst);
        }
        STATEMENTS.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

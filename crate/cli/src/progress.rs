//! A progress bar for what takes longer than a second, if somebody is looking.

use std::io::{IsTerminal, stderr};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use coffer_sqlite::Database;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How far something is.
pub struct Progress {
    what: &'static str,
    total: Option<u64>,
    began: Instant,
    visible: bool,
    bar: Option<ProgressBar>,
    unit: Unit,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Bytes,
    Rows,
    Pages,
    Records,
}

impl Unit {
    fn template(self, total: bool) -> String {
        let (position, rate, name) = match self {
            Self::Bytes => ("{bytes}", "{bytes_per_sec}", ""),
            Self::Rows => ("{human_pos}", "{per_sec}", " rows"),
            Self::Pages => ("{human_pos}", "{per_sec}", " pages"),
            Self::Records => ("{human_pos}", "{per_sec}", " records"),
        };
        if total {
            format!("{{msg}} {{wide_bar}} {{percent}}% {position}{name} {rate} {{eta}}")
        } else {
            format!("{{msg}} {{spinner}} {position}{name} {rate}")
        }
    }
}

const SPINNER: &str = "{msg} {spinner} {elapsed}";

/// Nothing is shown before this.
const PATIENCE: Duration = Duration::from_secs(1);

impl Progress {
    pub fn new(what: &'static str, total: Option<u64>, unit: Unit) -> Self {
        Self { what, total, began: Instant::now(), visible: stderr().is_terminal(), bar: None, unit }
    }

    /// So much is done now.
    pub fn set(&mut self, done: u64) {
        if !self.visible || (self.bar.is_none() && self.began.elapsed() < PATIENCE) {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::with_draw_target(self.total, ProgressDrawTarget::stderr()).with_message(self.what);
            match ProgressStyle::with_template(&self.unit.template(self.total.is_some())) {
                Ok(style) => bar.with_style(style),
                Err(_) => bar,
            }
        });
        bar.set_position(done);
    }

    /// As [`Progress::set`], where the total becomes known on the way.
    pub fn set_of(&mut self, done: u64, total: u64) {
        self.total = Some(total);
        if let Some(bar) = &self.bar {
            bar.set_length(total);
        }
        self.set(done);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Shows how far the rewriting of a database is, for as long as it lives.
pub struct Rewriting(Arc<Mutex<Option<Progress>>>);

impl Rewriting {
    pub fn watch(database: &Database, what: &'static str) -> Self {
        let progress = Arc::new(Mutex::new(Some(Progress::new(what, None, Unit::Pages))));
        let ours = Arc::clone(&progress);
        database.watch(Some(Arc::new(move |done, total| {
            if let Some(progress) = ours.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
                progress.set_of(done, total);
            }
        })));
        Self(progress)
    }
}

impl Drop for Rewriting {
    fn drop(&mut self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Says that something is under way that does not tell how far it is.
pub struct Spinner {
    /// Closing it ends the thread.
    alive: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Spinner {
    pub fn new(what: &'static str) -> Self {
        let (alive, ended) = channel::<()>();
        let spin = move || {
            if ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_message(what);
                let bar = match ProgressStyle::with_template(SPINNER) {
                    Ok(style) => bar.with_style(style),
                    Err(_) => bar,
                };
                bar.enable_steady_tick(Duration::from_millis(100));
                let _ = ended.recv();
                bar.finish_and_clear();
            }
        };
        let thread = stderr().is_terminal().then(|| thread::spawn(spin));
        Self { alive: Some(alive), thread }
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.alive = None;
        if let Some(thread) = self.thread.take() {
            // All it could fail at is drawing.
            drop(thread.join());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_is_one_that_the_bar_takes() {
        ProgressStyle::with_template(SPINNER).unwrap();
        for unit in [Unit::Bytes, Unit::Rows, Unit::Pages, Unit::Records] {
            for total in [false, true] {
                ProgressStyle::with_template(&unit.template(total)).unwrap();
            }
        }
    }
}

//! A progress bar for what takes longer than a second, if somebody is looking.

use std::fmt::Write;
use std::io::{IsTerminal, stderr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use coffer_sqlite::Database;
use indicatif::{
    BinaryBytes, FormattedDuration, HumanCount, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle,
};

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
        let (position, name) = match self {
            Self::Bytes => ("{bytes}", ""),
            Self::Rows => ("{human_pos}", " rows"),
            Self::Pages => ("{human_pos}", " pages"),
            Self::Records => ("{human_pos}", " records"),
        };
        if total {
            format!("{{msg}} {{wide_bar}} {{percent}}% {position}{name} {{rate}} {{left}}")
        } else {
            format!("{{msg}} {{spinner}} {position}{name} {{rate}}")
        }
    }

    /// So much a second, over all the time there was. What the bar itself would say begins with the bar, a second late.
    fn rate(self, done: u64, elapsed: Duration) -> String {
        let a_second = u128::from(done) * 1000 / elapsed.as_millis().max(1);
        let a_second = u64::try_from(a_second).unwrap_or(u64::MAX);
        match self {
            Self::Bytes => format!("{}/s", BinaryBytes(a_second)),
            Self::Rows | Self::Pages | Self::Records => format!("{}/s", HumanCount(a_second)),
        }
    }
}

/// How long it takes if it goes on like this.
fn left(done: u64, total: u64, elapsed: Duration) -> String {
    let millis = elapsed.as_millis() * u128::from(total.saturating_sub(done)) / u128::from(done.max(1));
    format!("{} left", FormattedDuration(Duration::from_secs(u64::try_from(millis.div_ceil(1000)).unwrap_or(u64::MAX))))
}

fn style(unit: Unit, total: bool) -> Option<ProgressStyle> {
    let style = ProgressStyle::with_template(&unit.template(total)).ok()?;
    let style = style.with_key("rate", move |state: &ProgressState, out: &mut dyn Write| {
        let _ = write!(out, "{}", unit.rate(state.pos(), state.elapsed()));
    });
    Some(style.with_key("left", |state: &ProgressState, out: &mut dyn Write| {
        let _ = write!(out, "{}", left(state.pos(), state.len().unwrap_or_default(), state.elapsed()));
    }))
}

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
            let bar = ProgressBar::with_draw_target(self.total, ProgressDrawTarget::stderr());
            let bar = bar.with_message(self.what).with_elapsed(self.began.elapsed());
            match style(self.unit, self.total.is_some()) {
                Some(style) => bar.with_style(style),
                None => bar,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_is_one_that_the_bar_takes() {
        for unit in [Unit::Bytes, Unit::Rows, Unit::Pages, Unit::Records] {
            for total in [false, true] {
                assert!(style(unit, total).is_some(), "{unit:?}");
            }
        }
    }

    #[test]
    fn a_rate_is_over_all_the_time_and_in_whole_numbers() {
        assert_eq!(Unit::Pages.rate(2560, Duration::from_millis(1500)), "1,706/s");
        assert_eq!(Unit::Bytes.rate(3 << 20, Duration::from_secs(2)), "1.50 MiB/s");
        assert_eq!(Unit::Rows.rate(10, Duration::ZERO), "10,000/s");
    }

    #[test]
    fn what_is_left_takes_as_long_as_what_is_done_did() {
        assert_eq!(left(30, 90, Duration::from_secs(10)), "00:00:20 left");
        assert_eq!(left(0, 0, Duration::from_secs(10)), "00:00:00 left");
        assert_eq!(left(90, 30, Duration::from_secs(10)), "00:00:00 left");
    }
}

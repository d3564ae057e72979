//! The ends of a process, and what comes after them: opening again, possibly dying again while at it.

use coffer_store::{DeviceErrorKind, Error, Scratch, Store};

use super::{Runner, Step, wrong};
use crate::model::Ending;
use crate::operation::Profile;
use crate::storage::{Crash, Faults, SimStorage};

/// Openings in a row before the simulator lets one be.
const OPENINGS_MAX: u32 = 12;

impl Runner {
    /// Creates the database. The process may die while at it; then either it is there and empty, or it can be created again.
    pub(crate) fn create(&mut self) -> Step {
        for _ in 0..OPENINGS_MAX {
            let entropy = Box::new(self.rng.fork());
            let result = self.keys.create(self.disk.clone(), entropy, self.options.clone());
            match result {
                Ok(store) => {
                    self.store = Some(store);
                    return self.expect_head("the creation");
                }
                Err(_) if self.disk.is_down() => {}
                Err(error) => wrong!("creating failed without reason: {error:?}"),
            }
            let how = *self.rng.pick(&self.plan.crashes);
            self.disk.crash(how);
            self.summary.crashes += 1;
            match self.open_store() {
                Ok(store) => {
                    self.store = Some(store);
                    return self.expect_head("a creation that died");
                }
                Err(Error::Device(error)) if error.kind == DeviceErrorKind::NotFound => {}
                Err(error) => wrong!("a creation that died left something that is neither there nor not: {error:?}"),
            }
        }
        wrong!("the database was never created")
    }

    pub(super) fn open_store(&mut self) -> Result<Store<SimStorage>, Error> {
        self.keys.open(&self.disk, &mut self.rng, &self.options).map(|(store, _)| store)
    }

    /// Everything that the process held is gone.
    fn forget(&mut self) {
        self.txn = None;
        self.aside = None;
        self.snapshots.clear();
        self.store = None;
        self.shaken = false;
        self.broken = false;
        self.end_faults();
    }

    /// The process dies, or the power goes, and the store is opened again.
    pub(super) fn crash(&mut self) -> Step {
        let how = *self.rng.pick(&self.plan.crashes);
        self.note(|| format!("{how:?}"));
        self.summary.crashes += 1;
        // The devices die with the disk first: what a destructor did would not happen in a crash.
        self.disk.crash(how);
        self.forget();
        self.reopen(if how == Crash::Killed { Ending::Killed } else { Ending::PowerCut })
    }

    /// In one of the next calls, soon or late.
    pub(super) fn crash_soon(&mut self) {
        let at = self.disk.changing_calls() + 1 + self.rng.skewed(200);
        let faults = self.disk.faults();
        self.disk.set_faults(Faults { kill_at: Some(at), ..faults });
    }

    /// A poisoned store is opened again by the same process.
    pub(super) fn reopen_broken(&mut self) -> Step {
        self.end_faults();
        self.compare_head(4)?;
        self.txn = None;
        self.aside = None;
        // They are promised to last as long as the store that gave them.
        self.snapshots.clear();
        self.store = None;
        self.shaken = false;
        self.broken = false;
        self.reopen(Ending::Killed)
    }

    /// Closes and opens again. Closing may fail for a simulated reason.
    pub(super) fn reopen_cleanly(&mut self) -> Step {
        self.txn = None;
        self.aside = None;
        self.snapshots.clear();
        let Some(store) = self.store.take() else { return Ok(()) };
        let was_poisoned = store.is_poisoned();
        let closed = store.close();
        if self.disk.is_down() {
            return self.crash();
        }
        let ending = match closed {
            Ok(()) if !was_poisoned => {
                self.model.flush(self.model.head());
                Ending::Closed
            }
            Ok(()) => Ending::Killed,
            Err(error) => {
                self.tolerate("close", &error)?;
                Ending::Killed
            }
        };
        self.end_faults();
        self.shaken = false;
        self.broken = false;
        self.reopen(ending)
    }

    /// Opens what an ending left, compares it with what may be left, and goes on from there.
    fn reopen(&mut self, mut ending: Ending) -> Step {
        let troubled = !self.spared && matches!(self.plan.profile, Profile::Swarm | Profile::Crash | Profile::Fault);
        for turn in 0..OPENINGS_MAX {
            let last = turn + 1 == OPENINGS_MAX;
            if troubled && !last && self.rng.one_in(4) {
                let kill_at = Some(self.disk.changing_calls() + 1 + self.rng.skewed(12));
                self.disk.set_faults(Faults { kill_at, ..self.disk.faults() });
            } else if troubled && !last && self.rng.one_in(8) {
                self.disk.set_faults(Faults { reads: 20, writes: 5, flushes: 5, others: 5, ..self.disk.faults() });
                self.faulty = true;
            }
            if let Some(calls) = self.dies_opening.take() {
                let kill_at = Some(self.disk.changing_calls() + calls);
                self.disk.set_faults(Faults { kill_at, ..self.disk.faults() });
            }
            let opened = self.open_store();
            if self.disk.is_down() {
                drop(opened);
                let how = *self.rng.pick(&self.plan.crashes);
                self.note(|| format!("died while opening, {how:?}"));
                self.summary.crashes += 1;
                self.disk.crash(how);
                if how != Crash::Killed {
                    ending = Ending::PowerCut;
                }
                continue;
            }
            match opened {
                Ok(store) => {
                    let poisoned = store.is_poisoned();
                    self.store = Some(store);
                    self.shaken = self.faulty;
                    self.end_faults();
                    if poisoned {
                        wrong!("an opened store is poisoned from the start");
                    }
                    return self.examine(ending);
                }
                Err(error) => {
                    self.tolerate("open", &error)?;
                    self.end_faults();
                }
            }
        }
        wrong!("the store could not be opened for {OPENINGS_MAX} times in a row")
    }

    /// Compares a store that was just opened.
    fn examine(&mut self, ending: Ending) -> Step {
        // It belongs to one opening: it knows files by their ids.
        self.scratch = Scratch::default();
        self.summary.openings += 1;
        let head = self.store().head();
        self.note(|| format!("{ending:?}, shows {head:?}"));
        if let Err(what) = self.model.reopen(head, ending) {
            wrong!("the reopened store {what}");
        }
        if !self.keys.fit(self.store.as_ref()) {
            wrong!("the reopened store has other key slots than anybody made");
        }
        self.settle_keys()?;
        self.kept.retain(|&commit| commit <= head);
        self.compare_recent()?;
        self.find_request()?;
        self.read_kept()?;
        if self.rng.one_in(10) { self.verify() } else { Ok(()) }
    }

    /// Lets calls fail for a while, or ends that.
    pub(super) fn faults(&mut self) {
        if self.faulty {
            return self.end_faults();
        }
        let rates = [0, 0, 3, 10, 30, 100, 300];
        let draw = |rng: &mut crate::rng::Rng| *rng.pick(&rates);
        let faults = Faults {
            reads: draw(&mut self.rng),
            writes: draw(&mut self.rng),
            others: draw(&mut self.rng),
            flushes: draw(&mut self.rng),
            ..self.disk.faults()
        };
        self.disk.set_faults(faults);
        self.faulty = true;
        self.shaken = true;
    }

    /// Makes the disk small for a while, or ends that.
    pub(super) fn fill_disk(&mut self) {
        if self.faulty {
            return self.end_faults();
        }
        let disk_bytes = Some(self.disk.used() + self.rng.skewed(300_000));
        self.disk.set_faults(Faults { disk_bytes, ..self.disk.faults() });
        self.faulty = true;
        self.shaken = true;
    }

    /// No call fails from here on, except that the process may still be about to die.
    pub(super) fn end_faults(&mut self) {
        let Faults { kill_at, lie, .. } = self.disk.faults();
        self.disk.set_faults(Faults { kill_at, lie, ..Faults::none() });
        self.faulty = false;
    }
}

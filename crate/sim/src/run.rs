//! One run: random operations on a store over the simulated disk, compared with the model after every step that shows
//! something. A run is a function of its seed and profile and of nothing else.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use coffer_store::{CommitId, DeviceErrorKind, Error, Options, Scratch, Snapshot, Store, Txn};

use crate::model::{Change, Model};
use crate::operation::{Operation, Profile};
use crate::plan::Plan;
use crate::rng::Rng;
use crate::storage::{Counters, Faults, Lie, SimDevice, SimStorage};
use keys::Keys;
use upkeep::Aside;

mod check;
mod damage;
mod history;
mod keys;
mod recovery;
mod transaction;
mod upkeep;

/// How many of the latest steps a failure shows.
const STEPS_SHOWN: usize = 40;

/// What a run did.
#[derive(Debug, Clone, Copy, Default)]
pub struct Summary {
    /// Operations done.
    pub operations: u64,
    /// Commits acknowledged.
    pub commits: u64,
    /// Ends of a process or of the power.
    pub crashes: u64,
    /// Openings that showed a whole state.
    pub openings: u64,
    /// Pages compared with the model.
    pub pages_compared: u64,
    /// Damages at rest that were tried.
    pub damages: u64,
    /// What the disk was asked.
    pub counters: Counters,
}

impl Summary {
    /// Adds another run's.
    pub fn add(&mut self, other: &Self) {
        self.operations += other.operations;
        self.commits += other.commits;
        self.crashes += other.crashes;
        self.openings += other.openings;
        self.pages_compared += other.pages_compared;
        self.damages += other.damages;
        self.counters.add(&other.counters);
    }
}

/// A run that went wrong.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Its seed.
    pub seed: u64,
    /// Its profile.
    pub profile: Profile,
    /// What was wrong.
    pub what: String,
    /// In which step.
    pub step: u32,
    /// The steps before, newest last.
    pub steps: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seed, profile) = (self.seed, self.profile.name());
        writeln!(f, "step {}: {}", self.step, self.what)?;
        for step in &self.steps {
            writeln!(f, "    {step}")?;
        }
        write!(f, "replay: cargo run -p coffer-sim -- --profile {profile} --seed {seed}")
    }
}

/// Something the store did that it must not do.
#[derive(Debug)]
pub(crate) struct Wrong(pub(crate) String);

/// How a step ended.
pub(crate) type Step<T = ()> = Result<T, Wrong>;

/// Ends a step as wrong.
macro_rules! wrong {
    ($($text:tt)*) => { return Err(crate::run::Wrong(format!($($text)*))) };
}
pub(crate) use wrong;

/// The simulated user with everything it holds.
#[expect(clippy::struct_excessive_bools, reason = "independent facts, not a state in disguise")]
pub(crate) struct Runner {
    pub(crate) rng: Rng,
    pub(crate) plan: Plan,
    pub(crate) disk: SimStorage,
    pub(crate) model: Model,
    pub(crate) store: Option<Store<SimStorage>>,
    pub(crate) summary: Summary,
    options: Options,
    txn: Option<(Txn<SimDevice>, Change)>,
    snapshots: Vec<Snapshot<SimDevice>>,
    aside: Option<Aside>,
    keys: Keys,
    /// Commits that the store promised to keep.
    kept: BTreeSet<CommitId>,
    /// It promised to keep every commit from here on.
    archived_from: Option<CommitId>,
    scratch: Scratch,
    /// A transaction that is not the one at work has spilled.
    held_spill: bool,
    /// Device calls may have failed since the store was opened, so it may be poisoned.
    shaken: bool,
    /// Device calls fail now.
    faulty: bool,
    /// No trouble is begun any more.
    spared: bool,
    /// The next opening dies in this of its changing calls.
    pub(crate) dies_opening: Option<u64>,
    /// The store must be opened anew before it can go on.
    broken: bool,
    /// Pages of the newest changes, also of lost ones: what a crash would have mixed up.
    recent: VecDeque<u32>,
    step: u32,
    steps: VecDeque<String>,
}

/// Runs a seed. Panics of the engine are failures like any other.
pub fn run(seed: u64, profile: Profile) -> Result<Summary, Failure> {
    run_on(seed, profile, None)
}

/// Runs a seed on a disk that lies, to see whether it is caught.
pub fn run_on(seed: u64, profile: Profile, lie: Option<Lie>) -> Result<Summary, Failure> {
    let mut runner = Runner::new(seed, profile);
    runner.disk.set_faults(Faults { lie, ..Faults::none() });
    match caught(|| runner.run()) {
        Ok(()) => {
            runner.summary.counters = runner.disk.counters();
            Ok(runner.summary)
        }
        Err(Wrong(what)) => Err(runner.failure(seed, what)),
    }
}

thread_local! {
    /// Where the last panic on this thread was, for the report.
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
    static IN_RUN: Cell<bool> = const { Cell::new(false) };
}

/// Turns a panic into something wrong like any other, with its place.
pub(crate) fn caught<T>(work: impl FnOnce() -> Step<T>) -> Step<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |panic| {
            PANIC.with(|last| *last.borrow_mut() = panic.to_string());
            // Inside a run it is reported with the seed; elsewhere as usual.
            if !IN_RUN.get() {
                usual(panic);
            }
        }));
    });
    IN_RUN.set(true);
    let ended = catch_unwind(AssertUnwindSafe(work));
    IN_RUN.set(false);
    ended.unwrap_or_else(|_| Err(Wrong(PANIC.with(|last| last.borrow().replace('\n', " ")))))
}

impl Runner {
    pub(crate) fn new(seed: u64, profile: Profile) -> Self {
        let mut rng = Rng::new(seed);
        let plan = Plan::draw(&mut rng, profile);
        let disk = SimStorage::new(rng.next());
        Self::of(rng, plan, disk)
    }

    /// A user with this plan and disk, who has done nothing yet.
    pub(crate) fn of(mut rng: Rng, plan: Plan, disk: SimStorage) -> Self {
        Self {
            options: plan.options.clone(),
            keys: Keys::new(plan.cipher, &mut rng),
            rng,
            plan,
            disk,
            model: Model::new(),
            store: None,
            summary: Summary::default(),
            txn: None,
            snapshots: Vec::new(),
            aside: None,
            kept: BTreeSet::new(),
            archived_from: None,
            scratch: Scratch::default(),
            held_spill: false,
            shaken: false,
            faulty: false,
            spared: false,
            dies_opening: None,
            broken: false,
            recent: VecDeque::new(),
            step: 0,
            steps: VecDeque::new(),
        }
    }

    pub(crate) fn failure(&self, seed: u64, what: String) -> Failure {
        let steps = self.steps.iter().cloned().collect();
        Failure { seed, profile: self.plan.profile, what, step: self.step, steps }
    }

    fn run(&mut self) -> Step {
        self.create()?;
        for step in 1..=self.plan.steps {
            self.step = step;
            let operation = self.plan.weights.pick(&mut self.rng);
            self.perform(operation)?;
        }
        self.end_faults();
        if self.plan.profile == Profile::AtRest {
            return self.damage_at_rest();
        }
        self.disk.set_faults(Faults { lie: self.disk.faults().lie, ..Faults::none() });
        self.spared = true;
        self.reopen_cleanly()?;
        self.compare_head(usize::MAX)?;
        self.leave_nothing_behind()
    }

    /// Does one thing, and whatever it leads to: a crash and the recovery from it, a reopening of a poisoned store.
    pub(crate) fn perform(&mut self, operation: Operation) -> Step {
        self.summary.operations += 1;
        if self.steps.len() == STEPS_SHOWN {
            self.steps.pop_front();
        }
        self.steps.push_back(format!("{}: {operation:?} on {:?}", self.step, self.model.head()));
        self.operate(operation)?;
        if self.disk.is_down() {
            self.crash()?;
        }
        if self.broken {
            self.reopen_broken()?;
        }
        Ok(())
    }

    fn operate(&mut self, operation: Operation) -> Step {
        match operation {
            Operation::Write => self.write(),
            Operation::Resize => {
                self.resize();
                Ok(())
            }
            Operation::ReadOwn => self.read_own(),
            Operation::Commit => self.commit(),
            Operation::Rollback => self.rollback(),
            Operation::Spill => self.spill(),
            Operation::Compete => self.compete(),
            Operation::Flush => self.flush(),
            Operation::Snapshot => self.take_snapshot(),
            Operation::ReadSnapshot => self.read_snapshot(),
            Operation::DropSnapshot => {
                self.drop_snapshot();
                Ok(())
            }
            Operation::ReadHistory => self.read_history(),
            Operation::KeepHistory => self.keep_history(),
            Operation::FindRequest => self.find_request(),
            Operation::Seal => self.seal(),
            Operation::BeginJob => self.begin_job(),
            Operation::StepJob => self.step_job(),
            Operation::AbandonJob => self.abandon_job(),
            Operation::Maintain => self.maintain(),
            Operation::Checkpoint => self.checkpoint(),
            Operation::Compact => self.compact(),
            Operation::SetCodec => self.set_codec(),
            Operation::Dictionary => self.dictionary(),
            Operation::Rekey => self.rekey(),
            Operation::KeySlot => self.key_slot(),
            Operation::Export => self.export(),
            Operation::Verify => self.verify(),
            Operation::Refresh => self.refresh(),
            Operation::Reopen => self.reopen_cleanly(),
            Operation::WrongKey => self.wrong_key(),
            Operation::Crash => self.crash(),
            Operation::CrashSoon => {
                self.crash_soon();
                Ok(())
            }
            Operation::Faults => {
                self.faults();
                Ok(())
            }
            Operation::FillDisk => {
                self.fill_disk();
                Ok(())
            }
        }
    }

    pub(crate) fn note(&mut self, text: impl FnOnce() -> String) {
        if let Some(step) = self.steps.back_mut() {
            step.push_str("; ");
            step.push_str(&text());
        }
    }

    pub(crate) fn store(&mut self) -> &mut Store<SimStorage> {
        self.store.as_mut().expect("between steps a store is open")
    }

    /// Lets an error of the store pass if the simulated trouble explains it.
    fn tolerate(&mut self, doing: &str, error: &Error) -> Step {
        self.note(|| format!("{doing}: {error}"));
        if self.disk.is_down() {
            return Ok(());
        }
        match error {
            Error::Device(device) if device.kind == DeviceErrorKind::NoSpace && self.faulty => Ok(()),
            Error::Device(device) if device.kind == DeviceErrorKind::Io && self.faulty => Ok(()),
            Error::Poisoned if self.shaken => {
                self.broken = true;
                Ok(())
            }
            _ => wrong!("{doing} failed without reason: {error:?}"),
        }
    }

    /// The result, or nothing if the simulated trouble explains the error.
    fn tolerated<T>(&mut self, doing: &str, result: Result<T, Error>) -> Step<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) => self.tolerate(doing, &error).map(|()| None),
        }
    }

    fn expect_head(&mut self, after: &str) -> Step {
        let (head, expected) = (self.store().head(), self.model.head());
        if head != expected {
            wrong!("after {after} the head is {head:?} and must be {expected:?}");
        }
        Ok(())
    }
}

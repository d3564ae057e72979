//! The deterministic simulator: a disk that fails in every way disks may, a model of what a store must remember, and runs
//! of random operations that compare the two, all derived from one number.
//!
//! It is also the home of the suite that every storage backend passes. It is never published and never part of a product.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod campaign;
mod content;
pub mod device_suite;
mod explore;
mod model;
mod operation;
mod plan;
mod rng;
mod run;
mod storage;

pub use campaign::{Campaign, GENERATOR, Outcome, WINDOW_RUNS};
pub use content::Content;
pub use explore::{Explored, Workload, canonical, explore};
pub use model::{Change, Ending, Model};
pub use operation::{Operation, Profile};
pub use rng::Rng;
pub use run::{Failure, Summary, run, run_on};
pub use storage::{Call, Counters, Crash, Damage, Faults, Lie, SimDevice, SimStorage, Tally};

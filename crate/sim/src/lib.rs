//! The deterministic simulator: a disk that fails in every way disks may, a model of what a store must remember, and runs
//! of random operations that compare the two, all derived from one number.
//!
//! It is also the home of the suite that every storage backend passes. It is never published and never part of a product.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod device_suite;
mod rng;
mod storage;

pub use rng::Rng;
pub use storage::{Call, Counters, Crash, Damage, Faults, SimDevice, SimStorage, Tally};

//! What the database worker calls in wasm: a handful of functions over bytes, numbers and small structs.
//!
//! No logic worth testing alone: SQL lives in `coffer-sqlite`, bytes in `coffer-store`. This crate opens things, turns errors into plain
//! objects and reports a panic before the trap that follows it takes the worker away.
//!
//! I1  A call either returns or throws a plain object `{ code, message, ... }`; only a panic traps, and then its message has been handed
//!     to the listener, because a trapped instance must not be called again.

mod database;
mod failure;
mod panic;

pub use database::{WebDatabase, about};
pub use panic::on_panic;

//! What the database worker calls in wasm: a handful of functions over bytes, numbers and small structs.
//!
//! No logic worth testing alone: SQL lives in `coffer-sqlite`, bytes in `coffer-store`. This crate opens things over files
//! that JavaScript opened, turns errors into plain objects and reports a panic before the trap that follows it takes the
//! worker away.
//!
//! I1  A call either returns or throws a plain object `{ code, message, ... }`; only a panic traps, and what words it has have been
//!     handed to the listener, because a trapped instance must not be called again.
// Handles of a browser's files cannot leave their thread, and native connections must be able to: there is nothing here natively.
#![cfg(target_family = "wasm")]

// The store would still work, on a cipher that is several times slower, and nobody would know why (docs/decisions/0021). Who only reads the
// documentation in it is not told the flags.
#[cfg(not(any(target_feature = "simd128", doc, doctest)))]
compile_error!(
    "coffer-web is for wasm with 128-bit vectors: compile with -Ctarget-feature=+simd128, as .cargo/config.toml has it"
);

mod chore;
mod connection;
mod cursor;
mod database;
mod failure;
mod files;
mod functions;
mod inspect;
mod jobs;
mod object;
mod options;
mod panic;
mod request;
#[cfg(feature = "suite")]
mod suite;
mod tables;
mod task;
mod wiping;

pub use chore::{WebChore, WebSecret};
pub use connection::{WebConnection, fingerprint, on_progress};
pub use cursor::WebCursor;
pub use database::{WebDatabase, about};
pub use files::{Files, Handle, OpenFile};
pub use inspect::inspect;
pub use jobs::WebJob;
pub use panic::on_panic;
pub use request::check_key;
pub use task::WebTask;

//! SQLite on the Coffer storage engine.
//!
//! [`Database`] owns the files and gives connections; [`Connection`] is rusqlite's with what the dialect adds; [`statement`]
//! runs SQL on them, [`wire`] carries values to callers that cannot share memory with us (a page talking to its worker), and
//! [`features`] says what the compiled SQLite must be able to do. This crate builds natively and for wasm32 from the same
//! sources and knows nothing of JavaScript.
//!
//! ```
//! use coffer_sqlite::{Database, Key, OpenOptions};
//!
//! let options = OpenOptions { key: Some(Key::raw([7; 32])), ..OpenOptions::default() };
//! let database = Database::in_memory(options)?;
//! let connection = database.connect()?;
//! connection.execute_batch("create table note(id integer primary key, body text)")?;
//! connection.execute("insert into note(body) values (?)", ["hello"])?;
//! let body: String = connection.query_row("select body from note", [], |row| row.get(0))?;
//! assert_eq!(body, "hello");
//! # Ok::<(), coffer_sqlite::Error>(())
//! ```
//!
//! Layers inside: `ffi.rs` (all the `unsafe` there is) turns SQLite's calls into those of `vfs.rs`; `file.rs` is a database on
//! the store (`main_file.rs`) or a private file (`memory.rs`); `core.rs` is one open database behind any number of them.
#![deny(missing_docs)]
#![cfg_attr(
    target_family = "wasm",
    allow(clippy::arc_with_non_send_sync, reason = "there is one thread in wasm; see portable.rs")
)]

#[cfg(all(test, target_family = "wasm"))]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_dedicated_worker);

mod admin;
mod cache;
mod chore;
mod connection;
mod core;
pub mod database;
mod dialect;
mod entropy;
pub mod error;
mod fatal;
pub mod features;
mod ffi;
mod figures;
mod file;
mod journal;
mod key;
mod limits;
mod lock;
mod main_file;
mod memory;
#[cfg(not(target_family = "wasm"))]
pub mod native;
mod portable;
mod pragma;
mod registry;
mod session;
mod settings;
pub mod statement;
mod tables;
mod trace;
mod vfs;
pub mod wire;
mod workers;

pub use chore::{Backup, Chore, ChoreResult, Progress};
pub use coffer_store;
pub use connection::Connection;
pub use database::{Create, Database, DefaultStorage, OpenOptions, Upkeep, check_key};
pub use entropy::{PiecedEntropy, SystemEntropy};
pub use error::{ERROR_CODES, Error, ErrorCode, Result};
pub use fatal::on_fatal;
pub use figures::{Figure, MemoryStats, StorageInfo};
pub use key::{Kdf, Key, PBKDF2_ROUNDS, SALT_BYTES};
pub use portable::Portable;
pub use pragma::{CheckpointMode, Isolation, Synchronous, Truncate};
pub use rusqlite;
pub use settings::Settings;
pub use trace::trace_locks;
pub use workers::Watcher;

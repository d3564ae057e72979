//! SQLite on the Coffer storage engine.
//!
//! [`Database`] opens connections, [`statement`] runs SQL on them, [`wire`] carries values to callers that cannot share memory with us
//! (a page talking to its worker), and [`features`] says what the compiled SQLite must be able to do. This crate builds natively and for
//! wasm32 from the same sources and knows nothing of JavaScript.

pub mod database;
pub mod error;
pub mod features;
pub mod statement;
pub mod wire;

pub use database::Database;
pub use error::{ERROR_CODES, Error, ErrorCode, Result};
pub use rusqlite;

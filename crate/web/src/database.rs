//! A database as JavaScript holds it.

use coffer_sqlite::wire::{Parameters, parameters};
use coffer_sqlite::{Connection, Database, Error, ErrorCode, OpenOptions, rusqlite, statement};
use serde::Serialize;
use wasm_bindgen::prelude::*;

use crate::failure::{plain, thrown};

/// An open database. JavaScript must call `free` when it is done with it.
#[wasm_bindgen(js_name = Database)]
pub struct WebDatabase {
    connection: Connection,
}

/// What `run` tells: the counts are bigints, since either may pass 2^53.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    changes: u64,
    last_insert_rowid: i64,
}

/// What was compiled into this module.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct About {
    coffer: &'static str,
    sqlite: &'static str,
}

/// Versions of what was compiled into this module.
#[wasm_bindgen]
pub fn about() -> JsValue {
    plain(&About { coffer: env!("CARGO_PKG_VERSION"), sqlite: rusqlite::version() })
}

#[wasm_bindgen(js_class = Database)]
impl WebDatabase {
    /// Opens a new database in this worker's memory.
    #[wasm_bindgen(js_name = openInMemory)]
    pub fn open_in_memory() -> Result<WebDatabase, JsValue> {
        let connection = Database::in_memory(OpenOptions::default()).and_then(|database| database.connect());
        connection.map(|connection| Self { connection }).map_err(|error| thrown(&error))
    }

    /// Runs a script; rows are dropped.
    pub fn exec(&self, sql: &str) -> Result<(), JsValue> {
        statement::exec(&self.connection, sql).map_err(|error| thrown(&error))
    }

    /// Runs one statement: `{ changes, lastInsertRowid }`.
    pub fn run(&self, sql: &str, values: &[u8]) -> Result<JsValue, JsValue> {
        let outcome = statement::run(&self.connection, sql, &read(values)?).map_err(|error| thrown(&error))?;
        Ok(plain(&Outcome { changes: outcome.changes, last_insert_rowid: outcome.last_insert_rowid }))
    }

    /// Runs one statement and returns its rows in wire form.
    pub fn query(&self, sql: &str, values: &[u8]) -> Result<Vec<u8>, JsValue> {
        statement::query(&self.connection, sql, &read(values)?).map_err(|error| thrown(&error))
    }
}

fn read(values: &[u8]) -> Result<Parameters, JsValue> {
    parameters(values).map_err(|_| thrown(&Error::new(ErrorCode::Unsupported, "malformed parameters".to_owned())))
}

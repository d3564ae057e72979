//! A database as JavaScript holds it.
//!
//! I1  A call that fails with the code `not_ready` has done nothing that a repetition would do twice: the worker opens the
//!     files that `Files::wanted` names and calls again.
//! I2  Commits under `synchronous = NORMAL` are not flushed by themselves: the worker calls `flush` before it tells anybody
//!     that they are there, once for as many as came together.

use coffer_sqlite::{CheckpointMode, Connection, Database, Error, ErrorCode, Figure, SystemEntropy, rusqlite};
use js_sys::Object;
use serde::Serialize;
use wasm_bindgen::prelude::*;
use zeroize::Zeroizing;

use crate::connection::WebConnection;
use crate::failure::{plain, thrown};
use crate::files::Files;
use crate::options::{Secret, Wanted};

/// An open database. JavaScript must call `close`, or `free` when it could not.
#[wasm_bindgen(js_name = Database)]
pub struct WebDatabase {
    pub(crate) database: Database<Files>,
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

impl WebDatabase {
    fn open_on(name: &str, files: &Files, options: JsValue, secret: Option<Secret>) -> Result<WebDatabase, Error> {
        let options = Wanted::read(options)?.into_options(secret)?;
        let database = Database::on_storage(name, files.clone(), Box::new(SystemEntropy), options)?;
        // Whatever is wrong with the files shows in a first connection, and the name must be free for the next attempt (I1).
        if let Err(error) = database.connect() {
            drop(database.close());
            return Err(error);
        }
        Ok(Self { database })
    }

    fn connected(connection: Result<Connection, Error>) -> Result<WebConnection, JsValue> {
        let connection = told(connection)?;
        connection.set_flush_later(true); // I2
        told(WebConnection::new(connection))
    }
}

#[wasm_bindgen(js_class = Database)]
impl WebDatabase {
    /// Opens the database in these files, or makes it. `secret` is a key in the form that `options.keyKind` says.
    pub fn open(
        name: &str,
        files: &Files,
        options: JsValue,
        secret: Option<Vec<u8>>,
        wrapped: Option<Vec<u8>>,
    ) -> Result<WebDatabase, JsValue> {
        let secret = secret.map(|bytes| Secret { bytes: Zeroizing::new(bytes), wrapped });
        Self::open_on(name, files, options, secret).map_err(|error| thrown(&error))
    }

    /// A connection that may write.
    pub fn connect(&self) -> Result<WebConnection, JsValue> {
        Self::connected(self.database.connect())
    }

    /// A connection that only reads, and holds up nobody.
    #[wasm_bindgen(js_name = connectReader)]
    pub fn connect_reader(&self) -> Result<WebConnection, JsValue> {
        Self::connected(self.database.connect_reader())
    }

    /// Files that the engine may create next; the worker has them ready before they are asked for.
    #[wasm_bindgen(js_name = nextFiles)]
    pub fn next_files(&self) -> Result<Vec<String>, JsValue> {
        told(self.database.with_store(|store| Ok(store.next_files().to_vec())))
    }

    /// Makes every commit so far durable.
    pub fn flush(&self) -> Result<(), JsValue> {
        told(self.database.flush())
    }

    /// A bounded share of upkeep: folding logs, merging segments. True if nothing is left to do.
    pub fn maintain(&self, budget_bytes: u32) -> Result<bool, JsValue> {
        told(self.database.with_store(|store| Ok(store.maintain(u64::from(budget_bytes))?.idle)))
    }

    /// Folds logs into segments: `passive`, `full` or `truncate`.
    pub fn checkpoint(&self, mode: &str) -> Result<(), JsValue> {
        let mode = match mode {
            "passive" => CheckpointMode::Passive,
            "full" => CheckpointMode::Full,
            "truncate" => CheckpointMode::Truncate,
            other => {
                let message = format!("a checkpoint is passive, full or truncate, and not {other}");
                return Err(thrown(&Error::new(ErrorCode::Unsupported, message)));
            }
        };
        told(self.database.checkpoint(mode))
    }

    /// Merges everything live into one segment.
    pub fn compact(&self) -> Result<(), JsValue> {
        told(self.database.compact())
    }

    /// Opens every record that counts, and gives how many there are.
    pub fn verify(&self) -> Result<f64, JsValue> {
        let mut count = 0;
        told(self.database.verify(|done| {
            count = done;
            true
        }))?;
        #[expect(clippy::cast_precision_loss, reason = "nobody has 2^53 records")]
        Ok(count as f64)
    }

    /// Figures of the files.
    #[wasm_bindgen(js_name = storageInfo)]
    pub fn storage_info(&self) -> Result<JsValue, JsValue> {
        Ok(figures(&told(self.database.storage_info())?.figures()))
    }

    /// Figures of the memory.
    #[wasm_bindgen(js_name = memoryStats)]
    pub fn memory_stats(&self) -> Result<JsValue, JsValue> {
        Ok(figures(&told(self.database.memory_stats())?.figures()))
    }

    /// Ends the use of the database, with everything flushed; its connections have been freed before. Its files may be closed after this, whether it fails or not.
    pub fn close(self) -> Result<(), JsValue> {
        told(self.database.close())
    }
}

fn told<T>(result: Result<T, Error>) -> Result<T, JsValue> {
    result.map_err(|error| thrown(&error))
}

/// Figures as an object whose fields are spelt as JavaScript does.
fn figures(figures: &[(&'static str, Figure)]) -> JsValue {
    let object = Object::new();
    for (name, figure) in figures {
        #[expect(clippy::cast_precision_loss, reason = "counts of bytes and pages stay below 2^53")]
        let value = match figure {
            Figure::Integer(count) => JsValue::from_f64(*count as f64),
            Figure::Real(ratio) => JsValue::from_f64(*ratio),
            Figure::Text(text) => JsValue::from_str(text),
        };
        // Setting a field of a new plain object cannot fail.
        let _ = js_sys::Reflect::set(&object, &camel(name).into(), &value);
    }
    object.into()
}

/// `page_count` as `pageCount`.
fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let mut out = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        out.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        out.push_str(letters.as_str());
    }
    out
}

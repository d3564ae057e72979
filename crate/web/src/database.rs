//! A database as JavaScript holds it.
//!
//! I1  A call that fails with the code `not_ready` has done nothing that a repetition would do twice: the worker opens the
//!     files that `Files::wanted` names and calls again.
//! I2  Commits under `synchronous = NORMAL` are not flushed by themselves: the worker calls `flush` before it tells anybody
//!     that they are there, once for as many as came together.

use coffer_sqlite::{Connection, Database, Error, PiecedEntropy, SystemEntropy, rusqlite};
use wasm_bindgen::prelude::*;
use zeroize::Zeroizing;

use crate::connection::WebConnection;
use crate::failure::{thrown, told};
use crate::files::Files;
use crate::functions::Functions;
use crate::object::Plain;
use crate::options::{Secret, Wanted};
use crate::wiping::wiping;

/// An open database. JavaScript must call `close`, or `free` when it could not.
#[wasm_bindgen(js_name = Database)]
pub struct WebDatabase {
    pub(crate) database: Database<Files>,
    pub(crate) functions: Functions,
}

/// Versions of what was compiled into this module: `{ coffer, sqlite }`.
#[wasm_bindgen]
pub fn about() -> JsValue {
    Plain::new().with("coffer", env!("CARGO_PKG_VERSION")).with("sqlite", rusqlite::version()).into()
}

impl WebDatabase {
    fn open_on(name: &str, files: &Files, options: &JsValue, secret: Option<Secret>) -> Result<WebDatabase, Error> {
        let wanted = Wanted::read(options)?;
        let learns = wanted.learns;
        let options = wanted.into_options(secret)?;
        let read_only = options.read_only;
        let database = Database::on_storage(name, files.clone(), Box::new(PiecedEntropy::new(SystemEntropy)), options)?;
        // Whatever is wrong with the files shows in a first connection, and the name must be free for the next attempt (I1).
        if let Err(error) = database.connect() {
            drop(database.close());
            return Err(error);
        }
        // With logs, spares and what is made ready for the next, 16 files are open at most: some browsers have few handles in all.
        database.with_store(|store| {
            store.set_options(|options| {
                options.segments_max = SEGMENTS_MAX;
                options.learns = learns;
            });
            Ok(())
        })?;
        if !read_only {
            // What an interrupted job left. Nobody else has the database open; what cannot be removed now can the next time.
            drop(database.with_store(coffer_sqlite::coffer_store::Store::sweep));
        }
        Ok(Self { database, functions: Functions::default() })
    }

    fn connected(&self, connection: Result<Connection, Error>) -> Result<WebConnection, JsValue> {
        let connection = told(connection)?;
        connection.set_flush_later(true); // I2
        let connection = told(WebConnection::new(connection))?;
        told(self.functions.join(connection.inner())).map(|()| connection)
    }
}

#[wasm_bindgen(js_class = Database)]
impl WebDatabase {
    /// Opens the database in these files, or makes it. `secret` is a key in the form that `options.keyKind` says.
    #[allow(clippy::needless_pass_by_value, reason = "what comes from JavaScript comes as a value")]
    pub fn open(
        name: &str,
        files: &Files,
        options: JsValue,
        secret: Option<Vec<u8>>,
        wrapped: Option<Vec<u8>>,
    ) -> Result<WebDatabase, JsValue> {
        let secret = secret.map(|bytes| Secret { bytes: Zeroizing::new(bytes), wrapped });
        wiping(|| Self::open_on(name, files, &options, secret)).map_err(|error| thrown(&error))
    }

    /// A connection that may write.
    pub fn connect(&self) -> Result<WebConnection, JsValue> {
        self.connected(self.database.connect())
    }

    /// A connection that only reads, and holds up nobody.
    #[wasm_bindgen(js_name = connectReader)]
    pub fn connect_reader(&self) -> Result<WebConnection, JsValue> {
        self.connected(self.database.connect_reader())
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

    /// Takes over what the files hold, which have been put back to what they were some commits ago and measured.
    pub fn reload(&self) -> Result<(), JsValue> {
        told(self.database.reload())
    }

    /// Ends the use of the database, with everything flushed; its connections have been freed before. Its files may be closed after this, whether it fails or not.
    pub fn close(self) -> Result<(), JsValue> {
        told(self.database.close())
    }
}

/// Segments that are let be. With 7 a busy machine was seen to have 17 files open: readers keep what was merged meanwhile.
const SEGMENTS_MAX: usize = 6;

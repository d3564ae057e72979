//! A connection as the worker's session drives it: statements in, wire form out, and which tables changed.
//!
//! I1  A table is reported as changed no earlier than the commit that changed it. A rolled-back change may be reported too: whoever listens
//!     looks again and sees nothing new.

use std::hash::{DefaultHasher, Hasher};
use std::rc::Rc;

use coffer_sqlite::statement::{self, Pace};
use coffer_sqlite::wire::{Malformed, Parameters, Sets, parameters};
use coffer_sqlite::{Connection, Error, ErrorCode};
use js_sys::Function;
use wasm_bindgen::prelude::*;

use crate::cursor::WebCursor;
use crate::failure::{is_job_out, thrown};
use crate::object::Plain;
use crate::tables::{Tables, Touched, add};

/// A connection. JavaScript must call `free` when it is done with it.
#[wasm_bindgen(js_name = Connection)]
pub struct WebConnection {
    pub(crate) connection: Rc<Connection>,
    touched: Touched,
    changed: Vec<String>,
    /// In wire form, of the runs since they were last taken.
    outcomes: Vec<u8>,
    sets_at: usize,
}

/// How many instructions of SQLite's machine pass between two looks at whether to stop: some tens of microseconds.
const LOOK_EVERY: i32 = 4096;

thread_local! {
    static INTERRUPTED: std::cell::RefCell<Option<Function>> = const { std::cell::RefCell::new(None) };
}

/// `interrupted()` is asked every so often while SQL runs, and stops it by answering `true`.
#[wasm_bindgen(js_name = onProgress)]
pub fn on_progress(interrupted: Function) {
    INTERRUPTED.with(|slot| *slot.borrow_mut() = Some(interrupted));
}

fn interrupted() -> bool {
    INTERRUPTED.with(|slot| {
        let asked = slot.borrow().as_ref().map(|ask| ask.call0(&JsValue::NULL));
        // An exception of the listener's is a bug there; the statement is no worse for it.
        asked.and_then(Result::ok).is_some_and(|answer| answer.is_truthy())
    })
}

/// 64 bits that differ when the bytes differ: how a live query knows that its result is still the same.
#[wasm_bindgen]
pub fn fingerprint(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

impl WebConnection {
    /// Wraps a connection.
    pub fn new(mut connection: Connection) -> Result<Self, Error> {
        let touched = Touched::listen(&mut connection)?;
        connection.progress_handler(LOOK_EVERY, Some(interrupted))?;
        Ok(Self { connection: Rc::new(connection), touched, changed: Vec::new(), outcomes: Vec::new(), sets_at: 0 })
    }

    /// The engine's connection.
    pub(crate) const fn inner(&self) -> &Rc<Connection> {
        &self.connection
    }

    fn mark(&mut self, tables: &Tables) {
        for table in &tables.writes {
            add(&mut self.changed, table);
        }
    }

    fn observed<T>(&mut self, sql: &str, work: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, JsValue> {
        self.touched.before();
        let answer = work(&self.connection);
        let tables = self.touched.after(&self.connection, sql);
        // A failed statement may have changed something: `or fail` keeps the rows before the one that failed.
        self.mark(&tables);
        answer.map_err(|error| thrown(&error))
    }
}

#[wasm_bindgen(js_class = Connection)]
impl WebConnection {
    /// Runs a script; rows are dropped.
    pub fn exec(&mut self, sql: &str) -> Result<(), JsValue> {
        self.touched.before();
        let answer = statement::exec(&self.connection, sql);
        let tables = self.touched.after_script();
        self.mark(&tables);
        answer.map_err(|error| {
            if is_job_out(&error) && statement::first(sql).is_some_and(|(_, rest)| !rest.trim().is_empty()) {
                // What waits is repeated as a whole, and the statements before this one have been done.
                let message = "a checkpoint is under way; run this statement by itself and it waits for it";
                return thrown(&Error::new(ErrorCode::Busy, message.to_owned()));
            }
            thrown(&error)
        })
    }

    /// Runs one statement and returns how many rows it changed.
    pub fn run(&mut self, sql: &str, values: &[u8]) -> Result<f64, JsValue> {
        let values = read(values)?;
        let outcome = self.observed(sql, |connection| statement::run(connection, sql, &values))?;
        #[expect(clippy::cast_precision_loss, reason = "nobody changes 2^53 rows in one statement")]
        Ok(outcome.changes as f64)
    }

    /// Runs one statement for each set of parameters from the byte `at` on: for all with `until` infinite, for one with 0, and otherwise until
    /// that time within a transaction that they share (see [`Pace`]). `setsAt` is where the next begins, also after one has failed.
    #[wasm_bindgen(js_name = runMany)]
    pub fn run_many(&mut self, sql: &str, values: &[u8], at: usize, until: f64) -> Result<(), JsValue> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time")]
        let pace = match until {
            0.0 => Pace::One,
            f64::INFINITY => Pace::All,
            time => Pace::Until(time as u64),
        };
        let (mut sets, mut done) = (Sets::new(values, at), Vec::new());
        let answer = self.observed(sql, |connection| statement::run_many(connection, sql, &mut sets, pace, &mut done));
        self.sets_at = sets.at();
        for outcome in done {
            #[expect(clippy::cast_precision_loss, reason = "nobody changes 2^53 rows in one statement")]
            let changes = outcome.changes as f64;
            self.outcomes.extend_from_slice(&changes.to_le_bytes());
            self.outcomes.extend_from_slice(&outcome.last_insert_rowid.to_le_bytes());
        }
        if answer.is_err() {
            self.outcomes.extend_from_slice(&f64::NAN.to_le_bytes());
            self.outcomes.extend_from_slice(&0_i64.to_le_bytes());
        }
        answer
    }

    /// Where the set of parameters begins that comes after the last one of `runMany`.
    #[wasm_bindgen(js_name = setsAt)]
    pub fn sets_at(&self) -> usize {
        self.sets_at
    }

    /// What the runs of `runMany` did since this was last asked, in wire form.
    pub fn outcomes(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.outcomes)
    }

    /// The rowid of the row that this connection inserted last.
    #[wasm_bindgen(js_name = lastInsertRowid)]
    pub fn last_insert_rowid(&self) -> i64 {
        self.connection.last_insert_rowid()
    }

    /// Runs one statement and returns its first row in wire form: one call, where a cursor takes three.
    pub fn first(&mut self, sql: &str, values: &[u8]) -> Result<Vec<u8>, JsValue> {
        let values = read(values)?;
        self.observed(sql, |connection| statement::query_up_to(connection, sql, &values, 1))
    }

    /// Starts a query whose rows are taken chunk by chunk; nothing where it was a statement of Coffer's own, which has no rows.
    pub fn open(&mut self, sql: &str, values: &[u8]) -> Result<Option<WebCursor>, JsValue> {
        let values = read(values)?;
        let connection = Rc::clone(&self.connection);
        self.observed(sql, |_| {
            if statement::own(&connection, sql)? {
                Ok(None)
            } else {
                WebCursor::open(&connection, sql, &values).map(Some)
            }
        })
    }

    /// Compiles a statement: `{ columns, parameters, readonly, reads }`.
    pub fn prepare(&mut self, sql: &str) -> Result<JsValue, JsValue> {
        self.touched.before();
        let known = self.connection.prepare(sql).map(|statement| {
            let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
            (columns, u32::try_from(statement.parameter_count()).unwrap_or(u32::MAX), statement.readonly())
        });
        let (columns, parameters, readonly) = known.map_err(|error| thrown(&error))?;
        let Tables { reads, .. } = self.touched.after_script();
        Ok(Plain::new()
            .with_texts("columns", &columns)
            .with("parameters", parameters)
            .with("readonly", readonly)
            .with_texts("reads", &reads)
            .into())
    }

    /// Whether no transaction is open.
    pub fn autocommit(&self) -> bool {
        self.connection.is_autocommit()
    }

    /// The newest commit that this connection made or saw.
    #[wasm_bindgen(js_name = lastCommit)]
    pub fn last_commit(&self) -> u64 {
        self.connection.last_commit().0
    }

    /// The tables changed since the last call, unless their transaction is still open.
    pub fn changed(&mut self) -> Option<Vec<String>> {
        if self.changed.is_empty() || !self.connection.is_autocommit() {
            return None;
        }
        Some(std::mem::take(&mut self.changed))
    }
}

fn read(values: &[u8]) -> Result<Parameters<'_>, JsValue> {
    parameters(values).map_err(|Malformed| thrown(&statement::malformed()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use coffer_sqlite::rusqlite::hooks::{AuthAction, AuthContext, Authorization};
    use coffer_sqlite::{Database, OpenOptions};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

    wasm_bindgen_test_configure!(run_in_dedicated_worker);

    /// A connection, and how often SQLite has compiled an `insert` or a `select` on it, each of which its authorizer hears of once.
    fn counted() -> (WebConnection, Arc<AtomicUsize>) {
        let database = Database::in_memory(OpenOptions::default()).unwrap();
        let mut connection = WebConnection::new(database.connect().unwrap()).unwrap();
        connection.exec("create table t(x, y)").unwrap();
        let compiled = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&compiled);
        let listener = move |context: AuthContext<'_>| {
            if let AuthAction::Select | AuthAction::Insert { .. } = context.action {
                count.fetch_add(1, Ordering::Relaxed);
            }
            Authorization::Allow
        };
        Rc::get_mut(&mut connection.connection).unwrap().authorizer(Some(listener)).unwrap();
        (connection, compiled)
    }

    const NONE: [u8; 5] = [0; 5];

    /// Sets of one number each, in wire form.
    fn numbers(count: u8) -> Vec<u8> {
        (0..count).flat_map(|number| [0, 1, 0, 0, 0, 5, number, 0, 0, 0]).collect()
    }

    #[wasm_bindgen_test]
    fn a_statement_is_compiled_once_however_often_it_runs() {
        let (mut connection, compiled) = counted();
        let take = || compiled.swap(0, Ordering::Relaxed);
        for _ in 0..100 {
            connection.run("insert into t values (1, 2)", &NONE).unwrap();
        }
        assert_eq!(take(), 1, "run");
        for _ in 0..100 {
            connection.first("select x from t", &NONE).unwrap();
        }
        assert_eq!(take(), 1, "first");
        for _ in 0..100 {
            let mut rows = connection.open("select y from t", &NONE).unwrap().unwrap();
            rows.next(10, 10_000).unwrap();
        }
        assert_eq!(take(), 1, "open");
        for _ in 0..10 {
            connection.run_many("insert into t values (?, 3)", &numbers(10), 0, f64::INFINITY).unwrap();
        }
        assert_eq!(take(), 1, "many");
        // As many statements in turn as an app may well have.
        for _ in 0..10 {
            for column in 0..100 {
                connection.first(&format!("select x, {column} from t"), &NONE).unwrap();
            }
        }
        assert_eq!(take(), 100, "a hundred in turn");
        // A script is not kept.
        for _ in 0..10 {
            connection.exec("insert into t values (4, 5)").unwrap();
        }
        assert_eq!(take(), 10, "a script");
    }
}

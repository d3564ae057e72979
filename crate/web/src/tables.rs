//! Which tables a statement reads and writes, as SQLite's authorizer tells while it compiles the statement: through views, triggers and
//! foreign keys too.

use std::collections::HashMap;
use std::mem::take;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use coffer_sqlite::rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use coffer_sqlite::rusqlite::{self, Connection};

/// What one statement touches.
#[derive(Default, Clone)]
pub struct Tables {
    pub reads: Vec<String>,
    pub writes: Vec<String>,
}

impl Tables {
    fn is_empty(&self) -> bool {
        self.reads.is_empty() && self.writes.is_empty()
    }
}

/// How many statements are remembered. No fewer than the statement cache holds: what is compiled no more tells nothing any more.
const STATEMENTS_MAX: usize = 512;

/// The tables of the statements that a connection has compiled.
pub struct Touched {
    seen: Arc<Mutex<Tables>>,
    known: HashMap<String, Rc<Tables>>,
}

impl Touched {
    /// Listens on a connection.
    pub fn listen(connection: &mut Connection) -> rusqlite::Result<Self> {
        let seen = Arc::new(Mutex::new(Tables::default()));
        let told = Arc::clone(&seen);
        connection.authorizer(Some(move |context: AuthContext<'_>| {
            let mut tables = told.lock().unwrap_or_else(PoisonError::into_inner);
            match context.action {
                AuthAction::Read { table_name, .. } => add(&mut tables.reads, table_name),
                AuthAction::Insert { table_name }
                | AuthAction::Update { table_name, .. }
                | AuthAction::Delete { table_name } => add(&mut tables.writes, table_name),
                _ => {}
            }
            Authorization::Allow
        }))?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX / 4);
        Ok(Self { seen, known: HashMap::new() })
    }

    /// Forgets what was told since the last statement; to be called before one.
    pub fn before(&self) {
        take(&mut *self.lock());
    }

    /// What the statement that was just compiled or run touches.
    pub fn after(&mut self, connection: &Connection, sql: &str) -> Rc<Tables> {
        let told = take(&mut *self.lock());
        if told.is_empty() {
            return self.known.get(sql).map(Rc::clone).unwrap_or_default();
        }
        if self.known.len() >= STATEMENTS_MAX {
            self.known.clear();
            connection.flush_prepared_statement_cache();
        }
        let tables = Rc::new(told);
        self.known.insert(sql.to_owned(), Rc::clone(&tables));
        tables
    }

    /// What a script touched, which is not remembered.
    pub fn after_script(&self) -> Tables {
        take(&mut *self.lock())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Tables> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds a name to others, in order and once.
pub fn add(tables: &mut Vec<String>, name: &str) {
    if let Err(place) = tables.binary_search_by(|other| other.as_str().cmp(name)) {
        tables.insert(place, name.to_owned());
    }
}

//! A query whose rows are taken chunk by chunk.
//!
//! I1  A cursor keeps its connection open; dropping it ends the statement.

use std::rc::Rc;

use coffer_sqlite::wire::Parameters;
use coffer_sqlite::{Connection, Error, rusqlite, statement};
use self_cell::{MutBorrow, self_cell};
use wasm_bindgen::prelude::*;

use crate::failure::thrown;

type Statement<'connection> = rusqlite::CachedStatement<'connection>;
type Rows<'statement> = rusqlite::Rows<'statement>;

self_cell!(
    struct Prepared {
        owner: Rc<Connection>,
        #[not_covariant]
        dependent: Statement,
    }
);

self_cell!(
    struct Running {
        owner: MutBorrow<Prepared>,
        #[not_covariant]
        dependent: Rows,
    }
);

/// A running query. JavaScript must call `free` when it is done with it.
#[wasm_bindgen(js_name = Cursor)]
pub struct WebCursor {
    running: Running,
    connection: Rc<Connection>,
    columns: Vec<String>,
    sql: String,
}

impl WebCursor {
    /// Starts a query.
    pub(crate) fn open(connection: &Rc<Connection>, sql: &str, values: &Parameters<'_>) -> Result<Self, Error> {
        let mut prepared = Prepared::try_new(Rc::clone(connection), |connection| connection.prepare_cached(sql))?;
        let columns = prepared.with_dependent_mut(|_, statement| {
            statement::bind(statement, values, sql)?;
            Ok::<Vec<String>, Error>(statement.column_names().map(str::to_owned).collect())
        })?;
        let running = Running::new(MutBorrow::new(prepared), |prepared| {
            prepared.borrow_mut().with_dependent_mut(|_, statement| statement.raw_query())
        });
        Ok(Self { running, connection: Rc::clone(connection), columns, sql: sql.to_owned() })
    }
}

#[wasm_bindgen(js_class = Cursor)]
impl WebCursor {
    /// The next rows in wire form, which say whether more follow.
    pub fn next(&mut self, rows_max: usize, bytes_max: usize) -> Result<Vec<u8>, JsValue> {
        let Self { running, connection, columns, sql } = self;
        running
            .with_dependent_mut(|_, rows| statement::chunk(connection, sql, columns, rows, rows_max, bytes_max))
            .map_err(|error| thrown(&error))
    }
}

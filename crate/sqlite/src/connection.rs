//! A connection: rusqlite's, set up for the store, with what the dialect adds to SQL.
//!
//! It dereferences to [`rusqlite::Connection`]. Methods of the same name here do the same and more: they give errors with
//! the store's own behind them, keep row limits and isolation levels, and know the statements that SQLite does not
//! ([`crate::statement`]). Pragmas and table-valued functions work through either.
//!
//! I1  SQLite's journal dies with its handle on every database of the connection ([`crate::journal`]), so the store alone decides
//!     what is durable.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use coffer_store::{CommitId, RequestId};
use rusqlite::{Params, TransactionState};

use crate::admin::Admin;
use crate::error::{Error, ErrorCode, Result};
use crate::limits::RowLimits;
use crate::registry::Host;
use crate::session::Session;
use crate::tables;

/// A connection on a database.
pub struct Connection {
    raw: rusqlite::Connection,
    session: Arc<Session>,
    host: Arc<dyn Host>,
    limits: RowLimits,
}

impl Connection {
    pub(crate) fn set_up(
        raw: rusqlite::Connection,
        session: Arc<Session>,
        host: Arc<dyn Host>,
        page_bytes: u64,
        cache_bytes: u64,
    ) -> Result<Self> {
        session.raw_pragmas.store(true, Ordering::Relaxed);
        // Temporary tables and sorters go through our files, which spill to scratch storage where there is any.
        let temp_store = if cfg!(target_family = "wasm") { 2 } else { 1 };
        let set_up = raw.execute_batch(&format!(
            "pragma journal_mode = delete; pragma page_size = {page_bytes}; pragma synchronous = normal;
             pragma cache_size = -{}; pragma temp_store = {temp_store};",
            (cache_bytes / 1024).max(1)
        ));
        session.raw_pragmas.store(false, Ordering::Relaxed);
        set_up.map_err(|error| Error::from_sqlite(error, "").with_store(session.take_error()))?;
        tables::install(&raw)?;
        let mut connection = Self { raw, session, host, limits: RowLimits::default() };
        connection.wait_in_turn()?;
        Ok(connection)
    }

    /// A busy database is waited for in the order of arrival, instead of by sleeping and trying again.
    #[cfg(not(target_family = "wasm"))]
    fn wait_in_turn(&mut self) -> Result<()> {
        let session = Arc::clone(&self.session);
        let mut until = std::time::Instant::now();
        self.raw.busy_handler(Some(move |attempts| {
            let now = std::time::Instant::now();
            if attempts == 0 {
                until = now + session.busy_timeout();
            }
            until > now && session.wait_for_turn(until - now)
        }))?;
        Ok(())
    }

    /// Nobody else could give up the turn while we waited in the one thread there is.
    #[cfg(target_family = "wasm")]
    fn wait_in_turn(&mut self) -> Result<()> {
        self.raw.busy_timeout(std::time::Duration::ZERO)?;
        Ok(())
    }

    /// Runs every statement of a script, Coffer's own among them. Rows they return are dropped.
    pub fn execute_batch(&self, sql: &str) -> Result<()> {
        crate::statement::exec(self, sql)
    }

    /// Runs one statement to its end, and gives the rows it changed.
    pub fn execute<P: Params>(&self, sql: &str, params: P) -> Result<usize> {
        self.before_statement()?;
        self.raw.execute(&tables::prepared_as(sql), params).map_err(|error| self.error(error, sql))
    }

    /// The first row of a query.
    pub fn query_row<T, P, F>(&self, sql: &str, params: P, row: F) -> Result<T>
    where
        P: Params,
        F: FnOnce(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    {
        self.before_statement()?;
        self.raw.query_row(&tables::prepared_as(sql), params, row).map_err(|error| self.error(error, sql))
    }

    /// All rows of a query.
    pub fn query_all<T, P, F>(&self, sql: &str, params: P, row: F) -> Result<Vec<T>>
    where
        P: Params,
        F: FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    {
        let mut statement = self.prepare_cached(sql)?;
        let rows = statement.query_map(params, row).map_err(|error| self.error(error, sql))?;
        rows.collect::<rusqlite::Result<_>>().map_err(|error| self.error(error, sql))
    }

    /// Prepares a statement. Call it again for each execution under `read committed`, so that each sees the newest commit.
    pub fn prepare(&self, sql: &str) -> Result<rusqlite::Statement<'_>> {
        self.before_statement()?;
        self.raw.prepare(&tables::prepared_as(sql)).map_err(|error| self.error(error, sql))
    }

    /// As [`Connection::prepare`], and the statement is kept for the next time.
    pub fn prepare_cached(&self, sql: &str) -> Result<rusqlite::CachedStatement<'_>> {
        self.before_statement()?;
        self.raw.prepare_cached(&tables::prepared_as(sql)).map_err(|error| self.error(error, sql))
    }

    /// What the store said about an error of SQLite's on this connection, typed; otherwise SQLite's own.
    pub fn error(&self, error: rusqlite::Error, sql: &str) -> Error {
        let behind = self.session.take_error().or_else(crate::registry::take_attach_failure);
        Error::from_sqlite(error, sql).with_store(behind)
    }

    /// To be called before each statement by whoever runs statements on the rusqlite connection itself.
    pub fn before_statement(&self) -> Result<()> {
        self.limits.keep(&self.raw, &self.host)?;
        if self.session.isolation().moves_on()
            && !self.raw.is_autocommit()
            && self.raw.transaction_state(Some("main"))? == TransactionState::Read
            && !self.raw.is_busy()
        {
            // The transaction has only read so far, and no cursor is open: ending it and beginning another changes nothing
            // but that the next statement sees the newest commit.
            self.raw.execute_batch("commit; begin").map_err(|error| self.error(error, ""))?;
        }
        Ok(())
    }

    /// Whether each statement of a script has to be looked at by itself.
    pub(crate) fn looks_at_statements(&self) -> bool {
        self.session.isolation().moves_on() || self.host.limits_version() != 0
    }

    /// Carries out a statement that SQLite does not know.
    pub(crate) fn carry_out(&self, admin: &Admin) -> Result<()> {
        if !self.raw.is_autocommit() {
            return Err(Error::new(ErrorCode::Sqlite, "cannot back up, restore or compact within a transaction"));
        }
        match admin {
            Admin::Compact => Ok(self.host.compact()?),
            #[cfg(not(target_family = "wasm"))]
            Admin::Backup(name) => crate::native::back_up(self.host.as_ref(), name, false),
            #[cfg(not(target_family = "wasm"))]
            Admin::BackupIncremental(name) => crate::native::back_up(self.host.as_ref(), name, true),
            #[cfg(not(target_family = "wasm"))]
            Admin::Restore(name) => {
                crate::native::restore(&self.host, &[name.into()], self.session.busy_timeout(), |_, _| true).map(|_| ())
            }
            #[cfg(target_family = "wasm")]
            Admin::Backup(_) | Admin::BackupIncremental(_) | Admin::Restore(_) => Err(Error::new(
                ErrorCode::Unsupported,
                "a worker cannot open a file by name; use backup() and restore() of the API",
            )),
        }
    }

    /// Leaves the flush of `synchronous = NORMAL` to the caller, who owes a [`crate::Database::flush`] before it tells anybody
    /// that a commit is there: one flush then does for all commits since the last.
    pub fn set_flush_later(&self, later: bool) {
        self.session.set_flush_later(later);
    }

    /// Names the next commit, so that [`crate::Database::find_request`] can tell after a crash whether it happened.
    pub fn set_request(&self, request: RequestId) {
        self.session.set_request(request);
    }

    /// Names every commit until another name is set, as those of a script of several statements:
    /// [`crate::Database::find_request`] then tells the last of them. [`RequestId::NONE`] ends it.
    pub fn set_request_of_all(&self, request: RequestId) {
        self.session.set_request_of_all(request);
    }

    /// The newest commit that this connection made or saw.
    pub fn last_commit(&self) -> CommitId {
        self.session.last_commit()
    }

    /// Looks at a kept commit from the next transaction on, or at the newest again.
    pub fn set_read_at(&self, commit: Option<CommitId>) {
        self.session.set_read_at(commit);
    }

    /// Closes the connection, and says so if SQLite has unfinished statements on it.
    pub fn close(self) -> Result<()> {
        let Self { raw, .. } = self;
        raw.close().map_err(|(_, error)| Error::from_sqlite(error, ""))
    }
}

impl Deref for Connection {
    type Target = rusqlite::Connection;

    fn deref(&self) -> &rusqlite::Connection {
        &self.raw
    }
}

/// For what rusqlite wants alone, such as the target of its backup.
impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut rusqlite::Connection {
        &mut self.raw
    }
}

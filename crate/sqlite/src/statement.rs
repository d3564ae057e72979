//! Running SQL on a connection: scripts, single statements, and queries whose rows leave in wire form.
//!
//! Knows nothing of who waits for the answer.

use rusqlite::Statement;
use rusqlite::types::{ToSqlOutput, ValueRef};

use crate::admin::{self, Admin};
use crate::wire::{Malformed, Parameters, RowWriter, Sets, TooLarge};
use crate::{Connection, Error, ErrorCode, Result};

/// What a statement that returns no rows did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Rows inserted, updated or deleted by this statement.
    pub changes: u64,
    /// The rowid of the last row inserted on this connection.
    pub last_insert_rowid: i64,
}

/// Runs every statement of a script; rows they return are dropped.
pub fn exec(connection: &Connection, sql: &str) -> Result<()> {
    let raw: &rusqlite::Connection = connection;
    if !connection.looks_at_statements() && !admin::may_be_in(sql) {
        return raw.execute_batch(sql).map_err(|error| connection.error(error, sql));
    }
    let mut rest = sql;
    while !rest.is_empty() {
        let (statement, after) = admin::split(rest);
        if let Some(admin) = Admin::parse(statement)? {
            connection.carry_out(&admin)?;
        } else {
            connection.before_statement()?;
            raw.execute_batch(statement).map_err(|error| connection.error(error, statement))?;
        }
        rest = after;
    }
    Ok(())
}

/// Splits off a script's first statement, its semicolon included, and gives the rest. `None` while that statement is not
/// complete, as when it is being typed line by line.
pub fn first(script: &str) -> Option<(&str, &str)> {
    admin::first(script)
}

/// Carries out a statement that SQLite does not know (`BACKUP`, `RESTORE`, `COMPACT`); `false` if it is one of SQLite's.
pub fn own(connection: &Connection, sql: &str) -> Result<bool> {
    if !admin::may_be_in(sql) {
        return Ok(false);
    }
    match Admin::parse(sql)? {
        Some(admin) => connection.carry_out(&admin).map(|()| true),
        None => Ok(false),
    }
}

/// Runs one statement to its end. Rows it returns (`insert ... returning`) are dropped.
pub fn run(connection: &Connection, sql: &str, parameters: &Parameters<'_>) -> Result<Outcome> {
    let complain = |error| connection.error(error, sql);
    if own(connection, sql)? {
        return Ok(Outcome { changes: 0, last_insert_rowid: connection.last_insert_rowid() });
    }
    let mut statement = connection.prepare_cached(sql)?;
    let before = connection.total_changes();
    bind(&mut statement, parameters, sql)?;
    let mut rows = statement.raw_query();
    while rows.next().map_err(complain)?.is_some() {}
    Ok(Outcome {
        changes: connection.total_changes().wrapping_sub(before),
        last_insert_rowid: connection.last_insert_rowid(),
    })
}

/// How far [`run_many`] goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Through all sets, which belong together.
    All,
    /// One set.
    One,
    /// Until this time, in milliseconds since 1970, within a transaction that the runs share and know nothing of: one that would have gone
    /// otherwise by itself rolls the transaction back, so that each can be run by itself.
    Until(u64),
}

/// Runs one statement once for each set of parameters, which is compiled and looked up once. What each run did goes into
/// `outcomes`; the first that fails ends it, and the next set in `sets` is then the one behind it.
pub fn run_many(
    connection: &Connection,
    sql: &str,
    sets: &mut Sets<'_>,
    pace: Pace,
    outcomes: &mut Vec<Outcome>,
) -> Result<()> {
    let own = admin::may_be_in(sql);
    let complain = |error| connection.error(error, sql);
    let mut before = connection.total_changes();
    let mut statement = None;
    for set in sets {
        let set = set.map_err(|Malformed| malformed())?;
        if own {
            outcomes.push(run(connection, sql, &set)?);
        } else {
            // Compiled for the first set, so that one that cannot be compiled fails as that set's run.
            let statement = match &mut statement {
                Some(statement) => statement,
                none => none.insert(connection.prepare_cached(sql)?),
            };
            bind(statement, &set, sql)?;
            let mut rows = statement.raw_query();
            let ran = loop {
                match rows.next() {
                    Ok(Some(_)) => {}
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(complain(error)),
                }
            };
            drop(rows);
            let after = connection.total_changes();
            if matches!(pace, Pace::Until(_)) {
                // By itself it would have failed, or (`or fail`) have committed what it did before it failed.
                stands_alone(
                    connection,
                    if ran.is_err() { before == after } else { !crate::ffi::owes_rows(connection) },
                )?;
            }
            ran?;
            let changes = after.wrapping_sub(before);
            outcomes.push(Outcome { changes, last_insert_rowid: connection.last_insert_rowid() });
            before = after;
        }
        match pace {
            Pace::One => break,
            Pace::Until(time) if crate::ffi::now_ms() >= time => break,
            Pace::All | Pace::Until(_) => {}
        }
    }
    Ok(())
}

fn stands_alone(connection: &Connection, alone: bool) -> Result<()> {
    if alone {
        return Ok(());
    }
    exec(connection, "rollback")?;
    Err(Error::new(ErrorCode::Aborted, "a run went otherwise than it would have by itself"))
}

/// What the bytes of parameters are refused with that no caller of ours makes.
pub fn malformed() -> Error {
    Error::new(ErrorCode::Unsupported, "malformed parameters".to_owned())
}

/// Runs one statement and returns all its rows in wire form.
pub fn query(connection: &Connection, sql: &str, parameters: &Parameters<'_>) -> Result<Vec<u8>> {
    query_up_to(connection, sql, parameters, usize::MAX)
}

/// Runs one statement until it has given so many rows, and returns these in wire form.
pub fn query_up_to(
    connection: &Connection,
    sql: &str,
    parameters: &Parameters<'_>,
    rows_max: usize,
) -> Result<Vec<u8>> {
    if own(connection, sql)? {
        return Ok(no_rows());
    }
    let mut statement = connection.prepare_cached(sql)?;
    bind(&mut statement, parameters, sql)?;
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    chunk(connection, sql, &columns, &mut statement.raw_query(), rows_max, usize::MAX)
}

/// The answer of a statement that returns no rows.
pub fn no_rows() -> Vec<u8> {
    RowWriter::new(std::iter::empty()).finish(false)
}

/// Takes rows until `rows_max` or `bytes_max` is reached, and returns them in wire form.
pub fn chunk(
    connection: &Connection,
    sql: &str,
    columns: &[String],
    rows: &mut rusqlite::Rows<'_>,
    rows_max: usize,
    bytes_max: usize,
) -> Result<Vec<u8>> {
    let complain = |error| connection.error(error, sql);
    let mut writer = RowWriter::new(columns.iter().map(String::as_str));
    while let Some(row) = rows.next().map_err(complain)? {
        for index in 0..columns.len() {
            writer.value(row.get_ref(index).map_err(complain)?).map_err(|TooLarge| too_large(sql))?;
        }
        writer.end_row();
        if writer.rows() as usize >= rows_max || writer.size() >= bytes_max {
            return Ok(writer.finish(true));
        }
    }
    Ok(writer.finish(false))
}

fn too_large(sql: &str) -> Error {
    let message = "the rows do not fit in memory at once; ask for fewer with limit and offset".to_owned();
    let mut error = Error::new(ErrorCode::Limit, message);
    error.sql = Some(sql.to_owned());
    error
}

fn set(statement: &mut Statement<'_>, index: usize, value: ValueRef<'_>) -> rusqlite::Result<()> {
    statement.raw_bind_parameter(index, ToSqlOutput::Borrowed(value))
}

/// A value too many, too few or of an unknown name is a mistake of the caller, so it is refused instead of bound to nothing.
pub fn bind(statement: &mut Statement<'_>, parameters: &Parameters<'_>, sql: &str) -> Result<()> {
    let expected = statement.parameter_count();
    let refuse = |message: String| {
        let mut error = Error::new(ErrorCode::Sqlite, message);
        error.sql = Some(sql.to_owned());
        error
    };
    let complain = |error| Error::from_sqlite(error, sql);
    match parameters {
        Parameters::Positional(values) => {
            if values.len() != expected {
                return Err(refuse(format!("the statement takes {expected} parameters, {} were given", values.len())));
            }
            for (index, value) in values.iter().enumerate() {
                set(statement, index + 1, *value).map_err(complain)?;
            }
        }
        Parameters::Named(values) => {
            for index in 1..=expected {
                let name = statement.parameter_name(index).unwrap_or("?").to_owned();
                let value = values.iter().find(|(given, _)| Some(*given) == name.get(1..));
                let Some((_, value)) = value else {
                    return Err(refuse(format!("no value was given for the parameter {name}")));
                };
                set(statement, index, *value).map_err(complain)?;
            }
            let known: Vec<_> = (1..=expected).filter_map(|index| statement.parameter_name(index)).collect();
            let stranger = values.iter().find(|(given, _)| !known.iter().any(|name| name.get(1..) == Some(*given)));
            if let Some((name, _)) = stranger {
                return Err(refuse(format!("the statement has no parameter named {name}")));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Connection {
        let options = crate::OpenOptions { upkeep: crate::Upkeep::Manual, ..crate::OpenOptions::default() };
        let connection = crate::Database::in_memory(options).unwrap().connect().unwrap();
        exec(&connection, "create table t(id integer primary key, body text); insert into t(body) values ('a'), ('b')")
            .unwrap();
        connection
    }

    fn text(value: &str) -> ValueRef<'_> {
        ValueRef::Text(value.as_bytes())
    }

    #[test]
    fn run_reports_changes_and_the_new_rowid() {
        let connection = sample();
        let outcome =
            run(&connection, "insert into t(body) values (?)", &Parameters::Positional(vec![text("c")])).unwrap();
        assert_eq!(outcome, Outcome { changes: 1, last_insert_rowid: 3 });
        let outcome = run(&connection, "update t set body = body || '!'", &Parameters::NONE).unwrap();
        assert_eq!(outcome.changes, 3);
        let outcome = run(&connection, "select 1", &Parameters::NONE).unwrap();
        assert_eq!(outcome.changes, 0);
    }

    /// Sets of one integer each, in wire form.
    fn integers(values: &[i32]) -> Vec<u8> {
        let set = |value: &i32| [&[0, 1, 0, 0, 0, 5][..], &value.to_le_bytes()].concat();
        values.iter().flat_map(set).collect()
    }

    #[test]
    fn many_runs_of_a_statement_are_each_reported() {
        let connection = sample();
        let bytes = integers(&[10, 20]);
        let mut outcomes = Vec::new();
        run_many(&connection, "insert into t(id) values (?)", &mut Sets::new(&bytes, 0), Pace::All, &mut outcomes)
            .unwrap();
        let expected = [10, 20].map(|last_insert_rowid| Outcome { changes: 1, last_insert_rowid });
        assert_eq!(outcomes, expected);
    }

    #[test]
    fn after_a_run_that_failed_many_go_on_behind_it() {
        let connection = sample();
        let bytes = integers(&[10, 1, 20]);
        let (mut sets, mut outcomes) = (Sets::new(&bytes, 0), Vec::new());
        let sql = "insert into t(id) values (?)";
        let error = run_many(&connection, sql, &mut sets, Pace::All, &mut outcomes).unwrap_err();
        assert_eq!((error.code, outcomes.len()), (ErrorCode::Constraint, 1));
        run_many(&connection, sql, &mut Sets::new(&bytes, sets.at()), Pace::All, &mut outcomes).unwrap();
        assert_eq!(outcomes[1], Outcome { changes: 1, last_insert_rowid: 20 });
    }

    const NEVER: Pace = Pace::Until(u64::MAX);

    #[test]
    fn one_at_a_time_and_when_the_time_is_up_the_rest_is_left() {
        let connection = sample();
        let bytes = integers(&[10, 20, 30]);
        for pace in [Pace::One, Pace::Until(0)] {
            let (mut sets, mut outcomes) = (Sets::new(&bytes, 0), Vec::new());
            run_many(&connection, "insert or replace into t(id) values (?)", &mut sets, pace, &mut outcomes).unwrap();
            assert_eq!((outcomes.len(), sets.at()), (1, bytes.len() / 3), "{pace:?}");
        }
    }

    #[test]
    fn of_runs_that_share_a_transaction_one_that_fails_takes_back_only_itself() {
        let connection = sample();
        let bytes = integers(&[10, 1, 20]);
        exec(&connection, "begin immediate").unwrap();
        let (mut sets, mut outcomes) = (Sets::new(&bytes, 0), Vec::new());
        let error = run_many(&connection, "insert into t(id) values (?)", &mut sets, NEVER, &mut outcomes).unwrap_err();
        assert_eq!((error.code, outcomes.len(), connection.is_autocommit()), (ErrorCode::Constraint, 1, false));
        exec(&connection, "commit").unwrap();
        assert_eq!(run(&connection, "delete from t where id = 10", &Parameters::NONE).unwrap().changes, 1);
    }

    #[test]
    fn runs_that_share_a_transaction_are_taken_back_where_one_would_have_gone_otherwise_alone() {
        let connection = sample();
        exec(
            &connection,
            "pragma foreign_keys = on; create table child(id references t deferrable initially deferred)",
        )
        .unwrap();
        let bytes = integers(&[1, 99]);
        // The second lacks its parent, or fails after its first row is in.
        for sql in [
            "insert into child values (?)",
            "insert or fail into t(id) select value from (select ?1 + 7 as value union all select 2)",
        ] {
            exec(&connection, "begin immediate; update t set body = 'changed'").unwrap();
            let (mut sets, mut outcomes) = (Sets::new(&bytes, 0), Vec::new());
            run_many(&connection, sql, &mut sets, NEVER, &mut outcomes).unwrap_err();
            assert!(connection.is_autocommit(), "{sql}");
            let changed = query(&connection, "select 1 from t where body = 'changed'", &Parameters::NONE).unwrap();
            assert_eq!(changed[0], 0, "{sql}");
        }
    }

    #[test]
    fn a_query_up_to_one_row_gives_one_and_says_that_more_may_follow() {
        let connection = sample();
        let first = query_up_to(&connection, "select id from t order by id", &Parameters::NONE, 1).unwrap();
        assert_eq!((first[0], first[12]), (1, 1));
        let none = query_up_to(&connection, "select id from t where id < 0", &Parameters::NONE, 1).unwrap();
        assert_eq!((none[0], none[12]), (0, 0));
    }

    #[test]
    fn query_answers_by_name_as_by_position() {
        let connection = sample();
        let by_position =
            query(&connection, "select id from t where body = ?", &Parameters::Positional(vec![text("b")])).unwrap();
        let by_name =
            query(&connection, "select id from t where body = :body", &Parameters::Named(vec![("body", text("b"))]))
                .unwrap();
        assert_eq!(by_position, by_name);
        assert_eq!(by_name[..4], [1, 0, 0, 0]);
        assert_eq!(by_name.last_chunk(), Some(b"id"));
    }

    #[test]
    fn parameters_that_do_not_fit_are_refused() {
        let connection = sample();
        let refusal = |sql, parameters| query(&connection, sql, &parameters).unwrap_err().message;
        assert_eq!(refusal("select ?", Parameters::NONE), "the statement takes 1 parameters, 0 were given");
        assert_eq!(refusal("select :a", Parameters::Named(vec![])), "no value was given for the parameter :a");
        let surplus = Parameters::Named(vec![("a", ValueRef::Null), ("b", ValueRef::Null)]);
        assert_eq!(refusal("select :a", surplus), "the statement has no parameter named b");
    }

    #[test]
    fn a_failing_statement_is_named() {
        let connection = sample();
        let error = query(&connection, "select nowhere from t", &Parameters::NONE).unwrap_err();
        assert_eq!(error.sql.as_deref(), Some("select nowhere from t"));
        assert!(error.message.contains("no such column: nowhere"), "{}", error.message);
    }
}

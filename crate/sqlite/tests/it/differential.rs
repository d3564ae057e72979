//! The same random SQL on Coffer and on plain SQLite: the same rows, errors, counts and integrity.
//!
//! Everything is derived from a seed, which a failure prints; `COFFER_SEED=n` runs that one alone and `COFFER_RUNS=n` as many.
//! Cleverness is in the generator: schemas with WITHOUT ROWID, FTS5, R-Tree, triggers, foreign keys, generated columns and
//! indexes; transactions with savepoints and rollbacks; transactions larger than the cache, so that pages are written before
//! the commit and taken back; VACUUM, with and without another page size; ATTACH.

use coffer_sim::Rng;
use coffer_sqlite::rusqlite::types::Value;
use coffer_sqlite::rusqlite::{self, Connection};
use coffer_sqlite::{Database, Key, OpenOptions, Settings, Upkeep, coffer_store};
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// What a statement did, as far as a program can see.
#[derive(Debug, PartialEq)]
enum Outcome {
    Rows { columns: usize, rows: Vec<Vec<Value>>, changes: u64, rowid: i64, autocommit: bool },
    Error { code: i32, message: String },
}

fn run(connection: &Connection, sql: &str) -> Outcome {
    let attempt = || -> rusqlite::Result<(usize, Vec<Vec<Value>>)> {
        let mut statement = connection.prepare(sql)?;
        let columns = statement.column_count();
        let mut rows = Vec::new();
        let mut cursor = statement.raw_query();
        while let Some(row) = cursor.next()? {
            rows.push((0..columns).map(|index| row.get(index)).collect::<rusqlite::Result<_>>()?);
        }
        Ok((columns, rows))
    };
    match attempt() {
        Ok((columns, rows)) => Outcome::Rows {
            columns,
            rows,
            changes: connection.changes(),
            rowid: connection.last_insert_rowid(),
            autocommit: connection.is_autocommit(),
        },
        Err(rusqlite::Error::SqlInputError { error, msg, .. }) => {
            Outcome::Error { code: error.extended_code, message: msg }
        }
        Err(rusqlite::Error::SqliteFailure(error, message)) => {
            Outcome::Error { code: error.extended_code, message: message.unwrap_or_default() }
        }
        Err(other) => panic!("{sql}: {other}"),
    }
}

/// Writes random SQL that mostly makes sense.
struct Generator {
    rng: Rng,
    tables: Vec<Table>,
    next: u32,
    in_transaction: bool,
    savepoints: u32,
    page_sizes: bool,
}

#[derive(Clone)]
struct Table {
    name: String,
    columns: Vec<String>,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Plain,
    WithoutRowid,
    Search,
    Boxes,
}

impl Generator {
    fn new(seed: u64) -> Self {
        let page_sizes = seed.is_multiple_of(3);
        let rng = Rng::new(seed);
        Self { rng, tables: Vec::new(), next: 0, in_transaction: false, savepoints: 0, page_sizes }
    }

    fn value(&mut self) -> String {
        match self.rng.below(8) {
            0 => "null".to_owned(),
            1 => self.rng.below(20).to_string(),
            2 => format!("-{}", self.rng.below(1 << 40)),
            3 => format!("{}.{}", self.rng.below(100), self.rng.below(1000)),
            4 => format!("x'{}'", "a7".repeat(self.rng.index(40))),
            5 => format!("zeroblob({})", self.rng.skewed(20_000)),
            6 => format!("'{}'", "lorem ipsum ".repeat(self.rng.index(200))),
            _ => format!("'word{}'", self.rng.below(50)),
        }
    }

    fn create(&mut self) -> String {
        self.next += 1;
        let name = format!("t{}", self.next);
        let kind =
            *self.rng.pick(&[Kind::Plain, Kind::Plain, Kind::Plain, Kind::WithoutRowid, Kind::Search, Kind::Boxes]);
        let count = 1 + self.rng.index(5);
        let columns: Vec<String> = match kind {
            Kind::Boxes => ["id", "x0", "x1"].map(str::to_owned).into(),
            _ => (0..count).map(|index| format!("c{index}")).collect(),
        };
        let parent = self.tables.iter().find(|table| table.kind == Kind::Plain).map(|table| table.name.clone());
        let sql = match kind {
            Kind::Plain => {
                let mut body = String::from("id integer primary key");
                for column in &columns {
                    body = format!("{body}, {column}");
                    match self.rng.below(8) {
                        0 => body += " integer",
                        1 => body += " text not null default 'd'",
                        2 => body += " unique",
                        3 => body += " check (typeof(length(c0)) is not 'text')",
                        _ => {}
                    }
                }
                if self.rng.one_in(4) {
                    body += ", g generated always as (length(c0)) stored";
                }
                if let (Some(parent), true) = (parent, self.rng.one_in(3)) {
                    body = format!("{body}, parent integer references {parent}(id) on delete cascade");
                }
                format!("create table {name}({body})")
            }
            Kind::WithoutRowid => {
                format!("create table {name}({}, primary key({})) without rowid", columns.join(", "), columns[0])
            }
            Kind::Search => format!("create virtual table {name} using fts5({})", columns.join(", ")),
            Kind::Boxes => format!("create virtual table {name} using rtree(id, x0, x1)"),
        };
        self.tables.push(Table { name, columns, kind });
        sql
    }

    fn table(&mut self) -> Option<Table> {
        let index = self.rng.index(self.tables.len());
        self.tables.get(index).cloned()
    }

    fn insert(&mut self, table: &Table) -> String {
        let verb = *self.rng.pick(&["insert", "insert", "insert", "insert or replace", "insert or ignore", "replace"]);
        let names = table.columns.join(", ");
        if self.rng.one_in(6) && matches!(table.kind, Kind::Plain | Kind::Search) {
            // Many rows at once: more than a small cache holds.
            let rows = self.rng.skewed(400) + 1;
            let values: Vec<String> =
                table.columns.iter().map(|_| "printf('%d-%s', i, hex(zeroblob(i % 90)))".to_owned()).collect();
            return format!(
                "with recursive n(i) as (select 1 union all select i + 1 from n where i < {rows})
                 {verb} into {}({names}) select {} from n",
                table.name,
                values.join(", ")
            );
        }
        let values: Vec<String> = match table.kind {
            Kind::Boxes => {
                let low = self.rng.below(100);
                vec!["null".to_owned(), low.to_string(), (low + self.rng.below(10)).to_string()]
            }
            _ => table.columns.iter().map(|_| self.value()).collect(),
        };
        let returning = if self.rng.one_in(8) && table.kind == Kind::Plain { " returning id" } else { "" };
        format!("{verb} into {}({names}) values ({}){returning}", table.name, values.join(", "))
    }

    fn condition(&mut self, table: &Table) -> String {
        let column = self.rng.pick(&table.columns).clone();
        match (table.kind, self.rng.below(5)) {
            (Kind::Search, 0..=2) => format!("{} match 'word{}'", table.name, self.rng.below(50)),
            (Kind::Boxes, _) => format!("x0 >= {} and x1 <= {}", self.rng.below(50), self.rng.between(50, 110)),
            (_, 0) => format!("{column} is null"),
            (_, 1) => format!("{column} > {}", self.value()),
            (Kind::Plain, 2) => format!("id % {} = 0", self.rng.between(1, 9)),
            (_, 3) => format!("{column} like '%o%'"),
            _ => "true".to_owned(),
        }
    }

    fn transaction(&mut self) -> String {
        match self.rng.below(if self.in_transaction { 7 } else { 4 }) {
            0..=3 if !self.in_transaction => {
                self.in_transaction = true;
                (*self.rng.pick(&["begin", "begin immediate", "begin exclusive"])).to_owned()
            }
            0 | 1 => {
                (self.in_transaction, self.savepoints) = (false, 0);
                "commit".to_owned()
            }
            2 => {
                (self.in_transaction, self.savepoints) = (false, 0);
                "rollback".to_owned()
            }
            3 | 4 => {
                self.savepoints += 1;
                format!("savepoint s{}", self.savepoints)
            }
            5 if self.savepoints > 0 => format!("rollback to s{}", self.rng.between(1, u64::from(self.savepoints))),
            _ if self.savepoints > 0 => {
                let release = self.savepoints;
                self.savepoints -= 1;
                format!("release s{release}")
            }
            _ => "select 1".to_owned(),
        }
    }

    fn settings(&mut self) -> String {
        match self.rng.below(9) {
            0 => format!("pragma cache_size = {}", self.rng.between(1, 60)),
            1 => "pragma shrink_memory".to_owned(),
            2 => "pragma integrity_check".to_owned(),
            3 => "pragma foreign_key_check".to_owned(),
            4 => format!("pragma foreign_keys = {}", self.rng.below(2)),
            5 => format!("pragma user_version = {}", self.rng.below(1000)),
            6 => "pragma user_version".to_owned(),
            7 => "analyze".to_owned(),
            _ => "pragma quick_check".to_owned(),
        }
    }

    fn vacuum(&mut self) -> String {
        // In a transaction it is refused, alike on both sides. A new page size counts from the next vacuum on.
        if self.page_sizes && self.rng.one_in(2) {
            return format!("pragma page_size = {}", 512 << self.rng.below(8));
        }
        "vacuum".to_owned()
    }

    fn schema(&mut self, table: &Table) -> String {
        self.next += 1;
        let (name, column) = (&table.name, table.columns[0].clone());
        match self.rng.below(8) {
            0 => self.create(),
            1 => format!("create index i{} on {name}({column})", self.next),
            2 => format!("create unique index i{} on {name}({column}, length({column}))", self.next),
            3 => format!(
                "create trigger g{} after insert on {name} when new.{column} is not null begin
                 update {name} set {column} = null where rowid % 7 = 1; end",
                self.next
            ),
            4 => format!("alter table {name} add column a{} default 5", self.next),
            5 => format!("create view v{} as select * from {name}", self.next),
            6 if self.tables.len() > 3 => {
                let table = self.tables.swap_remove(self.rng.index(self.tables.len()));
                format!("drop table {}", table.name)
            }
            _ => format!("reindex {name}"),
        }
    }

    fn statement(&mut self) -> String {
        let Some(table) = self.table().filter(|_| self.tables.len() > 1) else { return self.create() };
        match self.rng.weighted(&[40, 12, 10, 20, 18, 4, 1, 5, 2]) {
            0 => self.insert(&table),
            1 => {
                let (column, value) = (self.rng.pick(&table.columns).clone(), self.value());
                format!("update {} set {column} = {value} where {}", table.name, self.condition(&table))
            }
            2 => format!("delete from {} where {}", table.name, self.condition(&table)),
            3 => {
                let condition = self.condition(&table);
                format!("select * from {} where {condition} limit {}", table.name, self.rng.between(1, 50))
            }
            4 => self.transaction(),
            5 => self.schema(&table),
            6 => self.vacuum(),
            7 => self.settings(),
            _ => format!("insert into {0}({1}) select {1} from {0} limit 200", table.name, table.columns.join(", ")),
        }
    }
}

/// Everything a database holds, in words.
fn contents(connection: &Connection) -> Vec<Outcome> {
    let mut all = vec![run(connection, "select type, name, tbl_name, sql from sqlite_schema order by name")];
    let Outcome::Rows { rows, .. } =
        run(connection, "select name from sqlite_schema where type = 'table' order by name")
    else {
        panic!("the schema cannot be read")
    };
    for row in rows {
        let Value::Text(name) = &row[0] else { continue };
        let order = if name.starts_with("sqlite_stat") { " order by 1, 2, 3" } else { "" };
        all.push(run(connection, &format!("select * from \"{name}\"{order}")));
    }
    all.push(run(connection, "pragma integrity_check"));
    all
}

fn options(seed: u64, page_bytes: u32) -> OpenOptions {
    OpenOptions {
        key: (seed.is_multiple_of(2)).then(|| Key::raw([9; 32])),
        page_size: coffer_store::PageSize::new(page_bytes).unwrap(),
        settings: Settings {
            // Small, so that transactions spill, logs are folded and pages leave the cache all the time.
            spill_bytes: if seed % 3 == 1 { 8 * u64::from(page_bytes) } else { 1 << 20 },
            autocheckpoint_pages: if seed.is_multiple_of(5) { 20 } else { 500 },
            cache_memory: if seed.is_multiple_of(4) { 100_000 } else { 4 << 20 },
            ..Settings::default()
        },
        upkeep: if seed.is_multiple_of(2) { Upkeep::Inline } else { Upkeep::Background },
        threads: 1,
        ..OpenOptions::default()
    }
}

/// Where databases are: a directory natively, memory in wasm. Either way they outlive their handles.
#[cfg(not(target_family = "wasm"))]
struct Ground(tempfile::TempDir);

#[cfg(not(target_family = "wasm"))]
impl Ground {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn ours(&self, name: &str, options: OpenOptions) -> Database {
        Database::open(self.0.path().join(name), options).unwrap()
    }

    /// What a connection opened anew sees of it.
    fn reopened(&self, theirs: Connection, name: &str) -> Connection {
        drop(theirs);
        Connection::open(self.their_path(name)).unwrap()
    }

    fn their_path(&self, name: &str) -> String {
        self.0.path().join(format!("{name}.sqlite")).display().to_string()
    }
}

#[cfg(target_family = "wasm")]
struct Ground {
    number: u64,
    storages: std::cell::RefCell<std::collections::BTreeMap<String, coffer_store::MemStorage>>,
}

#[cfg(target_family = "wasm")]
impl Ground {
    fn new() -> Self {
        static COUNT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Self { number, storages: std::cell::RefCell::default() }
    }

    fn ours(&self, name: &str, options: OpenOptions) -> Database {
        let mut storages = self.storages.borrow_mut();
        let storage = storages.entry(name.to_owned()).or_insert_with(coffer_store::MemStorage::new).clone();
        let name = format!("{name}-{}", self.number);
        Database::on_storage(&name, storage, Box::new(coffer_sqlite::SystemEntropy), options).unwrap()
    }

    /// What a connection opened anew sees of it.
    #[expect(clippy::unused_self, clippy::needless_pass_by_value, reason = "where there are files, it is closed first")]
    fn reopened(&self, theirs: Connection, _name: &str) -> Connection {
        let mut next = Connection::open_in_memory().unwrap();
        let page_size: i64 = theirs.query_row("pragma page_size", [], |row| row.get(0)).unwrap();
        next.execute_batch(&format!("pragma page_size = {page_size}")).unwrap();
        let copy = rusqlite::backup::Backup::new(&theirs, &mut next).unwrap();
        assert_eq!(copy.step(-1).unwrap(), rusqlite::backup::StepResult::Done);
        drop(copy);
        next
    }

    /// SQLite for wasm has no file system here but ours.
    #[expect(clippy::unused_self, reason = "where there are files, they are the ground's")]
    fn their_path(&self, _name: &str) -> String {
        ":memory:".to_owned()
    }
}

fn differ(seed: u64, steps: u32) {
    let ground = Ground::new();
    let page_bytes = 512 << (seed % 8);
    let mut database = ground.ours("coffer", options(seed, page_bytes));
    let mut ours = database.connect().unwrap();
    let mut theirs = Connection::open(ground.their_path("plain")).unwrap();
    theirs.execute_batch(&format!("pragma page_size = {page_bytes}")).unwrap();
    let mut generator = Generator::new(seed);
    let mut history: Vec<String> = Vec::new();
    let tell = |history: &[String], what: &str| {
        let tail: Vec<&str> = history.iter().rev().take(30).rev().map(String::as_str).collect();
        format!("seed {seed}, step {}: {what}\nlast statements:\n{}", history.len(), tail.join(";\n"))
    };
    let mut succeeded = 0;
    for step in 0..steps {
        let sql = generator.statement();
        history.push(sql.clone());
        let (us, them) = (run(&ours, &sql), run(&theirs, &sql));
        assert!(us == them, "{}\nours:   {us:?}\ntheirs: {them:?}", tell(&history, "the outcomes differ"));
        succeeded += u32::from(matches!(them, Outcome::Rows { .. }));
        generator.in_transaction = !theirs.is_autocommit();
        if step % 100 == 99 && theirs.is_autocommit() {
            assert!(contents(&ours) == contents(&theirs), "{}", tell(&history, "the contents differ"));
        }
        if step % 250 == 249 && theirs.is_autocommit() {
            // Opened anew: what was committed is what is there.
            drop(ours);
            database.close().unwrap();
            database = ground.ours("coffer", options(seed, page_bytes));
            ours = database.connect().unwrap();
            theirs = ground.reopened(theirs, "plain");
            assert!(contents(&ours) == contents(&theirs), "{}", tell(&history, "the contents differ after reopening"));
        }
    }
    if !theirs.is_autocommit() {
        assert!(run(&ours, "rollback") == run(&theirs, "rollback"), "{}", tell(&history, "rollback"));
    }
    assert!(contents(&ours) == contents(&theirs), "{}", tell(&history, "the contents differ at the end"));
    assert!(succeeded > steps / 2, "{}", tell(&history, "the statements mostly fail, which compares nothing"));
    assert_eq!(database.take_upkeep_failure(), None);
    let verified = database.verify(|_| true).unwrap();
    assert!(verified.damage.is_empty(), "{}: {:?}", tell(&history, "damage"), verified.damage);
}

#[test]
fn random_sql_does_what_plain_sqlite_does() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("COFFER_SEED") {
        return differ(seed, 800);
    }
    let runs = if cfg!(target_family = "wasm") { 6 } else { 12 };
    for seed in 0..number("COFFER_RUNS").unwrap_or(runs) {
        differ(seed, 400);
    }
}

#[test]
fn databases_attached_to_each_other_do_what_plain_ones_do() {
    let ground = Ground::new();
    let (one, two) = (ground.ours("one", OpenOptions::default()), ground.ours("two", OpenOptions::default()));
    let ours = one.connect().unwrap();
    let theirs = Connection::open(ground.their_path("one")).unwrap();
    ours.execute_batch(&format!("attach '{}' as other", two.name())).unwrap();
    theirs.execute_batch(&format!("attach '{}' as other", ground.their_path("two"))).unwrap();
    let script = [
        "create table t(a)",
        "create table other.u(b unique)",
        "begin",
        "insert into t values (1), (2)",
        "insert into u select a * 10 from t",
        "commit",
        "begin",
        "insert into t values (3)",
        "insert into other.u values (99)",
        "savepoint s",
        "delete from other.u",
        "rollback to s",
        "rollback",
        "insert into u values (10)",
        "select * from t, u order by 1, 2",
        "vacuum other",
        "detach other",
        "select * from u",
    ];
    for sql in script {
        assert_eq!(run(&ours, sql), run(&theirs, sql), "{sql}");
    }
    let alone = two.connect().unwrap();
    assert_eq!(run(&alone, "select count(*) from u"), run(&alone, "select 2"));
}

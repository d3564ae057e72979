//! Coffer, encrypted and compressed, beside plain SQLite in WAL mode: the same work, on the same disk, in the same run.
//!
//! `cargo bench -p coffer-sqlite` prints the table of `docs/speed.md`. Disks and machines have moods, so the two sides take turns
//! in short pieces of the same work, each going first every other time, and the medians of the pieces are compared: what
//! disturbs one disturbs the other. `COFFER_ROWS` sets how many rows the bulk insert has, `COFFER_ROUNDS` how often it is done; words
//! on the command line (`-- commits bulk warm cold`) choose rows of the table, and `-- commits-coffer 20` does a piece of that row
//! so many times on one side alone, for a profiler.

use std::path::Path;
use std::time::{Duration, Instant};

use coffer_sqlite::rusqlite::Connection;
use coffer_sqlite::{CheckpointMode, Database, Key, OpenOptions};

/// One way to keep the rows.
trait Side {
    fn connection(&self) -> &Connection;
    /// Closes, forgets every cache, and opens again.
    fn reopen(&mut self);
    /// Ends what goes on in the background, so that it does not take the other side's time.
    fn settle(&self);
    /// Bytes on the disk, everything folded.
    fn stored_bytes(&mut self) -> u64;
}

struct Plain {
    path: std::path::PathBuf,
    connection: Option<Connection>,
}

impl Plain {
    fn open(path: &Path) -> Connection {
        let connection = Connection::open(path).unwrap();
        connection
            .execute_batch(
                "pragma page_size = 8192; pragma journal_mode = wal; pragma synchronous = full; pragma cache_size = -16384",
            )
            .unwrap();
        connection
    }
}

impl Side for Plain {
    fn connection(&self) -> &Connection {
        self.connection.as_ref().unwrap()
    }

    fn reopen(&mut self) {
        self.connection = None;
        forget(&self.path);
        self.connection = Some(Self::open(&self.path));
    }

    fn settle(&self) {}

    fn stored_bytes(&mut self) -> u64 {
        self.connection().query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(())).unwrap();
        std::fs::metadata(&self.path).unwrap().len()
    }
}

struct Coffer {
    path: std::path::PathBuf,
    open: Option<(coffer_sqlite::Connection, Database)>,
}

impl Coffer {
    fn open(path: &Path) -> (coffer_sqlite::Connection, Database) {
        let options = OpenOptions { key: Some(Key::raw([1; 32])), ..OpenOptions::default() };
        let database = Database::open(path, options).unwrap();
        (database.connect().unwrap(), database)
    }
}

impl Side for Coffer {
    fn connection(&self) -> &Connection {
        &self.open.as_ref().unwrap().0
    }

    fn reopen(&mut self) {
        let (connection, database) = self.open.take().unwrap();
        drop(connection);
        database.close().unwrap();
        for entry in std::fs::read_dir(&self.path).unwrap() {
            forget(&entry.unwrap().path());
        }
        self.open = Some(Self::open(&self.path));
    }

    fn settle(&self) {
        self.open.as_ref().unwrap().1.checkpoint(CheckpointMode::Passive).unwrap();
    }

    fn stored_bytes(&mut self) -> u64 {
        let database = &self.open.as_ref().unwrap().1;
        database.compact().unwrap();
        database.storage_info().unwrap().stored_bytes
    }
}

/// Asks the system to drop a file from its cache, so that the next read is one of the disk. Where it does not, cold reads are
/// warm ones for both sides.
fn forget(path: &Path) {
    let file = std::fs::File::open(path).unwrap();
    file.sync_all().unwrap();
    let _ = std::process::Command::new("dd")
        .arg(format!("of={}", path.display()))
        .args(["oflag=nocache", "conv=notrunc,fdatasync", "count=0", "status=none"])
        .status();
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn small_commits(connection: &Connection, count: u32) {
    let mut statement = connection.prepare("insert into small(body) values (?)").unwrap();
    for index in 0..count {
        statement.execute([format!("a small row, number {index}")]).unwrap();
    }
}

/// Rows such as an order book holds: a few words that repeat, a few numbers that do not.
fn bulk(connection: &Connection, rows: u32) {
    connection.execute_batch("begin").unwrap();
    let mut statement = connection.prepare("insert into bulk values (?, ?, ?, ?, ?)").unwrap();
    for id in 0..rows {
        let mixed = id.wrapping_mul(2_654_435_761);
        let city = ["Amsterdam", "Lisbon", "Nairobi", "Osaka", "Valparaiso"][mixed as usize % 5];
        let note = format!("order {id} for customer {} paid by card, delivered to {city}", mixed % 9973);
        statement.execute((id, mixed % 9973, f64::from(mixed % 100_000) / 100.0, city, note)).unwrap();
    }
    drop(statement);
    connection.execute_batch("commit").unwrap();
}

/// Reads rows here and there: `spread` of 1 stays in one corner that any cache holds.
fn points(connection: &Connection, rows: u32, count: u32, corner: u32) {
    let mut statement = connection.prepare("select note from bulk where id = ?").unwrap();
    for index in 0..count {
        let id = index.wrapping_mul(2_654_435_761) % rows.min(corner);
        let note: String = statement.query_row([id], |row| row.get(0)).unwrap();
        assert!(note.len() > 10);
    }
}

/// What one side took for a round, or its share of one.
type Work<'a> = &'a dyn Fn(&Connection, u32);

/// The two sides' times for each round. A round is done in `pieces`, in which the two alternate.
fn in_turns(sides: &[Box<dyn Side>; 2], rounds: u32, pieces: u32, work: Work<'_>) -> Vec<[Duration; 2]> {
    let mut times = Vec::new();
    for round in 0..rounds {
        let mut sums = [Duration::ZERO; 2];
        for piece in round * pieces..(round + 1) * pieces {
            let first = piece as usize % 2;
            for side in [first, 1 - first] {
                sums[side] += timed(|| work(sides[side].connection(), piece));
            }
        }
        times.push(sums);
    }
    times
}

fn median<T: Copy>(values: impl Iterator<Item = T>, less: impl Fn(&T, &T) -> std::cmp::Ordering) -> T {
    let mut values: Vec<T> = values.collect();
    values.sort_unstable_by(less);
    values[values.len() / 2]
}

/// Prints a row: the medians of both sides, and the median of the rounds' ratios.
fn row(name: &str, times: &[[Duration; 2]], target: &str) {
    let of = |side: usize| median(times.iter().map(|round| round[side]), Ord::cmp).as_secs_f64() * 1000.0;
    let speeds = || times.iter().map(|round| round[0].as_secs_f64() / round[1].as_secs_f64());
    let speed = median(speeds(), f64::total_cmp);
    let (least, most) = (speeds().fold(f64::MAX, f64::min), speeds().fold(0.0, f64::max));
    println!("| {name} | {:.1} ms | {:.1} ms | {speed:.2}x ({least:.2} to {most:.2}) | {target} |", of(0), of(1));
}

fn number_of(name: &str, default: u32) -> u32 {
    std::env::var(name).ok().and_then(|number| number.parse().ok()).unwrap_or(default)
}

const SCHEMA: &str = "create table small(id integer primary key, body text);
                      create table bulk(id integer primary key, customer integer, total real, city text, note text)";

/// New, empty databases of both sides.
fn make(directory: &Path, round: u32) -> [Box<dyn Side>; 2] {
    let (plain, coffer) = (directory.join(format!("{round}.sqlite")), directory.join(format!("{round}.coffer")));
    let sides: [Box<dyn Side>; 2] = [
        Box::new(Plain { connection: Some(Plain::open(&plain)), path: plain }),
        Box::new(Coffer { open: Some(Coffer::open(&coffer)), path: coffer }),
    ];
    for side in &sides {
        side.connection().execute_batch(SCHEMA).unwrap();
    }
    sides
}

/// Only one side's work, for a profiler.
fn one_side(directory: &Path, what: &str, count: u32, rows: u32) {
    let sides = make(directory, 0);
    let side = &sides[usize::from(what.ends_with("-coffer"))];
    let work: Work<'_> = match what.split('-').next() {
        Some("commits") => &|connection, _| small_commits(connection, 1000),
        Some("bulk") => &|connection, _| {
            connection.execute_batch("delete from bulk").unwrap();
            bulk(connection, rows);
        },
        _ => panic!("there is no {what}"),
    };
    let times: Vec<_> = (0..count).map(|piece| timed(|| work(side.connection(), piece))).collect();
    println!("{what}: {times:?}");
}

fn main() {
    // Cargo says --bench.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let wants = |name: &str| words.is_empty() || words.iter().any(|word| word == name);
    let (rows, rounds) = (number_of("COFFER_ROWS", 1_000_000), number_of("COFFER_ROUNDS", 5));
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    if let [what, count] = words.as_slice()
        && let Ok(count) = count.parse()
    {
        return one_side(directory.path(), what, count, rows);
    }
    println!("| work ({rows} rows) | plain SQLite, WAL | Coffer, zstd and AES-256-GCM | Coffer's speed | target |");
    println!("|---|---|---|---|---|");
    if wants("commits") {
        let sides = make(directory.path(), 0);
        let times = in_turns(&sides, 9, 20, &|connection, _| small_commits(connection, 50));
        row("1000 commits of one row, one flush each", &times, ">= 0.83x (time <= 1.2x)");
    }
    if !["bulk", "warm", "cold"].iter().any(|name| wants(name)) {
        return;
    }
    let mut times = Vec::new();
    let mut sides = make(directory.path(), 1);
    for round in 0..if wants("bulk") { rounds } else { 1 } {
        if round > 0 {
            sides = make(directory.path(), round + 1);
        }
        let mut taken = [Duration::ZERO; 2];
        let first = round as usize % 2;
        for side in [first, 1 - first] {
            taken[side] = timed(|| bulk(sides[side].connection(), rows));
            sides[side].settle();
        }
        times.push(taken);
    }
    if wants("bulk") {
        row("bulk insert in one transaction", &times, ">= 0.7x");
    }
    let stored = sides.each_mut().map(|side| side.stored_bytes());
    if wants("warm") {
        for side in &sides {
            points(side.connection(), rows, 20_000, 50_000);
        }
        let times = in_turns(&sides, 5, 10, &|connection, _| points(connection, rows, 10_000, 50_000));
        row("100,000 point reads, warm cache", &times, ">= 0.95x");
    }
    if wants("cold") {
        let mut times = Vec::new();
        for _ in 0..rounds {
            times.push(sides.each_mut().map(|side| {
                side.reopen();
                timed(|| points(side.connection(), rows, 5000, u32::MAX))
            }));
        }
        row("5000 random reads after opening", &times, ">= 0.4x");
    }
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
    let share = stored[1] as f64 / stored[0] as f64;
    println!("| stored bytes | {} | {} | {share:.2}x the size | <= 0.4x |", stored[0], stored[1]);
}

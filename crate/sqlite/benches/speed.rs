//! Coffer, encrypted and compressed, beside plain SQLite in WAL mode: the same work, on the same disk, in the same run.
//!
//! `cargo bench -p coffer-sqlite` prints the table of `docs/speed.md`. The work is alternated between the two and the median of
//! several rounds is taken, since disks have moods. `COFFER_ROWS` sets how many rows the bulk insert has.

use std::path::Path;
use std::time::{Duration, Instant};

use coffer_sqlite::rusqlite::Connection;
use coffer_sqlite::{Database, Key, OpenOptions};

/// One way to keep the rows.
trait Side {
    fn connection(&self) -> &Connection;
    /// Closes, forgets every cache, and opens again.
    fn reopen(&mut self);
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

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn main() {
    let rows: u32 = std::env::var("COFFER_ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(1_000_000);
    let directory = tempfile::tempdir_in(std::env::current_dir().unwrap()).unwrap();
    let (plain_path, coffer_path) = (directory.path().join("plain.sqlite"), directory.path().join("coffer"));
    let mut plain = Plain { connection: Some(Plain::open(&plain_path)), path: plain_path };
    let mut coffer = Coffer { open: Some(Coffer::open(&coffer_path)), path: coffer_path };
    let schema = "create table small(id integer primary key, body text);
                  create table bulk(id integer primary key, customer integer, total real, city text, note text)";
    for side in [&mut plain as &mut dyn Side, &mut coffer] {
        side.connection().execute_batch(schema).unwrap();
    }
    let mut table: Vec<(&str, String, String, f64, &str)> = Vec::new();
    let mut row = |name, plain: Duration, coffer: Duration, target| {
        // Speed of Coffer relative to plain SQLite.
        let speed = plain.as_secs_f64() / coffer.as_secs_f64();
        table.push((name, format!("{:.1} ms", ms(plain)), format!("{:.1} ms", ms(coffer)), speed, target));
    };
    let mut times = (Vec::new(), Vec::new());
    for _ in 0..5 {
        times.0.push(timed(|| small_commits(plain.connection(), 1000)));
        times.1.push(timed(|| small_commits(coffer.connection(), 1000)));
    }
    row("1000 commits of one row, one flush each", median(times.0), median(times.1), ">= 0.83x (time <= 1.2x)");
    let bulks = (timed(|| bulk(plain.connection(), rows)), timed(|| bulk(coffer.connection(), rows)));
    row("bulk insert in one transaction", bulks.0, bulks.1, ">= 0.7x");
    let stored = (plain.stored_bytes(), coffer.stored_bytes());
    let mut times = (Vec::new(), Vec::new());
    for side in [&plain as &dyn Side, &coffer] {
        points(side.connection(), rows, 20_000, 50_000);
    }
    for _ in 0..5 {
        times.0.push(timed(|| points(plain.connection(), rows, 100_000, 50_000)));
        times.1.push(timed(|| points(coffer.connection(), rows, 100_000, 50_000)));
    }
    row("100,000 point reads, warm cache", median(times.0), median(times.1), ">= 0.95x");
    let mut times = (Vec::new(), Vec::new());
    for _ in 0..3 {
        plain.reopen();
        times.0.push(timed(|| points(plain.connection(), rows, 5000, u32::MAX)));
        coffer.reopen();
        times.1.push(timed(|| points(coffer.connection(), rows, 5000, u32::MAX)));
    }
    row("5000 random reads after opening", median(times.0), median(times.1), ">= 0.4x");
    println!("| work ({rows} rows) | plain SQLite, WAL | Coffer, zstd and AES-256-GCM | Coffer's speed | target |");
    println!("|---|---|---|---|---|");
    for (name, plain, coffer, speed, target) in table {
        println!("| {name} | {plain} | {coffer} | {speed:.2}x | {target} |");
    }
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
    let share = stored.1 as f64 / stored.0 as f64;
    println!("| stored bytes | {} | {} | {share:.2}x the size | <= 0.4x |", stored.0, stored.1);
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

//! Several processes on one database: killed at any moment nothing acknowledged is lost, and two at once keep apart.
//!
//! A child is this test binary again, told by its environment to run [`child`] alone.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;
use std::{env, io, thread};

use coffer_sim::Rng;
use coffer_sqlite::{CheckpointMode, Connection, Database, ErrorCode, Key, OpenOptions, Settings};

const TASK: &str = "COFFER_TEST_CHILD";
const PATH: &str = "COFFER_TEST_PATH";

fn open(path: &Path) -> Database {
    let options = OpenOptions {
        key: Some(Key::raw([6; 32])),
        // Small, so that checkpoints and compactions are always under way.
        settings: Settings { autocheckpoint_pages: 12, spill_bytes: 64 << 10, ..Settings::default() },
        busy_timeout: Duration::from_mins(1),
        ..OpenOptions::default()
    };
    Database::open(path, options).unwrap()
}

fn child_command(task: &str, path: &Path) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "processes::child", "--nocapture", "--test-threads=1"]).env(TASK, task).env(PATH, path);
    command
}

fn spawn(task: &str, path: &Path) -> Child {
    child_command(task, path).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap()
}

/// Not a claim of its own: what a child does when it is one.
#[test]
fn child() {
    let (Ok(task), Ok(path)) = (env::var(TASK), env::var(PATH)) else { return };
    match task.as_str() {
        "come and go" => return come_and_go(Path::new(&path)),
        "look" => return look(Path::new(&path)),
        _ => {}
    }
    let database = open(Path::new(&path));
    match task.as_str() {
        "append" => append(&database),
        "hold" => hold(&database),
        "move" => {
            move_money_in_threads(&database);
            database.checkpoint(CheckpointMode::Passive).unwrap();
        }
        "talk" => {
            talk(&database);
            database.close().unwrap();
        }
        other => panic!("{other}"),
    }
}

/// Commits numbers one after the other, and says each when it was acknowledged.
fn append(database: &Database) {
    let connection = database.connect().unwrap();
    let from: u64 = connection.query_row("select ifnull(max(id), 0) from t", [], |row| row.get(0)).unwrap();
    let mut out = io::stdout().lock();
    for id in from + 1.. {
        let script = format!(
            "begin; insert into t values ({id}, hex(randomblob({}))); update total set n = n + 1; commit",
            id % 700
        );
        connection.execute_batch(&script).unwrap();
        writeln!(out, "ack {id}").unwrap();
        out.flush().unwrap();
    }
}

/// Has a transaction open until it is told to commit it, which it does once for each line.
fn hold(database: &Database) {
    let connection = database.connect().unwrap();
    let mut lines = io::stdin().lines().map(Result::unwrap);
    while let Some(id) = lines.next() {
        let insert = format!("begin immediate; insert into account values ({id}, 0)");
        connection.execute_batch(&insert).unwrap();
        println!("holding");
        lines.next().unwrap();
        connection.execute_batch("commit").unwrap();
        println!("committed");
    }
}

const VISITS: i64 = 30;

/// Opens the database for one commit, again and again.
fn come_and_go(path: &Path) {
    for _ in 0..VISITS {
        let database = open(path);
        let connection = database.connect().unwrap();
        connection
            .execute_batch(
                "begin immediate; update account set balance = balance - 1 where id = 1;
                 update account set balance = balance + 1 where id = 2;
                 insert into history select count(*) + 1 from history; commit",
            )
            .unwrap();
        drop(connection);
        database.close().unwrap();
    }
}

/// Opens the database to read it, again and again, until everybody has gone.
fn look(path: &Path) {
    let mut before = 0;
    while before < 3 * VISITS {
        let options = OpenOptions { key: Some(Key::raw([6; 32])), read_only: true, ..OpenOptions::default() };
        let database = Database::open(path, options).unwrap();
        let connection = database.connect().unwrap();
        let found = |_: i32| -> (i64, i64) {
            let sql = "select count(*), (select sum(balance) from account) from history";
            connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
        };
        for (count, sum) in (0..3).map(found) {
            assert!(count >= before, "{before} were there, and now {count}");
            assert_eq!(sum, 1000);
            before = count;
        }
    }
}

/// Does what each line says, and says what came of it. Closes when there are no more.
fn talk(database: &Database) {
    let connection = database.connect().unwrap();
    for line in io::stdin().lines() {
        let line = line.unwrap();
        let answer = match line.strip_prefix("ask ") {
            Some(sql) => connection.query_row(sql, [], |row| row.get(0)).unwrap(),
            None => connection.execute_batch(&line).map(|()| "done".to_owned()).unwrap(),
        };
        println!("said {answer}");
    }
}

fn move_money(database: &Database, rounds: i64) {
    let connection = database.connect().unwrap();
    for round in 0..rounds {
        let (from, to) = (round % 10, (round * 3 + 1) % 10);
        connection
            .execute_batch(&format!(
                "begin immediate; update account set balance = balance - 1 where id = {from};
                 update account set balance = balance + 1 where id = {to};
                 insert into history select count(*) + 1 from history; commit"
            ))
            .unwrap();
        let sum: i64 = connection.query_row("select sum(balance) from account", [], |row| row.get(0)).unwrap();
        assert_eq!(sum, 1000);
    }
}

#[test]
fn a_process_killed_a_hundred_times_loses_nothing_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db");
    let database = open(&path);
    let connection = database.connect().unwrap();
    connection
        .execute_batch(
            "create table t(id integer primary key, filler); create table total(n); insert into total values (0)",
        )
        .unwrap();
    drop(connection);
    database.close().unwrap();
    let mut rng = Rng::new(2026);
    let mut acknowledged = 0;
    for kill in 0..100 {
        let mut child = spawn("append", &path);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let wanted = acknowledged + 1 + rng.skewed(60);
        for line in lines.by_ref() {
            let Some(id) = line.unwrap().strip_prefix("ack ").map(|id| id.parse::<u64>().unwrap()) else { continue };
            acknowledged = id;
            if id >= wanted {
                break;
            }
        }
        // Somewhere in the next commits, folds and merges.
        thread::sleep(Duration::from_micros(rng.skewed(3000)));
        child.kill().unwrap();
        child.wait().unwrap();
        for line in lines {
            let Ok(line) = line else { break };
            // A line cut short by the kill was not said.
            if let Some(Ok(id)) = line.strip_prefix("ack ").map(str::parse::<u64>) {
                acknowledged = acknowledged.max(id.min(acknowledged + 1));
            }
        }
        if kill % 10 == 9 {
            let database = open(&path);
            let connection = database.connect().unwrap();
            let (count, last, total): (u64, u64, u64) = connection
                .query_row("select count(*), max(id), (select n from total) from t", [], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                })
                .unwrap();
            assert!(last >= acknowledged, "kill {kill}: {acknowledged} were acknowledged, {last} are there");
            assert_eq!((count, total), (last, last), "kill {kill}");
            let check: String = connection.query_row("pragma integrity_check", [], |row| row.get(0)).unwrap();
            assert_eq!(check, "ok", "kill {kill}");
            assert_eq!(database.verify(|_| true).unwrap().damage, [], "kill {kill}");
            acknowledged = last;
        }
    }
}

/// Sixty moves. Threads of one process, and its upkeep, hold the processes' lock together: what another process wrote must be taken
/// in before any of them goes on.
fn move_money_in_threads(database: &Database) {
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| move_money(database, 20));
        }
    });
}

#[test]
fn locks_are_traced_when_the_environment_asks() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db");
    bank(&path);
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", "processes::child", "--nocapture", "--test-threads=1"])
        .envs([(TASK, "move".as_ref()), (PATH, path.as_os_str()), ("COFFER_DEBUG_LOCKS", "1".as_ref())])
        .output()
        .unwrap();
    let trace = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{trace}");
    for what in [
        "SHARED",
        "took the turn to write",
        "RESERVED",
        "EXCLUSIVE",
        "committed",
        "lock-write: locked",
        "lock-write: unlocked",
        "lock-files: locked",
        "lock-files: unlocked",
        "log-0: pinned",
        "log-0: unpinned",
    ] {
        assert!(trace.contains(what), "no {what} in the trace");
    }
}

fn bank(path: &Path) {
    let database = open(path);
    let connection = database.connect().unwrap();
    connection.execute_batch("create table account(id integer primary key, balance); create table history(n)").unwrap();
    for id in 0..10 {
        connection.execute("insert into account values (?, 100)", [id]).unwrap();
    }
}

fn move_money_in_processes(path: &Path) {
    let database = open(path);
    let connection = database.connect().unwrap();
    let mut child = spawn("move", path);
    let mut other = spawn("move", path);
    move_money_in_threads(&database);
    assert!(child.wait().unwrap().success());
    assert!(other.wait().unwrap().success());
    let (moves, distinct, sum): (i64, i64, i64) = connection
        .query_row("select count(*), count(distinct n), (select sum(balance) from account) from history", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .unwrap();
    assert_eq!((moves, distinct, sum), (180, 180, 1000), "every transaction saw the one before");
    let check: String = connection.query_row("pragma integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    assert_eq!(database.take_upkeep_failure(), None);
    drop(connection);
    database.close().unwrap();
    assert_eq!(open(path).verify(|_| true).unwrap().damage, []);
}

#[test]
fn who_opens_a_database_waits_for_nobody_who_writes() {
    let directory = tempfile::tempdir().unwrap();
    let (path, file) = (directory.path().join("db"), directory.path().join("bank"));
    bank(&path);
    let backup = format!("backup database to '{}'", file.display());
    open(&path).connect().unwrap().execute_batch(&backup).unwrap();
    for path in [path, file] {
        let mut child = spawn("hold", &path);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut say = |line: &str| writeln!(child.stdin.as_mut().unwrap(), "{line}").unwrap();
        let mut heard = |word: &str| lines.by_ref().find(|line| line.ends_with(word)).unwrap();
        let count = |connection: &Connection| -> i64 {
            connection.query_row("select count(*) from account", [], |row| row.get(0)).unwrap()
        };
        for round in 0..3 {
            say(&(100 + round).to_string());
            heard("holding");
            // The other one ends its transaction when it is told to, and not before.
            let options = OpenOptions {
                key: Some(Key::raw([6; 32])),
                busy_timeout: Duration::from_millis(200),
                ..OpenOptions::default()
            };
            let database = Database::open(&path, options).unwrap();
            let connection = database.connect().unwrap();
            assert_eq!(count(&connection), 10 + 2 * round);
            let insert = format!("insert into account values ({}, 0)", 200 + round);
            assert_eq!(connection.execute(&insert, []).unwrap_err().code, ErrorCode::Busy);
            say("");
            heard("committed");
            // What it wrote is the ground of what we write.
            assert_eq!(count(&connection), 11 + 2 * round);
            connection.execute(&insert, []).unwrap();
            drop(connection);
            database.close().unwrap();
        }
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success());
        let database = open(&path);
        assert_eq!(count(&database.connect().unwrap()), 16);
        assert_eq!(database.verify(|_| true).unwrap().damage, []);
    }
}

#[test]
fn three_processes_of_three_threads_move_money_on_one_database() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db");
    bank(&path);
    move_money_in_processes(&path);
}

#[test]
fn three_processes_of_three_threads_move_money_on_one_file() {
    // The first writer makes a root beside the file, which those who had it open before must find.
    let directory = tempfile::tempdir().unwrap();
    let (path, file) = (directory.path().join("db"), directory.path().join("bank"));
    bank(&path);
    let backup = format!("backup database to '{}'", file.display());
    open(&path).connect().unwrap().execute_batch(&backup).unwrap();
    move_money_in_processes(&file);
    // A process that another test begins just now holds our locks too until it has become what it will be, and then nothing is folded.
    let files = || std::fs::read_dir(directory.path()).unwrap().count();
    for _ in 0..20 {
        if files() > 2 {
            open(&file).close().unwrap();
        }
    }
    assert_eq!(files(), 2, "it is one file again");
}

/// A process that is talked to.
struct Talker {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Talker {
    fn on(path: &Path) -> Self {
        let mut command = child_command("talk", path);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (to, from) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, to, from }
    }

    fn say(&mut self, line: &str) {
        writeln!(self.to.as_mut().unwrap(), "{line}").unwrap();
    }

    fn hear(&mut self) -> String {
        let mut line = String::new();
        // What the test binary says of itself comes before.
        while !line.contains("said ") {
            line.clear();
            assert!(self.from.read_line(&mut line).unwrap() > 0, "it has ended");
        }
        line.trim_end_matches('\n').rsplit_once("said ").unwrap().1.to_owned()
    }

    fn ask(&mut self, line: &str) -> String {
        self.say(line);
        self.hear()
    }

    /// From now on it closes the database.
    fn let_go(&mut self) {
        self.to = None;
    }

    fn wait(mut self) {
        self.let_go();
        io::copy(&mut self.from, &mut io::sink()).unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

/// A bank in one file, and the directory that it is alone in.
fn bank_in_a_file() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let (path, alone) = (directory.path().join("db"), directory.path().join("alone"));
    bank(&path);
    std::fs::create_dir(&alone).unwrap();
    let file = alone.join("bank");
    let backup = format!("backup database to '{}'", file.display());
    open(&path).connect().unwrap().execute_batch(&backup).unwrap();
    (directory, file)
}

#[test]
fn who_closes_a_single_file_last_folds_what_everybody_committed() {
    let (_directory, file) = bank_in_a_file();
    let (mut one, mut other) = (Talker::on(&file), Talker::on(&file));
    let all = "ask select ifnull(group_concat(n), '') from (select n from history order by n)";
    assert_eq!((one.ask(all), other.ask(all)), (String::new(), String::new()));
    one.ask("insert into history values (1); pragma wal_checkpoint; insert into history values (2)");
    assert_eq!(other.ask(all), "1,2");
    other.ask("insert into history values (3)");
    assert_eq!(one.ask(all), "1,2,3");
    one.wait();
    other.ask("insert into history values (4)");
    other.wait();
    let database = open(&file);
    let there: String = database
        .connect()
        .unwrap()
        .query_row("select group_concat(n) from (select n from history order by n)", [], |row| row.get(0))
        .unwrap();
    assert_eq!(there, "1,2,3,4");
    database.close().unwrap();
}

#[test]
fn processes_that_close_a_single_file_at_once_lose_no_commit() {
    const ROUNDS: i64 = 20;
    let (_directory, file) = bank_in_a_file();
    for round in 0..ROUNDS {
        let mut both = [Talker::on(&file), Talker::on(&file)];
        for (index, talker) in both.iter_mut().enumerate() {
            let (from, to) = (round % 10, (round + 3 + i64::try_from(index).unwrap()) % 10);
            // The last of it is committed while the other may be folding.
            talker.say(&format!(
                "begin immediate; update account set balance = balance - 7 where id = {from}; \
                 update account set balance = balance + 7 where id = {to}; \
                 insert into history select count(*) + 1 from history; commit"
            ));
        }
        let [mut one, mut other] = both;
        // In some rounds both are done before either closes, in others one closes while the other is at it.
        one.hear();
        if round % 2 == 0 {
            other.hear();
        }
        one.let_go();
        other.let_go();
        one.wait();
        other.wait();
        let database = open(&file);
        let found: (i64, i64, i64) = database
            .connect()
            .unwrap()
            .query_row(
                "select count(*), count(distinct n), (select sum(balance) from account) from history",
                [],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
            .unwrap();
        assert_eq!(found, (2 * round + 2, 2 * round + 2, 1000), "round {round}");
        database.close().unwrap();
    }
    assert_eq!(open(&file).verify(|_| true).unwrap().damage, []);
}

#[test]
fn processes_that_come_and_go_at_a_single_file_lose_no_commit() {
    let (_directory, file) = bank_in_a_file();
    let children: Vec<Child> =
        [spawn("look", &file)].into_iter().chain((0..3).map(|_| spawn("come and go", &file))).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let database = open(&file);
    let found: (i64, i64, i64) = database
        .connect()
        .unwrap()
        .query_row(
            "select count(*), count(distinct n), (select balance from account where id = 2) from history",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .unwrap();
    assert_eq!(found, (3 * VISITS, 3 * VISITS, 100 + 3 * VISITS));
    database.close().unwrap();
    assert_eq!(open(&file).verify(|_| true).unwrap().damage, []);
}

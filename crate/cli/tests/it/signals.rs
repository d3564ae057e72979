//! Signals in the middle of things.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use coffer_sqlite::rusqlite::Connection;

use crate::run::{Place, ran};

/// More than the engine keeps in memory of a transaction, so that an import that is under way shows in the log.
fn large(place: &Place) {
    let plain = Connection::open(place.join("large.sqlite")).unwrap();
    plain
        .execute_batch(
            "pragma journal_mode = off; pragma synchronous = off; create table t(id integer primary key, b blob);
             with recursive n(i) as (select 1 union all select i + 1 from n where i < 1200)
             insert into t select i, randomblob(100000) from n",
        )
        .unwrap();
}

fn start(place: &Place, line: &str) -> Child {
    place.command(line.split(' ')).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn log_bytes(place: &Place) -> u64 {
    let length = |name| place.join("a.coffer").join(name).metadata().map_or(0, |metadata| metadata.len());
    length("log-0").max(length("log-1"))
}

/// Waits until the import has written so much. False if it ended before.
fn reached(place: &Place, child: &mut Child, bytes: u64) -> bool {
    let until = Instant::now() + Duration::from_mins(2);
    while log_bytes(place) < bytes {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        assert!(Instant::now() < until, "the import writes nothing");
        thread::yield_now();
    }
    true
}

fn send(child: &Child, signal: &str) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn an_interrupted_import_leaves_the_database_as_it_was() {
    let place = Place::new();
    large(&place);
    place.filled("a.coffer", 10);
    place.run("checkpoint a.coffer --mode truncate").ok();
    let mut child = start(&place, "import a.coffer large.sqlite --replace");
    assert!(reached(&place, &mut child, 1 << 20));
    send(&child, "-INT");
    let said = ran(child.wait_with_output().unwrap()).fails(130);
    assert_eq!(said, "interrupted; nothing was changed since the last commit");
    assert_eq!(place.run("query a.coffer --no-header select/**/count(*)/**/from/**/item").ok(), "10\n");
    place.run("verify a.coffer --deep").ok();
    // What was being made is gone.
    let mut child = start(&place, "import new.coffer large.sqlite");
    while !place.join("new.coffer/manifest").exists() {
        assert!(child.try_wait().unwrap().is_none());
    }
    send(&child, "-TERM");
    assert_eq!(ran(child.wait_with_output().unwrap()).code, Some(130));
    assert!(!place.join("new.coffer").exists());
}

#[test]
fn a_killed_import_leaves_the_database_as_it_was() {
    let place = Place::new();
    large(&place);
    place.filled("a.coffer", 10);
    place.run("checkpoint a.coffer --mode truncate").ok();
    let mut kills = 0;
    for megabytes in [1, 8, 20, 40, 60] {
        let mut child = start(&place, "import a.coffer large.sqlite --replace");
        if reached(&place, &mut child, megabytes << 20) {
            send(&child, "-KILL");
            kills += 1;
        }
        let ended = child.wait().unwrap();
        let tables = place.run_on("shell a.coffer", b".tables\n").ok();
        if ended.success() {
            assert_eq!(tables, "t\n");
            place.run("verify a.coffer --deep").ok();
            return;
        }
        // Either the commit was made just before the signal came, or there is no trace of it.
        assert!(tables == "item\n" || tables == "t\n", "{tables}");
        place.run("verify a.coffer --deep").ok();
        if tables == "t\n" {
            return;
        }
        assert_eq!(place.run("query a.coffer --no-header select/**/count(*)/**/from/**/item").ok(), "10\n");
        place.run("checkpoint a.coffer --mode truncate").ok();
    }
    assert!(kills > 0);
}

#[test]
fn an_interrupted_export_leaves_no_file() {
    let place = Place::new();
    place.filled("a.coffer", 20000);
    let mut child = start(
        &place,
        "export a.coffer --format ndjson -o out.ndjson --query select/**/*/**/from/**/item/**/a,item/**/b",
    );
    let part = place.join("out.ndjson.part");
    while part.metadata().map_or(0, |metadata| metadata.len()) < 100_000 {
        assert!(child.try_wait().unwrap().is_none());
    }
    send(&child, "-INT");
    assert_eq!(ran(child.wait_with_output().unwrap()).code, Some(130));
    assert!(!part.exists() && !place.join("out.ndjson").exists());
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
}

/// What shows that a verb is at work.
enum Sign {
    /// A file here is so long.
    File(&'static str, u64),
    /// A new segment of this database is so long.
    Segment(&'static str, u64),
    /// Something was printed.
    Output,
    /// It has the database open.
    Open,
    /// It has taken so much of a table from us.
    Taken(usize),
}

fn segments(place: &Place, database: &str) -> Vec<(String, u64)> {
    let entries = fs::read_dir(place.join(database)).unwrap().map(Result::unwrap);
    let named = entries
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.metadata().map_or(0, |found| found.len())));
    named.filter(|(name, _)| name.starts_with("seg-")).collect()
}

/// Interrupts a verb at work. False if it was done by then.
fn interrupt(place: &Place, line: &str, sign: &Sign) -> bool {
    let before = match sign {
        Sign::Segment(database, _) => segments(place, database),
        _ => Vec::new(),
    };
    let mut command = place.command(line.split(' '));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).env("COFFER_DEBUG_LOCKS", "1");
    let mut child = command.spawn().unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let (told, heard) = channel();
    // Heard to the end, so that the verb never waits for us.
    let listener = thread::spawn(move || {
        let mut lines = Vec::new();
        let mut line = String::new();
        while stderr.read_line(&mut line).unwrap() > 0 {
            if line.contains("pinned") {
                let _ = told.send(());
            }
            lines.push(std::mem::take(&mut line));
        }
        lines
    });
    match sign {
        Sign::Output => stdout.read_exact(&mut [0]).unwrap(),
        Sign::Open => drop(heard.recv()),
        Sign::Taken(bytes) => {
            let rows = "some,row\n".repeat(bytes / 9);
            drop(stdin.write_all(rows.as_bytes()));
        }
        Sign::File(..) | Sign::Segment(..) => {
            let there = || match sign {
                Sign::File(name, bytes) => place.join(name).metadata().is_ok_and(|found| found.len() >= *bytes),
                Sign::Segment(database, bytes) => {
                    // One of the same name may have been left by who was interrupted before.
                    let new = |found: &(String, u64)| found.1 >= *bytes && !before.contains(found);
                    segments(place, database).iter().any(new)
                }
                _ => true,
            };
            while !there() && child.try_wait().unwrap().is_none() {
                thread::yield_now();
            }
        }
    }
    if child.try_wait().unwrap().is_none() {
        send(&child, "-INT");
    }
    let sent = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(sent.elapsed() < Duration::from_secs(20), "{line} goes on");
        thread::sleep(Duration::from_millis(1));
    }
    let (code, lines) = (child.wait().unwrap().code(), listener.join().unwrap());
    let said: Vec<&String> = lines.iter().filter(|line| line.starts_with("coffer: ")).collect();
    if code == Some(0) {
        return false;
    }
    assert_eq!(code, Some(130), "{line}: {said:?}");
    if line.starts_with("encrypt") {
        assert!(said.len() == 1 && said[0].contains("coffer rotate-key a.coffer"), "{said:?}");
    } else {
        assert_eq!(said, ["coffer: interrupted; nothing was changed since the last commit\n"], "{line}");
    }
    true
}

#[test]
fn every_long_verb_heeds_a_signal_and_leaves_everything_as_it_was() {
    let place = Place::new();
    large(&place);
    place.run("import a.coffer large.sqlite").ok();
    place.run("backup a.coffer full").ok();
    place.run("import safe.coffer large.sqlite --passphrase-env PASS").ok();
    place.run("init log.coffer").ok();
    let much = "pragma wal_autocheckpoint = 0; pragma wal_autocheckpoint_ms = 0; create table t(id integer primary key, b blob);
                with recursive n(i) as (select 1 union all select i + 1 from n where i < 1200)
                insert into t select i, randomblob(50000) from n";
    place.run_with("query log.coffer", much).ok();
    let names = || {
        let entries = fs::read_dir(place.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let before = names();
    let verbs = [
        ("backup a.coffer out", Sign::File("out.part", 1 << 20)),
        ("export a.coffer --format coffer -o out", Sign::File("out.part", 1 << 20)),
        ("export a.coffer --format sqlite -o out", Sign::File("out.part", 1 << 16)),
        ("export a.coffer --format ndjson -o out", Sign::File("out.part", 1 << 16)),
        ("export a.coffer --format sql", Sign::Output),
        ("query a.coffer select/**/*/**/from/**/t", Sign::Output),
        ("query a.coffer select/**/count(*)/**/from/**/t/**/a,t/**/b,t/**/c", Sign::Open),
        ("dump a.coffer", Sign::Output),
        ("restore new.coffer full", Sign::File("new.coffer/log-0", 1 << 20)),
        ("import new.coffer large.sqlite", Sign::File("new.coffer/log-0", 1 << 20)),
        ("load a.coffer - --format csv --no-header --table new", Sign::Taken(1 << 20)),
        ("verify a.coffer", Sign::Open),
        ("verify a.coffer --deep", Sign::Open),
        ("train-dict a.coffer -o out", Sign::Open),
        ("bench a.coffer", Sign::Output),
        ("sim --runs 1000000", Sign::Output),
        ("checkpoint log.coffer", Sign::Segment("log.coffer", 1 << 16)),
        ("compact log.coffer", Sign::Segment("log.coffer", 1 << 16)),
        ("encrypt a.coffer --passphrase-env PASS", Sign::Segment("a.coffer", 1 << 16)),
        ("rotate-key safe.coffer --passphrase-env PASS", Sign::Segment("safe.coffer", 1 << 16)),
        ("decrypt safe.coffer --passphrase-env PASS", Sign::Segment("safe.coffer", 1 << 16)),
    ];
    for (line, sign) in &verbs {
        // Those that only show that they have begun may be done when the signal comes.
        let tries = if matches!(sign, Sign::Open) { 10 } else { 1 };
        assert!((0..tries).any(|_| interrupt(&place, line, sign)), "{line} was done before it could be interrupted");
        assert_eq!(names(), before, "{line}");
    }
    // Of this one the key may have been there before everything was rewritten.
    let encrypted = place.run("passwd a.coffer --list").code == Some(0);
    if encrypted {
        place.run("rotate-key a.coffer --passphrase-env PASS").ok();
        let dump = place.run("dump a.coffer --json --passphrase-env PASS").ok();
        assert!(!dump.contains("\"encrypted\":false"), "something is in the clear");
    }
    let key = if encrypted { " --passphrase-env PASS" } else { "" };
    for (database, key) in [("a.coffer", key), ("log.coffer", ""), ("safe.coffer", " --passphrase-env PASS")] {
        assert!(place.run(&format!("verify {database}{key}")).ok().starts_with("ok: "));
        let tables = place.run_with(&format!("query {database}{key} --no-header"), "select count(*), sum(id) from t");
        assert_eq!(tables.ok().split_whitespace().collect::<Vec<_>>(), ["1200", "720600"]);
    }
}

#[test]
fn a_script_that_is_interrupted_goes_no_further() {
    let place = Place::new();
    place.filled("a.coffer", 3000);
    let mut command = place.command(["shell", "a.coffer"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let script =
        b"select 'begun';\nselect count(*) from item a, item b, item c;\ninsert into item(body) values ('after');\n";
    child.stdin.take().unwrap().write_all(script).unwrap();
    let mut answer = [0; 6];
    child.stdout.as_mut().unwrap().read_exact(&mut answer).unwrap();
    send(&child, "-INT");
    ran(child.wait_with_output().unwrap()).fails(130);
    assert_eq!(place.run_with("query a.coffer --no-header", "select count(*) from item").ok(), "3000\n");
}

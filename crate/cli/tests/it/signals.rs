//! Signals in the middle of things.

use std::fs;
use std::process::{Child, Command, Stdio};
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
        std::thread::yield_now();
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

//! What is written to a terminal and to nothing else.

use std::fs;
use std::process::Command;

use crate::run::{COFFER, Place, ran};

/// Loads rows that come so slowly that it takes longer than the second after which a bar is shown, in a terminal or not.
const LOAD: &str = "(seq -f '{\"a\":%g}' 1 20000; sleep 1.2; seq -f '{\"a\":%g}' 1 20000) | \"$COFFER\" load a.coffer - --table t --format ndjson";

#[test]
fn a_bar_is_shown_on_a_terminal_and_gone_at_the_end() {
    let place = Place::new();
    fs::write(place.join("load.sh"), LOAD).unwrap();
    place.run("init a.coffer").ok();
    // Of util-linux: gives the command a terminal, and writes down what it shows there.
    let mut terminal = Command::new("script");
    terminal
        .args(["-qefc", "sh load.sh", "/dev/null"])
        .current_dir(place.path())
        .env("COFFER", COFFER)
        .env("TERM", "xterm");
    let shown = ran(terminal.output().unwrap()).ok();
    assert!(shown.contains("load ") && shown.contains("/s"), "{shown:?}");
    let last = shown.trim_end().rsplit('\r').next().unwrap_or_default();
    assert_eq!(last.trim_start_matches("\u{1b}[2K").trim(), "40000 rows", "{shown:?}");
}

#[test]
fn nothing_is_shown_where_nobody_looks() {
    let place = Place::new();
    fs::write(place.join("load.sh"), LOAD).unwrap();
    place.run("init a.coffer").ok();
    let mut piped = Command::new("sh");
    let output = piped.arg("load.sh").current_dir(place.path()).env("COFFER", COFFER).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(ran(output).ok(), "40000 rows\n");
}

//! What is written to a terminal and to nothing else.

use std::fs;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

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

/// Runs a line in a terminal that somebody types this on after the prompt has come, and gives what was shown, and how it ended.
fn typed(place: &Place, line: &str, prompt: &str, keys: &[u8]) -> (String, Option<i32>) {
    let mut terminal = Command::new("script");
    terminal
        .args(["-qefc", &format!("{COFFER} {line}"), "/dev/null"])
        .current_dir(place.path())
        .env("PASS", "correct horse");
    let mut child = terminal.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut to, mut from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let (mut shown, mut piece) = (Vec::new(), [0; 4096]);
    while !String::from_utf8_lossy(&shown).contains(prompt) {
        let read = from.read(&mut piece).unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&shown));
        shown.extend(&piece[..read]);
    }
    // What is typed before the terminal has ceased to echo is echoed, and is not what is meant here.
    let began = Instant::now();
    while !echo_is_off(child.id()) {
        assert!(began.elapsed() < Duration::from_mins(1), "{line} does not turn the echo off");
    }
    to.write_all(keys).unwrap();
    let _ = from.read_to_end(&mut shown);
    drop(to);
    (String::from_utf8_lossy(&shown).into_owned(), child.wait().unwrap().code())
}

/// Whether the terminal that `script` gave its command echoes nothing.
fn echo_is_off(script: u32) -> bool {
    let told = |command: &mut Command| String::from_utf8(command.output().unwrap().stdout).unwrap();
    let children = told(Command::new("ps").args(["--no-headers", "-o", "tty", "--ppid", &script.to_string()]));
    let Some(tty) = children.split_whitespace().next() else { return false };
    told(Command::new("stty").args(["-F", &format!("/dev/{tty}"), "-a"])).split_whitespace().any(|flag| flag == "-echo")
}

#[test]
fn a_key_that_is_not_typed_is_an_interruption_or_none() {
    let place = Place::new();
    place.run("init a.coffer --passphrase-env PASS").ok();
    for (line, prompt) in [
        ("info a.coffer", "Passphrase of a.coffer: "),
        ("init new.coffer --encrypt", "New passphrase of new.coffer: "),
        ("passwd a.coffer --passphrase-env PASS", "New passphrase of a.coffer: "),
    ] {
        let (shown, code) = typed(&place, line, prompt, b"\x03");
        assert!(shown.contains("coffer: interrupted; nothing was changed"), "{line}: {shown:?}");
        assert_eq!(code, Some(130), "{line}");
        let (shown, code) = typed(&place, line, prompt, b"\x04");
        assert!(shown.contains("coffer: no passphrase was given; nothing was changed"), "{line}: {shown:?}");
        assert_eq!(code, Some(4), "{line}");
    }
    let (shown, code) = typed(&place, "info a.coffer", "Passphrase of a.coffer: ", b"correct horse\n");
    assert!(shown.contains("database_id") && !shown.contains("correct horse"), "{shown:?}");
    assert_eq!(code, Some(0));
    assert!(!place.join("new.coffer").exists());
}

#[test]
fn help_fits_a_narrow_terminal() {
    let place = Place::new();
    for verb in ["", "query", "passwd", "restore"] {
        let shown = place.shell(&format!("COLUMNS=40 coffer {verb} --help")).ok();
        // How it is used stays on its line, to be copied.
        let text = shown.lines().filter(|line| !line.starts_with("Usage: "));
        let widest = text.map(|line| line.chars().count()).max();
        assert!(widest <= Some(40), "{verb}: {shown}");
    }
}

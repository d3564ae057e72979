//! Transcripts: commands with what they print, run and compared. `UPDATE=1` writes down what they print now.
//!
//! ```text
//! $ coffer query app.coffer 'select 1'     a command; lines that begin with "> " go on with it
//! 1                                        what it prints, on stdout and stderr
//! ? 1                                      its exit code, unless that is 0
//! ```
//! `[..]` stands for anything within a line. In Markdown the commands are those in fences named `console`; the rest is
//! prose, as is every line that begins with `#`.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::run::Place;

enum Part {
    Prose(String),
    Command { lines: Vec<String>, expected: Vec<String> },
}

/// Runs a transcript in a directory of its own, and fails where it prints something else.
pub fn check(file: &Path) {
    let text = fs::read_to_string(file).unwrap();
    let markdown = file.extension().is_some_and(|extension| extension == "md");
    let place = Place::new();
    let mut written = String::new();
    let mut differences = String::new();
    let mut commands = 0;
    for part in parse(&text, markdown) {
        match part {
            Part::Prose(line) => writeln!(written, "{line}").unwrap(),
            Part::Command { lines, expected } => {
                commands += 1;
                let script = format!("exec 2>&1\n{}", lines.join("\n"));
                let ran = place.shell(&script);
                let mut printed: Vec<String> = ran.out.lines().map(|line| line.trim_end().to_owned()).collect();
                if ran.code != Some(0) {
                    printed.push(format!("? {}", ran.code.unwrap_or(-1)));
                }
                let same = printed.len() == expected.len()
                    && printed.iter().zip(&expected).all(|(printed, expected)| matches(expected, printed));
                if !same {
                    let _ = writeln!(
                        differences,
                        "$ {}\n--- expected\n{}\n--- printed\n{}\n",
                        lines.join("\n"),
                        expected.join("\n"),
                        printed.join("\n")
                    );
                }
                for (index, line) in lines.iter().enumerate() {
                    writeln!(written, "{} {line}", if index == 0 { "$" } else { ">" }).unwrap();
                }
                for (index, line) in printed.iter().enumerate() {
                    // A line that a wildcard fits stays as it was written.
                    let kept = expected.get(index).filter(|expected| matches(expected, line));
                    writeln!(written, "{}", kept.unwrap_or(line)).unwrap();
                }
            }
        }
    }
    assert!(commands > 0, "{} has no commands", file.display());
    if std::env::var_os("UPDATE").is_some() {
        fs::write(file, written).unwrap();
        return;
    }
    assert!(differences.is_empty(), "{}: UPDATE=1 accepts this:\n{differences}", file.display());
}

fn parse(text: &str, markdown: bool) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut console = !markdown;
    let mut open: Option<(Vec<String>, Vec<String>)> = None;
    for line in text.lines() {
        let fence = markdown && line.starts_with("```");
        let prose = fence || !console || (!markdown && line.starts_with('#'));
        match &mut open {
            Some((lines, expected)) if !prose && !line.starts_with("$ ") => {
                match line.strip_prefix("> ").filter(|_| expected.is_empty()) {
                    Some(more) => lines.push(more.to_owned()),
                    None => expected.push(line.to_owned()),
                }
                continue;
            }
            _ => parts.extend(open.take().map(|(lines, expected)| Part::Command { lines, expected })),
        }
        if fence {
            console = line == "```console";
        }
        match line.strip_prefix("$ ").filter(|_| !prose) {
            Some(command) => open = Some((vec![command.to_owned()], Vec::new())),
            None => parts.push(Part::Prose(line.to_owned())),
        }
    }
    parts.extend(open.take().map(|(lines, expected)| Part::Command { lines, expected }));
    parts
}

/// Whether a line is as expected, `[..]` standing for anything, and any time for any other.
fn matches(expected: &str, line: &str) -> bool {
    let (expected, line) = (timeless(expected), timeless(line));
    let line = line.as_str();
    let mut pieces = expected.split("[..]");
    let Some(mut rest) = line.strip_prefix(pieces.next().unwrap_or_default()) else { return false };
    let pieces: Vec<&str> = pieces.collect();
    let Some((last, middle)) = pieces.split_last() else { return rest.is_empty() };
    for piece in middle {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}

/// The line with its times, such as 2026-01-02T03:04:05Z, made one.
fn timeless(line: &str) -> String {
    const SHAPE: &str = "0000-00-00T00:00:00Z";
    let mut out = line.to_owned();
    for at in 0..line.len().saturating_sub(SHAPE.len() - 1) {
        let is_time = line.get(at..at + SHAPE.len()).is_some_and(|time| {
            time.chars()
                .zip(SHAPE.chars())
                .all(|(is, shape)| if shape == '0' { is.is_ascii_digit() } else { is == shape })
        });
        if is_time {
            out.replace_range(at..at + SHAPE.len(), SHAPE);
        }
    }
    out
}

#[test]
fn a_wildcard_stands_for_anything_in_its_line() {
    assert!(matches("a [..] c", "a b c"));
    assert!(matches("[..]", ""));
    assert!(matches("x[..]y[..]z", "x1y2z"));
    assert!(!matches("a [..] c", "a b d"));
    assert!(!matches("a", "ab"));
    assert!(matches("at 2026-01-02T03:04:05Z.", "at 1970-01-01T00:00:00Z."));
}

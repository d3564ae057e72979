//! Source text seen as code: comments and the contents of strings blanked out, lines and columns kept.
//!
//! Good for Rust and for TypeScript as far as the rules need it; it is no parser. Also the rule that sources are ASCII.

use super::{File, Finding, has_extension, lines};

pub const RULE: &str = "ascii";

/// What counts as source. Markdown may hold any letter; test data does as it must.
const SOURCES: &[&str] = &["rs", "ts", "tsx", "mts", "mjs", "js", "toml", "json", "css", "html", "yml", "sh"];

pub fn check_ascii(file: &File) -> Vec<Finding> {
    if !has_extension(&file.path, SOURCES) {
        return Vec::new();
    }
    lines(&file.text)
        .filter_map(|(line, text)| {
            let letter = text.chars().find(|letter| !letter.is_ascii())?;
            let what = format!("U+{:04X} in a source; write it as an escape", u32::from(letter));
            Some(Finding { rule: RULE, path: file.path.clone(), line, what })
        })
        .collect()
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Code,
    LineComment,
    BlockComment(u32),
    Text(char),
    /// A raw string of Rust and how many `#` close it.
    Raw(usize),
}

/// `text` with comments and string contents as blanks, so that a word found in it is a word of the language.
pub fn only_code(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut state = State::Code;
    let mut at = 0;
    while at < letters.len() {
        let (next, used, shown) = step(state, &letters, at);
        for &letter in &letters[at..at + used] {
            out.push(if shown || letter == '\n' { letter } else { ' ' });
        }
        state = next;
        at += used;
    }
    out
}

/// The state after the letters at `at`, how many of them were looked at, and whether they are code.
fn step(state: State, letters: &[char], at: usize) -> (State, usize, bool) {
    let letter = letters[at];
    let following = letters.get(at + 1).copied();
    match state {
        State::Code => match (letter, following) {
            ('/', Some('/')) => (State::LineComment, 2, false),
            ('/', Some('*')) => (State::BlockComment(1), 2, false),
            ('"' | '`', _) => (State::Text(letter), 1, true),
            ('r', Some('"' | '#')) if !in_word(letters, at) => raw_start(letters, at),
            ('\'', _) => quote(letters, at),
            _ => (State::Code, 1, true),
        },
        State::LineComment if letter == '\n' => (State::Code, 1, true),
        State::BlockComment(depth) => match (letter, following) {
            ('/', Some('*')) => (State::BlockComment(depth + 1), 2, false),
            ('*', Some('/')) if depth == 1 => (State::Code, 2, false),
            ('*', Some('/')) => (State::BlockComment(depth - 1), 2, false),
            _ => (state, 1, false),
        },
        State::Text(_) if letter == '\\' && following.is_some() => (state, 2, false),
        State::Text(end) if letter == end => (State::Code, 1, true),
        State::Raw(hashes)
            if letter == '"' && letters[at + 1..].iter().take_while(|one| **one == '#').count() >= hashes =>
        {
            (State::Code, hashes + 1, true)
        }
        State::LineComment | State::Text(_) | State::Raw(_) => (state, 1, false),
    }
}

fn in_word(letters: &[char], at: usize) -> bool {
    at > 0 && (letters[at - 1].is_alphanumeric() || letters[at - 1] == '_')
}

fn raw_start(letters: &[char], at: usize) -> (State, usize, bool) {
    let hashes = letters[at + 1..].iter().take_while(|one| **one == '#').count();
    match letters.get(at + 1 + hashes) {
        Some('"') => (State::Raw(hashes), hashes + 2, true),
        _ => (State::Code, 1, true),
    }
}

/// A quote opens a string of TypeScript, a letter of Rust, or is a lifetime, which closes nothing.
fn quote(letters: &[char], at: usize) -> (State, usize, bool) {
    let rest = &letters[at + 1..];
    let line = rest.iter().position(|one| *one == '\n').unwrap_or(rest.len());
    let closes = rest[..line].contains(&'\'');
    let lifetime = rest.first().is_some_and(|one| one.is_alphabetic()) && rest.get(1) != Some(&'\'') && {
        let name = rest.iter().take_while(|one| one.is_alphanumeric() || **one == '_').count();
        rest.get(name) != Some(&'\'') && matches!(rest.get(name), Some(' ' | '>' | ',' | ')' | ':' | ';' | '+'))
    };
    if closes && !lifetime { (State::Text('\''), 1, true) } else { (State::Code, 1, true) }
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    #[test]
    fn comments_and_strings_are_blank_and_code_stays_in_place() {
        let code = only_code("let a = \"word\"; // word\nword /* word /* word */ word */ end");
        assert_eq!(code.matches("word").count(), 1);
        assert_eq!(code.lines().nth(1).and_then(|line| line.find("end")), Some(36 - 4));
    }

    #[test]
    fn raw_strings_end_where_their_hashes_say() {
        assert_eq!(only_code("r#\"a \" word\"# after").matches("word").count(), 0);
        assert!(only_code("r#\"a \" word\"# after").ends_with("after"));
        assert!(only_code("for\"x\"y").ends_with('y'));
    }

    #[test]
    fn lifetimes_open_no_string() {
        assert!(only_code("fn a<'a>(b: &'a str, c: char) -> bool { c == 'x' || word }").contains("word"));
        assert!(!only_code("import { a } from 'word'").contains("word"));
    }

    #[test]
    fn letters_beyond_ascii_are_found_in_sources_only() {
        assert_eq!(check_ascii(&file("a.rs", "ok\n// caf\u{e9}\n"))[0].line, 2);
        assert!(check_ascii(&file("a.md", "caf\u{e9}\n")).is_empty());
    }
}

//! The statements that SQLite does not know: `BACKUP DATABASE TO`, `BACKUP INCREMENTAL TO`, `RESTORE DATABASE FROM`,
//! `COMPACT`; and where one statement of a script ends.
//!
//! Text becomes an enum here; [`crate::statement`] carries it out.

use crate::error::{Error, ErrorCode, Result};

/// A statement of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admin {
    /// `backup database to 'name'`.
    Backup(String),
    /// `backup incremental to 'name'`: what came after the backup before.
    BackupIncremental(String),
    /// `restore database from 'name'`.
    Restore(String),
    /// `compact`.
    Compact,
}

impl Admin {
    /// The statement, if it is one of ours; an error if it begins like one and goes on wrongly.
    pub fn parse(sql: &str) -> Result<Option<Self>> {
        let words = words(sql);
        let is = |index: usize, word: &str| words.get(index).is_some_and(|(text, _)| text.eq_ignore_ascii_case(word));
        let name = |index: usize| match words.get(index..) {
            Some([(name, true)]) => Some(name.clone()),
            _ => None,
        };
        let statement = match words.first() {
            Some((word, false)) if word.eq_ignore_ascii_case("backup") => match () {
                () if is(1, "database") && is(2, "to") => name(3).map(Self::Backup),
                () if is(1, "incremental") && is(2, "to") => name(3).map(Self::BackupIncremental),
                () => None,
            },
            Some((word, false)) if word.eq_ignore_ascii_case("restore") => {
                if is(1, "database") && is(2, "from") {
                    name(3).map(Self::Restore)
                } else {
                    None
                }
            }
            Some((word, false)) if word.eq_ignore_ascii_case("compact") => (words.len() == 1).then_some(Self::Compact),
            _ => return Ok(None),
        };
        statement.map(Some).ok_or_else(|| {
            let forms =
                "backup database to 'name', backup incremental to 'name', restore database from 'name', compact";
            let mut error = Error::new(ErrorCode::Sqlite, format!("near \"{}\": expected one of: {forms}", words[0].0));
            error.sql = Some(sql.to_owned());
            error
        })
    }
}

/// Whether a script may hold a statement of ours. A word inside a string makes it look closer for nothing, no more.
pub fn may_be_in(script: &str) -> bool {
    let has = |word: &[u8]| {
        let begins = |text: &[u8]| text[0].eq_ignore_ascii_case(&word[0]) && text.eq_ignore_ascii_case(word);
        script.as_bytes().windows(word.len()).any(begins)
    };
    ["backup", "restore", "compact"].iter().any(|word| has(word.as_bytes()))
}

/// Whether a statement may begin with this word, given in lower case: it does, or a comment comes first.
pub(crate) fn may_begin_with(sql: &str, word: &str) -> bool {
    let sql = sql.trim_ascii_start();
    sql.get(..word.len()).is_some_and(|first| first.eq_ignore_ascii_case(word))
        || sql.starts_with("--")
        || sql.starts_with("/*")
}

/// The words of a statement; `true` marks those that were quoted.
pub(crate) fn words(sql: &str) -> Vec<(String, bool)> {
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(token) = Token::next(sql, at) {
        let text = &sql[at..token.end];
        match token.kind {
            Kind::Space | Kind::Semicolon => {}
            Kind::Quoted => {
                let inner = text.get(1..text.len().max(2) - 1).unwrap_or_default();
                let quote = &text[..1];
                words.push((inner.replace(&quote.repeat(2), quote), true));
            }
            Kind::Word | Kind::Other => words.push((text.to_owned(), false)),
        }
        at = token.end;
    }
    words
}

/// Splits off the first statement of a script, which may be the rest of it.
pub fn split(script: &str) -> (&str, &str) {
    first(script).unwrap_or((script, ""))
}

/// Splits off the first statement of a script, its semicolon included; `None` if none ends there. A trigger's body is part of
/// its statement.
pub fn first(script: &str) -> Option<(&str, &str)> {
    let mut at = 0;
    let mut index = 0;
    let (mut creating, mut trigger) = (false, false);
    // Within a trigger the statement ends at a semicolon that follows `end`, which itself follows a semicolon.
    let (mut after_semicolon, mut after_end) = (false, false);
    while let Some(token) = Token::next(script, at) {
        let text = &script[at..token.end];
        let is = |word: &str| token.kind == Kind::Word && text.eq_ignore_ascii_case(word);
        at = token.end;
        match token.kind {
            Kind::Space => continue,
            Kind::Semicolon if !trigger || after_end => return Some(script.split_at(token.end)),
            Kind::Semicolon => after_semicolon = true,
            _ => {
                creating |= index == 0 && is("create");
                let may_follow = index == 1 || (index == 2 && !is("end"));
                trigger |= creating && may_follow && is("trigger");
                after_end = after_semicolon && is("end");
                after_semicolon = false;
            }
        }
        index += 1;
    }
    None
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// White space or a comment.
    Space,
    Semicolon,
    Word,
    Quoted,
    Other,
}

struct Token {
    kind: Kind,
    end: usize,
}

impl Token {
    fn next(sql: &str, at: usize) -> Option<Self> {
        let rest = sql.get(at..)?;
        let mut characters = rest.chars();
        let first = characters.next()?;
        let until = |end: Option<usize>| end.map_or(sql.len(), |end| at + end);
        let (kind, end) = match first {
            _ if rest.starts_with("--") => (Kind::Space, until(rest.find('\n').map(|end| end + 1))),
            _ if rest.starts_with("/*") => {
                (Kind::Space, until(rest.as_bytes()[2..].windows(2).position(|two| two == b"*/").map(|end| end + 4)))
            }
            ';' => (Kind::Semicolon, at + 1),
            '\'' | '"' | '`' => (Kind::Quoted, until(quote_end(rest, first))),
            '[' => (Kind::Quoted, until(rest.find(']').map(|end| end + 1))),
            _ if first.is_ascii_whitespace() => {
                (Kind::Space, until(rest.find(|character: char| !character.is_ascii_whitespace())))
            }
            _ if is_word(first) => (Kind::Word, until(rest.find(|character| !is_word(character)))),
            _ => (Kind::Other, at + first.len_utf8()),
        };
        Some(Self { kind, end })
    }
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_' || character == '$' || !character.is_ascii()
}

/// Where a quoted word ends; a doubled quote does not end it.
fn quote_end(text: &str, quote: char) -> Option<usize> {
    let mut at = 1;
    loop {
        at += text.get(at..)?.find(quote)? + 1;
        if !text[at..].starts_with(quote) {
            return Some(at);
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statements(mut script: &str) -> Vec<&str> {
        let mut statements = Vec::new();
        while !script.is_empty() {
            let (first, rest) = split(script);
            statements.push(first.trim());
            script = rest;
        }
        statements
    }

    #[test]
    fn our_statements_are_told_from_others() {
        let parse = |sql| Admin::parse(sql).unwrap();
        assert_eq!(parse(" Backup DATABASE to 'a''b.cof' ;"), Some(Admin::Backup("a'b.cof".into())));
        assert_eq!(parse("backup incremental to \"x\""), Some(Admin::BackupIncremental("x".into())));
        assert_eq!(parse("/* why */ restore database from 'x'"), Some(Admin::Restore("x".into())));
        assert_eq!(parse("compact;"), Some(Admin::Compact));
        assert_eq!(parse("select 'backup'"), None);
        assert_eq!(parse("\"compact\""), None);
        assert!(Admin::parse("backup to 'x'").is_err());
        assert!(Admin::parse("compact everything").is_err());
    }

    #[test]
    fn a_script_is_split_where_statements_end() {
        assert_eq!(
            statements("select ';'; -- a;b\n compact; select 1"),
            ["select ';';", "-- a;b\n compact;", "select 1"]
        );
        let trigger = "create temp trigger t after insert on x begin select 1; select case when 1 then 2 end; end;";
        assert_eq!(statements(&format!("{trigger} select 2;")), [trigger, "select 2;"]);
        assert_eq!(statements("select [a;b], `c;d`, \"e\"\";f\"; x"), ["select [a;b], `c;d`, \"e\"\";f\";", "x"]);
        assert_eq!(statements("select /* ; "), ["select /* ;"]);
    }
}

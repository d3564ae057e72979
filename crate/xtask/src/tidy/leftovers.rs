//! Rule: nothing that says "not finished" or "I was debugging here".

use super::code::only_code;
use super::{File, Finding, has_extension, lines};

pub const RULE: &str = "leftover";

/// Found as whole words anywhere, comments and documents included.
const WORDS: &[&str] = &["TODO", "FIXME", "XXX"];

/// Found in code only: a comment may speak of them.
const RUST: &[&str] = &["dbg!(", "todo!(", "unimplemented!(", "#[ignore"];
const SCRIPT: &[&str] =
    &["debugger;", "test.only(", "it.only(", "describe.only(", "test.skip(", "it.skip(", "describe.skip("];

pub fn check(file: &File) -> Vec<Finding> {
    let calls: &[&str] = if has_extension(&file.path, &["rs"]) {
        RUST
    } else if has_extension(&file.path, &["ts", "tsx", "mjs", "js"]) {
        SCRIPT
    } else {
        &[]
    };
    let finding = |line, what: &str| Finding {
        rule: RULE,
        path: file.path.clone(),
        line,
        what: format!("'{what}' has no place in a commit"),
    };
    let mut findings: Vec<Finding> =
        lines(&file.text).filter_map(|(line, text)| word_in(text).map(|word| finding(line, word))).collect();
    if !calls.is_empty() {
        let code = only_code(&file.text);
        let found = |text: &str| calls.iter().find(|call| text.contains(**call)).copied();
        findings.extend(lines(&code).filter_map(|(line, text)| found(text).map(|call| finding(line, call))));
    }
    findings
}

fn word_in(text: &str) -> Option<&'static str> {
    let mut words = text.split(|letter: char| !letter.is_ascii_alphanumeric());
    words.find_map(|word| WORDS.iter().find(|known| **known == word).copied())
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    #[test]
    fn unfinished_work_is_found_in_comments_and_documents() {
        assert_eq!(check(&file("a.rs", "\n// TODO: more\n"))[0].line, 2);
        assert_eq!(check(&file("a.md", "(FIXME)\n")).len(), 1);
    }

    #[test]
    fn debugging_calls_and_skipped_tests_are_found_in_code() {
        assert_eq!(check(&file("a.rs", "dbg!(x);\n")).len(), 1);
        assert_eq!(check(&file("a.rs", "#[ignore = \"slow\"]\n")).len(), 1);
        assert_eq!(check(&file("a.ts", "test.only('x', f)\n")).len(), 1);
    }

    #[test]
    fn longer_words_and_comments_about_calls_are_fine() {
        assert!(check(&file("a.rs", "// METHODOLOGY, never dbg!(x)\n")).is_empty());
        assert!(check(&file("a.ts", "store.put(todo)\n")).is_empty());
    }
}

//! Rule: the error codes of Rust and of TypeScript are the same list.
//!
//! Rust keeps its codes in one constant `ERROR_CODES: &[&str]`; TypeScript in the union `ErrorCode` of `js/src/types.ts`.
//! A few codes arise only around the engine, in the page and its workers; those are listed here.

use super::code::only_code;
use super::{File, Finding, has_extension};

pub const RULE: &str = "error code";

const TYPES: &str = "js/src/types.ts";

/// Codes that only TypeScript can raise: the engine knows no worker and no promise that outlives a database.
const ENVIRONMENT: &[&str] = &["closed", "worker_lost"];

/// A list of codes and where it stands.
pub struct List {
    path: String,
    line: usize,
    pub codes: Vec<String>,
}

/// The Rust side, if it exists yet.
pub fn rust(files: &[File]) -> Option<List> {
    let mut sources = files.iter().filter(|file| has_extension(&file.path, &["rs"]));
    sources.find_map(|file| list(file, &["const ERROR_CODES:", "=", "["], "]", '"'))
}

fn script(files: &[File]) -> Option<List> {
    let types = files.iter().find(|file| file.path == TYPES)?;
    list(types, &["export type ErrorCode", "="], "\nexport ", '\'')
}

/// The quoted words behind the `opening` words, which follow one another, and before `close`; comments left out.
fn list(file: &File, opening: &[&str], close: &str, quote: char) -> Option<List> {
    let code = only_code(&file.text);
    let start = code.find(opening[0])?;
    let mut body = start;
    for word in opening {
        body += code[body..].find(word)? + word.len();
    }
    let end = code[body..].find(close).map_or(code.len(), |end| body + end);
    // Blanking keeps places only letter by letter, so quotes are paired in the blanked text and read from the original.
    let original: Vec<char> = file.text.chars().collect();
    let blank: Vec<char> = code.chars().collect();
    let from = code[..body].chars().count();
    let to = code[..end].chars().count();
    let quotes: Vec<usize> = (from..to).filter(|at| blank[*at] == quote).collect();
    let codes = quotes.chunks_exact(2).map(|pair| original[pair[0] + 1..pair[1]].iter().collect()).collect();
    Some(List { path: file.path.clone(), line: code[..start].lines().count() + 1, codes })
}

pub fn check(files: &[File]) -> Vec<Finding> {
    let (rust, script) = (rust(files), script(files));
    let mut findings = Vec::new();
    for list in rust.iter().chain(&script) {
        for (index, code) in list.codes.iter().enumerate() {
            if list.codes[..index].contains(code) {
                findings.push(finding(list, format!("'{code}' stands twice")));
            }
        }
    }
    if let (Some(rust), Some(script)) = (rust, script) {
        let unknown = rust.codes.iter().filter(|code| !script.codes.contains(code));
        findings.extend(unknown.map(|code| finding(&script, format!("ErrorCode lacks '{code}' of the Rust list"))));
        let foreign =
            script.codes.iter().filter(|code| !rust.codes.contains(code) && !ENVIRONMENT.contains(&code.as_str()));
        findings
            .extend(foreign.map(|code| finding(&rust, format!("ERROR_CODES lacks '{code}' of the TypeScript union"))));
    }
    findings
}

fn finding(list: &List, what: String) -> Finding {
    Finding { rule: RULE, path: list.path.clone(), line: list.line, what }
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    fn whats(rust: &str, script: &str) -> Vec<String> {
        let files = [file("crate/sqlite/src/error.rs", rust), file(TYPES, script)];
        check(&files).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn equal_lists_pass_in_any_order_and_with_comments() {
        let rust =
            "/// All.\npub const ERROR_CODES: &[&str] =\n    &[\n    \"busy\", // \"old\"\n    \"corrupt\",\n];\n";
        let script = "/** 'x' */\nexport type ErrorCode =\n  // 'y'\n  | 'corrupt'\n  | 'busy'\n  | 'worker_lost'\n\nexport type Z = 'z'\n";
        assert_eq!(whats(rust, script), Vec::<String>::new());
    }

    #[test]
    fn a_code_that_one_side_lacks_is_found_on_either() {
        let rust = "pub const ERROR_CODES: [&str; 1] = [\"busy\"];";
        assert_eq!(whats(rust, "export type ErrorCode = 'corrupt'").len(), 2);
    }

    #[test]
    fn a_code_stands_once() {
        assert_eq!(whats("", "export type ErrorCode = 'a' | 'a'").len(), 1);
    }

    #[test]
    fn one_side_alone_is_not_compared() {
        assert!(whats("const ERROR_CODES: &[&str] = &[\"a\"];", "").is_empty());
    }
}

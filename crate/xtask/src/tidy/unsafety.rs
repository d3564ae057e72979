//! Rule: `unsafe` only in the one file that speaks to SQLite.
//!
//! Everything else of the project is safe Rust; a reader who audits memory safety audits that file and the crates beneath.

use super::code::only_code;
use super::{File, Finding, has_extension, lines};

pub const RULE: &str = "unsafe";

const ALLOWED: &str = "crate/sqlite/src/ffi.rs";

pub fn check(file: &File) -> Vec<Finding> {
    if !has_extension(&file.path, &["rs"]) || file.path == ALLOWED {
        return Vec::new();
    }
    lines(&only_code(&file.text))
        .filter(|(_, line)| {
            line.split(|letter: char| !letter.is_alphanumeric() && letter != '_').any(|word| word == "unsafe")
        })
        .map(|(line, _)| Finding {
            rule: RULE,
            path: file.path.clone(),
            line,
            what: format!("unsafe belongs into {ALLOWED}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    #[test]
    fn unsafe_is_found_outside_the_one_file() {
        let text = "fn a() {\n    unsafe { b() }\n}\n";
        assert_eq!(check(&file("crate/store/src/lib.rs", text))[0].line, 2);
        assert!(check(&file(ALLOWED, text)).is_empty());
    }

    #[test]
    fn lint_names_comments_and_strings_are_no_unsafe_code() {
        let text = "#![forbid(unsafe_code)]\n// unsafe\nlet a = \"unsafe\";\n";
        assert!(check(&file("a.rs", text)).is_empty());
    }
}

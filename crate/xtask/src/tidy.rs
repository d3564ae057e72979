//! `cargo xtask tidy`: style as a test. Each rule is one file below; here they are gathered and the exceptions held.
//!
//! A rule is a pure function from texts to findings, so that its tests can prove it fails where it should.
//! Exceptions are few, in the open, and themselves checked: one that excuses nothing is a finding.

mod anchors;
mod arrows;
mod code;
mod codes;
mod hosts;
mod leftovers;
mod markdown;
mod paths;
mod unsafety;

use crate::Verb;
use crate::args::Args;
use crate::shell::{Outcome, failed};
use crate::workspace::{self, has_extension};

pub const VERB: Verb = Verb {
    name: "tidy",
    summary: "style as a test: arrows, anchors, error codes, leftovers",
    help: "  --codes   print the error codes of the Rust side, one per line, and check nothing

Rules: dependency arrows between crates and the crates coffer-store may use; no machine paths; no registry
hosts; nothing left over from work in progress; unsafe only in the one FFI file; ASCII sources; one title per
Markdown document; FORMAT.md anchors claimed in code and never dangling; error codes equal in Rust and TypeScript.",
    run,
};

/// A text file of the repository.
pub struct File {
    pub path: String,
    pub text: String,
}

/// One place that breaks a rule. Lines count from 1; 0 stands for the whole file.
#[derive(Debug, PartialEq)]
pub struct Finding {
    pub rule: &'static str,
    pub path: String,
    pub line: usize,
    pub what: String,
}

/// What a rule does not apply to: rule, path or folder (with a closing slash), reason.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    (leftovers::RULE, "crate/xtask/src/tidy/leftovers.rs", "names the words it looks for"),
    (paths::RULE, "crate/xtask/src/tidy/paths.rs", "names the paths it looks for"),
    (hosts::RULE, "crate/xtask/src/tidy/hosts.rs", "names the hosts it looks for"),
];

fn run(mut args: Args) -> Outcome {
    let only_codes = args.flag("--codes");
    args.words(0)?;
    let root = workspace::enter()?;
    let files = read(workspace::files()?);
    if only_codes {
        for code in codes::rust(&files).map_or_else(Vec::new, |list| list.codes) {
            say!("{code}");
        }
        return Ok(());
    }
    let packages = workspace::packages(&root)?;
    let mut findings = arrows::check(&packages);
    findings.extend(check(&files));
    findings = excuse(findings, EXCEPTIONS);
    findings.sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));
    for finding in &findings {
        say!("{}:{}: {}: {}", finding.path, finding.line, finding.rule, finding.what);
    }
    match findings.len() {
        0 => {
            say!("tidy: {} files, {} packages, nothing to say", files.len(), packages.len());
            Ok(())
        }
        count => failed(format!("tidy: {count} findings")),
    }
}

/// Files that are text; what is not UTF-8 (fonts, pictures, golden databases) has no style.
fn read(paths: Vec<String>) -> Vec<File> {
    let read = |path: String| {
        let text = std::fs::read_to_string(&path).ok()?;
        Some(File { path, text })
    };
    paths.into_iter().filter_map(read).collect()
}

fn check(files: &[File]) -> Vec<Finding> {
    let mut findings = anchors::check(files);
    findings.extend(codes::check(files));
    for file in files {
        findings.extend(hosts::check(file));
        findings.extend(leftovers::check(file));
        findings.extend(markdown::check(file));
        findings.extend(paths::check(file));
        findings.extend(unsafety::check(file));
        findings.extend(code::check_ascii(file));
    }
    findings
}

/// Drops what an exception covers and reports the exceptions that covered nothing.
fn excuse(findings: Vec<Finding>, exceptions: &[(&'static str, &str, &str)]) -> Vec<Finding> {
    let covers = |(rule, path, _): &(&str, &str, &str), finding: &Finding| {
        *rule == finding.rule && (finding.path == *path || (path.ends_with('/') && finding.path.starts_with(path)))
    };
    let idle: Vec<Finding> = exceptions
        .iter()
        .filter(|exception| !findings.iter().any(|finding| covers(exception, finding)))
        .map(|(rule, path, _)| Finding {
            rule,
            path: (*path).to_owned(),
            line: 0,
            what: "an exception in tidy.rs excuses nothing here: remove it".to_owned(),
        })
        .collect();
    let mut kept: Vec<Finding> =
        findings.into_iter().filter(|finding| !exceptions.iter().any(|exception| covers(exception, finding))).collect();
    kept.extend(idle);
    kept
}

/// Each line with its number, counted from 1.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line))
}

#[cfg(test)]
fn file(path: &str, text: &str) -> File {
    File { path: path.to_owned(), text: text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(path: &str) -> Finding {
        Finding { rule: "rule", path: path.to_owned(), line: 1, what: String::new() }
    }

    #[test]
    fn an_exception_excuses_its_rule_and_path_only() {
        let exceptions = [("rule", "a/b.rs", "why"), ("rule", "c/", "why")];
        let left = excuse(vec![finding("a/b.rs"), finding("c/d.rs"), finding("a/c.rs")], &exceptions);
        assert_eq!(left, [finding("a/c.rs")]);
    }

    #[test]
    fn an_exception_that_excuses_nothing_is_a_finding() {
        let left = excuse(Vec::new(), &[("rule", "gone.rs", "why")]);
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].path, "gone.rs");
    }

    #[test]
    fn every_rule_that_looks_at_files_is_called() {
        let files = [
            file("a.rs", "// FORMAT: nowhere-1\nunsafe {}\n// TO\u{44}O\n// \u{e9}\n// /ro\u{6f}t/x\n"),
            file("a.md", "no title\n"),
            file(".npmrc", "registry=https://registry.npm\u{6a}s.org/\n"),
            file("src/codes.rs", "pub const ERROR_CODES: &[&str] = &[\"a\", \"a\"];\n"),
        ];
        let mut rules: Vec<_> = check(&files).iter().map(|finding| finding.rule).collect();
        rules.sort_unstable();
        rules.dedup();
        assert_eq!(rules.len(), 8, "{rules:?}");
    }
}

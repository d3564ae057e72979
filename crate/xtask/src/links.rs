//! Links of Markdown documents: every relative one names a file that exists and, behind `#`, a heading in it.
//!
//! Addresses elsewhere on the web are not asked: a check must not depend on somebody's server.

use crate::shell::{Outcome, failed};
use crate::workspace;
use std::collections::BTreeMap;

/// Checks every document of the repository.
pub fn check() -> Outcome {
    let mut documents = BTreeMap::new();
    let files = workspace::files()?;
    for path in files.iter().filter(|path| workspace::has_extension(path, &["md"])) {
        if let Ok(text) = std::fs::read_to_string(path) {
            documents.insert(path.clone(), text);
        }
    }
    let exists = |path: &str| {
        let folder = format!("{path}/");
        files.iter().any(|file| file == path || file.starts_with(&folder))
    };
    let broken = broken(&documents, exists);
    for line in &broken {
        say!("{line}");
    }
    match broken.len() {
        0 => Ok(()),
        count => failed(format!("{count} links lead nowhere")),
    }
}

/// One line for each link that leads nowhere.
fn broken(documents: &BTreeMap<String, String>, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let mut lines = Vec::new();
    for (path, text) in documents {
        for (number, target) in targets(text) {
            let (file, anchor) = target.split_once('#').unwrap_or((target.as_str(), ""));
            let Some(full) = (if file.is_empty() { Some(path.clone()) } else { resolve(path, file) }) else {
                lines.push(format!("{path}:{number}: {target} leaves the repository"));
                continue;
            };
            if !exists(&full) {
                lines.push(format!("{path}:{number}: no file {full}"));
            } else if let Some(document) = documents.get(&full)
                && !anchor.is_empty()
                && !headings(document).iter().any(|heading| heading == anchor)
            {
                lines.push(format!("{path}:{number}: no heading #{anchor} in {full}"));
            }
        }
    }
    lines
}

/// The relative targets of `[text](target)` and of `[name]: target`, outside code.
fn targets(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        let line = without_code(line);
        let inline = line.match_indices("](").filter_map(|(at, open)| line[at + open.len()..].split([')', ' ']).next());
        let reference = line.strip_prefix('[').and_then(|rest| rest.split_once("]: ")).map(|(_, target)| target.trim());
        let local = |target: &&str| !target.contains("://") && !target.starts_with("mailto:") && !target.is_empty();
        found.extend(inline.chain(reference).filter(local).map(|target| (number, target.to_owned())));
    }
    found
}

/// Lines outside fenced blocks, numbered from 1.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        (!fenced && !fence).then_some((index + 1, line))
    })
}

/// `line` without its `code` spans.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join(" ")
}

/// `target` as seen from the document at `path`, or nothing if it climbs out of the repository.
fn resolve(path: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in target.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// The anchors that GitHub makes of a document's headings.
fn headings(text: &str) -> Vec<String> {
    let mut anchors: Vec<String> = Vec::new();
    for (_, line) in prose(text) {
        let title = line.trim_start_matches('#');
        if title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let kept = title.trim().chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
        let base: String = kept.collect::<String>().to_lowercase().replace(' ', "-");
        let repeats = anchors
            .iter()
            .filter(|anchor| **anchor == base || anchor.strip_prefix(&base).is_some_and(is_repeat))
            .count();
        anchors.push(if repeats == 0 { base } else { format!("{base}-{repeats}") });
    }
    anchors
}

fn is_repeat(tail: &str) -> bool {
    tail.strip_prefix('-').is_some_and(|number| number.parse::<u32>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken_in(text: &str) -> Vec<String> {
        let documents = BTreeMap::from([
            ("docs/a.md".to_owned(), text.to_owned()),
            ("B.md".to_owned(), "# The title\n## Part one, `code`\n## Again\n## Again\n".to_owned()),
        ]);
        broken(&documents, |path| path == "docs/a.md" || path == "B.md" || path == "docs")
    }

    #[test]
    fn links_to_files_and_headings_that_exist_pass() {
        let text = "[b](../B.md) [p](../B.md#part-one-code) [s](#here) [d](../docs/) [w](https://a.example/x)\n## Here\n[r]: ../B.md#again-1\n";
        assert_eq!(broken_in(text), Vec::<String>::new());
    }

    #[test]
    fn links_to_nothing_are_found_with_their_line() {
        assert_eq!(broken_in("\n[c](c.md)\n"), ["docs/a.md:2: no file docs/c.md"]);
        assert_eq!(broken_in("[b](../B.md#gone)"), ["docs/a.md:1: no heading #gone in B.md"]);
        assert_eq!(broken_in("[out](../../x)").len(), 1);
    }

    #[test]
    fn what_stands_in_code_is_no_link() {
        assert!(broken_in("`[a](b.md)`\n```\n[a](b.md)\n```\n").is_empty());
    }
}

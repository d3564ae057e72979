//! Rule: FORMAT.md and the code that obeys it point at each other.
//!
//! An anchor is a rule's bold bracketed id, `**[frame-3]**`. Code or tests claim it with a comment that starts
//! `// FORMAT:` followed by one id or several, parted by commas. Every anchor is claimed, every claim has its anchor,
//! no anchor stands twice, and a paragraph that says MUST has one.

use super::markdown::outside_fences;
use super::{File, Finding, has_extension, lines};

pub const RULE: &str = "anchor";

const DOCUMENT: &str = "FORMAT.md";
const CLAIM: &str = "// FORMAT: ";

/// Something with an id and a place.
struct Mark<'a> {
    id: &'a str,
    path: &'a str,
    line: usize,
}

pub fn check(files: &[File]) -> Vec<Finding> {
    let document = files.iter().find(|file| file.path == DOCUMENT);
    let anchors = document.map_or_else(Vec::new, anchors);
    let claims: Vec<Mark> = files.iter().flat_map(claims).collect();
    let finding = |mark: &Mark, what: String| Finding { rule: RULE, path: mark.path.to_owned(), line: mark.line, what };
    let mut findings = Vec::new();
    for (index, anchor) in anchors.iter().enumerate() {
        if anchors[..index].iter().any(|other| other.id == anchor.id) {
            findings.push(finding(anchor, format!("[{}] stands here a second time", anchor.id)));
        } else if !claims.iter().any(|claim| claim.id == anchor.id) {
            findings.push(finding(anchor, format!("no code or test claims [{}]", anchor.id)));
        }
    }
    for claim in &claims {
        if !anchors.iter().any(|anchor| anchor.id == claim.id) {
            findings.push(finding(claim, format!("{DOCUMENT} has no [{}]", claim.id)));
        }
    }
    findings.extend(document.map_or_else(Vec::new, demands_without_anchor));
    findings
}

fn anchors(file: &File) -> Vec<Mark<'_>> {
    let marks = |(line, text)| anchor_ids(text).into_iter().map(move |id| Mark { id, path: &file.path, line });
    outside_fences(&file.text).into_iter().flat_map(marks).collect()
}

fn anchor_ids(text: &str) -> Vec<&str> {
    let ids = text.match_indices("**[").filter_map(|(at, open)| {
        let rest = &text[at + open.len()..];
        rest.find("]**").map(|end| &rest[..end])
    });
    ids.filter(|id| is_id(id)).collect()
}

fn claims(file: &File) -> Vec<Mark<'_>> {
    if !has_extension(&file.path, &["rs", "ts", "mjs", "js"]) {
        return Vec::new();
    }
    let marks = |(line, text)| claimed_ids(text).into_iter().map(move |id| Mark { id, path: &file.path, line });
    lines(&file.text).flat_map(marks).collect()
}

fn claimed_ids(text: &str) -> Vec<&str> {
    let Some((_, list)) = text.split_once(CLAIM) else {
        return Vec::new();
    };
    // A sentence may follow the ids: the list ends with the first word that is none.
    list.split(", ")
        .map_while(|part| part.split_whitespace().next())
        .map(|id| id.trim_end_matches(['.', ':', ';']))
        .take_while(|id| is_id(id))
        .collect()
}

fn is_id(text: &str) -> bool {
    text.contains('-') && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// Paragraphs and list items that demand something but cannot be pointed at. The one that defines the word is none.
fn demands_without_anchor(file: &File) -> Vec<Finding> {
    let mut blocks: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (line, text) in outside_fences(&file.text) {
        let item = text.trim_start().starts_with(['-', '|', '#'])
            || text.trim_start().split_once(". ").is_some_and(|(number, _)| number.parse::<u32>().is_ok());
        match blocks.last_mut() {
            Some((_, block)) if open && !item => {
                block.push(' ');
                block.push_str(text);
            }
            _ => blocks.push((line, text.to_owned())),
        }
        open = !text.trim().is_empty();
    }
    let demands = |block: &str| block.split(|letter: char| !letter.is_ascii_alphanumeric()).any(|word| word == "MUST");
    blocks
        .into_iter()
        .filter(|(_, block)| demands(block) && anchor_ids(block).is_empty() && !block.contains("BCP 14"))
        .map(|(line, _)| Finding {
            rule: RULE,
            path: file.path.clone(),
            line,
            what: "says MUST without an anchor such as **[frame-3]**".to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    fn whats(document: &str, code: &str) -> Vec<String> {
        let files = [file(DOCUMENT, document), file("a.rs", code)];
        check(&files).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn an_anchor_and_its_claim_satisfy_each_other() {
        assert!(whats("1. **[frame-1]** A frame MUST be.\n", "// FORMAT: frame-1\n").is_empty());
        assert!(whats("**[frame-1]** a\n**[frame-2]** b\n", "// FORMAT: frame-1, frame-2. Both.\n").is_empty());
    }

    #[test]
    fn an_unclaimed_anchor_and_a_dangling_claim_are_found() {
        assert_eq!(whats("**[frame-1]** a\n", ""), ["no code or test claims [frame-1]"]);
        assert_eq!(whats("", "    // FORMAT: frame-1\n"), ["FORMAT.md has no [frame-1]"]);
    }

    #[test]
    fn claims_dangle_where_there_is_no_document() {
        assert_eq!(check(&[file("a.rs", "// FORMAT: frame-1\n")]).len(), 1);
    }

    #[test]
    fn an_anchor_stands_once() {
        assert_eq!(whats("**[frame-1]** a\n**[frame-1]** b\n", "// FORMAT: frame-1\n").len(), 1);
    }

    #[test]
    fn a_demand_has_an_anchor() {
        assert_eq!(whats("A reader\nMUST look.\n\nNothing else.\n", "").len(), 1);
        assert_eq!(whats("- fine\n- this MUST be\n", "").len(), 1);
        assert!(whats("MUST is as in BCP 14.\n", "").is_empty());
        assert!(whats("```\nMUST\n```\n", "").is_empty());
    }
}

//! Rule: a Markdown document starts with its one title.

use super::{File, Finding, has_extension, lines};

pub const RULE: &str = "title";

pub fn check(file: &File) -> Vec<Finding> {
    if !has_extension(&file.path, &["md"]) {
        return Vec::new();
    }
    let finding = |line, what: &str| Finding { rule: RULE, path: file.path.clone(), line, what: what.to_owned() };
    let prose = outside_fences(&file.text);
    let titles: Vec<usize> = prose.iter().filter(|(_, text)| text.starts_with("# ")).map(|(line, _)| *line).collect();
    let first = prose.iter().find(|(_, text)| !text.trim().is_empty()).map_or(1, |(line, _)| *line);
    match titles.as_slice() {
        [] => vec![finding(1, "has no '# Title'")],
        [only] if *only == first => Vec::new(),
        [only] => vec![finding(*only, "something stands before the title")],
        [_, others @ ..] => others.iter().map(|line| finding(*line, "a second title")).collect(),
    }
}

/// The numbered lines that are not inside a fenced block of code.
pub fn outside_fences(text: &str) -> Vec<(usize, &str)> {
    let mut fenced = false;
    let outside = |(_, line): &(usize, &str)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    };
    lines(text).filter(outside).collect()
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    #[test]
    fn a_document_wants_exactly_one_title_and_wants_it_first() {
        assert_eq!(check(&file("a.md", "## No\n")).len(), 1);
        assert_eq!(check(&file("a.md", "# One\n\n# Two\n"))[0].line, 3);
        assert_eq!(check(&file("a.md", "text\n# One\n"))[0].line, 2);
        assert!(check(&file("a.md", "# One\n## Part\n")).is_empty());
    }

    #[test]
    fn comments_in_code_blocks_are_no_titles() {
        assert!(check(&file("a.md", "# One\n```sh\n# two\n```\n")).is_empty());
    }
}

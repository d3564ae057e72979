//! How many tests passed and failed, read from what a runner prints at its end.
//!
//! Understands cargo and wasm-pack (`test result: ok. 3 passed; 0 failed`), node's TAP and spec reporters (`# pass 3`),
//! and our own closing line (`3 passed, 0 failed`).

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counts {
    pub passed: u64,
    pub failed: u64,
}

impl Counts {
    /// Adds what `line` reports, if it is such a line.
    pub fn read(&mut self, line: &str) {
        let line = without_colours(line);
        let line = line.trim();
        if let Some(rest) = line.strip_prefix("test result: ") {
            self.passed += number_before(rest, " passed;").unwrap_or(0);
            self.failed += number_before(rest, " failed;").unwrap_or(0);
        } else if let Some((word, number)) = node_summary(line) {
            match word {
                "pass" => self.passed += number,
                // A test that was cut off did not pass.
                "fail" | "cancelled" => self.failed += number,
                _ => {}
            }
        } else if let Some((passed, failed)) = closing_line(line) {
            self.passed += passed;
            self.failed += failed;
        }
    }

    pub fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} passed, {} failed", self.passed, self.failed)
    }
}

/// The number that stands before `unit`.
fn number_before(text: &str, unit: &str) -> Option<u64> {
    let (before, _) = text.split_once(unit)?;
    before.rsplit(' ').next()?.parse().ok()
}

/// `# pass 3` of the TAP reporter, or the same behind the spec reporter's information sign.
fn node_summary(line: &str) -> Option<(&str, u64)> {
    let rest = line.strip_prefix("# ").or_else(|| line.strip_prefix("\u{2139} "))?;
    let (word, number) = rest.split_once(' ')?;
    Some((word, number.parse().ok()?))
}

fn closing_line(line: &str) -> Option<(u64, u64)> {
    let (passed, failed) = line.split_once(" passed, ")?;
    Some((passed.parse().ok()?, failed.strip_suffix(" failed")?.parse().ok()?))
}

/// `line` without the terminal's colour sequences.
fn without_colours(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        out.push_str(before);
        rest = after.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == ';');
        rest = rest.get(1..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (u64, u64) {
        let mut counts = Counts::default();
        text.lines().for_each(|line| counts.read(line));
        (counts.passed, counts.failed)
    }

    #[test]
    fn cargo_reports_once_per_binary() {
        let text = "test a ... ok\ntest result: ok. 12 passed; 0 failed; 1 ignored; 0 measured\n\
                    test result: FAILED. 3 passed; 2 failed; 0 ignored";
        assert_eq!(read(text), (15, 2));
    }

    #[test]
    fn both_reporters_of_node_are_read() {
        assert_eq!(read("# tests 4\n# pass 3\n# fail 1\n# cancelled 0"), (3, 1));
        assert_eq!(read("\u{2139} pass 3\n\u{2139} fail 0\n\u{2139} cancelled 2"), (3, 2));
        assert_eq!(read("\u{1b}[34m\u{2139} pass 7\u{1b}[39m"), (7, 0));
    }

    #[test]
    fn our_own_closing_line_is_read_back() {
        let counts = Counts { passed: 5, failed: 1 };
        assert_eq!(read(&counts.to_string()), (5, 1));
    }

    #[test]
    fn other_lines_count_nothing() {
        assert_eq!(read("running 3 tests\n# passing thoughts\nthe 3 passed, it failed"), (0, 0));
    }
}

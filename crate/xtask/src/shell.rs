//! Runs other programs and turns what goes wrong into one line that says what to do.
//!
//! Does not know which programs there are, apart from the cures in [`cure`].

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::process::{Command, Stdio};

/// Why a verb did not succeed.
#[derive(Debug)]
pub enum Failure {
    /// What the verb checks did not hold, or a tool is missing: exit code 1.
    Check(String),
    /// The verb was called wrongly: exit code 2.
    Usage(String),
}

pub type Outcome = Result<(), Failure>;

/// A check that failed.
pub fn failed<T>(message: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::Check(message.into()))
}

/// Runs `command` with our own standard streams; a non-zero exit is a failure named `what`.
pub fn run(what: &str, command: &mut Command) -> Outcome {
    let status = command.status().map_err(|error| not_started(command, &error))?;
    if status.success() { Ok(()) } else { failed(format!("{what} failed ({status})")) }
}

/// Runs `command` and returns what it printed; its complaints still reach the terminal.
pub fn capture(what: &str, command: &mut Command) -> Result<String, Failure> {
    let output = command.stderr(Stdio::inherit()).output().map_err(|error| not_started(command, &error))?;
    if !output.status.success() {
        return failed(format!("{what} failed ({})", output.status));
    }
    String::from_utf8(output.stdout).or_else(|_| failed(format!("{what} printed no UTF-8")))
}

/// Runs `command`, passes each line of its output on as it comes and hands it to `line`. Says whether the command succeeded.
pub fn tee(command: &mut Command, line: impl FnMut(&str)) -> Result<bool, Failure> {
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| not_started(command, &error))?;
    if let Some(output) = child.stdout.take() {
        copy_lines(BufReader::new(output), std::io::stdout(), line);
    }
    let status = child.wait().map_err(|error| Failure::Check(format!("lost sight of {}: {error}", name(command))))?;
    Ok(status.success())
}

/// Copies line by line and hands each to `line`. Bytes, not text: a test may print what is no UTF-8, and that must not end the reading.
fn copy_lines(mut source: impl BufRead, mut target: impl Write, mut line: impl FnMut(&str)) {
    let mut bytes = Vec::new();
    while matches!(source.read_until(b'\n', &mut bytes), Ok(count) if count > 0) {
        // A reader that went away (`| head`) is no reason to stop the tests.
        let _ = target.write_all(&bytes).and_then(|()| target.flush());
        line(String::from_utf8_lossy(&bytes).trim_end());
        bytes.clear();
    }
}

/// Whether `program --version` can be started at all.
pub fn exists(program: impl AsRef<OsStr>) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

fn not_started(command: &Command, error: &std::io::Error) -> Failure {
    let name = name(command);
    if error.kind() == ErrorKind::NotFound {
        Failure::Check(format!("missing tool: {name}; {}", cure(&name)))
    } else {
        Failure::Check(format!("cannot start {name}: {error}"))
    }
}

fn name(command: &Command) -> String {
    std::path::Path::new(command.get_program())
        .file_name()
        .unwrap_or(command.get_program())
        .to_string_lossy()
        .into_owned()
}

/// The command that brings a tool onto the machine.
pub fn cure(tool: &str) -> &'static str {
    match tool {
        "cargo" | "rustc" | "rustup" => "install Rust from https://rustup.rs",
        "rustfmt" | "cargo-fmt" => "run: rustup component add rustfmt",
        "cargo-clippy" => "run: rustup component add clippy",
        "cargo-fuzz" => "run: cargo install cargo-fuzz",
        "node" | "npm" => "install Node 20 or newer from https://nodejs.org",
        "git" => "install git from your system's package manager",
        _ => "run: node scripts/setup.mjs",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_tool_is_one_line_with_its_cure() {
        let Err(Failure::Check(message)) = run("it", &mut Command::new("coffer-no-such-tool")) else {
            panic!("a missing tool must fail the check");
        };
        assert_eq!(message, "missing tool: coffer-no-such-tool; run: node scripts/setup.mjs");
    }

    #[test]
    fn a_command_that_fails_is_a_failed_check() {
        let git = |arguments: &[&str]| capture("it", Command::new("git").args(arguments));
        assert!(git(&["--version"]).is_ok_and(|text| text.starts_with("git version")));
        let unknown = git(&["rev-parse", "--verify", "--quiet", "no-such-revision"]);
        assert!(matches!(unknown, Err(Failure::Check(text)) if text.starts_with("it failed")));
    }

    #[test]
    fn lines_are_copied_whole_and_seen_even_if_they_are_no_utf_8() {
        let (mut copied, mut seen) = (Vec::new(), Vec::new());
        copy_lines(&b"one\n\xff\ntwo"[..], &mut copied, |line| seen.push(line.to_owned()));
        assert_eq!(copied, b"one\n\xff\ntwo");
        assert_eq!(seen, ["one", "\u{fffd}", "two"]);
    }
}

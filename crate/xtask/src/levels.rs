//! The levels of testing, from the fastest to the one nearest to a user, and how each is run.

use crate::counts::Counts;
use crate::shell::{self, Failure};
use crate::toolchain::Environment;
use crate::{build, workspace};
use std::process::Command;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// `cargo test` on this machine.
    Native,
    /// wasm-bindgen tests in a headless browser.
    Wasm,
    /// JavaScript that needs no browser.
    Node,
    /// The built package in real browsers.
    Browser,
}

impl Level {
    pub const ALL: [Self; 4] = [Self::Native, Self::Wasm, Self::Node, Self::Browser];

    pub fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Wasm => "wasm",
            Self::Node => "node",
            Self::Browser => "browser",
        }
    }
}

/// What to run of a level.
#[derive(Default)]
pub struct Selection {
    /// Only tests whose name contains this.
    pub filter: Option<String>,
    /// Native packages; all of them if empty.
    pub packages: Vec<String>,
    /// Browser engine; every one that the tests know if absent.
    pub engine: Option<String>,
}

/// Runs one level. A runner that ends badly without a failed test counts as one: it was not able to say.
pub fn run(level: Level, selection: &Selection, environment: &Environment) -> Result<Counts, Failure> {
    if level == Level::Browser {
        build::all(environment)?;
    }
    let Some(mut command) = command(level, selection, environment)? else {
        say!("no tests at this level");
        return Ok(Counts::default());
    };
    let mut counts = Counts::default();
    let succeeded = shell::tee(&mut command, |line| counts.read(line))?;
    if !succeeded && counts.failed == 0 {
        say!("{}: the runner failed without naming a test", level.name());
        counts.failed = 1;
    }
    let all = selection.filter.is_none() && selection.packages.is_empty();
    if succeeded && all && counts.passed == 0 {
        say!("{}: the runner ran no test at all, which proves nothing", level.name());
        counts.failed = 1;
    }
    Ok(counts)
}

/// The runner of a level, or nothing where the repository has no such tests.
fn command(level: Level, selection: &Selection, environment: &Environment) -> Result<Option<Command>, Failure> {
    let mut command = match level {
        Level::Native => {
            let mut command = Command::new("cargo");
            command.args(["test", "--no-fail-fast"]);
            if selection.packages.is_empty() {
                command.arg("--workspace");
            }
            for package in &selection.packages {
                command.args(["--package", package]);
            }
            command
        }
        Level::Wasm => {
            let mut command = environment.command("node");
            command.arg("scripts/wasm-test.mjs");
            command
        }
        Level::Node | Level::Browser => {
            let files = test_files(level)?;
            if files.is_empty() {
                return Ok(None);
            }
            let mut command = environment.command("node");
            command.args(["--test", "--test-reporter=spec"]);
            if let Some(filter) = &selection.filter {
                command.args(["--test-name-pattern", filter]);
            }
            command.args(files);
            command
        }
    };
    if let (Level::Native | Level::Wasm, Some(filter)) = (level, &selection.filter) {
        command.arg(filter);
    }
    if let Some(engine) = &selection.engine {
        command.env("COFFER_ENGINE", engine);
    }
    Ok(Some(command))
}

/// The test files of the JavaScript levels. Node 20's runner wants them by name.
fn test_files(level: Level) -> Result<Vec<String>, Failure> {
    let folder = if level == Level::Browser { "tests/browser/" } else { "tests/node/" };
    let is_test = |path: &String| path.starts_with(folder) && path.ends_with(".test.mjs");
    Ok(workspace::files()?.into_iter().filter(is_test).collect())
}

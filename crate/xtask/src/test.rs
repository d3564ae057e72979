//! `cargo xtask test`: every test there is, or those of some levels, of some name, or of a change.

use crate::Verb;
use crate::args::Args;
use crate::counts::Counts;
use crate::graph;
use crate::levels::{self, Level, Selection};
use crate::shell::{self, Failure, Outcome, failed};
use crate::toolchain::Environment;
use crate::workspace;
use std::process::Command;

pub const VERB: Verb = Verb {
    name: "test",
    summary: "all tests: native, wasm, node, browsers",
    help: "  [FILTER]       only tests whose name contains FILTER
  --native       only these levels (may be given together):
  --wasm           cargo test; wasm-bindgen tests in a headless browser;
  --node           JavaScript without a browser; the built package in real browsers
  --browser
  --changed      only what a change can reach, through the dependency graph
  --base REV     with --changed: compared to REV (default: the last commit)

The last line is always 'N passed, N failed'.",
    run,
};

fn run(mut args: Args) -> Outcome {
    let flags = ["--native", "--wasm", "--node", "--browser"];
    let chosen = Level::ALL.into_iter().zip(flags).filter(|(_, flag)| args.flag(flag));
    let mut levels: Vec<Level> = chosen.map(|(level, _)| level).collect();
    let changed = args.flag("--changed");
    let base = args.option("--base")?;
    if base.is_some() && !changed {
        return Err(Failure::Usage("--base goes with --changed; see cargo xtask test --help".to_owned()));
    }
    let filter = args.words(1)?.pop();
    if levels.is_empty() {
        levels.extend(Level::ALL);
    }
    let root = workspace::enter()?;
    let mut selection = Selection { filter, ..Selection::default() };
    if changed {
        let packages = workspace::packages(&root)?;
        let reach = graph::reach(&changed_files(base.as_deref().unwrap_or("HEAD"))?, &packages);
        levels.retain(|level| reach.levels.contains(level));
        selection.packages = reach.packages.into_iter().collect();
        let names: Vec<&str> = levels.iter().map(|level| level.name()).collect();
        say!("changed: packages [{}], levels [{}]", selection.packages.join(", "), names.join(", "));
    }
    run_levels(&levels, &selection)
}

/// Runs the levels one after another, whatever fails, and closes with the sum.
pub fn run_levels(levels: &[Level], selection: &Selection) -> Outcome {
    let environment =
        if levels.iter().all(|level| *level == Level::Native) { Environment::default() } else { Environment::find()? };
    let mut sum = Counts::default();
    let mut lines = Vec::new();
    for &level in levels {
        say!("== {}", level.name());
        let counts = levels::run(level, selection, &environment).unwrap_or_else(|failure| {
            let (Failure::Check(message) | Failure::Usage(message)) = failure;
            say!("{}: {message}", level.name());
            Counts { passed: 0, failed: 1 }
        });
        lines.push(format!("   {:<8} {counts}", level.name()));
        sum.add(counts);
    }
    say!("==");
    for line in lines {
        say!("{line}");
    }
    say!("{sum}");
    if sum.failed > 0 { failed("tests failed") } else { Ok(()) }
}

/// Files that differ from `base`, in commits or not yet committed, and new ones.
fn changed_files(base: &str) -> Result<Vec<String>, Failure> {
    let git = |args: &[&str]| shell::capture("git", Command::new("git").args(args));
    let known = git(&["diff", "--name-only", "-z", base, "--"])?;
    let new = git(&["ls-files", "-z", "--others", "--exclude-standard"])?;
    let paths = known.split('\0').chain(new.split('\0'));
    Ok(paths.filter(|path| !path.is_empty()).map(str::to_owned).collect())
}

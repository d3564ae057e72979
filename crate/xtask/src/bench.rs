//! `cargo xtask bench`: the benches of the workspace, through `cargo bench`.

use crate::Verb;
use crate::args::Args;
use crate::shell::{self, Outcome};
use crate::workspace;
use std::process::Command;

pub const VERB: Verb = Verb {
    name: "bench",
    summary: "run the native benches",
    help: "  [FILTER]           only benches whose name contains FILTER
  --package NAME     only this crate's
  -- ARGS            handed to the bench as they are",
    run,
};

fn run(mut args: Args) -> Outcome {
    let package = args.option("--package")?;
    let (words, rest) = args.words_and_rest(1)?;
    workspace::enter()?;
    let mut command = Command::new("cargo");
    // Fat LTO costs minutes and changes no comparison between two commits.
    command.args(["bench", "--profile", "quick", "--benches"]);
    match &package {
        Some(name) => command.args(["--package", name]),
        None => command.arg("--workspace"),
    };
    shell::run("the benches", command.arg("--").args(words).args(rest))
}

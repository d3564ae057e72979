//! `cargo xtask bench`: Coffer beside others in a browser, or the native benches of the workspace through `cargo bench`.

use crate::Verb;
use crate::args::Args;
use crate::shell::{self, Outcome};
use crate::toolchain::Environment;
use crate::{build, workspace};
use std::process::Command;

pub const VERB: Verb = Verb {
    name: "bench",
    summary: "Coffer beside others in a browser; native benches",
    help: "  --built            measure the package in dist/ as it is, instead of building it first
  -- ARGS            handed to bench/browser/run.mjs as they are, which says at its head what there is
  --native           the native benches instead:
    [FILTER]           only benches whose name contains FILTER
    --package NAME     only this crate's
    -- ARGS            handed to the bench as they are

The whole run takes some minutes; it writes bench/results and the figures of docs/benchmarks.md. -- --quick is a try.",
    run,
};

fn run(mut args: Args) -> Outcome {
    if args.flag("--native") {
        return native(args);
    }
    let built = args.flag("--built");
    let (_, rest) = args.words_and_rest(0)?;
    workspace::enter()?;
    let environment = Environment::find()?;
    if !built {
        build::all(&environment)?;
    }
    let mut command = environment.command("node");
    shell::run("the bench", command.arg("bench/browser/run.mjs").args(rest))
}

fn native(mut args: Args) -> Outcome {
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

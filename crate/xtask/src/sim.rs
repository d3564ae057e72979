//! `cargo xtask sim`: the deterministic simulator, built with optimisations and run.

use crate::Verb;
use crate::args::Args;
use crate::shell::{self, Outcome};
use crate::workspace;
use std::process::Command;

pub const VERB: Verb = Verb {
    name: "sim",
    summary: "run the deterministic simulator on fresh seeds; --seed replays a failure",
    help: "  --seed N       one run: the same seed, the same history, byte for byte
  --seconds S    how long to draw fresh seeds (default 30)
  -- ARGS        handed to coffer-sim as they are: --window, --explore, --keep-going, --threads N; see -- --help",
    run,
};

fn run(mut args: Args) -> Outcome {
    let seed = args.option("--seed")?;
    let seconds = args.option("--seconds")?;
    let (_, rest) = args.words_and_rest(0)?;
    workspace::enter()?;
    let mut command = Command::new("cargo");
    command.args(["run", "--quiet", "--profile", "quick", "--package", "coffer-sim", "--bin", "coffer-sim", "--"]);
    command.args(["--seconds", seconds.as_deref().unwrap_or("30")]);
    if let Some(seed) = &seed {
        command.args(["--seed", seed]);
    }
    shell::run("the simulation", command.args(rest))
}

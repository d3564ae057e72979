//! `cargo xtask build`: the publishable package in `dist/`, and what it weighs.

use crate::Verb;
use crate::args::Args;
use crate::shell::{self, Outcome};
use crate::toolchain::Environment;
use crate::{size, workspace};

pub const VERB: Verb = Verb {
    name: "build",
    summary: "build wasm and the npm package into dist/, print sizes",
    help: "  --dev     quick and large: no fat LTO, no wasm-opt; sizes are printed but not judged",
    run,
};

fn run(mut args: Args) -> Outcome {
    let dev = args.flag("--dev");
    args.words(0)?;
    workspace::enter()?;
    let environment = Environment::find()?;
    if dev {
        scripts(&environment, &["--dev"])?;
        return size::print_only(&environment);
    }
    all(&environment)
}

/// The release build and its size report, which fails above the budget.
pub fn all(environment: &Environment) -> Outcome {
    scripts(environment, &[])?;
    size::judge(environment)
}

fn scripts(environment: &Environment, options: &[&str]) -> Outcome {
    let node = |script: &str, options: &[&str]| {
        let mut command = environment.command("node");
        shell::run(script, command.arg(script).args(options))
    };
    node("scripts/wasm.mjs", options)?;
    node("scripts/package.mjs", &[])
}

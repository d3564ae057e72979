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

const WASM: &str = "scripts/wasm.mjs";
const GLUE_TYPES: &str = "js/wasm/coffer_web.d.ts";

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

/// The wasm module with its glue and the glue's types, if they are missing or older than the crate that says what they are.
pub fn glue(environment: &Environment) -> Outcome {
    let modified = |path: &str| std::fs::metadata(path).and_then(|data| data.modified()).ok();
    let built = modified(GLUE_TYPES);
    let sources = workspace::files()?;
    let newer = |path: &&String| path.starts_with("crate/web/src/") && modified(path) > built;
    if built.is_some() && sources.iter().find(newer).is_none() {
        say!("up to date");
        return Ok(());
    }
    node(environment, WASM, &[])
}

fn scripts(environment: &Environment, options: &[&str]) -> Outcome {
    node(environment, WASM, options)?;
    node(environment, "scripts/package.mjs", &[])
}

fn node(environment: &Environment, script: &str, options: &[&str]) -> Outcome {
    let mut command = environment.command("node");
    shell::run(script, command.arg(script).args(options))
}

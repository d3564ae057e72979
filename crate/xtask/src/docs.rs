//! `cargo xtask docs`: documentation that builds without warnings, links that lead somewhere, examples that compile.

use crate::Verb;
use crate::args::Args;
use crate::shell::{self, Outcome};
use crate::steps::Steps;
use crate::toolchain::Environment;
use crate::{check, links, readme, workspace};
use std::process::Command;

pub const VERB: Verb = Verb {
    name: "docs",
    summary: "rustdoc and the API reference without warnings, Markdown links, README examples",
    help: "  --open    show the Rust documentation in a browser afterwards

Steps: cargo doc; every relative link and anchor of every Markdown document; typedoc, which makes the API reference of the
npm package from its types, in target/typedoc; the README's TypeScript examples against the types of js/src/index.ts,
and its commands against package.json and the verbs of xtask.",
    run,
};

fn run(mut args: Args) -> Outcome {
    let open = args.flag("--open");
    args.words(0)?;
    workspace::enter()?;
    let environment = Environment::find()?;
    let mut steps = Steps::default();
    all(&environment, &mut steps)?;
    steps.print_times();
    if open {
        shell::run("cargo doc", Command::new("cargo").args(["doc", "--workspace", "--no-deps", "--open"]))?;
    }
    Ok(())
}

/// Every step, for `docs` and for `ci`.
pub fn all(environment: &Environment, steps: &mut Steps) -> Outcome {
    steps.run("links", links::check)?;
    steps.run("rustdoc", || {
        let mut command = Command::new("cargo");
        command.args(["doc", "--workspace", "--no-deps", "--document-private-items"]);
        shell::run("cargo doc", command.env("RUSTDOCFLAGS", "-D warnings"))
    })?;
    steps.run("typedoc", || check::node_tool(environment, "typedoc", &[]))?;
    steps.run("README examples", || readme::check(environment))
}

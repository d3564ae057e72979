//! `cargo xtask fuzz`: hostile bytes against one fuzz target, through cargo-fuzz.

use crate::Verb;
use crate::args::Args;
use crate::shell::{self, Outcome, failed};
use crate::workspace;
use std::path::Path;
use std::process::Command;

pub const VERB: Verb = Verb {
    name: "fuzz",
    summary: "run a fuzz target of fuzz/ (needs cargo-fuzz)",
    help: "  [TARGET]       which target; without it they are listed
  --seconds S    how long (default 60)
  -- ARGS        handed to libFuzzer as they are",
    run,
};

fn run(mut args: Args) -> Outcome {
    let seconds = args.option("--seconds")?.unwrap_or_else(|| "60".to_owned());
    let (words, rest) = args.words_and_rest(1)?;
    workspace::enter()?;
    if !Path::new("fuzz/Cargo.toml").is_file() {
        return failed("there is no fuzz/ folder in this checkout");
    }
    if !shell::exists("cargo-fuzz") {
        return failed(format!("missing tool: cargo-fuzz; {}", shell::cure("cargo-fuzz")));
    }
    let mut command = cargo_fuzz();
    if std::env::var_os("CC").is_none() {
        // The sanitizer takes a table of zstd's, compiled by gcc, for a fault: see fuzz/README.md.
        command.env("CC", clang());
    }
    match words.first() {
        None => shell::run("cargo fuzz", command.arg("list")),
        Some(target) => {
            command.args(["run", target, "--"]).arg(format!("-max_total_time={seconds}")).args(rest);
            shell::run("the fuzz target", &mut command)
        }
    }
}

/// Debian's has its version in its name unless a package of that name is there too.
fn clang() -> String {
    let mut versions = (14..40).rev().map(|version| format!("clang-{version}"));
    versions.find(|name| shell::exists(name)).unwrap_or_else(|| "clang".to_owned())
}

/// Instrumentation is not stable. A nightly compiler has it, and so has this one when it is told that it may use it.
fn cargo_fuzz() -> Command {
    let nightly = Command::new("rustup").args(["run", "nightly", "rustc", "--version"]).output();
    let mut command = if nightly.is_ok_and(|output| output.status.success()) {
        let mut command = Command::new("rustup");
        command.args(["run", "nightly", "cargo"]);
        command
    } else {
        let mut command = Command::new("cargo");
        command.env("RUSTC_BOOTSTRAP", "1");
        command
    };
    command.arg("fuzz");
    command
}

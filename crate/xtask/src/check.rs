//! `cargo xtask check`: everything that can be said about the sources without running them, in the order of CI.

use crate::Verb;
use crate::args::Args;
use crate::shell::{self, Outcome};
use crate::steps::Steps;
use crate::toolchain::Environment;
use crate::{build, tidy, workspace};
use std::path::Path;
use std::process::Command;

pub const VERB: Verb = Verb {
    name: "check",
    summary: "format, lint, cross-build and tidy: what must hold before a commit",
    help: "  --fix     let rustfmt, clippy and eslint repair what they can, first

Steps: rustfmt; tidy; clippy (pedantic, warnings are errors) for this machine and for wasm32; coffer-store built
without default features for wasm32-unknown-unknown and for bare metal (thumbv7em-none-eabihf); the glue of the wasm module
if it is missing or old; tsc; eslint.",
    run,
};

/// Has neither an operating system nor 64-bit pointers: what builds here needs nothing but `core` and `alloc`.
const BARE_METAL: &str = "thumbv7em-none-eabihf";
const WASM: &str = "wasm32-unknown-unknown";

fn run(mut args: Args) -> Outcome {
    let fix = args.flag("--fix");
    args.words(0)?;
    workspace::enter()?;
    let environment = Environment::find()?;
    if fix {
        repair(&environment)?;
    }
    let mut steps = Steps::default();
    all(&environment, &mut steps)?;
    steps.print_times();
    say!("check: ok");
    Ok(())
}

/// Every step, for `check` and for `ci`.
pub fn all(environment: &Environment, steps: &mut Steps) -> Outcome {
    steps.run("rustfmt", || cargo("rustfmt", &["fmt", "--all", "--", "--check"]))?;
    steps.run("tidy", || (tidy::VERB.run)(Args::new("tidy", Vec::new())))?;
    steps.run("clippy", || cargo("clippy", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    steps.run("clippy for wasm32", || clippy_wasm(environment))?;
    steps.run("coffer-store for wasm32, no default features", || {
        let mut command = environment.wasm_cargo();
        command.args(["build", "--package", "coffer-store", "--no-default-features", "--target", WASM]);
        shell::run("the build", &mut command)
    })?;
    steps.run("coffer-store for bare metal, no default features", || bare_metal(environment))?;
    // The worker's sources are checked against the types of the generated glue, which is not in the repository.
    steps.run("glue of the wasm module", || build::glue(environment))?;
    // A page and a worker have different globals, so they are two programs to the compiler.
    for project in ["tsconfig.json", "tsconfig.worker.json"] {
        steps.run(&format!("tsc {project}"), || node_tool(environment, "tsc", &["--noEmit", "--project", project]))?;
    }
    steps.run("eslint", || node_tool(environment, "eslint", &["--max-warnings", "0", "."]))
}

fn cargo(what: &str, args: &[&str]) -> Outcome {
    shell::run(what, Command::new("cargo").args(args))
}

/// The crates that exist in a browser, seen with the eyes of that target.
fn clippy_wasm(environment: &Environment) -> Outcome {
    if let Some(folder) = environment.wasm_folder()
        && !folder.join("clippy-driver").exists()
    {
        say!("not run: no clippy beside the Rust that knows wasm32 (Debian's package: rust-web-clippy)");
        return Ok(());
    }
    let mut command = environment.wasm_cargo();
    // In the release profile, since then the C of SQLite and zstd is compiled once for this and for the package.
    command.args(["clippy", "--profile", "wasm", "--target", WASM, "--package", "coffer-web"]);
    command.args([
        "--package",
        "coffer-sqlite",
        "--package",
        "coffer-store",
        "--package",
        "coffer-gcm",
        "--",
        "-D",
        "warnings",
    ]);
    shell::run("clippy", &mut command)
}

fn bare_metal(environment: &Environment) -> Outcome {
    let arguments = ["build", "--package", "coffer-store", "--no-default-features", "--target", BARE_METAL];
    if has_target(BARE_METAL)? {
        return cargo("the build", &arguments);
    }
    // No ready-made standard library: build the two parts of it that are needed, from the sources beside the compiler.
    if !has_library_source(environment)? {
        say!("not run: neither the target nor rust-src is here (run: rustup target add {BARE_METAL})");
        return Ok(());
    }
    let mut command = environment.wasm_cargo();
    command.env("RUSTC_BOOTSTRAP", "1").args(arguments).arg("-Zbuild-std=core,alloc");
    shell::run("the build", &mut command)
}

fn has_target(target: &str) -> Result<bool, shell::Failure> {
    let mut command = Command::new("rustc");
    command.args(["--print", "target-libdir", "--target", target]);
    let folder = shell::capture("rustc", &mut command)?;
    Ok(Path::new(folder.trim()).is_dir())
}

fn has_library_source(environment: &Environment) -> Result<bool, shell::Failure> {
    let rustc = environment.wasm_folder().map_or_else(|| "rustc".into(), |folder| folder.join("rustc"));
    let mut command = Command::new(rustc);
    command.env_remove("RUSTUP_TOOLCHAIN").args(["--print", "sysroot"]);
    let root = shell::capture("rustc", &mut command)?;
    Ok(Path::new(root.trim()).join("lib/rustlib/src/rust/library/alloc").is_dir())
}

/// A tool that npm installed into this repository.
pub fn node_tool(environment: &Environment, name: &str, args: &[&str]) -> Outcome {
    let program = Path::new("node_modules/.bin").join(name);
    shell::run(name, environment.command(&program.to_string_lossy()).args(args))
}

fn repair(environment: &Environment) -> Outcome {
    cargo("clippy", &["clippy", "--workspace", "--all-targets", "--fix", "--allow-dirty", "--allow-staged"])?;
    cargo("rustfmt", &["fmt", "--all"])?;
    node_tool(environment, "eslint", &["--fix", "."])
}

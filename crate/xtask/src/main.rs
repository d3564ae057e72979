//! `cargo xtask VERB`: everything a developer or the CI does with this repository, behind one door.
//!
//! One verb per file; each exports one [`Verb`]. No logic lives in npm scripts, YAML or shell: they call this.
//! This crate does not know how to install anything (`scripts/setup.mjs` does); a missing tool is named, with its cure.
//!
//! Exit codes: 0 the verb succeeded, 1 what it checks failed, 2 it was called wrongly.

/// Prints a line. Unlike `println!` it does not panic when whoever reads (`| head`) has gone.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

mod args;
mod bench;
mod browser;
mod build;
mod check;
mod ci;
mod counts;
mod docs;
mod fuzz;
mod graph;
mod levels;
mod links;
mod readme;
mod shell;
mod sim;
mod size;
mod steps;
mod test;
mod tidy;
mod toolchain;
mod workspace;

use args::Args;
use shell::{Failure, Outcome};
use std::process::ExitCode;

/// One command of the front door.
struct Verb {
    name: &'static str,
    summary: &'static str,
    /// Everything after the usage line of `cargo xtask NAME --help`.
    help: &'static str,
    run: fn(Args) -> Outcome,
}

/// In the order in which a developer meets them.
const VERBS: &[Verb] = &[
    check::VERB,
    test::VERB,
    tidy::VERB,
    build::VERB,
    size::VERB,
    browser::VERB,
    docs::VERB,
    ci::VERB,
    sim::VERB,
    fuzz::VERB,
    bench::VERB,
];

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let outcome = match words.next().as_deref() {
        None => {
            print_overview();
            return ExitCode::from(2);
        }
        Some("help" | "--help" | "-h") => {
            print_overview();
            Ok(())
        }
        Some(name) => dispatch(name, words.collect()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Check(message)) => {
            eprintln!("xtask: {message}");
            ExitCode::from(1)
        }
        Err(Failure::Usage(message)) => {
            eprintln!("xtask: {message}");
            ExitCode::from(2)
        }
    }
}

fn dispatch(name: &str, words: Vec<String>) -> Outcome {
    let Some(verb) = VERBS.iter().find(|verb| verb.name == name) else {
        return Err(Failure::Usage(format!("no verb '{name}'; cargo xtask --help lists them")));
    };
    if words.iter().any(|word| word == "--help" || word == "-h") {
        say!("cargo xtask {} - {}\n\n{}", verb.name, verb.summary, verb.help);
        return Ok(());
    }
    (verb.run)(Args::new(verb.name, words))
}

fn print_overview() {
    say!("cargo xtask VERB [--help]\n");
    for verb in VERBS {
        say!("  {:<8} {}", verb.name, verb.summary);
    }
    say!("\nExit codes: 0 ok, 1 a check failed, 2 usage.");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_have_distinct_names_and_help() {
        for (index, verb) in VERBS.iter().enumerate() {
            assert!(VERBS[..index].iter().all(|other| other.name != verb.name), "{}", verb.name);
            assert!(!verb.help.is_empty() && !verb.summary.is_empty());
        }
    }

    #[test]
    fn an_unknown_verb_is_a_usage_error() {
        assert!(matches!(dispatch("frobnicate", Vec::new()), Err(Failure::Usage(_))));
    }

    #[test]
    fn an_unknown_option_of_any_verb_is_a_usage_error() {
        for verb in VERBS {
            let words = vec!["--no-such-option".to_owned()];
            assert!(matches!(dispatch(verb.name, words), Err(Failure::Usage(_))), "{}", verb.name);
        }
    }
}

//! `cargo xtask ci`: what CI runs, in the same order, each step timed. The cheapest reason to fail comes first.

use crate::Verb;
use crate::args::Args;
use crate::levels::{Level, Selection};
use crate::shell::Outcome;
use crate::steps::Steps;
use crate::toolchain::Environment;
use crate::{check, docs, test, workspace};

pub const VERB: Verb = Verb {
    name: "ci",
    summary: "everything CI runs, in its order, with times",
    help: "Steps: those of check, those of docs, then every test. The last line is 'N passed, N failed'.",
    run,
};

fn run(args: Args) -> Outcome {
    args.words(0)?;
    workspace::enter()?;
    let environment = Environment::find()?;
    let mut steps = Steps::default();
    let outcome = check::all(&environment, &mut steps).and_then(|()| docs::all(&environment, &mut steps));
    // A failure prints its times too: they say where the minutes went.
    steps.print_times();
    outcome?;
    test::run_levels(&Level::ALL, &Selection::default())
}

//! `cargo xtask browser`: the levels that need a browser, and nothing else.

use crate::Verb;
use crate::args::Args;
use crate::levels::{Level, Selection};
use crate::shell::{Failure, Outcome};
use crate::{test, workspace};

pub const VERB: Verb = Verb {
    name: "browser",
    summary: "tests in real browsers only",
    help: "  [FILTER]         only tests whose name contains FILTER
  --engine NAME    chromium, firefox or webkit; without it the first two.
                   The wasm-bindgen level runs in Chromium only and is left out for the others.",
    run,
};

const ENGINES: &[&str] = &["chromium", "firefox", "webkit"];

fn run(mut args: Args) -> Outcome {
    let engine = args.option("--engine")?;
    let filter = args.words(1)?.pop();
    if let Some(engine) = &engine
        && !ENGINES.contains(&engine.as_str())
    {
        return Err(Failure::Usage(format!("no engine '{engine}': one of {}", ENGINES.join(", "))));
    }
    workspace::enter()?;
    let with_wasm = engine.as_deref().is_none_or(|engine| engine == "chromium");
    let levels: &[Level] = if with_wasm { &[Level::Wasm, Level::Browser] } else { &[Level::Browser] };
    test::run_levels(levels, &Selection { filter, engine, ..Selection::default() })
}

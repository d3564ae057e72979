//! Inputs that a fuzzer once found something with, or that reach far: replayed for ever. The targets are in `fuzz/`.

use std::path::Path;

#[path = "../../../../fuzz/shared/files.rs"]
mod files;
#[path = "../../../../fuzz/shared/increment.rs"]
mod increment;
#[path = "../../../../fuzz/shared/job_bytes.rs"]
mod job_bytes;
#[path = "../../../../fuzz/shared/open_store.rs"]
mod open_store;

fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        run(&std::fs::read(entry.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count > 0, "no seeds of {target}");
}

#[test]
fn changed_databases_open_or_are_refused() {
    replay("open_store", open_store::run);
}

#[test]
fn changed_jobs_run_or_are_refused() {
    replay("job_bytes", job_bytes::run);
}

#[test]
fn changed_increments_are_laid_over_or_refused() {
    replay("increment", increment::run);
}

/// A fuzzer of the poor, for machines without one: the same in every run.
#[test]
fn a_hundred_random_changes_do_no_harm() {
    let mut random = files::Seeded(42);
    let mut input = [0; 96];
    for round in 0..150 {
        coffer_store::Entropy::fill(&mut random, &mut input);
        match round % 3 {
            0 => open_store::run(&input),
            1 => job_bytes::run(&input),
            _ => increment::run(&input),
        }
    }
}

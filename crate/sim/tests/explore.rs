//! Every crash of every canonical workload. One test each, so that they share the machine's cores.

use coffer_sim::{canonical, explore};

fn explore_workload(index: usize) {
    let workload = &canonical()[index];
    match explore(workload) {
        Ok(explored) => {
            println!("{}: {} calls, {} ends", workload.name, explored.calls, explored.ends);
            assert!(explored.calls > 20, "{} makes only {} calls", workload.name, explored.calls);
        }
        Err(failure) => panic!("{failure}"),
    }
}

#[test]
fn commits_of_every_durability_survive_every_crash() {
    explore_workload(0);
}

#[test]
fn spilled_transactions_survive_every_crash() {
    explore_workload(1);
}

#[test]
fn logs_survive_every_crash_while_sealed_folded_and_used_again() {
    explore_workload(2);
}

#[test]
fn commits_survive_every_crash_while_a_job_runs_aside() {
    explore_workload(3);
}

#[test]
fn keys_survive_every_crash_while_changed() {
    explore_workload(4);
}

#[test]
fn readers_and_history_survive_every_crash() {
    explore_workload(5);
}

#[test]
fn clean_ends_survive_every_crash() {
    explore_workload(6);
}

#[test]
fn every_canonical_workload_has_a_test_above() {
    assert_eq!(canonical().len(), 7);
}

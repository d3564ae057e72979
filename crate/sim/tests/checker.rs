//! The checker can fail: on a disk that lies outside the fault model, where no engine can keep its promises, the simulator
//! must say so. A checker that passes here checks nothing.

use coffer_sim::{Lie, Profile, run_on};

/// Runs seeds until one fails, and gives what was wrong.
fn first_failure(profile: Profile, lie: Lie) -> Option<String> {
    (0..200).find_map(|seed| run_on(seed, profile, Some(lie)).err()).map(|failure| failure.what)
}

#[test]
fn a_disk_that_only_pretends_to_flush_is_caught() {
    let what =
        first_failure(Profile::Crash, Lie::Flushes).expect("200 runs with crashes and no flushes lose something");
    println!("{what}");
}

#[test]
fn a_disk_that_only_pretends_to_flush_names_is_caught() {
    let what = first_failure(Profile::Crash, Lie::NameFlushes).expect("200 runs with crashes lose a name");
    println!("{what}");
}

#[test]
fn a_disk_that_leaves_out_a_write_now_and_then_is_caught() {
    let what = first_failure(Profile::Calm, Lie::Writes).expect("200 runs with lost writes show one");
    println!("{what}");
}

#[test]
fn a_disk_that_now_and_then_stores_a_write_elsewhere_is_caught() {
    let what = first_failure(Profile::Calm, Lie::Places).expect("200 runs with misplaced writes show one");
    println!("{what}");
}

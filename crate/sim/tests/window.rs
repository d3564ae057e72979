//! Half a minute of the recorded window in every test run. A failure prints the seed and the command that replays it.
//! Fresh seeds are drawn by command (`cargo xtask sim`): here they would fail by chance, for somebody whose change has
//! nothing to do with it.

use std::time::Duration;

use coffer_sim::{Campaign, Outcome, Profile, WINDOW_RUNS, run};

fn walk(campaign: &Campaign) -> Outcome {
    let outcome = campaign.run(|_| ());
    println!("from seed {}: {outcome}", campaign.start);
    if let Some(failure) = outcome.failures.first() {
        panic!("seed {}: {failure}", failure.seed);
    }
    outcome
}

#[test]
fn half_a_minute_of_the_recorded_window_shows_no_failure() {
    let campaign = Campaign::window(Duration::from_secs(30), 2);
    let outcome = walk(&campaign);
    let summary = &outcome.summary;
    // Every profile has had its turn, also on a slow machine.
    assert!(outcome.runs > 10 && summary.crashes > 0 && summary.damages > 0, "{outcome}");
    assert!(outcome.runs <= WINDOW_RUNS, "{outcome}");
}

#[test]
fn a_seed_means_the_same_run_each_time() {
    let campaign = Campaign::window(Duration::MAX, 1);
    for seed in campaign.start..campaign.start + Profile::ALL.len() as u64 {
        let [first, second] =
            [(); 2].map(|()| run(seed, campaign.profile(seed)).map_err(|failure| failure.to_string()));
        assert_eq!(format!("{first:?}"), format!("{second:?}"), "seed {seed}");
    }
}

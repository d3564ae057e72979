//! Half a minute of fresh seeds in every test run. A failure prints the seed and the command that replays it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use coffer_sim::{Campaign, Profile};

#[test]
fn half_a_minute_of_random_runs_shows_no_failure() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let campaign = Campaign {
        start: u64::try_from(now.as_millis() % 1_000_000_000).unwrap_or(0),
        runs: u64::MAX,
        time: Duration::from_secs(30),
        profiles: Profile::ALL.to_vec(),
        threads: 2,
        failures_max: 1,
    };
    println!("from seed {}", campaign.start);
    let outcome = campaign.run(|_| ());
    println!("{outcome}");
    if let Some(failure) = outcome.failures.first() {
        panic!("seed {}: {failure}", failure.seed);
    }
    assert!(outcome.runs > 10 && outcome.summary.crashes > 0 && outcome.summary.damages > 0, "{outcome}");
}

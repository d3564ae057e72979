//! Seeds that once failed, with their stories, in `seeds.txt`.

use coffer_sim::{Profile, run};

#[test]
fn seeds_that_once_failed_pass() {
    let mut replayed = 0;
    for line in include_str!("seeds.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let mut words = line.splitn(3, ' ');
        let profile = words.next().and_then(Profile::from_name).expect("a line begins with a profile");
        let seed = words.next().and_then(|word| word.parse().ok()).expect("then comes a seed");
        assert!(words.next().is_some_and(|story| !story.is_empty()), "seed {seed} has no story");
        if let Err(failure) = run(seed, profile) {
            panic!("an old failure is back: {line}\n{failure}");
        }
        replayed += 1;
    }
    println!("{replayed} seeds replayed");
}

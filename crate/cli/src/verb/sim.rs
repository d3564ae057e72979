//! `coffer sim`: the deterministic simulator, whose every run is derived from one number.

use std::io::{Write, stdout};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use coffer_sim::{Campaign, Explored, Profile, canonical, explore};
use serde_json::json;

use crate::failure::{Failure, Outcome};
use crate::text;

/// Run random histories with crashes and faults against the storage engine
///
/// Every run follows from its seed alone: the same seed, the same history. Without --seed, --runs or --seconds it goes on for
/// ten seconds from a fresh seed.
#[derive(Args, Debug)]
pub struct Sim {
    /// Make one run, the one of this seed.
    #[arg(long, value_name = "N", conflicts_with_all = ["start", "runs", "seconds"])]
    seed: Option<u64>,
    /// Begin with this seed and count up.
    #[arg(long, value_name = "N")]
    start: Option<u64>,
    /// Make this many runs.
    #[arg(long, value_name = "N")]
    runs: Option<u64>,
    /// Begin no run after this time.
    #[arg(long, value_name = "S")]
    seconds: Option<u64>,
    /// Make runs of this kind only; all kinds in turn by default.
    #[arg(long, value_name = "NAME", value_parser = parse_profile)]
    profile: Option<Profile>,
    /// Runs at once.
    #[arg(long, value_name = "N", default_value_t = 1)]
    threads: usize,
    /// Do not stop at the first failure.
    #[arg(long)]
    keep_going: bool,
    /// Try every crash of every canonical history instead.
    #[arg(long, conflicts_with_all = ["seed", "start", "runs", "seconds", "profile"])]
    explore: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

const SECONDS: u64 = 10;

impl Sim {
    pub fn run(&self) -> Outcome {
        if self.explore { explore_all(self.json) } else { self.campaign() }
    }

    fn campaign(&self) -> Outcome {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // A short number is easier to carry about.
        let fresh = u64::try_from(now.as_millis() % 1_000_000_000).unwrap_or(0);
        let start = self.seed.or(self.start).unwrap_or(fresh);
        let runs = self.seed.map(|_| 1).or(self.runs);
        let seconds = self.seconds.or(if runs.is_some() { None } else { Some(SECONDS) });
        let campaign = Campaign {
            start,
            runs: runs.unwrap_or(u64::MAX),
            time: Duration::from_secs(seconds.unwrap_or(u64::MAX)),
            profiles: self.profile.map_or_else(|| Profile::ALL.to_vec(), |profile| vec![profile]),
            threads: self.threads,
            failures_max: if self.keep_going { usize::MAX } else { 1 },
        };
        if !self.json {
            writeln!(stdout(), "from seed {start}")?;
        }
        let outcome = campaign.run(|failure| {
            if !self.json {
                let _ = writeln!(stdout(), "seed {}: {failure}\n", failure.seed);
            }
        });
        let summary = &outcome.summary;
        let failures = outcome.failures.iter();
        let failures: Vec<_> =
            failures.map(|failure| json!({ "seed": failure.seed, "what": failure.to_string() })).collect();
        let document = json!({
            "start": start,
            "runs": outcome.runs,
            "time_ms": u64::try_from(outcome.time.as_millis()).unwrap_or(u64::MAX),
            "operations": summary.operations,
            "commits": summary.commits,
            "crashes": summary.crashes,
            "openings": summary.openings,
            "damages": summary.damages,
            "pages_compared": summary.pages_compared,
            "device_calls": summary.counters.calls(),
            "failures": failures,
        });
        text::result(self.json, &document, &outcome.to_string())?;
        match outcome.failures.first() {
            None => Ok(()),
            Some(failure) => {
                Err(Failure::data(format!("seed {0} failed; replay it with: coffer sim --seed {0}", failure.seed)))
            }
        }
    }
}

fn explore_all(json: bool) -> Outcome {
    let mut failed = 0;
    let mut histories = Vec::new();
    for workload in canonical() {
        let (document, line) = match explore(&workload) {
            Ok(Explored { calls, ends }) => (
                json!({ "name": workload.name, "calls": calls, "ends": ends, "failure": null }),
                format!("{}: {calls} calls, {ends} ends", workload.name),
            ),
            Err(failure) => {
                failed += 1;
                (json!({ "name": workload.name, "failure": failure.to_string() }), failure.to_string())
            }
        };
        if !json {
            writeln!(stdout(), "{line}")?;
        }
        histories.push(document);
    }
    text::result(json, &json!({ "histories": histories }), "")?;
    if failed == 0 { Ok(()) } else { Err(Failure::data(format!("{failed} histories failed"))) }
}

fn parse_profile(name: &str) -> Result<Profile, String> {
    let names = || Profile::ALL.iter().map(|profile| profile.name()).collect::<Vec<_>>().join(", ");
    Profile::from_name(name).ok_or_else(|| format!("one of: {}", names()))
}

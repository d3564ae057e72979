//! `coffer-sim`: the simulator by command. Everything it does is in the library; this reads arguments and prints.

use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use coffer_sim::{Campaign, Profile, canonical, explore};

const HELP: &str = "\
coffer-sim: random operations, crashes and faults against the storage engine, each run derived from one number

  coffer-sim                        10 seconds from a fresh seed
  coffer-sim --seed N               one run, with its steps if it fails
  coffer-sim --start N --runs N     that many seeds from there
  coffer-sim --seconds S            as many as fit
  coffer-sim --window               the recorded seeds that every test run walks through for half a minute, all of them
  coffer-sim --profile NAME         swarm, calm, crash, fault, atrest; all in turn by default
  coffer-sim --threads N            at once; 1 by default
  coffer-sim --keep-going           do not stop at the first failure
  coffer-sim --explore              every crash of every canonical workload
";

fn main() -> ExitCode {
    match parse(std::env::args().skip(1)) {
        Ok(Command::Help) => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        Ok(Command::Explore) => explore_all(),
        Ok(Command::Run(campaign)) => run(&campaign),
        Err(what) => {
            eprintln!("{what}; see --help");
            ExitCode::from(2)
        }
    }
}

enum Command {
    Help,
    Explore,
    Run(Campaign),
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Command, String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut campaign = Campaign {
        // A short number is easier to carry to an issue.
        start: u64::try_from(now.as_millis() % 1_000_000_000).unwrap_or(0),
        runs: u64::MAX,
        time: Duration::from_secs(u64::MAX),
        profiles: Profile::ALL.to_vec(),
        threads: 1,
        failures_max: 1,
    };
    let mut bounded = false;
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
        let number = |text: String| text.parse::<u64>().map_err(|_| format!("{text} is not a number"));
        match argument.as_str() {
            "--help" | "-h" => return Ok(Command::Help),
            "--explore" => return Ok(Command::Explore),
            "--keep-going" => campaign.failures_max = usize::MAX,
            "--seed" => (campaign.start, campaign.runs, bounded) = (number(value()?)?, 1, true),
            "--start" => campaign.start = number(value()?)?,
            "--runs" => (campaign.runs, bounded) = (number(value()?)?, true),
            "--window" => {
                let window = Campaign::window(campaign.time, campaign.threads);
                (campaign.start, campaign.runs, bounded) = (window.start, window.runs, true);
            }
            "--seconds" => (campaign.time, bounded) = (Duration::from_secs(number(value()?)?), true),
            "--threads" => campaign.threads = usize::try_from(number(value()?)?).unwrap_or(1),
            "--profile" => {
                let name = value()?;
                let profile = Profile::from_name(&name).ok_or_else(|| format!("there is no profile {name}"))?;
                campaign.profiles = vec![profile];
            }
            _ => return Err(format!("{argument} is not known")),
        }
    }
    if !bounded {
        campaign.time = Duration::from_secs(10);
    }
    Ok(Command::Run(campaign))
}

fn run(campaign: &Campaign) -> ExitCode {
    println!("from seed {}", campaign.start);
    let outcome = campaign.run(|failure| println!("seed {}: {failure}\n", failure.seed));
    println!("{outcome}");
    if outcome.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn explore_all() -> ExitCode {
    let mut failed = false;
    for workload in canonical() {
        match explore(&workload) {
            Ok(explored) => println!("{}: {} calls, {} ends", workload.name, explored.calls, explored.ends),
            Err(failure) => {
                println!("{failure}");
                failed = true;
            }
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

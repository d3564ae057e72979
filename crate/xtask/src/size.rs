//! `cargo xtask size`: what a browser downloads, raw and compressed, against the budget.
//!
//! A budget is raised only by a commit that says why.

use crate::Verb;
use crate::args::Args;
use crate::shell::{self, Failure, Outcome, failed};
use crate::toolchain::Environment;
use crate::workspace;
use std::path::Path;

pub const VERB: Verb = Verb {
    name: "size",
    summary: "raw, gzip and brotli size of what a browser downloads; fails above the budget",
    help: "Measures dist/ as the last 'cargo xtask build' left it: wasm, worker, page client.",
    run,
};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    Wasm,
    Worker,
    Client,
    /// What of the page's side is loaded only when it is used.
    Aside,
    /// The engine's side without messages, instead of worker and client.
    Sync,
}

#[derive(Clone, Copy, Debug)]
enum Measure {
    Gzip,
    Brotli,
}

struct Budget {
    part: Part,
    measure: Measure,
    bytes_max: u64,
}

/// What the wasm may weigh, and why, is in docs/decisions/0015 and 0017.
/// 1 KB of wasm is 1000 bytes, as in a browser's network panel; of worker and client it is 1024.
const BUDGETS: &[Budget] = &[
    Budget { part: Part::Wasm, measure: Measure::Gzip, bytes_max: 599_000 },
    Budget { part: Part::Worker, measure: Measure::Brotli, bytes_max: 20_480 },
    Budget { part: Part::Client, measure: Measure::Brotli, bytes_max: 10_240 },
    Budget { part: Part::Aside, measure: Measure::Brotli, bytes_max: 6_000 },
    Budget { part: Part::Sync, measure: Measure::Brotli, bytes_max: 15_000 },
];

/// node carries zlib and brotli; this crate stays without a compressor.
const MEASURE: &str = "
const { readFileSync } = require('node:fs')
const { gzipSync, brotliCompressSync, constants } = require('node:zlib')
for (const path of process.argv.slice(1)) {
  const raw = readFileSync(path)
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: raw.length }
  console.log([raw.length, gzipSync(raw, { level: 9 }).length, brotliCompressSync(raw, { params }).length, path].join(' '))
}";

#[derive(Clone)]
struct Row {
    path: String,
    raw: u64,
    gzip: u64,
    brotli: u64,
}

fn run(args: Args) -> Outcome {
    args.words(0)?;
    workspace::enter()?;
    judge(&Environment::find()?)
}

/// Prints the report and fails above the budget.
pub fn judge(environment: &Environment) -> Outcome {
    let rows = measure(environment)?;
    print(&rows);
    let over = over_budget(&rows);
    if over.is_empty() { Ok(()) } else { failed(over.join("; ")) }
}

/// Prints the report of a build that is not meant to be small.
pub fn print_only(environment: &Environment) -> Outcome {
    print(&measure(environment)?);
    Ok(())
}

fn measure(environment: &Environment) -> Result<Vec<Row>, Failure> {
    let mut paths = Vec::new();
    collect(Path::new("dist"), &mut paths);
    paths.retain(|path| part(path).is_some());
    paths.sort();
    if paths.is_empty() {
        return failed("dist/ holds nothing a browser downloads; run: cargo xtask build");
    }
    let mut command = environment.command("node");
    let text = shell::capture("node", command.args(["--eval", MEASURE, "--"]).args(&paths))?;
    let rows: Vec<Row> = text.lines().filter_map(parse).collect();
    if rows.len() == paths.len() { Ok(rows) } else { failed("node did not measure every file") }
}

fn collect(folder: &Path, paths: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, paths);
        } else {
            paths.push(path.to_string_lossy().replace('\\', "/"));
        }
    }
}

/// Which part of the download a file is; maps and types are none. The page client is one module.
fn part(path: &str) -> Option<Part> {
    let name = path.rsplit('/').next().unwrap_or(path);
    match name.rsplit_once('.')?.1 {
        "wasm" => Some(Part::Wasm),
        // The same worker and engine once more, as text, for those whose bundler needs them so.
        "js" if name == "inline.js" => None,
        "js" if name.contains("worker") => Some(Part::Worker),
        "js" if ["backup.js", "backups.js", "formats.js", "keyring.js", "sealing.js", "server.js"].contains(&name) => {
            Some(Part::Aside)
        }
        "js" if name == "sync.js" => Some(Part::Sync),
        "js" => Some(Part::Client),
        _ => None,
    }
}

fn parse(line: &str) -> Option<Row> {
    let mut fields = line.splitn(4, ' ');
    let mut number = || fields.next()?.parse().ok();
    let (raw, gzip, brotli) = (number()?, number()?, number()?);
    Some(Row { path: fields.next()?.to_owned(), raw, gzip, brotli })
}

fn print(rows: &[Row]) {
    say!("{:>10} {:>10} {:>10}  file", "raw", "gzip -9", "brotli 11");
    for row in rows {
        say!("{:>10} {:>10} {:>10}  {}", row.raw, row.gzip, row.brotli, row.path);
    }
    for budget in BUDGETS {
        let used = used(rows, budget);
        let share = used * 100 / budget.bytes_max;
        say!("{:?}: {used} of {} bytes {:?} ({share} %)", budget.part, budget.bytes_max, budget.measure);
    }
}

fn used(rows: &[Row], budget: &Budget) -> u64 {
    let ours = rows.iter().filter(|row| part(&row.path) == Some(budget.part));
    let bytes = ours.map(|row| match budget.measure {
        Measure::Gzip => row.gzip,
        Measure::Brotli => row.brotli,
    });
    bytes.sum()
}

/// One sentence for each budget that is passed, or that nothing counts towards.
fn over_budget(rows: &[Row]) -> Vec<String> {
    let verdict = |budget: &Budget| {
        let used = used(rows, budget);
        let name = format!("{:?}", budget.part).to_lowercase();
        match used {
            0 => Some(format!("no {name} file in dist/")),
            _ if used > budget.bytes_max => Some(format!("{name} is {used} bytes, budget {}", budget.bytes_max)),
            _ => None,
        }
    };
    BUDGETS.iter().filter_map(verdict).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(path: &str, gzip: u64, brotli: u64) -> Row {
        Row { path: path.to_owned(), raw: 1, gzip, brotli }
    }

    /// A package whose every part has its budget used up, and so many bytes more.
    fn package(more: u64) -> Vec<Row> {
        let of = |part| BUDGETS.iter().find(|budget| budget.part == part).unwrap().bytes_max + more;
        let scripts = [
            ("worker.js", Part::Worker),
            ("index.js", Part::Client),
            ("backup.js", Part::Aside),
            ("sync.js", Part::Sync),
        ];
        let wasm = [row("dist/a.wasm", of(Part::Wasm) - 1, 1), row("dist/b.wasm", 1, 1)];
        let scripts = scripts.map(|(name, part)| row(&format!("dist/{name}"), 0, of(part)));
        [wasm.to_vec(), scripts.to_vec()].concat()
    }

    #[test]
    fn a_package_within_the_budget_passes() {
        assert_eq!(over_budget(&package(0)), Vec::<String>::new());
    }

    #[test]
    fn one_byte_more_in_each_fails_for_each() {
        assert_eq!(over_budget(&package(1)).len(), BUDGETS.len());
    }

    #[test]
    fn the_readme_quotes_every_budget() {
        let readme = include_str!("../../../README.md");
        for budget in BUDGETS {
            let quoted = format!("{} KB", budget.bytes_max / 1000);
            assert!(readme.contains(&quoted), "README.md does not say {quoted} of {:?}", budget.part);
        }
    }

    #[test]
    fn a_missing_part_fails() {
        assert_eq!(over_budget(&[row("a.wasm", 1, 1)]).len(), 4);
    }

    #[test]
    fn maps_and_types_are_no_download() {
        assert_eq!(part("dist/worker.js.map"), None);
        assert_eq!(part("dist/index.d.ts"), None);
        assert_eq!(part("dist/checkpoint-worker.js"), Some(Part::Worker));
    }

    #[test]
    fn a_path_with_blanks_is_parsed() {
        assert_eq!(
            parse("3 2 1 dist/a b.wasm").map(|row| (row.raw, row.gzip, row.brotli, row.path)),
            Some((3, 2, 1, "dist/a b.wasm".to_owned()))
        );
    }
}

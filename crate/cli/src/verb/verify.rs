//! `coffer verify`: opens every record of every file that counts, and asks SQLite about what is in them.

use std::io::{BufWriter, Write, stdout};

use clap::Args;

use crate::failure::{Exit, Failure, Outcome};
use crate::interrupt::Hold;
use crate::open::{Access, DatabaseArgs};
use crate::progress::{Progress, Unit};
use crate::value;

/// Check every byte that counts; exit code 5 if any is damaged
#[derive(Args, Debug)]
pub struct Verify {
    #[command(flatten)]
    database: DatabaseArgs,
    /// Have SQLite check its B-trees and indexes as well.
    #[arg(long)]
    deep: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Complaints of SQLite's that are listed.
const COMPLAINTS_MAX: u32 = 100;

impl Verify {
    pub fn run(&self) -> Outcome {
        let database = self.database.open(Access::Read)?;
        let hold = Hold::new();
        let mut progress = Progress::new("verify", None, Unit::Records);
        let verified = database.verify(|records| {
            progress.set(records);
            hold.check().is_ok()
        })?;
        hold.check()?;
        drop(progress);
        let mut damage: Vec<String> = verified.damage.iter().map(ToString::to_string).collect();
        let lost: Vec<u32> = verified.pages_lost.iter().map(|page| page.get()).collect();
        if self.deep && damage.is_empty() {
            let connection = database.connect()?;
            let hold = Hold::on(&connection);
            let sql = format!("pragma integrity_check({COMPLAINTS_MAX})");
            let complaints: Vec<String> = connection.query_all(&sql, [], |row| row.get(0))?;
            hold.check()?;
            damage.extend(complaints.into_iter().filter(|complaint| complaint != "ok"));
        }
        let mut out = BufWriter::new(stdout());
        let (records, bytes) = (verified.records, verified.bytes);
        if self.json {
            let mut texts = String::new();
            for (index, text) in damage.iter().enumerate() {
                texts.push_str(if index == 0 { "" } else { "," });
                value::json_text(text, &mut texts);
            }
            let lost = lost.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
            writeln!(out, "{{\"records\":{records},\"bytes\":{bytes},\"damage\":[{texts}],\"pages_lost\":[{lost}]}}")?;
        } else {
            for text in &damage {
                writeln!(out, "{text}")?;
            }
            if !lost.is_empty() {
                writeln!(out, "pages lost: {}", lost.iter().map(u32::to_string).collect::<Vec<_>>().join(" "))?;
            }
            if damage.is_empty() {
                writeln!(out, "ok: {records} records in {bytes} bytes")?;
            }
        }
        out.flush()?;
        if damage.is_empty() {
            return Ok(());
        }
        let count = damage.len();
        let message = format!("{} is damaged in {count} places; restore it from a backup", self.database.name());
        Err(Failure::new(Exit::Corrupt, message))
    }
}

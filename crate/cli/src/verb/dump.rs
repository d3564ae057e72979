//! `coffer dump`: how pages are stored, and what is in them. With `info`, `log` and `verify` the debugger of the format.

use std::io::{BufWriter, Write, stdout};

use clap::Args;
use coffer_store::{CommitId, PageNo, PageRecord, Scratch};

use crate::failure::{Failure, Outcome};
use crate::open::{Access, DatabaseArgs};
use crate::text::{self, Fact};
use crate::value;

/// Show how pages are stored, or one page with what is in it
#[derive(Args, Debug)]
pub struct Dump {
    #[command(flatten)]
    database: DatabaseArgs,
    /// Only this page, with its content in hexadecimal.
    #[arg(long, value_name = "N")]
    page: Option<u32>,
    /// Look at a kept commit instead of the newest.
    #[arg(long, value_name = "COMMIT")]
    at: Option<u64>,
    /// Print JSON: one object per line.
    #[arg(long)]
    json: bool,
}

impl Dump {
    pub fn run(&self) -> Outcome {
        let database = self.database.open(Access::Read)?;
        let snapshot = match self.at {
            Some(commit) => database.with_store(|store| store.snapshot_at(CommitId(commit)))?,
            None => database.snapshot(),
        };
        let mut scratch = Scratch::default();
        let mut out = BufWriter::new(stdout());
        let count = snapshot.page_count().0;
        if let Some(number) = self.page {
            let page = PageNo::new(number).filter(|page| snapshot.page_count().contains(*page));
            let page =
                page.ok_or_else(|| Failure::usage(format!("there is no page {number}; pages are 1 to {count}")))?;
            let mut content = vec![0; snapshot.page_size().bytes()];
            let record = snapshot.record(page, &mut scratch)?;
            let Some(record) = record else {
                return Err(Failure::data(format!("page {number} was never written; it reads as zeros")));
            };
            snapshot.read(page, &mut content, &mut scratch)?;
            self.one(&record, &content, &mut out)?;
        } else {
            if !self.json {
                writeln!(
                    out,
                    "{:>8} {:>8} {:>10} {:>8} {:>8}  {:6} file",
                    "page", "commit", "offset", "stored", "raw", "codec"
                )?;
            }
            for page in (1..=count).filter_map(PageNo::new) {
                if let Some(record) = snapshot.record(page, &mut scratch)? {
                    self.line(&record, &mut out)?;
                }
            }
        }
        Ok(out.flush()?)
    }

    fn line(&self, record: &PageRecord, out: &mut impl Write) -> Outcome {
        if self.json {
            return text::facts(out, &facts(record), true);
        }
        let (page, commit) = (record.version.page.get(), record.version.commit.0);
        let PageRecord { offset, stored_bytes, raw_bytes, file, codec, .. } = record;
        let codec = if record.patch { "patch" } else { codec.name() };
        Ok(writeln!(out, "{page:>8} {commit:>8} {offset:>10} {stored_bytes:>8} {raw_bytes:>8}  {codec:6} {file}")?)
    }

    fn one(&self, record: &PageRecord, content: &[u8], out: &mut impl Write) -> Outcome {
        let mut facts = facts(record);
        if self.json {
            facts.push(("content", value::hex(content).into()));
            return text::facts(out, &facts, true);
        }
        text::facts(out, &facts, false)?;
        writeln!(out)?;
        hex_dump(content, out)
    }
}

fn facts(record: &PageRecord) -> Vec<(&'static str, Fact)> {
    vec![
        ("page", u64::from(record.version.page.get()).into()),
        ("commit", record.version.commit.0.into()),
        ("file", record.file.clone().into()),
        ("offset", record.offset.into()),
        ("stored_bytes", record.stored_bytes.into()),
        ("raw_bytes", record.raw_bytes.into()),
        ("codec", record.codec.name().to_owned().into()),
        ("dictionary", Fact::Truth(record.dictionary)),
        ("encrypted", Fact::Truth(record.encrypted)),
        ("patch", Fact::Truth(record.patch)),
    ]
}

const LINE_BYTES: usize = 16;

/// Sixteen bytes a line, as numbers and as letters. Lines that repeat the one before are left out, as hexdump does.
fn hex_dump(content: &[u8], out: &mut impl Write) -> Outcome {
    let mut before: Option<&[u8]> = None;
    let mut repeats = false;
    for (index, line) in content.chunks(LINE_BYTES).enumerate() {
        if before == Some(line) {
            if !repeats {
                writeln!(out, "*")?;
            }
            repeats = true;
            continue;
        }
        repeats = false;
        before = Some(line);
        let numbers = line.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
        let letters: String =
            line.iter().map(|&byte| if (0x20..0x7f).contains(&byte) { char::from(byte) } else { '.' }).collect();
        writeln!(out, "{:08x}  {numbers:47}  {letters}", index * LINE_BYTES)?;
    }
    Ok(writeln!(out, "{:08x}", content.len())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_lines_are_left_out() {
        let mut content = b"SQLite format 3\0".to_vec();
        content.extend([0; 48]);
        let mut out = Vec::new();
        hex_dump(&content, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "00000000  53 51 4c 69 74 65 20 66 6f 72 6d 61 74 20 33 00  SQLite format 3.");
        assert_eq!(lines[2..], ["*", "00000040"]);
    }
}

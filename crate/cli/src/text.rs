//! Numbers and times as people read them, and pairs of names and values as lines or as JSON.

use std::io::{Write, stdout};

use coffer_sqlite::Figure;

use crate::failure::Outcome;
use crate::value;

/// A value for people and for programs.
#[derive(Clone, Debug)]
pub enum Fact {
    Figure(Figure),
    /// Yes or no; true or false.
    Truth(bool),
    /// In milliseconds since 1970; 0 if nobody said.
    Time(u64),
}

impl From<u64> for Fact {
    fn from(number: u64) -> Self {
        Self::Figure(Figure::Integer(number))
    }
}

impl From<String> for Fact {
    fn from(text: String) -> Self {
        Self::Figure(Figure::Text(text))
    }
}

/// Names and values: lines for people, or one JSON object with the same names.
pub fn facts(out: &mut impl Write, facts: &[(&str, Fact)], json: bool) -> Outcome {
    if json {
        let mut line = String::from("{");
        for (index, (name, fact)) in facts.iter().enumerate() {
            if index > 0 {
                line.push(',');
            }
            value::json_text(name, &mut line);
            line.push(':');
            match fact {
                Fact::Figure(Figure::Text(text)) => value::json_text(text, &mut line),
                Fact::Figure(figure) => line.push_str(&plain(figure)),
                Fact::Truth(truth) => line.push_str(if *truth { "true" } else { "false" }),
                Fact::Time(0) => line.push_str("null"),
                Fact::Time(ms) => value::json_text(&time(*ms), &mut line),
            }
        }
        return Ok(writeln!(out, "{line}}}")?);
    }
    let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, fact) in facts {
        let shown = match fact {
            Fact::Figure(figure) => plain(figure),
            Fact::Truth(truth) => if *truth { "yes" } else { "no" }.to_owned(),
            Fact::Time(ms) => time(*ms),
        };
        writeln!(out, "{name:width$}  {shown}")?;
    }
    Ok(())
}

/// What a verb came to: a JSON document, or the line that says the same to people, if there is anything to say.
pub fn result(json: bool, document: &serde_json::Value, line: &str) -> Outcome {
    if json {
        writeln!(stdout(), "{document}")?;
    } else if !line.is_empty() {
        writeln!(stdout(), "{line}")?;
    }
    Ok(())
}

fn plain(figure: &Figure) -> String {
    match figure {
        Figure::Integer(number) => number.to_string(),
        Figure::Real(number) => format!("{number:.4}"),
        Figure::Text(text) => text.clone(),
    }
}

/// Milliseconds since 1970 as a date and time in UTC; a dash if nobody said when.
pub fn time(ms: u64) -> String {
    if ms == 0 {
        return "-".to_owned();
    }
    let (days, second) = (ms / 86_400_000, ms / 1000 % 86_400);
    let (year, month, day) = date(days);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

/// The Gregorian date of a day counted from 1970-01-01, by counting in eras of 400 years from a March 1st, so that the odd
/// day of a leap year is the last one.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year_of_era + carry, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_dates() {
        assert_eq!(time(0), "-");
        assert_eq!(time(951_782_400_000), "2000-02-29T00:00:00Z");
        assert_eq!(time(1_767_225_599_000), "2025-12-31T23:59:59Z");
        assert_eq!(time(4_102_444_800_000), "2100-01-01T00:00:00Z");
    }
}

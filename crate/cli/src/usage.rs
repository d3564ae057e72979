//! What is wrong with a command line, on one line: the wrong thing, what may have been meant, and where to read on.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Error};

use crate::failure::Failure;
use crate::verb::Command;

/// The characters of a wrong argument that are shown.
const SHOWN: usize = 60;

/// The failure that a parser's complaint is.
pub fn failure(error: &Error) -> Failure {
    Failure::usage(format!("{}; see: {} --help", what(error), verb()))
}

/// The command with the verb that was asked for, if it is one.
fn verb() -> String {
    let known = |name: &String| Command::command().find_subcommand(name).is_some();
    let asked = std::env::args_os().nth(1).and_then(|name| name.into_string().ok()).filter(known);
    asked.map_or_else(|| "coffer".to_owned(), |name| format!("coffer {name}"))
}

fn what(error: &Error) -> String {
    let told = |kind| error.get(kind).map(words).unwrap_or_default();
    let (argument, value) = (told(ContextKind::InvalidArg), shown(&told(ContextKind::InvalidValue)));
    match error.kind() {
        ErrorKind::InvalidValue if value.is_empty() => {
            format!("{argument} needs a value{}", among(&told(ContextKind::ValidValue)))
        }
        ErrorKind::InvalidValue => {
            let perhaps = perhaps(&told(ContextKind::SuggestedValue));
            format!("{argument} cannot be '{value}'{perhaps}{}", among(&told(ContextKind::ValidValue)))
        }
        ErrorKind::ValueValidation => {
            let why = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
            // What the standard library says of a number that is none.
            let why = if why.contains("digit") || why.contains("number") { "a whole number is wanted" } else { &why };
            format!("{argument} cannot be '{value}': {why}")
        }
        ErrorKind::UnknownArgument => {
            let kind = if argument.starts_with('-') { "option" } else { "argument" };
            format!("there is no {kind} {}{}", shown(&argument), perhaps(&told(ContextKind::SuggestedArg)))
        }
        ErrorKind::InvalidSubcommand => {
            let name = shown(&told(ContextKind::InvalidSubcommand));
            format!("there is no verb {name}{}", perhaps(&told(ContextKind::SuggestedSubcommand)))
        }
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            "a verb is missing".to_owned()
        }
        ErrorKind::MissingRequiredArgument => format!("missing: {argument}"),
        ErrorKind::ArgumentConflict => {
            let prior = told(ContextKind::PriorArg);
            if prior.is_empty() || prior == argument {
                format!("{argument} can be given once only")
            } else {
                format!("{argument} cannot be given together with {prior}")
            }
        }
        ErrorKind::TooManyValues => format!("{argument} takes no more values, and '{value}' is one"),
        ErrorKind::InvalidUtf8 => "an argument that is not the name of a file must be UTF-8".to_owned(),
        other => format!("{argument}: {other}"),
    }
}

fn among(values: &str) -> String {
    if values.is_empty() { String::new() } else { format!("; it can be: {values}") }
}

fn perhaps(suggested: &str) -> String {
    if suggested.is_empty() { String::new() } else { format!(" (is it {suggested}?)") }
}

fn words(value: &ContextValue) -> String {
    match value {
        ContextValue::String(word) => word.clone(),
        ContextValue::Strings(words) => words.join(", "),
        ContextValue::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

/// The beginning of something that may be long.
fn shown(text: &str) -> String {
    if text.chars().count() <= SHOWN {
        return text.to_owned();
    }
    text.chars().take(SHOWN).chain("...".chars()).collect()
}

//! Every transcript, and the examples of the documents.

use std::path::Path;

use crate::transcript::check;

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn transcript(name: &str) {
    check(&here().join("tests/transcripts").join(name));
}

#[test]
fn the_examples_of_the_documents_run() {
    check(&here().join("../../docs/cli.md"));
}

#[test]
fn help_is_what_it_was() {
    transcript("help.txt");
}

#[test]
fn rows_are_written_as_they_were() {
    transcript("query.txt");
}

#[test]
fn the_debugger_says_what_it_said() {
    transcript("debug.txt");
}

#[test]
fn a_wrong_command_line_is_told_in_one_line() {
    transcript("usage.txt");
}

#[test]
fn every_verb_has_its_json() {
    transcript("json.txt");
}

#[test]
fn every_transcript_is_run() {
    let names = std::fs::read_dir(here().join("tests/transcripts")).unwrap();
    let mut names: Vec<String> = names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["debug.txt", "help.txt", "json.txt", "query.txt", "usage.txt"]);
}

//! The verbs, each in a file of its own: its arguments, which are its help, and what it does.

mod backup;
mod bench;
mod checkpoint;
mod compact;
mod completions;
mod decrypt;
mod dump;
mod embed_dict;
mod encrypt;
mod export;
mod extract_dict;
mod import;
mod info;
mod init;
mod load;
mod log;
mod passwd;
mod query;
mod restore;
mod rotate_key;
mod shell;
#[cfg(feature = "sim")]
mod sim;
mod train_dict;
mod verify;

use clap::{Parser, Subcommand};

use crate::failure::Outcome;

/// Coffer databases: SQL, import and export, verification, backup, keys.
///
/// A database is a directory, a single file, or a backup. Exit codes: 0 ok, 1 SQL or data error, 2 usage, 3 cannot open
/// (missing, locked, not a database), 4 wrong key, 5 corrupt.
#[derive(Debug, Parser)]
#[command(name = "coffer", version, max_term_width = 100)]
pub struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Init(init::Init),
    Query(query::Query),
    Shell(shell::Shell),
    Load(load::Load),
    Import(import::Import),
    Export(export::Export),
    Info(info::Info),
    Log(log::Log),
    Dump(dump::Dump),
    Verify(verify::Verify),
    Compact(compact::Compact),
    Checkpoint(checkpoint::Checkpoint),
    TrainDict(train_dict::TrainDict),
    EmbedDict(embed_dict::EmbedDict),
    ExtractDict(extract_dict::ExtractDict),
    Passwd(passwd::Passwd),
    RotateKey(rotate_key::RotateKey),
    Encrypt(encrypt::Encrypt),
    Decrypt(decrypt::Decrypt),
    Backup(backup::Backup),
    Restore(restore::Restore),
    Bench(bench::Bench),
    #[cfg(feature = "sim")]
    Sim(sim::Sim),
    Completions(completions::Completions),
}

impl Command {
    /// Does what the verb says.
    pub fn run(&self) -> Outcome {
        match &self.verb {
            Verb::Init(verb) => verb.run(),
            Verb::Query(verb) => verb.run(),
            Verb::Shell(verb) => verb.run(),
            Verb::Load(verb) => verb.run(),
            Verb::Import(verb) => verb.run(),
            Verb::Export(verb) => verb.run(),
            Verb::Info(verb) => verb.run(),
            Verb::Log(verb) => verb.run(),
            Verb::Dump(verb) => verb.run(),
            Verb::Verify(verb) => verb.run(),
            Verb::Compact(verb) => verb.run(),
            Verb::Checkpoint(verb) => verb.run(),
            Verb::TrainDict(verb) => verb.run(),
            Verb::EmbedDict(verb) => verb.run(),
            Verb::ExtractDict(verb) => verb.run(),
            Verb::Passwd(verb) => verb.run(),
            Verb::RotateKey(verb) => verb.run(),
            Verb::Encrypt(verb) => verb.run(),
            Verb::Decrypt(verb) => verb.run(),
            Verb::Backup(verb) => verb.run(),
            Verb::Restore(verb) => verb.run(),
            Verb::Bench(verb) => verb.run(),
            #[cfg(feature = "sim")]
            Verb::Sim(verb) => verb.run(),
            Verb::Completions(verb) => verb.run(),
        }
    }
}

//! `coffer rotate-key`: encrypts everything anew under a fresh data key.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::failure::{Exit, Failure, Outcome};
use crate::key::{from_environment, from_file};
use crate::open::{Access, DatabaseArgs};
use crate::progress::Rewriting;
use crate::text;

/// Encrypt everything anew under a fresh key
///
/// The passphrases stay the same. Every slot's key has to be given, since the new key is wrapped for each; remove slots whose
/// key is lost with passwd --remove first.
#[derive(Args, Debug)]
pub struct RotateKey {
    #[command(flatten)]
    database: DatabaseArgs,
    /// Environment variable with the passphrase of another slot; may be given several times.
    #[arg(long = "also-passphrase-env", value_name = "VAR", help_heading = "Key")]
    also_passphrases: Vec<String>,
    /// File with the raw key of another slot; may be given several times.
    #[arg(long = "also-key-file", value_name = "FILE", help_heading = "Key")]
    also_files: Vec<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

impl RotateKey {
    pub fn run(&self) -> Outcome {
        let name = self.database.name();
        if self.database.peek()?.slots.is_empty() {
            return Err(Failure::data(format!("{name} is not encrypted; encrypt it with: coffer encrypt {name}")));
        }
        let key = self.database.key.of_encrypted(&name)?;
        let mut keys = vec![key.clone()];
        for variable in &self.also_passphrases {
            keys.push(from_environment(variable)?);
        }
        for file in &self.also_files {
            keys.push(from_file(file)?);
        }
        let database = self.database.open_with(Some(key), Access::Write)?;
        let progress = Rewriting::watch(&database, "rotate");
        database.rotate_key(&keys).map_err(|error| match error.store.as_deref() {
            Some(coffer_store::Error::Limit(coffer_store::Limit::KeySlotUnsupplied)) => {
                let advice =
                    "give its key with --also-passphrase-env or --also-key-file, or remove it with passwd --remove";
                Failure::new(Exit::Key, format!("{name} has another key slot; {advice}"))
            }
            _ => error.into(),
        })?;
        let info = database.storage_info()?;
        database.close()?;
        drop(progress);
        text::result(self.json, &json!({ "key_epoch": info.key_epoch }), "")
    }
}

//! `coffer passwd`: the keys that open a database. No page is rewritten.

use std::path::PathBuf;

use clap::Args;
use coffer_sqlite::Key;
use serde_json::json;

use crate::failure::{Failure, Outcome};
use crate::key::{from_environment, from_file, new_passphrase};
use crate::open::{Access, DatabaseArgs};
use crate::text;

/// Change, add, remove or list the keys that open a database
///
/// Without --add, --remove or --list, the key that was given is replaced by a new one. What an old key could open, a copy
/// made before can still be opened with it: rotate-key makes what is written from now on unreadable to it.
#[derive(Args, Debug)]
pub struct Passwd {
    #[command(flatten)]
    database: DatabaseArgs,
    /// Environment variable that holds the new passphrase.
    #[arg(long, value_name = "VAR", conflicts_with = "new_key_file", help_heading = "Key")]
    new_passphrase_env: Option<String>,
    /// File that holds the new raw key.
    #[arg(long, value_name = "FILE", help_heading = "Key")]
    new_key_file: Option<PathBuf>,
    /// Add the new key; the old ones go on working.
    #[arg(long, conflicts_with_all = ["remove", "list"])]
    add: bool,
    /// Remove the key in this slot.
    #[arg(long, value_name = "SLOT", conflicts_with = "list")]
    remove: Option<u8>,
    /// List the slots.
    #[arg(long)]
    list: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

impl Passwd {
    pub fn run(&self) -> Outcome {
        let name = self.database.name();
        let peek = self.database.peek()?;
        if peek.slots.is_empty() {
            return Err(Failure::data(format!("{name} is not encrypted; encrypt it with: coffer encrypt {name}")));
        }
        if self.list {
            let slots = peek.slots.iter().map(|slot| (slot.number(), slot.kind().name()));
            let lines: Vec<String> = slots.clone().map(|(number, kind)| format!("{number}  {kind}")).collect();
            let slots: Vec<_> = slots.map(|(number, kind)| json!({ "slot": number, "kind": kind })).collect();
            return text::result(self.json, &json!({ "slots": slots }), &lines.join("\n"));
        }
        if let Some(slot) = self.remove.filter(|slot| !peek.slots.iter().any(|known| known.number() == *slot)) {
            return Err(Failure::usage(format!("there is no slot {slot}; --list shows those there are")));
        }
        let old = self.database.key.of_encrypted(&name)?;
        let database = self.database.open_with(Some(old.clone()), Access::Write)?;
        let (document, line) = if let Some(slot) = self.remove {
            database.remove_key(slot)?;
            (json!({ "removed": slot }), String::new())
        } else {
            let new = self.new_key(&name)?;
            let slot = if self.add { database.add_key(&new)? } else { database.change_key(&old, &new)? };
            (json!({ "slot": slot }), format!("slot {slot}"))
        };
        database.close()?;
        text::result(self.json, &document, &line)
    }

    fn new_key(&self, name: &str) -> Outcome<Key> {
        match (&self.new_passphrase_env, &self.new_key_file) {
            (Some(variable), _) => from_environment(variable),
            (None, Some(file)) => from_file(file),
            (None, None) => new_passphrase(name, "--new-passphrase-env VAR or --new-key-file FILE"),
        }
    }
}

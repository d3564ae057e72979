//! `coffer passwd`: the keys that open a database. No page is rewritten.

use std::io::{Write, stdout};
use std::path::PathBuf;

use clap::Args;
use coffer_sqlite::Key;

use crate::failure::{Failure, Outcome};
use crate::key::{from_environment, from_file, new_passphrase};
use crate::open::{Access, DatabaseArgs};

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
}

impl Passwd {
    pub fn run(&self) -> Outcome {
        let name = self.database.name();
        let peek = self.database.peek()?;
        if peek.slots.is_empty() {
            return Err(Failure::data(format!("{name} is not encrypted; encrypt it with: coffer encrypt {name}")));
        }
        if self.list {
            for slot in &peek.slots {
                writeln!(stdout(), "{}  {}", slot.number(), slot.kind().name())?;
            }
            return Ok(());
        }
        if let Some(slot) = self.remove.filter(|slot| !peek.slots.iter().any(|known| known.number() == *slot)) {
            return Err(Failure::usage(format!("there is no slot {slot}; --list shows those there are")));
        }
        let old = self.database.key.of_encrypted(&name)?;
        let database = self.database.open_with(Some(old.clone()), Access::Write)?;
        match self.remove {
            Some(slot) => database.remove_key(slot)?,
            None if self.add => {
                let slot = database.add_key(&self.new_key(&name)?)?;
                writeln!(stdout(), "slot {slot}")?;
            }
            None => {
                let slot = database.change_key(&old, &self.new_key(&name)?)?;
                writeln!(stdout(), "slot {slot}")?;
            }
        }
        Ok(database.close()?)
    }

    fn new_key(&self, name: &str) -> Outcome<Key> {
        match (&self.new_passphrase_env, &self.new_key_file) {
            (Some(variable), _) => from_environment(variable),
            (None, Some(file)) => from_file(file),
            (None, None) => new_passphrase(name, "--new-passphrase-env VAR or --new-key-file FILE"),
        }
    }
}

//! `coffer decrypt`: stores an encrypted database in the clear.

use clap::Args;
use serde_json::json;

use crate::failure::{Failure, Outcome};
use crate::open::{Access, DatabaseArgs};
use crate::progress::Rewriting;
use crate::text;

/// Store an encrypted database in the clear
#[derive(Args, Debug)]
pub struct Decrypt {
    #[command(flatten)]
    database: DatabaseArgs,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

impl Decrypt {
    pub fn run(&self) -> Outcome {
        let name = self.database.name();
        if self.database.peek()?.slots.is_empty() {
            return Err(Failure::data(format!("{name} is not encrypted")));
        }
        let key = self.database.key.of_encrypted(&name)?;
        let database = self.database.open_with(Some(key), Access::Write)?;
        let progress = Rewriting::watch(&database, "decrypt");
        database.decrypt()?;
        let info = database.storage_info()?;
        database.close()?;
        drop(progress);
        text::result(self.json, &json!({ "cipher": info.cipher }), "")
    }
}

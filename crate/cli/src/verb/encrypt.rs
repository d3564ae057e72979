//! `coffer encrypt`: encrypts a database that is not.

use clap::Args;
use coffer_store::Cipher;
use serde_json::json;

use crate::failure::{Failure, Outcome};
use crate::interrupt;
use crate::open::{Access, DatabaseArgs};
use crate::progress::Rewriting;
use crate::text;
use crate::verb::init::parse_cipher;

/// Encrypt a database that is not
///
/// Everything is rewritten. Copies made before stay readable, and so may remains on the disk until they are overwritten.
#[derive(Args, Debug)]
pub struct Encrypt {
    #[command(flatten)]
    database: DatabaseArgs,
    /// The cipher: aes-256-gcm or chacha20-poly1305.
    #[arg(long, value_name = "NAME", default_value = "aes-256-gcm", value_parser = parse_cipher)]
    cipher: Cipher,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

impl Encrypt {
    pub fn run(&self) -> Outcome {
        let name = self.database.name();
        if !self.database.peek()?.slots.is_empty() {
            return Err(Failure::data(format!(
                "{name} is encrypted already; change its key with: coffer passwd {name}"
            )));
        }
        let key = self.database.key.of_new(&name)?;
        let database = self.database.open_with(None, Access::Write)?;
        // No commit is touched, but the key is there before everything has been rewritten.
        interrupt::tell(format!(
            "interrupted; if {name} asks for the new key already, rewrite what is still in the clear with: coffer rotate-key {name}"
        ));
        let progress = Rewriting::watch(&database, "encrypt");
        database.encrypt(&key, self.cipher)?;
        let info = database.storage_info()?;
        database.close()?;
        drop(progress);
        text::result(self.json, &json!({ "cipher": info.cipher, "key_epoch": info.key_epoch }), "")
    }
}

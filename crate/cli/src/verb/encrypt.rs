//! `coffer encrypt`: encrypts a database that is not.

use clap::Args;
use coffer_store::Cipher;

use crate::failure::{Failure, Outcome};
use crate::open::{Access, DatabaseArgs};
use crate::progress::Rewriting;
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
        let _progress = Rewriting::watch(&database, "encrypt");
        database.encrypt(&key, self.cipher)?;
        Ok(database.close()?)
    }
}

//! `coffer restore`: a database becomes what a backup holds, in one commit.

use std::io::{Write, stdout};
use std::path::PathBuf;

use clap::Args;
use coffer_sqlite::{Database, OpenOptions};
use coffer_store::Cipher;

use crate::failure::{Failure, Outcome};
use crate::interrupt::Hold;
use crate::open::{Access, DatabaseArgs};
use crate::progress::Spinner;
use crate::verb::init;

/// Bring back what a backup holds
///
/// The database is made if it is not there; its key is then the backup's. One that holds anything is only replaced with
/// --replace. An encrypted backup opens with the key that was given for the database.
#[derive(Args, Debug)]
pub struct Restore {
    #[command(flatten)]
    database: DatabaseArgs,
    /// The backup: a full one, then any increments (backup --since) that continue it, in their order.
    #[arg(value_name = "BACKUP", required = true)]
    backups: Vec<PathBuf>,
    /// Replace what the database holds.
    #[arg(long)]
    replace: bool,
}

impl Restore {
    pub fn run(&self) -> Outcome {
        let name = self.database.name();
        let backup = DatabaseArgs { path: self.backups.first().cloned().unwrap_or_default(), ..self.database.clone() };
        let made = !self.database.path.exists();
        let key = if made { backup.key()? } else { self.database.key()? };
        // A backup that is damaged or foreign is told before anything is made or replaced.
        let source =
            backup.open_with(if backup.peek()?.slots.is_empty() { None } else { key.clone() }, Access::Read)?;
        let (cipher, (hot, cold), page_size, dictionary) = source.with_store(|store| {
            Ok((store.cipher(), store.codecs(), store.page_size(), store.dictionary().map(<[u8]>::to_vec)))
        })?;
        source.close()?;
        // Only what was made has to be taken away again; a commit is made or it is not, whatever comes.
        let hold = made.then(Hold::new);
        let database = if made {
            init::create_with(
                &self.database.path,
                OpenOptions { key, cipher: used(cipher), page_size, hot, cold, dictionary, ..OpenOptions::default() },
            )?
        } else {
            self.database.open_with(key, Access::Write)?
        };
        let restored = self.restore_into(&database, &name);
        let closed = database.close();
        let restored = hold.iter().try_for_each(Hold::check).and(restored);
        if made && restored.is_err() {
            drop(std::fs::remove_dir_all(&self.database.path));
        }
        restored?;
        Ok(closed?)
    }

    fn restore_into(&self, database: &Database, name: &str) -> Outcome {
        let connection = database.connect()?;
        let objects: i64 = connection.query_row("select count(*) from sqlite_schema", [], |row| row.get(0))?;
        if objects > 0 && !self.replace {
            let message =
                format!("{name} is not empty; choose another path, or say --replace to replace what it holds");
            return Err(Failure::data(message));
        }
        drop(connection);
        let spinner = Spinner::new("restore");
        let commit = database.restore(&self.backups)?;
        drop(spinner);
        writeln!(stdout(), "commit {commit}")?;
        Ok(())
    }
}

/// The cipher of a database made with a key; one without has none, and the default stands in.
fn used(cipher: Cipher) -> Cipher {
    if cipher == Cipher::None { Cipher::Aes256Gcm } else { cipher }
}

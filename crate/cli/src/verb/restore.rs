//! `coffer restore`: a database becomes what a backup holds, in one commit.

use std::path::PathBuf;

use clap::Args;
use coffer_sqlite::{Database, OpenOptions};
use coffer_store::{Cipher, CommitId};
use serde_json::json;

use crate::failure::{Exit, Failure, Outcome};
use crate::interrupt::Hold;
use crate::open::{Access, DatabaseArgs};
use crate::progress::{Progress, Unit};
use crate::text;
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
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

impl Restore {
    pub fn run(&self) -> Outcome {
        let name = self.database.name();
        let backup = DatabaseArgs { path: self.backups.first().cloned().unwrap_or_default(), ..self.database.clone() };
        if let Some(absent) = self.backups.iter().find(|path| !path.exists()) {
            let message = format!("there is no backup {}; check the path", absent.display());
            return Err(Failure::new(Exit::Open, message));
        }
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
        let restored = self.restore_into(&database, &name, hold.as_ref());
        let closed = database.close();
        if made && restored.is_err() {
            drop(std::fs::remove_dir_all(&self.database.path));
        }
        let commit = restored?;
        closed?;
        text::result(self.json, &json!({ "commit": commit.0 }), &format!("commit {commit}"))
    }

    fn restore_into(&self, database: &Database, name: &str, hold: Option<&Hold>) -> Outcome<CommitId> {
        let connection = database.connect()?;
        let objects: i64 = connection.query_row("select count(*) from sqlite_schema", [], |row| row.get(0))?;
        if objects > 0 && !self.replace {
            let message =
                format!("{name} is not empty; choose another path, or say --replace to replace what it holds");
            return Err(Failure::data(message));
        }
        drop(connection);
        let mut progress = Progress::new("restore", None, Unit::Pages);
        let goes_on = || hold.is_none_or(|hold| hold.check().is_ok());
        Ok(database.restore_watched(&self.backups, |done, total| {
            progress.set_of(done, total);
            goes_on()
        })?)
    }
}

/// The cipher of a database made with a key; one without has none, and the default stands in.
fn used(cipher: Cipher) -> Cipher {
    if cipher == Cipher::None { Cipher::Aes256Gcm } else { cipher }
}

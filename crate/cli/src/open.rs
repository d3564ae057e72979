//! Opening the database that a verb is about.
//!
//! A path is looked at before anything is made beside it: a plain SQLite file, a text or an empty directory gets an answer
//! that helps, and nothing else.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use coffer_sqlite::native::{BASE, FileStorage};
use coffer_sqlite::{Create, Database, Error, ErrorCode, Key, OpenOptions, Upkeep};
use coffer_store::{Corrupt, DeviceError, Foreign, Peek};

use crate::failure::{Exit, Failure, Outcome, exit_of};
use crate::key::KeyArgs;

/// The database that a verb is about, and its key.
#[derive(Args, Clone, Debug)]
pub struct DatabaseArgs {
    /// The database: a directory, a single-file database, or a backup.
    #[arg(value_name = "DATABASE")]
    pub path: PathBuf,
    #[command(flatten)]
    pub key: KeyArgs,
    /// How long to wait for another process that is writing, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 5000)]
    pub busy_timeout: u64,
}

/// What a verb means to do with a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read it.
    Read,
    /// Change it.
    Write,
    /// Change it, or only read it where the medium allows no more.
    WriteIfAllowed,
}

impl DatabaseArgs {
    /// The path, as people wrote it.
    pub fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// The key, if the database has one. Asks for it if need be.
    pub fn key(&self) -> Outcome<Option<Key>> {
        let peek = self.peek()?;
        if peek.slots.is_empty() { self.key.given() } else { self.key.of_encrypted(&self.name()).map(Some) }
    }

    /// What can be learned without a key.
    pub fn peek(&self) -> Outcome<Peek> {
        peek(&self.path)
    }

    /// Opens the database.
    pub fn open(&self, access: Access) -> Outcome<Database> {
        let key = self.key()?;
        self.open_with(key, access)
    }

    /// Opens the database with a key that is known already.
    pub fn open_with(&self, key: Option<Key>, access: Access) -> Outcome<Database> {
        let options = OpenOptions {
            create: Create::Never,
            read_only: access == Access::Read,
            key,
            busy_timeout: Duration::from_millis(self.busy_timeout),
            upkeep: if access == Access::Read { Upkeep::Manual } else { Upkeep::Background },
            ..OpenOptions::default()
        };
        let opened = match Database::open(&self.path, options.clone()) {
            Err(error) if error.code == ErrorCode::Denied && access == Access::WriteIfAllowed => {
                Database::open(&self.path, OpenOptions { read_only: true, upkeep: Upkeep::Manual, ..options })
            }
            opened => opened,
        };
        opened.map_err(|error| failure(&self.path, &error))
    }
}

/// What can be learned of a database without its key; fails if there is none.
pub fn peek(path: &Path) -> Outcome<Peek> {
    let metadata = std::fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => missing(path),
        _ => Failure { exit: Exit::Open, ..Failure::file("open", path.display(), &error) },
    })?;
    let peeked = if metadata.is_dir() {
        coffer_store::peek(&FileStorage::new(path), None)
    } else {
        refuse_foreign(path)?;
        coffer_store::peek(&FileStorage::single(path), Some(BASE))
    };
    peeked.map_err(|error| failure(path, &error.into()))
}

fn missing(path: &Path) -> Failure {
    let name = path.display();
    Failure::new(
        Exit::Open,
        if path.is_dir() {
            format!("there is no database in the directory {name}; check the path")
        } else {
            format!("there is no database {name}; check the path")
        },
    )
}

/// A file that does not begin like one of ours.
fn refuse_foreign(path: &Path) -> Outcome {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(16).read_to_end(&mut start));
    read.map_err(|error| Failure { exit: Exit::Open, ..Failure::file("open", path.display(), &error) })?;
    if start.starts_with(SEGMENT_MAGIC) { Ok(()) } else { Err(foreign(path, start.starts_with(SQLITE_MAGIC))) }
}

fn foreign(path: &Path, sqlite: bool) -> Failure {
    let name = path.display();
    Failure::new(
        Exit::Open,
        if sqlite {
            format!(
                "{name} is a plain SQLite database; bring it into a Coffer database with: coffer import NEW.coffer {name}"
            )
        } else {
            format!("{name} is not a Coffer database; check the path")
        },
    )
}

/// How every segment begins.
const SEGMENT_MAGIC: &[u8] = b"SQLCEvfS";
/// How every plain SQLite database begins.
pub const SQLITE_MAGIC: &[u8] = b"SQLite format 3\0";

/// The answer to a failed opening: names the path and says what to do.
pub fn failure(path: &Path, error: &Error) -> Failure {
    let name = path.display();
    let message = match error.code {
        ErrorCode::NotFound => return missing(path),
        // An increment, of which the library has said what to do.
        ErrorCode::Foreign if error.store.is_none() => error.message.clone(),
        ErrorCode::Foreign => {
            let sqlite =
                matches!(error.store.as_deref(), Some(coffer_store::Error::Foreign { hint: Foreign::Sqlite, .. }));
            return foreign(path, sqlite);
        }
        ErrorCode::Exists => format!("there is a database at {name} already; choose another path"),
        ErrorCode::Busy | ErrorCode::LockedElsewhere => {
            format!("{name} is locked: another process is writing to it; try again when it is done")
        }
        ErrorCode::Denied => {
            format!("{name} cannot be opened: the file system does not allow it; check its permissions")
        }
        ErrorCode::WrongKey if error.store.is_some() => format!("the key does not open {name}; try another"),
        ErrorCode::KeyRequired => format!("{name} is encrypted; give --passphrase-env VAR or --key-file FILE"),
        ErrorCode::Io => format!("{}; check the disk and try again", told(path, error)),
        _ => told(path, error),
    };
    Failure::new(exit_of(error.code), message)
}

/// An error of a database's store, with the path of the database in it.
fn told(path: &Path, error: &Error) -> String {
    let name = path.display().to_string();
    let renamed = error.store.as_deref().and_then(|store| named(&name, store));
    renamed.unwrap_or_else(|| format!("{name}: {}", error.message))
}

/// An error about the file of a single-file database, which is called there as people call it.
pub fn named(name: &str, error: &coffer_store::Error) -> Option<String> {
    use coffer_store::Error as Store;
    let mut error = error.clone();
    match &mut error {
        Store::Device(DeviceError { file, .. })
        | Store::Corrupt(Corrupt { file, .. })
        | Store::Unsupported { file, .. }
        | Store::Foreign { file, .. }
            if file == BASE =>
        {
            name.clone_into(file);
            Some(error.to_string())
        }
        _ => None,
    }
}

//! Keys on the command line: from a prompt, an environment variable or a file; never as an argument, where other users of
//! the machine could read it.

use std::io::{self, IsTerminal, stderr};
use std::path::{Path, PathBuf};
use std::{env, fs};

use clap::Args;
use coffer_sqlite::{Kdf, Key, PBKDF2_ROUNDS};
use zeroize::Zeroizing;

use crate::failure::{Exit, Failure, Outcome};

/// Where the key comes from.
#[derive(Args, Clone, Debug, Default)]
pub struct KeyArgs {
    /// Environment variable that holds the passphrase.
    #[arg(long, value_name = "VAR", conflicts_with = "key_file", help_heading = "Key")]
    pub passphrase_env: Option<String>,
    /// File that holds a raw key: 32 bytes, or 64 hexadecimal digits.
    #[arg(long, value_name = "FILE", help_heading = "Key")]
    pub key_file: Option<PathBuf>,
}

impl KeyArgs {
    /// The key that the options give.
    pub fn given(&self) -> Outcome<Option<Key>> {
        match (&self.passphrase_env, &self.key_file) {
            (Some(variable), _) => from_environment(variable).map(Some),
            (None, Some(file)) => from_file(file).map(Some),
            (None, None) => Ok(None),
        }
    }

    /// The key of a database that has one: from the options, or else from a prompt.
    pub fn of_encrypted(&self, database: &str) -> Outcome<Key> {
        match self.given()? {
            Some(key) => Ok(key),
            None => prompt(&format!("Passphrase of {database}: "))
                .ok_or_else(|| missing(database, "--passphrase-env VAR or --key-file FILE"))?,
        }
    }

    /// A new key: from the options, or else typed twice.
    pub fn of_new(&self, database: &str) -> Outcome<Key> {
        self.given()?.map_or_else(|| new_passphrase(database, "--passphrase-env VAR or --key-file FILE"), Ok)
    }
}

/// A passphrase typed twice. `instead` names the options that say it without a prompt.
pub fn new_passphrase(database: &str, instead: &str) -> Outcome<Key> {
    let absent = || missing(database, instead);
    let first = ask(&format!("New passphrase of {database}: ")).ok_or_else(absent)??;
    let again = ask("The same again: ").ok_or_else(absent)??;
    if *first != *again {
        return Err(Failure::new(Exit::Key, "the two passphrases differ; nothing was changed; try again"));
    }
    passphrase(first)
}

/// The passphrase in an environment variable.
pub fn from_environment(variable: &str) -> Outcome<Key> {
    match env::var(variable) {
        Ok(words) => passphrase(Zeroizing::new(words)),
        Err(env::VarError::NotPresent) => {
            Err(Failure::usage(format!("the environment has no variable {variable}; set it to the passphrase")))
        }
        Err(env::VarError::NotUnicode(_)) => {
            Err(Failure::usage(format!("the passphrase in {variable} is not UTF-8; use --key-file for a raw key")))
        }
    }
}

/// The raw key in a file.
pub fn from_file(file: &Path) -> Outcome<Key> {
    let shown = file.display();
    let bytes = fs::read(file).map(Zeroizing::new).map_err(|error| Failure::file("read", shown, &error))?;
    let key = raw(&bytes).ok_or_else(|| {
        let what = "is not a key; it must hold 32 bytes or 64 hexadecimal digits";
        Failure::usage(format!("{} {what}; for a passphrase use --passphrase-env", file.display()))
    })?;
    Ok(Key::raw(*key))
}

fn raw(bytes: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    if let Ok(key) = bytes.try_into() {
        return Some(Zeroizing::new(key));
    }
    let digits = std::str::from_utf8(bytes).ok()?.trim_end();
    if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let mut key = Zeroizing::new([0; 32]);
    for (index, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(key)
}

fn passphrase(words: Zeroizing<String>) -> Outcome<Key> {
    if words.is_empty() {
        return Err(Failure::new(Exit::Key, "the passphrase is empty; choose one"));
    }
    Ok(Key::Passphrase(words))
}

fn missing(database: &str, instead: &str) -> Failure {
    Failure::new(Exit::Key, format!("{database} needs a key and there is no terminal to ask on; give {instead}"))
}

fn prompt(question: &str) -> Option<Outcome<Key>> {
    ask(question).map(|words| words.and_then(passphrase))
}

/// `None` if there is nobody to ask.
fn ask(question: &str) -> Option<Outcome<Zeroizing<String>>> {
    if !stderr().is_terminal() {
        return None;
    }
    let read = rpassword::prompt_password(question).map(Zeroizing::new);
    Some(read.map_err(|error| match error.kind() {
        io::ErrorKind::Interrupted => Failure::interrupted(),
        io::ErrorKind::UnexpectedEof => Failure::new(Exit::Key, "no passphrase was given; nothing was changed"),
        _ => Failure::new(Exit::Key, format!("cannot read the passphrase: {error}; give it with --passphrase-env")),
    }))
}

/// How a new passphrase is stretched, by name.
pub fn parse_kdf(name: &str) -> Result<Kdf, String> {
    match name {
        "argon2id" => Ok(Kdf::default()),
        "pbkdf2" => Ok(Kdf::Pbkdf2 { rounds: PBKDF2_ROUNDS }),
        _ => Err("argon2id or pbkdf2".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_holds_bytes_or_digits() {
        assert_eq!(raw(&[7; 32]).map(|key| *key), Some([7; 32]));
        assert_eq!(raw(format!("{}\n", "0a".repeat(32)).as_bytes()).map(|key| *key), Some([10; 32]));
        for wrong in [&b""[..], &[0; 31], &[0xff; 64], "0g".repeat(32).as_bytes(), "+1".repeat(32).as_bytes()] {
            assert!(raw(wrong).is_none(), "{wrong:?}");
        }
    }
}

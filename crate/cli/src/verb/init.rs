//! `coffer init`: makes a new database.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use coffer_sqlite::{Create, Database, ErrorCode, Kdf, Key, OpenOptions, Upkeep};
use coffer_store::{Cipher, CodecChoice, PageSize};
use serde_json::json;

use crate::failure::{Exit, Failure, Outcome};
use crate::key::{KeyArgs, parse_kdf};
use crate::open;
use crate::text;

/// Make a new, empty database
///
/// With a key (--passphrase-env, --key-file, or --encrypt to be asked for a passphrase) it is encrypted.
#[derive(Args, Debug)]
pub struct Init {
    /// The directory to make it in.
    #[arg(value_name = "DATABASE")]
    path: PathBuf,
    #[command(flatten)]
    key: KeyArgs,
    #[command(flatten)]
    shape: Shape,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// What a new database is like.
#[derive(Args, Clone, Debug)]
pub struct Shape {
    /// Ask for a passphrase and encrypt.
    #[arg(long, help_heading = "Key")]
    pub encrypt: bool,
    /// The cipher: aes-256-gcm or chacha20-poly1305.
    #[arg(long, value_name = "NAME", default_value = "aes-256-gcm", value_parser = parse_cipher, help_heading = "Key")]
    pub cipher: Cipher,
    /// How a passphrase is stretched: argon2id or pbkdf2.
    #[arg(long, value_name = "NAME", default_value = "argon2id", value_parser = parse_kdf, help_heading = "Key")]
    pub kdf: Kdf,
    /// Bytes of a page: a power of two from 512 to 65536.
    #[arg(long, value_name = "BYTES", value_parser = parse_page_size)]
    pub page_size: Option<PageSize>,
    /// The codec of segments: none, rle, lz4, zstd:LEVEL or gzip:LEVEL.
    #[arg(long, value_name = "CODEC[:LEVEL]", value_parser = parse_codec)]
    pub codec: Option<CodecChoice>,
    /// The codec of the log, which commits wait for.
    #[arg(long, value_name = "CODEC[:LEVEL]", value_parser = parse_codec)]
    pub log_codec: Option<CodecChoice>,
    /// A zstd dictionary to compress segments with.
    #[arg(long, value_name = "FILE")]
    pub dict: Option<PathBuf>,
}

impl Init {
    pub fn run(&self) -> Outcome {
        let key = self.shape.new_key(&self.key, &self.path)?;
        let database = create(&self.path, key, &self.shape)?;
        let (id, info) = (database.with_store(|store| Ok(store.database()))?, database.storage_info()?);
        database.close()?;
        let document = json!({
            "database_id": id.to_string(),
            "page_size": info.page_size,
            "codec": info.codec,
            "cipher": info.cipher,
        });
        text::result(self.json, &document, "")
    }
}

impl Shape {
    /// The key of a database that is being made; `None` if nobody asked for one.
    pub fn new_key(&self, key: &KeyArgs, path: &Path) -> Outcome<Option<Key>> {
        if self.encrypt { key.of_new(&path.display().to_string()).map(Some) } else { key.given() }
    }
}

/// Makes a database where there is none.
pub fn create(path: &Path, key: Option<Key>, shape: &Shape) -> Outcome<Database> {
    let defaults = OpenOptions::default();
    let dictionary =
        shape.dict.as_deref().map(|file| fs::read(file).map_err(|error| Failure::file("read", file.display(), &error)));
    let cold = shape.codec.unwrap_or(defaults.cold);
    // Whoever wants nothing compressed means the log as well.
    let hot = if cold == CodecChoice::NONE { CodecChoice::NONE } else { defaults.hot };
    let options = OpenOptions {
        key,
        kdf: shape.kdf,
        cipher: shape.cipher,
        page_size: shape.page_size.unwrap_or(defaults.page_size),
        cold,
        hot: shape.log_codec.unwrap_or(hot),
        dictionary: dictionary.transpose()?,
        ..defaults
    };
    create_with(path, options)
}

/// Makes a database with these options where there is none.
pub fn create_with(path: &Path, options: OpenOptions) -> Outcome<Database> {
    let refuse = |message: String| Err(Failure::new(Exit::Open, message));
    let name = path.display();
    if path.is_file() {
        return refuse(format!("{name} is a file; choose a path where there is nothing yet"));
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent.filter(|parent| !parent.is_dir()) {
        return refuse(format!("there is no directory {0}; make it with: mkdir -p {0}", parent.display()));
    }
    let occupied = fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some());
    if occupied && !path.join("manifest").exists() {
        return refuse(format!("{name} is a directory with other files in it; choose a new path"));
    }
    let existed = path.exists();
    let options = OpenOptions { create: Create::New, upkeep: Upkeep::Background, ..options };
    Database::open(path, options).map_err(|error| {
        if !existed && error.code != ErrorCode::Exists {
            // Half a database helps nobody.
            drop(fs::remove_dir_all(path));
        }
        open::failure(path, &error)
    })
}

/// A cipher that encrypts, by name.
pub fn parse_cipher(name: &str) -> Result<Cipher, String> {
    match name.parse() {
        Ok(Cipher::None) | Err(_) => Err("aes-256-gcm or chacha20-poly1305".to_owned()),
        Ok(cipher) => Ok(cipher),
    }
}

/// A codec with its level.
pub fn parse_codec(text: &str) -> Result<CodecChoice, String> {
    text.parse().map_err(|_| "none, rle, lz4, zstd[:LEVEL] with -7 to 22, or gzip[:LEVEL] with 1 to 9".to_owned())
}

fn parse_page_size(text: &str) -> Result<PageSize, String> {
    let size = text.parse().ok().and_then(PageSize::new);
    size.ok_or_else(|| "a power of two from 512 to 65536".to_owned())
}

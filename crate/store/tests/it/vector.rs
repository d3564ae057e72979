//! A golden vector: the files of one database, and a text that says what must come of them.
//!
//! Shared by the test that reads the vectors and the example that makes them. The text has a header and, behind a line of
//! dashes, what a reader observes: see [`observe`].

use std::fmt::Write;
use std::path::Path;

use coffer_store::{Error, MemStorage, Options, PageNo, Scratch, SlotKey, Snapshot, Storage, Store};
use sha2::{Digest, Sha256};

use crate::support::Seeded;

/// Parts the header from what is observed.
pub const RULE: &str = "---\n";
/// The file of the text.
pub const TEXT: &str = "vector.txt";

/// How a vector is opened, and why it is there.
#[derive(Clone, Default)]
pub struct Header {
    pub shows: String,
    pub key: Option<u8>,
    pub base: Option<String>,
    /// Older commits to be read besides the newest.
    pub also: Vec<u64>,
}

impl Header {
    pub fn text(&self) -> String {
        let key = self.key.map_or("none".to_owned(), |byte| format!("32 bytes of {byte:02x}"));
        let base = self.base.as_deref().unwrap_or("none");
        let also: Vec<String> = self.also.iter().map(u64::to_string).collect();
        format!("shows: {}\nkey: {key}\nbase: {base}\nalso read: {}\n", self.shows, also.join(" "))
    }

    pub fn parse(text: &str) -> Self {
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.unwrap_or_else(|| panic!("no {name}")).trim().to_owned()
        };
        Self {
            shows: field("shows"),
            key: field("key").strip_prefix("32 bytes of ").map(|byte| u8::from_str_radix(byte, 16).unwrap()),
            base: Some(field("base")).filter(|base| base != "none"),
            also: field("also read").split_whitespace().map(|commit| commit.parse().unwrap()).collect(),
        }
    }

    pub fn options(&self) -> Options {
        Options { base: self.base.clone(), ..Options::default() }
    }

    pub fn open(&self, storage: &MemStorage, read_only: bool) -> Result<Opened, Error> {
        let key = self.key.map(|byte| SlotKey::take(&mut [byte; 32]));
        let options = Options { read_only, ..self.options() };
        Store::open(storage.clone(), Box::new(Seeded(99)), options, key.as_ref())
    }
}

type Opened = (Store<MemStorage>, coffer_store::Recovered);

/// What a reader sees: either the error of opening, or head, chain, what recovery did, and each page of the newest state and
/// of those asked for, with the commit that wrote it and its SHA-256 or the error of reading it; at last what verifying finds.
pub fn observe(storage: &MemStorage, header: &Header) -> String {
    let (store, recovered) = match header.open(storage, true) {
        Ok(opened) => opened,
        Err(error) => return format!("result: {}\n", describe(&error)),
    };
    let mut out = String::from("result: open\n");
    let line = |out: &mut String, text: String| writeln!(out, "{text}").unwrap();
    line(&mut out, format!("head: {} {}", store.head(), store.head_chain()));
    line(&mut out, format!("dropped: {}", recovered.bytes_dropped));
    line(&mut out, format!("rebuilt: {}", recovered.indexes_rebuilt.join(" ")));
    observe_state(&mut out, &store.snapshot());
    for &commit in &header.also {
        match store.snapshot_at(coffer_store::CommitId(commit)) {
            Ok(snapshot) => observe_state(&mut out, &snapshot),
            Err(error) => line(&mut out, format!("state {commit}: {}", describe(&error))),
        }
    }
    let verified = store.verify(|_| true).unwrap();
    for damage in &verified.damage {
        line(&mut out, format!("damage: {}", describe(damage)));
    }
    for page in &verified.pages_lost {
        line(&mut out, format!("lost: {page}"));
    }
    out
}

fn observe_state<D: coffer_store::Device>(out: &mut String, snapshot: &Snapshot<D>) {
    writeln!(out, "state {}: {} pages of {}", snapshot.commit(), snapshot.page_count(), snapshot.page_size()).unwrap();
    let mut raw = vec![0; snapshot.page_size().get() as usize];
    let mut scratch = Scratch::default();
    for number in 1..=snapshot.page_count().0 {
        let page = PageNo::new(number).unwrap();
        let version = snapshot.locate(page).map_or("never".to_owned(), |version| version.commit.to_string());
        let content = match snapshot.read(page, &mut raw, &mut scratch) {
            Ok(_) => hash(&raw),
            Err(error) => describe(&error),
        };
        writeln!(out, "  {number} {version} {content}").unwrap();
    }
}

pub fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

pub fn hash(bytes: &[u8]) -> String {
    digest(bytes).iter().fold(String::new(), |mut out, byte| {
        write!(out, "{byte:02x}").unwrap();
        out
    })
}

/// An error as its facts, since texts for people are no API.
pub fn describe(error: &Error) -> String {
    match error {
        Error::Corrupt(corrupt) => format!("corrupt {} {} {:?}", corrupt.file, corrupt.offset, corrupt.what),
        Error::Foreign { file, hint } => format!("foreign {file} {hint:?}"),
        Error::Unsupported { file, what } => format!("unsupported {file} {what:?}"),
        other => other.code().to_owned(),
    }
}

/// The files of a vector in memory, and its text.
pub fn load(folder: &Path) -> (MemStorage, String) {
    let storage = MemStorage::new();
    let mut text = None;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let bytes = std::fs::read(&path).unwrap();
        if name == TEXT {
            text = Some(String::from_utf8(bytes).unwrap());
        } else {
            storage.put(&name, bytes);
        }
    }
    (storage, text.unwrap_or_else(|| panic!("{} has no {TEXT}", folder.display())))
}

/// Every file with its bytes.
pub fn files(storage: &MemStorage) -> Vec<(String, Vec<u8>)> {
    let mut names = storage.list().unwrap();
    names.sort();
    names.into_iter().map(|name| (name.clone(), storage.bytes(&name).unwrap())).collect()
}

/// Where the vectors are.
pub fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors")
}

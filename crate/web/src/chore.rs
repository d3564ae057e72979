//! The long verbs as JavaScript drives them: begun here, stepped until they are done, and freed at any time before.
//!
//! I1  As for every call: a step that fails with `not_ready` is repeated when the files are there.

use coffer_sqlite::coffer_store::{Cipher, CommitId};
use coffer_sqlite::{Backup, CheckpointMode, Chore, Error, ErrorCode, Key};
use js_sys::Array;
use wasm_bindgen::prelude::*;
use zeroize::Zeroizing;

use crate::database::WebDatabase;
use crate::failure::told;
use crate::files::Files;
use crate::object::Plain;
use crate::options::{Secret, cipher};
use crate::wiping::wiping;

/// A long verb that is under way. JavaScript must call `free`, done or not.
#[wasm_bindgen(js_name = Chore)]
pub struct WebChore {
    chore: Chore<Files>,
}

#[expect(clippy::cast_precision_loss, reason = "nobody has 2^53 bytes, records or commits")]
fn number(count: u64) -> f64 {
    count as f64
}

#[wasm_bindgen(js_class = Chore)]
impl WebChore {
    /// Does about so many bytes' worth: `{ done, total, finished, waiting, commit, records, damage, pagesLost }`.
    pub fn step(&mut self, budget_bytes: u32) -> Result<JsValue, JsValue> {
        let progress = told(self.chore.step(u64::from(budget_bytes)))?;
        let result = self.chore.result();
        let damage: Vec<String> = result.damage.iter().map(ToString::to_string).collect();
        let pages_lost: Array = result.pages_lost.iter().map(|page| JsValue::from(page.get())).collect();
        Ok(Plain::new()
            .with("done", number(progress.done))
            .with("total", number(progress.total))
            .with("finished", progress.finished)
            .with("waiting", progress.waiting)
            .with_some("commit", result.commit.map(|commit| number(commit.0)))
            .with("records", number(result.records))
            .with_texts("damage", &damage)
            .with("pagesLost", pages_lost)
            .into())
    }

    /// The bytes that it made since the last time.
    pub fn output(&mut self) -> Vec<u8> {
        self.chore.take_output()
    }
}

fn begun(chore: Result<Chore<Files>, Error>) -> Result<WebChore, JsValue> {
    told(chore).map(|chore| WebChore { chore })
}

/// A commit's number as JavaScript gives it.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates, and NaN becomes 0")]
fn commit(number: f64) -> CommitId {
    CommitId(number as u64)
}

/// A key on its way in. Its bytes are wiped when it is used or freed.
#[wasm_bindgen(js_name = Secret)]
pub struct WebSecret {
    kind: String,
    secret: Secret,
}

#[wasm_bindgen(js_class = Secret)]
impl WebSecret {
    /// `kind` is `passphrase`, `raw`, `external` (with its wrapped form) or `stretched` (with its slot's parameters).
    #[wasm_bindgen(constructor)]
    pub fn new(kind: String, bytes: Vec<u8>, more: Option<Vec<u8>>) -> Self {
        Self { kind, secret: Secret { bytes: Zeroizing::new(bytes), wrapped: more } }
    }

    fn key(self) -> Result<Key, Error> {
        self.secret.into_key(&self.kind)
    }
}

#[wasm_bindgen(js_class = Database)]
impl WebDatabase {
    /// Begins a checkpoint: `passive`, `full` or `truncate`.
    #[wasm_bindgen(js_name = checkpointChore)]
    pub fn checkpoint_chore(&self, mode: &str) -> Result<WebChore, JsValue> {
        let mode = match mode {
            "passive" => CheckpointMode::Passive,
            "full" => CheckpointMode::Full,
            "truncate" => CheckpointMode::Truncate,
            other => {
                let message = format!("a checkpoint is passive, full or truncate, and not {other}");
                return told(Err(Error::new(ErrorCode::Unsupported, message)));
            }
        };
        begun(self.database.checkpoint_chore(mode))
    }

    /// Begins to merge everything live into one segment, or so many bytes' worth of what upkeep is due.
    #[wasm_bindgen(js_name = compactChore)]
    pub fn compact_chore(&self, budget_bytes: Option<f64>) -> Result<WebChore, JsValue> {
        match budget_bytes {
            None => begun(self.database.compact_chore()),
            Some(budget) => Ok(WebChore { chore: self.database.upkeep_chore(commit(budget).0) }),
        }
    }

    /// Begins to open every record that counts.
    #[wasm_bindgen(js_name = verifyChore)]
    pub fn verify_chore(&self) -> Result<WebChore, JsValue> {
        begun(self.database.verify_chore())
    }

    /// Begins a backup of everything, or of what came after a commit.
    #[wasm_bindgen(js_name = backupChore)]
    pub fn backup_chore(&self, since: Option<f64>) -> Result<WebChore, JsValue> {
        begun(self.database.backup_chore(since.map(commit)))
    }

    /// Begins to write a plain SQLite database.
    #[wasm_bindgen(js_name = exportChore)]
    pub fn export_chore(&self) -> Result<WebChore, JsValue> {
        begun(self.database.plain_chore())
    }

    /// Begins to replace everything by a plain SQLite database. The caller holds a write transaction, in which nothing is done.
    #[wasm_bindgen(js_name = importChore)]
    pub fn import_chore(&self, files: &Files, name: &str) -> Result<WebChore, JsValue> {
        use coffer_sqlite::coffer_store::{OpenMode, Storage};
        let file = told(files.open(name, OpenMode::Read).map_err(Error::from))?;
        begun(self.database.import_chore(file))
    }

    /// Begins to replace everything by what a backup holds: a full one, then increments. The caller holds a write transaction,
    /// in which nothing is done.
    #[wasm_bindgen(js_name = restoreChore)]
    #[allow(clippy::needless_pass_by_value, reason = "what comes from JavaScript comes as a value")]
    pub fn restore_chore(
        &self,
        files: &Files,
        names: Vec<String>,
        secret: Option<WebSecret>,
    ) -> Result<WebChore, JsValue> {
        begun(wiping(|| {
            let key = secret.map(WebSecret::key).transpose()?;
            let (full, increments) = names.split_first().ok_or_else(|| {
                Error::new(ErrorCode::NotFound, "no backup was given; give a full one, then its increments in order")
            })?;
            let mut backup = Backup::open(files.clone(), full, key.as_ref())?;
            for name in increments {
                backup.lay_over(files, name, key.as_ref())?;
            }
            self.database.restore_chore(&backup)
        }))
    }

    /// Begins to encrypt everything anew under a fresh master key; `secrets` hold one key for every slot.
    #[wasm_bindgen(js_name = rotateChore)]
    pub fn rotate_chore(&self, secrets: Vec<WebSecret>) -> Result<WebChore, JsValue> {
        begun(wiping(|| {
            // As large as it will be, since one that grows leaves what it held behind.
            let mut keys = Vec::with_capacity(secrets.len());
            for secret in secrets {
                keys.push(secret.key()?);
            }
            self.database.rotate_chore(&keys)
        }))
    }

    /// Begins to encrypt a database that is not.
    #[wasm_bindgen(js_name = encryptChore)]
    pub fn encrypt_chore(&self, secret: WebSecret, name: &str) -> Result<WebChore, JsValue> {
        let cipher: Cipher = told(cipher(name))?;
        begun(wiping(|| self.database.encrypt_chore(&secret.key()?, cipher)))
    }

    /// Begins to store everything in the clear.
    #[wasm_bindgen(js_name = decryptChore)]
    pub fn decrypt_chore(&self) -> Result<WebChore, JsValue> {
        begun(self.database.decrypt_chore())
    }

    /// Adds a key that opens the database, and gives its slot.
    #[wasm_bindgen(js_name = addKey)]
    pub fn add_key(&self, secret: WebSecret) -> Result<u8, JsValue> {
        told(wiping(|| self.database.add_key(&secret.key()?)))
    }

    /// Removes a key slot.
    #[wasm_bindgen(js_name = removeKey)]
    pub fn remove_key(&self, slot: u8) -> Result<(), JsValue> {
        told(self.database.remove_key(slot))
    }

    /// Replaces the slot that one key opens by one for another, and gives it.
    #[wasm_bindgen(js_name = changeKey)]
    pub fn change_key(&self, old: WebSecret, new: WebSecret) -> Result<u8, JsValue> {
        told(wiping(|| self.database.change_key(&old.key()?, &new.key()?)))
    }

    /// Keeps the newest commit readable, however much is folded and merged, and gives its number.
    #[wasm_bindgen(js_name = keepCommit)]
    pub fn keep_commit(&self) -> Result<f64, JsValue> {
        let head = self.database.head();
        told(self.database.keep_commit(head)).map(|()| number(head.0))
    }

    /// Lets go of a kept commit.
    #[wasm_bindgen(js_name = releaseCommit)]
    pub fn release_commit(&self, number: f64) -> Result<(), JsValue> {
        told(self.database.release_commit(commit(number)))
    }
}

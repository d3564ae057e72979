//! What JavaScript asks for when it opens a database, as the engine's options.
//!
//! I1  Key bytes are wiped on this side as soon as the engine has its own copy, which wipes itself.

use coffer_sqlite::coffer_store::{Cipher, CodecChoice, PageSize};
use coffer_sqlite::{Create, Error, ErrorCode, Kdf, Key, OpenOptions, PBKDF2_ROUNDS, Result, Upkeep};
use js_sys::Uint8Array;
use wasm_bindgen::{JsCast, JsValue};
use zeroize::Zeroizing;

use crate::object::Given;

/// The fields of an `open` request that concern the engine; js/src/protocol.ts has the same.
pub struct Wanted {
    /// Where the bytes are: `opfs`, `indexeddb` or `memory`.
    pub backend: String,
    create: String,
    readonly: bool,
    /// `passphrase`, `raw` or `external`, if there is a key.
    key_kind: String,
    kdf: String,
    cipher: String,
    /// `codec` or `codec:level`, for segments.
    codec: Option<String>,
    page_size: Option<u32>,
    cache_bytes: Option<f64>,
    /// Bytes to read at once; 0 where calls are cheap.
    cluster_bytes: u32,
    dictionary: Option<Vec<u8>>,
    /// Whether it may learn one by itself.
    pub learns: bool,
}

/// A key as JavaScript hands it over: its bytes travel beside the options, and are wiped here (I1).
pub struct Secret {
    /// The words of a passphrase in UTF-8, or the 32 bytes of a key.
    pub bytes: Zeroizing<Vec<u8>>,
    /// What the caller needs to unwrap an external key the next time.
    pub wrapped: Option<Vec<u8>>,
}

impl Wanted {
    /// Reads what JavaScript gave.
    pub fn read(value: &JsValue) -> Result<Self> {
        let given = Given(value);
        // Its bytes, or `auto` or `none`.
        let dictionary = given.get("dictionary", Some)?;
        let text = |name: &str, default: &str| Ok::<_, Error>(given.text(name)?.unwrap_or_else(|| default.to_owned()));
        Ok(Self {
            backend: text("backend", "memory")?,
            create: text("create", "if_missing")?,
            readonly: given.get("readonly", |value| value.as_bool())?.unwrap_or(false),
            key_kind: text("keyKind", "")?,
            kdf: text("kdf", "argon2id")?,
            cipher: text("cipher", "aes-256-gcm")?,
            codec: given.text("codec")?,
            page_size: given.count("pageSize")?,
            cache_bytes: given.get("cacheBytes", |value| value.as_f64())?,
            cluster_bytes: given.count("clusterBytes")?.unwrap_or(0),
            learns: dictionary.as_ref().is_none_or(|choice| choice.as_string().as_deref() == Some("auto")),
            dictionary: dictionary.and_then(|bytes| Some(bytes.dyn_into::<Uint8Array>().ok()?.to_vec())),
        })
    }

    /// As the engine's options.
    pub fn into_options(self, secret: Option<Secret>) -> Result<OpenOptions> {
        let mut default = OpenOptions::default();
        if let Some(bytes) = self.cache_bytes {
            default.set_cache_bytes(whole(bytes));
        }
        let cold = match &self.codec {
            None => default.cold,
            Some(name) => name.parse().map_err(|_| refuse(format!("there is no codec {name}")))?,
        };
        Ok(OpenOptions {
            create: match self.create.as_str() {
                "if_missing" => Create::IfMissing,
                "never" => Create::Never,
                "new" => Create::New,
                other => return Err(refuse(format!("create is if_missing, never or new, and not {other}"))),
            },
            read_only: self.readonly,
            key: secret.map(|secret| secret.into_key(&self.key_kind)).transpose()?,
            kdf: match self.kdf.as_str() {
                "argon2id" => Kdf::default(),
                "pbkdf2" => Kdf::Pbkdf2 { rounds: PBKDF2_ROUNDS },
                other => return Err(refuse(format!("there is no key derivation {other}"))),
            },
            cipher: cipher(&self.cipher)?,
            page_size: match self.page_size {
                None => default.page_size,
                Some(bytes) => PageSize::new(bytes)
                    .ok_or_else(|| refuse(format!("a page has 512 to 65536 bytes, a power of two, and not {bytes}")))?,
            },
            // Who wants no compression wants none in the log either.
            hot: if cold == CodecChoice::NONE { cold } else { default.hot },
            cold,
            cluster_bytes: self.cluster_bytes,
            // The other backends keep files in memory, where growing costs nothing.
            log_ahead_bytes: if self.backend == "opfs" { default.log_ahead_bytes } else { 0 },
            dictionary: self.dictionary,
            place: match self.backend.as_str() {
                "opfs" => "opfs",
                "indexeddb" => "indexeddb",
                _ => "memory",
            },
            // Files for the work have to be opened first, which takes waiting: the worker does it when it is idle.
            upkeep: Upkeep::Manual,
            threads: 1,
            ..default
        })
    }
}

/// A cipher of this name.
pub fn cipher(name: &str) -> Result<Cipher> {
    match name {
        "aes-256-gcm" => Ok(Cipher::Aes256Gcm),
        "chacha20-poly1305" => Ok(Cipher::ChaCha20Poly1305),
        other => Err(refuse(format!("there is no cipher {other}"))),
    }
}

impl Secret {
    /// As the engine's key. `kind` is `passphrase`, `raw`, `external`, or `stretched` with its slot's parameters.
    pub fn into_key(self, kind: &str) -> Result<Key> {
        let exact = || {
            let array = <[u8; 32]>::try_from(self.bytes.as_slice()).map(Zeroizing::new);
            array.map_err(|_| refuse(format!("a key has 32 bytes, and not {}", self.bytes.len())))
        };
        match (kind, &self.wrapped) {
            ("passphrase", _) => {
                let words = std::str::from_utf8(&self.bytes).map_err(|_| refuse("a passphrase is text".to_owned()))?;
                Ok(Key::passphrase(words))
            }
            ("raw", _) => Ok(Key::Raw(exact()?)),
            ("stretched", Some(parameters)) => match parameters.split_first_chunk() {
                Some((salt, rounds)) if rounds.len() == 4 => {
                    let rounds = u32::from_le_bytes([rounds[0], rounds[1], rounds[2], rounds[3]]);
                    Ok(Key::Stretched { key: exact()?, salt: *salt, rounds })
                }
                _ => Err(refuse("a stretched key comes with salt and rounds".to_owned())),
            },
            ("external", Some(wrapped)) => Ok(Key::External { key: exact()?, wrapped: wrapped.clone() }),
            _ => Err(refuse(format!("there is no key of the kind {kind}"))),
        }
    }
}

fn refuse(message: String) -> Error {
    Error::new(ErrorCode::Unsupported, message)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates, and NaN becomes 0")]
fn whole(number: f64) -> u64 {
    number as u64
}

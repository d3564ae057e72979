//! Upkeep of a database, on the side of the worker that has its files: done here a share at a time, or given out as jobs to the
//! checkpoint worker, whose results are installed.
//!
//! I1  A job that was given out comes back by `install_job` or `abandon_job`; until then nothing else is folded or merged.
//! I2  A job's bytes hold keys. They are copied into one buffer of JavaScript's, to be transferred and never kept, and wiped here.

use coffer_sqlite::coffer_store::{Compaction, Done, Job, Spare, Store};
use coffer_sqlite::{Error, ErrorCode};
use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;
use zeroize::Zeroizing;

use crate::database::WebDatabase;
use crate::failure::told;

/// A job to be run elsewhere.
#[wasm_bindgen(js_name = Job)]
pub struct WebJob {
    bytes: Zeroizing<Vec<u8>>,
    target: String,
    sources: Vec<String>,
}

#[wasm_bindgen(js_class = Job)]
impl WebJob {
    /// The file that it makes; empty if it makes none.
    #[wasm_bindgen(getter)]
    pub fn target(&self) -> String {
        self.target.clone()
    }

    /// The files that it reads.
    #[wasm_bindgen(getter)]
    pub fn sources(&self) -> Vec<String> {
        self.sources.clone()
    }

    /// Everything that its `Task` needs, and the end of this (I2).
    #[wasm_bindgen(js_name = intoBytes)]
    pub fn into_bytes(self) -> Uint8Array {
        Uint8Array::from(self.bytes.as_slice())
    }
}

/// What a job is asked for.
enum Kind {
    /// What keeps log and segments small.
    Due,
    /// Closing the log, however short it is, and folding the oldest one.
    Fold,
    /// Folding the oldest log that was closed before.
    Sealed,
    /// Rewriting what has an outlived key, codec or dictionary.
    Stale,
    /// Merging everything.
    All,
    /// What nobody asked for: learning a dictionary, and storing anew what lacks it. After what is due.
    Spare,
}

impl Kind {
    fn parse(name: &str) -> Result<Self, Error> {
        Ok(match name {
            "due" => Self::Due,
            "fold" => Self::Fold,
            "sealed" => Self::Sealed,
            "stale" => Self::Stale,
            "all" => Self::All,
            "spare" => Self::Spare,
            other => return Err(Error::new(ErrorCode::Unsupported, format!("there is no job {other}"))),
        })
    }
}

#[wasm_bindgen(js_class = Database)]
impl WebDatabase {
    /// A bounded share of upkeep: folding logs, merging segments. True if nothing is left to do.
    pub fn maintain(&self, budget_bytes: u32) -> Result<bool, JsValue> {
        let compaction = self.database.settings().compaction;
        told(self.database.with_store(|store| {
            if !store.is_at_work() {
                let Some(job) = store.due_job(compaction)? else { return Ok(true) };
                store.begin_job(job)?;
            }
            store.step_job(u64::from(budget_bytes))?;
            Ok(false)
        }))
    }

    /// Gives out a job of a kind (`due`, `fold`, `sealed`, `stale`, `all`, `spare`) if there is one. One that reads and writes fewer
    /// pages than `pages_min` is begun here instead, for `maintain` to go on with; all of them if there is no other worker, which
    /// `u32::MAX` says. A spare job needs one, and as many bytes of room as the database has; `NaN` if nobody knows how many there are.
    #[wasm_bindgen(js_name = takeJob)]
    pub fn take_job(&self, kind: &str, pages_min: u32, room: f64) -> Result<Option<WebJob>, JsValue> {
        let kind = told(Kind::parse(kind))?;
        let compaction = self.database.settings().compaction;
        told(self.database.with_store(|store| {
            if store.is_at_work() {
                return Ok(None);
            }
            let job = match kind {
                Kind::Due => store.due_job(compaction)?,
                Kind::Fold => {
                    store.seal_log()?;
                    store.fold_job()?
                }
                Kind::Sealed => store.fold_job()?,
                Kind::Stale => store.compact_job(Compaction::Stale)?,
                Kind::All => store.compact_job(Compaction::All)?,
                Kind::Spare => {
                    #[expect(clippy::cast_precision_loss, reason = "nobody has 2^53 bytes")]
                    let is_short = room < store.stats().stored_bytes as f64;
                    if pages_min == u32::MAX || is_short {
                        store.forgo_spare();
                    }
                    match store.due_job(compaction)? {
                        None if compaction => store.spare_job()?,
                        job => job,
                    }
                }
            };
            let Some(job) = job else { return Ok(None) };
            if job.records() < u64::from(pages_min) && !job.learns() {
                store.begin_job(job)?;
                return Ok(None);
            }
            Ok(Some(given_out(&job)))
        }))
    }

    /// Whether a job was begun here and is not done.
    #[wasm_bindgen(js_name = isAtWork)]
    pub fn is_at_work(&self) -> Result<bool, JsValue> {
        told(self.database.with_store(|store| Ok(store.is_at_work())))
    }

    /// Takes what a job made into the database: the file is there, and open (I1).
    #[wasm_bindgen(js_name = installJob)]
    pub fn install_job(&self, done: &[u8]) -> Result<(), JsValue> {
        told(self.database.with_store(|store| store.install(&Done::from_bytes(done)?).map(drop)))?;
        // The head of before is let go of in between, and with it the files that only it read.
        told(self.database.with_store(Store::tidy))
    }

    /// Gives a job up, and what there is of its file (I1).
    #[wasm_bindgen(js_name = abandonJob)]
    pub fn abandon_job(&self, target: &str) -> Result<(), JsValue> {
        told(self.database.with_store(|store| store.abandon_job(target)))
    }

    /// The last commit that is folded.
    pub fn folded(&self) -> Result<u64, JsValue> {
        told(self.database.with_store(|store| Ok(store.folded().0)))
    }

    /// After how many milliseconds a job of a kind (`fold`, `spare`) is to be taken though nothing is due: what is in the logs is folded,
    /// however little it is. 0 for never, or if there is none.
    pub fn waits(&self, kind: &str) -> Result<f64, JsValue> {
        let settings = self.database.settings();
        if kind == "spare" {
            return told(self.database.with_store(|store| {
                Ok(match store.spare().filter(|_| settings.compaction) {
                    None => 0.0,
                    Some(Spare::Learn) => LEARN_AFTER_MS,
                    Some(_) => ANEW_AFTER_MS,
                })
            }));
        }
        let frames = told(self.database.with_store(|store| Ok(store.log_frames())))?;
        #[expect(clippy::cast_precision_loss, reason = "nobody waits for 2^53 milliseconds")]
        let after = settings.autocheckpoint_ms as f64;
        Ok(if frames == 0 { 0.0 } else { after })
    }
}

/// An app's first seconds are its own.
const LEARN_AFTER_MS: f64 = 3000.0;

/// Between two segments, others have a turn.
const ANEW_AFTER_MS: f64 = 500.0;

fn given_out(job: &Job) -> WebJob {
    let sources = job.sources().iter().map(|source| source.name().to_owned()).collect();
    WebJob { bytes: job.to_bytes(), target: job.target(), sources }
}

//! Upkeep of a database, on the side of the worker that has its files: done here a share at a time, or given out as jobs to the
//! checkpoint worker, whose results are installed.
//!
//! I1  A job that was given out comes back by `install_job` or `abandon_job`; until then nothing else is folded or merged.
//! I2  A job's bytes hold keys. They are copied into one buffer of JavaScript's, to be transferred and never kept, and wiped here.

use coffer_sqlite::coffer_store::{Codec, Compaction, Done, Job, PageNo, Scratch, Store};
use coffer_sqlite::{Error, ErrorCode};
use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;
use zeroize::Zeroizing;

use crate::database::WebDatabase;
use crate::failure::{thrown, told};

/// A job to be run elsewhere.
#[wasm_bindgen(js_name = Job)]
pub struct WebJob {
    bytes: Zeroizing<Vec<u8>>,
    target: String,
    sources: Vec<String>,
}

#[wasm_bindgen(js_class = Job)]
impl WebJob {
    /// The file that it makes.
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
}

impl Kind {
    fn parse(name: &str) -> Result<Self, Error> {
        Ok(match name {
            "due" => Self::Due,
            "fold" => Self::Fold,
            "sealed" => Self::Sealed,
            "stale" => Self::Stale,
            "all" => Self::All,
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

    /// Gives out a job of a kind (`due`, `fold`, `sealed`, `stale`, `all`) if there is one. One that reads and writes fewer pages than
    /// `pages_min` is begun here instead, for `maintain` to go on with.
    #[wasm_bindgen(js_name = takeJob)]
    pub fn take_job(&self, kind: &str, pages_min: u32) -> Result<Option<WebJob>, JsValue> {
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
            };
            let Some(job) = job else { return Ok(None) };
            if job.records() < u64::from(pages_min) {
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
        told(self.database.with_store(|store| {
            store.install(&Done::from_bytes(done)?)?;
            Ok(())
        }))?;
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

    /// After how many milliseconds what is in the logs is to be folded, however little it is; 0 for never, or if there is nothing.
    #[wasm_bindgen(js_name = foldAfter)]
    pub fn fold_after(&self) -> Result<f64, JsValue> {
        let frames = told(self.database.with_store(|store| Ok(store.log_frames())))?;
        #[expect(clippy::cast_precision_loss, reason = "nobody waits for 2^53 milliseconds")]
        let after = self.database.settings().autocheckpoint_ms as f64;
        Ok(if frames == 0 { 0.0 } else { after })
    }

    /// How many of the pages there are to learn a dictionary from; 0 if none is wanted, one is there, or there are too few.
    #[wasm_bindgen(js_name = pagesToLearnFrom)]
    pub fn pages_to_learn_from(&self) -> Result<u32, JsValue> {
        told(self.database.with_store(|store| {
            let bytes = u64::from(store.page_count().0) * u64::from(store.page_size().get());
            let wanted = store.codecs().1.codec() == Codec::Zstd && store.dictionary().is_none() && !store.is_at_work();
            Ok(if wanted && bytes >= LEARN_BYTES_MIN { store.page_count().0 } else { 0 })
        }))
    }

    /// The contents of `count` pages, each `step` after the one before, from the page with the index `first` on.
    pub fn sample(&self, first: u32, step: u32, count: u32) -> Result<Uint8Array, JsValue> {
        let snapshot = self.database.snapshot();
        let page_bytes = snapshot.page_size().bytes();
        let mut scratch = Scratch::default();
        let mut pages = Zeroizing::new(Vec::new());
        for index in (0..count).map(|at| first.saturating_add(at.saturating_mul(step))) {
            let Some(page) = PageNo::from_index(index).filter(|page| snapshot.page_count().contains(*page)) else {
                break;
            };
            let start = pages.len();
            pages.resize(start + page_bytes, 0);
            let out = pages.get_mut(start..).unwrap_or_default();
            snapshot.read(page, out, &mut scratch).map_err(|error| thrown(&error.into()))?;
        }
        Ok(Uint8Array::from(pages.as_slice()))
    }

    /// Bytes in a page.
    #[wasm_bindgen(js_name = pageBytes)]
    pub fn page_bytes(&self) -> usize {
        self.database.snapshot().page_size().bytes()
    }

    /// Gives new segments this dictionary.
    #[wasm_bindgen(js_name = embedDictionary)]
    pub fn embed_dictionary(&self, dictionary: &[u8]) -> Result<(), JsValue> {
        told(self.database.embed_dictionary(Some(dictionary)))
    }
}

fn given_out(job: &Job) -> WebJob {
    let sources = job.sources().iter().map(|source| source.name().to_owned()).collect();
    WebJob { bytes: job.to_bytes(), target: job.target(), sources }
}

/// A database of fewer bytes is not worth a dictionary, which is kept once in each of its segments.
const LEARN_BYTES_MIN: u64 = 2 << 20;

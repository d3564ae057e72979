//! Opening: understand the root, load the segments' indexes, replay the logs. Nothing is written before all of it is
//! understood.
//!
//! The parts are in files of their own, with the rules that they keep: `root`, `segments` and their `contents`, `logs`, and
//! what is written in the end, `settle`.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use crate::codec::{Dictionary, Encoder};
use crate::device::{DeviceErrorKind, OpenMode, Storage};
use crate::entropy::Entropy;
use crate::error::{Error, Result};
use crate::file::FileSet;
use crate::format::manifest::Manifest;
use crate::ids::{Chain, CommitId, LogGeneration, SegmentId};
use crate::keys::{Keyring, SlotKey};
use crate::learn::Learning;
use crate::log::{Log, Requests};
use crate::options::Options;
use crate::snapshot::Snapshot;
use crate::store::{Segment, SpareLog, Store, no_files};
use crate::table::Table;
use logs::load_logs;
use root::{adopt_base, read_root};
use segments::{check_unnamed, count_live, load_segment};

mod contents;
mod logs;
mod root;
mod segments;
mod settle;

pub(crate) use contents::{Contents, overlay, read_contents};
pub(crate) use logs::{Followed, follow_logs, frame_bytes_max, log_file, open_commit};
pub(crate) use root::{
    MANIFEST, is_unfinished, manifest_slot, newest_generation, open_self_contained, read_copied_root, unlock,
};
pub use root::{Peek, peek};
pub(crate) use segments::open_entry;

/// What opening found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovered {
    /// The newest commit.
    pub commit: CommitId,
    /// Page frames that were replayed from logs.
    pub frames: u64,
    /// Bytes behind the last valid commit that belonged to commits which never became durable.
    pub bytes_dropped: u64,
    /// Segments whose index was damaged and was rebuilt by a scan.
    pub indexes_rebuilt: Vec<String>,
}

impl<S: Storage> Store<S> {
    /// Opens a database. `key` opens one of its slots; a database that is not encrypted needs none.
    pub fn open(
        storage: S,
        entropy: Box<dyn Entropy + Send>,
        options: Options,
        key: Option<&SlotKey>,
    ) -> Result<(Self, Recovered)> {
        let mode = if options.read_only { OpenMode::Read } else { OpenMode::Write };
        // A reader takes no lock, so a writer may checkpoint or commit between two of its reads; what it then sees is not
        // damaged, only of two moments. A second look decides.
        let looks = if options.read_only || options.beside_writer { LOOKS_BESIDE_WRITER } else { 1 };
        let mut look = 1;
        let (manifest, keys, manifest_device, loaded) = loop {
            match look_at(&storage, &options, mode, key) {
                Err(error) if look < looks && may_be_between(&error) => look += 1,
                other => break other?,
            }
        };
        let recovered = loaded.recovered();
        let encoder = Self::encoder_for(&manifest);
        let log_next = loaded.logs.last().map_or(manifest.log_first, |log| log.generation().next());
        let mut store =
            Self::assemble_open(storage, entropy, options, keys, manifest, manifest_device, loaded, encoder);
        store.log_next = log_next;
        // FORMAT: valid-1
        store.settle(&recovered)?;
        Ok((store, recovered))
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of an open store, put together in one place")]
    fn assemble_open(
        storage: S,
        entropy: Box<dyn Entropy + Send>,
        options: Options,
        keys: Option<Keyring>,
        manifest: Manifest,
        manifest_device: Option<S::Device>,
        loaded: Loaded<S::Device>,
        encoder: Encoder,
    ) -> Self {
        let mut sealed: VecDeque<_> = loaded.logs.into();
        let log = sealed.pop_back();
        Self {
            storage,
            entropy,
            options,
            keys,
            manifest,
            manifest_device,
            chain: loaded.chain,
            view: loaded.view,
            log,
            sealed,
            log_next: LogGeneration(0),
            spares: loaded.spares,
            retired: Vec::new(),
            segments: loaded.segments,
            flushed: loaded.flushed,
            requests: loaded.requests,
            encoder,
            buffer: Vec::new(),
            patch: Vec::new(),
            poisoned: false,
            job_out: false,
            dictionary: loaded.dictionary,
            run: Weak::new(),
            // The process before may have ended between making a file and flushing its name.
            names_changed: true,
            root_confirmed: false,
            rewrite_before: SegmentId(0),
            decrypting: false,
            learning: Learning::Ready,
            running: None,
            counters: crate::store::Counters::default(),
            counters_unsaved: crate::store::Counters::default(),
        }
    }
}

/// How often somebody looks before it believes in damage who may be beside a writer.
pub(crate) const LOOKS_BESIDE_WRITER: u32 = 3;

/// Whether an error may be of two moments: what did not fit together, a file that was named and gone when it was to be opened, or one
/// that was cut between its length and the reading of it.
pub(crate) fn may_be_between(error: &Error) -> bool {
    match error {
        Error::Corrupt(_) => true,
        Error::Device(error) => matches!(error.kind, DeviceErrorKind::NotFound | DeviceErrorKind::ShortRead),
        _ => false,
    }
}

type Looked<D> = (Manifest, Option<Keyring>, Option<D>, Loaded<D>);

/// Reads and understands everything, and writes nothing.
fn look_at<S: Storage>(
    storage: &S,
    options: &Options,
    mode: OpenMode,
    key: Option<&SlotKey>,
) -> Result<Looked<S::Device>> {
    let (sealed, manifest_device) = read_root(storage, options.base.as_deref(), mode)?;
    let (mut manifest, keys) = unlock(sealed, key)?;
    if manifest_device.is_none() {
        adopt_base(storage, options, &mut manifest, keys.as_ref())?;
    }
    let loaded = load(storage, &manifest, keys.as_ref(), options)?;
    if manifest_device.is_some() {
        check_unnamed(storage, &manifest, keys.as_ref(), loaded.view.commit)?;
    }
    Ok((manifest, keys, manifest_device, loaded))
}

/// What the files of a database say.
pub(crate) struct Loaded<D> {
    pub view: Snapshot<D>,
    pub chain: Chain,
    /// Oldest first; the last takes commits.
    pub logs: Vec<Log<D>>,
    pub spares: Vec<SpareLog<D>>,
    pub segments: Vec<Segment>,
    pub flushed: CommitId,
    pub requests: Requests,
    pub dictionary: Option<Dictionary>,
    pub indexes_rebuilt: Vec<String>,
    pub bytes_dropped: u64,
}

impl<D> Loaded<D> {
    fn recovered(&self) -> Recovered {
        Recovered {
            commit: self.view.commit,
            frames: self.logs.iter().map(|log| log.frames.len() as u64).sum(),
            bytes_dropped: self.bytes_dropped,
            indexes_rebuilt: self.indexes_rebuilt.clone(),
        }
    }
}

/// Loads segments and logs.
pub(crate) fn load<S: Storage>(
    storage: &S,
    manifest: &Manifest,
    keys: Option<&Keyring>,
    options: &Options,
) -> Result<Loaded<S::Device>> {
    let mut loaded = Loaded {
        view: Snapshot {
            commit: manifest.commit,
            page_count: manifest.page_count,
            page_size: manifest.page_size,
            verify: options.verify_on_read,
            table: Table::default(),
            files: no_files(),
        },
        chain: manifest.chain,
        logs: Vec::new(),
        spares: Vec::new(),
        segments: Vec::new(),
        flushed: manifest.flushed.max(manifest.commit),
        requests: Requests::default(),
        dictionary: None,
        indexes_rebuilt: Vec::new(),
        bytes_dropped: 0,
    };
    let mut files = FileSet::default();
    for entry in &manifest.segments {
        load_segment(storage, manifest, keys, options, *entry, &mut files, &mut loaded)?;
    }
    loaded.view.table.truncate(loaded.view.page_count, |_| ());
    count_live(&mut loaded);
    load_logs(storage, manifest, keys, options, &mut files, &mut loaded)?;
    loaded.view.files = Arc::new(files);
    Ok(loaded)
}

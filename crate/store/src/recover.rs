//! Opening: understand the root, load the segments' indexes, replay the logs. Nothing is written before all of it is
//! understood.
//!
//! R1  The newest whole manifest slot is the root. Segments that it does not name and logs older than it names do not count.
//! R2  Logs are replayed in the order of their generations, each from where the one before ended, up to the last valid commit.
//! R3  What lies behind the last valid commit is an unflushed tail, and is dropped and reported, unless a later commit frame or
//!     the manifest says that more was flushed: then it is damage, and an error.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::{Arc, Weak};
use alloc::vec;
use alloc::vec::Vec;

use crate::checkpoint::SPARES_MAX;
use crate::cipher::{Cipher, Subkey};
use crate::codec::{Dictionary, Encoder};
use crate::device::{Device, DeviceError, DeviceErrorKind, DeviceOp, OpenMode, Storage};
use crate::entropy::Entropy;
use crate::error::{Error, Result, Unsupported, What};
use crate::file::{Face, FileSet, OpenFile};
use crate::format::body::{FileKind, open_payload};
use crate::format::commits::CommitInfo;
use crate::format::foreign;
use crate::format::frame::split_commit;
use crate::format::index::IndexEntry;
use crate::format::layout::{LOG_DATA_START, MANIFEST_SLOT_BYTES, SEGMENT_HEADER_BYTES};
use crate::format::log::LogHeader;
use crate::format::manifest::{Manifest, SealedManifest, SegmentEntry, Slot, decode_slot};
use crate::format::seal::Seal;
use crate::format::segment::SegmentHeader;
use crate::ids::{Chain, CommitId, DatabaseId, LogGeneration, PageCount, PageSize, SegmentId};
use crate::keys::{KeySlot, Keyring, SlotKey};
use crate::location::{FILE_BYTES_MAX, Location};
use crate::log::{Log, LogNumber, Requests, subkey_context};
use crate::options::Options;
use crate::replay::{Replayed, find_commit_frames, replay};
use crate::segment::{
    open_segment, read_commits, read_header, read_index, read_manifest_copy, read_seal, scan_records, segment_name,
    segment_of_name, walk_to_commits,
};
use crate::snapshot::Snapshot;
use crate::store::{LiveTally, Segment, SpareLog, Store, no_files};
use crate::table::Table;

/// The root's file.
pub(crate) const MANIFEST: &str = "manifest";

/// Where the slot of a generation is, and how long it is.
pub(crate) const fn manifest_slot(generation: u64) -> (u64, u64) {
    ((generation & 1) * MANIFEST_SLOT_BYTES as u64, MANIFEST_SLOT_BYTES as u64)
}

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

/// What can be learned of a database without its key.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Peek {
    /// Its identity.
    pub database: DatabaseId,
    /// How it is encrypted.
    pub cipher: Cipher,
    /// The size of its pages.
    pub page_size: PageSize,
    /// The slots that a key can open, with what deriving it takes.
    pub slots: Vec<KeySlot>,
}

/// Reads the root without a key: whether there is a database, and how its key is derived.
pub fn peek<S: Storage>(storage: &S, base: Option<&str>) -> Result<Peek> {
    let (manifest, _) = read_root(storage, base, OpenMode::Read)?;
    Ok(Peek {
        database: manifest.database(),
        cipher: manifest.cipher(),
        page_size: manifest.page_size(),
        slots: manifest.slots().to_vec(),
    })
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
        let looks = if options.read_only { READ_ONLY_LOOKS } else { 1 };
        let mut look = 1;
        let (manifest, keys, manifest_device, loaded) = loop {
            match look_at(&storage, &options, mode, key) {
                Err(Error::Corrupt(_)) if look < looks => look += 1,
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
            poisoned: false,
            job_out: false,
            dictionary: loaded.dictionary,
            run: Weak::new(),
            // The process before may have ended between making a file and flushing its name.
            names_changed: true,
            root_confirmed: false,
            rewrite_before: SegmentId(0),
            decrypting: false,
            running: None,
            counters: crate::store::Counters::default(),
            counters_unsaved: crate::store::Counters::default(),
        }
    }

    /// After all is understood: cuts off a dropped tail, and makes durable what was found beyond the known flushes, so that
    /// nothing that is read from here on can be lost.
    fn settle(&mut self, recovered: &Recovered) -> Result<()> {
        if self.options.read_only {
            return Ok(());
        }
        self.clear_outlived()?;
        let Some(log) = &self.log else { return Ok(()) };
        if recovered.bytes_dropped > 0 {
            log.file.device.truncate(log.end)?;
        }
        if self.flushed < self.view.commit || recovered.bytes_dropped > 0 {
            // The process before may have seen a flush fail. A system that then takes the bytes for clean shows them until
            // the power goes, and no flush stores them: they have to be written again.
            rewrite(&log.file.device, unproven_start(log, self.flushed), log.end)?;
            log.file.device.flush()?;
            self.storage.flush_names()?;
            self.names_changed = false;
            self.flushed = self.view.commit;
        }
        Ok(())
    }
}

impl<S: Storage> Store<S> {
    /// Empties and removes what the process before would have, had it lived to: logs that hold what another key or none
    /// opens, or the rest of a beginning that was torn, and segments that were replaced. What fails is tried at the next
    /// opening.
    fn clear_outlived(&mut self) -> Result<()> {
        let replaced = |name: &String| {
            let id = segment_of_name(name).filter(|id| *id < self.manifest.segment_next);
            id.is_some_and(|id| self.segments.iter().all(|segment| segment.entry.id != id))
                && self.options.base.as_ref() != Some(name)
        };
        let names: Vec<String> = self.storage.list()?.into_iter().filter(replaced).collect();
        let surplus = self.spares.len() > SPARES_MAX;
        if names.is_empty() && !surplus && self.spares.iter().all(|spare| !spare.stale) {
            return Ok(());
        }
        // Only a root that is sure to be durable has outlived anything.
        self.confirm_root()?;
        for name in names.iter().filter(|name| !self.storage.is_pinned(name)) {
            let _ = self.storage.remove(name);
        }
        for spare in self.spares.iter_mut().filter(|spare| spare.stale) {
            if !self.storage.is_pinned(&spare.number.name())
                && spare.device.truncate(0).and_then(|()| spare.device.flush()).is_ok()
            {
                (spare.file_bytes, spare.stale) = (0, false);
            }
        }
        // Logs that readers of the process before had kept from being used again; each would stay open for ever.
        for spare in self.spares.split_off(self.spares.len().min(SPARES_MAX)) {
            let name = spare.number.name();
            if self.storage.is_pinned(&name) {
                self.spares.push(spare);
            } else {
                drop(spare.device);
                let _ = self.storage.remove(&name);
            }
        }
        Ok(())
    }
}

/// Where in a log the part begins of which nobody has said that it was flushed.
fn unproven_start<D>(log: &Log<D>, flushed: CommitId) -> u64 {
    if flushed <= log.header.base {
        return 0;
    }
    let proven = log.frames.partition_point(|frame| frame.commit <= flushed);
    let last_proven = proven.checked_sub(1).and_then(|last| log.frames.get(last));
    last_proven.map_or(LOG_DATA_START as u64, |frame| frame.offset)
}

/// How often a reader looks before it believes in damage.
const READ_ONLY_LOOKS: u32 = 3;

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

/// The generation of the newest whole slot, whoever wrote it.
pub(crate) fn newest_generation<D: Device>(device: &D) -> Result<Option<u64>> {
    let len = device.len()?.min(2 * MANIFEST_SLOT_BYTES as u64);
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
    device.read_at(0, &mut bytes)?;
    let (first, second) = bytes.split_at(bytes.len().min(MANIFEST_SLOT_BYTES));
    let mut newest = None;
    for slot in [first, second] {
        if let Slot::Whole(manifest) = decode_slot(MANIFEST, slot)? {
            newest = newest.max(Some(manifest.generation()));
        }
    }
    Ok(newest)
}

/// Writes a part of a file over itself.
fn rewrite<D: Device>(device: &D, start: u64, end: u64) -> Result<()> {
    const CHUNK_BYTES: u64 = 1 << 20;
    let mut chunk = Vec::new();
    let end = end.min(device.len()?);
    let mut at = start;
    while at < end {
        let len = CHUNK_BYTES.min(end - at);
        chunk.resize(usize::try_from(len).unwrap_or(0), 0);
        device.read_at(at, &mut chunk)?;
        device.write_at(at, &chunk)?;
        at += len;
    }
    Ok(())
}

type Root<D> = (Box<SealedManifest>, Option<D>);

/// The newest whole slot of the manifest, or the manifest in a self-contained segment.
fn read_root<S: Storage>(storage: &S, base: Option<&str>, mode: OpenMode) -> Result<Root<S::Device>> {
    let device = match (storage.open(MANIFEST, mode), base) {
        (Ok(device), _) => device,
        (Err(error), Some(base)) if error.kind == DeviceErrorKind::NotFound => return read_base_root(storage, base),
        (Err(error), _) => return Err(error.into()),
    };
    let len = device.len()?.min(2 * MANIFEST_SLOT_BYTES as u64);
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
    device.read_at(0, &mut bytes)?;
    let (first, second) = bytes.split_at(bytes.len().min(MANIFEST_SLOT_BYTES));
    let (first, second) = (decode_slot(MANIFEST, first)?, decode_slot(MANIFEST, second)?);
    // FORMAT: manifest-4
    let newest = match (first, second) {
        (Slot::Whole(first), Slot::Whole(second)) if first.generation() > second.generation() => first,
        (Slot::Whole(_) | Slot::Broken | Slot::Malformed, Slot::Whole(second)) => second,
        (Slot::Whole(first), Slot::Broken | Slot::Malformed) => first,
        (Slot::Malformed, _) | (_, Slot::Malformed) => return Err(Error::corrupt(MANIFEST, 0, What::ManifestField)),
        (Slot::Broken, Slot::Broken) if is_unfinished(storage, &bytes)? => {
            let missing = || DeviceError::new(DeviceOp::Open, MANIFEST, 0, DeviceErrorKind::NotFound);
            return base.map_or_else(|| Err(missing().into()), |base| read_base_root(storage, base));
        }
        (Slot::Broken, Slot::Broken) => {
            let ours = bytes.starts_with(crate::format::manifest::MAGIC) || bytes.iter().all(|&byte| byte == 0);
            return Err(if ours || bytes.len() > MANIFEST_SLOT_BYTES {
                Error::corrupt(MANIFEST, 0, What::Manifest)
            } else {
                foreign(MANIFEST, &bytes)
            });
        }
    };
    Ok((newest, Some(device)))
}

fn read_base_root<S: Storage>(storage: &S, base: &str) -> Result<Root<S::Device>> {
    let device = storage.open(base, OpenMode::Read)?;
    let header = read_header(&device, base)?;
    let copy = read_manifest_copy(&device, base, &header)?;
    match decode_slot(base, &copy)? {
        Slot::Whole(manifest) => Ok((manifest, None)),
        Slot::Malformed | Slot::Broken => Err(Error::corrupt(base, 0, What::Manifest)),
    }
}

/// Whether these bytes of a manifest, neither slot of which is whole, are what a crash left of its first write: of ours, and
/// with no log and no segment beside it, both of which come later. Then nothing was ever in it.
pub(crate) fn is_unfinished<S: Storage>(storage: &S, bytes: &[u8]) -> Result<bool> {
    let magic = crate::format::manifest::MAGIC;
    let ours = bytes.chunks(MANIFEST_SLOT_BYTES).all(|slot| {
        let start = slot.get(..magic.len()).unwrap_or(slot);
        magic.starts_with(start) || start.iter().all(|&byte| byte == 0)
    });
    let of_a_database = |name: &String| LogNumber::of_name(name).is_some() || segment_of_name(name).is_some();
    Ok(ours && !storage.list()?.iter().any(of_a_database))
}

/// Opens the manifest with a key: the slot decides whether it is the right one, before anything else is read.
pub(crate) fn unlock(sealed: Box<SealedManifest>, key: Option<&SlotKey>) -> Result<(Manifest, Option<Keyring>)> {
    let (cipher, database) = (sealed.cipher(), sealed.database());
    let unauthentic = || Error::corrupt(MANIFEST, 0, What::ManifestAuthentication);
    if cipher == Cipher::None {
        // FORMAT: manifest-6
        if key.is_some() {
            return Err(Error::WrongKey);
        }
        return Ok((sealed.open(None).ok_or_else(unauthentic)?, None));
    }
    let file = || MANIFEST.into();
    cipher.require().map_err(|what: Unsupported| Error::Unsupported { file: file(), what })?;
    let key = key.ok_or(Error::KeyRequired)?;
    // FORMAT: key-1
    let master =
        sealed.slots().iter().find_map(|slot| slot.unwrap_master(cipher, key, database).ok()).ok_or(Error::WrongKey)?;
    let manifest = sealed.open(Some(&master)).ok_or_else(unauthentic)?;
    let mut keys = Keyring::new(cipher, master);
    for (epoch, wrapped) in &manifest.data_keys {
        // FORMAT: key-2
        let data = wrapped
            .unwrap_data(cipher, keys.master(), database, *epoch)
            .map_err(|what| Error::corrupt(MANIFEST, 0, what))?;
        keys.insert(*epoch, data);
    }
    Ok((manifest, Some(keys)))
}

/// A self-contained segment is the database: the root in it cannot name the segment's own length, so that is filled in.
fn adopt_base<S: Storage>(
    storage: &S,
    options: &Options,
    manifest: &mut Manifest,
    keys: Option<&Keyring>,
) -> Result<()> {
    let base = options.base.as_deref().unwrap_or_default();
    let device = storage.open(base, OpenMode::Read)?;
    let header = read_header(&device, base)?;
    let file_bytes = device.len()?;
    let data_key = keys.and_then(|keys| keys.data(header.epoch));
    let file = open_segment(device, base, &header, manifest.database, data_key, file_bytes)?;
    let seal = read_seal(&file, &header)?;
    // FORMAT: seal-3. An increment opened by itself would read zeros where the copy that it belongs to has pages.
    if seal.base != CommitId::ZERO {
        return Err(Error::corrupt(base, 0, What::SegmentMissing));
    }
    manifest.segments = vec![SegmentEntry {
        id: seal.id,
        file_bytes,
        records: seal.records,
        base: seal.base,
        last: seal.last,
        epoch: header.epoch,
    }];
    manifest.commit = seal.last;
    manifest.chain = seal.chain;
    manifest.page_count = seal.page_count;
    manifest.flushed = seal.last;
    manifest.segment_next = SegmentId(seal.id.0.max(manifest.segment_next.0.saturating_sub(1)).saturating_add(1));
    // FORMAT: manifest-7. What the seal says is held to the same limits.
    if !manifest.counts_on() {
        return Err(Error::corrupt(base, 0, What::ManifestField));
    }
    Ok(())
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

/// The name of a segment's file: the base of a single-file database has one of its own.
pub(crate) fn file_of_segment<S: Storage>(storage: &S, options: &Options, id: SegmentId) -> Result<String> {
    let name = segment_name(id);
    if let Some(base) = &options.base
        && let Ok(device) = storage.open(base, OpenMode::Read)
        && read_header(&device, base)?.id == id
    {
        return Ok(base.clone());
    }
    Ok(name)
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

/// Tallies what the table uses of each segment.
pub(crate) fn count_live<D: Device>(loaded: &mut Loaded<D>) {
    let mut tally = LiveTally::new(&mut loaded.segments);
    loaded.view.table.for_each(|_, location| tally.add(location));
}

/// Opens one segment and lays its versions over the table.
fn load_segment<S: Storage>(
    storage: &S,
    manifest: &Manifest,
    keys: Option<&Keyring>,
    options: &Options,
    entry: SegmentEntry,
    files: &mut FileSet<S::Device>,
    loaded: &mut Loaded<S::Device>,
) -> Result<()> {
    let (file, header) = open_entry(storage, manifest, keys, options, entry)?;
    let contents = read_contents(&file, &header, &entry)?;
    if contents.rebuilt {
        loaded.indexes_rebuilt.push(file.name.clone());
    }
    loaded.dictionary = file.dictionary.clone().or_else(|| loaded.dictionary.take());
    let slot = files.insert(Arc::new(file));
    overlay(&mut loaded.view.table, &contents, CommitId(u64::MAX), |index| {
        Location::new(slot, index.offset, index.body_bytes, index.commit)
    });
    for info in &contents.commits {
        loaded.requests.add(info.request, info.commit);
    }
    loaded.segments.push(Segment::new(entry, slot, contents.record_bytes(), contents));
    Ok(())
}

/// Opens the file of a segment that the manifest names, and finds that it is that one.
pub(crate) fn open_entry<S: Storage>(
    storage: &S,
    manifest: &Manifest,
    keys: Option<&Keyring>,
    options: &Options,
    entry: SegmentEntry,
) -> Result<(OpenFile<S::Device>, SegmentHeader)> {
    let name = file_of_segment(storage, options, entry.id)?;
    let missing = || Error::corrupt(&name, 0, What::SegmentMissing);
    let device = storage.open(&name, OpenMode::Read).map_err(|error: DeviceError| match error.kind {
        DeviceErrorKind::NotFound => missing(),
        _ => error.into(),
    })?;
    let header = read_header(&device, &name)?;
    let length_agrees = device.len()? == entry.file_bytes;
    // FORMAT: manifest-5
    let agrees = header.id == entry.id
        && header.epoch == entry.epoch
        && header.page_size == manifest.page_size
        && (header.cipher == Cipher::None) == (entry.epoch.0 == 0);
    if !agrees {
        return Err(Error::corrupt(&name, 0, What::SegmentHeader));
    }
    if !length_agrees {
        return Err(missing());
    }
    let data_key = keys.and_then(|keys| keys.data(entry.epoch));
    let file = open_segment(device, &name, &header, manifest.database, data_key, entry.file_bytes)?;
    Ok((file, header))
}

/// What a segment holds.
pub(crate) struct Contents {
    /// In page order, and commit order within a page.
    pub entries: Vec<IndexEntry>,
    pub commits: Vec<CommitInfo>,
    /// `None` if it is damaged.
    pub seal: Option<Seal>,
    pub rebuilt: bool,
}

impl Contents {
    /// What its page records take.
    pub fn record_bytes(&self) -> u64 {
        let header_bytes = crate::format::layout::RECORD_HEADER_BYTES as u64;
        self.entries.iter().map(|entry| header_bytes + u64::from(entry.body_bytes)).sum()
    }
}

/// Reads a segment's index and commits, or scans its records if those are damaged.
pub(crate) fn read_contents<D: Device>(
    file: &OpenFile<D>,
    header: &SegmentHeader,
    entry: &SegmentEntry,
) -> Result<Contents> {
    let indexed = || -> Result<Contents> {
        let seal = read_seal(file, header)?;
        if seal.last != entry.last || seal.base != entry.base || seal.records != entry.records {
            return Err(file.corrupt(entry.file_bytes, What::Seal));
        }
        check_dictionary(file, header, Some(&seal))?;
        // A seal can claim any number; an index entry takes three bytes at least.
        let entries_max = (seal.commits_start - seal.index_start) / 3;
        let capacity = seal.records.min(entries_max).min(1 << 20);
        let mut entries = Vec::with_capacity(usize::try_from(capacity).unwrap_or(0));
        read_index(file, header, &seal, |index| entries.push(index))?;
        Ok(Contents { entries, commits: read_commits(file, &seal)?, seal: Some(seal), rebuilt: false })
    };
    match indexed() {
        Err(Error::Corrupt(found)) if found.what != What::Dictionary => scan_contents(file, header, entry),
        other => other,
    }
}

/// Nothing but the seal tells whether a dictionary that no key authenticates is as it was written, and a page decompressed
/// with another is another page.
fn check_dictionary<D: Device>(file: &OpenFile<D>, header: &SegmentHeader, seal: Option<&Seal>) -> Result<()> {
    // FORMAT: segment-8
    let Some(dictionary) = file.dictionary.as_ref().filter(|_| header.cipher == Cipher::None) else { return Ok(()) };
    if seal.is_some_and(|seal| seal.dictionary_crc == dictionary.id()) {
        Ok(())
    } else {
        Err(file.corrupt(SEGMENT_HEADER_BYTES as u64, What::Dictionary))
    }
}

/// FORMAT: index-3
fn scan_contents<D: Device>(file: &OpenFile<D>, header: &SegmentHeader, entry: &SegmentEntry) -> Result<Contents> {
    let seal = read_seal(file, header).ok();
    check_dictionary(file, header, seal.as_ref())?;
    let mut entries = Vec::new();
    let mut damage = None;
    scan_records(file, header, |found| match found {
        Ok(index) => entries.push(index),
        Err(error) => damage = damage.take().or(Some(error)),
    })?;
    if let Some(error) = damage {
        return Err(error);
    }
    if entries.len() as u64 != entry.records {
        return Err(file.corrupt(entry.file_bytes, What::Index));
    }
    // Commits that shrank the database are remembered in the commits record alone; it may be whole where the index is not.
    let commits = match &seal {
        Some(seal) => read_commits(file, seal)?,
        None => walk_to_commits(file, header)?,
    };
    entries.sort_unstable_by_key(|index| (index.page, index.commit));
    Ok(Contents { entries, commits, seal, rebuilt: true })
}

/// Lays the versions of a segment over those of older ones.
pub(crate) fn overlay(
    table: &mut Table,
    contents: &Contents,
    upto: CommitId,
    location: impl Fn(&IndexEntry) -> Location,
) {
    let cuts = Cuts::new(contents.commits.iter().filter(|info| info.commit <= upto));
    table.truncate(cuts.lowest, |_| ());
    for entry in contents.entries.iter().filter(|entry| entry.commit <= upto) {
        if cuts.shows(entry.page.get(), entry.commit) {
            table.set(entry.page, location(entry));
        }
    }
}

/// Which commits cut the database off where, to tell whether a version still shows through.
pub(crate) struct Cuts {
    pub lowest: PageCount,
    /// By size, with the newest commit that cut at that size or below.
    cuts: Vec<(PageCount, CommitId)>,
}

impl Cuts {
    pub fn new<'a>(commits: impl Iterator<Item = &'a CommitInfo>) -> Self {
        let mut cuts: Vec<_> = commits.filter_map(|info| Some((info.cut?, info.commit))).collect();
        cuts.sort_unstable();
        let mut newest = CommitId::ZERO;
        for (_, commit) in &mut cuts {
            newest = newest.max(*commit);
            *commit = newest;
        }
        let lowest = cuts.first().map_or(PageCount(u32::MAX), |cut| cut.0);
        Self { lowest, cuts }
    }

    /// Whether no commit after `commit` cut this page off.
    pub fn shows(&self, page: u32, commit: CommitId) -> bool {
        let below = self.cuts.partition_point(|(count, _)| count.0 < page);
        below.checked_sub(1).and_then(|last| self.cuts.get(last)).is_none_or(|(_, newest)| *newest <= commit)
    }
}

/// A segment is only written of commits that are flushed. A whole one that the root does not name yet and that has commits
/// beyond the newest found says that the root is an old one, and that the newer was damaged rather than never finished.
///
/// FORMAT: manifest-4
fn check_unnamed<S: Storage>(storage: &S, manifest: &Manifest, keys: Option<&Keyring>, newest: CommitId) -> Result<()> {
    for name in storage.list()? {
        if segment_of_name(&name).is_none_or(|id| id < manifest.segment_next) {
            continue;
        }
        let last = || -> Result<CommitId> {
            let device = storage.open(&name, OpenMode::Read)?;
            let header = read_header(&device, &name)?;
            let file_bytes = device.len()?;
            let data_key = keys.and_then(|keys| keys.data(header.epoch));
            let file = open_segment(device, &name, &header, manifest.database, data_key, file_bytes)?;
            Ok(read_seal(&file, &header)?.last)
        };
        match last() {
            Ok(last) if last > newest => return Err(Error::corrupt(MANIFEST, 0, What::CommitsMissing)),
            Err(Error::Device(error)) => return Err(error.into()),
            // Of an earlier time, or of a job that was interrupted.
            _ => {}
        }
    }
    Ok(())
}

/// The open file of a log.
pub(crate) fn log_file<D>(
    number: LogNumber,
    device: D,
    header: &LogHeader,
    keys: Option<&Keyring>,
) -> Result<OpenFile<D>> {
    let context = subkey_context(&header.database.0, FileKind::Log, header.generation.0);
    let name = number.name();
    let subkey: Option<Subkey> = if header.cipher == Cipher::None {
        None
    } else {
        let data_key = keys.and_then(|keys| keys.data(header.epoch));
        let data_key = data_key.ok_or_else(|| Error::corrupt(&name, 0, What::LogHeader))?;
        let subkey = Subkey::derive(header.cipher, data_key, &header.salt, &context);
        let what = Unsupported::Cipher(header.cipher.id());
        Some(subkey.ok_or_else(|| Error::Unsupported { file: name.clone(), what })?)
    };
    let face = Face {
        name,
        kind: FileKind::Log,
        id: header.generation.0,
        database: header.database,
        subkey,
        dictionary: None,
    };
    Ok(OpenFile { face, device, sealed_bytes: None, epoch: header.epoch })
}

/// A log file whose header was read.
struct Candidate<D> {
    number: LogNumber,
    device: D,
    file_bytes: u64,
    header: Option<LogHeader>,
}

fn read_candidates<S: Storage>(
    storage: &S,
    manifest: &Manifest,
    options: &Options,
) -> Result<Vec<Candidate<S::Device>>> {
    let mode = if options.read_only { OpenMode::Read } else { OpenMode::Write };
    let mut candidates = Vec::new();
    for name in storage.list()? {
        let Some(number) = LogNumber::of_name(&name) else { continue };
        let device = storage.open(&name, mode)?;
        let file_bytes = device.len()?;
        if file_bytes >= FILE_BYTES_MAX {
            return Err(Error::corrupt(&name, 0, What::LogHeader));
        }
        let mut start = vec![0; usize::try_from(file_bytes.min(LOG_DATA_START as u64)).unwrap_or(0)];
        device.read_at(0, &mut start)?;
        let header = LogHeader::decode(&name, &start)?;
        // FORMAT: log-2
        let ours = header.is_none_or(|header| {
            header.generation < manifest.log_first
                || header.database == manifest.database && header.page_size == manifest.page_size
        });
        if !ours {
            return Err(foreign(&name, b""));
        }
        candidates.push(Candidate { number, device, file_bytes, header });
    }
    candidates.sort_by_key(|candidate| (candidate.header.map_or(0, |header| header.generation.0), candidate.number));
    Ok(candidates)
}

/// Replays the logs that the manifest has not outlived, in order.
fn load_logs<S: Storage>(
    storage: &S,
    manifest: &Manifest,
    keys: Option<&Keyring>,
    options: &Options,
    files: &mut FileSet<S::Device>,
    loaded: &mut Loaded<S::Device>,
) -> Result<()> {
    let mut end = End { commit: manifest.commit, chain: manifest.chain, name: MANIFEST.into(), offset: 0 };
    let mut generation = manifest.log_first;
    let mut headless = None;
    let mut candidates = read_candidates(storage, manifest, options)?;
    let given_up = given_up_beginnings(&candidates, manifest)?;
    for number in given_up {
        let Some(index) = candidates.iter().position(|candidate| candidate.number == number) else { continue };
        let Candidate { number, device, file_bytes, .. } = candidates.remove(index);
        loaded.spares.push(SpareLog { number, device, file_bytes, stale: true });
    }
    for candidate in candidates {
        let name = candidate.number.name();
        let header = match candidate.header {
            Some(header) if header.generation >= manifest.log_first => header,
            header => {
                if header.is_none() {
                    let promised = promised_without_header(&candidate.device, candidate.file_bytes, manifest)?;
                    headless =
                        headless.max(promised.map(|(promised, newest)| (promised, newest, candidate.file_bytes, name)));
                }
                let Candidate { number, device, file_bytes, .. } = candidate;
                let stale = header.map_or(file_bytes > 0, |header| header.epoch != manifest.epoch);
                loaded.spares.push(SpareLog { number, device, file_bytes, stale });
                continue;
            }
        };
        // FORMAT: log-3
        if header.cipher != manifest.cipher {
            return Err(Error::corrupt(&name, 0, What::LogHeader));
        }
        // FORMAT: log-4
        let continues = header.generation == generation
            && header.base == end.commit
            && header.base_chain == end.chain
            && header.base_page_count == loaded.view.page_count;
        if !continues {
            return Err(Error::corrupt(&name, 0, What::LogMissing));
        }
        let file = Arc::new(log_file(candidate.number, candidate.device, &header, keys)?);
        let slot = files.insert(Arc::clone(&file));
        let mut log = Log::new(candidate.number, file, slot, header);
        log.begun = true;
        let Replayed { promised, bytes_dropped } = replay(&mut log, candidate.file_bytes, loaded)?;
        loaded.flushed = loaded.flushed.max(promised);
        // Behind an older log's last commit can only be what was never committed: the log after it begins there.
        loaded.bytes_dropped = bytes_dropped;
        generation = header.generation.next();
        end = End { commit: log.head, chain: log.chain, name, offset: log.end };
        loaded.logs.push(log);
    }
    // FORMAT: log-7
    if let Some((promised, newest, file_bytes, name)) = headless {
        if promised > end.commit {
            return Err(Error::corrupt(&name, 0, What::LogHeader));
        }
        if newest > end.commit {
            loaded.bytes_dropped += file_bytes.saturating_sub(LOG_DATA_START as u64);
        }
    }
    // FORMAT: log-5, for R3.
    if end.commit < manifest.flushed {
        return Err(Error::corrupt(&end.name, end.offset, What::CommitsMissing));
    }
    loaded.flushed = loaded.flushed.min(loaded.view.commit);
    Ok(())
}

/// Of several logs of one generation, those that hold no commit. A log whose first commit found the disk full is emptied and
/// begun again elsewhere; when the flush of that fails and the power goes, its beginning is there once more.
///
/// FORMAT: log-4
fn given_up_beginnings<D: Device>(candidates: &[Candidate<D>], manifest: &Manifest) -> Result<Vec<LogNumber>> {
    let generation = |candidate: &Candidate<D>| {
        candidate.header.map(|header| header.generation).filter(|generation| *generation >= manifest.log_first)
    };
    let mut given_up = Vec::new();
    for (index, candidate) in candidates.iter().enumerate() {
        let mut others = candidates.iter().enumerate().filter(|(other, _)| *other != index);
        let Some(header) = candidate.header.filter(|_| generation(candidate).is_some()) else { continue };
        let another =
            others.any(|(_, other)| generation(other) == generation(candidate) && !given_up.contains(&other.number));
        if !another {
            continue;
        }
        let found =
            find_commit_frames(&candidate.device, LOG_DATA_START as u64, candidate.file_bytes, manifest.page_size)?;
        // What an earlier life of the file left is older than the base.
        if found.iter().all(|found| found.commit <= header.base) {
            given_up.push(candidate.number);
        }
    }
    Ok(given_up)
}

/// Where the replay has come to.
struct End {
    commit: CommitId,
    chain: Chain,
    name: String,
    offset: u64,
}

/// A log without a header is one whose first write was torn, or a spare that was never used, unless commit frames in it say
/// that more had been flushed: then its header was damaged. Gives the newest commit that they call flushed, and the newest
/// that is there.
fn promised_without_header<D: Device>(
    device: &D,
    file_bytes: u64,
    manifest: &Manifest,
) -> Result<Option<(CommitId, CommitId)>> {
    let found = find_commit_frames(device, LOG_DATA_START as u64, file_bytes, manifest.page_size)?;
    let promised = found.iter().filter_map(|found| Some(split_commit(&found.page_data)?.0)).max();
    let newest = found.iter().map(|found| found.commit).max();
    Ok(promised.zip(newest))
}

/// How long a frame can be.
pub(crate) const fn frame_bytes_max(page_size: PageSize) -> usize {
    use crate::format::body::body_bytes_max;
    use crate::format::layout::{COMMIT_PAYLOAD_BYTES, FRAME_HEADER_BYTES, FRAME_TRAILER_BYTES};
    let payload = if page_size.bytes() > COMMIT_PAYLOAD_BYTES { page_size.bytes() } else { COMMIT_PAYLOAD_BYTES };
    FRAME_HEADER_BYTES + body_bytes_max(payload) + FRAME_TRAILER_BYTES
}

/// Opens the payload of a commit frame.
pub(crate) fn open_commit<'b, D>(file: &OpenFile<D>, offset: u64, body: &'b mut [u8]) -> Option<&'b [u8]> {
    let (header, payload) = open_payload(body, file.place(offset, 0), file.opening(true)).ok()?;
    (header.codec == crate::codec::Codec::None && header.raw_bytes as usize == payload.len()).then_some(payload)
}

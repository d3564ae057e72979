//! The logs: which of the files count, in which order, and where they end.
//!
//! R2  Logs are replayed in the order of their generations, each from where the one before ended, up to the last valid commit.
//! R3  What lies behind the last valid commit is an unflushed tail, and is dropped and reported, unless a later commit frame or
//!     the manifest says that more was flushed: then it is damage, and an error.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use crate::cipher::{Cipher, Subkey};
use crate::device::{Device, OpenMode, Storage};
use crate::error::{Error, Result, Unsupported, What};
use crate::file::{Face, FileSet, OpenFile};
use crate::format::body::{FileKind, open_payload};
use crate::format::foreign;
use crate::format::frame::{check_frame, commit_frame_bytes, split_commit};
use crate::format::layout::LOG_DATA_START;
use crate::format::log::LogHeader;
use crate::format::manifest::Manifest;
use crate::ids::{Chain, CommitId, LogGeneration, PageSize};
use crate::keys::Keyring;
use crate::location::FILE_BYTES_MAX;
use crate::log::{Log, LogNumber, subkey_context};
use crate::options::Options;
use crate::recover::Loaded;
use crate::recover::root::MANIFEST;
use crate::replay::{Look, Replayed, find_commit_frames, open_payload_of, replay};
use crate::store::SpareLog;

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
pub(super) fn load_logs<S: Storage>(
    storage: &S,
    manifest: &Manifest,
    keys: Option<&Keyring>,
    options: &Options,
    files: &mut FileSet<S::Device>,
    loaded: &mut Loaded<S::Device>,
) -> Result<()> {
    let mut candidates = read_candidates(storage, manifest, options)?;
    let given_up = given_up_beginnings(&candidates, manifest)?;
    for number in given_up {
        let Some(index) = candidates.iter().position(|candidate| candidate.number == number) else { continue };
        let Candidate { number, device, file_bytes, .. } = candidates.remove(index);
        loaded.spares.push(SpareLog { number, device: Some(device), file_bytes, stale: true });
    }
    let end = End {
        commit: manifest.commit,
        chain: manifest.chain,
        generation: manifest.log_first,
        name: MANIFEST.into(),
        offset: 0,
    };
    load_from(end, candidates, manifest, keys, files, loaded)
}

/// What was appended to the newest of the logs that were known, if there were any.
pub(crate) struct Followed<D> {
    pub tail: Option<Log<D>>,
}

/// Takes in what was appended since the logs that are `known`, oldest first, were read: to the newest of them, which is returned, and
/// to those begun since, which go to `loaded.logs`. `None` if what is known is not the beginning of what is stored, or
/// if more has changed.
pub(crate) fn follow_logs<'k, S: Storage>(
    storage: &S,
    manifest: &Manifest,
    keys: Option<&Keyring>,
    options: &Options,
    known: impl Iterator<Item = &'k Log<S::Device>>,
    files: &mut FileSet<S::Device>,
    loaded: &mut Loaded<S::Device>,
) -> Result<Option<Followed<S::Device>>>
where
    S::Device: 'k,
{
    let mut candidates = read_candidates(storage, manifest, options)?;
    let mut newest = None;
    for log in known {
        let is_it = |candidate: &Candidate<_>| candidate.number == log.number && candidate.header == Some(log.header);
        let Some(place) = candidates.iter().position(is_it) else { return Ok(None) };
        newest = Some((log, candidates.remove(place).file_bytes));
    }
    let generation = newest.map_or(manifest.log_first, |(log, _)| log.generation().next());
    // Of two logs of one generation, and of one that is told again, only a reading of everything says which counts.
    let mut next = generation;
    for header in candidates.iter().filter_map(|candidate| candidate.header) {
        if header.generation >= manifest.log_first {
            if header.generation != next {
                return Ok(None);
            }
            next = next.next();
        }
    }
    let mut end = End { commit: loaded.view.commit, chain: loaded.chain, generation, name: MANIFEST.into(), offset: 0 };
    let mut tail = None;
    if let Some((log, file_bytes)) = newest {
        if !is_stored(log)? {
            return Ok(None);
        }
        let mut rest = log.rest(file_bytes);
        lay(&mut rest, Look::ON, loaded)?;
        end = End::of(&rest);
        tail = Some(rest);
    }
    load_from(end, candidates, manifest, keys, files, loaded)?;
    Ok(Some(Followed { tail }))
}

/// Whether the last commit of a log is in its file as it is known: it covers all before it.
fn is_stored<D: Device>(log: &Log<D>) -> Result<bool> {
    if log.commits.is_empty() {
        return Ok(log.begun);
    }
    let frame_bytes = commit_frame_bytes(log.file.subkey.is_some());
    let mut frame = vec![0; frame_bytes];
    let at = log.end.saturating_sub(frame_bytes as u64);
    log.file.device.read_at(at, &mut frame)?;
    let payload = check_frame(&frame).and_then(|(_, body)| open_payload_of(&log.file, at, body));
    Ok(payload.is_some_and(|payload| payload.generation == log.generation() && payload.chain == log.chain))
}

/// Lays what a log has behind its end over what was loaded before it.
fn lay<D: Device>(log: &mut Log<D>, look: Look, loaded: &mut Loaded<D>) -> Result<()> {
    let Replayed { promised, bytes_dropped } = replay(log, look, loaded)?;
    loaded.flushed = loaded.flushed.max(promised);
    // Behind an older log's last commit can only be what was never committed: the log after it begins there.
    loaded.bytes_dropped = bytes_dropped;
    Ok(())
}

/// Replays those of the candidates that go on from an end.
fn load_from<D: Device>(
    mut end: End,
    candidates: Vec<Candidate<D>>,
    manifest: &Manifest,
    keys: Option<&Keyring>,
    files: &mut FileSet<D>,
    loaded: &mut Loaded<D>,
) -> Result<()> {
    let mut headless = None;
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
                loaded.spares.push(SpareLog { number, device: Some(device), file_bytes, stale });
                continue;
            }
        };
        // FORMAT: log-3
        if header.cipher != manifest.cipher {
            return Err(Error::corrupt(&name, 0, What::LogHeader));
        }
        // FORMAT: log-4
        let continues = header.generation == end.generation
            && header.base == end.commit
            && header.base_chain == end.chain
            && header.base_page_count == loaded.view.page_count;
        if !continues {
            return Err(Error::corrupt(&name, 0, What::LogMissing));
        }
        let file = Arc::new(log_file(candidate.number, candidate.device, &header, keys)?);
        let slot = files.insert(Arc::clone(&file));
        let mut log = Log::new(candidate.number, file, slot, header, candidate.file_bytes);
        log.begun = true;
        lay(&mut log, Look::WHOLE, loaded)?;
        end = End::of(&log);
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
    /// Of the next log.
    generation: LogGeneration,
    name: String,
    offset: u64,
}

impl End {
    fn of<D>(log: &Log<D>) -> Self {
        let Log { head: commit, chain, end: offset, .. } = *log;
        Self { commit, chain, generation: log.generation().next(), name: log.number.name(), offset }
    }
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

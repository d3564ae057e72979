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
use crate::format::frame::split_commit;
use crate::format::layout::LOG_DATA_START;
use crate::format::log::LogHeader;
use crate::format::manifest::Manifest;
use crate::ids::{Chain, CommitId, PageSize};
use crate::keys::Keyring;
use crate::location::FILE_BYTES_MAX;
use crate::log::{Log, LogNumber, subkey_context};
use crate::options::Options;
use crate::recover::Loaded;
use crate::recover::root::MANIFEST;
use crate::replay::{Replayed, find_commit_frames, replay};
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
        let mut log = Log::new(candidate.number, file, slot, header, candidate.file_bytes);
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

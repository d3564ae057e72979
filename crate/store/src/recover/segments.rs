//! The segments that the root names, opened and laid over each other; and those that it ought to name.

use alloc::string::String;
use alloc::sync::Arc;

use crate::cipher::Cipher;
use crate::device::{Device, DeviceError, DeviceErrorKind, OpenMode, Storage};
use crate::error::{Error, Result, What};
use crate::file::{FileSet, OpenFile};
use crate::format::manifest::{Manifest, SegmentEntry};
use crate::format::segment::SegmentHeader;
use crate::ids::{CommitId, SegmentId};
use crate::keys::Keyring;
use crate::location::Location;
use crate::options::Options;
use crate::recover::Loaded;
use crate::recover::contents::{overlay, read_contents};
use crate::recover::root::MANIFEST;
use crate::segment::{open_segment, read_header, read_seal, segment_name, segment_of_name};
use crate::store::{LiveTally, Segment};

/// Opens one segment and lays its versions over the table.
pub(super) fn load_segment<S: Storage>(
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

/// The name of a segment's file: the base of a single-file database has one of its own.
fn file_of_segment<S: Storage>(storage: &S, options: &Options, id: SegmentId) -> Result<String> {
    let name = segment_name(id);
    if let Some(base) = &options.base
        && let Ok(device) = storage.open(base, OpenMode::Read)
        && read_header(&device, base)?.id == id
    {
        return Ok(base.clone());
    }
    Ok(name)
}

/// Tallies what the table uses of each segment.
pub(super) fn count_live<D: Device>(loaded: &mut Loaded<D>) {
    let mut tally = LiveTally::new(&mut loaded.segments);
    loaded.view.table.for_each(|_, location| tally.add(location));
}

/// A segment is only written of commits that are flushed. A whole one that the root does not name yet and that has commits
/// beyond the newest found says that the root is an old one, and that the newer was damaged rather than never finished.
///
/// FORMAT: manifest-4
pub(super) fn check_unnamed<S: Storage>(
    storage: &S,
    manifest: &Manifest,
    keys: Option<&Keyring>,
    newest: CommitId,
) -> Result<()> {
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

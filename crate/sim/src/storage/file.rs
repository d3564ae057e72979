//! One simulated file: what is live, what is durable, and the changes between the two.

use std::collections::BTreeMap;
use std::sync::Arc;

use coffer_store::DeviceErrorKind;

/// No simulated file is longer: an engine that writes at a damaged offset must fail, not fill the machine's memory.
const FILE_BYTES_MAX: usize = 1 << 30;

/// A file by identity; its name may change hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileId(pub(super) usize);

/// One file.
#[derive(Clone, Default)]
pub(super) struct File {
    /// What reads see.
    pub(super) live: Vec<u8>,
    /// What a crash cannot take.
    pub(super) durable: Vec<u8>,
    /// Changes that are live and not durable, in order.
    pub(super) unsynced: Vec<Change>,
    /// Devices open on it.
    pub(super) opens: usize,
    /// No name leads here any more.
    pub(super) unnamed: bool,
}

/// A change that is not durable yet.
#[derive(Clone)]
pub(super) struct Change {
    /// Its place among the changes of all files.
    pub(super) sequence: u64,
    pub(super) what: What,
}

#[derive(Clone)]
pub(super) enum What {
    /// These bytes at this place.
    Write { offset: usize, data: Vec<u8> },
    /// This length.
    Truncate { len: usize },
}

/// What becomes of an unsynced change in a flush that fails.
#[derive(Clone, Copy)]
pub(super) enum Fate {
    /// It becomes durable.
    Durable,
    /// It stays unsynced.
    Unsynced,
    /// The system believes it clean: it will never be durable (F4).
    Dropped,
}

impl What {
    pub(super) fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write { offset, data } => store(bytes, *offset, data),
            Self::Truncate { len } => bytes.resize(*len, 0),
        }
    }
}

/// Puts bytes at a place, zeros in a gap before it.
pub(super) fn store(bytes: &mut Vec<u8>, offset: usize, data: &[u8]) {
    let end = offset + data.len();
    if offset == bytes.len() {
        bytes.extend_from_slice(data);
        return;
    }
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[offset..end].copy_from_slice(data);
}

impl File {
    pub(super) fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), DeviceErrorKind> {
        let start = usize::try_from(offset).map_err(|_| DeviceErrorKind::ShortRead)?;
        let end = start.checked_add(out.len()).ok_or(DeviceErrorKind::ShortRead)?;
        out.copy_from_slice(self.live.get(start..end).ok_or(DeviceErrorKind::ShortRead)?);
        Ok(())
    }

    pub(super) fn write(&mut self, sequence: u64, offset: u64, data: &[u8]) -> Result<(), DeviceErrorKind> {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = offset.saturating_add(data.len());
        if end > FILE_BYTES_MAX {
            return Err(DeviceErrorKind::NoSpace);
        }
        store(&mut self.live, offset, data);
        self.unsynced.push(Change { sequence, what: What::Write { offset, data: data.to_vec() } });
        Ok(())
    }

    pub(super) fn truncate(&mut self, sequence: u64, len: u64) -> Result<(), DeviceErrorKind> {
        let len = usize::try_from(len).ok().filter(|&len| len <= FILE_BYTES_MAX).ok_or(DeviceErrorKind::NoSpace)?;
        self.live.resize(len, 0);
        self.unsynced.push(Change { sequence, what: What::Truncate { len } });
        Ok(())
    }

    /// Everything live becomes durable, except what a failed flush dropped (F4).
    pub(super) fn flush(&mut self) {
        for change in self.unsynced.drain(..) {
            change.what.apply(&mut self.durable);
        }
    }

    /// A failed flush: each change meets the fate drawn for it.
    pub(super) fn flush_partly(&mut self, mut fate: impl FnMut() -> Fate) {
        let durable = &mut self.durable;
        // What stays unsynced is stored by a later flush, so nothing after it may be durable before: the later flush would
        // put old bytes over new ones, which no system does.
        let mut waits = false;
        self.unsynced.retain(|change| match fate() {
            Fate::Durable if !waits => {
                change.what.apply(durable);
                false
            }
            Fate::Durable | Fate::Unsynced => {
                waits = true;
                true
            }
            Fate::Dropped => false,
        });
    }
}

/// A creation or removal that is not durable yet.
#[derive(Clone)]
pub(super) struct NameChange {
    pub(super) sequence: u64,
    pub(super) name: Arc<str>,
    /// The file it now names; `None` if it was removed.
    pub(super) file: Option<FileId>,
}

impl NameChange {
    pub(super) fn apply(self, names: &mut BTreeMap<Arc<str>, FileId>) {
        match self.file {
            Some(file) => names.insert(self.name, file),
            None => names.remove(&self.name),
        };
    }
}

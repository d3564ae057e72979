//! The disk's state, and what each call does to it under the fault plan's verdict.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use coffer_store::{DeviceErrorKind, OpenMode};

use super::fault::LIES;
use super::file::{Fate, File, FileId, NameChange};
use super::{Call, Counters, Faults, Lie, Request};
use crate::rng::Rng;

/// How many calls the trace keeps.
const TRACE_CALLS_MAX: usize = 100_000;

/// Everything on the disk, behind one lock: the simulation is one history, so one lock is also the right granularity.
#[derive(Clone)]
pub(super) struct Disk {
    pub(super) files: Vec<Option<File>>,
    pub(super) names: BTreeMap<Arc<str>, FileId>,
    pub(super) names_durable: BTreeMap<Arc<str>, FileId>,
    pub(super) names_unsynced: Vec<NameChange>,
    /// The number of the next change; orders unsynced changes of all files.
    sequence: u64,
    /// Devices of an earlier boot fail.
    pub(super) boot: u64,
    /// The process was killed: everything fails until the next boot.
    pub(super) down: bool,
    /// Calls so far that could change or flush something; the axis of the crash explorer.
    pub(super) changing_calls: u64,
    /// Bytes in named files.
    pub(super) used: u64,
    pub(super) open_devices: usize,
    pub(super) open_devices_max: usize,
    pub(super) faults: Faults,
    pub(super) rng: Rng,
    pub(super) counters: Counters,
    pub(super) trace: Option<VecDeque<Call>>,
}

/// What the fault plan says about a call before it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Do it.
    Pass,
    /// Fail without doing anything.
    Refuse(DeviceErrorKind),
    /// Do a part, then fail.
    Part(DeviceErrorKind),
    /// Do a part, and nothing ever again until the next boot.
    Die,
}

impl Verdict {
    /// For calls that have no parts.
    pub(super) fn plain(self) -> Result<(), DeviceErrorKind> {
        match self {
            Self::Pass => Ok(()),
            Self::Refuse(kind) | Self::Part(kind) => Err(kind),
            Self::Die => Err(DeviceErrorKind::Io),
        }
    }
}

impl Disk {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            files: Vec::new(),
            names: BTreeMap::new(),
            names_durable: BTreeMap::new(),
            names_unsynced: Vec::new(),
            sequence: 0,
            boot: 0,
            down: false,
            changing_calls: 0,
            used: 0,
            open_devices: 0,
            open_devices_max: 0,
            faults: Faults::default(),
            rng: Rng::new(seed),
            counters: Counters::default(),
            trace: None,
        }
    }

    /// Counts a call and asks the fault plan about it.
    pub(super) fn begin(&mut self, call: &Request<'_>, boot: u64, changes: bool) -> Verdict {
        self.counters.count(call.op, call.len, call.file.is_empty());
        if self.down || boot != self.boot {
            return Verdict::Refuse(DeviceErrorKind::Io);
        }
        if changes {
            self.changing_calls += 1;
            if self.faults.kill_at == Some(self.changing_calls) {
                self.down = true;
                return Verdict::Die;
            }
        }
        self.faults.verdict(call.op, &mut self.rng)
    }

    /// Records how a call went.
    pub(super) fn end(&mut self, call: &Request<'_>, failed: Option<DeviceErrorKind>) {
        if failed.is_some() {
            self.counters.failed += 1;
        }
        if let Some(trace) = &mut self.trace {
            if trace.len() == TRACE_CALLS_MAX {
                trace.pop_front();
            }
            let (number, file) = (self.changing_calls, Arc::clone(call.file));
            trace.push_back(Call { number, op: call.op, file, offset: call.offset, len: call.len, failed });
        }
    }

    fn next_sequence(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    pub(super) fn file(&self, id: FileId) -> &File {
        self.files[id.0].as_ref().expect("a file that is named or open is kept")
    }

    pub(super) fn file_mut(&mut self, id: FileId) -> &mut File {
        self.files[id.0].as_mut().expect("a file that is named or open is kept")
    }

    pub(super) fn add(&mut self, file: File) -> FileId {
        let free = self.files.iter().position(Option::is_none).unwrap_or(self.files.len());
        if free == self.files.len() {
            self.files.push(None);
        }
        self.files[free] = Some(file);
        FileId(free)
    }

    pub(super) fn open(
        &mut self,
        name: &Arc<str>,
        mode: OpenMode,
        verdict: Verdict,
    ) -> Result<FileId, DeviceErrorKind> {
        let known = self.names.get(name).copied();
        // A creation that dies half-way may have made the name (F6); any other failed open leaves nothing.
        if verdict != Verdict::Die {
            verdict.plain()?;
        }
        let id = match (known, mode) {
            (Some(_), OpenMode::Create) => return Err(DeviceErrorKind::Exists),
            (None, OpenMode::Read | OpenMode::Write) => return Err(DeviceErrorKind::NotFound),
            (Some(id), _) => id,
            (None, OpenMode::Create) => {
                if verdict == Verdict::Die && self.rng.one_in(2) {
                    return Err(DeviceErrorKind::Io);
                }
                let id = self.add(File::default());
                self.names.insert(Arc::clone(name), id);
                let sequence = self.next_sequence();
                self.names_unsynced.push(NameChange { sequence, name: Arc::clone(name), file: Some(id) });
                id
            }
        };
        verdict.plain()?;
        self.file_mut(id).opens += 1;
        self.open_devices += 1;
        self.open_devices_max = self.open_devices_max.max(self.open_devices);
        Ok(id)
    }

    pub(super) fn remove(&mut self, name: &Arc<str>, verdict: Verdict) -> Result<(), DeviceErrorKind> {
        // A removal that dies half-way may have happened.
        let happens = verdict == Verdict::Pass || verdict == Verdict::Die && self.rng.one_in(2);
        if happens {
            if let Some(id) = self.names.remove(name) {
                self.used -= self.file(id).live.len() as u64;
                let sequence = self.next_sequence();
                self.names_unsynced.push(NameChange { sequence, name: Arc::clone(name), file: None });
            }
            self.collect();
        }
        verdict.plain()
    }

    pub(super) fn flush_names(&mut self, verdict: Verdict) -> Result<(), DeviceErrorKind> {
        if self.faults.lie == Some(Lie::NameFlushes) {
            return verdict.plain();
        }
        for change in std::mem::take(&mut self.names_unsynced) {
            // F4 for names, but none is dropped for ever, and none overtakes an earlier one of its name: directories are
            // journalled.
            let waits = self.names_unsynced.iter().any(|earlier| earlier.name == change.name);
            if verdict == Verdict::Pass || !waits && self.rng.one_in(2) {
                change.apply(&mut self.names_durable);
            } else {
                self.names_unsynced.push(change);
            }
        }
        self.collect();
        verdict.plain()
    }

    pub(super) fn write(
        &mut self,
        id: FileId,
        offset: u64,
        data: &[u8],
        verdict: Verdict,
    ) -> Result<(), DeviceErrorKind> {
        if let Verdict::Refuse(kind) = verdict {
            return Err(kind);
        }
        let offset = match self.faults.lie {
            Some(Lie::Writes) if self.rng.one_in(LIES) => return verdict.plain(),
            Some(Lie::Places) if self.rng.one_in(LIES) => offset + 512,
            _ => offset,
        };
        let whole = data.len();
        let mut stored = if verdict == Verdict::Pass { whole } else { self.rng.index(whole + 1) };
        let before = self.file(id).live.len() as u64;
        let mut result = verdict.plain();
        if let Some(budget) = self.faults.disk_bytes {
            // Bytes past the old end must fit in what is left of the disk.
            let room = (before + budget.saturating_sub(self.used)).saturating_sub(offset);
            if (stored as u64) > room {
                stored = usize::try_from(room).unwrap_or(whole);
                result = Err(DeviceErrorKind::NoSpace);
            }
        }
        if stored == 0 {
            return result;
        }
        let sequence = self.next_sequence();
        let named = self.is_named(id);
        let file = self.file_mut(id);
        let written = file.write(sequence, offset, &data[..stored]);
        let grown = file.live.len() as u64 - before;
        if named {
            self.used += grown;
        }
        written?;
        result
    }

    pub(super) fn truncate(&mut self, id: FileId, len: u64, verdict: Verdict) -> Result<(), DeviceErrorKind> {
        let happens = verdict == Verdict::Pass || verdict == Verdict::Die && self.rng.one_in(2);
        let before = self.file(id).live.len() as u64;
        let room = self.faults.disk_bytes.map_or(u64::MAX, |budget| budget.saturating_sub(self.used));
        if happens && len.saturating_sub(before) > room {
            return Err(DeviceErrorKind::NoSpace);
        }
        if happens {
            let sequence = self.next_sequence();
            let named = self.is_named(id);
            let file = self.file_mut(id);
            file.truncate(sequence, len)?;
            let after = file.live.len() as u64;
            if named {
                self.used = self.used - before + after;
            }
        }
        verdict.plain()
    }

    pub(super) fn flush(&mut self, id: FileId, verdict: Verdict) -> Result<(), DeviceErrorKind> {
        match verdict {
            Verdict::Refuse(kind) => return Err(kind),
            Verdict::Pass if self.faults.lie == Some(Lie::Flushes) => {}
            Verdict::Pass => self.file_mut(id).flush(),
            Verdict::Part(_) | Verdict::Die => {
                let mut rng = self.rng.fork();
                let die = verdict == Verdict::Die;
                self.file_mut(id).flush_partly(|| match rng.below(if die { 2 } else { 3 }) {
                    0 => Fate::Durable,
                    1 => Fate::Unsynced,
                    _ => Fate::Dropped,
                });
            }
        }
        verdict.plain()
    }

    fn is_named(&self, id: FileId) -> bool {
        !self.file(id).unnamed
    }

    /// Forgets files that nothing can reach any more.
    pub(super) fn collect(&mut self) {
        let mut reachable = vec![false; self.files.len()];
        let mut named = vec![false; self.files.len()];
        for id in self.names.values() {
            reachable[id.0] = true;
            named[id.0] = true;
        }
        for id in self.names_durable.values() {
            reachable[id.0] = true;
        }
        for id in self.names_unsynced.iter().filter_map(|change| change.file) {
            reachable[id.0] = true;
        }
        for (index, slot) in self.files.iter_mut().enumerate() {
            let Some(file) = slot else { continue };
            file.unnamed = !named[index];
            if !reachable[index] && file.opens == 0 {
                *slot = None;
            }
        }
    }
}

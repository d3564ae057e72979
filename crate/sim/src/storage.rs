//! A disk that lies the way disks may: files in memory with a durable and a live side, faults on demand, crashes at will.
//!
//! # The fault model
//! What every real backend may do, and so the engine must survive:
//! - F1 A write or truncation is live at once and durable only after a successful `flush` of its file. Until then a power
//!   cut may keep, lose or tear it, in any order, within a file and across files; sectors (512 or 4096 bytes, aligned) are
//!   stored whole or not at all. A lost write may have grown the file: the new bytes then read as zeros.
//! - F2 A creation or removal is durable only after a successful `flush_names`. Flushing a file does not flush its name: a
//!   file whose name was lost is gone with all its flushed bytes; a removal that was lost brings the file back with its
//!   durable bytes. Each name may be lost by itself.
//! - F3 A failed write has stored any prefix of its data, then nothing. A full disk is such a failure; it passes when space
//!   is given back.
//! - F4 After a failed flush each unsynced change is durable, still unsynced, or dropped by a system that believes it clean:
//!   then no later flush stores it, though it stays readable until the crash. A later successful flush proves nothing about
//!   what was written before the failed one.
//! - F5 A read may fail once and work the next time.
//! - F6 A killed process leaves the live side whole except for the call it died in. Its devices fail for ever.
//! - F7 At rest, between two openings, bits may flip and ranges become zeros; that is [`SimStorage::damage`].
//!
//! Out of the model: a disk that acknowledges a flush it did not do (no engine survives that; the checker's own tests use
//! it as a lie that must be caught), and reads that return wrong bytes once (checksums find those as they find F7).
//!
//! Everything is decided by a seeded generator, so one seed is one history.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use coffer_store::{Device, DeviceError, DeviceErrorKind, DeviceOp, OpenMode, Storage};

use crate::rng::Rng;

mod crash;
mod disk;
mod fault;
mod file;

pub use crash::Crash;
use disk::Disk;
pub use fault::{Counters, Faults, Lie, Tally};
use file::{File, FileId};

/// A simulated disk. Clones share it.
#[derive(Clone)]
pub struct SimStorage {
    disk: Arc<Mutex<Disk>>,
}

/// One open file on the simulated disk.
pub struct SimDevice {
    disk: Arc<Mutex<Disk>>,
    file: FileId,
    name: Arc<str>,
    writable: bool,
    boot: u64,
}

/// One call, as the trace shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Its number among all calls that change or flush something; reads share the number of the next.
    pub number: u64,
    /// What was asked.
    pub op: DeviceOp,
    /// Of which file; empty for the storage.
    pub file: Arc<str>,
    /// Where.
    pub offset: u64,
    /// How many bytes.
    pub len: u64,
    /// How it failed, if it did.
    pub failed: Option<DeviceErrorKind>,
}

/// Bytes that change while nobody looks (F7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// One bit of one byte.
    Flip {
        /// Where.
        offset: u64,
        /// Which bit, 0 to 7.
        bit: u8,
    },
    /// A range that became zeros.
    Zero {
        /// From where.
        offset: u64,
        /// How many bytes.
        len: u64,
    },
    /// The end is missing from here.
    Cut {
        /// From where.
        offset: u64,
    },
}

impl SimStorage {
    /// An empty disk without faults.
    pub fn new(seed: u64) -> Self {
        Self { disk: Arc::new(Mutex::new(Disk::new(seed))) }
    }

    /// A second disk, equal in everything, that goes its own way from here. No device is open on it.
    #[must_use]
    pub fn fork(&self) -> Self {
        let mut disk = self.lock().clone();
        disk.open_devices = 0;
        for file in disk.files.iter_mut().flatten() {
            file.opens = 0;
        }
        Self { disk: Arc::new(Mutex::new(disk)) }
    }

    /// Chooses the faults from here on.
    pub fn set_faults(&self, faults: Faults) {
        self.lock().faults = faults;
    }

    /// The faults that are chosen now.
    pub fn faults(&self) -> Faults {
        self.lock().faults
    }

    /// Gives the disk another sequence of chances, so that two forks of one state can differ.
    pub fn reseed(&self, seed: u64) {
        self.lock().rng = Rng::new(seed);
    }

    /// Whether the process was killed by the fault plan and waits for [`SimStorage::crash`].
    pub fn is_down(&self) -> bool {
        self.lock().down
    }

    /// Calls so far that could change or flush something. [`Faults::kill_at`] counts the same.
    pub fn changing_calls(&self) -> u64 {
        self.lock().changing_calls
    }

    /// What was called, and how much of it.
    pub fn counters(&self) -> Counters {
        self.lock().counters
    }

    /// Devices open now.
    pub fn open_devices(&self) -> usize {
        self.lock().open_devices
    }

    /// The most devices that were ever open at once.
    pub fn open_devices_max(&self) -> usize {
        self.lock().open_devices_max
    }

    /// Bytes in named files.
    pub fn used(&self) -> u64 {
        self.lock().used
    }

    /// Ends the process or the power in this way, and boots: every device of before fails and faults are off.
    /// After a power cut what survives is both live and durable.
    pub fn crash(&self, how: Crash) {
        self.lock().crash(how);
    }

    /// Begins (or stops) to record calls; the last many are kept.
    pub fn record(&self, on: bool) {
        self.lock().trace = on.then(VecDeque::new);
    }

    /// The calls recorded so far.
    pub fn trace(&self) -> Vec<Call> {
        self.lock().trace.iter().flatten().cloned().collect()
    }

    /// The files and their lengths, by name.
    pub fn files(&self) -> Vec<(String, u64)> {
        let disk = self.lock();
        disk.names.iter().map(|(name, &id)| (name.to_string(), disk.file(id).live.len() as u64)).collect()
    }

    /// A copy of a file's live bytes.
    pub fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        let disk = self.lock();
        disk.names.get(name).map(|&id| disk.file(id).live.clone())
    }

    /// Puts a file there, durable, in place of any of that name: an attacker, a restore, another program.
    pub fn put(&self, name: &str, bytes: Vec<u8>) {
        let mut disk = self.lock();
        let name: Arc<str> = name.into();
        disk.used += bytes.len() as u64;
        let id = disk.add(File { durable: bytes.clone(), live: bytes, ..File::default() });
        if let Some(old) = disk.names.insert(Arc::clone(&name), id) {
            disk.used -= disk.file(old).live.len() as u64;
        }
        disk.names_durable.insert(Arc::clone(&name), id);
        disk.names_unsynced.retain(|change| change.name != name);
        disk.collect();
    }

    /// Damages a file at rest (F7). Nothing happens past its end. Returns whether any byte changed.
    pub fn damage(&self, name: &str, damage: Damage) -> bool {
        let mut disk = self.lock();
        let Some(&id) = disk.names.get(name) else { return false };
        let before = disk.file(id).live.len() as u64;
        let file = disk.file_mut(id);
        let mut changed = false;
        for bytes in [&mut file.live, &mut file.durable] {
            changed |= damage.apply(bytes);
        }
        let after = file.live.len() as u64;
        disk.used = disk.used - before + after;
        changed
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        lock(&self.disk)
    }
}

impl Damage {
    fn apply(self, bytes: &mut Vec<u8>) -> bool {
        let index = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        match self {
            Self::Flip { offset, bit } => {
                let at = index(offset);
                bytes.get_mut(at).is_some_and(|byte| {
                    *byte ^= 1 << (bit & 7);
                    true
                })
            }
            Self::Zero { offset, len } => {
                let range = index(offset)..index(offset.saturating_add(len));
                let changes = bytes[range.clone()].iter().any(|&byte| byte != 0);
                bytes[range].fill(0);
                changes
            }
            Self::Cut { offset } => {
                let end = index(offset);
                let changes = end < bytes.len();
                bytes.truncate(end);
                changes
            }
        }
    }
}

/// A panic elsewhere leaves the disk as whole as a crash does.
fn lock(disk: &Mutex<Disk>) -> MutexGuard<'_, Disk> {
    disk.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Storage for SimStorage {
    type Device = SimDevice;

    fn open(&self, name: &str, mode: OpenMode) -> Result<SimDevice, DeviceError> {
        let mut disk = self.lock();
        let call = Request { op: DeviceOp::Open, file: &Arc::from(name), offset: 0, len: 0 };
        let boot = disk.boot;
        let changes = mode == OpenMode::Create;
        let verdict = disk.begin(&call, boot, changes);
        let result = disk.open(call.file, mode, verdict);
        disk.end(&call, result.as_ref().err().copied());
        match result {
            Ok(file) => Ok(SimDevice {
                disk: Arc::clone(&self.disk),
                file,
                name: Arc::clone(call.file),
                writable: mode != OpenMode::Read,
                boot,
            }),
            Err(kind) => Err(call.error(kind)),
        }
    }

    fn list(&self) -> Result<Vec<String>, DeviceError> {
        let mut disk = self.lock();
        let call = Request { op: DeviceOp::List, file: &Arc::from(""), offset: 0, len: 0 };
        let boot = disk.boot;
        let result = disk.begin(&call, boot, false).plain();
        disk.end(&call, result.err());
        result.map_err(|kind| call.error(kind))?;
        Ok(disk.names.keys().map(ToString::to_string).collect())
    }

    fn remove(&self, name: &str) -> Result<(), DeviceError> {
        let mut disk = self.lock();
        let call = Request { op: DeviceOp::Remove, file: &Arc::from(name), offset: 0, len: 0 };
        let boot = disk.boot;
        let verdict = disk.begin(&call, boot, true);
        let result = disk.remove(call.file, verdict);
        disk.end(&call, result.err());
        result.map_err(|kind| call.error(kind))
    }

    fn flush_names(&self) -> Result<(), DeviceError> {
        let mut disk = self.lock();
        let call = Request { op: DeviceOp::Flush, file: &Arc::from(""), offset: 0, len: 0 };
        let boot = disk.boot;
        let verdict = disk.begin(&call, boot, true);
        let result = disk.flush_names(verdict);
        disk.end(&call, result.err());
        result.map_err(|kind| call.error(kind))
    }
}

impl SimDevice {
    fn request(&self, op: DeviceOp, offset: u64, len: usize) -> Request<'_> {
        Request { op, file: &self.name, offset, len: len as u64 }
    }
}

impl Device for SimDevice {
    fn len(&self) -> Result<u64, DeviceError> {
        let mut disk = lock(&self.disk);
        let call = self.request(DeviceOp::Len, 0, 0);
        let verdict = disk.begin(&call, self.boot, false);
        let result = verdict.plain().map(|()| disk.file(self.file).live.len() as u64);
        disk.end(&call, result.err());
        result.map_err(|kind| call.error(kind))
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), DeviceError> {
        let mut disk = lock(&self.disk);
        let call = self.request(DeviceOp::Read, offset, out.len());
        let verdict = disk.begin(&call, self.boot, false);
        let result = verdict.plain().and_then(|()| disk.file(self.file).read(offset, out));
        disk.end(&call, result.err());
        result.map_err(|kind| call.error(kind))
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), DeviceError> {
        let mut disk = lock(&self.disk);
        let call = self.request(DeviceOp::Write, offset, data.len());
        let result = if self.writable {
            let verdict = disk.begin(&call, self.boot, true);
            disk.write(self.file, offset, data, verdict)
        } else {
            Err(DeviceErrorKind::ReadOnly)
        };
        disk.end(&call, result.err());
        result.map_err(|kind| call.error(kind))
    }

    fn truncate(&self, len: u64) -> Result<(), DeviceError> {
        let mut disk = lock(&self.disk);
        let call = self.request(DeviceOp::Truncate, len, 0);
        let result = if self.writable {
            let verdict = disk.begin(&call, self.boot, true);
            disk.truncate(self.file, len, verdict)
        } else {
            Err(DeviceErrorKind::ReadOnly)
        };
        disk.end(&call, result.err());
        result.map_err(|kind| call.error(kind))
    }

    fn flush(&self) -> Result<(), DeviceError> {
        let mut disk = lock(&self.disk);
        let call = self.request(DeviceOp::Flush, 0, 0);
        let verdict = disk.begin(&call, self.boot, true);
        let result = disk.flush(self.file, verdict);
        disk.end(&call, result.err());
        result.map_err(|kind| call.error(kind))
    }
}

impl Drop for SimDevice {
    fn drop(&mut self) {
        let mut disk = lock(&self.disk);
        if disk.boot == self.boot {
            disk.open_devices -= 1;
            let file = disk.file_mut(self.file);
            file.opens -= 1;
            if file.opens == 0 && file.unnamed {
                disk.collect();
            }
        }
    }
}

impl std::fmt::Debug for SimStorage {
    // A derived one would print the database.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.files()).finish()
    }
}

impl std::fmt::Debug for SimDevice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SimDevice({})", self.name)
    }
}

/// A call as it arrives.
struct Request<'a> {
    op: DeviceOp,
    file: &'a Arc<str>,
    offset: u64,
    len: u64,
}

impl Request<'_> {
    fn error(&self, kind: DeviceErrorKind) -> DeviceError {
        DeviceError::new(self.op, self.file, self.offset, kind).with_detail("simulated")
    }
}

#[cfg(test)]
mod tests;

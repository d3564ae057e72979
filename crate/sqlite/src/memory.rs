//! A file that only its handle sees: temporary tables, sorters, statement journals, and what a journal ([`crate::journal`]) has to keep.
//!
//! It lives in memory; when all such files of a process together pass the budget, the least recently used parts go to a
//! scratch file. Nothing there is readable: each scratch file has a random key that exists only in this handle, so the
//! contents are gone with it even if the file could not be removed. Knows nothing of the store.
//!
//! I1  A chunk is in memory, in the scratch file, or was never written (and reads as zeros).
//! I2  No nonce is used twice with a key: the key belongs to one handle and the nonce is its count of writes.
//! I3  The pool's `used` is the sum of the resident bytes of all live handles.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{ChaCha20Poly1305, Key, KeyInit, Nonce, Tag};
use coffer_store::{Device, DeviceError};
use rusqlite::ffi;
use zeroize::Zeroizing;

use crate::portable::Portable;
use crate::vfs::{Control, DeviceCharacteristics, Fault, LockLevel, Outcome, Reply, VfsFile};

/// The unit that moves between memory and scratch storage.
const CHUNK_BYTES: usize = 64 << 10;
/// A chunk in the scratch file, with its nonce and tag.
const RECORD_BYTES: u64 = 12 + CHUNK_BYTES as u64 + 16;

/// Opens scratch files and supplies keys for them.
pub trait Scratch: Portable {
    /// A new, empty file that vanishes when the device is dropped.
    fn create(&self) -> Result<Box<dyn ScratchDevice>, DeviceError>;
    /// Fills a fresh key with random bytes.
    fn random(&self, out: &mut [u8]);
}

/// A scratch file.
pub trait ScratchDevice: Device + Portable {}
impl<D: Device + Portable> ScratchDevice for D {}

/// What all files in memory share: a budget, and a place to go beyond it.
pub struct Pool {
    budget_bytes: AtomicU64,
    used_bytes: AtomicU64,
    spilled_bytes: AtomicU64,
    scratch: Option<Box<dyn Scratch>>,
}

impl Pool {
    /// A pool that keeps up to `budget_bytes` in memory. Without scratch storage it grows past the budget.
    pub fn new(budget_bytes: u64, scratch: Option<Box<dyn Scratch>>) -> Self {
        Self {
            budget_bytes: AtomicU64::new(budget_bytes),
            used_bytes: AtomicU64::new(0),
            spilled_bytes: AtomicU64::new(0),
            scratch,
        }
    }

    /// Bytes in memory now.
    pub fn used_bytes(&self) -> u64 {
        self.used_bytes.load(Ordering::Relaxed)
    }

    /// Bytes that went to scratch storage since the process began.
    #[cfg(test)]
    pub fn spilled_bytes(&self) -> u64 {
        self.spilled_bytes.load(Ordering::Relaxed)
    }

    fn is_over(&self) -> bool {
        self.scratch.is_some() && self.used_bytes() > self.budget_bytes.load(Ordering::Relaxed)
    }
}

/// A private file.
pub struct MemoryFile {
    pool: Arc<Pool>,
    chunks: Vec<Chunk>,
    len: u64,
    resident: usize,
    clock: u64,
    spill: Option<Spill>,
    level: LockLevel,
}

enum Chunk {
    Empty,
    Resident { bytes: Box<[u8]>, used_at: u64 },
    Spilled,
}

struct Spill {
    device: Box<dyn ScratchDevice>,
    cipher: ChaCha20Poly1305,
    writes: u64,
}

impl MemoryFile {
    /// An empty file.
    pub fn new(pool: Arc<Pool>) -> Self {
        Self { pool, chunks: Vec::new(), len: 0, resident: 0, clock: 0, spill: None, level: LockLevel::None }
    }

    /// The bytes of a chunk, brought into memory; a chunk never written becomes zeros.
    fn chunk(&mut self, index: usize) -> Outcome<&mut [u8]> {
        self.clock += 1;
        let clock = self.clock;
        if self.chunks.len() <= index {
            self.chunks.resize_with(index + 1, || Chunk::Empty);
        }
        if !matches!(self.chunks[index], Chunk::Resident { .. }) {
            self.make_room()?;
            let mut bytes = vec![0; CHUNK_BYTES].into_boxed_slice();
            if matches!(self.chunks[index], Chunk::Spilled) {
                let spill = self.spill.as_ref().expect("I1: a spilled chunk has a scratch file");
                spill.read(index, &mut bytes)?;
            }
            self.resident += 1;
            self.pool.used_bytes.fetch_add(CHUNK_BYTES as u64, Ordering::Relaxed);
            self.chunks[index] = Chunk::Resident { bytes, used_at: clock };
        }
        let Chunk::Resident { bytes, used_at } = &mut self.chunks[index] else {
            unreachable!("I1: just made resident")
        };
        *used_at = clock;
        Ok(bytes)
    }

    /// Sends the quarter least recently used away if the pool is over its budget. One chunk always stays.
    fn make_room(&mut self) -> Outcome<()> {
        if !self.pool.is_over() || self.resident < 2 {
            return Ok(());
        }
        let mut by_age: Vec<(u64, usize)> = Vec::with_capacity(self.resident);
        for (index, chunk) in self.chunks.iter().enumerate() {
            if let Chunk::Resident { used_at, .. } = chunk {
                by_age.push((*used_at, index));
            }
        }
        by_age.sort_unstable();
        by_age.truncate(self.resident.div_ceil(4));
        if self.spill.is_none() {
            let Some(scratch) = &self.pool.scratch else { return Ok(()) };
            self.spill = Some(Spill::new(scratch.as_ref())?);
        }
        let spill = self.spill.as_mut().expect("made above");
        for (_, index) in by_age {
            if let Chunk::Resident { bytes, .. } = &mut self.chunks[index] {
                spill.write(index, bytes)?;
                self.chunks[index] = Chunk::Spilled;
                self.resident -= 1;
                self.pool.used_bytes.fetch_sub(CHUNK_BYTES as u64, Ordering::Relaxed);
                self.pool.spilled_bytes.fetch_add(CHUNK_BYTES as u64, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// Calls `visit` with each chunk's index, the range inside it, and the range of the caller's bytes.
    fn pieces(
        offset: u64,
        len: usize,
    ) -> impl Iterator<Item = (usize, std::ops::Range<usize>, std::ops::Range<usize>)> {
        let mut done = 0;
        std::iter::from_fn(move || {
            if done == len {
                return None;
            }
            let at = offset + done as u64;
            let index = usize::try_from(at / CHUNK_BYTES as u64).ok()?;
            let start = usize::try_from(at % CHUNK_BYTES as u64).ok()?;
            let take = (CHUNK_BYTES - start).min(len - done);
            let piece = (index, start..start + take, done..done + take);
            done += take;
            Some(piece)
        })
    }
}

impl Spill {
    fn new(scratch: &dyn Scratch) -> Outcome<Self> {
        let mut key = Zeroizing::new([0; 32]);
        scratch.random(key.as_mut_slice());
        let device = scratch.create().map_err(|_| Fault(ffi::SQLITE_IOERR_WRITE))?;
        Ok(Self { device, cipher: ChaCha20Poly1305::new(&Key::from(*key)), writes: 0 })
    }

    fn nonce(count: u64) -> Nonce {
        let mut nonce = [0; 12];
        nonce[..8].copy_from_slice(&count.to_le_bytes());
        Nonce::from(nonce)
    }

    /// Encrypts a chunk in place, the memory being given up anyway, and writes it.
    fn write(&mut self, index: usize, bytes: &mut [u8]) -> Outcome<()> {
        self.writes += 1; // I2
        let nonce = Self::nonce(self.writes);
        let place = (index as u64).to_le_bytes();
        let tag = self
            .cipher
            .encrypt_inout_detached(&nonce, &place, bytes.into())
            .map_err(|_| Fault(ffi::SQLITE_IOERR_WRITE))?;
        let mut record = Vec::with_capacity(12 + bytes.len() + 16);
        record.extend_from_slice(&nonce);
        record.extend_from_slice(bytes);
        record.extend_from_slice(&tag);
        self.device.write_at(index as u64 * RECORD_BYTES, &record).map_err(|error| match error.kind {
            coffer_store::DeviceErrorKind::NoSpace => Fault(ffi::SQLITE_FULL),
            _ => Fault(ffi::SQLITE_IOERR_WRITE),
        })
    }

    fn read(&self, index: usize, out: &mut [u8]) -> Outcome<()> {
        let fault = Fault(ffi::SQLITE_IOERR_READ);
        let mut record = vec![0; 12 + out.len() + 16];
        self.device.read_at(index as u64 * RECORD_BYTES, &mut record).map_err(|_| fault)?;
        let nonce = Nonce::try_from(&record[..12]).map_err(|_| fault)?;
        let tag = Tag::try_from(&record[12 + out.len()..]).map_err(|_| fault)?;
        out.copy_from_slice(&record[12..12 + out.len()]);
        let place = (index as u64).to_le_bytes();
        self.cipher.decrypt_inout_detached(&nonce, &place, out.into(), &tag).map_err(|_| fault)
    }
}

impl VfsFile for MemoryFile {
    fn read(&mut self, out: &mut [u8], offset: u64) -> Outcome<usize> {
        let there = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX).min(out.len());
        out[there..].fill(0);
        for (index, inside, ours) in Self::pieces(offset, there) {
            if matches!(self.chunks.get(index), None | Some(Chunk::Empty)) {
                out[ours].fill(0);
            } else {
                out[ours].copy_from_slice(&self.chunk(index)?[inside]);
            }
        }
        Ok(there)
    }

    fn write(&mut self, data: &[u8], offset: u64) -> Outcome<()> {
        let end = offset.checked_add(data.len() as u64).ok_or(Fault(ffi::SQLITE_FULL))?;
        for (index, inside, ours) in Self::pieces(offset, data.len()) {
            self.chunk(index)?[inside].copy_from_slice(&data[ours]);
        }
        self.len = self.len.max(end);
        Ok(())
    }

    fn truncate(&mut self, len: u64) -> Outcome<()> {
        if len < self.len {
            let keep = usize::try_from(len.div_ceil(CHUNK_BYTES as u64)).unwrap_or(usize::MAX);
            for chunk in self.chunks.drain(keep.min(self.chunks.len())..) {
                if matches!(chunk, Chunk::Resident { .. }) {
                    self.resident -= 1;
                    self.pool.used_bytes.fetch_sub(CHUNK_BYTES as u64, Ordering::Relaxed);
                }
            }
            // What is cut off must read as zeros if the file grows again.
            let tail = usize::try_from(len % CHUNK_BYTES as u64).unwrap_or(0);
            if tail != 0 && !matches!(self.chunks.get(keep - 1), None | Some(Chunk::Empty)) {
                self.chunk(keep - 1)?[tail..].fill(0);
            }
        }
        self.len = len;
        Ok(())
    }

    fn sync(&mut self) -> Outcome<()> {
        Ok(()) // The file dies with its handle: there is nothing to outlive a crash.
    }

    fn size(&mut self) -> Outcome<u64> {
        Ok(self.len)
    }

    fn lock(&mut self, level: LockLevel) -> Outcome<()> {
        self.level = self.level.max(level);
        Ok(())
    }

    fn unlock(&mut self, level: LockLevel) -> Outcome<()> {
        self.level = self.level.min(level);
        Ok(())
    }

    fn is_reserved(&mut self) -> Outcome<bool> {
        Ok(self.level >= LockLevel::Reserved)
    }

    fn lock_level(&self) -> LockLevel {
        self.level
    }

    fn control(&mut self, _control: Control<'_>) -> Outcome<Reply> {
        Ok(Reply::NotFound)
    }

    fn sector_bytes(&self) -> u32 {
        512
    }

    fn characteristics(&self) -> DeviceCharacteristics {
        DeviceCharacteristics::SCRATCH
    }
}

impl Drop for MemoryFile {
    fn drop(&mut self) {
        self.pool.used_bytes.fetch_sub((self.resident * CHUNK_BYTES) as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use coffer_store::MemDevice;
    #[cfg(target_family = "wasm")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    /// Scratch files whose bytes the test keeps.
    struct Kept(std::sync::Mutex<Vec<Arc<MemDevice>>>);

    impl Scratch for Arc<Kept> {
        fn create(&self) -> Result<Box<dyn ScratchDevice>, DeviceError> {
            let device = Arc::new(MemDevice::new("scratch", Vec::new()));
            self.0.lock().unwrap().push(Arc::clone(&device));
            Ok(Box::new(device))
        }

        fn random(&self, out: &mut [u8]) {
            out.fill(7);
        }
    }

    #[test]
    fn a_file_over_its_budget_reads_back_what_was_written() {
        let kept = Arc::new(Kept(std::sync::Mutex::default()));
        let pool = Arc::new(Pool::new(4 * CHUNK_BYTES as u64, Some(Box::new(Arc::clone(&kept)))));
        let mut file = MemoryFile::new(Arc::clone(&pool));
        let line = b"a very secret line of text. ";
        for round in 0..2 {
            for index in 0..40_u64 {
                let data = line.repeat(3000);
                file.write(&data[..=usize::try_from(70_000 + index + round).unwrap()], index * 80_000).unwrap();
            }
        }
        assert!(pool.used_bytes() <= 6 * CHUNK_BYTES as u64, "{}", pool.used_bytes());
        assert!(pool.spilled_bytes() > 0);
        for index in 0..40_u64 {
            let mut out = vec![1; 28 * 3];
            assert_eq!(file.read(&mut out, index * 80_000).unwrap(), out.len());
            assert_eq!(out, line.repeat(3));
        }
        for device in kept.0.lock().unwrap().iter() {
            let bytes = device.to_vec();
            assert!(!bytes.windows(11).any(|window| window == b"secret line"), "scratch storage is readable");
        }
        drop(file);
        assert_eq!(pool.used_bytes(), 0);
    }

    #[test]
    fn what_is_cut_off_reads_as_zeros_when_the_file_grows_again() {
        let mut file = MemoryFile::new(Arc::new(Pool::new(u64::MAX, None)));
        file.write(&[9; 1000], 0).unwrap();
        file.truncate(10).unwrap();
        file.truncate(1000).unwrap();
        let mut out = [1; 1200];
        assert_eq!(file.read(&mut out, 0).unwrap(), 1000);
        assert_eq!(&out[..10], &[9; 10]);
        assert!(out[10..].iter().all(|&byte| byte == 0));
    }
}

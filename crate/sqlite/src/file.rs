//! An open file of SQLite's: a database on the store, or a private one in memory.

use std::sync::Arc;

use crate::journal::JournalFile;
use crate::memory::MemoryFile;
use crate::vfs::{Control, DeviceCharacteristics, LockLevel, Originals, Outcome, Reply, VfsFile};

/// An open file. An enum where the kinds are closed; the database is boxed since it is generic over its backend.
pub enum File {
    /// A main database.
    Main(Box<dyn VfsFile>),
    /// The rollback journal of one.
    Journal(JournalFile),
    /// Anything else that dies with its handle.
    Memory(MemoryFile),
}

impl File {
    fn inner(&self) -> &dyn VfsFile {
        match self {
            Self::Main(file) => file.as_ref(),
            Self::Journal(file) => file,
            Self::Memory(file) => file,
        }
    }

    fn inner_mut(&mut self) -> &mut dyn VfsFile {
        match self {
            Self::Main(file) => file.as_mut(),
            Self::Journal(file) => file,
            Self::Memory(file) => file,
        }
    }
}

impl VfsFile for File {
    fn read(&mut self, out: &mut [u8], offset: u64) -> Outcome<usize> {
        self.inner_mut().read(out, offset)
    }

    fn write(&mut self, data: &[u8], offset: u64) -> Outcome<()> {
        self.inner_mut().write(data, offset)
    }

    fn truncate(&mut self, len: u64) -> Outcome<()> {
        self.inner_mut().truncate(len)
    }

    fn sync(&mut self) -> Outcome<()> {
        self.inner_mut().sync()
    }

    fn size(&mut self) -> Outcome<u64> {
        self.inner_mut().size()
    }

    fn lock(&mut self, level: LockLevel) -> Outcome<()> {
        self.inner_mut().lock(level)
    }

    fn unlock(&mut self, level: LockLevel) -> Outcome<()> {
        self.inner_mut().unlock(level)
    }

    fn is_reserved(&mut self) -> Outcome<bool> {
        self.inner_mut().is_reserved()
    }

    fn lock_level(&self) -> LockLevel {
        self.inner().lock_level()
    }

    fn control(&mut self, control: Control<'_>) -> Outcome<Reply> {
        self.inner_mut().control(control)
    }

    fn sector_bytes(&self) -> u32 {
        self.inner().sector_bytes()
    }

    fn characteristics(&self) -> DeviceCharacteristics {
        self.inner().characteristics()
    }

    fn originals(&self) -> Option<Arc<dyn Originals>> {
        self.inner().originals()
    }
}

//! SQLite's rollback journal, which keeps of most pages only which they are.
//!
//! A journal holds each page as it was before the transaction, and that is what the snapshot under the transaction shows. So a
//! page that is found there is noted down by its number, in a few bytes, and read from there if it is ever asked for: a transaction
//! that changes a gigabyte needs no second gigabyte for its journal. Everything else is kept as it was written.
//!
//! ```text
//! header          512 bytes
//! record          page number (4), page, checksum (4)      again and again; here: a `Record`
//! ```
//!
//! I1  What is read is what was written: a page is left to the originals only if it is there, byte for byte, and read only while
//!     they are the same.
//! I2  Records lie one behind the other, by their offsets, and no byte of one is kept elsewhere.
//! I3  A journal dies with its handle; none is ever hot.

use std::sync::Arc;

use rusqlite::ffi;

use crate::memory::{MemoryFile, Pool};
use crate::vfs::{Control, DeviceCharacteristics, Fault, LockLevel, Originals, Outcome, Reply, VfsFile};

/// A journal of a main database.
pub struct JournalFile {
    originals: Arc<dyn Originals>,
    records: Vec<Record>,
    /// The first bytes, where the header is: most journals have nothing else that is no record.
    head: Vec<u8>,
    /// Whatever else there is, at its offset.
    rest: MemoryFile,
    /// Four bytes that begin a record if a page follows.
    number: Option<(u64, [u8; NUMBER_BYTES])>,
    /// Bytes of pages that records hold themselves.
    held_bytes: usize,
    len: u64,
}

/// A page with its number and checksum.
struct Record {
    /// Where its page number stands.
    start: u64,
    page: u32,
    page_bytes: u32,
    /// Behind the page, as soon as it is written.
    checksum: Option<[u8; NUMBER_BYTES]>,
    content: Content,
}

enum Content {
    /// In this state of the originals.
    Original(u64),
    /// Here.
    Held(Box<[u8]>),
}

const NUMBER_BYTES: usize = 4;
const HEAD_BYTES: usize = 512;
const PAGE_BYTES_MIN: usize = 512;
/// Up to here a page is held rather than looked for in files: a transaction of a few pages that were written just before is a
/// copy of them cheaper than a look at each.
const HELD_BYTES_MAX: usize = 256 << 10;

impl Record {
    fn page_start(&self) -> u64 {
        self.start + NUMBER_BYTES as u64
    }

    fn checksum_start(&self) -> u64 {
        self.page_start() + u64::from(self.page_bytes)
    }

    fn end(&self) -> u64 {
        self.checksum_start() + NUMBER_BYTES as u64
    }
}

/// Where a page of this number and size begins in a database.
fn place(page: u32, page_bytes: usize) -> Option<u64> {
    Some(u64::from(page.checked_sub(1)?) * page_bytes as u64)
}

/// The part of `out`, which begins at `offset`, that lies in `len` bytes from `start`, and where in these it begins.
fn overlap(out: &mut [u8], offset: u64, start: u64, len: usize) -> Option<(&mut [u8], usize)> {
    let from = offset.max(start);
    let until = (offset + out.len() as u64).min(start + len as u64);
    let of = |at: u64, base: u64| usize::try_from(at - base).ok();
    if from >= until {
        return None;
    }
    Some((out.get_mut(of(from, offset)?..of(until, offset)?)?, of(from, start)?))
}

impl JournalFile {
    /// An empty one.
    pub fn new(originals: Arc<dyn Originals>, pool: Arc<Pool>) -> Self {
        let rest = MemoryFile::new(pool);
        Self { originals, records: Vec::new(), head: Vec::new(), rest, number: None, held_bytes: 0, len: 0 }
    }

    fn count_held(&mut self) {
        let held = |record: &Record| if let Content::Held(page) = &record.content { page.len() } else { 0 };
        self.held_bytes = self.records.iter().map(held).sum();
    }

    fn records_end(&self) -> u64 {
        self.records.last().map_or(0, Record::end)
    }

    /// Takes bytes as they are.
    fn keep(&mut self, data: &[u8], offset: u64) -> Outcome<()> {
        let mut data = data;
        let mut offset = offset;
        if offset < HEAD_BYTES as u64 {
            let start = usize::try_from(offset).map_err(|_| Fault(ffi::SQLITE_FULL))?;
            let (head, behind) = data.split_at(data.len().min(HEAD_BYTES - start));
            if self.head.len() < start + head.len() {
                self.head.resize(start + head.len(), 0);
            }
            self.head[start..start + head.len()].copy_from_slice(head);
            (data, offset) = (behind, HEAD_BYTES as u64);
        }
        if data.is_empty() { Ok(()) } else { self.rest.write(data, offset) }
    }

    fn keep_number(&mut self) -> Outcome<()> {
        match self.number.take() {
            Some((offset, number)) => self.keep(&number, offset),
            None => Ok(()),
        }
    }

    /// Makes records that these bytes touch ordinary bytes (I2).
    fn give_up(&mut self, offset: u64, end: u64) -> Outcome<()> {
        if offset >= self.records_end() {
            return Ok(());
        }
        let from = self.records.partition_point(|record| record.end() <= offset);
        let until = self.records.partition_point(|record| record.start < end);
        let touched: Vec<Record> = self.records.drain(from..until.max(from)).collect();
        self.count_held();
        for record in touched {
            let mut page = vec![0; record.page_bytes as usize];
            self.read_page(&record, 0, &mut page)?;
            self.keep(&record.page.to_be_bytes(), record.start)?;
            self.keep(&page, record.page_start())?;
            if let Some(checksum) = record.checksum {
                self.keep(&checksum, record.checksum_start())?;
            }
        }
        Ok(())
    }

    fn read_page(&self, record: &Record, inside: usize, out: &mut [u8]) -> Outcome<()> {
        match &record.content {
            Content::Held(page) => out.copy_from_slice(&page[inside..inside + out.len()]),
            Content::Original(state) => {
                let start = place(record.page, record.page_bytes as usize).ok_or(Fault(ffi::SQLITE_IOERR_READ))?;
                self.originals.read(*state, out, start + inside as u64)?;
            }
        }
        Ok(())
    }

    /// Notes a page down, if it is a record's.
    fn note(&mut self, data: &[u8], offset: u64) -> bool {
        let Some((start, number)) = self.number else { return false };
        let follows = start + NUMBER_BYTES as u64 == offset && start >= self.records_end();
        if !follows || data.len() < PAGE_BYTES_MIN {
            return false;
        }
        let page = u32::from_be_bytes(number);
        let Ok(page_bytes) = u32::try_from(data.len()) else { return false };
        let may_hold = self.held_bytes + data.len() <= HELD_BYTES_MAX;
        let state = place(page, data.len()).and_then(|start| self.originals.state_with(data, start, !may_hold));
        let content = match state {
            Some(state) => Content::Original(state),
            None if may_hold => {
                self.held_bytes += data.len();
                Content::Held(data.into())
            }
            None => return false,
        };
        self.records.push(Record { start, page, page_bytes, checksum: None, content });
        self.number = None;
        true
    }

    /// Takes a checksum behind the last record.
    fn note_checksum(&mut self, data: &[u8], offset: u64) -> bool {
        let Ok(checksum) = data.try_into() else { return false };
        match self.records.last_mut() {
            Some(last) if last.checksum_start() == offset && last.checksum.is_none() => {
                last.checksum = Some(checksum);
                true
            }
            _ => false,
        }
    }
}

impl VfsFile for JournalFile {
    fn read(&mut self, out: &mut [u8], offset: u64) -> Outcome<usize> {
        self.keep_number()?;
        let there = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX).min(out.len());
        let (ours, behind) = out.split_at_mut(there);
        behind.fill(0);
        let end = offset + there as u64;
        let first = self.records.partition_point(|record| record.end() <= offset);
        let touched = self.records[first..].iter().take_while(|record| record.start < end);
        let inside_one = touched.clone().any(|record| record.start <= offset && end <= record.end());
        if !inside_one {
            self.rest.read(ours, offset)?;
            if let Some((part, inside)) = overlap(ours, offset, 0, self.head.len()) {
                part.copy_from_slice(&self.head[inside..inside + part.len()]);
            }
        }
        for record in touched {
            if let Some((part, inside)) = overlap(ours, offset, record.start, NUMBER_BYTES) {
                part.copy_from_slice(&record.page.to_be_bytes()[inside..inside + part.len()]);
            }
            if let Some((part, inside)) = overlap(ours, offset, record.page_start(), record.page_bytes as usize) {
                self.read_page(record, inside, part)?;
            }
            if let Some((part, inside)) = overlap(ours, offset, record.checksum_start(), NUMBER_BYTES) {
                part.copy_from_slice(&record.checksum.unwrap_or_default()[inside..inside + part.len()]);
            }
        }
        Ok(there)
    }

    fn write(&mut self, data: &[u8], offset: u64) -> Outcome<()> {
        let end = offset.checked_add(data.len() as u64).ok_or(Fault(ffi::SQLITE_FULL))?;
        if offset == 0 {
            // A journal begins. Where SQLite keeps the file, what is in it is of a transaction that is over.
            self.truncate(0)?;
        }
        if !self.note(data, offset) && !self.note_checksum(data, offset) {
            self.keep_number()?;
            self.give_up(offset, end)?;
            match data.try_into() {
                Ok(number) if offset >= self.records_end() => self.number = Some((offset, number)),
                _ => self.keep(data, offset)?,
            }
        }
        self.len = self.len.max(end);
        Ok(())
    }

    fn truncate(&mut self, len: u64) -> Outcome<()> {
        self.keep_number()?;
        self.records.truncate(self.records.partition_point(|record| record.start < len));
        self.count_held();
        if self.records_end() > len {
            self.give_up(len, len + 1)?;
        }
        self.head.truncate(usize::try_from(len).unwrap_or(usize::MAX));
        self.rest.truncate(len)?;
        self.len = len;
        Ok(())
    }

    fn sync(&mut self) -> Outcome<()> {
        Ok(()) // I3
    }

    fn size(&mut self) -> Outcome<u64> {
        Ok(self.len)
    }

    fn lock(&mut self, level: LockLevel) -> Outcome<()> {
        self.rest.lock(level)
    }

    fn unlock(&mut self, level: LockLevel) -> Outcome<()> {
        self.rest.unlock(level)
    }

    fn is_reserved(&mut self) -> Outcome<bool> {
        self.rest.is_reserved()
    }

    fn lock_level(&self) -> LockLevel {
        self.rest.lock_level()
    }

    fn control(&mut self, control: Control<'_>) -> Outcome<Reply> {
        self.rest.control(control)
    }

    fn sector_bytes(&self) -> u32 {
        self.rest.sector_bytes()
    }

    fn characteristics(&self) -> DeviceCharacteristics {
        self.rest.characteristics()
    }
}

#[cfg(test)]
mod tests;

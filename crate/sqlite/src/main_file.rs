//! A main database as SQLite sees it: a file of pages over snapshots and transactions of the store.
//!
//! SQLite runs with a rollback journal that refers to us for most of what is in it ([`originals`]). The life of a write transaction, in its calls:
//! `lock(Shared)` takes a snapshot; bytes 24..40 tell SQLite whether its cache still holds; `lock(Reserved)` takes the turn
//! to write, and fails if somebody has committed since the snapshot; writes are staged in a `Txn`; `Control::Sync` commits
//! it; `sync` makes sure of the flush; a shrinking truncation may follow; `CommitPhaseTwo`; `unlock`.
//!
//! I1  Reads come from one snapshot from `lock(Shared)` to `unlock(None)`, and see the transaction's own writes.
//! I2  Nothing is committed but by `Control::Sync` (or what SQLite did after it, by `CommitPhaseTwo`): a transaction that
//!     was not committed by the time of `unlock` is dropped.
//! I3  An error of a commit or flush is returned, so that SQLite rolls back. The originals that it then writes back change
//!     nothing, which is seen by comparing, and are dropped.
//! I4  Two snapshots of different commits show different change counters, and of the same commit the same one, whatever
//!     SQLite stored: the counter shown is the low half of the commit's number.
//! I5  SQLite's pages and the store's need not be of one size (`VACUUM` may change SQLite's): the file is a sequence of
//!     bytes, and a write that covers part of a store page reads the rest of it.

mod originals;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use coffer_store::{Commit, CommitId, Error, PageCount, PageNo, Scratch, Snapshot, Storage, Txn};
use rusqlite::ffi;

use crate::core::Core;
use crate::portable::Portable;
use crate::pragma::{Pragma, Synchronous};
use crate::registry::{self, Host};
use crate::session::Session;
use crate::trace;
use crate::vfs::{Control, DeviceCharacteristics, Fault, LockLevel, Originals, Outcome, PragmaCall, Reply, VfsFile};
use originals::Base;

/// One handle of SQLite's on a database of the store.
pub(crate) struct MainFile<S: Storage> {
    core: Arc<Core<S>>,
    session: Arc<Session>,
    /// Who we are when taking the turn to write.
    id: u64,
    write: bool,
    level: LockLevel,
    snapshot: Option<Snapshot<S::Device>>,
    /// How many times commits had been taken back when the snapshot was taken.
    reloads: u32,
    txn: Option<Txn<S::Device>>,
    /// The newest commit that we made may not be flushed yet.
    unflushed: bool,
    scratch: Scratch,
    /// For the journal.
    base: Arc<Base<S>>,
    /// A page while a part of it is read or changed.
    page: Vec<u8>,
    /// The header as it was presented last, and of which commit: SQLite asks for it at the beginning of each transaction.
    header: Option<(CommitId, u32, [u8; header::BYTES])>,
    /// Was refused the turn to write, and may have been given it since.
    asked: bool,
}

/// The first page's fields that this file looks at.
mod header {
    use std::ops::Range;

    /// Two bytes, 1 for rollback journal and 2 for write-ahead log.
    pub const VERSIONS: Range<usize> = 18..20;
    pub const CHANGE_COUNTER: Range<usize> = 24..28;
    pub const PAGE_COUNT: Range<usize> = 28..32;
    /// The change counter as of which the page count holds.
    pub const VALID_FOR: Range<usize> = 92..96;
    /// All of the above.
    pub const BYTES: usize = 100;
}

/// SQLite's numbers are big-endian, unlike ours.
fn number(page: &[u8], field: std::ops::Range<usize>) -> u32 {
    page.get(field).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_be_bytes)
}

const FIRST: PageNo = PageNo::new(1).expect("1 is a page number");

impl<S> MainFile<S>
where
    S: Storage + Portable + 'static,
    S::Device: Portable + 'static,
{
    pub fn new(core: Arc<Core<S>>, session: Arc<Session>, write: bool) -> Self {
        let scratch = Scratch::with_cluster(core.cluster_bytes);
        let base = Arc::new(Base::new(Arc::clone(&core)));
        Self {
            core,
            session,
            id: registry::next_id(),
            write,
            level: LockLevel::None,
            snapshot: None,
            reloads: 0,
            txn: None,
            unflushed: false,
            scratch,
            base,
            page: Vec::new(),
            header: None,
            asked: false,
        }
    }

    fn fault(&self, error: Error) -> Fault {
        registry::report(&self.session, error)
    }

    fn page_bytes(&self) -> u64 {
        u64::from(self.core.page_size.get())
    }

    /// Takes the snapshot that reads come from, if there is none: SQLite looks at the first 100 bytes without a lock.
    fn look(&mut self) -> Outcome<()> {
        if self.snapshot.is_none() {
            let snapshot = self.core.snapshot(self.session.read_at()).map_err(|error| self.fault(error))?;
            self.session.saw(snapshot.commit());
            self.hold(snapshot);
        }
        Ok(())
    }

    fn hold(&mut self, snapshot: Snapshot<S::Device>) {
        self.reloads = self.core.reloads.load(Ordering::Relaxed);
        self.snapshot = Some(snapshot);
    }

    /// Whether the snapshot is of a commit that was taken back since, or reads files that were.
    fn is_taken_back(&self) -> bool {
        self.snapshot.is_some() && self.reloads != self.core.reloads.load(Ordering::Relaxed)
    }

    /// How many pages the file shows.
    fn page_count(&self) -> PageCount {
        match (&self.txn, &self.snapshot) {
            (Some(txn), _) => txn.page_count(),
            (None, Some(snapshot)) => snapshot.page_count(),
            (None, None) => PageCount(0),
        }
    }

    /// A part of the header as it was presented before, if it is still the one to present.
    fn known_header(&self, range: std::ops::Range<usize>) -> Option<&[u8]> {
        let commit = self.snapshot.as_ref().filter(|_| self.txn.is_none())?.commit();
        let (known, reloads, header) = self.header.as_ref()?;
        if *known == commit && *reloads == self.reloads { header.get(range) } else { None }
    }

    /// Reads a page's first bytes as this connection sees them.
    fn read_page(&mut self, page: PageNo, out: &mut [u8]) -> Outcome<()> {
        if self.is_taken_back() {
            let head = self.core.head().commit();
            return Err(self.fault(Error::Conflict { base: head, head }));
        }
        let own = self.txn.as_ref().filter(|txn| txn.has(page));
        let result = match (own, &self.snapshot) {
            (Some(txn), _) => txn.read(page, out, &mut self.scratch).map(|_| ()),
            (None, Some(snapshot)) => match snapshot.locate(page) {
                None => {
                    out.fill(0);
                    Ok(())
                }
                Some(version) if self.core.cache.copy(version, out) => Ok(()),
                Some(version) => {
                    let read = snapshot.read(page, out, &mut self.scratch).map(|_| ());
                    if read.is_ok() && out.len() == self.core.page_size.bytes() {
                        self.core.cache.insert(version, out);
                    }
                    read
                }
            },
            (None, None) => {
                out.fill(0);
                Ok(())
            }
        };
        let is_own = own.is_some();
        result.map_err(|error| registry::report(&self.session, error))?;
        if page == FIRST {
            self.present_header(out, is_own);
            if let (false, Some(snapshot), Some(header)) = (is_own, &self.snapshot, out.first_chunk()) {
                self.header = Some((snapshot.commit(), self.reloads, *header));
            }
        }
        Ok(())
    }

    /// Shows the first page as SQLite must see it: never in write-ahead mode, which we have no shared memory for and which
    /// an imported page may claim, and with the commit's own change counter (I4).
    fn present_header(&self, page: &mut [u8], own: bool) {
        let snapshot = self.snapshot.as_ref().filter(|_| !own);
        let counted = snapshot.filter(|snapshot| snapshot.page_count() != PageCount(0));
        present_header(page, counted.map(|snapshot| counter(snapshot.commit(), self.reloads)));
    }

    /// The transaction, begun by the first change.
    fn change(&mut self) -> Outcome<&mut Txn<S::Device>> {
        if self.level < LockLevel::Reserved {
            return Err(Fault(ffi::SQLITE_READONLY));
        }
        if self.txn.is_none() {
            let txn = self.core.with_store(|store| Ok(store.begin())).map_err(|error| self.fault(error))?;
            self.txn = Some(txn);
        }
        Ok(self.txn.as_mut().expect("begun above"))
    }

    fn write_page(&mut self, page: PageNo, data: &[u8]) -> Outcome<()> {
        let result = self.change()?.write(page, data);
        result.map_err(|error| self.fault(error))?;
        let staged = self.txn.as_ref().map_or(0, Txn::staged_bytes);
        let budget = crate::portable::lock(&self.core.settings).spill_bytes;
        if staged >= budget
            && let Some(txn) = &mut self.txn
        {
            let spilled = self.core.with_store(|store| store.spill(txn));
            spilled.map_err(|error| self.fault(error))?;
        }
        Ok(())
    }

    /// The page at an offset, the offset inside it, and how many of `len` bytes it has.
    fn piece(&self, offset: u64, len: usize) -> Outcome<(PageNo, usize, usize)> {
        let page_bytes = self.page_bytes();
        let index = u32::try_from(offset / page_bytes).ok().and_then(PageNo::from_index);
        let page = index.ok_or(Fault(ffi::SQLITE_FULL))?;
        let inside = usize::try_from(offset % page_bytes).map_err(|_| Fault(ffi::SQLITE_FULL))?;
        Ok((page, inside, len.min(self.core.page_size.bytes() - inside)))
    }

    /// Whether what is staged would leave the database as it was: what SQLite writes when it rolls back.
    fn changes_nothing(&mut self) -> Outcome<bool> {
        let Some(txn) = &self.txn else { return Ok(true) };
        let base = txn.snapshot().clone();
        if txn.page_count() != base.page_count() {
            return Ok(false);
        }
        let (mut new, mut old) = (vec![0; self.core.page_size.bytes()], vec![0; self.core.page_size.bytes()]);
        for page in (1..=txn.page_count().0).filter_map(PageNo::new) {
            if !txn.has(page) {
                continue;
            }
            let read = txn.read(page, &mut new, &mut self.scratch);
            let read = read.and_then(|_| base.read(page, &mut old, &mut self.scratch));
            read.map_err(|error| registry::report(&self.session, error))?;
            if page == FIRST && base.page_count() != PageCount(0) {
                // SQLite writes back the header that it was shown.
                for field in [header::VERSIONS, header::CHANGE_COUNTER, header::VALID_FOR] {
                    new[field.clone()].fill(0);
                    old[field].fill(0);
                }
            }
            if new != old {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether the staged first page carries the change counter of a commit, rather than the one that was read.
    fn counts_a_change(&mut self) -> Outcome<bool> {
        let Some(txn) = self.txn.as_ref().filter(|txn| txn.has(FIRST)) else { return Ok(false) };
        let mut first = [0; header::BYTES];
        let read = txn.read(FIRST, &mut first, &mut self.scratch);
        read.map_err(|error| registry::report(&self.session, error))?;
        Ok(first[header::CHANGE_COUNTER] != counter(txn.base(), self.reloads))
    }

    /// SQLite cuts the file off only after it has committed. The size it is going to is in the header already, and the
    /// commit should have it.
    fn cut_as_the_header_says(&mut self) -> Outcome<()> {
        let page_bytes = self.page_bytes();
        let Some(txn) = self.txn.as_mut().filter(|txn| txn.has(FIRST)) else { return Ok(()) };
        let mut first = [0; header::BYTES];
        let read = txn.read(FIRST, &mut first, &mut self.scratch);
        read.map_err(|error| registry::report(&self.session, error))?;
        let Some(bytes) = sqlite_bytes(&first) else { return Ok(()) };
        let wanted = bytes.div_ceil(page_bytes);
        if let Ok(wanted) = u32::try_from(wanted)
            && PageCount(wanted) < txn.page_count()
        {
            txn.set_page_count(PageCount(wanted));
        }
        Ok(())
    }

    /// Whether the staged first page differs from the one below in nothing but the counters of changes, which are shown from
    /// the commit's number anyhow (I4).
    fn only_counts(&mut self) -> Outcome<bool> {
        let Some(txn) = &self.txn else { return Ok(false) };
        let Some(first) = txn.staged(FIRST) else { return Ok(false) };
        let Some(version) = txn.snapshot().locate(FIRST) else { return Ok(false) };
        if let Some(only) = self.core.cache.look(version, |below| differ_in_counts(below, first)) {
            return Ok(only);
        }
        let mut below = vec![0; first.len()];
        let read = txn.snapshot().read(FIRST, &mut below, &mut self.scratch);
        read.map_err(|error| registry::report(&self.session, error))?;
        self.core.cache.insert(version, &below);
        Ok(differ_in_counts(&below, first))
    }

    /// The first page as it is about to be committed. SQLite looks at it again at the start of every transaction, and where
    /// a call costs more than the commit's own bytes, reading it back each time would show.
    fn staged_first(&mut self) -> Outcome<Option<Vec<u8>>> {
        let Some(txn) = self.txn.as_ref().filter(|txn| txn.has(FIRST)) else { return Ok(None) };
        let mut page = vec![0; self.core.page_size.bytes()];
        let read = txn.read(FIRST, &mut page, &mut self.scratch);
        read.map_err(|error| registry::report(&self.session, error))?;
        Ok(Some(page))
    }

    fn commit(&mut self) -> Outcome<()> {
        if self.txn.as_ref().is_none_or(Txn::is_empty) || (!self.counts_a_change()? && self.changes_nothing()?) {
            self.txn = None; // I3
            return Ok(());
        }
        self.cut_as_the_header_says()?;
        // A commit has something in it, if nothing else.
        if self.txn.as_ref().is_some_and(|txn| txn.changes_more_than(FIRST))
            && self.only_counts()?
            && let Some(txn) = &mut self.txn
        {
            txn.unwrite(FIRST);
        }
        let first = self.staged_first()?;
        let Some(txn) = self.txn.take() else { return Ok(()) };
        let synchronous = self.session.synchronous();
        let how = Commit {
            synchronous: self.session.commit_synchronous().into(),
            request: self.session.take_request(),
            time_ms: crate::ffi::now_ms(),
        };
        let committed = self.core.change_store(|store| {
            let commit = store.commit(txn, how)?;
            Ok((commit, store.snapshot(), store.needs_checkpoint()))
        });
        let (commit, snapshot, checkpoint) = committed.map_err(|error| self.fault(error))?;
        self.session.saw(commit);
        if let (Some(first), Some(version)) = (first, snapshot.locate(FIRST)) {
            self.core.cache.insert(version, &first);
        }
        self.hold(snapshot);
        self.unflushed = synchronous == Synchronous::Off;
        trace::lock(&self.core.name, self.id, "committed");
        if let Some(process) = self.core.process() {
            process.announce();
        }
        if checkpoint {
            self.core.wake_maintenance();
        }
        Ok(())
    }

    fn reserve(&mut self) -> Outcome<()> {
        if !self.write || self.session.read_at().is_some() {
            return Err(Fault(ffi::SQLITE_READONLY));
        }
        let host: Arc<dyn Host> = Arc::clone(&self.core) as _;
        if !self.core.try_write(self.id).map_err(|error| self.fault(error))? {
            self.asked = true;
            self.session.set_contended(host, self.id);
            drop(self.session.take_error()); // What was kept before is not what is wrong now.
            trace::lock(&self.core.name, self.id, "was refused the turn to write");
            return Err(Fault(ffi::SQLITE_BUSY));
        }
        let (base, head) = (self.snapshot.as_ref().map(Snapshot::commit), self.core.head().commit());
        if base != Some(head) || self.is_taken_back() {
            // Writing on an old snapshot would undo what was committed since. SQLite tries again from the newest one if
            // the transaction has not read anything yet; the turn is asked for anew then.
            self.core.release_write(self.id);
            self.asked = true;
            self.session.set_contended(host, self.id);
            trace::lock(&self.core.name, self.id, "was refused the turn to write: its snapshot is old");
            return Err(self.fault(Error::Conflict { base: base.unwrap_or(CommitId::ZERO), head }));
        }
        if let Some(snapshot) = &self.snapshot {
            self.base.hold(snapshot.clone(), self.reloads);
        }
        trace::lock(&self.core.name, self.id, "took the turn to write");
        Ok(())
    }

    fn pragma(&mut self, call: &PragmaCall<'_>) -> Outcome<Reply> {
        if self.session.raw_pragmas.load(Ordering::Relaxed) {
            return Ok(Reply::NotFound);
        }
        match Pragma::parse(call.name, call.argument) {
            Ok(None) => Ok(Reply::NotFound),
            Ok(Some(pragma)) => crate::dialect::carry_out(&self.core, &self.session, pragma, call.autocommit)
                .map_err(|error| self.fault(error)),
            Err(reason) => Ok(Reply::Refused(reason)),
        }
    }
}

/// Whether nothing differs but the counters of changes, and whether they agree.
fn differ_in_counts(below: &[u8], first: &[u8]) -> bool {
    let holds = |page: &[u8]| page[header::CHANGE_COUNTER] == page[header::VALID_FOR];
    let same = |from: usize, to: usize| below[from..to] == first[from..to];
    holds(below) == holds(first)
        && same(0, header::CHANGE_COUNTER.start)
        && same(header::CHANGE_COUNTER.end, header::VALID_FOR.start)
        && same(header::VALID_FOR.end, first.len())
}

/// Makes the first page what SQLite, here or elsewhere, is to see: with the change counter of a commit, if of one.
pub(crate) fn present_header(page: &mut [u8], counted: Option<[u8; 4]>) {
    if let Some(versions) = page.get_mut(header::VERSIONS)
        && versions == [2, 2]
    {
        versions.fill(1);
    }
    let Some(counted) = counted else { return };
    let valid = page.len() >= header::BYTES
        && page[header::CHANGE_COUNTER] == page[header::VALID_FOR]
        && number(page, header::PAGE_COUNT) != 0;
    if let Some(field) = page.get_mut(header::CHANGE_COUNTER) {
        field.copy_from_slice(&counted);
    }
    if let Some(field) = page.get_mut(header::VALID_FOR) {
        // A page count that did not hold before must not begin to.
        field.copy_from_slice(&if valid { counted } else { counted.map(|byte| !byte) });
    }
}

/// Bytes that a first page says the database has; `None` if it does not know.
pub(crate) fn sqlite_bytes(first: &[u8]) -> Option<u64> {
    let count = u64::from(number(first, header::PAGE_COUNT));
    let known = first.len() >= header::BYTES && first[header::CHANGE_COUNTER] == first[header::VALID_FOR];
    (known && count > 0).then(|| count * sqlite_page_bytes(first))
}

fn sqlite_page_bytes(first: &[u8]) -> u64 {
    match u64::from(first[16]) << 8 | u64::from(first[17]) {
        1 => 65536,
        bytes => bytes,
    }
}

/// The change counter that a commit shows. After commits were taken back, others have their numbers, and must not have their
/// counters: a connection that saw the old ones would keep its cache.
pub(crate) fn counter(commit: CommitId, reloads: u32) -> [u8; 4] {
    const APART: u32 = 0x0100_0001;
    #[expect(clippy::cast_possible_truncation, reason = "the counter wraps, as SQLite's does")]
    let low = commit.0 as u32;
    low.wrapping_add(reloads.wrapping_mul(APART)).to_be_bytes()
}

impl<S> VfsFile for MainFile<S>
where
    S: Storage + Portable + 'static,
    S::Device: Portable + 'static,
{
    fn read(&mut self, out: &mut [u8], offset: u64) -> Outcome<usize> {
        let unlocked = self.level == LockLevel::None;
        self.look()?;
        let size = u64::from(self.page_count().0) * self.page_bytes();
        let there = usize::try_from(size.saturating_sub(offset)).unwrap_or(usize::MAX).min(out.len());
        out[there..].fill(0);
        let mut done = 0;
        if offset < header::BYTES as u64
            && let Ok(start) = usize::try_from(offset)
            && let Some(known) = self.known_header(start..start + there)
        {
            out[..there].copy_from_slice(known);
            done = there;
        }
        while done < there {
            let (page, inside, len) = self.piece(offset + done as u64, there - done)?;
            let ours = &mut out[done..done + len];
            if inside == 0 && (page != FIRST || len >= header::BYTES) {
                self.read_page(page, ours)?;
            } else {
                // A part from the middle, or less of the header than is needed to present it.
                let mut whole = std::mem::take(&mut self.page);
                whole.resize((inside + len).max(header::BYTES), 0);
                let read = self.read_page(page, &mut whole);
                ours.copy_from_slice(&whole[inside..inside + len]);
                self.page = whole;
                read?;
            }
            done += len;
        }
        if unlocked {
            self.snapshot = None;
        }
        Ok(there)
    }

    fn write(&mut self, data: &[u8], offset: u64) -> Outcome<()> {
        let mut done = 0;
        while done < data.len() {
            let (page, inside, len) = self.piece(offset + done as u64, data.len() - done)?;
            let ours = &data[done..done + len];
            if len == self.core.page_size.bytes() {
                self.write_page(page, ours)?;
            } else {
                let mut whole = std::mem::take(&mut self.page); // I5
                whole.resize(self.core.page_size.bytes(), 0);
                let result = self.read_page(page, &mut whole).and_then(|()| {
                    whole[inside..inside + len].copy_from_slice(ours);
                    self.write_page(page, &whole)
                });
                self.page = whole;
                result?;
            }
            done += len;
        }
        Ok(())
    }

    fn truncate(&mut self, len: u64) -> Outcome<()> {
        let count = u32::try_from(len.div_ceil(self.page_bytes())).map_err(|_| Fault(ffi::SQLITE_FULL))?;
        if PageCount(count) != self.page_count() {
            self.change()?.set_page_count(PageCount(count));
        }
        Ok(())
    }

    fn sync(&mut self) -> Outcome<()> {
        // The commit was flushed as `synchronous` asked. Only a level changed in between leaves something to do.
        if self.unflushed && self.session.synchronous() != Synchronous::Off {
            self.core.with_store(coffer_store::Store::flush).map_err(|error| self.fault(error))?;
            self.unflushed = false;
        }
        Ok(())
    }

    fn size(&mut self) -> Outcome<u64> {
        let unlocked = self.level == LockLevel::None;
        self.look()?;
        let size = u64::from(self.page_count().0) * self.page_bytes();
        if unlocked {
            self.snapshot = None;
        }
        Ok(size)
    }

    fn lock(&mut self, level: LockLevel) -> Outcome<()> {
        if level <= self.level {
            return Ok(());
        }
        if self.level == LockLevel::None {
            self.look()?;
            trace::lock(&self.core.name, self.id, "SHARED");
            self.level = LockLevel::Shared;
        }
        if level >= LockLevel::Reserved && self.level < LockLevel::Reserved {
            self.reserve()?;
        }
        // Readers hold snapshots, so there is nobody to wait for between reserved and exclusive.
        if level > self.level {
            trace::lock(&self.core.name, self.id, if level == LockLevel::Reserved { "RESERVED" } else { "EXCLUSIVE" });
            self.level = level;
        }
        Ok(())
    }

    fn unlock(&mut self, level: LockLevel) -> Outcome<()> {
        if level < LockLevel::Reserved && (self.level >= LockLevel::Reserved || self.asked) {
            self.txn = None; // I2
            self.base.let_go();
            self.core.release_write(self.id);
            // Whoever was refused may be given the turn while waiting, after this, and not use it.
            self.asked = self.level < LockLevel::Reserved;
        }
        if level == LockLevel::None {
            self.snapshot = None;
            if self.core.cache.used_bytes() > self.core.cache.soft_bytes() {
                self.core.cache.trim();
            }
        }
        if level < self.level {
            trace::lock(&self.core.name, self.id, if level == LockLevel::None { "unlocked" } else { "SHARED again" });
            self.level = level;
        }
        Ok(())
    }

    fn is_reserved(&mut self) -> Outcome<bool> {
        Ok(self.core.turn.owner().is_some())
    }

    fn lock_level(&self) -> LockLevel {
        self.level
    }

    fn control(&mut self, control: Control<'_>) -> Outcome<Reply> {
        match control {
            Control::Sync | Control::CommitPhaseTwo => self.commit().map(|()| Reply::Done),
            Control::Pragma(call) => self.pragma(&call),
            Control::Connection(address) => {
                self.session = registry::join_session(address, &self.session);
                Ok(Reply::Done)
            }
        }
    }

    fn sector_bytes(&self) -> u32 {
        512 // Nothing is overwritten in place, so no neighbour needs journaling with a page.
    }

    fn characteristics(&self) -> DeviceCharacteristics {
        DeviceCharacteristics::STORE
    }

    fn originals(&self) -> Option<Arc<dyn Originals>> {
        Some(Arc::clone(&self.base) as _)
    }
}

impl<S: Storage> Drop for MainFile<S> {
    fn drop(&mut self) {
        self.txn = None;
        self.snapshot = None;
        self.core.release_write(self.id);
    }
}

#[cfg(test)]
mod tests;

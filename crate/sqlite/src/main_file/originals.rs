//! What a write transaction found, for its journal: the snapshot that it began on, as SQLite saw it.
//!
//! O1  It is held from the turn to write to its end, so a journal that lives longer finds another state, or none.

use std::sync::{Arc, Mutex};

use coffer_store::{Error, PageCount, PageNo, Scratch, Snapshot, Storage};
use rusqlite::ffi;

use super::{FIRST, counter, header, present_header};
use crate::core::Core;
use crate::portable::{Portable, lock};
use crate::vfs::{Fault, Originals, Outcome};

/// The state below the transaction of one file of SQLite's.
pub(super) struct Base<S: Storage> {
    core: Arc<Core<S>>,
    held: Mutex<Held<S>>,
}

struct Held<S: Storage> {
    snapshot: Option<Snapshot<S::Device>>,
    /// How many times commits had been taken back when it was taken.
    reloads: u32,
    /// Of the transaction.
    state: u64,
    scratch: Scratch,
    page: Vec<u8>,
}

impl<S: Storage> Base<S> {
    pub fn new(core: Arc<Core<S>>) -> Self {
        let scratch = Scratch::with_cluster(core.cluster_bytes);
        Self { core, held: Mutex::new(Held { snapshot: None, reloads: 0, state: 0, scratch, page: Vec::new() }) }
    }

    /// A transaction begins.
    pub fn hold(&self, snapshot: Snapshot<S::Device>, reloads: u32) {
        let mut held = lock(&self.held);
        held.snapshot = Some(snapshot);
        held.reloads = reloads;
        held.state += 1;
    }

    /// It is over (O1).
    pub fn let_go(&self) {
        lock(&self.held).snapshot = None;
    }
}

impl<S> Base<S>
where
    S: Storage + Portable + 'static,
    S::Device: Portable + 'static,
{
    fn is_current(&self, held: &Held<S>) -> bool {
        held.snapshot.is_some() && held.reloads == self.core.reloads.load(std::sync::atomic::Ordering::Relaxed)
    }

    fn page_at(&self, offset: u64) -> Option<(PageNo, usize)> {
        let page_bytes = u64::from(self.core.page_size.get());
        let page = u32::try_from(offset / page_bytes).ok().and_then(PageNo::from_index)?;
        Some((page, usize::try_from(offset % page_bytes).ok()?))
    }

    fn fill(&self, held: &mut Held<S>, out: &mut [u8], offset: u64) -> Result<bool, Error> {
        let Held { snapshot: Some(snapshot), reloads, scratch, page: whole, .. } = held else { return Ok(false) };
        whole.resize(self.core.page_size.bytes(), 0);
        let mut done = 0;
        while done < out.len() {
            let Some((page, inside)) = self.page_at(offset + done as u64) else { return Ok(false) };
            let len = (out.len() - done).min(whole.len() - inside);
            match snapshot.locate(page) {
                None => whole.fill(0),
                Some(version) if self.core.cache.copy(version, whole) => {}
                Some(_) => {
                    snapshot.read(page, whole, scratch)?;
                }
            }
            if page == FIRST {
                present_header(whole, counted(snapshot, *reloads));
            }
            out[done..done + len].copy_from_slice(&whole[inside..inside + len]);
            done += len;
        }
        Ok(true)
    }
}

fn counted<D: coffer_store::Device>(snapshot: &Snapshot<D>, reloads: u32) -> Option<[u8; 4]> {
    (snapshot.page_count() != PageCount(0)).then(|| counter(snapshot.commit(), reloads))
}

impl<S> Originals for Base<S>
where
    S: Storage + Portable + 'static,
    S::Device: Portable + 'static,
{
    fn state_with(&self, data: &[u8], offset: u64, read: bool) -> Option<u64> {
        let mut held = lock(&self.held);
        if !self.is_current(&held) {
            return None;
        }
        let (page, inside) = self.page_at(offset)?;
        if inside == 0 && data.len() == self.core.page_size.bytes() {
            // The page was read a moment ago, so it can be looked at where it lies.
            let snapshot = held.snapshot.as_ref()?;
            let version = snapshot.locate(page)?;
            let counted = counted(snapshot, held.reloads);
            let same = self.core.cache.look(version, |below| {
                if page != FIRST {
                    return below == data;
                }
                let Some(mut shown) = below.first_chunk::<{ header::BYTES }>().copied() else { return false };
                present_header(&mut shown, counted);
                data.starts_with(&shown) && data[header::BYTES..] == below[header::BYTES..]
            });
            if let Some(same) = same {
                return same.then_some(held.state);
            }
        }
        if !read {
            return None;
        }
        let mut there = vec![0; data.len()];
        // What cannot be read now is kept in the journal, where it can.
        let same = self.fill(&mut held, &mut there, offset).unwrap_or(false) && there == data;
        same.then_some(held.state)
    }

    fn read(&self, state: u64, out: &mut [u8], offset: u64) -> Outcome<()> {
        let mut held = lock(&self.held);
        let fault = Fault(ffi::SQLITE_IOERR_READ);
        if held.state != state || !self.is_current(&held) {
            return Err(fault);
        }
        match self.fill(&mut held, out, offset) {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(fault),
        }
    }
}

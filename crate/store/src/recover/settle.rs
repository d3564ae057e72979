//! The first writes after an opening, once all is understood: what was found becomes durable, and what is outlived goes. And
//! what another process may have left behind while this one had the database open.

use alloc::string::String;
use alloc::vec::Vec;

use crate::checkpoint::SPARES_MAX;
use crate::device::{Device, Storage};
use crate::error::Result;
use crate::format::layout::LOG_DATA_START;
use crate::ids::CommitId;
use crate::log::Log;
use crate::recover::Recovered;
use crate::segment::segment_of_name;
use crate::store::Store;

impl<S: Storage> Store<S> {
    /// After all is understood: cuts off a dropped tail, and makes durable what was found beyond the known flushes, so that
    /// nothing that is read from here on can be lost.
    pub(super) fn settle(&mut self, recovered: &Recovered) -> Result<()> {
        if self.options.read_only || self.options.beside_writer {
            return Ok(());
        }
        self.clear_outlived()?;
        let Some(log) = &mut self.log else { return Ok(()) };
        if recovered.bytes_dropped > 0 {
            log.file.device.truncate(log.end)?;
            log.file_bytes = log.end;
        }
        if self.flushed < self.view.commit || recovered.bytes_dropped > 0 {
            self.store_again()?;
        }
        Ok(())
    }

    /// Makes durable what was found beyond the known flushes, by a writer that another process went before without having
    /// ended in order.
    pub fn prove(&mut self) -> Result<()> {
        self.check_writable()?;
        // A flush of ours may have succeeded because that one's failed, and told nobody but it.
        let begun = self.log.as_ref().map_or(CommitId::ZERO, |log| log.header.base);
        self.flushed = self.flushed.min(self.manifest.flushed.max(self.manifest.commit).max(begun));
        if self.flushed < self.view.commit { self.store_again() } else { Ok(()) }
    }

    /// The process before may have seen a flush fail. A system that then takes the bytes for clean shows them until the power
    /// goes, and no flush stores them: they have to be written again.
    fn store_again(&mut self) -> Result<()> {
        let Some(log) = &self.log else { return Ok(()) };
        let stored = rewrite(&log.file.device, unproven_start(log, self.flushed), log.end)
            .and_then(|()| Ok(log.file.device.flush()?))
            .and_then(|()| Ok(self.storage.flush_names()?));
        stored.map_err(|error| self.poison(error))?;
        self.names_changed = false;
        self.flushed = self.view.commit;
        Ok(())
    }

    /// Empties and removes what the process before would have, had it lived to: logs that hold what another key or none
    /// opens, or the rest of a beginning that was torn, and segments that were replaced. What fails is tried at the next
    /// opening.
    fn clear_outlived(&mut self) -> Result<()> {
        let replaced = |name: &String| {
            let id = segment_of_name(name).filter(|id| *id < self.manifest.segment_next);
            id.is_some_and(|id| self.segments.iter().all(|segment| segment.entry.id != id))
                && self.options.base.as_ref() != Some(name)
        };
        let names: Vec<String> = self.storage.list()?.into_iter().filter(replaced).collect();
        let surplus = self.spares.len() > SPARES_MAX;
        if names.is_empty() && !surplus && self.spares.iter().all(|spare| !spare.stale) {
            return Ok(());
        }
        // Only a root that is sure to be durable has outlived anything.
        self.confirm_root()?;
        for name in names.iter().filter(|name| !self.storage.is_pinned(name)) {
            let _ = self.storage.remove(name);
        }
        for spare in self.spares.iter_mut().filter(|spare| spare.stale) {
            if !self.storage.is_pinned(&spare.number.name())
                && spare
                    .device(&self.storage)
                    .is_ok_and(|device| device.truncate(0).and_then(|()| device.flush()).is_ok())
            {
                (spare.file_bytes, spare.stale) = (0, false);
            }
        }
        // Logs that readers of the process before had kept from being used again; each would stay open for ever.
        for spare in self.spares.split_off(self.spares.len().min(SPARES_MAX)) {
            let name = spare.number.name();
            if self.storage.is_pinned(&name) {
                self.spares.push(spare);
            } else {
                drop(spare.device);
                let _ = self.storage.remove(&name);
            }
        }
        Ok(())
    }
}

/// Where in a log the part begins of which nobody has said that it was flushed.
fn unproven_start<D>(log: &Log<D>, flushed: CommitId) -> u64 {
    if flushed <= log.header.base {
        return 0;
    }
    let proven = log.frames.partition_point(|frame| frame.commit <= flushed);
    let last_proven = proven.checked_sub(1).and_then(|last| log.frames.get(last));
    last_proven.map_or(LOG_DATA_START as u64, |frame| frame.offset)
}

/// Writes a part of a file over itself.
fn rewrite(device: &dyn Device, start: u64, end: u64) -> Result<()> {
    const CHUNK_BYTES: u64 = 1 << 20;
    let mut chunk = Vec::new();
    let end = end.min(device.len()?);
    let mut at = start;
    while at < end {
        let len = CHUNK_BYTES.min(end - at);
        chunk.resize(usize::try_from(len).unwrap_or(0), 0);
        device.read_at(at, &mut chunk)?;
        device.write_at(at, &chunk)?;
        at += len;
    }
    Ok(())
}

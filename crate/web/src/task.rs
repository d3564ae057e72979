//! A job in the checkpoint worker: its sources are elsewhere, and come as ranges that were asked for.
//!
//! ```text
//!   wanted -> (fetch) -> supply ... ready -> step ... step -> lacks? -> supply the next ... ready -> step ... true -> finish
//! ```
//!
//! I1  What was supplied is dropped once the pages that need it are done: a few windows are in memory, however large a source is.
//! I2  The job's bytes are wiped here once they are read. The keys in it wipe themselves.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use coffer_sqlite::SystemEntropy;
use coffer_sqlite::coffer_store::{
    Device, DeviceError, DeviceErrorKind, DeviceOp, Error, Inline, Job, SortedMap, Task,
};
use wasm_bindgen::prelude::*;
use zeroize::Zeroizing;

use crate::failure::thrown;
use crate::files::{Handle, OpenFile};

/// A running job. JavaScript must call `finish`, or `free` when it gives up.
#[wasm_bindgen(js_name = Task)]
pub struct WebTask {
    task: Task<Sent, OpenFile>,
    sources: Vec<Sent>,
    windows: VecDeque<Window>,
    /// The page that the windows asked for end before, and the page that those that are here do.
    planned: u64,
    here: u64,
}

/// Pages up to `end`, and the ranges that were fetched for them.
struct Window {
    end: u64,
    ranges: Vec<(usize, u64)>,
}

/// What has been sent of a source.
#[derive(Clone)]
struct Sent {
    name: Rc<str>,
    ranges: Rc<RefCell<SortedMap<u64, Vec<u8>>>>,
}

impl Device for Sent {
    fn len(&self) -> Result<u64, DeviceError> {
        Err(DeviceError::new(DeviceOp::Len, &self.name, 0, DeviceErrorKind::NotReady))
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), DeviceError> {
        let ranges = self.ranges.borrow();
        // A range of one window may lie in what another read along, so the nearest beginning need not be the right one.
        let sent = ranges.up_to(&offset).rev().find_map(|(start, bytes)| {
            let begin = usize::try_from(offset - start).ok()?;
            bytes.get(begin..begin.checked_add(out.len())?)
        });
        match sent {
            Some(sent) => {
                out.copy_from_slice(sent);
                Ok(())
            }
            None => Err(DeviceError::new(DeviceOp::Read, &self.name, offset, DeviceErrorKind::NotReady)),
        }
    }

    fn write_at(&self, offset: u64, _data: &[u8]) -> Result<(), DeviceError> {
        Err(DeviceError::new(DeviceOp::Write, &self.name, offset, DeviceErrorKind::ReadOnly))
    }

    fn truncate(&self, len: u64) -> Result<(), DeviceError> {
        self.write_at(len, &[])
    }

    fn flush(&self) -> Result<(), DeviceError> {
        Ok(())
    }
}

#[wasm_bindgen(js_class = Task)]
impl WebTask {
    /// Begins a job that writes to `output`, which is empty, or that learns and leaves it so.
    #[wasm_bindgen(constructor)]
    pub fn new(job: Vec<u8>, output: Handle) -> Result<WebTask, JsValue> {
        let bytes = Zeroizing::new(job); // I2
        let job = Job::from_bytes(&bytes).map_err(|error| thrown(&error.into()))?;
        let sources: Vec<Sent> =
            job.sources().iter().map(|source| Sent { name: source.name().into(), ranges: Rc::default() }).collect();
        let output = OpenFile::alone(job.target(), output);
        let task = Task::new(job, sources.clone(), output, 1);
        Ok(Self { task, sources, windows: VecDeque::new(), planned: 0, here: 0 })
    }

    /// The ranges to be fetched for the next pages, of about so many bytes: source, offset and length of each, one after the
    /// other. Empty when everything has been asked for.
    pub fn wanted(&mut self, bytes: u32) -> Result<Vec<f64>, JsValue> {
        let (end, ranges) = self.task.ahead(self.planned, u64::from(bytes)).map_err(|error| thrown(&error.into()))?;
        self.planned = end;
        if ranges.is_empty() {
            return Ok(Vec::new());
        }
        let window = Window { end, ranges: ranges.iter().map(|range| (range.source, range.offset)).collect() };
        self.windows.push_back(window);
        #[expect(clippy::cast_precision_loss, reason = "offsets stay below 2^53")]
        let fields = |range: coffer_sqlite::coffer_store::ReadRange| {
            [range.source as f64, range.offset as f64, range.bytes as f64]
        };
        Ok(ranges.into_iter().flat_map(fields).collect())
    }

    /// Takes a range that was asked for; those of the next window only once this one is done with ([`lacks`](Self::lacks)), since both
    /// may have one that begins at the same place.
    pub fn supply(&mut self, source: usize, offset: f64, bytes: Vec<u8>) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
        let offset = offset as u64;
        if let Some(sent) = self.sources.get(source) {
            sent.ranges.borrow_mut().insert(offset, bytes);
        }
    }

    /// Says that the ranges of the next window have all been supplied.
    pub fn ready(&mut self) {
        self.here = self.windows.iter().map(|window| window.end).find(|end| *end > self.here).unwrap_or(self.planned);
        self.task.limit(self.here);
    }

    /// Whether steps have come to the end of what is here.
    pub fn lacks(&self) -> bool {
        let (done, all) = self.task.progress();
        done >= self.here && done < all
    }

    /// Rewrites about `budget_bytes` of pages. True when all are done.
    pub fn step(&mut self, budget_bytes: u32) -> Result<bool, JsValue> {
        let done = self.task.step(u64::from(budget_bytes), &mut SystemEntropy, &Inline);
        let (pages, _) = self.task.progress();
        while self.windows.front().is_some_and(|window| window.end <= pages) {
            for (source, offset) in self.windows.pop_front().map(|window| window.ranges).unwrap_or_default() {
                if let Some(sent) = self.sources.get(source) {
                    sent.ranges.borrow_mut().remove(&offset); // I1
                }
            }
        }
        done.map_err(|error: Error| thrown(&error.into()))
    }

    /// Closes and flushes the segment, or learns, and gives what the database has to install.
    pub fn finish(self) -> Result<Vec<u8>, JsValue> {
        let done = self.task.finish(&mut SystemEntropy).map_err(|error| thrown(&error.into()))?;
        Ok(done.to_bytes())
    }
}

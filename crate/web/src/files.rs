//! The files of one database, over synchronous handles that JavaScript opened: `Storage` and `Device` for the engine.
//!
//! Opening a file in a browser takes waiting, and the engine cannot wait. So whoever owns this opens every file there is
//! before the engine starts, and keeps the ones that it may create next ready, open and empty. A name that is not ready is
//! written down as wanted and refused with `NotReady`; the owner opens it and repeats the call. It does not know where the
//! bytes are: handles of OPFS, of a copy of IndexedDB and of plain memory look the same (js/src/worker/directory.ts).
//!
//! I1  Lengths are kept here. A handle is asked for its length when it arrives and after a failed write, never otherwise: in
//!     some browsers that call costs as much as reading a page.
//! I2  A write that says anything but the length it was given has failed, for want of space: browsers report a full quota so.
//! I3  A file of no bytes that is not open counts as not there. So a file made ready and never used is no trace of anything.
//! I4  Removing cuts a file to nothing at once; its owner closes and removes it when there is time. Devices of a removed file
//!     fail, and never reach a file made later under the name.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use coffer_sqlite::coffer_store::{Device, DeviceError, DeviceErrorKind, DeviceOp, OpenMode, SortedMap, Storage};
use js_sys::{Error as JsError, Reflect};
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// An open file: `SyncFile` in js/src/worker/directory.ts.
    #[wasm_bindgen(typescript_type = "SyncFile")]
    #[derive(Clone)]
    pub type Handle;

    #[wasm_bindgen(method, catch)]
    fn read(this: &Handle, out: &mut [u8], at: f64) -> Result<f64, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn write(this: &Handle, data: &[u8], at: f64) -> Result<f64, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn truncate(this: &Handle, length: f64) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    fn flush(this: &Handle) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch, js_name = size)]
    fn size(this: &Handle) -> Result<f64, JsValue>;
}

#[wasm_bindgen(typescript_custom_section)]
const SYNC_FILE: &str = "
/** An open file of a browser's storage: see js/src/worker/directory.ts. */
export interface SyncFile {
  read(out: Uint8Array, at: number): number
  write(data: Uint8Array, at: number): number
  truncate(length: number): void
  flush(): void
  size(): number
}
";

/// The files of one database. Clones share them.
#[wasm_bindgen]
#[derive(Clone, Default)]
pub struct Files {
    shared: Rc<Shared>,
}

#[derive(Default)]
struct Shared {
    entries: RefCell<SortedMap<String, Entry>>,
    /// Names that were asked for and not ready.
    wanted: RefCell<Vec<String>>,
}

enum Entry {
    /// There, as far as the engine is concerned.
    File(Rc<File>),
    /// Open and empty, to become a file when the engine creates one of this name.
    Ready(Handle),
}

struct File {
    name: String,
    handle: Handle,
    len: Cell<u64>,
    removed: Cell<bool>,
}

#[wasm_bindgen]
impl Files {
    /// No files yet.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an open file: one that is there, or an empty one to be created later (I3).
    pub fn put(&self, name: String, handle: Handle) -> Result<(), JsValue> {
        let len = to_bytes(handle.size()?);
        let entry = if len == 0 {
            Entry::Ready(handle)
        } else {
            Entry::File(Rc::new(File { name: name.clone(), handle, len: Cell::new(len), removed: Cell::new(false) }))
        };
        self.shared.entries.borrow_mut().insert(name, entry);
        Ok(())
    }

    /// Asks every handle for its length again: for a place that has put its files back to what they were (I1).
    pub fn measure(&self) -> Result<(), JsValue> {
        let mut entries = self.shared.entries.borrow_mut();
        for (name, entry) in entries.iter_mut() {
            let handle = match entry {
                Entry::File(file) => file.handle.clone(),
                Entry::Ready(handle) => handle.clone(),
            };
            let len = to_bytes(handle.size()?);
            match entry {
                Entry::File(file) if len > 0 => file.len.set(len),
                Entry::File(file) => {
                    file.removed.set(true); // I4
                    *entry = Entry::Ready(handle);
                }
                Entry::Ready(_) if len > 0 => {
                    let (name, len) = (name.clone(), Cell::new(len));
                    *entry = Entry::File(Rc::new(File { name, handle, len, removed: Cell::new(false) }));
                }
                Entry::Ready(_) => {}
            }
        }
        Ok(())
    }

    /// Names that the engine asked for in vain since the last time.
    #[must_use]
    pub fn wanted(&self) -> Vec<String> {
        std::mem::take(&mut *self.shared.wanted.borrow_mut())
    }

    /// Names of files that are ready and not in use.
    #[must_use]
    pub fn ready(&self) -> Vec<String> {
        let entries = self.shared.entries.borrow();
        entries.iter().filter(|(_, entry)| matches!(entry, Entry::Ready(_))).map(|(name, _)| name.clone()).collect()
    }

    /// Forgets a file that is ready and not in use, so that its owner can close and remove it. False if it is in use.
    #[must_use]
    pub fn release(&self, name: &str) -> bool {
        let mut entries = self.shared.entries.borrow_mut();
        let ready = matches!(entries.get(name), Some(Entry::Ready(_)));
        if ready {
            entries.remove(name);
        }
        ready
    }
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Files")
    }
}

impl Storage for Files {
    type Device = OpenFile;

    fn open(&self, name: &str, mode: OpenMode) -> Result<OpenFile, DeviceError> {
        let refuse = |kind| Err(DeviceError::new(DeviceOp::Open, name, 0, kind));
        let mut entries = self.shared.entries.borrow_mut();
        let file = match (entries.get(name), mode) {
            (Some(Entry::File(_)), OpenMode::Create) => return refuse(DeviceErrorKind::Exists),
            (Some(Entry::File(file)), OpenMode::Read | OpenMode::Write) => Rc::clone(file),
            (Some(Entry::Ready(_)) | None, OpenMode::Read | OpenMode::Write) => {
                return refuse(DeviceErrorKind::NotFound);
            }
            (Some(Entry::Ready(handle)), OpenMode::Create) => {
                let handle = handle.clone();
                let file =
                    Rc::new(File { name: name.to_owned(), handle, len: Cell::new(0), removed: Cell::new(false) });
                entries.insert(name.to_owned(), Entry::File(Rc::clone(&file)));
                file
            }
            (None, OpenMode::Create) => {
                let mut wanted = self.shared.wanted.borrow_mut();
                if !wanted.iter().any(|other| other == name) {
                    wanted.push(name.to_owned());
                }
                return refuse(DeviceErrorKind::NotReady);
            }
        };
        Ok(OpenFile { file, writable: mode != OpenMode::Read })
    }

    fn list(&self) -> Result<Vec<String>, DeviceError> {
        let entries = self.shared.entries.borrow();
        let files = entries.iter().filter(|(_, entry)| matches!(entry, Entry::File(_)));
        Ok(files.map(|(name, _)| name.clone()).collect())
    }

    fn remove(&self, name: &str) -> Result<(), DeviceError> {
        let mut entries = self.shared.entries.borrow_mut();
        let Some(Entry::File(file)) = entries.get(name) else { return Ok(()) };
        file.handle.truncate(0.0).map_err(|thrown| failure(DeviceOp::Remove, name, 0, &thrown))?;
        file.removed.set(true); // I4
        let handle = file.handle.clone();
        entries.insert(name.to_owned(), Entry::Ready(handle));
        Ok(())
    }
}

/// An open file, as the engine uses it.
pub struct OpenFile {
    file: Rc<File>,
    writable: bool,
}

impl OpenFile {
    /// A new, empty file that nothing else has.
    pub(crate) fn alone(name: String, handle: Handle) -> Self {
        let file = File { name, handle, len: Cell::new(0), removed: Cell::new(false) };
        Self { file: Rc::new(file), writable: true }
    }

    fn refuse<T>(&self, op: DeviceOp, offset: u64, kind: DeviceErrorKind) -> Result<T, DeviceError> {
        Err(DeviceError::new(op, &self.file.name, offset, kind))
    }

    fn check(&self, op: DeviceOp, offset: u64, change: bool) -> Result<(), DeviceError> {
        if self.file.removed.get() {
            return self.refuse(op, offset, DeviceErrorKind::NotFound);
        }
        if change && !self.writable {
            return self.refuse(op, offset, DeviceErrorKind::ReadOnly);
        }
        Ok(())
    }

    fn thrown(&self, op: DeviceOp, offset: u64, thrown: &JsValue) -> DeviceError {
        failure(op, &self.file.name, offset, thrown)
    }

    /// After a failed write only the handle knows how long the file is (I1).
    fn measure(&self) {
        if let Ok(size) = self.file.handle.size() {
            self.file.len.set(to_bytes(size));
        }
    }
}

impl Device for OpenFile {
    fn len(&self) -> Result<u64, DeviceError> {
        self.check(DeviceOp::Len, 0, false)?;
        Ok(self.file.len.get())
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), DeviceError> {
        self.check(DeviceOp::Read, offset, false)?;
        let end = offset.checked_add(out.len() as u64);
        if end.is_none_or(|end| end > self.file.len.get()) {
            return self.refuse(DeviceOp::Read, offset, DeviceErrorKind::ShortRead);
        }
        if out.is_empty() {
            return Ok(());
        }
        let read = self.file.handle.read(out, to_number(offset));
        let read = read.map_err(|thrown| self.thrown(DeviceOp::Read, offset, &thrown))?;
        if to_bytes(read) == out.len() as u64 {
            return Ok(());
        }
        self.refuse(DeviceOp::Read, offset, DeviceErrorKind::ShortRead)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), DeviceError> {
        self.check(DeviceOp::Write, offset, true)?;
        if data.is_empty() {
            return Ok(());
        }
        let end = offset.checked_add(data.len() as u64).filter(|end| *end <= BYTES_MAX);
        let Some(end) = end else { return self.refuse(DeviceOp::Write, offset, DeviceErrorKind::NoSpace) };
        match self.file.handle.write(data, to_number(offset)) {
            #[expect(clippy::float_cmp, reason = "I2: both are whole numbers, and any other is a failure")]
            Ok(written) if written == to_number(data.len() as u64) => {
                self.file.len.set(self.file.len.get().max(end));
                Ok(())
            }
            Ok(written) => {
                self.measure();
                let error = DeviceError::new(DeviceOp::Write, &self.file.name, offset, DeviceErrorKind::NoSpace);
                // Not as the floating point it is: nothing else needs the library's 3 KB that write one.
                Err(error.with_detail(format!("{} of {} bytes were taken", to_bytes(written), data.len())))
            }
            Err(thrown) => {
                self.measure();
                Err(self.thrown(DeviceOp::Write, offset, &thrown))
            }
        }
    }

    fn truncate(&self, len: u64) -> Result<(), DeviceError> {
        self.check(DeviceOp::Truncate, len, true)?;
        if len > BYTES_MAX {
            return self.refuse(DeviceOp::Truncate, len, DeviceErrorKind::NoSpace);
        }
        if len == self.file.len.get() {
            return Ok(());
        }
        let cut = self.file.handle.truncate(to_number(len));
        cut.map_err(|thrown| {
            self.measure();
            self.thrown(DeviceOp::Truncate, len, &thrown)
        })?;
        self.file.len.set(len);
        Ok(())
    }

    fn flush(&self) -> Result<(), DeviceError> {
        self.check(DeviceOp::Flush, 0, false)?;
        self.file.handle.flush().map_err(|thrown| self.thrown(DeviceOp::Flush, 0, &thrown))
    }
}

/// What a thrown thing of the browser's means to the engine.
fn failure(op: DeviceOp, file: &str, offset: u64, thrown: &JsValue) -> DeviceError {
    let text = |field: &str| Reflect::get(thrown, &field.into()).ok().and_then(|value| value.as_string());
    let name = text("name").unwrap_or_default();
    let kind = match name.as_str() {
        // Ours, of a place that is full.
        _ if text("code").is_some_and(|code| code == "quota") => DeviceErrorKind::NoSpace,
        "QuotaExceededError" => DeviceErrorKind::NoSpace,
        "NotFoundError" => DeviceErrorKind::NotFound,
        "NoModificationAllowedError" => DeviceErrorKind::Busy,
        _ => DeviceErrorKind::Io,
    };
    let message = thrown.dyn_ref::<JsError>().map(|error| String::from(error.message())).or_else(|| text("message"));
    DeviceError::new(op, file, offset, kind).with_detail(format!("{name}: {}", message.unwrap_or_default()))
}

/// Where numbers of JavaScript's stop being exact.
const BYTES_MAX: u64 = (1 << 53) - 1;

#[expect(clippy::cast_precision_loss, reason = "callers stay below 2^53")]
fn to_number(bytes: u64) -> f64 {
    bytes as f64
}

/// A count that a handle gave; what is no count is none.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates, and NaN becomes 0")]
fn to_bytes(number: f64) -> u64 {
    number as u64
}

//! Jobs that run where their sources are not: what they read is fetched beforehand, or when they find that it is missing.

use std::cell::RefCell;
use std::collections::HashSet;

use coffer_store::{
    Device, DeviceError, DeviceErrorKind, DeviceOp, Inline, Job, MemDevice, MemStorage, ReadRange, Store, Task,
};

use crate::support::{Seeded, create, put, small};

/// A source that is read as a closure says, and nothing else is done to.
struct ReadBy<F>(F);

impl<F: Fn(u64, &mut [u8]) -> Result<(), DeviceError>> Device for ReadBy<F> {
    fn len(&self) -> Result<u64, DeviceError> {
        Ok(u64::MAX)
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), DeviceError> {
        (self.0)(offset, out)
    }

    fn write_at(&self, _offset: u64, _data: &[u8]) -> Result<(), DeviceError> {
        panic!("a source is only read")
    }

    fn truncate(&self, _len: u64) -> Result<(), DeviceError> {
        panic!("a source is only read")
    }

    fn flush(&self) -> Result<(), DeviceError> {
        Ok(())
    }
}

/// A database whose log has pages in an order that is not theirs, and the job that folds it.
fn folding(storage: &MemStorage) -> Job {
    let mut store: Store<MemStorage> = create(storage, small(), Some(1));
    for round in 0..8 {
        put(&mut store, (1..=120).rev().filter(|page| page % 8 == round || page % 3 == 0), u64::from(round));
    }
    assert!(store.seal_log().unwrap());
    store.fold_job().unwrap().unwrap()
}

fn source_bytes(storage: &MemStorage, job: &Job) -> Vec<Vec<u8>> {
    job.sources().iter().map(|source| storage.bytes(source.name()).unwrap()).collect()
}

/// What the job makes when everything is at hand.
fn made_at_once(storage: &MemStorage, sent: &[u8]) -> Vec<u8> {
    let job = Job::from_bytes(sent).unwrap();
    let inputs = source_bytes(storage, &job).into_iter().map(|bytes| MemDevice::new("sent", bytes)).collect();
    let output = std::sync::Arc::new(MemDevice::new("made", Vec::new()));
    let mut task = Task::new(job, inputs, std::sync::Arc::clone(&output), 1);
    let mut entropy = Seeded(9);
    while !task.step(4096, &mut entropy, &Inline).unwrap() {}
    task.finish(&mut entropy).unwrap();
    output.to_vec()
}

#[test]
fn a_step_whose_source_was_not_ready_is_repeated_and_makes_the_same() {
    let storage = MemStorage::new();
    let sent = folding(&storage).to_bytes();
    let expected = made_at_once(&storage, &sent);
    let job = Job::from_bytes(&sent).unwrap();
    let inputs = source_bytes(&storage, &job);
    // Nothing is there before it was asked for once.
    let lazy = |bytes: Vec<u8>| {
        let asked = RefCell::new(HashSet::new());
        ReadBy(move |offset, out: &mut [u8]| {
            if asked.borrow_mut().insert((offset, out.len())) {
                return Err(DeviceError::new(DeviceOp::Read, "source", offset, DeviceErrorKind::NotReady));
            }
            let start = usize::try_from(offset).unwrap();
            out.copy_from_slice(&bytes[start..start + out.len()]);
            Ok(())
        })
    };
    let inputs = inputs.into_iter().map(lazy).collect();
    let output = std::sync::Arc::new(MemDevice::new("made", Vec::new()));
    let mut task = Task::new(job, inputs, std::sync::Arc::clone(&output), 1);
    let mut entropy = Seeded(9);
    let mut refused = 0;
    loop {
        match task.step(4096, &mut entropy, &Inline) {
            Ok(true) => break,
            Ok(false) => {}
            Err(coffer_store::Error::Device(error)) if error.kind == DeviceErrorKind::NotReady => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    task.finish(&mut entropy).unwrap();
    assert!(refused > 10, "{refused} reads were refused");
    assert!(output.to_vec() == expected, "a repeated step made something else");
}

/// A range that was asked for, and its bytes.
type Piece = (ReadRange, Vec<u8>);

#[test]
fn a_task_says_beforehand_what_it_will_read() {
    let storage = MemStorage::new();
    let sent = folding(&storage).to_bytes();
    let expected = made_at_once(&storage, &sent);
    let job = Job::from_bytes(&sent).unwrap();
    let records = job.records();
    let sources = source_bytes(&storage, &job);
    let plan: Task<MemDevice, MemDevice> =
        Task::new(Job::from_bytes(&sent).unwrap(), Vec::new(), MemDevice::new("none", Vec::new()), 1);
    for window in [1, 500, 4000, u64::MAX] {
        let job = Job::from_bytes(&sent).unwrap();
        let output = std::sync::Arc::new(MemDevice::new("made", Vec::new()));
        // It has what was fetched, and nothing else.
        let fetched: RefCell<Vec<Piece>> = RefCell::default();
        let source = ReadBy(|offset: u64, out: &mut [u8]| {
            let pieces = fetched.borrow();
            let piece = pieces.iter().find_map(|(range, bytes)| {
                let start = usize::try_from(offset.checked_sub(range.offset)?).ok()?;
                bytes.get(start..start + out.len())
            });
            out.copy_from_slice(piece.expect("it was said what would be read"));
            Ok(())
        });
        let mut task = Task::new(job, vec![source], std::sync::Arc::clone(&output), 1);
        let mut entropy = Seeded(9);
        let (mut first, mut windows) = (0, 0);
        while first < records {
            let (next, ranges) = plan.ahead(first, window).unwrap();
            assert!(next > first);
            let pieces = ranges.into_iter().map(|range| {
                let start = usize::try_from(range.offset).unwrap();
                (range, sources[range.source][start..start + usize::try_from(range.bytes).unwrap()].to_vec())
            });
            fetched.replace(pieces.collect());
            task.limit(next);
            assert_eq!(task.step(1 << 20, &mut entropy, &Inline).unwrap(), next == records);
            assert_eq!(task.progress(), (next, records));
            (first, windows) = (next, windows + 1);
        }
        assert!(window == u64::MAX || windows > 1);
        task.finish(&mut entropy).unwrap();
        assert!(output.to_vec() == expected, "windows of {window} bytes made something else");
    }
}

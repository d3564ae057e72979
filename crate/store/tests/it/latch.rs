//! After a write or flush of which nobody knows the outcome nothing is written any more, and reads go on.

use coffer_store::{Commit, DeviceErrorKind, DeviceOp, Error, Inline, Storage, Store};

use crate::review::{Filling, assert_version, create_filling, write};
use crate::support::{Seeded, slot_key, small};

fn all_bytes(disk: &Filling) -> Vec<(String, Option<Vec<u8>>)> {
    disk.files.list().unwrap().into_iter().map(|name| (name.clone(), disk.files.bytes(&name))).collect()
}

fn latched(op: DeviceOp) {
    let disk = Filling::default();
    let mut store = create_filling(&disk, Some(1));
    let mut txn = store.begin();
    write(&mut txn, 1..=3, 1);
    let first = store.commit(txn, Commit::default()).unwrap();

    disk.fail("log-", op, DeviceErrorKind::Io);
    let mut txn = store.begin();
    write(&mut txn, 1..=3, 2);
    let error = store.commit(txn, Commit::default()).unwrap_err();
    let Error::Device(failed) = &error else { panic!("{error:?}") };
    assert_eq!(
        (failed.op, failed.kind, failed.file.as_str()),
        (op, DeviceErrorKind::Io, "log-0"),
        "it says what and where"
    );

    assert_version(&store, 1..=3, 1);
    let files = all_bytes(&disk);
    let mut txn = store.begin();
    write(&mut txn, 1..=1, 3);
    assert_eq!(store.commit(txn, Commit::default()), Err(Error::Poisoned));
    assert_eq!(store.checkpoint(&Inline, 1), Err(Error::Poisoned));
    assert_eq!(store.tidy(), Err(Error::Poisoned));
    assert_eq!(all_bytes(&disk), files, "not a byte was written");
    assert!(Error::Poisoned.to_string().contains("reopen"), "it says what to do");
    drop(store);

    let (mut store, _) = Store::open(disk, Box::new(Seeded(2)), small(), Some(&slot_key(1))).unwrap();
    let head = store.snapshot().commit();
    assert!(head == first || head == first.next(), "{head:?}");
    assert_version(&store, 1..=3, if head == first { 1 } else { 2 });
    let mut txn = store.begin();
    write(&mut txn, 1..=1, 4);
    store.commit(txn, Commit::default()).unwrap();
    assert_version(&store, 1..=1, 4);
}

#[test]
fn after_a_failed_write_nothing_is_written_until_it_is_opened_again() {
    latched(DeviceOp::Write);
}

#[test]
fn after_a_failed_flush_nothing_is_written_until_it_is_opened_again() {
    latched(DeviceOp::Flush);
}

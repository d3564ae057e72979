//! SQLite's small print, without SQLite: what its documentation and its pager's source demand of a file.

use std::sync::Arc;
use std::time::Duration;

use coffer_store::{MemStorage, Options, PageSize, Store};

use super::*;
use crate::core::Parts;
use crate::entropy::SystemEntropy;
use crate::settings::Settings;
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const PAGE: usize = 1024;

type TestFile = MainFile<MemStorage>;

fn database() -> Arc<Core<MemStorage>> {
    let options = Options { page_size: PageSize::new(1024).unwrap(), ..Options::default() };
    let store = Store::create(MemStorage::new(), Box::new(SystemEntropy), options, None).unwrap();
    let parts = Parts {
        name: "test".to_owned(),
        read_only: false,
        backend: "memory".to_owned(),
        threads: 1,
        cluster_bytes: 0,
        process: None,
        #[cfg(not(target_family = "wasm"))]
        key: None,
    };
    Arc::new(Core::new(store, Settings::default(), parts))
}

fn open(core: &Arc<Core<MemStorage>>) -> TestFile {
    MainFile::new(Arc::clone(core), Session::new(registry::next_id(), Duration::ZERO), true)
}

/// A first page as SQLite writes it: page size, change counter, page count.
fn first_page(change: u32, pages: u32) -> Vec<u8> {
    let mut page = vec![0x11; PAGE];
    page[16..18].copy_from_slice(&[4, 0]);
    page[18..20].copy_from_slice(&[1, 1]);
    for field in [header::CHANGE_COUNTER, header::VALID_FOR] {
        page[field].copy_from_slice(&change.to_be_bytes());
    }
    page[header::PAGE_COUNT].copy_from_slice(&pages.to_be_bytes());
    page
}

/// Writes pages and commits them, as SQLite does.
fn commit(file: &mut TestFile, change: u32, rest: &[u8]) {
    file.lock(LockLevel::Shared).unwrap();
    file.lock(LockLevel::Reserved).unwrap();
    file.lock(LockLevel::Exclusive).unwrap();
    let pages = u32::try_from(rest.len()).unwrap() + 1;
    file.write(&first_page(change, pages), 0).unwrap();
    for (index, &byte) in rest.iter().enumerate() {
        file.write(&[byte; PAGE], ((index + 1) * PAGE) as u64).unwrap();
    }
    file.control(Control::Sync).unwrap();
    file.sync().unwrap();
    file.control(Control::CommitPhaseTwo).unwrap();
    file.unlock(LockLevel::None).unwrap();
}

fn counter_shown(file: &mut TestFile) -> u32 {
    let mut bytes = [0; 16];
    file.lock(LockLevel::Shared).unwrap();
    assert_eq!(file.read(&mut bytes, 24).unwrap(), 16);
    file.unlock(LockLevel::None).unwrap();
    number(&bytes, 0..4)
}

#[test]
fn a_short_read_fills_the_rest_with_zeros() {
    let core = database();
    let mut file = open(&core);
    let mut out = [7; 100];
    assert_eq!(file.read(&mut out, 0).unwrap(), 0);
    assert_eq!(out, [0; 100]);
    commit(&mut file, 1, &[2]);
    let mut out = vec![7; 3 * PAGE];
    assert_eq!(file.read(&mut out, PAGE as u64).unwrap(), PAGE);
    assert!(out[..PAGE].iter().all(|&byte| byte == 2) && out[PAGE..].iter().all(|&byte| byte == 0));
}

#[test]
fn the_header_can_be_read_without_a_lock_or_a_page_size() {
    let core = database();
    let mut file = open(&core);
    commit(&mut file, 1, &[2]);
    let mut header = [0; 100];
    assert_eq!(file.read(&mut header, 0).unwrap(), 100);
    assert_eq!(header[16..18], [4, 0]);
    assert_eq!(file.size().unwrap(), 2 * PAGE as u64);
    assert!(file.snapshot.is_none(), "looking must not pin anything");
}

#[test]
fn each_commit_shows_its_own_change_counter_whatever_was_stored() {
    let core = database();
    let mut file = open(&core);
    // With an exclusive locking mode SQLite counts once for many commits.
    commit(&mut file, 1, &[2]);
    let first = counter_shown(&mut file);
    commit(&mut file, 1, &[3]);
    let second = counter_shown(&mut file);
    assert_ne!(first, second);
    assert_eq!(counter_shown(&mut open(&core)), second);
    core.checkpoint(crate::pragma::CheckpointMode::Full).unwrap();
    assert_eq!(counter_shown(&mut file), second, "a checkpoint is no change");
}

#[test]
fn a_first_page_goes_into_a_commit_if_more_than_its_counters_changed_or_nothing_else_did() {
    for forget in [false, true] {
        let core = database();
        let mut file = open(&core);
        let mut commit_with = |change: u32, pages: u32, rest: &[u8], expected: bool| {
            if forget {
                core.cache.clear(); // The page below comes from the store then.
            }
            file.lock(LockLevel::Shared).unwrap();
            file.lock(LockLevel::Reserved).unwrap();
            file.write(&first_page(change, pages), 0).unwrap();
            for (index, &byte) in rest.iter().enumerate() {
                file.write(&[byte; PAGE], ((index + 1) * PAGE) as u64).unwrap();
            }
            file.control(Control::Sync).unwrap();
            file.control(Control::CommitPhaseTwo).unwrap();
            file.unlock(LockLevel::None).unwrap();
            let head = core.head();
            assert_eq!(
                head.locate(FIRST).unwrap().commit == head.commit(),
                expected,
                "change {change}, forgotten: {forget}"
            );
            assert_eq!(u64::from(change), head.commit().0);
        };
        commit_with(1, 2, &[2], true);
        commit_with(2, 2, &[3], false);
        commit_with(3, 3, &[3, 4], true);
        commit_with(4, 3, &[], true);
        commit_with(5, 3, &[5], false);
    }
}

#[test]
fn the_ladder_of_locks_lets_one_write_and_everybody_read() {
    let core = database();
    let (mut one, mut two) = (open(&core), open(&core));
    one.lock(LockLevel::Shared).unwrap();
    two.lock(LockLevel::Shared).unwrap();
    one.lock(LockLevel::Reserved).unwrap();
    assert!(two.is_reserved().unwrap());
    assert_eq!(two.lock(LockLevel::Reserved), Err(Fault(ffi::SQLITE_BUSY)));
    assert_eq!(two.lock_level(), LockLevel::Shared);
    one.lock(LockLevel::Exclusive).unwrap();
    two.unlock(LockLevel::None).unwrap();
    two.lock(LockLevel::Shared).unwrap();
    one.unlock(LockLevel::Shared).unwrap();
    two.lock(LockLevel::Reserved).unwrap();
    two.unlock(LockLevel::None).unwrap();
    assert!(!one.is_reserved().unwrap());
}

#[test]
fn who_read_an_older_commit_cannot_write() {
    let core = database();
    let (mut one, mut two) = (open(&core), open(&core));
    two.lock(LockLevel::Shared).unwrap();
    commit(&mut one, 1, &[2]);
    assert_eq!(two.lock(LockLevel::Reserved), Err(Fault(ffi::SQLITE_BUSY_SNAPSHOT)));
    two.unlock(LockLevel::None).unwrap();
    two.lock(LockLevel::Shared).unwrap();
    two.lock(LockLevel::Reserved).unwrap();
}

#[test]
fn what_was_not_committed_is_gone_at_unlock() {
    let core = database();
    let mut file = open(&core);
    commit(&mut file, 1, &[2]);
    file.lock(LockLevel::Shared).unwrap();
    file.lock(LockLevel::Exclusive).unwrap();
    file.write(&[9; PAGE], PAGE as u64).unwrap();
    let mut out = [0; PAGE];
    file.read(&mut out, PAGE as u64).unwrap();
    assert_eq!(out, [9; PAGE], "a writer sees its own pages");
    file.unlock(LockLevel::None).unwrap();
    file.read(&mut out, PAGE as u64).unwrap();
    assert_eq!(out, [2; PAGE]);
}

#[test]
fn originals_written_back_are_no_commit() {
    let core = database();
    let mut file = open(&core);
    commit(&mut file, 1, &[2, 3]);
    let head = core.head().commit();
    file.lock(LockLevel::Shared).unwrap();
    file.lock(LockLevel::Exclusive).unwrap();
    let mut first = vec![0; PAGE];
    file.read(&mut first, 0).unwrap();
    file.write(&[9; PAGE], PAGE as u64).unwrap();
    file.write(&[9; PAGE], 7 * PAGE as u64).unwrap();
    // The rollback of a transaction that had spilled: originals, the old size, a sync.
    file.write(&[2; PAGE], PAGE as u64).unwrap();
    file.write(&first, 0).unwrap();
    file.truncate(3 * PAGE as u64).unwrap();
    file.control(Control::Sync).unwrap();
    file.unlock(LockLevel::None).unwrap();
    assert_eq!(core.head().commit(), head);
}

#[test]
fn the_file_is_cut_and_grown() {
    let core = database();
    let mut file = open(&core);
    commit(&mut file, 1, &[2, 3, 4]);
    // SQLite cuts after it has committed; the commit has the new size already.
    file.lock(LockLevel::Shared).unwrap();
    file.lock(LockLevel::Exclusive).unwrap();
    file.write(&first_page(2, 2), 0).unwrap();
    file.control(Control::Sync).unwrap();
    assert_eq!(core.head().page_count(), PageCount(2));
    file.truncate(2 * PAGE as u64).unwrap();
    file.control(Control::CommitPhaseTwo).unwrap();
    assert_eq!(core.head().commit(), CommitId(2));
    file.truncate(5 * PAGE as u64).unwrap();
    assert_eq!(file.size().unwrap(), 5 * PAGE as u64);
    let mut out = [1; PAGE];
    assert_eq!(file.read(&mut out, 3 * PAGE as u64).unwrap(), PAGE);
    assert_eq!(out, [0; PAGE], "what was cut off does not come back");
    file.unlock(LockLevel::None).unwrap();
    assert_eq!(file.size().unwrap(), 2 * PAGE as u64);
}

#[test]
fn pages_of_another_size_are_written_and_read_as_bytes() {
    let core = database();
    let mut file = open(&core);
    commit(&mut file, 1, &[2, 3, 4]);
    file.lock(LockLevel::Shared).unwrap();
    file.lock(LockLevel::Exclusive).unwrap();
    file.write(&[8; 512], 1024 + 512).unwrap();
    file.write(&[9; 4096], 4096).unwrap();
    let mut out = vec![0; 4096];
    file.read(&mut out, 1024).unwrap();
    let expected: Vec<u8> = [(2, 512), (8, 512), (3, 1024), (4, 1024), (9, 1024)]
        .into_iter()
        .flat_map(|(byte, count)| vec![byte; count])
        .collect();
    assert_eq!(out, expected);
}

#[test]
fn the_page_of_the_lock_byte_is_a_hole() {
    const LOCK_BYTE: u64 = 0x4000_0000;
    let core = database();
    let mut file = open(&core);
    file.lock(LockLevel::Shared).unwrap();
    file.lock(LockLevel::Exclusive).unwrap();
    file.write(&[5; PAGE], LOCK_BYTE + PAGE as u64).unwrap();
    file.control(Control::Sync).unwrap();
    file.unlock(LockLevel::None).unwrap();
    let mut out = [1; PAGE];
    assert_eq!(file.read(&mut out, LOCK_BYTE).unwrap(), PAGE);
    assert_eq!(out, [0; PAGE]);
    file.read(&mut out, LOCK_BYTE + PAGE as u64).unwrap();
    assert_eq!(out, [5; PAGE]);
}

#[test]
fn a_page_that_claims_a_write_ahead_log_is_shown_without() {
    let core = database();
    let mut file = open(&core);
    file.lock(LockLevel::Shared).unwrap();
    file.lock(LockLevel::Exclusive).unwrap();
    let mut page = first_page(1, 1);
    page[header::VERSIONS].fill(2);
    file.write(&page, 0).unwrap();
    file.control(Control::Sync).unwrap();
    file.unlock(LockLevel::None).unwrap();
    let mut header = [0; 100];
    file.read(&mut header, 0).unwrap();
    assert_eq!(header[header::VERSIONS], [1, 1]);
}

#[test]
fn a_connection_for_reading_is_told_so() {
    let core = database();
    let mut file = MainFile::new(Arc::clone(&core), Session::new(registry::next_id(), Duration::ZERO), false);
    file.lock(LockLevel::Shared).unwrap();
    assert_eq!(file.lock(LockLevel::Reserved), Err(Fault(ffi::SQLITE_READONLY)));
}

use super::*;
use crate::device_suite::{Abilities, run};

fn disk_with(bytes: &[u8]) -> (SimStorage, SimDevice) {
    let storage = SimStorage::new(1);
    let device = storage.open("a", OpenMode::Create).unwrap();
    device.write_at(0, bytes).unwrap();
    device.flush().unwrap();
    storage.flush_names().unwrap();
    (storage, device)
}

#[test]
fn the_simulated_disk_passes_the_suite() {
    assert!(run(Abilities::default(), || SimStorage::new(1)) > 20);
}

#[test]
fn unsynced_writes_die_with_the_power_and_survive_a_killed_process() {
    for (crash, expected) in [(Crash::DropAll, b"old"), (Crash::KeepAll, b"new"), (Crash::Killed, b"new")] {
        let (storage, device) = disk_with(b"old");
        device.write_at(0, b"new").unwrap();
        storage.crash(crash);
        assert_eq!(storage.bytes("a").as_deref(), Some(expected.as_slice()), "{crash:?}");
    }
}

#[test]
fn a_flushed_file_is_lost_if_its_name_was_not_flushed() {
    let storage = SimStorage::new(1);
    let device = storage.open("a", OpenMode::Create).unwrap();
    device.write_at(0, b"bytes").unwrap();
    device.flush().unwrap();
    storage.crash(Crash::DropAll);
    assert_eq!(storage.files(), []);
}

#[test]
fn a_removal_that_was_not_flushed_comes_back() {
    let (storage, _device) = disk_with(b"bytes");
    storage.remove("a").unwrap();
    assert_eq!(storage.files(), []);
    let fork = storage.fork();
    fork.crash(Crash::DropAll);
    assert_eq!(fork.bytes("a").as_deref(), Some(b"bytes".as_slice()));
    storage.flush_names().unwrap();
    storage.crash(Crash::DropAll);
    assert_eq!(storage.files(), []);
}

#[test]
fn devices_fail_for_ever_after_a_crash() {
    let (storage, device) = disk_with(b"bytes");
    storage.crash(Crash::KeepAll);
    assert!(device.read_at(0, &mut [0]).is_err());
    assert!(device.write_at(0, b"x").is_err());
    drop(device);
    assert_eq!(storage.open_devices(), 0);
    assert_eq!(storage.bytes("a").as_deref(), Some(b"bytes".as_slice()));
}

#[test]
fn the_process_dies_in_the_call_it_was_told_to() {
    let (storage, device) = disk_with(&[0; 100]);
    storage.set_faults(Faults { kill_at: Some(storage.changing_calls() + 2), ..Faults::none() });
    device.write_at(0, &[1; 100]).unwrap();
    assert!(device.write_at(0, &[2; 100]).is_err());
    assert!(storage.is_down());
    assert!(device.len().is_err());
    assert!(storage.open("a", OpenMode::Read).is_err());
    storage.crash(Crash::Killed);
    let bytes = storage.bytes("a").unwrap();
    let stored = bytes.iter().position(|&byte| byte == 1).unwrap_or(bytes.len());
    assert!(bytes[..stored].iter().all(|&byte| byte == 2) && bytes[stored..].iter().all(|&byte| byte == 1));
}

#[test]
fn torn_writes_keep_whole_sectors() {
    let mut mixed = 0;
    for seed in 0..50 {
        let (storage, device) = disk_with(&[0; 4096]);
        storage.reseed(seed);
        device.write_at(100, &[1; 3000]).unwrap();
        storage.crash(Crash::Torn { sector: 512 });
        let bytes = storage.bytes("a").unwrap();
        assert!(bytes[..100].iter().chain(&bytes[3100..]).all(|&byte| byte == 0));
        let kinds: Vec<u8> = bytes[100..3100]
            .iter()
            .enumerate()
            .filter(|(index, _)| *index == 0 || (index + 100) % 512 == 0)
            .map(|(_, &byte)| byte)
            .collect();
        for (index, &byte) in bytes[100..3100].iter().enumerate() {
            assert_eq!(byte, kinds[(index + 100) / 512]);
        }
        mixed += usize::from(kinds.contains(&0) && kinds.contains(&1));
    }
    assert!(mixed > 10);
}

#[test]
fn a_later_write_may_survive_an_earlier_one_across_files() {
    let mut reordered = 0;
    for seed in 0..50 {
        let (storage, first) = disk_with(b"-");
        let second = storage.open("b", OpenMode::Create).unwrap();
        second.write_at(0, b"-").unwrap();
        second.flush().unwrap();
        storage.flush_names().unwrap();
        storage.reseed(seed);
        first.write_at(0, b"1").unwrap();
        second.write_at(0, b"2").unwrap();
        storage.crash(Crash::Reordered);
        let state = (storage.bytes("a").unwrap(), storage.bytes("b").unwrap());
        reordered += usize::from(state == (b"-".to_vec(), b"2".to_vec()));
    }
    assert!(reordered > 10);
}

#[test]
fn a_failed_flush_may_lose_what_a_later_flush_seems_to_store() {
    let mut lost = 0;
    for seed in 0..50 {
        let (storage, device) = disk_with(b"old");
        storage.reseed(seed);
        device.write_at(0, b"new").unwrap();
        storage.set_faults(Faults { flushes: 1, ..Faults::none() });
        assert!(device.flush().is_err());
        storage.set_faults(Faults::none());
        device.flush().unwrap();
        let mut live = [0; 3];
        device.read_at(0, &mut live).unwrap();
        assert_eq!(&live, b"new");
        storage.crash(Crash::KeepAll);
        lost += usize::from(storage.bytes("a").unwrap() == b"old");
    }
    assert!(lost > 5);
}

#[test]
fn a_full_disk_stores_a_part_and_takes_more_once_space_is_given_back() {
    let (storage, device) = disk_with(&[1; 90]);
    storage.set_faults(Faults { disk_bytes: Some(100), ..Faults::none() });
    let error = device.write_at(80, &[2; 40]).unwrap_err();
    assert_eq!(error.kind, DeviceErrorKind::NoSpace);
    assert_eq!(storage.used(), 100);
    device.truncate(10).unwrap();
    device.write_at(10, &[3; 90]).unwrap();
    assert_eq!(storage.used(), 100);
    storage.remove("a").unwrap();
    assert_eq!(storage.used(), 0);
}

#[test]
fn calls_are_counted_and_recorded() {
    let (storage, device) = disk_with(b"12345");
    storage.record(true);
    device.read_at(1, &mut [0; 2]).unwrap();
    device.write_at(9, b"abc").unwrap();
    assert!(device.read_at(100, &mut [0]).is_err());
    let counters = storage.counters();
    assert_eq!((counters.writes, counters.reads), (Tally { calls: 2, bytes: 8 }, Tally { calls: 2, bytes: 3 }));
    assert_eq!((counters.flushes, counters.name_flushes, counters.failed), (1, 1, 1));
    let trace = storage.trace();
    assert_eq!(trace.len(), 3);
    assert_eq!((trace[1].op, trace[1].offset, trace[1].len), (DeviceOp::Write, 9, 3));
    assert_eq!(trace[2].failed, Some(DeviceErrorKind::ShortRead));
}

#[test]
fn damage_changes_what_it_says_and_nothing_else() {
    let (storage, _device) = disk_with(&[0xff; 10]);
    assert!(storage.damage("a", Damage::Flip { offset: 3, bit: 0 }));
    assert!(storage.damage("a", Damage::Zero { offset: 5, len: 2 }));
    assert!(!storage.damage("a", Damage::Flip { offset: 10, bit: 0 }));
    assert!(storage.damage("a", Damage::Cut { offset: 9 }));
    assert_eq!(storage.bytes("a").unwrap(), [255, 255, 255, 254, 255, 0, 0, 255, 255]);
    assert_eq!(storage.used(), 9);
}

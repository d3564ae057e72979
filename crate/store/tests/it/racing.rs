//! What a process finds that looks at a database while another one commits to it.

use std::sync::{Arc, Mutex};

use coffer_store::{Commit, Device, DeviceError, MemDevice, MemStorage, OpenMode, Storage, Store};

use crate::review::{assert_version, write};
use crate::support::{Seeded, create, small};

type Meanwhile = Arc<Mutex<Option<(usize, Box<dyn FnMut() + Send>)>>>;

/// Files, and what somebody else does right before one of the next reads.
#[derive(Clone, Default)]
struct Racing {
    files: MemStorage,
    meanwhile: Meanwhile,
}

struct RacingDevice(MemDevice, Meanwhile);

impl Storage for Racing {
    type Device = RacingDevice;

    fn open(&self, name: &str, mode: OpenMode) -> Result<RacingDevice, DeviceError> {
        Ok(RacingDevice(self.files.open(name, mode)?, Arc::clone(&self.meanwhile)))
    }

    fn list(&self) -> Result<Vec<String>, DeviceError> {
        self.files.list()
    }

    fn remove(&self, name: &str) -> Result<(), DeviceError> {
        self.files.remove(name)
    }
}

impl Device for RacingDevice {
    fn len(&self) -> Result<u64, DeviceError> {
        self.0.len()
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), DeviceError> {
        let mut meanwhile = self.1.lock().unwrap();
        if let Some((before, act)) = &mut *meanwhile {
            if *before == 0 {
                act();
                *meanwhile = None;
            } else {
                *before -= 1;
            }
        }
        self.0.read_at(offset, out)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), DeviceError> {
        self.0.write_at(offset, data)
    }

    fn truncate(&self, len: u64) -> Result<(), DeviceError> {
        self.0.truncate(len)
    }

    fn flush(&self) -> Result<(), DeviceError> {
        self.0.flush()
    }
}

fn commit(store: &mut Store<MemStorage>, version: u64) {
    let mut txn = store.begin();
    write(&mut txn, 1..=2, version);
    store.commit(txn, Commit::default()).unwrap();
}

#[test]
fn commits_between_two_looks_at_a_log_are_not_taken_for_damage() {
    let mut met = 0;
    for before in 0..8 {
        let disk = Racing::default();
        let mut writer = create(&disk.files, small(), None);
        // Zeros behind it, as logs have that grow ahead, so that commits do not change its length.
        writer.set_options(|options| options.log_ahead_bytes = 1 << 20);
        commit(&mut writer, 1);
        let (mut reader, _) = Store::open(disk.clone(), Box::new(Seeded(2)), small(), None).unwrap();
        commit(&mut writer, 2);
        let act = move || (3..6).for_each(|version| commit(&mut writer, version));
        *disk.meanwhile.lock().unwrap() = Some((before, Box::new(act)));
        reader.refresh().unwrap();
        met += usize::from(disk.meanwhile.lock().unwrap().is_none());
        *disk.meanwhile.lock().unwrap() = None;
        reader.refresh().unwrap();
        assert_version(&reader, 1..=2, if met > before { 5 } else { 2 });
    }
    assert!(met > 2, "{met} reads were met");
}

//! What a process finds that looks at a database while another one commits to it.

use coffer_store::{Commit, MemStorage, Store};

use crate::review::{Filling, assert_version, write};
use crate::support::{Seeded, create, small};

fn commit(store: &mut Store<MemStorage>, version: u64) {
    let mut txn = store.begin();
    write(&mut txn, 1..=2, version);
    store.commit(txn, Commit::default()).unwrap();
}

#[test]
fn commits_between_two_looks_at_a_log_are_not_taken_for_damage() {
    let mut met = 0;
    for before in 0..8 {
        let disk = Filling::default();
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

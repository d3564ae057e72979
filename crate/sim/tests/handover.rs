//! Two processes with one database open, as two stores on one disk: what the second finds may be what no flush of the first stored.

use coffer_sim::{Crash, Faults, Rng, SimStorage};
use coffer_store::{Commit, Options, PageNo, Scratch, Store};

const SEEDS: u64 = 40;

fn commit(store: &mut Store<SimStorage>, page: u32, byte: u8) -> Result<(), coffer_store::Error> {
    let mut txn = store.begin();
    txn.write(PageNo::new(page).unwrap(), &vec![byte; store.page_size().bytes()])?;
    store.commit(txn, Commit::default()).map(|_| ())
}

fn first_byte(store: &Store<SimStorage>, page: u32) -> Option<u8> {
    let mut out = [0];
    let found = store.snapshot().read(PageNo::new(page).unwrap(), &mut out, &mut Scratch::default()).unwrap();
    found.then_some(out[0])
}

/// The first process commits, and sees the flush of its next commit fail. The second goes on from what it finds, is told that
/// its own commit is durable, and the power goes. How many disks then had it.
fn kept(prove: bool) -> u64 {
    let mut kept = 0;
    for seed in 0..SEEDS {
        let disk = SimStorage::new(seed);
        let mut first = Store::create(disk.clone(), Box::new(Rng::new(seed)), Options::default(), None).unwrap();
        commit(&mut first, 1, 1).unwrap();
        let (mut second, _) = Store::open(disk.clone(), Box::new(Rng::new(!seed)), Options::default(), None).unwrap();
        disk.set_faults(Faults { flushes: 1, ..Faults::none() });
        assert!(commit(&mut first, 2, 2).is_err());
        disk.set_faults(Faults::none());
        drop(first);
        second.refresh().unwrap();
        if prove {
            second.prove().unwrap();
        }
        commit(&mut second, 3, 3).unwrap();
        drop(second);
        disk.crash(Crash::DropAll);
        let (after, _) = Store::open(disk, Box::new(Rng::new(seed)), Options::default(), None).unwrap();
        assert_eq!(first_byte(&after, 1), Some(1), "seed {seed}");
        kept += u64::from(first_byte(&after, 3) == Some(3));
    }
    kept
}

#[test]
fn a_commit_on_top_of_one_whose_flush_failed_in_another_process_is_durable() {
    assert_eq!(kept(true), SEEDS);
    assert!(kept(false) < SEEDS, "the disk forgets what it was to store");
}

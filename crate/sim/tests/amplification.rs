//! Write amplification: what reaches the disk over what was committed, counted by the disk itself.

use coffer_sim::{Rng, SimStorage};
use coffer_store::{Codec, Commit, Options, PageNo, PageSize, Store};

const PAGE_BYTES: u32 = 1024;
/// Frames in a log when it is folded.
const LOG_PAGES: u32 = 200;
/// The database is 50 times the log.
const DATABASE_PAGES: u32 = 50 * LOG_PAGES;

fn commit(store: &mut Store<SimStorage>, pages: impl Iterator<Item = u32>, rng: &mut Rng) {
    let mut txn = store.begin();
    let mut page = [0; PAGE_BYTES as usize];
    for number in pages {
        // Noise, so that compression neither helps nor hides anything.
        rng.bytes(&mut page);
        txn.write(PageNo::new(number).unwrap(), &page).unwrap();
    }
    store.commit(txn, Commit::default()).unwrap();
    while !store.maintain(1 << 20).unwrap().idle {}
}

#[test]
fn random_updates_of_a_database_50_times_its_log_write_less_than_6_bytes_for_one() {
    let storage = SimStorage::new(1);
    let options = Options {
        page_size: PageSize::new(PAGE_BYTES).unwrap(),
        checkpoint_pages: LOG_PAGES,
        hot: Codec::None.into(),
        cold: Codec::None.into(),
        ..Options::default()
    };
    let mut store = Store::create(storage.clone(), Box::new(Rng::new(1)), options, None).unwrap();
    let mut rng = Rng::new(2);
    for first in (1..=DATABASE_PAGES).step_by(100) {
        commit(&mut store, first..first + 100, &mut rng);
    }
    while !store.maintain(1 << 20).unwrap().idle {}
    let before = storage.counters().writes.bytes;
    let rounds = 6 * DATABASE_PAGES / 20;
    let mut draws = Rng::new(3);
    let mut most_open = 0;
    for _ in 0..rounds {
        let pages: Vec<u32> =
            (0..20).map(|_| 1 + u32::try_from(draws.below(u64::from(DATABASE_PAGES))).unwrap()).collect();
        commit(&mut store, pages.into_iter(), &mut rng);
        most_open = most_open.max(storage.open_devices());
    }
    while !store.maintain(1 << 20).unwrap().idle {}
    let written = storage.counters().writes.bytes - before;
    let committed = u64::from(rounds) * 20 * u64::from(PAGE_BYTES);
    let percent = 100 * written / committed;
    let stats = store.stats();
    println!(
        "written {written} for {committed}: {percent} percent; {} segments, {most_open} files open",
        stats.segments
    );
    assert!(percent < 600, "{percent} bytes were written for each hundred that were committed");
    assert!(most_open <= 16, "{most_open} files were open at once");
    let stored: u64 = storage.files().iter().map(|(_, bytes)| bytes).sum();
    let live = u64::from(DATABASE_PAGES * PAGE_BYTES);
    println!("{stored} bytes stored for {live} live");
    assert!(stored < 3 * live, "{stored} bytes are stored for {live}");
}

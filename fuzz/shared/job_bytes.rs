//! Jobs and results as they travel between workers, with changed bytes: they are refused or run, and what they made is
//! installed or refused.

use coffer_store::{Done, Inline, Job, MemDevice, Scratch, Storage, Store, Task};

use super::files::{Input, Kind, Seeded, edit, page, template};

const PAGES_READ: u32 = 16;

pub fn run(data: &[u8]) {
    let _ = Job::from_bytes(data);
    let _ = Done::from_bytes(data);
    let mut input = Input(data);
    let kind = Kind { single: false, ..Kind::of(input.byte()) };
    let storage = template(kind);
    let key = kind.key();
    let (mut store, _) = Store::open(storage.clone(), Box::new(Seeded(9)), kind.options(), key.as_ref()).unwrap();
    let job = if input.byte() & 1 == 0 {
        store.fold_job().unwrap()
    } else {
        store.compact_job(coffer_store::Compaction::All).unwrap()
    };
    let Some(job) = job else { return };
    let bytes = job.to_bytes().to_vec();
    let job = Job::from_bytes(&bytes).expect("what was just encoded");
    assert_eq!(job.to_bytes().as_slice(), bytes, "it travels unchanged");
    let Ok(job) = Job::from_bytes(&changed(bytes, &mut input)) else { return };
    let target = job.target();
    // A worker has copies of the sources; a name that is not there is an empty file.
    let sources = job.sources().iter().map(|source| storage.bytes(source.name()).unwrap_or_default());
    let inputs: Vec<MemDevice> = sources.map(|bytes| MemDevice::new("source", bytes)).collect();
    let output = std::sync::Arc::new(MemDevice::new(&target, Vec::new()));
    let mut task = Task::new(job, inputs, output.clone(), 2);
    let entropy = &mut Seeded(5);
    loop {
        match task.step(1 << 12, entropy, &Inline) {
            Ok(true) => break,
            Ok(false) => {}
            Err(_) => return,
        }
    }
    let Ok(done) = task.finish(entropy) else { return };
    let Ok(done) = Done::from_bytes(&changed(done.to_bytes(), &mut input)) else { return };
    // Never over a file that is there: the page that asks for a job knows which file it makes.
    if storage.list().unwrap().contains(&target) {
        return;
    }
    storage.put(&target, output.to_vec());
    let before = store.head();
    let _ = store.install(&done);
    assert_eq!(store.head(), before);
    let snapshot = store.snapshot();
    let mut raw = vec![0; store.page_size().get() as usize];
    for number in 1..=snapshot.page_count().0.min(PAGES_READ) {
        let _ = snapshot.read(page(number), &mut raw, &mut Scratch::default());
    }
}

/// The same bytes, changed as the input says.
fn changed(bytes: Vec<u8>, input: &mut Input<'_>) -> Vec<u8> {
    let storage = coffer_store::MemStorage::new();
    storage.put("message", bytes);
    edit(&storage, input);
    storage.bytes("message").unwrap_or_default()
}

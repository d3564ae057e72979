//! Damage at rest: after a clean end some bytes change, and each change must be noticed or make no difference.

use coffer_store::{DeviceErrorKind, Error, PageNo, Scratch, Store};

use super::keys::slot_key;
use super::{Runner, Step, wrong};
use crate::content::Content;
use crate::storage::{Damage, SimStorage};

/// How many damages one run tries.
const DAMAGES: u32 = 24;

/// How many pages are read after each.
const PAGES_READ_MAX: u64 = 60;

/// No opening of such a small database may ask more of the disk: hostile bytes must not make it loop.
const CALLS_MAX: u64 = 100_000;

impl Runner {
    /// Closes the store, then damages copies of what it left.
    pub(super) fn damage_at_rest(&mut self) -> Step {
        self.reopen_cleanly()?;
        self.compare_head(usize::MAX)?;
        self.txn = None;
        self.snapshots.clear();
        if let Some(store) = self.store.take()
            && let Err(error) = store.close()
        {
            wrong!("closing failed without reason: {error:?}");
        }
        for _ in 0..DAMAGES {
            let disk = self.disk.fork();
            self.steps.push_back("damage".to_string());
            // Two places at once can be the newest commit and all that bears witness of it.
            let places = if self.rng.one_in(4) { 2 + self.rng.below(3) } else { 1 };
            for _ in 0..places {
                self.damage_one(&disk);
            }
            self.summary.damages += 1;
            self.live_with(&disk, places == 1)?;
        }
        Ok(())
    }

    fn damage_one(&mut self, disk: &SimStorage) {
        let files = disk.files();
        if files.is_empty() {
            return;
        }
        let (name, len) = self.rng.pick(&files).clone();
        let near_an_end = self.rng.below(3);
        let offset = match near_an_end {
            0 => self.rng.skewed(len.max(1)),
            1 => len.saturating_sub(1 + self.rng.skewed(len.max(1))),
            _ => self.rng.below(len.max(1)),
        };
        let damage = match self.rng.below(6) {
            0 => Damage::Cut { offset },
            1 => Damage::Zero { offset: offset & !511, len: 512 << self.rng.below(4) },
            2 => Damage::Zero { offset, len: 1 + self.rng.skewed(100) },
            _ => Damage::Flip { offset, bit: u8::try_from(self.rng.below(8)).unwrap_or(0) },
        };
        self.note(|| format!("{name}: {damage:?}"));
        disk.damage(&name, damage);
    }

    fn live_with(&mut self, disk: &SimStorage, one_place: bool) -> Step {
        let calls = disk.counters().calls();
        let key = self.keys.now.slots.first().map(|(_, key)| slot_key(key));
        let opened = Store::open(disk.clone(), Box::new(self.rng.fork()), self.options.clone(), key.as_ref());
        let asked = disk.counters().calls() - calls;
        if asked > CALLS_MAX {
            wrong!("opening a damaged store took {asked} calls");
        }
        let mut store = match opened {
            Ok((store, _)) => store,
            // A manifest that was written once, with nothing beside it, counts as a creation that never ended.
            Err(Error::Device(error)) if error.kind == DeviceErrorKind::NotFound && self.model.head().0 == 0 => {
                return Ok(());
            }
            Err(Error::Device(error)) => wrong!("damage was taken for a failing device: {error:?}"),
            Err(_) => return Ok(()),
        };
        // M2: everything was flushed, and the store was told so when it was closed.
        if one_place && store.head() != self.model.head() || store.head() > self.model.head() {
            wrong!(
                "a damaged store shows {:?} and nobody noticed that {:?} is missing",
                store.head(),
                self.model.head()
            );
        }
        self.read_damaged(&store)?;
        self.write_damaged(&mut store, disk)
    }

    /// Each page is right or an error.
    fn read_damaged(&mut self, store: &Store<SimStorage>) -> Step {
        let mut scratch = Scratch::default();
        let snapshot = store.snapshot();
        let head = store.head();
        let (count, expected) = (snapshot.page_count().0, self.model.page_count(head));
        if count != expected {
            wrong!("a damaged store shows {count} pages and nobody noticed; there were {expected}");
        }
        let mut seen = vec![0; self.options.page_size.bytes()];
        let mut wanted = seen.clone();
        for turn in 0..u64::from(count).min(PAGES_READ_MAX) {
            let page = if u64::from(count) <= PAGES_READ_MAX { turn } else { self.rng.below(u64::from(count)) };
            let Some(number) = u32::try_from(page).ok().and_then(PageNo::from_index) else { continue };
            let expected = self.model.content(head, number.get());
            match snapshot.read(number, &mut seen, &mut scratch) {
                Ok(written) => {
                    wanted.fill(0);
                    if let Some(content) = expected {
                        content.fill(&mut wanted);
                    }
                    if !written && expected.is_some() || seen != wanted {
                        wrong!("a damaged store shows {number:?} with other bytes and nobody noticed");
                    }
                }
                Err(Error::Corrupt(_)) => {}
                Err(error) => wrong!("a damaged page was answered with {error:?}"),
            }
            self.summary.pages_compared += 1;
        }
        Ok(())
    }

    /// Writing on is allowed to fail, and not to panic or to lose what it acknowledges.
    fn write_damaged(&mut self, store: &mut Store<SimStorage>, disk: &SimStorage) -> Step {
        let mut txn = store.begin();
        let mut page = vec![0; self.options.page_size.bytes()];
        let content = Content::draw(&mut self.rng, 0);
        content.fill(&mut page);
        let Some(number) = PageNo::new(1) else { return Ok(()) };
        if txn.write(number, &page).is_err() {
            wrong!("writing a page in a transaction failed");
        }
        let committed = store.commit(txn, coffer_store::Commit::default());
        let _ = store.checkpoint(&coffer_store::Inline, 1);
        let _ = store.verify(|_| true);
        let Ok(commit) = committed else { return Ok(()) };
        let key = self.keys.now.slots.first().map(|(_, key)| slot_key(key));
        let again = disk.fork();
        let mut scratch = Scratch::default();
        if let Ok((store, _)) = Store::open(again, Box::new(self.rng.fork()), self.options.clone(), key.as_ref()) {
            if store.head() < commit {
                wrong!("a damaged store lost {commit:?} and nobody noticed");
            }
            let mut seen = page.clone();
            match store.snapshot().read(number, &mut seen, &mut scratch) {
                Ok(_) if seen == page => {}
                Ok(_) => wrong!("a damaged store lost a page that it acknowledged"),
                Err(_) => {}
            }
        }
        Ok(())
    }
}

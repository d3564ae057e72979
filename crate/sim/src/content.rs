//! What a page holds, as a recipe: 16 bytes in the model for up to 64 KiB on the disk.
//!
//! The recipes range from pages of zeros over rows as a table would hold them to noise, so that every way of storing a page
//! is met: as nothing, compressed well or badly, with a dictionary, as it is, or by what differs from what was there before.

use crate::rng::Rng;

/// The content of one version of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content {
    seed: u64,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Zeros,
    Runs,
    Sparse,
    Rows,
    Edited,
    Noise,
    HalfNoise,
}

const WORDS: [&str; 16] = [
    "invoice",
    "customer",
    "2026-11-20",
    "pending",
    "Aarau",
    "quantity",
    "note",
    "{\"id\":",
    "null",
    "shipped",
    "total",
    "EUR",
    "warehouse",
    "a",
    "the quick brown fox",
    "0000",
];

impl Content {
    /// Some content; `noise_in_256` is how often it cannot be compressed.
    pub fn draw(rng: &mut Rng, noise_in_256: u64) -> Self {
        let kind = if rng.below(256) < noise_in_256 {
            *rng.pick(&[Kind::Noise, Kind::Noise, Kind::HalfNoise])
        } else {
            *rng.pick(&[Kind::Rows, Kind::Edited, Kind::Edited, Kind::Runs, Kind::Sparse, Kind::Zeros])
        };
        Self { seed: rng.next(), kind }
    }

    /// Writes the content into a page.
    pub fn fill(self, page: &mut [u8]) {
        let mut rng = Rng::new(self.seed);
        match self.kind {
            Kind::Zeros => page.fill(0),
            Kind::Noise => rng.bytes(page),
            Kind::HalfNoise => {
                let (first, second) = page.split_at_mut(page.len() / 2);
                rng.bytes(first);
                second.fill(0);
            }
            Kind::Runs => {
                let mut at = 0;
                while at < page.len() {
                    let run = 1 + rng.index(700);
                    let end = (at + run).min(page.len());
                    page[at..end].fill(rng.next().to_le_bytes()[0]);
                    at = end;
                }
            }
            Kind::Sparse => {
                page.fill(0);
                for _ in 0..=rng.index(20) {
                    let at = rng.index(page.len());
                    page[at] = rng.next().to_le_bytes()[0];
                }
            }
            Kind::Rows => rows(&mut rng, page),
            // A page that everybody shares, with a few rows of its own.
            Kind::Edited => {
                rows(&mut Rng::new(0), page);
                for _ in 0..=rng.index(4) {
                    let (at, word) = (rng.index(page.len()), *rng.pick(&WORDS));
                    put(page, at, word.as_bytes());
                }
            }
        }
    }
}

fn rows(rng: &mut Rng, page: &mut [u8]) {
    let mut at = 0;
    while at < page.len() {
        let draw = rng.next();
        let word = WORDS[usize::from(draw.to_le_bytes()[0] & 15)].as_bytes();
        at = put(page, at, word);
        at = put(page, at, &draw.to_le_bytes()[1..3]);
    }
}

fn put(page: &mut [u8], at: usize, bytes: &[u8]) -> usize {
    let end = (at + bytes.len()).min(page.len());
    page[at..end].copy_from_slice(&bytes[..end - at]);
    end
}

#[cfg(test)]
mod tests {
    use coffer_store::{Commit, Options, PageNo, Store};

    use super::*;
    use crate::storage::SimStorage;

    /// Else the simulation would never meet what depends on a page's content before.
    #[test]
    fn some_pages_are_told_by_what_changed_in_them() {
        let mut rng = Rng::new(4);
        let mut store = Store::create(SimStorage::new(1), Box::new(Rng::new(1)), Options::default(), None).unwrap();
        for _ in 0..60 {
            let mut txn = store.begin();
            let mut page = vec![0; store.page_size().bytes()];
            Content::draw(&mut rng, 8).fill(&mut page);
            txn.write(PageNo::new(1).unwrap(), &page).unwrap();
            store.commit(txn, Commit::default()).unwrap();
        }
        let patches = store.stats().counters.patches;
        assert!(patches > 3, "{patches} patches");
    }

    #[test]
    fn a_recipe_always_gives_the_same_page_and_fills_all_of_it() {
        let mut rng = Rng::new(3);
        for _ in 0..100 {
            let content = Content::draw(&mut rng, 64);
            let (mut first, mut second) = (vec![1; 4096], vec![2; 4096]);
            content.fill(&mut first);
            content.fill(&mut second);
            assert_eq!(first, second);
        }
    }
}

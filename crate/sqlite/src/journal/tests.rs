//! A journal beside a plain file that is written and read in the same way.

use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

const PAGE: usize = 1024;

/// A database in a vector.
struct Pages {
    bytes: Vec<u8>,
    state: AtomicU64,
    /// Whether it is known without reading what is in it.
    cached: bool,
}

impl Originals for Pages {
    fn state_with(&self, data: &[u8], offset: u64, read: bool) -> Option<u64> {
        if !self.cached && !read {
            return None;
        }
        let start = usize::try_from(offset).unwrap();
        let same = self.bytes.get(start..start + data.len()) == Some(data);
        same.then(|| self.state.load(Ordering::Relaxed))
    }

    fn read(&self, state: u64, out: &mut [u8], offset: u64) -> Outcome<()> {
        if state != self.state.load(Ordering::Relaxed) {
            return Err(Fault(ffi::SQLITE_IOERR_READ));
        }
        let start = usize::try_from(offset).unwrap();
        out.copy_from_slice(&self.bytes[start..start + out.len()]);
        Ok(())
    }
}

fn pages(count: usize, cached: bool) -> Arc<Pages> {
    let bytes = (0..count).flat_map(|page| vec![u8::try_from(page % 256).unwrap(); PAGE]).collect();
    Arc::new(Pages { bytes, state: AtomicU64::new(1), cached })
}

struct Both {
    journal: JournalFile,
    plain: MemoryFile,
    pool: Arc<Pool>,
}

impl Both {
    fn new(pages: &Arc<Pages>) -> Self {
        let pool = Arc::new(Pool::new(u64::MAX, None));
        let journal = JournalFile::new(Arc::clone(pages) as _, Arc::clone(&pool));
        Self { journal, plain: MemoryFile::new(Arc::new(Pool::new(u64::MAX, None))), pool }
    }

    fn write(&mut self, data: &[u8], offset: usize) {
        self.journal.write(data, offset as u64).unwrap();
        self.plain.write(data, offset as u64).unwrap();
    }

    fn record(&mut self, page: u32, data: &[u8], offset: usize) -> usize {
        self.write(&page.to_be_bytes(), offset);
        self.write(data, offset + 4);
        self.write(&(page * 7).to_be_bytes(), offset + 4 + data.len());
        offset + 8 + data.len()
    }

    /// Everything is the same, read in pieces of any kind.
    fn check(&mut self) {
        let len = self.plain.size().unwrap();
        assert_eq!(self.journal.size().unwrap(), len);
        let least = if len > 100_000 { 300 } else { 1 };
        for piece in [1, 3, 4, 28, 511, 512, PAGE, PAGE + 8, 5000].into_iter().filter(|piece| *piece >= least) {
            let mut offset = 0;
            while offset < len + 10 {
                let (mut ours, mut theirs) = (vec![9; piece], vec![9; piece]);
                let there = self.journal.read(&mut ours, offset).unwrap();
                assert_eq!(there, self.plain.read(&mut theirs, offset).unwrap(), "{piece} bytes at {offset}");
                assert_eq!(ours, theirs, "{piece} bytes at {offset}");
                offset += piece as u64;
            }
        }
    }
}

#[test]
fn originals_are_noted_down_and_others_kept() {
    for (cached, held) in [(true, 0), (false, HELD_BYTES_MAX)] {
        const COUNT: u32 = 600;
        let pages = pages(COUNT as usize, cached);
        let mut both = Both::new(&pages);
        both.write(&[0xd9; 512], 0);
        let mut end = 512;
        for page in 1..=COUNT {
            let index = page as usize - 1;
            let original = pages.bytes[index * PAGE..(index + 1) * PAGE].to_vec();
            end = both.record(page, &original, end);
        }
        assert_eq!((both.journal.held_bytes, both.pool.used_bytes()), (held, 0));
        // One that is no original, one of a page that is not there, and the name that ties several journals together.
        end = both.record(3, &[77; PAGE], end);
        end = both.record(COUNT + 1, &[0; PAGE], end);
        both.write(&0x4000_0001_u32.to_be_bytes(), end);
        both.write(b"the name of another journal", end + 4);
        let in_records = if cached { 2 } else { 0 };
        assert_eq!(
            both.journal.records.len(),
            COUNT as usize + in_records,
            "what has no room there is kept beside them"
        );
        both.check();
    }
}

#[test]
fn whatever_is_written_where_is_read_again() {
    let pages = pages(12, true);
    let mut random = 88_172_645_463_325_252_u64;
    let mut below = move |end: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % end as u64).unwrap()
    };
    for _ in 0..60 {
        let mut both = Both::new(&pages);
        both.write(&[1; 512], 0);
        let mut end = 512;
        for _ in 0..40 {
            match below(10) {
                0 => {
                    let (len, offset) = (1 + below(2000), 1 + below(end + 600));
                    both.write(&vec![5; len], offset);
                    end = end.max(offset + len);
                }
                1 => {
                    let offset = 1 + below(end);
                    both.write(&[6; 4], offset);
                    end = end.max(offset + 4);
                }
                2 => {
                    let len = below(end + 100);
                    both.journal.truncate(len as u64).unwrap();
                    both.plain.truncate(len as u64).unwrap();
                    end = len.max(1);
                }
                3 => both.check(),
                choice => {
                    let page = below(12);
                    let mut data = pages.bytes[page * PAGE..(page + 1) * PAGE].to_vec();
                    if choice == 4 {
                        data[below(PAGE)] ^= 1;
                    }
                    end = both.record(u32::try_from(page).unwrap() + 1, &data, end);
                }
            }
        }
        both.check();
    }
}

#[test]
fn a_journal_of_another_transaction_is_not_read_from_this_ones_originals() {
    let pages = pages(2, true);
    let mut both = Both::new(&pages);
    both.write(&[1; 512], 0);
    both.record(1, &[0; PAGE], 512);
    let mut out = [0; PAGE];
    both.journal.read(&mut out, 516).unwrap();
    pages.state.store(2, Ordering::Relaxed);
    assert_eq!(both.journal.read(&mut out, 516), Err(Fault(ffi::SQLITE_IOERR_READ)));
    // The next journal in the same file begins anew.
    both.write(&[2; 512], 0);
    assert_eq!(both.journal.size().unwrap(), 512);
    both.record(2, &[1; PAGE], 512);
    both.journal.read(&mut out, 516).unwrap();
    assert_eq!(out, [1; PAGE]);
}

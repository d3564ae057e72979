//! What one run is like: the database's options, how much data, how often what happens. All drawn from the seed.

use coffer_store::{Cipher, Codec, CodecChoice, Options, PageSize};

use crate::operation::{Profile, Weights};
use crate::rng::Rng;
use crate::storage::Crash;

/// The character of a run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What the database is created with.
    pub options: Options,
    /// How it is encrypted at first, if it is.
    pub cipher: Option<Cipher>,
    /// Pages are drawn below this number.
    pub pages_max: u32,
    /// A transaction writes about this many pages at most at a time.
    pub write_pages_max: u64,
    /// How often a page cannot be compressed.
    pub noise_in_256: u64,
    /// How often a page is one of a few hot ones.
    pub hot_in_256: u64,
    /// How many operations.
    pub steps: u32,
    /// How often each is drawn.
    pub weights: Weights,
    /// How runs of the process end.
    pub crashes: Vec<Crash>,
    /// Snapshots held at most.
    pub snapshots_max: usize,
    /// What trouble it looks for.
    pub profile: Profile,
}

/// A database of a run has about this many bytes at most, so that thousands of runs are possible.
const DATABASE_BYTES_MAX: u64 = 8 << 20;

/// And about this many where it is damaged, so that each damage meets something.
const DAMAGED_BYTES_MAX: u64 = 512 << 10;

impl Plan {
    /// Draws a plan.
    pub fn draw(rng: &mut Rng, profile: Profile) -> Self {
        let page_size = *rng.pick(&[512, 512, 1024, 1024, 2048, 4096, 4096, 8192, 8192, 16384, 32768, 65536]);
        let bytes_max = if profile == Profile::AtRest { DAMAGED_BYTES_MAX } else { DATABASE_BYTES_MAX };
        let pages_limit = (bytes_max / u64::from(page_size)).min(4000);
        let pages_max = u32::try_from(4 + rng.skewed(pages_limit)).unwrap_or(4);
        let mut crashes: Vec<Crash> = Crash::ALL.into_iter().filter(|_| rng.one_in(2)).collect();
        if crashes.is_empty() {
            crashes = Crash::ALL.to_vec();
        }
        Self {
            options: draw_options(rng, page_size, profile),
            cipher: *rng.pick(&[None, None, Some(Cipher::Aes256Gcm), Some(Cipher::ChaCha20Poly1305)]),
            pages_max,
            write_pages_max: 1 + rng.skewed(60),
            noise_in_256: *rng.pick(&[0, 16, 64, 256]),
            hot_in_256: *rng.pick(&[0, 64, 192, 250]),
            steps: u32::try_from(rng.between(20, if profile == Profile::AtRest { 200 } else { 1200 })).unwrap_or(20),
            weights: Weights::draw(rng, profile),
            crashes,
            snapshots_max: usize::try_from(1 + rng.skewed(40)).unwrap_or(1),
            profile,
        }
    }
}

fn draw_options(rng: &mut Rng, page_size: u32, profile: Profile) -> Options {
    let page_bytes = u64::from(page_size);
    let options = Options {
        page_size: PageSize::new(page_size).unwrap_or(PageSize::DEFAULT),
        hot: draw_codec(rng),
        cold: draw_codec(rng),
        dictionary: rng.one_in(6).then(|| draw_dictionary(rng)),
        verify_on_read: profile == Profile::AtRest || !rng.one_in(4),
        checkpoint_pages: u32::try_from(1 + rng.skewed(300)).unwrap_or(1),
        log_bytes_max: if rng.one_in(4) { page_bytes * rng.between(8, 400) + 65536 } else { 1 << 30 },
        log_bytes_kept: *rng.pick(&[0, 4096, 100_000, 64 << 20]),
        segments_max: usize::try_from(rng.between(1, 10)).unwrap_or(1),
        dead_percent_max: u32::try_from(rng.between(10, 400)).unwrap_or(100),
        spill_bytes: page_bytes * rng.between(1, 100),
        ..Options::default()
    };
    // Not drawn: seeds from before there was such a thing mean what they meant.
    let log_ahead_bytes = [0, 5000, 70_000][options.segments_max % 3];
    Options { log_ahead_bytes, ..options }
}

/// Some codec at some level; the slowest levels are left to the codec's own tests.
pub fn draw_codec(rng: &mut Rng) -> CodecChoice {
    let codec = *rng.pick(&[Codec::None, Codec::Rle, Codec::Lz4, Codec::Lz4, Codec::Zstd, Codec::Zstd, Codec::Gzip]);
    let level = match codec {
        Codec::Zstd => *rng.pick(&[-7, -1, 1, 3]),
        Codec::Gzip => *rng.pick(&[1, 6]),
        Codec::None | Codec::Rle | Codec::Lz4 => 0,
    };
    CodecChoice::new(codec, level).unwrap_or(CodecChoice::NONE)
}

/// Raw bytes that pages of rows have in common.
pub fn draw_dictionary(rng: &mut Rng) -> Vec<u8> {
    let mut page = vec![0; 512 + rng.index(8000)];
    crate::content::Content::draw(rng, 0).fill(&mut page);
    // Never a header of zdict's format by accident.
    page[0] = b'-';
    page
}

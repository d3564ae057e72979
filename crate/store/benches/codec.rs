//! What each codec, level and cipher costs on pages of order rows: first a table of ratios, then criterion's timings.

use std::hint::black_box;
use std::time::Duration;

use coffer_store::{
    Cipher, CodecChoice, DataKey, Decoder, Dictionary, Encoded, Encoder, Entropy, Nonce, Salt, Subkey, crc32, train,
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const PAGES: usize = 256;
const CHOICES: [&str; 16] = [
    "none", "rle", "lz4", "gzip:1", "gzip:6", "gzip:9", "zstd:-7", "zstd:-5", "zstd:-1", "zstd:1", "zstd:3", "zstd:6",
    "zstd:9", "zstd:12", "zstd:19", "zstd:22",
];

/// A xorshift generator: the same pages in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

impl Entropy for Random {
    fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
    }
}

/// Rows of about 180 bytes, as a B-tree leaf holds them.
fn pages(page_bytes: usize, count: usize, seed: u64) -> Vec<Vec<u8>> {
    const STATES: [&str; 5] = ["pending", "paid", "shipped", "delivered", "returned"];
    const WORDS: [&str; 12] =
        ["blue", "large", "kettle", "steel", "lamp", "oak", "table", "small", "green", "chair", "garden", "hose"];
    let mut random = Random(seed | 1);
    let mut rows = Vec::new();
    let mut id = seed * 1_000_000;
    while rows.len() < page_bytes * count {
        id += 1;
        let words: Vec<&str> = (0..6).map(|_| WORDS[usize::try_from(random.next() % 12).unwrap_or(0)]).collect();
        let state = STATES[usize::try_from(random.next() % 5).unwrap_or(0)];
        let row = format!(
            "{id:010}customer-{:06}@example.com{state}{} 2026-{:02}-{:02}T{:02}:{:02}:00Z{:08x}-{:04x}{}.{:02}EUR",
            random.next() % 1_000_000,
            words.join(" "),
            random.next() % 12 + 1,
            random.next() % 28 + 1,
            random.next() % 24,
            random.next() % 60,
            random.next() & 0xffff_ffff,
            random.next() & 0xffff,
            random.next() % 500,
            random.next() % 100,
        );
        rows.extend_from_slice(row.as_bytes());
    }
    rows.chunks_exact(page_bytes).take(count).map(<[u8]>::to_vec).collect()
}

fn dictionary(page_bytes: usize) -> Dictionary {
    let samples = pages(page_bytes, 2000, 77);
    let samples: Vec<&[u8]> = samples.iter().map(Vec::as_slice).collect();
    let bytes = train(&samples, 32 << 10).expect("two thousand pages are enough to learn from");
    Dictionary::new(bytes).expect("what was trained is a dictionary")
}

fn encode_all(encoder: &mut Encoder, pages: &[Vec<u8>]) -> Vec<(Encoded, Vec<u8>)> {
    pages
        .iter()
        .map(|page| {
            let mut out = Vec::new();
            (encoder.encode(page, &mut out), out)
        })
        .collect()
}

fn codecs(criterion: &mut Criterion) {
    for page_bytes in [4096, 8192] {
        let pages = pages(page_bytes, PAGES, 1);
        let dictionary = dictionary(page_bytes);
        let mut group = criterion.benchmark_group(format!("page {page_bytes}"));
        group.throughput(Throughput::Bytes(page_bytes as u64));
        for choice in CHOICES {
            let choice: CodecChoice = choice.parse().expect("a valid choice");
            for dictionary in [None, Some(&dictionary)] {
                let mut encoder = Encoder::new(choice, dictionary);
                let stored = encode_all(&mut encoder, &pages);
                if dictionary.is_some() && !stored.iter().any(|(how, _)| how.dictionary) {
                    continue;
                }
                let name = format!("{choice}{}", if dictionary.is_some() { "+dictionary" } else { "" });
                let bytes: usize = stored.iter().map(|(_, stored)| stored.len()).sum();
                let hundredths = pages.len() * page_bytes * 100 / bytes;
                println!("ratio of {name} at {page_bytes}: {}.{:02}", hundredths / 100, hundredths % 100);

                let (mut turn, mut out) = (0, Vec::with_capacity(page_bytes));
                group.bench_function(BenchmarkId::new("encode", &name), |bencher| {
                    bencher.iter(|| {
                        turn = (turn + 1) % pages.len();
                        out.clear();
                        black_box(encoder.encode(&pages[turn], &mut out))
                    });
                });
                let (mut decoder, mut page) = (Decoder::default(), vec![0; page_bytes]);
                group.bench_function(BenchmarkId::new("decode", &name), |bencher| {
                    bencher.iter(|| {
                        turn = (turn + 1) % stored.len();
                        let (how, stored) = &stored[turn];
                        decoder.decode(how.codec, dictionary.filter(|_| how.dictionary), stored, &mut page)
                    });
                });
            }
        }
        let mut random = vec![0; page_bytes];
        Random(5).fill(&mut random);
        let mut encoder = Encoder::new("zstd:9".parse().expect("a valid choice"), None);
        let mut out = Vec::with_capacity(page_bytes);
        group.bench_function("encode/random page", |bencher| {
            bencher.iter(|| {
                out.clear();
                black_box(encoder.encode(&random, &mut out))
            });
        });
        group.finish();
    }
}

fn ciphers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("record 2730");
    let mut record = vec![0; 2730];
    group.throughput(Throughput::Bytes(2730));
    let mut entropy = Random(3);
    let data_key = DataKey::draw(&mut entropy);
    for cipher in [Cipher::Aes256Gcm, Cipher::ChaCha20Poly1305] {
        let subkey = Subkey::derive(cipher, &data_key, &Salt([1; 16]), b"bench").expect("the cipher is in this build");
        group.bench_function(BenchmarkId::new("seal", cipher), |bencher| {
            bencher.iter(|| subkey.seal(Nonce::draw(&mut entropy), b"associated data of a record", &mut record));
        });
    }
    group.bench_function("crc32", |bencher| bencher.iter(|| crc32(&[black_box(&record)])));
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(50)).measurement_time(Duration::from_millis(200)).sample_size(20);
    targets = codecs, ciphers
}
criterion_main!(benches);

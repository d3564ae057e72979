//! What all codecs promise together.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::Write;
use std::collections::BTreeSet;

use super::*;

/// A small generator (`SplitMix64`), so that every run sees the same pages.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..len.div_ceil(8)).flat_map(|_| self.next().to_le_bytes()).collect();
        bytes.truncate(len);
        bytes
    }
}

/// A page of order rows, as an app would keep them.
fn order_page(random: &mut Random, len: usize) -> Vec<u8> {
    const STATES: [&str; 5] = ["pending", "paid", "shipped", "delivered", "returned"];
    const CITIES: [&str; 6] = ["Berlin", "Lisbon", "Osaka", "Nairobi", "Quito", "Tromso"];
    let mut page = String::new();
    while page.len() < len {
        let (order, customer, sku) = (random.below(10_000_000), random.below(100_000), random.below(1 << 32));
        let (city, state) = (CITIES[random.below(CITIES.len())], STATES[random.below(STATES.len())]);
        let (euros, cents) = (random.below(900), random.below(100));
        write!(page, r#"{{"order":{order},"customer":"customer-{customer:05}","city":"{city}","state":"{state}","#)
            .unwrap();
        write!(page, r#""total":{euros}.{cents:02},"sku":"SKU-{sku:08x}"}}"#).unwrap();
    }
    page.into_bytes()[..len].to_vec()
}

/// Pages of this length that codecs find easy, hard, and odd.
fn pages(len: usize) -> Vec<Vec<u8>> {
    let mut random = Random(len as u64);
    let mut half = random.bytes(len);
    half[..len / 2].fill(0);
    let mut last = vec![0; len];
    if let Some(byte) = last.last_mut() {
        *byte = 1;
    }
    vec![
        vec![0; len],
        vec![0xff; len],
        (0..=255).cycle().take(len).collect(),
        (0..=255).flat_map(|byte| [byte; 3]).cycle().take(len).collect(),
        random.bytes(len),
        half,
        last,
        order_page(&mut random, len),
    ]
}

fn choices() -> Vec<CodecChoice> {
    ["none", "rle", "lz4", "zstd:-5", "zstd", "zstd:9", "gzip:1", "gzip"]
        .iter()
        .map(|text| text.parse().unwrap())
        .collect()
}

/// The adversarial lengths: every page size and its neighbours, and around every limit in a codec.
fn lengths() -> Vec<usize> {
    let mut lengths: BTreeSet<usize> = (0..70).collect();
    for edge in [127, 128, 129, 256, 512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536, 70_000] {
        lengths.extend(edge - 2..=edge + 2);
    }
    lengths.into_iter().collect()
}

fn round_trip(encoder: &mut Encoder, decoder: &mut Decoder, dictionary: Option<&Dictionary>, raw: &[u8]) -> usize {
    let mut out = b"before".to_vec();
    let how = encoder.encode(raw, &mut out);
    let stored = out.strip_prefix(b"before").unwrap();
    assert!(stored.len() <= raw.len());
    assert!(how.codec == Codec::None || stored.len() <= raw.len() - raw.len() / 16);
    let mut back = vec![0xaa; raw.len()];
    let dictionary = dictionary.filter(|_| how.dictionary);
    decoder.decode(how.codec, dictionary, stored, &mut back).unwrap();
    assert!(back == raw, "{encoder:?} does not bring back {} bytes", raw.len());
    stored.len()
}

#[test]
fn every_page_of_every_length_comes_back() {
    let mut decoder = Decoder::default();
    for choice in choices() {
        let mut encoder = Encoder::new(choice, None);
        for len in lengths() {
            for page in pages(len) {
                round_trip(&mut encoder, &mut decoder, None, &page);
            }
        }
    }
}

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

fn page_of(len: usize, seed: u64) -> Vec<u8> {
    order_page(&mut Random(seed), len)
}

fn trained() -> Dictionary {
    let samples: Vec<Vec<u8>> = (0..400).map(|seed| page_of(4096, seed)).collect();
    let samples: Vec<&[u8]> = samples.iter().map(Vec::as_slice).collect();
    Dictionary::new(train(&samples, 32 << 10).unwrap()).unwrap()
}

#[test]
fn ids_and_names_stand_for_one_codec_each() {
    for codec in Codec::ALL {
        assert_eq!(Codec::from_id(codec.id()), Some(codec));
        assert_eq!(codec.name().parse(), Ok(codec));
        assert_eq!(codec.require().is_ok(), codec.is_available());
    }
    assert_eq!(Codec::from_id(5), None);
    assert_eq!("LZ4".parse::<Codec>(), Err(UnknownName));
}

#[test]
fn levels_end_where_the_codecs_do() {
    let level = |codec, level| CodecChoice::new(codec, level).map(CodecChoice::level);
    for (codec, range, default) in [(Codec::Zstd, -7..=22, 3), (Codec::Gzip, 0..=9, 6)] {
        for wanted in i8::MIN..=i8::MAX {
            let expected = match wanted {
                0 => Ok(default),
                wanted if range.contains(&wanted) => Ok(wanted),
                _ => Err(Limit::Level),
            };
            assert_eq!(level(codec, wanted), expected, "{codec}:{wanted}");
        }
    }
    for codec in [Codec::None, Codec::Rle, Codec::Lz4] {
        assert_eq!(level(codec, 0), Ok(0));
        assert_eq!(level(codec, 1), Err(Limit::Level));
    }
}

#[test]
fn choices_read_what_they_print() {
    for text in ["none", "rle", "lz4", "zstd:-5", "zstd:22", "gzip:9"] {
        let choice: CodecChoice = text.parse().unwrap();
        assert_eq!(alloc::string::ToString::to_string(&choice), text);
    }
    assert_eq!("zstd".parse(), CodecChoice::new(Codec::Zstd, 3).map_err(|_| UnknownName));
    for text in ["", "zstd:", "zstd:23", "zstd:-8", "lz4:1", "gzip:10", "zstd:300", ":3", "zstd:3:3"] {
        assert_eq!(text.parse::<CodecChoice>(), Err(UnknownName), "{text}");
    }
}

#[test]
fn zeros_are_stored_as_nothing() {
    for choice in choices() {
        let mut out = Vec::new();
        let how = Encoder::new(choice, None).encode(&[0; 8192], &mut out);
        assert_eq!((how.codec, out.len()), (Codec::None, 0));
    }
}

#[test]
fn random_pages_are_recognised_and_others_are_not() {
    for seed in 0..200 {
        let mut random = Random(seed);
        for len in [512, 4096, 8192, 65_536] {
            assert!(looks_random(&random.bytes(len)), "seed {seed}, {len} bytes");
            assert!(!looks_random(&order_page(&mut random, len)));
            // Evenly spread, and repeating itself at a distance that no alignment helps to see.
            let block = random.bytes(301);
            let repeated: Vec<u8> = block.iter().copied().cycle().take(len.max(2048)).collect();
            assert!(!looks_random(&repeated), "seed {seed}, {len} bytes");
        }
    }
}

#[test]
fn what_was_encoded_before_does_not_matter() {
    for choice in choices() {
        let encode = |encoder: &mut Encoder, page: &[u8]| {
            let mut out = Vec::new();
            encoder.encode(page, &mut out);
            out
        };
        let mut used = Encoder::new(choice, None);
        for len in [512, 65_536, 4096, 8192] {
            for page in pages(len) {
                assert_eq!(encode(&mut used, &page), encode(&mut Encoder::new(choice, None), &page), "{choice}");
            }
        }
    }
}

#[test]
fn a_flipped_bit_never_panics_and_gzip_sees_it() {
    let raw = page_of(600, 1);
    let mut decoder = Decoder::default();
    for choice in choices() {
        let mut stored = Vec::new();
        let how = Encoder::new(choice, None).encode(&raw, &mut stored);
        let mut out = vec![0; raw.len()];
        for bit in 0..stored.len() * 8 {
            stored[bit / 8] ^= 1 << (bit % 8);
            let result = decoder.decode(how.codec, None, &stored, &mut out);
            // What is harmless (time, hint and system in the header, padding after the last block) gives the same page.
            assert!(how.codec != Codec::Gzip || result.is_err() || out == raw, "bit {bit}");
            stored[bit / 8] ^= 1 << (bit % 8);
        }
        for end in 1..stored.len() {
            assert_eq!(decoder.decode(how.codec, None, &stored[..end], &mut out), Err(What::RecordContent));
        }
        stored.push(0);
        assert_eq!(decoder.decode(how.codec, None, &stored, &mut out), Err(What::RecordContent), "{choice}");
        stored.pop();
        for len in [0, 1, raw.len() - 1, raw.len() + 1] {
            let mut out = vec![0; len];
            assert_eq!(decoder.decode(how.codec, None, &stored, &mut out), Err(What::RecordContent), "{choice}");
        }
        assert_eq!(decoder.decode(how.codec, None, &stored, &mut out), Ok(()));
        assert_eq!(out, raw);
    }
}

#[test]
fn hostile_bytes_never_panic() {
    let mut random = Random(7);
    let mut decoder = Decoder::default();
    let dictionary = Dictionary::new(page_of(2000, 3)).unwrap();
    let mut seeds = Vec::new();
    for choice in choices() {
        for page in pages(1024) {
            let mut out = Vec::new();
            let how = Encoder::new(choice, None).encode(&page, &mut out);
            seeds.push((how.codec, out));
        }
    }
    let mut accepted = 0;
    for round in 0..100_000 {
        let (codec, stored) = if round % 2 == 0 {
            let len = random.below(80);
            (Codec::ALL[random.below(Codec::ALL.len())], random.bytes(len))
        } else {
            let (codec, mut stored) = seeds[random.below(seeds.len())].clone();
            for _ in 0..=random.below(4) {
                if let Some(last) = stored.len().checked_sub(1) {
                    let place = random.below(last + 1);
                    stored[place] = random.next().to_le_bytes()[0];
                }
            }
            (codec, stored)
        };
        let mut out = vec![0; [0, 512, 1024, 4096][random.below(4)]];
        let dictionary = (round % 3 == 0).then_some(&dictionary);
        accepted += usize::from(decoder.decode(codec, dictionary, &stored, &mut out).is_ok());
    }
    // Some changes are harmless or unseen; a decoder that refused everything would be broken too.
    assert!((100..60_000).contains(&accepted), "{accepted}");
}

#[test]
fn a_dictionary_improves_small_pages() {
    let dictionary = trained();
    let mut decoder = Decoder::default();
    // The fastest levels hardly look for matches, so they find less of the dictionary.
    for (level, percent) in [(-5, 95), (1, 90), (3, 90), (9, 90), (19, 90)] {
        let choice = CodecChoice::new(Codec::Zstd, level).unwrap();
        let (mut with, mut without) = (Encoder::new(choice, Some(&dictionary)), Encoder::new(choice, None));
        let (mut sum_with, mut sum_without) = (0, 0);
        for seed in 10_000..10_050 {
            let page = page_of(4096, seed);
            sum_with += round_trip(&mut with, &mut decoder, Some(&dictionary), &page);
            sum_without += round_trip(&mut without, &mut decoder, None, &page);
        }
        assert!(sum_with * 100 < sum_without * percent, "level {level}: {sum_with} with, {sum_without} without");
    }
}

#[test]
fn a_frame_needs_its_own_dictionary_and_does_not_name_it() {
    let dictionary = trained();
    let other = Dictionary::new(page_of(4096, 99)).unwrap();
    let page = page_of(4096, 77_777);
    let mut stored = Vec::new();
    let how = Encoder::new(Codec::Zstd.into(), Some(&dictionary)).encode(&page, &mut stored);
    assert!(how.dictionary);
    // The two lowest bits of the frame's descriptor say how long the dictionary id is; bit 2 asks for a checksum.
    assert_eq!((&stored[..4], stored[4] & 7), (&[0x28, 0xb5, 0x2f, 0xfd][..], 0));
    let mut out = vec![0; 4096];
    let mut decoder = Decoder::default();
    for wrong in [None, Some(&other)] {
        let read = decoder.decode(Codec::Zstd, wrong, &stored, &mut out);
        assert!(read.is_err() || out != page);
    }
    assert_eq!(decoder.decode(Codec::Zstd, Some(&dictionary), &stored, &mut out), Ok(()));
    assert_eq!(out, page);
}

#[test]
fn raw_content_is_a_dictionary_too() {
    let page = page_of(4096, 5);
    let dictionary = Dictionary::new(page.clone()).unwrap();
    let mut encoder = Encoder::new(Codec::Zstd.into(), Some(&dictionary));
    assert!(round_trip(&mut encoder, &mut Decoder::default(), Some(&dictionary), &page) < 64);
    assert_eq!(dictionary.id(), crc32(&[&page]));
    assert_eq!(alloc::format!("{dictionary:?}"), alloc::format!("Dictionary(4096 bytes, {:08x})", crc32(&[&page])));
}

#[test]
fn dictionaries_have_limits() {
    assert_eq!(Dictionary::new(Vec::new()), Err(Limit::Dictionary));
    assert_eq!(Dictionary::new(vec![1; Dictionary::BYTES_MAX + 1]), Err(Limit::Dictionary));
    assert!(Dictionary::new(vec![1; Dictionary::BYTES_MAX]).is_ok());
    assert!(Dictionary::new(vec![1]).is_ok());
    let mut broken = trained().bytes()[..64].to_vec();
    assert_eq!(Dictionary::new(broken.clone()), Err(Limit::Dictionary));
    broken.fill(0xff);
    assert!(Dictionary::new(broken).is_ok());
}

#[test]
fn every_prefix_of_a_dictionary_is_one_or_is_refused() {
    let bytes = trained().bytes().to_vec();
    let page = page_of(4096, 8);
    for len in (1..600).chain([bytes.len() - 1]) {
        if let Ok(dictionary) = Dictionary::new(bytes[..len].to_vec()) {
            let mut encoder = Encoder::new(Codec::Zstd.into(), Some(&dictionary));
            round_trip(&mut encoder, &mut Decoder::default(), Some(&dictionary), &page);
        }
    }
}

#[test]
fn training_is_deterministic_and_wants_enough() {
    assert_eq!(trained(), trained());
    let page = page_of(4096, 1);
    assert_eq!(train(&[], 1 << 16), None);
    assert_eq!(train(&[&page[..]; 7], 1 << 16), None);
    assert_eq!(train(&[&page[..100]; 10], 1 << 16), None);
    assert_eq!(train(&[&page[..]; 100], 255), None);
    assert_eq!(train(&[&[][..]; 100], 1 << 16), None);
    for odd in [vec![0; 4096], Random(1).bytes(4096)] {
        if let Some(dictionary) = train(&[&odd[..]; 100], 1 << 14) {
            assert!(dictionary.len() <= 1 << 14);
            assert!(Dictionary::new(dictionary).is_ok());
        }
    }
}

#[test]
fn dictionaries_are_shared_between_threads() {
    fn is_shareable<T: Send + Sync>() {}
    fn can_move<T: Send>() {}
    is_shareable::<Dictionary>();
    can_move::<Encoder>();
    can_move::<Decoder>();
    let dictionary = trained();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let dictionary = dictionary.clone();
            scope.spawn(move || {
                for level in [1, 3, 5] {
                    let choice = CodecChoice::new(Codec::Zstd, level).unwrap();
                    let mut encoder = Encoder::new(choice, Some(&dictionary));
                    for seed in 0..20 {
                        let page = page_of(4096, thread * 1000 + seed);
                        round_trip(&mut encoder, &mut Decoder::default(), Some(&dictionary), &page);
                    }
                }
            });
        }
    });
}

/// zlib's port to Rust shares no code with our inflater.
#[test]
fn gzip_members_are_read_by_others_and_theirs_by_us() {
    use std::io::Read;
    for page in pages(8192) {
        let mut stored = Vec::new();
        let how = Encoder::new(Codec::Gzip.into(), None).encode(&page, &mut stored);
        if how.codec == Codec::Gzip {
            let mut read = Vec::new();
            flate2::read::GzDecoder::new(&stored[..]).read_to_end(&mut read).unwrap();
            assert_eq!(read, page);
        }
        let mut theirs = Vec::new();
        flate2::read::GzEncoder::new(&page[..], flate2::Compression::best()).read_to_end(&mut theirs).unwrap();
        let mut out = vec![1; page.len()];
        assert_eq!(Decoder::default().decode(Codec::Gzip, None, &theirs, &mut out), Ok(()));
        assert_eq!(out, page);
    }
}

/// The first byte of a block header: 27 bytes << 3 | one repeated byte << 1 | last block.
const RLE_BLOCK: u8 = 27 << 3 | 1 << 1 | 1;

#[test]
fn known_lz4_block_and_zstd_frame() {
    let mut out = [0; 27];
    // One literal run of 7, then a match of 15 at distance 7, then the last 5 literals: by hand from the block format.
    let block = b"\x7bcoffer \x07\x00\x50offer";
    assert_eq!(Decoder::default().decode(Codec::Lz4, None, block, &mut out), Ok(()));
    assert_eq!(&out, b"coffer coffer coffer coffer");
    // A frame of one RLE block, by hand from RFC 8878: magic, descriptor, window, block header, byte.
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0, 0, RLE_BLOCK, 0, 0, b'c'];
    assert_eq!(Decoder::default().decode(Codec::Zstd, None, &frame, &mut out), Ok(()));
    assert_eq!(&out, &[b'c'; 27]);
}

/// Z2: what window a frame asks for is no reason to allocate one, nor to refuse the page.
#[test]
fn a_window_of_gigabytes_costs_nothing() {
    let mut decoder = Decoder::default();
    for (window, expected) in [(21 << 3, Ok(())), (0xff, Err(What::RecordContent))] {
        let frame = [0x28, 0xb5, 0x2f, 0xfd, 0, window, RLE_BLOCK, 0, 0, b'c'];
        let mut out = [0; 27];
        assert_eq!(decoder.decode(Codec::Zstd, None, &frame, &mut out), expected, "window {window:#x}");
        assert!(expected.is_err() || out == [b'c'; 27]);
    }
}

//! The two codecs whose framing is ours: what decodes, encodes and decodes to the same page.
#![no_main]

use coffer_store::{Codec, Decoder, Encoder, crc32};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (bool, u16, Vec<u8>)| {
    let (gzip, len, mut stored) = input;
    let mut page = vec![0xaa; usize::from(len)];
    let mut decoder = Decoder::default();
    let codec = if gzip { Codec::Gzip } else { Codec::Rle };
    if gzip {
        // Spare the fuzzer the header and the length, which it could only find by chance.
        stored.splice(0..0, [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
        let mut member = stored.clone();
        member.extend_from_slice(&crc32(&[]).to_le_bytes());
        member.extend_from_slice(&u32::from(len).to_le_bytes());
        // The first try inflates and fails on the checksum; the second has the right one.
        let _ = decoder.decode(codec, None, &member, &mut page);
        stored.extend_from_slice(&crc32(&[&page]).to_le_bytes());
        stored.extend_from_slice(&u32::from(len).to_le_bytes());
    }
    if decoder.decode(codec, None, &stored, &mut page).is_ok() {
        let mut again = Vec::new();
        let how = Encoder::new(codec.into(), None).encode(&page, &mut again);
        let mut back = vec![0x55; page.len()];
        decoder.decode(how.codec, None, &again, &mut back).unwrap();
        assert!(back == page);
    }
});

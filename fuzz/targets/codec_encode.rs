//! Any page, any codec, any level, with and without a dictionary: it comes back.
#![no_main]

use coffer_store::{Codec, CodecChoice, Decoder, Dictionary, Encoder};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, i8, Option<Vec<u8>>, u8, Vec<u8>)| {
    let (codec, level, dictionary, repeat, seed) = input;
    let Some(codec) = Codec::from_id(codec % 5) else { return };
    let Ok(choice) = CodecChoice::new(codec, level % 20).or_else(|_| CodecChoice::new(codec, 0)) else { return };
    let dictionary = dictionary.and_then(|bytes| Dictionary::new(bytes).ok());
    let page = seed.repeat(usize::from(repeat % 32) + 1);
    let mut stored = Vec::new();
    let how = Encoder::new(choice, dictionary.as_ref()).encode(&page, &mut stored);
    assert!(stored.len() <= page.len());
    let mut out = vec![0xaa; page.len()];
    Decoder::default().decode(how.codec, dictionary.as_ref().filter(|_| how.dictionary), &stored, &mut out).unwrap();
    assert!(out == page);
});

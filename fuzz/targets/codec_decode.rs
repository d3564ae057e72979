//! Any stored bytes, any codec, any page length, with and without a dictionary.
#![no_main]

use coffer_store::{Codec, Decoder, Dictionary};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, u16, Option<Vec<u8>>, Vec<u8>)| {
    let (codec, len, dictionary, stored) = input;
    let Some(codec) = Codec::from_id(codec % 5) else { return };
    let dictionary = dictionary.and_then(|bytes| Dictionary::new(bytes).ok());
    let mut out = vec![0xaa; usize::from(len)];
    let mut again = vec![0x55; usize::from(len)];
    let mut decoder = Decoder::default();
    let result = decoder.decode(codec, dictionary.as_ref(), &stored, &mut out);
    // A decoder that was used before answers as a new one does.
    assert_eq!(decoder.decode(codec, dictionary.as_ref(), &stored, &mut again), result);
    if result.is_ok() {
        assert!(out == again, "every byte of the page comes from what was stored");
    }
});

//! Any bytes to each decoder of the format by itself; the first byte says which. A unit test of that module replays the seeds.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some((which, bytes)) = data.split_first() {
        coffer_store::decoders::decode(*which, bytes);
    }
});

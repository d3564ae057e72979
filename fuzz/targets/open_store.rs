//! See `shared/open_store.rs`, which a plain test runs too.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../shared/files.rs"]
mod files;
#[path = "../shared/open_store.rs"]
mod open_store;

fuzz_target!(|data: &[u8]| open_store::run(data));

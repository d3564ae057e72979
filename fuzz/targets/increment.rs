//! See `shared/increment.rs`, which a plain test runs too.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../shared/files.rs"]
mod files;
#[path = "../shared/increment.rs"]
mod increment;

fuzz_target!(|data: &[u8]| increment::run(data));

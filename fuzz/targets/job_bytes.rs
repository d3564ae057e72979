//! See `shared/job_bytes.rs`, which a plain test runs too.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../shared/files.rs"]
mod files;
#[path = "../shared/job_bytes.rs"]
mod job_bytes;

fuzz_target!(|data: &[u8]| job_bytes::run(data));

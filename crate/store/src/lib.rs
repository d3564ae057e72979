//! The storage engine of Coffer.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

//! The engine from outside, in one binary.

mod basics;
mod support;

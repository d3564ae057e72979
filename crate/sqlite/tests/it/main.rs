//! SQLite on the store, from outside: one binary, one claim a test. What needs neither files nor threads can run as wasm, in a
//! browser's worker (`scripts/wasm-test.mjs`): there `#[test]` is wasm-bindgen's.
#![allow(missing_docs)]

#[cfg(not(target_family = "wasm"))]
mod backends;
#[cfg(not(target_family = "wasm"))]
mod basics;
#[cfg(not(target_family = "wasm"))]
mod chores;
mod dialect;
mod differential;
#[cfg(not(target_family = "wasm"))]
mod logs;
#[cfg(not(target_family = "wasm"))]
mod processes;
mod simulated;
#[cfg(not(target_family = "wasm"))]
mod threads;

#[cfg(target_family = "wasm")]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_dedicated_worker);

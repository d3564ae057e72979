//! The generic suite of backends, for a page that tests a browser's storage with it (tests/browser/devices.test.mjs). Not in what is
//! published: it comes with the feature `suite`.

use coffer_sim::device_suite::{Abilities, run_async};
use js_sys::{Array, Function, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use crate::files::Files;

/// Runs every claim and gives how many held; a claim that does not hold panics. `fresh(files)` is awaited with empty `Files`
/// before each claim, and `prepare(files, names)` before each step.
#[wasm_bindgen(js_name = deviceSuite)]
pub async fn device_suite(fresh: Function, prepare: Function, files_max: usize, offset_max: f64) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a test gives a small whole number")]
    let offset_max = offset_max as u64;
    let abilities = Abilities { shares_files: true, removes_open_files: true, offset_max, files_max };
    let begin = async || {
        let files = Files::new();
        wait(fresh.call1(&JsValue::NULL, &files.clone().into())).await;
        files
    };
    let make_ready = async |files: &Files, names: &[String]| {
        let names: Array = names.iter().map(|name| JsValue::from_str(name)).collect();
        wait(prepare.call2(&JsValue::NULL, &files.clone().into(), &names)).await;
    };
    run_async(abilities, begin, make_ready).await
}

async fn wait(called: Result<JsValue, JsValue>) {
    let promise: Promise = called.expect("the test's own function must not throw").unchecked_into();
    if let Err(error) = JsFuture::from(promise).await {
        panic!("the test's own function must not fail: {error:?}");
    }
}

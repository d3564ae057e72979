//! Errors and small structs as the plain objects JavaScript gets; `js/src/error.ts` makes its error class from them.

use coffer_sqlite::Error;
use coffer_sqlite::coffer_store::{DeviceErrorKind, Error as StoreError, Limit};
use serde::Serialize;
use wasm_bindgen::JsValue;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure<'a> {
    code: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    result_code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sql: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u32>,
}

/// The object that a failed call throws.
pub fn thrown(error: &Error) -> JsValue {
    plain(&Failure {
        code: if is_not_ready(error) { "not_ready" } else { error.code.name() },
        message: &error.message,
        result_code: error.result_code,
        sql: error.sql.as_deref(),
        offset: error.offset,
    })
}

/// Whether something has to be waited for first, a file to be opened or a job to come back: the worker's business, and never
/// the page's.
fn is_not_ready(error: &Error) -> bool {
    let lacks =
        |error: &StoreError| matches!(error, StoreError::Device(device) if device.kind == DeviceErrorKind::NotReady);
    is_job_out(error) || error.store.as_deref().is_some_and(lacks)
}

/// Whether a job that is in another worker has to come back first.
pub fn is_job_out(error: &Error) -> bool {
    matches!(error.store.as_deref(), Some(StoreError::Limit(Limit::JobOut)))
}

/// A small struct as a plain object; 64-bit integers become bigints, so none loses digits, and bytes a `Uint8Array`.
pub fn plain(value: &impl Serialize) -> JsValue {
    let serializer = serde_wasm_bindgen::Serializer::json_compatible()
        .serialize_large_number_types_as_bigints(true)
        .serialize_bytes_as_arrays(false);
    value.serialize(&serializer).expect("a struct of numbers and strings always serialises")
}

/// A result as wasm-bindgen wants it.
pub fn told<T>(result: Result<T, Error>) -> Result<T, JsValue> {
    result.map_err(|error| thrown(&error))
}

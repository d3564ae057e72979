//! Errors as the plain objects JavaScript gets; `js/src/error.ts` makes its error class from them.

use coffer_sqlite::Error;
use coffer_sqlite::coffer_store::{DeviceErrorKind, Error as StoreError, Limit};
use wasm_bindgen::JsValue;

use crate::object::Plain;

/// The object that a failed call throws.
pub fn thrown(error: &Error) -> JsValue {
    Plain::new()
        .with("code", if is_not_ready(error) { "not_ready" } else { error.code.name() })
        .with("message", error.message.as_str())
        .with_some("resultCode", error.result_code)
        .with_some("sql", error.sql.as_deref())
        .with_some("offset", error.offset)
        .into()
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

/// A result as wasm-bindgen wants it.
pub fn told<T>(result: Result<T, Error>) -> Result<T, JsValue> {
    result.map_err(|error| thrown(&error))
}

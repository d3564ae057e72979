//! What can be told of a database or a backup without its key.

use coffer_sqlite::coffer_store::{FORMAT_VERSION, peek};
use js_sys::Array;
use wasm_bindgen::prelude::*;

use crate::failure::told;
use crate::files::Files;
use crate::object::Plain;

/// Reads the root of a database in these files; with `base`, a backup of that name:
/// `{ formatVersion, pageSize, cipher, slots: [{ slot, kind, parameters }] }`.
#[wasm_bindgen]
#[allow(clippy::needless_pass_by_value, reason = "what comes from JavaScript comes as a value")]
pub fn inspect(files: &Files, base: Option<String>) -> Result<JsValue, JsValue> {
    let peek = told(peek(files, base.as_deref()).map_err(coffer_sqlite::Error::from))?;
    let slots: Array = peek
        .slots
        .iter()
        .map(|slot| {
            Plain::new()
                .with("slot", slot.number())
                .with("kind", slot.kind().name())
                // Salt and costs, or a wrapped key.
                .with_bytes("parameters", slot.parameters())
        })
        .map(JsValue::from)
        .collect();
    Ok(Plain::new()
        .with("formatVersion", FORMAT_VERSION)
        .with("pageSize", peek.page_size.get())
        .with("cipher", peek.cipher.name())
        .with("slots", slots)
        .into())
}

//! What can be told of a database or a backup without its key.

use coffer_sqlite::coffer_store::{FORMAT_VERSION, peek};
use serde::Serialize;
use wasm_bindgen::prelude::*;

use crate::failure::{plain, told};
use crate::files::Files;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Inspected {
    format_version: u16,
    page_size: u32,
    cipher: &'static str,
    slots: Vec<Slot>,
}

#[derive(Serialize)]
struct Slot {
    #[serde(rename = "slot")]
    number: u8,
    kind: &'static str,
    /// Salt and costs, or a wrapped key.
    #[serde(serialize_with = "as_bytes")]
    parameters: Vec<u8>,
}

fn as_bytes<S: serde::Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
}

/// Reads the root of a database in these files; with `base`, a backup of that name.
#[wasm_bindgen]
#[allow(clippy::needless_pass_by_value, reason = "what comes from JavaScript comes as a value")]
pub fn inspect(files: &Files, base: Option<String>) -> Result<JsValue, JsValue> {
    let peek = told(peek(files, base.as_deref()).map_err(coffer_sqlite::Error::from))?;
    let slots = peek.slots.iter().map(|slot| Slot {
        number: slot.number(),
        kind: slot.kind().name(),
        parameters: slot.parameters().to_vec(),
    });
    Ok(plain(&Inspected {
        format_version: FORMAT_VERSION,
        page_size: peek.page_size.get(),
        cipher: peek.cipher.name(),
        slots: slots.collect(),
    }))
}

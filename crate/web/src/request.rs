//! What workers of several tabs need to agree on: which requests were committed, as of which commit they speak, whose key opens the database.
//!
//! A request is named by its caller (two numbers of 32 bits) and the caller's own number for it. Number 0 names nothing.

use coffer_sqlite::check_key as check;
use coffer_sqlite::coffer_store::RequestId;
use wasm_bindgen::prelude::*;
use zeroize::Zeroizing;

use crate::connection::WebConnection;
use crate::database::WebDatabase;
use crate::failure::thrown;
use crate::options::Secret;

fn request(caller_high: u32, caller_low: u32, number: f64) -> RequestId {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "numbers of requests are counted up from 1, below 2^53"
    )]
    let number = number as u64;
    if number == 0 {
        return RequestId::NONE;
    }
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&caller_high.to_be_bytes());
    bytes[4..8].copy_from_slice(&caller_low.to_be_bytes());
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    RequestId(bytes)
}

#[wasm_bindgen(js_class = Connection)]
impl WebConnection {
    /// Names the commits that are made from now on, until another name is set.
    #[wasm_bindgen(js_name = setRequest)]
    pub fn set_request(&self, caller_high: u32, caller_low: u32, number: f64) {
        self.connection.set_request_of_all(request(caller_high, caller_low, number));
    }
}

#[wasm_bindgen(js_class = Database)]
impl WebDatabase {
    /// The last commit that a request made, if there is one and it is recent.
    #[wasm_bindgen(js_name = findRequest)]
    pub fn find_request(&self, caller_high: u32, caller_low: u32, number: f64) -> Result<Option<u64>, JsValue> {
        let found = self.database.find_request(request(caller_high, caller_low, number));
        found.map(|commit| commit.map(|commit| commit.0)).map_err(|error| thrown(&error))
    }

    /// The newest commit.
    pub fn head(&self) -> u64 {
        self.database.head().0
    }
}

/// Whether a key opens the database that has this root: returns, or throws what opening would.
#[wasm_bindgen(js_name = checkKey)]
pub fn check_key(
    manifest: Vec<u8>,
    kind: &str,
    secret: Option<Vec<u8>>,
    wrapped: Option<Vec<u8>>,
) -> Result<(), JsValue> {
    let secret = secret.map(|bytes| Secret { bytes: Zeroizing::new(bytes), wrapped });
    let key = secret.map(|secret| secret.into_key(kind)).transpose();
    key.and_then(|key| check(manifest, key.as_ref())).map_err(|error| thrown(&error))
}

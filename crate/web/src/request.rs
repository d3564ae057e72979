//! What workers of several tabs need to agree on: which requests were committed, as of which commit they speak, whose key opens the database.
//!
//! A request is named by its caller (two numbers of 32 bits) and the caller's own number for it. Number 0 names nothing. One commit may be of
//! several requests with successive numbers; its name is then that of the last and says how many there are.

use coffer_sqlite::check_key as check;
use coffer_sqlite::coffer_store::RequestId;
use wasm_bindgen::prelude::*;
use zeroize::Zeroizing;

use crate::connection::WebConnection;
use crate::database::WebDatabase;
use crate::failure::thrown;
use crate::options::Secret;
use crate::wiping::wiping;

/// Six bytes of a name are the number, and two say how many requests before that one it stands for as well.
const NUMBER: std::ops::Range<usize> = 8..14;

fn request(caller_high: u32, caller_low: u32, number: f64, count: u16) -> RequestId {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "numbers of requests are counted up from 1, below 2^48"
    )]
    let number = number as u64;
    if number == 0 {
        return RequestId::NONE;
    }
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&caller_high.to_be_bytes());
    bytes[4..8].copy_from_slice(&caller_low.to_be_bytes());
    bytes[8..].copy_from_slice(&(number << 16 | u64::from(count.saturating_sub(1))).to_be_bytes());
    RequestId(bytes)
}

/// Whether the commit of a request is that of another, which is no later.
fn stands_for(RequestId(named): RequestId, RequestId(asked): RequestId) -> bool {
    let number = |bytes: &[u8; 16]| bytes[NUMBER].iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte));
    let before = u64::from(u16::from_be_bytes([named[14], named[15]]));
    named[..NUMBER.start] == asked[..NUMBER.start] && number(&named) - number(&asked) <= before
}

#[wasm_bindgen(js_class = Connection)]
impl WebConnection {
    /// Names the commits that are made from now on, until another name is set: by the request of this number and those before it, `count` in
    /// all.
    #[wasm_bindgen(js_name = setRequest)]
    pub fn set_request(&self, caller_high: u32, caller_low: u32, number: f64, count: u16) {
        self.connection.set_request_of_all(request(caller_high, caller_low, number, count));
    }
}

#[wasm_bindgen(js_class = Database)]
impl WebDatabase {
    /// The last commit that a request made, if there is one and it is recent.
    #[wasm_bindgen(js_name = findRequest)]
    pub fn find_request(&self, caller_high: u32, caller_low: u32, number: f64) -> Result<Option<u64>, JsValue> {
        let asked = request(caller_high, caller_low, number, 1);
        let found = self.database.next_request(asked).map_err(|error| thrown(&error))?;
        Ok(found.filter(|&(named, _)| stands_for(named, asked)).map(|(_, commit)| commit.0))
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
    wiping(|| {
        let key = secret.map(|secret| secret.into_key(kind)).transpose()?;
        check(manifest, key.as_ref())
    })
    .map_err(|error| thrown(&error))
}

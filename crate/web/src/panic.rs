//! The last words of a panic.
//!
//! wasm has no unwinding here: a panic ends in a trap that says only `unreachable`. The hook runs before it, so the worker can tell the page
//! what happened (`worker_lost`) and be replaced.

use js_sys::Function;
use wasm_bindgen::prelude::*;

/// Calls `listener(message)` when Rust code panics, just before the trap.
#[wasm_bindgen(js_name = onPanic)]
pub fn on_panic(listener: Function) {
    let listener = Listener(listener);
    std::panic::set_hook(Box::new(move |info| listener.tell(&info.to_string())));
}

struct Listener(Function);

impl Listener {
    fn tell(&self, message: &str) {
        // Whatever the listener throws, the panic is the news; there is nobody left to tell about a second failure.
        let _ = self.0.call1(&JsValue::NULL, &JsValue::from_str(message));
    }
}

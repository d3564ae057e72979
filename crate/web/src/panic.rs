//! The last words of the engine.
//!
//! wasm has no unwinding here: a panic ends in a trap that says only `unreachable`. What there are words for is told before it, so the worker
//! can tell the page what happened (`worker_lost`) and be replaced. A development build has words for every panic; what ships has them for
//! what a user can do something about, and scripts/wasm.mjs leaves a list of functions by the numbers that a trap names.

use std::cell::RefCell;

use js_sys::Function;
use wasm_bindgen::prelude::*;

thread_local! {
    static LISTENER: RefCell<Option<Function>> = const { RefCell::new(None) };
}

/// Calls `listener(message)` just before the trap, where there is a message.
#[wasm_bindgen(js_name = onPanic)]
pub fn on_panic(listener: Function) {
    LISTENER.with(|slot| *slot.borrow_mut() = Some(listener));
    coffer_sqlite::on_fatal(tell);
    std::panic::set_hook(Box::new(|info| tell(&info.to_string())));
}

fn tell(message: &str) {
    LISTENER.with(|slot| {
        if let Some(listener) = slot.borrow().as_ref() {
            // Whatever the listener throws, the end is the news; there is nobody left to tell about a second failure.
            let _ = listener.call1(&JsValue::NULL, &JsValue::from_str(message));
        }
    });
}

//! Small structs as plain objects, and plain objects as small structs.
//!
//! By hand, field by field: there are five of them, and a serialisation framework would be a hundredth of the download.

use coffer_sqlite::{Error, ErrorCode, Result};
use js_sys::{Array, Object, Reflect, Uint8Array};
use wasm_bindgen::JsValue;

/// A plain object that is being made.
pub struct Plain(Object);

impl Plain {
    /// With nothing in it.
    pub fn new() -> Self {
        Self(Object::new())
    }

    /// With this in it too.
    pub fn with(self, name: &str, value: impl Into<JsValue>) -> Self {
        self.put(name, &value.into());
        self
    }

    /// With this in it too if it is there.
    pub fn with_some(self, name: &str, value: Option<impl Into<JsValue>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// With these texts in it too.
    pub fn with_texts(self, name: &str, texts: &[String]) -> Self {
        let array: Array = texts.iter().map(|text| JsValue::from_str(text)).collect();
        self.with(name, array)
    }

    /// With these bytes in it too.
    pub fn with_bytes(self, name: &str, bytes: &[u8]) -> Self {
        self.with(name, Uint8Array::from(bytes))
    }

    fn put(&self, name: &str, value: &JsValue) {
        Reflect::set(&self.0, &JsValue::from_str(name), value).expect("an object of ours takes every property");
    }
}

impl From<Plain> for JsValue {
    fn from(plain: Plain) -> Self {
        plain.0.into()
    }
}

/// A plain object that JavaScript gave.
pub struct Given<'a>(pub &'a JsValue);

impl Given<'_> {
    /// What is under this name, unless it is left out; `read` gives nothing for what it cannot be.
    pub fn get<T>(&self, name: &str, read: impl FnOnce(JsValue) -> Option<T>) -> Result<Option<T>> {
        let value = Reflect::get(self.0, &JsValue::from_str(name)).unwrap_or(JsValue::UNDEFINED);
        if value.is_undefined() || value.is_null() {
            return Ok(None);
        }
        let wrong = || Error::new(ErrorCode::Unsupported, format!("the option {name} is of the wrong type"));
        read(value).map(Some).ok_or_else(wrong)
    }

    /// A text.
    pub fn text(&self, name: &str) -> Result<Option<String>> {
        self.get(name, |value| value.as_string())
    }

    /// A whole number of at most 32 bits.
    pub fn count(&self, name: &str) -> Result<Option<u32>> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "what does not fit is refused")]
        self.get(name, |value| {
            let fits = |number: &f64| (0.0..=f64::from(u32::MAX)).contains(number) && number.fract() == 0.0;
            value.as_f64().filter(fits).map(|number| number as u32)
        })
    }
}

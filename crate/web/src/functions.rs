//! SQL functions that are written in JavaScript.
//!
//! SQLite's side of a function may be called from any connection, so the functions themselves stay in this thread's table and
//! SQLite is given their numbers.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::{error, fmt};

use coffer_sqlite::rusqlite::functions::{Context, FunctionFlags};
use coffer_sqlite::rusqlite::types::{Value, ValueRef};
use coffer_sqlite::rusqlite::{self};
use coffer_sqlite::{Connection, Error};
use js_sys::{Array, BigInt, Function, Number, Uint8Array};
use wasm_bindgen::prelude::*;

use crate::database::WebDatabase;
use crate::failure::told;

thread_local! {
    static FUNCTIONS: RefCell<Vec<Function>> = const { RefCell::new(Vec::new()) };
}

#[derive(Clone)]
struct Known {
    name: String,
    deterministic: bool,
    index: usize,
}

/// The functions of a database, and the connections that have them.
#[derive(Default)]
pub struct Functions {
    known: RefCell<Vec<Known>>,
    connections: RefCell<Vec<Weak<Connection>>>,
}

impl Functions {
    /// Gives a new connection every function, and every later one.
    pub fn join(&self, connection: &Rc<Connection>) -> Result<(), Error> {
        for known in &*self.known.borrow() {
            known.install(connection)?;
        }
        let mut connections = self.connections.borrow_mut();
        connections.retain(|other| other.strong_count() > 0);
        connections.push(Rc::downgrade(connection));
        Ok(())
    }

    fn add(&self, known: Known) -> Result<(), Error> {
        for connection in self.connections.borrow().iter().filter_map(Weak::upgrade) {
            known.install(&connection)?;
        }
        let mut all = self.known.borrow_mut();
        all.retain(|other| !other.name.eq_ignore_ascii_case(&known.name));
        all.push(known);
        Ok(())
    }
}

impl Known {
    fn install(&self, connection: &Connection) -> Result<(), Error> {
        // What is written for one page must not run because somebody else's schema says so.
        let mut flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DIRECTONLY;
        if self.deterministic {
            flags |= FunctionFlags::SQLITE_DETERMINISTIC;
        }
        let index = self.index;
        let added =
            connection.create_scalar_function(self.name.as_str(), -1, flags, move |context| call(index, context));
        added.map_err(|error| connection.error(error, ""))
    }
}

fn call(index: usize, context: &Context<'_>) -> rusqlite::Result<Value> {
    let arguments = Array::new();
    for place in 0..context.len() {
        arguments.push(&to_js(context.get_raw(place)));
    }
    let function = FUNCTIONS.with_borrow(|functions| functions.get(index).cloned());
    let function = function.ok_or_else(|| complaint("the function is gone"))?;
    let answer = function.apply(&JsValue::NULL, &arguments).map_err(|thrown| {
        let message = thrown.dyn_ref::<js_sys::Error>().map(|error| String::from(error.message()));
        complaint(&message.unwrap_or_else(|| "the function threw what is no Error".to_owned()))
    })?;
    from_js(&answer)
        .ok_or_else(|| complaint("a SQL function gives null, a number, bigint, string, boolean or Uint8Array"))
}

/// What the call of a function complains of. The library's error of a text would bring tables of which letters can be printed.
#[derive(Debug)]
struct Complaint(String);

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl error::Error for Complaint {}

fn complaint(message: &str) -> rusqlite::Error {
    rusqlite::Error::UserFunctionError(Box::new(Complaint(message.to_owned())))
}

fn to_js(value: ValueRef<'_>) -> JsValue {
    match value {
        ValueRef::Null => JsValue::NULL,
        ValueRef::Integer(integer) =>
        {
            #[expect(clippy::cast_precision_loss, reason = "checked to be exact")]
            if integer.unsigned_abs() < 1 << 53 {
                JsValue::from_f64(integer as f64)
            } else {
                BigInt::from(integer).into()
            }
        }
        ValueRef::Real(real) => JsValue::from_f64(real),
        ValueRef::Text(text) => JsValue::from_str(&String::from_utf8_lossy(text)),
        ValueRef::Blob(bytes) => Uint8Array::from(bytes).into(),
    }
}

fn from_js(value: &JsValue) -> Option<Value> {
    if value.is_null() || value.is_undefined() {
        Some(Value::Null)
    } else if let Some(number) = value.as_f64() {
        #[expect(clippy::cast_possible_truncation, reason = "checked to be exact")]
        Some(if Number::is_safe_integer(value) { Value::Integer(number as i64) } else { Value::Real(number) })
    } else if let Some(text) = value.as_string() {
        Some(Value::Text(text))
    } else if let Some(truth) = value.as_bool() {
        Some(Value::Integer(i64::from(truth)))
    } else if let Some(bytes) = value.dyn_ref::<Uint8Array>() {
        Some(Value::Blob(bytes.to_vec()))
    } else {
        value.dyn_ref::<BigInt>().and_then(|whole| i64::try_from(whole.clone()).ok()).map(Value::Integer)
    }
}

#[wasm_bindgen(js_class = Database)]
impl WebDatabase {
    /// Gives SQL a function on every connection, now and later. It takes any number of arguments.
    pub fn function(&self, name: &str, function: Function, deterministic: bool) -> Result<(), JsValue> {
        let index = FUNCTIONS.with_borrow_mut(|functions| {
            functions.push(function);
            functions.len() - 1
        });
        told(self.functions.add(Known { name: name.to_owned(), deterministic, index }))
    }
}

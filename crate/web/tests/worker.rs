//! The module as a dedicated worker uses it: run by `wasm-pack test --headless --chrome`.
#![cfg(target_arch = "wasm32")]

use coffer_sqlite::{features, rusqlite};
use coffer_web::{WebDatabase, about};
use gloo_timers::future::TimeoutFuture;
use js_sys::{BigInt, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::spawn_local;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

fn field(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &name.into()).unwrap()
}

#[wasm_bindgen_test]
fn sqlite_has_every_feature_in_wasm() {
    let connection = rusqlite::Connection::open_in_memory().unwrap();
    features::require(&connection).unwrap();
    let version = field(&about(), "sqlite").as_string().unwrap();
    assert_eq!(version, rusqlite::version());
    assert!(rusqlite::version_number() >= features::VERSION_NUMBER_MIN);
}

#[wasm_bindgen_test]
fn rows_leave_in_wire_form() {
    let database = WebDatabase::open_in_memory().unwrap();
    database.exec("create table t(id integer primary key, body text); insert into t(body) values ('a')").unwrap();
    let rows = database.query("select id, body from t", &[]).unwrap();
    let expected = b"\x02\0\0\0\x02\0\0\0id\x04\0\0\0body\x01\0\0\0\x05\x01\0\0\0\x03\x01\0\0\0a";
    assert_eq!(rows, expected);
}

#[wasm_bindgen_test]
fn counts_are_bigints() {
    let database = WebDatabase::open_in_memory().unwrap();
    database.exec("create table t(id integer primary key)").unwrap();
    let outcome = database.run("insert into t values (9007199254740993)", &[]).unwrap();
    let rowid: BigInt = field(&outcome, "lastInsertRowid").unchecked_into();
    assert_eq!(i64::try_from(rowid).unwrap(), 9_007_199_254_740_993);
}

#[wasm_bindgen_test]
fn a_failure_is_a_plain_object() {
    let database = WebDatabase::open_in_memory().unwrap();
    let thrown = database.exec("select * from missing").unwrap_err();
    assert_eq!(field(&thrown, "code").as_string().as_deref(), Some("sqlite"));
    assert_eq!(field(&thrown, "message").as_string().as_deref(), Some("no such table: missing"));
    assert_eq!(field(&thrown, "resultCode").as_f64(), Some(1.0));
}

#[wasm_bindgen_test]
async fn a_statement_does_not_keep_the_worker_from_its_other_tasks() {
    let database = WebDatabase::open_in_memory().unwrap();
    let ticked = std::rc::Rc::new(std::cell::Cell::new(false));
    let seen = ticked.clone();
    spawn_local(async move {
        TimeoutFuture::new(1).await;
        seen.set(true);
    });
    database
        .query(
            "with recursive n(i) as (select 1 union all select i + 1 from n where i < 10000) select sum(i) from n",
            &[],
        )
        .unwrap();
    TimeoutFuture::new(20).await;
    assert!(ticked.get());
}

//! The module as a dedicated worker uses it: run by `wasm-pack test --headless --chrome`.
#![cfg(target_arch = "wasm32")]

#[path = "worker/exports.rs"]
mod exports;

use coffer_sqlite::coffer_store::{Device, DeviceErrorKind, OpenMode, Storage};
use coffer_sqlite::{features, rusqlite};
use coffer_web::{Files, Handle, WebConnection, WebDatabase, about, check_key};
use gloo_timers::future::TimeoutFuture;
use js_sys::{Object, Reflect};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::spawn_local;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

#[wasm_bindgen(inline_js = "
export function file(length) {
  let bytes = new Uint8Array(length)
  return {
    read(out, at) { const part = bytes.subarray(at, at + out.length); out.set(part); return part.length },
    write(data, at) {
      if (this.broken !== undefined) throw new DOMException('told to', this.broken)
      const grown = new Uint8Array(Math.max(bytes.length, at + data.length))
      grown.set(bytes); grown.set(data, at); bytes = grown
      return this.says ?? data.length
    },
    truncate(length) { const cut = new Uint8Array(length); cut.set(bytes.subarray(0, length)); bytes = cut },
    flush() { this.flushes = (this.flushes ?? 0) + 1 },
    size() { this.sizes = (this.sizes ?? 0) + 1; return bytes.length },
  }
}")]
extern "C" {
    /// A file in memory that can be told to fail: `says` is what writes answer, `broken` the name of what they throw.
    fn file(length: u32) -> Handle;
}

/// A new database in memory, whose files are all ready.
fn sample() -> WebDatabase {
    let files = Files::new();
    for name in ["manifest", "log-0", "log-1", "seg-1", "seg-2"] {
        files.put(name.into(), file(0)).unwrap();
    }
    WebDatabase::open("sample", &files, Object::new().into(), None, None).unwrap()
}

fn connection() -> WebConnection {
    sample().connect().unwrap()
}

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
fn rows_leave_in_chunks_of_wire_form() {
    let mut connection = connection();
    connection
        .exec("create table t(id integer primary key, body text); insert into t(body) values ('a'), ('b')")
        .unwrap();
    let mut cursor = connection.open("select id, body from t", &[]).unwrap().unwrap();
    let expected = b"\x01\0\0\0\x02\0\0\0\x1f\0\0\0\x01\x02\0\0\0\x04\0\0\0\x05\x01\0\0\0\x03\x01\0\0\0idbodya";
    assert_eq!(cursor.next(1, usize::MAX).unwrap(), expected);
    let last = cursor.next(usize::MAX, usize::MAX).unwrap();
    assert_eq!((last[0], last[12]), (1, 0));
}

#[wasm_bindgen_test]
fn a_rowid_keeps_its_digits() {
    let mut connection = connection();
    connection.exec("create table t(id integer primary key)").unwrap();
    assert_eq!(connection.run("insert into t values (9007199254740993)", &[]).unwrap().to_string(), "1");
    assert_eq!(connection.last_insert_rowid(), 9_007_199_254_740_993);
}

#[wasm_bindgen_test]
fn a_failure_is_a_plain_object() {
    let thrown = connection().exec("select * from missing").unwrap_err();
    assert_eq!(field(&thrown, "code").as_string().as_deref(), Some("sqlite"));
    assert_eq!(field(&thrown, "message").as_string().as_deref(), Some("no such table: missing"));
    assert_eq!(field(&thrown, "resultCode").as_f64(), Some(1.0));
}

#[wasm_bindgen_test]
fn changed_tables_are_told_at_the_commit_through_views_triggers_and_foreign_keys() {
    let mut connection = connection();
    connection
        .exec(
            "create table a(id integer primary key); create table log(x);
             create table b(a references a on delete cascade); pragma foreign_keys = on;
             create trigger after_a after insert on a begin insert into log values (new.id); end;
             create view v as select count(*) from b",
        )
        .unwrap();
    connection.changed();
    connection.run("insert into a values (1)", &[]).unwrap();
    assert_eq!(connection.changed().unwrap(), ["a", "log"]);
    connection.exec("begin").unwrap();
    connection.run("delete from a", &[]).unwrap();
    assert_eq!(connection.changed(), None);
    connection.exec("commit").unwrap();
    assert_eq!(connection.changed().unwrap(), ["a", "b"]);
    // From the statement cache, where nothing is compiled anew.
    connection.run("insert into a values (1)", &[]).unwrap();
    assert_eq!(connection.changed().unwrap(), ["a", "log"]);
    let reads: Vec<String> = js_sys::Array::from(&field(&connection.prepare("select * from v").unwrap(), "reads"))
        .iter()
        .filter_map(|name| name.as_string())
        .collect();
    assert!(reads.contains(&"b".to_owned()), "{reads:?}");
}

#[wasm_bindgen_test]
async fn a_statement_does_not_keep_the_worker_from_its_other_tasks() {
    let mut connection = connection();
    let ticked = std::rc::Rc::new(std::cell::Cell::new(false));
    let seen = ticked.clone();
    spawn_local(async move {
        TimeoutFuture::new(1).await;
        seen.set(true);
    });
    connection
        .run(
            "with recursive n(i) as (select 1 union all select i + 1 from n where i < 10000) select sum(i) from n",
            &[],
        )
        .unwrap();
    // A busy machine may be late with both, so it is not a matter of how long.
    for _ in 0..500 {
        if ticked.get() {
            return;
        }
        TimeoutFuture::new(20).await;
    }
    panic!("the other task never had its turn");
}

#[wasm_bindgen_test]
fn a_name_that_is_not_ready_is_wanted_and_the_call_can_be_repeated() {
    let files = Files::new();
    let open = || WebDatabase::open("repeated", &files, Object::new().into(), None, None);
    let mut wanted = Vec::new();
    let database = loop {
        match open() {
            Ok(database) => break database,
            Err(thrown) => assert_eq!(field(&thrown, "code").as_string().as_deref(), Some("not_ready")),
        }
        for name in files.wanted() {
            files.put(name.clone(), file(0)).unwrap();
            wanted.push(name);
        }
    };
    assert_eq!(wanted, ["manifest"]);
    let mut connection = database.connect().unwrap();
    let thrown = connection.exec("create table t(x)").unwrap_err();
    assert_eq!(field(&thrown, "code").as_string().as_deref(), Some("not_ready"));
    assert_eq!(files.wanted(), ["log-0"]);
    files.put("log-0".into(), file(0)).unwrap();
    connection.exec("create table t(x)").unwrap();
    assert_eq!(database.next_files().unwrap(), ["log-1", "seg-1"]);
}

#[wasm_bindgen_test]
fn a_write_that_answers_another_length_is_a_full_disk() {
    for answer in [4_294_967_288.0, 3.0, f64::NAN, -8.0] {
        let files = Files::new();
        let handle = file(0);
        files.put("log-0".into(), handle.clone()).unwrap();
        let device = files.open("log-0", OpenMode::Create).unwrap();
        Reflect::set(&handle, &"says".into(), &answer.into()).unwrap();
        assert_eq!(device.write_at(0, b"abcdef").unwrap_err().kind, DeviceErrorKind::NoSpace);
    }
}

#[wasm_bindgen_test]
fn what_a_browser_throws_is_told_apart() {
    let kinds = [
        ("QuotaExceededError", DeviceErrorKind::NoSpace),
        ("NoModificationAllowedError", DeviceErrorKind::Busy),
        ("InvalidStateError", DeviceErrorKind::Io),
    ];
    for (name, kind) in kinds {
        let files = Files::new();
        let handle = file(9);
        files.put("log-0".into(), handle.clone()).unwrap();
        Reflect::set(&handle, &"broken".into(), &name.into()).unwrap();
        let error = files.open("log-0", OpenMode::Write).unwrap().write_at(4, b"x").unwrap_err();
        assert_eq!((error.kind, error.offset), (kind, 4));
        assert!(error.detail.contains("told to"), "{}", error.detail);
    }
}

#[wasm_bindgen_test]
fn a_handle_is_asked_its_length_once() {
    let files = Files::new();
    let handle = file(100);
    files.put("log-0".into(), handle.clone()).unwrap();
    let device = files.open("log-0", OpenMode::Write).unwrap();
    device.write_at(90, &[1; 20]).unwrap();
    device.truncate(50).unwrap();
    assert_eq!(device.len().unwrap(), 50);
    assert_eq!(field(&handle, "sizes").as_f64(), Some(1.0));
}

#[wasm_bindgen_test]
fn a_commit_is_not_flushed_before_the_worker_asks_and_then_once() {
    let files = Files::new();
    let log = file(0);
    for (name, handle) in [("manifest", file(0)), ("log-0", log.clone())] {
        files.put(name.into(), handle).unwrap();
    }
    let flushes = || field(&log, "flushes").as_f64();
    let database = WebDatabase::open("grouped", &files, Object::new().into(), None, None).unwrap();
    database.connect().unwrap().exec("create table t(x); insert into t values (1); insert into t values (2)").unwrap();
    assert_eq!(flushes(), None);
    database.flush().unwrap();
    database.flush().unwrap();
    assert_eq!(flushes(), Some(1.0));
}

#[wasm_bindgen_test]
fn a_request_is_found_by_its_caller_and_number() {
    let database = sample();
    let mut connection = database.connect().unwrap();
    connection.exec("create table t(x)").unwrap();
    connection.set_request(7, u32::MAX, 1.0, 1);
    connection.exec("insert into t values (1); insert into t values (2)").unwrap();
    assert_eq!(database.find_request(7, u32::MAX, 1.0).unwrap(), Some(connection.last_commit()));
    assert_eq!(database.head(), connection.last_commit());
    for (high, low, number) in [(7, u32::MAX, 2.0), (7, 0, 1.0), (0, u32::MAX, 1.0), (7, u32::MAX, 0.0)] {
        assert_eq!(database.find_request(high, low, number).unwrap(), None);
    }
}

#[wasm_bindgen_test]
fn a_commit_of_several_requests_is_found_by_each_of_their_numbers_and_by_no_other() {
    let database = sample();
    let mut connection = database.connect().unwrap();
    connection.exec("create table t(x)").unwrap();
    let mut commits = Vec::new();
    for (number, count) in [(12.0, 3), (13.0, 1), (70_000.0, u16::MAX)] {
        connection.set_request(7, 8, number, count);
        connection.exec("insert into t values (1)").unwrap();
        commits.push(Some(connection.last_commit()));
    }
    let found = |low, number| database.find_request(7, low, number).unwrap();
    for (number, expected) in [
        (9.0, None),
        (10.0, commits[0]),
        (11.0, commits[0]),
        (12.0, commits[0]),
        (13.0, commits[1]),
        (14.0, None),
        (4465.0, None),
        (4466.0, commits[2]),
        (70_000.0, commits[2]),
        (70_001.0, None),
    ] {
        assert_eq!(found(8, number), expected, "{number}");
        assert_eq!((found(9, number), found(7, number)), (None, None), "another's {number}");
    }
}

#[wasm_bindgen_test]
fn a_root_that_is_none_is_refused_and_no_key_is_needed_to_say_so() {
    let refused = check_key(vec![0; 100], "", None, None).unwrap_err();
    assert!(field(&refused, "code").as_string().is_some());
}

//! What the worker calls beside running SQL: upkeep, figures, keys, ends, and what it hands over to be called back.

use super::{connection, field, file};
use coffer_web::{Files, WebChore, WebDatabase, fingerprint, on_progress};
use js_sys::{Function, Object, Reflect};
use wasm_bindgen::JsValue;
use wasm_bindgen_test::wasm_bindgen_test;

/// Files of one database, made as the engine asks for them, as a place of the worker makes them.
struct Place {
    files: Files,
}

impl Place {
    fn new() -> Self {
        Self { files: Files::new() }
    }

    /// Repeats a call until it has its files.
    fn ready<T>(&self, mut call: impl FnMut() -> Result<T, JsValue>) -> Result<T, JsValue> {
        loop {
            match call() {
                Err(thrown) if code(&thrown) == "not_ready" => {
                    for name in self.files.wanted() {
                        self.files.put(name, file(0))?;
                    }
                }
                outcome => return outcome,
            }
        }
    }

    fn open(&self, name: &str, options: &[(&str, JsValue)], secret: Option<&[u8]>) -> Result<WebDatabase, JsValue> {
        self.ready(|| WebDatabase::open(name, &self.files, object(options), secret.map(<[u8]>::to_vec), None))
    }
}

fn code(thrown: &JsValue) -> String {
    field(thrown, "code").as_string().unwrap()
}

fn object(fields: &[(&str, JsValue)]) -> JsValue {
    let object = Object::new();
    for (name, value) in fields {
        Reflect::set(&object, &(*name).into(), value).unwrap();
    }
    object.into()
}

fn refused<T>(outcome: Result<T, JsValue>) -> String {
    outcome.map(|_| ()).map_err(|thrown| code(&thrown)).unwrap_err()
}

/// Rows whose pages are worth folding.
fn fill(database: &WebDatabase, place: &Place) {
    let mut connection = database.connect().unwrap();
    let fill = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000) insert into t select hex(i * 7919) from n";
    for sql in ["create table t(body)", fill, fill] {
        place.ready(|| connection.exec(sql)).unwrap();
    }
}

/// Takes a chore to its end.
fn finish(place: &Place, mut chore: WebChore) {
    for _ in 0..10_000 {
        if field(&place.ready(|| chore.step(1 << 16)).unwrap(), "finished").is_truthy() {
            return;
        }
    }
    panic!("a chore that never ends");
}

fn segments(database: &WebDatabase) -> Vec<u8> {
    let mut reader = database.connect_reader().unwrap();
    let mut cursor = reader.open("select segments from storage_info", &[]).unwrap().unwrap();
    cursor.next(1, usize::MAX).unwrap()
}

#[wasm_bindgen_test]
fn chores_fold_merge_and_verify_and_upkeep_comes_to_an_end() {
    let place = Place::new();
    let database = place.open("folded", &[], None).unwrap();
    fill(&database, &place);
    let before = segments(&database);
    assert_eq!(refused(database.checkpoint_chore("thorough")), "unsupported");
    finish(&place, database.checkpoint_chore("truncate").unwrap());
    assert_ne!(segments(&database), before);
    let mut steps = 0;
    while !place.ready(|| database.maintain(1 << 20)).unwrap() {
        steps += 1;
        assert!(steps < 1000, "upkeep never ends");
    }
    finish(&place, database.compact_chore(None).unwrap());
    finish(&place, database.verify_chore().unwrap());
}

#[wasm_bindgen_test]
fn a_key_is_asked_for_told_from_another_and_not_needed_where_there_is_none() {
    let place = Place::new();
    let raw = [("keyKind", "raw".into())];
    let database = place.open("sealed", &raw, Some(&[7; 32])).unwrap();
    fill(&database, &place);
    database.close().unwrap();
    assert_eq!(refused(place.open("sealed", &[], None)), "key_required");
    assert_eq!(refused(place.open("sealed", &raw, Some(&[8; 32]))), "wrong_key");
    assert_eq!(refused(place.open("sealed", &raw, Some(&[7; 31]))), "unsupported");
    assert_eq!(refused(place.open("sealed", &[("keyKind", "guess".into())], Some(&[7; 32]))), "unsupported");
    let database = place.open("sealed", &raw, Some(&[7; 32])).unwrap();
    let mut cursor = database.connect_reader().unwrap().open("select count(*) from t", &[]).unwrap().unwrap();
    assert!(cursor.next(1, usize::MAX).unwrap().len() > 13);
}

#[wasm_bindgen_test]
fn options_that_cannot_be_are_refused_and_hold_no_name() {
    let place = Place::new();
    for (name, value) in [
        ("create", "perhaps".into()),
        ("cipher", "rot13".into()),
        ("codec", "zip".into()),
        ("pageSize", 1000.into()),
        ("keyKind", 5.into()),
    ] {
        assert_eq!(refused(place.open("refused", &[(name, value)], None)), "unsupported", "{name}");
    }
    assert_eq!(refused(place.open("refused", &[("create", "never".into())], None)), "not_found");
    let database = place.open("refused", &[("create", "new".into())], None).unwrap();
    database.close().unwrap();
    assert_eq!(refused(place.open("refused", &[("create", "new".into())], None)), "exists");
}

#[wasm_bindgen_test]
fn a_reader_sees_commits_and_makes_none() {
    let place = Place::new();
    let database = place.open("read", &[], None).unwrap();
    let mut writer = database.connect().unwrap();
    place.ready(|| writer.exec("create table t(x)")).unwrap();
    let before = writer.last_commit();
    place.ready(|| writer.run("insert into t values (1)", &[])).unwrap();
    assert_eq!(writer.last_commit(), before + 1);
    let mut reader = database.connect_reader().unwrap();
    assert_eq!(refused(reader.exec("insert into t values (2)")), "readonly");
    writer.exec("begin").unwrap();
    assert!(!writer.autocommit());
    writer.exec("rollback").unwrap();
    assert!(writer.autocommit());
}

#[wasm_bindgen_test]
fn parameters_that_are_no_parameters_are_refused() {
    let mut connection = connection();
    assert_eq!(refused(connection.run("select ?", &[0xff; 3])), "unsupported");
    assert_eq!(refused(connection.open("select ?", &[0xff; 3])), "unsupported");
}

#[wasm_bindgen_test]
fn whoever_listens_to_progress_can_stop_a_statement_and_only_by_true() {
    let count =
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 3000000) select count(*) from n";
    let mut connection = connection();
    on_progress(Function::new_no_args("return true"));
    let mut ask = || connection.open(count, &[]).and_then(|cursor| cursor.unwrap().next(1, usize::MAX));
    assert_eq!(refused(ask()), "aborted");
    // A listener with a bug of its own stops nothing.
    on_progress(Function::new_no_args("throw new Error('mine')"));
    assert!(ask().is_ok());
    on_progress(Function::new_no_args("return false"));
}

#[wasm_bindgen_test]
fn a_fingerprint_tells_results_apart() {
    assert_eq!(fingerprint(b"one row"), fingerprint(b"one row"));
    assert_ne!(fingerprint(b"one row"), fingerprint(b"one rov"));
    assert_ne!(fingerprint(b""), fingerprint(b"\0"));
}

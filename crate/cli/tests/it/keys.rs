//! Keys: where they come from, what opens, and what does not any more.

use std::fs;

use crate::run::Place;

fn encrypted(place: &Place) {
    place.run("init a.coffer --passphrase-env PASS").ok();
    let sql = "create table t(x); insert into t values ('treasure')";
    place.run_with("query a.coffer --passphrase-env PASS", sql).ok();
}

const COUNT: &str = "select/**/x/**/from/**/t";

fn opens(place: &Place, key: &str) -> bool {
    let ran = place.run(&format!("query a.coffer {key} --no-header {COUNT}"));
    if ran.code == Some(0) {
        return ran.out == "treasure\n";
    }
    assert!(ran.fails(4).contains("try another"));
    false
}

#[test]
fn a_wrong_key_has_its_own_exit_code_and_no_key_says_what_to_give() {
    let place = Place::new();
    encrypted(&place);
    assert!(opens(&place, "--passphrase-env PASS"));
    assert!(!opens(&place, "--passphrase-env OTHER"));
    let said = place.run(&format!("query a.coffer {COUNT}")).fails(4);
    assert!(said.contains("--passphrase-env VAR or --key-file FILE"), "{said}");
    let said = place.run(&format!("query a.coffer --passphrase-env NOT_SET {COUNT}")).fails(2);
    assert!(said.contains("NOT_SET"), "{said}");
    fs::write(place.join("short.key"), [1; 31]).unwrap();
    assert!(place.run(&format!("query a.coffer --key-file short.key {COUNT}")).fails(2).contains("32 bytes"));
    assert_eq!(place.run(&format!("query a.coffer --key-file none.key {COUNT}")).code, Some(3));
}

#[test]
fn a_key_for_a_database_that_has_none_is_refused() {
    let place = Place::new();
    place.run("init a.coffer").ok();
    assert!(place.run("info a.coffer --passphrase-env PASS").fails(4).contains("not encrypted"));
}

#[test]
fn nothing_readable_is_in_the_files_of_an_encrypted_database() {
    let place = Place::new();
    encrypted(&place);
    place.run("checkpoint a.coffer --passphrase-env PASS").ok();
    place.run("backup a.coffer b --passphrase-env PASS").ok();
    let mut files: Vec<_> = fs::read_dir(place.join("a.coffer")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.push(place.join("b"));
    for file in files {
        let bytes = fs::read(&file).unwrap();
        for word in ["treasure", "CREATE TABLE", "create table", "SQLite format"] {
            assert!(!bytes.windows(word.len()).any(|window| window == word.as_bytes()), "{word} in {}", file.display());
        }
    }
}

#[test]
fn keys_are_changed_added_and_removed() {
    let place = Place::new();
    encrypted(&place);
    fs::write(place.join("raw.key"), [7; 32]).unwrap();
    place.run("passwd a.coffer --passphrase-env PASS --new-passphrase-env OTHER").ok();
    assert!(opens(&place, "--passphrase-env OTHER") && !opens(&place, "--passphrase-env PASS"));
    assert_eq!(place.run("passwd a.coffer --passphrase-env OTHER --add --new-key-file raw.key").ok(), "slot 1\n");
    assert!(opens(&place, "--passphrase-env OTHER") && opens(&place, "--key-file raw.key"));
    assert_eq!(place.run("passwd a.coffer --list").ok(), "0  argon2id\n1  raw\n");
    place.run("passwd a.coffer --key-file raw.key --remove 0").ok();
    assert!(!opens(&place, "--passphrase-env OTHER") && opens(&place, "--key-file raw.key"));
    let said = place.run("passwd a.coffer --key-file raw.key --remove 1").fails(1);
    assert!(said.contains("last key slot"), "{said}");
}

#[test]
fn a_rotated_database_opens_with_the_same_passphrase() {
    let place = Place::new();
    encrypted(&place);
    let epoch = || {
        place
            .run("info a.coffer --passphrase-env PASS")
            .ok()
            .lines()
            .find(|line| line.starts_with("key_epoch"))
            .unwrap()
            .to_owned()
    };
    let before = epoch();
    place.run("rotate-key a.coffer --passphrase-env PASS").ok();
    assert_ne!(epoch(), before);
    assert!(opens(&place, "--passphrase-env PASS"));
    place.run("passwd a.coffer --passphrase-env PASS --add --new-passphrase-env OTHER").ok();
    assert!(place.run("rotate-key a.coffer --passphrase-env PASS").fails(4).contains("--also-passphrase-env"));
    place.run("rotate-key a.coffer --passphrase-env PASS --also-passphrase-env OTHER").ok();
    assert!(opens(&place, "--passphrase-env PASS") && opens(&place, "--passphrase-env OTHER"));
    place.run("verify a.coffer --deep --passphrase-env OTHER").ok();
}

#[test]
fn a_database_is_encrypted_and_decrypted_in_place() {
    let place = Place::new();
    place.run("init a.coffer").ok();
    place.run_with("query a.coffer", "create table t(x); insert into t values ('treasure')").ok();
    place.run("encrypt a.coffer --passphrase-env PASS --cipher chacha20-poly1305").ok();
    assert!(opens(&place, "--passphrase-env PASS"));
    assert!(place.run("info a.coffer --passphrase-env PASS").ok().contains("chacha20-poly1305"));
    assert!(place.run("encrypt a.coffer --passphrase-env PASS").fails(1).contains("already"));
    for entry in fs::read_dir(place.join("a.coffer")).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(8).any(|window| window == b"treasure"));
    }
    place.run("decrypt a.coffer --passphrase-env PASS").ok();
    assert_eq!(place.run(&format!("query a.coffer --no-header {COUNT}")).ok(), "treasure\n");
}

//! Everything that cannot be opened or done, with its exit code and its advice.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use crate::run::{Place, ran};

/// Verbs that only want a database, with what else they need.
const VERBS: &[&str] = &[
    "query DB select/**/1",
    "shell DB",
    "load DB - --table t --format csv",
    "info DB",
    "log DB",
    "dump DB",
    "verify DB",
    "compact DB",
    "checkpoint DB",
    "export DB --format sql",
    "export DB --format sqlite -o out",
    "export DB --format coffer -o out",
    "train-dict DB -o out",
    "extract-dict DB -o out",
    "backup DB out",
    "bench DB",
    "passwd DB --list",
    "encrypt DB --passphrase-env PASS",
    "decrypt DB",
    "rotate-key DB",
];

/// Runs every verb on a path, and gives what each said.
fn all(place: &Place, path: &str, code: i32) -> Vec<String> {
    VERBS.iter().map(|line| place.run(&line.replacen("DB", path, 1)).fails(code)).collect()
}

fn files(place: &Place) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_missing_database_is_told_by_every_verb_and_never_made() {
    let place = Place::new();
    for said in all(&place, "nope.coffer", 3) {
        assert_eq!(said, "there is no database nope.coffer; check the path");
    }
    assert_eq!(files(&place), Vec::<String>::new());
}

#[test]
fn a_plain_sqlite_file_gets_the_hint_to_import_it() {
    let place = Place::new();
    let plain = coffer_sqlite::rusqlite::Connection::open(place.join("plain.sqlite")).unwrap();
    plain.execute_batch("create table t(x); insert into t values (1)").unwrap();
    drop(plain);
    for said in all(&place, "plain.sqlite", 3) {
        let hint = "plain.sqlite is a plain SQLite database; bring it into a Coffer database with: coffer import NEW.coffer plain.sqlite";
        assert_eq!(said, hint);
    }
    // Nothing was made beside it: no locks, no output.
    assert_eq!(files(&place), ["plain.sqlite"]);
    assert!(place.run("init plain.sqlite").fails(3).contains("is a file"));
}

#[test]
fn what_is_no_database_is_left_alone() {
    let place = Place::new();
    fs::write(place.join("letter.txt"), "Dear Sir").unwrap();
    fs::write(place.join("empty"), "").unwrap();
    fs::create_dir(place.join("folder")).unwrap();
    fs::write(place.join("folder/precious"), "mine").unwrap();
    for path in ["letter.txt", "empty"] {
        for said in all(&place, path, 3) {
            assert_eq!(said, format!("{path} is not a Coffer database; check the path"));
        }
    }
    for said in all(&place, "folder", 3) {
        assert_eq!(said, "there is no database in the directory folder; check the path");
    }
    assert!(place.run("init folder").fails(3).contains("other files"));
    assert!(place.run("import x.coffer letter.txt").fails(3).contains("coffer load"));
    assert_eq!(files(&place), ["empty", "folder", "letter.txt"]);
    assert_eq!(fs::read_dir(place.join("folder")).unwrap().count(), 1);
}

/// The golden vectors say what a reader must make of each of them; so does the command.
#[test]
fn every_golden_vector_has_the_exit_code_of_its_kind() {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors");
    let mut seen = std::collections::BTreeMap::new();
    for entry in fs::read_dir(vectors).unwrap() {
        let vector = entry.unwrap().path();
        let Ok(text) = fs::read_to_string(vector.join("vector.txt")) else { continue };
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
        let place = Place::new();
        fs::create_dir(place.join("v")).unwrap();
        let mut before = Vec::new();
        for file in fs::read_dir(&vector).unwrap() {
            let file = file.unwrap();
            if file.file_name() != "vector.txt" {
                fs::copy(file.path(), place.join("v").join(file.file_name())).unwrap();
                before.push((file.file_name(), fs::read(file.path()).unwrap()));
            }
        }
        let path = if field("base:") == "none" { "v".to_owned() } else { format!("v/{}", field("base:")) };
        let mut line = format!("verify {path}");
        if let Some(byte) = field("key:").strip_prefix("32 bytes of ") {
            fs::write(place.join("key"), byte.repeat(32)).unwrap();
            line.push_str(" --key-file key");
        }
        let (kind, _) = field("result:").split_once(' ').unwrap_or((field("result:"), ""));
        let code = match kind {
            "open" if text.contains("\ndamage:") => 5,
            "open" => 0,
            // It is whole, and no database.
            "corrupt" if text.contains("an increment is no database") => 3,
            "corrupt" => 5,
            "wrong_key" | "key_required" => 4,
            "unsupported" | "foreign" => 3,
            other => panic!("{}: {other}", vector.display()),
        };
        let ran = place.run(&line);
        assert_eq!(ran.code, Some(code), "{}: {ran:?}", vector.display());
        if kind == "unsupported" {
            assert!(ran.err.contains("Coffer"), "{ran:?}");
        }
        // Reading changes nothing, whatever was found.
        for (name, bytes) in before {
            assert_eq!(fs::read(place.join("v").join(&name)).unwrap(), bytes, "{name:?} of {}", vector.display());
        }
        *seen.entry(code).or_insert(0) += 1;
    }
    assert_eq!(seen.keys().copied().collect::<Vec<_>>(), [0, 3, 4, 5]);
}

#[test]
fn a_newer_format_is_refused_by_every_verb() {
    let place = Place::new();
    let vector = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/bad-manifest-newer/manifest");
    fs::create_dir(place.join("new.coffer")).unwrap();
    fs::copy(vector, place.join("new.coffer/manifest")).unwrap();
    for said in all(&place, "new.coffer", 3) {
        assert!(
            said.starts_with("new.coffer: manifest has format version 2") && said.ends_with("update Coffer"),
            "{said}"
        );
    }
    assert_eq!(fs::read_dir(place.join("new.coffer")).unwrap().count(), 1);
}

#[test]
fn a_wrong_key_is_told_by_every_verb() {
    let place = Place::new();
    place.run("init a.coffer --passphrase-env PASS").ok();
    for line in VERBS.iter().filter(|line| !line.contains("--list") && !line.starts_with("encrypt")) {
        let said = place.run(&format!("{} --passphrase-env OTHER", line.replacen("DB", "a.coffer", 1))).fails(4);
        assert_eq!(said, "the key does not open a.coffer; try another", "{line}");
        let said = place.run(&line.replacen("DB", "a.coffer", 1)).fails(4);
        assert!(said.contains("--passphrase-env VAR or --key-file FILE"), "{line}: {said}");
    }
    assert_eq!(files(&place), ["a.coffer"]);
}

#[test]
fn a_damaged_root_is_told_by_every_verb() {
    let place = Place::new();
    place.filled("a.coffer", 10);
    let manifest = place.join("a.coffer/manifest");
    let mut bytes = fs::read(&manifest).unwrap();
    bytes.iter_mut().filter(|byte| **byte != 0).skip(20).for_each(|byte| *byte ^= 1);
    fs::write(&manifest, bytes).unwrap();
    for said in all(&place, "a.coffer", 5) {
        assert!(said.starts_with("a.coffer: manifest is damaged at byte 0"), "{said}");
    }
    assert_eq!(files(&place), ["a.coffer"]);
}

#[test]
fn a_single_file_is_called_by_its_name_when_it_is_damaged() {
    let place = Place::new();
    place.filled("a.coffer", 100);
    place.run("backup a.coffer one.coffer").ok();
    let mut bytes = fs::read(place.join("one.coffer")).unwrap();
    bytes.truncate(bytes.len() / 2);
    fs::write(place.join("one.coffer"), bytes).unwrap();
    for said in all(&place, "one.coffer", 5) {
        assert!(said.starts_with("one.coffer is damaged at byte "), "{said}");
    }
}

#[test]
fn an_increment_by_itself_is_told_as_what_it_is_by_every_verb() {
    for key in ["", " --passphrase-env PASS"] {
        let place = Place::new();
        place.run(&format!("init a.coffer{key}")).ok();
        let run = |sql: &str| place.run_with(&format!("query a.coffer{key}"), sql).ok();
        run("create table t(x)");
        run("insert into t values (1)");
        place.run(&format!("backup a.coffer full{key}")).ok();
        run("insert into t values (2)");
        place.run(&format!("backup a.coffer more --since 2{key}")).ok();
        let expected = "more is an increment, which holds only what came after commit 2; restore the full backup first, then this: \
                        coffer restore NEW.coffer FULL more";
        for line in VERBS.iter().filter(|line| key.is_empty() || !line.contains("crypt") && !line.contains("--list")) {
            let line = line.replacen("DB", "more", 1);
            let said = place.run(&format!("{line}{key}"));
            // Without a key these are over before anything is opened.
            if !key.is_empty()
                || !["passwd", "decrypt", "rotate-key", "encrypt"].iter().any(|verb| line.starts_with(verb))
            {
                assert_eq!(said.fails(3), expected, "{line}");
            }
        }
        assert_eq!(place.run(&format!("restore b.coffer more{key}")).fails(3), expected);
        let said = place.run_with(&format!("query a.coffer{key}"), "restore database from 'more'").fails(3);
        assert_eq!(said, expected);
        assert!(!place.join("b.coffer").exists());
        place.run(&format!("restore b.coffer full more{key}")).ok();
    }
}

#[test]
fn an_output_that_cannot_be_made_cannot_be_opened() {
    let place = Place::new();
    place.filled("a.coffer", 3000);
    place.run("embed-dict a.coffer --none").ok();
    fs::create_dir(place.join("folder")).unwrap();
    for line in [
        "export a.coffer --format json -o OUT",
        "export a.coffer --format sql -o OUT",
        "export a.coffer --format sqlite -o OUT",
        "export a.coffer --format coffer -o OUT",
        "backup a.coffer OUT",
        "train-dict a.coffer --size 256 -o OUT",
    ] {
        let said = place.run(&line.replace("OUT", "no/x")).fails(3);
        assert_eq!(said, "there is no directory no; make it with: mkdir -p no", "{line}");
        let said = place.run(&format!("{} --force", line.replace("OUT", "folder"))).fails(3);
        assert_eq!(said, "folder is a directory; name a file", "{line}");
        let said = place.run(&line.replace("OUT", &format!("folder/{}", "x".repeat(300)))).fails(3);
        assert!(said.ends_with("the name is too long; choose another"), "{line}: {said}");
    }
    assert_eq!(files(&place), ["a.coffer", "folder"]);
}

#[test]
fn a_device_is_written_to_and_never_replaced() {
    let place = Place::new();
    place.filled("a.coffer", 10);
    let made = std::process::Command::new("mkfifo").arg(place.join("pipe")).status().unwrap();
    assert!(made.success());
    let ran = place.shell("cat pipe & coffer export a.coffer --format csv -t item -o pipe --force; wait");
    assert_eq!(ran.ok().lines().count(), 11);
    for line in ["export a.coffer --format sqlite -o pipe --force", "backup a.coffer pipe --force"] {
        assert!(place.run(line).fails(3).contains("is no file"), "{line}");
    }
    let said = place.run("export a.coffer --format csv -t item -o /dev/full").fails(1);
    assert_eq!(said, "cannot write the output: the disk is full; free some space and try again");
    assert_eq!(files(&place), ["a.coffer", "pipe"]);
    assert!(!place.join("pipe").metadata().unwrap().is_file());
}

#[test]
fn a_link_to_an_output_stays_a_link() {
    let place = Place::new();
    place.filled("a.coffer", 10);
    fs::write(place.join("target"), "old").unwrap();
    std::os::unix::fs::symlink("target", place.join("link")).unwrap();
    place.run("export a.coffer --format csv -t item -o link --force").ok();
    assert!(place.join("link").symlink_metadata().unwrap().is_symlink());
    assert!(fs::read_to_string(place.join("target")).unwrap().starts_with("id,body\n"));
}

#[test]
fn output_that_nobody_takes_is_one_line_or_none() {
    let place = Place::new();
    place.filled("a.coffer", 3000);
    for line in [
        "--help",
        "--version",
        "query a.coffer 'select * from item'",
        "query a.coffer 'select * from item' --format json",
        "export a.coffer --format sql",
        "info a.coffer",
        "log a.coffer",
        "dump a.coffer",
        "verify a.coffer",
        "completions bash",
        "sim --seed 1",
        "bench a.coffer --codec lz4",
        "backup a.coffer out --force",
        "compact a.coffer",
    ] {
        let said = place.shell(&format!("coffer {line} > /dev/full")).fails(1);
        assert_eq!(said, "cannot write the output: the disk is full; free some space and try again", "{line}");
        // A reader that has gone, and one that stops in the middle.
        for reader in ["true", "head -c 1 > /dev/null"] {
            let ran = place.shell(&format!("(sleep 0.05; coffer {line}; echo \"? $?\" >&2) | {reader}"));
            assert_eq!(ran.err, "? 0\n", "{line} | {reader}");
        }
    }
    // Nor is it any other error if there is nobody to tell.
    assert_eq!(place.shell("coffer query nope 'select 1' 2> /dev/full").code, Some(3));
    assert_eq!(place.shell("coffer frob 2>&-").code, Some(2));
}

#[test]
fn damage_has_its_own_exit_code_and_names_the_place() {
    let place = Place::new();
    place.filled("a.coffer", 2000);
    place.run("checkpoint a.coffer").ok();
    let segment = fs::read_dir(place.join("a.coffer"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.file_name().unwrap().to_str().unwrap().starts_with("seg-"))
        .unwrap();
    let mut bytes = fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&segment, &bytes).unwrap();
    let verified = place.run("verify a.coffer");
    let name = segment.file_name().unwrap().to_str().unwrap();
    assert!(verified.out.contains(&format!("{name} is damaged at byte ")), "{verified:?}");
    assert!(verified.out.contains("pages lost: "), "{verified:?}");
    assert!(verified.fails(5).contains("restore it from a backup"));
    let json = place.run("verify a.coffer --json");
    assert!(json.out.starts_with("{\"records\":") && json.out.contains("\"pages_lost\":["), "{json:?}");
    assert_eq!(json.code, Some(5));
    let queries = ["select sum(length(body)) from item not indexed", "select count(body) from item indexed by by_body"];
    let codes = queries.map(|sql| place.run_with("query a.coffer", sql).code);
    assert!(codes.contains(&Some(5)), "{codes:?}");
}

#[test]
fn a_database_that_another_process_writes_to_is_locked() {
    let place = Place::new();
    place.filled("a.coffer", 10);
    let mut writer = place.command(["shell", "a.coffer"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut to = writer.stdin.take().unwrap();
    let mut from = std::io::BufReader::new(writer.stdout.take().unwrap());
    std::io::Write::write_all(&mut to, b"begin immediate; select 'ready';\n").unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut from, &mut line).unwrap();
    assert_eq!(line, "ready\n");
    let said = place.run_with("query a.coffer --busy-timeout 50", "insert into item(body) values ('x')").fails(3);
    assert!(said.contains("another") && said.contains("try again"), "{said}");
    // Whoever only reads is not held up.
    assert_eq!(place.run("query a.coffer --readonly --no-header select/**/count(*)/**/from/**/item").ok(), "10\n");
    std::io::Write::write_all(&mut to, b"commit;\n").unwrap();
    drop(to);
    assert!(writer.wait().unwrap().success());
    place.run_with("query a.coffer --busy-timeout 50", "insert into item(body) values ('x')").ok();
}

#[test]
fn what_the_system_forbids_is_told_and_reading_goes_on() {
    let place = Place::new();
    place.filled("a.coffer", 10);
    let set = |mode: u32| {
        let directory = place.join("a.coffer");
        for entry in fs::read_dir(&directory).unwrap() {
            fs::set_permissions(entry.unwrap().path(), fs::Permissions::from_mode(mode & 0o666)).unwrap();
        }
        fs::set_permissions(&directory, fs::Permissions::from_mode(mode)).unwrap();
    };
    set(0o555);
    // Permissions do not bind the superuser, who only sees that reading works.
    let bound = fs::File::create(place.join("a.coffer/probe")).is_err();
    assert_eq!(place.run("query a.coffer --readonly --no-header select/**/count(*)/**/from/**/item").ok(), "10\n");
    if bound {
        assert_eq!(place.run("query a.coffer --no-header select/**/count(*)/**/from/**/item").ok(), "10\n");
        let said = place.run_with("query a.coffer", "insert into item(body) values ('x')").fails(1);
        assert!(said.contains("reading only") || said.contains("readonly"), "{said}");
        assert!(place.run("compact a.coffer").fails(3).contains("check its permissions"));
    } else {
        fs::remove_file(place.join("a.coffer/probe")).unwrap();
    }
    set(0o755);
}

#[test]
fn a_full_disk_is_an_error_and_loses_nothing() {
    let place = Place::new();
    place.filled("a.coffer", 100);
    let before = place.run("query a.coffer --no-header select/**/count(*)/**/from/**/item").ok();
    // A limit on the size of files, in blocks of 512 bytes, is a disk that is full.
    let insert = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000)
                  insert into item(body) select hex(randomblob(100)) from n";
    let ran = place.shell(&format!("ulimit -f 400; coffer query a.coffer \"{insert}\""));
    let said = ran.fails(1);
    assert!(said.contains("full"), "{said}");
    assert_eq!(place.run("query a.coffer --no-header select/**/count(*)/**/from/**/item").ok(), before);
    place.run("verify a.coffer --deep").ok();
    // An output file that does not fit leaves nothing behind.
    let ran = place.shell("ulimit -f 1; coffer export a.coffer --format ndjson -o out.ndjson");
    assert!(ran.fails(1).contains("cannot write"));
    let ran = place.shell("ulimit -f 1; coffer backup a.coffer out.backup");
    assert!(ran.fails(1).contains("full"));
    assert_eq!(files(&place), ["a.coffer"]);
}

#[test]
fn a_missing_parent_directory_is_named() {
    let place = Place::new();
    let said = place.run("init no/where/app.coffer").fails(3);
    assert_eq!(said, "there is no directory no/where; make it with: mkdir -p no/where");
}

#[test]
fn what_exists_is_not_replaced_unasked() {
    let place = Place::new();
    place.filled("a.coffer", 10);
    assert!(place.run("init a.coffer").fails(3).contains("already"));
    fs::write(place.join("out"), "precious").unwrap();
    for line in
        ["export a.coffer --format csv -t item -o out", "backup a.coffer out", "export a.coffer --format sqlite -o out"]
    {
        assert!(place.run(line).fails(3).contains("--force"), "{line}");
        assert_eq!(fs::read(place.join("out")).unwrap(), b"precious");
    }
    place.run("backup a.coffer b").ok();
    assert!(place.run("restore a.coffer b").fails(1).contains("--replace"));
    place.run("export a.coffer --format csv -t item -o out --force").ok();
    assert!(fs::read_to_string(place.join("out")).unwrap().starts_with("id,body\n1,"));
}

#[test]
fn usage_errors_have_the_exit_code_2() {
    let place = Place::new();
    place.filled("a.coffer", 1);
    for line in
        ["", "frobnicate", "query", "init a --page-size 1000", "init a --codec zip", "export a.coffer --format pdf"]
    {
        assert_eq!(ran(place.command(line.split_whitespace()).output().unwrap()).code, Some(2), "{line}");
    }
    assert!(place.run("export a.coffer --format sqlite").fails(2).contains("-o FILE"));
    assert!(place.run("backup a.coffer b --since 999").fails(2).contains("the newest is 3"));
    assert!(place.run("dump a.coffer --page 999999").fails(2).contains("pages are 1 to"));
    assert!(place.run("load a.coffer rows.txt -t t").fails(2).contains("--format"));
    assert!(place.run("query a.coffer select/**/:x").fails(2).contains("--param"));
    assert_eq!(place.run("restore b.coffer nope").fails(3), "there is no backup nope; check the path");
    assert_eq!(
        place.run_with("query a.coffer", "attach 'nope' as n").fails(3),
        "cannot open nope: there is no such file"
    );
}

#[test]
fn sql_errors_have_the_exit_code_1_and_say_where() {
    let place = Place::new();
    place.filled("a.coffer", 1);
    let said = place.run_with("query a.coffer", "select 1;\nselect nowhere from item").fails(1);
    assert_eq!(said, "no such column: nowhere (line 2, column 8)");
    let said = place.run_with("query a.coffer", "insert into item(id) values (1)").fails(1);
    assert_eq!(said, "UNIQUE constraint failed: item.id");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let place = Place::new();
    place.filled("a.coffer", 5000);
    let ran = place.shell("coffer query a.coffer 'select * from item a, item b' --format csv | head -n 2");
    assert_eq!((ran.err.as_str(), ran.out.lines().count()), ("", 2));
}

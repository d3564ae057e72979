//! Round trips: what goes out in a format comes back the same.

use std::fs;
use std::path::Path;

use coffer_sqlite::rusqlite::Connection;

use crate::run::Place;

/// Everything that is hard to carry over.
const RICH: &str = "
    create table plain(id integer primary key, t text, r real, b blob, n);
    insert into plain values
        (1, 'it''s \"quoted\", with commas', 0.1, x'00ff', null),
        (2, '', -1e300, x'', 9223372036854775807),
        (3, 'two' || char(10) || 'lines', 5e-324, zeroblob(3), -9223372036854775808),
        (-4, 'umlaut ' || char(228, 8364, 128512), 1.0, null, 'text where a number could be');
    create table \"odd \"\"name\"\"\"(\"a b\" text, \"select\" integer, primary key(\"a b\")) without rowid;
    insert into \"odd \"\"name\"\"\" values ('k', 1), ('l', 2);
    create table counted(id integer primary key autoincrement, x);
    insert into counted(x) values (1), (2); delete from counted where id = 2;
    create table generated(a integer, b integer generated always as (a * 2) stored, c integer as (a + 1));
    insert into generated(a) values (5), (6);
    create table empty(a, b);
    create index by_t on plain(t collate nocase) where t is not null;
    create view shown as select id, t from plain;
    create trigger grow after insert on counted begin update plain set n = n where id = new.id; end;
    create virtual table notes using fts5(body); insert into notes values ('a strongbox for pages'), ('another note');
    create virtual table boxes using rtree(id, x0, x1); insert into boxes values (1, 0, 2);
";

fn plain(place: &Place, name: &str, sql: &str) {
    Connection::open(place.join(name)).unwrap().execute_batch(sql).unwrap();
}

/// The schema and every row, as text.
fn contents(file: &Path) -> Vec<String> {
    let connection = Connection::open(file).unwrap();
    let list = |sql: &str| -> Vec<String> {
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    };
    let mut lines =
        list("select type || ' ' || name || ' ' || coalesce(sql, '') from sqlite_schema order by type, name");
    for table in list("select name from sqlite_schema where type = 'table' order by name") {
        let quoted = format!("\"{}\"", table.replace('"', "\"\""));
        let columns = list(&format!(
            "select 'quote(\"' || replace(name, '\"', '\"\"') || '\")' from pragma_table_xinfo('{table}') where hidden <> 1"
        ));
        let rows = list(&format!("select {} from {quoted}", columns.join("||','||")));
        lines.extend(rows.into_iter().map(|row| format!("{table}: {row}")));
    }
    assert_eq!(list("pragma integrity_check"), ["ok"]);
    lines
}

#[test]
fn a_plain_database_comes_back_the_same() {
    let place = Place::new();
    plain(&place, "in.sqlite", RICH);
    place.run("import a.coffer in.sqlite").ok();
    place.run("export a.coffer --format sqlite -o out.sqlite").ok();
    assert_eq!(contents(&place.join("out.sqlite")), contents(&place.join("in.sqlite")));
    place.run("verify a.coffer --deep").ok();
}

#[test]
fn what_is_only_in_the_log_of_the_plain_database_comes_along() {
    let place = Place::new();
    let writer = Connection::open(place.join("in.sqlite")).unwrap();
    writer.execute_batch("pragma journal_mode = wal; create table t(x); insert into t values ('in the log')").unwrap();
    assert!(place.join("in.sqlite-wal").metadata().unwrap().len() > 0);
    place.run("import a.coffer in.sqlite").ok();
    assert_eq!(place.run("query a.coffer --no-header select/**/x/**/from/**/t").ok(), "in the log\n");
    assert_eq!(place.run("query a.coffer --no-header pragma/**/journal_mode").ok(), "wal\n");
}

#[test]
fn every_page_size_is_imported() {
    let place = Place::new();
    for size in [512, 1024, 4096, 65536] {
        let name = format!("p{size}.sqlite");
        plain(&place, &name, &format!("pragma page_size = {size}; {RICH}"));
        place.run(&format!("import {size}.coffer {name}")).ok();
        assert!(place.run(&format!("info {size}.coffer")).ok().contains(&format!("page_size            {size}\n")));
        // Into a database with pages of another size, which goes on working.
        place.run(&format!("init other{size}.coffer --page-size 8192")).ok();
        place.run(&format!("import other{size}.coffer {name}")).ok();
        for database in [format!("{size}.coffer"), format!("other{size}.coffer")] {
            place
                .run_with(
                    &format!("query {database}"),
                    "insert into plain(t) values ('one more'); delete from plain where t = 'one more'",
                )
                .ok();
            place.run(&format!("export {database} --format sqlite -o out --force")).ok();
            assert_eq!(contents(&place.join("out")), contents(&place.join(&name)));
        }
    }
}

#[test]
fn an_import_into_a_database_that_holds_something_wants_to_be_told() {
    let place = Place::new();
    plain(&place, "in.sqlite", "create table t(x); insert into t values (1)");
    place.filled("a.coffer", 3000);
    assert!(place.run("import a.coffer in.sqlite").fails(1).contains("--replace"));
    place.run("import a.coffer in.sqlite --replace").ok();
    assert_eq!(place.run_on("shell a.coffer", b".tables\nselect * from t;\n").ok(), "t\n1\n");
    place.run("verify a.coffer --deep").ok();
}

#[test]
fn an_import_is_encrypted_on_the_way_in() {
    let place = Place::new();
    plain(&place, "in.sqlite", RICH);
    place.run("import a.coffer in.sqlite --passphrase-env PASS").ok();
    place.run("export a.coffer --format sqlite -o out.sqlite --passphrase-env PASS").ok();
    assert_eq!(contents(&place.join("out.sqlite")), contents(&place.join("in.sqlite")));
    for entry in fs::read_dir(place.join("a.coffer")).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(9).any(|window| window == b"strongbox"));
    }
}

#[test]
fn sql_makes_the_database_again() {
    let place = Place::new();
    plain(&place, "in.sqlite", RICH);
    place.run("import a.coffer in.sqlite").ok();
    place.run("export a.coffer --format sql -o out.sql").ok();
    // In a Coffer database, and in plain SQLite.
    place.run("init b.coffer").ok();
    place.run_on("query b.coffer -", &fs::read(place.join("out.sql")).unwrap()).ok();
    place.run("export b.coffer --format sql -o again.sql").ok();
    assert_eq!(
        fs::read_to_string(place.join("again.sql")).unwrap(),
        fs::read_to_string(place.join("out.sql")).unwrap()
    );
    plain(&place, "out.sqlite", &fs::read_to_string(place.join("out.sql")).unwrap());
    assert_eq!(contents(&place.join("out.sqlite")), contents(&place.join("in.sqlite")));
    assert_eq!(
        place.run_with("query b.coffer --no-header", "select body from notes where notes match 'strongbox'").ok(),
        "a strongbox for pages\n"
    );
}

#[test]
fn json_and_json_lines_carry_all_tables() {
    let place = Place::new();
    let tables = "create table a(id integer primary key, t, r real, b blob); create table \"b c\"(x)";
    plain(
        &place,
        "in.sqlite",
        &format!(
            "{tables}; insert into a values (1, 'x' || char(10), 0.5, x'00ff'), (2, null, 3.0, null),
        (3, 9007199254740993, null, x''); insert into \"b c\" values ('{{\"$blob\":\"00\"}}'), (7)"
        ),
    );
    place.run("import a.coffer in.sqlite").ok();
    for format in ["json", "ndjson"] {
        place.run(&format!("export a.coffer --format {format} -o out.{format}")).ok();
        place.run(&format!("init {format}.coffer")).ok();
        place.run_with(&format!("query {format}.coffer"), tables).ok();
        assert_eq!(place.run(&format!("load {format}.coffer out.{format}")).ok(), "5 rows\n");
        place.run(&format!("export {format}.coffer --format sqlite -o {format}.sqlite")).ok();
        assert_eq!(contents(&place.join(&format!("{format}.sqlite"))), contents(&place.join("in.sqlite")));
    }
}

#[test]
fn csv_carries_one_table() {
    let place = Place::new();
    let table = "create table t(id integer primary key, t text, r real, b blob)";
    plain(
        &place,
        "in.sqlite",
        &format!(
            "{table}; insert into t values (1, 'a, \"b\"' || char(10), 0.5, x'00ff'), (2, null, null, null), (3, '', 1e100, x'')"
        ),
    );
    place.run("import a.coffer in.sqlite").ok();
    place.run("export a.coffer --format csv --null \\N -o out.csv").ok();
    place.run("init b.coffer").ok();
    place.run_with("query b.coffer", table).ok();
    assert_eq!(place.run("load b.coffer out.csv -t t --null \\N").ok(), "3 rows\n");
    place.run("export b.coffer --format sqlite -o out.sqlite").ok();
    assert_eq!(contents(&place.join("out.sqlite")), contents(&place.join("in.sqlite")));
}

#[test]
fn a_table_is_made_to_fit_its_rows() {
    let place = Place::new();
    place.run("init a.coffer").ok();
    let csv = "id,price,zip,note\n1,1.5,00501,\n2,20,00502,x\n";
    assert_eq!(place.run_on("load a.coffer - --format csv -t shop", csv.as_bytes()).ok(), "2 rows\n");
    assert_eq!(
        place.run_on("shell a.coffer", b".schema\nselect *, typeof(price) from shop;\n").ok(),
        "CREATE TABLE \"shop\"(\"id\" INTEGER, \"price\" NUMERIC, \"zip\" TEXT, \"note\" TEXT);\n1|1.5|00501||real\n2|20|00502|x|integer\n"
    );
    let lines = "{\"id\":1,\"tags\":[\"a\"],\"done\":true}\n{\"id\":2,\"more\":1.5}\n";
    assert_eq!(place.run_on("load a.coffer - --format ndjson -t j", lines.as_bytes()).ok(), "2 rows\n");
    assert_eq!(
        place.run_on("shell a.coffer", b"select id, tags, done, more from j;\n").ok(),
        "1|[\"a\"]|1|\n2|||1.5\n"
    );
}

#[test]
fn a_bad_row_is_named_and_nothing_is_loaded() {
    let place = Place::new();
    place.run("init a.coffer").ok();
    place.run_with("query a.coffer", "create table t(id integer primary key, x text not null)").ok();
    let load = |format: &str, input: &str, code| {
        let said = place.run_on(&format!("load a.coffer - --format {format} -t t"), input.as_bytes()).fails(code);
        // The same from a file, which is named.
        fs::write(place.join(&format!("rows.{format}")), input).unwrap();
        let of_file = place.run(&format!("load a.coffer rows.{format} -t t")).fails(code);
        let (name, rest) = of_file.split_once(": ").unwrap();
        assert_eq!(name, format!("rows.{format}"));
        assert_eq!(said.strip_prefix("stdin: "), Some(rest));
        rest.strip_suffix("; nothing was loaded").unwrap().to_owned()
    };
    assert_eq!(load("csv", "id,x\n1,a\n1,b\n", 1), "line 3: UNIQUE constraint failed: t.id");
    assert!(load("csv", "id,x\n1,a\n2\n", 1).starts_with("line 3 has 1 fields"));
    assert_eq!(load("csv", "id,y\n1,a\n", 1), "line 2: t has no column y; it has: id, x");
    assert!(load("ndjson", "{\"id\":1,\"x\":\"a\"}\n{\"id\":\n", 1).starts_with("line 2: EOF"));
    assert!(load("ndjson", "{\"id\":1,\"x\":\"a\"}\n{\"id\" 7}\n", 1).starts_with("line 2, column 7: expected"));
    assert!(load("json", "[{\"id\":1,\"x\":\"a\"},{\"id\":2,\"x\":null}]", 1).starts_with("row 2: NOT NULL"));
    assert!(load("json", "[1]", 1).contains("a row must be"));
    for format in ["csv", "ndjson"] {
        fs::write(place.join("latin"), b"id,x\n1,\xe4\n").unwrap();
        let said = place.run(&format!("load a.coffer latin --format {format} -t t")).fails(1);
        assert!(
            said.starts_with("latin: line ") && said.contains(if format == "csv" { "iconv" } else { "JSON" }),
            "{said}"
        );
    }
    assert!(place.run("load a.coffer . -t t --format csv").fails(3).ends_with("it is a directory; name a file"));
    assert_eq!(place.run("load a.coffer rows.csv").fails(2).split(':').next(), Some("rows.csv"));
    assert_eq!(place.run_on("shell a.coffer", b"select count(*) from t;\n").ok(), "0\n");
    let with = |rule: &str| {
        place.run_on(&format!("load a.coffer - --format csv -t t --on-conflict {rule}"), b"id,x\n1,a\n1,b\n").ok()
    };
    assert_eq!(with("ignore"), "1 row\n");
    assert_eq!(with("replace"), "2 rows\n");
    assert_eq!(place.run_on("shell a.coffer", b"select * from t;\n").ok(), "1|b\n");
}

#[test]
fn a_single_file_is_a_database() {
    let place = Place::new();
    plain(&place, "in.sqlite", RICH);
    place.run("import a.coffer in.sqlite --passphrase-env PASS").ok();
    place.run("export a.coffer --format coffer -o one.coffer --passphrase-env PASS").ok();
    let query = |sql: &str| place.run_with("query one.coffer --passphrase-env PASS --no-header", sql).ok();
    assert_eq!(query("select count(*) from plain"), "4\n");
    assert!(place.run("query one.coffer --passphrase-env OTHER select/**/1").fails(4).contains("try another"));
    query("insert into plain(t) values ('more')");
    assert_eq!(query("select count(*) from plain"), "5\n");
    place.run("verify one.coffer --deep --passphrase-env PASS").ok();
}

#[test]
fn a_name_that_is_not_utf8_is_the_name() {
    use std::os::unix::ffi::OsStrExt;
    let place = Place::new();
    place.filled("a.coffer", 100);
    let name = |name: &'static [u8]| std::ffi::OsStr::from_bytes(name);
    let ran = |words: &[&std::ffi::OsStr]| crate::run::ran(place.command(words).output().unwrap());
    ran(&[name(b"backup"), name(b"a.coffer"), name(b"one\xff")]).ok();
    ran(&[name(b"query"), name(b"one\xff"), name(b"insert into item(body) values ('x')")]).ok();
    let count = [name(b"query"), name(b"one\xff"), name(b"select count(*) from item"), name(b"--no-header")];
    assert_eq!(ran(&count).ok(), "101\n");
    ran(&[name(b"restore"), name(b"two\xfe"), name(b"one\xff")]).ok();
    ran(&[name(b"export"), name(b"two\xfe"), name(b"--format"), name(b"sqlite"), name(b"-o"), name(b"out\xff")]).ok();
    let mut names: Vec<_> = fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, [name(b"a.coffer"), name(b"one\xff"), name(b"out\xff"), name(b"two\xfe")]);
}

#[test]
fn a_single_file_has_nothing_beside_it_when_nobody_is_at_it() {
    let place = Place::new();
    place.filled("a.coffer", 100);
    place.run("backup a.coffer b.coffer").ok();
    let names = || {
        let mut names: Vec<_> = fs::read_dir(place.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    for line in
        ["query b.coffer select/**/1", "info b.coffer", "log b.coffer", "verify b.coffer --deep", "dump b.coffer"]
    {
        place.run(line).ok();
        assert_eq!(names(), ["a.coffer", "b.coffer"], "after {line}");
    }
    place.run_with("query b.coffer", "insert into item(body) values ('x')").ok();
    assert_eq!(names(), ["a.coffer", "b.coffer"], "after a change");
    assert_eq!(place.run("query b.coffer --no-header select/**/count(*)/**/from/**/item").ok(), "101\n");
}

#[test]
fn a_backup_is_restored_to_a_new_database_and_over_an_old_one() {
    let place = Place::new();
    plain(&place, "in.sqlite", RICH);
    place.run("import a.coffer in.sqlite --passphrase-env PASS --codec lz4").ok();
    assert!(place.run("backup a.coffer b --passphrase-env PASS").ok().starts_with("commit 1, "));
    place.run("restore new.coffer b --passphrase-env PASS").ok();
    assert!(place.run("info new.coffer --passphrase-env PASS").ok().contains("codec                lz4\n"));
    place.run_with("query a.coffer --passphrase-env PASS", "drop table plain; create table other(x)").ok();
    place.run("restore a.coffer b --replace --passphrase-env PASS").ok();
    for database in ["new.coffer", "a.coffer"] {
        place.run(&format!("export {database} --format sqlite -o out --force --passphrase-env PASS")).ok();
        assert_eq!(contents(&place.join("out")).len(), contents(&place.join("in.sqlite")).len());
        place.run(&format!("verify {database} --deep --passphrase-env PASS")).ok();
    }
    assert_eq!(place.run("restore other.coffer b --passphrase-env OTHER").code, Some(4));
    assert!(!place.join("other.coffer").exists());
}

#[test]
fn a_dictionary_is_trained_embedded_and_extracted() {
    let place = Place::new();
    place.run("init a.coffer --page-size 1024").ok();
    let sql = "create table t(id integer primary key, j text);
        with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000)
        insert into t select i, json_object('name', 'user ' || i, 'mail', i || '@example.org', 'active', i % 2) from n";
    place.run_with("query a.coffer", sql).ok();
    place.run("compact a.coffer").ok();
    assert!(place.run("extract-dict a.coffer -o none.zdict").fails(1).contains("embed-dict"));
    place.run("train-dict a.coffer -o d.zdict --size 16384").ok();
    let embedded = place.run("embed-dict a.coffer d.zdict").ok();
    let sizes: Vec<u64> =
        embedded.split(|letter: char| !letter.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect();
    assert!(sizes[1] < sizes[0], "{embedded}");
    place.run("extract-dict a.coffer -o e.zdict").ok();
    assert_eq!(fs::read(place.join("e.zdict")).unwrap(), fs::read(place.join("d.zdict")).unwrap());
    assert!(place.run("dump a.coffer --page 5").ok().contains("dictionary    yes\n"));
    fs::write(place.join("bad.zdict"), "no dictionary").unwrap();
    assert!(place.run("embed-dict a.coffer bad.zdict").fails(1).contains("bad.zdict is not a dictionary"));
    place.run("init b.coffer --dict d.zdict").ok();
    place.run("extract-dict b.coffer -o f.zdict").ok();
    place.run("embed-dict a.coffer --none").ok();
    assert_eq!(place.run("extract-dict a.coffer -o g.zdict").code, Some(1));
    place.run("verify a.coffer --deep").ok();
}

#[test]
fn the_bench_compares_every_way_of_storing() {
    let place = Place::new();
    place.filled("a.coffer", 2000);
    let table = place.run("bench a.coffer --sample 100000").ok();
    for name in ["none", "rle", "lz4", "zstd:3", "gzip:6", "aes-256-gcm", "chacha20-poly1305"] {
        assert!(table.lines().any(|line| line.starts_with(&format!("{name} "))), "{name}: {table}");
    }
    let json = place.run("bench a.coffer --sample 100000 --codec zstd:3 --json").ok();
    let first: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!(first["name"], "zstd:3");
    assert!(first["ratio"].as_f64().unwrap() > 1.0, "{first}");
}

#[test]
fn every_shell_gets_its_completions() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(place.run(&format!("completions {shell}")).ok().contains("rotate-key"), "{shell}");
    }
}

#[test]
fn a_chain_of_increments_restores_what_the_database_was() {
    let place = Place::new();
    place.run("init a.coffer --passphrase-env PASS").ok();
    let query = |sql: &str| place.run_with("query a.coffer --passphrase-env PASS", sql).ok();
    let backup = |rest: &str| {
        let said = place.run(&format!("backup a.coffer {rest} --passphrase-env PASS")).ok();
        said.split([' ', ',']).nth(1).unwrap().to_owned()
    };
    query(&format!(
        "{RICH}; create table filler as with recursive n(i) as (select 1 union all select i + 1 from n where i < 5000) select i, hex(randomblob(20)) from n"
    ));
    let full = backup("full");
    query("insert into plain(t) values ('second')");
    let second = backup(&format!("second --since {full}"));
    query("drop table filler; vacuum; insert into plain(t) values ('third')");
    place.run("rotate-key a.coffer --passphrase-env PASS").ok();
    let third = backup(&format!("third --since {second}"));
    let bytes = |name: &str| place.join(name).metadata().unwrap().len();
    assert!(bytes("second") < bytes("full") / 4, "{} {}", bytes("second"), bytes("full"));

    assert_eq!(
        place.run("restore now.coffer full second third --passphrase-env PASS").ok(),
        format!("commit {third}\n")
    );
    for database in ["a.coffer", "now.coffer"] {
        place.run(&format!("export {database} --format sqlite -o {database}.sqlite --passphrase-env PASS")).ok();
    }
    assert_eq!(contents(&place.join("now.coffer.sqlite")), contents(&place.join("a.coffer.sqlite")));
    place.run("restore then.coffer full second --passphrase-env PASS").ok();
    let texts = "select group_concat(t) from plain where t in ('second', 'third')";
    assert_eq!(place.run_with("query then.coffer --no-header --passphrase-env PASS", texts).ok(), "second\n");

    // Increments are no databases, and continue only what they were taken after.
    assert_eq!(place.run("info second --passphrase-env PASS").code, Some(3));
    let said = place.run("restore not.coffer full third --passphrase-env PASS").fails(1);
    assert_eq!(
        said,
        "third does not continue what was given before it; give a full backup, then its increments in order"
    );
    assert!(!place.join("not.coffer").exists());
}

#[test]
fn the_simulator_replays_a_seed() {
    let place = Place::new();
    let run = || place.run("sim --seed 7").ok();
    let (one, other) = (run(), run());
    assert!(one.starts_with("from seed 7\n1 runs in "), "{one}");
    let what_happened = |said: &str| said.split_once(" s: ").unwrap().1.to_owned();
    assert_eq!(what_happened(&one), what_happened(&other));
    assert!(place.run("sim --profile nonsense").fails(2).contains("swarm"));
}

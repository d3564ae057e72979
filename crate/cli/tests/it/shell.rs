//! The shell on a pipe: a conversation.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use crate::run::Place;

#[test]
fn each_statement_is_answered_before_the_next_is_asked() {
    let place = Place::new();
    place.run("init a.coffer").ok();
    let mut shell = place.command(["shell", "a.coffer"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut to = shell.stdin.take().unwrap();
    let mut from = BufReader::new(shell.stdout.take().unwrap());
    let mut ask = |question: &str, lines: usize| {
        to.write_all(question.as_bytes()).unwrap();
        let mut answer = String::new();
        for _ in 0..lines {
            from.read_line(&mut answer).unwrap();
        }
        answer
    };
    assert_eq!(
        ask("create table t(a, b); insert into t values (1, 'x'), (2, null);\nselect * from t;\n", 2),
        "1|x\n2|\n"
    );
    assert_eq!(ask("select\n  count(*)\n  from t\n;\n", 1), "2\n");
    assert_eq!(ask("create trigger g after insert on t begin select 1; end; select 'made';\n", 1), "made\n");
    assert_eq!(ask(".mode json\nselect a from t;\n", 2), "[{\"a\":1},\n{\"a\":2}]\n");
    assert_eq!(ask(".mode list\n.headers on\nselect a from t limit 1;\n", 2), "a\n1\n");
    assert_eq!(ask(".tables\n", 1), "t\n");
    drop(to);
    assert!(shell.wait().unwrap().success());
}

#[test]
fn two_shells_share_a_database() {
    /// A shell that is asked one thing at a time, and answers one line.
    struct Shell(std::process::Child, std::process::ChildStdin, BufReader<std::process::ChildStdout>);

    impl Shell {
        fn on(place: &Place) -> Self {
            let mut command = place.command(["shell", "a.coffer", "--busy-timeout", "50"]);
            let mut child =
                command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            let (to, from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
            Self(child, to, BufReader::new(from))
        }

        fn ask(&mut self, question: &str) -> String {
            self.1.write_all(format!("{question}\n").as_bytes()).unwrap();
            let mut answer = String::new();
            self.2.read_line(&mut answer).unwrap();
            answer.trim_end().to_owned()
        }

        fn end(self) -> std::process::Output {
            drop(self.1);
            self.0.wait_with_output().unwrap()
        }
    }

    let place = Place::new();
    place.run("init a.coffer").ok();
    let (mut one, mut two) = (Shell::on(&place), Shell::on(&place));
    assert_eq!(one.ask("create table t(a); insert into t values (1); select count(*) from t;"), "1");
    assert_eq!(two.ask("select count(*) from t;"), "1", "what another process has committed is seen");
    // One writes: the other reads on, and is told when it would write too.
    assert_eq!(one.ask("begin; insert into t values (2); select count(*) from t;"), "2");
    assert_eq!(two.ask("select count(*) from t;"), "1");
    assert_eq!(two.ask("insert into t values (3); select 'went on';"), "went on");
    assert_eq!(one.ask("commit; select 'committed';"), "committed");
    assert_eq!(two.ask("insert into t values (4); select count(*) from t;"), "3");
    assert_eq!(one.ask("select sum(a) from t;"), "7");
    // Folding and merging under the other's feet changes nothing for it.
    assert_eq!(two.ask("pragma wal_checkpoint(truncate); compact; select sum(a) from t;").split('|').next(), Some("0"));
    assert_eq!(one.ask("insert into t values (5); select sum(a) from t;"), "12");
    assert!(one.end().status.success());
    let ended = two.end();
    assert_eq!(ended.status.code(), Some(1), "a statement was refused");
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(said.lines().count() == 1 && said.contains("another"), "{said}");
}

#[test]
fn errors_do_not_end_the_conversation_but_count() {
    let place = Place::new();
    place.run("init a.coffer").ok();
    let ran = place.run_on("shell a.coffer", b"select bad;\n.nonsense\nselect 'on';\n.schema nope\n");
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), "on\n"));
    let said: Vec<&str> = ran.err.lines().collect();
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said.iter().all(|line| line.starts_with("coffer: ")), "{said:?}");
    let ran = place.run_on("shell a.coffer --bail", b"select bad;\nselect 'on';\n");
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""));
}

#[test]
fn the_last_statement_may_lack_its_semicolon() {
    let place = Place::new();
    place.run("init a.coffer").ok();
    assert_eq!(place.run_on("shell a.coffer", b"select 1;\nselect 2").ok(), "1\n2\n");
    assert_eq!(place.run_on("shell a.coffer", b"").ok(), "");
}

#[test]
fn a_value_stays_on_its_line() {
    let place = Place::new();
    place.run("init a.coffer").ok();
    assert_eq!(place.run_on("shell a.coffer", b"select 'a\nb', x'0a';\n").ok(), "a\\nb|x'0a'\n");
}

#[test]
fn files_are_read_and_dumped() {
    let place = Place::new();
    place.run("init a.coffer").ok();
    std::fs::write(
        place.join("make.sql"),
        "create table t(a integer primary key, b text);\ninsert into t values (1, 'it''s');\n",
    )
    .unwrap();
    let dump = place.run_on("shell a.coffer", b".read make.sql\n.dump\n").ok();
    assert_eq!(
        dump,
        "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE t(a integer primary key, b text);\n\
         INSERT INTO \"t\" VALUES(1,'it''s');\nCOMMIT;\n"
    );
}

#[test]
fn the_dialect_works_in_the_shell() {
    let place = Place::new();
    place.filled("a.coffer", 10);
    let asked =
        b"backup database to 'copy';\ndelete from item;\nselect count(*) from item;\nrestore database from 'copy';\n\
                  select count(*) from item;\ncompact;\npragma journal_mode;\npragma max_rows = 5;\n";
    assert_eq!(place.run_on("shell a.coffer", asked).ok(), "0\n10\nwal\n5\n");
}

#[test]
fn a_zero_byte_does_not_end_a_script_unnoticed() {
    let place = Place::new();
    place.run("init a.coffer").ok();
    std::fs::create_dir(place.join("folder")).unwrap();
    let ran = place.run_on("shell a.coffer", b"select 1;\n\0select 2;\nselect 3\0;\n.read folder\nselect 4;\n");
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), "1\n4\n"));
    let said = "coffer: the SQL has a zero byte in it; write char(0) for one\n";
    assert_eq!(ran.err, format!("{said}{said}coffer: cannot read folder: it is a directory; name a file\n"));
    let said = place.run_on("query a.coffer -", b"select 1;\0 select 2").fails(1);
    assert!(said.contains("zero byte"), "{said}");
}

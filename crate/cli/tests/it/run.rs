//! Running the command in a directory of its own.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The command under test.
pub const COFFER: &str = env!("CARGO_BIN_EXE_coffer");

/// A directory that is gone when the test is.
pub struct Place {
    directory: tempfile::TempDir,
}

/// What a run left.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Place {
    pub fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// The command, about to run here. Its secrets are in the environment: PASS, OTHER.
    pub fn command(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = Command::new(COFFER);
        command.args(arguments).current_dir(self.path()).stdin(Stdio::null());
        command.env("PASS", "correct horse").env("OTHER", "battery staple");
        command
    }

    /// Runs the command with these arguments, split at spaces.
    pub fn run(&self, line: &str) -> Ran {
        ran(self.command(line.split(' ')).output().unwrap())
    }

    /// Runs the command; the last argument may have spaces.
    pub fn run_with(&self, line: &str, last: &str) -> Ran {
        ran(self.command(line.split(' ').chain([last])).output().unwrap())
    }

    /// Runs the command with this on its stdin.
    pub fn run_on(&self, line: &str, input: &[u8]) -> Ran {
        let mut child = self
            .command(line.split(' '))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_owned();
        let writer = std::thread::spawn(move || stdin.write_all(&input));
        let output = child.wait_with_output().unwrap();
        // A command that has heard enough closes its end, which is its right.
        drop(writer.join().unwrap());
        ran(output)
    }

    /// Runs a line of the system's shell, in which `coffer` is the command under test.
    pub fn shell(&self, line: &str) -> Ran {
        let mut command = Command::new("sh");
        command.args(["-c", line]).current_dir(self.path()).stdin(Stdio::null());
        let bin = Path::new(COFFER).parent().unwrap();
        let path = std::env::var("PATH").unwrap();
        command.env("PATH", format!("{}:{path}", bin.display()));
        command.env("PASS", "correct horse").env("OTHER", "battery staple").env("TZ", "UTC");
        ran(command.output().unwrap())
    }

    /// A database with a table of so many rows that do not compress to nothing.
    pub fn filled(&self, name: &str, rows: u32) {
        self.run(&format!("init {name}")).ok();
        let sql = format!(
            "create table item(id integer primary key, body text); create index by_body on item(body);
             with recursive n(i) as (select 1 union all select i + 1 from n where i < {rows})
             insert into item select i, 'item ' || i || ' ' || hex(randomblob(20)) from n"
        );
        self.run_with(&format!("query {name}"), &sql).ok();
    }
}

impl Ran {
    /// What it printed, if it went well.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.out
    }

    /// What it complained of, if it failed in this way: one line, and nothing else.
    #[track_caller]
    pub fn fails(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.err.lines().count(), 1, "{self:?}");
        assert!(self.err.starts_with("coffer: ") && self.err.ends_with('\n'), "{self:?}");
        self.err.trim_end().trim_start_matches("coffer: ").to_owned()
    }
}

pub fn ran(output: Output) -> Ran {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

//! `coffer import`: a plain SQLite database becomes the contents of a Coffer database, page by page, through SQLite's own
//! backup interface: everything comes along, and what was written but not checkpointed in the source's own log as well.
//!
//! It is one commit: until it is made, and after a crash before it, the database is what it was.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use coffer_sqlite::rusqlite::backup::{Backup, StepResult};
use coffer_sqlite::rusqlite::{self, OpenFlags};
use coffer_sqlite::{Connection, Database};
use coffer_store::PageSize;
use serde_json::json;

use crate::failure::{Exit, Failure, Outcome};
use crate::interrupt::Hold;
use crate::open::{Access, DatabaseArgs, SQLITE_MAGIC};
use crate::progress::{Progress, Unit};
use crate::text;
use crate::verb::init::{self, Shape};

/// Bring a plain SQLite database into a Coffer database
///
/// The Coffer database is made if it is not there. One that holds anything is only replaced with --replace.
#[derive(Args, Debug)]
pub struct Import {
    #[command(flatten)]
    database: DatabaseArgs,
    /// The plain SQLite database.
    #[arg(value_name = "FILE")]
    source: PathBuf,
    /// Replace what the database holds.
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    shape: Shape,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Pages copied between looks at the signals.
const STEP_PAGES: i32 = 256;

impl Import {
    pub fn run(&self) -> Outcome {
        let page_size = sqlite_page_size(&self.source)?;
        let shown = self.source.display();
        let complain = |error: rusqlite::Error| Failure::data(format!("cannot read {shown}: {error}"));
        let source =
            rusqlite::Connection::open_with_flags(&self.source, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(complain)?;
        source.busy_timeout(Duration::from_millis(self.database.busy_timeout))?;
        // A damaged or locked source is told before anything is made.
        source.query_row("select count(*) from sqlite_schema", [], |_| Ok(())).map_err(complain)?;
        let made = !self.database.path.exists();
        // From here on there may be something to take away again.
        let hold = Hold::new();
        let database = self.target(made, page_size)?;
        let limit = Duration::from_millis(self.database.busy_timeout);
        let copied = copy(&source, &database, self.replace, &self.database.name(), limit);
        let info = database.storage_info();
        let closed = database.close();
        if made && copied.is_err() {
            drop(std::fs::remove_dir_all(&self.database.path));
        }
        hold.explain(copied)?;
        closed?;
        let info = info?;
        let document = json!({ "commit": info.last_commit_id, "pages": info.page_count, "page_size": info.page_size });
        text::result(self.json, &document, "")
    }

    fn target(&self, made: bool, page_size: Option<PageSize>) -> Outcome<Database> {
        if !made {
            return self.database.open(Access::Write);
        }
        let key = self.shape.new_key(&self.database.key, &self.database.path)?;
        let shape = Shape { page_size: self.shape.page_size.or(page_size), ..self.shape.clone() };
        init::create(&self.database.path, key, &shape)
    }
}

fn copy(source: &rusqlite::Connection, database: &Database, replace: bool, name: &str, limit: Duration) -> Outcome {
    let mut connection = database.connect()?;
    let objects: i64 = connection.query_row("select count(*) from sqlite_schema", [], |row| row.get(0))?;
    if objects > 0 && !replace {
        let message = format!("{name} is not empty; choose another path, or say --replace to replace what it holds");
        return Err(Failure::data(message));
    }
    let hold = Hold::on(&connection);
    let result = copy_pages(source, &mut connection, &hold, limit);
    hold.explain(result)?;
    connection.close()?;
    Ok(())
}

fn copy_pages(source: &rusqlite::Connection, connection: &mut Connection, hold: &Hold, limit: Duration) -> Outcome {
    let mut progress = Progress::new("import", None, Unit::Pages);
    let backup = Backup::new(source, connection)?;
    let mut went_on = Instant::now();
    loop {
        hold.check()?;
        match backup.step(STEP_PAGES)? {
            StepResult::Done => return Ok(()),
            StepResult::Busy | StepResult::Locked if went_on.elapsed() < limit => {
                thread::sleep(Duration::from_millis(5));
            }
            StepResult::Busy | StepResult::Locked => {
                let message = "another process is writing to one of the two databases; try again when it is done";
                return Err(Failure::new(Exit::Open, message));
            }
            _ => {
                went_on = Instant::now();
                let state = backup.progress();
                let total = u64::try_from(state.pagecount).unwrap_or(0);
                progress.set_of(total.saturating_sub(u64::try_from(state.remaining).unwrap_or(0)), total);
            }
        }
    }
}

/// Fails unless it is a plain SQLite database; `None` if it is one without a first page yet.
fn sqlite_page_size(path: &Path) -> Outcome<Option<PageSize>> {
    let fail = |error: std::io::Error| Failure::file("read", path.display(), &error);
    let mut file = File::open(path).map_err(fail)?;
    if file.metadata().map_err(fail)?.is_dir() {
        return Err(foreign(path));
    }
    let mut start = Vec::new();
    Read::by_ref(&mut file).take(16).read_to_end(&mut start).map_err(fail)?;
    if start.is_empty() {
        return Ok(None); // SQLite makes an empty file of a database that nothing was written to.
    }
    if start != SQLITE_MAGIC {
        return Err(foreign(path));
    }
    let mut size = [0; 2];
    file.seek(SeekFrom::Start(16)).map_err(fail)?;
    file.read_exact(&mut size).map_err(|_| foreign(path))?;
    // SQLite's numbers are big-endian, and 1 stands for 65536.
    let size = match u32::from(size[0]) << 8 | u32::from(size[1]) {
        1 => 65536,
        size => size,
    };
    Ok(PageSize::new(size))
}

fn foreign(path: &Path) -> Failure {
    let message = format!("{} is not a plain SQLite database; for CSV and JSON use: coffer load", path.display());
    Failure::new(Exit::Open, message)
}

//! A plain SQLite database, copied page by page through SQLite's backup interface.

use std::path::Path;

use coffer_sqlite::rusqlite;
use coffer_sqlite::rusqlite::backup::{Backup, StepResult};

use crate::failure::{Failure, Outcome};
use crate::interrupt::Hold;
use crate::open::{Access, DatabaseArgs};
use crate::output::Part;
use crate::progress::{Progress, Unit};

/// Pages copied between looks at the signals.
const STEP_PAGES: i32 = 256;

pub fn write(database: &DatabaseArgs, path: &Path, force: bool) -> Outcome {
    let database = database.open(Access::Read)?;
    let connection = database.connect()?;
    let part = Part::new(path, force)?;
    let complain = |error: rusqlite::Error| Failure::data(format!("cannot write {}: {error}", path.display()));
    let mut target = rusqlite::Connection::open(part.path()).map_err(complain)?;
    let hold = Hold::on(&connection);
    let mut progress = Progress::new("export", None, Unit::Pages);
    connection.execute_batch("begin")?;
    {
        let backup = Backup::new(&connection, &mut target).map_err(complain)?;
        loop {
            hold.check()?;
            if backup.step(STEP_PAGES).map_err(complain)? == StepResult::Done {
                break;
            }
            let state = backup.progress();
            let total = u64::try_from(state.pagecount).unwrap_or(0);
            progress.set_of(total.saturating_sub(u64::try_from(state.remaining).unwrap_or(0)), total);
        }
    }
    target.close().map_err(|(_, error)| complain(error))?;
    part.finish()
}

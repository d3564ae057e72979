//! Where a verb's result goes: stdout, or a file that gets its name only when it is whole.

use std::fs::{self, File};
use std::io::{self, BufWriter, Stdout, Write};
use std::path::{Path, PathBuf};

use crate::failure::{Exit, Failure, Outcome};

/// Somewhere to write to.
pub enum Output {
    /// The terminal or a pipe.
    Stdout(BufWriter<Stdout>),
    /// A file in the making.
    File(BufWriter<File>, Part),
}

impl Output {
    /// Stdout, or a new file. An existing file is only replaced if `force` says so, and only at the end.
    pub fn create(path: Option<&Path>, force: bool) -> Outcome<Self> {
        let Some(path) = path.filter(|path| *path != Path::new("-")) else {
            return Ok(Self::Stdout(BufWriter::new(io::stdout())));
        };
        let part = Part::new(path, force)?;
        let file = File::create(&part.path).map_err(|error| Failure::file("write", part.path.display(), &error))?;
        Ok(Self::File(BufWriter::new(file), part))
    }

    /// Everything is written: now it counts.
    pub fn finish(self) -> Outcome {
        match self {
            Self::Stdout(mut out) => Ok(out.flush()?),
            Self::File(out, part) => {
                let file = out.into_inner().map_err(|error| Failure::from(io::Error::from(error.error().kind())))?;
                file.sync_all()?;
                part.finish()
            }
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(out) => out.write(bytes),
            Self::File(out, _) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(out) => out.flush(),
            Self::File(out, _) => out.flush(),
        }
    }
}

/// A file under a name of its own until it is whole; gone if that never comes.
pub struct Part {
    target: PathBuf,
    path: PathBuf,
    finished: bool,
}

impl Part {
    pub fn new(target: &Path, force: bool) -> Outcome<Self> {
        if !force && target.exists() {
            let message = format!("{} exists already; choose another name or say --force", target.display());
            return Err(Failure::new(Exit::Open, message));
        }
        let mut path = target.as_os_str().to_owned();
        path.push(".part");
        let path = PathBuf::from(path);
        // What an earlier, killed run left.
        drop(fs::remove_file(&path));
        Ok(Self { target: target.to_owned(), path, finished: false })
    }

    /// Where it is being made.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it its name.
    pub fn finish(mut self) -> Outcome {
        let renamed = fs::rename(&self.path, &self.target);
        renamed.map_err(|error| Failure::file("write", self.target.display(), &error))?;
        self.finished = true;
        let parent = self.target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // The name must survive a power cut as well. A file system that cannot flush a directory has nothing to flush.
        drop(File::open(parent).and_then(|directory| directory.sync_all()));
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.finished {
            drop(fs::remove_file(&self.path));
        }
    }
}

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
    /// What is no file and cannot be put in the place of one: a device, a named pipe.
    Device(BufWriter<File>, String),
}

impl Output {
    /// Stdout, or a new file. An existing file is only replaced if `force` says so, and only at the end.
    pub fn create(path: Option<&Path>, force: bool) -> Outcome<Self> {
        let Some(path) = path.filter(|path| *path != Path::new("-")) else {
            return Ok(Self::Stdout(BufWriter::new(io::stdout())));
        };
        let fail = |error: io::Error| Failure::file("write", path.display(), &error);
        if is_device(path) {
            let file = File::options().write(true).open(path).map_err(fail)?;
            return Ok(Self::Device(BufWriter::new(file), path.display().to_string()));
        }
        let part = Part::new(path, force)?;
        let file = File::create(&part.path).map_err(fail)?;
        Ok(Self::File(BufWriter::new(file), part))
    }

    /// Fails as making it would, for who has much to do before there is anything to write.
    pub fn check(path: &Path, force: bool) -> Outcome {
        if is_device(path) { Ok(()) } else { Part::new(path, force).map(drop) }
    }

    /// Whether it is a file, which is to be taken away again if it does not become whole.
    pub fn is_file(&self) -> bool {
        matches!(self, Self::File(..))
    }

    /// Everything is written: now it counts.
    pub fn finish(self) -> Outcome {
        match self {
            Self::Stdout(mut out) => Ok(out.flush()?),
            Self::File(out, part) => {
                let fail = |error: io::Error| Failure::file("write", part.target.display(), &error);
                let file = out.into_inner().map_err(|error| fail(error.into_error()))?;
                file.sync_all().map_err(fail)?;
                part.finish()
            }
            Self::Device(mut out, name) => out.flush().map_err(|error| Failure::file("write", name, &error)),
        }
    }
}

/// Whether there is something at a path that is neither a file nor a directory.
fn is_device(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| !found.is_file() && !found.is_dir())
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(out) => out.write(bytes),
            Self::File(out, _) | Self::Device(out, _) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(out) => out.flush(),
            Self::File(out, _) | Self::Device(out, _) => out.flush(),
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
        let shown = target.display();
        let refuse = |message: String| Err(Failure::new(Exit::Open, message));
        if target.is_dir() {
            return refuse(format!("{shown} is a directory; name a file"));
        }
        if is_device(target) {
            return refuse(format!("{shown} is no file, and what is written must be one; choose another name"));
        }
        if !force && target.exists() {
            return refuse(format!("{shown} exists already; choose another name or say --force"));
        }
        let parent = parent(target);
        if !parent.is_dir() {
            return refuse(format!("there is no directory {0}; make it with: mkdir -p {0}", parent.display()));
        }
        // A link stays one.
        let target = fs::canonicalize(target).unwrap_or_else(|_| target.to_owned());
        let mut path = target.as_os_str().to_owned();
        path.push(".part");
        let path = PathBuf::from(path);
        // What an earlier, killed run left.
        drop(fs::remove_file(&path));
        // Whoever makes it next may not be able to say why it cannot.
        let made = File::create_new(&path).and_then(|_| fs::remove_file(&path));
        made.map_err(|error| Failure::file("write", &shown, &error))?;
        Ok(Self { target, path, finished: false })
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
        // The name must survive a power cut as well. A file system that cannot flush a directory has nothing to flush.
        drop(File::open(parent(&self.target)).and_then(|directory| directory.sync_all()));
        Ok(())
    }
}

/// The directory that a file is in.
fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.finished {
            drop(fs::remove_file(&self.path));
        }
    }
}

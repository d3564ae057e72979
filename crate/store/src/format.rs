//! Bytes to structs and back. No I/O and no policy: one encode, one decode, both tests beside them.
//!
//! FORMAT.md is the normative text; its rules are cited here as `FORMAT: name`. Decoders take hostile bytes: lengths are
//! checked before they are used, and nothing is allocated that the input has not paid for.

pub(crate) mod body;
pub(crate) mod commits;
pub(crate) mod frame;
pub(crate) mod index;
pub(crate) mod layout;
pub(crate) mod log;
pub(crate) mod manifest;
pub(crate) mod seal;
pub(crate) mod segment;

/// The format version that this code writes, and the newest that it reads.
pub const FORMAT_VERSION: u16 = 1;

/// Required feature bits that this code knows. A file with any other is refused.
pub const REQUIRED_FEATURES: u16 = 0;

use crate::error::{Error, Foreign, Result, Unsupported};

/// The first bytes of a plain SQLite database.
const SQLITE_MAGIC: &[u8] = b"SQLite format 3\0";

/// What a file is that does not begin with our magic.
pub(crate) fn foreign(file: &str, bytes: &[u8]) -> Error {
    let hint = if bytes.starts_with(SQLITE_MAGIC) { Foreign::Sqlite } else { Foreign::Unknown };
    Error::Foreign { file: file.into(), hint }
}

/// Refuses newer versions and unknown required features before anything else of the file is believed.
pub(crate) fn check_version(file: &str, version: u16, required: u16) -> Result<()> {
    // FORMAT: version-1
    if version == 0 || version > FORMAT_VERSION {
        return Err(Error::Unsupported { file: file.into(), what: Unsupported::Version(version) });
    }
    // FORMAT: version-2
    if required & !REQUIRED_FEATURES != 0 {
        return Err(Error::Unsupported {
            file: file.into(),
            what: Unsupported::Features(required & !REQUIRED_FEATURES),
        });
    }
    Ok(())
}

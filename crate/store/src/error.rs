//! What can go wrong, typed by what the caller can do next.
//!
//! Texts are for people and are not API: they say where and what, and what to do. Bugs of ours are panics that name an
//! invariant; everything that comes from outside is one of these values.

use alloc::string::String;
use core::fmt;

use crate::device::DeviceError;
use crate::ids::CommitId;

/// A result of this crate.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// Why a store could not do what was asked.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The device failed. `DeviceError::kind` tells a full disk or a busy file from plain failure.
    Device(DeviceError),
    /// An earlier write or flush failed, so nobody knows what is stored. Reads go on; reopen to recover.
    Poisoned,
    /// Stored bytes are not what was written.
    Corrupt(Corrupt),
    /// The file is not one of ours. `hint` says what it looks like.
    Foreign {
        /// The file's name.
        file: String,
        /// What it looks like.
        hint: Foreign,
    },
    /// Written by a newer or feature-extended Coffer, or needs a codec or cipher that this build leaves out.
    Unsupported {
        /// The file's name.
        file: String,
        /// What this build lacks.
        what: Unsupported,
    },
    /// The database is encrypted and no key was given.
    KeyRequired,
    /// The key opens no slot of this database. Decided before any page is read.
    WrongKey,
    /// Another transaction committed after this one began.
    Conflict {
        /// What the transaction saw.
        base: CommitId,
        /// The newest commit.
        head: CommitId,
    },
    /// Asked for something outside the store's limits.
    Limit(Limit),
    /// The commit asked for is not kept any more, or not there yet.
    NoSuchCommit {
        /// The commit asked for.
        commit: CommitId,
    },
}

/// Which bytes were not what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Corrupt {
    /// The file's name.
    pub file: String,
    /// Where in the file.
    pub offset: u64,
    /// Which check failed.
    pub what: What,
}

/// The check that failed; one for each rule of FORMAT.md.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Both manifest slots are damaged.
    Manifest,
    /// The manifest is whole but was not written by a holder of the key.
    ManifestAuthentication,
    /// A manifest field lies outside its limits.
    ManifestField,
    /// A log's header is damaged though commits follow it.
    LogHeader,
    /// A log that must exist does not, or does not continue the one before.
    LogMissing,
    /// A frame inside the part of a log that was known to be flushed.
    Frame,
    /// Commits that were known to be flushed are not there.
    CommitsMissing,
    /// A segment named by the manifest is not there or has another length.
    SegmentMissing,
    /// A segment's header.
    SegmentHeader,
    /// A segment's dictionary.
    Dictionary,
    /// A record's header: number, size or codec outside its limits.
    RecordHeader,
    /// A record's checksum.
    RecordChecksum,
    /// A record failed authentication: altered, moved, or of another file.
    RecordAuthentication,
    /// A record's content does not decompress to one page.
    RecordContent,
    /// A segment's index.
    Index,
    /// A segment's seal.
    Seal,
    /// A wrapped key.
    Key,
    /// A job or message between workers.
    Message,
}

/// What a foreign file looks like.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// A plain SQLite database: import it.
    Sqlite,
    /// Nothing we know.
    Unknown,
}

/// What this build cannot read.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsupported {
    /// A format version above ours.
    Version(u16),
    /// Required feature bits that we do not know.
    Features(u16),
    /// A codec that is unknown or compiled out.
    Codec(u8),
    /// A cipher that is unknown or compiled out.
    Cipher(u8),
}

/// A limit that was met.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// The log has reached `journal_size_limit` and waits for a checkpoint.
    LogFull,
    /// The page number or count.
    Pages,
    /// A page of another size than the database's.
    PageSize,
    /// The number of open files.
    Files,
    /// The number of key slots.
    KeySlots,
    /// The last key slot cannot be removed; decrypt the database instead.
    LastKeySlot,
    /// A key slot whose key was not supplied would be locked out; supply its key or remove the slot.
    KeySlotUnsupplied,
    /// The dictionary's length.
    Dictionary,
    /// A page was written or a log sealed out of turn (a read-only store, or a second open transaction).
    ReadOnly,
    /// The level is outside what the codec has.
    Level,
    /// The number of kept commits.
    KeptCommits,
    /// The manifest would outgrow its slot.
    Manifest,
    /// A job was given out and has not come back.
    JobOut,
}

impl From<DeviceError> for Error {
    fn from(error: DeviceError) -> Self {
        Self::Device(error)
    }
}

impl From<Limit> for Error {
    fn from(limit: Limit) -> Self {
        Self::Limit(limit)
    }
}

impl Error {
    /// Stored bytes at this place failed this check.
    pub fn corrupt(file: &str, offset: u64, what: What) -> Self {
        Self::Corrupt(Corrupt { file: file.into(), offset, what })
    }

    /// The word by which every surface of Coffer knows this error.
    pub fn code(&self) -> &'static str {
        use crate::device::DeviceErrorKind as Kind;
        match self {
            Self::Device(error) => match error.kind {
                Kind::NotFound => "not_found",
                Kind::Exists => "exists",
                Kind::Busy => "locked_elsewhere",
                Kind::NoSpace => "quota",
                Kind::ReadOnly => "denied",
                Kind::ShortRead | Kind::NotReady | Kind::Io => "io",
            },
            Self::Poisoned => "poisoned",
            Self::Corrupt(_) => "corrupt",
            Self::Foreign { .. } => "foreign",
            Self::Unsupported { .. } => "unsupported_format",
            Self::KeyRequired => "key_required",
            Self::WrongKey => "wrong_key",
            Self::Conflict { .. } => "conflict",
            Self::Limit(Limit::LogFull | Limit::JobOut) => "busy",
            Self::Limit(Limit::ReadOnly) => "readonly",
            Self::Limit(_) => "limit",
            Self::NoSuchCommit { .. } => "no_such_commit",
        }
    }

    /// Every word [`Error::code`] can give, for the parity check with other languages.
    pub const CODES: [&'static str; 17] = [
        "not_found",
        "exists",
        "locked_elsewhere",
        "quota",
        "denied",
        "io",
        "poisoned",
        "corrupt",
        "foreign",
        "unsupported_format",
        "key_required",
        "wrong_key",
        "conflict",
        "busy",
        "readonly",
        "limit",
        "no_such_commit",
    ];
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(error) => error.fmt(f),
            Self::Poisoned => f.write_str("an earlier write or flush failed; reopen the database to recover"),
            Self::Corrupt(Corrupt { file, offset, what }) => {
                write!(f, "{file} is damaged at byte {offset}: {what}; run verify, and restore from a backup")
            }
            Self::Foreign { file, hint: Foreign::Sqlite } => {
                write!(f, "{file} is a plain SQLite database; import it into a Coffer database")
            }
            Self::Foreign { file, hint: Foreign::Unknown } => write!(f, "{file} is not a Coffer database"),
            Self::Unsupported { file, what } => write!(f, "{file} {what}"),
            Self::KeyRequired => f.write_str("the database is encrypted; give its key"),
            Self::WrongKey => f.write_str("the key does not open this database"),
            Self::Conflict { base, head } => {
                write!(f, "commit {head} came in between, the transaction began at {base}; run it again")
            }
            Self::Limit(limit) => limit.fmt(f),
            Self::NoSuchCommit { commit } => write!(f, "commit {commit} is not kept"),
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Manifest => "neither manifest slot is whole",
            Self::ManifestAuthentication => "the manifest was altered by someone without the key",
            Self::ManifestField => "a manifest field is outside its limits",
            Self::LogHeader => "the log's header is damaged",
            Self::LogMissing => "a log is missing or does not continue the one before",
            Self::Frame => "a frame that was flushed is damaged",
            Self::CommitsMissing => "commits that were flushed are missing",
            Self::SegmentMissing => "the segment is missing or has another length",
            Self::SegmentHeader => "the segment's header is damaged",
            Self::Dictionary => "the segment's dictionary is damaged",
            Self::RecordHeader => "a record's header is damaged",
            Self::RecordChecksum => "a record's checksum does not match",
            Self::RecordAuthentication => "a record failed authentication",
            Self::RecordContent => "a record does not decompress to its size",
            Self::Index => "the segment's index is damaged",
            Self::Seal => "the segment's seal is damaged",
            Self::Key => "a wrapped key is damaged",
            Self::Message => "a message between workers is malformed",
        })
    }
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => {
                write!(f, "has format version {version}, which is newer than this Coffer reads; update Coffer")
            }
            Self::Features(bits) => write!(f, "needs features {bits:#06x} that this Coffer lacks; update Coffer"),
            Self::Codec(id) => write!(f, "uses codec {id}, which this build of Coffer lacks"),
            Self::Cipher(id) => write!(f, "uses cipher {id}, which this build of Coffer lacks"),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LogFull => "the log is at its size limit and waits for a checkpoint; try again",
            Self::Pages => "the page lies outside the database's limits",
            Self::PageSize => "the page has another size than the database's pages",
            Self::Files => "too many files are open",
            Self::KeySlots => "all key slots are in use; remove one",
            Self::LastKeySlot => "this is the last key slot; decrypt the database instead",
            Self::KeySlotUnsupplied => "a key slot would be locked out; supply its key or remove the slot",
            Self::Dictionary => "the dictionary is too large or not a dictionary",
            Self::ReadOnly => "the database is open for reading only",
            Self::Level => "the codec has no such level",
            Self::JobOut => "a checkpoint or compaction is running elsewhere; wait for it and try again",
            Self::Manifest => "the manifest is full; release kept commits or merge segments",
            Self::KeptCommits => "too many commits are kept; release some",
        })
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Device(error) => Some(error),
            _ => None,
        }
    }
}

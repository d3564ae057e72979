//! Coffer's pragmas: text, parsed once into an enum.
//!
//! Knows words and numbers, not databases; [`crate::dialect`] carries a pragma out. A name that is not here belongs to
//! SQLite and passes untouched.

use coffer_store::CommitId;

/// Reading a setting, or changing it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting<T> {
    /// Without an argument.
    Get,
    /// With one.
    Set(T),
}

/// How durable a commit is when it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Synchronous {
    /// Nothing is flushed.
    Off,
    /// One flush per commit.
    #[default]
    Normal,
    /// Spilled frames are flushed before the commit frame is written.
    Full,
    /// As `Full`, and the manifest is read back and flushed again.
    Extra,
}

impl Synchronous {
    const ALL: [(Self, &'static str); 4] =
        [(Self::Off, "off"), (Self::Normal, "normal"), (Self::Full, "full"), (Self::Extra, "extra")];

    pub(crate) fn from_index(index: u8) -> Self {
        Self::ALL.get(usize::from(index)).map_or(Self::Normal, |&(level, _)| level)
    }

    fn parse(word: &str) -> Option<Self> {
        let by_number = word.parse::<u8>().ok().filter(|&index| index < 4).map(Self::from_index);
        let by_name = || Self::ALL.iter().find(|(_, name)| word.eq_ignore_ascii_case(name)).map(|&(level, _)| level);
        // SQLite reads the boolean words here as well.
        by_number.or_else(by_name).or_else(|| parse_switch(word).map(|on| if on { Self::Normal } else { Self::Off }))
    }
}

impl From<Synchronous> for coffer_store::Synchronous {
    fn from(level: Synchronous) -> Self {
        match level {
            Synchronous::Off => Self::Off,
            Synchronous::Normal => Self::Normal,
            Synchronous::Full => Self::Full,
            Synchronous::Extra => Self::Extra,
        }
    }
}

/// What a transaction sees of other transactions' commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Isolation {
    /// One snapshot plus itself.
    #[default]
    Serializable,
    /// Each statement sees the newest commit, until the transaction first writes.
    ReadCommitted,
    /// Accepted, and behaves as read committed, as the SQL standard allows.
    ReadUncommitted,
    /// Accepted, and behaves as serializable, which keeps all that it promises: writers take turns, so that none ever meets a conflict.
    Snapshot,
}

impl Isolation {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Serializable, "serializable"),
        (Self::ReadCommitted, "read committed"),
        (Self::ReadUncommitted, "read uncommitted"),
        (Self::Snapshot, "snapshot"),
    ];

    pub(crate) fn from_index(index: u8) -> Self {
        Self::ALL.get(usize::from(index)).map_or(Self::Serializable, |&(level, _)| level)
    }

    /// Whether each statement of a transaction that only reads sees the newest commit.
    pub(crate) fn moves_on(self) -> bool {
        matches!(self, Self::ReadCommitted | Self::ReadUncommitted)
    }

    /// As the pragma says it.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    fn parse(text: &str) -> Option<Self> {
        let words = text.replace(['_', '-'], " ");
        Self::ALL.iter().find(|(_, name)| words.trim().eq_ignore_ascii_case(name)).map(|&(level, _)| level)
    }
}

/// What a checkpoint leaves of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointMode {
    /// Folds what can be folded.
    Passive,
    /// Folds everything.
    Full,
    /// Folds everything, and the next commit begins a log anew.
    Restart,
    /// Folds everything, and the log gives its space back.
    Truncate,
}

/// When a log gives its space back after a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truncate {
    /// Never: the space is used again.
    Off,
    /// Always.
    On,
    /// When it is larger than this.
    Above(u64),
}

/// One of Coffer's pragmas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pragma {
    /// `journal_mode`: whatever is asked for, the answer is `wal`.
    JournalMode,
    /// `synchronous`.
    Synchronous(Setting<Synchronous>),
    /// `busy_timeout`, in milliseconds.
    BusyTimeout(Setting<u64>),
    /// `wal_mode`: off folds each commit at once.
    WalMode(Setting<bool>),
    /// `wal_autocheckpoint`, in pages; 0 is never.
    Autocheckpoint(Setting<u32>),
    /// `wal_autocheckpoint_ms`; 0 is never.
    AutocheckpointMs(Setting<u64>),
    /// `wal_truncate`.
    WalTruncate(Setting<Truncate>),
    /// `wal_archive`.
    WalArchive(Setting<bool>),
    /// `journal_size_limit`, in bytes; `None` is no limit.
    JournalSizeLimit(Setting<Option<u64>>),
    /// `wal_checkpoint`.
    Checkpoint(CheckpointMode),
    /// `cache_memory`, in bytes.
    CacheMemory(Setting<u64>),
    /// `cache_memory_soft`, in bytes.
    CacheMemorySoft(Setting<u64>),
    /// `max_rows` of all tables; `None` is no limit.
    MaxRows(Setting<Option<u64>>),
    /// `max_rows('t')` and `max_rows('t=100')`.
    MaxRowsOf(String, Setting<Option<u64>>),
    /// `compression`, as `codec` or `codec:level`.
    Compression(Setting<String>),
    /// `verify_on_read`.
    VerifyOnRead(Setting<bool>),
    /// `isolation_level`.
    IsolationLevel(Setting<Isolation>),
    /// `memory_stats`; as a statement of a [`crate::Connection`] it is a table, see `tables.rs`.
    MemoryStats,
    /// `storage_info`, likewise.
    StorageInfo,
    /// `key_slots`, likewise.
    KeySlots,
    /// `compaction`: whether it runs by itself; read as a statement, it is a row with more about it.
    Compaction(Setting<bool>),
    /// `page_history(n)`: the kept versions of a page, likewise.
    PageHistory(u32),
    /// `read_at`: looks at a kept commit; 0 is the newest again.
    ReadAt(Setting<Option<CommitId>>),
}

impl Pragma {
    /// What a pragma's name and argument mean; `None` if it is not ours. An error says what the argument may be.
    pub fn parse(name: &str, argument: Option<&str>) -> Result<Option<Self>, String> {
        let lower = name.to_ascii_lowercase();
        let argument = argument.map(str::trim);
        let words = Words { name: &lower, argument };
        Ok(Some(match lower.as_str() {
            "journal_mode" => Self::JournalMode,
            "synchronous" => Self::Synchronous(words.setting("OFF, NORMAL, FULL or EXTRA", Synchronous::parse)?),
            "busy_timeout" => Self::BusyTimeout(words.setting("milliseconds", parse_signed)?),
            "wal_mode" => Self::WalMode(words.setting("ON or OFF", parse_switch)?),
            "wal_autocheckpoint" => Self::Autocheckpoint(
                words.setting("a number of pages", |word| u32::try_from(parse_signed(word)?).ok())?,
            ),
            "wal_autocheckpoint_ms" => Self::AutocheckpointMs(words.setting("milliseconds", parse_signed)?),
            "wal_truncate" => Self::WalTruncate(words.setting("ON, OFF or a number of bytes", |word| {
                let on = || parse_switch(word).map(|on| if on { Truncate::On } else { Truncate::Off });
                let bytes = word.parse().ok().filter(|&bytes| bytes > 1).map(Truncate::Above);
                bytes.or_else(on)
            })?),
            "wal_archive" => Self::WalArchive(words.setting("ON or OFF", parse_switch)?),
            "journal_size_limit" => {
                Self::JournalSizeLimit(words.setting("a number of bytes, or -1 for no limit", parse_limit)?)
            }
            "wal_checkpoint" => Self::Checkpoint(parse_checkpoint(words.argument)?),
            "cache_memory" => Self::CacheMemory(words.setting("a number of bytes", parse_signed)?),
            "cache_memory_soft" => Self::CacheMemorySoft(words.setting("a number of bytes", parse_signed)?),
            "max_rows" => parse_max_rows(&words)?,
            "compression" => Self::Compression(words.setting("a codec, or codec:level", |word| Some(word.to_owned()))?),
            "verify_on_read" => Self::VerifyOnRead(words.setting("ON or OFF", parse_switch)?),
            "isolation_level" => Self::IsolationLevel(
                words
                    .setting("'serializable', 'snapshot', 'read committed' or 'read uncommitted'", Isolation::parse)?,
            ),
            "memory_stats" => words.alone(Self::MemoryStats)?,
            "storage_info" => words.alone(Self::StorageInfo)?,
            "key_slots" => words.alone(Self::KeySlots)?,
            "compaction" => Self::Compaction(words.setting("ON or OFF", parse_switch)?),
            "page_history" => match words.setting("a page number", |word| word.parse().ok())? {
                Setting::Set(page) => Self::PageHistory(page),
                Setting::Get => return Err("page_history needs a page number".to_owned()),
            },
            "read_at" => Self::ReadAt(words.setting("a commit, or 0 for the newest", |word| {
                word.parse().ok().map(|commit| (commit != 0).then_some(CommitId(commit)))
            })?),
            _ => return Ok(None),
        }))
    }
}

struct Words<'a> {
    name: &'a str,
    argument: Option<&'a str>,
}

impl Words<'_> {
    fn alone(&self, pragma: Pragma) -> Result<Pragma, String> {
        if self.argument.is_some() {
            return Err(format!("{} is read only and takes nothing", self.name));
        }
        Ok(pragma)
    }

    fn setting<T>(&self, expected: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Setting<T>, String> {
        match self.argument {
            None => Ok(Setting::Get),
            Some(word) => {
                parse(word).map(Setting::Set).ok_or_else(|| format!("{} takes {expected}, not '{word}'", self.name))
            }
        }
    }
}

fn parse_switch(word: &str) -> Option<bool> {
    match word.to_ascii_lowercase().as_str() {
        "on" | "yes" | "true" | "1" => Some(true),
        "off" | "no" | "false" | "0" => Some(false),
        _ => None,
    }
}

/// A number that is not negative; SQLite's own pragmas take a negative one for 0.
fn parse_signed(word: &str) -> Option<u64> {
    word.parse::<i64>().ok().map(|number| u64::try_from(number).unwrap_or(0))
}

/// A number, or a negative one for no limit.
#[expect(clippy::option_option, reason = "the outer says whether it is a number, the inner is the limit")]
fn parse_limit(word: &str) -> Option<Option<u64>> {
    word.parse::<i64>().ok().map(|number| u64::try_from(number).ok())
}

fn parse_checkpoint(argument: Option<&str>) -> Result<CheckpointMode, String> {
    match argument.map(str::to_ascii_lowercase).as_deref() {
        None | Some("passive") => Ok(CheckpointMode::Passive),
        Some("full") => Ok(CheckpointMode::Full),
        Some("restart") => Ok(CheckpointMode::Restart),
        Some("truncate") => Ok(CheckpointMode::Truncate),
        Some(other) => Err(format!("wal_checkpoint takes PASSIVE, FULL, RESTART or TRUNCATE, not '{other}'")),
    }
}

/// `100` sets all tables, `t` reads one, `t=100` sets one.
fn parse_max_rows(words: &Words<'_>) -> Result<Pragma, String> {
    let Some(word) = words.argument else { return Ok(Pragma::MaxRows(Setting::Get)) };
    if let Some(limit) = parse_limit(word) {
        return Ok(Pragma::MaxRows(Setting::Set(limit)));
    }
    match word.rsplit_once('=') {
        None => Ok(Pragma::MaxRowsOf(word.to_owned(), Setting::Get)),
        Some((table, limit)) => match parse_limit(limit.trim()) {
            Some(limit) => Ok(Pragma::MaxRowsOf(table.trim().to_owned(), Setting::Set(limit))),
            None => Err(format!("max_rows takes a number, 'table' or 'table=number', not '{word}'")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(name: &str, argument: Option<&str>) -> Pragma {
        Pragma::parse(name, argument).unwrap().unwrap()
    }

    #[test]
    fn words_become_settings() {
        assert_eq!(parse("Synchronous", Some("FULL")), Pragma::Synchronous(Setting::Set(Synchronous::Full)));
        assert_eq!(parse("synchronous", Some("0")), Pragma::Synchronous(Setting::Set(Synchronous::Off)));
        assert_eq!(parse("synchronous", None), Pragma::Synchronous(Setting::Get));
        assert_eq!(parse("wal_truncate", Some("65536")), Pragma::WalTruncate(Setting::Set(Truncate::Above(65536))));
        assert_eq!(parse("wal_truncate", Some("on")), Pragma::WalTruncate(Setting::Set(Truncate::On)));
        assert_eq!(parse("journal_size_limit", Some("-1")), Pragma::JournalSizeLimit(Setting::Set(None)));
        assert_eq!(parse("wal_checkpoint", Some("Truncate")), Pragma::Checkpoint(CheckpointMode::Truncate));
        let isolation = Pragma::IsolationLevel(Setting::Set(Isolation::ReadCommitted));
        assert_eq!(parse("isolation_level", Some("READ_COMMITTED")), isolation);
        assert_eq!(parse("isolation_level", Some("read committed")), isolation);
    }

    #[test]
    fn max_rows_is_of_all_tables_or_of_one() {
        assert_eq!(parse("max_rows", Some("10")), Pragma::MaxRows(Setting::Set(Some(10))));
        assert_eq!(parse("max_rows", Some("-1")), Pragma::MaxRows(Setting::Set(None)));
        assert!(Pragma::parse("max_rows", Some("a=b")).is_err());
        assert_eq!(parse("max_rows", Some("t")), Pragma::MaxRowsOf("t".into(), Setting::Get));
        assert_eq!(parse("max_rows", Some("t = 5")), Pragma::MaxRowsOf("t".into(), Setting::Set(Some(5))));
    }

    #[test]
    fn a_wrong_word_is_told_what_may_stand_there() {
        let error = Pragma::parse("wal_mode", Some("maybe")).unwrap_err();
        assert_eq!(error, "wal_mode takes ON or OFF, not 'maybe'");
        assert!(Pragma::parse("page_history", None).is_err());
    }

    #[test]
    fn other_pragmas_are_left_to_sqlite() {
        for name in ["foreign_keys", "table_info", "user_version", "cache_size", "locking_mode"] {
            assert_eq!(Pragma::parse(name, Some("1")), Ok(None));
        }
    }
}

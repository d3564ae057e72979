//! Carries out Coffer's pragmas on an open database. What is set reads back.

use coffer_store::{CodecChoice, CommitId, Error, Storage};

use crate::core::Core;
use crate::figures::{self, json_text};
use crate::portable::{Portable, lock};
use crate::pragma::{Pragma, Setting, Synchronous, Truncate};
use crate::registry::Host;
use crate::session::Session;
use crate::vfs::Reply;

/// Carries out a pragma. `autocommit` says that no transaction is open on the connection.
pub(crate) fn carry_out<S>(core: &Core<S>, session: &Session, pragma: Pragma, autocommit: bool) -> Result<Reply, Error>
where
    S: Storage + Portable + 'static,
    S::Device: Portable + 'static,
{
    let text = |value: &dyn std::fmt::Display| Ok(Reply::Text(value.to_string()));
    match pragma {
        // Applications ask for the mode they know and compare the answer. There is only one here, and it is this one.
        Pragma::JournalMode => Ok(Reply::Text("wal".to_owned())),
        Pragma::Synchronous(setting) => {
            // SQLite keeps the level as well, refuses to change it inside a transaction, and gives the answer.
            if let (Setting::Set(level), true) = (setting, autocommit) {
                session.set_synchronous(level);
            }
            Ok(Reply::NotFound)
        }
        Pragma::BusyTimeout(setting) => {
            if let Setting::Set(milliseconds) = setting {
                session.set_busy_timeout(std::time::Duration::from_millis(milliseconds));
            }
            text(&u64::try_from(session.busy_timeout().as_millis()).unwrap_or(u64::MAX))
        }
        Pragma::IsolationLevel(setting) => {
            if let Setting::Set(level) = setting {
                session.set_isolation(level);
            }
            text(&session.isolation().name())
        }
        Pragma::ReadAt(setting) => {
            if let Setting::Set(commit) = setting {
                if let Some(commit) = commit {
                    core.with_store(|store| store.snapshot_at(commit))?; // Refused now rather than at the next read.
                }
                session.set_read_at(commit);
            }
            text(&session.read_at().unwrap_or_default())
        }
        Pragma::Checkpoint(mode) => {
            core.checkpoint(mode)?;
            if cfg!(target_family = "wasm") {
                // SQLite compiled without its own log does not know the pragma: what it would say first, whether a writer was in the way.
                return Ok(Reply::Text("0".to_owned()));
            }
            Ok(Reply::NotFound) // SQLite answers its usual row of three.
        }
        Pragma::MemoryStats => Ok(Reply::Text(figures::json(&core.memory_stats()?.figures()))),
        Pragma::StorageInfo => Ok(Reply::Text(figures::json(&core.storage_info()?.figures()))),
        Pragma::KeySlots => Ok(Reply::Text(key_slots(&core.key_slots()?))),
        Pragma::PageHistory(page) => Ok(Reply::Text(page_history(&core.page_history(page)?))),
        Pragma::Compression(setting) => compression(core, setting),
        Pragma::VerifyOnRead(setting) => core.change_store(|store| {
            if let Setting::Set(verify) = setting {
                store.set_options(|options| options.verify_on_read = verify);
            }
            Ok(switch(store.options().verify_on_read))
        }),
        Pragma::WalArchive(setting) => core.with_store(|store| {
            if let Setting::Set(archive) = setting {
                store.set_archive(archive)?;
            }
            Ok(switch(store.archive_floor().is_some()))
        }),
        Pragma::CacheMemory(setting) => {
            if let Setting::Set(bytes) = setting {
                core.cache.set_hard(bytes);
            }
            text(&core.cache.hard_bytes())
        }
        Pragma::CacheMemorySoft(setting) => {
            if let Setting::Set(bytes) = setting {
                core.cache.set_soft(bytes);
            }
            text(&core.cache.soft_bytes())
        }
        other => with_settings(core, other),
    }
}

/// The pragmas that only keep a setting of the database.
fn with_settings<S>(core: &Core<S>, pragma: Pragma) -> Result<Reply, Error>
where
    S: Storage + Portable + 'static,
    S::Device: Portable + 'static,
{
    let mut settings = lock(&core.settings);
    let reply = match pragma {
        Pragma::WalMode(setting) => {
            assign(&mut settings.wal_mode, setting);
            switch(settings.wal_mode)
        }
        Pragma::Autocheckpoint(setting) => {
            assign(&mut settings.autocheckpoint_pages, setting);
            Reply::Text(settings.autocheckpoint_pages.to_string())
        }
        Pragma::AutocheckpointMs(setting) => {
            assign(&mut settings.autocheckpoint_ms, setting);
            Reply::Text(settings.autocheckpoint_ms.to_string())
        }
        Pragma::WalTruncate(setting) => {
            assign(&mut settings.truncate, setting);
            match settings.truncate {
                Truncate::Off => switch(false),
                Truncate::On => switch(true),
                Truncate::Above(bytes) => Reply::Text(bytes.to_string()),
            }
        }
        Pragma::JournalSizeLimit(setting) => {
            assign(&mut settings.log_bytes_max, setting);
            Reply::Text(limit(settings.log_bytes_max))
        }
        Pragma::Compaction(setting) => {
            assign(&mut settings.compaction, setting);
            switch(settings.compaction)
        }
        Pragma::MaxRows(setting) => {
            if let Setting::Set(rows) = setting {
                settings.max_rows = rows;
                core.count_limits_change();
            }
            Reply::Text(limit(settings.max_rows))
        }
        Pragma::MaxRowsOf(table, setting) => {
            if let Setting::Set(rows) = setting {
                settings.max_rows_of.insert(table.clone(), rows);
                core.count_limits_change();
            }
            Reply::Text(limit(settings.max_rows_of.get(&table).copied().unwrap_or(settings.max_rows)))
        }
        _ => Reply::NotFound,
    };
    let now = settings.clone();
    // Given back before upkeep looks at it.
    drop(settings);
    core.with_store(|store| {
        now.apply(store);
        Ok(())
    })?;
    core.wake_maintenance();
    Ok(reply)
}

fn assign<T>(place: &mut T, setting: Setting<T>) {
    if let Setting::Set(value) = setting {
        *place = value;
    }
}

fn switch(on: bool) -> Reply {
    Reply::Text(i32::from(on).to_string())
}

fn limit(limit: Option<u64>) -> String {
    limit.map_or_else(|| "-1".to_owned(), |limit| limit.to_string())
}

fn compression<S>(core: &Core<S>, setting: Setting<String>) -> Result<Reply, Error>
where
    S: Storage + Portable + 'static,
    S::Device: Portable + 'static,
{
    if let Setting::Set(word) = setting {
        let cold: CodecChoice = match word.parse() {
            Ok(choice) => choice,
            Err(unknown) => {
                let words = "none, rle, lz4, zstd or gzip, with a level after a colon";
                return Ok(Reply::Refused(format!("compression takes {words}: {unknown}")));
            }
        };
        // The log keeps its fast codec unless nothing is to be compressed at all.
        return core.with_store(|store| {
            let (hot, _) = store.codecs();
            let hot = if cold == CodecChoice::NONE || hot == CodecChoice::NONE { hot_for(cold) } else { hot };
            store.set_codec(hot, cold)?;
            Ok(Reply::Text(cold.to_string()))
        });
    }
    core.with_store(|store| Ok(Reply::Text(store.codecs().1.to_string())))
}

fn hot_for(cold: CodecChoice) -> CodecChoice {
    if cold == CodecChoice::NONE { CodecChoice::NONE } else { coffer_store::Options::default().hot }
}

fn key_slots(slots: &[(u8, &str)]) -> String {
    let slots = slots.iter().map(|(slot, kind)| format!("{{\"slot\":{slot},\"kind\":{}}}", json_text(kind)));
    format!("[{}]", slots.collect::<Vec<_>>().join(","))
}

fn page_history(versions: &[(CommitId, u64)]) -> String {
    let versions =
        versions.iter().map(|(commit, time_ms)| format!("{{\"commit_id\":{},\"time_ms\":{time_ms}}}", commit.0));
    format!("[{}]", versions.collect::<Vec<_>>().join(","))
}

impl Synchronous {
    /// As the pragma says it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Normal => "normal",
            Self::Full => "full",
            Self::Extra => "extra",
        }
    }
}

//! A line for every lock taken and given up, when somebody asks for it.
//!
//! Natively `COFFER_DEBUG_LOCKS=1` in the environment asks, and lines go to standard error. Elsewhere, or to have the lines
//! elsewhere, [`trace_locks`] sets where they go.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// Takes one line.
pub type Sink = fn(&str);

static SINK: OnceLock<Sink> = OnceLock::new();
static ASKED: AtomicBool = AtomicBool::new(false);

/// Sends a line for every lock to `sink`, from now on. Only the first call counts.
pub fn trace_locks(sink: Sink) {
    if SINK.set(sink).is_ok() {
        ASKED.store(true, Ordering::Release);
    }
}

/// Looks at the environment, once.
pub(crate) fn from_environment() {
    static LOOKED: OnceLock<()> = OnceLock::new();
    LOOKED.get_or_init(|| {
        #[cfg(not(target_family = "wasm"))]
        if std::env::var_os("COFFER_DEBUG_LOCKS").is_some_and(|value| value == "1") {
            trace_locks(|line| eprintln!("{line}"));
        }
    });
}

/// Reports what happened to a lock of a connection on a database. Costs one load when nobody asked.
pub(crate) fn lock(database: &str, connection: u64, what: &str) {
    if let Some(sink) = asked() {
        line(sink, &format!("connection {connection} of {database}: {what}"));
    }
}

/// Reports what happened to a lock of the system's that keeps processes apart.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn file_lock(file: impl FnOnce() -> std::path::PathBuf, what: &str) {
    if let Some(sink) = asked() {
        line(sink, &format!("{}: {what}", file().display()));
    }
}

fn asked() -> Option<Sink> {
    SINK.get().copied().filter(|_| ASKED.load(Ordering::Acquire))
}

fn line(sink: Sink, what: &str) {
    let now = crate::ffi::now_ms();
    #[cfg(not(target_family = "wasm"))]
    let who = format!("process {} {:?}", std::process::id(), std::thread::current().id());
    #[cfg(target_family = "wasm")]
    let who = "worker";
    sink(&format!("coffer-lock {now} {who} {what}"));
}

//! What one connection carries beyond what SQLite knows of it.
//!
//! Shared by the connection's handle, its files (main and attached) and its busy handler.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use coffer_store::{CommitId, Error, RequestId};

use crate::portable::lock;
use crate::pragma::{Isolation, Synchronous};
use crate::registry::Host;

/// The state of one connection.
pub struct Session {
    /// Its number, unique in the process.
    pub id: u64,
    /// While set, pragmas go to SQLite untouched: the connection is being set up.
    pub raw_pragmas: AtomicBool,
    busy_timeout_ms: AtomicU64,
    synchronous: AtomicU8,
    /// Whether the caller flushes, once for several commits.
    flush_later: AtomicBool,
    isolation: AtomicU8,
    /// 0 is the newest.
    read_at: AtomicU64,
    /// The name of the next commit, and whether it names those after it as well.
    request: Mutex<(RequestId, bool)>,
    last_error: Mutex<Option<Error>>,
    last_commit: AtomicU64,
    /// The database, and our file on it, that refused us the turn to write.
    contended: Mutex<Option<(Arc<dyn Host>, u64)>>,
}

impl Session {
    /// A connection's state before anything happened.
    pub fn new(id: u64, busy_timeout: Duration) -> Arc<Self> {
        let session = Self {
            id,
            raw_pragmas: AtomicBool::new(false),
            busy_timeout_ms: AtomicU64::new(0),
            synchronous: AtomicU8::new(Synchronous::Normal as u8),
            flush_later: AtomicBool::new(false),
            isolation: AtomicU8::new(Isolation::Serializable as u8),
            read_at: AtomicU64::new(0),
            request: Mutex::new((RequestId::NONE, false)),
            last_error: Mutex::new(None),
            last_commit: AtomicU64::new(0),
            contended: Mutex::new(None),
        };
        session.set_busy_timeout(busy_timeout);
        Arc::new(session)
    }

    /// How long to wait for another writer.
    pub fn busy_timeout(&self) -> Duration {
        Duration::from_millis(self.busy_timeout_ms.load(Ordering::Relaxed))
    }

    /// Changes how long to wait for another writer.
    pub fn set_busy_timeout(&self, timeout: Duration) {
        self.busy_timeout_ms.store(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How durable a commit is when it returns.
    pub fn synchronous(&self) -> Synchronous {
        Synchronous::from_index(self.synchronous.load(Ordering::Relaxed))
    }

    /// Changes how durable a commit is when it returns.
    pub fn set_synchronous(&self, level: Synchronous) {
        self.synchronous.store(level as u8, Ordering::Relaxed);
    }

    /// How durable the store is to make the next commit itself.
    pub fn commit_synchronous(&self) -> Synchronous {
        match self.synchronous() {
            Synchronous::Normal if self.flush_later.load(Ordering::Relaxed) => Synchronous::Off,
            level => level,
        }
    }

    /// Leaves the flush of `synchronous = NORMAL` to the caller.
    pub fn set_flush_later(&self, later: bool) {
        self.flush_later.store(later, Ordering::Relaxed);
    }

    /// What the connection's transactions see of others.
    pub fn isolation(&self) -> Isolation {
        Isolation::from_index(self.isolation.load(Ordering::Relaxed))
    }

    /// Changes what the connection's transactions see of others.
    pub fn set_isolation(&self, isolation: Isolation) {
        self.isolation.store(isolation as u8, Ordering::Relaxed);
    }

    /// The kept commit that the connection looks at, instead of the newest.
    pub fn read_at(&self) -> Option<CommitId> {
        let commit = CommitId(self.read_at.load(Ordering::Relaxed));
        (commit != CommitId::ZERO).then_some(commit)
    }

    /// Looks at a kept commit from the next transaction on.
    pub fn set_read_at(&self, commit: Option<CommitId>) {
        self.read_at.store(commit.unwrap_or_default().0, Ordering::Relaxed);
    }

    /// Names the next commit, so that a caller can learn after a crash whether it happened.
    pub fn set_request(&self, request: RequestId) {
        *lock(&self.request) = (request, false);
    }

    /// Names every commit until another name is set.
    pub fn set_request_of_all(&self, request: RequestId) {
        *lock(&self.request) = (request, true);
    }

    /// The name of the commit being made, which is used up unless it names more than one.
    pub fn take_request(&self) -> RequestId {
        let mut held = lock(&self.request);
        let (request, stays) = *held;
        if !stays {
            held.0 = RequestId::NONE;
        }
        request
    }

    /// Remembers whose turn to wait for.
    pub(crate) fn set_contended(&self, host: Arc<dyn Host>, file: u64) {
        *lock(&self.contended) = Some((host, file));
    }

    /// Waits for the turn that was refused last. False when the time is up, or nothing was refused.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn wait_for_turn(&self, limit: Duration) -> bool {
        let contended = lock(&self.contended).take();
        contended.is_some_and(|(host, file)| host.wait_for_turn(file, limit))
    }

    /// Keeps the typed error behind a result code.
    pub fn keep_error(&self, error: Error) {
        *lock(&self.last_error) = Some(error);
    }

    /// The typed error behind the last failure of the store, once.
    pub fn take_error(&self) -> Option<Error> {
        lock(&self.last_error).take()
    }

    /// The newest commit that this connection made or saw.
    pub fn last_commit(&self) -> CommitId {
        CommitId(self.last_commit.load(Ordering::Relaxed))
    }

    pub(crate) fn saw(&self, commit: CommitId) {
        self.last_commit.fetch_max(commit.0, Ordering::Relaxed);
    }
}

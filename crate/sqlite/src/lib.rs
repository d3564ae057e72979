//! coffer-sqlite

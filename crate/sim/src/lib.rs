//! coffer-sim

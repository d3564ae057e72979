//! One bound for "may be shared between threads where there are threads".
//!
//! Natively connections live in many threads. In wasm there is one thread, and the browser's file handles cannot leave it,
//! so asking them to be `Send` would shut them out for nothing.

/// `Send + Sync` natively; nothing in wasm.
#[cfg(not(target_family = "wasm"))]
pub trait Portable: Send + Sync {}
#[cfg(not(target_family = "wasm"))]
impl<T: Send + Sync + ?Sized> Portable for T {}

/// `Send + Sync` natively; nothing in wasm.
#[cfg(target_family = "wasm")]
pub trait Portable {}
#[cfg(target_family = "wasm")]
impl<T: ?Sized> Portable for T {}

/// Locks a mutex. A panic elsewhere does not stop us: sections leave whole values.
pub(crate) fn lock<T: ?Sized>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

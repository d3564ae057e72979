//! One lock, whichever world we are in.
//!
//! With `std` it is a mutex; without, the crate is single-threaded and it is a `RefCell`, so the types that hold one are not
//! `Sync` and the compiler keeps them on one thread. Sections are short and never call out.

#[cfg(feature = "std")]
mod imp {
    use std::sync::{Mutex, PoisonError};

    /// A value behind a lock.
    #[derive(Default)]
    pub struct Shared<T>(Mutex<T>);

    impl<T> Shared<T> {
        pub const fn new(value: T) -> Self {
            Self(Mutex::new(value))
        }

        /// Runs `section` while nobody else looks. A panic elsewhere does not stop us: sections leave whole values.
        pub fn with<R>(&self, section: impl FnOnce(&mut T) -> R) -> R {
            section(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
        }
    }
}

#[cfg(not(feature = "std"))]
mod imp {
    use core::cell::RefCell;

    /// A value behind a lock.
    #[derive(Default)]
    pub struct Shared<T>(RefCell<T>);

    impl<T> Shared<T> {
        pub const fn new(value: T) -> Self {
            Self(RefCell::new(value))
        }

        /// Runs `section` while nobody else looks.
        pub fn with<R>(&self, section: impl FnOnce(&mut T) -> R) -> R {
            section(&mut self.0.borrow_mut())
        }
    }
}

pub(crate) use imp::Shared;

/// Work that several threads can do at once, where there are threads.
#[cfg(feature = "std")]
pub type Work<'a> = dyn Fn(usize) + Sync + 'a;

/// Work that several threads can do at once, where there are threads.
#[cfg(not(feature = "std"))]
pub type Work<'a> = dyn Fn(usize) + 'a;

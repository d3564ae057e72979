//! The end of what nobody can go on with, and whom it is told.
//!
//! What ships for browsers has no words in its panics (docs/decisions/0015); what a user can do something about is told here first.

use std::sync::OnceLock;

static LISTENER: OnceLock<fn(&str)> = OnceLock::new();

/// Sets whom the last words are told. The first one stays.
pub fn on_fatal(listener: fn(&str)) {
    // Whoever comes second is told nothing.
    let _ = LISTENER.set(listener);
}

/// Tells the last words and panics with them.
pub(crate) fn fatal(words: &str) -> ! {
    if let Some(listener) = LISTENER.get() {
        listener(words);
    }
    panic!("{words}")
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    thread_local! {
        static TOLD: RefCell<String> = const { RefCell::new(String::new()) };
    }

    #[test]
    fn last_words_are_told_before_the_panic_that_has_them_too() {
        on_fatal(|words| TOLD.with_borrow_mut(|told| told.push_str(words)));
        on_fatal(|_| unreachable!());
        let panic = std::panic::catch_unwind(|| fatal("the end")).expect_err("it panics");
        assert_eq!(panic.downcast_ref::<String>().map(String::as_str), Some("the end"));
        assert_eq!(TOLD.take(), "the end");
    }
}

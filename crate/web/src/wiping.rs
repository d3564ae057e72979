//! Work with a key that leaves none of it on the stack. What holds a key wipes itself, and moving it leaves copies where it was before.

use zeroize::Zeroize;

/// Deeper than opening goes.
const STACK_BYTES: usize = 64 * 1024;

/// Does some work, then wipes the part of the stack that it used.
pub fn wiping<T>(work: impl FnOnce() -> T) -> T {
    let outcome = apart(work);
    wipe();
    outcome
}

/// In frames of its own, below those that stay.
#[inline(never)]
fn apart<T>(work: impl FnOnce() -> T) -> T {
    work()
}

#[inline(never)]
fn wipe() {
    #[expect(clippy::large_stack_arrays, reason = "the stack is what it is about")]
    let mut stack = [0_u8; STACK_BYTES];
    std::hint::black_box(&mut stack).zeroize();
}

//! The system's random generator: of the operating system natively, of the browser in wasm.

use coffer_store::Entropy;
use zeroize::{Zeroize, Zeroizing};

use crate::fatal::fatal;

/// The system's random generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&mut self, out: &mut [u8]) {
        // A system without randomness cannot keep any secret; there is nothing sensible to go on with.
        if getrandom::fill(out).is_err() {
            fatal("the system has no random generator, or it failed");
        }
    }
}

const PIECE_BYTES: usize = 85 * 12; // Nonces

/// A source that is asked for larger pieces than are needed at once: each record has a nonce, and asking the system, or out of wasm,
/// for twelve bytes costs more than they do.
///
/// I1  A byte is given out once, and is wiped then.
/// I2  What is left of a piece belongs to the process that asked for it: a fork of it asks anew.
pub struct PiecedEntropy<E> {
    source: E,
    piece: Zeroizing<[u8; PIECE_BYTES]>,
    used: usize,
    /// The process that asked for the piece.
    process: u32,
}

fn process() -> u32 {
    if cfg!(target_family = "wasm") { 0 } else { std::process::id() }
}

impl<E: Entropy> PiecedEntropy<E> {
    /// Nothing is asked for yet.
    pub fn new(source: E) -> Self {
        Self { source, piece: Zeroizing::new([0; PIECE_BYTES]), used: PIECE_BYTES, process: 0 }
    }

    fn fill_in(&mut self, process: u32, out: &mut [u8]) {
        if out.len() > PIECE_BYTES {
            return self.source.fill(out);
        }
        if PIECE_BYTES - self.used < out.len() || self.process != process {
            self.source.fill(&mut *self.piece);
            (self.used, self.process) = (0, process);
        }
        let given = &mut self.piece[self.used..self.used + out.len()];
        out.copy_from_slice(given);
        given.zeroize(); // I1
        self.used += out.len();
    }
}

impl<E: Entropy> Entropy for PiecedEntropy<E> {
    fn fill(&mut self, out: &mut [u8]) {
        self.fill_in(process(), out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts up, so that every four bytes differ from any before.
    struct Counter(u32);

    impl Entropy for Counter {
        fn fill(&mut self, out: &mut [u8]) {
            for four in out.chunks_mut(4) {
                self.0 += 1;
                four.copy_from_slice(&self.0.to_be_bytes()[..four.len()]);
            }
        }
    }

    #[test]
    fn no_byte_of_a_piece_is_given_twice_or_kept() {
        let mut entropy = PiecedEntropy::new(Counter(0));
        let mut seen = std::collections::HashSet::new();
        for _ in 0..1000 {
            let mut nonce = [0; 12];
            entropy.fill(&mut nonce);
            assert!(nonce.chunks(4).all(|four| seen.insert(four.to_vec())));
            assert!(entropy.piece[..entropy.used].iter().all(|byte| *byte == 0));
        }
    }

    #[test]
    fn what_is_left_of_a_piece_is_not_stretched() {
        let mut entropy = PiecedEntropy::new(Counter(0));
        entropy.fill(&mut [0; 12]);
        let (mut most, mut more) = ([0; PIECE_BYTES], [0; PIECE_BYTES + 4]);
        entropy.fill(&mut most);
        entropy.fill(&mut more);
        let mut seen = std::collections::HashSet::new();
        assert!(most.chunks(4).chain(more.chunks(4)).all(|four| seen.insert(four.to_vec())));
    }
    #[test]
    fn a_forked_process_gives_out_nothing_of_its_parents_piece() {
        let mut parent = PiecedEntropy::new(Counter(0));
        parent.fill_in(1, &mut [0; 12]);
        let rest = parent.piece[parent.used..].to_vec();
        let mut first = [0; 12];
        parent.fill_in(2, &mut first); // as the copy that its child has
        assert!(rest.chunks(4).all(|four| !first.chunks(4).any(|given| given == four)));
    }
}

//! The system's random generator: of the operating system natively, of the browser in wasm.

use coffer_store::Entropy;

/// The system's random generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&mut self, out: &mut [u8]) {
        // A system without randomness cannot keep any secret; there is nothing sensible to go on with.
        getrandom::fill(out).expect("the system has a random generator");
    }
}

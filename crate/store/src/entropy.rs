//! Where random bytes come from: outside.

/// A source of random bytes, given to the store by whoever opens it.
///
/// Natively and in browsers it is the system's generator; in the simulator it is seeded. Nonces, salts and keys are drawn
/// from it, so a weak source breaks every promise of secrecy. It cannot fail: a shell without entropy must refuse to open.
pub trait Entropy {
    /// Fills `out` with random bytes.
    fn fill(&mut self, out: &mut [u8]);
}

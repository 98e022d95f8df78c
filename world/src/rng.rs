//! Randomness by label: one root seed, a stream of its own for each label.
//!
//! A stream is ChaCha8 keyed with SHA-256(parent seed, label). A new consumer takes a new label, so it
//! shifts nobody else's numbers. In [`crate::real`] the root seed comes from the operating system.

use std::sync::{Arc, Mutex, PoisonError};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng};

use crate::hash::sha256;

/// A handle on one stream; clones share its position.
#[derive(Clone)]
pub struct Rng {
    seed: [u8; 32],
    stream: Arc<Mutex<ChaCha8Rng>>,
}

/// A place in a stream: the stream's seed, and how many words were drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place([u8; 32], u128);

impl Rng {
    /// The root of all streams of a run.
    pub fn from_seed(seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        Self::from_bytes(bytes)
    }

    pub(crate) fn from_bytes(seed: [u8; 32]) -> Self {
        Rng { seed, stream: Arc::new(Mutex::new(ChaCha8Rng::from_seed(seed))) }
    }

    /// The stream with this label, from its beginning. The same label twice is the same stream twice.
    #[must_use]
    pub fn fork(&self, label: &str) -> Self {
        let mut bytes = self.seed.to_vec();
        bytes.extend_from_slice(label.as_bytes());
        Self::from_bytes(sha256(&bytes))
    }

    /// Fills `out` with the stream's next bytes.
    pub fn fill(&self, out: &mut [u8]) {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(out);
    }

    /// The next `N` bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut out = [0; N];
        self.fill(&mut out);
        out
    }

    /// Where the stream is: what is drawn from here on is a function of this.
    pub(crate) fn place(&self) -> Place {
        Place(self.seed, self.stream.lock().unwrap_or_else(PoisonError::into_inner).get_word_pos())
    }

    /// Goes on from a place of this very stream.
    pub(crate) fn go_to(&self, place: Place) {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner).set_word_pos(place.1);
    }

    /// The next 64 bits.
    pub fn next_u64(&self) -> u64 {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner).next_u64()
    }

    /// A number below `n` (0 for `n` = 0), without modulo bias worth naming: the range is 2^64.
    pub fn below(&self, n: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(n)) >> 64) as u64
    }

    pub(crate) fn stream(&self) -> ChaCha8Rng {
        ChaCha8Rng::from_seed(self.bytes())
    }
}

impl std::fmt::Debug for Rng {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rng")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_a_stream_of_its_own() {
        let root = Rng::from_seed(1);
        let a = root.fork("a").next_u64();
        let _ = root.fork("b").next_u64();
        assert_eq!(root.fork("a").next_u64(), a);
        assert_ne!(root.fork("b").next_u64(), a);
        assert_ne!(Rng::from_seed(2).fork("a").next_u64(), a);
    }

    #[test]
    fn below_stays_below() {
        let rng = Rng::from_seed(3);
        assert!((0..1000).all(|_| rng.below(7) < 7));
        assert_eq!(rng.below(0), 0);
    }
}

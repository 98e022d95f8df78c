//! Names and uids that the API server makes.

use std::collections::{BTreeMap, VecDeque};

use world::Rng;

use crate::api::Kind;

/// Kubernetes' alphabet for generated names: no vowels, no look-alikes.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// The server's generator of suffixes and uids. A scenario may pin the next suffixes for a kind, as a log shows
/// them; after these it draws.
#[derive(Debug)]
pub struct Names {
    pinned: BTreeMap<Kind, VecDeque<String>>,
    rng: Rng,
}

impl Names {
    /// Pinned suffixes by kind, then random ones.
    pub fn new(rng: Rng, pinned: BTreeMap<Kind, Vec<String>>) -> Self {
        Names { pinned: pinned.into_iter().map(|(kind, names)| (kind, names.into())).collect(), rng }
    }

    pub(super) fn suffix(&mut self, kind: Kind) -> String {
        let pinned = self.pinned.get_mut(&kind).and_then(VecDeque::pop_front);
        pinned.unwrap_or_else(|| {
            (0..5).map(|_| char::from(ALPHABET[self.rng.below(ALPHABET.len() as u64) as usize])).collect()
        })
    }

    pub(super) fn uid(&self) -> String {
        let mut bytes: [u8; 16] = self.rng.bytes();
        // RFC 9562 version 4.
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex = world::hex(&bytes);
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn suffixes_are_of_the_27_letters_and_of_all_of_them() {
        let drawn = world::sim::run(world::sim::Config::default(), |world| async move {
            let mut names = Names::new(world.rng("names"), BTreeMap::new());
            (0..500).map(|_| names.suffix(Kind::Pod)).collect::<Vec<_>>()
        });
        let drawn = drawn.unwrap().value;
        assert!(drawn.iter().all(|suffix| suffix.len() == 5));
        let letters: BTreeSet<char> = drawn.iter().flat_map(|suffix| suffix.chars()).collect();
        assert_eq!(letters.into_iter().collect::<String>(), "2456789bcdfghjklmnpqrstvwxz");
    }
}

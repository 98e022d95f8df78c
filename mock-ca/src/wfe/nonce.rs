//! Anti-replay nonces (RFC 8555 section 6.5): each is good once, and only while it is among the latest.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use world::Rng;

/// The nonces of one server. Of those it has handed out, the latest `window` that were not used are good;
/// Boulder keeps such a window too, so that its memory of used nonces stays small.
#[derive(Debug)]
pub struct Nonces {
    rng: Rng,
    prefix: String,
    bytes: usize,
    window: usize,
    issued: u64,
    number_of: BTreeMap<String, u64>,
    by_number: BTreeMap<u64, String>,
}

impl Nonces {
    /// A server without any nonces. A nonce has `bytes` random bytes, 32 at most; with `prefixed`, all start
    /// with eight characters that name the server.
    pub fn new(rng: Rng, window: usize, prefixed: bool, bytes: usize) -> Self {
        let prefix = if prefixed { URL_SAFE_NO_PAD.encode(rng.bytes::<6>()) } else { String::new() };
        Nonces {
            rng,
            prefix,
            bytes: bytes.min(32),
            window,
            issued: 0,
            number_of: BTreeMap::new(),
            by_number: BTreeMap::new(),
        }
    }

    /// A new nonce.
    pub fn issue(&mut self) -> String {
        let random = self.rng.bytes::<32>();
        let random = random.get(..self.bytes).unwrap_or(&random);
        let nonce = format!("{}{}", self.prefix, URL_SAFE_NO_PAD.encode(random));
        self.issued += 1;
        self.number_of.insert(nonce.clone(), self.issued);
        self.by_number.insert(self.issued, nonce.clone());
        // By number, not by count: those that were used have left a hole.
        let oldest = self.issued.saturating_sub(self.window as u64) + 1;
        while let Some(entry) = self.by_number.first_entry().filter(|entry| *entry.key() < oldest) {
            self.number_of.remove(&entry.remove());
        }
        nonce
    }

    /// Makes all nonces bad that are out, as when a front end is replaced by one that does not know them.
    pub fn lose(&mut self) {
        self.number_of.clear();
        self.by_number.clear();
    }

    /// Whether `nonce` is good; it is not any more afterwards.
    pub fn consume(&mut self, nonce: &str) -> bool {
        match self.number_of.remove(nonce) {
            Some(number) => self.by_number.remove(&number).is_some(),
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

    #[test]
    fn a_nonce_is_good_once() {
        let mut nonces = Nonces::new(Rng::from_seed(1), 10, true, 32);
        let (first, second) = (nonces.issue(), nonces.issue());
        assert_eq!(first.len(), 8 + 43);
        assert_eq!(first[..8], second[..8]);
        assert!(nonces.consume(&first));
        assert!(!nonces.consume(&first));
        assert!(!nonces.consume("no nonce"));
        assert!(nonces.consume(&second));
    }

    proptest! {
        /// Against the plain statement: good when it is among the latest `window` and was not used.
        #[test]
        fn the_window_is_what_it_says(window in 1_usize..6, steps in prop::collection::vec((any::<bool>(), 0_usize..12), 0..60)) {
            let mut nonces = Nonces::new(Rng::from_seed(2), window, false, 16);
            let mut all: Vec<(String, bool)> = Vec::new();
            for (issue, pick) in steps {
                if issue || all.is_empty() {
                    all.push((nonces.issue(), false));
                } else {
                    let index = pick % all.len();
                    let good = !all[index].1 && index + window >= all.len();
                    prop_assert_eq!(nonces.consume(&all[index].0), good);
                    all[index].1 |= good;
                }
                prop_assert!(nonces.number_of.len() <= window && nonces.by_number.len() <= window);
            }
        }
    }
}

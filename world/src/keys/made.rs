//! RSA keys that simulated worlds have made already. Looking for primes takes a tenth of a second, and a thousand runs of one
//! seed look for the same: what a stream gives from a place on is always the same key, and leads to the same place.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::{KeyAlgorithm, KeyError, PrivateKey};
use crate::rng::{Place, Rng};

/// A key, and where its stream was afterwards.
type Made = BTreeMap<(Place, u32), (PrivateKey, Place)>;

static MADE: Mutex<Made> = Mutex::new(BTreeMap::new());

/// How many are kept. One that is not is made again.
const KEPT_MAX: usize = 4096;

/// The key of this size that the stream gives next.
pub(super) fn rsa(rng: &Rng, bits: u32) -> Result<PrivateKey, KeyError> {
    let id = (rng.place(), bits);
    let known = MADE.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
    if let Some((key, after)) = known {
        rng.go_to(after);
        return Ok(key);
    }
    let key = PrivateKey::generate(rng, KeyAlgorithm::Rsa(bits))?;
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if made.len() >= KEPT_MAX {
        made.clear();
    }
    made.insert(id, (key.clone(), rng.place()));
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_known_is_the_one_that_would_be_made() {
        let draw = |rng: &Rng| {
            let keys = [rsa(rng, 2048).unwrap(), rsa(rng, 2048).unwrap()];
            (keys.map(|key| key.to_pkcs8()), rng.next_u64())
        };
        let fresh = Rng::from_seed(77);
        let made = [2048, 2048].map(|bits| PrivateKey::generate(&fresh, KeyAlgorithm::Rsa(bits)).unwrap());
        let expected = (made.map(|key| key.to_pkcs8()), fresh.next_u64());
        assert_ne!(expected.0[0], expected.0[1]);
        assert_eq!(draw(&Rng::from_seed(77)), expected, "made");
        assert_eq!(draw(&Rng::from_seed(77)), expected, "known");
    }
}

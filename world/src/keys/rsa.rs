//! The public half of an RSA private key, without making the key ready to sign.

use crypto_bigint::{BoxedUint, ConcatenatingMul as _, NonZero};

use super::{KeyAlgorithm, PublicKey};
use crate::der::{read_tlv, tlv};

/// The sizes and the exponent that are read here; what is unusual is left to the reader that signs.
const BITS: [u32; 3] = [2048, 3072, 4096];
const EXPONENT: &[u8] = &[1, 0, 1];

/// The public half of a PKCS#1 key (RFC 8017 appendix A.1.2) of a usual size, if its numbers belong together, as Go's
/// `rsa.PrivateKey.Validate` sees it: the modulus is the product of the primes, and the exponents undo each other.
///
/// That is a tenth of what ring's preparations take, and most keys of Secrets are only compared with certificates. The
/// times of the divisions tell about the primes; who could measure them reads the file.
pub(super) fn public_half(pkcs1: &[u8]) -> Option<PublicKey> {
    let (mut rest, after) = read_tlv(pkcs1, 0x30)?;
    let mut next = || {
        let (number, tail) = read_tlv(rest, 0x02)?;
        rest = tail;
        unsigned(number)
    };
    let (version, modulus, exponent) = (next()?, next()?, next()?);
    let [private, p, q] = [next()?, next()?, next()?].map(BoxedUint::from_be_slice_vartime);
    let bits = u32::try_from(modulus.len() * 8).ok().filter(|bits| BITS.contains(bits))?;
    if version != [0] || exponent != EXPONENT || modulus[0] < 0x80 || !after.is_empty() {
        return None;
    }
    let e = BoxedUint::from_be_slice_vartime(exponent);
    let one = BoxedUint::one();
    let undone = private.concatenating_mul(&e);
    let undoes = |prime: &BoxedUint| {
        let order = NonZero::new(prime.wrapping_sub(&one)).into_option();
        order.is_some_and(|order| undone.rem_vartime(&order) == one)
    };
    let product = p.concatenating_mul(&q) == BoxedUint::from_be_slice_vartime(modulus);
    if !product || p == one || q == one || !undoes(&p) || !undoes(&q) {
        return None;
    }
    let numbers = [tlv(0x02, &[&[0], modulus].concat()), tlv(0x02, exponent)].concat();
    Some(PublicKey::new(KeyAlgorithm::Rsa(bits), tlv(0x30, &numbers)))
}

/// The bytes of an INTEGER in DER that is not negative, without the zero that keeps it so.
fn unsigned(number: &[u8]) -> Option<&[u8]> {
    match number {
        [0, rest @ ..] if rest.first().is_some_and(|byte| *byte >= 0x80) => Some(rest),
        [first, rest @ ..] if *first < 0x80 && (*first > 0 || rest.is_empty()) => Some(number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::PrivateKey;
    use crate::rng::Rng;

    /// The numbers of a key: version, modulus, exponents, primes and the rest.
    fn numbers(pkcs1: &[u8]) -> Vec<Vec<u8>> {
        let (mut rest, _) = read_tlv(pkcs1, 0x30).unwrap();
        let mut all = Vec::new();
        while let Some((number, tail)) = read_tlv(rest, 0x02) {
            all.push(number.to_vec());
            rest = tail;
        }
        all
    }

    fn key(numbers: &[Vec<u8>]) -> Vec<u8> {
        tlv(0x30, &numbers.iter().flat_map(|number| tlv(0x02, number)).collect::<Vec<_>>())
    }

    #[test]
    fn the_public_half_is_that_of_the_key_and_no_number_may_be_another() {
        let made = PrivateKey::generate(&Rng::from_seed(1), KeyAlgorithm::Rsa(2048)).unwrap();
        let pkcs1 = made.rsa().unwrap();
        assert_eq!(public_half(pkcs1).as_ref(), Some(made.public()));
        let own = numbers(pkcs1);
        assert_eq!((own.len(), key(&own).as_slice()), (9, pkcs1));
        // Version, modulus, both exponents, both primes. The others follow from these, and are not looked at.
        for place in 0..6 {
            let mut spoiled = own.clone();
            let last = spoiled[place].last_mut().unwrap();
            *last ^= 2;
            assert_eq!(public_half(&key(&spoiled)), None, "number {place}");
            spoiled[place] = vec![0];
            if place > 0 {
                assert_eq!(public_half(&key(&spoiled)), None, "number {place} is zero");
            }
            spoiled.truncate(place);
            assert_eq!(public_half(&key(&spoiled)), None, "{place} numbers");
        }
        let mut trivial = own.clone();
        (trivial[4], trivial[5]) = (vec![1], own[1].clone());
        assert_eq!(public_half(&key(&trivial)), None, "one times the modulus");
        assert_eq!(public_half(&[pkcs1, &[0]].concat()), None, "something behind it");
        for bad in [&[][..], &[0x80], &[0, 1], &[0, 0]] {
            assert_eq!(unsigned(bad), None, "{bad:?}");
        }
    }
}

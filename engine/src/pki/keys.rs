//! Private keys: which one a Certificate asks for, how it is written, whether one fits.

use world::keys::SectionKind;
use world::{KeyAlgorithm, PrivateKey, PublicKey};

use super::{PkiError, failed};
use crate::api::{CertificateSpec, PrivateKeyAlgorithm, PrivateKeyEncoding};
use crate::compat::Checks;

/// Reads the first private key of a PEM text.
///
/// # Errors
/// [`PkiError`] when there is none, or none that can be read.
pub fn private_key(pem: &[u8]) -> Result<PrivateKey, PkiError> {
    let (kind, der) = first_key(pem)?;
    PrivateKey::from_der(kind, &der).map_err(failed)
}

/// Reads the public half of the first private key of a PEM text.
///
/// # Errors
/// As [`private_key`].
pub fn public_half(pem: &[u8]) -> Result<PublicKey, PkiError> {
    let (kind, der) = first_key(pem)?;
    PrivateKey::public_half(kind, &der).map_err(failed)
}

/// The contents of the first private key of a PEM text, in the form that it is written in there.
///
/// # Errors
/// [`PkiError`] when there is none.
pub fn key_der(pem: &[u8]) -> Result<Vec<u8>, PkiError> {
    first_key(pem).map(|(_, der)| der)
}

fn first_key(pem: &[u8]) -> Result<(SectionKind, Vec<u8>), PkiError> {
    let kinds = [SectionKind::PrivateKey, SectionKind::RsaPrivateKey, SectionKind::EcPrivateKey];
    world::keys::pem_first(pem, &kinds).ok_or_else(|| failed("error decoding private key PEM block"))
}

/// The key algorithm that a Certificate asks for; RSA 2048 when it names none.
///
/// # Errors
/// [`PkiError`] for a size that no release offers.
pub fn key_algorithm(spec: &CertificateSpec) -> Result<KeyAlgorithm, PkiError> {
    let key = spec.private_key.clone().unwrap_or_default();
    match (key.algorithm.unwrap_or(PrivateKeyAlgorithm::Rsa), key.size) {
        (PrivateKeyAlgorithm::Rsa, 0) => Ok(KeyAlgorithm::Rsa(2048)),
        (PrivateKeyAlgorithm::Rsa, size @ 2048..=8192) => Ok(KeyAlgorithm::Rsa(size)),
        (PrivateKeyAlgorithm::Rsa, size @ 0..2048) => {
            Err(PkiError(format!("weak rsa key size specified: {size}. minimum key size: 2048")))
        }
        (PrivateKeyAlgorithm::Rsa, size) => {
            Err(PkiError(format!("rsa key size specified too big: {size}. maximum key size: 8192")))
        }
        (PrivateKeyAlgorithm::Ecdsa, 0 | 256) => Ok(KeyAlgorithm::EcdsaP256),
        (PrivateKeyAlgorithm::Ecdsa, 384) => Ok(KeyAlgorithm::EcdsaP384),
        (PrivateKeyAlgorithm::Ecdsa, 521) => Ok(KeyAlgorithm::EcdsaP521),
        (PrivateKeyAlgorithm::Ecdsa, size) => {
            Err(PkiError(format!("unsupported ecdsa key size specified: {size}")))
        }
        (PrivateKeyAlgorithm::Ed25519, _) => Ok(KeyAlgorithm::Ed25519),
    }
}

/// A private key as it is kept in a Secret, in the encoding that the Certificate asks for: `PKCS1` is SEC1 for
/// ECDSA, and PKCS#8 for Ed25519, which has no other form.
pub fn encode_key(key: &PrivateKey, spec: &CertificateSpec) -> String {
    let encoding = spec.private_key.as_ref().and_then(|k| k.encoding);
    match encoding {
        Some(PrivateKeyEncoding::Pkcs8) => key.to_pkcs8_pem(),
        Some(PrivateKeyEncoding::Pkcs1) | None => key.to_traditional_pem(),
    }
}

/// The algorithm of a key without its size.
pub fn family(algorithm: KeyAlgorithm) -> PrivateKeyAlgorithm {
    match algorithm {
        KeyAlgorithm::Rsa(_) => PrivateKeyAlgorithm::Rsa,
        KeyAlgorithm::Ed25519 => PrivateKeyAlgorithm::Ed25519,
        KeyAlgorithm::EcdsaP256 | KeyAlgorithm::EcdsaP384 | KeyAlgorithm::EcdsaP521 => {
            PrivateKeyAlgorithm::Ecdsa
        }
    }
}

/// The fields of the specification that `key` does not fit, in the release's words.
pub fn key_violations(key: &PublicKey, spec: &CertificateSpec, checks: Checks) -> Vec<&'static str> {
    let (algorithm, size) = match checks {
        Checks::Initial => ("spec.keyAlgorithm", "spec.keySize"),
        Checks::Extended => ("spec.privateKey.algorithm", "spec.privateKey.size"),
    };
    let wanted = spec.private_key.as_ref().and_then(|k| k.algorithm).unwrap_or(PrivateKeyAlgorithm::Rsa);
    if family(key.algorithm()) != wanted {
        return vec![algorithm];
    }
    if key_algorithm(spec).is_ok_and(|wanted| wanted == key.algorithm()) { Vec::new() } else { vec![size] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::CertificatePrivateKey;
    use PrivateKeyAlgorithm::{Ecdsa, Ed25519, Rsa};

    fn spec(algorithm: PrivateKeyAlgorithm, size: u32) -> CertificateSpec {
        let key = CertificatePrivateKey { algorithm: Some(algorithm), size, ..Default::default() };
        CertificateSpec { private_key: Some(key), ..CertificateSpec::default() }
    }

    const KINDS: [(PrivateKeyAlgorithm, u32, KeyAlgorithm); 6] = [
        (Rsa, 0, KeyAlgorithm::Rsa(2048)),
        (Ecdsa, 0, KeyAlgorithm::EcdsaP256),
        (Ecdsa, 256, KeyAlgorithm::EcdsaP256),
        (Ecdsa, 384, KeyAlgorithm::EcdsaP384),
        (Ecdsa, 521, KeyAlgorithm::EcdsaP521),
        (Ed25519, 0, KeyAlgorithm::Ed25519),
    ];

    #[test]
    fn sizes_outside_of_the_range_are_refused() {
        assert_eq!(key_algorithm(&CertificateSpec::default()), Ok(KeyAlgorithm::Rsa(2048)));
        assert_eq!(key_algorithm(&spec(Rsa, 8192)), Ok(KeyAlgorithm::Rsa(8192)));
        for (algorithm, size) in [(Rsa, 2047), (Rsa, 8193), (Ecdsa, 224)] {
            assert!(key_algorithm(&spec(algorithm, size)).is_err(), "{size}");
        }
    }

    #[test]
    fn a_key_fits_its_own_specification_and_no_other() {
        world::sim::run(world::sim::Config::default(), |world| async move {
            for (algorithm, size, kind) in KINDS {
                assert_eq!(key_algorithm(&spec(algorithm, size)), Ok(kind));
                let key = world.keys(&kind.to_string()).generate(kind).unwrap();
                for (other, other_size, other_kind) in KINDS {
                    let found = key_violations(key.public(), &spec(other, other_size), Checks::Extended);
                    let expected: &[&str] = match (other_kind == kind, other == algorithm) {
                        (true, _) => &[],
                        (false, true) => &["spec.privateKey.size"],
                        (false, false) => &["spec.privateKey.algorithm"],
                    };
                    assert_eq!(found, expected, "{kind} for {other_kind}");
                }
                let initial = key_violations(key.public(), &spec(Rsa, 4096), Checks::Initial);
                assert_eq!(initial, [if algorithm == Rsa { "spec.keySize" } else { "spec.keyAlgorithm" }]);
            }
        })
        .unwrap();
    }

    #[test]
    fn every_algorithm_is_written_in_every_encoding_and_read_back() {
        world::sim::run(world::sim::Config::default(), |world| async move {
            for (algorithm, size, kind) in KINDS {
                let key = world.keys("k").generate(kind).unwrap();
                for encoding in [None, Some(PrivateKeyEncoding::Pkcs1), Some(PrivateKeyEncoding::Pkcs8)] {
                    let mut spec = spec(algorithm, size);
                    spec.private_key.as_mut().unwrap().encoding = encoding;
                    let pem = encode_key(&key, &spec);
                    let label = match (encoding, algorithm) {
                        (Some(PrivateKeyEncoding::Pkcs8), _) | (_, Ed25519) => "PRIVATE KEY",
                        (_, Rsa) => "RSA PRIVATE KEY",
                        (_, Ecdsa) => "EC PRIVATE KEY",
                    };
                    assert!(pem.starts_with(&format!("-----BEGIN {label}-----\n")), "{pem}");
                    assert_eq!(private_key(pem.as_bytes()).unwrap().public(), key.public());
                }
            }
        })
        .unwrap();
    }

    #[test]
    fn what_is_no_pem_is_named() {
        assert_eq!(private_key(b"x").unwrap_err().0, "error decoding private key PEM block");
        let cut = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert!(private_key(cut).unwrap_err().0.contains("not a private key"));
    }
}

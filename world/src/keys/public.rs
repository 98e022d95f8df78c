//! Public keys, as X.509 holds them: reading, writing, and what a CA verifies with them.

use ring::signature::{self, UnparsedPublicKey};

use super::ec::{CURVES, Curve, Form};
use super::{HashAlgorithm, KeyAlgorithm, KeyError};
use crate::der::{read_tlv, tlv};

/// A public key. Two are equal when they are the same key.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    algorithm: KeyAlgorithm,
    /// The contents of subjectPublicKey: RSAPublicKey DER, an uncompressed point, or 32 bytes.
    bytes: Vec<u8>,
}

// AlgorithmIdentifier of SubjectPublicKeyInfo (RFC 3279, RFC 5480, RFC 8410).
const RSA_ID: &[u8] =
    &[0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
const ED25519_ID: &[u8] = &[0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70];

impl PublicKey {
    pub(super) fn new(algorithm: KeyAlgorithm, bytes: Vec<u8>) -> Self {
        PublicKey { algorithm, bytes }
    }

    /// Reads a DER SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// [`KeyError::UnknownPublicKey`] when it is none, or of another algorithm or curve.
    pub fn from_spki(der: &[u8]) -> Result<Self, KeyError> {
        let (outer, _) = read_tlv(der, 0x30).ok_or(KeyError::UnknownPublicKey)?;
        let curves = CURVES.iter().map(|curve| (curve.id, Some(curve.algorithm)));
        let others = [(RSA_ID, None), (ED25519_ID, Some(KeyAlgorithm::Ed25519))];
        for (id, kind) in curves.chain(others) {
            let Some(rest) = outer.strip_prefix(id) else { continue };
            let (bits, _) = read_tlv(rest, 0x03).ok_or(KeyError::UnknownPublicKey)?;
            let bytes = bits.strip_prefix(&[0]).ok_or(KeyError::UnknownPublicKey)?.to_vec();
            let algorithm = match kind {
                Some(kind) => kind,
                None => {
                    let (n, _) = rsa_parts(&bytes).ok_or(KeyError::UnknownPublicKey)?;
                    KeyAlgorithm::Rsa(bit_length(n))
                }
            };
            return Ok(PublicKey { algorithm, bytes });
        }
        Err(KeyError::UnknownPublicKey)
    }

    /// Kind and size.
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// The contents of subjectPublicKey.
    pub fn key_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// DER SubjectPublicKeyInfo.
    pub fn spki(&self) -> Vec<u8> {
        let id = match (Curve::of(self.algorithm), self.algorithm) {
            (Some(curve), _) => curve.id,
            (None, KeyAlgorithm::Rsa(_)) => RSA_ID,
            (None, _) => ED25519_ID,
        };
        let mut bits = vec![0];
        bits.extend_from_slice(&self.bytes);
        let mut inner = id.to_vec();
        inner.extend(tlv(0x03, &bits));
        tlv(0x30, &inner)
    }

    /// Modulus and public exponent, big-endian without leading zeros; `None` unless RSA.
    pub fn rsa_components(&self) -> Option<(Vec<u8>, Vec<u8>)> {
        if !matches!(self.algorithm, KeyAlgorithm::Rsa(_)) {
            return None;
        }
        rsa_parts(&self.bytes).map(|(n, e)| (n.to_vec(), e.to_vec()))
    }

    /// An RSA key of its modulus and public exponent (big-endian; leading zeros do not count), as a JWK
    /// has them.
    ///
    /// # Errors
    /// [`KeyError::UnknownPublicKey`] when one of them is zero.
    pub fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, KeyError> {
        let (n, e) = (unsigned(modulus), unsigned(exponent));
        if n.is_empty() || e.is_empty() {
            return Err(KeyError::UnknownPublicKey);
        }
        let integer = |bytes: &[u8]| {
            let sign = if bytes[0] & 0x80 == 0 { &[][..] } else { &[0] };
            tlv(0x02, &[sign, bytes].concat())
        };
        let bytes = tlv(0x30, &[integer(n), integer(e)].concat());
        Ok(PublicKey { algorithm: KeyAlgorithm::Rsa(bit_length(n)), bytes })
    }

    /// An ECDSA key of its curve (`P-256`, `P-384` or `P-521`) and coordinates, as a JWK has them.
    ///
    /// # Errors
    /// [`KeyError::UnknownPublicKey`] for another curve, coordinates of another length than the curve's
    /// (RFC 7518 section 6.2.1.2), or a point that is not on the curve.
    pub fn ec(curve: &str, x: &[u8], y: &[u8]) -> Result<Self, KeyError> {
        let curve = CURVES.iter().find(|known| known.name == curve).ok_or(KeyError::UnknownPublicKey)?;
        let bytes = [&[4], x, y].concat();
        let sizes = x.len() == curve.field_bytes && y.len() == curve.field_bytes;
        if !sizes || !curve.has(&bytes) {
            return Err(KeyError::UnknownPublicKey);
        }
        Ok(PublicKey { algorithm: curve.algorithm, bytes })
    }

    /// An Ed25519 key of its 32 bytes, as a JWK has them.
    ///
    /// # Errors
    /// [`KeyError::UnknownPublicKey`] for another length.
    pub fn ed25519(x: &[u8]) -> Result<Self, KeyError> {
        if x.len() != 32 {
            return Err(KeyError::UnknownPublicKey);
        }
        Ok(PublicKey { algorithm: KeyAlgorithm::Ed25519, bytes: x.to_vec() })
    }

    /// Whether `signature` is this key's over `message`, in the form that X.509 has, with the hash that
    /// keys sign with here: SHA-256 (RSA with PKCS#1 v1.5, P-256), SHA-384 (P-384), SHA-512 (P-521).
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let hash = Curve::of(self.algorithm).map_or(HashAlgorithm::Sha256, |curve| curve.hash);
        self.verify_hashed(hash, message, signature, Form::Der)
    }

    /// Whether `signature` is this key's over `message`, by the signature algorithm `oid` (dotted) of a
    /// certificate, a request or a CRL. Every hash of the SHA-2 family goes with every curve, as X.509 has it.
    ///
    /// # Errors
    /// [`BadSignature::Algorithm`] when the algorithm is none of this kind of key, or is not known here
    /// (SHA-1, PSS); [`BadSignature::Signature`] when the signature is not this key's.
    pub fn verify_x509(&self, oid: &str, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        let known = X509_SIGNATURES.iter().find(|(_, known, _)| *known == oid);
        let (family, _, hash) = known.ok_or(BadSignature::Algorithm)?;
        if *family != self.family() {
            return Err(BadSignature::Algorithm);
        }
        let good = self.verify_hashed(*hash, message, signature, Form::Der);
        if good { Ok(()) } else { Err(BadSignature::Signature) }
    }

    /// Whether `signature` is this key's over `message`, by the JWS algorithm `alg`.
    ///
    /// # Errors
    /// [`BadSignature::Algorithm`] when `alg` is not [`PublicKey::jws_algorithm`];
    /// [`BadSignature::Signature`] when the signature is not this key's.
    pub fn verify_jws(&self, alg: &str, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        if alg != self.jws_algorithm() {
            return Err(BadSignature::Algorithm);
        }
        let hash = Curve::of(self.algorithm).map_or(HashAlgorithm::Sha256, |curve| curve.hash);
        let good = self.verify_hashed(hash, message, signature, Form::Fixed);
        if good { Ok(()) } else { Err(BadSignature::Signature) }
    }

    fn family(&self) -> Family {
        match self.algorithm {
            KeyAlgorithm::Rsa(_) => Family::Rsa,
            KeyAlgorithm::Ed25519 => Family::Ed25519,
            _ => Family::Ecdsa,
        }
    }

    fn verify_hashed(&self, hash: HashAlgorithm, message: &[u8], signature: &[u8], form: Form) -> bool {
        if let Some(curve) = Curve::of(self.algorithm) {
            return curve.verify(&self.bytes, hash, message, signature, form);
        }
        let algorithm: &dyn signature::VerificationAlgorithm = match (self.algorithm, hash) {
            (KeyAlgorithm::Ed25519, _) => &signature::ED25519,
            (_, HashAlgorithm::Sha256) => &signature::RSA_PKCS1_2048_8192_SHA256,
            (_, HashAlgorithm::Sha384) => &signature::RSA_PKCS1_2048_8192_SHA384,
            (_, HashAlgorithm::Sha512) => &signature::RSA_PKCS1_2048_8192_SHA512,
        };
        UnparsedPublicKey::new(algorithm, &self.bytes).verify(message, signature).is_ok()
    }
}

/// Why a signature is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    /// Its algorithm does not fit the key, or is not known.
    #[error("signature algorithm unknown, or not of this key")]
    Algorithm,
    /// It was not made by the key, or not over this message.
    #[error("signature does not verify")]
    Signature,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Rsa,
    Ecdsa,
    Ed25519,
}

/// Signature algorithms of X.509 (RFC 4055, RFC 5758, RFC 8410). Ed25519's hash is its own.
const X509_SIGNATURES: [(Family, &str, HashAlgorithm); 7] = [
    (Family::Rsa, "1.2.840.113549.1.1.11", HashAlgorithm::Sha256),
    (Family::Rsa, "1.2.840.113549.1.1.12", HashAlgorithm::Sha384),
    (Family::Rsa, "1.2.840.113549.1.1.13", HashAlgorithm::Sha512),
    (Family::Ecdsa, "1.2.840.10045.4.3.2", HashAlgorithm::Sha256),
    (Family::Ecdsa, "1.2.840.10045.4.3.3", HashAlgorithm::Sha384),
    (Family::Ecdsa, "1.2.840.10045.4.3.4", HashAlgorithm::Sha512),
    (Family::Ed25519, "1.3.101.112", HashAlgorithm::Sha512),
];

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PublicKey({}, {})", self.algorithm, self.thumbprint())
    }
}

fn bit_length(big_endian: &[u8]) -> u32 {
    let first = big_endian.first().copied().unwrap_or_default();
    let bytes = u32::try_from(big_endian.len()).unwrap_or(u32::MAX / 8);
    (bytes * 8).saturating_sub(first.leading_zeros())
}

/// Modulus and exponent of an RSAPublicKey.
fn rsa_parts(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (inner, _) = read_tlv(der, 0x30)?;
    let (n, rest) = read_tlv(inner, 0x02)?;
    let (e, _) = read_tlv(rest, 0x02)?;
    Some((unsigned(n), unsigned(e)))
}

/// A big-endian number without its leading zeros.
fn unsigned(bytes: &[u8]) -> &[u8] {
    &bytes[bytes.iter().position(|b| *b != 0).unwrap_or(bytes.len())..]
}

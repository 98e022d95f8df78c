//! Public keys: the three kinds, as X.509 holds them.

use ring::signature::{self, UnparsedPublicKey};

use super::{KeyAlgorithm, KeyError};

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
const P256_ID: &[u8] = &[
    0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07,
];
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
        for (id, kind) in [
            (RSA_ID, None),
            (P256_ID, Some(KeyAlgorithm::EcdsaP256)),
            (ED25519_ID, Some(KeyAlgorithm::Ed25519)),
        ] {
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
        let id = match self.algorithm {
            KeyAlgorithm::Rsa(_) => RSA_ID,
            KeyAlgorithm::EcdsaP256 => P256_ID,
            KeyAlgorithm::Ed25519 => ED25519_ID,
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

    /// Whether `signature` is this key's over `message`, in the form that X.509 has (SHA-256 with PKCS#1
    /// v1.5 or DER ECDSA; Ed25519).
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let algorithm: &dyn signature::VerificationAlgorithm = match self.algorithm {
            KeyAlgorithm::Rsa(_) => &signature::RSA_PKCS1_2048_8192_SHA256,
            KeyAlgorithm::EcdsaP256 => &signature::ECDSA_P256_SHA256_ASN1,
            KeyAlgorithm::Ed25519 => &signature::ED25519,
        };
        UnparsedPublicKey::new(algorithm, &self.bytes).verify(message, signature).is_ok()
    }
}

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
    let unsigned = |bytes: &'_ [u8]| bytes.iter().position(|b| *b != 0).unwrap_or(bytes.len());
    Some((&n[unsigned(n)..], &e[unsigned(e)..]))
}

/// A DER element: tag, length, contents.
pub(super) fn tlv(tag: u8, contents: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let n = contents.len();
    if n < 0x80 {
        out.push(n as u8);
    } else {
        let bytes = n.to_be_bytes();
        let skip = bytes.iter().position(|b| *b != 0).unwrap_or(bytes.len() - 1);
        out.push(0x80 | (bytes.len() - skip) as u8);
        out.extend_from_slice(&bytes[skip..]);
    }
    out.extend_from_slice(contents);
    out
}

/// The contents of a DER element with this tag, and what follows it.
pub(super) fn read_tlv(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = der.split_first()?;
    if *first != tag {
        return None;
    }
    let (short, rest) = rest.split_first()?;
    let (length, rest) = match usize::from(*short) {
        n if n < 0x80 => (n, rest),
        n => {
            let (bytes, rest) = rest.split_at_checked(n & 0x7f).filter(|(b, _)| b.len() <= 4)?;
            (bytes.iter().fold(0, |n, b| n << 8 | usize::from(*b)), rest)
        }
    };
    rest.split_at_checked(length)
}

//! ECDSA on the three curves of ACME: what differs from curve to curve, and the keys themselves.

use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::signature::hazmat::{PrehashSigner as _, PrehashVerifier as _};
use p256::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _};
use ring::digest::digest;
use ring::signature::{self, EcdsaKeyPair, UnparsedPublicKey};

use super::{HashAlgorithm, KeyAlgorithm, KeyError};
use crate::der::read_tlv;
use crate::rng::Rng;

/// What is different from curve to curve.
#[derive(Debug)]
pub(super) struct Curve {
    pub(super) algorithm: KeyAlgorithm,
    /// The name that JOSE has for it (RFC 7518 section 6.2.1.1).
    pub(super) name: &'static str,
    /// The JWS algorithm (RFC 7518 section 3.1); its hash is the curve's own.
    pub(super) jws: &'static str,
    /// Size of a coordinate, and of r and s of a signature, in bytes.
    pub(super) field_bytes: usize,
    /// AlgorithmIdentifier of SubjectPublicKeyInfo (RFC 5480).
    pub(super) id: &'static [u8],
    /// The hash that its signatures are made over.
    pub(super) hash: HashAlgorithm,
}

pub(super) static CURVES: [Curve; 3] = [
    Curve {
        algorithm: KeyAlgorithm::EcdsaP256,
        name: "P-256",
        jws: "ES256",
        field_bytes: 32,
        id: &[
            0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
            0xce, 0x3d, 0x03, 0x01, 0x07,
        ],
        hash: HashAlgorithm::Sha256,
    },
    Curve {
        algorithm: KeyAlgorithm::EcdsaP384,
        name: "P-384",
        jws: "ES384",
        field_bytes: 48,
        id: &[
            0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04,
            0x00, 0x22,
        ],
        hash: HashAlgorithm::Sha384,
    },
    Curve {
        algorithm: KeyAlgorithm::EcdsaP521,
        name: "P-521",
        jws: "ES512",
        field_bytes: 66,
        id: &[
            0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04,
            0x00, 0x23,
        ],
        hash: HashAlgorithm::Sha512,
    },
];

impl Curve {
    /// The curve of a kind of key; `None` unless it is ECDSA.
    pub(super) fn of(algorithm: KeyAlgorithm) -> Option<&'static Curve> {
        CURVES.iter().find(|curve| curve.algorithm == algorithm)
    }

    /// Whether `point` (uncompressed) lies on the curve.
    pub(super) fn has(&self, point: &[u8]) -> bool {
        match self.algorithm {
            KeyAlgorithm::EcdsaP256 => p256::PublicKey::from_sec1_bytes(point).is_ok(),
            KeyAlgorithm::EcdsaP384 => p384::PublicKey::from_sec1_bytes(point).is_ok(),
            _ => p521::PublicKey::from_sec1_bytes(point).is_ok(),
        }
    }

    /// Whether `signature` is by the key `point` over `message`: in DER, or as r and s side by side.
    pub(super) fn verify(
        &self,
        point: &[u8],
        hash: HashAlgorithm,
        message: &[u8],
        signature: &[u8],
        form: Form,
    ) -> bool {
        // ring is much faster, and has the two curves each with their own hash.
        let fast: Option<&dyn signature::VerificationAlgorithm> = match (self.algorithm, hash, form) {
            (KeyAlgorithm::EcdsaP256, HashAlgorithm::Sha256, Form::Der) => {
                Some(&signature::ECDSA_P256_SHA256_ASN1)
            }
            (KeyAlgorithm::EcdsaP256, HashAlgorithm::Sha256, Form::Fixed) => {
                Some(&signature::ECDSA_P256_SHA256_FIXED)
            }
            (KeyAlgorithm::EcdsaP384, HashAlgorithm::Sha384, Form::Der) => {
                Some(&signature::ECDSA_P384_SHA384_ASN1)
            }
            (KeyAlgorithm::EcdsaP384, HashAlgorithm::Sha384, Form::Fixed) => {
                Some(&signature::ECDSA_P384_SHA384_FIXED)
            }
            _ => None,
        };
        if let Some(fast) = fast {
            return UnparsedPublicKey::new(fast, point).verify(message, signature).is_ok();
        }
        let prehash = digest(hash.of_ring(), message);
        macro_rules! verify {
            ($curve:ident) => {{
                let parsed = match form {
                    Form::Der => $curve::ecdsa::Signature::from_der(signature),
                    Form::Fixed => $curve::ecdsa::Signature::from_slice(signature),
                };
                let key = $curve::ecdsa::VerifyingKey::from_sec1_bytes(point);
                matches!((key, parsed), (Ok(key), Ok(s)) if key.verify_prehash(prehash.as_ref(), &s).is_ok())
            }};
        }
        match self.algorithm {
            KeyAlgorithm::EcdsaP256 => verify!(p256),
            KeyAlgorithm::EcdsaP384 => verify!(p384),
            _ => verify!(p521),
        }
    }
}

/// How an ECDSA signature is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    /// As X.509 and TLS have it.
    Der,
    /// As JWS has it.
    Fixed,
}

/// `$body` for the key of whichever curve; in it, `curve` is the curve's crate.
macro_rules! on_curve {
    ($ec:expr, $key:ident => $body:expr) => {
        match $ec {
            EcKey::P256($key) => {
                use p256 as curve;
                $body
            }
            EcKey::P384($key) => {
                use p384 as curve;
                $body
            }
            EcKey::P521($key) => {
                use p521 as curve;
                $body
            }
        }
    };
}

/// ring's signer of the same key, several times as fast, whose signatures do not repeat: it draws its
/// nonces from the system. It has no P-521.
pub(super) struct FastSigner {
    pair: EcdsaKeyPair,
    field_bytes: usize,
}

#[expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a fast signer is given to the keys of real worlds only"
)]
impl FastSigner {
    pub(super) fn of(key: &EcKey) -> Option<Self> {
        let algorithm = match key {
            EcKey::P256(_) => &signature::ECDSA_P256_SHA256_ASN1_SIGNING,
            EcKey::P384(_) => &signature::ECDSA_P384_SHA384_ASN1_SIGNING,
            EcKey::P521(_) => return None,
        };
        let scalar = on_curve!(key, key => curve::ecdsa::SigningKey::to_bytes(key).to_vec());
        let system = ring::rand::SystemRandom::new();
        let pair =
            EcdsaKeyPair::from_private_key_and_public_key(algorithm, &scalar, &key.point(), &system).ok()?;
        Some(FastSigner { pair, field_bytes: scalar.len() })
    }

    /// `None` when the system gave no randomness.
    pub(super) fn sign(&self, message: &[u8], form: Form) -> Option<Vec<u8>> {
        let der = self.pair.sign(&ring::rand::SystemRandom::new(), message).ok()?;
        match form {
            Form::Der => Some(der.as_ref().to_vec()),
            Form::Fixed => fixed(der.as_ref(), self.field_bytes),
        }
    }
}

/// r and s side by side, each in this many bytes, of a signature in DER.
fn fixed(der: &[u8], field_bytes: usize) -> Option<Vec<u8>> {
    let (inner, _) = read_tlv(der, 0x30)?;
    let (r, rest) = read_tlv(inner, 0x02)?;
    let (s, _) = read_tlv(rest, 0x02)?;
    let mut out = vec![0; field_bytes * 2];
    for (number, end) in [(r, field_bytes), (s, field_bytes * 2)] {
        // An integer whose first bit is set begins with a zero byte.
        let number = number.strip_prefix(&[0]).unwrap_or(number);
        out.get_mut(end.checked_sub(number.len())?..end)?.copy_from_slice(number);
    }
    Some(out)
}

/// A private key on one of the curves.
#[derive(Clone)]
pub(super) enum EcKey {
    P256(p256::ecdsa::SigningKey),
    P384(p384::ecdsa::SigningKey),
    P521(p521::ecdsa::SigningKey),
}

impl EcKey {
    /// A new key on the curve of `algorithm`; `None` when it is not ECDSA.
    pub(super) fn generate(rng: &Rng, algorithm: KeyAlgorithm) -> Option<Self> {
        let curve = Curve::of(algorithm)?;
        let mut scalar = vec![0; curve.field_bytes];
        loop {
            rng.fill(&mut scalar);
            if algorithm == KeyAlgorithm::EcdsaP521 {
                // 66 bytes are 528 bits; the order has 521.
                scalar[0] &= 1;
            }
            // All but 2^-32 of the strings are scalars below the group order.
            if let Some(key) = Self::from_scalar(algorithm, &scalar) {
                return Some(key);
            }
        }
    }

    fn from_scalar(algorithm: KeyAlgorithm, scalar: &[u8]) -> Option<Self> {
        match algorithm {
            KeyAlgorithm::EcdsaP256 => p256::ecdsa::SigningKey::from_slice(scalar).ok().map(EcKey::P256),
            KeyAlgorithm::EcdsaP384 => p384::ecdsa::SigningKey::from_slice(scalar).ok().map(EcKey::P384),
            _ => p521::ecdsa::SigningKey::from_slice(scalar).ok().map(EcKey::P521),
        }
    }

    /// Reads PKCS#8.
    pub(super) fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        let p256 = p256::SecretKey::from_pkcs8_der(der).map(|key| EcKey::P256(key.into()));
        p256.or_else(|_| p384::SecretKey::from_pkcs8_der(der).map(|key| EcKey::P384(key.into())))
            .or_else(|_| p521::SecretKey::from_pkcs8_der(der).map(|key| EcKey::P521(key.into())))
            .map_err(|e| KeyError::Unreadable(e.to_string()))
    }

    /// Reads SEC1 (RFC 5915).
    pub(super) fn from_sec1(der: &[u8]) -> Result<Self, KeyError> {
        let p256 = p256::SecretKey::from_sec1_der(der).map(|key| EcKey::P256(key.into()));
        p256.or_else(|_| p384::SecretKey::from_sec1_der(der).map(|key| EcKey::P384(key.into())))
            .or_else(|_| p521::SecretKey::from_sec1_der(der).map(|key| EcKey::P521(key.into())))
            .map_err(|e| KeyError::Unreadable(e.to_string()))
    }

    pub(super) fn algorithm(&self) -> KeyAlgorithm {
        match self {
            EcKey::P256(_) => KeyAlgorithm::EcdsaP256,
            EcKey::P384(_) => KeyAlgorithm::EcdsaP384,
            EcKey::P521(_) => KeyAlgorithm::EcdsaP521,
        }
    }

    /// The public key, an uncompressed point.
    pub(super) fn point(&self) -> Vec<u8> {
        on_curve!(self, key => {
            let key: &curve::ecdsa::SigningKey = key;
            key.verifying_key().to_sec1_point(false).as_bytes().to_vec()
        })
    }

    pub(super) fn to_pkcs8(&self) -> Vec<u8> {
        on_curve!(self, key => {
            let der = curve::SecretKey::from(key).to_pkcs8_der();
            der.map(|der| der.as_bytes().to_vec()).unwrap_or_default()
        })
    }

    pub(super) fn to_sec1(&self) -> Option<Vec<u8>> {
        on_curve!(self, key => curve::SecretKey::from(key).to_sec1_der().ok().map(|der| der.to_vec()))
    }

    /// Signs a digest of any length from half a coordinate's on, in DER; by RFC 6979 with the curve's own hash.
    pub(super) fn sign_prehash(&self, digest: &[u8]) -> Option<Vec<u8>> {
        on_curve!(self, key => {
            let signature: curve::ecdsa::Signature = key.sign_prehash(digest).ok()?;
            Some(signature.to_der().as_bytes().to_vec())
        })
    }

    /// Signs by RFC 6979 with the curve's own hash.
    pub(super) fn sign(&self, message: &[u8], form: Form) -> Vec<u8> {
        on_curve!(self, key => {
            let signature: curve::ecdsa::Signature = key.sign(message);
            match form {
                Form::Der => signature.to_der().as_bytes().to_vec(),
                Form::Fixed => signature.to_bytes().to_vec(),
            }
        })
    }
}

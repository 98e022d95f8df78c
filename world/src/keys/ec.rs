//! ECDSA on the three curves of ACME: what differs from curve to curve, and the keys themselves.

use std::sync::OnceLock;

use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::signature::hazmat::{PrehashSigner as _, PrehashVerifier as _};
use p256::elliptic_curve::ops::Reduce;
use p256::elliptic_curve::point::AffineCoordinates as _;
use p256::elliptic_curve::sec1::ToSec1Point as _;
use p256::pkcs8::{EncodePrivateKey as _, ObjectIdentifier, PrivateKeyInfoRef};
use ring::digest::digest;
use ring::signature::{self, EcdsaKeyPair, UnparsedPublicKey};
use sec1::{EcParameters, EcPrivateKey};

use super::{HashAlgorithm, KeyAlgorithm, KeyError};
use crate::der::read_tlv;
use crate::rng::Rng;

/// The algorithm of a key of PKCS#8 (RFC 5480).
const ID_EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");

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
    /// The name that PKIX has for it (RFC 5480).
    oid: ObjectIdentifier,
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
        oid: ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7"),
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
        oid: ObjectIdentifier::new_unwrap("1.3.132.0.34"),
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
        oid: ObjectIdentifier::new_unwrap("1.3.132.0.35"),
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
        let scalar = on_curve!(key, key => curve::SecretKey::to_bytes(&key.secret).to_vec());
        let system = ring::rand::SystemRandom::new();
        let pair =
            EcdsaKeyPair::from_private_key_and_public_key(algorithm, &scalar, key.point(), &system).ok()?;
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
    P256(Parts<p256::SecretKey, p256::ecdsa::SigningKey>),
    P384(Parts<p384::SecretKey, p384::ecdsa::SigningKey>),
    P521(Parts<p521::SecretKey, p521::ecdsa::SigningKey>),
}

/// The scalar, the uncompressed point, and what signs, which is made when it first does: it multiplies once more, and
/// most keys that are read only show their public half.
#[derive(Clone)]
pub(super) struct Parts<S, K> {
    secret: S,
    point: Vec<u8>,
    signing: OnceLock<K>,
}

impl<S, K: for<'a> From<&'a S>> Parts<S, K> {
    fn signing(&self) -> &K {
        self.signing.get_or_init(|| K::from(&self.secret))
    }
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
            if let Some(key) = Self::from_scalar(curve, &scalar, None) {
                return Some(key);
            }
        }
    }

    /// The key of a scalar. `None` when that is none of this curve, or when the point that is said to be its public half
    /// is another's.
    fn from_scalar(curve: &Curve, scalar: &[u8], point: Option<&[u8]>) -> Option<Self> {
        macro_rules! read {
            ($curve:ident, $variant:ident, $is_known:expr) => {{
                let secret = $curve::SecretKey::from_slice(scalar).ok()?;
                let known = point.filter(|point| $is_known(&secret, point));
                let point = match (known, point) {
                    (Some(known), _) => known.to_vec(),
                    (None, said) => {
                        let public = secret.public_key();
                        let said =
                            said.map(|point| $curve::PublicKey::from_sec1_bytes(point).ok() == Some(public));
                        if said == Some(false) {
                            return None;
                        }
                        public.to_sec1_point(false).as_bytes().to_vec()
                    }
                };
                Some(EcKey::$variant(Parts { secret, point, signing: OnceLock::new() }))
            }};
        }
        match curve.algorithm {
            KeyAlgorithm::EcdsaP256 => read!(p256, P256, is_point_of),
            KeyAlgorithm::EcdsaP384 => read!(p384, P384, |_, _| false),
            _ => read!(p521, P521, |_, _| false),
        }
    }

    fn from_ec_private_key(
        key: &EcPrivateKey<'_>,
        named: Option<ObjectIdentifier>,
    ) -> Result<Self, KeyError> {
        let named = named.or(key.parameters.and_then(EcParameters::named_curve));
        let curves = CURVES.iter().filter(|curve| named.is_none_or(|named| named == curve.oid));
        let mut keys = curves.filter_map(|curve| Self::from_scalar(curve, key.private_key, key.public_key));
        keys.next().ok_or_else(|| KeyError::Unreadable("no ECDSA key of a known curve".to_owned()))
    }

    /// Reads PKCS#8.
    pub(super) fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        let unreadable = |error: &dyn std::fmt::Display| KeyError::Unreadable(error.to_string());
        let info = PrivateKeyInfoRef::try_from(der).map_err(|e| unreadable(&e))?;
        let (algorithm, curve) = info.algorithm.oids().map_err(|e| unreadable(&e))?;
        if algorithm != ID_EC_PUBLIC_KEY {
            return Err(KeyError::Unreadable(format!("keys of algorithm {algorithm} are not known")));
        }
        let key = EcPrivateKey::try_from(info.private_key.as_bytes()).map_err(|e| unreadable(&e))?;
        Self::from_ec_private_key(&key, curve)
    }

    /// Reads SEC1 (RFC 5915).
    pub(super) fn from_sec1(der: &[u8]) -> Result<Self, KeyError> {
        let key = EcPrivateKey::try_from(der).map_err(|e| KeyError::Unreadable(e.to_string()))?;
        Self::from_ec_private_key(&key, None)
    }

    pub(super) fn algorithm(&self) -> KeyAlgorithm {
        match self {
            EcKey::P256(_) => KeyAlgorithm::EcdsaP256,
            EcKey::P384(_) => KeyAlgorithm::EcdsaP384,
            EcKey::P521(_) => KeyAlgorithm::EcdsaP521,
        }
    }

    /// The public key, an uncompressed point.
    pub(super) fn point(&self) -> &[u8] {
        match self {
            EcKey::P256(key) => &key.point,
            EcKey::P384(key) => &key.point,
            EcKey::P521(key) => &key.point,
        }
    }

    pub(super) fn to_pkcs8(&self) -> Vec<u8> {
        on_curve!(self, key => {
            let der: Result<_, curve::pkcs8::Error> = key.secret.to_pkcs8_der();
            der.map(|der| der.as_bytes().to_vec()).unwrap_or_default()
        })
    }

    pub(super) fn to_sec1(&self) -> Option<Vec<u8>> {
        on_curve!(self, key => curve::SecretKey::to_sec1_der(&key.secret).ok().map(|der| der.to_vec()))
    }

    /// Signs a digest of any length from half a coordinate's on, in DER; by RFC 6979 with the curve's own hash.
    pub(super) fn sign_prehash(&self, digest: &[u8]) -> Option<Vec<u8>> {
        on_curve!(self, key => {
            let signature: curve::ecdsa::Signature = key.signing().sign_prehash(digest).ok()?;
            Some(signature.to_der().as_bytes().to_vec())
        })
    }

    /// Signs by RFC 6979 with the curve's own hash.
    pub(super) fn sign(&self, message: &[u8], form: Form) -> Vec<u8> {
        on_curve!(self, key => {
            let signature: curve::ecdsa::Signature = key.signing().sign(message);
            match form {
                Form::Der => signature.to_der().as_bytes().to_vec(),
                Form::Fixed => signature.to_bytes().to_vec(),
            }
        })
    }
}

/// Whether the uncompressed point is the scalar times the base point, asked of ring's verification, which takes a third
/// of the time of a multiplication here: the signature whose nonce is 1 costs none (r is the base point's x, s is
/// h + r·d), and verifies under that point alone. What is signed is the point itself, so that no other can be chosen to
/// suit. The signature tells the scalar and is thrown away.
fn is_point_of(secret: &p256::SecretKey, point: &[u8]) -> bool {
    let reduced = <p256::Scalar as Reduce<p256::FieldBytes>>::reduce;
    let Ok(hash) = p256::FieldBytes::try_from(digest(HashAlgorithm::Sha256.of_ring(), point).as_ref()) else {
        return false;
    };
    let r = reduced(&p256::AffinePoint::GENERATOR.x());
    let s = reduced(&hash) + r * *secret.to_nonzero_scalar();
    p256::ecdsa::Signature::from_scalars(r, s).is_ok_and(|signature| {
        let key = UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point);
        key.verify(point, &signature.to_bytes()).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_that_is_said_to_be_the_keys_is_checked() {
        let rng = Rng::from_seed(1);
        for curve in &CURVES {
            let key = |label: &str| EcKey::generate(&rng.fork(label), curve.algorithm).unwrap();
            let (own, other) = (key("own"), key("other"));
            let scalar = on_curve!(&own, key => curve::SecretKey::to_bytes(&key.secret).to_vec());
            let read = |point| EcKey::from_scalar(curve, &scalar, point).map(|key| key.point().to_vec());
            assert_eq!(read(None).as_deref(), Some(own.point()));
            assert_eq!(read(Some(own.point())).as_deref(), Some(own.point()));
            assert_eq!(read(Some(other.point())), None, "{}", curve.name);
            let (x, y) = own.point()[1..].split_at(curve.field_bytes);
            let compressed = [&[2 + y[y.len() - 1] % 2], x].concat();
            assert_eq!(read(Some(&compressed)).as_deref(), Some(own.point()));
            let negated = [&[3 - y[y.len() - 1] % 2], x].concat();
            assert_eq!(read(Some(&negated)), None, "the point with the same x");
            let spoiled = [own.point(), &[0]].concat();
            assert_eq!(read(Some(&spoiled)), None);
        }
    }

    #[test]
    fn the_point_of_a_p256_key_is_known_and_the_negated_one_is_another() {
        for seed in 0..50 {
            let key = EcKey::generate(&Rng::from_seed(seed), KeyAlgorithm::EcdsaP256).unwrap();
            let EcKey::P256(key) = key else { panic!() };
            assert!(is_point_of(&key.secret, &key.point));
            let (x, y) = key.point[1..].split_at(32);
            let negated = p256::PublicKey::from_sec1_bytes(&[&[3 - y[31] % 2], x].concat()).unwrap();
            assert!(!is_point_of(&key.secret, negated.to_sec1_point(false).as_bytes()));
        }
    }
}

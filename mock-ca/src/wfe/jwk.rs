//! Account keys: JSON Web Keys (RFC 7517), how good they are, and whether a signature is theirs.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use serde_json::Value;

/// A public key of an account. Two are equal when they are the same key.
#[derive(Clone, PartialEq, Eq)]
pub struct Jwk {
    material: Material,
    /// The required members only, in lexical order and without blanks (RFC 7638 section 3).
    canonical: String,
}

#[derive(Clone, PartialEq, Eq)]
enum Material {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// An uncompressed point.
    Ec {
        curve: &'static Curve,
        point: Vec<u8>,
    },
    /// Ed25519 (RFC 8037).
    Okp {
        x: Vec<u8>,
    },
}

/// What is different from curve to curve.
#[derive(Debug, PartialEq, Eq)]
struct Curve {
    name: &'static str,
    alg: &'static str,
    coordinate_bytes: usize,
    good: bool,
}

/// Boulder knows P-521 and refuses it.
const CURVES: [Curve; 3] = [
    Curve { name: "P-256", alg: "ES256", coordinate_bytes: 32, good: true },
    Curve { name: "P-384", alg: "ES384", coordinate_bytes: 48, good: true },
    Curve { name: "P-521", alg: "ES512", coordinate_bytes: 66, good: false },
];

/// Sizes of RSA moduli that Let's Encrypt takes, for accounts and certificates alike.
pub(crate) const RSA_BITS: [usize; 3] = [2048, 3072, 4096];

/// The one public exponent that is taken.
const RSA_EXPONENT: [u8; 3] = [1, 0, 1];

/// Length of an Ed25519 key.
const ED25519_BYTES: usize = 32;

/// Why a key is not good enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeakKey {
    /// An RSA modulus of another size.
    #[error("key size not supported: {0}")]
    RsaSize(usize),
    /// An RSA exponent other than 65537.
    #[error("key exponent should be 65537")]
    RsaExponent,
    /// A curve that is not taken.
    #[error("ECDSA curve {0} not allowed")]
    Curve(&'static str),
}

impl Jwk {
    /// Reads the `jwk` member of a JWS header; `None` when it is no public key of a known kind.
    pub fn parse(jwk: &Value) -> Option<Self> {
        let text = |member: &str| jwk.get(member)?.as_str();
        let bytes = |member: &str| URL_SAFE_NO_PAD.decode(text(member)?).ok();
        let (material, canonical) = match text("kty")? {
            "RSA" => {
                let trim = |v: Vec<u8>| v.into_iter().skip_while(|b| *b == 0).collect::<Vec<_>>();
                let (n, e) = (trim(bytes("n")?), trim(bytes("e")?));
                if n.is_empty() || e.is_empty() {
                    return None;
                }
                let canonical = format!(
                    r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#,
                    URL_SAFE_NO_PAD.encode(&e),
                    URL_SAFE_NO_PAD.encode(&n)
                );
                (Material::Rsa { n, e }, canonical)
            }
            "EC" => {
                let curve = CURVES.iter().find(|curve| Some(curve.name) == text("crv"))?;
                let (x, y) = (bytes("x")?, bytes("y")?);
                if x.len() != curve.coordinate_bytes || y.len() != curve.coordinate_bytes {
                    return None;
                }
                let canonical = format!(
                    r#"{{"crv":"{}","kty":"EC","x":"{}","y":"{}"}}"#,
                    curve.name,
                    URL_SAFE_NO_PAD.encode(&x),
                    URL_SAFE_NO_PAD.encode(&y)
                );
                (Material::Ec { curve, point: [&[4][..], &x, &y].concat() }, canonical)
            }
            "OKP" if text("crv")? == "Ed25519" => {
                let x = bytes("x").filter(|x| x.len() == ED25519_BYTES)?;
                let canonical =
                    format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, URL_SAFE_NO_PAD.encode(&x));
                (Material::Okp { x }, canonical)
            }
            _ => return None,
        };
        Some(Jwk { material, canonical })
    }

    /// The key of an account that signs with a key of the world.
    pub fn of(key: &world::PublicKey) -> Option<Self> {
        Self::parse(&serde_json::from_str(&key.jwk()).ok()?)
    }

    /// The JWK as accounts show it.
    pub fn to_json(&self) -> Value {
        serde_json::from_str(&self.canonical).unwrap_or_default()
    }

    /// SHA-256 thumbprint, base64url without padding (RFC 7638).
    pub fn thumbprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(world::sha256(self.canonical.as_bytes()))
    }

    /// The JWS algorithm that fits the key.
    pub fn algorithm(&self) -> &'static str {
        match &self.material {
            Material::Rsa { .. } => "RS256",
            Material::Ec { curve, .. } => curve.alg,
            Material::Okp { .. } => "EdDSA",
        }
    }

    /// Whether an account may have the key.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check_strength(&self) -> Result<(), WeakKey> {
        match &self.material {
            Material::Rsa { n, e } => check_rsa(n, e),
            Material::Ec { curve, .. } if !curve.good => Err(WeakKey::Curve(curve.name)),
            Material::Ec { .. } => Ok(()),
            Material::Okp { .. } => Err(WeakKey::Curve("Ed25519")),
        }
    }

    /// Whether `signature` is this key's over `message`, in the form that JWS has.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Rsa { n, e } => RsaPublicKeyComponents { n, e }
                .verify(&signature::RSA_PKCS1_2048_8192_SHA256, message, signature)
                .is_ok(),
            Material::Ec { curve, point } => {
                let algorithm = match curve.alg {
                    "ES256" => &signature::ECDSA_P256_SHA256_FIXED,
                    "ES384" => &signature::ECDSA_P384_SHA384_FIXED,
                    _ => return false,
                };
                UnparsedPublicKey::new(algorithm, point).verify(message, signature).is_ok()
            }
            Material::Okp { x } => {
                UnparsedPublicKey::new(&signature::ED25519, x).verify(message, signature).is_ok()
            }
        }
    }
}

/// Whether an RSA key with this modulus and exponent is taken.
pub(crate) fn check_rsa(n: &[u8], e: &[u8]) -> Result<(), WeakKey> {
    let leading = n.first().map_or(0, |b| b.leading_zeros() as usize);
    let bits = (n.len() * 8).saturating_sub(leading);
    if !RSA_BITS.contains(&bits) {
        return Err(WeakKey::RsaSize(bits));
    }
    if e != RSA_EXPONENT { Err(WeakKey::RsaExponent) } else { Ok(()) }
}

impl serde::Serialize for Jwk {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        serde::Serialize::serialize(&self.to_json(), to)
    }
}

impl<'de> serde::Deserialize<'de> for Jwk {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(from)?;
        Jwk::parse(&value).ok_or_else(|| serde::de::Error::custom("no JSON Web Key"))
    }
}

impl std::fmt::Debug for Jwk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Jwk({})", self.thumbprint())
    }
}

//! Account keys: JSON Web Keys (RFC 7517), how good they are, and whether a signature is theirs.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use world::{KeyAlgorithm, PublicKey};

/// A public key of an account. Two are equal when they are the same key.
#[derive(Clone, PartialEq, Eq)]
pub struct Jwk {
    key: PublicKey,
    /// The required members only, in lexical order and without blanks (RFC 7638 section 3).
    canonical: String,
}

/// Sizes of RSA moduli that Let's Encrypt takes, for accounts and certificates alike.
pub(crate) const RSA_BITS: [usize; 3] = [2048, 3072, 4096];

/// The one public exponent that is taken.
const RSA_EXPONENT: [u8; 3] = [1, 0, 1];

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
        let key = match (text("kty")?, text("crv")) {
            ("RSA", _) => PublicKey::rsa(&bytes("n")?, &bytes("e")?),
            ("EC", curve) => PublicKey::ec(curve?, &bytes("x")?, &bytes("y")?),
            ("OKP", Some("Ed25519")) => PublicKey::ed25519(&bytes("x")?),
            _ => return None,
        };
        Some(Self::of(&key.ok()?))
    }

    /// The key of an account that signs with a key of the world.
    pub fn of(key: &PublicKey) -> Self {
        Jwk { key: key.clone(), canonical: key.jwk() }
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
        self.key.jws_algorithm()
    }

    /// Whether an account may have the key, by the rules of Let's Encrypt.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check_strength(&self) -> Result<(), WeakKey> {
        match self.key.algorithm() {
            KeyAlgorithm::Rsa(_) => {
                let (n, e) = self.key.rsa_components().unwrap_or_default();
                check_rsa(&n, &e)
            }
            KeyAlgorithm::EcdsaP256 | KeyAlgorithm::EcdsaP384 => Ok(()),
            KeyAlgorithm::EcdsaP521 => Err(WeakKey::Curve("P-521")),
            KeyAlgorithm::Ed25519 => Err(WeakKey::Curve("Ed25519")),
        }
    }

    /// Whether `signature` is this key's over `message`, in the form that JWS has.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.key.verify_jws(self.algorithm(), message, signature).is_ok()
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

//! Keys whose making and signing repeat: seeded generation, deterministic signatures.
//!
//! RSA signs with PKCS#1 v1.5 (which draws no randomness), ECDSA by RFC 6979, Ed25519 by RFC 8032, so a
//! signature is a function of key and message. **In a real world**, P-256 and P-384 sign by ring, which is
//! ten times as fast and draws its nonces from the system: there, with a seed, keys repeat and ECDSA
//! signatures do not.

mod ec;
mod jwk;
mod made;
mod pem;
mod private;
mod public;
mod rsa;
mod x509;

pub use jwk::JwsSignature;
pub use pem::{pem_encode, pem_first, pem_sections};
pub use private::PrivateKey;
pub use public::{BadSignature, PublicKey};
pub use rustls::pki_types::pem::SectionKind;
pub use x509::finish_x509;

use crate::rng::Rng;

/// What kind of key, and how large.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyAlgorithm {
    /// RSA with a modulus of this many bits.
    Rsa(u32),
    /// ECDSA on P-256.
    EcdsaP256,
    /// ECDSA on P-384.
    EcdsaP384,
    /// ECDSA on P-521.
    EcdsaP521,
    /// Ed25519.
    Ed25519,
}

impl std::fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            KeyAlgorithm::Rsa(bits) => write!(f, "RSA {bits}"),
            KeyAlgorithm::EcdsaP256 => f.write_str("ECDSA P-256"),
            KeyAlgorithm::EcdsaP384 => f.write_str("ECDSA P-384"),
            KeyAlgorithm::EcdsaP521 => f.write_str("ECDSA P-521"),
            KeyAlgorithm::Ed25519 => f.write_str("Ed25519"),
        }
    }
}

/// The hash under a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HashAlgorithm {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl HashAlgorithm {
    fn of_ring(self) -> &'static ring::digest::Algorithm {
        match self {
            HashAlgorithm::Sha256 => &ring::digest::SHA256,
            HashAlgorithm::Sha384 => &ring::digest::SHA384,
            HashAlgorithm::Sha512 => &ring::digest::SHA512,
        }
    }
}

/// A key that cannot be made or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The bytes are no private key of a kind that is known here.
    #[error("not a private key in PKCS#1, PKCS#8 or SEC1 form: {0}")]
    Unreadable(String),
    /// The bytes are no public key of a kind that is known here.
    #[error("not a public key of a known kind")]
    UnknownPublicKey,
    /// The size is out of range.
    #[error("cannot make an RSA key of {0} bits (2048 to 8192)")]
    Size(u32),
    /// The key cannot sign in the way that is asked for.
    #[error("the key cannot sign with this hash")]
    Unusable,
}

/// The maker of keys: its randomness is one labelled stream.
#[derive(Clone, Debug)]
pub struct Keys {
    rng: Rng,
    /// Whether the keys sign by ring where it can, which does not repeat.
    fast: bool,
}

impl Keys {
    pub(crate) fn new(rng: Rng, fast: bool) -> Self {
        Keys { rng, fast }
    }

    /// A new private key.
    ///
    /// # Errors
    /// [`KeyError::Size`] for an RSA size that is not offered.
    pub fn generate(&self, algorithm: KeyAlgorithm) -> Result<PrivateKey, KeyError> {
        match algorithm {
            KeyAlgorithm::Rsa(bits) if !self.fast => made::rsa(&self.rng, bits),
            _ => Ok(self.adopt(PrivateKey::generate(&self.rng, algorithm)?)),
        }
    }

    /// A key from elsewhere (a file, a Secret), that signs from now on as those do that are made here: fast
    /// in real worlds, repeatably in simulated ones.
    pub fn adopt(&self, key: PrivateKey) -> PrivateKey {
        if self.fast { key.hastened() } else { key }
    }
}

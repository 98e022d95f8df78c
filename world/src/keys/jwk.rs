//! Keys as JOSE has them: JWK (RFC 7517), thumbprint (RFC 7638), JWS signatures (RFC 7515, 7518, 8037).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{KeyAlgorithm, PrivateKey, PublicKey};
use crate::hash::sha256;

/// A JWS signature and the name of its algorithm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwsSignature {
    /// `RS256`, `ES256` or `EdDSA`.
    pub alg: &'static str,
    /// The signature in JWS form (for ECDSA r and s side by side).
    pub signature: Vec<u8>,
}

impl PrivateKey {
    /// The JWS algorithm that this key signs with.
    pub fn jws_algorithm(&self) -> &'static str {
        match self.algorithm() {
            KeyAlgorithm::Rsa(_) => "RS256",
            KeyAlgorithm::EcdsaP256 => "ES256",
            KeyAlgorithm::Ed25519 => "EdDSA",
        }
    }
}

impl PublicKey {
    /// The public JWK with its required members only, in lexical order and without blanks: the input of
    /// the thumbprint (RFC 7638 section 3).
    pub fn jwk(&self) -> String {
        let b64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self.algorithm() {
            KeyAlgorithm::Rsa(_) => {
                let (n, e) = self.rsa_components().unwrap_or_default();
                format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, b64(&e), b64(&n))
            }
            KeyAlgorithm::EcdsaP256 => {
                // An uncompressed point: 04, x, y.
                let point = self.key_bytes();
                let (x, y) = point.get(1..).unwrap_or_default().split_at(point.len() / 2);
                format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, b64(x), b64(y))
            }
            KeyAlgorithm::Ed25519 => {
                format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, b64(self.key_bytes()))
            }
        }
    }

    /// SHA-256 thumbprint, base64url without padding.
    pub fn thumbprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(sha256(self.jwk().as_bytes()))
    }
}

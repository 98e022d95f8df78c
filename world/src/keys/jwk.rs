//! Keys as JOSE has them: JWK (RFC 7517), thumbprint (RFC 7638), JWS signatures (RFC 7515, 7518, 8037).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::ec::Curve;
use super::{KeyAlgorithm, PrivateKey, PublicKey};
use crate::hash::sha256;

/// A JWS signature and the name of its algorithm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwsSignature {
    /// `RS256`, `ES256`, `ES384`, `ES512` or `EdDSA`.
    pub alg: &'static str,
    /// The signature in JWS form (for ECDSA r and s side by side).
    pub signature: Vec<u8>,
}

impl PrivateKey {
    /// The JWS algorithm that this key signs with.
    pub fn jws_algorithm(&self) -> &'static str {
        self.public().jws_algorithm()
    }
}

impl PublicKey {
    /// The JWS algorithm of this key's signatures (RFC 7518 section 3.1, RFC 8037 section 3.1).
    pub fn jws_algorithm(&self) -> &'static str {
        match (Curve::of(self.algorithm()), self.algorithm()) {
            (Some(curve), _) => curve.jws,
            (None, KeyAlgorithm::Rsa(_)) => "RS256",
            (None, _) => "EdDSA",
        }
    }

    /// The public JWK with its required members only, in lexical order and without blanks: the input of
    /// the thumbprint (RFC 7638 section 3).
    pub fn jwk(&self) -> String {
        let b64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        if let Some(curve) = Curve::of(self.algorithm()) {
            // An uncompressed point: 04, x, y.
            let point = self.key_bytes();
            let (x, y) = point.get(1..).unwrap_or_default().split_at(point.len() / 2);
            return format!(r#"{{"crv":"{}","kty":"EC","x":"{}","y":"{}"}}"#, curve.name, b64(x), b64(y));
        }
        match self.rsa_components() {
            Some((n, e)) => format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, b64(&e), b64(&n)),
            None => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, b64(self.key_bytes())),
        }
    }

    /// SHA-256 thumbprint, base64url without padding.
    pub fn thumbprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(sha256(self.jwk().as_bytes()))
    }
}

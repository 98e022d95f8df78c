//! Private keys: making, reading, writing, signing.

use std::sync::Arc;

use p256::ecdsa::signature::Signer as _;
use p256::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _};
use ring::signature::{Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use rsa::pkcs1::EncodeRsaPrivateKey as _;
use rustls::SignatureScheme;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;

use super::public::{read_tlv, tlv};
use super::{JwsSignature, KeyAlgorithm, KeyError, PublicKey, pem_encode};
use crate::rng::Rng;

/// A private key; clones share it. Its `Debug` form shows the public half only.
#[derive(Clone)]
pub struct PrivateKey(Arc<Inner>);

struct Inner {
    material: Material,
    public: PublicKey,
}

enum Material {
    Rsa { pair: RsaKeyPair, pkcs1: Vec<u8> },
    P256(p256::ecdsa::SigningKey),
    Ed25519 { pair: Ed25519KeyPair, seed: [u8; 32] },
}

/// AlgorithmIdentifier of an RSA key within PKCS#8, after the version (RFC 5208).
const PKCS8_RSA_PREFIX: &[u8] = &[
    0x02, 0x01, 0x00, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05,
    0x00,
];
/// PKCS#8 of an Ed25519 key up to its seed (RFC 8410).
const PKCS8_ED25519_PREFIX: &[u8] =
    &[0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

impl PrivateKey {
    pub(super) fn generate(rng: &Rng, algorithm: KeyAlgorithm) -> Result<Self, KeyError> {
        match algorithm {
            KeyAlgorithm::Rsa(bits) => {
                if !(2048..=8192).contains(&bits) {
                    return Err(KeyError::Size(bits));
                }
                let unusable = |_| KeyError::Size(bits);
                let key = rsa::RsaPrivateKey::new(&mut rng.stream(), bits as usize).map_err(unusable)?;
                let der = key.to_pkcs1_der().map_err(|_| KeyError::Size(bits))?;
                Self::from_pkcs1(der.as_bytes())
            }
            KeyAlgorithm::EcdsaP256 => loop {
                // All but 2^-32 of the 32-byte strings are scalars below the group order.
                if let Ok(key) = p256::ecdsa::SigningKey::from_slice(&rng.bytes::<32>()) {
                    return Ok(Self::from_p256(key));
                }
            },
            KeyAlgorithm::Ed25519 => Self::from_ed25519_seed(rng.bytes()),
        }
    }

    fn new(material: Material, public: PublicKey) -> Self {
        PrivateKey(Arc::new(Inner { material, public }))
    }

    fn from_pkcs1(der: &[u8]) -> Result<Self, KeyError> {
        let pair = RsaKeyPair::from_der(der).map_err(|e| KeyError::Unreadable(e.to_string()))?;
        let bits = u32::try_from(pair.public().modulus_len() * 8).unwrap_or(u32::MAX);
        let public = PublicKey::new(KeyAlgorithm::Rsa(bits), pair.public_key().as_ref().to_vec());
        Ok(Self::new(Material::Rsa { pair, pkcs1: der.to_vec() }, public))
    }

    fn from_p256(key: p256::ecdsa::SigningKey) -> Self {
        let point = key.verifying_key().to_sec1_point(false).as_bytes().to_vec();
        Self::new(Material::P256(key), PublicKey::new(KeyAlgorithm::EcdsaP256, point))
    }

    fn from_ed25519_seed(seed: [u8; 32]) -> Result<Self, KeyError> {
        let pair =
            Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|e| KeyError::Unreadable(e.to_string()))?;
        let public = PublicKey::new(KeyAlgorithm::Ed25519, pair.public_key().as_ref().to_vec());
        Ok(Self::new(Material::Ed25519 { pair, seed }, public))
    }

    /// Reads the first private key of a PEM text: PKCS#1, PKCS#8 or SEC1.
    ///
    /// # Errors
    /// [`KeyError::Unreadable`] when there is none of a known kind.
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        let der = PrivateKeyDer::from_pem_slice(pem).map_err(|e| KeyError::Unreadable(e.to_string()))?;
        match &der {
            PrivateKeyDer::Pkcs1(der) => Self::from_pkcs1(der.secret_pkcs1_der()),
            PrivateKeyDer::Sec1(der) => p256::SecretKey::from_sec1_der(der.secret_sec1_der())
                .map(|key| Self::from_p256(key.into()))
                .map_err(|e| KeyError::Unreadable(e.to_string())),
            PrivateKeyDer::Pkcs8(der) => Self::from_pkcs8(der.secret_pkcs8_der()),
            _ => Err(KeyError::Unreadable("unknown form".to_owned())),
        }
    }

    /// Reads a DER PKCS#8 key.
    ///
    /// # Errors
    /// [`KeyError::Unreadable`] when it is none of a known kind.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        if let Some(seed) = der.strip_prefix(PKCS8_ED25519_PREFIX) {
            let seed = seed.try_into().map_err(|_| KeyError::Unreadable("Ed25519 length".to_owned()))?;
            return Self::from_ed25519_seed(seed);
        }
        let rsa = read_tlv(der, 0x30).and_then(|(inner, _)| inner.strip_prefix(PKCS8_RSA_PREFIX));
        if let Some((pkcs1, _)) = rsa.and_then(|octets| read_tlv(octets, 0x04)) {
            return Self::from_pkcs1(pkcs1);
        }
        p256::SecretKey::from_pkcs8_der(der)
            .map(|key| Self::from_p256(key.into()))
            .map_err(|e| KeyError::Unreadable(e.to_string()))
    }

    /// Kind and size.
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.0.public.algorithm()
    }

    /// The public half.
    pub fn public(&self) -> &PublicKey {
        &self.0.public
    }

    /// DER PKCS#8.
    pub fn to_pkcs8(&self) -> Vec<u8> {
        match &self.0.material {
            Material::Rsa { pkcs1, .. } => {
                let mut inner = PKCS8_RSA_PREFIX.to_vec();
                inner.extend(tlv(0x04, pkcs1));
                tlv(0x30, &inner)
            }
            Material::P256(key) => {
                let der = p256::SecretKey::from(key).to_pkcs8_der();
                der.map(|d| d.as_bytes().to_vec()).unwrap_or_default()
            }
            Material::Ed25519 { seed, .. } => [PKCS8_ED25519_PREFIX, seed].concat(),
        }
    }

    /// PEM PKCS#8 (`PRIVATE KEY`).
    pub fn to_pkcs8_pem(&self) -> String {
        pem_encode("PRIVATE KEY", &self.to_pkcs8())
    }

    /// PEM in the traditional form: `RSA PRIVATE KEY` (PKCS#1) or `EC PRIVATE KEY` (SEC1); Ed25519 has
    /// none and stays PKCS#8.
    pub fn to_traditional_pem(&self) -> String {
        match &self.0.material {
            Material::Rsa { pkcs1, .. } => pem_encode("RSA PRIVATE KEY", pkcs1),
            Material::P256(key) => match p256::SecretKey::from(key).to_sec1_der() {
                Ok(der) => pem_encode("EC PRIVATE KEY", &der),
                Err(_) => self.to_pkcs8_pem(),
            },
            Material::Ed25519 { .. } => self.to_pkcs8_pem(),
        }
    }

    /// Signs in the form that X.509 and TLS have: PKCS#1 v1.5 with SHA-256, DER ECDSA, Ed25519.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.0.material {
            Material::Rsa { pair, .. } => sign_pkcs1(pair, message),
            Material::P256(key) => {
                let signature: p256::ecdsa::DerSignature = key.sign(message);
                signature.as_bytes().to_vec()
            }
            Material::Ed25519 { pair, .. } => pair.sign(message).as_ref().to_vec(),
        }
    }

    /// Signs in the form that JWS has.
    pub fn sign_jws(&self, message: &[u8]) -> JwsSignature {
        let signature = match &self.0.material {
            Material::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                signature.to_bytes().to_vec()
            }
            _ => self.sign(message),
        };
        JwsSignature { alg: self.jws_algorithm(), signature }
    }

    fn scheme(&self) -> SignatureScheme {
        match self.algorithm() {
            KeyAlgorithm::Rsa(_) => SignatureScheme::RSA_PKCS1_SHA256,
            KeyAlgorithm::EcdsaP256 => SignatureScheme::ECDSA_NISTP256_SHA256,
            KeyAlgorithm::Ed25519 => SignatureScheme::ED25519,
        }
    }
}

#[expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "ring asks for a generator even where the padding (PKCS#1 v1.5) draws nothing from it"
)]
fn sign_pkcs1(pair: &RsaKeyPair, message: &[u8]) -> Vec<u8> {
    let mut signature = vec![0; pair.public().modulus_len()];
    let signed = pair.sign(&RSA_PKCS1_SHA256, &ring::rand::SystemRandom::new(), message, &mut signature);
    // It fails only for a buffer of another length; an empty signature is one that nobody accepts.
    if signed.is_ok() { signature } else { Vec::new() }
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PrivateKey of {:?}", self.public())
    }
}

impl rcgen::PublicKeyData for PrivateKey {
    fn der_bytes(&self) -> &[u8] {
        self.public().key_bytes()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        match PrivateKey::algorithm(self) {
            KeyAlgorithm::Rsa(_) => &rcgen::PKCS_RSA_SHA256,
            KeyAlgorithm::EcdsaP256 => &rcgen::PKCS_ECDSA_P256_SHA256,
            KeyAlgorithm::Ed25519 => &rcgen::PKCS_ED25519,
        }
    }
}

impl rcgen::SigningKey for PrivateKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(PrivateKey::sign(self, message))
    }
}

impl rustls::sign::SigningKey for PrivateKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn rustls::sign::Signer>> {
        // TLS 1.3 has no PKCS#1 v1.5, and PSS is salted: a server's key here is ECDSA or Ed25519.
        let scheme = self.scheme();
        offered.contains(&scheme).then(|| Box::new(self.clone()) as Box<dyn rustls::sign::Signer>)
    }

    fn algorithm(&self) -> rustls::SignatureAlgorithm {
        match PrivateKey::algorithm(self) {
            KeyAlgorithm::Rsa(_) => rustls::SignatureAlgorithm::RSA,
            KeyAlgorithm::EcdsaP256 => rustls::SignatureAlgorithm::ECDSA,
            KeyAlgorithm::Ed25519 => rustls::SignatureAlgorithm::ED25519,
        }
    }
}

impl rustls::sign::Signer for PrivateKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        Ok(PrivateKey::sign(self, message))
    }

    fn scheme(&self) -> SignatureScheme {
        PrivateKey::scheme(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> [PrivateKey; 3] {
        let rng = Rng::from_seed(1);
        [KeyAlgorithm::Rsa(2048), KeyAlgorithm::EcdsaP256, KeyAlgorithm::Ed25519]
            .map(|a| PrivateKey::generate(&rng.fork(&a.to_string()), a).unwrap())
    }

    #[test]
    fn keys_repeat_and_survive_every_written_form() {
        for (key, again) in keys().iter().zip(keys()) {
            assert_eq!(key.to_pkcs8(), again.to_pkcs8());
            assert_eq!(key.sign(b"m"), again.sign(b"m"));
            for pem in [key.to_pkcs8_pem(), key.to_traditional_pem()] {
                assert_eq!(PrivateKey::from_pem(pem.as_bytes()).unwrap().public(), key.public(), "{pem}");
            }
            assert_eq!(PublicKey::from_spki(&key.public().spki()).unwrap(), *key.public());
        }
    }

    #[test]
    fn signatures_verify_and_tampering_shows() {
        for key in keys() {
            let signature = key.sign(b"message");
            assert!(key.public().verify(b"message", &signature));
            assert!(!key.public().verify(b"massage", &signature));
        }
    }

    #[test]
    fn nonsense_is_an_error() {
        assert!(PrivateKey::from_pem(b"").is_err());
        assert!(PrivateKey::from_pkcs8(&[0x30, 0x82]).is_err());
        assert!(PublicKey::from_spki(&[0x30, 0xff, 0xff]).is_err());
        assert_eq!(
            PrivateKey::generate(&Rng::from_seed(1), KeyAlgorithm::Rsa(512)).unwrap_err(),
            KeyError::Size(512)
        );
    }

    /// RFC 8037 appendix A.3.
    #[test]
    fn thumbprint_is_that_of_the_rfc() {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let bytes = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, x).unwrap();
        let key = PublicKey::new(KeyAlgorithm::Ed25519, bytes);
        assert_eq!(key.thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }
}

//! Private keys: making, reading, writing, signing.

use std::sync::Arc;

use ::rsa::pkcs1::EncodeRsaPrivateKey as _;
use ring::signature::{
    Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RsaEncoding,
    RsaKeyPair,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::{PemObject as _, SectionKind};

use super::ec::{Curve, EcKey, FastSigner, Form};
use super::{HashAlgorithm, JwsSignature, KeyAlgorithm, KeyError, PublicKey, pem_encode, rsa};
use crate::der::{read_tlv, tlv};
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
    Ec { key: EcKey, fast: Option<Box<FastSigner>> },
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

/// The PKCS#1 key in a PKCS#8 key, if it is RSA.
fn rsa_in_pkcs8(der: &[u8]) -> Option<&[u8]> {
    let (inner, _) = read_tlv(der, 0x30)?;
    read_tlv(inner.strip_prefix(PKCS8_RSA_PREFIX)?, 0x04).map(|(pkcs1, _)| pkcs1)
}

impl PrivateKey {
    pub(super) fn generate(rng: &Rng, algorithm: KeyAlgorithm) -> Result<Self, KeyError> {
        match algorithm {
            KeyAlgorithm::Rsa(bits) => {
                if !(2048..=8192).contains(&bits) {
                    return Err(KeyError::Size(bits));
                }
                let unusable = |_| KeyError::Size(bits);
                let key = ::rsa::RsaPrivateKey::new(&mut rng.stream(), bits as usize).map_err(unusable)?;
                let der = key.to_pkcs1_der().map_err(|_| KeyError::Size(bits))?;
                Self::from_pkcs1(der.as_bytes())
            }
            KeyAlgorithm::Ed25519 => Self::from_ed25519_seed(rng.bytes()),
            ecdsa => EcKey::generate(rng, ecdsa).map(Self::from_ec).ok_or(KeyError::Size(0)),
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

    fn from_ec(key: EcKey) -> Self {
        let public = PublicKey::new(key.algorithm(), key.point().to_vec());
        Self::new(Material::Ec { key, fast: None }, public)
    }

    /// The same key with its fast signer, if it has one: for real worlds.
    pub(super) fn hastened(self) -> Self {
        match &self.0.material {
            Material::Ec { key, fast: None } => {
                let material = Material::Ec { key: key.clone(), fast: FastSigner::of(key).map(Box::new) };
                Self::new(material, self.0.public.clone())
            }
            _ => self,
        }
    }

    fn sign_ec(key: &EcKey, fast: Option<&FastSigner>, message: &[u8], form: Form) -> Vec<u8> {
        fast.and_then(|fast| fast.sign(message, form)).unwrap_or_else(|| key.sign(message, form))
    }

    fn from_ed25519_seed(seed: [u8; 32]) -> Result<Self, KeyError> {
        let pair =
            Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|e| KeyError::Unreadable(e.to_string()))?;
        let public = PublicKey::new(KeyAlgorithm::Ed25519, pair.public_key().as_ref().to_vec());
        Ok(Self::new(Material::Ed25519 { pair, seed }, public))
    }

    /// Reads the first private key of a PEM text: PKCS#1, PKCS#8 or SEC1. It signs by RFC 6979 (if ECDSA);
    /// [`Keys::adopt`](super::Keys::adopt) makes it one of a world.
    ///
    /// # Errors
    /// [`KeyError::Unreadable`] when there is none of a known kind.
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        let der = PrivateKeyDer::from_pem_slice(pem).map_err(|e| KeyError::Unreadable(e.to_string()))?;
        match &der {
            PrivateKeyDer::Pkcs1(der) => Self::from_der(SectionKind::RsaPrivateKey, der.secret_pkcs1_der()),
            PrivateKeyDer::Sec1(der) => Self::from_der(SectionKind::EcPrivateKey, der.secret_sec1_der()),
            PrivateKeyDer::Pkcs8(der) => Self::from_der(SectionKind::PrivateKey, der.secret_pkcs8_der()),
            _ => Err(KeyError::Unreadable("unknown form".to_owned())),
        }
    }

    /// Reads what a PEM section of this kind has in it: PKCS#1, SEC1 or PKCS#8.
    ///
    /// # Errors
    /// [`KeyError::Unreadable`] when it is none of a known kind.
    pub fn from_der(kind: SectionKind, der: &[u8]) -> Result<Self, KeyError> {
        match kind {
            SectionKind::RsaPrivateKey => Self::from_pkcs1(der),
            SectionKind::EcPrivateKey => EcKey::from_sec1(der).map(Self::from_ec),
            SectionKind::PrivateKey => Self::from_pkcs8(der),
            _ => Err(KeyError::Unreadable("unknown form".to_owned())),
        }
    }

    /// The public half of what [`PrivateKey::from_der`] reads, for who has no use for the other: of RSA keys it is had in
    /// a tenth of the time.
    ///
    /// # Errors
    /// As [`PrivateKey::from_der`].
    pub fn public_half(kind: SectionKind, der: &[u8]) -> Result<PublicKey, KeyError> {
        let pkcs1 = match kind {
            SectionKind::RsaPrivateKey => Some(der),
            SectionKind::PrivateKey => rsa_in_pkcs8(der),
            _ => None,
        };
        match pkcs1.and_then(rsa::public_half) {
            Some(public) => Ok(public),
            // Another kind, or something is unusual: the reader that signs has the last word.
            None => Self::from_der(kind, der).map(|key| key.public().clone()),
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
        if let Some(pkcs1) = rsa_in_pkcs8(der) {
            return Self::from_pkcs1(pkcs1);
        }
        EcKey::from_pkcs8(der).map(Self::from_ec)
    }

    /// Kind and size.
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.0.public.algorithm()
    }

    /// The public half.
    pub fn public(&self) -> &PublicKey {
        &self.0.public
    }

    /// DER PKCS#1, if it is an RSA key.
    pub(super) fn rsa(&self) -> Option<&[u8]> {
        match &self.0.material {
            Material::Rsa { pkcs1, .. } => Some(pkcs1),
            _ => None,
        }
    }

    /// DER PKCS#8.
    pub fn to_pkcs8(&self) -> Vec<u8> {
        match &self.0.material {
            Material::Rsa { pkcs1, .. } => {
                let mut inner = PKCS8_RSA_PREFIX.to_vec();
                inner.extend(tlv(0x04, pkcs1));
                tlv(0x30, &inner)
            }
            Material::Ec { key, .. } => key.to_pkcs8(),
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
            Material::Ec { key, .. } => match key.to_sec1() {
                Some(der) => pem_encode("EC PRIVATE KEY", &der),
                None => self.to_pkcs8_pem(),
            },
            Material::Ed25519 { .. } => self.to_pkcs8_pem(),
        }
    }

    /// Signs in the form that X.509 and TLS have: PKCS#1 v1.5 with SHA-256, DER ECDSA, Ed25519.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.0.material {
            Material::Rsa { pair, .. } => sign_pkcs1_with(pair, HashAlgorithm::Sha256, message),
            Material::Ec { key, fast } => Self::sign_ec(key, fast.as_deref(), message, Form::Der),
            Material::Ed25519 { pair, .. } => pair.sign(message).as_ref().to_vec(),
        }
    }

    /// Signs in the form that X.509 has, over a hash that need not be the key's own. Ed25519 has its own.
    ///
    /// # Errors
    /// [`KeyError::Unusable`] when the key cannot sign with this hash.
    pub fn sign_with(&self, hash: HashAlgorithm, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        match &self.0.material {
            Material::Rsa { pair, .. } => Ok(sign_pkcs1_with(pair, hash, message)),
            Material::Ec { key, .. } if Curve::of(key.algorithm()).is_some_and(|c| c.hash == hash) => {
                Ok(self.sign(message))
            }
            Material::Ec { key, .. } => {
                let digest = ring::digest::digest(hash.of_ring(), message);
                key.sign_prehash(digest.as_ref()).ok_or(KeyError::Unusable)
            }
            Material::Ed25519 { .. } => Ok(self.sign(message)),
        }
    }

    /// Signs in the form that JWS has.
    pub fn sign_jws(&self, message: &[u8]) -> JwsSignature {
        let signature = match &self.0.material {
            Material::Ec { key, fast } => Self::sign_ec(key, fast.as_deref(), message, Form::Fixed),
            _ => self.sign(message),
        };
        JwsSignature { alg: self.jws_algorithm(), signature }
    }
}

#[expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "ring asks for a generator even where the padding (PKCS#1 v1.5) draws nothing from it"
)]
fn sign_pkcs1_with(pair: &RsaKeyPair, hash: HashAlgorithm, message: &[u8]) -> Vec<u8> {
    let padding: &dyn RsaEncoding = match hash {
        HashAlgorithm::Sha256 => &RSA_PKCS1_SHA256,
        HashAlgorithm::Sha384 => &RSA_PKCS1_SHA384,
        HashAlgorithm::Sha512 => &RSA_PKCS1_SHA512,
    };
    let mut signature = vec![0; pair.public().modulus_len()];
    let signed = pair.sign(padding, &ring::rand::SystemRandom::new(), message, &mut signature);
    // It fails only for a buffer of another length; an empty signature is one that nobody accepts.
    if signed.is_ok() { signature } else { Vec::new() }
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PrivateKey of {:?}", self.public())
    }
}

#[cfg(test)]
mod tests {
    use super::super::BadSignature;
    use super::*;

    fn keys() -> [PrivateKey; 5] {
        let rng = Rng::from_seed(1);
        [
            KeyAlgorithm::Rsa(2048),
            KeyAlgorithm::EcdsaP256,
            KeyAlgorithm::EcdsaP384,
            KeyAlgorithm::EcdsaP521,
            KeyAlgorithm::Ed25519,
        ]
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
            let JwsSignature { alg, signature } = key.sign_jws(b"message");
            assert_eq!(key.public().verify_jws(alg, b"message", &signature), Ok(()));
            let tampered = key.public().verify_jws(alg, b"massage", &signature);
            assert_eq!(tampered, Err(BadSignature::Signature));
            assert_eq!(key.public().verify_jws("HS256", b"", b""), Err(BadSignature::Algorithm));
        }
    }

    #[test]
    fn a_signature_is_bound_to_its_algorithm() {
        let [rsa, p256, p384, p521, ed25519] = keys();
        let oids = [
            "1.2.840.113549.1.1.11",
            "1.2.840.10045.4.3.2",
            "1.2.840.10045.4.3.3",
            "1.2.840.10045.4.3.4",
            "1.3.101.112",
        ];
        for (own, key) in [rsa, p256, p384, p521, ed25519].iter().enumerate() {
            let signature = key.sign(b"message");
            for (n, oid) in oids.iter().enumerate() {
                let verified = key.public().verify_x509(oid, b"message", &signature);
                let same_family =
                    (1..=3).contains(&n) == (1..=3).contains(&own) && (n == own || (1..=3).contains(&n));
                let expected = match (n == own, same_family) {
                    (true, _) => Ok(()),
                    (false, true) => Err(BadSignature::Signature),
                    (false, false) => Err(BadSignature::Algorithm),
                };
                assert_eq!(verified, expected, "{own} {oid}");
            }
            assert_eq!(key.public().verify_x509("1.2.3", b"", b""), Err(BadSignature::Algorithm));
        }
    }

    #[test]
    fn public_keys_are_made_of_the_members_of_a_jwk() {
        let member = |jwk: &str, name: &str| {
            let text = jwk.split(&format!("\"{name}\":\"")).nth(1)?.split('"').next()?.to_owned();
            base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, text).ok()
        };
        for key in keys() {
            let (public, jwk) = (key.public(), key.public().jwk());
            let of = |name| member(&jwk, name).unwrap();
            let made = match public.algorithm() {
                KeyAlgorithm::Rsa(_) => PublicKey::rsa(&[&[0, 0][..], &of("n")].concat(), &of("e")),
                KeyAlgorithm::Ed25519 => PublicKey::ed25519(&of("x")),
                KeyAlgorithm::EcdsaP256 => PublicKey::ec("P-256", &of("x"), &of("y")),
                KeyAlgorithm::EcdsaP384 => PublicKey::ec("P-384", &of("x"), &of("y")),
                KeyAlgorithm::EcdsaP521 => PublicKey::ec("P-521", &of("x"), &of("y")),
            };
            assert_eq!(made.as_ref(), Ok(public));
        }
        assert!(PublicKey::ec("P-256", &[1; 32], &[1; 32]).is_err(), "not on the curve");
        assert!(PublicKey::ec("secp256k1", &[1; 32], &[1; 32]).is_err());
        assert!(PublicKey::rsa(&[0], &[3]).is_err() && PublicKey::ed25519(&[1]).is_err());
    }

    #[test]
    fn a_fast_signer_is_the_same_key() {
        for key in keys() {
            let fast = key.clone().hastened();
            assert_eq!((fast.public(), fast.to_pkcs8()), (key.public(), key.to_pkcs8()));
            // Often enough for numbers with leading zeros in r and s.
            for n in 0..600u32 {
                let message = n.to_be_bytes();
                assert!(key.public().verify(&message, &fast.sign(&message)));
                let JwsSignature { alg, signature } = fast.sign_jws(&message);
                assert_eq!(key.public().verify_jws(alg, &message, &signature), Ok(()), "{alg} {n}");
                if matches!(key.algorithm(), KeyAlgorithm::Rsa(_) | KeyAlgorithm::EcdsaP521) && n == 3 {
                    break;
                }
            }
            let repeats = fast.sign(b"m") == fast.sign(b"m");
            let drawn = matches!(key.algorithm(), KeyAlgorithm::EcdsaP256 | KeyAlgorithm::EcdsaP384);
            assert_eq!(repeats, !drawn);
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

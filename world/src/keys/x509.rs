//! Private keys as the signers that rcgen (X.509) and rustls (TLS) ask for.
//!
//! rcgen cannot name P-521 with the cryptography that we give it. Its names of P-384 have the same lengths,
//! so a certificate with a P-521 key in it is made under those, is signed as if it had the right ones, and
//! gets them by [`finish_x509`].

use std::borrow::Cow;

use rsa::pkcs1::DecodeRsaPrivateKey as _;
use rustls::SignatureScheme;
use rustls::pki_types::SubjectPublicKeyInfoDer;

use super::ec::Curve;
use super::{KeyAlgorithm, PrivateKey};
use crate::hash::sha256;
use crate::rng::Rng;

/// AlgorithmIdentifier of ecdsa-with-SHA384 and, but for the last byte, ecdsa-with-SHA512 (RFC 5758).
const ECDSA_SHA384: &[u8] = &[0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03];
const SHA512_LAST: u8 = 0x04;
/// A bit string of 133 bytes that begins like an uncompressed point: on P-521, and on no smaller curve.
const P521_POINT: &[u8] = &[0x03, 0x81, 0x86, 0x00, 0x04];

/// Makes a DER certificate, request or CRL that rcgen made of [`PrivateKey`]s what was signed: with P-521
/// keys under their own name. Everything else stays as it is; call it on whatever rcgen gave.
///
/// `signer` is the algorithm of the key that signed it.
pub fn finish_x509(mut der: Vec<u8>, signer: KeyAlgorithm) -> Vec<u8> {
    name_p521_keys(&mut der);
    if signer == KeyAlgorithm::EcdsaP521 {
        // Once before the names, once before the signature.
        let last = der.windows(ECDSA_SHA384.len()).rposition(|part| part == ECDSA_SHA384);
        name_sha512(&mut der);
        if let Some(end) = last.map(|at| at + ECDSA_SHA384.len() - 1) {
            der[end] = SHA512_LAST;
        }
    }
    der
}

/// Replaces the first name of ecdsa-with-SHA384: it is the one before the names in a certificate and a CRL.
fn name_sha512(der: &mut [u8]) {
    let first = der.windows(ECDSA_SHA384.len()).position(|part| part == ECDSA_SHA384);
    if let Some(end) = first.map(|at| at + ECDSA_SHA384.len() - 1) {
        der[end] = SHA512_LAST;
    }
}

fn p384_id() -> &'static [u8] {
    Curve::of(KeyAlgorithm::EcdsaP384).map_or(&[], |curve| curve.id)
}

/// Where the name of P-384 stands before a P-521 key.
fn misnamed(der: &[u8]) -> Option<usize> {
    let id = p384_id();
    let len = id.len() + P521_POINT.len();
    der.windows(len).position(|part| part.starts_with(id) && part.ends_with(P521_POINT))
}

fn name_p521_keys(der: &mut [u8]) {
    while let Some(at) = misnamed(der) {
        der[at + p384_id().len() - 1] = 0x23;
    }
}

/// What a kind of key is called by the two libraries.
struct Names {
    x509: &'static rcgen::SignatureAlgorithm,
    tls: SignatureScheme,
    family: rustls::SignatureAlgorithm,
}

fn names(algorithm: KeyAlgorithm) -> Names {
    use rustls::SignatureAlgorithm::{ECDSA, ED25519, RSA};
    let (x509, tls, family) = match algorithm {
        KeyAlgorithm::Rsa(_) => (&rcgen::PKCS_RSA_SHA256, SignatureScheme::RSA_PKCS1_SHA256, RSA),
        KeyAlgorithm::EcdsaP256 => {
            (&rcgen::PKCS_ECDSA_P256_SHA256, SignatureScheme::ECDSA_NISTP256_SHA256, ECDSA)
        }
        KeyAlgorithm::EcdsaP384 => {
            (&rcgen::PKCS_ECDSA_P384_SHA384, SignatureScheme::ECDSA_NISTP384_SHA384, ECDSA)
        }
        // See the top of this file.
        KeyAlgorithm::EcdsaP521 => {
            (&rcgen::PKCS_ECDSA_P384_SHA384, SignatureScheme::ECDSA_NISTP521_SHA512, ECDSA)
        }
        KeyAlgorithm::Ed25519 => (&rcgen::PKCS_ED25519, SignatureScheme::ED25519, ED25519),
    };
    Names { x509, tls, family }
}

impl rcgen::PublicKeyData for PrivateKey {
    fn der_bytes(&self) -> &[u8] {
        self.public().key_bytes()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        names(PrivateKey::algorithm(self)).x509
    }

    fn subject_public_key_info(&self) -> Vec<u8> {
        self.public().spki()
    }
}

impl rcgen::PublicKeyData for super::PublicKey {
    fn der_bytes(&self) -> &[u8] {
        self.key_bytes()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        names(super::PublicKey::algorithm(self)).x509
    }

    fn subject_public_key_info(&self) -> Vec<u8> {
        self.spki()
    }
}

impl rcgen::SigningKey for PrivateKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let mut message = Cow::Borrowed(message);
        if misnamed(&message).is_some() {
            name_p521_keys(message.to_mut());
        }
        if PrivateKey::algorithm(self) == KeyAlgorithm::EcdsaP521 {
            name_sha512(message.to_mut());
        }
        Ok(PrivateKey::sign(self, &message))
    }
}

impl rustls::sign::SigningKey for PrivateKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn rustls::sign::Signer>> {
        // TLS 1.3 has no PKCS#1 v1.5.
        if self.rsa().is_some() && offered.contains(&SignatureScheme::RSA_PSS_SHA256) {
            return Some(Box::new(Pss(self.clone())));
        }
        let scheme = names(PrivateKey::algorithm(self)).tls;
        offered.contains(&scheme).then(|| Box::new(self.clone()) as Box<dyn rustls::sign::Signer>)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(self.public().spki().into())
    }

    fn algorithm(&self) -> rustls::SignatureAlgorithm {
        names(PrivateKey::algorithm(self)).family
    }
}

impl rustls::sign::Signer for PrivateKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        Ok(PrivateKey::sign(self, message))
    }

    fn scheme(&self) -> SignatureScheme {
        names(PrivateKey::algorithm(self)).tls
    }
}

/// An RSA key as TLS 1.3 has it: PSS with SHA-256. The salt is drawn from key and message, as RFC 6979 does
/// with nonces, so that handshakes of simulated worlds repeat.
#[derive(Debug)]
struct Pss(PrivateKey);

impl rustls::sign::Signer for Pss {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        let failed = || rustls::Error::General("this RSA key cannot sign with PSS".to_owned());
        let pkcs1 = self.0.rsa().ok_or_else(failed)?;
        let key = rsa::RsaPrivateKey::from_pkcs1_der(pkcs1).map_err(|_| failed())?;
        let digest = sha256(message);
        let salt = Rng::from_bytes(sha256(&[&sha256(pkcs1)[..], &digest].concat()));
        let padding = rsa::Pss::<sha2::Sha256>::new();
        key.sign_with_rng(&mut salt.stream(), padding, &digest).map_err(|_| failed())
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::RSA_PSS_SHA256
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::der::read_tlv;

    fn key(algorithm: KeyAlgorithm) -> PrivateKey {
        PrivateKey::generate(&Rng::from_seed(7).fork(&algorithm.to_string()), algorithm).unwrap()
    }

    /// The parts of a signed object: what is signed, the algorithm, the signature.
    fn parts(der: &[u8]) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
        let (inner, _) = read_tlv(der, 0x30).unwrap();
        let (tbs, rest) = read_tlv(inner, 0x30).unwrap();
        let tbs_der = inner[..inner.len() - rest.len()].to_vec();
        let _ = tbs;
        let (algorithm, bits) = read_tlv(rest, 0x30).unwrap();
        let (signature, _) = read_tlv(bits, 0x03).unwrap();
        (tbs_der, algorithm.to_vec(), signature[1..].to_vec())
    }

    #[test]
    fn certificates_and_requests_of_every_pair_of_keys_verify() {
        let algorithms = [
            KeyAlgorithm::Rsa(2048),
            KeyAlgorithm::EcdsaP256,
            KeyAlgorithm::EcdsaP384,
            KeyAlgorithm::EcdsaP521,
            KeyAlgorithm::Ed25519,
        ];
        let keys = algorithms.map(key);
        for issuer_key in &keys {
            let params = rcgen::CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
            let request = params.serialize_request(issuer_key).unwrap().der().to_vec();
            let (tbs, _, signature) = parts(&finish_x509(request, issuer_key.algorithm()));
            assert!(issuer_key.public().verify(&tbs, &signature), "request of {issuer_key:?}");
            let issuer = rcgen::Issuer::new(params.clone(), issuer_key);
            for subject in &keys {
                let made = params.signed_by(subject, &issuer).unwrap().der().to_vec();
                let der = finish_x509(made.clone(), issuer_key.algorithm());
                let (tbs, algorithm, signature) = parts(&der);
                assert!(issuer_key.public().verify(&tbs, &signature), "{subject:?} by {issuer_key:?}");
                let spki = subject.public().spki();
                assert!(tbs.windows(spki.len()).any(|part| part == spki));
                assert!(tbs.windows(algorithm.len()).any(|part| part == algorithm), "both names agree");
                let p521 = [subject, issuer_key].iter().any(|k| k.algorithm() == KeyAlgorithm::EcdsaP521);
                assert_eq!(made != der, p521);
            }
        }
    }
}

//! PKCS#12 files (RFC 7292) in the three profiles of cert-manager.
//!
//! The libraries that write whole files draw their salts from the system, which would make runs differ. So the
//! ciphers, the key derivation and PBES2 are RustCrypto's, and the structure around them is written here.

use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockCipherEncrypt, BlockModeEncrypt as _, KeyInit, KeyIvInit as _};
use hmac::{Hmac, Mac as _};
use pkcs5::der::Encode as _;
use pkcs12::kdf::{Pkcs12KeyType, derive_key_utf8};
use sha1::{Digest as _, Sha1};
use sha2::Sha256;
use world::Rng;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::Contents;
use crate::api::Pkcs12Profile;
use crate::pki::der::{self, BMP_STRING, OCTET_STRING};
use crate::pki::{PkiError, failed};

const DATA: &str = "1.2.840.113549.1.7.1";
const ENCRYPTED_DATA: &str = "1.2.840.113549.1.7.6";
const SHROUDED_KEY_BAG: &str = "1.2.840.113549.1.12.10.1.2";
const CERTIFICATE_BAG: &str = "1.2.840.113549.1.12.10.1.3";
const X509_CERTIFICATE: &str = "1.2.840.113549.1.9.22.1";
const FRIENDLY_NAME: &str = "1.2.840.113549.1.9.20";
const LOCAL_KEY_ID: &str = "1.2.840.113549.1.9.21";
/// Java takes a certificate without a key for a trusted one when it has this attribute.
const TRUSTED_KEY_USAGE: &str = "2.16.840.1.113894.746875.1.1";
const ANY_USAGE: &str = "2.5.29.37.0";
const PBES2: &str = "1.2.840.113549.1.5.13";

/// How a part of the file is encrypted.
#[derive(Clone, Copy)]
enum Cipher {
    /// `pbeWithSHAAnd40BitRC2-CBC`.
    Rc2,
    /// `pbeWithSHAAnd3-KeyTripleDES-CBC`.
    TripleDes,
    /// PBKDF2 with HMAC-SHA-256, AES-256-CBC.
    Aes256,
}

/// What a profile consists of.
struct Scheme {
    certificates: Cipher,
    key: Cipher,
    sha256_mac: bool,
    mac_iterations: u16,
    salt_len: usize,
}

/// Rounds of the derivation of encryption keys, in every profile.
const ITERATIONS: u16 = 2048;

fn scheme(profile: Pkcs12Profile) -> Scheme {
    let legacy = |certificates| Scheme {
        certificates,
        key: Cipher::TripleDes,
        sha256_mac: false,
        mac_iterations: 1,
        salt_len: 8,
    };
    match profile {
        Pkcs12Profile::LegacyRc2 => legacy(Cipher::Rc2),
        Pkcs12Profile::LegacyDes => legacy(Cipher::TripleDes),
        Pkcs12Profile::Modern2023 => Scheme {
            certificates: Cipher::Aes256,
            key: Cipher::Aes256,
            sha256_mac: true,
            mac_iterations: 2048,
            salt_len: 16,
        },
    }
}

/// One file being written.
struct Writer<'a> {
    scheme: Scheme,
    password: &'a str,
    rng: &'a Rng,
}

/// `keystore.p12`: key, leaf, and the other certificates.
pub(crate) fn keystore(
    profile: Pkcs12Profile,
    password: &str,
    contents: Contents<'_>,
    rng: &Rng,
) -> Result<Vec<u8>, PkiError> {
    let writer = Writer { scheme: scheme(profile), password, rng };
    let (leaf, others) = contents.chain.split_first().ok_or_else(|| failed("no certificate"))?;
    let id = attribute(LOCAL_KEY_ID, &der::tlv(OCTET_STRING, &Sha1::digest(leaf)))?;
    let mut certificates = vec![certificate_bag(leaf, vec![id.clone()])?];
    for certificate in others.iter().chain(contents.cas) {
        certificates.push(certificate_bag(certificate, Vec::new())?);
    }
    let (algorithm, encrypted) = writer.encrypt(writer.scheme.key, &contents.key.to_pkcs8())?;
    let shrouded = der::sequence([algorithm, der::tlv(OCTET_STRING, &encrypted)]);
    let keys = der::sequence([bag(SHROUDED_KEY_BAG, &shrouded, vec![id])?]);
    writer.finish(&[writer.encrypted(&der::sequence(certificates))?, plain(&keys)?])
}

/// `truststore.p12`: the CAs, each trusted for any use.
pub(crate) fn truststore(
    profile: Pkcs12Profile,
    password: &str,
    cas: &[Vec<u8>],
    rng: &Rng,
) -> Result<Vec<u8>, PkiError> {
    let writer = Writer { scheme: scheme(profile), password, rng };
    let mut bags = Vec::new();
    for ca in cas {
        let (_, parsed) = X509Certificate::from_der(ca).map_err(failed)?;
        let name: Vec<u8> = parsed.subject().to_string().encode_utf16().flat_map(u16::to_be_bytes).collect();
        let attributes = vec![
            attribute(FRIENDLY_NAME, &der::tlv(BMP_STRING, &name))?,
            attribute(TRUSTED_KEY_USAGE, &der::oid(ANY_USAGE)?)?,
        ];
        bags.push(certificate_bag(ca, attributes)?);
    }
    writer.finish(&[writer.encrypted(&der::sequence(bags))?])
}

fn attribute(oid: &str, value: &[u8]) -> Result<Vec<u8>, PkiError> {
    Ok(der::sequence([der::oid(oid)?, der::constructed(der::SET, [value])]))
}

fn bag(oid: &str, value: &[u8], attributes: Vec<Vec<u8>>) -> Result<Vec<u8>, PkiError> {
    let mut parts = vec![der::oid(oid)?, der::explicit(0, value)];
    if !attributes.is_empty() {
        parts.push(der::set_of(attributes));
    }
    Ok(der::sequence(parts))
}

fn certificate_bag(certificate: &[u8], attributes: Vec<Vec<u8>>) -> Result<Vec<u8>, PkiError> {
    let octets = der::explicit(0, &der::tlv(OCTET_STRING, certificate));
    bag(CERTIFICATE_BAG, &der::sequence([der::oid(X509_CERTIFICATE)?, octets]), attributes)
}

/// ContentInfo of type data.
fn plain(contents: &[u8]) -> Result<Vec<u8>, PkiError> {
    Ok(der::sequence([der::oid(DATA)?, der::explicit(0, &der::tlv(OCTET_STRING, contents))]))
}

impl Writer<'_> {
    fn salt(&self) -> Vec<u8> {
        let mut salt = vec![0; self.scheme.salt_len];
        self.rng.fill(&mut salt);
        salt
    }

    /// ContentInfo of type encryptedData.
    fn encrypted(&self, contents: &[u8]) -> Result<Vec<u8>, PkiError> {
        let (algorithm, encrypted) = self.encrypt(self.scheme.certificates, contents)?;
        let info = der::sequence([der::oid(DATA)?, algorithm, der::implicit(0, &encrypted)]);
        let data = der::sequence([der::unsigned(&[0]), info]);
        Ok(der::sequence([der::oid(ENCRYPTED_DATA)?, der::explicit(0, &data)]))
    }

    /// The algorithm with its parameters, and the ciphertext.
    fn encrypt(&self, cipher: Cipher, data: &[u8]) -> Result<(Vec<u8>, Vec<u8>), PkiError> {
        let salt = self.salt();
        let (oid, encrypted) = match cipher {
            Cipher::Rc2 => ("1.2.840.113549.1.12.1.6", self.pbe::<rc2::Rc2>(5, &salt, data)?),
            Cipher::TripleDes => ("1.2.840.113549.1.12.1.3", self.pbe::<des::TdesEde3>(24, &salt, data)?),
            Cipher::Aes256 => {
                let iv = self.rng.bytes();
                let iterations = u32::from(ITERATIONS);
                let parameters =
                    pkcs5::pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(iterations, &salt, iv)
                        .map_err(failed)?;
                let encrypted = parameters.encrypt(self.password, data).map_err(failed)?;
                let parameters = parameters.to_der().map_err(failed)?;
                return Ok((der::sequence([der::oid(PBES2)?, parameters]), encrypted));
            }
        };
        let parameters =
            der::sequence([der::tlv(OCTET_STRING, &salt), der::unsigned(&ITERATIONS.to_be_bytes())]);
        Ok((der::sequence([der::oid(oid)?, parameters]), encrypted))
    }

    /// The scheme of RFC 7292 appendix C with SHA-1 and a block of 8 bytes.
    fn pbe<C: BlockCipherEncrypt + KeyInit>(
        &self,
        key_len: usize,
        salt: &[u8],
        data: &[u8],
    ) -> Result<Vec<u8>, PkiError> {
        let derive = |kind, len| {
            derive_key_utf8::<Sha1>(self.password, salt, kind, i32::from(ITERATIONS), len).map_err(failed)
        };
        let key = derive(Pkcs12KeyType::EncryptionKey, key_len)?;
        let iv = derive(Pkcs12KeyType::Iv, 8)?;
        let cipher = cbc::Encryptor::<C>::new_from_slices(&key, &iv).map_err(failed)?;
        Ok(cipher.encrypt_padded_vec::<Pkcs7>(data))
    }

    /// PFX: the parts, and a MAC over them.
    fn finish(&self, parts: &[Vec<u8>]) -> Result<Vec<u8>, PkiError> {
        let safe = der::sequence(parts);
        let salt = self.salt();
        let iterations = self.scheme.mac_iterations;
        let derive = |len| (Pkcs12KeyType::Mac, i32::from(iterations), len);
        let (oid, digest) = if self.scheme.sha256_mac {
            let (kind, rounds, len) = derive(32);
            let key = derive_key_utf8::<Sha256>(self.password, &salt, kind, rounds, len).map_err(failed)?;
            let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(failed)?;
            mac.update(&safe);
            ("2.16.840.1.101.3.4.2.1", mac.finalize().into_bytes().to_vec())
        } else {
            let (kind, rounds, len) = derive(20);
            let key = derive_key_utf8::<Sha1>(self.password, &salt, kind, rounds, len).map_err(failed)?;
            let mut mac = Hmac::<Sha1>::new_from_slice(&key).map_err(failed)?;
            mac.update(&safe);
            ("1.3.14.3.2.26", mac.finalize().into_bytes().to_vec())
        };
        let algorithm = der::sequence([&der::oid(oid)?, der::NULL]);
        let mac = der::sequence([
            der::sequence([algorithm, der::tlv(OCTET_STRING, &digest)]),
            der::tlv(OCTET_STRING, &salt),
            der::unsigned(&iterations.to_be_bytes()),
        ]);
        Ok(der::sequence([der::unsigned(&[3]), plain(&safe)?, mac]))
    }
}

#[cfg(test)]
mod tests {
    use p12_keystore::{KeyStore, KeyStoreEntry, Pkcs12ImportPolicy};
    use world::KeyAlgorithm;

    use super::*;
    use crate::api::Certificate;
    use crate::compat::V1_21;
    use crate::pki::{chain, make_temporary};

    const PROFILES: [Pkcs12Profile; 3] =
        [Pkcs12Profile::LegacyRc2, Pkcs12Profile::LegacyDes, Pkcs12Profile::Modern2023];

    #[test]
    fn a_pkcs12_key_store_of_every_profile_is_read_by_another_library() {
        world::sim::run(world::sim::Config::default(), |world| async move {
            let key = world.keys("k").generate(KeyAlgorithm::Rsa(2048)).unwrap();
            let mut certificate = Certificate::default();
            certificate.spec.common_name = "a.test".into();
            let pem = make_temporary(&world, &certificate, &key, &V1_21.features).unwrap();
            let leaf = chain(pem.as_bytes()).unwrap();
            certificate.spec.common_name = "another".into();
            let pem = make_temporary(&world, &certificate, &key, &V1_21.features).unwrap();
            let cas = chain(pem.as_bytes()).unwrap();
            for profile in PROFILES {
                let contents = Contents { key: &key, chain: &leaf, cas: &cas };
                let made = keystore(profile, "pässword", contents, &world.rng("salts")).unwrap();
                let again = keystore(profile, "pässword", contents, &world.rng("salts")).unwrap();
                assert_eq!(made, again, "{profile}");
                let read = KeyStore::from_pkcs12(&made, "pässword", Pkcs12ImportPolicy::Relaxed).unwrap();
                let (_, chain) = read.private_key_chain().unwrap();
                assert_eq!(chain.key().as_der(), key.to_pkcs8(), "{profile}");
                assert_eq!(chain.certs()[0].as_der(), leaf[0], "{profile}");
                assert!(KeyStore::from_pkcs12(&made, "wrong", Pkcs12ImportPolicy::Relaxed).is_err());

                let trust = truststore(profile, "pässword", &cas, &world.rng("salts")).unwrap();
                let read = KeyStore::from_pkcs12(&trust, "pässword", Pkcs12ImportPolicy::Relaxed).unwrap();
                let trusted = read.entries().filter_map(|(_, entry)| match entry {
                    KeyStoreEntry::Certificate(certificate) => Some(certificate.as_der().to_vec()),
                    _ => None,
                });
                assert_eq!(trusted.collect::<Vec<_>>(), cas, "{profile}");
            }
        })
        .unwrap();
    }
}

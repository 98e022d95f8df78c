//! Certificates and what is in them (RFC 5280), as DER.

use std::net::IpAddr;

use world::{KeyAlgorithm, PrivateKey, PublicKey, Timestamp, sha256};

use super::CaError;
use super::der::{Der, tag};
use crate::config::Usage;
use crate::policy::Identifier;

/// Object identifiers: the contents of their elements.
pub(super) mod oid {
    pub(crate) const COUNTRY: &[u8] = &[0x55, 4, 6];
    pub(crate) const ORGANIZATION: &[u8] = &[0x55, 4, 10];
    pub(crate) const COMMON_NAME: &[u8] = &[0x55, 4, 3];
    pub(crate) const SUBJECT_KEY_ID: &[u8] = &[0x55, 0x1d, 14];
    pub(crate) const KEY_USAGE: &[u8] = &[0x55, 0x1d, 15];
    pub(crate) const ALT_NAMES: &[u8] = &[0x55, 0x1d, 17];
    pub(crate) const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 19];
    pub(crate) const CRL_NUMBER: &[u8] = &[0x55, 0x1d, 20];
    pub(crate) const CRL_REASON: &[u8] = &[0x55, 0x1d, 21];
    pub(crate) const ISSUING_POINT: &[u8] = &[0x55, 0x1d, 28];
    pub(crate) const CRL_POINTS: &[u8] = &[0x55, 0x1d, 31];
    pub(crate) const POLICIES: &[u8] = &[0x55, 0x1d, 32];
    pub(crate) const AUTHORITY_KEY_ID: &[u8] = &[0x55, 0x1d, 35];
    pub(crate) const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 37];
    /// id-pe-authorityInfoAccess and its two methods.
    pub(crate) const INFO_ACCESS: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 1, 1];
    pub(crate) const OCSP: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 0x30, 1];
    pub(crate) const CA_ISSUERS: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 0x30, 2];
    /// The TLS feature extension (RFC 7633).
    pub(crate) const TLS_FEATURE: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 1, 0x18];
    pub(crate) const SERVER_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];
    pub(crate) const CLIENT_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 2];
    /// 2.23.140.1.2.1: domain-validated, of the CA/Browser Forum.
    pub(crate) const DOMAIN_VALIDATED: &[u8] = &[0x67, 0x81, 0x0c, 1, 2, 1];
    /// 1.3.6.1.4.1.11129.2.4.2: signed certificate timestamps (RFC 6962 section 3.3).
    pub(crate) const SCT_LIST: &[u8] = &[0x2b, 6, 1, 4, 1, 0xd6, 0x79, 2, 4, 2];
}

/// Bits of the key usage extension.
pub(super) mod usage {
    pub(crate) const DIGITAL_SIGNATURE: u8 = 0;
    pub(crate) const KEY_ENCIPHERMENT: u8 = 2;
    pub(crate) const KEY_CERT_SIGN: u8 = 5;
    pub(crate) const CRL_SIGN: u8 = 6;
}

/// The AlgorithmIdentifier of what a key signs here.
pub(super) fn signature_algorithm(signer: KeyAlgorithm) -> &'static [u8] {
    match signer {
        KeyAlgorithm::Rsa(_) => {
            &[0x30, 0x0d, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 0x0b, 5, 0] // with SHA-256
        }
        KeyAlgorithm::EcdsaP256 => &[0x30, 0x0a, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2],
        KeyAlgorithm::EcdsaP384 => &[0x30, 0x0a, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3],
        KeyAlgorithm::EcdsaP521 => &[0x30, 0x0a, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4],
        KeyAlgorithm::Ed25519 => &[0x30, 5, 6, 3, 0x2b, 0x65, 0x70],
    }
}

/// What is signed, its algorithm, and the signature.
///
/// # Errors
/// When the key does not sign.
pub(super) fn signed(key: &PrivateKey, to_be_signed: &[u8]) -> Result<Vec<u8>, CaError> {
    let signature = key.sign(to_be_signed);
    if signature.is_empty() {
        return Err(CaError::Certificate("the issuer's key does not sign".to_owned()));
    }
    let mut der = Der::new();
    der.sequence(|der| {
        der.raw(to_be_signed);
        der.raw(signature_algorithm(key.algorithm()));
        der.bit_string(&signature);
    });
    Ok(der.finish())
}

/// The identifier of a key: the first 160 bits of the hash of the key itself (RFC 7093 section 2, method 1).
pub(super) fn key_id(key: &PublicKey) -> [u8; 20] {
    let mut id = [0; 20];
    id.copy_from_slice(&sha256(key.key_bytes())[..20]);
    id
}

/// A distinguished name, DER. Empty parts are left out.
pub(super) fn name(country: &str, organization: &str, common_name: &str) -> Vec<u8> {
    let parts = [(oid::COUNTRY, country), (oid::ORGANIZATION, organization), (oid::COMMON_NAME, common_name)];
    let mut der = Der::new();
    der.sequence(|der| {
        for (oid, text) in parts.into_iter().filter(|(_, text)| !text.is_empty()) {
            der.nest(tag::SET, |der| {
                der.sequence(|der| {
                    der.oid(oid);
                    der.text(text);
                });
            });
        }
    });
    der.finish()
}

/// What a certificate says.
#[derive(Debug)]
pub(super) struct ToBeSigned<'a> {
    /// Unsigned, big-endian.
    pub(super) serial: &'a [u8],
    /// Name, DER.
    pub(super) issuer: &'a [u8],
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
    /// Name, DER.
    pub(super) subject: &'a [u8],
    /// SubjectPublicKeyInfo, DER.
    pub(super) key: &'a [u8],
}

impl ToBeSigned<'_> {
    /// As it is signed by a key of this kind, with these extensions.
    pub(super) fn to_der(&self, signer: KeyAlgorithm, extensions: &Extensions) -> Vec<u8> {
        let mut der = Der::new();
        der.sequence(|der| {
            der.nest(tag::constructed(0), |der| der.integer(&[2]));
            der.integer(self.serial);
            der.raw(signature_algorithm(signer));
            der.raw(self.issuer);
            der.sequence(|der| {
                der.time(self.not_before);
                der.time(self.not_after);
            });
            der.raw(self.subject);
            der.raw(self.key);
            der.nest(tag::constructed(3), |der| extensions.write(der));
        });
        der.finish()
    }
}

/// Extensions, in the order in which they are added.
#[derive(Clone, Debug, Default)]
pub(super) struct Extensions(Der);

impl Extensions {
    /// The sequence of them.
    pub(super) fn write(&self, der: &mut Der) {
        der.sequence(|der| der.raw(self.0.as_bytes()));
    }

    /// Adds one whose value `write` writes.
    pub(super) fn add(&mut self, oid: &[u8], critical: bool, write: impl FnOnce(&mut Der)) {
        self.0.sequence(|der| {
            der.oid(oid);
            if critical {
                der.boolean(true);
            }
            der.nest(tag::OCTET_STRING, write);
        });
    }

    pub(super) fn key_usage(&mut self, bits: &[u8]) {
        self.add(oid::KEY_USAGE, true, |der| der.named_bits(bits));
    }

    /// Nothing is added for no usages, which means any.
    pub(super) fn extended_key_usage(&mut self, usages: &[Usage]) {
        if usages.is_empty() {
            return;
        }
        self.add(oid::EXTENDED_KEY_USAGE, false, |der| {
            der.sequence(|der| {
                for usage in usages {
                    der.oid(match usage {
                        Usage::ServerAuth => oid::SERVER_AUTH,
                        Usage::ClientAuth => oid::CLIENT_AUTH,
                    });
                }
            });
        });
    }

    /// Of a CA, below which as many others can be as `path_length` says.
    pub(super) fn authority(&mut self, path_length: Option<u8>) {
        self.add(oid::BASIC_CONSTRAINTS, true, |der| {
            der.sequence(|der| {
                der.boolean(true);
                if let Some(length) = path_length {
                    der.integer(&[length]);
                }
            });
        });
    }

    /// Of a certificate that is no CA's.
    pub(super) fn no_authority(&mut self) {
        self.add(oid::BASIC_CONSTRAINTS, true, |der| der.sequence(|_| ()));
    }

    pub(super) fn subject_key_id(&mut self, id: &[u8]) {
        self.add(oid::SUBJECT_KEY_ID, false, |der| der.element(tag::OCTET_STRING, id));
    }

    pub(super) fn authority_key_id(&mut self, id: &[u8]) {
        self.add(oid::AUTHORITY_KEY_ID, false, |der| {
            der.sequence(|der| der.element(tag::context(0), id));
        });
    }

    /// Where the issuer's certificate is and who answers OCSP; empty is left out.
    pub(super) fn info_access(&mut self, ocsp: &str, issuer: &str) {
        let methods = [(oid::OCSP, ocsp), (oid::CA_ISSUERS, issuer)];
        if methods.iter().all(|(_, url)| url.is_empty()) {
            return;
        }
        self.add(oid::INFO_ACCESS, false, |der| {
            der.sequence(|der| {
                for (method, url) in methods.into_iter().filter(|(_, url)| !url.is_empty()) {
                    der.sequence(|der| {
                        der.oid(method);
                        der.element(tag::context(6), url.as_bytes());
                    });
                }
            });
        });
    }

    /// What the certificate is for. It is critical when nothing else says so (RFC 5280 section 4.2.1.6).
    ///
    /// # Errors
    /// When a name has characters that no certificate can have.
    pub(super) fn alt_names(&mut self, names: &[Identifier], critical: bool) -> Result<(), CaError> {
        if let Some(bad) = names.iter().find(|name| !name.value().is_ascii()) {
            return Err(CaError::Certificate(format!("{:?} is not ASCII", bad.value())));
        }
        self.add(oid::ALT_NAMES, critical, |der| {
            der.sequence(|der| {
                for name in names {
                    match name {
                        Identifier::Dns(name) => der.element(tag::context(2), name.as_str().as_bytes()),
                        Identifier::Ip(IpAddr::V4(ip)) => der.element(tag::context(7), &ip.octets()),
                        Identifier::Ip(IpAddr::V6(ip)) => der.element(tag::context(7), &ip.octets()),
                    }
                }
            });
        });
        Ok(())
    }

    /// The policy of domain validation.
    pub(super) fn domain_validated(&mut self) {
        self.add(oid::POLICIES, false, |der| {
            der.sequence(|der| der.sequence(|der| der.oid(oid::DOMAIN_VALIDATED)));
        });
    }

    /// Where the revocation list is that the certificate would be in.
    pub(super) fn crl_point(&mut self, url: &str) {
        self.add(oid::CRL_POINTS, false, |der| {
            der.sequence(|der| der.sequence(|der| distribution_point(der, url)));
        });
    }

    /// Must-staple: status_request.
    pub(super) fn tls_feature(&mut self) {
        self.add(oid::TLS_FEATURE, false, |der| der.sequence(|der| der.integer(&[5])));
    }
}

/// DistributionPointName with one URL.
pub(super) fn distribution_point(der: &mut Der, url: &str) {
    der.nest(tag::constructed(0), |der| {
        der.nest(tag::constructed(0), |der| der.element(tag::context(6), url.as_bytes()));
    });
}

//! Certificate signing requests (PKCS #10): what a finalize request may bring.

use std::collections::BTreeSet;

use rcgen::SignatureAlgorithm;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::oid_registry as oid;
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::problem::{Problem, ProblemKind};
use crate::wfe::jwk::{Jwk, check_rsa};

/// A request that was read and whose signature is good.
#[derive(Clone, Debug)]
pub struct Csr {
    /// All names, in lower case.
    pub names: BTreeSet<String>,
    /// The subject's common name, in lower case.
    pub common_name: Option<String>,
    /// The subject's key.
    pub key: SubjectKey,
}

/// The public key of a request.
#[derive(Clone, Debug)]
pub struct SubjectKey {
    bits: Vec<u8>,
    algorithm: &'static SignatureAlgorithm,
    /// Modulus without leading zeros, if it is RSA.
    pub rsa_modulus: Option<Vec<u8>>,
}

impl SubjectKey {
    /// The key, if it is of a kind that Let's Encrypt signs: RSA of three sizes, P-256 or P-384.
    ///
    /// # Errors
    /// `badCSR` when it is another.
    pub fn parse(spki: &SubjectPublicKeyInfo<'_>) -> Result<Self, Problem> {
        let unknown = || bad("invalid public key in CSR: unknown key type");
        let bits = spki.subject_public_key.data.to_vec();
        match spki.parsed().map_err(|_| unknown())? {
            PublicKey::RSA(rsa) => {
                let strip = |bytes: &[u8]| bytes.iter().copied().skip_while(|b| *b == 0).collect::<Vec<_>>();
                let modulus = strip(rsa.modulus);
                check_rsa(&modulus, &strip(rsa.exponent))
                    .map_err(|weak| bad(format!("invalid public key in CSR: {weak}")))?;
                Ok(SubjectKey { bits, algorithm: &rcgen::PKCS_RSA_SHA256, rsa_modulus: Some(modulus) })
            }
            PublicKey::EC(_) => {
                let curve =
                    spki.algorithm.parameters.as_ref().and_then(|p| p.as_oid().ok()).ok_or_else(unknown)?;
                let algorithm = if curve == oid::OID_EC_P256 {
                    &rcgen::PKCS_ECDSA_P256_SHA256
                } else if curve == oid::OID_NIST_EC_P384 {
                    &rcgen::PKCS_ECDSA_P384_SHA384
                } else {
                    return Err(bad("invalid public key in CSR: ECDSA curve not allowed"));
                };
                Ok(SubjectKey { bits, algorithm, rsa_modulus: None })
            }
            _ => Err(unknown()),
        }
    }

    /// Whether it is the key of an account.
    pub fn is(&self, account: &Jwk) -> bool {
        account.is_subject_key(&self.bits, self.rsa_modulus.as_deref())
    }
}

impl rcgen::PublicKeyData for SubjectKey {
    fn der_bytes(&self) -> &[u8] {
        &self.bits
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.algorithm
    }
}

/// The TLS feature extension (RFC 7633), which must-staple is.
const TLS_FEATURE: &str = "1.3.6.1.5.5.7.1.24";
/// Longest common name.
const COMMON_NAME_MAX: usize = 64;

fn bad(detail: impl Into<String>) -> Problem {
    Problem::new(ProblemKind::BadCsr, detail)
}

impl Csr {
    /// Reads a DER request and checks all that does not depend on an order.
    ///
    /// # Errors
    /// `malformed` when it is none; `badCSR` and `unauthorized` when it asks for what nobody gets.
    pub fn parse(der: &[u8]) -> Result<Self, Problem> {
        let unreadable = || Problem::malformed("Error parsing certificate request");
        let (rest, request) = X509CertificationRequest::from_der(der).map_err(|_| unreadable())?;
        if !rest.is_empty() {
            return Err(unreadable());
        }
        let info = &request.certification_request_info;
        let key = SubjectKey::parse(&info.subject_pki)?;
        const SIGNATURES: [&str; 5] = [
            "1.2.840.113549.1.1.11",
            "1.2.840.113549.1.1.12",
            "1.2.840.113549.1.1.13",
            "1.2.840.10045.4.3.2",
            "1.2.840.10045.4.3.3",
        ];
        if !SIGNATURES.contains(&request.signature_algorithm.algorithm.to_id_string().as_str()) {
            return Err(bad("signature algorithm not supported"));
        }
        if request.verify_signature().is_err() {
            return Err(bad("invalid signature on CSR"));
        }
        let mut names = BTreeSet::new();
        for extension in request.requested_extensions().into_iter().flatten() {
            match extension {
                ParsedExtension::SubjectAlternativeName(san) => {
                    for name in &san.general_names {
                        names.insert(dns_name(name)?);
                    }
                }
                ParsedExtension::UnsupportedExtension { oid } if oid.to_id_string() == TLS_FEATURE => {
                    return Err(Problem::unauthorized("OCSP must-staple extension is no longer available"));
                }
                _ => {}
            }
        }
        let common_name = info.subject.iter_common_name().next().and_then(|cn| cn.as_str().ok());
        let common_name = common_name.map(str::to_ascii_lowercase).filter(|cn| !cn.is_empty());
        if names.is_empty() && common_name.is_none() {
            return Err(bad("at least one DNS name is required"));
        }
        if let Some(common_name) = &common_name {
            if common_name.len() > COMMON_NAME_MAX {
                return Err(bad("CN was longer than 64 bytes"));
            }
            if !names.contains(common_name) {
                return Err(bad(
                    "CSR contains a common name that is not among its subject alternative names",
                ));
            }
        }
        Ok(Csr { names, common_name, key })
    }

    /// Whether it is for exactly the names of an order.
    ///
    /// # Errors
    /// `unauthorized` when it is not.
    pub fn check_names(&self, order: &[String]) -> Result<(), Problem> {
        if self.names.len() != order.len() {
            return Err(Problem::unauthorized("Order includes different number of names than CSR specifies"));
        }
        match order.iter().find(|name| !self.names.contains(*name)) {
            Some(name) => Err(Problem::unauthorized(format!("CSR is missing Order domain {name:?}"))),
            None => Ok(()),
        }
    }
}

fn dns_name(name: &GeneralName<'_>) -> Result<String, Problem> {
    match name {
        GeneralName::DNSName(name) => Ok(name.to_ascii_lowercase()),
        GeneralName::RFC822Name(_) => Err(bad("CSR contains one or more email address fields")),
        GeneralName::IPAddress(_) => Err(bad("CSR contains one or more IP address fields")),
        GeneralName::URI(_) => Err(bad("CSR contains one or more URI fields")),
        _ => Err(bad("CSR contains a subject alternative name of an unknown type")),
    }
}

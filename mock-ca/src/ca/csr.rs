//! Certificate signing requests (PKCS #10): what a finalize request may bring.

use std::collections::BTreeSet;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::SignatureAlgorithm;
use serde_json::json;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::oid_registry::{self as oid, Oid};
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::dialect::CsrRules;
use crate::policy::{DnsName, Identifier};
use crate::problem::{Problem, ProblemKind};
use crate::wfe::jwk::{Jwk, check_rsa};

/// A request that was read and whose signature is good.
#[derive(Clone, Debug)]
pub struct Csr {
    /// All names and addresses, names in lower case.
    pub identifiers: BTreeSet<Identifier>,
    /// The subject's common name, in lower case.
    pub common_name: Option<String>,
    /// The subject's key.
    pub key: SubjectKey,
    /// Whether it asks for must-staple (RFC 7633).
    pub must_staple: bool,
}

/// The public key of a request.
#[derive(Clone, Debug)]
pub struct SubjectKey {
    bits: Vec<u8>,
    kind: KeyKind,
    algorithm: &'static SignatureAlgorithm,
    /// Modulus and exponent without leading zeros, if it is RSA.
    rsa: Option<(Vec<u8>, Vec<u8>)>,
}

/// A kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyKind {
    Rsa,
    /// A curve, as JWK names it.
    Ec(&'static str),
    Ed25519,
}

/// Curves by their object identifiers.
static CURVES: [(Oid<'static>, &str, &SignatureAlgorithm); 2] = [
    (oid::OID_EC_P256, "P-256", &rcgen::PKCS_ECDSA_P256_SHA256),
    (oid::OID_NIST_EC_P384, "P-384", &rcgen::PKCS_ECDSA_P384_SHA384),
];

impl SubjectKey {
    /// The key, if it is of a known kind: RSA, P-256, P-384, P-521 or Ed25519.
    pub fn read(spki: &SubjectPublicKeyInfo<'_>) -> Option<Self> {
        let bits = spki.subject_public_key.data.to_vec();
        if spki.algorithm.algorithm == oid::OID_SIG_ED25519 {
            return Some(SubjectKey {
                bits,
                kind: KeyKind::Ed25519,
                algorithm: &rcgen::PKCS_ED25519,
                rsa: None,
            });
        }
        match spki.parsed().ok()? {
            PublicKey::RSA(rsa) => {
                let strip = |bytes: &[u8]| bytes.iter().copied().skip_while(|b| *b == 0).collect::<Vec<_>>();
                let rsa = Some((strip(rsa.modulus), strip(rsa.exponent)));
                Some(SubjectKey { bits, kind: KeyKind::Rsa, algorithm: &rcgen::PKCS_RSA_SHA256, rsa })
            }
            PublicKey::EC(_) => {
                let curve = spki.algorithm.parameters.as_ref().and_then(|p| p.as_oid().ok())?;
                let (_, name, algorithm) = CURVES.iter().find(|(oid, ..)| *oid == curve)?;
                Some(SubjectKey { bits, kind: KeyKind::Ec(name), algorithm, rsa: None })
            }
            _ => None,
        }
    }

    /// Whether it is a key that the CA signs.
    ///
    /// # Errors
    /// `badCSR` when it is not.
    fn check(&self, rules: &CsrRules) -> Result<(), Problem> {
        if !rules.strength {
            return Ok(());
        }
        match (self.kind, &self.rsa) {
            (KeyKind::Rsa, Some((modulus, exponent))) => {
                check_rsa(modulus, exponent).map_err(|weak| bad(format!("invalid public key in CSR: {weak}")))
            }
            (KeyKind::Ec("P-256" | "P-384"), _) => Ok(()),
            (KeyKind::Ec(_), _) => Err(bad("invalid public key in CSR: ECDSA curve not allowed")),
            _ => Err(bad("invalid public key in CSR: unknown key type")),
        }
    }

    /// Whether it is the key of an account.
    pub fn is(&self, account: &Jwk) -> bool {
        account.is_subject_key(&self.bits, self.rsa.as_ref().map(|(modulus, _)| modulus.as_slice()))
    }

    /// Whether it is an RSA key.
    pub fn is_rsa(&self) -> bool {
        self.kind == KeyKind::Rsa
    }

    /// As an account would show it.
    pub fn as_jwk(&self) -> Option<Jwk> {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let jwk = match (self.kind, &self.rsa) {
            (KeyKind::Rsa, Some((n, e))) => json!({ "kty": "RSA", "n": text(n), "e": text(e) }),
            (KeyKind::Ec(curve), _) => {
                let coordinates = self.bits.strip_prefix(&[4])?;
                let (x, y) = coordinates.split_at_checked(coordinates.len() / 2)?;
                json!({ "kty": "EC", "crv": curve, "x": text(x), "y": text(y) })
            }
            (KeyKind::Ed25519, _) => json!({ "kty": "OKP", "crv": "Ed25519", "x": text(&self.bits) }),
            (KeyKind::Rsa, None) => return None,
        };
        Jwk::parse(&jwk)
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
    pub fn parse(der: &[u8], rules: &CsrRules) -> Result<Self, Problem> {
        let unreadable = || Problem::malformed("Error parsing certificate request");
        let (rest, request) = X509CertificationRequest::from_der(der).map_err(|_| unreadable())?;
        if !rest.is_empty() {
            return Err(unreadable());
        }
        let info = &request.certification_request_info;
        let unknown = || bad("invalid public key in CSR: unknown key type");
        let key = SubjectKey::read(&info.subject_pki).ok_or_else(unknown)?;
        key.check(rules)?;
        const SIGNATURES: [&str; 7] = [
            "1.2.840.113549.1.1.11",
            "1.2.840.113549.1.1.12",
            "1.2.840.113549.1.1.13",
            "1.2.840.10045.4.3.2",
            "1.2.840.10045.4.3.3",
            "1.2.840.10045.4.3.4",
            "1.3.101.112",
        ];
        if !SIGNATURES.contains(&request.signature_algorithm.algorithm.to_id_string().as_str()) {
            return Err(bad("signature algorithm not supported"));
        }
        if request.verify_signature().is_err() {
            return Err(bad("invalid signature on CSR"));
        }
        let mut identifiers = BTreeSet::new();
        let mut must_staple = false;
        for extension in request.requested_extensions().into_iter().flatten() {
            match extension {
                ParsedExtension::SubjectAlternativeName(san) => {
                    for name in &san.general_names {
                        identifiers.insert(identifier(name)?);
                    }
                }
                ParsedExtension::UnsupportedExtension { oid } if oid.to_id_string() == TLS_FEATURE => {
                    if !rules.must_staple {
                        let detail = "OCSP must-staple extension is no longer available";
                        return Err(Problem::unauthorized(detail));
                    }
                    must_staple = true;
                }
                _ => {}
            }
        }
        let common_name = info.subject.iter_common_name().next().and_then(|cn| cn.as_str().ok());
        let common_name = common_name.map(str::to_ascii_lowercase).filter(|cn| !cn.is_empty());
        if identifiers.is_empty() && common_name.is_none() {
            return Err(bad("at least one DNS name is required"));
        }
        if let (Some(common_name), true) = (&common_name, rules.common_name_listed) {
            if common_name.len() > COMMON_NAME_MAX {
                return Err(bad("CN was longer than 64 bytes"));
            }
            if !identifiers.iter().any(|identifier| identifier.value() == common_name.as_str()) {
                return Err(bad(
                    "CSR contains a common name that is not among its subject alternative names",
                ));
            }
        }
        Ok(Csr { identifiers, common_name, key, must_staple })
    }

    /// Whether it is for exactly the identifiers of an order.
    ///
    /// # Errors
    /// `unauthorized` when it is not.
    pub fn check_identifiers(&self, order: &[Identifier]) -> Result<(), Problem> {
        if self.identifiers.len() != order.len() {
            return Err(Problem::unauthorized("Order includes different number of names than CSR specifies"));
        }
        match order.iter().find(|identifier| !self.identifiers.contains(identifier)) {
            Some(missing) => {
                Err(Problem::unauthorized(format!("CSR is missing Order domain {:?}", missing.value())))
            }
            None => Ok(()),
        }
    }
}

fn identifier(name: &GeneralName<'_>) -> Result<Identifier, Problem> {
    match name {
        GeneralName::DNSName(name) => Ok(Identifier::Dns(DnsName::unchecked(&name.to_ascii_lowercase()))),
        GeneralName::IPAddress(bytes) => {
            let ip = match *bytes {
                [a, b, c, d] => Some(IpAddr::from([*a, *b, *c, *d])),
                bytes => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
            };
            ip.map(Identifier::Ip).ok_or_else(|| bad("CSR contains an IP address of a wrong length"))
        }
        GeneralName::RFC822Name(_) => Err(bad("CSR contains one or more email address fields")),
        GeneralName::URI(_) => Err(bad("CSR contains one or more URI fields")),
        _ => Err(bad("CSR contains a subject alternative name of an unknown type")),
    }
}

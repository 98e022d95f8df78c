//! Certificate signing requests (PKCS #10): what a finalize request may bring.

use std::collections::BTreeSet;
use std::net::IpAddr;

use world::keys::BadSignature;
use world::{KeyAlgorithm, PublicKey};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::strength::check_modulus;
use crate::dialect::CsrRules;
use crate::policy::{DnsName, Identifier};
use crate::problem::{Problem, ProblemKind};
use crate::wfe::jwk::{Jwk, WeakKey, check_rsa};

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectKey {
    key: PublicKey,
    spki: Vec<u8>,
}

/// Sizes of RSA moduli that signatures can be verified with.
const RSA_BITS: std::ops::RangeInclusive<u32> = 2048..=8192;

impl SubjectKey {
    /// The key, if it is of a known kind: RSA, P-256, P-384, P-521 or Ed25519.
    pub fn read(spki: &SubjectPublicKeyInfo<'_>) -> Option<Self> {
        let key = PublicKey::from_spki(spki.raw).ok()?;
        Some(SubjectKey { spki: key.spki(), key })
    }

    /// Whether it is a key that the CA signs.
    ///
    /// # Errors
    /// `badCSR` when it is not.
    fn check(&self, rules: &CsrRules, blocked: &[String]) -> Result<(), Problem> {
        let weak = |why: &dyn std::fmt::Display| bad(format!("invalid public key in CSR: {why}"));
        let algorithm = self.key.algorithm();
        if let Some((modulus, exponent)) = self.key.rsa_components() {
            match algorithm {
                KeyAlgorithm::Rsa(bits) if !RSA_BITS.contains(&bits) => {
                    return Err(weak(&WeakKey::RsaSize(bits as usize)));
                }
                _ if rules.strength => {
                    check_rsa(&modulus, &exponent).map_err(|why| weak(&why))?;
                    check_modulus(&modulus).map_err(|why| weak(&why))?;
                }
                _ => {}
            }
        } else if rules.strength {
            match algorithm {
                KeyAlgorithm::EcdsaP256 | KeyAlgorithm::EcdsaP384 => {}
                KeyAlgorithm::EcdsaP521 => return Err(weak(&"ECDSA curve not allowed")),
                _ => return Err(weak(&"unknown key type")),
            }
        }
        if !blocked.is_empty() {
            let hash = world::hex(&world::sha256(&self.spki));
            if blocked.iter().any(|other| other.eq_ignore_ascii_case(&hash)) {
                return Err(weak(&"public key is forbidden"));
            }
        }
        Ok(())
    }

    /// Whether it is the key of an account.
    pub fn is(&self, account: &Jwk) -> bool {
        self.as_jwk() == *account
    }

    /// Whether it is an RSA key.
    pub fn is_rsa(&self) -> bool {
        matches!(self.key.algorithm(), KeyAlgorithm::Rsa(_))
    }

    /// Kind and size.
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.key.algorithm()
    }

    /// The key itself.
    pub fn public(&self) -> &PublicKey {
        &self.key
    }

    /// SubjectPublicKeyInfo, DER.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// As an account would show it.
    pub fn as_jwk(&self) -> Jwk {
        Jwk::of(&self.key)
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
    /// Reads a DER request and checks all that does not depend on an order. `blocked` are the SHA-256 hashes
    /// of SubjectPublicKeyInfos that nobody gets a certificate for, hexadecimal.
    ///
    /// # Errors
    /// `malformed` when it is none; `badCSR` and `unauthorized` when it asks for what nobody gets.
    pub fn parse(der: &[u8], rules: &CsrRules, blocked: &[String]) -> Result<Self, Problem> {
        let unreadable = || Problem::malformed("Error parsing certificate request");
        let (rest, request) = X509CertificationRequest::from_der(der).map_err(|_| unreadable())?;
        if !rest.is_empty() {
            return Err(unreadable());
        }
        let info = &request.certification_request_info;
        let unknown = || bad("invalid public key in CSR: unknown key type");
        let key = SubjectKey::read(&info.subject_pki).ok_or_else(unknown)?;
        key.check(rules, blocked)?;
        let algorithm = request.signature_algorithm.algorithm.to_id_string();
        match key.key.verify_x509(&algorithm, info.raw, &request.signature_value.data) {
            Ok(()) => {}
            Err(BadSignature::Algorithm) => return Err(bad("signature algorithm not supported")),
            Err(BadSignature::Signature) => return Err(bad("invalid signature on CSR")),
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

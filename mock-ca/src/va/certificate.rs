//! What the certificate of tls-alpn-01 must be like (RFC 8737 section 3).

use std::net::IpAddr;

use world::der::tlv;
use world::{PublicKey, hex};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension, X509Extension};
use x509_parser::prelude::FromDer as _;

use crate::policy::Identifier;

/// subjectAltName (RFC 5280 section 4.2.1.6).
const SUBJECT_ALT_NAME: &str = "2.5.29.17";
/// acmeIdentifier (RFC 8737 section 6.1).
const ACME_IDENTIFIER: &str = "1.3.6.1.5.5.7.1.31";

/// Why a certificate is not the one that the challenge asks for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// It is no certificate.
    #[error("Received certificate that cannot be parsed")]
    Unreadable,
    /// It lacks this extension.
    #[error("Required extension OID {0} is not present")]
    Missing(&'static str),
    /// It has this extension more than once.
    #[error("Extension OID {0} seen twice")]
    Twice(&'static str),
    /// Another key than its own has signed it.
    #[error("Received certificate which is not self-signed")]
    NotSelfSigned,
    /// It is for something else, or for more.
    #[error("Received certificate containing unexpected identifiers: {0}")]
    Identifiers(String),
    /// acmeIdentifier is not critical.
    #[error("Received certificate with acmeValidationV1 extension that is not Critical")]
    NotCritical,
    /// acmeIdentifier is no digest.
    #[error("Received certificate with malformed acmeValidationV1 extension value")]
    MalformedDigest,
    /// acmeIdentifier is another digest.
    #[error("Received certificate with acmeValidationV1 extension value {got} but expected {expected}")]
    OtherDigest {
        /// The one that is there, hexadecimal.
        got: String,
        /// The one of the key authorization.
        expected: String,
    },
}

/// Whether the certificate (DER) shows control of `identifier` by the SHA-256 of a key authorization.
/// `exact` is Boulder's care: self-signed, no extension twice, and the subject byte by byte.
///
/// # Errors
/// The first [`Flaw`].
pub fn check(der: &[u8], identifier: &Identifier, digest: &[u8; 32], exact: bool) -> Result<(), Flaw> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|_| Flaw::Unreadable)?;
    let acme = extension(&certificate, ACME_IDENTIFIER, exact)?;
    let names = extension(&certificate, SUBJECT_ALT_NAME, exact)?;
    if exact && !is_self_signed(&certificate) {
        return Err(Flaw::NotSelfSigned);
    }
    let named = match names.parsed_extension() {
        _ if exact => names.value == subject_alt_name(identifier),
        ParsedExtension::SubjectAlternativeName(san) => match san.general_names.as_slice() {
            [only] => is_name(only, identifier),
            _ => false,
        },
        _ => false,
    };
    if !named {
        return Err(Flaw::Identifiers(texts(names)));
    }
    if !acme.critical {
        return Err(Flaw::NotCritical);
    }
    // OCTET STRING of 32 bytes.
    match acme.value {
        [0x04, 0x20, got @ ..] if got == digest => Ok(()),
        [0x04, 0x20, got @ ..] if got.len() == digest.len() => {
            Err(Flaw::OtherDigest { got: hex(got), expected: hex(digest) })
        }
        _ => Err(Flaw::MalformedDigest),
    }
}

fn extension<'a>(
    certificate: &'a X509Certificate<'a>,
    oid: &'static str,
    exact: bool,
) -> Result<&'a X509Extension<'a>, Flaw> {
    let mut all = certificate.extensions().iter().filter(|extension| extension.oid.to_id_string() == oid);
    let first = all.next().ok_or(Flaw::Missing(oid))?;
    if exact && all.next().is_some() { Err(Flaw::Twice(oid)) } else { Ok(first) }
}

fn is_self_signed(certificate: &X509Certificate<'_>) -> bool {
    let body = &certificate.tbs_certificate;
    let algorithm = certificate.signature_algorithm.algorithm.to_id_string();
    body.issuer.as_raw() == body.subject.as_raw()
        && PublicKey::from_spki(body.subject_pki.raw).is_ok_and(|key| {
            key.verify_x509(&algorithm, body.as_ref(), &certificate.signature_value.data).is_ok()
        })
}

fn octets(ip: &IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

/// The extension's value with this identifier alone, DER.
fn subject_alt_name(identifier: &Identifier) -> Vec<u8> {
    let (tag, value) = match identifier {
        Identifier::Dns(name) => (0x82, name.base().as_bytes().to_vec()),
        Identifier::Ip(ip) => (0x87, octets(ip)),
    };
    tlv(0x30, &tlv(tag, &value))
}

fn is_name(name: &GeneralName<'_>, identifier: &Identifier) -> bool {
    match (name, identifier) {
        (GeneralName::DNSName(got), Identifier::Dns(name)) => got.eq_ignore_ascii_case(name.base()),
        (GeneralName::IPAddress(got), Identifier::Ip(ip)) => **got == *octets(ip),
        _ => false,
    }
}

fn texts(names: &X509Extension<'_>) -> String {
    let ParsedExtension::SubjectAlternativeName(san) = names.parsed_extension() else {
        return "unreadable".to_owned();
    };
    let text = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => (*name).to_owned(),
        GeneralName::IPAddress(bytes) => match (<[u8; 4]>::try_from(*bytes), <[u8; 16]>::try_from(*bytes)) {
            (Ok(v4), _) => IpAddr::from(v4).to_string(),
            (_, Ok(v6)) => IpAddr::from(v6).to_string(),
            _ => hex(bytes),
        },
        other => other.to_string(),
    };
    san.general_names.iter().map(text).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
#[path = "certificate_tests.rs"]
mod tests;

//! Issued certificates: what controllers read of them, and whether they fit a specification.

use std::collections::BTreeSet;

use world::keys::SectionKind;
use world::{PublicKey, Timestamp};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::names::{Names, same_addresses, same_set};
use super::{PkiError, failed, subject};
use crate::api::{CertificateSpec, X509Subject};

/// The parts of a leaf certificate that controllers look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// Start of validity.
    pub not_before: Timestamp,
    /// End of validity.
    pub not_after: Timestamp,
    /// Its key.
    pub public_key: PublicKey,
    /// Names in the certificate.
    pub names: Names,
    /// The parts of its subject other than the common name.
    pub subject: X509Subject,
}

/// The certificates of a PEM text in DER, in their order there.
///
/// # Errors
/// [`PkiError`] when there is none.
pub fn chain(pem: &[u8]) -> Result<Vec<Vec<u8>>, PkiError> {
    let chain = world::keys::pem_sections(pem, SectionKind::Certificate);
    if chain.is_empty() { Err(failed("error decoding certificate PEM block")) } else { Ok(chain) }
}

/// Reads the first certificate of a PEM chain, of which all must be readable: controllers read a chain whole.
///
/// # Errors
/// [`PkiError`] when there is none, or one that cannot be read.
pub fn leaf(pem: &[u8]) -> Result<Leaf, PkiError> {
    leaf_above(pem, readable)
}

/// The same, where `readable` says whether a certificate above the first one can be read ([`readable`]).
pub(crate) fn leaf_above(
    pem: &[u8],
    mut readable: impl FnMut(&[u8]) -> Result<(), PkiError>,
) -> Result<Leaf, PkiError> {
    let chain = chain(pem)?;
    let leaf = first(&chain[0])?;
    chain[1..].iter().try_for_each(|other| readable(other))?;
    Ok(leaf)
}

/// Whether a certificate of a chain can be read.
pub(crate) fn readable(der: &[u8]) -> Result<(), PkiError> {
    let read = X509Certificate::from_der(der);
    read.map(drop).map_err(|error| failed(format!("error parsing TLS certificate: {error}")))
}

/// Reads the first certificate of a PEM chain, and no other: as a TLS server does.
///
/// # Errors
/// [`PkiError`] when there is none that can be read.
pub fn leaf_alone(pem: &[u8]) -> Result<Leaf, PkiError> {
    first(&chain(pem)?[0])
}

fn first(der: &[u8]) -> Result<Leaf, PkiError> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(failed)?;
    let mut names = Names::of_subject(certificate.subject());
    if let Ok(Some(san)) = certificate.subject_alternative_name() {
        names.take(&san.value.general_names);
    }
    Ok(Leaf {
        not_before: Timestamp::from_unix_secs(certificate.validity().not_before.timestamp()),
        not_after: Timestamp::from_unix_secs(certificate.validity().not_after.timestamp()),
        public_key: PublicKey::from_spki(certificate.public_key().raw).map_err(failed)?,
        subject: subject::read(certificate.subject()),
        names,
    })
}

/// The fields of the specification that an issued certificate does not fit. DNS names and common name are
/// one set: a CA may put the common name among the DNS names, or leave it out of the subject.
pub fn certificate_violations(leaf: &Leaf, spec: &CertificateSpec) -> Vec<&'static str> {
    let set = |names: &[String], common_name: &String| -> BTreeSet<String> {
        names.iter().chain(Some(common_name).filter(|cn| !cn.is_empty())).cloned().collect()
    };
    let have = set(&leaf.names.dns, &leaf.names.common_name);
    let wanted = set(&spec.dns_names, &spec.common_name);
    let missing = |cn: &String, among: &BTreeSet<String>| !cn.is_empty() && !among.contains(cn);
    let mut violations = Vec::new();
    if missing(&spec.common_name, &have) || missing(&leaf.names.common_name, &wanted) {
        violations.push("spec.commonName");
    }
    let all_there = spec.dns_names.iter().all(|name| have.contains(name));
    if !all_there || !leaf.names.dns.iter().all(|name| wanted.contains(name)) {
        violations.push("spec.dnsNames");
    }
    if !same_addresses(&leaf.names.ips, &spec.ip_addresses) {
        violations.push("spec.ipAddresses");
    }
    if !same_set(&leaf.names.uris, &spec.uris) {
        violations.push("spec.uris");
    }
    if !same_set(&leaf.names.emails, &spec.email_addresses) {
        violations.push("spec.emailAddresses");
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf_with(common_name: &str, dns: &[&str]) -> Leaf {
        let names = Names {
            common_name: common_name.into(),
            dns: dns.iter().map(|n| (*n).to_owned()).collect(),
            ..Names::default()
        };
        Leaf {
            not_before: Timestamp::UNIX_EPOCH,
            not_after: Timestamp::UNIX_EPOCH,
            public_key: PublicKey::ed25519(&[1; 32]).unwrap(),
            names,
            subject: X509Subject::default(),
        }
    }

    #[test]
    fn a_certificate_may_move_the_common_name_among_the_dns_names() {
        let spec = CertificateSpec {
            common_name: "a".into(),
            dns_names: vec!["b".into()],
            ..CertificateSpec::default()
        };
        for (cn, dns, expected) in [
            ("a", &["b"][..], &[][..]),
            ("", &["a", "b"], &[]),
            ("a", &["a", "b"], &[]),
            ("b", &["a", "b"], &[]),
            ("", &["b"], &["spec.commonName"]),
            ("a", &[], &["spec.dnsNames"]),
            ("a", &["b", "c"], &["spec.dnsNames"]),
            ("c", &["a", "b"], &["spec.commonName"]),
        ] {
            assert_eq!(certificate_violations(&leaf_with(cn, dns), &spec), expected, "{cn} {dns:?}");
        }
    }

    #[test]
    fn other_names_of_a_certificate_must_be_the_same() {
        let mut leaf = leaf_with("", &["a"]);
        leaf.names.ips = vec!["::1".into()];
        let spec = CertificateSpec {
            dns_names: vec!["a".into()],
            ip_addresses: vec!["0:0::1".into()],
            uris: vec!["spiffe://a".into()],
            email_addresses: vec!["a@b".into()],
            ..CertificateSpec::default()
        };
        assert_eq!(certificate_violations(&leaf, &spec), ["spec.uris", "spec.emailAddresses"]);
    }

    #[test]
    fn what_is_no_certificate_is_named() {
        assert_eq!(leaf(b"x").unwrap_err().0, "error decoding certificate PEM block");
    }
}

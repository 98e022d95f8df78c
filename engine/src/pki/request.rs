//! Certificate signing requests (PKCS#10): making them for a Certificate, reading them, and comparing them with a
//! specification.
//!
//! They are written here and not by a library, because the library in use decides on the order of the subject, has
//! one signature algorithm per key and no name constraints in requests.

use world::keys::{HashAlgorithm, SectionKind};
use world::{KeyAlgorithm, PrivateKey, PublicKey};
use x509_parser::prelude::{FromDer as _, X509CertificationRequest};

use super::names::{Names, same_addresses, same_set};
use super::{PkiError, der, extensions, failed, subject};
use crate::api::{
    Certificate, CertificateRequestSpec, CertificateSpec, OtherName, SignatureAlgorithm, X509Subject,
};
use crate::compat::{Checks, Compat, Features};

/// What a CSR asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its key.
    pub public_key: PublicKey,
    /// Its names.
    pub names: Names,
    /// The parts of its subject other than the common name.
    pub subject: X509Subject,
    /// Its subject in DER.
    pub subject_der: Vec<u8>,
    /// Its DER.
    pub der: Vec<u8>,
}

/// Reads a PEM CSR.
///
/// # Errors
/// [`PkiError`] when it is none.
pub fn request(pem: &[u8]) -> Result<Request, PkiError> {
    let found = world::keys::pem_sections(pem, SectionKind::Csr);
    let der =
        found.into_iter().next().ok_or_else(|| failed("error decoding certificate request PEM block"))?;
    let (_, csr) = X509CertificationRequest::from_der(&der).map_err(failed)?;
    let info = &csr.certification_request_info;
    let mut names = Names::of_subject(&info.subject);
    for extension in csr.requested_extensions().into_iter().flatten() {
        if let x509_parser::extensions::ParsedExtension::SubjectAlternativeName(san) = extension {
            names.take(&san.general_names);
        }
    }
    let public_key = PublicKey::from_spki(info.subject_pki.raw).map_err(failed)?;
    let (subject, subject_der) = (subject::read(&info.subject), info.subject.as_raw().to_vec());
    Ok(Request { public_key, names, subject, subject_der, der })
}

/// Makes the PEM CSR for a Certificate, with what the release knows of its specification.
///
/// # Errors
/// [`PkiError`] for a name that X.509 cannot hold, no name at all, and a signature algorithm that is not the key's.
pub fn make_request(
    certificate: &Certificate,
    key: &PrivateKey,
    features: &Features,
) -> Result<String, PkiError> {
    let spec = &certificate.spec;
    let subject = subject::of_spec(spec, features)?;
    let names = extensions::alternative_names(spec, features, subject.is_empty())?;
    if subject.common_name.is_empty() && names.is_none() {
        return Err(failed(
            "at least one of commonName (from the commonName field or from a literalSubject), dnsNames, \
             emailSANs, ipAddresses, otherNames, or uriSANs must be set",
        ));
    }
    let mut wanted: Vec<Vec<u8>> = names.into_iter().collect();
    if spec.encode_usages_in_request != Some(false) {
        wanted.extend(extensions::usages(spec)?);
    }
    if features.basic_constraints_in_request {
        wanted.push(extensions::basic_constraints(spec.is_ca)?);
    }
    if let Some(constraints) = spec.name_constraints.as_ref().filter(|_| features.name_constraints) {
        wanted.extend(extensions::name_constraints(constraints)?);
    }
    // RFC 2986: version 0, subject, key, and the one attribute that asks for extensions (RFC 2985).
    let asked = der::sequence([
        der::oid("1.2.840.113549.1.9.14")?,
        der::constructed(der::SET, [der::sequence(wanted)]),
    ]);
    let info =
        der::sequence([der::unsigned(&[0]), subject.der, key.public().spki(), der::explicit(0, &asked)]);
    let asked = spec.signature_algorithm.filter(|_| features.signature_algorithm);
    let algorithm = signature_algorithm(key.algorithm(), asked)?;
    Ok(world::keys::pem_encode("CERTIFICATE REQUEST", &sign(&info, key, &algorithm)?))
}

/// A signature algorithm of X.509: its identifier in DER, and the hash.
pub(super) struct Signing {
    identifier: Vec<u8>,
    hash: HashAlgorithm,
}

impl Signing {
    pub(super) fn identifier(&self) -> &[u8] {
        &self.identifier
    }
}

/// What is to be signed, the algorithm, and the signature.
pub(super) fn sign(info: &[u8], key: &PrivateKey, with: &Signing) -> Result<Vec<u8>, PkiError> {
    let signature = key.sign_with(with.hash, info).map_err(failed)?;
    Ok(der::sequence([info, &with.identifier, &der::bit_string(&signature)]))
}

/// The family of keys, and the algorithms that each of them signs with.
const SIGNATURES: &[(SignatureAlgorithm, Family, HashAlgorithm, &str)] = &[
    (SignatureAlgorithm::Sha256WithRsa, Family::Rsa, HashAlgorithm::Sha256, "1.2.840.113549.1.1.11"),
    (SignatureAlgorithm::Sha384WithRsa, Family::Rsa, HashAlgorithm::Sha384, "1.2.840.113549.1.1.12"),
    (SignatureAlgorithm::Sha512WithRsa, Family::Rsa, HashAlgorithm::Sha512, "1.2.840.113549.1.1.13"),
    (SignatureAlgorithm::EcdsaWithSha256, Family::Ecdsa, HashAlgorithm::Sha256, "1.2.840.10045.4.3.2"),
    (SignatureAlgorithm::EcdsaWithSha384, Family::Ecdsa, HashAlgorithm::Sha384, "1.2.840.10045.4.3.3"),
    (SignatureAlgorithm::EcdsaWithSha512, Family::Ecdsa, HashAlgorithm::Sha512, "1.2.840.10045.4.3.4"),
    (SignatureAlgorithm::PureEd25519, Family::Ed25519, HashAlgorithm::Sha512, "1.3.101.112"),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Rsa,
    Ecdsa,
    Ed25519,
}

/// The algorithm that a key signs with: the one that is asked for, or the one that goes with its size.
pub(super) fn signature_algorithm(
    key: KeyAlgorithm,
    asked: Option<SignatureAlgorithm>,
) -> Result<Signing, PkiError> {
    let (family, own) = match key {
        KeyAlgorithm::Rsa(4096..) => (Family::Rsa, HashAlgorithm::Sha512),
        KeyAlgorithm::Rsa(3072..) => (Family::Rsa, HashAlgorithm::Sha384),
        KeyAlgorithm::Rsa(_) => (Family::Rsa, HashAlgorithm::Sha256),
        KeyAlgorithm::EcdsaP256 => (Family::Ecdsa, HashAlgorithm::Sha256),
        KeyAlgorithm::EcdsaP384 => (Family::Ecdsa, HashAlgorithm::Sha384),
        KeyAlgorithm::EcdsaP521 => (Family::Ecdsa, HashAlgorithm::Sha512),
        KeyAlgorithm::Ed25519 => (Family::Ed25519, HashAlgorithm::Sha512),
    };
    let found = SIGNATURES
        .iter()
        .find(|(name, its, hash, _)| *its == family && asked.map_or(*hash == own, |asked| asked == *name));
    let (_, _, hash, oid) =
        found.ok_or_else(|| failed("x509: requested SignatureAlgorithm does not match private key type"))?;
    let null = if family == Family::Rsa { der::NULL } else { &[] };
    Ok(Signing { identifier: der::sequence([&der::oid(oid)?, null]), hash: *hash })
}

/// A field, and whether a request fits it.
type Field<'a> = (&'static str, bool);

/// The fields of the Certificate's specification that a request does not fit, in the release's order and words; `csr` is
/// what stands in the request.
///
/// # Errors
/// [`PkiError`] when the literal subject of the specification cannot be read.
pub fn request_violations(
    request: &CertificateRequestSpec,
    csr: &Request,
    spec: &CertificateSpec,
    compat: &Compat,
) -> Result<Vec<&'static str>, PkiError> {
    let wanted = Names::of_spec(spec);
    let names: [Field<'_>; 4] = [
        ("spec.dnsNames", same_set(&csr.names.dns, &wanted.dns)),
        ("spec.ipAddresses", same_addresses(&csr.names.ips, &wanted.ips)),
        ("spec.uris", same_set(&csr.names.uris, &wanted.uris)),
        ("spec.emailAddresses", same_set(&csr.names.emails, &wanted.emails)),
    ];
    let subject = subject_fields(csr, spec, compat)?;
    let rest: [Field<'_>; 4] = [
        ("spec.isCA", request.is_ca == spec.is_ca),
        ("spec.usages", same_set(&request.usages, &spec.usages)),
        ("spec.duration", request.duration.zip(spec.duration).is_none_or(|(a, b)| a == b)),
        ("spec.issuerRef", same_issuer(request, spec, compat.checks)),
    ];
    let fields: Vec<Field<'_>> = match compat.checks {
        Checks::Initial => {
            let common_name = ("spec.commonName", csr.names.common_name == wanted.common_name);
            std::iter::once(common_name).chain(names).chain(subject).chain(rest).collect()
        }
        Checks::Extended => {
            let [dns, ips, uris, emails] = names;
            let others = compat.features.other_names && !spec.other_names.is_empty();
            let others =
                others.then(|| ("spec.otherNames", same_others(&csr.names.others, &spec.other_names)));
            [ips, uris, emails, dns].into_iter().chain(others).chain(subject).chain(rest).collect()
        }
    };
    Ok(fields.into_iter().filter(|(_, fits)| !fits).map(|(field, _)| field).collect())
}

fn subject_fields(
    csr: &Request,
    spec: &CertificateSpec,
    compat: &Compat,
) -> Result<Vec<Field<'static>>, PkiError> {
    if compat.features.literal_subject && !spec.literal_subject.is_empty() {
        let literal = subject::literal(&spec.literal_subject)?;
        return Ok(vec![("spec.literalSubject", csr.subject_der == literal.der)]);
    }
    let (have, want) = (&csr.subject, spec.subject.clone().unwrap_or_default());
    let mut fields = Vec::new();
    // 1.7 names a province that differs a post code.
    let provinces = match compat.checks {
        Checks::Initial => "spec.subject.postCodes",
        Checks::Extended => {
            fields.push(("spec.commonName", csr.names.common_name == spec.common_name));
            "spec.subject.provinces"
        }
    };
    fields.extend([
        ("spec.subject.serialNumber", have.serial_number == want.serial_number),
        ("spec.subject.organizations", same_set(&have.organizations, &want.organizations)),
        ("spec.subject.countries", same_set(&have.countries, &want.countries)),
        ("spec.subject.localities", same_set(&have.localities, &want.localities)),
        (
            "spec.subject.organizationalUnits",
            same_set(&have.organizational_units, &want.organizational_units),
        ),
        ("spec.subject.postCodes", same_set(&have.postal_codes, &want.postal_codes)),
        (provinces, same_set(&have.provinces, &want.provinces)),
        ("spec.subject.streetAddresses", same_set(&have.street_addresses, &want.street_addresses)),
    ]);
    Ok(fields)
}

fn same_others(a: &[OtherName], b: &[OtherName]) -> bool {
    let pairs =
        |names: &[OtherName]| names.iter().map(|n| (n.oid.clone(), n.utf8_value.clone())).collect::<Vec<_>>();
    same_set(&pairs(a), &pairs(b))
}

/// 1.7 compares the references as they are written.
fn same_issuer(request: &CertificateRequestSpec, spec: &CertificateSpec, checks: Checks) -> bool {
    let (a, b) = (&request.issuer_ref, &spec.issuer_ref);
    match checks {
        Checks::Initial => a == b,
        Checks::Extended => {
            a.name == b.name
                && a.kind_or_default() == b.kind_or_default()
                && a.group_or_default() == b.group_or_default()
        }
    }
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;

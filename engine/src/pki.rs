//! Certificates, keys and requests: what the controllers read and write of X.509.

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyUsagePurpose, SanType,
};
use world::keys::SectionKind;
use world::{KeyAlgorithm, PrivateKey, PublicKey, Timestamp};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate, X509CertificationRequest};

use crate::api::{
    Certificate, CertificateRequestSpec, CertificateSpec, KeyUsage, PrivateKeyAlgorithm, PrivateKeyEncoding,
};

/// Something of X.509 that cannot be read or made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PkiError(pub String);

fn failed(what: impl std::fmt::Display) -> PkiError {
    PkiError(what.to_string())
}

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
}

/// Names of a certificate or request, in their order there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// Common name; empty when there is none.
    pub common_name: String,
    /// DNS names.
    pub dns: Vec<String>,
    /// IP addresses.
    pub ips: Vec<String>,
    /// URIs.
    pub uris: Vec<String>,
    /// E-mail addresses.
    pub emails: Vec<String>,
}

impl Names {
    fn of_certificate(spec: &CertificateSpec) -> Self {
        Names {
            common_name: spec.common_name.clone(),
            dns: spec.dns_names.clone(),
            ips: spec.ip_addresses.clone(),
            uris: spec.uris.clone(),
            emails: spec.email_addresses.clone(),
        }
    }

    fn take(&mut self, names: &[GeneralName<'_>]) {
        for name in names {
            match name {
                GeneralName::DNSName(name) => self.dns.push((*name).to_owned()),
                GeneralName::URI(uri) => self.uris.push((*uri).to_owned()),
                GeneralName::RFC822Name(mail) => self.emails.push((*mail).to_owned()),
                GeneralName::IPAddress(bytes) => {
                    let v4 = <[u8; 4]>::try_from(*bytes).map(|b| std::net::IpAddr::from(b).to_string());
                    let v6 = <[u8; 16]>::try_from(*bytes).map(|b| std::net::IpAddr::from(b).to_string());
                    self.ips.extend(v4.or(v6));
                }
                _ => {}
            }
        }
    }
}

fn common_name(subject: &x509_parser::x509::X509Name<'_>) -> String {
    let first = subject.iter_common_name().next();
    first.and_then(|cn| cn.as_str().ok()).unwrap_or_default().to_owned()
}

/// Reads the first certificate of a PEM chain.
///
/// # Errors
/// [`PkiError`] when there is none that can be read.
pub fn leaf(pem: &[u8]) -> Result<Leaf, PkiError> {
    let chain = world::keys::pem_sections(pem, SectionKind::Certificate);
    let der = chain.first().ok_or_else(|| failed("error decoding certificate PEM block"))?;
    let (_, certificate) = X509Certificate::from_der(der).map_err(failed)?;
    let mut names = Names { common_name: common_name(certificate.subject()), ..Names::default() };
    if let Ok(Some(san)) = certificate.subject_alternative_name() {
        names.take(&san.value.general_names);
    }
    Ok(Leaf {
        not_before: Timestamp::from_unix_secs(certificate.validity().not_before.timestamp()),
        not_after: Timestamp::from_unix_secs(certificate.validity().not_after.timestamp()),
        public_key: PublicKey::from_spki(certificate.public_key().raw).map_err(failed)?,
        names,
    })
}

/// What a CSR asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its key.
    pub public_key: PublicKey,
    /// Its names.
    pub names: Names,
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
    let mut names = Names { common_name: common_name(&info.subject), ..Names::default() };
    for extension in csr.requested_extensions().into_iter().flatten() {
        if let x509_parser::extensions::ParsedExtension::SubjectAlternativeName(san) = extension {
            names.take(&san.general_names);
        }
    }
    let public_key = PublicKey::from_spki(info.subject_pki.raw).map_err(failed)?;
    Ok(Request { public_key, names, der })
}

/// The key algorithm that a Certificate asks for; RSA 2048 when it names none.
///
/// # Errors
/// [`PkiError`] for a size that is not offered here.
pub fn key_algorithm(spec: &CertificateSpec) -> Result<KeyAlgorithm, PkiError> {
    let key = spec.private_key.clone().unwrap_or_default();
    match (key.algorithm.unwrap_or(PrivateKeyAlgorithm::Rsa), key.size) {
        (PrivateKeyAlgorithm::Rsa, 0) => Ok(KeyAlgorithm::Rsa(2048)),
        (PrivateKeyAlgorithm::Rsa, size @ 2048..=8192) => Ok(KeyAlgorithm::Rsa(size)),
        (PrivateKeyAlgorithm::Ecdsa, 0 | 256) => Ok(KeyAlgorithm::EcdsaP256),
        (PrivateKeyAlgorithm::Ed25519, _) => Ok(KeyAlgorithm::Ed25519),
        (algorithm, size) => Err(PkiError(format!("unsupported private key: {algorithm} with {size} bits"))),
    }
}

/// A private key as it is kept in a Secret: the encoding that the Certificate asks for.
pub fn encode_key(key: &PrivateKey, spec: &CertificateSpec) -> String {
    let encoding = spec.private_key.as_ref().and_then(|k| k.encoding);
    match encoding {
        Some(PrivateKeyEncoding::Pkcs8) => key.to_pkcs8_pem(),
        _ => key.to_traditional_pem(),
    }
}

/// The fields of the specification that `key` does not fit, in the release's words.
pub fn key_violations(key: &PublicKey, spec: &CertificateSpec) -> Vec<&'static str> {
    let Ok(wanted) = key_algorithm(spec) else { return vec!["spec.privateKey.algorithm"] };
    match (key.algorithm(), wanted) {
        (have, wanted) if have == wanted => Vec::new(),
        (KeyAlgorithm::Rsa(_), KeyAlgorithm::Rsa(_)) => vec!["spec.privateKey.size"],
        _ => vec!["spec.privateKey.algorithm"],
    }
}

fn usages(spec: &CertificateSpec) -> Vec<KeyUsage> {
    if spec.usages.is_empty() {
        vec![KeyUsage::DigitalSignature, KeyUsage::KeyEncipherment]
    } else {
        spec.usages.clone()
    }
}

/// Key usages by name, as X.509 has them.
const KEY_USAGES: &[(&str, KeyUsagePurpose)] = &[
    ("signing", KeyUsagePurpose::DigitalSignature),
    ("digital signature", KeyUsagePurpose::DigitalSignature),
    ("content commitment", KeyUsagePurpose::ContentCommitment),
    ("key encipherment", KeyUsagePurpose::KeyEncipherment),
    ("key agreement", KeyUsagePurpose::KeyAgreement),
    ("data encipherment", KeyUsagePurpose::DataEncipherment),
    ("cert sign", KeyUsagePurpose::KeyCertSign),
    ("crl sign", KeyUsagePurpose::CrlSign),
    ("encipher only", KeyUsagePurpose::EncipherOnly),
    ("decipher only", KeyUsagePurpose::DecipherOnly),
];

/// Extended key usages by name.
const EXTENDED_KEY_USAGES: &[(&str, ExtendedKeyUsagePurpose)] = &[
    ("any", ExtendedKeyUsagePurpose::Any),
    ("server auth", ExtendedKeyUsagePurpose::ServerAuth),
    ("client auth", ExtendedKeyUsagePurpose::ClientAuth),
    ("code signing", ExtendedKeyUsagePurpose::CodeSigning),
    ("email protection", ExtendedKeyUsagePurpose::EmailProtection),
    ("s/mime", ExtendedKeyUsagePurpose::EmailProtection),
    ("timestamping", ExtendedKeyUsagePurpose::TimeStamping),
    ("ocsp signing", ExtendedKeyUsagePurpose::OcspSigning),
];

/// Makes the PEM CSR for a Certificate.
///
/// # Errors
/// [`PkiError`] for a name that X.509 cannot hold.
pub fn make_request(certificate: &Certificate, key: &PrivateKey) -> Result<String, PkiError> {
    let spec = &certificate.spec;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    if !spec.common_name.is_empty() {
        params.distinguished_name.push(DnType::CommonName, spec.common_name.as_str());
    }
    if let Some(subject) = &spec.subject {
        let parts = [
            (DnType::OrganizationName, &subject.organizations),
            (DnType::OrganizationalUnitName, &subject.organizational_units),
            (DnType::CountryName, &subject.countries),
            (DnType::StateOrProvinceName, &subject.provinces),
            (DnType::LocalityName, &subject.localities),
        ];
        for (type_, values) in parts {
            for value in values {
                params.distinguished_name.push(type_.clone(), value.as_str());
            }
        }
    }
    for name in &spec.dns_names {
        params.subject_alt_names.push(SanType::DnsName(name.as_str().try_into().map_err(failed)?));
    }
    for ip in &spec.ip_addresses {
        params.subject_alt_names.push(SanType::IpAddress(ip.parse().map_err(failed)?));
    }
    for uri in &spec.uris {
        params.subject_alt_names.push(SanType::URI(uri.as_str().try_into().map_err(failed)?));
    }
    for mail in &spec.email_addresses {
        params.subject_alt_names.push(SanType::Rfc822Name(mail.as_str().try_into().map_err(failed)?));
    }
    if spec.encode_usages_in_request != Some(false) {
        if spec.is_ca {
            params.key_usages.push(KeyUsagePurpose::KeyCertSign);
        }
        for usage in usages(spec) {
            let name = usage.as_str();
            let of = |table: &[(&str, _)]| table.iter().position(|(n, _)| *n == name);
            if let Some(i) = KEY_USAGES.iter().position(|(n, _)| *n == name) {
                params.key_usages.push(KEY_USAGES[i].1);
            } else if let Some(i) = of(EXTENDED_KEY_USAGES) {
                params.extended_key_usages.push(EXTENDED_KEY_USAGES[i].1.clone());
            }
        }
    }
    let csr = params.serialize_request(key).map_err(failed)?;
    Ok(world::keys::pem_encode("CERTIFICATE REQUEST", csr.der()))
}

fn same_set(a: &[String], b: &[String]) -> bool {
    let sorted = |names: &[String]| {
        let mut names = names.to_vec();
        names.sort();
        names
    };
    sorted(a) == sorted(b)
}

/// The fields of the Certificate's specification that a request does not fit.
///
/// # Errors
/// [`PkiError`] when the CSR cannot be read.
pub fn request_violations(
    request: &CertificateRequestSpec,
    spec: &CertificateSpec,
) -> Result<Vec<&'static str>, PkiError> {
    let csr = self::request(request.request.as_slice())?;
    let wanted = Names::of_certificate(spec);
    let mut violations = Vec::new();
    let mut check = |fits: bool, field| {
        if !fits {
            violations.push(field);
        }
    };
    check(csr.names.common_name == wanted.common_name, "spec.commonName");
    check(same_set(&csr.names.dns, &wanted.dns), "spec.dnsNames");
    check(same_set(&csr.names.ips, &wanted.ips), "spec.ipAddresses");
    check(same_set(&csr.names.uris, &wanted.uris), "spec.uris");
    check(same_set(&csr.names.emails, &wanted.emails), "spec.emailAddresses");
    check(request.is_ca == spec.is_ca, "spec.isCA");
    check(request.usages == spec.usages, "spec.usages");
    check(request.duration == spec.duration, "spec.duration");
    check(request.issuer_ref == spec.issuer_ref, "spec.issuerRef");
    Ok(violations)
}

/// The fields of the specification that an issued certificate does not fit: every wanted name must be among
/// its names (a CA may add some, and may move the common name).
pub fn certificate_violations(leaf: &Leaf, spec: &CertificateSpec) -> Vec<&'static str> {
    let mut have = leaf.names.dns.clone();
    have.push(leaf.names.common_name.clone());
    let mut wanted = spec.dns_names.clone();
    wanted.push(spec.common_name.clone());
    wanted.retain(|name| !name.is_empty());
    let mut violations = Vec::new();
    if !spec.common_name.is_empty() && !have.contains(&spec.common_name) {
        violations.push("spec.commonName");
    }
    if wanted.iter().any(|name| !have.contains(name)) && violations.is_empty() {
        violations.push("spec.dnsNames");
    }
    if !same_set(&leaf.names.ips, &spec.ip_addresses) {
        violations.push("spec.ipAddresses");
    }
    if !same_set(&leaf.names.uris, &spec.uris) {
        violations.push("spec.uris");
    }
    violations
}

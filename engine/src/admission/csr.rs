//! The CSR of a CertificateRequest, held against what the request says beside it.

use world::keys::SectionKind;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer;

use crate::api::{CertificateRequestSpec, FieldError, KeyUsage, Rules, defaults};
use crate::pki::usages::{self, BITS};

/// Texts longer than this are cut in an error.
const SHOWN: usize = 100;

/// What is wrong with the CSR: it cannot be read, or it names other usages or another kind of certificate.
pub(super) fn check(spec: &CertificateRequestSpec, rules: &Rules) -> Option<FieldError> {
    if spec.request.is_empty() {
        // Validation has said so.
        return None;
    }
    let why = match read(spec.request.as_slice()) {
        Err(why) => format!("{}{why}", rules.unreadable_request),
        Ok(asked) => mismatch(&asked, spec)?,
    };
    let mut shown = String::from_utf8_lossy(spec.request.as_slice()).into_owned();
    if shown.len() > SHOWN {
        let mut end = SHOWN - 3;
        while !shown.is_char_boundary(end) {
            end -= 1;
        }
        shown.truncate(end);
        shown.push_str("...");
    }
    let message = format!("Invalid value: {shown:?}: {why}");
    Some(FieldError { path: "spec.request".to_owned(), message })
}

/// What a CSR says about the certificate besides its names; what it does not say is absent.
#[derive(Default)]
struct Asked {
    is_ca: Option<bool>,
    usages: Option<Vec<KeyUsage>>,
    extended: Option<Vec<KeyUsage>>,
}

fn read(pem: &[u8]) -> Result<Asked, String> {
    let found = world::keys::pem_sections(pem, SectionKind::Csr);
    let der = found.into_iter().next().ok_or("error decoding certificate request PEM block")?;
    let (_, csr) = X509CertificationRequest::from_der(&der).map_err(|error| error.to_string())?;
    let mut asked = Asked::default();
    for extension in csr.requested_extensions().into_iter().flatten() {
        match extension {
            ParsedExtension::BasicConstraints(constraints) => asked.is_ca = Some(constraints.ca),
            ParsedExtension::KeyUsage(usage) => {
                asked.usages = Some(usages::of_bits(usage.flags).collect());
            }
            ParsedExtension::ExtendedKeyUsage(usage) => {
                let set = [
                    (usage.any, KeyUsage::Any),
                    (usage.server_auth, KeyUsage::ServerAuth),
                    (usage.client_auth, KeyUsage::ClientAuth),
                    (usage.code_signing, KeyUsage::CodeSigning),
                    (usage.email_protection, KeyUsage::EmailProtection),
                    (usage.time_stamping, KeyUsage::Timestamping),
                    (usage.ocsp_signing, KeyUsage::OcspSigning),
                ];
                asked.extended = Some(set.iter().filter(|(set, _)| *set).map(|(_, usage)| *usage).collect());
            }
            _ => {}
        }
    }
    Ok(asked)
}

/// The usages that a request names, as bits and as the rest; without any, the two of a TLS server.
fn expected(spec: &CertificateRequestSpec) -> (Vec<KeyUsage>, Vec<KeyUsage>) {
    let named: &[KeyUsage] = if spec.usages.is_empty() { &defaults::KEY_USAGES } else { &spec.usages };
    let one_name = |usage: &KeyUsage| match usage {
        KeyUsage::Signing => KeyUsage::DigitalSignature,
        KeyUsage::SMime => KeyUsage::EmailProtection,
        usage => *usage,
    };
    let named: Vec<KeyUsage> = named.iter().map(one_name).collect();
    let wanted = |usage: &KeyUsage| named.contains(usage) || (spec.is_ca && *usage == KeyUsage::CertSign);
    let bits = BITS.iter().copied().filter(wanted).collect();
    let mut extended: Vec<KeyUsage> = named.into_iter().filter(|usage| !BITS.contains(usage)).collect();
    extended.sort_unstable();
    extended.dedup();
    (bits, extended)
}

fn mismatch(asked: &Asked, spec: &CertificateRequestSpec) -> Option<String> {
    if let Some(is_ca) = asked.is_ca
        && is_ca != spec.is_ca
    {
        return Some(format!("encoded CSR error: IsCA {is_ca} does not match expected value {}", spec.is_ca));
    }
    if asked.usages.is_none() && asked.extended.is_none() {
        return None;
    }
    let (bits, extended) = expected(spec);
    let asked_bits = asked.usages.clone().unwrap_or_default();
    if asked_bits != bits {
        let (asked, expected) = (list(&asked_bits), list(&bits));
        return Some(format!(
            "encoded CSR error: the KeyUsages {asked} do not match the expected KeyUsages {expected}"
        ));
    }
    let mut asked_extended = asked.extended.clone().unwrap_or_default();
    asked_extended.sort_unstable();
    // The usages that have no name in X.509's own list cannot be read back here.
    let readable = |usage: &KeyUsage| {
        !matches!(
            usage,
            KeyUsage::IpsecEndSystem
                | KeyUsage::IpsecTunnel
                | KeyUsage::IpsecUser
                | KeyUsage::MicrosoftSgc
                | KeyUsage::NetscapeSgc
        )
    };
    let extended: Vec<KeyUsage> = extended.into_iter().filter(readable).collect();
    (asked_extended != extended).then(|| {
        let (asked, expected) = (list(&asked_extended), list(&extended));
        format!(
            "encoded CSR error: the ExtKeyUsages {asked} do not match the expected ExtKeyUsages {expected}"
        )
    })
}

fn list(usages: &[KeyUsage]) -> String {
    usages::list(usages.iter().map(|usage| usage.as_str()))
}

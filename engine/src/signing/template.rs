//! From a request to a certificate: what goes in, and the signature.

use std::time::Duration;

use world::keys::{SectionKind, pem_encode, pem_sections};
use world::{KeyAlgorithm, PrivateKey, PublicKey, Timestamp};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::cri_attributes::ParsedCriAttribute;
use x509_parser::prelude::FromDer as _;

use super::chain::read;
use super::der::{BOOLEAN, OID, SEQUENCE, bits, element, extension, named_bits, nest, time, unsigned};
use super::usages::Usages;
use crate::api::{CertificateRequestSpec, defaults};
use crate::pki::PkiError;

// Contents of the identifiers of extensions (RFC 5280).
const SUBJECT_KEY_ID: &[u8] = &[0x55, 0x1d, 0x0e];
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
const NAME_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x1e];
const CRL_DISTRIBUTION_POINTS: &[u8] = &[0x55, 0x1d, 0x1f];
const AUTHORITY_KEY_ID: &[u8] = &[0x55, 0x1d, 0x23];
const EXT_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];
const AUTHORITY_INFO_ACCESS: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 1, 1];
const OCSP: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 48, 1];
const CA_ISSUERS: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 48, 2];

/// A name without any part.
const EMPTY_NAME: &[u8] = &[0x30, 0x00];

/// AlgorithmIdentifiers of the signatures that keys make here.
fn signature_algorithm(key: KeyAlgorithm) -> &'static [u8] {
    match key {
        KeyAlgorithm::Rsa(_) => &[0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11, 5, 0],
        KeyAlgorithm::EcdsaP256 => &[0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2],
        KeyAlgorithm::EcdsaP384 => &[0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3],
        KeyAlgorithm::EcdsaP521 => &[0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4],
        KeyAlgorithm::Ed25519 => &[0x30, 5, 6, 3, 0x2b, 0x65, 0x70],
    }
}

/// What goes into a certificate, up to its serial number, times and issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    /// The subject, as the request has it.
    subject: Vec<u8>,
    /// The key that is certified.
    pub(crate) public_key: PublicKey,
    alt_names: Option<Vec<u8>>,
    /// Whether they are critical, and what they are.
    name_constraints: Option<(bool, Vec<u8>)>,
    usages: Usages,
    is_ca: bool,
    duration: Duration,
    /// URLs of revocation lists.
    pub(crate) crl_distribution_points: Vec<String>,
    /// URLs of OCSP servers.
    pub(crate) ocsp_servers: Vec<String>,
    /// URLs of the issuer's certificate.
    pub(crate) issuing_certificate_urls: Vec<String>,
}

/// Who signs: what goes into the certificate of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Authority {
    subject: Vec<u8>,
    key_id: Option<Vec<u8>>,
    /// Whether it says that it is a CA.
    pub(crate) is_ca: bool,
}

impl Authority {
    /// The subject of a CA's certificate (DER).
    ///
    /// # Errors
    /// [`PkiError`] when it cannot be read.
    pub(crate) fn of_certificate(der: &[u8]) -> Result<Self, PkiError> {
        let certificate = read(der)?;
        let key_id = certificate.extensions().iter().find_map(|e| match e.parsed_extension() {
            x509_parser::extensions::ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
            _ => None,
        });
        Ok(Authority {
            subject: certificate.subject().as_raw().to_vec(),
            key_id,
            is_ca: certificate.basic_constraints().ok().flatten().is_some_and(|b| b.value.ca),
        })
    }
}

impl Template {
    /// The template of a request. With `compare`, usages and basic constraints that the CSR itself names must be
    /// those of the request (1.13 on), and the CSR's name constraints are taken over.
    ///
    /// # Errors
    /// [`PkiError`] in the release's words.
    pub(crate) fn of_request(spec: &CertificateRequestSpec, compare: bool) -> Result<Self, PkiError> {
        let failed = |e: &dyn std::fmt::Display| PkiError(e.to_string());
        let none =
            if compare { "error decoding certificate request PEM block" } else { "failed to decode csr" };
        let found = pem_sections(spec.request.as_slice(), SectionKind::Csr).into_iter().next();
        let der = found.ok_or_else(|| failed(&none))?;
        let (_, csr) = X509CertificationRequest::from_der(&der).map_err(|e| failed(&e))?;
        let info = &csr.certification_request_info;
        let public_key = PublicKey::from_spki(info.subject_pki.raw).map_err(|e| failed(&e))?;
        let algorithm = csr.signature_algorithm.algorithm.to_id_string();
        let verified = public_key.verify_x509(&algorithm, info.raw, &csr.signature_value.data);
        verified.map_err(|e| failed(&format!("x509: {e}")))?;
        let usages = Usages::of_request(&spec.usages, spec.is_ca);
        let mut template = Template {
            subject: info.subject.as_raw().to_vec(),
            public_key,
            alt_names: None,
            name_constraints: None,
            usages: usages.clone(),
            is_ca: spec.is_ca,
            duration: spec.duration.map_or(defaults::CERTIFICATE_DURATION, |d| d.0),
            crl_distribution_points: Vec::new(),
            ocsp_servers: Vec::new(),
            issuing_certificate_urls: Vec::new(),
        };
        let (mut named, mut names_usages) = (Usages::default(), false);
        for attribute in info.iter_attributes() {
            let ParsedCriAttribute::ExtensionRequest(asked) = attribute.parsed_attribute() else { continue };
            for wanted in &asked.extensions {
                let (id, value) = (wanted.oid.as_bytes(), wanted.value);
                if id == SUBJECT_ALT_NAME {
                    template.alt_names = Some(value.to_vec());
                } else if id == NAME_CONSTRAINTS && compare {
                    template.name_constraints = Some((wanted.critical, value.to_vec()));
                } else if id == KEY_USAGE {
                    named.take_bits(value);
                    names_usages = true;
                } else if id == EXT_KEY_USAGE {
                    named.take_extended(value);
                    names_usages = true;
                } else if id == BASIC_CONSTRAINTS && compare {
                    let parsed = x509_parser::extensions::BasicConstraints::from_der(value);
                    let is_ca = parsed.is_ok_and(|(_, constraints)| constraints.ca);
                    if is_ca != spec.is_ca {
                        return Err(PkiError(format!(
                            "encoded CSR error: IsCA {is_ca} does not match expected value {}",
                            spec.is_ca
                        )));
                    }
                }
            }
        }
        if compare && names_usages {
            compare_usages(&named, &usages)?;
        }
        Ok(template)
    }

    /// Whether the subject has no part at all.
    pub(crate) fn has_empty_subject(&self) -> bool {
        self.subject == EMPTY_NAME
    }

    /// The certificate, signed by itself, PEM.
    pub(crate) fn self_signed(&self, serial: [u8; 16], now: Timestamp, key: &PrivateKey) -> String {
        let itself = Authority { subject: self.subject.clone(), key_id: None, is_ca: self.is_ca };
        pem_encode("CERTIFICATE", &self.signed(serial, now, &itself, key))
    }

    /// The certificate, signed by `authority` with its `key`, DER.
    pub(crate) fn signed(
        &self,
        serial: [u8; 16],
        now: Timestamp,
        authority: &Authority,
        key: &PrivateKey,
    ) -> Vec<u8> {
        let algorithm = signature_algorithm(key.algorithm()).to_vec();
        let version = element(0xa0, &unsigned(&[2]));
        let validity = nest(SEQUENCE, &[time(now), time(now + self.duration)]);
        let to_be_signed = nest(
            SEQUENCE,
            &[
                version,
                unsigned(&serial),
                algorithm.clone(),
                authority.subject.clone(),
                validity,
                self.subject.clone(),
                self.public_key.spki(),
                element(0xa3, &nest(SEQUENCE, &self.extensions(authority))),
            ],
        );
        let signature = bits(&key.sign(&to_be_signed));
        nest(SEQUENCE, &[to_be_signed, algorithm, signature])
    }

    /// In Go's order.
    fn extensions(&self, authority: &Authority) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        if self.usages.bits != 0 {
            out.push(extension(KEY_USAGE, true, &named_bits(self.usages.bits)));
        }
        if !self.usages.extended.is_empty() {
            let ids: Vec<_> = self.usages.extended.iter().map(|id| element(OID, id)).collect();
            out.push(extension(EXT_KEY_USAGE, false, &nest(SEQUENCE, &ids)));
        }
        let ca = if self.is_ca { vec![element(BOOLEAN, &[0xff])] } else { Vec::new() };
        out.push(extension(BASIC_CONSTRAINTS, true, &nest(SEQUENCE, &ca)));
        if self.is_ca {
            // RFC 7093, method 1, which newer releases of Go use instead of SHA-1.
            let key_id = &world::sha256(self.public_key.key_bytes())[..20];
            out.push(extension(SUBJECT_KEY_ID, false, &element(super::der::OCTET_STRING, key_id)));
        }
        if let Some(key_id) = authority.key_id.as_ref().filter(|_| authority.subject != self.subject) {
            let named = element(0x80, key_id);
            out.push(extension(AUTHORITY_KEY_ID, false, &element(SEQUENCE, &named)));
        }
        let access = |method, urls: &[String]| {
            let one = |url: &String| nest(SEQUENCE, &[element(OID, method), element(0x86, url.as_bytes())]);
            urls.iter().map(one).collect::<Vec<_>>()
        };
        let info =
            [access(OCSP, &self.ocsp_servers), access(CA_ISSUERS, &self.issuing_certificate_urls)].concat();
        if !info.is_empty() {
            out.push(extension(AUTHORITY_INFO_ACCESS, false, &nest(SEQUENCE, &info)));
        }
        if let Some((critical, constraints)) = &self.name_constraints {
            out.push(extension(NAME_CONSTRAINTS, *critical, constraints));
        }
        if !self.crl_distribution_points.is_empty() {
            let point = |url: &String| {
                let name = element(0x86, url.as_bytes());
                element(SEQUENCE, &element(0xa0, &element(0xa0, &name)))
            };
            let points: Vec<_> = self.crl_distribution_points.iter().map(point).collect();
            out.push(extension(CRL_DISTRIBUTION_POINTS, false, &nest(SEQUENCE, &points)));
        }
        if let Some(names) = &self.alt_names {
            out.push(extension(SUBJECT_ALT_NAME, self.has_empty_subject(), names));
        }
        out
    }
}

fn compare_usages(named: &Usages, wanted: &Usages) -> Result<(), PkiError> {
    if named.bits != wanted.bits {
        return Err(PkiError(format!(
            "encoded CSR error: the KeyUsages {} do not match the expected KeyUsages {}",
            named.bits_text(),
            wanted.bits_text()
        )));
    }
    if named.extended != wanted.extended {
        return Err(PkiError(format!(
            "encoded CSR error: the ExtKeyUsages {} do not match the expected ExtKeyUsages {}",
            named.extended_text(),
            wanted.extended_text()
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests;

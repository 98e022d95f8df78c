//! Leaves: what a certificate says of the one who has ordered it.

use world::{Timestamp, hex};

use super::csr::Csr;
use super::hierarchy::{Hierarchy, SERIAL_BYTES};
use super::x509::{self, Extensions, ToBeSigned, usage};
use super::{CaError, sct};
use crate::config::{Config, Usage};
use crate::issuance::Plan;
use crate::policy::Identifier;

/// First byte of every serial number, as each of Boulder's signing servers has one.
const SERIAL_PREFIX: u8 = 3;
/// Longest common name (RFC 5280 appendix A.1).
const COMMON_NAME_MAX: usize = 64;

/// A certificate that was just signed.
#[derive(Clone, Debug)]
pub struct Signed {
    /// Serial number, hexadecimal.
    pub serial: String,
    /// DER.
    pub leaf: Vec<u8>,
    /// Which of the hierarchy's issuers has signed it.
    pub issuer: u16,
    /// Start of validity.
    pub not_before: Timestamp,
    /// End of validity, inclusive.
    pub not_after: Timestamp,
}

impl Hierarchy {
    /// Signs a certificate with the key of `csr` for what is planned.
    ///
    /// # Errors
    /// When a name cannot be in a certificate, or nobody signs for such a key.
    pub fn sign(&self, config: &Config, plan: &Plan, csr: &Csr) -> Result<Signed, CaError> {
        let not_before = plan.not_before.unwrap_or_else(|| config.valid_from(plan.at));
        let not_after = plan.not_after.unwrap_or_else(|| plan.terms.valid_until(not_before));
        let random = self.draw();
        let issuer = self.choose(csr.key.algorithm(), &random)?;
        let serial = serial(config.dialect.table().serial_bytes, &random);
        let authority = &self.authorities[self.issuers[usize::from(issuer)].authority];
        let key = authority.key.as_ref();
        let key = key.ok_or_else(|| CaError::Certificate("the issuer has no key".to_owned()))?;

        let common_name = if plan.terms.common_name { common_name(plan, csr) } else { None };
        let subject = x509::name("", "", common_name.as_deref().unwrap_or_default());
        let mut extensions = Extensions::default();
        let encipherment = csr.key.is_rsa() && plan.terms.key_encipherment;
        let usages = [usage::DIGITAL_SIGNATURE, usage::KEY_ENCIPHERMENT];
        extensions.key_usage(&usages[..1 + usize::from(encipherment)]);
        let usages = [Usage::ServerAuth, Usage::ClientAuth];
        extensions.extended_key_usage(&usages[..1 + usize::from(plan.terms.client_auth)]);
        extensions.no_authority();
        if plan.terms.subject_key_id {
            extensions.subject_key_id(&x509::key_id(csr.key.public()));
        }
        extensions.authority_key_id(&authority.key_id);
        let issuer_url = self.issuer_url(issuer).unwrap_or_default();
        extensions.info_access(self.ocsp_url(), &issuer_url);
        extensions.alt_names(&plan.identifiers, common_name.is_none())?;
        if config.policies {
            extensions.domain_validated();
        }
        if let (Some(url), true) = (self.crl_url(issuer, self.shard(&serial)), plan.terms.crl_url) {
            extensions.crl_point(&url);
        }
        if csr.must_staple {
            extensions.tls_feature();
        }
        let to_be_signed = ToBeSigned {
            serial: &serial,
            issuer: &authority.subject,
            not_before,
            not_after,
            subject: &subject,
            key: csr.key.spki(),
        };
        let mut der = to_be_signed.to_der(key.algorithm(), &extensions);
        if !self.logs.is_empty() {
            sct::add(&mut extensions, &self.logs, &der, &authority.public, plan.at);
            der = to_be_signed.to_der(key.algorithm(), &extensions);
        }
        let leaf = x509::signed(key, &der)?;
        Ok(Signed { serial: hex(&serial), leaf, issuer, not_before, not_after })
    }
}

/// The name that the request has asked for if it is one of the order, or else the first that is short
/// enough.
fn common_name(plan: &Plan, csr: &Csr) -> Option<String> {
    let short = |name: &str| name.len() <= COMMON_NAME_MAX;
    let ordered = |name: &str| plan.identifiers.iter().any(|identifier| identifier.value() == name);
    let asked = csr.common_name.as_deref().filter(|name| short(name) && ordered(name));
    asked.map(str::to_owned).or_else(|| {
        let mut names = plan.identifiers.iter().map(Identifier::value);
        names.find(|name| short(name)).map(std::borrow::Cow::into_owned)
    })
}

/// A serial number of so many bytes: 8 are a positive number with all of its digits.
fn serial(bytes: usize, random: &[u8; SERIAL_BYTES]) -> Vec<u8> {
    match bytes {
        8 => {
            let mut serial = random[..8].to_vec();
            serial[0] = serial[0] & 0x3f | 0x40;
            serial
        }
        _ => [&[SERIAL_PREFIX][..], random].concat(),
    }
}

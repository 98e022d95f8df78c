//! The certificate authority proper: its hierarchy, and the making of certificates.

pub mod csr;

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyUsagePurpose, SanType, SerialNumber,
};
use world::keys::pem_encode;
use world::{KeyAlgorithm, PrivateKey, Rng, Timestamp, World, hex};

use crate::config::{Config, HierarchyNames};
use crate::issuance::Plan;
use crate::policy::Identifier;
use csr::Csr;

/// A hierarchy or a certificate could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// A name or a time that no certificate can have.
    #[error("certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// A key could not be made.
    #[error(transparent)]
    Key(#[from] world::keys::KeyError),
    /// The configuration cannot be used.
    #[error("configuration: {0}")]
    Config(String),
    /// A socket could not be bound.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The HTTPS identity could not be used.
    #[error(transparent)]
    Tls(#[from] world::tls::BadTls),
}

/// Life of roots and intermediates.
const AUTHORITY_LIFE: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
/// First byte of every serial number, as each of Boulder's signing servers has one.
const SERIAL_PREFIX: u8 = 3;
/// Random bytes of a serial number.
const SERIAL_BYTES: usize = 17;
/// Longest common name (RFC 5280 appendix A.1).
const COMMON_NAME_MAX: usize = 64;

/// certificatePolicies with the domain-validated policy of the CA/Browser Forum, 2.23.140.1.2.1.
const POLICIES_OID: &[u64] = &[2, 5, 29, 32];
const POLICIES_DV: &[u8] = &[0x30, 0x0a, 0x30, 0x08, 0x06, 0x06, 0x67, 0x81, 0x0c, 0x01, 0x02, 0x01];

/// The TLS feature extension (RFC 7633) with status_request: must-staple.
const TLS_FEATURE_OID: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 1, 24];
const STATUS_REQUEST: &[u8] = &[0x30, 0x03, 0x02, 0x01, 0x05];

/// The root, the intermediate, and the key that signs.
pub struct Hierarchy {
    root: Vec<u8>,
    intermediate: Vec<u8>,
    issuer: Issuer<'static, PrivateKey>,
    serials: Rng,
}

impl std::fmt::Debug for Hierarchy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hierarchy")
    }
}

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
    /// Makes keys and certificates of a hierarchy with these names.
    ///
    /// # Errors
    /// When a name cannot be in a certificate.
    pub fn new(world: &World, names: &HierarchyNames) -> Result<Self, CaError> {
        let label = |part: &str| format!("mock-ca {} {part}", world.host());
        let (start, end) = authority_validity(world.now());
        let serials = world.rng(&label("serials"));
        let authority = |name: &str, organization: &str, path: BasicConstraints| {
            let mut params = CertificateParams::default();
            params.not_before = start.to_offset_date_time();
            params.not_after = end.to_offset_date_time();
            params.serial_number = Some(SerialNumber::from_slice(&positive(serials.bytes::<16>())));
            params.is_ca = IsCa::Ca(path);
            params.key_usages = vec![
                KeyUsagePurpose::DigitalSignature,
                KeyUsagePurpose::KeyCertSign,
                KeyUsagePurpose::CrlSign,
            ];
            params.distinguished_name = DistinguishedName::new();
            params.distinguished_name.push(DnType::CountryName, "US");
            params.distinguished_name.push(DnType::OrganizationName, organization);
            params.distinguished_name.push(DnType::CommonName, name);
            params
        };
        let root_key = world.keys(&label("root key")).generate(KeyAlgorithm::EcdsaP256)?;
        let key = world.keys(&label("intermediate key")).generate(KeyAlgorithm::EcdsaP256)?;
        let root_params = authority(&names.root, &names.root_organization, BasicConstraints::Unconstrained);
        let root = root_params.self_signed(&root_key)?;
        let mut params = authority(
            &names.intermediate,
            &names.intermediate_organization,
            BasicConstraints::Constrained(0),
        );
        params.use_authority_key_identifier_extension = true;
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let intermediate = params.signed_by(&key, &Issuer::from_params(&root_params, &root_key))?;
        Ok(Hierarchy {
            root: root.der().to_vec(),
            intermediate: intermediate.der().to_vec(),
            issuer: Issuer::new(params, key),
            serials,
        })
    }

    /// The root, DER.
    pub fn root(&self) -> &[u8] {
        &self.root
    }

    /// The intermediate, DER.
    pub fn intermediate(&self) -> &[u8] {
        &self.intermediate
    }

    /// How many chains there are from a certificate of this issuer to a root.
    pub fn chains(&self, issuer: u16) -> usize {
        usize::from(issuer == 0)
    }

    /// The certificate and its intermediates, PEM, parted by an empty line as in Let's Encrypt's answers.
    pub fn chain_pem(&self, leaf: &[u8], issuer: u16, chain: usize) -> Option<String> {
        (chain < self.chains(issuer)).then(|| {
            [pem_encode("CERTIFICATE", leaf), pem_encode("CERTIFICATE", &self.intermediate)].join("\n")
        })
    }

    /// Signs a certificate with the key of `csr` for what is planned.
    ///
    /// # Errors
    /// When a name or a time cannot be in a certificate.
    pub fn sign(&self, config: &Config, plan: &Plan, csr: &Csr) -> Result<Signed, CaError> {
        let not_before = plan.not_before.unwrap_or_else(|| plan.at.truncate_to_secs() - config.backdate);
        let not_after = not_before + plan.terms.validity - Duration::from_secs(1);
        let not_after = plan.not_after.unwrap_or(not_after);
        let random = self.serials.bytes::<SERIAL_BYTES>();
        let serial = match config.dialect.table().serial_bytes {
            // Positive, and with all digits.
            8 => vec![
                random[0] & 0x3f | 0x40,
                random[1],
                random[2],
                random[3],
                random[4],
                random[5],
                random[6],
                random[7],
            ],
            _ => [&[SERIAL_PREFIX][..], &random].concat(),
        };
        let mut params = CertificateParams::default();
        params.not_before = not_before.to_offset_date_time();
        params.not_after = not_after.to_offset_date_time();
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        if csr.key.is_rsa() && plan.terms.key_encipherment {
            params.key_usages.push(KeyUsagePurpose::KeyEncipherment);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        if plan.terms.client_auth {
            params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
        }
        params.custom_extensions =
            vec![CustomExtension::from_oid_content(POLICIES_OID, POLICIES_DV.to_vec())];
        if csr.must_staple {
            params
                .custom_extensions
                .push(CustomExtension::from_oid_content(TLS_FEATURE_OID, STATUS_REQUEST.to_vec()));
        }
        for identifier in &plan.identifiers {
            params.subject_alt_names.push(match identifier {
                Identifier::Dns(name) => SanType::DnsName(name.as_str().try_into()?),
                Identifier::Ip(ip) => SanType::IpAddress(*ip),
            });
        }
        params.distinguished_name = DistinguishedName::new();
        let names = plan.identifiers.iter().map(Identifier::value);
        let first_short = names.into_iter().find(|name| name.len() <= COMMON_NAME_MAX);
        let common_name = csr.common_name.as_deref().or(first_short.as_deref());
        if let (Some(name), true) = (common_name, plan.terms.common_name) {
            params.distinguished_name.push(DnType::CommonName, name);
        }
        let leaf = params.signed_by(&csr.key, &self.issuer)?.der().to_vec();
        Ok(Signed { serial: hex(&serial), leaf, issuer: 0, not_before, not_after })
    }
}

/// A serial number's first bit says that it is positive, and it must not be zero.
fn positive(mut bytes: [u8; 16]) -> [u8; 16] {
    bytes[0] = (bytes[0] & 0x7f) | 1;
    bytes
}

/// From a day ago, though not from before 1970, which verifiers cannot count.
fn authority_validity(now: Timestamp) -> (Timestamp, Timestamp) {
    let start = (now.truncate_to_secs() - Duration::from_secs(24 * 3600)).max(Timestamp::UNIX_EPOCH);
    (start, start + AUTHORITY_LIFE)
}

/// The CA's own HTTPS identity: a root of its own, and a certificate for its host.
#[derive(Debug)]
pub struct WebIdentity {
    /// The root, DER.
    pub root: Vec<u8>,
    /// The certificate, DER.
    pub leaf: Vec<u8>,
    /// Its key.
    pub key: PrivateKey,
}

impl WebIdentity {
    /// Makes an identity for `host`, a name or an address.
    ///
    /// # Errors
    /// When the host cannot be in a certificate.
    pub fn new(world: &World, host: &str) -> Result<Self, CaError> {
        let label = |part: &str| format!("mock-ca {} web {part}", world.host());
        let (start, end) = authority_validity(world.now());
        let serials = world.rng(&label("serials"));
        let params = |names: Vec<String>, common_name: &str| -> Result<CertificateParams, CaError> {
            let mut params = CertificateParams::new(names)?;
            params.not_before = start.to_offset_date_time();
            params.not_after = end.to_offset_date_time();
            params.serial_number = Some(SerialNumber::from_slice(&positive(serials.bytes::<16>())));
            params.distinguished_name = DistinguishedName::new();
            params.distinguished_name.push(DnType::CommonName, common_name);
            Ok(params)
        };
        let root_key = world.keys(&label("root key")).generate(KeyAlgorithm::EcdsaP256)?;
        let mut root_params = params(Vec::new(), "mock-ca web root")?;
        root_params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        root_params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let root = root_params.self_signed(&root_key)?;
        let key = world.keys(&label("key")).generate(KeyAlgorithm::EcdsaP256)?;
        let mut leaf_params = params(web_names(host), host)?;
        leaf_params.use_authority_key_identifier_extension = true;
        leaf_params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf_params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let leaf = leaf_params.signed_by(&key, &Issuer::from_params(&root_params, &root_key))?;
        Ok(WebIdentity { root: root.der().to_vec(), leaf: leaf.der().to_vec(), key })
    }
}

/// A server on the loopback interface is called by any of its names.
fn web_names(host: &str) -> Vec<String> {
    const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
    let mut names = vec![host.to_owned()];
    let is_loopback = host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if is_loopback || host == LOOPBACK[0] {
        names.extend(LOOPBACK.iter().filter(|name| **name != host).map(|name| (*name).to_owned()));
    }
    names
}

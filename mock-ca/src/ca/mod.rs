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
    /// The certificate and its intermediates, PEM.
    pub chain_pem: String,
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

    /// Signs a certificate with the key of `csr` for `names`.
    ///
    /// # Errors
    /// When a name or a time cannot be in a certificate.
    pub fn sign(
        &self,
        config: &Config,
        csr: &Csr,
        names: &[String],
        now: Timestamp,
    ) -> Result<Signed, CaError> {
        let not_before = now.truncate_to_secs() - config.backdate;
        let not_after = not_before + config.validity - Duration::from_secs(1);
        let serial = [&[SERIAL_PREFIX][..], &self.serials.bytes::<SERIAL_BYTES>()].concat();
        let mut params = CertificateParams::default();
        params.not_before = not_before.to_offset_date_time();
        params.not_after = not_after.to_offset_date_time();
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        if csr.key.rsa_modulus.is_some() {
            params.key_usages.push(KeyUsagePurpose::KeyEncipherment);
        }
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.custom_extensions =
            vec![CustomExtension::from_oid_content(POLICIES_OID, POLICIES_DV.to_vec())];
        for name in names {
            params.subject_alt_names.push(SanType::DnsName(name.as_str().try_into()?));
        }
        params.distinguished_name = DistinguishedName::new();
        let first_short = names.iter().find(|name| name.len() <= COMMON_NAME_MAX);
        if let Some(name) = csr.common_name.as_ref().or(first_short) {
            params.distinguished_name.push(DnType::CommonName, name.as_str());
        }
        let leaf = params.signed_by(&csr.key, &self.issuer)?.der().to_vec();
        // Certificates are parted by an empty line, as in Let's Encrypt's answers.
        let chain_pem =
            [pem_encode("CERTIFICATE", &leaf), pem_encode("CERTIFICATE", &self.intermediate)].join("\n");
        Ok(Signed { serial: hex(&serial), leaf, chain_pem, not_before, not_after })
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

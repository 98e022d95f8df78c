//! A root and an issuing CA below it, from the world's keys.

use std::net::IpAddr;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType, IsCa, Issuer,
    KeyUsagePurpose, SanType, SerialNumber,
};
use world::keys::{SectionKind, finish_x509, pem_encode, pem_sections};
use world::tls::Identity;
use world::{KeyAlgorithm, PrivateKey, Rng, Timestamp, World};

/// What cannot be signed or made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AuthorityError(pub String);

fn failed(what: impl std::fmt::Display) -> AuthorityError {
    AuthorityError(what.to_string())
}

/// Lifetime of the two CA certificates.
const CA_LIFETIME: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
const KEYS: KeyAlgorithm = KeyAlgorithm::EcdsaP256;

/// A two-level authority.
pub struct Authority {
    world: World,
    root: Vec<u8>,
    issuing: Vec<u8>,
    issuer: Issuer<'static, PrivateKey>,
    serials: Rng,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authority")
    }
}

fn validity(params: &mut CertificateParams, from: Timestamp, lifetime: Duration) {
    params.not_before = from.to_offset_date_time();
    params.not_after = (from + lifetime).to_offset_date_time();
}

fn ca(name: &str, now: Timestamp, serial: u64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.serial_number = Some(SerialNumber::from(serial));
    validity(&mut params, now, CA_LIFETIME);
    params
}

impl Authority {
    /// An authority called `name`; its keys are those of the world under this name.
    ///
    /// # Errors
    /// [`AuthorityError`] when a certificate cannot be made.
    pub fn new(world: &World, name: &str) -> Result<Self, AuthorityError> {
        let key = |which: &str| world.keys(&format!("{name} {which}")).generate(KEYS).map_err(failed);
        let (root_key, issuing_key) = (key("root")?, key("issuing")?);
        let now = world.now();
        let root_params = ca(&format!("{name} Root"), now, 1);
        let root = root_params.self_signed(&root_key).map_err(failed)?.der().to_vec();
        let parent = Issuer::new(root_params, root_key);
        let issuing_params = ca(&format!("{name} Issuing"), now, 2);
        let issuing = issuing_params.signed_by(&issuing_key, &parent).map_err(failed)?.der().to_vec();
        Ok(Authority {
            world: world.clone(),
            root: finish_x509(root, KEYS),
            issuing: finish_x509(issuing, KEYS),
            issuer: Issuer::new(issuing_params, issuing_key),
            serials: world.rng(&format!("{name} serial numbers")),
        })
    }

    /// The root, PEM.
    pub fn root_pem(&self) -> String {
        pem_encode("CERTIFICATE", &self.root)
    }

    /// The issuing CA, PEM.
    pub fn issuing_pem(&self) -> String {
        pem_encode("CERTIFICATE", &self.issuing)
    }

    /// Signs a request (PEM) for a lifetime from now. Returns the leaf, PEM.
    ///
    /// # Errors
    /// [`AuthorityError`] when it is no request that can be signed.
    pub fn sign(&self, csr: &[u8], lifetime: Duration) -> Result<String, AuthorityError> {
        let der = pem_sections(csr, SectionKind::Csr).into_iter().next();
        let der = der.ok_or_else(|| failed("csr contains no data"))?;
        let mut request = CertificateSigningRequestParams::from_der(&der.into()).map_err(failed)?;
        validity(&mut request.params, self.world.now(), lifetime);
        request.params.serial_number = Some(SerialNumber::from(self.serials.bytes::<16>().to_vec()));
        let signed = request.signed_by(&self.issuer).map_err(failed)?;
        Ok(pem_encode("CERTIFICATE", &finish_x509(signed.der().to_vec(), KEYS)))
    }

    /// What a server at this name or address shows to its clients; they must trust [`Authority::root_pem`].
    ///
    /// # Errors
    /// [`AuthorityError`] for a name that is none.
    pub fn identity(&self, name: &str, ip: Option<IpAddr>) -> Result<Identity, AuthorityError> {
        let key = self.world.keys(&format!("web server {name}")).generate(KEYS).map_err(failed)?;
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::DnsName(name.try_into().map_err(failed)?)];
        params.subject_alt_names.extend(ip.map(SanType::IpAddress));
        params.serial_number = Some(SerialNumber::from(3));
        validity(&mut params, self.world.now(), CA_LIFETIME);
        let leaf = params.signed_by(&key, &self.issuer).map_err(failed)?.der().to_vec();
        Ok(Identity::new(&self.world, vec![leaf, self.issuing.clone()], &key))
    }
}

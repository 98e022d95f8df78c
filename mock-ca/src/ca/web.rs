//! The CA's own HTTPS identity: a root of its own, and a certificate for its host.

use std::net::IpAddr;

use world::{KeyAlgorithm, PrivateKey, World};

use super::authority::{life, positive};
use super::x509::{self, Extensions, ToBeSigned, usage};
use super::{CaError, Der};
use crate::config::Usage;
use crate::policy::{DnsName, Identifier};

/// A certificate with its root and its key.
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
        let serials = world.rng(&label("serials"));
        let (not_before, not_after) = life(world.now());
        let root_name = x509::name("", "", "mock-ca web root");
        let root_key = world.keys(&label("root key")).generate(KeyAlgorithm::EcdsaP256)?;
        let key = world.keys(&label("key")).generate(KeyAlgorithm::EcdsaP256)?;
        let certificate = |subject: &[u8], key: &PrivateKey, extensions: &Extensions| {
            let to_be_signed = ToBeSigned {
                serial: &positive(serials.bytes()),
                issuer: &root_name,
                not_before,
                not_after,
                subject,
                key: &key.public().spki(),
            };
            x509::signed(&root_key, &to_be_signed.to_der(root_key.algorithm(), extensions))
        };

        let mut extensions = Extensions::default();
        extensions.key_usage(&[usage::KEY_CERT_SIGN, usage::CRL_SIGN]);
        extensions.authority(None);
        extensions.subject_key_id(&x509::key_id(root_key.public()));
        let root = certificate(&root_name, &root_key, &extensions)?;

        let mut extensions = Extensions::default();
        extensions.key_usage(&[usage::DIGITAL_SIGNATURE]);
        extensions.extended_key_usage(&[Usage::ServerAuth]);
        extensions.authority_key_id(&x509::key_id(root_key.public()));
        extensions.alt_names(&web_names(host), false)?;
        let leaf = certificate(&x509::name("", "", host), &key, &extensions)?;
        Ok(WebIdentity { root, leaf, key })
    }

    /// All that makes it, to be kept: root, certificate and private key.
    pub(crate) fn to_state(&self) -> [Der; 3] {
        [Der(self.root.clone()), Der(self.leaf.clone()), Der(self.key.to_pkcs8())]
    }

    /// The one that [`WebIdentity::to_state`] was asked of.
    ///
    /// # Errors
    /// When its key cannot be read.
    pub(crate) fn from_state(world: &World, state: &[Der; 3]) -> Result<Self, CaError> {
        let [Der(root), Der(leaf), Der(key)] = state;
        let key = world.keys("state").adopt(PrivateKey::from_pkcs8(key)?);
        Ok(WebIdentity { root: root.clone(), leaf: leaf.clone(), key })
    }
}

/// A server on the loopback interface is called by any of its names.
fn web_names(host: &str) -> Vec<Identifier> {
    const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
    let mut names = vec![host];
    let is_loopback = host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if is_loopback || host == LOOPBACK[0] {
        names.extend(LOOPBACK.iter().filter(|name| **name != host));
    }
    let identifier = |name: &str| match name.parse() {
        Ok(ip) => Identifier::Ip(ip),
        Err(_) => Identifier::Dns(DnsName::unchecked(name)),
    };
    names.into_iter().map(identifier).collect()
}

//! The clients of the ready issuers, by issuer: filled by the issuer controllers, used by orders and
//! challenges.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use world::http::{Client as HttpClient, ClientLimits};
use world::keys::SectionKind;
use world::resolver::Resolver;
use world::tls::{BadTls, Connector};
use world::{PrivateKey, World};

use super::call::CallLimits;
use super::client::AcmeClient;
use crate::api::{AcmeIssuer, ObjectKey, ObjectReference};
use crate::compat::Compat;
use crate::controller::SyncError;

/// What a client takes from an ACME server: nothing that it reads is larger than a chain of certificates, and the
/// times are those of the release.
const HTTP_LIMITS: ClientLimits = ClientLimits {
    body: 6 * 1024 * 1024,
    dial: Some(Duration::from_secs(30)),
    handshake: Some(Duration::from_secs(10)),
};

/// How clients reach their servers.
#[derive(Clone, Debug, Default)]
pub struct ClientConfig {
    /// Nameservers of the process.
    pub nameservers: Vec<SocketAddr>,
    /// Addresses of names that no nameserver is asked for (a machine's file of hosts).
    pub hosts: BTreeMap<String, Vec<IpAddr>>,
    /// Trusted roots for TLS, DER.
    pub roots: Vec<Vec<u8>>,
}

/// The registry. Clones share it.
#[derive(Clone, Debug)]
pub struct AcmeClients {
    world: World,
    tls: Connector,
    resolver: Resolver,
    user_agent: &'static str,
    acme_user_agent: String,
    limits: CallLimits,
    ca_bundle: bool,
    clients: Arc<Mutex<BTreeMap<(String, ObjectKey), AcmeClient>>>,
}

impl AcmeClients {
    /// An empty registry.
    ///
    /// # Errors
    /// [`BadTls`] when a root is no certificate.
    pub fn new(world: &World, config: &ClientConfig, compat: &Compat) -> Result<Self, BadTls> {
        Ok(AcmeClients {
            world: world.clone(),
            tls: Connector::new(world, &config.roots)?,
            resolver: Resolver::new(world, config.nameservers.clone()).with_hosts(config.hosts.clone()),
            user_agent: compat.user_agent,
            acme_user_agent: format!("{} {}", compat.user_agent, compat.acme_package).trim_end().to_owned(),
            limits: CallLimits::of(compat),
            ca_bundle: compat.features.ca_bundle,
            clients: Arc::default(),
        })
    }

    /// The resolver of the process.
    pub fn resolver(&self) -> Resolver {
        self.resolver.clone()
    }

    /// An HTTP client of the process that trusts what ACME clients do.
    pub(crate) fn http(&self) -> HttpClient {
        self.http_over(self.tls.clone())
    }

    fn http_over(&self, tls: Connector) -> HttpClient {
        HttpClient::new(&self.world, self.resolver()).with_tls(tls).with_user_agent(self.user_agent)
    }

    /// A client for an issuer's server that nobody else has yet.
    ///
    /// # Errors
    /// [`BadTls`] when a certificate of its `caBundle` cannot be a root.
    pub fn make(&self, issuer: &AcmeIssuer, key: PrivateKey) -> Result<AcmeClient, BadTls> {
        let http = self.http_over(self.connector(issuer)?).with_limits(HTTP_LIMITS);
        let http = http.with_user_agent(&self.acme_user_agent);
        Ok(AcmeClient::new(&self.world, http, &issuer.server, key, self.limits))
    }

    /// Whom an issuer's client trusts: everybody (`skipTLSVerify`), its `caBundle` alone, or the process's roots, also
    /// when there is no certificate in the bundle.
    fn connector(&self, issuer: &AcmeIssuer) -> Result<Connector, BadTls> {
        if issuer.skip_tls_verify {
            return Connector::unverified(&self.world);
        }
        let bundle = if self.ca_bundle { issuer.ca_bundle.as_slice() } else { &[] };
        let roots = world::keys::pem_sections(bundle, SectionKind::Certificate);
        if roots.is_empty() { Ok(self.tls.clone()) } else { Connector::new(&self.world, &roots) }
    }

    /// Registers the client of an issuer.
    pub fn register(&self, kind: &str, issuer: &ObjectKey, client: AcmeClient) {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.insert((kind.to_owned(), issuer.clone()), client);
    }

    /// Takes the client of an issuer away.
    pub fn forget(&self, kind: &str, issuer: &ObjectKey) -> Option<AcmeClient> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.remove(&(kind.to_owned(), issuer.clone()))
    }

    /// The client of the issuer that an object in `namespace` refers to.
    ///
    /// # Errors
    /// When the issuer has none (yet).
    pub fn get(&self, issuer: &ObjectReference, namespace: &str) -> Result<AcmeClient, SyncError> {
        let kind = issuer.kind_or_default();
        let namespace = if kind == "ClusterIssuer" { "" } else { namespace };
        let key = (kind.to_owned(), ObjectKey::new(namespace, issuer.name.as_str()));
        let clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = || SyncError::other("ACME client for issuer not initialised/available");
        clients.get(&key).cloned().ok_or_else(missing)
    }
}

//! The clients of the ready issuers, by issuer: filled by the issuer controllers, used by orders and
//! challenges.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use world::http::Client as HttpClient;
use world::resolver::Resolver;
use world::tls::{BadTls, Connector};
use world::{PrivateKey, World};

use super::client::AcmeClient;
use crate::api::{ObjectKey, ObjectReference};
use crate::controller::SyncError;

/// How clients reach their servers.
#[derive(Clone, Debug, Default)]
pub struct ClientConfig {
    /// Nameservers of the process.
    pub nameservers: Vec<SocketAddr>,
    /// Trusted roots for TLS, DER.
    pub roots: Vec<Vec<u8>>,
}

/// The registry. Clones share it.
#[derive(Clone, Debug)]
pub struct AcmeClients {
    world: World,
    tls: Connector,
    nameservers: Vec<SocketAddr>,
    user_agent: &'static str,
    limit: Option<Duration>,
    clients: Arc<Mutex<BTreeMap<(String, ObjectKey), AcmeClient>>>,
}

impl AcmeClients {
    /// An empty registry.
    ///
    /// # Errors
    /// [`BadTls`] when a root is no certificate.
    pub fn new(
        world: &World,
        config: &ClientConfig,
        user_agent: &'static str,
        limit: Option<Duration>,
    ) -> Result<Self, BadTls> {
        Ok(AcmeClients {
            world: world.clone(),
            tls: Connector::new(world, &config.roots)?,
            nameservers: config.nameservers.clone(),
            user_agent,
            limit,
            clients: Arc::default(),
        })
    }

    /// The resolver of the process.
    pub fn resolver(&self) -> Resolver {
        Resolver::new(&self.world, self.nameservers.clone())
    }

    /// A client that nobody else has yet.
    pub fn make(&self, directory_url: &str, key: PrivateKey) -> AcmeClient {
        let http = HttpClient::new(&self.world, self.resolver()).with_tls(self.tls.clone());
        let http = http.with_user_agent(self.user_agent);
        AcmeClient::new(&self.world, http, directory_url, key, self.limit)
    }

    /// Registers the client of an issuer.
    pub fn register(&self, kind: &str, issuer: &ObjectKey, client: AcmeClient) {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.insert((kind.to_owned(), issuer.clone()), client);
    }

    /// Takes the client of an issuer away.
    pub fn forget(&self, kind: &str, issuer: &ObjectKey) {
        self.clients
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&(kind.to_owned(), issuer.clone()));
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

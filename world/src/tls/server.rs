//! The server's end: which certificate it shows to whom, and which protocols it speaks.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::SectionKind;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::client::AnyCertificate;
use super::{BadTls, TlsStream, WorldTime, connection_rng, provider, with_rng};
use crate::keys::{PrivateKey, pem_sections};
use crate::net::Stream;
use crate::world::World;

/// Whom a server, or a client that is asked, shows itself as: a chain and its key. Clones share it.
#[derive(Clone)]
pub struct Identity(Arc<CertifiedKey>);

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tls::Identity({} certificates)", self.0.cert.len())
    }
}

impl Identity {
    /// Shows `chain` (DER, leaf first) and signs with `key`. That they belong together is not checked.
    pub fn new(world: &World, chain: Vec<Vec<u8>>, key: &PrivateKey) -> Self {
        let chain = chain.into_iter().map(CertificateDer::from).collect();
        Identity(Arc::new(CertifiedKey::new(chain, signer(world, key))))
    }

    /// What rustls signs with.
    pub(super) fn certified(&self) -> Arc<CertifiedKey> {
        self.0.clone()
    }

    /// Reads the chain (leaf first) and the key (PKCS#1, PKCS#8 or SEC1) from PEM texts.
    ///
    /// # Errors
    /// [`BadTls`] when there is no certificate, no key, or the key is not the leaf's.
    pub fn from_pem(world: &World, chain: &[u8], key: &[u8]) -> Result<Self, BadTls> {
        let chain = pem_sections(chain, SectionKind::Certificate);
        if chain.is_empty() {
            return Err(BadTls::NoCertificate);
        }
        let identity = Identity::new(world, chain, &PrivateKey::from_pem(key)?);
        match identity.0.keys_match() {
            Err(rustls::Error::InconsistentKeys(_)) => Err(BadTls::OtherKey),
            Err(error) => Err(error.into()),
            Ok(()) => Ok(identity),
        }
    }
}

/// The key as handshakes sign with it: in a real world by rustls' own signer, which is fast.
fn signer(world: &World, key: &PrivateKey) -> Arc<dyn rustls::sign::SigningKey> {
    let own: Arc<dyn rustls::sign::SigningKey> = Arc::new(key.clone());
    if world.is_virtual() {
        return own;
    }
    let der = PrivateKeyDer::Pkcs8(key.to_pkcs8().into());
    // It does not know P-521.
    rustls::crypto::ring::sign::any_supported_type(&der).unwrap_or(own)
}

#[derive(Debug)]
struct OneIdentity(Identity);

impl ResolvesServerCert for OneIdentity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.0.clone())
    }
}

struct Resolving<F>(F);

impl<F> fmt::Debug for Resolving<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolving")
    }
}

impl<F> ResolvesServerCert for Resolving<F>
where
    F: Fn(Option<&str>, &[&[u8]]) -> Option<Identity> + Send + Sync,
{
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let protocols: Vec<&[u8]> = hello.alpn().into_iter().flatten().collect();
        (self.0)(hello.server_name(), &protocols).map(|identity| identity.0)
    }
}

/// How a server answers: whom it shows itself as, and which protocols it speaks. Clones share the
/// configuration.
///
/// In real worlds clients may resume their sessions, by tickets. In simulated ones every connection is a
/// whole handshake: tickets would be one more consumer of randomness, for nothing.
#[derive(Clone)]
pub struct Acceptor {
    world: World,
    config: Arc<ServerConfig>,
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tls::Acceptor")
    }
}

impl Acceptor {
    /// Shows `chain` (DER, leaf first) and signs with `key`.
    ///
    /// # Errors
    /// [`BadTls`] when no protocol version can be offered.
    pub fn new(world: &World, chain: Vec<Vec<u8>>, key: &PrivateKey) -> Result<Self, BadTls> {
        Self::with_identity(world, Identity::new(world, chain, key))
    }

    /// As [`Identity::from_pem`].
    ///
    /// # Errors
    /// As [`Identity::from_pem`].
    pub fn from_pem(world: &World, chain: &[u8], key: &[u8]) -> Result<Self, BadTls> {
        Self::with_identity(world, Identity::from_pem(world, chain, key)?)
    }

    /// The same identity for everybody.
    ///
    /// # Errors
    /// [`BadTls`] when no protocol version can be offered.
    pub fn with_identity(world: &World, identity: Identity) -> Result<Self, BadTls> {
        Self::of(world, Arc::new(OneIdentity(identity)), None)
    }

    /// The same identity for everybody, and clients are asked who they are, too. They may show any certificate, or
    /// none: that they have its key is checked, all else is left to who reads [`TlsStream::peer_certificates`].
    ///
    /// # Errors
    /// [`BadTls`] when no protocol version can be offered.
    pub fn asking_clients(world: &World, identity: Identity) -> Result<Self, BadTls> {
        let any = AnyCertificate(provider(world).signature_verification_algorithms);
        Self::of(world, Arc::new(OneIdentity(identity)), Some(any))
    }

    /// Asks `resolve` for each handshake. It is told the name that the client wants (SNI, in lower case;
    /// `None` when it sent none, or an address) and the protocols that it offers (ALPN, in its order).
    /// `None` ends the handshake with an alert.
    ///
    /// # Errors
    /// [`BadTls`] when no protocol version can be offered.
    pub fn resolving<F>(world: &World, resolve: F) -> Result<Self, BadTls>
    where
        F: Fn(Option<&str>, &[&[u8]]) -> Option<Identity> + Send + Sync + 'static,
    {
        Self::of(world, Arc::new(Resolving(resolve)), None)
    }

    fn of(
        world: &World,
        resolver: Arc<dyn ResolvesServerCert>,
        clients: Option<AnyCertificate>,
    ) -> Result<Self, BadTls> {
        let time = Arc::new(WorldTime(world.clone()));
        let builder = ServerConfig::builder_with_details(provider(world), time)
            .with_safe_default_protocol_versions()?;
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(verifier) => builder.with_client_cert_verifier(Arc::new(verifier)),
        };
        let mut config = builder.with_cert_resolver(resolver);
        if world.is_virtual() {
            config.send_tls13_tickets = 0;
        } else {
            config.ticketer = rustls::crypto::ring::Ticketer::new()?;
            // One is enough for a client with one connection at a time; each costs a record.
            config.send_tls13_tickets = 1;
        }
        Ok(Acceptor { world: world.clone(), config: Arc::new(config) })
    }

    /// The application protocols that it speaks, best first (`h2`, `http/1.1`, `acme-tls/1`). A client that
    /// offers others only is refused with the alert `no_application_protocol`; one that offers none is not.
    #[must_use]
    pub fn with_alpn(mut self, protocols: &[&str]) -> Self {
        let config = Arc::make_mut(&mut self.config);
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        self
    }

    /// Answers a handshake on `stream`.
    ///
    /// # Errors
    /// When the handshake fails.
    pub async fn accept(&self, stream: Stream) -> io::Result<TlsStream> {
        let acceptor = tokio_rustls::TlsAcceptor::from(self.config.clone());
        let stream = if self.world.is_virtual() {
            let rng = connection_rng(&self.world, "tls server");
            with_rng(rng, async move { acceptor.accept(stream).await }).await?
        } else {
            acceptor.accept(stream).await?
        };
        Ok(TlsStream(tokio_rustls::TlsStream::Server(stream)))
    }
}

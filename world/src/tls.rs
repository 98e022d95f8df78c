//! TLS over any stream, with randomness from the world.
//!
//! In a simulation every byte of a handshake repeats: rustls gets a provider whose random bytes and X25519
//! shares come from a stream that belongs to the connection's end, and keys that sign deterministically
//! ([`crate::keys`]). **The seeded provider has no security**: it is for simulated worlds only. Real worlds
//! use ring's provider.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    ActiveKeyExchange, CryptoProvider, SecureRandom, SharedSecret, SupportedKxGroup,
    WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, NamedGroup, RootCertStore, ServerConfig, SignatureScheme,
};

use crate::keys::PrivateKey;
use crate::net::Stream;
use crate::rng::Rng;
use crate::world::World;

thread_local! { static STREAM: RefCell<Option<Rng>> = const { RefCell::new(None) }; }

/// Polls its future with `rng` as the randomness of TLS; before and after, the outer one is in place.
pub(crate) struct WithRng<F> {
    rng: Rng,
    future: Pin<Box<F>>,
}

pub(crate) fn with_rng<F: Future>(rng: Rng, future: F) -> WithRng<F> {
    WithRng { rng, future: Box::pin(future) }
}

/// Restores the outer stream, also when the poll panics.
struct Restore(Option<Rng>);

impl Drop for Restore {
    fn drop(&mut self) {
        STREAM.set(self.0.take());
    }
}

impl<F: Future> Future for WithRng<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let _restore = Restore(STREAM.replace(Some(self.rng.clone())));
        self.future.as_mut().poll(cx)
    }
}

fn fill(out: &mut [u8]) -> Result<(), rustls::crypto::GetRandomFailed> {
    STREAM.with_borrow(|stream| match stream {
        Some(rng) => {
            rng.fill(out);
            Ok(())
        }
        None => Err(rustls::crypto::GetRandomFailed),
    })
}

#[derive(Debug)]
struct SeededRandom;

impl SecureRandom for SeededRandom {
    fn fill(&self, out: &mut [u8]) -> Result<(), rustls::crypto::GetRandomFailed> {
        fill(out)
    }
}

#[derive(Debug)]
struct SeededX25519;

struct ActiveX25519(x25519_dalek::StaticSecret, [u8; 32]);

impl SupportedKxGroup for SeededX25519 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let mut secret = [0; 32];
        fill(&mut secret).map_err(|_| Error::FailedToGetRandomBytes)?;
        let secret = x25519_dalek::StaticSecret::from(secret);
        let public = x25519_dalek::PublicKey::from(&secret).to_bytes();
        Ok(Box::new(ActiveX25519(secret, public)))
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

impl ActiveKeyExchange for ActiveX25519 {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        let invalid = || Error::PeerMisbehaved(rustls::PeerMisbehaved::InvalidKeyShare);
        let peer: [u8; 32] = peer.try_into().map_err(|_| invalid())?;
        let shared = self.0.diffie_hellman(&peer.into());
        Ok(SharedSecret::from(&shared.as_bytes()[..]))
    }

    fn pub_key(&self) -> &[u8] {
        &self.1
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

static SEEDED_RANDOM: SeededRandom = SeededRandom;
static SEEDED_X25519: SeededX25519 = SeededX25519;

fn provider(world: &World) -> Arc<CryptoProvider> {
    let ring = rustls::crypto::ring::default_provider();
    Arc::new(if world.is_virtual() {
        CryptoProvider { secure_random: &SEEDED_RANDOM, kx_groups: vec![&SEEDED_X25519], ..ring }
    } else {
        ring
    })
}

struct WorldTime(World);

impl fmt::Debug for WorldTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WorldTime")
    }
}

impl rustls::time_provider::TimeProvider for WorldTime {
    fn current_time(&self) -> Option<UnixTime> {
        let secs = u64::try_from(self.0.now().unix_secs()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(secs)))
    }
}

/// A configuration that cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("TLS configuration: {0}")]
pub struct BadTls(#[from] rustls::Error);

/// Takes every certificate; that the server has the certificate's key is still checked.
#[derive(Debug)]
struct AnyCertificate(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

/// How a client connects: which roots it trusts. Clones share the configuration.
#[derive(Clone)]
pub struct Connector {
    world: World,
    config: Arc<ClientConfig>,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tls::Connector")
    }
}

impl Connector {
    /// Trusts `roots` (DER certificates) and nothing else.
    ///
    /// # Errors
    /// [`BadTls`] when a root is no certificate.
    pub fn new(world: &World, roots: &[Vec<u8>]) -> Result<Self, BadTls> {
        let mut store = RootCertStore::empty();
        for root in roots {
            store.add(CertificateDer::from(root.clone()))?;
        }
        let time = Arc::new(WorldTime(world.clone()));
        let config = ClientConfig::builder_with_details(provider(world), time)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(store)
            .with_no_client_auth();
        Ok(Connector { world: world.clone(), config: Arc::new(config) })
    }

    /// Trusts every certificate, whatever its name, time or issuer; only the handshake's signature must be
    /// by its key. **For domain validation only**, where an ACME server follows redirects to https of hosts
    /// that have no good certificate yet: there is no protection against a man in the middle.
    ///
    /// # Errors
    /// [`BadTls`] when no protocol version can be offered.
    pub fn unverified(world: &World) -> Result<Self, BadTls> {
        let provider = provider(world);
        let verifier = Arc::new(AnyCertificate(provider.signature_verification_algorithms));
        let time = Arc::new(WorldTime(world.clone()));
        let mut config = ClientConfig::builder_with_details(provider, time)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        // Every look at a host is a whole handshake.
        config.resumption = rustls::client::Resumption::disabled();
        Ok(Connector { world: world.clone(), config: Arc::new(config) })
    }

    /// Does the handshake with the server `name` over `stream`.
    ///
    /// # Errors
    /// When the name is none, the handshake fails, or the certificate is not trusted for the name.
    pub async fn connect(&self, name: &str, stream: Stream) -> io::Result<TlsStream> {
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        let connector = tokio_rustls::TlsConnector::from(self.config.clone());
        // rustls builds the ClientHello when `connect` is called: it must be called within the poll.
        let handshake = async move { connector.connect(name, stream).await };
        let rng = connection_rng(&self.world, "tls client");
        let stream = with_rng(rng, handshake).await?;
        Ok(TlsStream(tokio_rustls::TlsStream::Client(stream)))
    }
}

/// The key as handshakes sign with it: in a real world by rustls' own signer, which is fast and knows PSS,
/// which an RSA key needs in TLS 1.3.
fn signer(world: &World, key: &PrivateKey) -> Arc<dyn rustls::sign::SigningKey> {
    let own: Arc<dyn rustls::sign::SigningKey> = Arc::new(key.clone());
    if world.is_virtual() {
        return own;
    }
    let der = PrivateKeyDer::Pkcs8(key.to_pkcs8().into());
    // It does not know P-521.
    rustls::crypto::ring::sign::any_supported_type(&der).unwrap_or(own)
}

/// How a server answers: its chain and key. Clones share the configuration.
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

#[derive(Debug)]
struct OneCertificate(Arc<rustls::sign::CertifiedKey>);

impl rustls::server::ResolvesServerCert for OneCertificate {
    fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<rustls::sign::CertifiedKey>> {
        Some(self.0.clone())
    }
}

impl Acceptor {
    /// Shows `chain` (DER, leaf first) and signs with `key` (ECDSA or Ed25519).
    ///
    /// # Errors
    /// [`BadTls`] when no protocol version can be offered.
    pub fn new(world: &World, chain: Vec<Vec<u8>>, key: &PrivateKey) -> Result<Self, BadTls> {
        let chain = chain.into_iter().map(CertificateDer::from).collect();
        let certified = rustls::sign::CertifiedKey::new(chain, signer(world, key));
        let time = Arc::new(WorldTime(world.clone()));
        let mut config = ServerConfig::builder_with_details(provider(world), time)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(OneCertificate(Arc::new(certified))));
        if world.is_virtual() {
            // Session tickets would be one more consumer of randomness, for nothing.
            config.send_tls13_tickets = 0;
        }
        Ok(Acceptor { world: world.clone(), config: Arc::new(config) })
    }

    /// Answers a handshake on `stream`.
    ///
    /// # Errors
    /// When the handshake fails.
    pub async fn accept(&self, stream: Stream) -> io::Result<TlsStream> {
        let acceptor = tokio_rustls::TlsAcceptor::from(self.config.clone());
        let rng = connection_rng(&self.world, "tls server");
        let stream = with_rng(rng, async move { acceptor.accept(stream).await }).await?;
        Ok(TlsStream(tokio_rustls::TlsStream::Server(stream)))
    }
}

/// A stream of randomness for one end of one connection: by host and moment, so that what other
/// connections draw does not shift it.
fn connection_rng(world: &World, end: &str) -> Rng {
    world.rng(&format!("{end} {} {}", world.host(), world.monotonic().nanos()))
}

/// An established TLS connection.
#[derive(Debug)]
pub struct TlsStream(tokio_rustls::TlsStream<Stream>);

impl tokio::io::AsyncRead for TlsStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl tokio::io::AsyncWrite for TlsStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, data)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

//! TLS over any stream, with randomness from the world.
//!
//! In a simulation every byte of a handshake repeats: rustls gets a provider whose random bytes and X25519
//! shares come from a stream that belongs to the connection's end, and keys that sign deterministically
//! ([`crate::keys`]). **The seeded provider has no security**: it is for simulated worlds only. Real worlds
//! use ring's provider.

mod client;
mod hello;
mod server;

pub use client::{Alert, Connector, DialError, Stage, TlsError, reverse_name};
pub use hello::{Hello, read_hello};
pub use server::{Acceptor, Identity};

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::crypto::{ActiveKeyExchange, CryptoProvider, SecureRandom, SharedSecret, SupportedKxGroup};
use rustls::pki_types::UnixTime;
use rustls::{Error, NamedGroup};

use crate::keys::KeyError;
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
pub enum BadTls {
    /// What rustls does not take.
    #[error("TLS configuration: {0}")]
    Refused(#[from] rustls::Error),
    /// A PEM text without a certificate.
    #[error("no certificate in the PEM text")]
    NoCertificate,
    /// A PEM text without a private key of a known kind.
    #[error("private key: {0}")]
    Key(#[from] KeyError),
    /// The key is not the one that the first certificate is about.
    #[error("the private key does not belong to the first certificate")]
    OtherKey,
}

/// Version of the protocol that both ends agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2.
    V1_2,
    /// TLS 1.3.
    V1_3,
}

/// A stream of randomness for one end of one connection: by host and moment, so that what other
/// connections draw does not shift it.
fn connection_rng(world: &World, end: &str) -> Rng {
    world.rng(&format!("{end} {} {}", world.host(), world.monotonic().nanos()))
}

/// An established TLS connection.
#[derive(Debug)]
pub struct TlsStream(tokio_rustls::TlsStream<Stream>);

impl TlsStream {
    fn common(&self) -> &rustls::CommonState {
        match &self.0 {
            tokio_rustls::TlsStream::Client(stream) => stream.get_ref().1,
            tokio_rustls::TlsStream::Server(stream) => stream.get_ref().1,
        }
    }

    /// The certificates that the peer showed, in DER and in its order; from clients only when they were asked.
    pub fn peer_certificates(&self) -> Vec<&[u8]> {
        self.common().peer_certificates().unwrap_or_default().iter().map(|der| der.as_ref()).collect()
    }

    /// The application protocol that was agreed on (ALPN); `None` when one end spoke of none.
    pub fn alpn(&self) -> Option<&[u8]> {
        self.common().alpn_protocol()
    }

    /// The version that was agreed on.
    pub fn version(&self) -> TlsVersion {
        match self.common().protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_2) => TlsVersion::V1_2,
            _ => TlsVersion::V1_3,
        }
    }

    /// Whether an earlier session was resumed, instead of a whole handshake with a certificate.
    pub fn resumed(&self) -> bool {
        self.common().handshake_kind() == Some(rustls::HandshakeKind::Resumed)
    }

    /// The name that the client asked for (SNI), in lower case; at a client's end `None`.
    pub fn server_name(&self) -> Option<&str> {
        match &self.0 {
            tokio_rustls::TlsStream::Client(_) => None,
            tokio_rustls::TlsStream::Server(stream) => stream.get_ref().1.server_name(),
        }
    }
}

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
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, parts)
    }
    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

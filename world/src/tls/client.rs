//! The client's end: which roots it trusts, which protocols it offers, and why a handshake failed.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::CertifiedKey;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error,
    PeerMisbehaved, RootCertStore, SignatureScheme,
};

use super::{BadTls, Identity, TlsStream, WorldTime, connection_rng, provider, with_rng};
use crate::der::read_tlv;
use crate::keys::PublicKey;
use crate::net::Stream;
use crate::world::World;

/// What a server's alert said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alert(
    /// Its code (RFC 8446 section 6).
    pub u8,
);

impl fmt::Display for Alert {
    /// Its name in the RFC, with blanks: `handshake failure`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = AlertDescription::from(self.0);
        if let AlertDescription::Unknown(code) = known {
            return write!(f, "alert {code}");
        }
        // rustls writes the names as Rust does: HandshakeFailure.
        for (n, c) in format!("{known:?}").chars().enumerate() {
            if n > 0 && c.is_ascii_uppercase() {
                f.write_str(" ")?;
            }
            write!(f, "{}", c.to_ascii_lowercase())?;
        }
        Ok(())
    }
}

/// Why a handshake failed.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The name is neither a host name nor an address.
    #[error("not a server name: {0:?}")]
    Name(String),
    /// The server ended the handshake with this alert.
    #[error("remote error: tls: {0}")]
    Alert(Alert),
    /// The server speaks none of the protocols that were offered (by its alert, or it chose another one).
    #[error("remote error: tls: no application protocol")]
    NoApplicationProtocol,
    /// What the server sent was not taken: its certificate, its signature, or no TLS at all.
    #[error("{0}")]
    Refused(Error),
    /// The connection broke.
    #[error("{0}")]
    Broken(io::Error),
}

impl From<io::Error> for TlsError {
    fn from(error: io::Error) -> Self {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        match inner {
            Some(Error::AlertReceived(AlertDescription::NoApplicationProtocol))
            | Some(Error::PeerMisbehaved(PeerMisbehaved::SelectedUnofferedApplicationProtocol)) => {
                TlsError::NoApplicationProtocol
            }
            Some(Error::AlertReceived(alert)) => TlsError::Alert(Alert((*alert).into())),
            Some(refused) => TlsError::Refused(refused.clone()),
            None => TlsError::Broken(error),
        }
    }
}

/// What a connection was waiting for when its time was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The connection.
    Connect,
    /// The end of the handshake.
    Handshake,
}

/// Why there is no TLS connection to an address.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The address could not be connected to.
    #[error("dial tcp: {0}")]
    Connect(io::Error),
    /// The time was over.
    #[error("{}", match .0 {
        Stage::Connect => "dial tcp: i/o timeout",
        Stage::Handshake => "tls: handshake timeout",
    })]
    Timeout(Stage),
    /// The handshake failed.
    #[error("{0}")]
    Tls(TlsError),
}

/// The name that stands for an address where only a host name can (RFC 8738 section 6):
/// `1.0.0.127.in-addr.arpa`, or nibbles under `ip6.arpa`.
pub fn reverse_name(ip: IpAddr) -> String {
    let mut name = String::new();
    match ip {
        IpAddr::V4(ip) => {
            for octet in ip.octets().iter().rev() {
                name.push_str(&format!("{octet}."));
            }
            name.push_str("in-addr.arpa");
        }
        IpAddr::V6(ip) => {
            for octet in ip.octets().iter().rev() {
                name.push_str(&format!("{:x}.{:x}.", octet & 0xf, octet >> 4));
            }
            name.push_str("ip6.arpa");
        }
    }
    name
}

/// Takes every certificate; that the other end has the certificate's key is still checked.
#[derive(Debug)]
pub(super) struct AnyCertificate(pub(super) WebPkiSupportedAlgorithms);

impl AnyCertificate {
    /// Whether `signed` is by the certificate's key. rustls' own functions read the certificate too, and
    /// refuse one with a critical extension that they do not know: acmeIdentifier of tls-alpn-01 is one.
    fn verify(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
        tls13: bool,
    ) -> Result<HandshakeSignatureValid, Error> {
        let bad = |why| Error::InvalidCertificate(why);
        let spki = subject_public_key_info(certificate).ok_or(bad(CertificateError::BadEncoding))?;
        let good = match signed.scheme {
            // ring cannot verify it: ecdsa-with-SHA512, and the curve that TLS 1.3 binds to it.
            SignatureScheme::ECDSA_NISTP521_SHA512 => PublicKey::from_spki(spki)
                .is_ok_and(|key| key.jws_algorithm() == "ES512" && key.verify(message, signed.signature())),
            _ if tls13 => {
                let spki = SubjectPublicKeyInfoDer::from(spki);
                return verify_tls13_signature_with_raw_key(message, &spki, signed, &self.0);
            }
            scheme => {
                let (id, key) = key_parts(spki).ok_or(bad(CertificateError::BadEncoding))?;
                let fits = |(named, _): &&(SignatureScheme, _)| *named == scheme;
                let algorithms = self.0.mapping.iter().find(fits).map_or(&[][..], |(_, list)| *list);
                algorithms.iter().any(|algorithm| {
                    algorithm.public_key_alg_id().as_ref() == id
                        && algorithm.verify_signature(key, message, signed.signature()).is_ok()
                })
            }
        };
        if good { Ok(HandshakeSignatureValid::assertion()) } else { Err(bad(CertificateError::BadSignature)) }
    }
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const VERSION: u8 = 0xa0;

/// The key of a certificate (RFC 5280 section 4.1), DER.
fn subject_public_key_info<'a>(certificate: &'a CertificateDer<'_>) -> Option<&'a [u8]> {
    let (certificate, _) = read_tlv(certificate, SEQUENCE)?;
    let (body, _) = read_tlv(certificate, SEQUENCE)?;
    let body = read_tlv(body, VERSION).map_or(body, |(_, rest)| rest);
    let (_, mut rest) = read_tlv(body, INTEGER)?;
    // The signature's algorithm, the issuer, the validity, the subject.
    for _ in 0..4 {
        rest = read_tlv(rest, SEQUENCE)?.1;
    }
    let (_, after) = read_tlv(rest, SEQUENCE)?;
    rest.get(..rest.len() - after.len())
}

/// The contents of a key's algorithm identifier, and its bits.
fn key_parts(spki: &[u8]) -> Option<(&[u8], &[u8])> {
    let (contents, _) = read_tlv(spki, SEQUENCE)?;
    let (id, rest) = read_tlv(contents, SEQUENCE)?;
    let (bits, _) = read_tlv(rest, BIT_STRING)?;
    // The first byte says how many bits of the last one are none.
    Some((id, bits.strip_prefix(&[0])?))
}

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
        self.verify(message, certificate, signed, false)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify(message, certificate, signed, true)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes = self.0.supported_schemes();
        schemes.push(SignatureScheme::ECDSA_NISTP521_SHA512);
        schemes
    }
}

/// The certificate of a client, for every server that asks for one, whichever issuers it would like.
#[derive(Debug)]
struct OneCertificate(Identity);

impl ResolvesClientCert for OneCertificate {
    fn resolve(&self, _: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let certified = self.0.certified();
        certified.key.choose_scheme(schemes).map(|_| certified)
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// For a server that asks its clients for a certificate: they need not have one.
impl ClientCertVerifier for AnyCertificate {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify(message, certificate, signed, false)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify(message, certificate, signed, true)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ServerCertVerifier::supported_verify_schemes(self)
    }
}

/// How a client connects: which roots it trusts, which protocols it offers, and whom it shows itself as. Clones share
/// the configuration.
#[derive(Clone)]
pub struct Connector {
    world: World,
    config: Arc<ClientConfig>,
    /// The name in every handshake, in place of the one that is connected to.
    server_name: Option<Arc<str>>,
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
        Ok(Connector { world: world.clone(), config: Arc::new(config), server_name: None })
    }

    /// Trusts every certificate, whatever its name, time or issuer; only the handshake's signature must be
    /// by its key. **For domain validation only**, where an ACME server follows redirects to https of hosts
    /// that have no good certificate yet, or looks at the certificate itself (tls-alpn-01): there is no
    /// protection against a man in the middle.
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
        Ok(Connector { world: world.clone(), config: Arc::new(config), server_name: None })
    }

    /// Shows itself as `identity` to servers that ask who it is.
    #[must_use]
    pub fn with_identity(mut self, identity: Identity) -> Self {
        let config = Arc::make_mut(&mut self.config);
        config.client_auth_cert_resolver = Arc::new(OneCertificate(identity));
        // A session that began without it, or with another one, is not gone on with.
        config.resumption = rustls::client::Resumption::disabled();
        self
    }

    /// Asks every server for this name, and wants its certificate to have it, whatever name was connected to.
    #[must_use]
    pub fn with_server_name(mut self, name: &str) -> Self {
        self.server_name = Some(name.into());
        self
    }

    fn name(&self, connected: &str) -> Result<ServerName<'static>, String> {
        let name = self.server_name.as_deref().unwrap_or(connected);
        ServerName::try_from(name.to_owned()).map_err(|_| name.to_owned())
    }

    /// The application protocols that it offers, best first. A server may still choose none: see
    /// [`TlsStream::alpn`].
    #[must_use]
    pub fn with_alpn(mut self, protocols: &[&str]) -> Self {
        let config = Arc::make_mut(&mut self.config);
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        self
    }

    /// Does the handshake with the server `name` over `stream`.
    ///
    /// # Errors
    /// When the name is none, the handshake fails, or the certificate is not trusted for the name.
    pub async fn connect(&self, name: &str, stream: Stream) -> io::Result<TlsStream> {
        let name = self.name(name).map_err(|name| io::Error::other(TlsError::Name(name)))?;
        self.handshake_as(name, stream).await
    }

    /// As [`Connector::connect`], with errors that tell whose fault it was.
    ///
    /// # Errors
    /// [`TlsError`].
    pub async fn handshake(&self, name: &str, stream: Stream) -> Result<TlsStream, TlsError> {
        let name = self.name(name).map_err(TlsError::Name)?;
        Ok(self.handshake_as(name, stream).await?)
    }

    /// Connects to `to` and does the handshake with the server `name` ([`reverse_name`] of an address where
    /// RFC 8738 wants that), both within `limit`.
    ///
    /// # Errors
    /// [`DialError`].
    pub async fn dial(&self, to: SocketAddr, name: &str, limit: Duration) -> Result<TlsStream, DialError> {
        let due = self.world.monotonic() + limit;
        let connected = self.world.timeout(limit, self.world.connect(to)).await;
        let stream = connected.map_err(|_| DialError::Timeout(Stage::Connect))?;
        let stream = stream.map_err(DialError::Connect)?;
        let left = due.since(self.world.monotonic());
        let done = self.world.timeout(left, self.handshake(name, stream)).await;
        done.map_err(|_| DialError::Timeout(Stage::Handshake))?.map_err(DialError::Tls)
    }

    async fn handshake_as(&self, name: ServerName<'static>, stream: Stream) -> io::Result<TlsStream> {
        let connector = tokio_rustls::TlsConnector::from(self.config.clone());
        // rustls builds the ClientHello when `connect` is called: it must be called within the poll.
        let handshake = async move { connector.connect(name, stream).await };
        let rng = connection_rng(&self.world, "tls client");
        let stream = with_rng(rng, handshake).await?;
        Ok(TlsStream(tokio_rustls::TlsStream::Client(stream)))
    }
}

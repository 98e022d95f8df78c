//! One kept-alive connection to a server: TCP, TLS where the scheme says so, HTTP/1.1 or HTTP/2.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::failure::Failure;
use crate::target::{BadUrl, Origin};

/// Which HTTP a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1, one request at a time.
    Http1,
    /// HTTP/2.
    Http2,
}

/// Which HTTPS certificates of the server are good.
#[derive(Clone, Debug)]
pub enum Trust {
    /// Every one; the handshake's signature is checked all the same.
    Any,
    /// Those below the roots that this system trusts.
    System,
    /// Those below these roots, each in DER.
    Roots(Vec<CertificateDer<'static>>),
}

impl Trust {
    /// The roots of a PEM text; `None` when there is no certificate in it, or one that cannot be read.
    pub fn pem(text: &[u8]) -> Option<Self> {
        let roots: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
        roots.ok().filter(|roots| !roots.is_empty()).map(Trust::Roots)
    }
}

/// How to connect.
#[derive(Clone)]
pub(crate) struct Dialer {
    tls: TlsConnector,
    protocol: Protocol,
}

/// Where to connect to, and how.
#[derive(Clone)]
struct Endpoint {
    dialer: Dialer,
    at: Origin,
    /// `scheme://host:port`, as the server writes it.
    origin: String,
}

/// Takes every certificate.
#[derive(Debug)]
struct TrustAny(Arc<CryptoProvider>);

impl ServerCertVerifier for TrustAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

fn client_config(trust: &Trust, protocol: Protocol) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
    let mut config = match trust {
        Trust::Any => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(TrustAny(provider)))
            .with_no_client_auth(),
        Trust::System => {
            let mut roots = RootCertStore::empty();
            // Systems have some that no longer follow the rules; those are trusted by nobody.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err(rustls::Error::General("this system has no trusted roots".to_owned()));
            }
            builder.with_root_certificates(roots).with_no_client_auth()
        }
        Trust::Roots(given) => {
            let mut roots = RootCertStore::empty();
            for root in given {
                roots.add(root.clone())?;
            }
            builder.with_root_certificates(roots).with_no_client_auth()
        }
    };
    config.alpn_protocols = match protocol {
        Protocol::Http1 => vec![b"http/1.1".to_vec()],
        Protocol::Http2 => vec![b"h2".to_vec()],
    };
    Ok(config)
}

impl Dialer {
    /// Fails for roots that are no certificates.
    pub(crate) fn new(trust: &Trust, protocol: Protocol) -> Result<Self, Failure> {
        let config = client_config(trust, protocol).map_err(|e| Failure::Client(e.to_string()))?;
        Ok(Dialer { tls: TlsConnector::from(Arc::new(config)), protocol })
    }
}

impl Endpoint {
    /// What is spoken: HTTP/2 needs TLS to be agreed upon.
    fn protocol(&self) -> Protocol {
        if self.at.tls { self.dialer.protocol } else { Protocol::Http1 }
    }

    async fn connect(&self) -> Result<Sender, Failure> {
        let failed = |action| move |e: std::io::Error| broken(action, e);
        let Origin { tls, host, port } = &self.at;
        let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(failed("connect"))?;
        stream.set_nodelay(true).map_err(failed("connect"))?;
        if !tls {
            return shake_http1(stream).await;
        }
        let name = ServerName::try_from(host.clone()).map_err(|e| broken("TLS", e))?;
        let stream = self.dialer.tls.connect(name, stream).await.map_err(failed("TLS"))?;
        match self.protocol() {
            Protocol::Http1 => shake_http1(stream).await,
            Protocol::Http2 => shake_http2(stream).await,
        }
    }
}

fn broken(action: &'static str, error: impl std::error::Error) -> Failure {
    let mut detail = error.to_string();
    let mut below = error.source();
    while let Some(source) = below {
        detail = format!("{detail}: {source}");
        below = source.source();
    }
    Failure::Connection { action, detail }
}

async fn shake_http1<S>(stream: S) -> Result<Sender, Failure>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|e| broken("connect", e))?;
    // Its error comes out of the request that it is about.
    tokio::spawn(async move { connection.await.unwrap_or_default() });
    Ok(Sender::Http1(sender))
}

async fn shake_http2<S>(stream: S) -> Result<Sender, Failure>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    let shaken = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (sender, connection) = shaken.map_err(|e| broken("connect", e))?;
    tokio::spawn(async move { connection.await.unwrap_or_default() });
    Ok(Sender::Http2(sender))
}

enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// A header, when it is there and is text.
    pub(crate) fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// A connection that is made when it is first needed, and made anew after it broke.
pub(crate) struct Connection {
    endpoint: Endpoint,
    sender: Option<Sender>,
    deadline: Duration,
    /// How many were made.
    pub(crate) made: u64,
    /// Requests sent.
    pub(crate) requests: u64,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("origin", &self.endpoint.origin).finish_non_exhaustive()
    }
}

const USER_AGENT: &str = concat!("rehearse-load/", env!("CARGO_PKG_VERSION"));

impl Connection {
    /// To `scheme://host:port`. Every request has `deadline` to be answered, connecting included.
    pub(crate) fn new(dialer: &Dialer, origin: &str, deadline: Duration) -> Result<Self, BadUrl> {
        let at = Origin::parse(origin)?;
        let endpoint = Endpoint { dialer: dialer.clone(), at, origin: origin.to_owned() };
        Ok(Connection { endpoint, sender: None, deadline, made: 0, requests: 0 })
    }

    pub(crate) fn origin(&self) -> &str {
        &self.endpoint.origin
    }

    /// Sends a request for `path` and reads its answer. `name` is the request's kind in failures.
    pub(crate) async fn send(
        &mut self,
        name: &'static str,
        method: Method,
        path: &str,
        content: Option<(&'static str, Vec<u8>)>,
    ) -> Result<Answer, Failure> {
        let within = self.deadline;
        let outcome = match tokio::time::timeout(within, self.exchange(method, path, content)).await {
            Err(_) => Err(Failure::Hang { request: name, within }),
            Ok(outcome) => outcome,
        };
        if outcome.is_err() {
            self.sender = None;
        }
        outcome
    }

    async fn exchange(
        &mut self,
        method: Method,
        path: &str,
        content: Option<(&'static str, Vec<u8>)>,
    ) -> Result<Answer, Failure> {
        let mut sender = match self.sender.take() {
            Some(sender) => sender,
            None => {
                self.made += 1;
                self.endpoint.connect().await?
            }
        };
        let mut request = Request::builder().method(method).header(header::USER_AGENT, USER_AGENT);
        let (kind, body) = content.unzip();
        if let Some(kind) = kind {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        let origin = &self.endpoint.origin;
        request = match &sender {
            // The origin form, and the Host that HTTP/2 has in its URI.
            Sender::Http1(_) => {
                let host = origin.split_once("//").map_or("", |(_, host)| host);
                request.uri(path).header(header::HOST, host)
            }
            Sender::Http2(_) => request.uri(format!("{origin}{path}")),
        };
        let request = request
            .body(Full::new(Bytes::from(body.unwrap_or_default())))
            .map_err(|e| Failure::Client(format!("{path}: {e}")))?;
        self.requests += 1;
        let response = match &mut sender {
            Sender::Http1(sender) => {
                sender.ready().await.map_err(|e| broken("send", e))?;
                sender.send_request(request).await
            }
            Sender::Http2(sender) => {
                sender.ready().await.map_err(|e| broken("send", e))?;
                sender.send_request(request).await
            }
        };
        let (head, body) = response.map_err(|e| broken("answer", e))?.into_parts();
        let body = body.collect().await.map_err(|e| broken("body", e))?.to_bytes();
        self.sender = Some(sender);
        Ok(Answer { status: head.status, headers: head.headers, body })
    }
}

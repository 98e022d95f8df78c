//! http-01 and tls-alpn-01 answered by this process.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::{ChallengeType, Proof, PublishError};
use crate::client::Failure;

/// Where CAs ask for a token (RFC 8555 section 8.3).
const PREFIX: &str = "/.well-known/acme-challenge/";
/// What a validator speaks (RFC 8737 section 6.2).
const PROTOCOL: &[u8] = b"acme-tls/1";
/// How long one connection of a validator may take.
const CONNECTION_MAX: Duration = Duration::from_secs(10);
/// Pause after a connection that could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

type Shown<T> = Arc<Mutex<BTreeMap<String, T>>>;

fn lock<T>(shown: &Mutex<T>) -> MutexGuard<'_, T> {
    shown.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is shown.
enum Shows {
    /// Key authorizations by token.
    Http01(Shown<String>),
    /// Certificates by name, all with one key.
    TlsAlpn01 { certificates: Shown<Arc<CertifiedKey>>, provider: Arc<CryptoProvider>, key: Box<KeyPair> },
}

/// A server for one type of challenge, which ends with this.
pub(crate) struct Listener {
    shows: Shows,
    task: JoinHandle<()>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").finish_non_exhaustive()
    }
}

/// Certificates by the name that a validator asks for; nothing for who speaks anything but `acme-tls/1`.
#[derive(Debug)]
struct Resolver(Shown<Arc<CertifiedKey>>);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let mut protocols = hello.alpn()?;
        if protocols.next() != Some(PROTOCOL) || protocols.next().is_some() {
            return None;
        }
        lock(&self.0).get(hello.server_name()?).cloned()
    }
}

impl Listener {
    pub(super) async fn start(at: SocketAddr, challenge: ChallengeType) -> Result<Self, PublishError> {
        let failed = |source| PublishError::Listen { challenge, at, source };
        let other = |e: &dyn std::error::Error| failed(std::io::Error::other(e.to_string()));
        let listener = TcpListener::bind(at).await.map_err(failed)?;
        match challenge {
            ChallengeType::Dns01 => Err(PublishError::Unable { challenge, with: "a listener" }),
            ChallengeType::Http01 => {
                let tokens: Shown<String> = Arc::default();
                let task = tokio::spawn(serve_http(listener, tokens.clone()));
                Ok(Listener { shows: Shows::Http01(tokens), task })
            }
            ChallengeType::TlsAlpn01 => {
                let certificates: Shown<Arc<CertifiedKey>> = Arc::default();
                let provider = Arc::new(rustls::crypto::ring::default_provider());
                let mut config = ServerConfig::builder_with_provider(provider.clone())
                    .with_safe_default_protocol_versions()
                    .map_err(|e| other(&e))?
                    .with_no_client_auth()
                    .with_cert_resolver(Arc::new(Resolver(certificates.clone())));
                config.alpn_protocols = vec![PROTOCOL.to_vec()];
                let key = Box::new(KeyPair::generate().map_err(|e| other(&e))?);
                let task = tokio::spawn(serve_tls(listener, TlsAcceptor::from(Arc::new(config))));
                Ok(Listener { shows: Shows::TlsAlpn01 { certificates, provider, key }, task })
            }
        }
    }

    pub(super) fn present(&self, proof: &Proof) -> Result<(), Failure> {
        match &self.shows {
            Shows::Http01(tokens) => {
                lock(tokens).insert(proof.token.clone(), proof.key_authorization.clone());
            }
            Shows::TlsAlpn01 { certificates, provider, key } => {
                let certificate = certificate(proof, key, provider)?;
                lock(certificates).insert(proof.name.clone(), Arc::new(certificate));
            }
        }
        Ok(())
    }

    pub(super) fn clean_up(&self, proof: &Proof) {
        match &self.shows {
            Shows::Http01(tokens) => drop(lock(tokens).remove(&proof.token)),
            Shows::TlsAlpn01 { certificates, .. } => drop(lock(certificates).remove(&proof.name)),
        }
    }
}

/// The certificate of RFC 8737 section 3: the name alone, and the digest of the key authorization.
fn certificate(proof: &Proof, key: &KeyPair, provider: &CryptoProvider) -> Result<CertifiedKey, Failure> {
    let failed = |e: &dyn std::error::Error| Failure::Client(format!("tls-alpn-01 certificate: {e}"));
    let mut params = CertificateParams::new([proof.name.clone()]).map_err(|e| failed(&e))?;
    params.distinguished_name = DistinguishedName::new();
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(proof.digest().as_ref())];
    let certificate = params.self_signed(key).map_err(|e| failed(&e))?;
    let private = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let private = provider.key_provider.load_private_key(private).map_err(|e| failed(&e))?;
    // They are a pair; `from_der` would look, and stumble over the extension, which is critical and means nothing to it.
    Ok(CertifiedKey::new(vec![certificate.der().clone()], private))
}

/// Accepts for as long as there is somebody to serve; one that cannot be accepted is the peer's, or passes.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn serve_http(listener: TcpListener, tokens: Shown<String>) {
    loop {
        let (stream, tokens) = (accept(&listener).await, tokens.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let token = request.uri().path().strip_prefix(PREFIX);
                let found = token.and_then(|token| lock(&tokens).get(token).cloned());
                let (status, body) = match found {
                    Some(key) => (StatusCode::OK, key),
                    None => (StatusCode::NOT_FOUND, "no such challenge here\n".to_owned()),
                };
                let mut response = Response::new(Full::new(Bytes::from(body)));
                *response.status_mut() = status;
                async move { Ok::<_, Infallible>(response) }
            });
            let mut http = hyper::server::conn::http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(CONNECTION_MAX);
            // What goes wrong here the validator tells the order.
            let _ = http.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn serve_tls(listener: TcpListener, acceptor: TlsAcceptor) {
    loop {
        let (stream, acceptor) = (accept(&listener).await, acceptor.clone());
        tokio::spawn(async move {
            let handshake = async {
                // There is nothing to say after it: the validator hangs up when it has seen the certificate.
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    let _ = stream.read(&mut [0; 64]).await;
                }
            };
            let _ = tokio::time::timeout(CONNECTION_MAX, handshake).await;
        });
    }
}

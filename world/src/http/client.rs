//! The client: resolves, connects, keeps connections, reads bodies whole.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::SharedText;
use super::error::{Ends, HttpError, broken_text, tls_text};
use crate::resolver::Resolver;
use crate::tls::Connector;
use crate::world::World;

/// `http` or `https`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scheme {
    /// Plain, port 80.
    Http,
    /// TLS, port 443.
    Https,
}

/// An absolute URL, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// Scheme.
    pub scheme: Scheme,
    /// Host: a name or an address (IPv6 without brackets).
    pub host: String,
    /// Port, the scheme's own when none was written.
    pub port: u16,
    /// Path and query, from the slash.
    pub path: String,
    /// `host` or `host:port` as it was written: the Host header.
    pub authority: String,
}

impl FromStr for Url {
    type Err = HttpError;

    fn from_str(text: &str) -> Result<Self, HttpError> {
        let bad = || HttpError::BadUrl(text.to_owned());
        let uri: http::Uri = text.parse().map_err(|_| bad())?;
        let scheme = match uri.scheme_str() {
            Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            _ => return Err(bad()),
        };
        let authority = uri.authority().ok_or_else(bad)?;
        let default_port = if scheme == Scheme::Http { 80 } else { 443 };
        Ok(Url {
            scheme,
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(default_port),
            path: uri.path_and_query().map_or("/", |p| p.as_str()).to_owned(),
            authority: authority.as_str().to_owned(),
        })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.scheme == Scheme::Http { "http" } else { "https" };
        write!(f, "{scheme}://{}{}", self.authority, self.path)
    }
}

/// A response with its whole body.
#[derive(Clone, Debug)]
pub struct Response {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

impl Response {
    /// A header's value, if it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }
}

/// The head of a response, whose body has not been read. Dropping it closes the connection.
#[derive(Debug)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    body: Incoming,
    longest: usize,
    sender: Sender,
    idle: Option<(Idle, Origin)>,
}

impl Answer {
    /// A header's value, if it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }

    /// Reads the body; the connection is kept then, if the client keeps any.
    ///
    /// # Errors
    /// [`HttpError::TooLong`], or [`HttpError::Broken`] when the connection ends before the body does.
    pub async fn whole(self) -> Result<Response, HttpError> {
        let body = Limited::new(self.body, self.longest).collect().await;
        let body = body.map_err(|error| match error.downcast_ref::<LengthLimitError>() {
            Some(_) => HttpError::TooLong(self.longest),
            None => HttpError::Broken(error.to_string()),
        });
        let body = body?.to_bytes();
        if let Some((idle, origin)) = self.idle {
            let mut idle = idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.entry(origin).or_default().push(self.sender);
        }
        Ok(Response { status: self.status, headers: self.headers, body })
    }
}

/// What one client takes from its servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientLimits {
    /// The longest body, in bytes; a longer one is an error. Default 16 MiB: nothing in this field is as large.
    pub body: usize,
    /// Time for a connection to one address. Default: as long as the network takes.
    pub dial: Option<Duration>,
    /// Time for a TLS handshake. Default: as long as the server takes.
    pub handshake: Option<Duration>,
}

impl Default for ClientLimits {
    fn default() -> Self {
        ClientLimits { body: 16 * 1024 * 1024, dial: None, handshake: None }
    }
}

/// A connection on which a request can be sent.
#[derive(Debug)]
struct Sender {
    requests: SendRequest<Full<Bytes>>,
    ends: Ends,
}

impl Sender {
    async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<hyper::Response<Incoming>, hyper::Error> {
        self.requests.send_request(request).await
    }

    fn broken(&self, error: &hyper::Error) -> HttpError {
        HttpError::Broken(broken_text(error, self.ends))
    }
}

type Origin = (Scheme, String, u16);
type Idle = Arc<Mutex<BTreeMap<Origin, Vec<Sender>>>>;

/// An HTTP client. Clones share their kept connections.
#[derive(Clone)]
pub struct Client {
    world: World,
    resolver: Resolver,
    tls: Option<Connector>,
    idle: Option<Idle>,
    user_agent: Option<SharedText>,
    limits: ClientLimits,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("http::Client")
    }
}

impl Client {
    /// A client that keeps its connections.
    pub fn new(world: &World, resolver: Resolver) -> Self {
        let idle = Some(Arc::default());
        let limits = ClientLimits::default();
        Client { world: world.clone(), resolver, tls: None, idle, user_agent: None, limits }
    }

    /// Other limits than the default ones.
    #[must_use]
    pub fn with_limits(mut self, limits: ClientLimits) -> Self {
        self.limits = limits;
        self
    }

    /// For https URLs.
    #[must_use]
    pub fn with_tls(mut self, tls: Connector) -> Self {
        self.tls = Some(tls);
        self
    }

    /// A new connection for each request, and `Connection: close`.
    #[must_use]
    pub fn without_keep_alive(mut self) -> Self {
        self.idle = None;
        self
    }

    /// The `User-Agent` header.
    #[must_use]
    pub fn with_user_agent(mut self, agent: &str) -> Self {
        self.user_agent = Some(agent.into());
        self
    }

    /// Sends a request and reads the whole response. Redirects are not followed, statuses are no errors.
    ///
    /// # Errors
    /// As [`Client::send`] and [`Answer::whole`].
    pub async fn request(
        &self,
        method: Method,
        url: &Url,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Response, HttpError> {
        self.send(method, url, headers, body).await?.whole().await
    }

    /// Sends a request and reads the head of the response.
    ///
    /// # Errors
    /// [`HttpError`]. A kept connection that the server has closed meanwhile is replaced by a new one; a
    /// request that was lost with its connection is sent again only when its method is idempotent.
    pub async fn send(
        &self,
        method: Method,
        url: &Url,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer, HttpError> {
        let origin = (url.scheme, url.host.clone(), url.port);
        while let Some(mut sender) = self.take_idle(&origin) {
            if sender.requests.ready().await.is_ok() {
                let request = self.build(&method, url, headers, &body)?;
                match sender.send(request).await {
                    Ok(response) => return Ok(self.answer(origin, sender, response)),
                    // It never left, or it may be repeated, as RFC 9110 section 9.2.2 has it.
                    Err(error) if error.is_canceled() => continue,
                    Err(error) if error.is_incomplete_message() && method.is_idempotent() => continue,
                    Err(error) => return Err(sender.broken(&error)),
                }
            }
        }
        let mut sender = self.open(url).await?;
        let request = self.build(&method, url, headers, &body)?;
        let response = sender.send(request).await.map_err(|error| sender.broken(&error))?;
        Ok(self.answer(origin, sender, response))
    }

    /// GET without a body.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub async fn get(&self, url: &Url) -> Result<Response, HttpError> {
        self.request(Method::GET, url, &[], Bytes::new()).await
    }

    fn take_idle(&self, origin: &Origin) -> Option<Sender> {
        let mut idle = self.idle.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        idle.get_mut(origin)?.pop()
    }

    fn build(
        &self,
        method: &Method,
        url: &Url,
        headers: &[(&str, &str)],
        body: &Bytes,
    ) -> Result<Request<Full<Bytes>>, HttpError> {
        let mut builder = Request::builder().method(method).uri(&url.path).header("host", &url.authority);
        if let Some(agent) = &self.user_agent {
            builder = builder.header("user-agent", &**agent);
        }
        if self.idle.is_none() {
            builder = builder.header("connection", "close");
        }
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        builder.body(Full::new(body.clone())).map_err(|e| HttpError::Broken(e.to_string()))
    }

    async fn open(&self, url: &Url) -> Result<Sender, HttpError> {
        let resolved = self.resolver.addresses(&url.host).await;
        let addresses = resolved.map_err(|error| HttpError::Resolve(Box::new(error)))?;
        let mut last = None;
        for ip in addresses {
            let address = SocketAddr::new(ip, url.port);
            let dialled = match self.limits.dial {
                None => self.world.connect(address).await,
                Some(limit) => {
                    let timeout = || Err(io::Error::new(io::ErrorKind::TimedOut, "i/o timeout"));
                    self.world.timeout(limit, self.world.connect(address)).await.unwrap_or_else(|_| timeout())
                }
            };
            match dialled {
                Ok(stream) => {
                    let ends = (stream.local_addr(), address);
                    return match url.scheme {
                        Scheme::Http => self.start(stream, ends).await,
                        Scheme::Https => {
                            let tls = self.tls.as_ref().ok_or(HttpError::NoTls)?;
                            let handshake = tls.connect(&url.host, stream);
                            let shaken = match self.limits.handshake {
                                None => handshake.await,
                                Some(limit) => {
                                    let shaken = self.world.timeout(limit, handshake).await;
                                    shaken.map_err(|_| HttpError::HandshakeTimeout)?
                                }
                            };
                            let failed = |source| HttpError::Tls { text: tls_text(&source, ends), source };
                            self.start(shaken.map_err(failed)?, ends).await
                        }
                    };
                }
                Err(source) => last = Some(HttpError::Dial { address, source }),
            }
        }
        Err(last.unwrap_or_else(|| HttpError::Broken("no address".to_owned())))
    }

    async fn start<S>(&self, stream: S, ends: Ends) -> Result<Sender, HttpError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let opened = handshake(TokioIo::new(stream)).await;
        let (sender, connection) = opened.map_err(|e| HttpError::Broken(e.to_string()))?;
        self.world.spawn("http client connection", async move {
            // Its end, in error or not, shows on the request that was under way.
            drop(connection.await);
        });
        Ok(Sender { requests: sender, ends })
    }

    fn answer(&self, origin: Origin, sender: Sender, response: hyper::Response<Incoming>) -> Answer {
        let (parts, body) = response.into_parts();
        let idle = self.idle.clone().map(|idle| (idle, origin));
        let longest = self.limits.body;
        Answer { status: parts.status, headers: parts.headers, body, longest, sender, idle }
    }
}

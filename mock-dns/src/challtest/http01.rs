//! Challenges http-01 (RFC 8555 section 8.3), over HTTP and, after a redirect, over HTTPS: key
//! authorizations by token, redirects by path, and faults by path.

use std::convert::Infallible;
use std::future::Future as _;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use world::tls::Acceptor;
use world::{Listener, Sleep, World};

use super::bounded::Bounded;
use super::history::HttpEvent;
use super::{ChallTest, lock};

/// Where key authorizations are.
pub(crate) const TOKENS: &str = "/.well-known/acme-challenge/";
/// A connection carries one request, and lives at most this long.
const CONNECTION_MAX: Duration = Duration::from_secs(600);
/// Room for a request's head.
const HEAD_MAX: usize = 16 * 1024;

/// How a path is answered wrongly.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct HttpFault {
    /// With this status.
    pub(crate) status: Option<StatusCode>,
    /// With this body.
    pub(crate) body: Option<String>,
    /// After this long.
    pub(crate) delay: Duration,
    /// With this pause before each byte of the body.
    pub(crate) pause: Duration,
    /// Not at all: the connection is closed.
    pub(crate) drop: bool,
    /// So many times more; without end when not given.
    pub(crate) times: Option<u64>,
}

/// What is answered to whom.
#[derive(Debug)]
pub(crate) struct Web {
    /// Key authorizations by token.
    pub(crate) tokens: Bounded<String, Bytes>,
    /// Targets by path; over HTTP only.
    pub(crate) redirects: Bounded<String, String>,
    /// Faults by path.
    pub(crate) faults: Bounded<String, HttpFault>,
}

impl Web {
    pub(crate) fn new(max: usize) -> Self {
        Web { tokens: Bounded::new(max), redirects: Bounded::new(max), faults: Bounded::new(max) }
    }

    /// The fault that strikes this request, which uses it up by one.
    fn strike(&mut self, path: &str) -> Option<HttpFault> {
        let fault = self.faults.get_mut(path)?;
        let struck = fault.clone();
        if let Some(times) = &mut fault.times {
            *times = times.saturating_sub(1);
            if *times == 0 {
                self.faults.remove(path);
            }
        }
        Some(struck)
    }

    pub(crate) fn clear(&mut self) {
        self.tokens.clear();
        self.redirects.clear();
        self.faults.clear();
    }
}

/// A body that comes at once, or byte by byte.
struct Paced {
    world: World,
    rest: Bytes,
    pause: Duration,
    sleep: Option<Sleep>,
}

impl Body for Paced {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        if self.pause.is_zero() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.rest)))));
        }
        let (world, pause) = (self.world.clone(), self.pause);
        let sleep = self.sleep.get_or_insert_with(|| world.sleep(pause));
        if Pin::new(sleep).poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.sleep = None;
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(1)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

/// The connection is closed without a response.
#[derive(Debug, thiserror::Error)]
#[error("a fault closes the connection")]
struct Dropped;

/// A target as a header: what cannot be in one is escaped.
fn location(target: &str) -> HeaderValue {
    let mut escaped = String::with_capacity(target.len());
    for byte in target.bytes() {
        match byte {
            0x21..=0x7e => escaped.push(char::from(byte)),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    HeaderValue::from_str(&escaped).unwrap_or(HeaderValue::from_static("/"))
}

fn html(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    escaped.replace('"', "&#34;").replace('\'', "&#39;")
}

/// What a request is answered without faults: status, media type, body, and target of a redirect.
struct Plain {
    status: StatusCode,
    media: Option<&'static str>,
    body: Bytes,
    target: Option<HeaderValue>,
}

impl Web {
    fn plain(&self, path: &str, method: &Method, secure: bool) -> Plain {
        let target = if secure { None } else { self.redirects.get(path) };
        if let Some(target) = target {
            let shown = matches!(*method, Method::GET | Method::HEAD);
            let body =
                if shown { format!("<a href=\"{}\">Found</a>.\n\n", html(target)) } else { String::new() };
            return Plain {
                status: StatusCode::FOUND,
                media: shown.then_some("text/html; charset=utf-8"),
                body: body.into(),
                target: Some(location(target)),
            };
        }
        let known = path.strip_prefix(TOKENS).and_then(|token| self.tokens.get(token)).cloned();
        Plain {
            // What is unknown is answered 200 too: suites rely on it.
            status: StatusCode::OK,
            media: known.is_some().then_some("text/plain; charset=utf-8"),
            body: known.unwrap_or_default(),
            target: None,
        }
    }
}

impl ChallTest {
    pub(super) async fn serve_http01(self, listener: Listener, tls: Option<Acceptor>) {
        let serve = |own: ChallTest, stream, from| {
            let tls = tls.clone();
            async move {
                let connection = async {
                    match tls {
                        None => own.http01_connection(stream, from, None).await,
                        Some(tls) => {
                            let Ok(stream) = tls.accept(stream).await else { return };
                            let name = stream.server_name().unwrap_or_default().to_owned();
                            own.http01_connection(stream, from, Some(name)).await;
                        }
                    }
                };
                let _ = own.0.world.timeout(CONNECTION_MAX, connection).await;
            }
        };
        self.serve_connections(listener, "mock-dns http-01", serve).await;
    }

    async fn http01_connection<S>(&self, stream: S, from: SocketAddr, tls: Option<String>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = service_fn(|request| self.http01(request, from, tls.clone()));
        let served = hyper::server::conn::http1::Builder::new()
            .keep_alive(false)
            // As Go writes them: scripts look for `Location:`.
            .title_case_headers(true)
            .auto_date_header(false)
            .max_buf_size(HEAD_MAX)
            .serve_connection(TokioIo::new(stream), service)
            .await;
        // A client that hangs up in the middle of a request is its own affair.
        drop(served);
    }

    async fn http01(
        &self,
        request: Request<Incoming>,
        from: SocketAddr,
        tls: Option<String>,
    ) -> Result<Response<Paced>, Dropped> {
        let world = &self.0.world;
        let at = world.now();
        let path = request.uri().path();
        let (plain, fault) = {
            let mut web = lock(&self.0.web);
            (web.plain(path, request.method(), tls.is_some()), web.strike(path).unwrap_or_default())
        };
        let status = fault.status.unwrap_or(plain.status);
        let text = |name| request.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let host = request.uri().authority().map(|a| a.as_str().to_owned());
        let event = HttpEvent {
            at,
            from: SocketAddr::new(from.ip().to_canonical(), from.port()),
            url: request.uri().to_string(),
            host: host.or_else(|| text(header::HOST)).unwrap_or_default(),
            tls,
            user_agent: text(header::USER_AGENT).unwrap_or_default(),
            status: (!fault.drop).then_some(status.as_u16()),
        };
        lock(&self.0.history).http.push(event);
        if !fault.delay.is_zero() {
            world.sleep(fault.delay).await;
        }
        if fault.drop {
            return Err(Dropped);
        }
        let rest = fault.body.map_or(plain.body, Bytes::from);
        let mut response =
            Response::new(Paced { world: world.clone(), rest, pause: fault.pause, sleep: None });
        *response.status_mut() = status;
        if let Some(media) = plain.media {
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
        }
        if let Some(target) = plain.target.filter(|_| status.is_redirection()) {
            response.headers_mut().insert(header::LOCATION, target);
        }
        Ok(response)
    }
}

//! Serving a router: HTTP/1.1 on every stream, HTTP/2 where TLS agreed on it (ALPN `h2`).
//!
//! h2 itself reads the system's monotonic clock when it counts reset streams. A simulated world's own client
//! speaks HTTP/1.1, so that nothing in a simulated run depends on it.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::routing::future::RouteFuture;
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tower::Service as _;

use super::body::BodyTime;
use super::hyper_timer;
use super::pace::{Pace, PaceTimer, Paced};
use crate::clock::Sleep;
use crate::net::Listener;
use crate::task::{Spawner, TaskGroup};
use crate::tls::Acceptor;
use crate::world::{Instant, World};

/// The address that a request came from: an extension of every request that [`serve`] hands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// The certificates that the client showed (DER, leaf first): an extension of every request that [`serve`] hands on.
/// It is not there without TLS, and when the client was not asked, or has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerCertificates(pub Arc<[Vec<u8>]>);

/// As an extension of a response: it is not sent, and the connection is closed without a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseConnection;

/// What hyper is told so that it closes a connection.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the connection is closed on purpose")]
struct Closed;

/// The protocols that [`serve`] speaks, for [`Acceptor::with_alpn`].
pub const ALPN: [&str; 2] = ["h2", "http/1.1"];

/// What one server allows its clients. The defaults are generous to any client of an ACME server, and bound
/// what a hostile one can hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServeLimits {
    /// Connections at a time; more wait to be accepted. Default 8192.
    pub connections: usize,
    /// From the opening of a connection to the end of its TLS handshake. Default 10 s.
    pub handshake: Duration,
    /// From the first byte of a request to the end of its headers (HTTP/1.1). Default 30 s.
    pub head: Duration,
    /// From the first moment that a request's body is waited for to its end. Default 30 s.
    pub body: Duration,
    /// How long a connection may stay without a request before it is closed. Default 30 s.
    pub idle: Duration,
    /// Size of request line and headers, in bytes; more is answered with 431. Default 64 KiB.
    pub head_bytes: usize,
    /// Requests at a time on an HTTP/2 connection. Default 250.
    pub streams: u32,
}

impl Default for ServeLimits {
    fn default() -> Self {
        ServeLimits {
            connections: 8192,
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(30),
            body: Duration::from_secs(30),
            idle: Duration::from_secs(30),
            head_bytes: 64 * 1024,
            streams: 250,
        }
    }
}

/// Pause after a connection that could not be accepted, so that a lasting error does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves `router` on `listener` with the default [`ServeLimits`]; see [`serve_within`].
pub async fn serve(world: World, listener: Listener, tls: Option<Acceptor>, router: Router) {
    serve_within(world, listener, tls, router, ServeLimits::default()).await;
}

/// Serves `router` on `listener` until the task is dropped, with TLS when an acceptor is given. Each
/// connection is a task of its own: one that fails ends alone, and all end when this future is dropped.
pub async fn serve_within(
    world: World,
    mut listener: Listener,
    tls: Option<Acceptor>,
    router: Router,
    limits: ServeLimits,
) {
    let connections = TaskGroup::new(&world);
    let name = format!("http server connection {}", listener.local_addr());
    let free = Arc::new(Semaphore::new(limits.connections.clamp(1, Semaphore::MAX_PERMITS)));
    let server = Arc::new(Server { world, limits, spawner: connections.spawner() });
    loop {
        // The semaphore is never closed.
        let Ok(place) = free.clone().acquire_owned().await else { return };
        let Ok((stream, peer)) = listener.accept().await else {
            // The peer has gone already, or descriptors have run out: that passes.
            server.world.sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let (server, tls, router) = (server.clone(), tls.clone(), router.clone());
        connections.spawn(&name, async move {
            let _place = place;
            let due = BodyTime { world: server.world.clone(), limit: server.limits.body };
            let mut service = Routed { router, peer: Peer(peer), shown: PeerCertificates::default(), due };
            match tls {
                None => server.http1(stream, service).await,
                Some(tls) => {
                    let shaken = server.world.timeout(server.limits.handshake, tls.accept(stream)).await;
                    let Ok(Ok(stream)) = shaken else { return };
                    let shown = stream.peer_certificates();
                    service.shown = PeerCertificates(shown.into_iter().map(<[u8]>::to_vec).collect());
                    if stream.alpn() == Some(b"h2") {
                        server.http2(stream, service).await;
                    } else {
                        server.http1(stream, service).await;
                    }
                }
            }
        });
    }
}

/// What all connections of a server share.
struct Server {
    world: World,
    limits: ServeLimits,
    spawner: Spawner,
}

impl Server {
    async fn http1<S>(&self, stream: S, service: Routed)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let pace = Pace::new(&self.world, self.limits.idle, self.limits.head);
        // hyper's own Date header reads the system clock; servers that want one set it from the world.
        let served = hyper::server::conn::http1::Builder::new()
            .timer(PaceTimer::new(hyper_timer(&self.world), pace.clone()))
            .header_read_timeout(self.limits.idle)
            .max_header_size(self.limits.head_bytes)
            .auto_date_header(false)
            .serve_connection(TokioIo::new(Paced::new(stream, pace)), service)
            .await;
        // A peer that hangs up in the middle of a request is its own affair.
        drop(served);
    }

    async fn http2<S>(&self, stream: S, service: Routed)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let busy = Arc::new(Busy::default());
        busy.since.store(self.world.monotonic().nanos(), Ordering::Relaxed);
        let service = Counted { service, busy: busy.clone(), world: self.world.clone() };
        let connection = hyper::server::conn::http2::Builder::new(Streams(self.spawner.clone()))
            .timer(hyper_timer(&self.world))
            .max_concurrent_streams(self.limits.streams)
            .max_header_list_size(u32::try_from(self.limits.head_bytes).unwrap_or(u32::MAX))
            .auto_date_header(false)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let mut idle = self.world.sleep(self.limits.idle);
        let mut closing = false;
        std::future::poll_fn(|cx| {
            loop {
                if connection.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(());
                }
                if Pin::new(&mut idle).poll(cx).is_pending() {
                    return Poll::Pending;
                }
                if closing {
                    return Poll::Ready(());
                }
                idle = match busy.idle_since(&self.world, self.limits.idle) {
                    Err(sleep) => sleep,
                    Ok(()) => {
                        // What is under way may end; a peer that does not hang up then is cut off.
                        closing = true;
                        connection.as_mut().graceful_shutdown();
                        self.world.sleep(self.limits.head)
                    }
                };
            }
        })
        .await;
    }
}

/// How busy an HTTP/2 connection is.
#[derive(Debug, Default)]
struct Busy {
    requests: AtomicUsize,
    /// Monotonic time of the last change, in nanoseconds.
    since: AtomicU64,
}

impl Busy {
    /// Whether there was no request for `limit`; if there was, the sleep after which to look again.
    fn idle_since(&self, world: &World, limit: Duration) -> Result<(), Sleep> {
        let due = Instant::default() + Duration::from_nanos(self.since.load(Ordering::Relaxed)) + limit;
        match self.requests.load(Ordering::Relaxed) {
            0 if due <= world.monotonic() => Ok(()),
            0 => Err(world.sleep_until(due)),
            _ => Err(world.sleep(limit)),
        }
    }
}

/// Hands requests to the router, with their peer.
#[derive(Clone)]
struct Routed {
    router: Router,
    peer: Peer,
    shown: PeerCertificates,
    due: BodyTime,
}

impl hyper::service::Service<Request<Incoming>> for Routed {
    type Response = Response<axum::body::Body>;
    type Error = Closed;
    type Future = Answering;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(self.peer);
        if !self.shown.0.is_empty() {
            request.extensions_mut().insert(self.shown.clone());
        }
        // A router is a reference count; it is always ready.
        Answering(self.router.clone().call(request.map(|body| self.due.within(body))))
    }
}

/// A router at work. hyper closes a connection whose service fails; axum's never do, so this one does.
struct Answering(RouteFuture<Infallible>);

impl Future for Answering {
    type Output = Result<Response<axum::body::Body>, Closed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|Ok(response)| {
            match response.extensions().get::<CloseConnection>() {
                None => Ok(response),
                Some(CloseConnection) => Err(Closed),
            }
        })
    }
}

/// Counts the requests that are under way.
struct Counted {
    service: Routed,
    busy: Arc<Busy>,
    world: World,
}

struct Underway(Arc<Busy>, World);

impl Underway {
    fn begin(busy: &Arc<Busy>, world: &World) -> Self {
        busy.requests.fetch_add(1, Ordering::Relaxed);
        Underway(busy.clone(), world.clone())
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        self.0.since.store(self.1.monotonic().nanos(), Ordering::Relaxed);
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

impl hyper::service::Service<Request<Incoming>> for Counted {
    type Response = Response<axum::body::Body>;
    type Error = Closed;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Closed>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let underway = Underway::begin(&self.busy, &self.world);
        let answer = self.service.call(request);
        Box::pin(async move {
            let _underway = underway;
            answer.await
        })
    }
}

/// Runs the streams of HTTP/2 connections as tasks of the server.
#[derive(Clone)]
struct Streams(Spawner);

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Streams {
    fn execute(&self, future: F) {
        self.0.spawn("http2 stream", future);
    }
}

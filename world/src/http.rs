//! HTTP over the world: an axum router served on a [`crate::Listener`] (HTTP/1.1 and HTTP/2), and an HTTP/1.1
//! client with kept connections.

mod body;
mod client;
mod connector;
mod error;
mod pace;
mod server;

pub use client::{Answer, Client, ClientLimits, Response, Scheme, Url};
pub use connector::{Dialled, HyperConnector};
pub use error::HttpError;
pub use server::{ALPN, CloseConnection, Peer, PeerCertificates, ServeLimits, serve, serve_within};

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::clock::Sleep;
use crate::world::World;

/// hyper's timer over the world's clock. hyper compares only differences, so any base will do.
#[derive(Clone)]
#[expect(clippy::disallowed_types, reason = "hyper's timer trait is written in terms of std's Instant")]
struct HyperTimer {
    world: World,
    base: std::time::Instant,
}

#[expect(clippy::disallowed_types, reason = "an opaque base for differences")]
fn hyper_timer(world: &World) -> HyperTimer {
    static BASE: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    HyperTimer { world: world.clone(), base: *BASE.get_or_init(std::time::Instant::now) }
}

struct HyperSleep(Sleep);

impl Future for HyperSleep {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl hyper::rt::Sleep for HyperSleep {}

#[expect(clippy::disallowed_types, reason = "hyper's trait")]
impl hyper::rt::Timer for HyperTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(HyperSleep(self.world.sleep(duration)))
    }

    fn sleep_until(&self, deadline: std::time::Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        let at = crate::world::Instant::default() + deadline.saturating_duration_since(self.base);
        Box::pin(HyperSleep(self.world.sleep_until(at)))
    }

    fn now(&self) -> std::time::Instant {
        self.base + Duration::from_nanos(self.world.monotonic().nanos())
    }
}

type SharedText = Arc<str>;

//! Two time limits where hyper has one: how long a connection may be idle, and how long a request's headers
//! may take from their first byte on.
//!
//! hyper starts one timer when it begins to wait for a request, and polls it whenever it has read and still
//! waits. The stream notes here when the first byte came; from then on the timer is the second limit's.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::HyperTimer;
use crate::clock::Sleep;
use crate::world::{Instant, World};

/// What the stream and the timer of a connection share.
pub(super) struct Pace {
    world: World,
    idle: Duration,
    head: Duration,
    /// When the first byte came since hyper waits; 0 when none did.
    first: AtomicU64,
}

impl Pace {
    pub(super) fn new(world: &World, idle: Duration, head: Duration) -> Arc<Self> {
        Arc::new(Pace { world: world.clone(), idle, head, first: AtomicU64::new(0) })
    }

    fn read(&self) {
        if self.first.load(Ordering::Relaxed) == 0 {
            self.first.store(self.world.monotonic().nanos().max(1), Ordering::Relaxed);
        }
    }
}

/// A stream that notes when something was read.
pub(super) struct Paced<S> {
    stream: S,
    pace: Arc<Pace>,
}

impl<S> Paced<S> {
    pub(super) fn new(stream: S, pace: Arc<Pace>) -> Self {
        Paced { stream, pace }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.pace.read();
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, data)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// hyper's timer for one HTTP/1.1 connection: it serves the wait for requests only.
#[derive(Clone)]
pub(super) struct PaceTimer {
    timer: HyperTimer,
    pace: Arc<Pace>,
}

impl PaceTimer {
    pub(super) fn new(timer: HyperTimer, pace: Arc<Pace>) -> Self {
        PaceTimer { timer, pace }
    }
}

#[expect(clippy::disallowed_types, reason = "hyper's trait")]
impl hyper::rt::Timer for PaceTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        self.timer.sleep(duration)
    }

    fn sleep_until(&self, _: std::time::Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        self.pace.first.store(0, Ordering::Relaxed);
        let sleep = self.pace.world.sleep(self.pace.idle);
        Box::pin(PaceSleep { sleep, pace: self.pace.clone(), reading: false })
    }

    fn now(&self) -> std::time::Instant {
        self.timer.now()
    }
}

struct PaceSleep {
    sleep: Sleep,
    pace: Arc<Pace>,
    /// Whether the first byte has come.
    reading: bool,
}

impl Future for PaceSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let first = self.pace.first.load(Ordering::Relaxed);
        if first != 0 && !self.reading {
            self.reading = true;
            let due = Instant::default() + Duration::from_nanos(first) + self.pace.head;
            self.sleep = self.pace.world.sleep_until(due);
        }
        Pin::new(&mut self.sleep).poll(cx)
    }
}

impl hyper::rt::Sleep for PaceSleep {}

//! A simulated byte stream: segments that arrive after the link's latency, in order, with back-pressure.
//!
//! What one end does (sends, ends, hangs up, is reset) the other end learns after the latency, and no
//! sooner; only that there is room in the window again is known at once.

use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::clock::Sleep;
use crate::world::{Instant, World};

/// Bytes in flight per direction before a writer has to wait.
const WINDOW: usize = 64 * 1024;

/// One direction of a stream.
#[derive(Debug, Default)]
struct Pipe {
    segments: VecDeque<Segment>,
    in_flight: usize,
    /// When the last segment arrives: a later one never arrives earlier.
    last_due: Instant,
    /// When the reader learns that no more comes.
    ended: Option<Instant>,
    /// When the writer learns that nobody reads any more; what it sends from then on goes nowhere.
    gone: Option<Instant>,
    /// When the reader learns that the connection was reset.
    reset: Option<Instant>,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

#[derive(Debug)]
struct Segment {
    due: Instant,
    bytes: Vec<u8>,
    read: usize,
}

impl Pipe {
    fn wake_all(&mut self) {
        for waker in [self.reader.take(), self.writer.take()].into_iter().flatten() {
            waker.wake();
        }
    }
}

type SharedPipe = Arc<Mutex<Pipe>>;

fn lock(pipe: &SharedPipe) -> MutexGuard<'_, Pipe> {
    pipe.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One end of a simulated stream.
pub(crate) struct SimStream {
    world: World,
    label: String,
    incoming: SharedPipe,
    outgoing: SharedPipe,
    latency: Duration,
    /// What ends the connection, if a rule says so.
    cut: Option<Cut>,
    /// The two halves of a stream may wait at the same time.
    read_wait: Wait,
    write_wait: Wait,
}

/// How a connection ends before its time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    /// Bytes that its opener may still send before.
    pub(super) budget: u64,
    /// In order, as if the other end had closed it; else it is reset.
    pub(super) in_order: bool,
}

type Wait = Option<(Instant, Sleep)>;

/// Waits for `due` with the timer in `wait`.
fn wait_until(wait: &mut Wait, world: &World, due: Instant, cx: &mut Context<'_>) -> Poll<()> {
    if wait.as_ref().is_none_or(|(at, _)| *at != due) {
        *wait = Some((due, world.sleep_until(due)));
    }
    let Some((_, sleep)) = wait else { return Poll::Ready(()) };
    let polled = Pin::new(sleep).poll(cx);
    if polled.is_ready() {
        *wait = None;
    }
    polled
}

impl std::fmt::Debug for SimStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SimStream({})", self.label)
    }
}

/// The two ends of a new connection. `client` and `server` name them in the trace.
pub(crate) fn pair(
    world: &World,
    client: &str,
    server: &str,
    latency: Duration,
    cut: Option<Cut>,
) -> (SimStream, SimStream) {
    let (up, down) = (SharedPipe::default(), SharedPipe::default());
    let end = |label: String, incoming: &SharedPipe, outgoing: &SharedPipe, cut| SimStream {
        world: world.clone(),
        label,
        incoming: incoming.clone(),
        outgoing: outgoing.clone(),
        latency,
        cut,
        read_wait: None,
        write_wait: None,
    };
    (end(format!("{client}>{server}"), &down, &up, cut), end(format!("{server}>{client}"), &up, &down, None))
}

impl SimStream {
    /// What a middlebox does that ends the connection right here: this end sees a reset now, the other one
    /// after what is under way to it. An end in order this end sees after a round trip, and what the other one
    /// sends from now on goes nowhere.
    fn end_early(&self, in_order: bool) {
        let now = self.world.monotonic();
        if in_order {
            let mut pipe = lock(&self.incoming);
            pipe.ended.get_or_insert(now + self.latency * 2);
            pipe.gone.get_or_insert(now);
            pipe.wake_all();
            drop(pipe);
            let mut pipe = lock(&self.outgoing);
            let due = (now + self.latency).max(pipe.last_due);
            pipe.ended.get_or_insert(due);
            pipe.wake_all();
            return;
        }
        {
            let mut pipe = lock(&self.incoming);
            pipe.reset.get_or_insert(now);
            pipe.wake_all();
        }
        let mut pipe = lock(&self.outgoing);
        let due = (now + self.latency).max(pipe.last_due);
        pipe.reset.get_or_insert(due);
        pipe.wake_all();
    }

    /// Puts what the budget allows of `data` on its way.
    fn send(&self, pipe: &mut Pipe, now: Instant, data: &[u8]) -> usize {
        let allowed = self.cut.map_or(usize::MAX, |cut| usize::try_from(cut.budget).unwrap_or(usize::MAX));
        let n = data.len().min(allowed);
        let due = (now + self.latency).max(pipe.last_due);
        pipe.last_due = due;
        // Nobody reads it any more, which this end will only learn.
        if pipe.gone.is_none() {
            pipe.segments.push_back(Segment { due, bytes: data[..n].to_vec(), read: 0 });
            pipe.in_flight += n;
            if let Some(reader) = pipe.reader.take() {
                reader.wake();
            }
        }
        n
    }

    /// Whether this end knows of a reset.
    fn is_reset(&self, now: Instant) -> bool {
        lock(&self.incoming).reset.is_some_and(|due| due <= now)
    }
}

impl AsyncRead for SimStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let now = self.world.monotonic();
            let due = {
                let mut pipe = lock(&self.incoming);
                let before = buf.remaining();
                while buf.remaining() > 0 {
                    let Some(segment) = pipe.segments.front_mut().filter(|s| s.due <= now) else { break };
                    let n = buf.remaining().min(segment.bytes.len() - segment.read);
                    buf.put_slice(&segment.bytes[segment.read..segment.read + n]);
                    segment.read += n;
                    if segment.read == segment.bytes.len() {
                        pipe.segments.pop_front();
                    }
                    pipe.in_flight -= n;
                }
                if buf.remaining() < before || buf.remaining() == 0 {
                    if let Some(writer) = pipe.writer.take() {
                        writer.wake();
                    }
                    return Poll::Ready(Ok(()));
                }
                if pipe.reset.is_some_and(|due| due <= now) {
                    return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
                }
                let next = pipe.segments.front().map(|s| s.due).or(pipe.ended);
                if pipe.segments.is_empty() && next.is_some_and(|end| end <= now) {
                    return Poll::Ready(Ok(()));
                }
                // What is due later may still be overtaken by a reset.
                pipe.reader = Some(cx.waker().clone());
                match next.into_iter().chain(pipe.reset).min() {
                    Some(due) => due,
                    None => return Poll::Pending,
                }
            };
            let SimStream { read_wait, world, .. } = &mut *self;
            if wait_until(read_wait, world, due, cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

impl AsyncWrite for SimStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        if data.is_empty() {
            return Poll::Ready(Ok(0));
        }
        match self.cut {
            Some(Cut { budget: 0, in_order: true }) => {
                self.end_early(true);
                // Who has closed does not read it; that is no error of the one who sends.
                return Poll::Ready(Ok(data.len()));
            }
            Some(Cut { budget: 0, in_order: false }) => self.end_early(false),
            _ => {}
        }
        let n = loop {
            let now = self.world.monotonic();
            if self.is_reset(now) {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
            let due = {
                let mut pipe = lock(&self.outgoing);
                if pipe.ended.is_some() || pipe.gone.is_some_and(|due| due <= now) {
                    return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
                }
                let room = WINDOW.saturating_sub(pipe.in_flight);
                if room > 0 {
                    break self.send(&mut pipe, now, &data[..data.len().min(room)]);
                }
                pipe.writer = Some(cx.waker().clone());
                pipe.gone
            };
            // A reset, or room, wakes the writer; that the reader is gone is known at its time.
            let reset = lock(&self.incoming).reset;
            let Some(due) = due.into_iter().chain(reset).min() else { return Poll::Pending };
            let SimStream { write_wait, world, .. } = &mut *self;
            if wait_until(write_wait, world, due, cx).is_pending() {
                return Poll::Pending;
            }
        };
        if let Some(cut) = &mut self.cut {
            cut.budget -= n as u64;
            let Cut { budget, in_order } = *cut;
            if budget == 0 {
                self.end_early(in_order);
            }
        }
        self.world.record(&self.label, "tcp", &data[..n]);
        Poll::Ready(Ok(n))
    }

    /// As one write. Without it, what TLS says last (a flight of records, an alert) would be cut after its
    /// first part when the connection is given up next.
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match parts {
            [one] => self.poll_write(cx, one),
            parts => self.poll_write(cx, &parts.iter().flat_map(|part| &**part).copied().collect::<Vec<_>>()),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let due = self.world.monotonic() + self.latency;
        let mut pipe = lock(&self.outgoing);
        let due = due.max(pipe.last_due);
        pipe.ended.get_or_insert(due);
        pipe.wake_all();
        Poll::Ready(Ok(()))
    }
}

impl Drop for SimStream {
    fn drop(&mut self) {
        let due = self.world.monotonic() + self.latency;
        {
            let mut pipe = lock(&self.outgoing);
            let due = due.max(pipe.last_due);
            pipe.ended.get_or_insert(due);
            pipe.wake_all();
        }
        let mut pipe = lock(&self.incoming);
        pipe.gone.get_or_insert(due);
        pipe.segments.clear();
        pipe.in_flight = 0;
        pipe.wake_all();
    }
}

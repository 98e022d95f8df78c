//! A simulated byte stream: segments that arrive after the link's latency, in order, with back-pressure.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
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
    ended: Option<Instant>,
    reset: bool,
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
    /// Bytes that this end may still send before the connection is reset, if a rule says so.
    budget: Option<u64>,
    wait: Option<(Instant, Sleep)>,
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
    reset_after: Option<u64>,
) -> (SimStream, SimStream) {
    let (up, down) = (SharedPipe::default(), SharedPipe::default());
    let end = |label: String, incoming: &SharedPipe, outgoing: &SharedPipe, budget| SimStream {
        world: world.clone(),
        label,
        incoming: incoming.clone(),
        outgoing: outgoing.clone(),
        latency,
        budget,
        wait: None,
    };
    (
        end(format!("{client}>{server}"), &down, &up, reset_after),
        end(format!("{server}>{client}"), &up, &down, None),
    )
}

impl SimStream {
    fn reset(&self) {
        for pipe in [&self.incoming, &self.outgoing] {
            let mut pipe = lock(pipe);
            pipe.reset = true;
            pipe.wake_all();
        }
    }

    fn wait_until(&mut self, due: Instant, cx: &mut Context<'_>) -> Poll<()> {
        if self.wait.as_ref().is_none_or(|(at, _)| *at != due) {
            self.wait = Some((due, self.world.sleep_until(due)));
        }
        let Some((_, sleep)) = &mut self.wait else { return Poll::Ready(()) };
        let polled = Pin::new(sleep).poll(cx);
        if polled.is_ready() {
            self.wait = None;
        }
        polled
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
                if pipe.reset {
                    return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
                }
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
                let next = pipe.segments.front().map(|s| s.due).or(pipe.ended);
                match next {
                    Some(end) if pipe.segments.is_empty() && end <= now => return Poll::Ready(Ok(())),
                    Some(due) => {
                        // A reset must reach a reader that waits for a segment, too.
                        pipe.reader = Some(cx.waker().clone());
                        due
                    }
                    None => {
                        pipe.reader = Some(cx.waker().clone());
                        return Poll::Pending;
                    }
                }
            };
            if self.wait_until(due, cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

impl AsyncWrite for SimStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let due = self.world.monotonic() + self.latency;
        if self.budget == Some(0) {
            self.reset();
        }
        let n = {
            let mut pipe = lock(&self.outgoing);
            if pipe.reset {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
            if pipe.ended.is_some() {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            if pipe.in_flight >= WINDOW {
                pipe.writer = Some(cx.waker().clone());
                return Poll::Pending;
            }
            let allowed = self.budget.map_or(usize::MAX, |b| usize::try_from(b).unwrap_or(usize::MAX));
            let n = data.len().min(WINDOW - pipe.in_flight).min(allowed);
            let due = due.max(pipe.last_due);
            pipe.last_due = due;
            pipe.segments.push_back(Segment { due, bytes: data[..n].to_vec(), read: 0 });
            pipe.in_flight += n;
            if let Some(reader) = pipe.reader.take() {
                reader.wake();
            }
            n
        };
        if let Some(budget) = &mut self.budget {
            *budget -= n as u64;
        }
        self.world.record(&self.label, "tcp", &data[..n]);
        Poll::Ready(Ok(n))
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
        // Nobody reads here any more: what the peer still writes goes nowhere, as after a RST.
        let mut pipe = lock(&self.incoming);
        pipe.ended.get_or_insert(due);
        pipe.wake_all();
    }
}

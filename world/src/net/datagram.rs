//! Simulated datagrams: each arrives after the link's latency, or not at all.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

use super::sim::SimNet;
use crate::clock::Sleep;
use crate::world::{Instant, World};

/// What waits at a bound address.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    /// In the order of arrival; equal instants in the order of sending.
    queue: VecDeque<(Instant, Vec<u8>, SocketAddr)>,
    reader: Option<Waker>,
}

impl Mailbox {
    fn take_due(&mut self, now: Instant) -> Option<(Instant, Vec<u8>, SocketAddr)> {
        self.queue.front().filter(|(due, ..)| *due <= now)?;
        self.queue.pop_front()
    }

    pub(crate) fn deliver(&mut self, due: Instant, bytes: Vec<u8>, from: SocketAddr) {
        let at = self.queue.partition_point(|(d, ..)| *d <= due);
        self.queue.insert(at, (due, bytes, from));
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

pub(crate) type SharedMailbox = Arc<Mutex<Mailbox>>;

/// A bound simulated datagram socket; dropping it frees its address.
pub(crate) struct SimDatagrams {
    pub(crate) net: SimNet,
    pub(crate) world: World,
    pub(crate) local: SocketAddr,
    pub(crate) mailbox: SharedMailbox,
}

impl std::fmt::Debug for SimDatagrams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SimDatagrams({})", self.local)
    }
}

impl SimDatagrams {
    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.local
    }

    pub(crate) fn send_to(&self, data: &[u8], to: SocketAddr) {
        self.net.send_datagram(&self.world, self.local, to, data);
    }

    pub(crate) async fn recv_from(&self) -> (Vec<u8>, SocketAddr) {
        let mut wait: Option<(Instant, Sleep)> = None;
        poll_fn(|cx| {
            loop {
                let now = self.world.monotonic();
                let due = {
                    let mut mailbox = self.mailbox.lock().unwrap_or_else(PoisonError::into_inner);
                    match mailbox.take_due(now) {
                        Some((_, bytes, from)) => return Poll::Ready((bytes, from)),
                        None => {
                            mailbox.reader = Some(cx.waker().clone());
                            mailbox.queue.front().map(|(due, ..)| *due)
                        }
                    }
                };
                let Some(due) = due else { return Poll::Pending };
                if wait.as_ref().is_none_or(|(at, _)| *at != due) {
                    wait = Some((due, self.world.sleep_until(due)));
                }
                let Some((_, sleep)) = &mut wait else { return Poll::Pending };
                if std::future::Future::poll(Pin::new(sleep), cx).is_pending() {
                    return Poll::Pending;
                }
            }
        })
        .await
    }
}

impl Drop for SimDatagrams {
    fn drop(&mut self) {
        self.net.unbind(self.local);
    }
}

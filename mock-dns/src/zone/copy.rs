//! The zone as one nameserver has it: the changes that have reached it, in the order they were made.

use std::collections::VecDeque;
use std::sync::Arc;

use world::Instant;

use super::{Change, Records};

/// A nameserver's copy. At time t it is the zone with every change whose time has come by t, in the order
/// in which the changes were made, whatever the order in which they arrive.
#[derive(Debug)]
pub(crate) struct Copy {
    /// The zone with the oldest changes, all of which have arrived.
    records: Records,
    /// The changes after those, oldest first, with the time of their arrival.
    queue: VecDeque<(Instant, Arc<Change>)>,
    /// `records` with what has arrived of the queue, when a later change has overtaken an earlier one.
    ahead: Option<Records>,
    /// When the next change arrives.
    next: Option<Instant>,
}

impl Copy {
    pub(crate) fn new(records: Records) -> Self {
        Copy { records, queue: VecDeque::new(), ahead: None, next: None }
    }

    /// A change that arrives at `at`.
    pub(crate) fn push(&mut self, at: Instant, change: Arc<Change>) {
        self.queue.push_back((at, change));
        self.next = Some(self.next.map_or(at, |next| next.min(at)));
    }

    /// The zone at `now`, which is never earlier than it was at the last call.
    pub(crate) fn at(&mut self, now: Instant) -> &Records {
        if self.next.is_some_and(|next| next <= now) {
            self.arrive(now);
        }
        self.ahead.as_ref().unwrap_or(&self.records)
    }

    fn arrive(&mut self, now: Instant) {
        while let Some((_, change)) = self.queue.front().filter(|(at, _)| *at <= now) {
            self.records.change(change);
            self.queue.pop_front();
        }
        self.ahead = None;
        for (_, change) in self.queue.iter().filter(|(at, _)| *at <= now) {
            self.ahead.get_or_insert_with(|| self.records.clone()).change(change);
        }
        self.next = self.queue.iter().map(|(at, _)| *at).filter(|at| *at > now).min();
    }
}

//! The work queue of a controller, as client-go has it.
//!
//! A key is at most once in line and never worked on by two workers. A key that is added while it is worked
//! on becomes *dirty* and goes into line again when that work is done. Failures wait in an exponential back-off
//! per key; delayed keys wait in a queue that keeps the earliest time of each.

mod scheduled;
mod state;

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use tokio::sync::Notify;
use world::World;

use crate::api::ObjectKey;
use crate::compat::Backoff;
pub use scheduled::ScheduledQueue;
pub use state::QueueState;

/// A work queue. Clones share it.
#[derive(Clone)]
pub struct WorkQueue {
    world: World,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<QueueState>,
    backoff: Backoff,
    rerun_delay: Duration,
    delayed: Notify,
    waiting: Mutex<Vec<Waker>>,
}

impl std::fmt::Debug for WorkQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WorkQueue")
    }
}

impl WorkQueue {
    /// A queue with this back-off, and the task that moves its delayed keys into line. A dirty key waits
    /// `rerun_delay` after the work on it is done (client-go: not at all).
    pub fn start(world: &World, name: &str, backoff: Backoff, rerun_delay: Duration) -> Self {
        let shared = Shared {
            state: Mutex::default(),
            backoff,
            rerun_delay,
            delayed: Notify::new(),
            waiting: Mutex::default(),
        };
        let queue = WorkQueue { world: world.clone(), shared: Arc::new(shared) };
        let timer = queue.clone();
        world.spawn(&format!("{name} delaying queue"), async move { timer.move_delayed().await });
        queue
    }

    fn state(&self) -> MutexGuard<'_, QueueState> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake_workers(&self) {
        let mut waiting = self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for waker in waiting.drain(..) {
            waker.wake();
        }
    }

    /// Puts a key into line (or marks it dirty when it is being worked on).
    pub fn add(&self, key: ObjectKey) {
        self.state().add(key);
        self.wake_workers();
    }

    /// Puts a key into line after `delay`; of several delays for one key the earliest end counts.
    pub fn add_after(&self, key: ObjectKey, delay: Duration) {
        if delay.is_zero() {
            return self.add(key);
        }
        let due = self.world.monotonic() + delay;
        self.state().delay_until(key, due);
        self.shared.delayed.notify_one();
    }

    /// Puts a key into line after its back-off.
    pub fn add_rate_limited(&self, key: ObjectKey) {
        let failures = self.state().failed(&key);
        self.add_after(key, self.shared.backoff.wait(failures));
    }

    /// Forgets a key's failures.
    pub fn forget(&self, key: &ObjectKey) {
        self.state().forget(key);
    }

    /// The next key to work on; [`WorkQueue::done`] must follow.
    pub async fn get(&self) -> ObjectKey {
        poll_fn(|cx| match self.state().take() {
            Some(key) => Poll::Ready(key),
            None => {
                let mut waiting = self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                waiting.push(cx.waker().clone());
                Poll::Pending
            }
        })
        .await
    }

    /// The work on a key is done; if it became dirty meanwhile it goes into line again.
    pub fn done(&self, key: &ObjectKey) {
        let delay = self.shared.rerun_delay;
        if delay.is_zero() {
            self.state().done(key);
            self.wake_workers();
        } else if self.state().done_without_rerun(key) {
            self.add_after(key.clone(), delay);
        }
    }

    async fn move_delayed(&self) {
        loop {
            let next = self.state().next_due();
            match next {
                None => self.shared.delayed.notified().await,
                Some(due) if due <= self.world.monotonic() => {
                    self.state().release_due(due);
                    self.wake_workers();
                }
                Some(due) => {
                    // An earlier time for some key may arrive while this one is waited for.
                    let _ = world::race(self.shared.delayed.notified(), self.world.sleep_until(due)).await;
                }
            }
        }
    }
}

//! What happens to whole hosts: a crash after some steps, and being held still.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

use super::kernel::Task;

#[derive(Default)]
pub(crate) struct Hosts {
    /// Whether anything below has ever been used: most runs leave every host alone, and pay one load a poll.
    touched: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Polls that are left until a host crashes.
    doomed: BTreeMap<Box<str>, u64>,
    /// Suspended hosts, and their tasks that could run.
    suspended: BTreeMap<Box<str>, Vec<Arc<Task>>>,
    /// Who waits for the next crash of a host.
    crashes: BTreeMap<Box<str>, Arc<Notify>>,
}

impl Hosts {
    fn touch(&self) -> MutexGuard<'_, State> {
        self.touched.store(true, Ordering::Relaxed);
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> Option<MutexGuard<'_, State>> {
        self.touched.load(Ordering::Relaxed).then(|| self.touch())
    }

    /// Ready when `host` crashes next, counted from this call.
    pub(crate) fn crashed(&self, host: &str) -> OwnedNotified {
        self.touch().crashes.entry(host.into()).or_default().clone().notified_owned()
    }

    /// Lets `host` crash after so many polls of its tasks.
    pub(crate) fn crash_after(&self, host: &str, polls: u64) {
        self.touch().doomed.insert(host.into(), polls.max(1));
    }

    /// A task of `host` was polled: says whether the host crashes now.
    pub(crate) fn polled(&self, host: &str) -> bool {
        let Some(mut state) = self.state() else { return false };
        let Some(left) = state.doomed.get_mut(host) else { return false };
        *left -= 1;
        let now = *left == 0;
        if now {
            state.doomed.remove(host);
        }
        now
    }

    /// Tells of a crash, and forgets what the host was held back from.
    pub(crate) fn crash(&self, host: &str) {
        let Some(mut state) = self.state() else { return };
        let held = state.suspended.remove(host);
        let waiting = state.crashes.remove(host);
        drop(state);
        drop(held);
        if let Some(waiting) = waiting {
            waiting.notify_waiters();
        }
    }

    /// From now on no task of `host` runs.
    pub(crate) fn suspend(&self, host: &str) {
        self.touch().suspended.entry(host.into()).or_default();
    }

    /// The tasks that became ready while the host was suspended.
    pub(crate) fn resume(&self, host: &str) -> Vec<Arc<Task>> {
        self.touch().suspended.remove(host).unwrap_or_default()
    }

    /// Takes the tasks of suspended hosts out of the line.
    pub(crate) fn hold_back(&self, ready: &mut VecDeque<Arc<Task>>) {
        let Some(mut state) = self.state() else { return };
        if state.suspended.is_empty() {
            return;
        }
        let mut going = VecDeque::with_capacity(ready.len());
        for task in ready.drain(..) {
            match state.suspended.get_mut(task.host()) {
                Some(held) => held.push(task),
                None => going.push_back(task),
            }
        }
        *ready = going;
    }
}

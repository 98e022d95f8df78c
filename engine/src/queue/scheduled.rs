//! Wake-ups at a wall-clock time: one timer per key, the latest request counts.
//!
//! The wait is computed from the wall clock when it is asked for and runs on the monotonic clock, as a Go timer
//! does: a step of the wall clock meanwhile is not noticed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use world::{TaskHandle, World};

use super::WorkQueue;
use crate::api::ObjectKey;
use crate::work::place;

/// A queue in front of a [`WorkQueue`] that holds each key until its time.
#[derive(Clone, Debug)]
pub struct ScheduledQueue {
    world: World,
    name: Arc<str>,
    queue: WorkQueue,
    timers: Arc<Mutex<BTreeMap<ObjectKey, TaskHandle>>>,
}

impl ScheduledQueue {
    /// In front of `queue`; `name` names the timers.
    pub fn new(world: &World, name: &str, queue: &WorkQueue) -> Self {
        ScheduledQueue {
            world: world.clone(),
            name: name.into(),
            queue: queue.clone(),
            timers: Arc::default(),
        }
    }

    /// Adds the key after `wait`, instead of the wake-up that it had.
    pub fn add(&self, key: ObjectKey, wait: Duration) {
        let (world, queue, waking, name) =
            (self.world.clone(), self.queue.clone(), key.clone(), self.name.clone());
        let timer = self.world.spawn(&format!("{name} scheduled"), async move {
            world.sleep(wait).await;
            // How late the process gets to it: it may be throttled or collecting garbage just then.
            world.work(place(&format!("{name}/timer"))).await;
            queue.add(waking);
        });
        let old = self.timers.lock().unwrap_or_else(PoisonError::into_inner).insert(key, timer);
        if let Some(old) = old {
            old.abort();
        }
    }
}

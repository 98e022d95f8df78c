//! Wake-ups at a wall-clock time: one timer per key, the latest request counts.
//!
//! The wait is computed from the wall clock when it is asked for and runs on the monotonic clock, as a Go timer
//! does: a step of the wall clock meanwhile is not noticed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use world::{TaskHandle, World};

use super::WorkQueue;
use crate::api::ObjectKey;
use crate::keyed::Keyed;
use crate::work::place;

/// A queue in front of a [`WorkQueue`] that holds each key until its time.
#[derive(Clone, Debug)]
pub struct ScheduledQueue {
    world: World,
    name: Arc<str>,
    task: Arc<str>,
    queue: WorkQueue,
    timers: Arc<Mutex<Keyed<ObjectKey, TaskHandle>>>,
}

impl ScheduledQueue {
    /// In front of `queue`; `name` names the timers.
    pub fn new(world: &World, name: &str, queue: &WorkQueue) -> Self {
        ScheduledQueue {
            world: world.clone(),
            name: name.into(),
            task: format!("{name} scheduled").into(),
            queue: queue.clone(),
            timers: Arc::default(),
        }
    }

    /// Adds the key after `wait`, instead of the wake-up that it had.
    pub fn add(&self, key: ObjectKey, wait: Duration) {
        let (world, queue, waking, name) =
            (self.world.clone(), self.queue.clone(), key.clone(), self.name.clone());
        let timer = self.world.spawn(&self.task, async move {
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

#[cfg(test)]
mod tests {
    use world::sim::{self, Config};

    use super::*;
    use crate::compat::V1_7;

    #[test]
    fn the_last_wake_up_that_was_asked_for_takes_the_place_of_the_one_before() {
        sim::run(Config::default(), |world| async move {
            let name = "certificates-trigger";
            let queue = WorkQueue::start(&world, name, V1_7.backoff_certificates, Duration::ZERO);
            let scheduled = ScheduledQueue::new(&world, name, &queue);
            let [later, sooner] = ["later", "sooner"].map(|name| ObjectKey::new("ns", name));
            let waits = [(&later, 10), (&later, 20), (&sooner, 50), (&sooner, 30)];
            for (key, secs) in waits {
                scheduled.add(key.clone(), Duration::from_secs(secs));
            }
            let start = world.monotonic();
            for (key, secs) in [(later, 20), (sooner, 30)] {
                assert_eq!(queue.get().await, key);
                assert_eq!(world.monotonic().since(start).as_secs(), secs);
                queue.done(&key);
            }
            let rest = world.timeout(Duration::from_secs(3600), queue.get()).await;
            assert!(rest.is_err(), "none of the replaced ones comes");
        })
        .unwrap();
    }
}

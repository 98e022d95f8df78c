//! Tasks that end together: what a server that is dropped takes with it.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::world::{TaskHandle, World};

/// Tasks of one owner, on any driver. Dropping it, or [`TaskGroup::stop`], ends all that still run, each at
/// its next await point. A task that has ended on its own leaves the group.
#[derive(Debug)]
pub struct TaskGroup(Spawner);

/// Spawns into a [`TaskGroup`] without keeping it alive: for the group's own tasks. Cheap to clone.
#[derive(Clone)]
pub struct Spawner {
    world: World,
    tasks: Arc<Mutex<Tasks>>,
}

#[derive(Default)]
struct Tasks {
    next: u64,
    running: BTreeMap<u64, TaskHandle>,
    stopped: bool,
}

fn lock(tasks: &Mutex<Tasks>) -> MutexGuard<'_, Tasks> {
    tasks.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes its task off the list, whether it was done or dropped.
struct Listed {
    id: u64,
    gone: Arc<AtomicBool>,
    tasks: Arc<Mutex<Tasks>>,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::Release);
        let handle = lock(&self.tasks).running.remove(&self.id);
        drop(handle);
    }
}

impl TaskGroup {
    /// A group without a task.
    pub fn new(world: &World) -> Self {
        TaskGroup(Spawner { world: world.clone(), tasks: Arc::default() })
    }

    /// Starts a task, as [`World::spawn`] does. In a group that was stopped it does not start.
    #[track_caller]
    pub fn spawn(&self, name: &str, future: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(name, future);
    }

    /// What the group's tasks spawn into it with.
    pub fn spawner(&self) -> Spawner {
        self.0.clone()
    }

    /// How many tasks run.
    pub fn len(&self) -> usize {
        lock(&self.0.tasks).running.len()
    }

    /// Whether none runs.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ends all tasks, and all that would be spawned into the group from now on.
    pub fn stop(&self) {
        let doomed = {
            let mut tasks = lock(&self.0.tasks);
            tasks.stopped = true;
            std::mem::take(&mut tasks.running)
        };
        // The list must be free: what is dropped here takes itself off it.
        for task in doomed.values() {
            task.abort();
        }
    }
}

impl Drop for TaskGroup {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Spawner {
    /// As [`TaskGroup::spawn`].
    #[track_caller]
    pub fn spawn(&self, name: &str, future: impl Future<Output = ()> + Send + 'static) {
        let id = {
            let mut tasks = lock(&self.tasks);
            if tasks.stopped {
                return;
            }
            tasks.next += 1;
            tasks.next
        };
        let gone = Arc::new(AtomicBool::new(false));
        let listed = Listed { id, gone: gone.clone(), tasks: self.tasks.clone() };
        let handle = self.world.spawn(name, async move {
            let _listed = listed;
            future.await;
        });
        let mut tasks = lock(&self.tasks);
        if tasks.stopped {
            drop(tasks);
            handle.abort();
        } else if !gone.load(Ordering::Acquire) {
            tasks.running.insert(id, handle);
        }
    }
}

impl fmt::Debug for Spawner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tasks", lock(&self.tasks).running.len())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    use super::*;

    /// Tasks that spawn, end, and are stopped, on every driver.
    async fn body(world: World) {
        let running = Arc::new(AtomicUsize::new(0));
        struct Count(Arc<AtomicUsize>);
        impl Drop for Count {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        let count = || {
            running.fetch_add(1, Ordering::SeqCst);
            Count(running.clone())
        };
        let group = TaskGroup::new(&world);
        let (short, parent, child) = (count(), count(), count());
        group.spawn("short", async move { drop(short) });
        let spawner = group.spawner();
        group.spawn("parent", async move {
            let _parent = parent;
            spawner.spawn("child", async move {
                let _child = child;
                std::future::pending::<()>().await;
            });
            std::future::pending::<()>().await;
        });
        while group.len() != 2 || running.load(Ordering::SeqCst) != 2 {
            world.sleep(Duration::from_millis(1)).await;
        }
        drop(group);
        while running.load(Ordering::SeqCst) > 0 {
            world.sleep(Duration::from_millis(1)).await;
        }
    }

    #[test]
    fn a_group_ends_its_tasks_on_every_driver() {
        let run = crate::sim::run(crate::sim::Config::default(), body);
        assert!(run.is_ok(), "{run:?}");
        crate::guest::run(crate::sim::Config::default(), body).unwrap();
        crate::real::run(None, body).unwrap();
    }
}

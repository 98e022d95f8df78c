//! The executor: a ready queue, the clock, and the table of live tasks.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::task::{Context, Wake, Waker};

use super::hosts::Hosts;
use super::{Cause, TaskInfo};
use crate::clock::Clock;
use crate::tape::Tape;

type BoxedFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

type Ready = Mutex<VecDeque<Arc<Task>>>;

/// A spawned future and what is known about it.
pub(crate) struct Task {
    id: u64,
    host: Box<str>,
    name: Box<str>,
    at: &'static Location<'static>,
    future: Mutex<Option<BoxedFuture>>,
    queued: AtomicBool,
    aborted: AtomicBool,
    ready: Arc<Ready>,
    live: Arc<Mutex<BTreeMap<u64, Arc<Task>>>>,
}

impl std::fmt::Debug for Task {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Task({})", self.info())
    }
}

impl Task {
    fn info(&self) -> TaskInfo {
        TaskInfo { host: self.host.to_string(), name: self.name.to_string(), spawned_at: self.at.to_string() }
    }

    /// Drops the future; when it is being polled right now, as soon as that poll returns.
    pub(crate) fn abort(&self) {
        self.aborted.store(true, Ordering::Relaxed);
        // Two statements: dropping the future may reach this task again, and its lock must be free then.
        let future = lock(&self.future).take();
        drop(future);
        lock(&self.live).remove(&self.id);
    }
}

impl Task {
    pub(super) fn host(&self) -> &str {
        &self.host
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            let ready = self.ready.clone();
            lock(&ready).push_back(self);
        }
    }
}

pub(crate) struct Kernel {
    pub(crate) clock: Arc<Clock>,
    ready: Arc<Ready>,
    live: Arc<Mutex<BTreeMap<u64, Arc<Task>>>>,
    hosts: Hosts,
    next_id: AtomicU64,
    polls: AtomicU64,
    tape: Tape,
    polls_per_instant: u64,
}

impl Kernel {
    pub(crate) fn new(tape: Tape, polls_per_instant: u64) -> Self {
        Kernel {
            clock: Arc::default(),
            ready: Arc::default(),
            live: Arc::default(),
            hosts: Hosts::default(),
            next_id: AtomicU64::new(0),
            polls: AtomicU64::new(0),
            tape,
            polls_per_instant,
        }
    }

    pub(crate) fn polls(&self) -> u64 {
        self.polls.load(Ordering::Relaxed)
    }

    pub(crate) fn spawn(
        &self,
        host: &str,
        name: &str,
        at: &'static Location<'static>,
        future: BoxedFuture,
    ) -> Arc<Task> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let task = Arc::new(Task {
            id,
            host: host.into(),
            name: name.into(),
            at,
            future: Mutex::new(Some(future)),
            queued: AtomicBool::new(false),
            aborted: AtomicBool::new(false),
            ready: self.ready.clone(),
            live: self.live.clone(),
        });
        lock(&self.live).insert(id, task.clone());
        task.clone().wake();
        task
    }

    pub(crate) fn crash(&self, host: &str) {
        self.hosts.crash(host);
        let doomed: Vec<_> = lock(&self.live).values().filter(|t| &*t.host == host).cloned().collect();
        for task in doomed {
            task.abort();
        }
    }

    /// What is done to whole hosts.
    pub(crate) fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    /// Lets the tasks of a suspended host go on, in the order in which they became ready.
    pub(crate) fn resume(&self, host: &str) {
        lock(&self.ready).extend(self.hosts.resume(host));
    }

    /// Runs tasks and moves the clock until `done`.
    pub(crate) fn run_until(&self, done: impl Fn() -> bool) -> Result<(), Cause> {
        let mut polls_here = 0;
        loop {
            if done() {
                return Ok(());
            }
            if let Some(task) = self.next_ready() {
                polls_here += 1;
                if polls_here > self.polls_per_instant {
                    return Err(Cause::Livelock { task: task.info(), polls: polls_here });
                }
                self.poll(&task)?;
            } else if let Some(due) = self.clock.next_due() {
                polls_here = 0;
                self.clock.advance_to(due);
            } else {
                let waiting = lock(&self.live).values().map(|t| t.info()).collect();
                return Err(Cause::Deadlock { waiting });
            }
        }
    }

    /// The next task to run: choice 0 of the tape is the first in line.
    fn next_ready(&self) -> Option<Arc<Task>> {
        let mut ready = lock(&self.ready);
        self.hosts.hold_back(&mut ready);
        let n = u32::try_from(ready.len()).unwrap_or(u32::MAX);
        ready.remove(self.tape.choose(n) as usize)
    }

    fn poll(&self, task: &Arc<Task>) -> Result<(), Cause> {
        task.queued.store(false, Ordering::Relaxed);
        let Some(mut future) = lock(&task.future).take() else { return Ok(()) };
        self.polls.fetch_add(1, Ordering::Relaxed);
        let waker = Waker::from(task.clone());
        let polled = catching_panics(|| future.as_mut().poll(&mut Context::from_waker(&waker)));
        match polled {
            Err(message) => return Err(Cause::Panic { task: task.info(), message }),
            Ok(poll) if poll.is_ready() || task.aborted.load(Ordering::Relaxed) => {
                lock(&self.live).remove(&task.id);
            }
            Ok(_) => *lock(&task.future) = Some(future),
        }
        if self.hosts.polled(&task.host) {
            self.crash(&task.host);
        }
        Ok(())
    }

    /// Drops all tasks, oldest first. What they spawn meanwhile is dropped too.
    pub(crate) fn tear_down(&self) {
        loop {
            let oldest = lock(&self.live).values().next().cloned();
            let Some(task) = oldest else { break };
            task.abort();
        }
        lock(&self.ready).clear();
    }
}

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    static LAST_PANIC_AT: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs `f`; a panic becomes its message with its place, and nothing is printed for it.
fn catching_panics<T>(f: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if INSIDE.get() {
                let at = info.location().map(ToString::to_string).unwrap_or_default();
                LAST_PANIC_AT.with(|l| *l.borrow_mut() = at);
            } else {
                previous(info);
            }
        }));
    });
    let outer = INSIDE.replace(true);
    let result = catch_unwind(AssertUnwindSafe(f));
    INSIDE.set(outer);
    result.map_err(|payload| {
        format!("{} at {}", panic_text(&*payload), LAST_PANIC_AT.with_borrow(Clone::clone))
    })
}

fn panic_text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "(no message)".to_owned())
}

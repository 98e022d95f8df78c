//! The simulation driver: one thread, virtual time, tasks in an order that the tape decides.
//!
//! # Why a kernel of our own
//! A log with microseconds needs timers that are never late: tokio's are rounded to a millisecond. A report
//! of who was waiting when nothing could run any more, a bound on polls within one instant, and an order of
//! tasks that can be explored from a tape are not to be had there either. It is small, it has no reactor
//! (nothing outside of the process can wake a simulated world), and it is all safe code.

mod hosts;
pub(crate) mod kernel;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use crate::clock::WallClock;
use crate::cost::Costs;
use crate::net::{Net, SimNet};
use crate::rng::Rng;
use crate::tape::Tape;
use crate::time::Timestamp;
use crate::trace::Trace;
use crate::world::{Driver, Shared, World};

use kernel::Kernel;

/// What a simulated world is a function of.
#[derive(Debug)]
pub struct Config {
    /// Root of all randomness.
    pub seed: u64,
    /// The free choices.
    pub tape: Tape,
    /// The wall clock of the world.
    pub wall: WallClock,
    /// What computing costs, by place.
    pub costs: BTreeMap<String, Vec<Duration>>,
    /// Keep the records of the trace, not only their hash.
    pub keep_trace: bool,
    /// How many polls one instant may take before the run is stopped as a livelock.
    pub polls_per_instant: u64,
    /// The command that repeats this run, for the report of one that stopped.
    pub repeat: String,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            seed: 0,
            tape: Tape::zero(),
            wall: WallClock::default(),
            costs: BTreeMap::new(),
            keep_trace: false,
            polls_per_instant: 1_000_000,
            repeat: String::new(),
        }
    }
}

/// A run that came to its end.
#[derive(Debug)]
pub struct Finished<T> {
    /// What the main task returned.
    pub value: T,
    /// Virtual time that passed.
    pub elapsed: Duration,
    /// How often a task was polled.
    pub polls: u64,
    /// The trace of the run.
    pub trace: Trace,
    /// The choices that were made.
    pub tape: Tape,
}

/// Why a run could not go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// Nothing can run and no timer is pending.
    Deadlock {
        /// The tasks that wait, oldest first.
        waiting: Vec<TaskInfo>,
    },
    /// The clock cannot move because tasks wake each other without end.
    Livelock {
        /// The task that ran last.
        task: TaskInfo,
        /// How many polls this instant has taken.
        polls: u64,
    },
    /// A task panicked.
    Panic {
        /// The task.
        task: TaskInfo,
        /// What it said, and where.
        message: String,
    },
}

/// A task, as reports name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskInfo {
    /// Its host.
    pub host: String,
    /// Its name.
    pub name: String,
    /// Where it was spawned, `file:line:column`.
    pub spawned_at: String,
}

impl fmt::Display for TaskInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} (spawned at {})", self.host, self.name, self.spawned_at)
    }
}

/// A run that was stopped: who, where, when, and the command that repeats it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopped {
    /// Why.
    pub cause: Cause,
    /// Wall clock of the world.
    pub at: Timestamp,
    /// Virtual time since the world began.
    pub elapsed: Duration,
    /// Root seed.
    pub seed: u64,
    /// The command that repeats the run (empty when the caller named none).
    pub repeat: String,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Deadlock { waiting } => {
                write!(f, "deadlock: nothing can run and no timer is pending; waiting:")?;
                for task in waiting {
                    write!(f, "\n  {task}")?;
                }
            }
            Cause::Livelock { task, polls } => {
                write!(f, "livelock: {polls} polls within one instant, the last one of {task}")?;
            }
            Cause::Panic { task, message } => write!(f, "panic in {task}: {message}")?,
        }
        write!(f, "\n  at {} ({:?} after the start), seed {}", self.at, self.elapsed, self.seed)?;
        if !self.repeat.is_empty() {
            write!(f, "\n  repeat with: {}", self.repeat)?;
        }
        Ok(())
    }
}

impl std::error::Error for Stopped {}

/// Runs `main` in a fresh simulated world until it returns; tasks that are still running then are dropped.
///
/// # Errors
/// [`Stopped`] when a task panics, when nothing can run any more, or when one instant does not end.
pub fn run<T, F>(config: Config, main: impl FnOnce(World) -> F) -> Result<Finished<T>, Box<Stopped>>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let kernel = Arc::new(Kernel::new(config.tape.clone(), config.polls_per_instant));
    let trace = Trace::new(config.keep_trace);
    let world = World::new(Shared {
        driver: Driver::Sim(kernel.clone()),
        steering: None,
        wall: config.wall.clone(),
        rng: Rng::from_seed(config.seed),
        tape: config.tape.clone(),
        trace: trace.clone(),
        costs: Costs::new(config.costs),
        net: Net::Sim(SimNet::default()),
        readings: AtomicUsize::new(0),
    });
    let result: Arc<Mutex<Option<T>>> = Arc::default();
    let slot = result.clone();
    let future = main(world.clone());
    let root = world.spawn("main", async move {
        let value = future.await;
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
    });
    drop(root);
    let outcome = kernel.run_until(|| result.lock().is_ok_and(|r| r.is_some()));
    trace.close();
    let elapsed = Duration::from_nanos(kernel.clock.now());
    kernel.tear_down();
    let stopped = |cause| {
        let at = config.wall.at(kernel.clock.now());
        Box::new(Stopped { cause, at, elapsed, seed: config.seed, repeat: config.repeat.clone() })
    };
    outcome.map_err(&stopped)?;
    let value = result.lock().unwrap_or_else(PoisonError::into_inner).take();
    match value {
        Some(value) => Ok(Finished { value, elapsed, polls: kernel.polls(), trace, tape: config.tape }),
        None => Err(stopped(Cause::Deadlock { waiting: Vec::new() })),
    }
}

//! The handle that everything holds: [`World`], as seen from one host.

use std::future::Future;
use std::panic::Location;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use crate::clock::{Clock, Sleep, WallClock};
use crate::cost::Costs;
use crate::keys::Keys;
use crate::net::{Net, SimNet};
use crate::real::RealClock;
use crate::rng::Rng;
use crate::sim::kernel::Kernel;
use crate::steer::Steering;
use crate::tape::Tape;
use crate::time::Timestamp;
use crate::trace::Trace;

/// A point in monotonic time: nanoseconds since the world began. Only differences mean anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Instant(pub(crate) u64);

impl Instant {
    /// Nanoseconds since the world began.
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to here, or zero when `earlier` is later.
    pub fn since(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl std::ops::Add<Duration> for Instant {
    type Output = Instant;
    fn add(self, d: Duration) -> Instant {
        Instant(self.0.saturating_add(u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// The two clocks as a process reads them, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Wall clock, UTC.
    pub wall: Timestamp,
    /// Monotonic time since the process started.
    pub since_start: Duration,
}

impl Reading {
    /// Go's default rendering of a `time.Time` that still has its monotonic part:
    /// `2022-05-07 13:39:31.142484989 +0000 UTC m=+186628.212145824`.
    pub fn go_string(&self) -> String {
        let m = self.since_start;
        format!("{} m=+{}.{:09}", self.wall.go_string(), m.as_secs(), m.subsec_nanos())
    }
}

/// A time limit passed before the future was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("deadline has elapsed")]
pub struct Elapsed;

pub(crate) enum Driver {
    Sim(Arc<Kernel>),
    Guest(Arc<Clock>),
    Real(RealClock),
}

pub(crate) struct Shared {
    pub(crate) driver: Driver,
    pub(crate) steering: Option<Steering>,
    pub(crate) wall: WallClock,
    pub(crate) rng: Rng,
    pub(crate) tape: Tape,
    pub(crate) trace: Trace,
    pub(crate) costs: Costs,
    pub(crate) net: Net,
    pub(crate) readings: AtomicUsize,
}

/// Time, tasks, network, randomness and keys, as one host sees them. Cheap to clone.
#[derive(Clone)]
pub struct World {
    pub(crate) shared: Arc<Shared>,
    pub(crate) host: Arc<str>,
    pub(crate) started: Instant,
}

impl World {
    pub(crate) fn new(shared: Shared) -> Self {
        World { shared: Arc::new(shared), host: "main".into(), started: Instant(0) }
    }

    /// The same world as seen by a process that starts now on `host`. Its network view, the names of its
    /// tasks and [`Reading::since_start`] are the process's own.
    #[must_use]
    pub fn process(&self, host: &str) -> World {
        World { shared: self.shared.clone(), host: host.into(), started: self.monotonic() }
    }

    /// The host that this handle belongs to.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Monotonic time.
    pub fn monotonic(&self) -> Instant {
        match &self.shared.driver {
            Driver::Sim(kernel) => Instant(kernel.clock.now()),
            Driver::Guest(clock) => Instant(clock.now()),
            Driver::Real(clock) => Instant(clock.monotonic()),
        }
    }

    /// Wall-clock time, UTC: in a steered world that of [`World::steering`].
    pub fn now(&self) -> Timestamp {
        match (&self.shared.driver, &self.shared.steering) {
            (_, Some(steering)) => steering.now(),
            (Driver::Real(clock), None) => clock.now(),
            _ => self.shared.wall.at(self.monotonic().0),
        }
    }

    /// The handle that moves the wall clock, if this is a real world that was made with
    /// [`crate::real::Clock::Steered`].
    pub fn steering(&self) -> Option<Steering> {
        self.shared.steering.clone()
    }

    /// Both clocks, as `time.Now()` of a process reads them.
    pub fn reading(&self) -> Reading {
        let n = self.shared.readings.fetch_add(1, Ordering::Relaxed);
        let since_start = self.monotonic().since(self.started) + self.shared.wall.reading_gap(n);
        Reading { wall: self.now(), since_start }
    }

    /// Waits for `d`.
    pub fn sleep(&self, d: Duration) -> Sleep {
        self.sleep_until(self.monotonic() + d)
    }

    /// Waits until [`World::now`] has moved by `d`. In a steered world an advance of the clock counts, and a
    /// frozen clock keeps waiting; elsewhere it is [`World::sleep`]. For what happens on dates (expiry,
    /// renewal, the delays of a server's own work), as against time limits of the network.
    pub fn sleep_wall(&self, d: Duration) -> Sleep {
        match &self.shared.steering {
            Some(steering) => Sleep::steered(steering.sleep(d)),
            None => self.sleep(d),
        }
    }

    /// Waits until monotonic time reaches `at`; done at once when it has.
    pub fn sleep_until(&self, at: Instant) -> Sleep {
        match &self.shared.driver {
            Driver::Sim(kernel) => Sleep::on(kernel.clock.clone(), at.0),
            Driver::Guest(clock) => Sleep::on(clock.clone(), at.0),
            Driver::Real(clock) => clock.sleep_until(at.0),
        }
    }

    /// What computing at `place` costs: the time that the cost table of a simulation names for it
    /// ([`Costs`]), none on a real machine, where the computing itself takes it.
    pub async fn work(&self, place: &str) {
        let cost = match &self.shared.driver {
            Driver::Real(_) => Duration::ZERO,
            _ => self.shared.costs.charge(place),
        };
        if !cost.is_zero() {
            self.sleep(cost).await;
        }
    }

    /// Runs `future` for at most `limit`. When both are due in the same instant the future wins.
    ///
    /// # Errors
    /// [`Elapsed`] when the limit came first; the future is dropped.
    pub async fn timeout<T>(&self, limit: Duration, future: impl Future<Output = T>) -> Result<T, Elapsed> {
        let sleep = self.sleep(limit);
        match race(future, sleep).await {
            Raced::First(value) => Ok(value),
            Raced::Second(()) => Err(Elapsed),
        }
    }

    /// Starts a task. Its name and the caller's location appear in traces and in reports of a run that
    /// stopped.
    #[track_caller]
    pub fn spawn(&self, name: &str, future: impl Future<Output = ()> + Send + 'static) -> TaskHandle {
        let at = Location::caller();
        match &self.shared.driver {
            Driver::Sim(kernel) => {
                TaskHandle(Handle::Sim(kernel.spawn(&self.host, name, at, Box::pin(future))))
            }
            Driver::Guest(_) | Driver::Real(_) => TaskHandle(Handle::Tokio(crate::real::spawn(future))),
        }
    }

    /// Stops every task that `host` has running, where it stands, as a crash does. Simulation only; a
    /// real host's tasks end with their process.
    pub fn crash(&self, host: &str) {
        if let Driver::Sim(kernel) = &self.shared.driver {
            kernel.crash(host);
        }
    }

    /// Lets `host` crash (as [`World::crash`]) when its tasks have been polled `polls` times more: between any two
    /// steps of a program, whatever they are. Simulation only.
    pub fn crash_after(&self, host: &str, polls: u64) {
        if let Driver::Sim(kernel) = &self.shared.driver {
            kernel.hosts().crash_after(host, polls);
        }
    }

    /// Waits for the next crash of `host`, counted from this call; a real host's is never seen.
    pub fn crashed(&self, host: &str) -> impl Future<Output = ()> + Send + use<> {
        let crash = match &self.shared.driver {
            Driver::Sim(kernel) => Some(kernel.hosts().crashed(host)),
            _ => None,
        };
        async move {
            match crash {
                Some(crash) => crash.await,
                None => std::future::pending().await,
            }
        }
    }

    /// Holds `host` still until [`World::resume`]: none of its tasks runs, while the clocks and everybody else go on,
    /// as with a paused virtual machine or a process that gets no CPU. What became due meanwhile is late. Simulation
    /// only.
    pub fn suspend(&self, host: &str) {
        if let Driver::Sim(kernel) = &self.shared.driver {
            kernel.hosts().suspend(host);
        }
    }

    /// Lets a suspended host go on.
    pub fn resume(&self, host: &str) {
        if let Driver::Sim(kernel) = &self.shared.driver {
            kernel.resume(host);
        }
    }

    /// The stream of randomness with this label, from its beginning (see [`Rng::fork`]).
    pub fn rng(&self, label: &str) -> Rng {
        self.shared.rng.fork(label)
    }

    /// The maker of keys whose randomness is the stream with this label. In a real world its keys sign fast
    /// (see [`crate::keys`]).
    pub fn keys(&self, label: &str) -> Keys {
        Keys::new(self.rng(label), !self.is_virtual())
    }

    /// The choice tape of this run.
    pub fn tape(&self) -> &Tape {
        &self.shared.tape
    }

    /// The trace of this run.
    pub fn trace(&self) -> &Trace {
        &self.shared.trace
    }

    /// Adds a record to the trace, at this moment.
    pub fn record(&self, who: &str, what: &'static str, bytes: &[u8]) {
        self.shared.trace.record(self.monotonic().0, who, what, bytes);
    }

    /// The simulated network, to set up hosts and links; `None` on a real machine.
    pub fn sim_net(&self) -> Option<&SimNet> {
        match &self.shared.net {
            Net::Sim(net) => Some(net),
            Net::Real => None,
        }
    }

    /// Whether time is virtual here.
    pub fn is_virtual(&self) -> bool {
        !matches!(self.shared.driver, Driver::Real(_))
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "World({} at {})", self.host, self.now())
    }
}

/// A running task. Dropping the handle lets the task run on.
#[derive(Debug)]
pub struct TaskHandle(Handle);

#[derive(Debug)]
enum Handle {
    Sim(Arc<crate::sim::kernel::Task>),
    Tokio(tokio::task::AbortHandle),
}

impl TaskHandle {
    /// Stops the task at its next await point, or at once when it is not running; its future is dropped.
    pub fn abort(&self) {
        match &self.0 {
            Handle::Sim(task) => task.abort(),
            Handle::Tokio(handle) => handle.abort(),
        }
    }
}

/// Which of two futures was done first.
#[derive(Debug)]
pub enum Raced<A, B> {
    /// The first, or both in the same instant.
    First(A),
    /// The second.
    Second(B),
}

/// Waits for the first of two futures; the first argument wins a tie. The other one is dropped.
pub async fn race<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> Raced<A, B> {
    struct Race<'a, A, B>(Pin<&'a mut A>, Pin<&'a mut B>);
    impl<A: Future, B: Future> Future for Race<'_, A, B> {
        type Output = Raced<A::Output, B::Output>;
        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
            if let Poll::Ready(v) = self.0.as_mut().poll(cx) {
                return Poll::Ready(Raced::First(v));
            }
            self.1.as_mut().poll(cx).map(Raced::Second)
        }
    }
    Race(pin!(a), pin!(b)).await
}

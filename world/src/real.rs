//! The real driver: the system's clock, sockets and randomness, on tokio's multi-thread runtime.
//!
//! This file, `guest.rs` and `net/real.rs` are the only ones that may touch them.
#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "this is the way out of the world")]

use std::future::Future;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ring::rand::{SecureRandom, SystemRandom};

use crate::clock::{Sleep, WallClock};
use crate::cost::Costs;
use crate::net::Net;
use crate::rng::Rng;
use crate::steer::Steering;
use crate::tape::Tape;
use crate::time::Timestamp;
use crate::trace::Trace;
use crate::world::{Driver, Shared, World};

/// The system's clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RealClock {
    base: Instant,
}

impl RealClock {
    pub(crate) fn monotonic(&self) -> u64 {
        u64::try_from(self.base.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    #[expect(clippy::unused_self, reason = "one shape with the virtual clock")]
    pub(crate) fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::UNIX_EPOCH + since
    }

    pub(crate) fn sleep_until(&self, at: u64) -> Sleep {
        Sleep::real(self.timer(at))
    }

    pub(crate) fn timer(&self, at: u64) -> tokio::time::Sleep {
        let far = Instant::now() + Duration::from_secs(30 * 365 * 86_400);
        let due = self.base.checked_add(Duration::from_nanos(at)).unwrap_or(far);
        tokio::time::sleep_until(due.min(far).into())
    }
}

pub(crate) fn spawn(future: impl Future<Output = ()> + Send + 'static) -> tokio::task::AbortHandle {
    tokio::spawn(future).abort_handle()
}

/// How long something takes on this machine: for people who wait, never for an artefact.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    pub fn start() -> Self {
        Stopwatch(Instant::now())
    }

    /// Since the start.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Which clock `World::now` reads in a real world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clock {
    /// The system's.
    #[default]
    System,
    /// One that starts as the system's and can be moved ([`crate::Steering`]).
    Steered,
}

/// What a real world is made with. Made of a seed alone, the clock is the system's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Root of all randomness; without one it is the operating system's.
    pub seed: Option<u64>,
    /// The wall clock.
    pub clock: Clock,
}

impl From<Option<u64>> for Options {
    fn from(seed: Option<u64>) -> Self {
        Options { seed, ..Options::default() }
    }
}

/// The operating system gave no randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gave no randomness")]
pub struct NoEntropy;

/// A handle on the real world. Must be used within a tokio runtime.
///
/// With a `seed`, all that is drawn from the world repeats: keys, nonces, tokens, serial numbers. What
/// cryptography draws does not: handshakes, and signatures with ECDSA keys ([`crate::keys`]). Without a seed
/// randomness comes from the operating system.
///
/// # Errors
/// [`NoEntropy`] when the system has none to give.
pub fn world(options: impl Into<Options>) -> Result<World, NoEntropy> {
    let options = options.into();
    let rng = match options.seed {
        Some(seed) => Rng::from_seed(seed),
        None => {
            let mut bytes = [0; 32];
            SystemRandom::new().fill(&mut bytes).map_err(|_| NoEntropy)?;
            Rng::from_bytes(bytes)
        }
    };
    let clock = RealClock { base: Instant::now() };
    let steering = (options.clock == Clock::Steered).then(|| Steering::new(clock));
    Ok(World::new(Shared {
        driver: Driver::Real(clock),
        steering,
        wall: WallClock::default(),
        rng,
        tape: Tape::zero(),
        trace: closed_trace(),
        costs: Costs::default(),
        net: Net::Real,
        readings: AtomicUsize::new(0),
    }))
}

/// A server that runs for weeks keeps no trace.
fn closed_trace() -> Trace {
    let trace = Trace::new(false);
    trace.close();
    trace
}

/// Runs `main` on a multi-thread tokio runtime with real time, sockets and randomness.
///
/// # Errors
/// When the runtime cannot be started or the system has no randomness.
pub fn run<T, F: Future<Output = T>>(
    options: impl Into<Options>,
    main: impl FnOnce(World) -> F,
) -> std::io::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let world = world(options).map_err(std::io::Error::other)?;
    Ok(runtime.block_on(main(world)))
}

/// Listens from now on for signals that ask the process to end; what is returned is done when one came.
///
/// # Errors
/// What the system reports.
#[cfg(unix)]
pub fn told_to_end() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        crate::world::race(terminate.recv(), interrupt.recv()).await;
    })
}

/// Listens for the signal that asks the process to end; what is returned is done when it came.
///
/// # Errors
/// None here.
#[cfg(not(unix))]
pub fn told_to_end() -> std::io::Result<impl Future<Output = ()>> {
    Ok(async { drop(tokio::signal::ctrl_c().await) })
}

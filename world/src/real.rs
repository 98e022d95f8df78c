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
use crate::tape::Tape;
use crate::time::Timestamp;
use crate::trace::Trace;
use crate::world::{Driver, Shared, World};

/// The system's clocks.
#[derive(Debug)]
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
        Sleep::real(tokio::time::sleep_until((self.base + Duration::from_nanos(at)).into()))
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
pub fn world(seed: Option<u64>) -> Result<World, NoEntropy> {
    let rng = match seed {
        Some(seed) => Rng::from_seed(seed),
        None => {
            let mut bytes = [0; 32];
            SystemRandom::new().fill(&mut bytes).map_err(|_| NoEntropy)?;
            Rng::from_bytes(bytes)
        }
    };
    Ok(World::new(Shared {
        driver: Driver::Real(RealClock { base: Instant::now() }),
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
pub fn run<T, F: Future<Output = T>>(seed: Option<u64>, main: impl FnOnce(World) -> F) -> std::io::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let world = world(seed).map_err(std::io::Error::other)?;
    Ok(runtime.block_on(main(world)))
}

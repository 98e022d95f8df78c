//! Guest mode: our nanosecond clock inside a stock, paused, single-threaded tokio runtime.
//!
//! Somebody else's tokio code (`tokio::spawn`, `tokio::time`) runs in virtual time next to ours. The hook
//! `on_thread_park` runs exactly when nothing can run: there the clock with the earlier deadline moves.
//! Our timers stay exact; foreign timers keep tokio's granularity of a millisecond.
#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "guest mode lives inside of tokio")]

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::time::Instant;

use crate::clock::Clock;
use crate::cost::Costs;
use crate::net::{Net, SimNet};
use crate::rng::Rng;
use crate::sim::Config;
use crate::trace::Trace;
use crate::world::{Driver, Shared, World};

const NANOS_PER_MS: u64 = 1_000_000;

struct Bridge {
    clock: Arc<Clock>,
    base: Instant,
    /// One tokio timer at the last whole millisecond before our next deadline: tokio's own auto-advance
    /// then chooses between it and the timers of foreign code. Within a millisecond our clock goes on
    /// alone, so that a foreign timer that is due at its end finds all that was due earlier done.
    mirror: Option<Pin<Box<tokio::time::Sleep>>>,
    armed_ms: u64,
    /// tokio's clock when the park began: tells a real jump from a park that returned at once.
    before: u64,
}

thread_local! { static BRIDGE: RefCell<Option<Bridge>> = const { RefCell::new(None) }; }

impl Bridge {
    fn tokio_now(&self) -> u64 {
        u64::try_from(Instant::now().duration_since(self.base).as_nanos()).unwrap_or(u64::MAX)
    }

    fn on_park(&mut self) {
        let now = self.tokio_now();
        self.before = now;
        let due = self.clock.next_due();
        if let Some(due) = due.filter(|due| *due / NANOS_PER_MS <= now / NANOS_PER_MS) {
            self.clock.advance_to(due);
            return;
        }
        // Foreign code may have moved tokio's clock by hand.
        self.clock.advance_to(now);
        // With no deadline of ours an hour-long mirror keeps tokio jumping instead of parking for ever.
        let ms = due.map_or(now / NANOS_PER_MS + 3_600_000, |due| due / NANOS_PER_MS);
        if self.armed_ms != ms || self.mirror.is_none() {
            let at = self.base + Duration::from_millis(ms);
            let mut mirror = match self.mirror.take() {
                Some(mut mirror) => {
                    mirror.as_mut().reset(at);
                    mirror
                }
                None => Box::pin(tokio::time::sleep_until(at)),
            };
            self.armed_ms = ms;
            let _ = mirror.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            self.mirror = Some(mirror);
        }
    }

    /// After tokio moved its clock, brings ours along before any woken task runs.
    fn on_unpark(&mut self) {
        let now = self.tokio_now();
        if now == self.before {
            return;
        }
        match self.clock.next_due() {
            Some(due) if due <= now => self.clock.advance_to(due),
            _ => self.clock.advance_to(now),
        }
    }
}

fn with_bridge(f: impl FnOnce(&mut Bridge)) {
    BRIDGE.with_borrow_mut(|bridge| bridge.as_mut().map(f));
}

/// Runs `main` in a simulated world that is hosted in a paused tokio runtime. `config.tape` orders nothing
/// here (tokio's queue does); seed, wall clock and costs are as in [`crate::sim::run`].
///
/// # Errors
/// When the runtime cannot be built.
pub fn run<T, F: Future<Output = T>>(config: Config, main: impl FnOnce(World) -> F) -> std::io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .on_thread_park(|| with_bridge(Bridge::on_park))
        .on_thread_unpark(|| with_bridge(Bridge::on_unpark))
        .build()?;
    let clock = Arc::new(Clock::default());
    let world = World::new(Shared {
        driver: Driver::Guest(clock.clone()),
        steering: None,
        wall: config.wall,
        rng: Rng::from_seed(config.seed),
        tape: config.tape,
        trace: Trace::new(config.keep_trace),
        costs: Costs::new(config.costs),
        net: Net::Sim(SimNet::default()),
        readings: AtomicUsize::new(0),
    });
    let value = runtime.block_on(async {
        let bridge = Bridge { clock, base: Instant::now(), mirror: None, armed_ms: 0, before: 0 };
        BRIDGE.set(Some(bridge));
        main(world).await
    });
    BRIDGE.set(None);
    Ok(value)
}

//! The virtual clock: nanoseconds, and a heap of deadlines.
//!
//! Timers fire in the order (deadline, creation), so two deadlines in one nanosecond have an order too.
//! The clock moves only when its driver says so; a timer is never late. The wall clock is derived from it:
//! start + monotonic time + the steps that a time daemon made ([`WallClock`]).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::steer::SteeredSleep;
use crate::time::Timestamp;

/// How the wall clock follows the monotonic clock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WallClock {
    /// The wall clock at monotonic zero.
    pub start: Timestamp,
    /// Steps, in the order of `at`.
    pub steps: Vec<WallStep>,
    /// Frequency error against the monotonic clock, in parts per billion (positive runs fast).
    pub drift_ppb: i64,
    /// A process reads its two clocks one after the other: the monotonic part of the n-th reading is this
    /// much later than the wall part (the last value repeats; none means zero).
    pub reading_gaps: Vec<Duration>,
}

/// A step of the wall clock, as a time daemon or an administrator makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WallStep {
    /// Monotonic time of the step.
    pub at: Duration,
    /// By how much, in nanoseconds (negative sets the clock back).
    pub by_nanos: i64,
}

impl WallClock {
    /// The wall clock at the monotonic time `mono` (nanoseconds).
    pub fn at(&self, mono: u64) -> Timestamp {
        let drift = (i128::from(mono) * i128::from(self.drift_ppb)) / 1_000_000_000;
        let steps: i64 =
            self.steps.iter().filter(|s| s.at.as_nanos() <= u128::from(mono)).map(|s| s.by_nanos).sum();
        let base = self.start + Duration::from_nanos(mono);
        let nanos = base.unix_nanos().saturating_add(steps).saturating_add(i64::try_from(drift).unwrap_or(0));
        Timestamp::from_unix_nanos(nanos)
    }

    pub(crate) fn reading_gap(&self, n: usize) -> Duration {
        self.reading_gaps.get(n).or(self.reading_gaps.last()).copied().unwrap_or_default()
    }
}

/// Monotonic virtual time and the timers that wait for it.
#[derive(Debug, Default)]
pub(crate) struct Clock(Mutex<Timers>);

#[derive(Debug, Default)]
struct Timers {
    now: u64,
    next_seq: u64,
    heap: BinaryHeap<Reverse<(u64, u64)>>,
    wakers: BTreeMap<u64, Waker>,
}

impl Clock {
    fn lock(&self) -> MutexGuard<'_, Timers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> u64 {
        self.lock().now
    }

    /// When the next timer that somebody still waits for is due.
    pub(crate) fn next_due(&self) -> Option<u64> {
        let mut timers = self.lock();
        while let Some(Reverse((due, seq))) = timers.heap.peek().copied() {
            if timers.wakers.contains_key(&seq) {
                return Some(due);
            }
            timers.heap.pop();
        }
        None
    }

    /// Moves to `at` (never back) and wakes all that is due, in order.
    pub(crate) fn advance_to(&self, at: u64) {
        let mut due = Vec::new();
        {
            let mut timers = self.lock();
            timers.now = timers.now.max(at);
            while let Some(Reverse((when, seq))) = timers.heap.peek().copied() {
                if when > timers.now {
                    break;
                }
                timers.heap.pop();
                due.extend(timers.wakers.remove(&seq));
            }
        }
        for waker in due {
            waker.wake();
        }
    }
}

/// Waits for a point in time. Made by `World::sleep`, `World::sleep_until` and `World::sleep_wall`.
#[derive(Debug)]
pub struct Sleep(Kind);

#[derive(Debug)]
enum Kind {
    /// `seq` is given at creation; the clock knows of the timer once it is `armed`, by its first poll.
    Virtual {
        clock: Arc<Clock>,
        due: u64,
        seq: u64,
        armed: bool,
    },
    Real(Pin<Box<tokio::time::Sleep>>),
    Steered(Box<SteeredSleep>),
}

impl Sleep {
    pub(crate) fn on(clock: Arc<Clock>, due: u64) -> Self {
        let seq = {
            let mut timers = clock.lock();
            timers.next_seq += 1;
            timers.next_seq
        };
        Sleep(Kind::Virtual { clock, due, seq, armed: false })
    }

    pub(crate) fn real(sleep: tokio::time::Sleep) -> Self {
        Sleep(Kind::Real(Box::pin(sleep)))
    }

    pub(crate) fn steered(sleep: SteeredSleep) -> Self {
        Sleep(Kind::Steered(Box::new(sleep)))
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.0 {
            Kind::Real(sleep) => sleep.as_mut().poll(cx),
            Kind::Steered(sleep) => Pin::new(&mut **sleep).poll(cx),
            Kind::Virtual { clock, due, seq, armed } => {
                let mut timers = clock.lock();
                if timers.now >= *due {
                    let waker = timers.wakers.remove(seq);
                    drop(timers);
                    drop(waker);
                    return Poll::Ready(());
                }
                if !std::mem::replace(armed, true) {
                    timers.heap.push(Reverse((*due, *seq)));
                }
                let before = timers.wakers.insert(*seq, cx.waker().clone());
                // Dropping a waker may drop a task, and with it other timers: the lock must be free.
                drop(timers);
                drop(before);
                Poll::Pending
            }
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Kind::Virtual { clock, seq, armed: true, .. } = &self.0 {
            let waker = clock.lock().wakers.remove(seq);
            drop(waker);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_time_has_steps_drift_and_reading_gaps() {
        let wall = WallClock {
            start: Timestamp::from_unix_secs(100),
            steps: vec![WallStep { at: Duration::from_secs(10), by_nanos: -1_000 }],
            drift_ppb: 500,
            reading_gaps: vec![Duration::from_nanos(40), Duration::from_nanos(17)],
        };
        assert_eq!(wall.at(9_000_000_000).unix_nanos(), 109_000_004_500);
        assert_eq!(wall.at(10_000_000_000).unix_nanos(), 110_000_004_000);
        assert_eq!(wall.reading_gap(0).as_nanos(), 40);
        assert_eq!(wall.reading_gap(9).as_nanos(), 17);
    }

    #[test]
    fn a_dropped_timer_is_not_waited_for() {
        let clock = Arc::new(Clock::default());
        let mut sleep = Box::pin(Sleep::on(clock.clone(), 5));
        let _ = sleep.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(clock.next_due(), Some(5));
        drop(sleep);
        assert_eq!(clock.next_due(), None);
    }
}

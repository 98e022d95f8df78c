//! A wall clock that can be moved while sockets stay real: for servers whose users want to see what happens
//! in ninety days.
//!
//! It starts as the system's, goes on with the system's monotonic clock, and can be advanced, set forward,
//! frozen and resumed. Only [`crate::World::now`] and [`crate::World::sleep_wall`] follow it; what belongs to
//! the network (time limits, monotonic time) is left alone.
//!
//! **Invariant:** it never goes back.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::real::RealClock;
use crate::time::Timestamp;

/// Somebody asked for a time before the one that the clock shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the clock shows {now} and cannot go back to {asked}")]
pub struct BackInTime {
    /// What the clock shows.
    pub now: Timestamp,
    /// What was asked for.
    pub asked: Timestamp,
}

/// How the wall clock follows the monotonic clock: it showed `wall` at the monotonic time `mono`, and has
/// stood still or gone on since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Hand {
    wall: i64,
    mono: u64,
    frozen: bool,
}

impl Hand {
    /// What it shows at the monotonic time `mono`, in nanoseconds since 1970.
    fn at(self, mono: u64) -> i64 {
        let passed = if self.frozen { 0 } else { mono.saturating_sub(self.mono) };
        self.wall.saturating_add(i64::try_from(passed).unwrap_or(i64::MAX))
    }

    /// The monotonic time at which it shows `wall` if nobody touches it; `None` when it never will.
    fn reaches(self, wall: i64) -> Option<u64> {
        match u64::try_from(wall.saturating_sub(self.wall)) {
            Ok(0) | Err(_) => Some(self.mono),
            Ok(_) if self.frozen => None,
            Ok(ahead) => Some(self.mono.saturating_add(ahead)),
        }
    }

    fn advance(self, mono: u64, by: i64) -> Self {
        Hand { wall: self.at(mono).saturating_add(by), mono, ..self }
    }

    fn set(self, mono: u64, to: i64) -> Result<Self, BackInTime> {
        let now = self.at(mono);
        if to < now {
            let (now, asked) = (Timestamp::from_unix_nanos(now), Timestamp::from_unix_nanos(to));
            return Err(BackInTime { now, asked });
        }
        Ok(Hand { wall: to, mono, ..self })
    }

    fn freeze(self, mono: u64, frozen: bool) -> Self {
        Hand { wall: self.at(mono), mono, frozen }
    }
}

#[derive(Debug)]
struct State {
    hand: Hand,
    /// How often it was touched.
    changes: u64,
    next_sleeper: u64,
    sleepers: BTreeMap<u64, Waker>,
}

/// A handle on the wall clock of a steered world. Clones move the same clock.
#[derive(Clone, Debug)]
pub struct Steering(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: RealClock,
    state: Mutex<State>,
}

impl Steering {
    pub(crate) fn new(clock: RealClock) -> Self {
        let hand = Hand { wall: clock.now().unix_nanos(), mono: clock.monotonic(), frozen: false };
        let state = State { hand, changes: 0, next_sleeper: 0, sleepers: BTreeMap::new() };
        Steering(Arc::new(Inner { clock, state: Mutex::new(state) }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the clock shows.
    pub fn now(&self) -> Timestamp {
        let mono = self.0.clock.monotonic();
        Timestamp::from_unix_nanos(self.lock().hand.at(mono))
    }

    /// Whether it stands still.
    pub fn is_frozen(&self) -> bool {
        self.lock().hand.frozen
    }

    /// Moves the clock forward by `d`, whether it stands still or not. Returns what it shows then.
    pub fn advance(&self, d: Duration) -> Timestamp {
        let by = i64::try_from(d.as_nanos()).unwrap_or(i64::MAX);
        self.change(|hand, mono| hand.advance(mono, by))
    }

    /// Sets the clock to `to`, whether it stands still or not.
    ///
    /// # Errors
    /// [`BackInTime`] when it shows a later time; it is left as it is.
    pub fn set(&self, to: Timestamp) -> Result<Timestamp, BackInTime> {
        let mut outcome = Ok(());
        let now = self.change(|hand, mono| match hand.set(mono, to.unix_nanos()) {
            Ok(set) => set,
            Err(back) => {
                outcome = Err(back);
                hand
            }
        });
        outcome.map(|()| now)
    }

    /// Stops the clock where it is. Returns what it shows.
    pub fn freeze(&self) -> Timestamp {
        self.change(|hand, mono| hand.freeze(mono, true))
    }

    /// Lets the clock go on from where it is. Returns what it shows.
    pub fn resume(&self) -> Timestamp {
        self.change(|hand, mono| hand.freeze(mono, false))
    }

    /// Touches the clock and has all sleepers look at it.
    fn change(&self, touch: impl FnOnce(Hand, u64) -> Hand) -> Timestamp {
        let (now, woken) = {
            let mut state = self.lock();
            // Read under the lock: changes follow each other.
            let mono = self.0.clock.monotonic();
            state.hand = touch(state.hand, mono);
            state.changes += 1;
            (state.hand.at(mono), std::mem::take(&mut state.sleepers))
        };
        for waker in woken.into_values() {
            waker.wake();
        }
        Timestamp::from_unix_nanos(now)
    }

    pub(crate) fn sleep(&self, d: Duration) -> SteeredSleep {
        let mut state = self.lock();
        let now = state.hand.at(self.0.clock.monotonic());
        state.next_sleeper += 1;
        let due = now.saturating_add(i64::try_from(d.as_nanos()).unwrap_or(i64::MAX));
        SteeredSleep { steering: self.clone(), id: state.next_sleeper, due, seen: None, timer: None }
    }
}

/// Waits until a steered clock shows a time.
#[derive(Debug)]
pub(crate) struct SteeredSleep {
    steering: Steering,
    id: u64,
    /// Nanoseconds since 1970.
    due: i64,
    /// The count of changes that `timer` is for.
    seen: Option<u64>,
    timer: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Future for SteeredSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        loop {
            let mut state = this.steering.lock();
            let clock = &this.steering.0.clock;
            if state.hand.at(clock.monotonic()) >= this.due {
                let waker = state.sleepers.remove(&this.id);
                drop(state);
                drop(waker);
                return Poll::Ready(());
            }
            let before = state.sleepers.insert(this.id, cx.waker().clone());
            let (changes, reaches) = (state.changes, state.hand.reaches(this.due));
            // Dropping a waker may drop a task, and with it other sleepers: the lock must be free.
            drop(state);
            drop(before);
            if this.seen.replace(changes) != Some(changes) {
                this.timer = reaches.map(|mono| Box::pin(clock.timer(mono)));
            }
            // A clock that stands still is waited for without a timer.
            let Some(timer) = &mut this.timer else { return Poll::Pending };
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            this.seen = None;
        }
    }
}

impl Drop for SteeredSleep {
    fn drop(&mut self) {
        let waker = self.steering.lock().sleepers.remove(&self.id);
        drop(waker);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        /// Monotonic time passes.
        Pass(u64),
        Advance(i64),
        /// By this much from what it shows.
        Set(i64),
        Freeze,
        Resume,
        /// Somebody begins to wait.
        Sleep(i64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0..50u64).prop_map(Step::Pass),
            1 => (0..50i64).prop_map(Step::Advance),
            1 => (-20..50i64).prop_map(Step::Set),
            1 => Just(Step::Freeze),
            1 => Just(Step::Resume),
            2 => (0..80i64).prop_map(Step::Sleep),
        ]
    }

    /// The clock as a person would keep it: what it shows, and whether it goes.
    #[derive(Debug, Default)]
    struct Model {
        shows: i64,
        frozen: bool,
    }

    proptest! {
        /// The clock shows what the model shows, never goes back, and a sleeper's timer goes off exactly
        /// when the model reaches its time.
        #[test]
        fn it_does_as_the_model(steps in proptest::collection::vec(step(), 1..60)) {
            let mut model = Model::default();
            let mut hand = Hand { wall: 0, mono: 0, frozen: false };
            let (mut mono, mut sleepers) = (0u64, Vec::new());
            for step in steps {
                let before = hand.at(mono);
                match step {
                    Step::Pass(d) => {
                        for _ in 0..d {
                            mono += 1;
                            model.shows += i64::from(!model.frozen);
                            for due in &sleepers {
                                let reached = hand.reaches(*due).is_some_and(|at| at <= mono);
                                prop_assert_eq!(reached, model.shows >= *due);
                            }
                        }
                    }
                    Step::Advance(d) => {
                        model.shows += d;
                        hand = hand.advance(mono, d);
                    }
                    Step::Set(d) => {
                        let set = hand.set(mono, before + d);
                        prop_assert_eq!(set.is_ok(), d >= 0);
                        if let Ok(set) = set {
                            model.shows += d;
                            hand = set;
                        }
                    }
                    Step::Freeze | Step::Resume => {
                        model.frozen = matches!(step, Step::Freeze);
                        hand = hand.freeze(mono, model.frozen);
                    }
                    Step::Sleep(d) => sleepers.push(before + d),
                }
                prop_assert_eq!(hand.at(mono), model.shows);
                prop_assert!(hand.at(mono) >= before);
                for due in &sleepers {
                    let reached = hand.reaches(*due).is_some_and(|at| at <= mono);
                    prop_assert_eq!(reached, model.shows >= *due);
                }
            }
        }
    }
}

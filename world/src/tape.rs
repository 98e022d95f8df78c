//! The choice tape: every free choice of a simulated world, in the order in which it was asked for.
//!
//! `choose(n)` answers a number below `n`, and **0 is always the boring choice** (first task in line, no
//! fault, no extra delay). A scripted scenario runs on the all-zero tape. A seed makes a fresh tape; a
//! recorded tape replays a run exactly; past its end a tape answers 0, so cutting and lowering a tape gives
//! a simpler story, which is what shrinking needs.

use std::sync::{Arc, Mutex, PoisonError};

use crate::rng::Rng;

/// A shared handle on the tape of one run.
#[derive(Clone, Debug)]
pub struct Tape(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    source: Source,
    drawn: Vec<u32>,
}

#[derive(Debug)]
enum Source {
    Zero,
    Seeded(Rng),
    Recorded(std::vec::IntoIter<u32>),
}

impl Tape {
    /// The all-zero tape: every choice is the boring one. Nothing is recorded, as there is nothing to say.
    pub fn zero() -> Self {
        Self::new(Source::Zero)
    }

    /// A fresh tape that is a function of `seed`.
    pub fn seeded(seed: u64) -> Self {
        Self::new(Source::Seeded(Rng::from_seed(seed).fork("tape")))
    }

    /// Plays `choices` back, then answers 0.
    pub fn recorded(choices: Vec<u32>) -> Self {
        Self::new(Source::Recorded(choices.into_iter()))
    }

    fn new(source: Source) -> Self {
        Tape(Arc::new(Mutex::new(Inner { source, drawn: Vec::new() })))
    }

    /// A choice below `n`; 0 for `n` of 0 or 1 (which draws nothing).
    pub fn choose(&self, n: u32) -> u32 {
        if n < 2 {
            return 0;
        }
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let choice = match &mut inner.source {
            Source::Zero => return 0,
            Source::Seeded(rng) => rng.below(u64::from(n)) as u32,
            Source::Recorded(choices) => choices.next().unwrap_or(0).min(n - 1),
        };
        inner.drawn.push(choice);
        choice
    }

    /// The choices made so far; feed them to [`Tape::recorded`] to have the same run again.
    pub fn drawn(&self) -> Vec<u32> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).drawn.clone()
    }
}

impl Default for Tape {
    fn default() -> Self {
        Tape::zero()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorded_tape_repeats_a_seeded_one_and_ends_in_zeros() {
        let first = Tape::seeded(7);
        let choices: Vec<u32> = (2..40).map(|n| first.choose(n)).collect();
        assert!(choices.iter().any(|c| *c > 0));
        let again = Tape::recorded(first.drawn());
        assert_eq!((2..40).map(|n| again.choose(n)).collect::<Vec<_>>(), choices);
        assert_eq!(again.choose(1000), 0);
    }

    #[test]
    fn a_choice_stays_below_its_bound_when_the_run_has_changed() {
        assert_eq!(Tape::recorded(vec![9]).choose(3), 2);
    }
}

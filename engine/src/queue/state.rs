//! The queue without its tasks: what is in line, in work, dirty, delayed, and how often it failed.

use std::collections::{BTreeSet, VecDeque};

use world::Instant;

use crate::api::ObjectKey;
use crate::keyed::{KeySet, Keyed};

/// The state of a work queue. All methods are immediate.
#[derive(Debug, Default)]
pub struct QueueState {
    line: VecDeque<ObjectKey>,
    dirty: KeySet<ObjectKey>,
    processing: KeySet<ObjectKey>,
    delayed: Keyed<ObjectKey, Instant>,
    /// The delayed keys, first the one that is due first.
    due: BTreeSet<(Instant, ObjectKey)>,
    failures: Keyed<ObjectKey, u32>,
}

impl QueueState {
    /// Adds a key: into line, unless it is there already or is being worked on.
    pub fn add(&mut self, key: ObjectKey) {
        if self.dirty.insert(key.clone()) && !self.processing.contains(&key) {
            self.line.push_back(key);
        }
    }

    /// Takes the first key in line into work.
    pub fn take(&mut self) -> Option<ObjectKey> {
        let key = self.line.pop_front()?;
        self.dirty.remove(&key);
        self.processing.insert(key.clone());
        Some(key)
    }

    /// Ends the work on a key; a dirty one goes into line.
    pub fn done(&mut self, key: &ObjectKey) {
        self.processing.remove(key);
        if self.dirty.contains(key) {
            self.line.push_back(key.clone());
        }
    }

    /// Ends the work on a key, takes its dirty mark away and says whether it had one.
    pub fn done_without_rerun(&mut self, key: &ObjectKey) -> bool {
        self.processing.remove(key);
        self.dirty.remove(key)
    }

    /// Delays a key until `due`, or leaves an earlier time standing.
    pub fn delay_until(&mut self, key: ObjectKey, due: Instant) {
        let at = self.delayed.get(&key).copied();
        if at.is_some_and(|at| at <= due) {
            return;
        }
        if let Some(at) = at {
            self.due.remove(&(at, key.clone()));
        }
        self.due.insert((due, key.clone()));
        self.delayed.insert(key, due);
    }

    /// When the next delayed key is due.
    pub fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Adds every key that is due at `now`, in the order of their times.
    pub fn release_due(&mut self, now: Instant) {
        while self.due.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, key)) = self.due.pop_first() else { return };
            self.delayed.remove(&key);
            self.add(key);
        }
    }

    /// Counts a failure of the key and says how many there are in a row.
    pub fn failed(&mut self, key: &ObjectKey) -> u32 {
        let failures = self.failures.or_default(key.clone());
        *failures += 1;
        *failures
    }

    /// Forgets the failures of the key.
    pub fn forget(&mut self, key: &ObjectKey) {
        self.failures.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn key(n: u8) -> ObjectKey {
        ObjectKey::new("ns", format!("k{n}"))
    }

    #[test]
    fn a_key_added_during_work_runs_again_at_once_and_once() {
        let mut q = QueueState::default();
        q.add(key(1));
        q.add(key(1));
        assert_eq!(q.take(), Some(key(1)));
        q.add(key(1));
        q.add(key(1));
        assert_eq!(q.take(), None, "no second worker on the same key");
        q.done(&key(1));
        assert_eq!(q.take(), Some(key(1)));
        q.done(&key(1));
        assert_eq!(q.take(), None);
    }

    #[test]
    fn a_later_delay_does_not_move_an_earlier_one() {
        let mut q = QueueState::default();
        let t = |n| Instant::default() + Duration::from_secs(n);
        q.delay_until(key(1), t(10));
        q.delay_until(key(1), t(12));
        assert_eq!(q.next_due(), Some(t(10)));
        q.delay_until(key(1), t(5));
        assert_eq!(q.next_due(), Some(t(5)));
        q.release_due(t(5));
        assert_eq!((q.take(), q.next_due()), (Some(key(1)), None));
    }

    #[derive(Debug, Clone)]
    enum Op {
        Add(u8),
        Take,
        Done(u8),
        Delay(u8, u64),
        Release(u64),
    }

    fn op() -> impl Strategy<Value = Op> {
        let (key, time) = (0..4_u8, 0..6_u64);
        prop_oneof![
            key.clone().prop_map(Op::Add),
            Just(Op::Take),
            key.clone().prop_map(Op::Done),
            (key, time.clone()).prop_map(|(n, at)| Op::Delay(n, at)),
            time.prop_map(Op::Release),
        ]
    }

    proptest! {
        /// Against the definition: a key waits iff it was added after its last take, or its delay has ended since; never
        /// two workers; of several delays the earliest counts.
        #[test]
        fn agrees_with_its_model(ops in prop::collection::vec(op(), 0..200)) {
            let mut q = QueueState::default();
            let (mut pending, mut working) = (BTreeSet::new(), BTreeSet::new());
            let mut delayed = BTreeMap::new();
            let at = |n| Instant::default() + Duration::from_secs(n);
            for op in ops {
                match op {
                    Op::Add(n) => { q.add(key(n)); pending.insert(n); }
                    Op::Take => {
                        let free = pending.difference(&working).next().is_some();
                        let taken = q.take();
                        prop_assert_eq!(taken.is_some(), free);
                        if let Some(taken) = taken {
                            let n: u8 = taken.name()[1..].parse().unwrap();
                            prop_assert!(pending.remove(&n) && working.insert(n));
                        }
                    }
                    Op::Done(n) => if working.remove(&n) { q.done(&key(n)); }
                    Op::Delay(n, due) => {
                        q.delay_until(key(n), at(due));
                        let earliest = delayed.entry(n).or_insert(due);
                        *earliest = due.min(*earliest);
                    }
                    Op::Release(now) => {
                        q.release_due(at(now));
                        pending.extend(delayed.iter().filter(|(_, due)| **due <= now).map(|(n, _)| *n));
                        delayed.retain(|_, due| *due > now);
                    }
                }
                prop_assert_eq!(q.next_due(), delayed.values().min().map(|due| at(*due)));
            }
        }
    }
}

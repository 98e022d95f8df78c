//! What computing costs in virtual time.
//!
//! A simulated CPU is infinitely fast unless a scenario says otherwise: at named places the code calls
//! [`crate::World::work`], and this table says how long that takes there. On real drivers work takes
//! the time that it takes, and the table is not asked.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Durations by place. The n-th visit of a place takes its n-th duration; the last one repeats.
#[derive(Debug, Default)]
pub struct Costs {
    table: BTreeMap<String, Vec<Duration>>,
    visits: Mutex<BTreeMap<String, usize>>,
}

impl Costs {
    /// A table of durations by place.
    pub fn new(table: BTreeMap<String, Vec<Duration>>) -> Self {
        Costs { table, visits: Mutex::default() }
    }

    pub(crate) fn charge(&self, place: &str) -> Duration {
        let Some(durations) = self.table.get(place) else { return Duration::ZERO };
        let mut visits = self.visits.lock().unwrap_or_else(PoisonError::into_inner);
        let n = visits.entry(place.to_owned()).or_default();
        let cost = durations.get(*n).or(durations.last()).copied().unwrap_or_default();
        *n += 1;
        cost
    }
}

//! Times by phase, in histograms of constant size.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// The parts of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// From when it should have begun until it did: in an open loop, for want of a free worker.
    Wait,
    /// The newOrder request, its nonce included.
    NewOrder,
    /// All authorizations: read, their key authorizations published, their challenges answered.
    Authorize,
    /// From the last challenge answered until the order is known to be ready.
    Validate,
    /// From finalize until the order is known to be valid.
    Finalize,
    /// The certificate downloaded, and held against what was asked for.
    Download,
    /// All of it.
    Issuance,
}

impl Phase {
    /// In the order in which they happen; the whole at the end.
    pub const ALL: [Phase; 7] = [
        Phase::Wait,
        Phase::NewOrder,
        Phase::Authorize,
        Phase::Validate,
        Phase::Finalize,
        Phase::Download,
        Phase::Issuance,
    ];

    /// As in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Wait => "wait",
            Phase::NewOrder => "newOrder",
            Phase::Authorize => "authorize",
            Phase::Validate => "validate",
            Phase::Finalize => "finalize",
            Phase::Download => "download",
            Phase::Issuance => "issuance",
        }
    }
}

/// An order that takes longer counts as one that takes this long, in microseconds.
const LONGEST: u64 = 24 * 3600 * 1_000_000;
/// A value is known to one part in a thousand.
const DIGITS: u8 = 3;

/// A histogram for each phase, in microseconds.
#[derive(Clone, Debug)]
pub struct Phases(Vec<Histogram<u64>>);

impl Default for Phases {
    fn default() -> Self {
        // Bounds that the library takes, by its documentation.
        let empty = || Histogram::new_with_bounds(1, LONGEST, DIGITS).ok();
        Phases(Phase::ALL.iter().filter_map(|_| empty()).collect())
    }
}

/// The distribution of one phase's times.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Percentiles {
    /// Of what.
    pub phase: Phase,
    /// Times in it.
    pub count: u64,
    /// Half of them were at most this long, in milliseconds.
    pub p50_ms: f64,
    /// Nine of ten.
    pub p90_ms: f64,
    /// 99 of 100.
    pub p99_ms: f64,
    /// 999 of 1,000.
    pub p999_ms: f64,
    /// All.
    pub max_ms: f64,
    /// The histogram: times in microseconds, each to one part in a thousand, and how often each was.
    pub histogram: Vec<(u64, u64)>,
}

fn ms(micros: u64) -> f64 {
    micros as f64 / 1000.0
}

impl Phases {
    pub(crate) fn record(&mut self, phase: Phase, took: Duration) {
        if let Some(histogram) = self.0.get_mut(phase as usize) {
            histogram.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        }
    }

    /// How many times were recorded.
    pub fn count(&self, phase: Phase) -> u64 {
        self.0.get(phase as usize).map_or(0, Histogram::len)
    }

    /// Of each phase that happened.
    pub fn percentiles(&self) -> Vec<Percentiles> {
        let happened = Phase::ALL.into_iter().zip(&self.0).filter(|(_, histogram)| !histogram.is_empty());
        happened.map(|(phase, histogram)| percentiles(phase, histogram)).collect()
    }
}

fn percentiles(phase: Phase, histogram: &Histogram<u64>) -> Percentiles {
    let at = |percentile| ms(histogram.value_at_percentile(percentile));
    Percentiles {
        phase,
        count: histogram.len(),
        p50_ms: at(50.0),
        p90_ms: at(90.0),
        p99_ms: at(99.0),
        p999_ms: at(99.9),
        max_ms: ms(histogram.max()),
        histogram: histogram
            .iter_recorded()
            .map(|value| (value.value_iterated_to(), value.count_since_last_iteration()))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_what_was_recorded_to_one_in_a_thousand() {
        let mut phases = Phases::default();
        assert!(phases.percentiles().is_empty());
        for n in 1..=200 {
            phases.record(Phase::Issuance, Duration::from_millis(n));
        }
        let [all] = &phases.percentiles()[..] else { panic!() };
        assert_eq!((all.phase, all.count), (Phase::Issuance, 200));
        for (found, right) in
            [(all.p50_ms, 100.0), (all.p90_ms, 180.0), (all.p99_ms, 198.0), (all.max_ms, 200.0)]
        {
            assert!((found - right).abs() <= right / 1000.0, "{found} for {right}");
        }
        assert_eq!(all.histogram.iter().map(|(_, count)| count).sum::<u64>(), 200);
    }

    #[test]
    fn nothing_is_too_long_to_count() {
        let mut phases = Phases::default();
        phases.record(Phase::Wait, Duration::from_secs(1_000_000));
        phases.record(Phase::Wait, Duration::ZERO);
        assert_eq!(phases.count(Phase::Wait), 2);
        assert!(phases.percentiles()[0].max_ms >= 24.0 * 3_600_000.0);
    }

    #[test]
    fn names_are_those_of_the_json() {
        for (place, phase) in Phase::ALL.into_iter().enumerate() {
            assert_eq!(phase as usize, place);
            assert_eq!(serde_json::to_value(phase).unwrap(), phase.name());
        }
    }
}

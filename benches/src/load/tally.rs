//! Counts and times of a run.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::failure::Failure;

/// What workers counted.
#[derive(Debug, Default)]
pub struct Tally {
    /// From newOrder to the chain, of each certificate, in microseconds.
    pub latencies: Vec<u32>,
    /// Failures by kind.
    pub failures: BTreeMap<String, u64>,
    /// The first failure of each kind, in words.
    pub examples: BTreeMap<String, String>,
    /// Orders that met a hang.
    pub hangs: u64,
    /// Requests to the ACME server.
    pub requests: u64,
    /// Connections made to it.
    pub connections: u64,
    /// Polls of orders.
    pub polls: u64,
    /// Nonces refused.
    pub bad_nonces: u64,
}

impl Tally {
    pub(crate) fn issued(&mut self, took: Duration) {
        self.latencies.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
    }

    pub(crate) fn failed(&mut self, failure: &Failure) {
        self.hangs += u64::from(failure.is_hang());
        let kind = failure.kind();
        self.examples.entry(kind.clone()).or_insert_with(|| failure.to_string());
        *self.failures.entry(kind).or_default() += 1;
    }

    /// Adds what another worker counted.
    pub fn add(&mut self, other: Tally) {
        self.latencies.extend(other.latencies);
        for (kind, count) in other.failures {
            *self.failures.entry(kind).or_default() += count;
        }
        for (kind, example) in other.examples {
            self.examples.entry(kind).or_insert(example);
        }
        self.hangs += other.hangs;
        self.requests += other.requests;
        self.connections += other.connections;
        self.polls += other.polls;
        self.bad_nonces += other.bad_nonces;
    }

    /// Certificates issued.
    pub fn issued_count(&self) -> usize {
        self.latencies.len()
    }

    /// The latency below which this share (0 to 1) of the certificates stayed, in milliseconds: the nearest rank. Sorts.
    pub fn percentile_ms(&mut self, share: f64) -> Option<f64> {
        self.latencies.sort_unstable();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and the length"
        )]
        let rank = (share.clamp(0.0, 1.0) * self.latencies.len() as f64).ceil() as usize;
        self.latencies.get(rank.saturating_sub(1)).map(|&micros| f64::from(micros) / 1000.0)
    }
}

/// A stretch of a long run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Window {
    /// Certificates at its end, since the run began.
    pub certificates: u64,
    /// Certificates per second within it.
    pub per_second: f64,
    /// CPU of the server for a certificate within it, in milliseconds.
    pub server_ms: Option<f64>,
    /// The server's resident memory at its end, in KiB.
    pub server_kib: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let mut tally = Tally::default();
        assert_eq!(tally.percentile_ms(0.5), None);
        for ms in (1..=200).rev() {
            tally.issued(Duration::from_millis(ms));
        }
        assert_eq!(tally.percentile_ms(0.5), Some(100.0));
        assert_eq!(tally.percentile_ms(0.99), Some(198.0));
        assert_eq!(tally.percentile_ms(0.0), Some(1.0));
        assert_eq!(tally.percentile_ms(1.0), Some(200.0));
    }

    #[test]
    fn failures_are_counted_by_kind_and_hangs_apart() {
        let within = Duration::from_secs(30);
        let mut tally = Tally::default();
        tally.failed(&Failure::Hang { request: "newOrder", within });
        let mut other = Tally::default();
        other.failed(&Failure::Hang { request: "newOrder", within });
        other.failed(&Failure::Stuck { status: "processing".to_owned(), within });
        other.failed(&Failure::Invalid("dns".to_owned()));
        tally.add(other);
        let counted: Vec<_> = tally.failures.iter().map(|(kind, count)| (kind.as_str(), *count)).collect();
        assert_eq!(counted, [("hang: newOrder", 2), ("invalid", 1), ("stuck: processing", 1)]);
        assert_eq!(tally.hangs, 3);
        assert_eq!(tally.examples["hang: newOrder"], "no answer to newOrder within 30 s");
    }
}

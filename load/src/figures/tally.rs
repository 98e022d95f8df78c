//! Counts and times of a run.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::phases::{Phase, Phases};
use crate::client::Failure;

/// What workers counted.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Times of the orders that became certificates.
    pub phases: Phases,
    /// Failures by kind.
    pub failures: BTreeMap<String, u64>,
    /// The first failure of each kind, in words.
    pub examples: BTreeMap<String, String>,
    /// Orders that met a hang.
    pub hangs: u64,
    /// Orders for which no worker was free when they should have begun.
    pub late: u64,
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
    /// Counts a certificate: its phases, and the whole with the wait before it.
    pub(crate) fn issued(&mut self, waited: Option<Duration>, phases: &[(Phase, Duration)], took: Duration) {
        if let Some(waited) = waited {
            self.phases.record(Phase::Wait, waited);
        }
        for (phase, took) in phases {
            self.phases.record(*phase, *took);
        }
        self.phases.record(Phase::Issuance, waited.unwrap_or_default() + took);
    }

    pub(crate) fn failed(&mut self, failure: &Failure) {
        self.hangs += u64::from(failure.is_hang());
        let kind = failure.kind();
        self.examples.entry(kind.clone()).or_insert_with(|| failure.to_string());
        *self.failures.entry(kind).or_default() += 1;
    }

    /// Certificates issued.
    pub fn issued_count(&self) -> u64 {
        self.phases.count(Phase::Issuance)
    }
}

/// A stretch of a long run.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
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
    fn failures_are_counted_by_kind_and_hangs_apart() {
        let within = Duration::from_secs(30);
        let mut tally = Tally::default();
        tally.failed(&Failure::Hang { request: "newOrder", within });
        tally.failed(&Failure::Hang { request: "newOrder", within });
        tally.failed(&Failure::Stuck { status: "processing".to_owned(), within });
        tally.failed(&Failure::Invalid("dns".to_owned()));
        let counted: Vec<_> = tally.failures.iter().map(|(kind, count)| (kind.as_str(), *count)).collect();
        assert_eq!(counted, [("hang: newOrder", 2), ("invalid", 1), ("stuck: processing", 1)]);
        assert_eq!(tally.hangs, 3);
        assert_eq!(tally.examples["hang: newOrder"], "no answer to newOrder within 30 s");
    }

    #[test]
    fn a_certificate_takes_its_phases_and_the_wait() {
        let ms = Duration::from_millis;
        let mut tally = Tally::default();
        tally.issued(Some(ms(5)), &[(Phase::NewOrder, ms(1)), (Phase::Finalize, ms(2))], ms(4));
        let all = tally.phases.percentiles();
        let phases: Vec<_> = all.iter().map(|p| (p.phase, p.max_ms.round())).collect();
        assert_eq!(
            phases,
            [(Phase::Wait, 5.0), (Phase::NewOrder, 1.0), (Phase::Finalize, 2.0), (Phase::Issuance, 9.0)]
        );
        assert_eq!(tally.issued_count(), 1);
    }
}

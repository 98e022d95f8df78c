//! What a run gave.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::phases::{Percentiles, Phase};
use super::process::Used;
use super::tally::{Tally, Window};
use crate::drive::Load;
use crate::pace::Pace;

/// The figures of one run. Those of a process that was not watched, and those of a run without certificates, are absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// Whose servers, or the directory's URL.
    pub servers: String,
    /// How control of names was proved.
    pub challenge: String,
    /// Orders that were to begin in a second; absent in a closed loop.
    pub rate: Option<f64>,
    /// Orders under way at any time, in an open loop at most.
    pub in_flight: u64,
    /// Names in an order.
    pub names: u64,
    /// Orders that were to be made.
    pub orders: u64,
    /// Certificates that came, and were right.
    pub certificates: u64,
    /// Whether the server stopped answering, or an order stopped moving.
    pub hung: bool,
    /// Orders that met the hang.
    pub hangs: u64,
    /// From the beginning to the last certificate, in seconds.
    pub seconds: f64,
    /// Certificates per second.
    pub per_second: f64,
    /// Where the time of the orders went that became certificates, and the whole.
    pub phases: Vec<Percentiles>,
    /// Orders of an open loop for which no worker was free when they should have begun.
    pub late: u64,
    /// CPU of the ACME server for a certificate, in milliseconds.
    pub server_ms: Option<f64>,
    /// CPU of the challenge test server (DNS, http-01, management) for a certificate, in milliseconds.
    pub responder_ms: Option<f64>,
    /// What this costs itself: CPU of this process for a certificate, in milliseconds.
    pub client_ms: Option<f64>,
    /// Processors that this process kept busy: CPU time by the time of the run.
    pub client_cores: Option<f64>,
    /// Growth of the ACME server's resident memory for a certificate, in KiB.
    pub server_kib: Option<f64>,
    /// Growth of the challenge test server's.
    pub responder_kib: Option<f64>,
    /// Requests to the ACME server for a certificate.
    pub requests: Option<f64>,
    /// Polls of the order, of these.
    pub polls: Option<f64>,
    /// Nonces refused, in the whole run.
    pub bad_nonces: u64,
    /// Connections made after the warm-up.
    pub connections: u64,
    /// Failures by kind.
    pub failures: BTreeMap<String, u64>,
    /// The first of each kind, in words.
    pub examples: BTreeMap<String, String>,
    /// Whether it was told to end before all orders were made.
    pub stopped: bool,
    /// Whether the hang was within the warm-up.
    pub warm_up_hung: bool,
    /// Failures within the warm-up, by kind.
    pub warm_up_failures: BTreeMap<String, u64>,
    /// Stretches of a long run.
    pub windows: Vec<Window>,
}

impl Outcome {
    pub(crate) fn new(load: &Load, tally: &Tally, elapsed: Duration) -> Self {
        let certificates = tally.issued_count();
        let each = |count: u64| (certificates > 0).then(|| count as f64 / certificates as f64);
        let seconds = elapsed.as_secs_f64();
        Outcome {
            challenge: load.challenge.name().to_owned(),
            rate: match load.pace {
                Pace::Closed => None,
                Pace::Open { per_second } => Some(per_second),
            },
            in_flight: load.in_flight,
            names: load.names,
            orders: load.orders,
            certificates,
            hung: tally.hangs > 0,
            hangs: tally.hangs,
            seconds,
            per_second: if seconds > 0.0 { certificates as f64 / seconds } else { 0.0 },
            phases: tally.phases.percentiles(),
            late: tally.late,
            requests: each(tally.requests),
            polls: each(tally.polls),
            bad_nonces: tally.bad_nonces,
            connections: tally.connections,
            failures: tally.failures.clone(),
            examples: tally.examples.clone(),
            ..Outcome::default()
        }
    }

    pub(crate) fn set_used(&mut self, server: Option<Used>, responder: Option<Used>, client: Option<Used>) {
        let certificates = self.certificates as f64;
        let each = |of: f64| (certificates > 0.0).then_some(of / certificates);
        let cpu = |used: Option<Used>| used.and_then(|used| each(used.cpu_ms as f64));
        let memory = |used: Option<Used>| used.and_then(|used| each(used.resident_kib as f64));
        self.server_ms = cpu(server);
        self.responder_ms = cpu(responder);
        self.client_ms = cpu(client);
        self.client_cores = client
            .filter(|_| self.seconds > 0.0)
            .map(|used| Duration::from_millis(used.cpu_ms).as_secs_f64() / self.seconds);
        self.server_kib = memory(server);
        self.responder_kib = memory(responder);
    }

    pub(crate) fn set_warm_up(&mut self, tally: &Tally) {
        self.warm_up_failures.clone_from(&tally.failures);
        for (kind, example) in &tally.examples {
            self.examples.entry(kind.clone()).or_insert_with(|| example.clone());
        }
        self.warm_up_hung = tally.hangs > 0;
        self.hung |= self.warm_up_hung;
        self.hangs += tally.hangs;
    }

    /// Whether every order became a certificate.
    pub fn finished(&self) -> bool {
        !self.hung && self.certificates == self.orders && self.failures.is_empty()
    }

    /// The whole of an order's time.
    pub fn issuance(&self) -> Option<&Percentiles> {
        self.phases.iter().find(|percentiles| percentiles.phase == Phase::Issuance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn use_is_told_for_each_certificate() {
        let mut outcome = Outcome { certificates: 10, seconds: 2.0, ..Outcome::default() };
        let used = Some(Used { cpu_ms: 20, resident_kib: -5 });
        outcome.set_used(used, None, Some(Used { cpu_ms: 500, resident_kib: 0 }));
        assert_eq!(
            (outcome.server_ms, outcome.server_kib, outcome.responder_ms),
            (Some(2.0), Some(-0.5), None)
        );
        assert_eq!((outcome.client_ms, outcome.client_cores), (Some(50.0), Some(0.25)));
        outcome.certificates = 0;
        outcome.set_used(used, None, None);
        assert_eq!(outcome.server_ms, None);
    }
}

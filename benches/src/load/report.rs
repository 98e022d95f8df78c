//! What a run gave, and how it is printed: one JSON line for each run, one table row for each configuration.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::drive::Load;
use super::process::Used;
use super::tally::{Tally, Window};

/// The figures of one run. Those of a process that was not watched, and those of a run without certificates, are absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Outcome {
    /// Whose servers.
    pub servers: String,
    /// Orders under way at any time.
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
    /// Half of the certificates took at most this long, in milliseconds.
    pub p50_ms: Option<f64>,
    /// 99 of 100 took at most this long, in milliseconds.
    pub p99_ms: Option<f64>,
    /// CPU of the ACME server for a certificate, in milliseconds.
    pub server_ms: Option<f64>,
    /// CPU of the challenge test server (DNS, http-01, management) for a certificate, in milliseconds.
    pub responder_ms: Option<f64>,
    /// CPU of this process for a certificate, in milliseconds.
    pub client_ms: Option<f64>,
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
    /// Whether the hang was within the warm-up.
    pub warm_up_hung: bool,
    /// Failures within the warm-up, by kind.
    pub warm_up_failures: BTreeMap<String, u64>,
    /// Stretches of a long run.
    pub windows: Vec<Window>,
}

impl Outcome {
    pub(crate) fn new(load: &Load, mut tally: Tally, elapsed: Duration) -> Self {
        let certificates = tally.issued_count() as u64;
        let each = |count: u64| (certificates > 0).then(|| count as f64 / certificates as f64);
        let seconds = elapsed.as_secs_f64();
        Outcome {
            in_flight: load.in_flight,
            names: load.names,
            orders: load.orders,
            certificates,
            hung: tally.hangs > 0,
            hangs: tally.hangs,
            seconds,
            per_second: if seconds > 0.0 { certificates as f64 / seconds } else { 0.0 },
            p50_ms: tally.percentile_ms(0.5),
            p99_ms: tally.percentile_ms(0.99),
            requests: each(tally.requests),
            polls: each(tally.polls),
            bad_nonces: tally.bad_nonces,
            connections: tally.connections,
            failures: tally.failures,
            examples: tally.examples,
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

    /// `pebble.c32.k1`: whose servers, orders in flight, names.
    pub fn configuration(&self) -> String {
        format!("{}.c{}.k{}", self.servers, self.in_flight, self.names)
    }
}

/// Several runs of one configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// As [`Outcome::configuration`] has it.
    pub configuration: String,
    /// The runs, in the order in which they were made.
    pub runs: Vec<Outcome>,
}

/// Runs by configuration, in the order in which each first appears.
pub fn summarize(outcomes: &[Outcome]) -> Vec<Summary> {
    let mut summaries: Vec<Summary> = Vec::new();
    for outcome in outcomes {
        let configuration = outcome.configuration();
        match summaries.iter_mut().find(|summary| summary.configuration == configuration) {
            Some(summary) => summary.runs.push(outcome.clone()),
            None => summaries.push(Summary { configuration, runs: vec![outcome.clone()] }),
        }
    }
    summaries
}

/// The middle one; of an even number, the mean of the two in the middle.
fn median(mut of: Vec<f64>) -> Option<f64> {
    of.sort_unstable_by(f64::total_cmp);
    let half = of.len() / 2;
    let upper = *of.get(half)?;
    match half.checked_sub(1).and_then(|below| of.get(below)) {
        Some(lower) if of.len().is_multiple_of(2) => Some(f64::midpoint(*lower, upper)),
        _ => Some(upper),
    }
}

fn figure(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.decimals$}"))
}

/// How far a run came that hung.
fn hang(run: &Outcome) -> String {
    if run.warm_up_hung {
        return "in the warm-up".to_owned();
    }
    format!("after {} at {:.0}/s", run.certificates, run.per_second)
}

/// The table: Markdown, as `RESULTS.md` has it. Medians are over the runs that finished.
pub fn row(summary: &Summary) -> String {
    let finished: Vec<&Outcome> = summary.runs.iter().filter(|run| run.finished()).collect();
    let middle =
        |of: fn(&Outcome) -> Option<f64>| median(finished.iter().filter_map(|run| of(run)).collect());
    let speeds: Vec<f64> = finished.iter().map(|run| run.per_second).collect();
    let lowest = speeds.iter().copied().reduce(f64::min);
    let highest = speeds.iter().copied().reduce(f64::max);
    let mut row = format!("| {} | {} of {}", summary.configuration, finished.len(), summary.runs.len());
    let hung: Vec<String> = summary.runs.iter().filter(|run| run.hung).map(hang).collect();
    if !hung.is_empty() {
        // Writing to a String does not fail.
        let _ = write!(row, "; hung {}", hung.join(", "));
    }
    let _ = write!(
        row,
        " | {} / {} / {} | {} / {} | {} | {} | {} | {} |",
        figure(lowest, 0),
        figure(median(speeds), 0),
        figure(highest, 0),
        figure(middle(|run| run.p50_ms), 1),
        figure(middle(|run| run.p99_ms), 1),
        figure(middle(|run| run.server_ms), 2),
        figure(middle(|run| run.responder_ms), 2),
        figure(middle(|run| run.client_ms), 2),
        figure(middle(|run| run.server_kib), 1),
    );
    row
}

impl Summary {
    /// The table's head.
    pub const HEAD: &str = "\
| configuration | finished | certs/s min / median / max | p50 / p99 ms | server CPU ms/cert | responder CPU ms/cert | client CPU ms/cert | server KB/cert |
|---|---|---|---|---|---|---|---|";
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(per_second: f64, hung: bool) -> Outcome {
        Outcome {
            servers: "pebble".to_owned(),
            in_flight: 32,
            names: 1,
            orders: 10,
            certificates: if hung { 4 } else { 10 },
            hung,
            per_second,
            server_ms: Some(per_second / 100.0),
            ..Outcome::default()
        }
    }

    #[test]
    fn a_row_is_over_the_runs_that_finished() {
        let runs = [run(100.0, false), run(900.0, true), run(300.0, false), run(200.0, false)];
        let summaries = summarize(&runs);
        assert_eq!(summaries.len(), 1);
        assert_eq!(
            row(&summaries[0]),
            "| pebble.c32.k1 | 3 of 4; hung after 4 at 900/s | 100 / 200 / 300 | – / – | 2.00 | – | – | – |"
        );
        assert_eq!(
            row(&summarize(&runs[1..2])[0]),
            "| pebble.c32.k1 | 0 of 1; hung after 4 at 900/s | – / – / – | – / – | – | – | – | – |"
        );
        let early = Outcome { warm_up_hung: true, ..run(0.0, true) };
        assert!(row(&summarize(&[early])[0]).starts_with("| pebble.c32.k1 | 0 of 1; hung in the warm-up |"));
    }

    #[test]
    fn medians() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn use_is_told_for_each_certificate() {
        let mut outcome = run(1.0, false);
        outcome.set_used(Some(Used { cpu_ms: 20, resident_kib: -5 }), None, None);
        assert_eq!(
            (outcome.server_ms, outcome.server_kib, outcome.responder_ms),
            (Some(2.0), Some(-0.5), None)
        );
        outcome.certificates = 0;
        outcome.set_used(Some(Used { cpu_ms: 20, resident_kib: 5 }), None, None);
        assert_eq!(outcome.server_ms, None);
    }
}

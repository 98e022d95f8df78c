//! An outcome for people.

use std::fmt::Write as _;

use super::outcome::Outcome;

/// What a run gave, in some twenty lines.
pub fn text(outcome: &Outcome) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = write_all(outcome, &mut text);
    text
}

fn write_all(outcome: &Outcome, text: &mut String) -> std::fmt::Result {
    let Outcome { servers, challenge, in_flight, names, orders, certificates, .. } = outcome;
    let pace = match outcome.rate {
        None => format!("{in_flight} in flight"),
        Some(rate) => format!("{rate} orders a second, at most {in_flight} in flight"),
    };
    let each = if *names == 1 { "one name each".to_owned() } else { format!("{names} names each") };
    writeln!(text, "{servers}: {challenge}, {pace}, {each}\n")?;
    let (seconds, per_second) = (outcome.seconds, outcome.per_second);
    writeln!(text, "{certificates} of {orders} certificates in {seconds:.2} s: {per_second:.1}/s\n")?;
    if !outcome.phases.is_empty() {
        writeln!(text, "  ms           p50       p90       p99     p99.9       max")?;
    }
    for phase in &outcome.phases {
        let figures = [phase.p50_ms, phase.p90_ms, phase.p99_ms, phase.p999_ms, phase.max_ms];
        let figures: String = figures.iter().map(|ms| format!("{ms:>10.2}")).collect();
        writeln!(text, "  {:<9}{}", phase.phase.name(), figures.trim_end())?;
    }
    if let (Some(requests), Some(polls)) = (outcome.requests, outcome.polls) {
        writeln!(
            text,
            "\n{requests:.1} requests for a certificate, {polls:.1} of them polls; {} connections; {} nonces refused",
            outcome.connections, outcome.bad_nonces
        )?;
    }
    if outcome.late > 0 {
        let late = outcome.late;
        writeln!(text, "{late} orders found no free worker when they were due; their wait is in their time")?;
    }
    used(text, "the server", outcome.server_ms, outcome.server_kib, None)?;
    used(text, "the challenge test server", outcome.responder_ms, outcome.responder_kib, None)?;
    used(text, "this program", outcome.client_ms, None, outcome.client_cores)?;
    if outcome.stopped {
        writeln!(text, "\ntold to end before all orders were made")?;
    }
    if outcome.hung {
        writeln!(text, "\nthe server hung{}", if outcome.warm_up_hung { " in the warm-up" } else { "" })?;
    }
    if !outcome.examples.is_empty() {
        writeln!(text, "\nfailures:")?;
    }
    for (kind, example) in &outcome.examples {
        let count = |of: &std::collections::BTreeMap<String, u64>| of.get(kind).copied().unwrap_or_default();
        let (own, warm_up) = (count(&outcome.failures), count(&outcome.warm_up_failures));
        let before = if warm_up > 0 { format!(" and {warm_up} in the warm-up") } else { String::new() };
        writeln!(text, "  {own} × {kind}{before}; the first: {example}")?;
    }
    Ok(())
}

/// What a process used.
fn used(
    text: &mut String,
    who: &str,
    ms: Option<f64>,
    kib: Option<f64>,
    cores: Option<f64>,
) -> std::fmt::Result {
    let Some(ms) = ms else { return Ok(()) };
    write!(text, "{who}: {ms:.2} ms of CPU for a certificate")?;
    if let Some(kib) = kib {
        write!(text, ", {kib:.1} KiB of memory")?;
    }
    if let Some(cores) = cores {
        write!(text, ", {cores:.2} processors busy")?;
    }
    writeln!(text)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::client::Failure;
    use crate::figures::Tally;
    use crate::{Load, Pace, Phase};

    #[test]
    fn a_run_reads() {
        let mut tally = Tally::default();
        let ms = Duration::from_millis;
        for n in 1..=3 {
            tally.issued(Some(ms(n)), &[(Phase::NewOrder, ms(2 * n))], ms(10 * n));
        }
        tally.late = 2;
        tally.requests = 24;
        tally.failed(&Failure::Invalid("unauthorized: no token".to_owned()));
        let load = Load { orders: 4, pace: Pace::Open { per_second: 2.5 }, ..Load::default() };
        let mut outcome = Outcome::new(&load, &tally, Duration::from_secs(2));
        outcome.servers = "https://ca.test/dir".to_owned();
        (outcome.client_ms, outcome.client_cores) = (Some(0.7), Some(0.11));
        assert_eq!(
            text(&outcome),
            "\
https://ca.test/dir: http-01, 2.5 orders a second, at most 10 in flight, one name each

3 of 4 certificates in 2.00 s: 1.5/s

  ms           p50       p90       p99     p99.9       max
  wait           2.00      3.00      3.00      3.00      3.00
  newOrder       4.00      6.00      6.00      6.00      6.00
  issuance      22.02     33.02     33.02     33.02     33.02

8.0 requests for a certificate, 0.0 of them polls; 0 connections; 0 nonces refused
2 orders found no free worker when they were due; their wait is in their time
this program: 0.70 ms of CPU for a certificate, 0.11 processors busy

failures:
  1 × invalid; the first: the order became invalid: unauthorized: no token
"
        );
    }
}

//! Records as text.

use std::fmt::Write as _;
use std::time::Duration;

use crate::record::{Counts, Difference, Injected, Limit, Outcome, RunRecord, Told};

/// The log lines, one per line, and nothing else.
pub fn klog(record: &RunRecord) -> String {
    record.log.iter().fold(String::new(), |mut text, line| {
        text.push_str(&line.text);
        text.push('\n');
        text
    })
}

/// One line on one run: outcome, name, virtual time, `wall` (the time it took), cost.
pub fn line(record: &RunRecord, wall: Duration) -> String {
    // Another seed or a knob that was turned: that it differs is no failure of the scenario.
    let as_written = record.overrides.is_empty() && record.seed == 0;
    let outcome = match (&record.outcome, as_written) {
        (Outcome::Passed, _) => "pass",
        (Outcome::Differs { .. }, true) => "FAIL",
        (Outcome::Differs { .. }, false) => "differs",
        (Outcome::Stopped { .. }, _) => "STOPPED",
    };
    let ca: u64 = record.counts.ca_requests.values().sum();
    let api: u64 = record.counts.api_calls.values().sum();
    format!(
        "{outcome:<8} {:<24} {:>12} virtual {:>9} wall  {} log lines, {ca} CA requests, {api} API calls, {} conflicts",
        record.scenario,
        duration(Duration::from_nanos(record.virtual_nanos)),
        format!("{:.1}ms", wall.as_secs_f64() * 1e3),
        record.log.len(),
        record.counts.conflicts,
    )
}

/// The story of a run in words: what was there to go wrong, what happened, and what it cost.
pub fn story(record: &RunRecord) -> String {
    let mut text = format!("{}\n{}\n", record.title, record.cause);
    if !record.injected.is_empty() {
        text.push_str("\nInjected:\n");
        for Injected { place, what, .. } in &record.injected {
            let _ = writeln!(text, "  {place}: {what}");
        }
    }
    text.push_str("\nWhat happened:\n");
    for Told { at, last, times, text: what } in &record.story {
        let again = match times {
            1 => String::new(),
            times => format!(" ({times} times, last at {})", moment(*last)),
        };
        let _ = writeln!(text, "  {:>13}  {what}{again}", moment(*at));
    }
    let Counts { ca_requests, api_calls, conflicts, certificates, failed_authorizations, limited, .. } =
        &record.counts;
    let (calls, orders) =
        (ca_requests.values().sum::<u64>(), ca_requests.get("newOrder").copied().unwrap_or_default());
    let writes: u64 = api_calls.values().sum();
    let _ = writeln!(
        text,
        "\nIt cost {calls} calls to the CA, of them {orders} for new orders; {failed_authorizations} failed authorizations; \
         {limited} refusals by limits; {certificates} certificates; {writes} calls to the API server, {conflicts} of them lost \
         to the optimistic lock."
    );
    for Limit { name, bucket, used, most, window } in &record.limits {
        let _ = writeln!(text, "  {name} of {bucket}: {used} of {most} in {window}");
    }
    text
}

/// A time after the start, to the millisecond: `1h2m3.004s`.
fn moment(nanos: u64) -> String {
    let (secs, millis) = (nanos / 1_000_000_000, nanos / 1_000_000 % 1_000);
    let mut text = String::new();
    for (n, unit) in [(secs / 86_400, "d"), (secs / 3600 % 24, "h"), (secs / 60 % 60, "m")] {
        if n > 0 || !text.is_empty() {
            let _ = write!(text, "{n}{unit}");
        }
    }
    let _ = write!(text, "{}.{millis:03}s", secs % 60);
    text
}

/// What was not as expected, for people.
pub fn differences(record: &RunRecord) -> String {
    let mut text = String::new();
    match &record.outcome {
        Outcome::Passed => {}
        Outcome::Stopped { report } => {
            let _ = writeln!(text, "  {}", report.replace('\n', "\n  "));
        }
        Outcome::Differs { differences } => {
            for Difference { what, expected, actual } in differences {
                let _ = writeln!(text, "  {what}");
                for (sign, side) in [('-', expected), ('+', actual)] {
                    if let Some(side) = side {
                        let _ = writeln!(text, "    {sign} {side}");
                    }
                }
            }
        }
    }
    text
}

/// The last line: how many of each.
pub fn summary(outcomes: &[&Outcome]) -> String {
    let count = |f: fn(&Outcome) -> bool| outcomes.iter().filter(|outcome| f(outcome)).count();
    let passed = count(|o| matches!(o, Outcome::Passed));
    let differ = count(|o| matches!(o, Outcome::Differs { .. }));
    let stopped = count(|o| matches!(o, Outcome::Stopped { .. }));
    let mut text = format!("{passed} passed, {differ} failed");
    if stopped > 0 {
        let _ = write!(text, ", {stopped} stopped");
    }
    text
}

/// `2d3h50m58s`: whole seconds from a minute on, milliseconds below.
pub fn duration(d: Duration) -> String {
    let secs = d.as_secs();
    if secs < 60 {
        return format!("{:.3}s", d.as_secs_f64());
    }
    let parts = [(secs / 86_400, 'd'), (secs / 3600 % 24, 'h'), (secs / 60 % 60, 'm'), (secs % 60, 's')];
    let mut text = String::new();
    for (n, unit) in parts.into_iter().skip_while(|(n, _)| *n == 0) {
        let _ = write!(text, "{n}{unit}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{LogLine, SCHEMA};

    fn record(outcome: Outcome, overrides: &[&str]) -> RunRecord {
        RunRecord {
            schema: SCHEMA,
            scenario: "s".into(),
            overrides: overrides.iter().map(|s| (*s).to_owned()).collect(),
            outcome,
            virtual_nanos: 186_698_000_000_000,
            log: vec![LogLine { text: "one".into(), ..LogLine::default() }],
            ..RunRecord::default()
        }
    }

    #[test]
    fn a_difference_under_an_override_is_told_and_not_a_failure_of_the_scenario() {
        let difference = Difference { what: "log".into(), expected: Some("a".into()), actual: None };
        let differs = || Outcome::Differs { differences: vec![difference.clone()] };
        let wall = Duration::from_millis(40);
        assert!(line(&record(differs(), &[]), wall).starts_with("FAIL "));
        let overridden = record(differs(), &["a.b=1"]);
        assert!(line(&overridden, wall).starts_with("differs "));
        assert_eq!(differences(&overridden), "  log\n    - a\n");
        let seeded = RunRecord { seed: 1, ..record(differs(), &[]) };
        assert!(line(&seeded, wall).starts_with("differs "));
    }

    #[test]
    fn texts() {
        let passed = record(Outcome::Passed, &[]);
        assert_eq!(klog(&passed), "one\n");
        assert!(line(&passed, Duration::ZERO).contains("2d3h51m38s virtual"));
        assert_eq!(summary(&[&passed.outcome]), "1 passed, 0 failed");
        assert_eq!(duration(Duration::from_millis(1500)), "1.500s");
    }

    #[test]
    fn a_record_survives_its_json() {
        let record = record(Outcome::Stopped { report: "r".into() }, &[]);
        let json = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<RunRecord>(&json).unwrap(), record);
    }
}

//! Runs in the forms that other programs read: JUnit's XML for CI servers, Markdown for their summaries.

use std::fmt::Write as _;
use std::time::Duration;

use crate::record::{Outcome, RunRecord};
use crate::render::{differences, duration};

/// A run, and how long it took (wall time).
#[derive(Debug)]
pub struct Timed<'a> {
    /// The record.
    pub record: &'a RunRecord,
    /// Wall time.
    pub wall: Duration,
}

/// The name by which a run is told: the scenario, and what was taken away.
fn name(record: &RunRecord) -> String {
    match &record.without {
        Some(without) => format!("{} without {without}", record.scenario),
        None => record.scenario.clone(),
    }
}

/// Whether a run is as it should be: one without its cause has to differ.
pub fn is_well(record: &RunRecord) -> bool {
    match (&record.outcome, &record.without) {
        (Outcome::Passed, None) | (Outcome::Differs { .. }, Some(_)) => true,
        (Outcome::Passed, Some(_)) | (Outcome::Differs { .. }, None) | (Outcome::Stopped { .. }, _) => false,
    }
}

/// JUnit's XML, as GitHub, GitLab and Jenkins read it: a test case for each run. A run that differs is a failure, one that
/// was stopped an error.
pub fn junit(runs: &[Timed<'_>]) -> String {
    let stopped = |run: &&Timed<'_>| matches!(run.record.outcome, Outcome::Stopped { .. });
    let errors = runs.iter().filter(stopped).count();
    let failures = runs.iter().filter(|run| !is_well(run.record)).count() - errors;
    let time: f64 = runs.iter().map(|run| run.wall.as_secs_f64()).sum();
    let totals =
        format!("tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\" time=\"{time:.3}\"", runs.len());
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ =
        writeln!(xml, "<testsuites name=\"rehearse\" {totals}>\n  <testsuite name=\"rehearse\" {totals}>");
    for Timed { record, wall } in runs {
        let (name, time) = (escaped(&name(record)), wall.as_secs_f64());
        let _ = write!(xml, "    <testcase classname=\"rehearse\" name=\"{name}\" time=\"{time:.3}\"");
        let what = match &record.outcome {
            _ if is_well(record) => {
                xml.push_str("/>\n");
                continue;
            }
            Outcome::Stopped { .. } => ("error", "the run was stopped".to_owned()),
            Outcome::Differs { differences } => {
                ("failure", format!("{} differences from what the scenario says", differences.len()))
            }
            Outcome::Passed => ("failure", "it passes without its cause, too".to_owned()),
        };
        let (element, message) = what;
        let (message, text) = (escaped(&message), escaped(&differences(record)));
        let _ =
            writeln!(xml, ">\n      <{element} message=\"{message}\">{text}</{element}>\n    </testcase>");
    }
    xml.push_str("  </testsuite>\n</testsuites>\n");
    xml
}

/// What XML 1.0 can hold of a text, in attributes as well.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\n' | '\t' => safe.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}

/// A table in Markdown, what differs first, and the differences beneath.
pub fn markdown(runs: &[Timed<'_>]) -> String {
    let mut text = String::from(
        "| | scenario | virtual time | wall time | CA requests | API calls | conflicts | certificates |\n|---|---|--:|--:|--:|--:|--:|--:|\n",
    );
    let (well, ill): (Vec<_>, Vec<_>) = runs.iter().partition(|run| is_well(run.record));
    for Timed { record, wall } in ill.iter().chain(&well) {
        let sign = if is_well(record) { "✓" } else { "✗" };
        let counts = &record.counts;
        let _ = writeln!(
            text,
            "| {sign} | {} | {} | {:.1} ms | {} | {} | {} | {} |",
            cell(&name(record)),
            duration(Duration::from_nanos(record.virtual_nanos)),
            wall.as_secs_f64() * 1e3,
            counts.ca_requests.values().sum::<u64>(),
            counts.api_calls.values().sum::<u64>(),
            counts.conflicts,
            counts.certificates,
        );
    }
    for Timed { record, .. } in &ill {
        let _ = writeln!(
            text,
            "\n### {}\n\n```text\n{}```",
            cell(&name(record)),
            differences(record).replace("```", "'''")
        );
    }
    text
}

/// A text in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Difference;

    fn runs() -> [RunRecord; 4] {
        let record = |scenario: &str, outcome| RunRecord {
            scenario: scenario.into(),
            outcome,
            ..RunRecord::default()
        };
        let differences = vec![Difference {
            what: "log line 7 <&>\u{1}".into(),
            expected: Some("\"a\"".into()),
            actual: None,
        }];
        let passed = record("passes", Outcome::Passed);
        [
            passed.clone(),
            record("differs", Outcome::Differs { differences }),
            record("stopped", Outcome::Stopped { report: "at 3s ``` it stood still".into() }),
            RunRecord { without: Some("the a|b".into()), ..passed },
        ]
    }

    fn timed(records: &[RunRecord]) -> Vec<Timed<'_>> {
        records.iter().map(|record| Timed { record, wall: Duration::from_millis(40) }).collect()
    }

    #[test]
    fn junit_has_failures_and_errors_apart() {
        insta::assert_snapshot!(junit(&timed(&runs())));
    }

    #[test]
    fn markdown_begins_with_what_is_wrong() {
        insta::assert_snapshot!(markdown(&timed(&runs())));
    }
}

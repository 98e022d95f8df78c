//! The record of a run: what all reports are made of, from the evidence.

mod events;
mod injected;
mod story;
mod writes;

use engine::api::Kind;
use mock_ca::journal::Event;
use mock_ca::limits::BucketView;
use reports::{Counts, Limit, LogLine, RunRecord, Severity};
use world::Timestamp;
use world::duration::Span;

use crate::evidence::Evidence;
use crate::runner::Line;
use crate::script::Scenario;

/// Puts into a record all that happened in its run.
pub(crate) fn complete(record: &mut RunRecord, scenario: &Scenario, evidence: &Evidence) {
    record.injected = injected::injected(scenario);
    record.limits = evidence.limits.iter().map(limit).collect();
    record.events = events::events(scenario, evidence);
    record.writes = writes::writes(evidence);
    record.story = story::story(&record.events);
}

/// Counts what only the journals of the CAs tell.
pub(crate) fn count(counts: &mut Counts, evidence: &Evidence) {
    counts.failed_authorizations =
        evidence.count(|event| matches!(event, Event::ValidationDecided { status: "invalid", .. }));
    counts.limited = evidence.count(|event| matches!(event, Event::RateLimited { .. }));
}

/// A line of the log as the record has it.
pub(crate) fn log_line(line: &Line, start: Timestamp) -> LogLine {
    LogLine {
        at: line.wall.to_string(),
        nanos: nanos(line.at.since(start)),
        severity: line.severity,
        source: line.source.to_string(),
        object: line.object.clone(),
        text: line.text.clone(),
    }
}

/// As records count time.
pub(crate) fn nanos(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn limit(view: &BucketView) -> Limit {
    Limit {
        name: view.bucket.limit().to_string(),
        bucket: view.bucket.key(),
        used: view.capacity.saturating_sub(view.remaining),
        most: view.capacity,
        window: Span(view.period).to_string(),
    }
}

/// What a line of the log is about: the object that its values name.
pub(crate) fn object_of(entry: &engine::log::Entry) -> Option<String> {
    let value = |key: &str| {
        entry.values.iter().find(|(k, _)| k == key).and_then(|(_, v)| v.as_str()).filter(|v| !v.is_empty())
    };
    if let (Some(kind), Some(name)) = (value("resource_kind"), value("resource_name")) {
        return Some(named(kind, value("resource_namespace").unwrap_or_default(), name));
    }
    // Lines that tell of a condition have the object under the name of its kind: `certificate="shop/shop"`.
    let of_kind = |(key, value): &(String, serde_json::Value)| {
        let kind = Kind::ALL.iter().find(|kind| key.eq_ignore_ascii_case(kind.as_str()))?;
        Some(format!("{kind} {}", value.as_str().filter(|name| name.contains('/'))?))
    };
    entry.values.iter().find_map(of_kind)
}

/// `Certificate shop/shop`; without a namespace `ClusterIssuer letsencrypt`.
pub(crate) fn named(kind: &str, namespace: &str, name: &str) -> String {
    if namespace.is_empty() { format!("{kind} {name}") } else { format!("{kind} {namespace}/{name}") }
}

/// How bad an entry is.
pub(crate) fn severity(of: engine::log::Severity) -> Severity {
    match of {
        engine::log::Severity::Info => Severity::Info,
        engine::log::Severity::Error => Severity::Error,
    }
}

//! Checks: what happened how often, and when.

use std::collections::BTreeMap;
use std::time::Duration;

use engine::api::{Kind, Object};
use engine::store::ChangeType;
use mock_ca::journal::Event;
use reports::Difference;
use world::duration::Span;
use world::{Instant, Timestamp};

use super::paths::{Subject, is_so, text_fits};
use crate::cluster::Access;
use crate::evidence::{Evidence, endpoint_name, problem_name};
use crate::runner::Line;
use crate::script::{Bounds, Check};

/// What a check counts: when it happened, and how many objects are so at the end.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    times: Vec<Timestamp>,
    left: u64,
}

/// Holds the evidence of a run against the checks of its script.
pub(crate) fn checks(checks: &[Check], evidence: &Evidence, log: &[Line]) -> Vec<Difference> {
    checks.iter().enumerate().flat_map(|(n, check)| judge(n, check, evidence, log)).collect()
}

fn judge(n: usize, check: &Check, evidence: &Evidence, log: &[Line]) -> Vec<Difference> {
    let mut found = find(check, evidence, log);
    let (start, mut differences) = (evidence.start, Vec::new());
    found.times.retain(|at| {
        check.since.is_none_or(|since| *at >= since.of(start))
            && check.until.is_none_or(|until| *at < until.of(start))
    });
    let mut tell = |what: &str, expected: String, actual: String| {
        differences.push(Difference {
            what: format!("expect.checks[{n}] ({}): {what}", name(check)),
            expected: Some(expected),
            actual: Some(actual),
        });
    };
    let count = found.times.len() as u64;
    let only_left = check.left.is_some() && check.count.is_none();
    let wanted = check.count.unwrap_or(Bounds { least: Some(u64::from(!only_left)), most: None });
    if !wanted.contain(count) {
        tell("how often", wanted.to_string(), count.to_string());
    }
    let ends =
        [("first", check.first, found.times.iter().min()), ("last", check.last, found.times.iter().max())];
    for (what, window, at) in ends {
        let Some(window) = window else { continue };
        let after = at.map(|at| at.since(start));
        if !after.is_some_and(|after| window.contain_time(after)) {
            let actual = after.map_or_else(|| "never".to_owned(), |after| rounded(after).to_string());
            tell(what, window.to_string(), actual);
        }
    }
    if let Some(left) = check.left.filter(|left| !left.contain(found.left)) {
        tell("left at the end", left.to_string(), found.left.to_string());
    }
    differences
}

/// To the millisecond: more is not read.
fn rounded(time: Duration) -> Span {
    Span(Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)))
}

/// What a check is about, in a few words.
fn name(check: &Check) -> String {
    let mut words: Vec<String> = Vec::new();
    let kinds = [
        ("log", &check.log),
        ("", &check.object),
        ("CA", &check.ca),
        ("validation", &check.validation),
        ("limit", &check.limit),
        ("access", &check.access),
        ("provider", &check.provider),
    ];
    for (kind, value) in kinds {
        words.extend(value.iter().map(|value| format!("{kind} {value}").trim().to_owned()));
    }
    words.extend(check.is.iter().map(|(path, value)| format!("{path} = {value}")));
    words.extend(check.status.iter().map(u16::to_string));
    words.extend(check.problem.clone());
    words.extend(check.host.iter().map(|host| format!("at {host}")));
    words.join(", ")
}

fn find(check: &Check, evidence: &Evidence, log: &[Line]) -> Found {
    if let Some(object) = &check.object {
        return objects(object, check, evidence);
    }
    let of_ca = |fits: &dyn Fn(&Event) -> bool| {
        let at_host = |host: &str| check.host.as_ref().is_none_or(|wanted| wanted == host);
        let fitting = evidence.ca.iter().filter(|entry| at_host(&entry.host) && fits(&entry.event));
        Found { times: fitting.map(|entry| entry.at).collect(), left: 0 }
    };
    let texts = |pattern: &str, all: &mut dyn Iterator<Item = (Timestamp, String)>| {
        let pattern = format!("*{pattern}*");
        Found {
            times: all.filter(|(_, text)| text_fits(text, &pattern)).map(|(at, _)| at).collect(),
            left: 0,
        }
    };
    match check {
        Check { log: Some(text), .. } => {
            texts(text, &mut log.iter().map(|line| (line.at, line.text.clone())))
        }
        Check { provider: Some(text), .. } => texts(
            text,
            &mut evidence.provider.iter().map(|entry| (evidence.monotonic(entry.at), entry.to_string())),
        ),
        Check { access: Some(text), .. } => {
            let at = |access: &Access| evidence.start + access.at.since(Instant::default());
            texts(text, &mut evidence.accesses.iter().map(|access| (at(access), access.to_string())))
        }
        Check { ca: Some(wanted), .. } => of_ca(&|event| match event {
            Event::Request { endpoint, status, problem, .. } => {
                text_fits(&endpoint.map(endpoint_name).unwrap_or_default(), wanted)
                    && check.status.is_none_or(|wanted| wanted == *status)
                    && check.problem.as_ref().is_none_or(|wanted| problem_name(*problem) == Some(wanted))
            }
            _ => false,
        }),
        Check { validation: Some(wanted), .. } => {
            of_ca(&|event| matches!(event, Event::ValidationDecided { status, .. } if status == wanted))
        }
        Check { limit: Some(wanted), .. } => {
            of_ca(&|event| matches!(event, Event::RateLimited { limit, .. } if text_fits(limit, wanted)))
        }
        // The script's check has seen to it that there is one.
        _ => Found::default(),
    }
}

fn objects(subject: &str, check: &Check, evidence: &Evidence) -> Found {
    let Some(subject) = Subject::parse(subject) else { return Found::default() };
    let mut found = Found::default();
    let mut so: BTreeMap<String, bool> = BTreeMap::new();
    for (at, change) in evidence.history.changes() {
        let object: &Object = &change.object;
        if !subject.fits(object) {
            continue;
        }
        let was = so.entry(object.key().to_string()).or_default();
        let is = change.type_ != ChangeType::Deleted && is_so(object, &check.is);
        if is && (!*was || object.kind() == Kind::Event) {
            found.times.push(at);
        }
        *was = is;
    }
    found.left = so.values().filter(|is| **is).count() as u64;
    found
}

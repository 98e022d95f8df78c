//! What the tests share.

use std::time::Duration;

use fleet::plan::{Certificate, Distribution, Lifetime, Outage, OutageKind, Plan, Window};
use fleet::{Event, Outcome, What};
use world::Timestamp;

pub(crate) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const DAY: Duration = Duration::from_secs(86_400);

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A year with all events, and certificates that are valid for so many hours.
pub(crate) fn year(hours: u32) -> Plan {
    let from = at("2027-01-01T00:00:00Z");
    let mut plan = Plan { window: Window { from, until: from + DAY * 365 }, events: true, ..Plan::default() };
    plan.ca.lifetimes = vec![Lifetime { from: None, lifetime: HOUR * hours, authorizations: Some(HOUR * 7) }];
    plan
}

pub(crate) fn with_list(mut plan: Plan, certificates: impl IntoIterator<Item = Certificate>) -> Plan {
    plan.certificates.list.extend(certificates);
    plan
}

pub(crate) fn with(mut plan: Plan, distribution: Distribution) -> Plan {
    plan.certificates.distributions.push(distribution);
    plan
}

pub(crate) fn named(name: &str) -> Certificate {
    Certificate { name: name.to_owned(), ..Certificate::default() }
}

/// An outage from a day of the window on.
pub(crate) fn outage(plan: &Plan, day: u32, hours: u32, kind: OutageKind) -> Outage {
    let from = plan.window.from + DAY * day;
    Outage { from, until: from + HOUR * hours, kind }
}

pub(crate) fn run(plan: &Plan) -> Outcome {
    fleet::run(plan).unwrap()
}

/// The times at which this happened to a certificate.
pub(crate) fn times(outcome: &Outcome, name: &str, is: impl Fn(&What) -> bool) -> Vec<Timestamp> {
    let of = |event: &&Event| event.certificate.as_ref() == name && is(&event.what);
    outcome.events.iter().filter(of).map(|event| event.at).collect()
}

pub(crate) fn issued(what: &What) -> bool {
    matches!(what, What::Issued { .. })
}

pub(crate) fn refused(what: &What) -> bool {
    matches!(what, What::Refused { .. })
}

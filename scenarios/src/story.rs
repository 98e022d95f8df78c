//! The story of a run in words: what was there to go wrong, what people did, what the engine said of it, when it healed,
//! and what it cost.

use std::collections::BTreeMap;

use engine::api::{Certificate, ConditionStatus, Event};
use engine::store::ChangeType;
use reports::RunRecord;
use world::Timestamp;
use world::duration::Span;

use crate::evidence::{Evidence, Fact};
use crate::script::Scenario;

/// Something that happened, perhaps several times.
struct Told {
    first: Timestamp,
    last: Timestamp,
    times: u64,
    what: String,
}

/// What was told, in the order in which each was told first.
#[derive(Default)]
struct Story {
    told: Vec<Told>,
    known: BTreeMap<String, usize>,
}

impl Story {
    fn tell(&mut self, at: Timestamp, what: String) {
        match self.known.get(&what) {
            Some(n) => {
                let told = &mut self.told[*n];
                told.last = at;
                told.times += 1;
            }
            None => {
                self.known.insert(what.clone(), self.told.len());
                self.told.push(Told { first: at, last: at, times: 1, what });
            }
        }
    }
}

/// Tells it, in lines.
pub fn story(scenario: &Scenario, record: &RunRecord, evidence: &Evidence) -> String {
    let mut text = format!("{}\n{}\n", scenario.title, scenario.cause);
    let injected = injected(scenario);
    if !injected.is_empty() {
        text.push_str(&format!(
            "\nInjected:\n{}",
            injected.iter().map(|l| format!("  {l}\n")).collect::<String>()
        ));
    }
    let mut story = Story::default();
    for (at, what) in happenings(evidence) {
        story.tell(at, what);
    }
    text.push_str("\nWhat happened:\n");
    let since =
        |at: Timestamp| Span(std::time::Duration::from_millis(ms(at.since(evidence.start)))).to_string();
    for told in &story.told {
        let again = match told.times {
            1 => String::new(),
            n => format!(" ({n} times, last at {})", since(told.last)),
        };
        text.push_str(&format!("  {:>12}  {}{again}\n", since(told.first), told.what));
    }
    text.push_str(&format!("\n{}", cost(record, evidence)));
    text
}

fn ms(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// What of the script can go wrong.
fn injected(scenario: &Scenario) -> Vec<String> {
    let mut lines = Vec::new();
    let line =
        |value: serde_json::Result<serde_json::Value>| value.map(|v| v.to_string()).unwrap_or_default();
    for rule in &scenario.ca.config.faults.rules {
        lines.push(format!("CA: {}", line(serde_json::to_value(rule))));
    }
    for rule in &scenario.dns.rules {
        lines.push(format!("DNS: {}", line(serde_json::to_value(rule))));
    }
    for (name, rule) in scenario.cluster.api.calls.iter().filter(|(_, rule)| rule.refuses.is_some()) {
        lines.push(format!("API server ({name}): {}", line(serde_json::to_value(rule))));
    }
    for crash in &scenario.engine.processes.crashes {
        lines.push(format!("crash: {}", line(serde_json::to_value(crash))));
    }
    for suspension in &scenario.engine.processes.suspensions {
        lines.push(format!("suspension: {}", line(serde_json::to_value(suspension))));
    }
    lines
}

/// All that is worth telling, by time.
fn happenings(evidence: &Evidence) -> Vec<(Timestamp, String)> {
    let mut all: Vec<(Timestamp, String)> = evidence.actions.clone();
    let mut ready: BTreeMap<String, bool> = BTreeMap::new();
    for (at, change) in evidence.history.changes() {
        if let Some(event) = change.object.get::<Event>().filter(|_| change.type_ != ChangeType::Deleted) {
            let of = &event.involved_object;
            all.push((at, format!("{} {}: {}: {}", of.kind, of.name, event.reason, event.message)));
        }
        if let Some(certificate) = change.object.get::<Certificate>() {
            let gone = change.type_ == ChangeType::Deleted;
            let condition = certificate.status.conditions.iter().find(|c| c.type_ == "Ready");
            let is = !gone && condition.is_some_and(|c| c.status == ConditionStatus::True);
            let name = certificate.metadata.name.clone();
            let was = ready.insert(name.clone(), is).unwrap_or(false);
            match (was, is) {
                (false, true) => all.push((at, format!("Certificate {name} is Ready"))),
                (true, false) => all.push((at, format!("Certificate {name} is not Ready any more"))),
                _ => {}
            }
        }
    }
    for (at, fact) in &evidence.ca {
        match fact {
            Fact::Request { endpoint, status, problem } if *status >= 400 => {
                let problem = problem.as_deref().unwrap_or("no problem document");
                all.push((*at, format!("the CA refuses {endpoint}: {status}, {problem}")));
            }
            Fact::Decided(status) => all.push((*at, format!("the CA decides an authorization: {status}"))),
            Fact::Refused(limit) => all.push((*at, format!("the limit {limit} of the CA is used up"))),
            Fact::Issued => all.push((*at, "the CA issues a certificate".to_owned())),
            Fact::Request { .. } => {}
        }
    }
    all.sort_by_key(|(at, _)| *at);
    all
}

fn cost(record: &RunRecord, evidence: &Evidence) -> String {
    let count = |fits: &dyn Fn(&Fact) -> bool| evidence.ca.iter().filter(|(_, fact)| fits(fact)).count();
    let calls: u64 = record.counts.ca_requests.values().sum();
    let orders = record.counts.ca_requests.get("newOrder").copied().unwrap_or_default();
    let writes: u64 = record.counts.api_calls.values().sum();
    format!(
        "It cost {calls} calls to the CA, of them {orders} for new orders; {} failed authorizations; {} refusals by limits; \
         {} certificates; {writes} calls to the API server, {} of them lost to the optimistic lock.\n",
        count(&|fact| matches!(fact, Fact::Decided(status) if status == "invalid")),
        count(&|fact| matches!(fact, Fact::Refused(_))),
        record.counts.certificates,
        record.counts.conflicts,
    )
}

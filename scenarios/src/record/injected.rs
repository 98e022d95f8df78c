//! What of a script can go wrong.

use mock_ca::faults::Moment;
use reports::Injected;
use serde::Serialize;

use super::nanos;
use crate::script::Scenario;

/// All of it, in the order of the script's parts.
pub(super) fn injected(scenario: &Scenario) -> Vec<Injected> {
    let start = scenario.clock.start;
    let since = |moment: Option<Moment>| moment.map(|moment| nanos(moment.of(start).since(start)));
    let mut all = Vec::new();
    let mut tell = |place: &str, what: String, from: Option<u64>, until: Option<u64>| {
        all.push(Injected { place: place.to_owned(), what, from, until });
    };
    for rule in scenario.cas().flat_map(|(_, ca)| &ca.config.faults.rules) {
        let (from, until) = occasions(rule);
        tell("CA", line(rule), since(from), since(until));
    }
    for rule in &scenario.dns.rules {
        let (from, until) = occasions(rule);
        tell("DNS", line(rule), since(from), since(until));
    }
    for rule in scenario.dns.providers.iter().flat_map(|provider| &provider.config.rules) {
        let (from, until) = occasions(rule);
        tell("DNS provider", line(rule), since(from), since(until));
    }
    for link in scenario.links.iter().filter(|link| link.verdict != world::net::Verdict::Pass) {
        tell("link", line(link), None, None);
    }
    for (name, rule) in &scenario.cluster.api.calls {
        if rule.refuses.is_some() || rule.forbids {
            tell("API server", format!("{name}: {}", line(rule)), since(rule.since), since(rule.until));
        }
    }
    for crash in &scenario.engine.processes.crashes {
        let at = crash.at.map(|at| nanos(at.since(start)));
        tell("engine", format!("crash {}", line(crash)), at, at);
    }
    for suspension in &scenario.engine.processes.suspensions {
        let from = nanos(suspension.at.since(start));
        let until = from + nanos(suspension.lasts.nth(0));
        tell("engine", format!("stands still {}", line(suspension)), Some(from), Some(until));
    }
    for step in &scenario.clock.steps {
        let at = nanos(step.after.nth(0));
        tell("clock", format!("step {}", line(step)), Some(at), Some(at));
    }
    all
}

/// From when until when a rule of a server holds, as far as it says: its `occasions`, or what it has of them itself.
fn occasions(rule: &impl Serialize) -> (Option<Moment>, Option<Moment>) {
    let json = serde_json::to_value(rule).unwrap_or_default();
    let moment = |name: &str| {
        let value =
            json.get("occasions").and_then(|occasions| occasions.get(name)).or_else(|| json.get(name))?;
        serde_json::from_value(value.clone()).ok()
    };
    (moment("from"), moment("until"))
}

/// As the script has it, without what it does not say.
fn line(part: &impl Serialize) -> String {
    let mut json = serde_json::to_value(part).unwrap_or_default();
    if let serde_json::Value::Object(fields) = &mut json {
        fields.retain(|_, value| match value {
            serde_json::Value::Null => false,
            serde_json::Value::Object(fields) => !fields.is_empty(),
            serde_json::Value::Array(items) => !items.is_empty(),
            _ => true,
        });
    }
    json.to_string()
}

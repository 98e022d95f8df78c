//! Whether what a script's timeline does, and what it expects, can be at all.

use engine::api::Kind;
use engine::manifest::{self, Options};
use miette::Diagnostic as _;
use mock_ca::dialect::Endpoint;
use mock_ca::faults::Moment;
use mock_ca::limits::LimitName;
use world::Timestamp;

use super::load::Missing;
use super::{Action, Check, Scenario, Seen, Step};
use crate::evidence::endpoint_name;
use crate::expect::paths::Subject;
use crate::invariants::INVARIANTS;

/// # Errors
/// The first thing that cannot be.
pub(super) fn check(scenario: &Scenario) -> Result<(), Missing> {
    if scenario.until < scenario.clock.start {
        return Err(Missing::impossible("until", "the end is before the start"));
    }
    for (name, rule) in &scenario.cluster.api.calls {
        let path = format!("cluster.api.calls.{name}");
        within(scenario, &format!("{path}.since"), rule.since)?;
        within(scenario, &format!("{path}.until"), rule.until)?;
        if rule.forbids && rule.refuses.is_some() {
            let message =
                "a call is refused with a text (`refuses`) or for want of a right (`forbids`), not both";
            return Err(Missing::impossible(&path, message));
        }
    }
    for (n, step) in scenario.timeline.iter().enumerate() {
        check_step(scenario, &format!("timeline[{n}]"), step)?;
    }
    for (n, check) in scenario.expect.checks.iter().enumerate() {
        check_check(scenario, &format!("expect.checks[{n}]"), check)?;
    }
    for (n, name) in scenario.expect.breaks.iter().enumerate() {
        if !INVARIANTS.iter().any(|known| known.name == name) {
            let known: Vec<String> = INVARIANTS.iter().map(|known| known.name.to_owned()).collect();
            return Err(Missing::new(&format!("expect.breaks[{n}]"), "invariant", name, &known));
        }
    }
    Ok(())
}

/// Ablations can be set. They are looked at once, as the script has them: what one sets, another may take away.
///
/// # Errors
/// The first that cannot.
pub(super) fn check_ablations(scenario: &Scenario) -> Result<(), Missing> {
    for (n, ablation) in scenario.ablations.iter().enumerate() {
        super::apply(scenario, &ablation.set).map_err(|error| Missing {
            path: format!("ablations[{n}].set"),
            message: error.to_string(),
            help: error.help().map(|help| help.to_string()),
        })?;
    }
    Ok(())
}

/// A time must be one of the run.
fn within(scenario: &Scenario, path: &str, moment: Option<Moment>) -> Result<(), Missing> {
    let Some(moment) = moment else { return Ok(()) };
    let at: Timestamp = moment.of(scenario.clock.start);
    if at < scenario.clock.start {
        return Err(Missing::impossible(
            path,
            format!("{at} is before the start of the run, {}", scenario.clock.start),
        ));
    }
    if at > scenario.until {
        return Err(Missing::impossible(
            path,
            format!("{at} is after the end of the run, {}", scenario.until),
        ));
    }
    Ok(())
}

fn subject(path: &str, text: &str) -> Result<(), Missing> {
    if Subject::parse(text).is_some() {
        return Ok(());
    }
    let kinds: Vec<String> = Kind::ALL.iter().map(|k| k.as_str().to_owned()).collect();
    Err(Missing::new(path, "kind", text.split(' ').next().unwrap_or_default(), &kinds))
}

fn check_step(scenario: &Scenario, path: &str, step: &Step) -> Result<(), Missing> {
    if step.at.is_none() && step.when.is_none() {
        return Err(Missing::impossible(
            path,
            "a step needs a time (`at`) or an object to wait for (`when`)",
        ));
    }
    if step.actions.is_empty() {
        return Err(Missing::impossible(path, "a step has to do something (`do`)"));
    }
    within(scenario, &format!("{path}.at"), step.at)?;
    within(scenario, &format!("{path}.until"), step.until)?;
    if let Some(Seen { object, .. }) = &step.when {
        subject(&format!("{path}.when.object"), object)?;
    }
    let options = scenario.manifest_options();
    for (i, action) in step.actions.iter().enumerate() {
        let path = format!("{path}.do[{i}]");
        match action {
            Action::Apply(text) => {
                // What the API server refuses may be what the script is about.
                let strict =
                    if step.refused.is_some() { Options { rules: None, ..options } } else { options };
                let loaded = manifest::load_with("apply", text, &strict);
                let path = format!("{path}.apply");
                if loaded.map_err(|error| Missing::impossible(&path, error.to_string()))?.is_empty() {
                    return Err(Missing::impossible(&path, "there is no manifest in it"));
                }
            }
            Action::Delete(object) => subject(&format!("{path}.delete"), object)?,
            Action::Patch(patch) => subject(&format!("{path}.patch.object"), &patch.object)?,
            Action::Renew(_) => {}
            Action::Records(records) => {
                let has = |zone: &mock_dns::Zone| {
                    let (zone, name) = (zone.name.trim_end_matches('.'), records.name.trim_end_matches('.'));
                    name == zone || name.ends_with(&format!(".{zone}"))
                };
                if !scenario.dns.zones.iter().any(has) {
                    let zones: Vec<String> = scenario.dns.zones.iter().map(|z| z.name.clone()).collect();
                    let path = format!("{path}.records.name");
                    return Err(Missing::new(&path, "zone for the name", &records.name, &zones));
                }
            }
            Action::Links(links) => {
                for (l, link) in links.iter().enumerate() {
                    let ends = [("from", &link.from), ("to", &link.to)];
                    for (end, host) in ends {
                        let Some(host) = host.as_ref().filter(|h| !scenario.hosts.contains_key(*h)) else {
                            continue;
                        };
                        let hosts: Vec<String> = scenario.hosts.keys().cloned().collect();
                        return Err(Missing::new(&format!("{path}.links[{l}].{end}"), "host", host, &hosts));
                    }
                }
            }
        }
    }
    Ok(())
}

fn check_check(scenario: &Scenario, path: &str, check: &Check) -> Result<(), Missing> {
    let subjects = [
        check.log.is_some(),
        check.object.is_some(),
        check.ca.is_some(),
        check.validation.is_some(),
        check.limit.is_some(),
        check.provider.is_some(),
        check.access.is_some(),
    ];
    if subjects.iter().filter(|given| **given).count() != 1 {
        let message =
            "a check counts one of `log`, `object`, `ca`, `validation`, `limit`, `provider` and `access`";
        return Err(Missing::impossible(path, message));
    }
    within(scenario, &format!("{path}.since"), check.since)?;
    within(scenario, &format!("{path}.until"), check.until)?;
    if let Some(object) = &check.object {
        subject(&format!("{path}.object"), object)?;
    } else if !check.is.is_empty() || check.left.is_some() {
        return Err(Missing::impossible(path, "`is` and `left` are of an `object`"));
    }
    if let Some(host) = &check.host {
        let cas: Vec<String> = scenario.cas().map(|(_, ca)| ca.host.clone()).collect();
        if check.ca.is_none() && check.validation.is_none() && check.limit.is_none() {
            return Err(Missing::impossible(
                path,
                "`host` is of what a CA does: `ca`, `validation`, `limit`",
            ));
        }
        if !cas.contains(host) {
            return Err(Missing::new(&format!("{path}.host"), "host of a CA", host, &cas));
        }
    }
    if let Some(limit) = check.limit.as_ref().filter(|limit| !limit.contains('*')) {
        let known: Vec<String> = LimitName::ALL.iter().map(ToString::to_string).collect();
        if !known.contains(limit) {
            return Err(Missing::new(&format!("{path}.limit"), "limit", limit, &known));
        }
    }
    if let Some(endpoint) = check.ca.as_ref().filter(|e| !e.contains('*')) {
        let known: Vec<String> = Endpoint::ALL.iter().map(|e| endpoint_name(*e)).collect();
        if !known.contains(endpoint) {
            return Err(Missing::new(&format!("{path}.ca"), "endpoint", endpoint, &known));
        }
    } else if check.ca.is_none() && (check.status.is_some() || check.problem.is_some()) {
        return Err(Missing::impossible(path, "`status` and `problem` are of requests to the `ca`"));
    }
    Ok(())
}

//! What happened: from the writes to the API server, the journals of CAs and nameservers, the access logs of proxies, the
//! audit logs of providers, and what the timeline did.

use std::collections::BTreeMap;

use engine::api::{Certificate, ConditionStatus, Event as KubeEvent};
use engine::store::ChangeType;
use mock_ca::journal::Event as CaEvent;
use mock_dns::ResponseCode;
use reports::{Event, EventKind};
use world::{Instant, Timestamp};

use super::{named, nanos};
use crate::evidence::{CaEntry, Evidence, endpoint_name, problem_name};
use crate::script::Scenario;

/// All of them, by time.
pub(super) fn events(scenario: &Scenario, evidence: &Evidence) -> Vec<Event> {
    let mut all = Vec::new();
    of_objects(evidence, &mut all);
    of_cas(evidence, &mut all);
    of_nameservers(scenario, evidence, &mut all);
    let at = |at: Timestamp| nanos(at.since(evidence.start));
    for access in &evidence.accesses {
        let lane = format!("ingress {} {}", access.host, access.authority);
        let text = format!("{} {}: {}", access.method, access.path, access.status);
        let told = moment(nanos(access.at.since(Instant::default())), lane, EventKind::Proxied, text);
        let (lasts, trouble) = (nanos(access.took), access.status >= 400);
        all.push(Event { lasts, trouble, cause: access.why().map(str::to_owned), ..told });
    }
    for entry in &evidence.provider {
        let told = moment(
            at(evidence.monotonic(entry.at)),
            "DNS provider".to_owned(),
            EventKind::Audit,
            audit_text(entry),
        );
        all.push(Event { trouble: entry.result != "ok", cause: entry.rule.clone(), ..told });
    }
    for (time, text) in &evidence.actions {
        let trouble = text.contains(": refused: ");
        all.push(Event {
            trouble,
            ..moment(at(*time), "people".to_owned(), EventKind::Action, text.clone())
        });
    }
    for (time, host, what) in &evidence.processes {
        all.push(moment(
            at(*time),
            "engine".to_owned(),
            EventKind::Process,
            format!("the engine on {host} {what}"),
        ));
    }
    all.sort_by_key(|event| event.at);
    all
}

/// An event of no length, about no object, of which nothing is wrong.
fn moment(at: u64, lane: String, kind: EventKind, text: String) -> Event {
    Event { at, lasts: 0, lane, kind, text, object: None, trouble: false, cause: None }
}

fn audit_text(entry: &mock_dns::provider::AuditEntry) -> String {
    let mock_dns::provider::AuditEntry { operation, zone, name, kind, value, result, .. } = entry;
    let words = [&format!("{operation:?}"), zone, name, kind, value];
    let words: Vec<&str> = words.into_iter().map(String::as_str).filter(|word| !word.is_empty()).collect();
    format!("{}: {result}", words.join(" "))
}

/// Kubernetes Events, and when Certificates become ready.
fn of_objects(evidence: &Evidence, all: &mut Vec<Event>) {
    let mut ready: BTreeMap<String, bool> = BTreeMap::new();
    for (time, change) in evidence.history.changes() {
        let at = nanos(time.since(evidence.start));
        let gone = change.type_ == ChangeType::Deleted;
        if let Some(event) = change.object.get::<KubeEvent>().filter(|_| !gone) {
            let of = &event.involved_object;
            let component = event.source.component.trim_start_matches("cert-manager-");
            let text = format!("{} {}: {}: {}", of.kind, of.name, event.reason, event.message);
            let told = moment(at, format!("controller {component}"), EventKind::Event, text);
            let object = Some(named(&of.kind, &of.namespace, &of.name));
            all.push(Event { object, trouble: event.type_ == "Warning", ..told });
        }
        if let Some(certificate) = change.object.get::<Certificate>() {
            let condition = certificate.status.conditions.iter().find(|c| c.type_ == "Ready");
            let is = !gone && condition.is_some_and(|c| c.status == ConditionStatus::True);
            let name = &certificate.metadata.name;
            let object = named("Certificate", &certificate.metadata.namespace, name);
            let was = ready.insert(object.clone(), is).unwrap_or(false);
            if was == is {
                continue;
            }
            let text = match is {
                true => format!("Certificate {name} is Ready"),
                false => format!("Certificate {name} is not Ready any more"),
            };
            let told = moment(at, "Certificates".to_owned(), EventKind::Ready, text);
            all.push(Event { object: Some(object), trouble: was, ..told });
        }
    }
}

fn of_cas(evidence: &Evidence, all: &mut Vec<Event>) {
    // What a perspective has begun and not ended.
    let mut begun: BTreeMap<(u64, u32, &str), (u64, String)> = BTreeMap::new();
    for CaEntry { at, host, event } in &evidence.ca {
        let (wall, at) = (evidence.wall(*at), nanos(at.since(evidence.start)));
        let lane = |of: &str| format!("CA {host} {of}");
        let told = match event {
            CaEvent::Request { endpoint, received, status, problem, reason, identifiers, .. } => {
                let name = endpoint.map_or_else(|| "other".to_owned(), endpoint_name);
                let trouble = *status >= 400;
                let text = match trouble {
                    true => {
                        let problem = problem_name(*problem).unwrap_or("no problem document");
                        format!("the CA refuses {name}: {status}, {problem}")
                    }
                    false => format!("{name}: {status} {}", identifiers.join(" ")).trim_end().to_owned(),
                };
                let lasts = nanos(wall.since(*received));
                let told = moment(at.saturating_sub(lasts), lane(&name), EventKind::Request, text);
                Event { lasts, trouble, cause: trouble.then(|| reason.clone()), ..told }
            }
            CaEvent::ValidationStarted { authorization, attempt, perspective, challenge, name, .. } => {
                begun.insert(
                    (*authorization, *attempt, perspective),
                    (at, format!("{challenge} of {name} from {perspective}")),
                );
                continue;
            }
            CaEvent::ValidationDone { authorization, attempt, perspective, problem, reason, .. } => {
                let begun = begun.remove(&(*authorization, *attempt, perspective.as_str()));
                let (since, what) = begun.unwrap_or_else(|| (at, format!("a challenge from {perspective}")));
                let told =
                    moment(since, lane("validation"), EventKind::Validation, format!("{what}: {reason}"));
                Event { lasts: at - since, trouble: problem.is_some(), ..told }
            }
            CaEvent::ValidationDecided { status, reason, .. } => {
                let text = format!("the CA decides an authorization: {status}");
                let trouble = *status != "valid";
                let told = moment(at, lane("validation"), EventKind::Decision, text);
                Event { trouble, cause: trouble.then(|| reason.clone()), ..told }
            }
            CaEvent::RateLimited { limit, bucket, .. } => {
                let text = format!("the limit {limit} of the CA is used up");
                let told = moment(at, lane("limits"), EventKind::Limit, text);
                Event { trouble: true, cause: Some(bucket.clone()), ..told }
            }
            CaEvent::Issued { names, not_after, .. } => {
                let told =
                    moment(at, lane("issuance"), EventKind::Issued, "the CA issues a certificate".to_owned());
                Event { cause: Some(format!("for {}, until {not_after}", names.join(" "))), ..told }
            }
            CaEvent::NotIssued { order, reason } => {
                let text = format!("the CA issues nothing for order {order}");
                let told = moment(at, lane("issuance"), EventKind::Issued, text);
                Event { trouble: true, cause: Some(reason.clone()), ..told }
            }
            CaEvent::Revoked { serial, .. } => {
                moment(at, lane("issuance"), EventKind::Revoked, format!("the CA revokes {serial}"))
            }
            CaEvent::Fault { rule, call, actions, endpoint } => {
                let what = endpoint.map(endpoint_name).unwrap_or_default();
                let text = format!("{what}, call {call}: {}", actions.join(", "));
                let told = moment(at, format!("fault {rule}"), EventKind::Fault, text);
                Event { trouble: true, ..told }
            }
            // The nameservers tell of questions themselves; the others are no business of a reader.
            CaEvent::DnsQuery { .. }
            | CaEvent::AccountCreated { .. }
            | CaEvent::ClockMoved { .. }
            | CaEvent::FaultsChanged { .. }
            | CaEvent::Draw { .. } => continue,
        };
        all.push(told);
    }
}

fn of_nameservers(scenario: &Scenario, evidence: &Evidence, all: &mut Vec<Event>) {
    let mut hosts = BTreeMap::new();
    for (host, ips) in &scenario.hosts {
        hosts.extend(ips.iter().map(|ip| (*ip, host.as_str())));
    }
    for query in &evidence.queries {
        let from = query.from.ip();
        let who = hosts.get(&from).map_or_else(|| from.to_string(), |host| (*host).to_owned());
        let kind = query.kind_name();
        let name = query.name.trim_end_matches('.');
        let asked = match query.changes {
            Some(changes) => format!("{who} makes {changes} changes in {name}"),
            None => format!("{who} asks {name} {kind}"),
        };
        let (answer, trouble) = match (query.dropped, query.code) {
            (true, _) => ("no answer".to_owned(), true),
            (false, ResponseCode::NoError) => (format!("{} records", query.answers), false),
            (false, code) => (query.code_name(), code != ResponseCode::NXDomain),
        };
        let at = nanos(evidence.monotonic(query.at).since(evidence.start));
        let told =
            moment(at, format!("DNS {}", query.server), EventKind::Query, format!("{asked}: {answer}"));
        all.push(Event { trouble, cause: query.rule.as_deref().map(str::to_owned), ..told });
    }
}

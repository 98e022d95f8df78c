//! What holds in every run, after every write: a script names those that it breaks.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use engine::api::{
    Certificate, CertificateRequest, Challenge, ConditionStatus, Kind, Object, ObjectKey, Order, Resource,
    Secret,
};
use engine::pki;
use engine::store::ChangeType;
use mock_ca::journal::Event;
use reports::Difference;
use world::{PrivateKey, Timestamp};

use crate::evidence::Evidence;

/// Something that holds in every run.
pub struct Invariant {
    /// Its name, as `expect.breaks` has it.
    pub name: &'static str,
    /// What it says.
    pub says: &'static str,
    /// What is wrong, if something is.
    broken: fn(&Evidence) -> Option<String>,
}

/// All of them.
pub const INVARIANTS: &[Invariant] = &[
    Invariant {
        name: "one-live-request",
        says: "a Certificate has at most one CertificateRequest of a revision that is not decided",
        broken: one_live_request,
    },
    Invariant {
        name: "one-certificate-per-revision",
        says: "the CA issues one certificate for each revision",
        broken: one_certificate_per_revision,
    },
    Invariant {
        name: "pair-fits",
        says: "key and certificate in a Secret belong together",
        broken: pair_fits,
    },
    Invariant {
        name: "no-stuck-order",
        says: "no Order stays pending for 10 minutes after all its Challenges are final",
        broken: no_stuck_order,
    },
    Invariant { name: "renewed-in-time", says: "no certificate expires", broken: renewed_in_time },
    Invariant {
        name: "nothing-left",
        says: "without a Challenge there is no solver Pod, Service, Ingress or HTTPRoute, and no TXT record",
        broken: nothing_left,
    },
    Invariant {
        name: "within-budget",
        says: "CA calls: at most 60 and 30 an hour for each certificate; writes: 300 and 300 an hour",
        broken: within_budget,
    },
    Invariant {
        name: "versions-rise",
        says: "every write has a resourceVersion above all before it",
        broken: versions_rise,
    },
    Invariant {
        name: "restart-is-a-no-op",
        says: "a restart of the engine after the end changes nothing of a Certificate that is ready and at rest",
        broken: |evidence| evidence.restarted.clone(),
    },
];

/// Holds a run against all of them. `breaks` are those that have to be broken, and no others.
pub(crate) fn check(evidence: &Evidence, breaks: &[String]) -> Vec<Difference> {
    let mut differences = Vec::new();
    for Invariant { name, says, broken } in INVARIANTS {
        let declared = breaks.iter().any(|broken| broken == name);
        let what = format!("invariant {name}");
        match broken(evidence) {
            Some(why) if !declared => {
                differences.push(Difference { what, expected: Some((*says).to_owned()), actual: Some(why) })
            }
            None if declared => differences.push(Difference {
                what,
                expected: Some("broken, as expect.breaks says".to_owned()),
                actual: Some("it holds".to_owned()),
            }),
            _ => {}
        }
    }
    differences
}

/// The last state of each object of a kind, by uid, as history goes on.
struct Living<R>(BTreeMap<String, std::sync::Arc<R>>);

impl<R: Resource> Living<R> {
    fn new() -> Self {
        Living(BTreeMap::new())
    }

    /// Takes a change in; says whether it was of this kind.
    fn take(&mut self, type_: ChangeType, object: &Object) -> bool {
        let Some(typed) = object.get::<R>() else { return false };
        let uid = object.meta().uid.clone();
        match type_ {
            ChangeType::Deleted => drop(self.0.remove(&uid)),
            ChangeType::Added | ChangeType::Modified => drop(self.0.insert(uid, typed.clone())),
        }
        true
    }
}

/// Whether it is issued, failed or denied for good.
pub(crate) fn is_decided(request: &CertificateRequest) -> bool {
    let ready = request.status.conditions.iter().find(|c| c.type_ == "Ready");
    ready.is_some_and(|c| ["Issued", "Failed", "Denied"].contains(&c.reason.as_str()))
}

fn one_live_request(evidence: &Evidence) -> Option<String> {
    let mut requests = Living::<CertificateRequest>::new();
    for (at, change) in evidence.history.changes() {
        if !requests.take(change.type_, &change.object) {
            continue;
        }
        let mut live: BTreeMap<(&str, &str), u32> = BTreeMap::new();
        for request in requests.0.values() {
            let decided = is_decided(request);
            let revision = request.metadata.annotations.get("cert-manager.io/certificate-revision");
            if let (false, Some(owner), Some(revision)) = (decided, request.metadata.controller(), revision) {
                *live.entry((&owner.uid, revision)).or_default() += 1;
            }
        }
        if live.values().any(|n| *n > 1) {
            return Some(format!("{at}: {} is the second", change.object.key()));
        }
    }
    None
}

fn one_certificate_per_revision(evidence: &Evidence) -> Option<String> {
    let mut revisions: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut certificates = Living::<Certificate>::new();
    for (_, change) in evidence.history.changes() {
        certificates.take(change.type_, &change.object);
        if let Some(certificate) = change.object.get::<Certificate>() {
            let now = certificate.status.revision.unwrap_or_default();
            let (_, most) = revisions.entry(certificate.metadata.uid.clone()).or_insert((now, now));
            *most = now.max(*most);
        }
    }
    // Releases before 0.6 have no revisions, and no requests.
    let has_requests = |change: &&engine::store::Change| change.object.kind() == Kind::CertificateRequest;
    if !evidence.history.changes().map(|(_, change)| change).any(|change| has_requests(&change)) {
        return None;
    }
    let running = certificates.0.values().filter(|c| {
        c.status.conditions.iter().any(|c| c.type_ == "Issuing" && c.status == ConditionStatus::True)
    });
    let most = revisions.values().map(|(first, last)| last - first).sum::<u64>() + running.count() as u64;
    let issued = evidence.issued();
    // Who has no CA has no count of it; and a CA of the world may have other clients.
    (issued > most).then(|| format!("{issued} certificates for {most} revisions"))
}

fn pair_fits(evidence: &Evidence) -> Option<String> {
    for (at, change) in evidence.history.changes() {
        let Some(secret) = change.object.get::<Secret>().filter(|_| change.type_ != ChangeType::Deleted)
        else {
            continue;
        };
        if !secret.metadata.annotations.contains_key("cert-manager.io/certificate-name") {
            continue;
        }
        let data = |name: &str| secret.data.get(name).map(|bytes| bytes.as_slice()).unwrap_or_default();
        let (Ok(leaf), Ok(key)) = (pki::leaf(data("tls.crt")), PrivateKey::from_pem(data("tls.key"))) else {
            continue;
        };
        if leaf.public_key != *key.public() {
            return Some(format!("{at}: Secret {}: the key is another's", change.object.key()));
        }
    }
    None
}

/// How long an Order may take to see that its last Challenge is final.
const ORDER_PATIENCE: Duration = Duration::from_secs(600);

fn no_stuck_order(evidence: &Evidence) -> Option<String> {
    let (mut orders, mut challenges) = (Living::<Order>::new(), Living::<Challenge>::new());
    let mut stuck: BTreeMap<String, (Timestamp, ObjectKey)> = BTreeMap::new();
    let late = |stuck: &BTreeMap<String, (Timestamp, ObjectKey)>, now: Timestamp| {
        let late = stuck.values().find(|(since, _)| now.since(*since) > ORDER_PATIENCE);
        late.map(|(since, key)| format!("Order {key} has been pending with final Challenges since {since}"))
    };
    for (at, change) in evidence.history.changes() {
        if let Some(why) = late(&stuck, at) {
            return Some(why);
        }
        let of_order = orders.take(change.type_, &change.object);
        if !challenges.take(change.type_, &change.object) && !of_order {
            continue;
        }
        let mut now = BTreeSet::new();
        for (uid, order) in &orders.0 {
            let own: Vec<_> = challenges.0.values().filter(|c| c.metadata.is_controlled_by(uid)).collect();
            let all_final = !own.is_empty() && own.iter().all(|c| c.status.state.is_final());
            if order.status.state.as_str() == "pending" && all_final {
                now.insert(uid.clone());
                stuck.entry(uid.clone()).or_insert_with(|| (at, order.key()));
            }
        }
        stuck.retain(|uid, _| now.contains(uid));
    }
    late(&stuck, evidence.end)
}

fn renewed_in_time(evidence: &Evidence) -> Option<String> {
    let mut certificates = Living::<Certificate>::new();
    let expired = |certificates: &Living<Certificate>, now: Timestamp| {
        certificates.0.values().find_map(|certificate| {
            let until = certificate.status.not_after?.timestamp();
            (until < evidence.wall(now))
                .then(|| format!("Certificate {} expired at {until}", certificate.key()))
        })
    };
    for (at, change) in evidence.history.changes() {
        if change.object.kind() == Kind::Certificate {
            if let Some(why) = expired(&certificates, at) {
                return Some(why);
            }
            certificates.take(change.type_, &change.object);
        }
    }
    expired(&certificates, evidence.end)
}

fn nothing_left(evidence: &Evidence) -> Option<String> {
    let mut left: BTreeMap<(Kind, ObjectKey), bool> = BTreeMap::new();
    for (_, change) in evidence.history.changes() {
        let (kind, key) = (change.object.kind(), change.object.key());
        let solvers = [Kind::Pod, Kind::Service, Kind::Ingress, Kind::HTTPRoute];
        let is_solver = solvers.contains(&kind) && key.name().starts_with("cm-acme-http-solver-");
        if is_solver || kind == Kind::Challenge {
            left.insert((kind, key), change.type_ != ChangeType::Deleted);
        }
    }
    left.retain(|_, is_left| *is_left);
    if left.keys().any(|(kind, _)| *kind == Kind::Challenge) {
        return None;
    }
    let object = left.keys().next().map(|(kind, key)| format!("{kind} {key}"));
    object.or_else(|| evidence.records.first().map(|(name, value)| format!("TXT {name} {value}")))
}

fn within_budget(evidence: &Evidence) -> Option<String> {
    let mut certificates = BTreeSet::new();
    let mut writes = 0_u64;
    for (_, change) in evidence.history.changes() {
        match change.object.kind() {
            Kind::Event | Kind::Lease => {}
            _ => writes += 1,
        }
        if change.object.kind() == Kind::Certificate {
            certificates.insert(change.object.key());
        }
    }
    let issued = evidence.issued();
    let asked = evidence.count(|event| matches!(event, Event::Request { .. }));
    let hours = evidence.end.since(evidence.start).as_secs().div_ceil(3600);
    let (many, certificates) = (issued.max(1), certificates.len().max(1) as u64);
    let (asked_most, writes_most) =
        (60 * many + 30 * hours * certificates, 300 * many + 300 * hours * certificates);
    if asked > asked_most {
        return Some(format!("{asked} CA calls, where {asked_most} are allowed"));
    }
    (writes > writes_most).then(|| format!("{writes} writes, where {writes_most} are allowed"))
}

fn versions_rise(evidence: &Evidence) -> Option<String> {
    let mut last = 0;
    for (at, change) in evidence.history.changes().filter(|(at, _)| *at > evidence.start) {
        let version = change.object.meta().resource_version;
        if version <= last {
            return Some(format!("{at}: {} {} after {last}", change.object.key(), version));
        }
        last = version;
    }
    None
}

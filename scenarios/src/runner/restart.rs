//! The afterword of a run: the engine ends and starts again, and what was at rest has to stay as it is.
//!
//! An engine that keeps nothing but what is in the store starts again at any deployment, eviction and upgrade. If that
//! alone makes it write, order or issue, each of them costs a fleet its rate limits (cert-manager 1.19.0 did).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use engine::api::{Certificate, CertificateRequest, ConditionStatus, Kind, ObjectKey, Resource as _};
use engine::store::ChangeType;
use world::{Timestamp, World};

use super::Remains;
use crate::history::{History, Recording};
use crate::invariants::is_decided;
use crate::script::Scenario;

/// How long an object has not been written if it is at rest.
const REST: Duration = Duration::from_secs(60);
/// How long the engine has after its restart: a new leader waits for the lock of the old one first.
const WATCHED: Duration = Duration::from_secs(300);

/// What is not to change.
#[derive(Debug, Default)]
struct AtRest {
    /// Certificates and their Secrets.
    objects: BTreeSet<(Kind, ObjectKey)>,
    /// The uids of those Certificates, which get no request.
    owners: BTreeSet<String>,
}

/// Restarts the engine's processes; says what changed although nothing called for it.
pub(super) async fn check(
    world: &World,
    remains: &Remains,
    scenario: &Scenario,
    history: &History,
) -> Option<String> {
    let still = at_rest(history, scenario.until);
    if still.objects.is_empty() {
        return None;
    }
    let last = history.changes().map(|(_, change)| change.object.meta().resource_version).max().unwrap_or(0);
    let recording = Recording::start(&remains.store);
    let engine = &scenario.engine;
    for host in std::iter::once(&engine.host).chain(&engine.processes.replicas) {
        world.crash(host);
    }
    world.sleep(WATCHED).await;
    let after = recording.finish(scenario.clock.start);
    let found = after.changes().find(|(_, change)| {
        let (object, meta) = (&change.object, change.object.meta());
        let is_new = meta.resource_version > last || change.type_ == ChangeType::Deleted;
        let of_rest = still.objects.contains(&(object.kind(), object.key()));
        let asks = object.kind() == Kind::CertificateRequest
            && meta.controller().is_some_and(|owner| still.owners.contains(&owner.uid));
        is_new && (of_rest || asks)
    });
    found.map(|(_, change)| {
        let what = match change.type_ {
            ChangeType::Added => "made",
            ChangeType::Modified => "written",
            ChangeType::Deleted => "deleted",
        };
        format!("{} {} was {what}", change.object.kind(), change.object.key())
    })
}

/// The Certificates that are ready, with nothing under way or due, and the Secrets that they name.
fn at_rest(history: &History, end: Timestamp) -> AtRest {
    let mut written: BTreeMap<(Kind, ObjectKey), Timestamp> = BTreeMap::new();
    for (at, change) in history.changes() {
        written.insert((change.object.kind(), change.object.key()), at);
    }
    let stored = history.at(end);
    let undecided: BTreeSet<&str> = stored
        .of::<CertificateRequest>()
        .filter(|request| !is_decided(request))
        .filter_map(|request| Some(request.metadata.controller()?.uid.as_str()))
        .collect();
    let rests =
        |id: &(Kind, ObjectKey)| written.get(id).is_none_or(|at| end.since(*at) >= REST && *at <= end);
    let mut still = AtRest::default();
    for certificate in stored.of::<Certificate>() {
        let is = |type_: &str| {
            certificate
                .status
                .conditions
                .iter()
                .any(|c| c.type_ == type_ && c.status == ConditionStatus::True)
        };
        let due = certificate.status.renewal_time.map(|time| time.timestamp());
        let calm = is("Ready")
            && !is("Issuing")
            && !undecided.contains(certificate.metadata.uid.as_str())
            && due.is_none_or(|due| due > end + WATCHED);
        let own = (Kind::Certificate, certificate.key());
        let secret =
            ObjectKey::new(certificate.metadata.namespace.as_str(), certificate.spec.secret_name.as_str());
        let secret = (Kind::Secret, secret);
        if calm && rests(&own) && rests(&secret) {
            still.owners.insert(certificate.metadata.uid.clone());
            still.objects.extend([own, secret]);
        }
    }
    still
}

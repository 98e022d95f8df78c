//! How far the Certificates are, and why one is not there: pure looks at what the store has.

use std::collections::BTreeSet;

use engine::api::{
    Certificate, CertificateRequest, Challenge, ClusterIssuer, Condition, ConditionStatus, Event, Issuer,
    Kind, Object, ObjectKey, Order, Resource, Time,
};
use engine::store::Store;
use world::Timestamp;

/// How far a Certificate is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its Secret is good until then.
    Ready(Option<Time>),
    /// It is under way.
    Waiting,
    /// It has failed; the engine would try again in an hour or later.
    Failed,
}

fn condition<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|c| c.type_ == type_)
}

/// How far it is. One that is due for renewal waits for it: that nothing has happened yet does not mean that nothing
/// will.
pub fn standing(certificate: &Certificate, now: Timestamp) -> Standing {
    let status = &certificate.status;
    let issuing = condition(&status.conditions, "Issuing").map(|c| c.status);
    let ready = condition(&status.conditions, "Ready").is_some_and(|c| {
        c.status == ConditionStatus::True && c.observed_generation == certificate.metadata.generation
    });
    let due = status.renewal_time.is_none_or(|time| time.timestamp() <= now);
    match issuing {
        Some(ConditionStatus::True) => Standing::Waiting,
        Some(_) => Standing::Failed,
        None if ready && !due => Standing::Ready(status.not_after),
        None => Standing::Waiting,
    }
}

/// All that are wanted, with how far they are. One that is not there yet waits for ingress-shim.
pub(super) fn standings(
    store: &Store,
    wanted: &BTreeSet<ObjectKey>,
    now: Timestamp,
) -> Vec<(ObjectKey, Standing)> {
    let of = |key: &ObjectKey| {
        let found = store.get(Kind::Certificate, key);
        let standing = found.and_then(|object| object.get::<Certificate>().map(|c| standing(c, now)));
        let standing = standing.unwrap_or(Standing::Waiting);
        match standing {
            Standing::Waiting if is_stuck(store, key) => (key.clone(), Standing::Failed),
            standing => (key.clone(), standing),
        }
    };
    wanted.iter().map(of).collect()
}

/// Whether one of its Orders says that no solver fits, which only another manifest can mend.
fn is_stuck(store: &Store, certificate: &ObjectKey) -> bool {
    let orders: BTreeSet<String> = orders(store, certificate).iter().map(|o| o.meta().uid.clone()).collect();
    let solver = |event: &Event| event.reason == "Solver" && orders.contains(&event.involved_object.uid);
    store.list(Kind::Event).iter().filter_map(|o| o.get::<Event>()).any(|event| solver(event))
}

/// Whether anything is still put up for a CA.
pub(super) fn is_presenting(store: &Store) -> bool {
    let challenges = store.list(Kind::Challenge);
    challenges.iter().filter_map(|o| o.get::<Challenge>()).any(|c| c.status.presented)
}

fn owned_by(store: &Store, kind: Kind, owner: &str) -> Vec<Object> {
    let mut objects = store.list(kind);
    objects.retain(|o| o.meta().owner_references.iter().any(|r| r.uid == owner));
    objects
}

fn requests(store: &Store, certificate: &ObjectKey) -> Vec<Object> {
    let found = store.get(Kind::Certificate, certificate);
    found.map(|c| owned_by(store, Kind::CertificateRequest, &c.meta().uid)).unwrap_or_default()
}

fn orders(store: &Store, certificate: &ObjectKey) -> Vec<Object> {
    let requests = requests(store, certificate);
    requests.iter().flat_map(|r| owned_by(store, Kind::Order, &r.meta().uid)).collect()
}

/// Why a Certificate is not Ready, from the outside to the inside: what it says, its issuer, the request, the order and
/// the challenges.
pub(super) fn reasons(store: &Store, key: &ObjectKey) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut say = |kind: Kind, key: &ObjectKey, text: &str| {
        if !text.is_empty() {
            lines.push(format!("{kind} {key}: {text}"));
        }
    };
    let Some(found) = store.get(Kind::Certificate, key) else {
        return vec![format!("Certificate {key}: it has not been made")];
    };
    if let Some(certificate) = found.get::<Certificate>() {
        let conditions = &certificate.status.conditions;
        let shown = condition(conditions, "Issuing").or_else(|| condition(conditions, "Ready"));
        say(Kind::Certificate, key, shown.map_or("nothing is known of it yet", |c| &c.message));
        let reference = &certificate.spec.issuer_ref;
        let issuer = match reference.kind_or_default() {
            "ClusterIssuer" => store.get(Kind::ClusterIssuer, &ObjectKey::new("", reference.name.as_str())),
            _ => store.get(Kind::Issuer, &ObjectKey::new(key.namespace(), reference.name.as_str())),
        };
        if let Some(issuer) = issuer
            && let Some(ready) = issuer_ready(&issuer).filter(|c| c.status != ConditionStatus::True)
        {
            say(issuer.kind(), &issuer.key(), &ready.message);
        }
    }
    for request in requests(store, key) {
        let Some(request) = request.get::<CertificateRequest>() else { continue };
        if let Some(ready) = condition(&request.status.conditions, "Ready") {
            say(Kind::CertificateRequest, &request.key(), &ready.message);
        }
    }
    for object in orders(store, key) {
        let Some(order) = object.get::<Order>() else { continue };
        let state = order.status.state.as_str();
        let text =
            if order.status.reason.is_empty() { state.to_owned() } else { order.status.reason.clone() };
        say(Kind::Order, &order.key(), &text);
        for event in store.list(Kind::Event) {
            let Some(event) = event.get::<Event>() else { continue };
            if event.involved_object.uid == order.metadata.uid && event.type_ == "Warning" {
                say(Kind::Order, &order.key(), &event.message);
            }
        }
        for challenge in owned_by(store, Kind::Challenge, &order.metadata.uid) {
            let Some(challenge) = challenge.get::<Challenge>() else { continue };
            let name = &challenge.spec.dns_name;
            let text = match challenge.status.reason.as_str() {
                "" => String::new(),
                reason => format!("{} for {name}: {reason}", challenge.spec.type_),
            };
            say(Kind::Challenge, &challenge.key(), &text);
        }
    }
    lines
}

/// What an issuer says of itself.
pub(super) fn issuer_ready(object: &Object) -> Option<Condition> {
    let conditions = match object.kind() {
        Kind::Issuer => object.get::<Issuer>().map(|i| &i.status.conditions),
        Kind::ClusterIssuer => object.get::<ClusterIssuer>().map(|i| &i.status.conditions),
        _ => None,
    };
    condition(conditions?, "Ready").cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn certificate(conditions: &[(&str, ConditionStatus)]) -> Certificate {
        let mut certificate = Certificate::default();
        certificate.metadata.generation = 2;
        certificate.status.renewal_time = Some(Time::new(Timestamp::from_unix_secs(1000)));
        for (type_, status) in conditions {
            let mut c = engine::conditions::new(type_, *status, "R", "m");
            c.observed_generation = 2;
            certificate.status.conditions.push(c);
        }
        certificate
    }

    #[test]
    fn ready_is_what_is_up_to_date_and_not_due() {
        use ConditionStatus::{False, True};
        let now = Timestamp::from_unix_secs(999);
        for (conditions, want) in [
            (&[][..], Standing::Waiting),
            (&[("Ready", False)], Standing::Waiting),
            (&[("Ready", True)], Standing::Ready(None)),
            (&[("Ready", True), ("Issuing", True)], Standing::Waiting),
            (&[("Ready", False), ("Issuing", False)], Standing::Failed),
            // Renewal has failed; what is there is still good, but the user hears of it.
            (&[("Ready", True), ("Issuing", False)], Standing::Failed),
        ] {
            assert_eq!(standing(&certificate(conditions), now), want, "{conditions:?}");
        }
        let mut ready = certificate(&[("Ready", True)]);
        assert_eq!(standing(&ready, now + Duration::from_secs(1)), Standing::Waiting, "due");
        ready.metadata.generation = 3;
        assert_eq!(standing(&ready, now), Standing::Waiting, "the specification has changed since");
    }
}

//! An external issuer: a controller outside of cert-manager that signs the requests of its own API group.
//!
//! It keeps the rules that cert-manager has for such controllers: it waits for approval, honours a denial, and tells
//! what it does in the Ready condition.

use std::sync::Arc;
use std::time::Duration;

use engine::api::{CertificateRequest, ConditionStatus, Kind, Object, ObjectKey, Time};
use engine::conditions::{condition, is_true, new, put};
use engine::store::{ApiError, ChangeType, Store};
use serde::{Deserialize, Serialize};
use world::World;

use crate::backends::{Authority, AuthorityError};
use crate::script::{Durations, InTurn};

/// What becomes of the requests of an external issuer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// They are signed.
    #[default]
    Issue,
    /// They fail.
    Fail,
    /// They are denied, if nobody was faster to approve them.
    Deny,
    /// They stay pending.
    Never,
}

/// An external issuer, as a script describes it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct ExternalIssuer {
    /// Its API group: `issuerRef.group` of its requests.
    pub group: String,
    /// From approval to the outcome.
    pub delay: Durations,
    /// The outcome.
    pub outcome: Outcome,
}

/// Lifetime of what it signs when the request asks for none.
const LIFETIME: Duration = Duration::from_secs(90 * 24 * 3600);

/// Starts it. It stands next to the API server.
///
/// # Errors
/// [`AuthorityError`] when its CA cannot be made.
pub fn start(world: &World, store: &Store, config: &ExternalIssuer) -> Result<(), AuthorityError> {
    let actor = Arc::new(Actor {
        world: world.clone(),
        store: store.clone(),
        authority: Authority::new(world, &format!("external {}", config.group))?,
        group: config.group.clone(),
        outcome: config.outcome,
        delay: InTurn::new(config.delay.clone()),
    });
    let mut watch = store.watch(Kind::CertificateRequest);
    world.spawn(&format!("external issuer {}", config.group), async move {
        while let Some(change) = watch.next().await {
            let Some(request) = change.object.get::<CertificateRequest>() else { continue };
            if change.type_ == ChangeType::Deleted || request.spec.issuer_ref.group != actor.group {
                continue;
            }
            match decide(request, actor.outcome) {
                Step::Nothing => {}
                Step::Deny => actor.write(&change.object.key(), |r| {
                    if !is_true(r, "Approved") {
                        put(
                            r,
                            &new("Denied", ConditionStatus::True, "Policy", "denied by the external issuer"),
                        );
                    }
                }),
                Step::HonourDenial => actor.fail(&change.object.key(), "Denied", "The request was denied"),
                Step::Begin => {
                    actor.write(&change.object.key(), |r| {
                        let text = "Waiting for the external issuer";
                        put(r, &new("Ready", ConditionStatus::False, "Pending", text));
                    });
                    let (actor, key) = (actor.clone(), change.object.key());
                    let delay = actor.delay.next();
                    actor.world.clone().spawn("external issuance", async move {
                        actor.world.sleep(delay).await;
                        actor.finish(&key);
                    });
                }
            }
        }
    });
    Ok(())
}

/// What is to be done about a request.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Nothing,
    Deny,
    HonourDenial,
    Begin,
}

fn decide(request: &CertificateRequest, outcome: Outcome) -> Step {
    let ready = condition(request, "Ready");
    if is_true(request, "Denied") {
        return if ready.is_some() { Step::Nothing } else { Step::HonourDenial };
    }
    match (is_true(request, "Approved"), outcome) {
        (false, Outcome::Deny) => Step::Deny,
        (true, _) if ready.is_none() => Step::Begin,
        _ => Step::Nothing,
    }
}

struct Actor {
    world: World,
    store: Store,
    authority: Authority,
    group: String,
    outcome: Outcome,
    delay: InTurn,
}

impl Actor {
    /// Writes a status on what is stored; a request that is gone is left.
    fn write(&self, key: &ObjectKey, change: impl Fn(&mut CertificateRequest)) {
        let Some(object) = self.store.get(Kind::CertificateRequest, key) else { return };
        let Some(request) = object.get::<CertificateRequest>() else { return };
        let mut request = request.as_ref().clone();
        change(&mut request);
        let now = Time::new(self.world.now());
        for condition in &mut request.status.conditions {
            condition.last_transition_time.get_or_insert(now);
        }
        let written: Result<_, ApiError> = self.store.update_status(Object::from(request));
        // It was read in the same instant: only its deletion could be in between.
        drop(written);
    }

    fn fail(&self, key: &ObjectKey, reason: &str, message: &str) {
        let now = Time::new(self.world.now());
        self.write(key, |r| {
            r.status.failure_time = Some(now);
            put(r, &new("Ready", ConditionStatus::False, reason, message));
        });
    }

    fn finish(&self, key: &ObjectKey) {
        let Some(object) = self.store.get(Kind::CertificateRequest, key) else { return };
        let Some(request) = object.get::<CertificateRequest>() else { return };
        match self.outcome {
            Outcome::Never | Outcome::Deny => {}
            Outcome::Fail => self.fail(key, "Failed", "the external issuer has refused the request"),
            Outcome::Issue => {
                let lifetime = request.spec.duration.map_or(LIFETIME, |d| d.0);
                match self.authority.sign(request.spec.request.as_slice(), lifetime) {
                    Err(error) => self.fail(key, "Failed", &error.to_string()),
                    Ok(leaf) => self.write(key, |r| {
                        r.status.certificate = (leaf.clone() + &self.authority.issuing_pem()).into();
                        r.status.ca = self.authority.root_pem().into();
                        put(
                            r,
                            &new("Ready", ConditionStatus::True, "Issued", "signed by the external issuer"),
                        );
                    }),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_waits_for_approval_and_honours_denial() {
        let mut request = CertificateRequest::default();
        assert_eq!(decide(&request, Outcome::Issue), Step::Nothing);
        assert_eq!(decide(&request, Outcome::Deny), Step::Deny);
        put(&mut request, &new("Approved", ConditionStatus::True, "", ""));
        assert_eq!(decide(&request, Outcome::Issue), Step::Begin);
        put(&mut request, &new("Ready", ConditionStatus::False, "Pending", ""));
        assert_eq!(decide(&request, Outcome::Issue), Step::Nothing, "it has begun");
        let mut denied = CertificateRequest::default();
        put(&mut denied, &new("Denied", ConditionStatus::True, "", ""));
        assert_eq!(decide(&denied, Outcome::Issue), Step::HonourDenial);
    }
}

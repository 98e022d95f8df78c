//! Setting conditions, with the log lines that the release prints while it does.
//!
//! The line comes *before* the write: a write that is lost prints it again on the retry.

use world::World;

use crate::api::{Certificate, CertificateRequest, Condition, ConditionStatus, Kind, Time};
use crate::log::{Logger, Message, catalogue as msg};
use crate::work::place;

/// An object that has conditions.
pub trait Conditioned {
    /// Its conditions.
    fn conditions(&self) -> &[Condition];
    /// Its conditions, to change.
    fn conditions_mut(&mut self) -> &mut Vec<Condition>;
}

macro_rules! conditioned {
    ($($kind:ty),+) => { $(
        impl Conditioned for $kind {
            fn conditions(&self) -> &[Condition] {
                &self.status.conditions
            }
            fn conditions_mut(&mut self) -> &mut Vec<Condition> {
                &mut self.status.conditions
            }
        }
    )+ };
}
conditioned!(Certificate, CertificateRequest, crate::api::Issuer, crate::api::ClusterIssuer);

/// The condition of this type.
pub fn condition<'a>(object: &'a impl Conditioned, type_: &str) -> Option<&'a Condition> {
    object.conditions().iter().find(|c| c.type_ == type_)
}

/// Whether the condition of this type is there and true.
pub fn is_true(object: &impl Conditioned, type_: &str) -> bool {
    condition(object, type_).is_some_and(|c| c.status == ConditionStatus::True)
}

/// Takes a condition away; nothing is logged.
pub fn remove(object: &mut impl Conditioned, type_: &str) {
    object.conditions_mut().retain(|c| c.type_ != type_);
}

/// Puts a condition in the place of the one of its type. Its transition time is its own if it has one.
pub fn put(object: &mut impl Conditioned, new: &Condition) {
    let conditions = object.conditions_mut();
    match conditions.iter_mut().find(|c| c.type_ == new.type_) {
        Some(old) => old.clone_from(new),
        None => conditions.push(new.clone()),
    }
}

/// The two messages of a kind: status changed, condition added.
fn messages(kind: Kind) -> (&'static Message, &'static Message) {
    match kind {
        Kind::Certificate => (&msg::CERTIFICATE_CONDITION_CHANGED, &msg::CERTIFICATE_CONDITION_ADDED),
        Kind::CertificateRequest => (&msg::REQUEST_CONDITION_CHANGED, &msg::REQUEST_CONDITION_ADDED),
        _ => (&msg::ISSUER_CONDITION_CHANGED, &msg::ISSUER_CONDITION_ADDED),
    }
}

/// The name of the value that names the object.
fn reference(kind: Kind) -> &'static str {
    match kind {
        Kind::Certificate => "certificate",
        Kind::CertificateRequest => "certificateRequest",
        _ => "issuer",
    }
}

/// Completes `new`, which is to replace a condition of `object`: the transition time is now when the status
/// differs (and a line says so), else the old one's.
pub async fn transition<R>(world: &World, log: &Logger, object: &R, mut new: Condition) -> Condition
where
    R: Conditioned + crate::api::Resource,
{
    let old = condition(object, &new.type_);
    if let Some(old) = old.filter(|old| old.status == new.status) {
        new.last_transition_time = old.last_transition_time;
        return new;
    }
    let now = world.reading();
    new.last_transition_time = Some(Time::new(now.wall));
    // Between taking the time and printing it the process is busy.
    world.work(place(&format!("conditions/{}/{}", R::KIND, new.type_))).await;
    let (changed, added) = messages(R::KIND);
    let (kind, meta, type_) = (R::KIND, object.meta(), &new.type_);
    let (name, at) = (&meta.name, now.go_string());
    let mut values = vec![(reference(kind), crate::api::ObjectKey::of(meta).to_string().into())];
    values.push(("condition", type_.as_str().into()));
    match old {
        None => {
            let plain = format!("Setting lastTransitionTime for {kind} {name:?} condition {type_:?} to {at}");
            values.push(("lastTransitionTime", at.into()));
            log.condition(added, plain, &values);
        }
        Some(old) => {
            let (old, new) = (old.status.as_str(), new.status.as_str());
            let plain = format!(
                "Found status change for {kind} {name:?} condition {type_:?}: {old:?} -> {new:?}; setting \
                 lastTransitionTime to {at}"
            );
            values.push(("oldStatus", old.into()));
            values.push(("status", new.into()));
            values.push(("lastTransitionTime", at.into()));
            log.condition(changed, plain, &values);
        }
    }
    new
}

/// A condition without its times.
pub fn new(type_: &str, status: ConditionStatus, reason: &str, message: impl Into<String>) -> Condition {
    Condition {
        type_: type_.to_owned(),
        status,
        reason: reason.to_owned(),
        message: message.into(),
        ..Condition::default()
    }
}

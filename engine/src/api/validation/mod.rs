//! What the API server and cert-manager's webhook refuse, with their field paths and texts.
//!
//! [`validate`] looks at one object, [`validate_update`] at a change. Neither decodes certificate signing requests.

mod certmanager;
mod core;
mod field;
mod issuer;
mod meta;
mod rules;
#[cfg(test)]
mod tests;

use super::{Kind, Object};
use field::{Errors, Path};

pub use field::FieldError;
pub use rules::Rules;

/// What is wrong with an object, all of it, by the rules of 1.7.1.
pub fn validate(object: &Object) -> Vec<FieldError> {
    validate_by(&Rules::V1_7, object)
}

/// What is wrong with an object by the rules of a release, all of it.
pub fn validate_by(rules: &Rules, object: &Object) -> Vec<FieldError> {
    let mut errors = Errors::default();
    let (spec, status) = (Path::root("spec"), Path::root("status"));
    meta::object_meta(object.kind(), object.meta(), &mut errors);
    match object {
        Object::Certificate(object) => certmanager::certificate(&object.spec, rules, &spec, &mut errors),
        Object::CertificateRequest(request) => {
            certmanager::certificate_request(&request.spec, &spec, &mut errors);
            certmanager::request_conditions(&request.status, &status, &mut errors);
        }
        Object::Issuer(object) => issuer::issuer(&object.spec, rules, &spec, &mut errors),
        Object::ClusterIssuer(object) => issuer::issuer(&object.spec, rules, &spec, &mut errors),
        Object::Order(order) => certmanager::order(&order.spec, &spec, &mut errors),
        Object::Challenge(challenge) => {
            certmanager::challenge(&challenge.spec, rules, &spec, &mut errors);
        }
        _ => core_kinds(object, &spec, &mut errors),
    }
    errors.into_vec()
}

/// What is wrong with an object as far as Kubernetes alone knows: metadata, and the kinds of its own.
pub fn validate_core(object: &Object) -> Vec<FieldError> {
    let mut errors = Errors::default();
    meta::object_meta(object.kind(), object.meta(), &mut errors);
    core_kinds(object, &Path::root("spec"), &mut errors);
    errors.into_vec()
}

fn core_kinds(object: &Object, spec: &Path, errors: &mut Errors) {
    match object {
        Object::Secret(secret) => core::secret(secret, errors),
        Object::Pod(pod) => core::pod(&pod.spec, spec, errors),
        Object::Service(service) => core::service(&service.spec, spec, errors),
        Object::Endpoints(endpoints) => core::endpoints(endpoints, errors),
        Object::Ingress(ingress) => core::ingress(&ingress.spec, spec, errors),
        _ => {}
    }
}

/// What is wrong with a change from `old` to `new`, apart from what [`validate`] says about `new`: fields that may
/// not change any more.
pub fn validate_update(old: &Object, new: &Object) -> Vec<FieldError> {
    let mut errors = Errors::default();
    match (old, new) {
        (Object::CertificateRequest(old), Object::CertificateRequest(new)) => {
            certmanager::request_update(old, new, &mut errors);
        }
        (Object::Order(old), Object::Order(new)) => certmanager::order_update(old, new, &mut errors),
        (Object::Challenge(old), Object::Challenge(new)) if old.spec != new.spec => {
            errors.forbidden(Path::root("spec"), "challenge spec is immutable after creation");
        }
        (Object::Secret(old), Object::Secret(new)) => core::secret_update(old, new, &mut errors),
        _ => {}
    }
    errors.into_vec()
}

/// Whether the kind's names must be DNS labels that start with a letter.
fn has_label_names(kind: Kind) -> bool {
    kind == Kind::Service
}

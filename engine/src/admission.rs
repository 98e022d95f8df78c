//! What the API server does with a write before it is stored: it fills in defaults, says who asked, and refuses
//! what is wrong. Kubernetes' own checks and those of cert-manager's webhook are one step here.

mod csr;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::api::defaults::set_defaults;
use crate::api::{
    CertificateRequest, FieldError, Kind, Object, ObjectReference, Rules, validate_by, validate_core,
    validate_update,
};
use crate::compat::Compat;
use crate::store::ApiError;

/// Who a process is to the API server, which writes it into the requests for certificates that the process
/// creates (`spec.username`, `uid`, `groups`, `extra`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// `system:serviceaccount:…`.
    pub username: String,
    /// Its uid.
    pub uid: String,
    /// Groups.
    pub groups: Vec<String>,
    /// Further attributes, such as the pod's name and uid.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// Who may approve and deny CertificateRequests for which signers: the RBAC verb `approve` on `signers`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Approvers {
    /// Everybody: nobody asks.
    #[default]
    Anyone,
    /// Those who are granted it.
    Granted(Vec<Grant>),
}

/// One rule of RBAC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// A user's name, or a group.
    pub subject: String,
    /// `issuers.cert-manager.io/*`, `issuers.cert-manager.io/namespace.name`, `clusterissuers.cert-manager.io/name`,
    /// or `*` for all.
    pub signer: String,
}

/// The admission of one release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    rules: Option<Rules>,
    issuer_ref_defaults: bool,
    approvers: Approvers,
}

impl Admission {
    /// Of a release.
    pub fn new(compat: &Compat) -> Self {
        Admission {
            rules: compat.rules,
            issuer_ref_defaults: compat.issuer_ref_defaults,
            approvers: Approvers::Anyone,
        }
    }

    /// With rules about who may approve.
    #[must_use]
    pub fn with_approvers(mut self, approvers: Approvers) -> Self {
        self.approvers = approvers;
        self
    }

    /// The object with what the API server fills in.
    #[must_use]
    pub fn defaulted(&self, object: Object) -> Object {
        let object = set_defaults(object);
        if !self.issuer_ref_defaults {
            return object;
        }
        match object {
            Object::Certificate(mut object) => {
                fill_in(&mut Arc::make_mut(&mut object).spec.issuer_ref);
                Object::Certificate(object)
            }
            Object::CertificateRequest(mut object) => {
                fill_in(&mut Arc::make_mut(&mut object).spec.issuer_ref);
                Object::CertificateRequest(object)
            }
            object => object,
        }
    }

    /// Whether an object may be created.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] with all that is wrong.
    pub fn create(&self, object: &Object) -> Result<(), ApiError> {
        let mut errors = self.check(object);
        if let (Some(rules), Object::CertificateRequest(request)) = (&self.rules, object) {
            errors.extend(csr::check(&request.spec, rules));
        }
        refuse(object, &errors)
    }

    /// Whether `user` may turn `old` into `new`.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] with all that is wrong, [`ApiError::Denied`] for an approval by somebody who may not.
    pub fn update(&self, user: Option<&Identity>, old: &Object, new: &Object) -> Result<(), ApiError> {
        let webhook = self.rules.is_some();
        let (own, changed) = match (old, new) {
            // What may not change needs no second look; what is wrong with it would have been refused.
            (Object::CertificateRequest(_), _) if webhook => {
                (request_errors(new, self.rules.as_ref()), validate_update(old, new))
            }
            (Object::Order(_) | Object::Challenge(_), _) => {
                (validate_core(new), if webhook { validate_update(old, new) } else { Vec::new() })
            }
            _ => (self.check(new), validate_update(old, new)),
        };
        let errors: Vec<FieldError> = changed.into_iter().chain(own).collect();
        refuse(new, &errors)?;
        if let (true, Object::CertificateRequest(old), Object::CertificateRequest(new), Some(user)) =
            (webhook, old, new, user)
        {
            self.approve(user, old, new)?;
        }
        Ok(())
    }

    fn check(&self, object: &Object) -> Vec<FieldError> {
        match &self.rules {
            Some(rules) => validate_by(rules, object),
            None => validate_core(object),
        }
    }

    /// Whether the user may decide, if a decision is what is new.
    fn approve(
        &self,
        user: &Identity,
        old: &CertificateRequest,
        new: &CertificateRequest,
    ) -> Result<(), ApiError> {
        let Approvers::Granted(grants) = &self.approvers else { return Ok(()) };
        let has = |request: &CertificateRequest, type_: &str| {
            request.status.conditions.iter().any(|condition| condition.type_ == type_)
        };
        if !["Approved", "Denied"].iter().any(|type_| !has(old, type_) && has(new, type_)) {
            return Ok(());
        }
        let issuer = &new.spec.issuer_ref;
        let named = format!("{{{} {} {}}}", issuer.name, issuer.kind, issuer.group);
        let Some(signers) = signers(issuer, &new.metadata.namespace) else {
            let why =
                format!("spec.issuerRef: Forbidden: referenced signer resource does not exist: {named}");
            return Err(ApiError::Denied { why });
        };
        let granted = |grant: &Grant| {
            (grant.subject == user.username || user.groups.contains(&grant.subject))
                && (grant.signer == "*" || signers.contains(&grant.signer))
        };
        if grants.iter().any(granted) {
            return Ok(());
        }
        let why = format!(
            "status.conditions: Forbidden: user {:?} does not have permissions to set approved/denied conditions for \
             issuer {named}",
            user.username
        );
        Err(ApiError::Denied { why })
    }
}

/// Says in a new CertificateRequest who asks for it, whatever it says itself.
#[must_use]
pub fn identified(object: Object, user: &Identity) -> Object {
    let Object::CertificateRequest(mut request) = object else { return object };
    let spec = &mut Arc::make_mut(&mut request).spec;
    spec.username.clone_from(&user.username);
    spec.uid.clone_from(&user.uid);
    spec.groups.clone_from(&user.groups);
    spec.extra.clone_from(&user.extra);
    Object::CertificateRequest(request)
}

fn fill_in(issuer: &mut ObjectReference) {
    issuer.kind = issuer.kind_or_default().to_owned();
    issuer.group = issuer.group_or_default().to_owned();
}

/// What is wrong with a changed CertificateRequest besides its specification.
fn request_errors(new: &Object, rules: Option<&Rules>) -> Vec<FieldError> {
    let Some(rules) = rules else { return Vec::new() };
    validate_by(rules, new).into_iter().filter(|error| !error.path.starts_with("spec")).collect()
}

/// The names under which RBAC knows the signer; nothing when there is no such kind.
fn signers(issuer: &ObjectReference, namespace: &str) -> Option<[String; 2]> {
    let kind: Kind = issuer.kind_or_default().parse().ok()?;
    if kind.group() != issuer.group_or_default() || !matches!(kind, Kind::Issuer | Kind::ClusterIssuer) {
        return None;
    }
    let resource = kind.resource();
    let name = match kind.is_namespaced() {
        true => format!("{resource}/{namespace}.{}", issuer.name),
        false => format!("{resource}/{}", issuer.name),
    };
    Some([format!("{resource}/*"), name])
}

/// The refusal with all that is wrong, each thing once.
fn refuse(object: &Object, errors: &[FieldError]) -> Result<(), ApiError> {
    let mut texts: Vec<String> = Vec::new();
    for text in errors.iter().map(ToString::to_string) {
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    let why = match texts.as_slice() {
        [] => return Ok(()),
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    };
    let meta = object.meta();
    let name = if meta.name.is_empty() { &meta.generate_name } else { &meta.name };
    Err(ApiError::Invalid { resource: object.kind().qualified(), name: name.clone(), why })
}

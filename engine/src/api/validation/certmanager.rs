//! Certificate, CertificateRequest, Order and Challenge.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::super::defaults::{CERTIFICATE_DURATION, MINIMUM_CERTIFICATE_DURATION, MINIMUM_RENEW_BEFORE};
use super::super::{
    CertificateKeystores, CertificatePrivateKey, CertificateRequest, CertificateRequestSpec,
    CertificateRequestStatus, CertificateSpec, ChallengeSpec, ConditionStatus, GoDuration, NameConstraints,
    ObjectReference, Order, OrderSpec, OrderStatus, PrivateKeyAlgorithm, SecretKeySelector,
    SignatureAlgorithm,
};
use super::field::{Errors, Path};
use super::issuer::solver;
use super::meta::{annotations, labels, subdomain_error};

/// Checks what a Certificate asks for.
pub(super) fn certificate(spec: &CertificateSpec, path: &Path, errors: &mut Errors) {
    if spec.secret_name.is_empty() {
        errors.required(path.child("secretName"), "must be specified");
    } else if let Some(detail) = subdomain_error(&spec.secret_name) {
        errors.invalid(path.child("secretName"), &spec.secret_name, detail);
    }
    issuer_ref(&spec.issuer_ref, &path.child("issuerRef"), errors);
    names(spec, path, errors);
    durations(spec, path, errors);
    private_key(spec, path, errors);
    if let Some(limit) = spec.revision_history_limit.filter(|limit| *limit < 1) {
        errors.invalid_value(path.child("revisionHistoryLimit"), limit, "must not be less than 1");
    }
    if let Some(template) = &spec.secret_template {
        let path = path.child("secretTemplate");
        labels(&template.labels, &path.child("labels"), errors);
        annotations(&template.annotations, &path.child("annotations"), errors);
        for key in template.annotations.keys().filter(|key| key.starts_with("cert-manager.io/")) {
            let path = path.child("annotations").key(key);
            errors.invalid(path, key, "cert-manager.io/* annotations are not allowed");
        }
    }
    if let Some(stores) = &spec.keystores {
        keystores(stores, &path.child("keystores"), errors);
    }
    let mut seen = BTreeSet::new();
    for (index, format) in spec.additional_output_formats.iter().enumerate() {
        if !seen.insert(format.type_) {
            let path = path.child("additionalOutputFormats").index(index).child("type");
            errors.duplicate(path, format.type_.as_str());
        }
    }
    if let Some(constraints) = &spec.name_constraints {
        name_constraints(spec, constraints, &path.child("nameConstraints"), errors);
    }
}

fn issuer_ref(issuer: &ObjectReference, path: &Path, errors: &mut Errors) {
    if issuer.name.is_empty() {
        errors.required(path.child("name"), "must be specified");
    }
    if issuer.group_or_default() == "cert-manager.io"
        && !matches!(issuer.kind_or_default(), "Issuer" | "ClusterIssuer")
    {
        errors.invalid(path.child("kind"), &issuer.kind, "must be one of Issuer or ClusterIssuer");
    }
}

fn names(spec: &CertificateSpec, path: &Path, errors: &mut Errors) {
    if !spec.literal_subject.is_empty() {
        if spec.subject.is_some() {
            errors.forbidden(path.child("subject"), "may not be set together with literalSubject");
        }
        if !spec.common_name.is_empty() {
            errors.forbidden(path.child("commonName"), "may not be set together with literalSubject");
        }
    }
    let has_name = !spec.common_name.is_empty()
        || spec.literal_subject.contains("CN=")
        || !(spec.dns_names.is_empty()
            && spec.uris.is_empty()
            && spec.ip_addresses.is_empty()
            && spec.email_addresses.is_empty()
            && spec.other_names.is_empty());
    if !has_name {
        let detail = "at least one of commonName, dnsNames, uris ipAddresses, or emailAddresses must be set";
        errors.invalid(path.clone(), "", detail);
    }
    errors.limit(&spec.common_name, 64, path.child("commonName"));
    for (index, address) in spec.ip_addresses.iter().enumerate() {
        if address.parse::<IpAddr>().is_err() {
            errors.invalid(path.child("ipAddresses").index(index), address, "invalid IP address");
        }
    }
    for (index, address) in spec.email_addresses.iter().enumerate() {
        if !is_bare_email(address) {
            errors.invalid(path.child("emailAddresses").index(index), address, "invalid email address");
        }
    }
    for (index, uri) in spec.uris.iter().enumerate() {
        if uri.is_empty() || uri.contains(|c: char| c.is_control() || c == ' ') {
            errors.invalid(path.child("uris").index(index), uri, "invalid URI");
        }
    }
    for (index, name) in spec.other_names.iter().enumerate() {
        let path = path.child("otherNames").index(index);
        errors.require(&name.oid, path.child("oid"));
        errors.require(&name.utf8_value, path.child("utf8Value"));
    }
}

/// `local@domain` with nothing around it.
fn is_bare_email(address: &str) -> bool {
    let plain =
        !address.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | ','));
    plain && address.rsplit_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
}

fn durations(spec: &CertificateSpec, path: &Path, errors: &mut Errors) {
    let duration = spec.duration.unwrap_or(GoDuration(CERTIFICATE_DURATION));
    if duration.0 < MINIMUM_CERTIFICATE_DURATION {
        let minimum = GoDuration(MINIMUM_CERTIFICATE_DURATION);
        let detail = format!("certificate duration must be greater than {minimum}");
        errors.invalid_value(path.child("duration"), duration, &detail);
    }
    if let Some(renew_before) = spec.renew_before {
        if renew_before.0 < MINIMUM_RENEW_BEFORE {
            let minimum = GoDuration(MINIMUM_RENEW_BEFORE);
            let detail = format!("certificate renewBefore must be greater than {minimum}");
            errors.invalid_value(path.child("renewBefore"), renew_before, &detail);
        }
        if renew_before >= duration {
            let detail =
                format!("certificate duration {duration} must be greater than renewBefore {renew_before}");
            errors.invalid_value(path.child("renewBefore"), renew_before, &detail);
        }
    }
    if let Some(percentage) = spec.renew_before_percentage {
        let path = path.child("renewBeforePercentage");
        if spec.renew_before.is_some() {
            let detail =
                "renewBefore and renewBeforePercentage are mutually exclusive and cannot both be set";
            errors.invalid_value(path, percentage, detail);
        } else if !(1..=99).contains(&percentage) {
            errors.invalid_value(path, percentage, "must be in the range 1 - 99");
        }
    }
    let windows = spec.renewal.iter().flat_map(|renewal| &renewal.windows).enumerate();
    for (index, window) in windows {
        let path = path.child("renewal").child("windows").index(index);
        errors.require(&window.cron, path.child("cron"));
        if window.window_duration.is_none() {
            errors.required(path.child("windowDuration"), "");
        }
    }
}

fn private_key(spec: &CertificateSpec, path: &Path, errors: &mut Errors) {
    let default = CertificatePrivateKey::default();
    let key = spec.private_key.as_ref().unwrap_or(&default);
    let algorithm = key.algorithm.unwrap_or(PrivateKeyAlgorithm::Rsa);
    let size_path = path.child("privateKey").child("size");
    match (algorithm, key.size) {
        (_, 0) => {}
        (PrivateKeyAlgorithm::Rsa, size) => {
            if !(2048..=8192).contains(&size) {
                errors.invalid_value(size_path, size, "must be between 2048 and 8192 for algorithm RSA");
            }
        }
        (PrivateKeyAlgorithm::Ecdsa, size) => {
            if !matches!(size, 256 | 384 | 521) {
                errors.unsupported(size_path, size, &["256", "384", "521"]);
            }
        }
        (PrivateKeyAlgorithm::Ed25519, size) => {
            errors.invalid_value(size_path, size, "must not be set for algorithm Ed25519");
        }
    }
    if let Some(signature) = spec.signature_algorithm {
        let needed = match signature {
            SignatureAlgorithm::Sha256WithRsa
            | SignatureAlgorithm::Sha384WithRsa
            | SignatureAlgorithm::Sha512WithRsa => PrivateKeyAlgorithm::Rsa,
            SignatureAlgorithm::EcdsaWithSha256
            | SignatureAlgorithm::EcdsaWithSha384
            | SignatureAlgorithm::EcdsaWithSha512 => PrivateKeyAlgorithm::Ecdsa,
            SignatureAlgorithm::PureEd25519 => PrivateKeyAlgorithm::Ed25519,
        };
        if needed != algorithm {
            let detail = format!("needs a private key of algorithm {needed}, not {algorithm}");
            errors.invalid(path.child("signatureAlgorithm"), signature.as_str(), &detail);
        }
    }
}

fn keystores(stores: &CertificateKeystores, path: &Path, errors: &mut Errors) {
    if let Some(store) = stores.jks.as_ref().filter(|store| store.create) {
        password(&store.password_secret_ref, store.password.as_deref(), &path.child("jks"), errors);
    }
    if let Some(store) = stores.pkcs12.as_ref().filter(|store| store.create) {
        password(&store.password_secret_ref, store.password.as_deref(), &path.child("pkcs12"), errors);
    }
}

fn password(reference: &SecretKeySelector, clear: Option<&str>, path: &Path, errors: &mut Errors) {
    match (reference.name.is_empty(), clear) {
        (true, None) => {
            errors.required(path.child("passwordSecretRef").child("name"), "a key store needs a password");
        }
        (false, Some(_)) => errors.forbidden(path.child("password"), "may not be set with passwordSecretRef"),
        (true, Some(_)) | (false, None) => {}
    }
}

fn name_constraints(spec: &CertificateSpec, constraints: &NameConstraints, path: &Path, errors: &mut Errors) {
    if !spec.is_ca {
        errors.invalid_value(path.clone(), "{}", "isCa should be true when nameConstraints is set");
    }
    if constraints.permitted.is_none() && constraints.excluded.is_none() {
        errors.invalid_value(path.clone(), "{}", "either permitted or excluded must be set");
    }
}

/// Checks what a CertificateRequest asks for.
pub(super) fn certificate_request(spec: &CertificateRequestSpec, path: &Path, errors: &mut Errors) {
    issuer_ref(&spec.issuer_ref, &path.child("issuerRef"), errors);
    if spec.request.is_empty() {
        errors.required(path.child("request"), "must be specified");
    }
}

/// Checks the conditions of a CertificateRequest.
pub(super) fn request_conditions(status: &CertificateRequestStatus, path: &Path, errors: &mut Errors) {
    let path = path.child("conditions");
    let mut decided: Option<&str> = None;
    for (index, condition) in status.conditions.iter().enumerate() {
        let type_ = condition.type_.as_str();
        if !matches!(type_, "Approved" | "Denied") {
            continue;
        }
        if condition.status != ConditionStatus::True {
            let detail = format!("{type_:?} condition may only be set to True");
            errors.invalid(path.index(index).child("status"), condition.status.as_str(), &detail);
        }
        match decided {
            Some(other) if other == type_ => {
                errors.forbidden(path.index(index), &format!("multiple {type_:?} conditions present"));
            }
            Some(_) => {
                errors.forbidden(path.clone(), "both 'Denied' and 'Approved' conditions cannot coexist");
            }
            None => decided = Some(type_),
        }
    }
}

/// Checks a change of a CertificateRequest.
pub(super) fn request_update(old: &CertificateRequest, new: &CertificateRequest, errors: &mut Errors) {
    if old.spec != new.spec {
        errors.forbidden(Path::root("spec"), "cannot change spec after creation");
    }
    let annotations = Path::root("metadata").child("annotations");
    let keys: BTreeSet<&String> =
        old.metadata.annotations.keys().chain(new.metadata.annotations.keys()).collect();
    for key in keys {
        let fixed = key.starts_with("cert-manager.io/") || key.starts_with("acme.cert-manager.io/");
        if fixed && old.metadata.annotations.get(key) != new.metadata.annotations.get(key) {
            errors.forbidden(annotations.key(key), "cannot change cert-manager annotation after creation");
        }
    }
    for type_ in ["Approved", "Denied"] {
        let find = |status: &CertificateRequestStatus| {
            status.conditions.iter().find(|condition| condition.type_ == type_).cloned()
        };
        let before = find(&old.status);
        if before.is_some() && before != find(&new.status) {
            let detail = format!("'{type_}' condition may not be modified once set");
            errors.forbidden(Path::root("status").child("conditions"), &detail);
        }
    }
}

/// Checks what an Order orders.
pub(super) fn order(spec: &OrderSpec, path: &Path, errors: &mut Errors) {
    if spec.request.is_empty() {
        errors.required(path.child("request"), "");
    }
    issuer_ref(&spec.issuer_ref, &path.child("issuerRef"), errors);
}

/// Checks a change of an Order.
pub(super) fn order_update(old: &Order, new: &Order, errors: &mut Errors) {
    let mut fix = |parent: &str, name: &str, was_set: bool, same: bool| {
        if was_set && !same {
            errors.forbidden(Path::root(parent).child(name), "field is immutable once set");
        }
    };
    fix("spec", "request", !old.spec.request.is_empty(), old.spec.request == new.spec.request);
    let (old, new) = (&old.status, &new.status);
    fix("status", "url", !old.url.is_empty(), old.url == new.url);
    fix("status", "finalizeURL", !old.finalize_url.is_empty(), old.finalize_url == new.finalize_url);
    fix("status", "certificate", !old.certificate.is_empty(), old.certificate == new.certificate);
    fix("status", "authorizations", !old.authorizations.is_empty(), same_authorizations(old, new));
}

/// Whether all that was known of the authorizations still stands.
fn same_authorizations(old: &OrderStatus, new: &OrderStatus) -> bool {
    let kept = |old: &str, new: &str| old.is_empty() || old == new;
    old.authorizations.len() == new.authorizations.len()
        && old.authorizations.iter().zip(&new.authorizations).all(|(old, new)| {
            old.url == new.url
                && kept(&old.identifier, &new.identifier)
                && (old.wildcard.is_none() || old.wildcard == new.wildcard)
                && kept(old.initial_state.as_str(), new.initial_state.as_str())
                && (old.challenges.is_empty() || old.challenges == new.challenges)
        })
}

/// Checks which challenge is solved, and how.
pub(super) fn challenge(spec: &ChallengeSpec, path: &Path, errors: &mut Errors) {
    errors.require(&spec.url, path.child("url"));
    errors.require(&spec.authorization_url, path.child("authorizationURL"));
    errors.require(&spec.dns_name, path.child("dnsName"));
    errors.require(&spec.token, path.child("token"));
    errors.require(&spec.key, path.child("key"));
    issuer_ref(&spec.issuer_ref, &path.child("issuerRef"), errors);
    solver(&spec.solver, &path.child("solver"), errors);
}

//! Certificate, CertificateRequest, Order and Challenge.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::super::defaults::{CERTIFICATE_DURATION, MINIMUM_CERTIFICATE_DURATION, MINIMUM_RENEW_BEFORE};
use super::super::{
    CertificateKeystores, CertificatePrivateKey, CertificateRenewal, CertificateRequest,
    CertificateRequestSpec, CertificateRequestStatus, CertificateSpec, ChallengeSpec, ConditionStatus,
    GoDuration, NameConstraints, ObjectReference, Order, OrderSpec, PrivateKeyAlgorithm, RenewalPolicy,
    SecretKeySelector, SignatureAlgorithm, X509Subject,
};
use super::Rules;
use super::field::{Errors, Path};
use super::issuer::solver;
use super::meta::{annotations, labels, subdomain_error};

/// Checks what a Certificate asks for.
pub(super) fn certificate(spec: &CertificateSpec, rules: &Rules, path: &Path, errors: &mut Errors) {
    if spec.secret_name.is_empty() {
        errors.required(path.child("secretName"), "must be specified");
    } else if rules.secret_name_is_checked
        && let Some(detail) = subdomain_error(&spec.secret_name)
    {
        errors.invalid(path.child("secretName"), &spec.secret_name, detail);
    }
    issuer_ref(&spec.issuer_ref, &path.child("issuerRef"), errors);
    names(spec, rules, path, errors);
    private_key(spec, rules, path, errors);
    if spec.duration.is_some() || spec.renew_before.is_some() {
        durations(spec, path, errors);
    }
    if let Some(limit) = spec.revision_history_limit.filter(|limit| *limit < 1) {
        errors.invalid_value(path.child("revisionHistoryLimit"), limit, "must not be less than 1");
    }
    if let Some(template) = &spec.secret_template {
        let path = path.child("secretTemplate");
        labels(&template.labels, &path.child("labels"), errors);
        for key in template.annotations.keys().filter(|key| is_reserved(key)) {
            errors.invalid(path.child("annotations"), key, "cert-manager.io/* annotations are not allowed");
        }
        annotations(&template.annotations, &path.child("annotations"), errors);
    }
    if let Some(constraints) = &spec.name_constraints {
        name_constraints(spec, constraints, &path.child("nameConstraints"), errors);
    }
    let mut seen = BTreeSet::new();
    for format in &spec.additional_output_formats {
        if !seen.insert(format.type_) {
            errors.duplicate(path.child("additionalOutputFormats").key("type"), format.type_.as_str());
        }
    }
    if let Some(stores) = &spec.keystores {
        keystores(stores, rules, &path.child("keystores"), errors);
    }
    if let Some(renewal) = &spec.renewal {
        self::renewal(renewal, &path.child("renewal"), errors);
    }
}

/// Whether an annotation is cert-manager's own, and not one that a user may ask for.
fn is_reserved(annotation: &str) -> bool {
    annotation.starts_with("cert-manager.io/") && annotation != "cert-manager.io/allow-direct-injection"
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

fn names(spec: &CertificateSpec, rules: &Rules, path: &Path, errors: &mut Errors) {
    if !spec.literal_subject.is_empty() {
        if !spec.common_name.is_empty() {
            let detail = "When providing a `LiteralSubject` no `commonName` may be provided.";
            errors.invalid(path.child("commonName"), &spec.common_name, detail);
        }
        if spec.subject.as_ref().is_some_and(|subject| *subject != X509Subject::default()) {
            let detail = "When providing a `LiteralSubject` no `Subject` properties may be provided.";
            errors.invalid_value(path.child("subject"), "{}", detail);
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
        errors.invalid(path.clone(), "", rules.nameless);
    }
    errors.limit(&spec.common_name, 64, path.child("commonName"));
    for (index, address) in spec.ip_addresses.iter().enumerate() {
        if address.parse::<IpAddr>().is_err() {
            errors.invalid(path.child("ipAddresses").index(index), address, "invalid IP address");
        }
    }
    for (index, address) in spec.email_addresses.iter().enumerate() {
        if !is_bare_email(address) {
            let detail =
                "invalid email address: make sure the supplied value only contains the email address itself";
            errors.invalid(path.child("emailAddresses").index(index), address, detail);
        }
    }
    for (index, uri) in spec.uris.iter().enumerate() {
        if uri.is_empty() || uri.contains(|c: char| c.is_control() || c == ' ') {
            errors.invalid(path.child("uris").index(index), uri, "invalid URI");
        }
    }
    for (index, name) in spec.other_names.iter().enumerate() {
        let path = path.child("otherNames").index(index);
        if name.oid.is_empty() {
            errors.required(path.child("oid"), "must be specified");
        }
        if !is_oid(&name.oid) {
            errors.invalid(path.child("oid"), &name.oid, "invalid oid syntax");
        }
        if name.utf8_value.is_empty() {
            errors.required(path.child("utf8Value"), "must be set to a valid non-empty UTF8 string");
        }
    }
}

/// Numbers between dots.
fn is_oid(text: &str) -> bool {
    text.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
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
    if let (Some(renew_before), Some(percentage)) = (spec.renew_before, spec.renew_before_percentage) {
        let detail = "renewBefore and renewBeforePercentage are mutually exclusive and cannot both be set";
        errors.invalid_value(path.child("renewBefore"), renew_before, detail);
        errors.invalid_value(path.child("renewBeforePercentage"), percentage, detail);
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
        let rest = f64::from(100_i32.saturating_sub(percentage)) / 100.0;
        let renew_before = duration.0.as_secs_f64() * rest;
        if renew_before < MINIMUM_RENEW_BEFORE.as_secs_f64() {
            let minimum = GoDuration(MINIMUM_RENEW_BEFORE);
            let detail = format!(
                "certificate renewBeforePercentage must result in a renewBefore greater than {minimum}"
            );
            errors.invalid_value(path.clone(), percentage, &detail);
        }
        if renew_before >= duration.0.as_secs_f64() {
            let detail = "certificate renewBeforePercentage must result in a renewBefore less than duration";
            errors.invalid_value(path, percentage, detail);
        }
    }
}

/// Checks when renewals may start.
fn renewal(renewal: &CertificateRenewal, path: &Path, errors: &mut Errors) {
    match renewal.policy {
        Some(RenewalPolicy::RenewBefore) => {}
        Some(RenewalPolicy::Disabled) => {
            if !renewal.windows.is_empty() {
                let detail = "windows cannot be set when `renewal.policy` is set to Disabled";
                errors.forbidden(path.child("windows"), detail);
            }
            return;
        }
        None => errors.unsupported(path.child("policy"), "\"\"", &["Disabled", "RenewBefore"]),
    }
    for (index, window) in renewal.windows.iter().enumerate() {
        let path = path.child("windows").index(index);
        if window.window_duration.is_none() {
            let detail = "windowDuration must be specified and should be greater than 0";
            errors.required(path.child("windowDuration"), detail);
        }
        let fields: Vec<&str> = window.cron.split_whitespace().collect();
        let wrong = match fields.len() {
            0 => "empty spec string".to_owned(),
            5 => continue,
            n => format!("expected exactly 5 fields, found {n}: [{}]", fields.join(" ")),
        };
        let form = "cron needs to follow: cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow";
        let detail = format!("invalid cron syntax: {wrong}. {form}");
        errors.invalid(path.child("cron"), &window.cron, &detail);
    }
}

fn private_key(spec: &CertificateSpec, rules: &Rules, path: &Path, errors: &mut Errors) {
    let default = CertificatePrivateKey::default();
    let key = spec.private_key.as_ref().unwrap_or(&default);
    let algorithm = key.algorithm.unwrap_or(PrivateKeyAlgorithm::Rsa);
    let size_path = path.child("privateKey").child("size");
    match (algorithm, key.size) {
        (PrivateKeyAlgorithm::Rsa, size) if size != 0 && !(2048..=8192).contains(&size) => {
            errors.invalid_value(size_path, size, rules.rsa_size);
        }
        (PrivateKeyAlgorithm::Ecdsa, size) if !matches!(size, 0 | 256 | 384 | 521) => {
            errors.unsupported(size_path, size, &["256", "384", "521"]);
        }
        // An Ed25519 key has one size; what is asked for has no effect.
        _ => {}
    }
    if let Some(signature) = spec.signature_algorithm {
        let allowed = signature_algorithms(algorithm);
        if !allowed.contains(&signature) {
            let allowed: Vec<&str> = allowed.iter().map(|algorithm| algorithm.as_str()).collect();
            let allowed = allowed.join(" ");
            let detail =
                format!("for key algorithm {algorithm} the allowed signature algorithms are [{allowed}]");
            errors.invalid(path.child("signatureAlgorithm"), signature.as_str(), &detail);
        }
    }
}

/// What a key can sign with.
fn signature_algorithms(key: PrivateKeyAlgorithm) -> &'static [SignatureAlgorithm] {
    match key {
        PrivateKeyAlgorithm::Rsa => &[
            SignatureAlgorithm::Sha256WithRsa,
            SignatureAlgorithm::Sha384WithRsa,
            SignatureAlgorithm::Sha512WithRsa,
        ],
        PrivateKeyAlgorithm::Ecdsa => &[
            SignatureAlgorithm::EcdsaWithSha256,
            SignatureAlgorithm::EcdsaWithSha384,
            SignatureAlgorithm::EcdsaWithSha512,
        ],
        PrivateKeyAlgorithm::Ed25519 => &[SignatureAlgorithm::PureEd25519],
    }
}

fn keystores(stores: &CertificateKeystores, rules: &Rules, path: &Path, errors: &mut Errors) {
    if let Some(store) = &stores.jks {
        let clear = store.password.as_deref();
        password(&store.password_secret_ref, clear, "JKS", rules, &path.child("jks"), errors);
    }
    if let Some(store) = &stores.pkcs12 {
        let clear = store.password.as_deref();
        password(&store.password_secret_ref, clear, "PKCS#12", rules, &path.child("pkcs12"), errors);
    }
}

fn password(
    reference: &SecretKeySelector,
    clear: Option<&str>,
    store: &str,
    rules: &Rules,
    path: &Path,
    errors: &mut Errors,
) {
    let referred = !reference.name.is_empty();
    if !rules.literal_passwords {
        if !referred && clear.is_none() {
            errors.required(path.child("passwordSecretRef").child("name"), "");
        }
        return;
    }
    match (referred, clear) {
        (true, Some(_)) => errors.forbidden(
            path.clone(),
            &format!(
                "exactly one of passwordSecretRef and password must be provided for {store} keystores; cannot set both"
            ),
        ),
        (false, None) => errors.forbidden(
            path.clone(),
            &format!("must set exactly one of passwordSecretRef and password must for {store} keystores"),
        ),
        (true, None) | (false, Some(_)) => {}
    }
    if clear == Some("") {
        let detail = format!("literal password cannot be empty if set on {store} keystores");
        errors.forbidden(path.child("password"), &detail);
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
    let mut decided = 0;
    for type_ in DECISIONS {
        let mut found = status.conditions.iter().filter(|condition| condition.type_ == type_);
        let Some(first) = found.next() else { continue };
        decided += 1;
        if found.next().is_some() {
            errors.forbidden(path.clone(), &format!("multiple {type_:?} conditions present"));
        } else if first.status != ConditionStatus::True {
            let detail = format!("{type_:?} condition may only be set to True");
            errors.invalid(path.child(type_), first.status.as_str(), &detail);
        }
    }
    if decided > 1 {
        errors.forbidden(path, "both 'Denied' and 'Approved' conditions cannot coexist");
    }
}

/// The conditions that decide about a CertificateRequest, for good.
const DECISIONS: [&str; 2] = ["Approved", "Denied"];

/// Checks a change of a CertificateRequest.
pub(super) fn request_update(old: &CertificateRequest, new: &CertificateRequest, errors: &mut Errors) {
    let annotations = Path::root("metadata").child("annotations");
    let keys: BTreeSet<&String> =
        old.metadata.annotations.keys().chain(new.metadata.annotations.keys()).collect();
    for key in keys {
        let fixed = key.starts_with("cert-manager.io") || key.starts_with("acme.cert-manager.io");
        if fixed && old.metadata.annotations.get(key) != new.metadata.annotations.get(key) {
            errors.forbidden(annotations.child(key), "cannot change cert-manager annotation after creation");
        }
    }
    let path = Path::root("status").child("conditions");
    for type_ in DECISIONS {
        let find = |status: &CertificateRequestStatus| {
            status.conditions.iter().find(|condition| condition.type_ == type_).cloned()
        };
        let before = find(&old.status);
        if before.is_some() && before != find(&new.status) {
            errors.forbidden(path.clone(), &format!("'{type_}' condition may not be modified once set"));
        }
    }
    if old.spec != new.spec {
        errors.forbidden(Path::root("spec"), "cannot change spec after creation");
    }
}

/// Checks what an Order orders.
pub(super) fn order(spec: &OrderSpec, path: &Path, errors: &mut Errors) {
    if spec.request.is_empty() {
        errors.required(path.child("request"), "");
    }
    issuer_ref(&spec.issuer_ref, &path.child("issuerRef"), errors);
}

/// Checks a change of an Order: what is set stays.
pub(super) fn order_update(old: &Order, new: &Order, errors: &mut Errors) {
    let (spec, status) = (Path::root("spec"), Path::root("status"));
    fixed(&old.spec.request, &new.spec.request, spec.child("request"), errors);
    let (old, new) = (&old.status, &new.status);
    fixed(&old.url, &new.url, status.child("url"), errors);
    fixed(&old.finalize_url, &new.finalize_url, status.child("finalizeURL"), errors);
    fixed(&old.certificate, &new.certificate, status.child("certificate"), errors);
    let path = status.child("authorizations");
    if !old.authorizations.is_empty() && old.authorizations.len() != new.authorizations.len() {
        errors.forbidden(path.clone(), IMMUTABLE);
    }
    for (index, (old, new)) in old.authorizations.iter().zip(&new.authorizations).enumerate() {
        let path = path.index(index);
        fixed(&old.url, &new.url, path.child("url"), errors);
        fixed(&old.identifier, &new.identifier, path.child("identifier"), errors);
        fixed(&old.wildcard, &new.wildcard, path.child("wildcard"), errors);
        fixed(&old.initial_state, &new.initial_state, path.child("initialState"), errors);
        let path = path.child("challenges");
        if !old.challenges.is_empty() && old.challenges.len() != new.challenges.len() {
            errors.forbidden(path.clone(), IMMUTABLE);
        }
        for (index, (old, new)) in old.challenges.iter().zip(&new.challenges).enumerate() {
            let path = path.index(index);
            fixed(&old.url, &new.url, path.child("url"), errors);
            fixed(&old.type_, &new.type_, path.child("type"), errors);
            fixed(&old.token, &new.token, path.child("token"), errors);
        }
    }
}

const IMMUTABLE: &str = "field is immutable once set";

/// A field that may be set, and then may not change.
fn fixed<T: PartialEq + Default>(old: &T, new: &T, path: Path, errors: &mut Errors) {
    if *old != T::default() && old != new {
        errors.forbidden(path, IMMUTABLE);
    }
}

/// Checks which challenge is solved, and how.
pub(super) fn challenge(spec: &ChallengeSpec, rules: &Rules, path: &Path, errors: &mut Errors) {
    errors.require(&spec.url, path.child("url"));
    errors.require(&spec.authorization_url, path.child("authorizationURL"));
    errors.require(&spec.dns_name, path.child("dnsName"));
    errors.require(&spec.token, path.child("token"));
    errors.require(&spec.key, path.child("key"));
    issuer_ref(&spec.issuer_ref, &path.child("issuerRef"), errors);
    solver(&spec.solver, rules, &path.child("solver"), errors);
}

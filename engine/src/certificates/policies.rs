//! The policy chain: why a Certificate must be issued (trigger) or is not ready (readiness). The first
//! violation wins. Pure: a snapshot and the time in, a verdict out.

use std::sync::Arc;

use world::Timestamp;

use super::readings::{Pair, Readings};
use super::renewal::{opened, renewal_time};
use super::secret::{ISSUER_GROUP, ISSUER_KIND, ISSUER_NAME};
use super::{ANNOTATION_CERTIFICATE_NAME, TLS_CRT, TLS_KEY, data};
use crate::api::{Certificate, CertificateRequest, RenewalPolicy, Secret};
use crate::compat::{Checks, Compat};
use crate::pki;

/// What the chain looks at.
pub(crate) struct Input<'a> {
    pub(crate) compat: &'a Compat,
    pub(crate) certificate: &'a Certificate,
    pub(crate) secret: Option<&'a Secret>,
    pub(crate) current_request: Option<&'a CertificateRequest>,
    pub(crate) now: Timestamp,
    pub(crate) readings: &'a Readings,
}

impl Input<'_> {
    /// The pair in the Secret, if there is one.
    fn pair(&self) -> Option<Arc<Pair>> {
        self.secret.map(|secret| self.readings.pair(secret))
    }
}

/// A violated policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

/// The reason when renewal windows cannot be kept: the trigger renews without them.
pub(crate) const WINDOW_ERROR: &str = "WindowError";

type Policy = fn(&Input<'_>) -> Option<Violation>;

/// The chains of certificates-trigger and certificates-readiness.
fn chains(checks: Checks) -> (&'static [Policy], &'static [Policy]) {
    match checks {
        Checks::Initial => (
            &[
                secret_does_not_exist,
                secret_misses_data,
                key_pair_is_invalid,
                private_key_does_not_fit,
                issuer_differs,
                request_differs,
                is_near_expiry,
            ],
            &[secret_does_not_exist, secret_misses_data, key_pair_is_invalid, request_differs, is_expired],
        ),
        Checks::Extended => (
            &[
                secret_does_not_exist,
                secret_misses_data,
                public_keys_differ,
                issuer_differs,
                certificate_name_differs,
                private_key_does_not_fit,
                key_is_not_the_requests,
                request_differs,
                is_near_expiry,
            ],
            &[
                secret_does_not_exist,
                secret_misses_data,
                public_keys_differ,
                issuer_differs,
                certificate_name_differs,
                private_key_does_not_fit,
                key_is_not_the_requests,
                request_differs,
                is_expired,
            ],
        ),
    }
}

/// Why the Certificate must be issued, if it must.
pub(crate) fn must_be_issued(input: &Input<'_>) -> Option<Violation> {
    chains(input.compat.checks).0.iter().find_map(|policy| policy(input))
}

/// Why the Certificate is not ready, if it is not.
pub(crate) fn is_not_ready(input: &Input<'_>) -> Option<Violation> {
    chains(input.compat.checks).1.iter().find_map(|policy| policy(input))
}

/// Whether the Secret has no usable pair, so that a temporary certificate may take its place.
pub(crate) fn has_no_pair(input: &Input<'_>) -> bool {
    let pair: Policy = match input.compat.checks {
        Checks::Initial => key_pair_is_invalid,
        Checks::Extended => public_keys_differ,
    };
    [secret_does_not_exist, secret_misses_data, pair].iter().any(|policy| policy(input).is_some())
}

fn violation(reason: &'static str, message: impl Into<String>) -> Option<Violation> {
    Some(Violation { reason, message: message.into() })
}

fn secret_does_not_exist(input: &Input<'_>) -> Option<Violation> {
    match input.secret {
        Some(_) => None,
        None => violation("DoesNotExist", "Issuing certificate as Secret does not exist"),
    }
}

fn secret_misses_data(input: &Input<'_>) -> Option<Violation> {
    let secret = input.secret?;
    let missing = if secret.data.is_empty() {
        "any data"
    } else if data(secret, TLS_KEY).is_empty() {
        "a private key"
    } else if data(secret, TLS_CRT).is_empty() {
        "a certificate"
    } else {
        return None;
    };
    violation("MissingData", format!("Issuing certificate as Secret does not contain {missing}"))
}

/// 1.7 reads the pair as a TLS server does.
fn key_pair_is_invalid(input: &Input<'_>) -> Option<Violation> {
    let secret = input.secret?;
    let pair = input.readings.pair(secret);
    let why = if pair.leaf.is_err() && pki::chain(data(secret, TLS_CRT)).is_err() {
        "tls: failed to find any PEM data in certificate input".to_owned()
    } else if pair.key.is_err() && pki::key_der(data(secret, TLS_KEY)).is_err() {
        "tls: failed to find any PEM data in key input".to_owned()
    } else {
        // A chain with something unreadable behind its first certificate makes a pair all the same.
        let alone = match &pair.leaf {
            Ok(leaf) => Ok(leaf.public_key.clone()),
            Err(_) => pki::leaf_alone(data(secret, TLS_CRT)).map(|leaf| leaf.public_key),
        };
        match (&alone, &pair.key) {
            (Err(error), _) | (_, Err(error)) => error.to_string(),
            (Ok(certified), Ok(key)) => match (certified.algorithm(), key.algorithm()) {
                _ if key == certified => return None,
                (a, b) if pki::family(a) != pki::family(b) => {
                    "tls: private key type does not match public key type".to_owned()
                }
                _ => "tls: private key does not match public key".to_owned(),
            },
        }
    };
    violation("InvalidKeyPair", format!("Issuing certificate as Secret contains an invalid key-pair: {why}"))
}

fn public_keys_differ(input: &Input<'_>) -> Option<Violation> {
    let pair = input.pair()?;
    match (&pair.key, &pair.leaf) {
        (Err(error), _) => return invalid_key(error),
        (_, Err(error)) => return invalid_certificate(error),
        (Ok(key), Ok(leaf)) if *key == leaf.public_key => return None,
        (Ok(_), Ok(_)) => {}
    }
    let text = "Issuing certificate as Secret contains a private key that does not match the certificate";
    violation("InvalidKeyPair", text)
}

fn invalid_key(error: &pki::PkiError) -> Option<Violation> {
    let text = format!("Issuing certificate as Secret contains invalid private key data: {error}");
    violation("InvalidKeyPair", text)
}

fn invalid_certificate(error: &pki::PkiError) -> Option<Violation> {
    let text = format!("Issuing certificate as Secret contains an invalid certificate: {error}");
    violation("InvalidCertificate", text)
}

fn private_key_does_not_fit(input: &Input<'_>) -> Option<Violation> {
    let pair = input.pair()?;
    let key = pair.key.as_ref().ok()?;
    let violations = pki::key_violations(key, &input.certificate.spec, input.compat.checks);
    if violations.is_empty() {
        return None;
    }
    let fields = violations.join(" ");
    violation("SecretMismatch", format!("Existing private key is not up to date for spec: [{fields}]"))
}

fn issuer_differs(input: &Input<'_>) -> Option<Violation> {
    let annotations = &input.secret?.metadata.annotations;
    let get = |key: &str| annotations.get(key).map(String::as_str);
    let (name, kind, group) = (
        get(ISSUER_NAME).unwrap_or_default(),
        get(ISSUER_KIND).filter(|k| !k.is_empty()).unwrap_or("Issuer"),
        get(ISSUER_GROUP).filter(|g| !g.is_empty()).unwrap_or("cert-manager.io"),
    );
    let wanted = &input.certificate.spec.issuer_ref;
    let other_origin = kind != wanted.kind_or_default() || group != wanted.group_or_default();
    let by = format!("{kind}.{group}/{name}");
    match input.compat.checks {
        Checks::Initial if name != wanted.name || other_origin => violation(
            "IncorrectIssuer",
            format!("Issuing certificate as Secret was previously issued by {by}"),
        ),
        Checks::Extended => {
            let any =
                [ISSUER_NAME, ISSUER_KIND, ISSUER_GROUP].iter().any(|key| annotations.contains_key(*key));
            // Go binds `&&` closer than `||`: without annotations, only the name may differ.
            let differs = (any && name != wanted.name) || other_origin;
            let text = format!("Issuing certificate as Secret was previously issued by {by:?}");
            differs.then(|| violation("IncorrectIssuer", text)).flatten()
        }
        Checks::Initial => None,
    }
}

fn certificate_name_differs(input: &Input<'_>) -> Option<Violation> {
    let name = input.secret?.metadata.annotations.get(ANNOTATION_CERTIFICATE_NAME)?;
    if *name == input.certificate.metadata.name {
        return None;
    }
    let text = format!(
        "Secret was issued for {name:?}. If this message is not transient, you might have two conflicting \
         Certificates pointing to the same secret."
    );
    violation("IncorrectCertificate", text)
}

fn key_is_not_the_requests(input: &Input<'_>) -> Option<Violation> {
    let request = input.current_request?;
    let pair = input.pair()?;
    let key = match &pair.key {
        Ok(key) => key,
        Err(error) => return invalid_key(error),
    };
    match input.readings.request(request).as_ref() {
        Err(error) => {
            let text = format!("Failed to decode current CertificateRequest: {error}");
            violation("InvalidCertificateRequest", text)
        }
        Ok(csr) if csr.public_key == *key => None,
        Ok(_) => {
            let text = "Secret contains a private key that does not match the current CertificateRequest";
            violation("SecretMismatch", text)
        }
    }
}

fn request_differs(input: &Input<'_>) -> Option<Violation> {
    let spec = &input.certificate.spec;
    if let Some(request) = input.current_request {
        // A request that cannot be read is no reason: the certificate may be good.
        let asked = input.readings.request(request);
        let csr = asked.as_ref().as_ref().ok()?;
        let fields = pki::request_violations(&request.spec, csr, spec, input.compat).ok()?;
        if fields.is_empty() {
            return None;
        }
        let fields = fields.join(" ");
        let text = format!("Fields on existing CertificateRequest resource not up to date: [{fields}]");
        return violation("RequestChanged", text);
    }
    let pair = input.pair()?;
    let leaf = match (&pair.leaf, input.compat.checks) {
        (Ok(leaf), _) => leaf,
        (Err(_), Checks::Initial) => return None,
        (Err(error), Checks::Extended) => return invalid_certificate(error),
    };
    let fields = pki::certificate_violations(leaf, spec);
    if fields.is_empty() {
        return None;
    }
    let beginning = match input.compat.checks {
        Checks::Initial => "Existing",
        Checks::Extended => "Issuing certificate as Existing",
    };
    let fields = fields.join(" ");
    violation("SecretMismatch", format!("{beginning} issued Secret is not up to date for spec: [{fields}]"))
}

/// The certificate of the Secret, or that it cannot be read.
fn stored_certificate<'a>(input: &Input<'_>, pair: &'a Pair) -> Result<&'a pki::Leaf, Option<Violation>> {
    pair.leaf.as_ref().map_err(|error| match input.compat.checks {
        Checks::Initial => {
            violation("InvalidCertificate", format!("Failed to decode stored certificate: {error}"))
        }
        Checks::Extended => invalid_certificate(error),
    })
}

fn is_near_expiry(input: &Input<'_>) -> Option<Violation> {
    let pair = input.pair()?;
    let leaf = match stored_certificate(input, &pair) {
        Ok(leaf) => leaf,
        Err(unreadable) => return unreadable,
    };
    let (spec, features) = (&input.certificate.spec, &input.compat.features);
    let policy = spec.renewal.as_ref().and_then(|renewal| renewal.policy);
    if features.renewal_windows && policy == Some(RenewalPolicy::Disabled) {
        return None;
    }
    // The text names the time that the status has, not the one just computed.
    let scheduled = match input.certificate.status.renewal_time {
        Some(time) => time.timestamp().go_string(),
        None => "<nil>".to_owned(),
    };
    let renewing =
        || violation("Renewing", format!("Renewing certificate as renewal was scheduled at {scheduled}"));
    if let Some(opened) = opened(suggested_start(input), leaf.not_before, input.now) {
        // The moment within the window is readiness' choice; here the window is all that counts.
        return if opened { renewing() } else { None };
    }
    match renewal_time(leaf.not_before, leaf.not_after, spec, features, None) {
        Ok(Some(renewal)) if input.now >= renewal => renewing(),
        Err(error) if input.now >= error.desired => violation(WINDOW_ERROR, error.message),
        Ok(_) | Err(_) => None,
    }
}

/// Where the window begins that the CA suggests for this renewal.
fn suggested_start(input: &Input<'_>) -> Option<Timestamp> {
    if !input.compat.features.ari {
        return None;
    }
    let window = input.certificate.status.acme.as_ref()?.ari.as_ref()?.suggested_window.as_ref()?;
    window.start.map(|start| start.timestamp())
}

fn is_expired(input: &Input<'_>) -> Option<Violation> {
    let pair = input.pair()?;
    let leaf = match stored_certificate(input, &pair) {
        Ok(leaf) => leaf,
        Err(unreadable) => return unreadable,
    };
    if input.now <= leaf.not_after {
        return None;
    }
    violation("Expired", format!("Certificate expired on {}", rfc1123(leaf.not_after)))
}

/// Go's `time.RFC1123` in UTC.
fn rfc1123(at: Timestamp) -> String {
    let t = at.to_offset_date_time();
    let day = &t.weekday().to_string()[..3];
    let month = &t.month().to_string()[..3];
    format!(
        "{day}, {:02} {month} {} {:02}:{:02}:{:02} UTC",
        t.day(),
        t.year(),
        t.hour(),
        t.minute(),
        t.second()
    )
}

#[cfg(test)]
#[path = "policies_tests.rs"]
mod tests;

//! The policy chain: why a Certificate must be issued (trigger) or is not ready (readiness). The first
//! violation wins. Pure: a snapshot and the time in, a verdict out.

use world::{PrivateKey, Timestamp};

use super::{TLS_CRT, TLS_KEY, data, renewal_time};
use crate::api::{Certificate, CertificateRequest, Secret};
use crate::pki;

/// What the chain looks at.
pub(crate) struct Input<'a> {
    pub(crate) certificate: &'a Certificate,
    pub(crate) secret: Option<&'a Secret>,
    pub(crate) current_request: Option<&'a CertificateRequest>,
    pub(crate) now: Timestamp,
}

/// A violated policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

type Policy = fn(&Input<'_>) -> Option<Violation>;

/// The chain of certificates-trigger.
const TRIGGER: &[Policy] = &[
    secret_does_not_exist,
    secret_misses_data,
    key_pair_is_invalid,
    private_key_does_not_fit,
    issuer_differs,
    request_differs,
    is_near_expiry,
];

/// The chain of certificates-readiness.
const READINESS: &[Policy] =
    &[secret_does_not_exist, secret_misses_data, key_pair_is_invalid, request_differs, is_expired];

pub(crate) fn must_be_issued(input: &Input<'_>) -> Option<Violation> {
    TRIGGER.iter().find_map(|policy| policy(input))
}

pub(crate) fn is_not_ready(input: &Input<'_>) -> Option<Violation> {
    READINESS.iter().find_map(|policy| policy(input))
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

fn key_pair_is_invalid(input: &Input<'_>) -> Option<Violation> {
    let secret = input.secret?;
    let why = match (PrivateKey::from_pem(data(secret, TLS_KEY)), pki::leaf(data(secret, TLS_CRT))) {
        (Err(error), _) => error.to_string(),
        (_, Err(error)) => error.to_string(),
        (Ok(key), Ok(leaf)) if *key.public() != leaf.public_key => {
            "tls: private key does not match public key".to_owned()
        }
        _ => return None,
    };
    violation("InvalidKeyPair", format!("Issuing certificate as Secret contains an invalid key-pair: {why}"))
}

fn private_key_does_not_fit(input: &Input<'_>) -> Option<Violation> {
    let key = PrivateKey::from_pem(data(input.secret?, TLS_KEY)).ok()?;
    let violations = pki::key_violations(key.public(), &input.certificate.spec);
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
        get("cert-manager.io/issuer-name").unwrap_or_default(),
        get("cert-manager.io/issuer-kind").filter(|k| !k.is_empty()).unwrap_or("Issuer"),
        get("cert-manager.io/issuer-group").filter(|g| !g.is_empty()).unwrap_or("cert-manager.io"),
    );
    let wanted = &input.certificate.spec.issuer_ref;
    let same = name == wanted.name && kind == wanted.kind_or_default() && group == wanted.group_or_default();
    if same {
        return None;
    }
    let by = format!("Issuing certificate as Secret was previously issued by {kind}.{group}/{name}");
    violation("IncorrectIssuer", by)
}

fn request_differs(input: &Input<'_>) -> Option<Violation> {
    if let Some(request) = input.current_request {
        let fields = pki::request_violations(&request.spec, &input.certificate.spec).ok()?;
        if fields.is_empty() {
            return None;
        }
        let fields = fields.join(" ");
        let text = format!("Fields on existing CertificateRequest resource not up to date: [{fields}]");
        return violation("RequestChanged", text);
    }
    let leaf = pki::leaf(data(input.secret?, TLS_CRT)).ok()?;
    let fields = pki::certificate_violations(&leaf, &input.certificate.spec);
    if fields.is_empty() {
        return None;
    }
    let fields = fields.join(" ");
    violation("SecretMismatch", format!("Existing issued Secret is not up to date for spec: [{fields}]"))
}

fn is_near_expiry(input: &Input<'_>) -> Option<Violation> {
    let leaf = match pki::leaf(data(input.secret?, TLS_CRT)) {
        Ok(leaf) => leaf,
        Err(error) => {
            return violation("InvalidCertificate", format!("Failed to decode stored certificate: {error}"));
        }
    };
    let renewal = renewal_time(leaf.not_before, leaf.not_after, input.certificate.spec.renew_before);
    if input.now < renewal {
        return None;
    }
    // The text names the time that the status has, not the one just computed.
    let scheduled = match input.certificate.status.renewal_time {
        Some(time) => time.timestamp().go_string(),
        None => "<nil>".to_owned(),
    };
    violation("Renewing", format!("Renewing certificate as renewal was scheduled at {scheduled}"))
}

fn is_expired(input: &Input<'_>) -> Option<Violation> {
    let leaf = pki::leaf(data(input.secret?, TLS_CRT)).ok()?;
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
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_go_writes_them() {
        let at = Timestamp::parse("2022-08-05T12:40:37Z").unwrap();
        assert_eq!(rfc1123(at), "Fri, 05 Aug 2022 12:40:37 UTC");
    }

    #[test]
    fn a_missing_secret_and_missing_data_come_first() {
        let certificate = Certificate::default();
        let now = Timestamp::UNIX_EPOCH;
        let mut input = Input { certificate: &certificate, secret: None, current_request: None, now };
        let reason = |input: &Input<'_>| must_be_issued(input).map(|v| (v.reason, v.message));
        assert_eq!(reason(&input).unwrap().0, "DoesNotExist");
        let empty = Secret::default();
        input.secret = Some(&empty);
        assert_eq!(reason(&input).unwrap().1, "Issuing certificate as Secret does not contain any data");
        let mut secret = empty.clone();
        secret.data.insert(TLS_KEY.into(), "x".into());
        input.secret = Some(&secret);
        assert_eq!(reason(&input).unwrap().1, "Issuing certificate as Secret does not contain a certificate");
        let mut secret = secret.clone();
        secret.data.insert(TLS_CRT.into(), "x".into());
        input.secret = Some(&secret);
        assert_eq!(reason(&input).unwrap().0, "InvalidKeyPair");
    }
}

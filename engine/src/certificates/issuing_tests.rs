//! What a request means for its Certificate, in the two orders of precedence.

use super::*;
use crate::compat::{V1_7, V1_21};

fn at(secs: i64) -> Option<Time> {
    Some(Time::new(Timestamp::from_unix_secs(secs)))
}

/// A request with conditions of type, status and reason, which failed at that time.
fn request(conditions: &[(&str, ConditionStatus, &str)], failed: Option<Time>) -> CertificateRequest {
    let mut request = CertificateRequest::default();
    for (type_, status, reason) in conditions {
        put(&mut request, &conditions::new(type_, *status, reason, format!("{reason}!")));
    }
    request.status.failure_time = failed;
    request
}

fn failed(reason: &str) -> Outcome {
    Outcome::Failed { reason: reason.into(), message: format!("{reason}!") }
}

#[test]
fn a_request_means_what_the_release_makes_of_it() {
    use ConditionStatus::{False, True};
    let mut certificate = Certificate::default();
    let mut issuing = conditions::new(CONDITION_ISSUING, True, "Renewing", "");
    issuing.last_transition_time = at(1000);
    put(&mut certificate, &issuing);
    let denied = (CONDITION_DENIED, True, "Policy");
    let invalid = (CONDITION_INVALID_REQUEST, True, "Bad");
    let ready = |reason| (CONDITION_READY, False, reason);
    for (conditions, failure, initial, extended) in [
        (vec![], None, Outcome::Untouched, Outcome::Untouched),
        (vec![ready("Pending")], None, Outcome::Pending, Outcome::Pending),
        (vec![ready("Issued")], None, Outcome::Issued, Outcome::Issued),
        (vec![ready("Failed")], at(1000), failed("Failed"), failed("Failed")),
        (vec![ready("Failed")], at(999), Outcome::FailedEarlier, Outcome::FailedEarlier),
        (vec![denied], None, failed("Policy"), failed("Policy")),
        // An issuer that heeds the denial says so in Ready: 1.7 is stuck then.
        (vec![denied, ready("Denied")], at(1001), Outcome::Pending, failed("Policy")),
        // One that does not wins in 1.7.
        (vec![denied, ready("Issued")], None, Outcome::Issued, failed("Policy")),
        (vec![invalid, ready("Failed")], at(1001), failed("Failed"), failed("Bad")),
        (vec![invalid], None, Outcome::Untouched, failed("Bad")),
    ] {
        let request = request(&conditions, failure);
        assert_eq!(outcome(&request, &certificate, &V1_7), initial, "{conditions:?}");
        assert_eq!(outcome(&request, &certificate, &V1_21), extended, "{conditions:?}");
    }
}

#[test]
fn an_issued_certificate_must_be_one_for_the_key_and_not_expired() {
    world::sim::run(world::sim::Config::default(), |world| async move {
        let generate = |label| world.keys(label).generate(world::KeyAlgorithm::EcdsaP256).unwrap();
        let (key, other) = (generate("a"), generate("b"));
        let mut certificate = Certificate::default();
        certificate.spec.dns_names = vec!["a.test".into()];
        let mut request = CertificateRequest::default();
        let made = pki::make_temporary(&world, &certificate, &key, &V1_21.features).unwrap();
        request.status.certificate = made.into();
        let now = world.now();
        assert_eq!(unusable(&request, &key, now), None);
        let why = unusable(&request, &other, now).unwrap();
        assert!(
            why.starts_with("Issuer returned a certificate with a public key that does not match the CSR.")
        );
        let late = now + std::time::Duration::from_secs(91 * 86_400);
        let why = unusable(&request, &key, late).unwrap();
        assert!(why.starts_with("Issuer returned an already expired certificate (notAfter: "), "{why}");
        request.status.certificate = "x".into();
        let why = unusable(&request, &key, now).unwrap();
        assert_eq!(
            why,
            "Issuer returned an invalid certificate: failed to decode: error decoding certificate PEM block"
        );
    })
    .unwrap();
}

use super::*;
use crate::api::{AcmeIssuer, CaIssuer, ClusterIssuer, Issuer};

fn with(conditions: &[(&str, ConditionStatus, &str)]) -> CertificateRequest {
    let mut request = CertificateRequest::default();
    request.metadata.namespace = "ns".to_owned();
    request.spec.issuer_ref.name = "ca".to_owned();
    for (type_, status, reason) in conditions {
        put(&mut request, &conditions::new(type_, *status, reason, ""));
    }
    request
}

const APPROVED: (&str, ConditionStatus, &str) = ("Approved", ConditionStatus::True, "cert-manager.io");

fn issuer(ready: bool) -> FoundIssuer {
    let mut issuer = Issuer::default();
    issuer.metadata.name = "ca".to_owned();
    issuer.metadata.namespace = "ns".to_owned();
    issuer.spec.ca = Some(CaIssuer::default());
    let status = if ready { ConditionStatus::True } else { ConditionStatus::False };
    issuer.status.conditions.push(conditions::new("Ready", status, "", ""));
    FoundIssuer::of(&issuer)
}

fn pending(verdict: Verdict) -> (&'static str, String) {
    match verdict {
        Verdict::Report(report) => {
            assert_eq!(report.reason, "Pending");
            (report.event.unwrap().1, report.message)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_issuer_of_another_group_is_not_ours() {
    let mut request = with(&[APPROVED]);
    request.spec.issuer_ref.group = "example.com".to_owned();
    assert_eq!(judge(&request, false), Some(Verdict::Leave));
}

#[test]
fn a_denied_request_is_marked_once_and_never_signed() {
    let denied = ("Denied", ConditionStatus::True, "Policy");
    match judge(&with(&[denied]), false) {
        Some(Verdict::Report(report)) => {
            assert_eq!((report.reason, report.event, report.failed), ("Denied", None, true));
            assert_eq!(report.message, "The CertificateRequest was denied by an approval controller");
        }
        other => panic!("{other:?}"),
    }
    let marked = with(&[denied, ("Ready", ConditionStatus::False, "Denied")]);
    assert_eq!(judge(&marked, false), Some(Verdict::Leave));
}

#[test]
fn a_request_waits_for_approval_and_is_left_when_it_is_decided() {
    assert_eq!(judge(&with(&[]), false), Some(Verdict::AwaitApproval));
    for reason in ["Failed", "Issued"] {
        let decided = with(&[APPROVED, ("Ready", ConditionStatus::False, reason)]);
        assert_eq!(judge(&decided, false), Some(Verdict::Leave), "{reason}");
    }
    assert_eq!(judge(&with(&[APPROVED, ("Ready", ConditionStatus::False, "Pending")]), false), None);
}

#[test]
fn an_invalid_request_is_left_by_releases_that_look() {
    let invalid = with(&[APPROVED, ("InvalidRequest", ConditionStatus::True, "")]);
    assert_eq!(judge(&invalid, true), Some(Verdict::Leave));
    assert_eq!(judge(&invalid, false), None);
}

#[test]
fn a_missing_issuer_is_named_by_its_kind() {
    let mut request = with(&[APPROVED]);
    let found = pending(judge_issuer(&request, None, IssuerType::Ca));
    let text = r#"Referenced "Issuer" not found: issuer.cert-manager.io "ca" not found"#;
    assert_eq!(found, ("IssuerNotFound", text.to_owned()));
    request.spec.issuer_ref.kind = "ClusterIssuer".to_owned();
    let (_, text) = pending(judge_issuer(&request, None, IssuerType::Ca));
    assert_eq!(text, r#"Referenced "ClusterIssuer" not found: clusterissuer.cert-manager.io "ca" not found"#);
}

#[test]
fn an_issuer_must_have_a_type_and_be_ready_and_of_the_controllers_type() {
    let request = with(&[APPROVED]);
    let (event, text) = pending(judge_issuer(&request, Some(&issuer(false)), IssuerType::Ca));
    assert_eq!(event, "IssuerNotReady");
    assert_eq!(text, "Referenced issuer does not have a Ready status condition");
    assert_eq!(judge_issuer(&request, Some(&issuer(true)), IssuerType::Vault), Verdict::Leave);
    assert_eq!(judge_issuer(&request, Some(&issuer(true)), IssuerType::Ca), Verdict::Sign);
    let mut none = ClusterIssuer::default();
    none.metadata.name = "x".to_owned();
    let (event, text) = pending(judge_issuer(&request, Some(&FoundIssuer::of(&none)), IssuerType::Ca));
    assert_eq!(event, "IssuerTypeMissing");
    assert_eq!(text, "Missing issuer type: no issuer specified for Issuer '/x'");
    // ACME comes first where somebody has set two.
    let mut two = Issuer::default();
    two.spec.ca = Some(CaIssuer::default());
    two.spec.acme = Some(AcmeIssuer::default());
    assert_eq!(IssuerType::of(&two.spec), Some(IssuerType::Acme));
}

#[test]
fn a_request_that_has_its_certificate_is_not_signed_again() {
    let mut request = with(&[APPROVED]);
    request.status.certificate = b"certificate".to_vec().into();
    assert_eq!(judge_issuer(&request, Some(&issuer(true)), IssuerType::Ca), Verdict::Leave);
}

#[test]
fn what_is_no_certificate_fails_the_request_with_a_hint_for_ca_issuers_in_new_releases() {
    let garbage = || Report::issued(Issued { certificate: b"x".to_vec().into(), ca: ByteString::default() });
    let of = |type_, compat: &crate::compat::Compat| checked(garbage(), type_, &compat.other_issuers);
    let old = of(IssuerType::Ca, &crate::compat::V1_7);
    assert_eq!((old.reason, old.event.unwrap().1), ("Failed", "DecodeError"));
    let end = "error decoding certificate PEM block";
    assert_eq!(old.message, format!("Failed to decode returned certificate: {end}"));
    let new = of(IssuerType::Ca, &crate::compat::V1_21);
    assert!(new.message.contains("with CA issuers, ensure the Certificate's secretName"), "{}", new.message);
    assert!(!of(IssuerType::Vault, &crate::compat::V1_21).message.contains("with CA issuers"));
}

#[test]
fn the_time_of_the_first_failure_stays() {
    let mut request = with(&[]);
    let at = |secs| Time::new(world::Timestamp::from_unix_secs(secs));
    let failed = Report::failed("SigningError", "no");
    apply(&mut request, Some(&failed), None, at(1));
    apply(&mut request, Some(&failed), None, at(2));
    assert_eq!(request.status.failure_time, Some(at(1)));
}

#[test]
fn a_lost_write_and_a_failed_signing_make_one_error() {
    let error = |text: &str| SyncError::other(text);
    assert_eq!(joined(Ok(()), None), Ok(()));
    assert_eq!(joined(Err(error("write")), Some(error("sign"))), Err(error("[write, sign]")));
    assert_eq!(joined(Ok(()), Some(error("sign"))), Err(error("sign")));
}

//! Names and verdicts of certificates-request-manager.

use proptest::prelude::*;
use world::{KeyAlgorithm, Timestamp};

use super::*;
use crate::api::{ConditionStatus, Time};
use crate::compat::{V1_7, V1_21};
use crate::conditions::{self, put};

#[test]
fn a_request_is_named_by_the_server_or_by_certificate_and_revision() {
    assert_eq!(name("tls-rancher-ingress", 2, &V1_7), RequestName::Generated("tls-rancher-ingress-".into()));
    assert_eq!(name("tls-rancher-ingress", 2, &V1_21), RequestName::Fixed("tls-rancher-ingress-2".into()));
    let long = format!("{}.{}", "a".repeat(167), "b".repeat(80));
    let RequestName::Fixed(name) = name(&long, 10, &V1_21) else { panic!() };
    let hash = world::hex(&world::sha256(long.as_bytes()));
    assert_eq!(name, format!("{}-{hash}-10", "a".repeat(167)), "not cut after a dot");
}

proptest! {
    #[test]
    fn a_long_name_stays_a_name_and_apart_from_others(
        text in "[a-z0-9]([a-z0-9.-]{0,250}[a-z0-9])?",
        other in "[a-z0-9]([a-z0-9.-]{0,250}[a-z0-9])?",
        revision in 1_u64..100_000,
    ) {
        let of = |text: &str| match name(text, revision, &V1_21) {
            RequestName::Fixed(name) => name,
            RequestName::Generated(_) => String::new(),
        };
        let made = of(&text);
        prop_assert!(made.len() <= 253, "{} {}", made, made.len());
        let stem = made.strip_suffix(&format!("-{revision}")).unwrap_or_default();
        prop_assert!(stem.ends_with(|c: char| c.is_ascii_alphanumeric()));
        prop_assert!(stem == text || (text.len() > 233 && stem.len() <= 233));
        prop_assert_eq!(made == of(&other), text == other);
    }
}

#[test]
fn what_becomes_of_a_request_that_is_there() {
    world::sim::run(world::sim::Config::default(), |world| async move {
        let generate = |label| world.keys(label).generate(KeyAlgorithm::EcdsaP256).unwrap();
        let (key, other) = (generate("a"), generate("b"));
        let mut certificate = Certificate::default();
        certificate.spec.dns_names = vec!["a.test".into()];
        let mut issuing = conditions::new(CONDITION_ISSUING, ConditionStatus::True, "", "");
        issuing.last_transition_time = Some(Time::new(Timestamp::from_unix_secs(1000)));
        put(&mut certificate, &issuing);
        let mut request = CertificateRequest::default();
        let csr = |key| pki::make_request(&certificate, key, &V1_21.features).unwrap();
        request.spec.request = csr(&key).into();
        let verdict =
            |request: &CertificateRequest| judge(request, &certificate, &key, &Readings::default(), &V1_21);
        assert_eq!(verdict(&request), Verdict::Delete, "no revision");
        let revision = |request: &mut CertificateRequest, text: &str| {
            request.metadata.annotations.insert(ANNOTATION_REVISION.into(), text.into());
        };
        revision(&mut request, "x");
        assert_eq!(verdict(&request), Verdict::Delete, "no number");
        revision(&mut request, "2");
        assert_eq!(verdict(&request), Verdict::Ignore, "of another revision");
        revision(&mut request, "1");
        assert_eq!(verdict(&request), Verdict::Keep);

        let mut failed = request.clone();
        put(&mut failed, &conditions::new(CONDITION_READY, ConditionStatus::False, "Failed", ""));
        failed.status.failure_time = Some(Time::new(Timestamp::from_unix_secs(999)));
        assert_eq!(verdict(&failed), Verdict::Delete, "it failed before this issuance began");
        failed.status.failure_time = Some(Time::new(Timestamp::from_unix_secs(1000)));
        assert_eq!(verdict(&failed), Verdict::Keep, "certificates-issuing has to see it");

        let mut foreign = request.clone();
        foreign.spec.request = csr(&other).into();
        assert_eq!(verdict(&foreign), Verdict::Delete, "for another key");
        foreign.spec.is_ca = true;
        assert_eq!(verdict(&foreign), Verdict::DeleteMismatch(vec!["spec.isCA"]));
        foreign.spec.request = "x".into();
        assert!(matches!(verdict(&foreign), Verdict::DeleteUnreadable(_)));
    })
    .unwrap();
}

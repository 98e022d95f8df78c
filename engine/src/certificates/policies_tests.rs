//! The policies one by one, in the two sets of releases.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use world::{KeyAlgorithm, PrivateKey};

use super::*;
use crate::api::{CertificatePrivateKey, CertificateRenewal, PrivateKeyAlgorithm, RenewalWindow, Time};
use crate::compat::{V1_7, V1_21};

#[test]
fn times_are_written_as_go_writes_them() {
    let at = Timestamp::parse("2022-08-05T12:40:37Z").unwrap();
    assert_eq!(rfc1123(at), "Fri, 05 Aug 2022 12:40:37 UTC");
}

/// A Certificate, its Secret and its request, all well, as long as the certificate is valid.
#[derive(Clone)]
struct Fixture {
    certificate: Certificate,
    secret: Secret,
    request: CertificateRequest,
    other_key: PrivateKey,
    now: Timestamp,
    readings: Arc<Readings>,
}

fn fixture() -> Fixture {
    let made = Arc::new(Mutex::new(None));
    let out = made.clone();
    world::sim::run(world::sim::Config::default(), |world| async move {
        let generate = |label| world.keys(label).generate(KeyAlgorithm::EcdsaP256).unwrap();
        let (key, other_key) = (generate("a"), generate("b"));
        let mut certificate = Certificate::default();
        certificate.metadata.name = "c".into();
        let spec = &mut certificate.spec;
        spec.dns_names = vec!["a.test".into()];
        spec.issuer_ref.name = "ca".into();
        let private_key =
            CertificatePrivateKey { algorithm: Some(PrivateKeyAlgorithm::Ecdsa), ..Default::default() };
        spec.private_key = Some(private_key);
        let mut secret = Secret::default();
        let chain = pki::make_temporary(&world, &certificate, &key, &V1_21.features).unwrap();
        secret.data.insert(TLS_CRT.into(), chain.into());
        secret.data.insert(TLS_KEY.into(), key.to_pkcs8_pem().into());
        for (name, value) in [(ISSUER_NAME, "ca"), (ANNOTATION_CERTIFICATE_NAME, "c")] {
            secret.metadata.annotations.insert(name.into(), value.into());
        }
        let mut request = CertificateRequest::default();
        request.spec.request = pki::make_request(&certificate, &key, &V1_21.features).unwrap().into();
        request.spec.issuer_ref = certificate.spec.issuer_ref.clone();
        let now = world.now();
        *out.lock().unwrap() =
            Some(Fixture { certificate, secret, request, other_key, now, readings: Arc::default() });
    })
    .unwrap();
    let fixture = made.lock().unwrap().take();
    fixture.unwrap()
}

impl Fixture {
    fn input<'a>(&'a self, compat: &'a Compat) -> Input<'a> {
        Input {
            compat,
            certificate: &self.certificate,
            secret: Some(&self.secret),
            current_request: Some(&self.request),
            now: self.now,
            readings: &self.readings,
        }
    }

    /// What the trigger says: reason and message, or nothing.
    fn trigger(&self, compat: &Compat) -> Option<(&'static str, String)> {
        must_be_issued(&self.input(compat)).map(|v| (v.reason, v.message))
    }

    fn readiness(&self, compat: &Compat) -> Option<(&'static str, String)> {
        is_not_ready(&self.input(compat)).map(|v| (v.reason, v.message))
    }
}

#[track_caller]
fn assert_violates(found: Option<(&'static str, String)>, reason: &str, message: &str) {
    assert_eq!(found, Some((found.as_ref().map_or("", |(r, _)| *r), message.to_owned())));
    assert_eq!(found.map(|(r, _)| r), Some(reason));
}

#[test]
fn all_is_well_until_the_certificate_is_renewed_and_expires() {
    let mut f = fixture();
    for compat in [&V1_7, &V1_21] {
        assert_eq!(f.trigger(compat), None, "{}", compat.release);
        assert_eq!(f.readiness(compat), None);
    }
    f.certificate.status.renewal_time = Some(Time::new(Timestamp::parse("2022-05-07T13:39:31Z").unwrap()));
    f.now = f.now + Duration::from_secs(61 * 86_400);
    for compat in [&V1_7, &V1_21] {
        let text = "Renewing certificate as renewal was scheduled at 2022-05-07 13:39:31 +0000 UTC";
        assert_violates(f.trigger(compat), "Renewing", text);
        assert_eq!(f.readiness(compat), None, "a renewal leaves the old certificate good");
    }
    f.now = f.now + Duration::from_secs(30 * 86_400);
    for compat in [&V1_7, &V1_21] {
        let (reason, message) = f.readiness(compat).unwrap();
        assert!(message.starts_with("Certificate expired on ") && message.ends_with(" UTC"), "{message}");
        assert_eq!(reason, "Expired");
    }
}

#[test]
fn a_missing_secret_and_missing_data_come_first() {
    let f = fixture();
    for compat in [&V1_7, &V1_21] {
        let none = Input { secret: None, ..f.input(compat) };
        let found = must_be_issued(&none).unwrap();
        assert_eq!(
            (found.reason, found.message.as_str()),
            ("DoesNotExist", "Issuing certificate as Secret does not exist")
        );
        assert_eq!(is_not_ready(&none), Some(found));
        for (remove, what) in [
            (&[TLS_KEY, TLS_CRT][..], "any data"),
            (&[TLS_KEY], "a private key"),
            (&[TLS_CRT], "a certificate"),
        ] {
            let mut f = f.clone();
            f.secret.data.retain(|key, _| !remove.contains(&key.as_str()));
            assert_violates(
                f.trigger(compat),
                "MissingData",
                &format!("Issuing certificate as Secret does not contain {what}"),
            );
            assert_eq!(f.readiness(compat), f.trigger(compat));
        }
    }
}

#[test]
fn a_pair_that_is_none_is_said_in_the_words_of_the_release() {
    let f = fixture();
    let initial = "Issuing certificate as Secret contains an invalid key-pair: ";
    let with = |key: &str, value: &str| {
        let mut f = f.clone();
        f.secret.data.insert(key.into(), value.into());
        f
    };
    let other = with(TLS_KEY, &f.other_key.to_pkcs8_pem());
    assert_violates(
        other.trigger(&V1_7),
        "InvalidKeyPair",
        &format!("{initial}tls: private key does not match public key"),
    );
    let text = "Issuing certificate as Secret contains a private key that does not match the certificate";
    assert_violates(other.trigger(&V1_21), "InvalidKeyPair", text);
    assert_eq!(other.readiness(&V1_21), other.trigger(&V1_21));
    let nonsense = with(TLS_KEY, "x");
    assert_violates(
        nonsense.trigger(&V1_7),
        "InvalidKeyPair",
        &format!("{initial}tls: failed to find any PEM data in key input"),
    );
    let text = "Issuing certificate as Secret contains invalid private key data: error decoding private key PEM block";
    assert_violates(nonsense.trigger(&V1_21), "InvalidKeyPair", text);
    let nonsense = with(TLS_CRT, "x");
    let text = format!("{initial}tls: failed to find any PEM data in certificate input");
    assert_violates(nonsense.trigger(&V1_7), "InvalidKeyPair", &text);
    let text =
        "Issuing certificate as Secret contains an invalid certificate: error decoding certificate PEM block";
    assert_violates(nonsense.trigger(&V1_21), "InvalidCertificate", text);
    for (f, bad) in [(&f, false), (&other, true), (&nonsense, true)] {
        assert_eq!((has_no_pair(&f.input(&V1_7)), has_no_pair(&f.input(&V1_21))), (bad, bad));
    }
}

/// A TLS server reads the first certificate of a chain and hands the rest on, the check of the renewal reads them all.
#[test]
fn a_broken_certificate_behind_a_good_one_is_found_at_the_check_of_the_renewal_in_1_7_and_of_the_keys_later()
{
    let mut f = fixture();
    let chain = std::str::from_utf8(data(&f.secret, TLS_CRT)).unwrap().to_owned();
    let broken = chain + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    f.secret.data.insert(TLS_CRT.into(), broken.into());
    let (reason, message) = f.trigger(&V1_7).unwrap();
    assert_eq!(reason, "InvalidCertificate");
    let start = "Failed to decode stored certificate: error parsing TLS certificate: ";
    assert!(message.starts_with(start), "{message}");
    assert_eq!(f.readiness(&V1_7), f.trigger(&V1_7));
    assert!(!has_no_pair(&f.input(&V1_7)), "the pair itself is good");
    let (reason, message) = f.trigger(&V1_21).unwrap();
    assert_eq!(reason, "InvalidCertificate");
    assert!(
        message.starts_with("Issuing certificate as Secret contains an invalid certificate: "),
        "{message}"
    );
}

#[test]
fn a_key_that_does_not_fit_the_specification_comes_before_the_issuer_in_1_7_and_after_it_later() {
    let mut f = fixture();
    f.certificate.spec.private_key.as_mut().unwrap().size = 384;
    assert_violates(
        f.trigger(&V1_7),
        "SecretMismatch",
        "Existing private key is not up to date for spec: [spec.keySize]",
    );
    assert_violates(
        f.trigger(&V1_21),
        "SecretMismatch",
        "Existing private key is not up to date for spec: [spec.privateKey.size]",
    );
    assert_eq!(f.readiness(&V1_7), None, "1.7 does not look");
    assert_eq!(f.readiness(&V1_21), f.trigger(&V1_21));
    f.certificate.spec.issuer_ref.name = "other".into();
    assert_eq!(f.trigger(&V1_7).unwrap().0, "SecretMismatch");
    assert_eq!(f.trigger(&V1_21).unwrap().0, "IncorrectIssuer");
}

#[test]
fn another_issuer_re_issues_and_1_7_misses_absent_annotations() {
    let mut f = fixture();
    f.certificate.spec.issuer_ref.name = "other".into();
    let by = "Issuing certificate as Secret was previously issued by ";
    assert_violates(f.trigger(&V1_7), "IncorrectIssuer", &format!("{by}Issuer.cert-manager.io/ca"));
    assert_violates(f.trigger(&V1_21), "IncorrectIssuer", &format!("{by}\"Issuer.cert-manager.io/ca\""));
    f.certificate.spec.issuer_ref.name = "ca".into();
    f.secret.metadata.annotations.clear();
    assert_violates(f.trigger(&V1_7), "IncorrectIssuer", &format!("{by}Issuer.cert-manager.io/"));
    assert_eq!(f.trigger(&V1_21), None, "a Secret without annotations may be anybody's");
}

#[test]
fn a_secret_of_another_certificate_is_said_to_be_contested() {
    let mut f = fixture();
    f.secret.metadata.annotations.insert(ANNOTATION_CERTIFICATE_NAME.into(), "d".into());
    assert_eq!(f.trigger(&V1_7), None);
    let text = "Secret was issued for \"d\". If this message is not transient, you might have two conflicting Certificates pointing to the same secret.";
    assert_violates(f.trigger(&V1_21), "IncorrectCertificate", text);
    assert_eq!(f.readiness(&V1_21), f.trigger(&V1_21));
}

#[test]
fn a_request_for_another_key_re_issues_from_1_8_on() {
    let mut f = fixture();
    f.request.spec.request = pki::make_request(&f.certificate, &f.other_key, &V1_21.features).unwrap().into();
    assert_eq!(f.trigger(&V1_7), None);
    let text = "Secret contains a private key that does not match the current CertificateRequest";
    assert_violates(f.trigger(&V1_21), "SecretMismatch", text);
    f.request.spec.request = "x".into();
    assert_eq!(f.trigger(&V1_7), None, "a request that cannot be read is no reason");
    let text = "Failed to decode current CertificateRequest: error decoding certificate request PEM block";
    assert_violates(f.trigger(&V1_21), "InvalidCertificateRequest", text);
}

#[test]
fn a_changed_specification_re_issues() {
    let mut f = fixture();
    f.certificate.spec.dns_names.push("b.test".into());
    for compat in [&V1_7, &V1_21] {
        let text = "Fields on existing CertificateRequest resource not up to date: [spec.dnsNames]";
        assert_violates(f.trigger(compat), "RequestChanged", text);
        assert_eq!(f.readiness(compat), f.trigger(compat));
    }
    let without = |compat: &Compat| {
        must_be_issued(&Input { current_request: None, ..f.input(compat) }).map(|v| (v.reason, v.message))
    };
    assert_violates(
        without(&V1_7),
        "SecretMismatch",
        "Existing issued Secret is not up to date for spec: [spec.dnsNames]",
    );
    let text = "Issuing certificate as Existing issued Secret is not up to date for spec: [spec.dnsNames]";
    assert_violates(without(&V1_21), "SecretMismatch", text);
}

#[test]
fn a_disabled_renewal_is_not_triggered_and_a_broken_window_is_told() {
    let mut f = fixture();
    f.now = f.now + Duration::from_secs(80 * 86_400);
    let mut renewal = CertificateRenewal { policy: Some(RenewalPolicy::Disabled), windows: vec![] };
    f.certificate.spec.renewal = Some(renewal.clone());
    assert_eq!(f.trigger(&V1_21), None);
    assert_eq!(f.trigger(&V1_7).unwrap().0, "Renewing", "1.7 does not know the field");
    renewal.policy = None;
    renewal.windows = vec![RenewalWindow { cron: "x".into(), ..RenewalWindow::default() }];
    f.certificate.spec.renewal = Some(renewal);
    assert_eq!(f.trigger(&V1_21).unwrap().0, WINDOW_ERROR);
}

#[test]
fn with_ari_the_start_of_the_suggested_window_counts() {
    let mut f = fixture();
    let compat = Compat { features: crate::compat::Features { ari: true, ..V1_21.features }, ..V1_21 };
    let ari = |start: Timestamp| {
        let window = crate::api::AriWindow { start: Some(Time::new(start)), end: None };
        let info = crate::api::AcmeRenewalInfo { suggested_window: Some(window), ..Default::default() };
        Some(crate::api::CertificateAcmeStatus { ari: Some(info) })
    };
    let day = Duration::from_secs(86_400);
    f.certificate.status.acme = ari(f.now + day);
    assert_eq!(f.trigger(&compat), None);
    f.now = f.now + day * 2;
    assert_eq!(f.trigger(&compat).unwrap().0, "Renewing", "long before two thirds of the life");
    assert_eq!(f.trigger(&V1_21), None, "the gate is off");
    f.certificate.status.acme = ari(f.now - day * 30);
    assert_eq!(f.trigger(&compat), None, "a window of the last certificate says nothing of this one");
}

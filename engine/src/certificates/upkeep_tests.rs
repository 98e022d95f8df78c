//! What is found wrong with a Secret after the issuance, check by check.

use super::*;
use crate::api::{
    ByteString, CertificateAdditionalOutputFormat, CertificateKeystores, CertificateOutputFormatType,
    JksKeystore, SecretTemplate,
};
use crate::compat::{V1_7, V1_21};
use crate::pki;
use world::KeyAlgorithm;

fn with_secret(compat: &'static Compat, test: impl FnOnce(Certificate, Secret) + Send + 'static) {
    world::sim::run(world::sim::Config::default(), |world| async move {
        let key = world.keys("k").generate(KeyAlgorithm::EcdsaP256).unwrap();
        let mut certificate = Certificate::default();
        certificate.metadata.name = "c".into();
        certificate.metadata.uid = "uid".into();
        certificate.spec.dns_names = vec!["a.test".into()];
        certificate.spec.issuer_ref.name = "ca".into();
        certificate.spec.secret_template = Some(SecretTemplate {
            labels: BTreeMap::from([("team".into(), "a".into())]),
            annotations: BTreeMap::from([("note".into(), "n".into())]),
        });
        let made = pki::make_temporary(&world, &certificate, &key, &compat.features).unwrap();
        let content = SecretData {
            private_key: key.to_pkcs8_pem().into(),
            certificate: made.into(),
            certificate_name: "c".into(),
            issuer: ["ca".into(), String::new(), String::new()],
            ..SecretData::default()
        };
        let wanted = secret::wanted(&certificate, &content, BTreeMap::new(), compat, false).unwrap();
        let secret = secret::apply(None, &wanted, secret::field_manager(compat));
        test(certificate, secret);
    })
    .unwrap();
}

fn apply(text: &str) -> Upkeep {
    Upkeep::Apply(text.to_owned())
}

#[test]
fn a_secret_just_written_is_left_alone() {
    for compat in [&V1_7, &V1_21] {
        with_secret(compat, move |certificate, secret| {
            assert_eq!(judged(&certificate, &secret, compat, false), Upkeep::Nothing);
        });
    }
}

#[test]
fn a_template_that_changes_is_followed() {
    with_secret(&V1_21, |certificate, secret| {
        let found = |change: fn(&mut SecretTemplate)| {
            let mut certificate = certificate.clone();
            change(certificate.spec.secret_template.as_mut().unwrap());
            judged(&certificate, &secret, &V1_21, false)
        };
        let wrong = "missing or incorrect value on Secret";
        let labels = found(|t| drop(t.labels.insert("team".into(), "b".into())));
        assert_eq!(labels, apply(&format!("Certificate's SecretTemplate Labels {wrong}")));
        let annotations = found(|t| drop(t.annotations.insert("note".into(), "m".into())));
        assert_eq!(annotations, apply(&format!("Certificate's SecretTemplate Annotations {wrong}")));
        let more = found(|t| drop(t.labels.insert("x".into(), "y".into())));
        assert_eq!(more, apply("Secret is missing these Template Labels: [x]"));
        let more = found(|t| drop(t.annotations.insert("x".into(), "y".into())));
        assert_eq!(more, apply("Secret is missing these Template Annotations: [x]"));
        assert_eq!(found(|t| t.labels.clear()), apply("Secret has these extra Labels: [team]"));
        assert_eq!(found(|t| t.annotations.clear()), apply("Secret has these extra Annotations: [note]"));
    });
    with_secret(&V1_7, |mut certificate, mut secret| {
        secret.metadata.labels.insert("team".into(), "other".into());
        assert_eq!(judged(&certificate, &secret, &V1_7, false), apply(""));
        certificate.spec.secret_template = None;
        assert_eq!(judged(&certificate, &secret, &V1_7, false), apply(""), "no template any more");
    });
}

#[test]
fn own_labels_and_annotations_are_repaired_from_1_8_on() {
    with_secret(&V1_21, |certificate, secret| {
        let found = |change: fn(&mut Secret)| {
            let mut secret = secret.clone();
            change(&mut secret);
            judged(&certificate, &secret, &V1_21, false)
        };
        let label = found(|s| drop(s.metadata.labels.insert(LABEL_PART_OF.into(), "no".into())));
        assert_eq!(
            label,
            apply("wrong base label controller.cert-manager.io/fao value \"no\", expected \"true\"")
        );
        let gone = found(|s| drop(s.metadata.labels.remove(LABEL_PART_OF)));
        assert_eq!(gone, apply("Secret is missing these Managed Labels: [controller.cert-manager.io/fao]"));
        let name = "cert-manager.io/alt-names";
        let other =
            found(|s| drop(s.metadata.annotations.insert("cert-manager.io/alt-names".into(), "x".into())));
        assert_eq!(other, apply("Secret metadata x does not match certificate metadata a.test"));
        let gone = found(|s| drop(s.metadata.annotations.remove("cert-manager.io/alt-names")));
        assert_eq!(gone, apply(&format!("Secret is missing these Managed Annotations: [{name}]")));
        let foreign = found(|s| drop(s.metadata.labels.insert("somebody".into(), "else".into())));
        assert_eq!(foreign, Upkeep::Nothing, "what others set is theirs");
        assert!(matches!(found(|s| drop(s.data.insert(TLS_CRT.into(), "x".into()))), Upkeep::Unreadable(_)));
        assert_eq!(found(|s| drop(s.data.remove(TLS_KEY))), Upkeep::Nothing, "the trigger's business");
    });
    with_secret(&V1_7, |certificate, mut secret| {
        secret.metadata.annotations.insert("cert-manager.io/alt-names".into(), "x".into());
        assert_eq!(judged(&certificate, &secret, &V1_7, false), Upkeep::Nothing, "1.7 does not look");
    });
}

#[test]
fn output_formats_are_added_repaired_and_taken_away() {
    with_secret(&V1_21, |mut certificate, secret| {
        let format = CertificateAdditionalOutputFormat { type_: CertificateOutputFormatType::Der };
        certificate.spec.additional_output_formats = vec![format];
        let data = "Certificate's AdditionalOutputFormats doesn't match Secret Data";
        assert_eq!(judged(&certificate, &secret, &V1_21, false), apply(data));
        let content = SecretData::stored(&secret);
        let wanted = secret::wanted(&certificate, &content, BTreeMap::new(), &V1_21, false).unwrap();
        let mut with = secret::apply(Some(&secret), &wanted, secret::field_manager(&V1_21));
        assert_eq!(judged(&certificate, &with, &V1_21, false), Upkeep::Nothing);
        let mut without = certificate.clone();
        without.spec.additional_output_formats.clear();
        let managed = "Certificate's AdditionalOutputFormats doesn't match Secret ManagedFields";
        assert_eq!(judged(&without, &with, &V1_21, false), apply(managed));
        with.data.insert(secret::KEY_DER.into(), ByteString::from("x"));
        assert_eq!(judged(&certificate, &with, &V1_21, false), apply(data));
    });
}

#[test]
fn an_owner_reference_comes_and_goes_with_the_option() {
    with_secret(&V1_21, |certificate, secret| {
        let text = "unexpected Secret Owner Reference value on Secret --enable-certificate-owner-ref=true";
        assert_eq!(judged(&certificate, &secret, &V1_21, true), apply(text));
        let content = SecretData::stored(&secret);
        let wanted = secret::wanted(&certificate, &content, BTreeMap::new(), &V1_21, true).unwrap();
        let owned = secret::apply(Some(&secret), &wanted, secret::field_manager(&V1_21));
        assert_eq!(judged(&certificate, &owned, &V1_21, true), Upkeep::Nothing);
        let text =
            "unexpected managed Secret Owner Reference field on Secret --enable-certificate-owner-ref=false";
        assert_eq!(judged(&certificate, &owned, &V1_21, false), apply(text));
    });
}

#[test]
fn key_stores_are_made_and_taken_away() {
    with_secret(&V1_21, |mut certificate, mut secret| {
        let jks = |create| JksKeystore { create, ..JksKeystore::default() };
        let stores = |create| Some(CertificateKeystores { jks: Some(jks(create)), pkcs12: None });
        certificate.spec.keystores = stores(true);
        let found = |c: &Certificate, s: &Secret| judged(c, s, &V1_21, false);
        assert_eq!(found(&certificate, &secret), apply("JKS Keystore key does not contain data"));
        secret.data.insert("keystore.jks".into(), "x".into());
        assert_eq!(found(&certificate, &secret), Upkeep::Nothing, "what is in it is not looked at");
        secret.data.insert(CA_CRT.into(), "x".into());
        assert_eq!(
            found(&certificate, &secret),
            apply("JKS Keystore key does not contain data"),
            "no trust store"
        );
        certificate.spec.keystores = stores(false);
        assert_eq!(found(&certificate, &secret), apply("JKS Keystore create disabled"));
        certificate.spec.keystores = Some(CertificateKeystores::default());
        assert_eq!(found(&certificate, &secret), apply("JKS Keystore not defined"));
        certificate.spec.keystores = None;
        assert_eq!(found(&certificate, &secret), apply("Keystore is not defined"));
    });
}

/// What is found, with nothing read before.
fn judged(certificate: &Certificate, secret: &Secret, compat: &Compat, owner_ref: bool) -> Upkeep {
    judge(certificate, secret, &Readings::default(), compat, owner_ref)
}

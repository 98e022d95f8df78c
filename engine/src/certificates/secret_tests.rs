//! What is applied to a target Secret, and what an apply leaves and takes.

use super::*;
use crate::api::{CertificateAdditionalOutputFormat, SecretTemplate};
use crate::compat::{V1_7, V1_21};
use world::KeyAlgorithm;

fn with_content(test: impl FnOnce(Certificate, SecretData) + Send + 'static) {
    world::sim::run(world::sim::Config::default(), |world| async move {
        let key = world.keys("k").generate(KeyAlgorithm::Rsa(2048)).unwrap();
        let mut certificate = Certificate::default();
        certificate.metadata.name = "c".into();
        certificate.metadata.uid = "uid".into();
        let spec = &mut certificate.spec;
        spec.secret_name = "s".into();
        spec.dns_names = vec!["a.test".into(), "b.test".into()];
        spec.common_name = "a.test".into();
        spec.email_addresses = vec!["m@a.test".into()];
        let organizations = vec!["Comma, Inc.".into(), "B".into()];
        spec.subject = Some(crate::api::X509Subject { organizations, ..Default::default() });
        let made = pki::make_temporary(&world, &certificate, &key, &V1_21.features).unwrap();
        let content = SecretData {
            private_key: pki::encode_key(&key, &certificate.spec).into(),
            certificate: made.into(),
            certificate_name: "c".into(),
            issuer: ["ca".into(), "ClusterIssuer".into(), String::new()],
            ..SecretData::default()
        };
        test(certificate, content);
    })
    .unwrap();
}

fn made(certificate: &Certificate, content: &SecretData, compat: &Compat) -> Secret {
    wanted(certificate, content, BTreeMap::new(), compat, false).unwrap()
}

#[test]
fn a_secret_is_of_type_tls_and_says_where_it_is_from() {
    with_content(|certificate, content| {
        let secret = made(&certificate, &content, &V1_7);
        assert_eq!(secret.type_, "kubernetes.io/tls");
        assert_eq!(secret.data.keys().collect::<Vec<_>>(), [TLS_CRT, TLS_KEY]);
        let short = |secret: &Secret| {
            let all = secret.metadata.annotations.iter();
            all.map(|(k, v)| format!("{}={v}", k.trim_start_matches("cert-manager.io/"))).collect::<Vec<_>>()
        };
        assert_eq!(
            short(&secret),
            [
                "alt-names=a.test,b.test",
                "certificate-name=c",
                "common-name=a.test",
                "ip-sans=",
                "issuer-group=",
                "issuer-kind=Issuer",
                "issuer-name=",
                "uri-sans="
            ],
            "1.7 takes the issuer from the Certificate"
        );
        assert!(secret.metadata.labels.is_empty());
        let secret = made(&certificate, &content, &V1_21);
        let annotations = short(&secret);
        for expected in [
            "issuer-kind=ClusterIssuer",
            "issuer-name=ca",
            "email-sans=m@a.test",
            "subject-organizations=B,\"Comma, Inc.\"",
            "subject-serialnumber=1234567890",
        ] {
            assert!(annotations.contains(&expected.to_owned()), "{expected} in {annotations:?}");
        }
        assert!(!annotations.iter().any(|a| a.starts_with("subject-countries")));
        assert_eq!(secret.metadata.labels[LABEL_PART_OF], "true");
    });
}

#[test]
fn a_temporary_certificate_has_no_issuer_in_its_annotations_but_in_1_7() {
    with_content(|certificate, mut content| {
        content.issuer = Default::default();
        assert!(!made(&certificate, &content, &V1_21).metadata.annotations.contains_key(ISSUER_NAME));
        assert!(made(&certificate, &content, &V1_7).metadata.annotations.contains_key(ISSUER_NAME));
    });
}

#[test]
fn additional_output_formats_are_the_key_in_der_and_both_in_one_file() {
    with_content(|mut certificate, content| {
        let formats = [CertificateOutputFormatType::Der, CertificateOutputFormatType::CombinedPem];
        certificate.spec.additional_output_formats =
            formats.map(|type_| CertificateAdditionalOutputFormat { type_ }).to_vec();
        let secret = made(&certificate, &content, &V1_21);
        let key = pki::private_key(content.private_key.as_slice()).unwrap();
        let der = secret.data[KEY_DER].as_slice();
        let pem = world::keys::pem_encode("RSA PRIVATE KEY", der);
        assert_eq!(pki::private_key(pem.as_bytes()).unwrap().public(), key.public());
        let combined = secret.data[COMBINED_PEM].as_str().unwrap();
        let (key, chain) = (content.private_key.as_str().unwrap(), content.certificate.as_str().unwrap());
        assert_eq!(combined, format!("{key}\n{chain}"));
    });
}

#[test]
fn an_apply_takes_back_what_it_set_and_leaves_what_others_set() {
    with_content(|mut certificate, mut content| {
        let manager = field_manager(&V1_21);
        let label = BTreeMap::from([("team".to_owned(), "a".to_owned())]);
        certificate.spec.secret_template = Some(SecretTemplate { labels: label.clone(), annotations: label });
        content.ca = content.certificate.clone();
        let first = wanted(&certificate, &content, BTreeMap::new(), &V1_21, true).unwrap();
        let mut stored = apply(None, &first, manager);
        assert_eq!(stored.metadata.labels["team"], "a");
        assert_eq!(stored.metadata.owner_references.len(), 1);
        assert_eq!(apply(Some(&stored), &first, manager), stored, "it changes nothing the second time");

        stored.metadata.labels.insert("mine".into(), "b".into());
        stored.data.insert("mine".into(), "b".into());
        certificate.spec.secret_template = None;
        content.ca = ByteString::default();
        let second = made(&certificate, &content, &V1_21);
        let stored = apply(Some(&stored), &second, manager);
        assert!(!stored.metadata.labels.contains_key("team"));
        assert!(!stored.metadata.annotations.contains_key("team"));
        assert!(!stored.data.contains_key(CA_CRT) && stored.metadata.owner_references.is_empty());
        assert_eq!(stored.metadata.labels["mine"], "b");
        assert_eq!(stored.data["mine"].as_str(), Some("b"));
    });
}

#[test]
fn values_are_quoted_as_csv() {
    let text = csv(&["a".into(), "b,c".into(), "d\"e".into(), " f".into()]);
    assert_eq!(text, "a,\"b,c\",\"d\"\"e\",\" f\"");
}

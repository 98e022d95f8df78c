//! CSRs: what is in them for every field of a specification, and what is found to differ afterwards.

use x509_parser::extensions::ParsedExtension;
use x509_parser::oid_registry::Oid;

use super::*;
use crate::api::{
    CertificatePrivateKey, GoDuration, KeyUsage, NameConstraintItem, NameConstraints, PrivateKeyAlgorithm,
};
use crate::compat::{V1_7, V1_21};

fn key(kind: KeyAlgorithm) -> PrivateKey {
    let made = std::sync::Arc::new(std::sync::Mutex::new(None));
    let out = made.clone();
    world::sim::run(world::sim::Config::default(), |world| async move {
        *out.lock().unwrap() = world.keys("request").generate(kind).ok();
    })
    .unwrap();
    let key = made.lock().unwrap().take();
    key.unwrap()
}

fn spec() -> CertificateSpec {
    CertificateSpec {
        common_name: "a.test".into(),
        dns_names: vec!["a.test".into(), "b.test".into()],
        ip_addresses: vec!["10.0.0.1".into(), "fd00::1".into()],
        uris: vec!["spiffe://a/b".into()],
        email_addresses: vec!["a@b.test".into()],
        subject: Some(X509Subject {
            organizations: vec!["o".into()],
            countries: vec!["DE".into()],
            organizational_units: vec!["ou".into()],
            localities: vec!["l".into()],
            provinces: vec!["st".into()],
            street_addresses: vec!["street".into()],
            postal_codes: vec!["12345".into()],
            serial_number: "7".into(),
        }),
        private_key: Some(CertificatePrivateKey {
            algorithm: Some(PrivateKeyAlgorithm::Ecdsa),
            ..CertificatePrivateKey::default()
        }),
        ..CertificateSpec::default()
    }
}

fn make(spec: &CertificateSpec, key: &PrivateKey, features: &Features) -> Result<String, PkiError> {
    make_request(&Certificate { spec: spec.clone(), ..Certificate::default() }, key, features)
}

/// Hands the extensions of a CSR to `look`.
fn extensions<T>(pem: &str, look: impl Fn(&[&ParsedExtension<'_>]) -> T) -> T {
    let csr = request(pem.as_bytes()).unwrap();
    let (_, parsed) = X509CertificationRequest::from_der(&csr.der).unwrap();
    let found: Vec<_> = parsed.requested_extensions().into_iter().flatten().collect();
    look(&found)
}

#[test]
fn a_request_has_every_name_and_field_of_the_specification() {
    let key = key(KeyAlgorithm::EcdsaP256);
    let spec = spec();
    let csr = request(make(&spec, &key, &V1_21.features).unwrap().as_bytes()).unwrap();
    assert_eq!(csr.names, Names::of_spec(&spec));
    assert_eq!(Some(&csr.subject), spec.subject.as_ref());
    assert_eq!(csr.public_key, *key.public());
}

#[test]
fn the_signature_goes_with_the_key_and_with_what_is_asked_for() {
    let cases = [
        (KeyAlgorithm::Rsa(2048), None, "1.2.840.113549.1.1.11"),
        (KeyAlgorithm::Rsa(3072), None, "1.2.840.113549.1.1.12"),
        (KeyAlgorithm::Rsa(2048), Some(SignatureAlgorithm::Sha512WithRsa), "1.2.840.113549.1.1.13"),
        (KeyAlgorithm::EcdsaP256, None, "1.2.840.10045.4.3.2"),
        (KeyAlgorithm::EcdsaP256, Some(SignatureAlgorithm::EcdsaWithSha512), "1.2.840.10045.4.3.4"),
        (KeyAlgorithm::EcdsaP384, None, "1.2.840.10045.4.3.3"),
        (KeyAlgorithm::EcdsaP521, None, "1.2.840.10045.4.3.4"),
        (KeyAlgorithm::Ed25519, None, "1.3.101.112"),
    ];
    for (kind, asked, oid) in cases {
        let key = key(kind);
        let mut spec = spec();
        spec.signature_algorithm = asked;
        let csr = request(make(&spec, &key, &V1_21.features).unwrap().as_bytes()).unwrap();
        let (_, parsed) = X509CertificationRequest::from_der(&csr.der).unwrap();
        assert_eq!(parsed.signature_algorithm.algorithm.to_id_string(), oid, "{kind}");
        let signed = parsed.certification_request_info.raw;
        let verified = key.public().verify_x509(oid, signed, &parsed.signature_value.data);
        assert_eq!(verified, Ok(()), "{kind} {oid}");
    }
    let mut spec = spec();
    spec.signature_algorithm = Some(SignatureAlgorithm::Sha256WithRsa);
    let ecdsa = key(KeyAlgorithm::EcdsaP256);
    assert!(make(&spec, &ecdsa, &V1_21.features).is_err());
    assert!(make(&spec, &ecdsa, &V1_7.features).is_ok(), "1.7 does not know the field");
}

#[test]
fn usages_are_encoded_unless_the_specification_says_no() {
    let key = key(KeyAlgorithm::EcdsaP256);
    let mut spec = spec();
    let usages = |spec: &CertificateSpec| {
        extensions(&make(spec, &key, &V1_21.features).unwrap(), |found| {
            let mut out = (None, 0);
            for extension in found {
                match extension {
                    ParsedExtension::KeyUsage(usage) => out.0 = Some(usage.to_string()),
                    ParsedExtension::ExtendedKeyUsage(usage) => {
                        out.1 = usize::from(usage.server_auth)
                            + usize::from(usage.client_auth)
                            + usage.other.len();
                    }
                    _ => {}
                }
            }
            out
        })
    };
    assert_eq!(usages(&spec), (Some("Digital Signature, Key Encipherment".into()), 0), "the default");
    spec.usages = vec![KeyUsage::CrlSign, KeyUsage::ServerAuth, KeyUsage::NetscapeSgc];
    spec.is_ca = true;
    assert_eq!(usages(&spec), (Some("Key Cert Sign, CRL Sign".into()), 2), "a CA signs certificates");
    spec.encode_usages_in_request = Some(false);
    assert_eq!(usages(&spec), (None, 0));
}

#[test]
fn a_ca_request_has_basic_constraints_with_the_gate_only() {
    let key = key(KeyAlgorithm::EcdsaP256);
    let spec = CertificateSpec { is_ca: true, ..spec() };
    let constraints = |features: &Features| {
        extensions(&make(&spec, &key, features).unwrap(), |found| {
            found.iter().any(|e| matches!(e, ParsedExtension::BasicConstraints(c) if c.ca))
        })
    };
    assert!(!constraints(&V1_21.features));
    assert!(constraints(&Features { basic_constraints_in_request: true, ..V1_21.features }));
}

#[test]
fn what_a_release_does_not_know_is_not_in_its_requests() {
    let key = key(KeyAlgorithm::EcdsaP256);
    let item = NameConstraintItem {
        dns_domains: vec!["example.com".into()],
        ip_ranges: vec!["10.0.0.0/8".into()],
        email_addresses: vec!["a@b.test".into()],
        uri_domains: vec!["b.test".into()],
    };
    let spec = CertificateSpec {
        literal_subject: "CN=literal,O=x".into(),
        other_names: vec![OtherName { oid: "1.3.6.1.4.1.311.20.2.3".into(), utf8_value: "u@d".into() }],
        name_constraints: Some(NameConstraints { critical: true, permitted: Some(item), excluded: None }),
        ..spec()
    };
    for (compat, knows) in [(&V1_7, false), (&V1_21, true)] {
        let pem = make(&spec, &key, &compat.features).unwrap();
        let csr = request(pem.as_bytes()).unwrap();
        assert_eq!(csr.names.common_name, if knows { "literal" } else { "a.test" });
        assert_eq!(csr.names.others, if knows { spec.other_names.clone() } else { vec![] });
        let subtrees = extensions(&pem, |found| {
            found.iter().find_map(|e| match e {
                ParsedExtension::NameConstraints(c) => c.permitted_subtrees.as_ref().map(Vec::len),
                _ => None,
            })
        });
        assert_eq!(subtrees, knows.then_some(4));
        let asked = CertificateRequestSpec { request: pem.into(), ..CertificateRequestSpec::default() };
        assert_eq!(differing(&asked, &spec, compat), Ok(vec![]), "{}", compat.release);
    }
}

/// What a request does not fit, after its CSR has been read.
fn differing(
    asked: &CertificateRequestSpec,
    spec: &CertificateSpec,
    compat: &Compat,
) -> Result<Vec<&'static str>, PkiError> {
    request_violations(asked, &request(asked.request.as_slice())?, spec, compat)
}

#[test]
fn names_are_critical_when_there_is_no_subject() {
    let key = key(KeyAlgorithm::EcdsaP256);
    let mut spec = CertificateSpec { dns_names: vec!["a.test".into()], ..CertificateSpec::default() };
    let critical = |spec: &CertificateSpec| {
        let csr = request(make(spec, &key, &V1_21.features).unwrap().as_bytes()).unwrap();
        let san = Oid::from(&[2, 5, 29, 17]).unwrap();
        let at = csr.der.windows(5).position(|w| w == [0x06, 3, 0x55, 0x1d, 0x11]).unwrap();
        assert_eq!(san.as_bytes(), [0x55, 0x1d, 0x11]);
        csr.der[at + 5..].starts_with(der::TRUE)
    };
    assert!(critical(&spec));
    spec.common_name = "a.test".into();
    assert!(!critical(&spec));
    assert!(make(&CertificateSpec::default(), &key, &V1_21.features).is_err(), "no name at all");
}

#[test]
fn every_field_that_differs_is_named_in_the_order_of_the_release() {
    let key = key(KeyAlgorithm::EcdsaP256);
    let made = make(&spec(), &key, &V1_21.features).unwrap();
    let hour = GoDuration(std::time::Duration::from_secs(3600));
    let asked = CertificateRequestSpec {
        request: made.into(),
        duration: Some(hour),
        ..CertificateRequestSpec::default()
    };
    let mut other = CertificateSpec {
        usages: vec![KeyUsage::Any],
        is_ca: true,
        duration: Some(GoDuration(hour.0 * 2)),
        ..CertificateSpec::default()
    };
    other.issuer_ref.kind = "ClusterIssuer".into();
    let extended = differing(&asked, &other, &V1_21).unwrap().join(" ");
    assert_eq!(
        extended,
        "spec.ipAddresses spec.uris spec.emailAddresses spec.dnsNames spec.commonName \
         spec.subject.serialNumber spec.subject.organizations spec.subject.countries spec.subject.localities \
         spec.subject.organizationalUnits spec.subject.postCodes spec.subject.provinces \
         spec.subject.streetAddresses spec.isCA spec.usages spec.duration spec.issuerRef"
    );
    let initial = differing(&asked, &other, &V1_7).unwrap();
    assert_eq!(initial[..3], ["spec.commonName", "spec.dnsNames", "spec.ipAddresses"]);
    assert_eq!(initial.iter().filter(|f| **f == "spec.subject.postCodes").count(), 2, "1.7's slip");
}

#[test]
fn an_issuer_kind_left_out_is_the_default_but_in_1_7() {
    let key = key(KeyAlgorithm::EcdsaP256);
    let asked = CertificateRequestSpec {
        request: make(&spec(), &key, &V1_21.features).unwrap().into(),
        ..CertificateRequestSpec::default()
    };
    let mut written = spec();
    written.issuer_ref.kind = "Issuer".into();
    assert_eq!(differing(&asked, &written, &V1_21), Ok(vec![]));
    assert_eq!(differing(&asked, &written, &V1_7), Ok(vec!["spec.issuerRef"]));
    let broken = CertificateRequestSpec::default();
    assert!(differing(&broken, &written, &V1_21).is_err());
}

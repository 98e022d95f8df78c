use x509_parser::prelude::X509Certificate;

use super::super::{bundle, bundle_of_pem};
use super::*;
use crate::api::{Certificate, KeyUsage};
use crate::pki;

fn key(algorithm: KeyAlgorithm, label: &str) -> PrivateKey {
    let made = world::sim::run(world::sim::Config::default(), {
        let label = label.to_owned();
        move |world| async move { world.keys(&label).generate(algorithm).unwrap() }
    });
    made.unwrap().value
}

const NOW: Timestamp = Timestamp::from_unix_secs(1_700_000_000);

fn request(key: &PrivateKey, change: impl FnOnce(&mut Certificate)) -> CertificateRequestSpec {
    let mut certificate = Certificate::default();
    certificate.spec.common_name = "leaf".to_owned();
    certificate.spec.dns_names = vec!["a.example.com".to_owned()];
    change(&mut certificate);
    // P-521 keys get their own name only now.
    let made = pki::make_request(&certificate, key, &crate::compat::V1_21.features).unwrap();
    let der = pem_sections(made.as_bytes(), SectionKind::Csr).remove(0);
    let der = world::keys::finish_x509(der, key.algorithm());
    CertificateRequestSpec {
        request: pem_encode("CERTIFICATE REQUEST", &der).into(),
        usages: certificate.spec.usages.clone(),
        is_ca: certificate.spec.is_ca,
        duration: certificate.spec.duration,
        ..CertificateRequestSpec::default()
    }
}

/// A CA certificate, signed by itself or by another.
fn ca(name: &str, key: &PrivateKey, by: Option<(&[u8], &PrivateKey)>) -> Vec<u8> {
    let spec = request(key, |c| {
        c.spec.common_name = name.to_owned();
        c.spec.dns_names = Vec::new();
        c.spec.is_ca = true;
        c.spec.encode_usages_in_request = Some(false);
    });
    let template = Template::of_request(&spec, true).unwrap();
    let itself = Authority { subject: template.subject.clone(), key_id: None, is_ca: true };
    let (authority, signer) = match by {
        None => (itself, key),
        Some((der, signer)) => (Authority::of_certificate(der).unwrap(), signer),
    };
    template.signed([7; 16], NOW, &authority, signer)
}

fn parsed(der: &[u8]) -> X509Certificate<'_> {
    read(der).unwrap()
}

#[test]
fn certificates_of_every_kind_of_key_verify_and_repeat() {
    let subject = key(KeyAlgorithm::EcdsaP256, "leaf");
    let template = Template::of_request(&request(&subject, |_| {}), false).unwrap();
    for algorithm in [
        KeyAlgorithm::Rsa(2048),
        KeyAlgorithm::EcdsaP256,
        KeyAlgorithm::EcdsaP384,
        KeyAlgorithm::EcdsaP521,
        KeyAlgorithm::Ed25519,
    ] {
        let signer = key(algorithm, "ca");
        let root = ca("root", &signer, None);
        let sign = || template.signed([0xff; 16], NOW, &Authority::of_certificate(&root).unwrap(), &signer);
        let leaf = sign();
        assert_eq!(leaf, sign(), "{algorithm}");
        let made = bundle(vec![root.clone(), leaf.clone()]).unwrap();
        assert_eq!(made.chain, pem_encode("CERTIFICATE", &leaf).into(), "{algorithm}: the root is left out");
        assert_eq!(made.ca, pem_encode("CERTIFICATE", &root).into());
    }
}

#[test]
fn a_certificate_has_the_requests_names_lifetime_and_usages() {
    let subject = key(KeyAlgorithm::EcdsaP256, "leaf");
    let spec = request(&subject, |c| {
        c.spec.ip_addresses = vec!["10.0.0.1".to_owned()];
        c.spec.uris = vec!["spiffe://x/y".to_owned()];
        c.spec.duration = Some(crate::api::GoDuration(Duration::from_secs(3600)));
        c.spec.usages = vec![KeyUsage::DigitalSignature, KeyUsage::ServerAuth, KeyUsage::ClientAuth];
    });
    let root = ca("root", &subject, None);
    let template = Template::of_request(&spec, true).unwrap();
    let der = template.signed([1; 16], NOW, &Authority::of_certificate(&root).unwrap(), &subject);
    let leaf = pki::leaf(pem_encode("CERTIFICATE", &der).as_bytes()).unwrap();
    assert_eq!(leaf.names.common_name, "leaf");
    assert_eq!(leaf.names.dns, ["a.example.com"]);
    assert_eq!((leaf.names.ips, leaf.names.uris), (vec!["10.0.0.1".into()], vec!["spiffe://x/y".into()]));
    assert_eq!((leaf.not_before, leaf.not_after), (NOW, NOW + Duration::from_secs(3600)));
    let certificate = parsed(&der);
    assert_eq!(certificate.key_usage().unwrap().unwrap().value.flags, 1);
    let extended = certificate.extended_key_usage().unwrap().unwrap().value;
    assert!(extended.server_auth && extended.client_auth && !extended.any);
    assert!(!certificate.basic_constraints().unwrap().unwrap().value.ca);
    assert_eq!(certificate.raw_serial(), [1; 16]);
}

#[test]
fn a_request_without_duration_gets_90_days_and_two_usages() {
    let subject = key(KeyAlgorithm::EcdsaP256, "leaf");
    let template = Template::of_request(&request(&subject, |_| {}), true).unwrap();
    assert_eq!(template.duration, Duration::from_secs(90 * 24 * 3600));
    assert_eq!(template.usages.bits_text(), "[ 'digital signature', 'key encipherment' ]");
}

#[test]
fn the_urls_of_the_issuer_go_into_the_certificate() {
    let subject = key(KeyAlgorithm::EcdsaP256, "leaf");
    let mut template = Template::of_request(&request(&subject, |_| {}), true).unwrap();
    template.crl_distribution_points = vec!["http://crl.test/1".to_owned()];
    template.ocsp_servers = vec!["http://ocsp.test".to_owned()];
    template.issuing_certificate_urls = vec!["http://ca.test/ca.der".to_owned()];
    let root = ca("root", &subject, None);
    let der = template.signed([1; 16], NOW, &Authority::of_certificate(&root).unwrap(), &subject);
    let text = format!("{:?}", parsed(&der).extensions());
    for url in ["http://crl.test/1", "http://ocsp.test", "http://ca.test/ca.der"] {
        assert!(text.contains(url), "{url} in {text}");
    }
}

#[test]
fn a_name_without_parts_makes_the_alternative_names_critical() {
    let subject = key(KeyAlgorithm::EcdsaP256, "leaf");
    let spec = request(&subject, |c| c.spec.common_name.clear());
    let template = Template::of_request(&spec, false).unwrap();
    assert!(template.has_empty_subject());
    let pem = template.self_signed([1; 16], NOW, &subject);
    let der = pem_sections(pem.as_bytes(), SectionKind::Certificate).remove(0);
    assert!(parsed(&der).subject_alternative_name().unwrap().unwrap().critical);
}

#[test]
fn usages_that_the_csr_names_must_be_the_requests_in_new_releases() {
    let subject = key(KeyAlgorithm::EcdsaP256, "leaf");
    let mut spec = request(&subject, |_| {});
    spec.usages = vec![KeyUsage::CrlSign];
    assert!(Template::of_request(&spec, false).is_ok());
    let error = Template::of_request(&spec, true).unwrap_err().to_string();
    assert_eq!(
        error,
        "encoded CSR error: the KeyUsages [ 'digital signature', 'key encipherment' ] do not match the expected \
         KeyUsages [ 'crl sign' ]"
    );
    spec.usages = vec![KeyUsage::DigitalSignature, KeyUsage::KeyEncipherment, KeyUsage::ServerAuth];
    let error = Template::of_request(&spec, true).unwrap_err().to_string();
    assert!(error.ends_with("the ExtKeyUsages [] do not match the expected ExtKeyUsages [ 'server auth' ]"));
}

#[test]
fn a_csr_that_cannot_be_read_or_is_not_signed_by_its_key_makes_no_template() {
    let subject = key(KeyAlgorithm::EcdsaP256, "leaf");
    let mut spec = request(&subject, |_| {});
    let mut der = pem_sections(spec.request.as_slice(), SectionKind::Csr).remove(0);
    let last = der.len() - 1;
    der[last] ^= 1;
    spec.request = pem_encode("CERTIFICATE REQUEST", &der).into();
    let error = Template::of_request(&spec, false).unwrap_err().to_string();
    assert_eq!(error, "x509: signature does not verify");
    spec.request = b"no".to_vec().into();
    let text = |compare| Template::of_request(&spec, compare).unwrap_err().to_string();
    assert_eq!(text(false), "failed to decode csr");
    assert_eq!(text(true), "error decoding certificate request PEM block");
}

#[test]
fn a_chain_is_put_in_order_whatever_comes_twice_or_first() {
    let (root_key, middle_key, leaf_key) = (
        key(KeyAlgorithm::EcdsaP256, "root"),
        key(KeyAlgorithm::EcdsaP384, "middle"),
        key(KeyAlgorithm::Ed25519, "leaf"),
    );
    let root = ca("root", &root_key, None);
    let middle = ca("middle", &middle_key, Some((&root, &root_key)));
    let template = Template::of_request(&request(&leaf_key, |_| {}), true).unwrap();
    let leaf = template.signed([2; 16], NOW, &Authority::of_certificate(&middle).unwrap(), &middle_key);
    let pem = |der: &Vec<u8>| pem_encode("CERTIFICATE", der);
    let whole = bundle(vec![root.clone(), leaf.clone(), middle.clone(), root.clone()]).unwrap();
    assert_eq!(whole.chain, (pem(&leaf) + &pem(&middle)).into());
    assert_eq!(whole.ca, pem(&root).into());
    // Without its root the top of the chain stays in it, and is the CA.
    let open = bundle_of_pem((pem(&middle) + &pem(&leaf)).as_bytes()).unwrap();
    assert_eq!((open.chain, open.ca), (whole.chain, pem(&middle).into()));
    let alone = bundle(vec![root.clone()]).unwrap();
    assert_eq!(alone.chain, alone.ca);
    assert!(bundle(vec![leaf.clone()]).unwrap().ca.is_empty());
    let broken = bundle(vec![leaf, root]).unwrap_err().to_string();
    assert_eq!(broken, "certificate chain is malformed or broken");
    assert!(bundle(Vec::new()).is_err());
    let stranger = ca("root", &key(KeyAlgorithm::EcdsaP256, "stranger"), None);
    assert!(bundle(vec![middle, stranger]).is_err(), "a name is no signature");
}

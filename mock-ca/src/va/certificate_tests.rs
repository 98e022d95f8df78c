//! Certificates with one flaw each.

use rcgen::{CertificateParams, CustomExtension, DistinguishedName, DnType, Issuer, SanType};
use world::{KeyAlgorithm, PrivateKey};

use super::*;
use crate::policy::DnsName;

const DIGEST: [u8; 32] = [7; 32];
const ACME: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 1, 31];

fn key(algorithm: KeyAlgorithm, label: &'static str) -> PrivateKey {
    let run = world::sim::run(world::sim::Config::default(), move |world| async move {
        world.keys(label).generate(algorithm).unwrap()
    });
    run.unwrap().value
}

fn dns(name: &str) -> Identifier {
    Identifier::Dns(DnsName::unchecked(name))
}

fn good() -> CertificateParams {
    let mut params = CertificateParams::new(vec!["example.com".to_owned()]).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(&DIGEST)];
    params
}

fn der(params: &CertificateParams) -> Vec<u8> {
    params.self_signed(&key(KeyAlgorithm::EcdsaP256, "own")).unwrap().der().to_vec()
}

fn both(der: &[u8], identifier: &Identifier) -> (Result<(), Flaw>, Result<(), Flaw>) {
    (check(der, identifier, &DIGEST, true), check(der, identifier, &DIGEST, false))
}

/// What Boulder and Pebble say of `example.com`'s certificate after `change`.
fn after(change: impl FnOnce(&mut CertificateParams)) -> (Result<(), Flaw>, Result<(), Flaw>) {
    let mut params = good();
    change(&mut params);
    both(&der(&params), &dns("example.com"))
}

fn extension(content: &[u8], critical: bool) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(ACME, content.to_vec());
    extension.set_criticality(critical);
    extension
}

fn octet_string(bytes: &[u8]) -> Vec<u8> {
    [&[0x04, u8::try_from(bytes.len()).unwrap()], bytes].concat()
}

#[test]
fn a_good_certificate_is_taken_whatever_its_key() {
    for algorithm in
        [KeyAlgorithm::EcdsaP256, KeyAlgorithm::EcdsaP384, KeyAlgorithm::Ed25519, KeyAlgorithm::Rsa(2048)]
    {
        let der = good().self_signed(&key(algorithm, "own")).unwrap().der().to_vec();
        assert_eq!(both(&der, &dns("example.com")), (Ok(()), Ok(())), "{algorithm}");
    }
}

#[test]
fn addresses_of_both_families_and_long_names() {
    let long = format!("{}.example.com", ["a".repeat(60).as_str(); 3].join("."));
    for (identifier, san) in [
        (Identifier::Ip("10.0.0.80".parse().unwrap()), SanType::IpAddress("10.0.0.80".parse().unwrap())),
        (Identifier::Ip("2001:db8::1".parse().unwrap()), SanType::IpAddress("2001:db8::1".parse().unwrap())),
        (dns(&long), SanType::DnsName(long.as_str().try_into().unwrap())),
    ] {
        let mut params = good();
        params.subject_alt_names = vec![san];
        assert_eq!(both(&der(&params), &identifier), (Ok(()), Ok(())), "{identifier:?}");
        let other = Err(Flaw::Identifiers(identifier.value().into_owned()));
        assert_eq!(both(&der(&params), &dns("example.com")), (other.clone(), other));
    }
}

#[test]
fn every_flaw_is_found() {
    let san = |name: &str| SanType::DnsName(name.try_into().unwrap());
    let same = |flaw: Flaw| (Err(flaw.clone()), Err(flaw));
    assert_eq!(after(|p| p.custom_extensions.clear()), same(Flaw::Missing(ACME_IDENTIFIER)));
    assert_eq!(after(|p| p.subject_alt_names.clear()), same(Flaw::Missing(SUBJECT_ALT_NAME)));
    assert_eq!(
        after(|p| p.subject_alt_names.push(san("www.example.com"))),
        same(Flaw::Identifiers("example.com, www.example.com".into()))
    );
    assert_eq!(
        after(|p| p.subject_alt_names = vec![san("example.org")]),
        same(Flaw::Identifiers("example.org".into()))
    );
    assert_eq!(
        after(|p| p.custom_extensions = vec![extension(&octet_string(&DIGEST), false)]),
        same(Flaw::NotCritical)
    );
    for content in
        [&[][..], &DIGEST, &octet_string(&DIGEST[..31]), &[octet_string(&DIGEST), vec![0]].concat()]
    {
        assert_eq!(
            after(|p| p.custom_extensions = vec![extension(content, true)]),
            same(Flaw::MalformedDigest)
        );
    }
    assert_eq!(
        after(|p| p.custom_extensions = vec![extension(&octet_string(&[8; 32]), true)]),
        same(Flaw::OtherDigest { got: "08".repeat(32), expected: "07".repeat(32) })
    );
    assert_eq!(both(b"no DER", &dns("example.com")), same(Flaw::Unreadable));
}

#[test]
fn boulder_is_more_exact() {
    let upper = SanType::DnsName("Example.COM".try_into().unwrap());
    assert_eq!(
        after(|p| p.subject_alt_names = vec![upper]),
        (Err(Flaw::Identifiers("Example.COM".into())), Ok(()))
    );
    assert_eq!(
        after(|p| p.custom_extensions.push(extension(&octet_string(&DIGEST), true))),
        (Err(Flaw::Twice(ACME_IDENTIFIER)), Ok(()))
    );
}

#[test]
fn self_signed_is_by_name_and_by_signature() {
    let (own, other) = (key(KeyAlgorithm::EcdsaP256, "own"), key(KeyAlgorithm::EcdsaP256, "other"));
    let outcome = (Err(Flaw::NotSelfSigned), Ok(()));
    // The issuer has the subject's name, and another key.
    let der = good().signed_by(&own, &Issuer::new(good(), &other)).unwrap().der().to_vec();
    assert_eq!(both(&der, &dns("example.com")), outcome);
    // The issuer has the subject's key, and another name.
    let mut named = good();
    named.distinguished_name.push(DnType::CommonName, "somebody");
    let der = good().signed_by(&own, &Issuer::new(named, &own)).unwrap().der().to_vec();
    assert_eq!(both(&der, &dns("example.com")), outcome);
}

proptest::proptest! {
    #[test]
    fn broken_certificates_never_panic(at in 0usize..400, byte in 0u8..=255, cut in 0usize..400) {
        static DER: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| der(&good()));
        let mut bytes = DER.clone();
        if let Some(slot) = bytes.get_mut(at) {
            *slot = byte;
        }
        let _ = both(&bytes, &dns("example.com"));
        let _ = both(bytes.get(..cut).unwrap_or(&bytes), &dns("example.com"));
    }
}

//! Loading what people wrote: manifests with mistakes, of every version, each repair told with its place.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;

use engine::api::convert::{Version, acme_config};
use engine::api::{Certificate, CertificateRequest, ClusterIssuer, Kind, Object, Order, Rules};
use engine::compat::{Compat, Served, V0_2, V0_5, V1_7, V1_21};
use engine::manifest::{Lenient, Options, RepairKind, load, load_lenient, load_with};
use proptest::prelude::*;

#[path = "../../scenarios/fuzz/harness/manifest.rs"]
mod harness;

fn data(path: &str) -> String {
    std::fs::read_to_string(Path::new("tests/data").join(path)).unwrap()
}

fn names(folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(Path::new("tests/data").join(folder)).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| format!("{folder}/{}", entry.unwrap().file_name().to_string_lossy())).collect();
    names.sort();
    names
}

fn lenient(text: &str) -> Lenient {
    load_lenient("a.yaml", text.as_bytes()).unwrap_or_else(|error| {
        let (_, line, column) = error.location();
        panic!("{line}:{column}: {error}")
    })
}

/// The repairs of a text as `line:column kind`.
fn kinds(text: &str) -> Vec<(usize, usize, RepairKind)> {
    lenient(text).repairs.iter().map(|repair| (repair.line, repair.column, repair.kind)).collect()
}

fn document(path: &str) -> Vec<Object> {
    lenient(&data(&format!("documents/{path}.yaml"))).objects
}

#[test]
fn every_manifest_of_the_documents_loads_and_its_repairs_are_told() {
    let mut told = String::new();
    for folder in ["001", "002", "003", "004"] {
        for path in names(&format!("documents/{folder}")) {
            let loaded = lenient(&data(&path));
            assert!(!loaded.objects.is_empty(), "{path}");
            let objects: Vec<String> =
                loaded.objects.iter().map(|object| format!("{} {}", object.kind(), object.key())).collect();
            told.push_str(&format!("{path}: {}\n", objects.join(", ")));
            for repair in &loaded.repairs {
                told.push_str(&format!("  {:?} {repair}\n", repair.kind));
            }
        }
    }
    insta::assert_snapshot!("documents", told);
}

#[test]
fn the_issuers_of_document_3_come_out_as_they_were_meant() {
    let objects = document("003/certificate-issuer");
    let prod = objects[0].get::<ClusterIssuer>().unwrap();
    assert_eq!(prod.spec.acme.as_ref().unwrap().server, "https://acme-v01.api.letsencrypt.org/directory");
    assert_eq!(objects[1].key().to_string(), "letsencrypt-staging");
    let staging = objects[1].get::<ClusterIssuer>().unwrap().spec.acme.clone().unwrap();
    assert_eq!(staging.private_key_secret_ref.name, "letsencrypt-staging");
    assert!(staging.solvers[0].http01.as_ref().unwrap().ingress.is_some());
}

#[test]
fn the_certificate_of_document_3_keeps_its_domains() {
    let objects = document("003/certificate-istio");
    let certificate = objects[0].get::<Certificate>().unwrap();
    assert_eq!(objects[0].key().to_string(), "istio-system/istio-ingress-certs");
    assert_eq!(certificate.spec.issuer_ref.kind, "ClusterIssuer");
    assert_eq!(certificate.spec.dns_names, ["www.mydomain.com", "mobile.mydomain.com"]);
    let config = acme_config(&certificate.metadata).unwrap().config;
    assert_eq!(config[0].domains, ["www.mydomain.com", "mobile.mydomain.com"]);
    assert_eq!(config[0].http01.as_ref().unwrap().ingress_class.as_deref(), Some("none"));
}

#[test]
fn the_request_of_document_4_asks_for_ninety_days_with_a_csr_that_is_none() {
    let objects = document("004/certificate-request");
    let spec = &objects[0].get::<CertificateRequest>().unwrap().spec;
    assert_eq!(spec.duration.unwrap().to_string(), "2160h0m0s");
    assert!(spec.request.as_str().unwrap().starts_with("LS0tLS1CRUdJTiBDRVJUSUZJQ0FUR ...."));
}

#[test]
fn the_order_of_document_1_is_read_in_its_own_group() {
    let objects = document("001/order");
    assert_eq!(objects[0].get::<Order>().unwrap().spec.common_name, "example.ssli.example.com");
}

const CERTIFICATE: &str = "\
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: a}
spec:
  secretName: s
  issuerRef: {name: i}
  dnsNames: [example.com]
";

#[test]
fn a_good_manifest_needs_no_repair() {
    let loaded = lenient(CERTIFICATE);
    assert_eq!((loaded.objects, loaded.repairs), (load("a.yaml", CERTIFICATE).unwrap(), Vec::new()));
    for path in names("kinds") {
        let text = data(&path);
        let loaded = lenient(&text);
        let noted: Vec<_> = loaded.repairs.iter().filter(|r| r.kind != RepairKind::Invalid).collect();
        assert_eq!((loaded.objects, noted), (load(&path, &text).unwrap(), Vec::new()), "{path}");
    }
}

#[test]
fn each_kind_of_mistake_is_mended_and_told_at_its_place() {
    for (from, to, repair) in [
        ("secretName", "secretNmae", (5, 3, RepairKind::Misspelt)),
        ("metadata", "meteadata", (3, 1, RepairKind::Misspelt)),
        ("apiVersion", "apiVerison", (1, 1, RepairKind::Misspelt)),
        ("kind: Certificate", "kind: Certficate", (2, 7, RepairKind::Misspelt)),
        ("cert-manager.io/v1", "acme.cert-manager.io/v1", (1, 13, RepairKind::WrongGroup)),
        ("cert-manager.io/v1", "cert-manager.io/v1alpha3", (1, 13, RepairKind::OldVersion)),
        ("{name: a}", "{name: a b}", (3, 18, RepairKind::Name)),
        ("secretName: s", "secretName: 7", (5, 15, RepairKind::Unquoted)),
        ("secretName: s", "secretName: s\n  duration: 90d", (6, 13, RepairKind::Duration)),
        ("secretName: s", "secretName: s\n  usages: [server aut]", (6, 12, RepairKind::Misspelt)),
        ("secretName: s", "secretName: s\n  somethingElse: 1", (6, 3, RepairKind::UnknownField)),
        ("secretName: s", "secretName: s # Ã¼ber", (5, 19, RepairKind::Encoding)),
        ("  secretName: s", "\tsecretName: s", (5, 1, RepairKind::Tab)),
        ("  dnsNames", "   dnsNames", (7, 1, RepairKind::Indentation)),
        ("[example.com]", "[]", (4, 1, RepairKind::Invalid)),
    ] {
        assert!(CERTIFICATE.contains(from), "{from}");
        let text = CERTIFICATE.replacen(from, to, 1);
        assert_eq!(kinds(&text), [repair], "{text}");
        assert!(load("a.yaml", &text).is_err() || repair.2 == RepairKind::Encoding, "{text}");
    }
    let issuer = "apiVersion: cert-manager.io/v1\nkind: ClusterIssuer\nmetadata: {name: a, namespace: b}\nspec: {selfSigned: {}}\n";
    assert_eq!(kinds(issuer), [(3, 32, RepairKind::Namespace)]);
    let text = format!(
        "{CERTIFICATE}---\napiVersion: apps/v1\nkind: ReplicationController\nmetadata: {{name: x}}\n"
    );
    assert_eq!(kinds(&text), [(10, 7, RepairKind::Skipped)]);
    let request = "apiVersion: cert-manager.io/v1\nkind: CertificateRequest\nmetadata: {name: a}\nspec: {issuerRef: {name: i}, request: ...}\n";
    assert_eq!(kinds(request), [(4, 39, RepairKind::NotBase64)]);
    let acme = "apiVersion: cert-manager.io/v1\nkind: Issuer\nmetadata: {name: a}\nspec: {acme: {server: 'https://acme-v01.api.letsencrypt.org/directory', privateKeySecretRef: {name: k}}}\n";
    assert_eq!(kinds(acme), [(4, 23, RepairKind::AcmeV1)]);
}

#[test]
fn bytes_that_are_no_text_are_replaced() {
    let mut bytes = CERTIFICATE.as_bytes().to_vec();
    bytes.extend(b"# \xe4\n");
    let loaded = load_lenient("a.yaml", &bytes).unwrap();
    assert_eq!(loaded.repairs[0].to_string(), "8:3: 1 characters were lost in another code page before");
}

#[test]
fn what_cannot_be_mended_is_an_error_with_a_place() {
    for (text, place) in [
        ("a: [", (1, 5)),
        ("- a", (1, 3)),
        ("kind: Certificate", (1, 1)),
        ("apiVersion: cert-manager.io/v1\nkind: Certificate\nspec: 7", (3, 7)),
        ("apiVersion: cert-manager.io/v1\nkind: Certificate\nspec: {}", (1, 1)),
    ] {
        let error = load_lenient("a.yaml", text.as_bytes()).unwrap_err();
        let (_, line, column) = error.location();
        assert_eq!((line, column), place, "{error}");
    }
}

fn one(api_version: &str, kind: &str) -> String {
    format!(
        "apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: a}}\nspec: {{secretName: s, issuerRef: {{name: i}}, commonName: c}}\n"
    )
}

#[test]
fn a_release_serves_its_versions_and_no_others() {
    let middle = Compat { served: Served::V1_0, ..V1_7 };
    for (compat, served) in [
        (V0_2, &[Version::V1Alpha1][..]),
        (V0_5, &[Version::V1Alpha1]),
        (middle, &[Version::V1Alpha2, Version::V1Alpha3, Version::V1Beta1, Version::V1]),
        (V1_7, &[Version::V1]),
        (V1_21, &[Version::V1]),
    ] {
        for version in Version::ALL {
            let api_version = version.api_version(Kind::Certificate);
            let text = one(&api_version, "Certificate");
            let loaded = load_with("a.yaml", &text, &Options::of(&compat));
            if served.contains(&version) {
                assert_eq!(loaded.unwrap()[0].kind(), Kind::Certificate);
            } else {
                let message = format!("no matches for kind \"Certificate\" in version {api_version:?}");
                assert_eq!(loaded.unwrap_err().to_string(), message);
            }
            let anyway = Options { convert: true, ..Options::of(&compat) };
            assert_eq!(load_with("a.yaml", &text, &anyway).unwrap().len(), 1);
        }
    }
    let error =
        load_with("a.yaml", &one("certmanager.k8s.io/v1alpha1", "Order"), &Options::of(&V0_5)).unwrap_err();
    assert_eq!(error.to_string(), r#"no matches for kind "Order" in version "certmanager.k8s.io/v1alpha1""#);
    assert_eq!(error.advice(), Some("this release has no Order"));
    let error = load("a.yaml", &one("cert-manager.io/v1", "Order")).unwrap_err();
    assert_eq!(error.to_string(), r#"no matches for kind "Order" in version "cert-manager.io/v1""#);
}

#[test]
fn the_manifests_of_document_3_are_what_a_cluster_of_2018_makes_of_them() {
    // The first document of the file: `srver` is dropped without a word.
    let text = data("documents/003/certificate-issuer.yaml");
    let first = text.split("---").next().unwrap();
    let objects = load_with("issuer.yaml", first, &Options::of(&V0_2)).unwrap();
    let acme = objects[0].get::<ClusterIssuer>().unwrap().spec.acme.clone().unwrap();
    assert_eq!((acme.server.as_str(), acme.email.as_str()), ("", "me@domain.com"));
    // Once the dedented line is mended, the blank in the name is seen.
    let second = text
        .split("---")
        .nth(1)
        .unwrap()
        .replace("\n    name: letsencrypt-staging", "\n       name: letsencrypt-staging");
    let error = load_with("issuer.yaml", &second, &Options::of(&V0_2)).unwrap_err();
    assert!(
        error.to_string().contains(r#"metadata.name: Invalid value: "letsencrypt -staging": "#),
        "{error}"
    );
    // A Certificate whose metadata is misspelt has no name.
    let text = data("documents/003/certificate-istio.yaml")
        .replace('\t', " ")
        .replace("\n   - mobile", "\n      - mobile");
    let error = load_with(
        "certificate.yaml",
        &text.replace("\n    - mobile", "\n      - mobile"),
        &Options::of(&V0_2),
    );
    assert_eq!(error.unwrap_err().to_string(), "resource name may not be empty");
}

#[test]
fn rules_of_the_release_are_those_that_are_told() {
    let text = "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: a}\nspec: {secretName: s, issuerRef: {name: i}}\n";
    for (compat, rules) in [(V1_7, Rules::V1_7), (V1_21, Rules::V1_21)] {
        let error = load_with("a.yaml", text, &Options::of(&compat)).unwrap_err();
        assert!(error.to_string().ends_with(rules.nameless), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_the_loaders_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        harness::run(&bytes);
    }

    #[test]
    fn no_damaged_manifest_makes_the_loaders_panic(
        sample in any::<prop::sample::Index>(),
        version in prop::sample::select(&Version::ALL[..]),
        cut in any::<prop::sample::Index>(),
        length in 0_usize..30,
        patch in "[-:?,\\[\\]{}#&*!|>'\" \n\tx1é]{0,4}",
    ) {
        let mut all = names("kinds");
        for folder in ["001", "002", "003", "004"] {
            all.extend(names(&format!("documents/{folder}")));
        }
        let text = data(&all[sample.index(all.len())]).replace("cert-manager.io/v1\n", &format!("cert-manager.io/{version}\n"));
        let mut chars: Vec<char> = text.chars().collect();
        let start = cut.index(chars.len());
        let end = (start + length).min(chars.len());
        chars.splice(start..end, patch.chars());
        harness::run(chars.into_iter().collect::<String>().as_bytes());
    }
}

//! The manifest loader against manifests as people write them: the ones of the project's documents, one of every
//! kind with every field, and a collection of mistakes.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use engine::api::{
    AcmeChallengeType, ByteString, Certificate, ClusterIssuer, ConditionStatus, KeyUsage, Kind, Object,
    Order, PrivateKeyAlgorithm, Resource, Secret, Service, State,
};
use engine::manifest::tree::{self, Node, Value};
use engine::manifest::{ManifestError, Source, load};
use miette::{GraphicalReportHandler, GraphicalTheme};
use proptest::prelude::*;

fn data(path: &str) -> String {
    std::fs::read_to_string(Path::new("tests/data").join(path)).unwrap()
}

/// The files of a folder, by name.
fn files(folder: &str) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(Path::new("tests/data").join(folder)).unwrap();
    entries
        .map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let text = data(&format!("{folder}/{name}"));
            (name, text)
        })
        .collect()
}

fn objects(path: &str) -> Vec<Object> {
    load(path, &data(path)).unwrap_or_else(|error| panic!("{}", draw(&error)))
}

fn draw(error: &ManifestError) -> String {
    let mut drawn = String::new();
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_width(110);
    handler.render_report(&mut drawn, error).unwrap();
    // Lines of the source may end in blanks, which editors and git do not like.
    drawn.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// The error of a file: message and place are checked here, the drawing is kept.
fn refused(path: &str, message: &str, line: usize, column: usize) {
    let error = load(path, &data(path)).unwrap_err();
    assert_eq!((error.to_string().as_str(), error.location()), (message, (path, line, column)));
    insta::assert_snapshot!(path.replace('/', "-").replace(".yaml", ""), draw(&error));
}

#[test]
fn document_1_loads_but_for_its_order() {
    let issuer: Arc<ClusterIssuer> = only("documents/001/cluster-issuer.yaml");
    let acme = issuer.spec.acme.as_ref().unwrap();
    assert_eq!(acme.server, "https://acme-v02.api.letsencrypt.org/directory");
    assert_eq!(acme.email, "youremail@example.com");
    assert_eq!(acme.private_key_secret_ref.name, "example-cluster-issuer-key");
    let ingress = acme.solvers[0].http01.as_ref().unwrap().ingress.as_ref().unwrap();
    assert_eq!(ingress.class.as_deref(), Some("nginx"));

    let certificate: Arc<Certificate> = only("documents/001/certificate.yaml");
    assert_eq!(certificate.metadata.namespace, "default");
    assert_eq!(certificate.spec.dns_names, ["example.ssli.example.com", "api.ssli.example.com"]);
    let key = certificate.spec.private_key.as_ref().unwrap();
    assert_eq!((key.algorithm, key.size), (Some(PrivateKeyAlgorithm::Rsa), 4096));

    let message = r#"no matches for kind "Order" in version "cert-manager.io/v1""#;
    refused("documents/001/order.yaml", message, 1, 13);
}

#[test]
fn document_2_loads() {
    let certificate: Arc<Certificate> = only("documents/002/certificate.yaml");
    assert_eq!(certificate.spec.usages, [KeyUsage::DigitalSignature, KeyUsage::KeyEncipherment]);
    assert_eq!(certificate.spec.issuer_ref.kind_or_default(), "Issuer");
    assert_eq!(certificate.status.conditions[0].status, ConditionStatus::True);
    assert_eq!(certificate.status.revision, Some(2));
    assert_eq!(certificate.status.renewal_time.unwrap().to_string(), "2022-07-06T12:40:37Z");

    let objects = objects("documents/002/certificate-request.yaml");
    assert_eq!(objects[0].key().to_string(), "cattle-system/tls-rancher-ingress-5j9mm");
    assert_eq!(objects[0].meta().resource_version, 20_868_343);
    assert_eq!(objects[0].meta().owner_references[0].controller, Some(true));

    let order: Arc<Order> = only("documents/002/order.yaml");
    assert_eq!(order.status.state, State::Valid);
    assert_eq!(order.status.authorizations[0].challenges.len(), 3);
    assert_eq!(order.status.authorizations[0].wildcard, Some(false));

    let wildcard: Arc<Certificate> = only("documents/002/wildcard-certificate.yaml");
    assert_eq!(wildcard.metadata.name, "ewhisper-crt");
    assert_eq!(wildcard.spec.dns_names, ["ewhisper.cn", "*.ewhisper.cn"]);
}

#[test]
fn document_2_as_printed_has_placeholders_and_an_excerpt() {
    let message = r#"status.certificate: Invalid value: "...": illegal base64 data at input byte 0"#;
    refused("documents/002/certificate-request-as-printed.yaml", message, 22, 5);
    refused("documents/002/order-as-printed.yaml", message, 31, 5);
    let message = concat!(
        r#"The Certificate "tls-rancher-ingress" is invalid: [spec.secretName: Required value: must be specified, "#,
        r#"spec.issuerRef.name: Required value: must be specified, spec: Invalid value: "": at least one of "#,
        "commonName, dnsNames, uris ipAddresses, or emailAddresses must be set]",
    );
    refused("documents/002/certificate-renewed.yaml", message, 1, 1);
}

#[test]
fn document_3_shows_what_is_wrong_with_it() {
    let message = "yaml: line 31: did not find expected key";
    refused("documents/003/certificate-issuer.yaml", message, 31, 5);
    let message = "yaml: line 9: found character that cannot start any token";
    refused("documents/003/certificate-istio.yaml", message, 9, 2);
    let message = r#"no matches for kind "Ingress" in version "extensions/v1beta1""#;
    refused("documents/003/certificate-ingress.yaml", message, 1, 13);
    refused("documents/003/helloworld.yaml", message, 31, 13);

    let services = objects("documents/003/certificate-services.yaml");
    let service = services[1].get::<Service>().unwrap();
    assert_eq!(service.key().to_string(), "istio-system/cert-manager-ingress-mobile");
    assert_eq!(service.spec.selector["certmanager.k8s.io/domain"], "mobile.mydomain.com");
}

/// Repairs one mistake after the other, in the order in which they are reported.
#[test]
fn document_3_can_be_repaired_step_by_step() {
    let mut text = data("documents/003/certificate-issuer.yaml");
    let mut steps = Vec::new();
    for (from, to) in [
        ("\n    name: letsencrypt-staging", "\n       name: letsencrypt-staging"),
        ("certmanager.k8s.io/v1alpha1", "cert-manager.io/v1"),
        ("srver", "server"),
        ("     http01: {}", "     solvers: [http01: {ingress: {}}]"),
        ("letsencrypt -staging", "letsencrypt-staging"),
    ] {
        let error = load("issuer.yaml", &text).unwrap_err();
        let (_, line, column) = error.location();
        steps.push(format!("{line}:{column}: {error}\n    {}\n", error.advice().unwrap_or("-")));
        text = text.replace(from, to);
    }
    insta::assert_snapshot!("document_3_step_by_step", steps.concat());
    let objects = load("issuer.yaml", &text).unwrap();
    assert_eq!(objects.len(), 2);
    // A cluster-scoped object has no namespace, whatever it says.
    assert_eq!(objects[1].key().to_string(), "letsencrypt-staging");
    assert_eq!(
        objects[1].get::<ClusterIssuer>().unwrap().spec.acme.as_ref().unwrap().email,
        "staging + me@domain.com"
    );
}

#[test]
fn document_4_is_not_yaml() {
    let message = "yaml: line 7: could not find expected ':'";
    refused("documents/004/certificate-request.yaml", message, 7, 3);
}

/// The only object of a file, of a known kind.
fn only<R: Resource>(path: &str) -> Arc<R> {
    match objects(path).as_slice() {
        [object] => Arc::clone(object.get::<R>().unwrap()),
        objects => panic!("{} objects", objects.len()),
    }
}

#[test]
fn every_kind_loads_and_every_field_survives() {
    let mut kinds = Vec::new();
    for name in files("kinds").into_keys() {
        let path = format!("kinds/{name}");
        let objects = objects(&path);
        let json: Vec<String> =
            objects.iter().map(|object| serde_json::to_string_pretty(&object.to_json()).unwrap()).collect();
        let text = json.join("\n---\n");
        assert_eq!(load(&path, &text).unwrap(), objects);
        insta::assert_snapshot!(path.replace('/', "-").replace(".yaml", ""), text);
        kinds.extend(objects.iter().map(Object::kind));
    }
    for kind in Kind::ALL {
        assert!(kinds.contains(kind), "no sample of {kind}");
    }
}

#[test]
fn mistakes_are_told_with_their_place() {
    for (name, text) in files("errors") {
        let error = load(&name, &text).map(|_| ()).unwrap_err();
        assert!(!error.to_string().contains(['\n', '\r', '\x1b', '\x07']), "{error}");
        let (_, line, column) = error.location();
        let report = format!("{line}:{column}: {error}\n\n{}", draw(&error));
        insta::assert_snapshot!(format!("error-{}", name.trim_end_matches(".yaml")), report);
    }
}

#[test]
fn documents_without_content_are_left_out() {
    for text in ["", "\n", "# nothing\n", "---\n---\n...\n", "--- ~\n", "\u{feff}# nothing"] {
        assert_eq!(load("a.yaml", text).unwrap(), [], "{text:?}");
    }
}

#[test]
fn a_field_that_is_null_is_absent_but_not_an_item() {
    let text = "
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: a, labels: ~}
spec: {secretName: s, issuerRef: {name: i, kind: null}, commonName: a, dnsNames: null, isCA:, duration: null}
status:
";
    let objects = load("a.yaml", text).unwrap();
    assert_eq!(objects[0].get::<Certificate>().unwrap().spec.dns_names, [""; 0]);
    let error = load("a.yaml", &text.replace("dnsNames: null", "dnsNames: [null]")).unwrap_err();
    let message =
        r#"spec.dnsNames[0]: Invalid value: "null": spec.dnsNames[0] in body must be of type string: "null""#;
    assert_eq!(error.to_string(), message);
}

#[test]
fn anchors_and_merges_are_resolved() {
    let text = "
apiVersion: v1
kind: Secret
metadata:
  name: a
  labels: &labels {app: web, tier: front}
  annotations:
    <<: [*labels, {tier: back, zone: one}]
    app: own
type: !!str 7
stringData: {n: \"1\"}
";
    let objects = load("a.yaml", text).unwrap();
    let secret = objects[0].get::<Secret>().unwrap();
    let annotations: Vec<(&str, &str)> =
        secret.metadata.annotations.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(annotations, [("app", "own"), ("tier", "front"), ("zone", "one")]);
    assert_eq!(secret.type_, "7");
}

/// Keys below which anything goes, so that a stranger among them is no mistake.
const FREE: &[&str] = &[
    "labels",
    "annotations",
    "data",
    "stringData",
    "matchLabels",
    "nodeSelector",
    "extra",
    "limits",
    "requests",
    "config",
    "affinity",
    "parentRefs",
    "managedFields",
    "volumeMounts",
    "valueFrom",
    "state",
];

/// Where a stranger can be put into a mapping, what it takes there, and the path it then has.
struct Spot {
    at: usize,
    text: String,
    path: String,
}

/// All mappings of known structure below a node.
fn spots(source: &Source, node: &Node, path: &str, spots: &mut Vec<Spot>) {
    match &node.value {
        Value::Mapping(entries) => {
            let path_of = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
            let flow = source.text()[node.span.start..].starts_with('{');
            let (at, text) = match entries.first() {
                None => (node.span.start + 1, "stranger: 1".to_owned()),
                Some(first) if flow => (first.key_span.start, "stranger: 1, ".to_owned()),
                Some(first) => {
                    let indent = source.line_column(first.key_span.start).1 - 1;
                    (first.key_span.start, format!("stranger: 1\n{}", " ".repeat(indent)))
                }
            };
            spots.push(Spot { at, text, path: path_of("stranger") });
            for entry in entries {
                // A solver's selector has a structure, a Service's has none.
                let free = FREE.contains(&entry.key.as_str()) || (path == "spec" && entry.key == "selector");
                if !free {
                    self::spots(source, &entry.value, &path_of(&entry.key), spots);
                }
            }
        }
        Value::Sequence(items) => {
            for (index, item) in items.iter().enumerate() {
                self::spots(source, item, &format!("{path}[{index}]"), spots);
            }
        }
        _ => {}
    }
}

#[test]
fn a_stranger_is_found_wherever_it_is_put() {
    let mut count = 0;
    let mut samples = files("kinds");
    for path in
        ["001/cluster-issuer", "001/certificate", "002/certificate", "002/order", "003/certificate-services"]
    {
        samples.insert(path.to_owned(), data(&format!("documents/{path}.yaml")));
    }
    for (name, text) in samples {
        let source = Source::new(&name, &text);
        for document in tree::parse(&source).unwrap() {
            let mut found = Vec::new();
            match document.get("items").map(|items| &items.value) {
                // Paths start at the object.
                Some(Value::Sequence(items)) => {
                    items.iter().for_each(|item| spots(&source, item, "", &mut found));
                }
                _ => spots(&source, &document, "", &mut found),
            }
            for spot in found {
                let mut mutated = text.clone();
                mutated.insert_str(spot.at, &spot.text);
                let error = load(&name, &mutated).map(|_| ()).expect_err(&mutated);
                let expected = format!("strict decoding error: unknown field \"{}\"", spot.path);
                let (line, column) = source.line_column(spot.at);
                let place = (name.as_str(), line, column);
                assert_eq!((error.to_string(), error.location()), (expected, place), "{}", draw(&error));
                count += 1;
            }
        }
    }
    assert!(count > 250, "{count} mutations");
}

/// A text that YAML might misread.
fn awkward() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "(?s:.{0,20})",
        "[ -~]{1,12}",
        "(yes|no|null|~|0x1f|1e3|1_000|2022-05-07|<<|- a|a: b|#|\\.\\.\\.|---|'|\"|\\\\|\u{85}|\u{2028}|\u{feff})",
    ]
}

fn name() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9]{0,10}(-[a-z0-9]{1,5})?"
}

prop_compose! {
    fn certificate()(
        name in name(),
        namespace in name(),
        annotations in prop::collection::btree_map(name(), awkward(), 0..4),
        common_name in awkward(),
        dns_names in prop::collection::vec("[a-z]{1,9}\\.example", 1..5),
        secs in prop::option::of(3600_u64..10_000_000),
        usages in prop::collection::vec(prop_oneof![Just(KeyUsage::SMime), Just(KeyUsage::Any)], 0..3),
        reason in awkward(),
        version in any::<u64>(),
        at in 0_i64..4_000_000_000,
    ) -> Object {
        let time = engine::api::Time::new(world::Timestamp::from_unix_secs(at));
        let mut object = Certificate::default();
        object.metadata.name = name.clone();
        object.metadata.namespace = namespace;
        object.metadata.annotations = annotations;
        object.metadata.resource_version = version;
        object.metadata.creation_timestamp = Some(time);
        object.spec.common_name = common_name.chars().take(12).collect();
        object.spec.dns_names = dns_names;
        object.spec.duration = secs.map(|secs| std::time::Duration::from_secs(secs).into());
        object.spec.usages = usages;
        object.spec.secret_name = name;
        object.spec.issuer_ref.name = reason.clone() + "x";
        object.status.conditions.push(engine::api::Condition {
            type_: "Ready".into(),
            status: ConditionStatus::False,
            last_transition_time: Some(time),
            message: reason.clone(),
            reason,
            ..Default::default()
        });
        object.into()
    }
}

prop_compose! {
    fn secret()(
        name in name(),
        data in prop::collection::btree_map("[-._a-zA-Z0-9]{1,8}", prop::collection::vec(any::<u8>(), 0..40), 0..4),
        string_data in prop::collection::btree_map("[-._a-zA-Z0-9]{1,8}", awkward(), 0..4),
    ) -> Object {
        let mut object = Secret::default();
        object.metadata.name = name;
        object.metadata.namespace = "sandbox".into();
        object.data = data.into_iter().map(|(key, bytes)| (key, ByteString(bytes))).collect();
        object.string_data = string_data;
        object.into()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn objects_survive_the_way_through_text(object in prop_oneof![certificate(), secret()]) {
        let json = object.to_json();
        for text in [json.to_string(), serde_json::to_string_pretty(&json).unwrap()] {
            let loaded = load("object.json", &text);
            prop_assert_eq!(loaded.map_err(|error| draw(&error)), Ok(vec![object.clone()]));
        }
    }

    #[test]
    fn no_text_makes_the_loader_panic(text in "(?s:.{0,80})") {
        let _ = load("a.yaml", &text).map_err(|error| draw(&error));
    }

    #[test]
    fn nothing_like_yaml_makes_the_loader_panic(
        text in "([a-c]|[-:?,\\[\\]{}#&*!|>'\"%@` \n\t\r.~<\u{85}\u{2028}\u{feff}]|é|: |- |\n  |\n---\n|<<: \\*a|&a |\\*a|\\.\\.\\.\n|!!int |!!str |\\? ){0,40}",
    ) {
        let _ = load("a.yaml", &text).map_err(|error| draw(&error));
    }

    #[test]
    fn no_damaged_manifest_makes_the_loader_panic(
        sample in 0_usize..4,
        cut in any::<prop::sample::Index>(),
        length in 0_usize..30,
        patch in "[-:?,\\[\\]{}#&*!|>'\" \n\tx1]{0,4}",
    ) {
        let (_, text) = files("kinds").into_iter().nth(sample).unwrap();
        let mut chars: Vec<char> = text.chars().collect();
        let start = cut.index(chars.len());
        let end = (start + length).min(chars.len());
        chars.splice(start..end, patch.chars());
        let text: String = chars.into_iter().collect();
        if let Err(error) = load("a.yaml", &text) {
            let (_, line, column) = error.location();
            prop_assert!(line >= 1 && line <= text.lines().count() + 1 && column >= 1);
            draw(&error);
        }
    }
}

#[test]
fn challenge_types_are_read_as_acme_writes_them_in_kubernetes() {
    let challenge = objects("kinds/acme.yaml").remove(1);
    let Object::Challenge(challenge) = challenge else { panic!("{}", challenge.kind()) };
    assert_eq!(challenge.spec.type_, AcmeChallengeType::Dns01);
    assert!(challenge.status.presented_at.is_some() && challenge.status.processing);
}

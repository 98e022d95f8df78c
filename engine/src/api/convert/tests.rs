//! What each version can say survives the way there and back, and the field moves one by one.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{CONVERSION_DATA, Version, acme_config, acme_issuer_config, from_v1, offer_solvers};
use crate::api::{Certificate, ClusterIssuer, Issuer, Kind, Object};
use crate::manifest::{Options, load_with};

const ANY: Options = {
    let served = crate::compat::Served::V1_7;
    Options { served, convert: true, prune: false, rules: None }
};

/// A manifest of any version, as `v1`.
fn up(manifest: &Json) -> Object {
    let mut objects = load_with("object.json", &manifest.to_string(), &ANY)
        .unwrap_or_else(|error| panic!("{error} in {manifest}"));
    assert_eq!(objects.len(), 1);
    objects.remove(0)
}

fn old(version: Version, kind: Kind, fields: &Json) -> Json {
    let mut json = json!({
        "apiVersion": version.api_version(kind),
        "kind": kind.as_str(),
        "metadata": {"name": "a", "namespace": "b"},
    });
    for (key, value) in fields.as_object().unwrap() {
        json[key] = value.clone();
    }
    json
}

const OLD: [Version; 4] = [Version::V1Alpha1, Version::V1Alpha2, Version::V1Alpha3, Version::V1Beta1];

#[test]
fn fields_move_as_the_table_of_versions_says() {
    use Version::{V1Alpha1, V1Alpha2, V1Alpha3, V1Beta1};
    let solver = |name: &str| json!([{"dns01": {name: {"host": "h", "accountSecretRef": {"name": "n"}}}}]);
    let acme = |name: &str| json!({"acme": {"server": "s", "privateKeySecretRef": {"name": "k"}, "solvers": solver(name)}});
    let rows: [(Kind, &[Version], Json, &str, Json); 13] = [
        (
            Kind::Certificate,
            &[V1Alpha1, V1Alpha2],
            json!({"organization": ["o"]}),
            "/spec/subject/organizations",
            json!(["o"]),
        ),
        (
            Kind::Certificate,
            &[V1Alpha1, V1Alpha2, V1Alpha3],
            json!({"keySize": 384}),
            "/spec/privateKey/size",
            json!(384),
        ),
        (
            Kind::Certificate,
            &[V1Alpha1, V1Alpha2, V1Alpha3],
            json!({"keyAlgorithm": "ecdsa"}),
            "/spec/privateKey/algorithm",
            json!("ECDSA"),
        ),
        (
            Kind::Certificate,
            &[V1Alpha1, V1Alpha2, V1Alpha3],
            json!({"keyEncoding": "pkcs8"}),
            "/spec/privateKey/encoding",
            json!("PKCS8"),
        ),
        (
            Kind::Certificate,
            &[V1Alpha2, V1Alpha3, V1Beta1],
            json!({"uriSANs": ["u"]}),
            "/spec/uris",
            json!(["u"]),
        ),
        (
            Kind::Certificate,
            &[V1Alpha2, V1Alpha3, V1Beta1],
            json!({"emailSANs": ["e"]}),
            "/spec/emailAddresses",
            json!(["e"]),
        ),
        (
            Kind::CertificateRequest,
            &[V1Alpha1, V1Alpha2, V1Alpha3],
            json!({"csr": "eA=="}),
            "/spec/request",
            json!("eA=="),
        ),
        (
            Kind::Order,
            &[V1Alpha1, V1Alpha2, V1Alpha3],
            json!({"csr": "eA=="}),
            "/spec/request",
            json!("eA=="),
        ),
        (
            Kind::Challenge,
            &[V1Alpha1, V1Alpha2, V1Alpha3],
            json!({"authzURL": "z"}),
            "/spec/authorizationURL",
            json!("z"),
        ),
        (
            Kind::Challenge,
            &[V1Alpha1, V1Alpha2, V1Alpha3],
            json!({"type": "dns-01"}),
            "/spec/type",
            json!("DNS-01"),
        ),
        (
            Kind::Issuer,
            &[V1Alpha1, V1Alpha2, V1Alpha3],
            acme("acmedns"),
            "/spec/acme/solvers",
            solver("acmeDNS"),
        ),
        (
            Kind::Certificate,
            &[V1Alpha1],
            json!({"issuerRef": {"name": "i", "group": "certmanager.k8s.io"}}),
            "/spec/issuerRef/group",
            json!("cert-manager.io"),
        ),
        (
            Kind::Certificate,
            &[V1Beta1],
            json!({"privateKey": {"size": 384}}),
            "/spec/privateKey/size",
            json!(384),
        ),
    ];
    for (kind, versions, spec, pointer, value) in rows {
        for version in versions {
            let object = up(&old(*version, kind, &json!({ "spec": spec })));
            let found = object.to_json();
            assert_eq!(found.pointer(pointer), Some(&value), "{version} {kind} {pointer}: {found}");
            // And back.
            let back = from_v1(&object, *version);
            assert_eq!(up(&back.json), object, "{version} {}", back.json);
            for key in spec.as_object().unwrap().keys() {
                assert!(back.json["spec"].get(key).is_some(), "{version} {key}: {}", back.json);
            }
        }
    }
}

#[test]
fn a_name_of_v1_means_nothing_in_an_older_version() {
    let spec = json!({"uris": ["u"], "privateKey": {"size": 384, "rotationPolicy": "Always"}, "renewal": {}, "nonsense": 1});
    let object = up(&old(Version::V1Alpha2, Kind::Certificate, &json!({ "spec": spec })));
    let spec = &object.get::<Certificate>().unwrap().spec;
    assert_eq!(spec.uris, [""; 0]);
    assert_eq!(spec.renewal, None);
    let key = spec.private_key.as_ref().unwrap();
    assert_eq!((key.size, key.rotation_policy.is_some()), (0, true));
    // `v1` is strict.
    let text = old(Version::V1, Kind::Certificate, &json!({ "spec": {"nonsense": 1} })).to_string();
    let error = load_with("a.json", &text, &ANY).unwrap_err();
    assert_eq!(error.to_string(), r#"strict decoding error: unknown field "spec.nonsense""#);
    let pruned = load_with("a.json", &text, &Options { prune: true, ..ANY }).unwrap();
    assert_eq!(pruned.len(), 1);
}

fn issuer_of_0_5() -> Json {
    json!({
        "apiVersion": "certmanager.k8s.io/v1alpha1",
        "kind": "ClusterIssuer",
        "metadata": {"name": "le"},
        "spec": {"acme": {
            "server": "https://ca/directory", "email": "me@example.com", "privateKeySecretRef": {"name": "le"},
            "http01": {},
            "dns01": {"providers": [
                {"name": "prod-dns", "clouddns": {"project": "p", "serviceAccountSecretRef": {"name": "n", "key": "k"}}},
                {"name": "acme-dns", "acmedns": {"host": "h", "accountSecretRef": {"name": "n", "key": "k"}}},
            ]},
        }},
    })
}

fn certificate_of_0_5() -> Json {
    old(
        Version::V1Alpha1,
        Kind::Certificate,
        &json!({"spec": {
            "secretName": "s", "issuerRef": {"name": "le", "kind": "ClusterIssuer"},
            "dnsNames": ["www.example.com", "*.example.com", "other.example.com"],
            "acme": {"config": [
                {"domains": ["www.example.com"], "http01": {"ingressClass": "nginx"}},
                {"domains": ["*.example.com"], "dns01": {"provider": "acme-dns"}},
                {"domains": ["other.example.com"], "dns01": {"provider": "missing"}},
            ]},
        }}),
    )
}

#[test]
fn the_ways_of_an_old_issuer_become_solvers_and_are_kept() {
    let object = up(&issuer_of_0_5());
    let issuer = object.get::<ClusterIssuer>().unwrap();
    let solvers = serde_json::to_value(&issuer.spec.acme.as_ref().unwrap().solvers).unwrap();
    assert_eq!(
        solvers,
        json!([
            {"http01": {"ingress": {}}},
            {"dns01": {"cloudDNS": {"project": "p", "serviceAccountSecretRef": {"name": "n", "key": "k"}}}},
            {"dns01": {"acmeDNS": {"host": "h", "accountSecretRef": {"name": "n", "key": "k"}}}},
        ])
    );
    let ways = acme_issuer_config(object.meta()).unwrap();
    assert_eq!(ways.http01, Some(None));
    assert_eq!(ways.providers.keys().collect::<Vec<_>>(), ["acme-dns", "prod-dns"]);
    assert_eq!(ways.providers["acme-dns"].acme_dns.as_ref().unwrap().host, "h");
    assert_eq!(from_v1(&object, Version::V1Alpha1).json["spec"], issuer_of_0_5()["spec"]);
}

#[test]
fn the_domains_of_an_old_certificate_are_kept_and_offered_as_selectors() {
    let certificate = up(&certificate_of_0_5());
    let config = acme_config(certificate.meta()).unwrap().config;
    assert_eq!(config[0].http01.as_ref().unwrap().ingress_class.as_deref(), Some("nginx"));
    assert_eq!(config[1].dns01.as_ref().unwrap().provider, "acme-dns");
    assert_eq!(from_v1(&certificate, Version::V1Alpha1).json["spec"], certificate_of_0_5()["spec"]);

    let mut objects = [up(&issuer_of_0_5()), certificate];
    offer_solvers(&mut objects);
    offer_solvers(&mut objects);
    let solvers = &objects[0].get::<ClusterIssuer>().unwrap().spec.acme.as_ref().unwrap().solvers;
    let offered = serde_json::to_value(&solvers[3..]).unwrap();
    assert_eq!(
        offered,
        json!([
            {"selector": {"dnsNames": ["www.example.com"]}, "http01": {"ingress": {"class": "nginx"}}},
            {"selector": {"dnsNames": ["*.example.com"]},
             "dns01": {"acmeDNS": {"host": "h", "accountSecretRef": {"name": "n", "key": "k"}}}},
        ])
    );
}

#[test]
fn what_an_old_version_cannot_say_is_named() {
    let spec =
        json!({"secretName": "s", "issuerRef": {"name": "i"}, "renewBeforePercentage": 30, "uris": ["u"]});
    let object = up(&old(Version::V1, Kind::Certificate, &json!({ "spec": spec })));
    assert_eq!(from_v1(&object, Version::V1Beta1).lost, ["spec.renewBeforePercentage"]);
    assert_eq!(from_v1(&object, Version::V1Alpha1).lost, ["spec.renewBeforePercentage", "spec.uris"]);
    let secret = Object::from(crate::api::Secret::default());
    assert_eq!(from_v1(&secret, Version::V1Alpha1).json, secret.to_json());
}

#[test]
fn damaged_conversion_data_is_nothing() {
    let mut issuer = Issuer::default();
    for text in
        ["", "{", "7", "[]", r#"{"http01": 7, "dns01": [1]}"#, r#"{"dns01":{"providers":[{"name":1}]}}"#]
    {
        issuer.metadata.annotations.insert(CONVERSION_DATA.into(), text.into());
        let mut objects = [Object::from(issuer.clone())];
        offer_solvers(&mut objects);
        assert_eq!(objects[0], Object::from(issuer.clone()));
        from_v1(&objects[0], Version::V1Alpha1);
    }
}

fn words() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[a-z]{1,6}", 1..3)
}

/// Some fields of a specification, with values; each is there or not.
fn some_of(fields: Vec<(&'static str, BoxedStrategy<Json>)>) -> BoxedStrategy<Json> {
    let fields: Vec<_> = fields
        .into_iter()
        .map(|(name, value)| prop::option::of(value).prop_map(move |value| value.map(|value| (name, value))))
        .collect();
    fields
        .prop_map(|fields| {
            Json::Object(fields.into_iter().flatten().map(|(k, v)| (k.to_owned(), v)).collect())
        })
        .boxed()
}

fn list() -> BoxedStrategy<Json> {
    words().prop_map(Json::from).boxed()
}

fn text() -> BoxedStrategy<Json> {
    "[a-z]{1,8}".prop_map(Json::from).boxed()
}

fn one_of(words: &'static [&'static str]) -> BoxedStrategy<Json> {
    prop::sample::select(words).prop_map(Json::from).boxed()
}

fn flag() -> BoxedStrategy<Json> {
    Just(json!(true)).boxed()
}

/// `v1` objects with the fields that all old versions can say one way or another.
fn sayable() -> BoxedStrategy<(Kind, Json)> {
    let key = || {
        some_of(vec![
            ("size", (2048_u32..4096).prop_map(Json::from).boxed()),
            ("algorithm", one_of(&["RSA", "ECDSA", "Ed25519"])),
            ("encoding", one_of(&["PKCS1", "PKCS8"])),
        ])
    };
    let issuer = || {
        text()
            .prop_map(|name| json!({"name": name, "kind": "ClusterIssuer", "group": "cert-manager.io"}))
            .boxed()
    };
    let subject = list().prop_map(|names| json!({ "organizations": names })).boxed();
    let nonempty = |strategy: BoxedStrategy<Json>| {
        strategy.prop_filter("a mapping with something in it", |json| json != &json!({})).boxed()
    };
    let certificate = some_of(vec![
        ("subject", subject),
        ("commonName", text()),
        ("duration", Just(json!("2160h0m0s")).boxed()),
        ("dnsNames", list()),
        ("secretName", text()),
        ("issuerRef", issuer()),
        ("isCA", flag()),
        ("usages", Just(json!(["signing", "server auth"])).boxed()),
        ("privateKey", nonempty(key())),
    ]);
    let provider = prop_oneof![
        Just(json!({"cloudDNS": {"project": "p"}})),
        Just(json!({"azureDNS": {"subscriptionID": "s", "resourceGroupName": "r"}})),
        Just(json!({"acmeDNS": {"host": "h", "accountSecretRef": {"name": "n"}}})),
        Just(json!({"rfc2136": {"nameserver": "ns", "tsigSecretSecretRef": {"name": "n"}}})),
    ];
    let solver = prop_oneof![
        provider.prop_map(|provider| json!({ "dns01": provider })),
        text().prop_map(|class| json!({"http01": {"ingress": {"class": class}}})),
    ];
    let solvers = prop::collection::vec(solver.clone(), 1..4).prop_map(Json::from).boxed();
    let acme = some_of(vec![
        ("email", text()),
        ("server", text()),
        ("skipTLSVerify", flag()),
        ("privateKeySecretRef", text().prop_map(|name| json!({ "name": name })).boxed()),
        ("solvers", solvers),
    ]);
    let order = some_of(vec![
        ("request", Just(json!("eA==")).boxed()),
        ("issuerRef", issuer()),
        ("commonName", text()),
        ("dnsNames", list()),
    ]);
    let challenge = some_of(vec![
        ("url", text()),
        ("authorizationURL", text()),
        ("dnsName", text()),
        ("type", one_of(&["HTTP-01", "DNS-01"])),
        ("token", text()),
        ("key", text()),
        ("solver", solver.boxed()),
        ("issuerRef", issuer()),
    ]);
    let request =
        some_of(vec![("request", Just(json!("eA==")).boxed()), ("issuerRef", issuer()), ("isCA", flag())]);
    prop_oneof![
        certificate.prop_map(|spec| (Kind::Certificate, spec)),
        request.prop_map(|spec| (Kind::CertificateRequest, spec)),
        acme.prop_map(|acme| (Kind::Issuer, json!({ "acme": acme }))),
        order.prop_map(|spec| (Kind::Order, spec)),
        challenge.prop_map(|spec| (Kind::Challenge, spec)),
    ]
    .boxed()
}

/// Further fields of Certificates, with the first version that can say them.
fn more() -> impl Strategy<Value = (Version, Json)> {
    prop_oneof![
        list().prop_map(|uris| (Version::V1Alpha2, json!({ "uris": uris }))),
        list().prop_map(|emails| (Version::V1Alpha2, json!({ "emailAddresses": emails }))),
        Just((Version::V1Alpha2, json!({"revisionHistoryLimit": 3}))),
        Just((Version::V1Alpha2, json!({"privateKey": {"rotationPolicy": "Always", "size": 2048}}))),
        Just((Version::V1Alpha2, json!({"subject": {"organizations": ["o"], "countries": ["DE"]}}))),
        Just((Version::V1, json!({"literalSubject": "CN=x"}))),
        Just((Version::V1, json!({"otherNames": [{"oid": "1.2", "utf8Value": "x"}]}))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_a_version_can_say_survives_the_way_there_and_back((kind, spec) in sayable()) {
        let object = up(&old(Version::V1, kind, &json!({ "spec": spec })));
        for version in OLD {
            let there = from_v1(&object, version);
            prop_assert_eq!(&there.lost, &Vec::<String>::new());
            prop_assert_eq!(&there.json["apiVersion"], &json!(version.api_version(kind)));
            prop_assert_eq!(&up(&there.json), &object, "{} {}", version, there.json);
        }
    }

    #[test]
    fn a_field_is_lost_only_where_the_version_does_not_have_it((since, spec) in more()) {
        let object = up(&old(Version::V1, Kind::Certificate, &json!({ "spec": spec })));
        for version in OLD {
            let there = from_v1(&object, version);
            let back = up(&there.json);
            prop_assert_eq!(there.lost.is_empty(), version >= since, "{} {:?}", version, there.lost);
            prop_assert_eq!(back == object, version >= since);
            // What is left is not lost any more.
            prop_assert_eq!(up(&from_v1(&back, version).json), back);
        }
    }
}

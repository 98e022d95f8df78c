//! What validation says about objects that are wrong in one way, and about changes.

use serde_json::{Value, json};

use super::{validate, validate_update};
use crate::api::{Certificate, CertificateRequest, Challenge, Kind, Object, Order, Secret};

fn object(kind: Kind, json: Value) -> Object {
    Object::deserialize_as(kind, json).unwrap()
}

fn errors(kind: Kind, mut json: Value) -> Vec<String> {
    json["metadata"] = match kind.is_namespaced() {
        true => json!({"name": "a", "namespace": "b"}),
        false => json!({"name": "a"}),
    };
    validate(&object(kind, json)).iter().map(ToString::to_string).collect()
}

/// A valid Certificate with some other fields.
fn certificate(fields: Value) -> Vec<String> {
    let mut spec = json!({"secretName": "s", "issuerRef": {"name": "i"}, "dnsNames": ["example.com"]});
    for (key, value) in fields.as_object().unwrap() {
        spec[key] = value.clone();
    }
    errors(Kind::Certificate, json!({ "spec": spec }))
}

#[test]
fn certificates() {
    assert_eq!(certificate(json!({})), [""; 0]);
    for (fields, error) in [
        (json!({"secretName": ""}), "spec.secretName: Required value: must be specified"),
        (json!({"issuerRef": {"name": ""}}), "spec.issuerRef.name: Required value: must be specified"),
        (
            json!({"issuerRef": {"name": "i", "kind": "Isuer"}}),
            r#"spec.issuerRef.kind: Invalid value: "Isuer": must be one of Issuer or ClusterIssuer"#,
        ),
        (
            json!({"dnsNames": []}),
            r#"spec: Invalid value: "": at least one of commonName, dnsNames, uris ipAddresses, or emailAddresses must be set"#,
        ),
        (json!({"commonName": "x".repeat(65)}), "spec.commonName: Too long: must have at most 64 bytes"),
        (
            json!({"ipAddresses": ["::1", "1.2.3"]}),
            r#"spec.ipAddresses[1]: Invalid value: "1.2.3": invalid IP address"#,
        ),
        (
            json!({"emailAddresses": ["Me <me@example.com>"]}),
            r#"spec.emailAddresses[0]: Invalid value: "Me <me@example.com>": invalid email address"#,
        ),
        (
            json!({"duration": "59m"}),
            "spec.duration: Invalid value: 59m0s: certificate duration must be greater than 1h0m0s",
        ),
        (
            json!({"renewBefore": "4m"}),
            "spec.renewBefore: Invalid value: 4m0s: certificate renewBefore must be greater than 5m0s",
        ),
        (
            json!({"renewBefore": "2160h"}),
            "spec.renewBefore: Invalid value: 2160h0m0s: certificate duration 2160h0m0s must be greater than \
             renewBefore 2160h0m0s",
        ),
        (
            json!({"renewBeforePercentage": 100}),
            "spec.renewBeforePercentage: Invalid value: 100: must be in the range 1 - 99",
        ),
        (
            json!({"privateKey": {"size": 1024}}),
            "spec.privateKey.size: Invalid value: 1024: must be between 2048 and 8192 for algorithm RSA",
        ),
        (
            json!({"privateKey": {"algorithm": "ECDSA", "size": 255}}),
            r#"spec.privateKey.size: Unsupported value: 255: supported values: "256", "384", "521""#,
        ),
        (
            json!({"signatureAlgorithm": "PureEd25519"}),
            r#"spec.signatureAlgorithm: Invalid value: "PureEd25519": needs a private key of algorithm Ed25519, not RSA"#,
        ),
        (
            json!({"revisionHistoryLimit": 0}),
            "spec.revisionHistoryLimit: Invalid value: 0: must not be less than 1",
        ),
        (
            json!({"secretTemplate": {"annotations": {"cert-manager.io/x": ""}}}),
            r#"spec.secretTemplate.annotations[cert-manager.io/x]: Invalid value: "cert-manager.io/x": cert-manager.io/* annotations are not allowed"#,
        ),
        (
            json!({"additionalOutputFormats": [{"type": "DER"}, {"type": "DER"}]}),
            r#"spec.additionalOutputFormats[1].type: Duplicate value: "DER""#,
        ),
        (
            json!({"keystores": {"jks": {"create": true}}}),
            "spec.keystores.jks.passwordSecretRef.name: Required value: a key store needs a password",
        ),
    ] {
        assert_eq!(certificate(fields), [error]);
    }
}

#[test]
fn issuers() {
    let acme = |solver: Value| {
        let acme = json!({"server": "https://ca", "privateKeySecretRef": {"name": "k"}, "solvers": [solver]});
        json!({ "spec": { "acme": acme } })
    };
    for (issuer, error) in [
        (json!({"spec": {}}), "spec: Required value: at least one issuer must be configured"),
        (
            json!({"spec": {"ca": {"secretName": "s"}, "selfSigned": {}}}),
            "spec.selfSigned: Forbidden: may not specify more than one issuer type",
        ),
        (json!({"spec": {"ca": {}}}), "spec.ca.secretName: Required value"),
        (
            json!({"spec": {"acme": {"server": "https://ca"}}}),
            "spec.acme.privateKeySecretRef.name: Required value: private key secret name is a required field",
        ),
        (acme(json!({})), "spec.acme.solvers[0]: Required value: no solver type configured"),
        (
            acme(json!({"http01": {}})),
            "spec.acme.solvers[0].http01: Required value: no HTTP01 solver type configured",
        ),
        (
            acme(json!({"dns01": {}})),
            "spec.acme.solvers[0].dns01: Required value: no DNS01 provider configured",
        ),
        (
            acme(json!({"http01": {"ingress": {"class": "nginx", "name": "web"}}})),
            "spec.acme.solvers[0].http01.ingress: Forbidden: only one of 'ingressClassName', 'name' or 'class' \
             should be specified",
        ),
        (
            acme(json!({"http01": {"ingress": {"serviceType": "LoadBalancer"}}})),
            r#"spec.acme.solvers[0].http01.ingress.serviceType: Invalid value: "LoadBalancer": optional field serviceType must be one of ["" "ClusterIP" "NodePort"]"#,
        ),
        (
            acme(json!({"dns01": {"rfc2136": {}}})),
            "spec.acme.solvers[0].dns01.rfc2136.nameserver: Required value",
        ),
        (
            json!({"spec": {"vault": {"server": "https://v", "path": "p"}}}),
            "spec.vault.auth: Required value: please supply one of: appRole, kubernetes, tokenSecretRef, \
             clientCertificate",
        ),
    ] {
        assert_eq!(errors(Kind::ClusterIssuer, issuer), [error]);
    }
    for (nameserver, good) in [
        ("192.0.2.1", true),
        ("192.0.2.1:53", true),
        ("ns.example.com:53", true),
        ("[::1]:53", true),
        ("[::1]", true),
        (":53", false),
        ("ns:99999", false),
        ("::1", false),
        ("[::1", false),
        ("a b", false),
    ] {
        let issuer = acme(json!({"dns01": {"rfc2136": {"nameserver": nameserver}}}));
        assert_eq!(errors(Kind::Issuer, issuer).is_empty(), good, "{nameserver}");
    }
}

#[test]
fn requests_are_approved_or_denied() {
    let request = |conditions: Value| {
        let spec = json!({"request": "Y3Ny", "issuerRef": {"name": "i"}});
        errors(Kind::CertificateRequest, json!({"spec": spec, "status": {"conditions": conditions}}))
    };
    let condition = |type_: &str, status: &str| json!({"type": type_, "status": status});
    assert_eq!(request(json!([condition("Approved", "True"), condition("Ready", "False")])), [""; 0]);
    assert_eq!(
        request(json!([condition("Approved", "True"), condition("Denied", "True")])),
        ["status.conditions: Forbidden: both 'Denied' and 'Approved' conditions cannot coexist"]
    );
    assert_eq!(
        request(json!([condition("Denied", "False")])),
        [
            r#"status.conditions[0].status: Invalid value: "False": "Denied" condition may only be set to True"#
        ]
    );
}

#[test]
fn metadata() {
    for (kind, metadata, path) in [
        (Kind::Secret, json!({"name": "a"}), "metadata.namespace"),
        (Kind::Secret, json!({"name": "a", "namespace": "a.b"}), "metadata.namespace"),
        (Kind::ClusterIssuer, json!({"name": "a", "namespace": "b"}), "metadata.namespace"),
        (Kind::Secret, json!({"namespace": "b"}), "metadata.name"),
        (Kind::Secret, json!({"name": "a_b", "namespace": "b"}), "metadata.name"),
        (Kind::Secret, json!({"name": "a..b", "namespace": "b"}), "metadata.name"),
        (Kind::Secret, json!({"name": "a".repeat(254), "namespace": "b"}), "metadata.name"),
        (Kind::Service, json!({"name": "a.b", "namespace": "b"}), "metadata.name"),
        (Kind::Secret, json!({"generateName": "A-", "namespace": "b"}), "metadata.generateName"),
        (
            Kind::Secret,
            json!({"name": "a", "namespace": "b", "labels": {"a/b/c": ""}}),
            "metadata.labels[a/b/c]",
        ),
        (Kind::Secret, json!({"name": "a", "namespace": "b", "labels": {"a": "-"}}), "metadata.labels[a]"),
        (
            Kind::Secret,
            json!({"name": "a", "namespace": "b", "annotations": {"/a": ""}}),
            "metadata.annotations[/a]",
        ),
        (
            Kind::Secret,
            json!({"name": "a", "namespace": "b", "annotations": {"a": "x".repeat(300_000)}}),
            "metadata.annotations",
        ),
    ] {
        let found = validate(&object(kind, json!({ "metadata": metadata })));
        let paths: Vec<&str> = found.iter().map(|error| error.path.as_str()).collect();
        assert!(paths.contains(&path), "{path}: {found:?}");
    }
    let fine =
        json!({"generateName": "a-", "namespace": "b", "labels": {"app.kubernetes.io/x_Y.z": "A.b_c"}});
    assert_eq!(validate(&object(Kind::Secret, json!({ "metadata": fine }))), []);
}

#[test]
fn what_was_decided_stays() {
    let texts = |old: Object, new: Object| -> Vec<String> {
        validate_update(&old, &new).iter().map(ToString::to_string).collect()
    };
    let request = CertificateRequest::default();
    let mut other = request.clone();
    other.spec.is_ca = true;
    other.metadata.annotations.insert("cert-manager.io/certificate-revision".into(), "3".into());
    other.metadata.annotations.insert("example.com/note".into(), "free".into());
    assert_eq!(
        texts(request.into(), other.into()),
        [
            "spec: Forbidden: cannot change spec after creation",
            "metadata.annotations[cert-manager.io/certificate-revision]: Forbidden: cannot change cert-manager \
             annotation after creation",
        ]
    );

    let mut order = Order::default();
    let mut other = order.clone();
    other.status.url = "https://ca/order/1".into();
    assert_eq!(texts(order.clone().into(), other.clone().into()), [""; 0]);
    order.status.url = "https://ca/order/2".into();
    assert_eq!(texts(order.into(), other.into()), ["status.url: Forbidden: field is immutable once set"]);

    let challenge = Challenge::default();
    let mut other = challenge.clone();
    other.status.processing = true;
    assert_eq!(texts(challenge.clone().into(), other.clone().into()), [""; 0]);
    other.spec.token = "t".into();
    assert_eq!(
        texts(challenge.into(), other.into()),
        ["spec: Forbidden: challenge spec is immutable after creation"]
    );

    let secret = Secret { type_: "Opaque".into(), ..Secret::default() };
    let other = Secret { type_: "kubernetes.io/tls".into(), ..Secret::default() };
    assert_eq!(
        texts(secret.into(), other.into()),
        [r#"type: Invalid value: "kubernetes.io/tls": field is immutable"#]
    );
    assert_eq!(texts(Certificate::default().into(), Certificate::default().into()), [""; 0]);
}

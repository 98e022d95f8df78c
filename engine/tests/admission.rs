//! Admission at the store: what a release's API server fills in and refuses, whoever writes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::admission::{Admission, Approvers, Grant, Identity};
use engine::api::{
    Certificate, CertificateRequest, Challenge, Condition, ConditionStatus, Issuer, KeyUsage, Object, Order,
    Resource, Secret, Service, ServicePort,
};
use engine::client::{Client, NoDelay};
use engine::compat::{Compat, V0_5, V1_7, V1_16, V1_21};
use engine::pki;
use engine::store::{ApiError, Names, Store};
use serde_json::{Value, json};
use world::sim::{self, Config};
use world::{KeyAlgorithm, World};

fn user(name: &str, groups: &[&str]) -> Identity {
    let groups = groups.iter().map(|group| (*group).to_owned()).collect();
    let extra = BTreeMap::from([("pod".to_owned(), vec!["p".to_owned()])]);
    Identity { username: name.into(), uid: format!("uid of {name}"), groups, extra }
}

/// A store of a release in a world of its own.
fn with_store(compat: Compat, approvers: Approvers, test: impl FnOnce(&World, Store) + Send + 'static) {
    sim::run(Config::default(), |world| async move {
        let names = Names::new(world.rng("names"), BTreeMap::new());
        let admission = Admission::new(&compat).with_approvers(approvers);
        test(&world, Store::new(&world, names, 1).with_admission(admission));
    })
    .unwrap();
}

fn of<R: Resource>(fields: Value) -> R {
    let mut object: R = serde_json::from_value(fields).unwrap();
    let meta = object.meta_mut();
    if meta.name.is_empty() {
        meta.name = "a".into();
    }
    if R::KIND.is_namespaced() {
        meta.namespace = "b".into();
    }
    object
}

fn object<R: Resource>(fields: Value) -> Object {
    Arc::new(of::<R>(fields)).into_object()
}

fn certificate(spec: Value) -> Object {
    let mut fields = json!({"secretName": "s", "issuerRef": {"name": "i"}, "dnsNames": ["example.com"]});
    for (key, value) in spec.as_object().unwrap() {
        fields[key] = value.clone();
    }
    object::<Certificate>(json!({ "spec": fields }))
}

/// A CSR for a server certificate.
fn csr(world: &World) -> String {
    let key = world.keys("csr").generate(KeyAlgorithm::EcdsaP256).unwrap();
    let certificate = certificate(json!({}));
    pki::make_request(certificate.get::<Certificate>().unwrap(), &key, &engine::compat::V1_21.features)
        .unwrap()
}

fn request(csr: &str) -> CertificateRequest {
    let mut request: CertificateRequest = of(json!({"spec": {"issuerRef": {"name": "i"}}}));
    request.spec.request = csr.into();
    request
}

fn decided(request: &CertificateRequest, type_: &str) -> CertificateRequest {
    let mut request = request.clone();
    request.status.conditions.push(Condition {
        type_: type_.into(),
        status: ConditionStatus::True,
        ..Condition::default()
    });
    request
}

#[test]
fn a_refusal_names_kind_group_and_all_that_is_wrong() {
    with_store(V1_21, Approvers::Anyone, |_, store| {
        for (object, text) in [
            (
                certificate(json!({"duration": "1m"})),
                "Certificate.cert-manager.io \"a\" is invalid: spec.duration: Invalid value: 1m0s: certificate duration \
                 must be greater than 1h0m0s",
            ),
            (
                certificate(json!({"secretName": "", "issuerRef": {}})),
                "Certificate.cert-manager.io \"a\" is invalid: [spec.secretName: Required value: must be specified, \
                 spec.issuerRef.name: Required value: must be specified]",
            ),
            (
                object::<Issuer>(json!({"spec": {}})),
                "Issuer.cert-manager.io \"a\" is invalid: spec: Required value: at least one issuer must be configured",
            ),
            (
                object::<Order>(json!({"spec": {"issuerRef": {"name": "i"}}})),
                "Order.acme.cert-manager.io \"a\" is invalid: spec.request: Required value",
            ),
            (
                object::<Secret>(json!({"data": {"a b": ""}})),
                "Secret \"a\" is invalid: data[a b]: Invalid value: \"a b\": a valid config key must consist of \
                 alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used \
                 for validation is '[-._a-zA-Z0-9]+')",
            ),
        ] {
            let kind = object.kind();
            let refused = store.create(object).unwrap_err();
            assert_eq!(refused.to_string(), text);
            assert_eq!(store.list(kind), []);
        }
    });
}

#[test]
fn a_change_to_something_wrong_is_refused_and_nothing_is_stored() {
    with_store(V1_21, Approvers::Anyone, |_, store| {
        let stored = store.create(certificate(json!({}))).unwrap();
        let mut wrong = stored.get::<Certificate>().unwrap().as_ref().clone();
        wrong.spec.revision_history_limit = Some(0);
        let refused = store.update(wrong.clone().into()).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "Certificate.cert-manager.io \"a\" is invalid: spec.revisionHistoryLimit: Invalid value: 0: must not be \
             less than 1"
        );
        assert_eq!(store.get(stored.kind(), &stored.key()).unwrap(), stored);
        // The lock comes first.
        wrong.metadata.resource_version -= 1;
        assert!(matches!(store.update(wrong.into()), Err(ApiError::Conflict { .. })));
    });
}

#[test]
fn releases_fill_in_issuer_references_or_leave_them() {
    for (compat, kind, group) in
        [(V1_7, "", ""), (V1_16, "", ""), (V1_21, "Issuer", "cert-manager.io"), (V0_5, "", "")]
    {
        with_store(compat, Approvers::Anyone, move |world, store| {
            let stored = store.create(certificate(json!({}))).unwrap();
            let issuer = &stored.get::<Certificate>().unwrap().spec.issuer_ref;
            assert_eq!((issuer.kind.as_str(), issuer.group.as_str()), (kind, group));
            let stored = store.create(request(&csr(world)).into()).unwrap();
            let issuer = &stored.get::<CertificateRequest>().unwrap().spec.issuer_ref;
            assert_eq!((issuer.kind.as_str(), issuer.group.as_str()), (kind, group));
            // The rotation policy and the usages are not written down by any release.
            let stored = store.get(Certificate::KIND, &engine::api::ObjectKey::new("b", "a")).unwrap();
            let spec = &stored.get::<Certificate>().unwrap().spec;
            assert_eq!((&spec.private_key, spec.usages.len()), (&None, 0));
        });
    }
}

#[test]
fn kubernetes_fills_in_its_own_kinds() {
    with_store(V0_5, Approvers::Anyone, |_, store| {
        let stored = store.create(object::<Secret>(json!({"stringData": {"a": "x"}}))).unwrap();
        let secret = stored.get::<Secret>().unwrap();
        assert_eq!((secret.type_.as_str(), secret.data["a"].as_str()), ("Opaque", Some("x")));
        let mut service: Service = of(json!({}));
        service.spec.ports.push(ServicePort { port: 8089, ..ServicePort::default() });
        let stored = store.create(service.clone().into()).unwrap();
        assert!(stored.get::<Service>().unwrap().spec.type_.is_some());
        // What is written again without the defaults is no change.
        assert_eq!(store.update(service.into()).unwrap(), stored);
    });
}

#[test]
fn a_release_without_a_webhook_takes_what_is_wrong() {
    with_store(V0_5, Approvers::Anyone, |_, store| {
        store.create(certificate(json!({"secretName": "", "duration": "1m"}))).unwrap();
        store.create(request("no CSR").into()).unwrap();
        // But not what Kubernetes itself refuses.
        let refused = store.create(object::<Certificate>(json!({"metadata": {"name": "A b"}}))).unwrap_err();
        assert!(
            refused
                .to_string()
                .starts_with("Certificate.cert-manager.io \"A b\" is invalid: metadata.name: ")
        );
    });
}

#[test]
fn the_csr_of_a_request_is_read_and_compared() {
    with_store(V1_21, Approvers::Anyone, |world, store| {
        let csr = csr(world);
        let text = |request: CertificateRequest| store.create(request.into()).unwrap_err().to_string();
        assert_eq!(
            text(request("no CSR")),
            "CertificateRequest.cert-manager.io \"a\" is invalid: spec.request: Invalid value: \"no CSR\": error decoding \
             certificate request PEM block"
        );
        assert_eq!(
            text(request("")),
            "CertificateRequest.cert-manager.io \"a\" is invalid: spec.request: Required value: must be specified"
        );
        let mut other = request(&csr);
        other.spec.usages = vec![KeyUsage::DigitalSignature, KeyUsage::ServerAuth];
        let told = text(other);
        let why = "encoded CSR error: the KeyUsages [ 'digital signature', 'key encipherment' ] do not match the expected \
                   KeyUsages [ 'digital signature' ]";
        assert!(told.ends_with(why), "{told}");
        let shown = told.split("Invalid value: ").nth(1).unwrap();
        assert!(shown.starts_with("\"-----BEGIN CERTIFICATE REQUEST-----") && shown.len() < 300, "{shown}");
        let mut good = request(&csr);
        good.spec.usages = vec![KeyUsage::KeyEncipherment, KeyUsage::Signing];
        store.create(good.into()).unwrap();
    });
    with_store(V1_7, Approvers::Anyone, |_, store| {
        let told = store.create(request("x").into()).unwrap_err().to_string();
        assert!(
            told.ends_with("failed to decode csr: error decoding certificate request PEM block"),
            "{told}"
        );
    });
}

#[test]
fn a_request_says_who_asked_for_it_whatever_it_says() {
    sim::run(Config::default(), |world| async move {
        let names = Names::new(world.rng("names"), BTreeMap::new());
        let store = Store::new(&world, names, 1).with_admission(Admission::new(&V1_21));
        let client =
            Client::new(&world, &store, Arc::new(NoDelay), "kubectl").with_identity(user("eve", &["devs"]));
        let mut asked = request(&csr(&world));
        asked.spec.username = "admin".into();
        asked.spec.groups = vec!["system:masters".into()];
        let stored = client.create(asked).await.unwrap();
        assert_eq!((stored.spec.username.as_str(), stored.spec.uid.as_str()), ("eve", "uid of eve"));
        assert_eq!(stored.spec.groups, ["devs"]);
        assert_eq!(stored.spec.extra["pod"], ["p"]);
        // An actor of the same process asks in the same name.
        let mut asked = request(&csr(&world));
        asked.metadata.name = "c".into();
        assert_eq!(client.as_actor("other").create(asked).await.unwrap().spec.username, "eve");
        // It cannot be changed afterwards.
        let mut other = stored.as_ref().clone();
        other.spec.username = "admin".into();
        let refused = client.update(other).await.unwrap_err();
        assert_eq!(
            refused.to_string(),
            "CertificateRequest.cert-manager.io \"a\" is invalid: spec: Forbidden: cannot change spec after creation"
        );
    })
    .unwrap();
}

#[test]
fn a_decision_is_one_is_true_and_stays() {
    with_store(V1_21, Approvers::Anyone, |world, store| {
        let stored = store.create(request(&csr(world)).into()).unwrap();
        let stored = stored.get::<CertificateRequest>().unwrap().as_ref().clone();
        let write = |request: CertificateRequest| store.update_status(request.into());
        let told = |request: CertificateRequest| write(request).unwrap_err().to_string();
        let prefix = "CertificateRequest.cert-manager.io \"a\" is invalid: status.conditions";
        assert_eq!(
            told(decided(&decided(&stored, "Approved"), "Denied")),
            format!("{prefix}: Forbidden: both 'Denied' and 'Approved' conditions cannot coexist")
        );
        let mut untrue = decided(&stored, "Denied");
        untrue.status.conditions[0].status = ConditionStatus::False;
        assert_eq!(
            told(untrue),
            format!(
                "{prefix}.Denied: Invalid value: \"False\": \"Denied\" condition may only be set to True"
            )
        );
        let approved = write(decided(&stored, "Approved")).unwrap();
        let approved = approved.get::<CertificateRequest>().unwrap().as_ref().clone();
        let mut taken_back = approved.clone();
        taken_back.status.conditions.clear();
        assert_eq!(
            told(taken_back),
            format!("{prefix}: Forbidden: 'Approved' condition may not be modified once set")
        );
        assert!(told(decided(&approved, "Denied")).contains("cannot coexist"));
        write(decided(&approved, "Ready")).unwrap();
    });
}

#[test]
fn only_who_is_granted_it_approves() {
    let grants = vec![
        Grant { subject: "approver".into(), signer: "issuers.cert-manager.io/*".into() },
        Grant { subject: "devs".into(), signer: "issuers.cert-manager.io/b.i".into() },
        Grant { subject: "ops".into(), signer: "clusterissuers.cert-manager.io/i".into() },
        Grant { subject: "root".into(), signer: "*".into() },
    ];
    with_store(V1_21, Approvers::Granted(grants), |world, store| {
        let stored = store.create(request(&csr(world)).into()).unwrap();
        let stored = stored.get::<CertificateRequest>().unwrap().as_ref().clone();
        let by = |who: Identity, type_: &str| {
            store.as_user(Arc::new(who)).update_status(decided(&stored, type_).into())
        };
        for type_ in ["Approved", "Denied"] {
            let refused = by(user("ops", &[]), type_).unwrap_err();
            assert_eq!(
                refused.to_string(),
                "admission webhook \"webhook.cert-manager.io\" denied the request: status.conditions: Forbidden: user \
                 \"ops\" does not have permissions to set approved/denied conditions for issuer {i Issuer \
                 cert-manager.io}"
            );
        }
        // What is no decision needs no grant.
        let waiting =
            store.as_user(Arc::new(user("ops", &[]))).update_status(decided(&stored, "Ready").into());
        let mut stored = waiting.unwrap().get::<CertificateRequest>().unwrap().as_ref().clone();
        stored = decided(&stored, "Approved");
        let who = user("eve", &["devs"]);
        store.as_user(Arc::new(who)).update_status(stored.into()).unwrap();
    });
    for (name, groups, kind, fine) in [
        ("approver", "", "Issuer", true),
        ("approver", "", "ClusterIssuer", false),
        ("eve", "ops", "ClusterIssuer", true),
        ("root", "", "ClusterIssuer", true),
        ("root", "", "AwsIssuer", false),
    ] {
        let grants = vec![
            Grant { subject: "approver".into(), signer: "issuers.cert-manager.io/*".into() },
            Grant { subject: "ops".into(), signer: "clusterissuers.cert-manager.io/i".into() },
            Grant { subject: "root".into(), signer: "*".into() },
        ];
        with_store(V1_21, Approvers::Granted(grants), move |world, store| {
            let mut asked = request(&csr(world));
            asked.spec.issuer_ref.kind = kind.into();
            asked.spec.issuer_ref.group =
                if kind == "AwsIssuer" { "aws.example".into() } else { String::new() };
            let stored = store.create(asked.into()).unwrap();
            let request = decided(stored.get::<CertificateRequest>().unwrap(), "Approved");
            let written = store.as_user(Arc::new(user(name, &[groups]))).update_status(request.into());
            assert_eq!(written.is_ok(), fine, "{name} {kind}: {written:?}");
            if kind == "AwsIssuer" {
                let text = written.unwrap_err().to_string();
                let why = "spec.issuerRef: Forbidden: referenced signer resource does not exist: {i AwsIssuer aws.example}";
                assert!(text.ends_with(why), "{text}");
            }
        });
    }
}

#[test]
fn orders_and_challenges_keep_what_they_are_about() {
    with_store(V1_21, Approvers::Anyone, |_, store| {
        let order = object::<Order>(json!({"spec": {"request": "eA==", "issuerRef": {"name": "i"}}}));
        let stored = store.create(order).unwrap();
        let mut order = stored.get::<Order>().unwrap().as_ref().clone();
        order.status.url = "https://ca/order/1".into();
        let stored = store.update_status(order.into()).unwrap();
        let mut order = stored.get::<Order>().unwrap().as_ref().clone();
        order.status.url = "https://ca/order/2".into();
        assert_eq!(
            store.update_status(order.into()).unwrap_err().to_string(),
            "Order.acme.cert-manager.io \"a\" is invalid: status.url: Forbidden: field is immutable once set"
        );

        let challenge = object::<Challenge>(json!({"spec": {
            "url": "u", "authorizationURL": "a", "dnsName": "d", "wildcard": false, "type": "HTTP-01", "token": "t",
            "key": "k", "issuerRef": {"name": "i"}, "solver": {"http01": {"ingress": {}}},
        }}));
        let stored = store.create(challenge).unwrap();
        let mut challenge = stored.get::<Challenge>().unwrap().as_ref().clone();
        challenge.spec.token = "other".into();
        assert_eq!(
            store.update(challenge.into()).unwrap_err().to_string(),
            "Challenge.acme.cert-manager.io \"a\" is invalid: spec: Forbidden: challenge spec is immutable after creation"
        );
        // Its finalizer may come and go.
        let freed = stored.with_meta(|meta| meta.finalizers.push("f".into()));
        store.update(freed).unwrap();
    });
}

#[test]
fn without_an_admission_the_store_takes_what_it_is_given() {
    sim::run(Config::default(), |world| async move {
        let store = Store::new(&world, Names::new(world.rng("names"), BTreeMap::new()), 1);
        store.create(object::<Certificate>(json!({}))).unwrap();
    })
    .unwrap();
}

use std::sync::Arc;

use super::*;
use crate::api::{Certificate, ClusterIssuer, EventSource, InvolvedObject, Resource, Time};

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn certificate() -> Certificate {
    let json = serde_json::json!({
        "metadata": {
            "name": "web", "namespace": "shop", "uid": "u-1", "resourceVersion": "7", "generation": 1,
            "creationTimestamp": "2022-02-03T09:00:00Z",
            "labels": { "app": "shop", "tier": "front" },
            "annotations": {
                "kubectl.kubernetes.io/last-applied-configuration": "{}",
                "note": "short",
                "story": "one\ntwo",
            },
        },
        "spec": {
            "secretName": "web-tls", "dnsNames": ["a.test", "b.test"],
            "issuerRef": { "name": "le", "kind": "Issuer" },
            "isCA": false,
        },
        "status": {
            "conditions": [
                { "type": "Ready", "status": "False", "reason": "DoesNotExist", "message": "why",
                  "lastTransitionTime": "2022-02-03T09:00:01Z" },
                { "type": "Issuing", "status": "True", "reason": "DoesNotExist", "message": "why" },
            ],
            "revision": 1,
        },
    });
    serde_json::from_value(json).unwrap()
}

fn event(reason: &str, first: &str, last: &str, count: i32) -> Event {
    Event {
        involved_object: InvolvedObject {
            kind: "Certificate".into(),
            namespace: "shop".into(),
            name: "web".into(),
            uid: "u-1".into(),
            ..InvolvedObject::default()
        },
        type_: "Normal".into(),
        reason: reason.into(),
        message: format!("about {reason}\n"),
        source: EventSource { component: "cert-manager".into(), ..EventSource::default() },
        first_timestamp: Some(Time::new(at(first))),
        last_timestamp: Some(Time::new(at(last))),
        count,
        ..Event::default()
    }
}

#[test]
fn a_custom_resource_comes_field_by_field_with_its_events() {
    let events = [
        event("Second", "2022-02-03T09:00:05Z", "2022-02-03T09:30:00Z", 3),
        event("First", "2022-02-03T09:00:03Z", "2022-02-03T09:00:03Z", 1),
        Event {
            involved_object: InvolvedObject::default(),
            ..event("Other", "2022-02-03T09:00:03Z", "2022-02-03T09:00:03Z", 1)
        },
    ];
    let object = Arc::new(certificate()).into_object();
    insta::assert_snapshot!(describe(&object, &events, at("2022-02-03T10:00:00Z")));
}

#[test]
fn without_events_it_says_none_and_a_cluster_scoped_object_has_an_empty_namespace() {
    let mut issuer = ClusterIssuer::default();
    issuer.metadata.name = "le".into();
    let text = describe(&Arc::new(issuer).into_object(), &[], at("2022-02-03T10:00:00Z"));
    assert!(text.starts_with("Name:         le\nNamespace:    \nLabels:       <none>\n"), "{text}");
    assert!(text.ends_with("Events:    <none>\n") || text.ends_with("Events:  <none>\n"), "{text}");
}

#[test]
fn a_secret_shows_sizes_and_never_bytes() {
    let mut secret = Secret { type_: "kubernetes.io/tls".into(), ..Secret::default() };
    secret.metadata.name = "web-tls".into();
    secret.metadata.namespace = "shop".into();
    secret.data.insert("tls.key".into(), "very secret".into());
    secret.data.insert("tls.crt".into(), "public".into());
    insta::assert_snapshot!(describe(&Arc::new(secret).into_object(), &[], at("2022-02-03T10:00:00Z")));
}

#[test]
fn a_long_annotation_is_cut() {
    let text = annotation("key", &"x".repeat(200));
    assert_eq!(text, format!("key:\n\t  {}...", "x".repeat(138)));
}

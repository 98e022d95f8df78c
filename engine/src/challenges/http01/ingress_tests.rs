//! The solver's Ingress, and the editing of a user's: put in and taken out.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::compat::{V1_7, V1_16, V1_21};

fn challenge(name: &str, config: Value) -> Challenge {
    let mut c = Challenge::default();
    c.spec.dns_name = name.into();
    c.spec.token = "token".into();
    c.spec.solver = serde_json::from_value(json!({"http01": {"ingress": config}})).unwrap();
    c
}

fn made(name: &str, config: Value, compat: &Compat) -> Value {
    serde_json::to_value(ingress(&challenge(name, config), "solver", compat)).unwrap()
}

#[test]
fn it_leads_one_path_of_the_host_to_the_service_and_lets_every_client_in() {
    let made = made("a.test", json!({}), &V1_7);
    assert_eq!(
        made["spec"]["rules"],
        json!([{
            "host": "a.test",
            "http": {"paths": [{
                "path": "/.well-known/acme-challenge/token",
                "pathType": "ImplementationSpecific",
                "backend": {"service": {"name": "solver", "port": {"number": 8089}}},
            }]},
        }])
    );
    let open = json!({"nginx.ingress.kubernetes.io/whitelist-source-range": "0.0.0.0/0,::/0"});
    assert_eq!(made["metadata"]["annotations"], open);
}

#[test]
fn an_address_gets_a_rule_for_all_hosts() {
    for address in ["10.0.0.1", "2001:db8::1"] {
        assert_eq!(made(address, json!({}), &V1_7)["spec"]["rules"][0]["host"], Value::Null);
    }
}

#[test]
fn the_path_is_exact_since_1_18() {
    let type_ = |compat| {
        let made = made("a.test", json!({}), compat);
        made["spec"]["rules"][0]["http"]["paths"][0]["pathType"].clone()
    };
    assert_eq!([&V1_16, &V1_21].map(type_), ["ImplementationSpecific", "Exact"]);
}

#[test]
fn a_class_is_an_annotation_and_a_class_name_a_field_of_newer_releases() {
    let class = made("a.test", json!({"class": "nginx"}), &V1_21);
    assert_eq!(class["metadata"]["annotations"]["kubernetes.io/ingress.class"], "nginx");
    assert_eq!(class["spec"]["ingressClassName"], Value::Null);
    let name = |compat| {
        made("a.test", json!({"ingressClassName": "nginx"}), compat)["spec"]["ingressClassName"].clone()
    };
    assert_eq!([&V1_7, &V1_21].map(name), [Value::Null, json!("nginx")]);
}

#[test]
fn a_template_adds_labels_and_annotations_and_may_close_what_is_open() {
    let template = json!({"ingressTemplate": {"metadata": {
        "labels": {"team": "web"},
        "annotations": {"nginx.org/whitelist-source-range": "10.0.0.0/8", "x": "y"},
    }}});
    let newer = made("a.test", template.clone(), &V1_21);
    assert_eq!(newer["metadata"]["labels"]["team"], "web");
    let both = json!({"nginx.org/whitelist-source-range": "10.0.0.0/8", "x": "y"});
    assert_eq!(newer["metadata"]["annotations"], both);
    let older = made("a.test", template, &V1_7);
    assert_eq!(older["metadata"]["annotations"].as_object().unwrap().len(), 3, "the open list stays");
}

fn users(rules: Value) -> Ingress {
    serde_json::from_value(json!({"metadata": {"name": "shop"}, "spec": {"rules": rules}})).unwrap()
}

fn paths(ingress: &Ingress, rule: usize) -> Vec<&str> {
    ingress.spec.rules[rule].http.as_ref().unwrap().paths.iter().map(|p| p.path.as_str()).collect()
}

#[test]
fn a_path_is_put_in_front_and_taken_away_again() {
    let user = users(json!([
        {"host": "b.test", "http": {"paths": [{"path": "/"}]}},
        {"host": "a.test", "http": {"paths": [{"path": "/"}]}},
    ]));
    let challenge = challenge("a.test", json!({"name": "shop"}));
    let edited = with_path(&user, &challenge, "solver", &V1_7).unwrap();
    assert_eq!(paths(&edited, 1), ["/.well-known/acme-challenge/token", "/"]);
    assert_eq!(paths(&edited, 0), ["/"]);
    assert_eq!(with_path(&edited, &challenge, "solver", &V1_7), None);
    let other = with_path(&edited, &challenge, "other", &V1_7).unwrap();
    assert_eq!(paths(&other, 1).len(), 2, "the path changes its service");
    assert_eq!(without_path(&edited, &challenge), user);
    assert_eq!(without_path(&user, &challenge), user);
}

#[test]
fn a_host_without_a_rule_gets_one_and_loses_it() {
    let user = users(json!([{"host": "b.test", "http": {"paths": [{"path": "/"}]}}]));
    let challenge = challenge("a.test", json!({"name": "shop"}));
    let edited = with_path(&user, &challenge, "solver", &V1_7).unwrap();
    assert_eq!(edited.spec.rules[1].host, "a.test");
    assert_eq!(without_path(&edited, &challenge), user);
}

/// The release writes the path of such a rule into a copy of it.
#[test]
fn a_rule_of_the_host_without_paths_stays_as_it_is() {
    let user = users(json!([{"host": "a.test"}]));
    let challenge = challenge("a.test", json!({"name": "shop"}));
    assert_eq!(with_path(&user, &challenge, "solver", &V1_7), None);
    assert_eq!(without_path(&user, &challenge), user);
}

prop_compose! {
    fn any_path()(path in prop::sample::select(vec!["/", "/store", "/.well-known/acme-challenge/other", "/.well-known"]),
                  service in "[a-c]", exact in any::<bool>()) -> HttpIngressPath {
        serde_json::from_value(json!({
            "path": path,
            "pathType": if exact { "Exact" } else { "Prefix" },
            "backend": {"service": {"name": service, "port": {"number": 80}}},
        })).unwrap()
    }
}

prop_compose! {
    fn any_rule()(host in prop::sample::select(vec!["", "a.test", "*.a.test", "b.test", "10.0.0.1"]),
                  http in prop::option::of(prop::collection::vec(any_path(), 1..4))) -> IngressRule {
        IngressRule { host: host.to_owned(), http: http.map(|paths| HttpIngressRuleValue { paths }) }
    }
}

prop_compose! {
    fn any_ingress()(rules in prop::collection::vec(any_rule(), 0..5), class in prop::option::of("[a-z]{1,5}")) -> Ingress {
        let mut ingress = users(json!([]));
        ingress.spec.rules = rules;
        ingress.spec.ingress_class_name = class;
        ingress
    }
}

proptest! {
    /// Whatever a user's Ingress is like: what was put in is taken out, and nothing else is touched.
    #[test]
    fn put_in_and_taken_out_is_the_ingress_as_it_was(
        user in any_ingress(),
        name in prop::sample::select(vec!["a.test", "b.test", "c.test", "10.0.0.1"]),
    ) {
        let challenge = challenge(name, json!({"name": "shop"}));
        let edited = with_path(&user, &challenge, "solver", &V1_21);
        let led = edited.as_ref().is_some_and(|e| e.spec.rules.iter().any(|rule| {
            rule.host == name && rule.http.as_ref().is_some_and(|h| h.paths[0].path == challenge_path(&challenge))
        }));
        let blocked = user.spec.rules.iter().find(|r| r.host == name).is_some_and(|r| r.http.is_none());
        prop_assert!(led != blocked, "the path is there, unless the host's rule has none at all");
        let edited = edited.unwrap_or_else(|| user.clone());
        prop_assert_eq!(with_path(&edited, &challenge, "solver", &V1_21), None, "once is enough");
        prop_assert_eq!(without_path(&edited, &challenge), user);
    }

    /// Challenges for several hosts and tokens may come and go in any order.
    #[test]
    fn challenges_of_one_ingress_do_not_touch_each_others_paths(user in any_ingress(), swap in any::<bool>()) {
        let mut first = challenge("a.test", json!({"name": "shop"}));
        first.spec.token = "first".into();
        let second = challenge("b.test", json!({"name": "shop"}));
        let put = |i: Ingress, c: &Challenge| with_path(&i, c, "solver", &V1_21).unwrap_or(i);
        let both = put(put(user.clone(), &first), &second);
        let (one, other) = if swap { (&second, &first) } else { (&first, &second) };
        prop_assert_eq!(without_path(&without_path(&both, one), other), user);
    }
}

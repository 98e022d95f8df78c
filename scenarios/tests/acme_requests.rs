//! Requests of ACME issuers: the Order that is made for each, and what becomes of the request with it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use crate::common::live::{Live, certificate, issuer, live, script};
use crate::requests::{BOTH, NGINX, REFUSED, SHOP, acme, counted, outcome, request, with_calls};
use engine::api::{
    Certificate, CertificateRequest, Ingress, Kind, Object, ObjectMeta, Order, Pod, Secret, Service, State,
};
use engine::conditions::{condition, is_true};
use mock_ca::dialect::Endpoint;
use scenarios::script::Scenario;
use serde_json::{Value, json};

/// The script with faults of the CA.
fn with_faults(compat: &str, faults: Value) -> Scenario {
    let mut scenario = script(compat);
    scenario.ca.config.faults = serde_json::from_value(faults).unwrap();
    scenario
}

fn orders(live: &Live) -> u64 {
    let counters = live.remains.ca.as_ref().unwrap().journal().counters();
    counters.endpoints.get(&Endpoint::NewOrder).copied().unwrap_or_default()
}

/// The webhook lets it pass; only an ACME issuer minds.
#[test]
fn a_common_name_that_is_not_among_the_names_is_never_ordered() {
    for compat in BOTH {
        let names =
            "commonName: other.example.com, dnsNames: [shop.example.com], ipAddresses: [64.112.117.80]";
        live(script(compat), &acme("{}", names), move |live| async move {
            assert!(live.wait(30, |l| !l.events("InvalidOrder").is_empty()).await, "{compat}");
            live.after(Duration::from_secs(5)).await;
            let text = "The CSR PEM requests a commonName that is not present in the list of dnsNames or \
                        ipAddresses. If a commonName is set, ACME requires that the value is also present in the \
                        list of dnsNames or ipAddresses: \"other.example.com\" does not exist in [shop.example.com] \
                        or [64.112.117.80]";
            assert_eq!(outcome(&live), ("Failed".into(), text.into()), "{compat}");
            assert_eq!(counted(&live, "CertificateRequest", "InvalidOrder"), [(text.to_owned(), 1)]);
            assert!(request(&live, 0).await.status.failure_time.is_some());
            assert_eq!((live.all::<Order>(), orders(&live)), (vec![], 0));
            let certificate = live.get::<Certificate>("shop").unwrap();
            let issuing = condition(&certificate, "Issuing").unwrap();
            assert_eq!(issuing.reason, "Failed");
            assert!(issuing.message.ends_with(text), "{}", issuing.message);
        });
    }
}

#[test]
fn an_order_that_the_api_server_refuses_is_told_and_tried_again() {
    for compat in BOTH {
        let rule = json!({ "actor": "certificaterequests-issuer-acme", "verb": "create", "kind": "Order",
            "takes": "50ms", "refuses": REFUSED, "refusals": 2 });
        live(with_calls(script(compat), rule), &issuer(NGINX), move |live| async move {
            // A request that waits for its issuer is pending already and has no event for a second word.
            live.after(Duration::from_secs(10)).await;
            live.create(&certificate("{}", SHOP));
            let text = "Failed create new order resource shop/shop-";
            assert!(live.wait(5, |l| !l.events("OrderCreatingError").is_empty()).await, "{compat}");
            let (reason, message) = outcome(&live);
            assert_eq!(reason, "Pending");
            let why = format!("Internal error occurred: {REFUSED}");
            assert!(message.starts_with(text) && message.ends_with(&why), "{message}");
            assert!(live.ready("shop", 60).await, "{compat}");
            assert_eq!(counted(&live, "CertificateRequest", "OrderCreatingError"), [(message, 1)]);
            assert_eq!((live.log(text).len(), orders(&live)), (2, 1), "{compat}");
            assert_eq!(live.log("error issuing certificate request").len(), 2);
        });
    }
}

/// What a restored backup leaves: the Order of a request of the same name, with its certificate, and nobody's.
#[test]
fn an_order_of_another_request_is_not_taken_and_waited_for() {
    for compat in BOTH {
        let manifests = acme("{}", SHOP);
        let old = live(script(compat), &manifests, |live| async move {
            assert!(
                live.wait(60, |l| l.all::<Order>().iter().any(|o| !o.status.certificate.is_empty())).await
            );
            live.all::<Order>().remove(0)
        });
        live(script(compat), &manifests, move |live| async move {
            let metadata = ObjectMeta {
                name: old.metadata.name.clone(),
                namespace: old.metadata.namespace.clone(),
                ..ObjectMeta::default()
            };
            live.remains.store.restore(Order { metadata, ..old }.into()).unwrap();
            live.after(Duration::from_secs(25)).await;
            let told = live.log("found Order resource not owned by this CertificateRequest, retrying");
            // Twice a try: by the signer and by the queue, at once and after 5 and 10 s.
            assert_eq!(told.len(), 6, "{compat} {told:?}");
            let request = request(&live, 0).await;
            assert!(!is_true(&request, "Ready") && request.status.certificate.is_empty());
            assert_eq!(live.all::<Order>().len(), 1);
            live.remains
                .store
                .delete(Kind::Order, &Object::from(live.all::<Order>().remove(0)).key())
                .unwrap();
            assert!(live.ready("shop", 60).await, "{compat}");
        });
    }
}

/// An Order that the cache does not show yet is ordered a second time, which its name forbids.
#[test]
fn an_order_that_is_there_and_not_seen_yet_is_an_error_and_no_second_one() {
    for compat in BOTH {
        let mut scenario = script(compat);
        let lag = json!({ "kind": "Order", "lag": "8s" });
        scenario.cluster.watch.lister.insert("order".to_owned(), serde_json::from_value(lag).unwrap());
        live(scenario, &acme("{}", SHOP), move |live| async move {
            assert!(live.ready("shop", 120).await, "{compat}");
            assert_eq!((live.all::<Order>().len(), orders(&live)), (1, 1));
            let exists = "already exists";
            let told: Vec<_> = live.log("Failed create new order resource").into_iter().collect();
            assert!(!told.is_empty() && told.iter().all(|line| line.contains(exists)), "{compat} {told:?}");
        });
    }
}

#[test]
fn a_failed_order_fails_the_request_in_its_words_and_a_success_forgets_the_failures() {
    for compat in BOTH {
        let scenario = with_faults(compat, json!(["newOrder#1=problem:rejectedIdentifier"]));
        live(scenario, &acme("{}", SHOP), move |live| async move {
            assert!(live.wait(60, |l| !l.events("OrderFailed").is_empty()).await, "{compat}");
            live.after(Duration::from_secs(5)).await;
            let order = live.all::<Order>().remove(0);
            assert_eq!(order.status.state, State::Errored);
            let text = format!(
                "Failed to wait for order resource \"{}\" to become ready: order is in \"errored\" state: {}",
                order.metadata.name, order.status.reason
            );
            assert!(order.status.reason.starts_with("Failed to create Order: "), "{}", order.status.reason);
            assert_eq!(outcome(&live), ("Failed".into(), text.clone()));
            assert_eq!(counted(&live, "CertificateRequest", "OrderFailed"), [(text, 1)]);
            let status = live.get::<Certificate>("shop").unwrap().status;
            let counts = (compat == "v1_21").then_some(1);
            assert_eq!((status.failed_issuance_attempts, status.last_failure_time.is_some()), (counts, true));

            assert!(live.ready("shop", 3700).await, "{compat}");
            live.after(Duration::from_secs(5)).await;
            let status = live.get::<Certificate>("shop").unwrap().status;
            assert_eq!((status.failed_issuance_attempts, status.last_failure_time), (None, None), "{compat}");
        });
    }
}

/// The order is valid at the CA and the certificate is lost on the way.
#[test]
fn a_valid_order_without_certificate_is_waited_for() {
    for compat in BOTH {
        let scenario = with_faults(compat, json!(["certificate#1..3=dropConnection"]));
        live(scenario, &acme("{}", SHOP), move |live| async move {
            let valid = |l: &Live| l.all::<Order>().iter().any(|o| o.status.state == State::Valid);
            assert!(live.wait(60, valid).await, "{compat}");
            live.after(Duration::from_secs(1)).await;
            let order = live.all::<Order>().remove(0);
            assert!(order.status.certificate.is_empty(), "{compat}");
            let text = format!(
                "Waiting for order-controller to add certificate data to Order shop/{}",
                order.metadata.name
            );
            assert_eq!(outcome(&live), ("Pending".into(), text));
            assert!(live.ready("shop", 30).await, "{compat}");
        });
    }
}

#[test]
fn an_acme_issuer_tells_no_ca() {
    for compat in BOTH {
        live(script(compat), &acme("{}", SHOP), move |live| async move {
            assert!(live.ready("shop", 60).await);
            let request: CertificateRequest = live.all().remove(0);
            assert!(request.status.ca.is_empty() && !request.status.certificate.is_empty());
            let data = live.get::<Secret>("shop-tls").unwrap().data;
            assert_eq!(data.keys().collect::<Vec<_>>(), ["tls.crt", "tls.key"], "{compat}");
        });
    }
}

/// RFC 1950, section 8.2.
fn adler32(text: &str) -> u32 {
    let (a, b) = text.bytes().fold((1, 0), |(a, b), byte| {
        let a: u32 = (a + u32::from(byte)) % 65521;
        (a, (b + a) % 65521)
    });
    b << 16 | a
}

#[test]
fn solver_objects_have_labels_of_name_and_token() {
    for compat in BOTH {
        live(script(compat), &acme("{}", SHOP), move |live| async move {
            assert!(live.wait(30, |l| l.solver_objects().len() == 3).await);
            let challenge = live.all::<engine::api::Challenge>().remove(0);
            let wanted = [
                ("acme.cert-manager.io/http-domain".to_owned(), adler32("shop.example.com").to_string()),
                ("acme.cert-manager.io/http-token".to_owned(), adler32(&challenge.spec.token).to_string()),
                ("acme.cert-manager.io/http01-solver".to_owned(), "true".to_owned()),
            ];
            let of = [
                live.all::<Pod>().remove(0).metadata,
                live.all::<Service>().remove(0).metadata,
                live.all::<Ingress>().remove(0).metadata,
            ];
            for meta in of {
                let labels: Vec<_> = meta.labels.into_iter().collect();
                assert_eq!(labels, wanted, "{compat} {}", meta.name);
                assert!(meta.name.starts_with("cm-acme-http-solver-"));
            }
        });
    }
}

//! CertificateRequests from their creation to their certificate: what certificates-request-manager, the approver and the
//! ACME issuer make of what can go wrong with them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::common::live::{Live, certificate, issuer, live, script};
use engine::api::{Certificate, CertificateRequest, ConditionStatus, Event, Kind, ObjectKey, Order, Secret};
use engine::conditions::{condition, is_true, new, put};
use engine::{compat::V1_21, pki};
use scenarios::cluster::external::{ExternalIssuer, Outcome};
use scenarios::script::Scenario;
use serde_json::{Value, json};
use world::{KeyAlgorithm, sim};

pub(crate) const NGINX: &str = "http01: { ingress: { class: nginx } }";
pub(crate) const SHOP: &str = "dnsNames: [shop.example.com]";
pub(crate) const BOTH: [&str; 2] = ["v1_7", "v1_21"];

/// An ACME Issuer and a Certificate of it.
pub(crate) fn acme(annotations: &str, names: &str) -> String {
    issuer(NGINX) + &certificate(annotations, names)
}

/// A Certificate of an issuer that is not cert-manager's.
pub(crate) fn external_certificate(name: &str, annotations: &str, status: &str) -> String {
    format!(
        "---\napiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {{ name: {name}, namespace: shop, uid: \
         uid-of-shop, annotations: {annotations} }}\nspec:\n  secretName: shop-tls\n  dnsNames: \
         [shop.example.com]\n  privateKey: {{ algorithm: ECDSA, size: 256 }}\n  issuerRef: {{ name: any, kind: \
         Issuer, group: example.org }}\n{status}"
    )
}

/// The script with such an issuer, whose outcomes come after these times.
pub(crate) fn external(compat: &str, outcome: Outcome, delay: Value) -> Scenario {
    let mut scenario = script(compat);
    scenario.backends.external.push(ExternalIssuer {
        group: "example.org".to_owned(),
        outcome,
        delay: serde_json::from_value(delay).unwrap(),
    });
    scenario
}

/// The script with a rule for calls to the API server.
pub(crate) fn with_calls(mut scenario: Scenario, rule: Value) -> Scenario {
    scenario.cluster.api.calls.insert("of the test".to_owned(), serde_json::from_value(rule).unwrap());
    scenario
}

/// Waits for the request of a Certificate.
pub(crate) async fn request(live: &Live, longest: u64) -> CertificateRequest {
    assert!(live.wait(longest, |l| !l.all::<CertificateRequest>().is_empty()).await);
    live.all::<CertificateRequest>().remove(0)
}

/// Reason and message of a request's Ready condition.
pub(crate) fn outcome(live: &Live) -> (String, String) {
    let request = live.all::<CertificateRequest>().remove(0);
    condition(&request, "Ready").map(|c| (c.reason.clone(), c.message.clone())).unwrap_or_default()
}

/// The events with this reason about a kind: message and count.
pub(crate) fn counted(live: &Live, kind: &str, reason: &str) -> Vec<(String, i64)> {
    let all = live.all::<Event>().into_iter();
    let of = all.filter(|e| e.reason == reason && e.involved_object.kind == kind);
    of.map(|e| (e.message, i64::from(e.count))).collect()
}

/// A key in PEM.
fn pem(algorithm: KeyAlgorithm) -> String {
    let make =
        |world: world::World| async move { world.keys("test").generate(algorithm).unwrap().to_pkcs8_pem() };
    sim::run(sim::Config::default(), make).unwrap().value
}

#[test]
fn nothing_is_asked_for_until_the_next_key_is_there() {
    for compat in BOTH {
        let rule = json!({ "actor": "certificates-key-manager", "verb": "create", "kind": "Secret", "takes": "30s" });
        let scenario = with_calls(external(compat, Outcome::Issue, json!("0s")), rule);
        live(scenario, &external_certificate("shop", "{}", ""), |live| async move {
            live.after(Duration::from_secs(25)).await;
            assert!(is_true(&live.get::<Certificate>("shop").unwrap(), "Issuing"));
            assert_eq!(live.all::<CertificateRequest>(), []);
            assert!(live.ready("shop", 10).await, "as soon as it is there");
        });
    }
}

/// A Certificate that is being issued, with a temporary Secret of these entries. It takes half a minute to replace that.
fn with_next_key(compat: &str, key: Option<&str>) -> (Scenario, String) {
    let data = key.map(|key| format!("{{ tls.key: {} }}", STANDARD.encode(key))).unwrap_or_default();
    let rule = json!({ "actor": "certificates-key-manager", "verb": "delete", "kind": "Secret",
        "takes": ["30s", "50ms"], "reply": "5ms" });
    let status = "status:\n  nextPrivateKeySecretName: shop-next\n  conditions: [{ type: Issuing, status: 'True', \
                  reason: DoesNotExist, message: '', lastTransitionTime: '2022-02-03T08:59:00Z' }]\n";
    let secret = format!(
        "---\napiVersion: v1\nkind: Secret\nmetadata: {{ name: shop-next, namespace: shop, labels: \
         {{ cert-manager.io/next-private-key: 'true' }}, ownerReferences: [{{ apiVersion: cert-manager.io/v1, kind: \
         Certificate, name: shop, uid: uid-of-shop, controller: true, blockOwnerDeletion: true }}] }}\ndata: {data}\n"
    );
    let scenario = with_calls(external(compat, Outcome::Issue, json!("0s")), rule);
    (scenario, external_certificate("shop", "{}", status) + &secret)
}

#[test]
fn a_next_key_that_cannot_be_read_is_told_and_waited_for() {
    for compat in BOTH {
        let asks = "Failed to decode next private key secret data";
        let issues = "failed to parse next private key, waiting for keymanager controller";
        let empty = "Next private key secret does not contain any private key data";
        for (data, seen) in [(Some("no key"), [true, true, false]), (None, [false, false, true])] {
            let (scenario, manifests) = with_next_key(compat, data);
            live(scenario, &manifests, move |live| async move {
                live.after(Duration::from_secs(25)).await;
                assert_eq!(live.all::<CertificateRequest>(), [], "{compat} {data:?}");
                let told = [asks, issues, empty].map(|text| !live.log(text).is_empty());
                assert_eq!(told, seen, "{compat} {data:?}");
                let why = "error decoding private key PEM block";
                assert!(live.log(asks).iter().chain(&live.log(issues)).all(|line| line.contains(why)));
                assert!(live.ready("shop", 10).await, "{compat} {data:?}");
            });
        }
    }
}

#[test]
fn a_next_key_that_does_not_fit_is_asked_for_and_never_issued() {
    for (compat, field) in [("v1_7", "spec.keySize"), ("v1_21", "spec.privateKey.size")] {
        let (scenario, manifests) = with_next_key(compat, Some(&pem(KeyAlgorithm::EcdsaP384)));
        live(scenario, &manifests, move |live| async move {
            live.after(Duration::from_secs(25)).await;
            let first = request(&live, 0).await;
            assert!(is_true(&first, "Ready"), "the issuer does not look at the key's size");
            let told =
                live.log("stored next private key does not match requirements on Certificate resource");
            assert!(!told.is_empty() && told.iter().all(|line| line.contains(field)), "{compat} {told:?}");
            assert_eq!(live.get::<Secret>("shop-tls"), None);
            assert!(live.ready("shop", 20).await);
            let second = request(&live, 0).await;
            assert_ne!(first.metadata.uid, second.metadata.uid, "{compat}");
            let leaf = pki::leaf(live.get::<Secret>("shop-tls").unwrap().data["tls.crt"].as_slice()).unwrap();
            assert_eq!(leaf.public_key.algorithm(), KeyAlgorithm::EcdsaP256);
        });
    }
}

#[test]
fn a_request_that_does_not_fit_any_more_is_told_and_replaced() {
    for compat in BOTH {
        let scenario = external(compat, Outcome::Never, json!("0s"));
        live(scenario, &external_certificate("shop", "{}", ""), move |live| async move {
            let first = request(&live, 10).await;
            let mut certificate = live.get::<Certificate>("shop").unwrap();
            certificate.spec.dns_names = vec!["www.shop.example.com".to_owned()];
            live.put(certificate);
            live.after(Duration::from_secs(5)).await;
            let told = live.log("CertificateRequest does not match requirements on certificate.spec");
            assert_eq!(told.len(), 1, "{told:?}");
            let values: [String; 2] = if compat == "v1_7" {
                [
                    format!("\"related_resource_name\"=\"{}\"", first.metadata.name),
                    r#""violations"=["spec.dnsNames"]"#.to_owned(),
                ]
            } else {
                [
                    format!("related_resource_name=\"{}\"", first.metadata.name),
                    r#"violations=["spec.dnsNames"]"#.to_owned(),
                ]
            };
            assert!(values.iter().all(|value| told[0].contains(value)), "{told:?}");
            let second = request(&live, 0).await;
            assert_ne!(first.metadata.uid, second.metadata.uid);
            let names = pki::request(second.spec.request.as_slice()).unwrap().names;
            assert_eq!(names.dns, ["www.shop.example.com"]);
        });
    }
}

/// Two requests of one revision, as runaway requests leave them: neither controller decides for one.
#[test]
fn two_requests_of_one_revision_are_told_and_left_and_nothing_is_issued_of_them() {
    for compat in BOTH {
        let scenario = external(compat, Outcome::Issue, json!("30s"));
        live(scenario, &external_certificate("shop", "{}", ""), move |live| async move {
            let mut other = request(&live, 10).await;
            other.metadata.name = "shop-other".to_owned();
            live.remains.store.create(other.into()).unwrap();
            live.after(Duration::from_secs(60)).await;
            let requests = live.all::<CertificateRequest>();
            assert_eq!((requests.len(), requests.iter().filter(|r| is_true(*r, "Ready")).count()), (2, 2));
            let told = live.log("Multiple matching CertificateRequest resources exist, delete one of them.");
            assert!(!told.is_empty() && told.iter().all(|line| line.starts_with('I')), "{compat} {told:?}");
            assert!(is_true(&live.get::<Certificate>("shop").unwrap(), "Issuing"));
            assert_eq!(live.get::<Secret>("shop-tls"), None);
            live.remains
                .store
                .delete(Kind::CertificateRequest, &ObjectKey::new("shop", "shop-other"))
                .unwrap();
            assert!(live.ready("shop", 5).await, "{compat}: the one that is left is taken");
        });
    }
}

#[test]
fn a_generated_name_begins_with_52_characters_of_the_certificates_at_most() {
    let long = "x".repeat(51);
    let manifests = external_certificate(&format!("{long}-and-more"), "{}", "");
    live(external("v1_7", Outcome::Never, json!("0s")), &manifests, move |live| async move {
        // The 52nd character is no letter and goes; the suffix is the pinned one.
        assert_eq!(request(&live, 10).await.metadata.name, format!("{long}-bwqz4"));
    });
}

#[test]
fn annotations_of_kubectl_flux_and_argo_stay_with_the_certificate() {
    let annotations = "{ team: web, kubectl.kubernetes.io/last-applied-configuration: x, \
                       fluxcd.io/sync-checksum: x, argocd.argoproj.io/tracking-id: x }";
    for compat in BOTH {
        live(script(compat), &acme(annotations, SHOP), move |live| async move {
            assert!(live.wait(20, |l| !l.all::<Order>().is_empty()).await);
            let (request, order) = (request(&live, 0).await, live.all::<Order>().remove(0));
            let own = ["certificate-name", "certificate-revision", "private-key-secret-name"];
            let mut wanted: Vec<String> = own.iter().map(|name| format!("cert-manager.io/{name}")).collect();
            wanted.push("team".to_owned());
            for annotations in [&request.metadata.annotations, &order.metadata.annotations] {
                assert_eq!(annotations.keys().cloned().collect::<Vec<_>>(), wanted, "{compat}");
            }
        });
    }
}

pub(crate) const REFUSED: &str = "failed calling webhook \"webhook.cert-manager.io\": connection refused";

#[test]
fn a_request_that_the_api_server_refuses_is_tried_again_and_told() {
    for compat in BOTH {
        let rule = json!({ "actor": "certificates-request-manager", "verb": "create", "kind": "CertificateRequest",
            "takes": "50ms", "refuses": REFUSED, "refusals": 3 });
        let scenario = with_calls(external(compat, Outcome::Issue, json!("0s")), rule);
        live(scenario, &external_certificate("shop", "{}", ""), move |live| async move {
            live.after(Duration::from_secs(6)).await;
            assert_eq!(live.all::<CertificateRequest>(), [], "{compat}: after 1, 2 and 4 s");
            assert!(live.ready("shop", 5).await, "{compat}");
            let text = format!("Failed to create CertificateRequest: Internal error occurred: {REFUSED}");
            assert_eq!(counted(&live, "Certificate", "RequestFailed"), [(text, 3)]);
            assert_eq!(live.log("re-queuing item due to error processing").len(), 3);
        });
    }
}

/// With names of its own for requests, a cache that does not show the first one yet makes no second: it is there.
#[test]
fn a_lagging_cache_makes_the_second_create_fail_in_1_21() {
    let mut scenario = external("v1_21", Outcome::Never, json!("0s"));
    let lag = json!({ "kind": "CertificateRequest", "lag": "20s" });
    scenario.cluster.watch.lister.insert("request".to_owned(), serde_json::from_value(lag).unwrap());
    live(scenario, &external_certificate("shop", "{}", ""), |live| async move {
        request(&live, 10).await;
        let mut certificate = live.get::<Certificate>("shop").unwrap();
        certificate.metadata.labels.insert("team".to_owned(), "web".to_owned());
        live.put(certificate);
        live.after(Duration::from_secs(10)).await;
        let failed = counted(&live, "Certificate", "RequestFailed");
        let exists = "certificaterequests.cert-manager.io \"shop-1\" already exists";
        assert_eq!(failed[0].0, format!("Failed to create CertificateRequest: {exists}"));
        assert!(live.log("already exists").len() >= 2, "with back-off");
        live.after(Duration::from_secs(60)).await;
        assert_eq!(live.all::<CertificateRequest>().len(), 1);
        assert_eq!(counted(&live, "Certificate", "Requested").len(), 1);
        let last = live.log("already exists").len();
        live.after(Duration::from_secs(60)).await;
        assert_eq!(live.log("already exists").len(), last, "once the cache shows it, there is peace");
    });
}

#[test]
fn a_request_that_is_denied_or_done_is_not_approved() {
    for compat in BOTH {
        live(script(compat), &issuer(NGINX), move |live| async move {
            let key = live.world.keys("by hand").generate(KeyAlgorithm::EcdsaP256).unwrap();
            let mut wish = Certificate::default();
            wish.spec.dns_names = vec!["shop.example.com".to_owned()];
            let csr = pki::make_request(&wish, &key, &V1_21.features).unwrap();
            for (name, of) in [
                ("plain", None),
                ("denied", Some(("Denied", ConditionStatus::True, "Policy"))),
                ("failed", Some(("Ready", ConditionStatus::False, "Failed"))),
                ("issued", Some(("Ready", ConditionStatus::True, "Issued"))),
                ("pending", Some(("Ready", ConditionStatus::False, "Pending"))),
            ] {
                let mut request = CertificateRequest::default();
                request.metadata.name = name.to_owned();
                request.metadata.namespace = "shop".to_owned();
                request.spec.request = csr.as_str().into();
                request.spec.issuer_ref.name = "any".to_owned();
                request.spec.issuer_ref.group = "example.org".to_owned();
                if let Some((type_, status, reason)) = of {
                    put(&mut request, &new(type_, status, reason, ""));
                }
                live.remains.store.restore(request.into()).unwrap();
            }
            live.after(Duration::from_secs(10)).await;
            let approved = live.all::<CertificateRequest>().into_iter().filter(|r| is_true(r, "Approved"));
            let approved: Vec<_> = approved.map(|r| r.metadata.name).collect();
            assert_eq!(approved, ["pending", "plain"], "{compat}");
            assert_eq!(live.log("certificaterequests-approver"), Vec::<String>::new());
            assert_eq!(counted(&live, "CertificateRequest", "cert-manager.io").len(), 2);
        });
    }
}

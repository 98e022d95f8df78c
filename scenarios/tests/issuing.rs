//! From the request's result to Secret and status: certificates-issuing, -readiness and -revision-manager.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use crate::common::live::{Live, live};
use crate::requests::{BOTH, counted, external, external_certificate, request, with_calls};
use engine::api::{Certificate, CertificateRequest, Kind, ObjectKey, Secret};
use engine::conditions::is_true;
use scenarios::cluster::external::Outcome;
use serde_json::json;

fn revision(live: &Live) -> Option<u64> {
    live.get::<Certificate>("shop").unwrap().status.revision
}

#[test]
fn an_issuing_sync_has_ten_seconds() {
    for compat in BOTH {
        for (limit, timeouts) in [(None, 2), (Some("15s"), 0)] {
            let rule = json!({ "actor": "certificates-issuing", "verb": "apply", "kind": "Secret",
                "takes": ["12s", "12s", "50ms"] });
            let mut scenario = with_calls(external(compat, Outcome::Issue, json!("0s")), rule);
            scenario.engine.switches.extend(limit.map(|limit| ("issuingLimit".to_owned(), limit.into())));
            live(scenario, &external_certificate("shop", "{}", ""), move |live| async move {
                live.after(Duration::from_secs(11)).await;
                assert_eq!(live.get::<Secret>("shop-tls"), None);
                assert!(live.ready("shop", 30).await, "{compat} {limit:?}");
                assert_eq!(live.log("context deadline exceeded").len(), timeouts, "{compat} {limit:?}");
            });
        }
    }
}

/// The retry meets the request that failed before, until request-manager has deleted it.
#[test]
fn the_failed_request_of_the_issuance_before_is_told_and_deleted() {
    for compat in BOTH {
        let scenario = external(compat, Outcome::Fail, json!("0s"));
        live(scenario, &external_certificate("shop", "{}", ""), move |live| async move {
            let first = request(&live, 10).await;
            let text =
                "Found a failed CertificateRequest from previous issuance, waiting for it to be deleted...";
            live.after(Duration::from_secs(3500)).await;
            assert_eq!(live.log(text), Vec::<String>::new());
            live.after(Duration::from_secs(110)).await;
            let told = live.log(text);
            let name = &first.metadata.name;
            let values = match compat {
                "v1_7" => format!(
                    "\"key\"=\"shop/shop\" \"resource_kind\"=\"CertificateRequest\" \"resource_name\"=\"{name}\""
                ),
                _ => format!("resource_name=\"{name}\""),
            };
            assert!(!told.is_empty() && told.iter().all(|line| line.contains(&values)), "{compat} {told:?}");
            let second = request(&live, 0).await;
            assert_ne!(second.metadata.uid, first.metadata.uid);
            assert_eq!(live.all::<CertificateRequest>().len(), 1);
        });
    }
}

#[test]
fn a_temporary_certificate_has_an_event_of_its_own() {
    let annotations = "{ cert-manager.io/issue-temporary-certificate: 'true' }";
    for compat in BOTH {
        let scenario = external(compat, Outcome::Issue, json!("60s"));
        live(scenario, &external_certificate("shop", annotations, ""), move |live| async move {
            live.after(Duration::from_secs(30)).await;
            assert!(live.get::<Secret>("shop-tls").is_some());
            let told = counted(&live, "Certificate", "Issuing");
            let of =
                |text: &str| told.iter().filter(|(message, _)| message == text).map(|(_, n)| *n).sum::<i64>();
            assert_eq!(of("Issued temporary certificate"), 1, "{compat} {told:?}");
            assert_eq!(of("The certificate has been successfully issued"), 0);
        });
    }
}

/// A status that says "issued" finds the certificate there, whatever comes between the two writes.
#[test]
fn the_secret_is_written_before_the_status() {
    for compat in BOTH {
        let rule = json!({ "actor": "certificates-issuing", "verb": "updateStatus", "kind": "Certificate",
            "takes": "50ms", "refuses": "etcdserver: request timed out", "refusals": 3 });
        let scenario = with_calls(external(compat, Outcome::Issue, json!("0s")), rule);
        live(scenario, &external_certificate("shop", "{}", ""), move |live| async move {
            assert!(live.wait(20, |l| l.get::<Secret>("shop-tls").is_some()).await);
            live.after(Duration::from_secs(1)).await;
            let stored = live.get::<Secret>("shop-tls").unwrap().data["tls.crt"].clone();
            assert_eq!(stored, request(&live, 0).await.status.certificate);
            assert_eq!(revision(&live), None);
            assert!(is_true(&live.get::<Certificate>("shop").unwrap(), "Issuing"));
            assert!(live.wait(10, |l| revision(l) == Some(1)).await, "{compat}");
            assert_eq!(live.get::<Secret>("shop-tls").unwrap().data["tls.crt"], stored);
            assert_eq!(live.all::<CertificateRequest>().len(), 1);
        });
    }
}

#[test]
fn readiness_writes_when_something_has_changed_and_not_else() {
    for compat in BOTH {
        let scenario = external(compat, Outcome::Issue, json!("0s"));
        live(scenario, &external_certificate("shop", "{}", ""), move |live| async move {
            assert!(live.ready("shop", 20).await);
            live.after(Duration::from_secs(5)).await;
            let writes = |l: &Live| {
                l.remains.timing.counts().calls.get("UpdateStatus Certificate").copied().unwrap_or_default()
            };
            let before = writes(&live);
            let mut secret = live.get::<Secret>("shop-tls").unwrap();
            secret.metadata.labels.insert("team".to_owned(), "web".to_owned());
            live.put(secret);
            live.after(Duration::from_secs(5)).await;
            assert_eq!(writes(&live), before, "{compat}: the event of the Secret changes nothing");
            let mut broken = live.get::<Secret>("shop-tls").unwrap();
            broken.data.insert("tls.crt".to_owned(), "no certificate".into());
            live.put(broken);
            live.after(Duration::from_secs(1)).await;
            assert!(writes(&live) > before, "{compat}");
        });
    }
}

#[test]
fn old_requests_stay_while_the_certificate_is_not_ready() {
    for compat in BOTH {
        let scenario = external(compat, Outcome::Issue, json!(["0s", "600s"]));
        live(scenario, &external_certificate("shop", "{}", ""), move |live| async move {
            let mut certificate = live.get::<Certificate>("shop").unwrap();
            certificate.spec.revision_history_limit = Some(1);
            live.put(certificate);
            assert!(live.wait(20, |l| revision(l) == Some(1)).await);
            live.remains.store.delete(Kind::Secret, &ObjectKey::new("shop", "shop-tls")).unwrap();
            live.after(Duration::from_secs(300)).await;
            let requests = |l: &Live| l.all::<CertificateRequest>().len();
            assert_eq!((live.is_ready("shop"), requests(&live)), (false, 2), "{compat}");
            assert!(live.ready("shop", 320).await, "{compat}");
            live.after(Duration::from_secs(5)).await;
            assert_eq!((revision(&live), requests(&live)), (Some(2), 1), "{compat}");
        });
    }
}

#[test]
fn the_secrets_fields_are_managed_in_the_name_of_the_release() {
    for (compat, manager) in [("v1_7", "cert-manager"), ("v1_21", "cert-manager-certificates-issuing")] {
        let scenario = external(compat, Outcome::Issue, json!("0s"));
        live(scenario, &external_certificate("shop", "{}", ""), move |live| async move {
            assert!(live.ready("shop", 20).await);
            let managed = live.get::<Secret>("shop-tls").unwrap().metadata.managed_fields;
            let who: Vec<_> = managed.iter().map(|e| (e.manager.as_str(), e.operation.as_str())).collect();
            assert_eq!(who, [(manager, "Apply")]);
        });
    }
}

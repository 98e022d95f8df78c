//! Orders that do not go straight: the CA refuses, is slow, or does not know renewal information; issuers that change;
//! caches that lag.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use crate::common::live::{Live, certificate, issuer, live, script};
use engine::api::{
    Certificate, CertificateAcmeStatus, CertificateRequest, Challenge, ConditionStatus, Issuer, Order, State,
    Time,
};
use mock_ca::dialect::Endpoint;
use scenarios::script::{Scenario, apply};
use world::Timestamp;

const NGINX: &str = "http01: { ingress: { class: nginx } }";
const SHOP: &str = "dnsNames: [shop.example.com]";

fn world_of(compat: &str, overrides: &[&str]) -> Scenario {
    let overrides: Vec<String> = overrides.iter().map(|s| (*s).to_owned()).collect();
    apply(&script(compat), &overrides).unwrap()
}

fn of(solver: &str, names: &str) -> String {
    issuer(solver) + &certificate("{}", names)
}

/// Faults of the CA, one a line, as an override.
fn faults(rules: &[&str]) -> String {
    format!("ca.config.faults=[{}]", rules.iter().map(|r| format!("'{r}'")).collect::<Vec<_>>().join(", "))
}

fn requests(live: &Live, endpoint: Endpoint) -> u64 {
    let counters = live.remains.ca.as_ref().unwrap().journal().counters();
    counters.endpoints.get(&endpoint).copied().unwrap_or_default()
}

/// When the log had lines with this message.
fn times(live: &Live, message: &str) -> Vec<Timestamp> {
    let entries = live.remains.log.entries().into_iter().filter(|e| e.message.contains(message));
    entries.map(|e| e.at).collect()
}

fn writes(live: &Live, call: &str) -> u64 {
    live.remains.timing.counts().calls.get(call).copied().unwrap_or_default()
}

#[test]
fn what_the_ca_refuses_ends_the_order_and_with_it_the_request_and_the_attempt() {
    for (fault, what, line) in [
        (
            "newOrder=problem:rateLimited",
            "Failed to create Order: 429 urn:ietf:params:acme:error:rateLimited: fault of a script",
            "failed to create Order resource due to bad request, marking Order as failed",
        ),
        (
            "authorization=problem:malformed",
            "Failed to fetch authorization: 400 urn:ietf:params:acme:error:malformed: fault of a script",
            "failed to fetch authorization metadata from acme server",
        ),
        (
            "order=problem:unauthorized",
            "Failed to retrieve Order resource: 403 urn:ietf:params:acme:error:unauthorized: fault of a script",
            "failed to retrieve the ACME order (4xx error) marking Order as failed",
        ),
        (
            "finalize=problem:badCSR",
            "Failed to finalize Order: 400 urn:ietf:params:acme:error:badCSR: fault of a script",
            "failed to finalize Order resource due to bad request, marking Order as failed",
        ),
    ] {
        for compat in ["v1_7", "v1_21"] {
            live(world_of(compat, &[&faults(&[fault])]), &of(NGINX, SHOP), move |live| async move {
                live.after(Duration::from_secs(600)).await;
                let order = live.all::<Order>().remove(0);
                assert_eq!((order.status.state, order.status.reason.as_str()), (State::Errored, what));
                assert!(order.status.failure_time.is_some());
                let lines = live.log(line);
                assert_eq!(lines.len(), 1, "{compat} {fault} {lines:?}");
                let problem = what.split_once(": ").unwrap().1;
                assert!(lines[0].contains(problem), "{lines:?}");
                let request = live.all::<CertificateRequest>().remove(0);
                let ready = request.status.conditions.iter().find(|c| c.type_ == "Ready").unwrap();
                let told = format!(
                    "Failed to wait for order resource {:?} to become ready: order is in \"errored\" state: {what}",
                    order.metadata.name
                );
                assert_eq!((ready.reason.as_str(), &ready.message), ("Failed", &told));
                let certificate = live.get::<Certificate>("shop").unwrap();
                let issuing = certificate.status.conditions.iter().find(|c| c.type_ == "Issuing").unwrap();
                assert_eq!(issuing.status, ConditionStatus::False);
                assert_eq!(requests(&live, Endpoint::NewOrder), 1, "held back for an hour");
                // Challenges of a failed Order are left to end by themselves.
                let made = !fault.starts_with("newOrder") && !fault.starts_with("authorization");
                assert_eq!(live.all::<Challenge>().len(), usize::from(made), "{compat} {fault}");
            });
        }
    }
}

#[test]
fn a_server_error_of_finalize_is_tried_again_and_told_by_1_21() {
    for compat in ["v1_7", "v1_21"] {
        let fault = faults(&["finalize#1=problem:serverInternal"]);
        live(world_of(compat, &[&fault]), &of(NGINX, SHOP), move |live| async move {
            assert!(live.ready("shop", 120).await);
            assert_eq!(requests(&live, Endpoint::Finalize), 2);
            let again = live.log("error finalizing order: 500 urn:ietf:params:acme:error:serverInternal");
            assert_eq!(again.len(), 1, "{again:?}");
            let told = live.log("acme server fatal error");
            assert_eq!(told.len(), usize::from(compat == "v1_21"), "{told:?}");
            for line in told {
                assert!(line.contains("errorCode=500 dnsNames=[\"shop.example.com\"]"), "{line}");
            }
        });
    }
}

/// The CA's orders seem to be pending for a minute.
const PENDING: &str = r#"order@..60s=body:"{\"status\": \"pending\"}""#;

#[test]
fn a_ca_that_is_late_with_its_order_is_asked_again_each_five_seconds() {
    for compat in ["v1_7", "v1_21"] {
        let fault = faults(&[PENDING]);
        live(world_of(compat, &[&fault]), &of(NGINX, SHOP), move |live| async move {
            assert!(live.ready("shop", 120).await);
            let text =
                "All challenges in a final state, waiting for ACME server to update the status of the order";
            let times = times(&live, text);
            let gaps: Vec<f64> = times.windows(2).map(|t| t[1].since(t[0]).as_secs_f64()).collect();
            // Events of the Challenge come in between, and the wait begins anew.
            let fits = |gap: &f64| *gap < 1.0 || (5.0..5.2).contains(gap);
            assert!(gaps.iter().all(fits), "{compat} {gaps:?}");
            assert!(gaps.iter().filter(|gap| **gap > 1.0).count() > 3, "{compat} {gaps:?}");
        });
    }
}

#[test]
fn without_a_solver_nothing_is_tried_until_the_issuer_changes() {
    let other = "{ selector: { dnsNames: [other.example.com] }, http01: { ingress: { class: nginx } } }";
    live(script("v1_7"), &of(other, SHOP), |live| async move {
        live.after(Duration::from_secs(30)).await;
        let tries = |l: &Live| l.log("Failed to determine the list of Challenge resources needed").len();
        let before = tries(&live);
        assert!(before > 0 && !live.events("Solver").is_empty());
        live.after(Duration::from_secs(3600)).await;
        assert_eq!((tries(&live), live.all::<Challenge>().len()), (before, 0));
        let mut issuer = live.get::<Issuer>("letsencrypt").unwrap();
        issuer.spec.acme.as_mut().unwrap().solvers[0].selector = None;
        live.put(issuer);
        assert!(live.wait(2, |l| l.all::<Challenge>().len() == 1).await, "the issuer wakes its Orders");
        assert!(live.ready("shop", 120).await);
    });
}

#[test]
fn an_order_of_an_issuer_without_an_account_is_tried_again() {
    let order = "---\napiVersion: acme.cert-manager.io/v1\nkind: Order\nmetadata: { name: by-hand, namespace: shop }\n\
                 spec: { issuerRef: { name: letsencrypt }, dnsNames: [shop.example.com], request: eA== }\n";
    let fault = faults(&["newAccount@..60s=problem:serverInternal"]);
    live(world_of("v1_7", &[&fault]), &(issuer(NGINX) + order), |live| async move {
        live.after(Duration::from_secs(50)).await;
        let failed = live.log("ACME client for issuer not initialised/available");
        assert!(failed.len() > 1, "{failed:?}");
        assert!(failed.iter().all(|line| line.contains("re-queuing item due to error processing")));
        assert_eq!(requests(&live, Endpoint::NewOrder), 0);
        let placed = |l: &Live| l.get::<Order>("by-hand").is_some_and(|o| !o.status.url.is_empty());
        assert!(live.wait(600, placed).await);
    });
}

/// Let's Encrypt does not take such a wish, which ends the Order.
#[test]
fn an_end_of_validity_is_asked_for_only_if_the_issuer_enables_durations() {
    let manifests = of(NGINX, "dnsNames: [shop.example.com], duration: 720h");
    assert!(live(script("v1_7"), &manifests, |live| async move { live.ready("shop", 120).await }));
    let enabled = manifests.replacen("    solvers:", "    enableDurationFeature: true\n    solvers:", 1);
    live(script("v1_7"), &enabled, |live| async move {
        assert!(!live.ready("shop", 120).await);
        let order = live.all::<Order>().remove(0);
        assert!(order.spec.duration.is_some());
        let why = "Failed to create Order: 400 urn:ietf:params:acme:error:malformed: ";
        assert!(order.status.reason.starts_with(why), "{}", order.status.reason);
        assert!(order.status.reason.ends_with("NotBefore and NotAfter are not supported"));
    });
}

#[test]
fn a_challenge_that_the_cache_does_not_show_yet_is_made_once() {
    let lag = "cluster.watch.lister={default: {lag: 1ms}, slow: {kind: Challenge, event: added, lag: 3s}}";
    live(world_of("v1_7", &[lag]), &of(NGINX, SHOP), |live| async move {
        assert!(live.wait(30, |l| l.all::<Challenge>().len() == 1).await);
        assert_eq!(writes(&live, "Create Challenge"), 1);
        let mut order = live.all::<Order>().remove(0);
        order.metadata.annotations.insert("touched".into(), "yes".into());
        live.put(order);
        live.after(Duration::from_secs(1)).await;
        assert_eq!(writes(&live, "Create Challenge"), 2, "the second is refused");
        let created = live.events("Created");
        assert!(created.len() == 1 && created[0].ends_with("for domain \"shop.example.com\""), "{created:?}");
        assert!(live.log("already exists").is_empty());
        assert!(live.ready("shop", 120).await);
    });
}

/// The third of the certificate's life, in which it is renewed without a word of the CA.
fn third(certificate: &Certificate) -> Timestamp {
    let of = |time: Option<Time>| time.unwrap().timestamp();
    let (start, end) = (of(certificate.status.not_before), of(certificate.status.not_after));
    (end - end.since(start) / 3).truncate_to_secs()
}

#[test]
fn renewal_information_that_cannot_be_had_is_told_and_the_third_of_the_life_counts() {
    let fault = faults(&["renewalInfo=problem:serverInternal"]);
    live(world_of("v1_21", &[&fault, "engine.switches.ari=true"]), &of(NGINX, SHOP), |live| async move {
        assert!(live.ready("shop", 120).await);
        live.after(Duration::from_secs(30)).await;
        let why = "500 urn:ietf:params:acme:error:serverInternal: fault of a script";
        let told = format!("Could not fetch ACME Renewal Information: {why}");
        assert!(live.events("ARIError").contains(&told), "{:?}", live.events("ARIError"));
        let certificate = live.get::<Certificate>("shop").unwrap();
        let ari = certificate.status.acme.clone().unwrap().ari.unwrap();
        assert_eq!((ari.last_error.as_str(), ari.suggested_window), (why, None));
        let wait = ari.next_check.unwrap().timestamp().since(ari.last_checked.unwrap().timestamp());
        assert!((5.4..6.6).contains(&(wait.as_secs_f64() / 3600.0)), "{wait:?}");
        assert_eq!(certificate.status.renewal_time.unwrap().timestamp(), third(&certificate));
    });
}

/// Another name makes the certificate new, and its order says what it replaces.
async fn with_another_name(live: &Live) -> Order {
    let mut certificate = live.get::<Certificate>("shop").unwrap();
    certificate.spec.dns_names.push("www.shop.example.com".into());
    live.put(certificate);
    let renewed = |l: &Live| l.get::<Certificate>("shop").is_some_and(|c| c.status.revision == Some(2));
    assert!(live.wait(120, renewed).await);
    let orders = live.all::<Order>();
    orders.into_iter().find(|o| o.spec.dns_names.len() == 2).unwrap()
}

const REPLACES_REJECTED: &str = "ACME server rejected `replaces`; retrying newOrder without it";

#[test]
fn a_ca_that_rejects_what_is_replaced_is_asked_at_once_without_it() {
    let fault = faults(&["newOrder#2=problem:alreadyReplaced"]);
    live(world_of("v1_21", &[&fault, "engine.switches.ari=true"]), &of(NGINX, SHOP), |live| async move {
        assert!(live.ready("shop", 120).await);
        let order = with_another_name(&live).await;
        assert!(!order.spec.replaces.is_empty());
        assert_eq!((order.status.state, requests(&live, Endpoint::NewOrder)), (State::Valid, 3));
        let lines = live.log(REPLACES_REJECTED);
        assert_eq!(lines.len(), 1);
        assert!(lines[0].contains("409 urn:ietf:params:acme:error:alreadyReplaced"), "{lines:?}");
    });
}

#[test]
fn a_ca_without_renewal_information_is_not_asked_and_nothing_is_kept_of_another() {
    let at = "https://acme-v02.api.letsencrypt.org/acme/";
    let directory = format!(
        r#"directory=body:"{{\"newNonce\": \"{at}new-nonce\", \"newAccount\": \"{at}new-acct\", \"newOrder\": \"{at}new-order\", \"meta\": {{\"termsOfService\": \"x\"}}}}""#
    );
    let scenario = world_of("v1_21", &[&faults(&[&directory]), "engine.switches.ari=true"]);
    live(scenario, &of(NGINX, SHOP), |live| async move {
        assert!(live.ready("shop", 120).await);
        let mut certificate = live.get::<Certificate>("shop").unwrap();
        assert_eq!((certificate.status.acme.clone(), live.events("ARIError")), (None, vec![]));
        // As an earlier CA has left it.
        certificate.status.acme = Some(CertificateAcmeStatus { ari: Some(Default::default()) });
        live.remains.store.update_status(certificate.into()).unwrap();
        live.after(Duration::from_secs(10)).await;
        let certificate = live.get::<Certificate>("shop").unwrap();
        assert_eq!(certificate.status.acme, None);
        assert_eq!(certificate.status.renewal_time.unwrap().timestamp(), third(&certificate));
        // What is replaced is not said to a CA that cannot know it.
        let order = with_another_name(&live).await;
        assert!(!order.spec.replaces.is_empty());
        assert_eq!((live.log(REPLACES_REJECTED).len(), requests(&live, Endpoint::NewOrder)), (1, 2));
        assert_eq!(requests(&live, Endpoint::RenewalInfo), 0);
    });
}

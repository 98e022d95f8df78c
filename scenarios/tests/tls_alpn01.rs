//! TLS-ALPN-01 from Certificate to Secret, in virtual time: solver pod, TLS passed through, self-check, the CA.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use crate::common::live::{certificate, issuer, live, script};
use engine::api::{AcmeChallengeType, Challenge, Ingress, Pod};
use scenarios::script::{IngressBehaviour, Scenario};

const SOLVER: &str = "tlsALPN01: { ingress: { ingressClassName: nginx } }";

fn manifests(names: &str) -> String {
    issuer(SOLVER) + &certificate("{}", names)
}

/// Whether the certificate comes, what of the solver is left, and what the last challenge says.
fn issued(scenario: Scenario, names: &str) -> (bool, Vec<String>, Vec<String>) {
    live(scenario, &manifests(names), |live| async move {
        let ready = live.ready("shop", 120).await;
        let reasons = live.all::<Challenge>().into_iter().map(|c| c.status.reason).collect();
        live.after(Duration::from_secs(5)).await;
        (ready, live.solver_objects(), reasons)
    })
}

#[test]
fn a_name_an_address_and_both_together_are_proved_and_nothing_is_left() {
    for names in [
        "dnsNames: [shop.example.com]",
        "ipAddresses: [64.112.117.80]",
        "dnsNames: [shop.example.com, www.shop.example.com], ipAddresses: [64.112.117.80]",
    ] {
        let (ready, left, reasons) = issued(script("v1_21"), names);
        assert!(ready, "{names}: {reasons:?}");
        assert!(left.is_empty(), "{names}: {left:?}");
    }
}

#[test]
fn the_release_of_the_log_can_do_it_too_since_it_is_our_own() {
    let solver = "tlsALPN01: { ingress: { class: nginx } }";
    let manifests = issuer(solver) + &certificate("{}", "dnsNames: [shop.example.com]");
    assert!(live(script("v1_7"), &manifests, |live| async move { live.ready("shop", 120).await }));
}

#[test]
fn a_solver_pod_a_service_and_an_ingress_that_passes_tls_through() {
    live(script("v1_21"), &manifests("ipAddresses: [64.112.117.80]"), |live| async move {
        assert!(live.wait(20, |l| l.all::<Ingress>().len() == 1).await);
        let ingress = live.all::<Ingress>().remove(0);
        assert_eq!(ingress.metadata.annotations["nginx.ingress.kubernetes.io/ssl-passthrough"], "true");
        assert_eq!(ingress.spec.rules[0].host, "80.117.112.64.in-addr.arpa");
        assert!(live.all::<Pod>()[0].spec.containers[0].args.contains(&"--tls-alpn".to_owned()));
        assert_eq!(live.all::<Challenge>()[0].spec.type_, AcmeChallengeType::TlsAlpn01);
        assert!(live.ready("shop", 120).await);
        assert_eq!(live.events("Presented"), ["Presented challenge using TLS-ALPN-01 challenge mechanism"]);
    });
}

/// Traefik takes no notice of the annotation: it ends TLS itself, and does not speak the protocol.
#[test]
fn a_controller_that_ends_tls_itself_is_found_out_by_the_self_check() {
    let mut scenario = script("v1_21");
    scenario.cluster.ingress.behaviour = IngressBehaviour::Traefik;
    let (ready, _, reasons) = issued(scenario, "dnsNames: [shop.example.com]");
    assert!(!ready);
    let text = "Waiting for TLS-ALPN-01 challenge propagation: failed to perform self check TLS handshake with \
                'shop.example.com': 203.0.113.80:443: remote error: tls: no application protocol";
    assert_eq!(reasons, [text]);
}

/// Until the solver pod is ready nobody answers; the self-check keeps that from the CA.
#[test]
fn the_ca_is_not_asked_before_the_solver_answers() {
    let mut scenario = script("v1_21");
    scenario.cluster.kubelet.pod_start = serde_json::from_value(serde_json::json!("45s")).unwrap();
    live(scenario, &manifests("dnsNames: [shop.example.com]"), |live| async move {
        live.after(Duration::from_secs(40)).await;
        assert!(
            live.all::<Challenge>()[0].status.reason.contains("failed to perform self check TLS handshake")
        );
        assert!(live.ready("shop", 60).await);
        assert!(live.all::<Challenge>().is_empty() && live.events("Failed").is_empty());
    });
}

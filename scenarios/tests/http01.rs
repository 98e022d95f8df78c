//! HTTP-01 from Certificate to Secret, in virtual time, along every way that leads to a solver.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use crate::common::live::{Live, certificate, issuer, live, script};
use engine::api::{Challenge, HTTPRoute, Ingress, Pod};
use scenarios::script::{IngressBehaviour, IngressController, Scenario};

const NGINX: &str = "http01: { ingress: { class: nginx } }";
const SHOP: &str = "dnsNames: [shop.example.com]";

fn of(solver: &str, annotations: &str, names: &str) -> String {
    issuer(solver) + &certificate(annotations, names)
}

/// Whether the certificate comes, and what of the solver is left a while later.
fn issued(scenario: Scenario, manifests: &str) -> (bool, Vec<String>) {
    live(scenario, manifests, |live| async move {
        let ready = live.ready("shop", 120).await;
        live.after(Duration::from_secs(5)).await;
        (ready, live.solver_objects())
    })
}

fn reasons(live: &Live) -> Vec<String> {
    live.all::<Challenge>().into_iter().map(|c| c.status.reason).collect()
}

#[test]
fn every_release_of_steps_issues_and_leaves_nothing_behind() {
    for compat in ["v1_7", "v1_16", "v1_21"] {
        assert_eq!(issued(script(compat), &of(NGINX, "{}", SHOP)), (true, vec![]), "{compat}");
    }
}

#[test]
fn an_ingress_class_name_is_known_to_newer_releases_only() {
    let solver = "http01: { ingress: { ingressClassName: nginx } }";
    let class = |compat: &str| {
        live(script(compat), &of(solver, "{}", SHOP), |live| async move {
            live.wait(20, |l| l.all::<Ingress>().len() == 1).await;
            live.all::<Ingress>()[0].spec.ingress_class_name.clone()
        })
    };
    assert_eq!((class("v1_7"), class("v1_21")), (None, Some("nginx".to_owned())));
}

/// The solver's class decides whose route it is: nginx does not serve an Ingress of Traefik's.
#[test]
fn the_solver_of_another_class_is_behind_another_controller() {
    let mut scenario = script("v1_21");
    scenario.hosts.insert("traefik".into(), vec!["203.0.113.81".parse().unwrap()]);
    scenario.cluster.further_ingresses.push(IngressController {
        host: "traefik".into(),
        behaviour: IngressBehaviour::Traefik,
        class: "traefik".into(),
        ..IngressController::default()
    });
    let traefik = "http01: { ingress: { class: traefik } }";
    let wrong = live(scenario.clone(), &of(traefik, "{}", SHOP), |live| async move {
        (live.ready("shop", 60).await, reasons(&live))
    });
    assert!(!wrong.0 && wrong.1[0].contains("wrong status code '404'"), "{wrong:?}");
    for record in &mut scenario.dns.zones[0].records {
        if record.value == "203.0.113.80" {
            "203.0.113.81".clone_into(&mut record.value);
        }
    }
    assert!(issued(scenario, &of(traefik, "{}", SHOP)).0);
}

const USERS: &str = "---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: shop, namespace: shop }
spec:
  ingressClassName: nginx
  rules:
    - host: other.example.com
      http: { paths: [{ path: /, pathType: Prefix, backend: { service: { name: other, port: { number: 80 } } } }] }
    - host: shop.example.com
      http: { paths: [{ path: /, pathType: Prefix, backend: { service: { name: shop, port: { number: 80 } } } }] }
";

#[test]
fn an_ingress_of_the_users_is_edited_at_the_front_and_put_back_exactly() {
    let both = "dnsNames: [shop.example.com, www.shop.example.com]";
    let manifests = of("http01: { ingress: { name: shop } }", "{}", both) + USERS;
    for compat in ["v1_7", "v1_21"] {
        live(script(compat), &manifests, |live| async move {
            let before = live.get::<Ingress>("shop").unwrap().spec;
            let edited = |l: &Live| l.get::<Ingress>("shop").is_some_and(|i| i.spec.rules.len() == 3);
            assert!(live.wait(20, edited).await, "a rule for the host that has none");
            let during = live.get::<Ingress>("shop").unwrap().spec;
            let paths = &during.rules[1].http.as_ref().unwrap().paths;
            assert!(paths[0].path.starts_with("/.well-known/acme-challenge/") && paths[1].path == "/");
            assert_eq!(during.rules[0], before.rules[0]);
            assert_eq!(live.all::<Ingress>().len(), 1, "no Ingress of its own");
            assert!(live.ready("shop", 120).await);
            live.after(Duration::from_secs(5)).await;
            assert_eq!(live.get::<Ingress>("shop").unwrap().spec, before);
            assert!(live.solver_objects().is_empty());
        });
    }
}

#[test]
fn annotations_of_the_certificate_choose_the_ingress_to_edit() {
    let annotation = r#"{ "acme.cert-manager.io/http01-override-ingress-name": "shop" }"#;
    let manifests = of(NGINX, annotation, SHOP) + USERS;
    live(script("v1_21"), &manifests, |live| async move {
        assert!(live.ready("shop", 120).await);
        assert!(
            live.all::<Ingress>().len() == 1
                && live.log("creating HTTP01 challenge solver ingress").is_empty()
        );
    });
}

#[test]
fn annotations_that_exclude_each_other_make_no_challenge() {
    let both = r#"{ "acme.cert-manager.io/http01-override-ingress-name": "shop",
                    "acme.cert-manager.io/http01-override-ingress-class": "nginx" }"#;
    live(script("v1_21"), &of(NGINX, both, SHOP), |live| async move {
        live.after(Duration::from_secs(20)).await;
        let text = "may not specify more than one of: name, class, ingressClassName override annotations";
        assert!(live.events("Solver")[0].ends_with(text));
        assert!(live.all::<Challenge>().is_empty());
    });
}

#[test]
fn an_address_is_proved_through_an_ingress_for_all_hosts() {
    let names = "ipAddresses: [64.112.117.80]";
    assert_eq!(issued(script("v1_21"), &of(NGINX, "{}", names)), (true, vec![]));
}

#[test]
fn an_ipv6_address_stands_in_brackets_which_the_solver_of_1_7_does_not_know() {
    let run = |compat: &str| {
        let mut scenario = script(compat);
        scenario
            .hosts
            .insert("nginx".into(), ["64.112.117.80", "2600:1f18::80"].map(|a| a.parse().unwrap()).into());
        for (host, own) in [("cert-manager", "2001:db8::5"), ("acme-v02", "2001:db8::10")] {
            scenario.hosts.get_mut(host).unwrap().push(own.parse().unwrap());
        }
        let manifests = of(NGINX, "{}", "ipAddresses: ['2600:1f18::80']");
        live(scenario, &manifests, |live| async move { (live.ready("shop", 60).await, reasons(&live)) })
    };
    assert_eq!(run("v1_21"), (true, vec![]));
    let (ready, reasons) = run("v1_7");
    assert!(!ready && reasons[0].contains("wrong status code '404'"), "{reasons:?}");
}

/// The certificate of the host is what this is about: the self-check and the CA take any.
#[test]
fn redirects_to_https_are_followed_without_looking_at_the_certificate() {
    let mut scenario = script("v1_21");
    scenario.cluster.ingress.redirect_to_https = true;
    assert_eq!(issued(scenario, &of(NGINX, "{}", SHOP)), (true, vec![]));
}

#[test]
fn the_self_check_may_have_nameservers_of_its_own() {
    let mut scenario = script("v1_21");
    scenario.engine.http01_nameservers = vec!["192.0.2.53:53".parse().unwrap()];
    live(scenario, &of(NGINX, "{}", SHOP), |live| async move {
        assert!(!live.ready("shop", 60).await, "nobody is there");
        let url = live.all::<Challenge>()[0].spec.token.clone();
        let url = format!("http://shop.example.com/.well-known/acme-challenge/{url}");
        let start = format!(
            "Waiting for HTTP-01 challenge propagation: failed to perform self check GET request '{url}': Get \"{url}\": "
        );
        assert!(reasons(&live)[0].starts_with(&start), "{:?}", reasons(&live));
    });
}

#[test]
fn a_foreign_object_with_the_solvers_labels_is_passed_over_and_two_own_ones_go() {
    let manifests = of(NGINX, "{}", SHOP);
    live(script("v1_7"), &manifests, |live| async move {
        assert!(live.wait(20, |l| l.all::<Pod>().len() == 1).await);
        let mut twin = live.all::<Pod>().remove(0);
        let meta = &mut twin.metadata;
        meta.name = "foreign".into();
        meta.uid.clear();
        meta.resource_version = 0;
        let mut foreign = twin.clone();
        foreign.metadata.owner_references.clear();
        live.remains.store.create(foreign.into()).unwrap();
        twin.metadata.name = "twin".into();
        live.remains.store.create(twin.into()).unwrap();
        assert!(live.ready("shop", 120).await);
        live.after(Duration::from_secs(5)).await;
        assert!(
            !live
                .log("found existing solver pod for this challenge resource, however it does not have")
                .is_empty()
        );
        assert!(
            !live
                .log("multiple challenge solver pods found for challenge. cleaning up all existing pods.")
                .is_empty()
        );
        let error = "multiple existing challenge solver pods found and cleaned up. retrying challenge sync";
        assert!(!live.log(error).is_empty());
        let left: Vec<_> = live.all::<Pod>().into_iter().map(|p| p.metadata.name).collect();
        assert_eq!(left, ["foreign"]);
    });
}

#[test]
fn a_solver_ingress_that_leads_to_another_service_is_made_anew() {
    live(script("v1_7"), &of(NGINX, "{}", SHOP), |live| async move {
        assert!(live.wait(20, |l| l.all::<Ingress>().len() == 1).await);
        let mut ingress = live.all::<Ingress>().remove(0);
        let path = &mut ingress.spec.rules[0].http.as_mut().unwrap().paths[0];
        path.backend.service.as_mut().unwrap().name = "other".into();
        live.put(ingress);
        assert!(live.ready("shop", 120).await);
        let text = "service name changed, existing challenge solver ingresses found and cleaned up";
        assert!(!live.log(text).is_empty());
    });
}

fn gateway(from: &str) -> String {
    format!(
        "---\napiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{ name: web, namespace: infra }}\nspec:\n  \
         gatewayClassName: envoy\n  listeners:\n    - {{ name: http, protocol: HTTP, port: 80, allowedRoutes: {{ \
         namespaces: {{ from: {from} }} }} }}\n"
    )
}

const ROUTE: &str =
    "http01: { gatewayHTTPRoute: { labels: { team: web }, parentRefs: [{ name: web, namespace: infra }] } }";

fn behind_a_gateway(enabled: bool) -> Scenario {
    let mut scenario = script("v1_21");
    scenario.cluster.ingress.host.clear();
    scenario.cluster.gateway.host = "nginx".into();
    scenario.cluster.gateway.class = "envoy".into();
    scenario.engine.gateway_api = enabled;
    scenario
}

#[test]
fn a_gateway_leads_to_the_solver_by_a_route_that_goes_with_the_challenge() {
    for names in [SHOP, "ipAddresses: [64.112.117.80]"] {
        let manifests = of(ROUTE, "{}", names) + &gateway("All");
        live(behind_a_gateway(true), &manifests, |live| async move {
            assert!(live.wait(20, |l| l.all::<HTTPRoute>().len() == 1).await);
            let mut route = live.all::<HTTPRoute>().remove(0);
            assert_eq!(route.metadata.labels["team"], "web");
            assert!(live.all::<Ingress>().is_empty());
            // Somebody spoils it: it is mended.
            route.spec.parent_refs.clear();
            live.put(route);
            assert!(live.ready("shop", 120).await);
            assert!(!live.log("HTTPRoute is out of date, updating").is_empty());
            assert!(live.wait(10, |l| l.solver_objects().is_empty()).await, "{:?}", live.solver_objects());
        });
    }
}

#[test]
fn a_listener_that_takes_no_routes_of_other_namespaces_is_404() {
    let manifests = of(ROUTE, "{}", SHOP) + &gateway("Same");
    live(behind_a_gateway(true), &manifests, |live| async move {
        assert!(!live.ready("shop", 40).await);
        assert!(reasons(&live)[0].contains("wrong status code '404'"));
    });
}

#[test]
fn without_the_gateway_api_no_challenge_is_presented_through_a_gateway() {
    let manifests = of(ROUTE, "{}", SHOP) + &gateway("All");
    live(behind_a_gateway(false), &manifests, |live| async move {
        live.after(Duration::from_secs(20)).await;
        let name = live.all::<Challenge>()[0].metadata.name.clone();
        let text = format!("couldn't Present challenge shop/{name}: gateway api is not enabled");
        assert!(
            live.events("PresentError").iter().any(|e| e.ends_with(&text)),
            "{:?}",
            live.events("PresentError")
        );
    });
}

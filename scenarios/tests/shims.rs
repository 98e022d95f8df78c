//! ingress-shim and gateway-shim: Certificates out of annotated objects, to the certificate in the Secret.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use crate::common::live::{Live, issuer, live, script};
use engine::api::{Certificate, Gateway, Ingress, ObjectReference, Secret};

const NGINX: &str = "http01: { ingress: { class: nginx } }";
const BY_ISSUER: &str = r#"{ "cert-manager.io/issuer": "letsencrypt" }"#;

fn ingress(annotations: &str, tls: &str) -> String {
    format!(
        "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{ name: web, namespace: shop, labels: {{ app: web \
         }}, annotations: {annotations} }}\nspec:\n  ingressClassName: nginx\n  tls: {tls}\n  rules:\n    - host: \
         shop.example.com\n      http: {{ paths: [{{ path: /store, pathType: Prefix, backend: {{ service: {{ name: shop, \
         port: {{ number: 80 }} }} }} }}] }}\n"
    )
}

const TLS: &str = "[{ hosts: [shop.example.com], secretName: web-tls }]";

async fn settled(live: &Live) {
    live.after(Duration::from_secs(3)).await;
}

fn names(live: &Live) -> Vec<String> {
    live.all::<Certificate>().into_iter().map(|c| c.metadata.name).collect()
}

#[test]
fn an_annotated_ingress_gets_its_certificate() {
    for compat in ["v1_7", "v1_21"] {
        let manifests = issuer(NGINX) + &ingress(BY_ISSUER, TLS);
        live(script(compat), &manifests, |live| async move {
            assert!(live.ready("web-tls", 120).await);
            assert!(live.get::<Secret>("web-tls").unwrap().data.contains_key("tls.crt"));
            assert_eq!(live.events("CreateCertificate"), ["Successfully created Certificate \"web-tls\""]);
            assert_eq!(live.get::<Certificate>("web-tls").unwrap().metadata.labels["app"], "web");
        });
    }
}

#[test]
fn a_change_of_the_ingress_updates_makes_and_deletes_certificates() {
    let manifests = issuer(NGINX) + &ingress(BY_ISSUER, TLS);
    live(script("v1_21"), &manifests, |live| async move {
        settled(&live).await;
        let mut web = live.get::<Ingress>("web").unwrap();
        web.spec.tls[0].hosts.push("www.shop.example.com".into());
        live.put(web);
        settled(&live).await;
        assert_eq!(live.get::<Certificate>("web-tls").unwrap().spec.dns_names.len(), 2);
        assert_eq!(live.events("UpdateCertificate"), ["Successfully updated Certificate \"web-tls\""]);
        let mut web = live.get::<Ingress>("web").unwrap();
        web.spec.tls[0].secret_name = "new-tls".into();
        live.put(web);
        settled(&live).await;
        assert_eq!(names(&live), ["new-tls"]);
        assert_eq!(
            live.events("DeleteCertificate"),
            ["Successfully deleted unrequired Certificate \"web-tls\""]
        );
    });
}

#[test]
fn a_certificate_that_is_deleted_comes_back_and_one_of_somebody_else_is_left_alone() {
    let foreign = "---\napiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: { name: two-tls, namespace: shop \
                   }\nspec: { secretName: two-tls, issuerRef: { name: x }, dnsNames: [x.example.com] }\n";
    let tls = "[{ hosts: [shop.example.com], secretName: web-tls }, { hosts: [www.shop.example.com], secretName: two-tls }]";
    let manifests = issuer(NGINX) + &ingress(BY_ISSUER, tls) + foreign;
    live(script("v1_7"), &manifests, |live| async move {
        settled(&live).await;
        let first = live.get::<Certificate>("web-tls").unwrap();
        live.remains
            .store
            .delete(engine::api::Kind::Certificate, &engine::api::ObjectKey::of(&first.metadata))
            .unwrap();
        settled(&live).await;
        assert_ne!(live.get::<Certificate>("web-tls").unwrap().metadata.uid, first.metadata.uid);
        assert_eq!(live.get::<Certificate>("two-tls").unwrap().spec.dns_names, ["x.example.com"]);
        assert!(!live.log("certificate resource has no owner. refusing to update non-owned").is_empty());
    });
}

#[test]
fn annotations_become_fields() {
    let annotations = r#"{ "cert-manager.io/issuer": "letsencrypt", "cert-manager.io/common-name": "shop.example.com",
        "cert-manager.io/duration": "2160h", "cert-manager.io/renew-before": "360h",
        "cert-manager.io/usages": "server auth", "cert-manager.io/private-key-algorithm": "ECDSA" }"#;
    let manifests = issuer(NGINX) + &ingress(annotations, TLS);
    live(script("v1_21"), &manifests, |live| async move {
        settled(&live).await;
        let spec = live.get::<Certificate>("web-tls").unwrap().spec;
        assert_eq!(spec.common_name, "shop.example.com");
        assert_eq!(spec.renew_before.unwrap().to_string(), "360h0m0s");
        assert_eq!(spec.usages[0].as_str(), "server auth");
        assert_eq!(spec.private_key.unwrap().algorithm.unwrap().as_str(), "ECDSA");
    });
}

#[test]
fn a_wrong_annotation_is_tried_again_and_again() {
    let annotations = r#"{ "cert-manager.io/issuer": "letsencrypt", "cert-manager.io/duration": "soon" }"#;
    let manifests = issuer(NGINX) + &ingress(annotations, TLS);
    live(script("v1_7"), &manifests, |live| async move {
        live.after(Duration::from_secs(12)).await;
        let text =
            r#"invalid ingress annotation \"cert-manager.io/duration\": time: invalid duration \"soon\""#;
        assert!(live.log(text).len() >= 2, "after 5 s again");
        assert!(names(&live).is_empty());
    });
}

#[test]
fn bad_configurations_are_told_on_the_ingress() {
    let told = |annotations: &str, tls: &str| {
        let manifests = issuer(NGINX) + &ingress(annotations, tls);
        live(script("v1_7"), &manifests, |live| async move {
            settled(&live).await;
            (live.events("BadConfig"), names(&live))
        })
    };
    let both = r#"{ "cert-manager.io/issuer": "a", "cert-manager.io/cluster-issuer": "b" }"#;
    let text = "Could not determine issuer for ingress due to bad annotations: both \"cert-manager.io/issuer\" and \
                \"cert-manager.io/cluster-issuer\" may not be set";
    assert_eq!(told(both, TLS), (vec![text.to_owned()], vec![]));
    let auto = r#"{ "kubernetes.io/tls-acme": "true" }"#;
    let text = "Could not determine issuer for ingress due to bad annotations: failed to determine issuer name to be used \
                for ingress resource";
    assert_eq!(told(auto, TLS), (vec![text.to_owned()], vec![]));
    let twice = "[{ hosts: [a.example.com], secretName: one }, { hosts: [b.example.com], secretName: one }]";
    let text = "spec.tls[0].secretName: Invalid value: \"one\": this secret name must only appear in a single TLS entry \
                but is also used in spec.tls[1].secretName";
    assert_eq!(told(BY_ISSUER, twice), (vec![text.to_owned()], vec![]));
    let half = "[{ hosts: [a.example.com] }, { hosts: [b.example.com], secretName: one }]";
    let text = "Skipped a TLS block: spec.tls[0].secretName: Required value";
    assert_eq!(told(BY_ISSUER, half), (vec![text.to_owned()], vec!["one".to_owned()]));
}

#[test]
fn tls_acme_takes_the_default_issuer() {
    let mut scenario = script("v1_7");
    let issuer_ref = ObjectReference { name: "letsencrypt".into(), ..ObjectReference::default() };
    scenario.engine.default_issuer = Some(issuer_ref);
    let manifests = issuer(NGINX) + &ingress(r#"{ "kubernetes.io/tls-acme": "true" }"#, TLS);
    assert!(live(scenario, &manifests, |live| async move { live.ready("web-tls", 120).await }));
}

#[test]
fn edit_in_place_proves_through_the_annotated_ingress_itself() {
    let annotations =
        r#"{ "cert-manager.io/issuer": "letsencrypt", "acme.cert-manager.io/http01-edit-in-place": "true" }"#;
    let manifests = issuer("http01: { ingress: {} }") + &ingress(annotations, TLS);
    live(script("v1_21"), &manifests, |live| async move {
        let before = live.get::<Ingress>("web").unwrap().spec;
        // A temporary certificate makes it ready at once, while the real one is under way.
        live.after(Duration::from_secs(5)).await;
        assert_ne!(live.get::<Ingress>("web").unwrap().spec, before);
        live.after(Duration::from_secs(60)).await;
        assert!(live.ready("web-tls", 120).await);
        assert_eq!(live.all::<Ingress>().len(), 1);
        assert_eq!(live.get::<Ingress>("web").unwrap().spec, before);
    });
}

#[test]
fn the_end_of_an_ingress_leaves_a_line_in_older_releases() {
    for (compat, lines) in [("v1_7", 1), ("v1_21", 0)] {
        let manifests = issuer(NGINX) + &ingress(BY_ISSUER, TLS);
        live(script(compat), &manifests, move |live| async move {
            settled(&live).await;
            let key = engine::api::ObjectKey::new("shop", "web");
            live.remains.store.delete(engine::api::Kind::Ingress, &key).unwrap();
            settled(&live).await;
            assert_eq!(live.log("ingress 'shop/web' in work queue no longer exists").len().min(1), lines);
            assert!(names(&live).is_empty(), "they go with their owner");
        });
    }
}

const GATEWAY: &str = r#"---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: web, namespace: shop, annotations: { "cert-manager.io/issuer": "letsencrypt" } }
spec:
  gatewayClassName: envoy
  listeners:
    - { name: http, protocol: HTTP, port: 80, hostname: shop.example.com }
    - name: https
      protocol: HTTPS
      port: 443
      hostname: shop.example.com
      tls: { certificateRefs: [{ name: web-tls }] }
"#;

/// The shim names the Gateway as the parent of the challenge's route, so that the issuer need not.
#[test]
fn an_annotated_gateway_gets_its_certificate_through_itself() {
    let mut scenario = script("v1_21");
    scenario.cluster.ingress.host.clear();
    scenario.cluster.gateway.host = "nginx".into();
    scenario.engine.gateway_api = true;
    let manifests = issuer("http01: { gatewayHTTPRoute: {} }") + GATEWAY;
    live(scenario, &manifests, |live| async move {
        assert!(live.ready("web-tls", 120).await);
        assert_eq!(live.events("CreateCertificate"), ["Successfully created Certificate \"web-tls\""]);
        assert!(live.events("BadConfig").is_empty());
        let mut web = live.get::<Gateway>("web").unwrap();
        web.spec.listeners.pop();
        live.put(web);
        settled(&live).await;
        assert!(names(&live).is_empty());
        assert_eq!(live.events("DeleteCertificate").len(), 1);
    });
}

#[test]
fn without_the_gateway_api_a_gateway_gets_nothing_and_1_7_complains_of_plain_listeners() {
    let run = |compat: &str, enabled| {
        let mut scenario = script(compat);
        scenario.engine.gateway_api = enabled;
        let manifests = issuer(NGINX) + GATEWAY;
        live(scenario, &manifests, |live| async move {
            settled(&live).await;
            (names(&live), live.events("BadConfig"))
        })
    };
    assert_eq!(run("v1_21", false), (vec![], vec![]));
    let text =
        "Skipped a listener block: spec.listeners[0].tls: Required value: the TLS block cannot be empty";
    assert_eq!(run("v1_7", true), (vec!["web-tls".to_owned()], vec![text.to_owned()]));
}

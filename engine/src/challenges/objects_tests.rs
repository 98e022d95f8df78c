//! The objects of the solvers, release by release.

use serde_json::{Value, json};

use super::*;
use crate::compat::{V1_7, V1_16, V1_21};

fn challenge(solver: Value) -> Challenge {
    let mut c = Challenge::default();
    c.metadata.name = "c".into();
    c.metadata.namespace = "shop".into();
    c.metadata.uid = "u".into();
    c.spec.dns_name = "a.test".into();
    c.spec.token = "token".into();
    c.spec.key = "token.key".into();
    c.spec.solver = serde_json::from_value(solver).unwrap();
    c
}

fn pod(template: Value, compat: &Compat) -> Value {
    let solver = json!({"http01": {"ingress": {"podTemplate": template}}});
    serde_json::to_value(HTTP01.pod(&challenge(solver), compat)).unwrap()
}

#[test]
fn adler_is_that_of_rfc_1950() {
    assert_eq!(adler32("Wikipedia"), "300286872");
}

#[test]
fn the_pod_of_1_7_has_only_what_it_needs() {
    let pod = pod(json!({}), &V1_7);
    assert_eq!(pod["metadata"]["generateName"], "cm-acme-http-solver-");
    assert_eq!(pod["metadata"]["annotations"], json!({"sidecar.istio.io/inject": "false"}));
    assert_eq!(
        pod["spec"],
        json!({
            "containers": [{
                "name": "acmesolver",
                "image": "quay.io/jetstack/cert-manager-acmesolver:v1.7.1",
                "imagePullPolicy": "IfNotPresent",
                "args": ["--listen-port=8089", "--domain=a.test", "--token=token", "--key=token.key"],
                "ports": [{"name": "http", "containerPort": 8089}],
                "resources": {
                    "requests": {"cpu": "10m", "memory": "64Mi"},
                    "limits": {"cpu": "100m", "memory": "64Mi"},
                },
            }],
            "restartPolicy": "OnFailure",
            "securityContext": {"runAsNonRoot": true},
        })
    );
}

#[test]
fn newer_pods_are_hardened() {
    for compat in [&V1_16, &V1_21] {
        let pod = pod(json!({}), compat);
        let annotations = &pod["metadata"]["annotations"];
        assert_eq!(annotations["cluster-autoscaler.kubernetes.io/safe-to-evict"], "true");
        let spec = &pod["spec"];
        assert_eq!(spec["automountServiceAccountToken"], false);
        assert_eq!(spec["enableServiceLinks"], false);
        assert_eq!(spec["nodeSelector"], json!({"kubernetes.io/os": "linux"}));
        let security = json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}});
        assert_eq!(spec["securityContext"], security);
        assert_eq!(
            spec["containers"][0]["securityContext"],
            json!({
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": true,
                "allowPrivilegeEscalation": false,
            })
        );
    }
}

#[test]
fn a_pod_template_goes_before_the_defaults_in_the_fields_that_the_release_knows() {
    let template = json!({
        "metadata": {"labels": {"team": "web"}, "annotations": {"sidecar.istio.io/inject": "true"}},
        "spec": {
            "nodeSelector": {"disk": "ssd"},
            "affinity": {"podAffinity": {}},
            "tolerations": [{"key": "spot", "operator": "Exists"}],
            "priorityClassName": "high",
            "serviceAccountName": "solver",
            "imagePullSecrets": [{"name": "registry"}],
            "securityContext": {"runAsUser": 1000},
            "resources": {"limits": {"cpu": "1"}, "requests": {"ephemeral-storage": "1Mi"}},
        },
    });
    let old = pod(template.clone(), &V1_7);
    assert_eq!(old["metadata"]["labels"]["team"], "web");
    assert_eq!(old["metadata"]["labels"]["acme.cert-manager.io/http01-solver"], "true");
    assert_eq!(old["metadata"]["annotations"]["sidecar.istio.io/inject"], "true");
    let of = |pod: &Value, field: &str| pod["spec"][field].clone();
    assert_eq!(of(&old, "nodeSelector"), json!({"disk": "ssd"}));
    assert_eq!(of(&old, "affinity"), json!({"podAffinity": {}}));
    assert_eq!(of(&old, "tolerations")[0]["key"], "spot");
    assert_eq!(of(&old, "priorityClassName"), "high");
    assert_eq!(of(&old, "serviceAccountName"), "solver");
    assert_eq!(of(&old, "imagePullSecrets"), Value::Null);
    assert_eq!(of(&old, "securityContext"), json!({"runAsNonRoot": true}));

    let newer = pod(template.clone(), &V1_16);
    assert_eq!(of(&newer, "imagePullSecrets"), json!([{"name": "registry"}]));
    assert_eq!(of(&newer, "securityContext"), json!({"runAsUser": 1000}), "the whole of it");
    assert_eq!(of(&newer, "containers")[0]["resources"]["limits"]["cpu"], "100m");

    let newest = pod(template, &V1_21);
    assert_eq!(
        of(&newest, "containers")[0]["resources"],
        json!({
            "limits": {"cpu": "1", "memory": "64Mi"},
            "requests": {"cpu": "10m", "memory": "64Mi", "ephemeral-storage": "1Mi"},
        })
    );
    assert_eq!(of(&newest, "nodeSelector"), json!({"kubernetes.io/os": "linux", "disk": "ssd"}));
}

#[test]
fn an_empty_template_field_takes_nothing_away() {
    let pod = pod(json!({"spec": {}}), &V1_21);
    assert_eq!(pod["spec"]["affinity"], Value::Null);
    assert_eq!(pod["spec"]["securityContext"]["runAsNonRoot"], true);
}

#[test]
fn the_service_is_a_node_port_unless_the_solver_says_otherwise() {
    let of = |solver: Value| serde_json::to_value(HTTP01.service(&challenge(solver))).unwrap();
    let service = of(json!({"http01": {"ingress": {}}}));
    assert_eq!(service["spec"]["type"], "NodePort");
    assert_eq!(service["spec"]["ports"], json!([{"name": "http", "port": 8089, "targetPort": 8089}]));
    assert_eq!(service["metadata"]["annotations"], json!({"auth.istio.io/8089": "NONE"}));
    assert_eq!(service["spec"]["selector"], service["metadata"]["labels"]);
    for solver in [
        json!({"http01": {"ingress": {"serviceType": "ClusterIP"}}}),
        json!({"http01": {"gatewayHTTPRoute": {"serviceType": "ClusterIP"}}}),
        json!({"tlsALPN01": {"ingress": {"serviceType": "ClusterIP"}}}),
    ] {
        assert_eq!(of(solver)["spec"]["type"], "ClusterIP");
    }
}

#[test]
fn a_gateway_solvers_pod_template_counts_too() {
    let template = json!({"spec": {"priorityClassName": "high"}});
    let solver = json!({"http01": {"gatewayHTTPRoute": {"podTemplate": template}}});
    assert_eq!(HTTP01.pod(&challenge(solver), &V1_21).spec.priority_class_name, "high");
}

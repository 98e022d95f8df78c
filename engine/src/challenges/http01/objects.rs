//! The solver's pod, service and ingress.

use std::collections::BTreeMap;

use crate::api::{
    AcmeChallengeSolverHttp01Ingress, Challenge, Container, ContainerPort, HttpIngressPath,
    HttpIngressRuleValue, Ingress, IngressBackend, IngressRule, IngressServiceBackend, IntOrString,
    ObjectMeta, PathType, Pod, PodSecurityContext, Quantity, RestartPolicy, Service, ServiceBackendPort,
    ServicePort, ServiceType,
};
use crate::certificates::controller_reference;

/// Where the solver listens.
const PORT: i32 = 8089;

/// Adler-32 (RFC 1950) in decimal: a label value that any name or token fits into.
fn adler32(text: &str) -> String {
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in text.bytes() {
        a = (a + u32::from(byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    (b << 16 | a).to_string()
}

/// The labels that tie the three objects to name and token.
pub(super) fn labels(challenge: &Challenge) -> BTreeMap<String, String> {
    [
        ("acme.cert-manager.io/http-domain", adler32(&challenge.spec.dns_name)),
        ("acme.cert-manager.io/http-token", adler32(&challenge.spec.token)),
        ("acme.cert-manager.io/http01-solver", "true".to_owned()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

fn meta(challenge: &Challenge) -> ObjectMeta {
    ObjectMeta {
        generate_name: "cm-acme-http-solver-".to_owned(),
        namespace: challenge.metadata.namespace.clone(),
        labels: labels(challenge),
        owner_references: vec![controller_reference(challenge)],
        ..ObjectMeta::default()
    }
}

/// The configuration of the ingress solver.
pub(super) fn ingress_config(challenge: &Challenge) -> Option<&AcmeChallengeSolverHttp01Ingress> {
    challenge.spec.solver.http01.as_ref()?.ingress.as_ref()
}

pub(super) fn pod(challenge: &Challenge, image: &str) -> Pod {
    let quantities = |cpu: &str, memory: &str| {
        BTreeMap::from([
            ("cpu".to_owned(), Quantity(cpu.to_owned())),
            ("memory".to_owned(), Quantity(memory.to_owned())),
        ])
    };
    let mut pod = Pod { metadata: meta(challenge), ..Pod::default() };
    pod.metadata.annotations.insert("sidecar.istio.io/inject".into(), "false".into());
    let mut container = Container {
        name: "acmesolver".into(),
        image: image.to_owned(),
        image_pull_policy: "IfNotPresent".into(),
        args: vec![
            format!("--listen-port={PORT}"),
            format!("--domain={}", challenge.spec.dns_name),
            format!("--token={}", challenge.spec.token),
            format!("--key={}", challenge.spec.key),
        ],
        ports: vec![ContainerPort { name: "http".into(), container_port: PORT, ..ContainerPort::default() }],
        ..Container::default()
    };
    container.resources.requests = quantities("10m", "64Mi");
    container.resources.limits = quantities("100m", "64Mi");
    pod.spec.containers.push(container);
    pod.spec.restart_policy = Some(RestartPolicy::OnFailure);
    pod.spec.security_context =
        Some(PodSecurityContext { run_as_non_root: Some(true), ..PodSecurityContext::default() });
    if let Some(template) = ingress_config(challenge).and_then(|i| i.pod_template.as_ref()) {
        pod.metadata.labels.extend(template.metadata.labels.clone());
        pod.metadata.annotations.extend(template.metadata.annotations.clone());
        pod.spec.node_selector.extend(template.spec.node_selector.clone());
        pod.spec.tolerations.extend(template.spec.tolerations.clone());
        pod.spec.affinity.clone_from(&template.spec.affinity);
        pod.spec.priority_class_name.clone_from(&template.spec.priority_class_name);
        pod.spec.service_account_name.clone_from(&template.spec.service_account_name);
    }
    pod
}

pub(super) fn service(challenge: &Challenge) -> Service {
    let mut service = Service { metadata: meta(challenge), ..Service::default() };
    service.metadata.annotations.insert("auth.istio.io/8089".into(), "NONE".into());
    let type_ = ingress_config(challenge).and_then(|i| i.service_type).unwrap_or(ServiceType::NodePort);
    service.spec.type_ = Some(type_);
    service.spec.ports.push(ServicePort {
        name: "http".into(),
        port: PORT,
        target_port: Some(IntOrString::Int(PORT)),
        ..ServicePort::default()
    });
    service.spec.selector = labels(challenge);
    service
}

fn path(challenge: &Challenge, service: &str) -> HttpIngressPath {
    HttpIngressPath {
        path: format!("/.well-known/acme-challenge/{}", challenge.spec.token),
        path_type: Some(PathType::ImplementationSpecific),
        backend: IngressBackend {
            service: Some(IngressServiceBackend {
                name: service.to_owned(),
                port: ServiceBackendPort { number: PORT, ..ServiceBackendPort::default() },
            }),
            resource: None,
        },
    }
}

/// The host of the rule; an address has none.
fn host(challenge: &Challenge) -> String {
    let name = &challenge.spec.dns_name;
    if name.parse::<std::net::IpAddr>().is_ok() { String::new() } else { name.clone() }
}

pub(super) fn ingress(challenge: &Challenge, service: &str) -> Ingress {
    let mut ingress = Ingress { metadata: meta(challenge), ..Ingress::default() };
    let annotations = &mut ingress.metadata.annotations;
    annotations.insert("nginx.ingress.kubernetes.io/whitelist-source-range".into(), "0.0.0.0/0,::/0".into());
    if let Some(config) = ingress_config(challenge) {
        if let Some(class) = &config.class {
            annotations.insert("kubernetes.io/ingress.class".into(), class.clone());
        }
        ingress.spec.ingress_class_name.clone_from(&config.ingress_class_name);
        if let Some(template) = &config.ingress_template {
            ingress.metadata.labels.extend(template.metadata.labels.clone());
            ingress.metadata.annotations.extend(template.metadata.annotations.clone());
        }
    }
    let http = Some(HttpIngressRuleValue { paths: vec![path(challenge, service)] });
    ingress.spec.rules.push(IngressRule { host: host(challenge), http });
    ingress
}

/// Whether all paths of a solver ingress lead to this service.
pub(super) fn leads_to(ingress: &Ingress, service: &str) -> bool {
    let paths = ingress.spec.rules.iter().filter_map(|r| r.http.as_ref()).flat_map(|h| &h.paths);
    paths.filter_map(|p| p.backend.service.as_ref()).all(|s| s.name == service)
}

/// The ingress with the challenge's path in front of the others of its host; `None` when it has it.
pub(super) fn with_path(ingress: &Ingress, challenge: &Challenge, service: &str) -> Option<Ingress> {
    let (host, path) = (host(challenge), path(challenge, service));
    let mut edited = ingress.clone();
    let rules = &mut edited.spec.rules;
    match rules.iter_mut().find(|rule| rule.host == host) {
        None => {
            let http = Some(HttpIngressRuleValue { paths: vec![path] });
            rules.push(IngressRule { host, http });
        }
        Some(rule) => {
            let paths = &mut rule.http.get_or_insert_default().paths;
            match paths.iter_mut().find(|p| p.path == path.path) {
                Some(same) if *same == path => return None,
                Some(other) => *other = path,
                None => paths.insert(0, path),
            }
        }
    }
    Some(edited)
}

/// The ingress without the challenge's path, and without a rule that has no path left; `None` when it has none.
pub(super) fn without_path(ingress: &Ingress, challenge: &Challenge) -> Option<Ingress> {
    let own = path(challenge, "").path;
    let mut edited = ingress.clone();
    for rule in &mut edited.spec.rules {
        if let Some(http) = &mut rule.http {
            http.paths.retain(|p| p.path != own);
        }
    }
    edited.spec.rules.retain(|rule| rule.http.as_ref().is_none_or(|h| !h.paths.is_empty()));
    (edited != *ingress).then_some(edited)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge() -> Challenge {
        let mut c = Challenge::default();
        c.spec.dns_name = "a.test".into();
        c.spec.token = "token".into();
        c
    }

    #[test]
    fn adler_is_that_of_rfc_1950() {
        assert_eq!(adler32("Wikipedia"), "300286872");
    }

    #[test]
    fn a_path_is_put_in_front_and_taken_away_again() {
        let mut user = ingress(&challenge(), "shop");
        user.spec.rules[0].http.as_mut().unwrap().paths[0].path = "/".into();
        let edited = with_path(&user, &challenge(), "solver").unwrap();
        let paths = |i: &Ingress| -> Vec<_> {
            i.spec.rules[0].http.as_ref().unwrap().paths.iter().map(|p| p.path.clone()).collect()
        };
        assert_eq!(paths(&edited), ["/.well-known/acme-challenge/token", "/"]);
        assert_eq!(with_path(&edited, &challenge(), "solver"), None);
        assert_eq!(without_path(&edited, &challenge()), Some(user.clone()));
        assert_eq!(without_path(&user, &challenge()), None);
    }

    #[test]
    fn a_solver_ingress_is_known_by_its_service() {
        let i = ingress(&challenge(), "solver");
        assert!(leads_to(&i, "solver") && !leads_to(&i, "other"));
    }
}

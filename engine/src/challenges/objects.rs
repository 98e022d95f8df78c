//! The pod and the service of a solver, which HTTP-01 and TLS-ALPN-01 share but for names and ports.

use std::collections::BTreeMap;

use crate::api::{
    AcmeChallengeSolverHttp01IngressPodTemplate, AcmeChallengeSolverHttp01IngressTemplate, Capabilities,
    Challenge, Container, ContainerPort, Ingress, IntOrString, ObjectMeta, Pod, PodSecurityContext, Quantity,
    ResourceRequirements, RestartPolicy, SeccompProfile, SecurityContext, Service, ServicePort, ServiceType,
};
use crate::certificates::controller_reference;
use crate::compat::Compat;

/// What the objects of one challenge type have of their own.
#[derive(Debug)]
pub(super) struct Shape {
    /// Prefix of their generated names.
    pub(super) prefix: &'static str,
    /// Labels: that of the name, that of the token, and the one that says whose they are.
    labels: [&'static str; 3],
    /// Where the solver listens.
    pub(super) port: i32,
    /// The name of that port.
    port_name: &'static str,
    /// A further argument of the solver.
    argument: Option<&'static str>,
}

/// HTTP-01.
pub(super) const HTTP01: Shape = Shape {
    prefix: "cm-acme-http-solver-",
    labels: [
        "acme.cert-manager.io/http-domain",
        "acme.cert-manager.io/http-token",
        "acme.cert-manager.io/http01-solver",
    ],
    port: 8089,
    port_name: "http",
    argument: None,
};

/// TLS-ALPN-01.
pub(super) const TLS_ALPN01: Shape = Shape {
    prefix: "cm-acme-tls-alpn-solver-",
    labels: [
        "acme.cert-manager.io/tls-alpn-domain",
        "acme.cert-manager.io/tls-alpn-token",
        "acme.cert-manager.io/tls-alpn01-solver",
    ],
    port: 8443,
    port_name: "tls",
    argument: Some("--tls-alpn"),
};

/// Adler-32 (RFC 1950) in decimal: a label value that any name or token fits into.
fn adler32(text: &str) -> String {
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in text.bytes() {
        a = (a + u32::from(byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    (b << 16 | a).to_string()
}

impl Shape {
    /// The labels that tie the objects to name and token.
    pub(super) fn labels(&self, challenge: &Challenge) -> BTreeMap<String, String> {
        let values = [adler32(&challenge.spec.dns_name), adler32(&challenge.spec.token), "true".to_owned()];
        self.labels.iter().map(|key| (*key).to_owned()).zip(values).collect()
    }

    /// The metadata of an object that the challenge controls.
    pub(super) fn meta(&self, challenge: &Challenge) -> ObjectMeta {
        ObjectMeta {
            generate_name: self.prefix.to_owned(),
            namespace: challenge.metadata.namespace.clone(),
            labels: self.labels(challenge),
            owner_references: vec![controller_reference(challenge)],
            ..ObjectMeta::default()
        }
    }

    /// The pod that answers.
    pub(super) fn pod(&self, challenge: &Challenge, compat: &Compat) -> Pod {
        let mut pod = Pod { metadata: self.meta(challenge), ..Pod::default() };
        pod.metadata.annotations.insert("sidecar.istio.io/inject".into(), "false".into());
        let mut container = Container {
            name: "acmesolver".into(),
            image: compat.solver_image.to_owned(),
            image_pull_policy: "IfNotPresent".into(),
            args: vec![
                format!("--listen-port={}", self.port),
                format!("--domain={}", challenge.spec.dns_name),
                format!("--token={}", challenge.spec.token),
                format!("--key={}", challenge.spec.key),
            ],
            ports: vec![ContainerPort {
                name: self.port_name.into(),
                container_port: self.port,
                ..ContainerPort::default()
            }],
            resources: ResourceRequirements {
                requests: quantities("10m", "64Mi"),
                limits: quantities("100m", "64Mi"),
            },
            ..Container::default()
        };
        container.args.extend(self.argument.map(str::to_owned));
        pod.spec.containers.push(container);
        pod.spec.restart_policy = Some(RestartPolicy::OnFailure);
        pod.spec.security_context =
            Some(PodSecurityContext { run_as_non_root: Some(true), ..PodSecurityContext::default() });
        if compat.hardened_solver {
            harden(&mut pod);
        }
        if let Some(template) = Settings::of(challenge).pod_template {
            merge(&mut pod, template, compat);
        }
        pod
    }

    /// The service in front of the pod.
    pub(super) fn service(&self, challenge: &Challenge) -> Service {
        let mut service = Service { metadata: self.meta(challenge), ..Service::default() };
        service.metadata.annotations.insert(format!("auth.istio.io/{}", self.port), "NONE".into());
        service.spec.type_ = Some(Settings::of(challenge).service_type.unwrap_or(ServiceType::NodePort));
        service.spec.ports.push(ServicePort {
            name: self.port_name.into(),
            port: self.port,
            target_port: Some(IntOrString::Int(self.port)),
            ..ServicePort::default()
        });
        service.spec.selector = self.labels(challenge);
        service
    }
}

fn quantities(cpu: &str, memory: &str) -> BTreeMap<String, Quantity> {
    let quantity = |text: &str| Quantity(text.to_owned());
    BTreeMap::from([("cpu".to_owned(), quantity(cpu)), ("memory".to_owned(), quantity(memory))])
}

/// What newer releases add to the pod, so that strict clusters take it.
fn harden(pod: &mut Pod) {
    let evict = "cluster-autoscaler.kubernetes.io/safe-to-evict";
    pod.metadata.annotations.insert(evict.into(), "true".into());
    pod.spec.automount_service_account_token = Some(false);
    pod.spec.enable_service_links = Some(false);
    pod.spec.node_selector.insert("kubernetes.io/os".into(), "linux".into());
    let security = pod.spec.security_context.get_or_insert_default();
    security.seccomp_profile =
        Some(SeccompProfile { type_: "RuntimeDefault".into(), ..SeccompProfile::default() });
    for container in &mut pod.spec.containers {
        container.security_context = Some(SecurityContext {
            read_only_root_filesystem: Some(true),
            allow_privilege_escalation: Some(false),
            capabilities: Some(Capabilities { drop: vec!["ALL".into()], ..Capabilities::default() }),
            ..SecurityContext::default()
        });
    }
}

/// What the issuer's template says goes before what the pod has. The security context replaces the whole one.
fn merge(pod: &mut Pod, template: &AcmeChallengeSolverHttp01IngressPodTemplate, compat: &Compat) {
    pod.metadata.labels.extend(template.metadata.labels.clone());
    pod.metadata.annotations.extend(template.metadata.annotations.clone());
    let (spec, wanted) = (&mut pod.spec, &template.spec);
    spec.node_selector.extend(wanted.node_selector.clone());
    spec.tolerations.extend(wanted.tolerations.iter().cloned());
    if wanted.affinity.is_some() {
        spec.affinity.clone_from(&wanted.affinity);
    }
    if !wanted.priority_class_name.is_empty() {
        spec.priority_class_name.clone_from(&wanted.priority_class_name);
    }
    if !wanted.service_account_name.is_empty() {
        spec.service_account_name.clone_from(&wanted.service_account_name);
    }
    if compat.features.solver_pod_security {
        spec.image_pull_secrets.extend(wanted.image_pull_secrets.iter().cloned());
        if wanted.security_context.is_some() {
            spec.security_context.clone_from(&wanted.security_context);
        }
    }
    if compat.features.solver_pod_resources
        && let (Some(wanted), Some(container)) = (&wanted.resources, spec.containers.first_mut())
    {
        container.resources.requests.extend(wanted.requests.clone());
        container.resources.limits.extend(wanted.limits.clone());
    }
}

/// What an issuer says about the objects of its solver, wherever it says so.
#[derive(Debug, Default)]
pub(super) struct Settings<'a> {
    service_type: Option<ServiceType>,
    pod_template: Option<&'a AcmeChallengeSolverHttp01IngressPodTemplate>,
}

impl<'a> Settings<'a> {
    fn of(challenge: &'a Challenge) -> Self {
        let solver = &challenge.spec.solver;
        let (http01, tls_alpn01) = (solver.http01.as_ref(), solver.tls_alpn01.as_ref());
        if let Some(config) = http01.and_then(|h| h.ingress.as_ref()) {
            let pod_template = config.pod_template.as_ref();
            Settings { service_type: config.service_type, pod_template }
        } else if let Some(config) = http01.and_then(|h| h.gateway_http_route.as_ref()) {
            let pod_template = config.pod_template.as_ref();
            Settings { service_type: config.service_type, pod_template }
        } else if let Some(config) = tls_alpn01.and_then(|t| t.ingress.as_ref()) {
            let pod_template = config.pod_template.as_ref();
            Settings { service_type: config.service_type, pod_template }
        } else {
            Settings::default()
        }
    }
}

/// nginx's list of the clients that may come; the release opens it to all.
const WHITELIST: &str = "nginx.ingress.kubernetes.io/whitelist-source-range";

/// Opens the ingress to all clients, says its class, and adds what the issuer's template says. A list of clients
/// in the template, whatever its prefix, takes the place of the open one.
pub(super) fn dress(
    ingress: &mut Ingress,
    (class, class_name): (Option<&String>, Option<&String>),
    template: Option<&AcmeChallengeSolverHttp01IngressTemplate>,
    compat: &Compat,
) {
    let annotations = &mut ingress.metadata.annotations;
    annotations.insert(WHITELIST.into(), "0.0.0.0/0,::/0".into());
    if let Some(class) = class {
        annotations.insert("kubernetes.io/ingress.class".into(), class.clone());
    }
    if compat.features.ingress_class_name {
        ingress.spec.ingress_class_name = class_name.cloned();
    }
    let Some(template) = template else { return };
    ingress.metadata.labels.extend(template.metadata.labels.clone());
    let own_list = |key: &String| key.rsplit('/').next() == Some("whitelist-source-range");
    if compat.hardened_solver && template.metadata.annotations.keys().any(own_list) {
        annotations.remove(WHITELIST);
    }
    annotations.extend(template.metadata.annotations.clone());
}

#[cfg(test)]
#[path = "objects_tests.rs"]
mod tests;

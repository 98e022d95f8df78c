//! The solver's pod, service and ingress of 0.2 and 0.5.

use std::collections::BTreeMap;

use world::Rng;

use crate::api::{
    Certificate, Container, ContainerPort, HttpIngressPath, HttpIngressRuleValue, Ingress, IngressBackend,
    IngressRule, IngressServiceBackend, IntOrString, LegacyChallenge, ObjectMeta, PathType, Pod, Quantity,
    RestartPolicy, Service, ServiceBackendPort, ServicePort, ServiceType,
};
use crate::certificates::controller_reference;
use crate::compat::OneController;

/// Where the solver listens.
const PORT: i32 = 8089;
const LETTERS: &[u8; 26] = b"abcdefghijklmnopqrstuvwxyz";

/// Five letters.
fn letters(rng: &Rng) -> String {
    (0..5).map(|_| char::from(LETTERS[usize::try_from(rng.below(26)).unwrap_or(0)])).collect()
}

/// 0.2 names its objects itself, and for each presentation anew.
pub(super) fn name(rng: &Rng, certificate: &str) -> String {
    format!("cm-{certificate}-{}", letters(rng)).replace('.', "-")
}

/// The labels of 0.2: the document's services select the pod by `domain`.
pub(super) fn labels_v0_2(rng: &Rng, certificate: &str, domain: &str) -> BTreeMap<String, String> {
    [("managed", "true"), ("domain", domain), ("certificate", certificate), ("id", &letters(rng))]
        .map(|(key, value)| (format!("certmanager.k8s.io/{key}"), value.to_owned()))
        .into()
}

/// The labels of 0.5: Adler-32 of name and token.
pub(super) fn labels_v0_5(challenge: &LegacyChallenge) -> BTreeMap<String, String> {
    [
        ("certmanager.k8s.io/acme-http-domain", adler32(&challenge.domain)),
        ("certmanager.k8s.io/acme-http-token", adler32(&challenge.token)),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

/// Adler-32 (RFC 1950) in decimal.
fn adler32(text: &str) -> String {
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in text.bytes() {
        a = (a + u32::from(byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    (b << 16 | a).to_string()
}

/// What the three objects have in common.
pub(super) struct Shape<'a> {
    pub(super) which: OneController,
    pub(super) certificate: &'a Certificate,
    pub(super) challenge: &'a LegacyChallenge,
    pub(super) labels: BTreeMap<String, String>,
    /// The name; 0.5 lets the API server make one.
    pub(super) name: String,
}

impl Shape<'_> {
    fn meta(&self) -> ObjectMeta {
        let namespace = self.certificate.metadata.namespace.clone();
        let labels = self.labels.clone();
        match self.which {
            OneController::V0_2 => {
                ObjectMeta { name: self.name.clone(), namespace, labels, ..ObjectMeta::default() }
            }
            OneController::V0_5 => ObjectMeta {
                generate_name: "cm-acme-http-solver-".to_owned(),
                namespace,
                labels,
                owner_references: vec![controller_reference(self.certificate)],
                ..ObjectMeta::default()
            },
        }
    }

    pub(super) fn pod(&self, image: &str) -> Pod {
        let quantities = |cpu: &str, memory: &str| {
            BTreeMap::from([("cpu", cpu), ("memory", memory)])
                .into_iter()
                .map(|(key, value)| (key.to_owned(), Quantity(value.to_owned())))
                .collect::<BTreeMap<_, _>>()
        };
        let challenge = self.challenge;
        let mut pod = Pod { metadata: self.meta(), ..Pod::default() };
        let mut container = Container {
            name: "acmesolver".into(),
            image: image.to_owned(),
            image_pull_policy: "IfNotPresent".into(),
            args: vec![
                format!("--listen-port={PORT}"),
                format!("--domain={}", challenge.domain),
                format!("--token={}", challenge.token),
                format!("--key={}", challenge.key),
            ],
            ports: vec![ContainerPort {
                name: "http".into(),
                container_port: PORT,
                ..ContainerPort::default()
            }],
            ..Container::default()
        };
        match self.which {
            OneController::V0_2 => container.resources.requests = quantities("10m", "2Mi"),
            OneController::V0_5 => {
                pod.metadata.annotations.insert("sidecar.istio.io/inject".into(), "false".into());
                container.resources.requests = quantities("10m", "64Mi");
                container.resources.limits = quantities("10m", "64Mi");
            }
        }
        pod.spec.containers.push(container);
        pod.spec.restart_policy = Some(RestartPolicy::OnFailure);
        pod
    }

    pub(super) fn service(&self) -> Service {
        let mut service = Service { metadata: self.meta(), ..Service::default() };
        if self.which == OneController::V0_5 {
            service.metadata.annotations.insert("auth.istio.io/8089".into(), "NONE".into());
        }
        service.spec.type_ = Some(ServiceType::NodePort);
        service.spec.ports.push(ServicePort {
            name: "http".into(),
            port: PORT,
            target_port: Some(IntOrString::Int(PORT)),
            ..ServicePort::default()
        });
        service.spec.selector = self.labels.clone();
        service
    }

    fn path(&self, service: &str) -> HttpIngressPath {
        HttpIngressPath {
            path: format!("/.well-known/acme-challenge/{}", self.challenge.token),
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

    pub(super) fn ingress(&self, service: &str) -> Ingress {
        let mut ingress = Ingress { metadata: self.meta(), ..Ingress::default() };
        if let Some(class) = &self.challenge.http01.ingress_class {
            ingress.metadata.annotations.insert("kubernetes.io/ingress.class".into(), class.clone());
        }
        let http = Some(HttpIngressRuleValue { paths: vec![self.path(service)] });
        ingress.spec.rules.push(IngressRule { host: self.challenge.domain.clone(), http });
        ingress
    }

    /// An ingress of the user's with the challenge's path; `None` when it has it.
    pub(super) fn with_path(&self, ingress: &Ingress, service: &str) -> Option<Ingress> {
        let path = self.path(service);
        let mut edited = ingress.clone();
        let rules = &mut edited.spec.rules;
        match rules.iter_mut().find(|rule| rule.host == self.challenge.domain) {
            None => {
                let http = Some(HttpIngressRuleValue { paths: vec![path] });
                rules.push(IngressRule { host: self.challenge.domain.clone(), http });
            }
            Some(rule) => {
                let paths = &mut rule.http.get_or_insert_default().paths;
                match paths.iter_mut().find(|p| p.path == path.path) {
                    Some(same) if *same == path => return None,
                    Some(other) => *other = path,
                    None => paths.push(path),
                }
            }
        }
        Some(edited)
    }

    /// An ingress of the user's without the path; a rule of the name without any path left goes.
    pub(super) fn without_path(&self, ingress: &Ingress) -> Ingress {
        let own = self.path("").path;
        let mut edited = ingress.clone();
        for rule in edited.spec.rules.iter_mut().filter(|r| r.host == self.challenge.domain) {
            if let Some(http) = &mut rule.http {
                http.paths.retain(|p| p.path != own);
            }
        }
        edited.spec.rules.retain(|rule| {
            rule.host != self.challenge.domain || rule.http.as_ref().is_none_or(|h| !h.paths.is_empty())
        });
        edited
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_0_2_have_five_letters_and_no_dots() {
        let name = name(&Rng::from_seed(1), "shop.test");
        let suffix = name.strip_prefix("cm-shop-test-").unwrap();
        assert!(suffix.len() == 5 && suffix.bytes().all(|b| b.is_ascii_lowercase()), "{name}");
    }

    #[test]
    fn labels_of_0_2_carry_the_name_itself_and_those_of_0_5_its_hash() {
        let old = labels_v0_2(&Rng::from_seed(1), "web", "a.test");
        let keys: Vec<_> = old.keys().map(|k| k.trim_start_matches("certmanager.k8s.io/")).collect();
        assert_eq!(keys, ["certificate", "domain", "id", "managed"]);
        assert_eq!(old["certmanager.k8s.io/domain"], "a.test");
        let challenge = LegacyChallenge { domain: "Wikipedia".into(), ..LegacyChallenge::default() };
        assert_eq!(labels_v0_5(&challenge)["certmanager.k8s.io/acme-http-domain"], "300286872");
    }
}

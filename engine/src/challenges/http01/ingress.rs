//! The Ingress of an HTTP-01 challenge: one of its own, or a path in one of the user's.

use std::net::IpAddr;

use crate::api::{
    AcmeChallengeSolverHttp01Ingress, Challenge, HttpIngressPath, HttpIngressRuleValue, Ingress,
    IngressBackend, IngressRule, IngressServiceBackend, PathType, ServiceBackendPort,
};
use crate::challenges::objects::{HTTP01, dress};
use crate::compat::Compat;

/// The path that the CA asks for.
pub(super) fn challenge_path(challenge: &Challenge) -> String {
    format!("/.well-known/acme-challenge/{}", challenge.spec.token)
}

/// The configuration of the ingress solver.
pub(super) fn config(challenge: &Challenge) -> Option<&AcmeChallengeSolverHttp01Ingress> {
    challenge.spec.solver.http01.as_ref()?.ingress.as_ref()
}

/// The user's Ingress that is to be edited in place, if there is one.
pub(super) fn edited_in_place(challenge: &Challenge) -> Option<&str> {
    config(challenge).map(|config| config.name.as_str()).filter(|name| !name.is_empty())
}

fn path(challenge: &Challenge, service: &str, compat: &Compat) -> HttpIngressPath {
    let exact = compat.solver_path_exact;
    HttpIngressPath {
        path: challenge_path(challenge),
        path_type: Some(if exact { PathType::Exact } else { PathType::ImplementationSpecific }),
        backend: IngressBackend {
            service: Some(IngressServiceBackend {
                name: service.to_owned(),
                port: ServiceBackendPort { number: HTTP01.port, ..ServiceBackendPort::default() },
            }),
            resource: None,
        },
    }
}

/// An Ingress for the challenge alone. That of an address is for all hosts.
pub(super) fn ingress(challenge: &Challenge, service: &str, compat: &Compat) -> Ingress {
    let mut ingress = Ingress { metadata: HTTP01.meta(challenge), ..Ingress::default() };
    let name = &challenge.spec.dns_name;
    let host = if name.parse::<IpAddr>().is_ok() { String::new() } else { name.clone() };
    let http = Some(HttpIngressRuleValue { paths: vec![path(challenge, service, compat)] });
    ingress.spec.rules.push(IngressRule { host, http });
    if let Some(config) = config(challenge) {
        let class = (config.class.as_ref(), config.ingress_class_name.as_ref());
        dress(&mut ingress, class, config.ingress_template.as_ref(), compat);
    }
    ingress
}

/// The user's Ingress with the challenge's path in front of the others of its host; `None` when it is there.
///
/// Two things are the release's: an address gets a rule with the address as its host, and a rule of the host without
/// any path stays as it is, since the release writes its path into a copy of that rule.
pub(super) fn with_path(
    ingress: &Ingress,
    challenge: &Challenge,
    service: &str,
    compat: &Compat,
) -> Option<Ingress> {
    let path = path(challenge, service, compat);
    let mut edited = ingress.clone();
    let rules = &mut edited.spec.rules;
    let Some(rule) = rules.iter_mut().find(|rule| rule.host == challenge.spec.dns_name) else {
        let http = Some(HttpIngressRuleValue { paths: vec![path] });
        rules.push(IngressRule { host: challenge.spec.dns_name.clone(), http });
        return Some(edited);
    };
    let paths = &mut rule.http.as_mut()?.paths;
    match paths.iter_mut().find(|p| p.path == path.path) {
        Some(same) if same.backend.service == path.backend.service => return None,
        Some(other) => *other = path,
        None => paths.insert(0, path),
    }
    Some(edited)
}

/// The user's Ingress without the challenge's path, and without a rule that has no path left.
pub(super) fn without_path(ingress: &Ingress, challenge: &Challenge) -> Ingress {
    let own = challenge_path(challenge);
    let mut edited = ingress.clone();
    edited.spec.rules.retain_mut(|rule| {
        if rule.host != challenge.spec.dns_name {
            return true;
        }
        let Some(http) = &mut rule.http else { return true };
        http.paths.retain(|p| p.path != own);
        !http.paths.is_empty()
    });
    edited
}

#[cfg(test)]
#[path = "ingress_tests.rs"]
mod tests;

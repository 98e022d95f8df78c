//! Secret, Pod, Service, Endpoints and Ingress.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::super::{
    Endpoints, IngressBackend, IngressSpec, IntOrString, PathType, PodSpec, Secret, ServiceSpec, ServiceType,
};
use super::field::{Errors, Path};

const CONFIG_KEY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. \
    'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
const PORT: &str = "must be between 1 and 65535, inclusive";

/// Checks a Secret.
pub(super) fn secret(secret: &Secret, errors: &mut Errors) {
    let names = |key: &str| {
        !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    for key in secret.data.keys().filter(|key| !names(key)) {
        errors.invalid(Path::root("data").key(key), key, CONFIG_KEY);
    }
    for key in secret.string_data.keys().filter(|key| !names(key)) {
        errors.invalid(Path::root("stringData").key(key), key, CONFIG_KEY);
    }
    if secret.type_ == "kubernetes.io/tls" {
        for key in ["tls.crt", "tls.key"] {
            if !secret.data.contains_key(key) && !secret.string_data.contains_key(key) {
                errors.required(Path::root("data").key(key), "");
            }
        }
    }
}

/// Checks a change of a Secret.
pub(super) fn secret_update(old: &Secret, new: &Secret, errors: &mut Errors) {
    if old.type_ != new.type_ {
        errors.invalid(Path::root("type"), &new.type_, "field is immutable");
    }
    if old.immutable == Some(true) && (new.immutable != Some(true) || old.data != new.data) {
        errors.forbidden(Path::root("data"), "field is immutable when `immutable` is set");
    }
}

/// Checks what a Pod runs.
pub(super) fn pod(spec: &PodSpec, path: &Path, errors: &mut Errors) {
    if spec.containers.is_empty() {
        errors.required(path.child("containers"), "");
    }
    let mut names = BTreeSet::new();
    let lists = [("initContainers", &spec.init_containers), ("containers", &spec.containers)];
    for (list, containers) in lists {
        for (index, container) in containers.iter().enumerate() {
            let path = path.child(list).index(index);
            errors.require(&container.name, path.child("name"));
            errors.require(&container.image, path.child("image"));
            if !names.insert(container.name.as_str()) {
                errors.duplicate(path.child("name"), &container.name);
            }
            for (index, port) in container.ports.iter().enumerate() {
                check_port(
                    port.container_port,
                    path.child("ports").index(index).child("containerPort"),
                    errors,
                );
            }
        }
    }
}

fn check_port(port: i32, path: Path, errors: &mut Errors) {
    if port == 0 {
        errors.required(path, "");
    } else if !(1..=65535).contains(&port) {
        errors.invalid_value(path, port, PORT);
    }
}

/// Checks which pods and ports a Service is for.
pub(super) fn service(spec: &ServiceSpec, path: &Path, errors: &mut Errors) {
    let path_of_ports = path.child("ports");
    if spec.type_ == Some(ServiceType::ExternalName) {
        errors.require(&spec.external_name, path.child("externalName"));
    } else if spec.ports.is_empty() && spec.cluster_ip != "None" {
        errors.required(path_of_ports.clone(), "");
    }
    let mut names = BTreeSet::new();
    for (index, port) in spec.ports.iter().enumerate() {
        let path = path_of_ports.index(index);
        if port.name.is_empty() && spec.ports.len() > 1 {
            errors.required(path.child("name"), "");
        }
        if !names.insert(port.name.as_str()) && !port.name.is_empty() {
            errors.duplicate(path.child("name"), &port.name);
        }
        // Unlike in a container, zero is a value here.
        if !(1..=65535).contains(&port.port) {
            errors.invalid_value(path.child("port"), port.port, PORT);
        }
        if let Some(IntOrString::Int(target)) = port.target_port
            && !(1..=65535).contains(&target)
        {
            errors.invalid_value(path.child("targetPort"), target, PORT);
        }
    }
}

/// Checks the addresses behind a Service.
pub(super) fn endpoints(endpoints: &Endpoints, errors: &mut Errors) {
    for (index, subset) in endpoints.subsets.iter().enumerate() {
        let path = Path::root("subsets").index(index);
        let lists = [("addresses", &subset.addresses), ("notReadyAddresses", &subset.not_ready_addresses)];
        for (list, addresses) in lists {
            for (index, address) in addresses.iter().enumerate() {
                if address.ip.parse::<IpAddr>().is_err() {
                    let detail = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
                    errors.invalid(path.child(list).index(index).child("ip"), &address.ip, detail);
                }
            }
        }
        for (index, port) in subset.ports.iter().enumerate() {
            check_port(port.port, path.child("ports").index(index).child("port"), errors);
        }
    }
}

/// Checks the routes of an Ingress.
pub(super) fn ingress(spec: &IngressSpec, path: &Path, errors: &mut Errors) {
    if spec.rules.is_empty() && spec.default_backend.is_none() {
        errors.invalid(path.clone(), "", "either `defaultBackend` or `rules` must be specified");
    }
    if let Some(default) = &spec.default_backend {
        backend(default, &path.child("defaultBackend"), errors);
    }
    for (index, rule) in spec.rules.iter().enumerate() {
        let Some(http) = &rule.http else { continue };
        let path = path.child("rules").index(index).child("http").child("paths");
        if http.paths.is_empty() {
            errors.required(path.clone(), "");
        }
        for (index, route) in http.paths.iter().enumerate() {
            let path = path.index(index);
            match route.path_type {
                None => errors.required(path.child("pathType"), "pathType must be specified"),
                Some(PathType::ImplementationSpecific) if route.path.is_empty() => {}
                Some(_) => {
                    if !route.path.starts_with('/') {
                        errors.invalid(path.child("path"), &route.path, "must be an absolute path");
                    }
                }
            }
            backend(&route.backend, &path.child("backend"), errors);
        }
    }
}

fn backend(backend: &IngressBackend, path: &Path, errors: &mut Errors) {
    match (&backend.service, &backend.resource) {
        (None, None) => errors.required(path.clone(), "resource or service backend is required"),
        (Some(_), Some(_)) => {
            errors.invalid(path.clone(), "", "cannot set both resource and service backends");
        }
        (Some(service), None) => {
            let path = path.child("service");
            errors.require(&service.name, path.child("name"));
            match (service.port.name.is_empty(), service.port.number) {
                (true, 0) => errors.required(path.child("port"), "port name or number is required"),
                (false, 0) => {}
                (true, number) => check_port(number, path.child("port").child("number"), errors),
                (false, _) => {
                    errors.invalid(path.child("port"), "", "cannot set both port name & port number")
                }
            }
        }
        (None, Some(resource)) => {
            let path = path.child("resource");
            errors.require(&resource.kind, path.child("kind"));
            errors.require(&resource.name, path.child("name"));
        }
    }
}

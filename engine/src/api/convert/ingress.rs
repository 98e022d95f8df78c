//! Ingresses of Kubernetes before 1.19, whose backends were written in two fields.

use super::node::{put, take};
use crate::manifest::tree::{Entry, Node, Value};

/// The versions in which they were served, up to Kubernetes 1.21.
pub const OLD_INGRESS_VERSIONS: &[&str] = &["extensions/v1beta1", "networking.k8s.io/v1beta1"];

/// Turns such an Ingress into `networking.k8s.io/v1`.
pub fn ingress_to_v1(object: &mut Node) {
    super::node::each(object, "spec", &mut |spec| {
        if let Some(entry) = take(spec, "backend") {
            put(spec, "defaultBackend", entry);
        }
    });
    super::node::each(object, "spec.defaultBackend", &mut backend);
    super::node::each(object, "spec.rules[].http.paths[]", &mut |path| {
        if path.get("pathType").is_none()
            && let Value::Mapping(entries) = &path.value
            && let Some(first) = entries.first()
        {
            let (key_span, span) = (first.key_span, first.value.span);
            let value = Node { span, value: Value::String("ImplementationSpecific".to_owned()) };
            put(path, "pathType", Entry { key: "pathType".to_owned(), key_span, value });
        }
        super::node::each(path, "backend", &mut backend);
    });
}

fn backend(backend: &mut Node) {
    if let Some(name) = take(backend, "serviceName") {
        put(backend, "service.name", name);
    }
    if let Some(port) = take(backend, "servicePort") {
        let by_number = matches!(port.value.value, Value::Int(_) | Value::Uint(_));
        put(backend, if by_number { "service.port.number" } else { "service.port.name" }, port);
    }
}

//! What a field means when it is absent, and what the API server fills in.

use std::sync::Arc;
use std::time::Duration;

use super::{ByteString, IntOrString, KeyUsage, Object, Pod, RestartPolicy, Secret, Service, ServiceType};

/// The lifetime that a Certificate asks for when it names none.
pub const CERTIFICATE_DURATION: Duration = Duration::from_secs(90 * 24 * 3600);

/// The shortest lifetime that a Certificate may ask for.
pub const MINIMUM_CERTIFICATE_DURATION: Duration = Duration::from_secs(3600);

/// The latest renewal that a Certificate may ask for, counted back from its end.
pub const MINIMUM_RENEW_BEFORE: Duration = Duration::from_secs(5 * 60);

/// The usages of a Certificate that names none.
pub const KEY_USAGES: [KeyUsage; 2] = [KeyUsage::DigitalSignature, KeyUsage::KeyEncipherment];

/// Fills in what the API server stores for absent fields. cert-manager's kinds have no such defaults: their
/// controllers know what an absent field means.
#[must_use]
pub fn set_defaults(object: Object) -> Object {
    match object {
        Object::Secret(secret) => set(secret, Object::Secret, secret_defaults),
        Object::Pod(pod) => set(pod, Object::Pod, pod_defaults),
        Object::Service(service) => set(service, Object::Service, service_defaults),
        object => object,
    }
}

fn set<R: Clone>(mut object: Arc<R>, wrap: fn(Arc<R>) -> Object, change: fn(&mut R)) -> Object {
    change(Arc::make_mut(&mut object));
    wrap(object)
}

fn secret_defaults(secret: &mut Secret) {
    for (key, text) in std::mem::take(&mut secret.string_data) {
        secret.data.insert(key, ByteString::from(text));
    }
    if secret.type_.is_empty() {
        secret.type_ = "Opaque".to_owned();
    }
}

fn pod_defaults(pod: &mut Pod) {
    pod.spec.restart_policy.get_or_insert(RestartPolicy::Always);
    let containers = pod.spec.init_containers.iter_mut().chain(&mut pod.spec.containers);
    for port in containers.flat_map(|container| &mut container.ports) {
        set_protocol(&mut port.protocol);
    }
}

fn service_defaults(service: &mut Service) {
    service.spec.type_.get_or_insert(ServiceType::ClusterIp);
    if service.spec.session_affinity.is_empty() {
        service.spec.session_affinity = "None".to_owned();
    }
    for port in &mut service.spec.ports {
        set_protocol(&mut port.protocol);
        if port.target_port.is_none() {
            port.target_port = Some(IntOrString::Int(port.port));
        }
    }
}

fn set_protocol(protocol: &mut String) {
    if protocol.is_empty() {
        "TCP".clone_into(protocol);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Certificate, ServicePort};

    #[test]
    fn text_of_a_secret_becomes_data() {
        let mut secret = Secret::default();
        secret.data.insert("a".into(), "old".into());
        secret.string_data.insert("a".into(), "new".into());
        let stored = set_defaults(secret.into());
        let stored = stored.get::<Secret>().unwrap();
        assert_eq!((stored.data["a"].as_str(), stored.type_.as_str()), (Some("new"), "Opaque"));
        assert!(stored.string_data.is_empty());
    }

    #[test]
    fn a_service_port_leads_to_the_same_port_of_the_pods() {
        let mut service = Service::default();
        service.spec.ports.push(ServicePort { port: 8089, ..ServicePort::default() });
        let stored = set_defaults(service.into());
        let stored = stored.get::<Service>().unwrap();
        assert_eq!(stored.spec.ports[0].target_port, Some(IntOrString::Int(8089)));
        assert_eq!(stored.spec.ports[0].protocol, "TCP");
    }

    #[test]
    fn a_certificate_stays_as_it_is() {
        let certificate = Object::from(Certificate::default());
        assert_eq!(set_defaults(certificate.clone()), certificate);
    }
}

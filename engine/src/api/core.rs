//! `v1`: Secret, Service, Endpoints and Event, with the fields that an ACME engine meets.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::meta::ObjectMeta;
use super::scalar::{ByteString, IntOrString, Time};
use super::serial::omit;

/// Named bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Secret {
    /// Name, namespace, labels.
    pub metadata: ObjectMeta,
    /// Whether `data` may not change any more.
    #[serde(skip_serializing_if = "omit")]
    pub immutable: Option<bool>,
    /// The bytes, base64 in JSON.
    #[serde(skip_serializing_if = "omit")]
    pub data: BTreeMap<String, ByteString>,
    /// Text that the API server moves into `data`; never read back.
    #[serde(skip_serializing_if = "omit")]
    pub string_data: BTreeMap<String, String>,
    /// `kubernetes.io/tls` and the like; empty: Opaque.
    #[serde(skip_serializing_if = "omit")]
    pub type_: String,
}

/// A stable name and address for pods.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Service {
    /// Name, namespace, labels.
    pub metadata: ObjectMeta,
    /// Which pods and ports.
    pub spec: ServiceSpec,
    /// Load balancer.
    #[serde(skip_serializing_if = "omit")]
    pub status: ServiceStatus,
}

/// Which pods and ports a [`Service`] is for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ServiceSpec {
    /// Ports.
    #[serde(skip_serializing_if = "omit")]
    pub ports: Vec<ServicePort>,
    /// Labels of the pods.
    #[serde(skip_serializing_if = "omit")]
    pub selector: BTreeMap<String, String>,
    /// The virtual IP, or `None`.
    #[serde(rename = "clusterIP", skip_serializing_if = "omit")]
    pub cluster_ip: String,
    /// Virtual IPs by family.
    #[serde(rename = "clusterIPs", skip_serializing_if = "omit")]
    pub cluster_ips: Vec<String>,
    /// How it is exposed; absent: ClusterIP.
    #[serde(skip_serializing_if = "omit")]
    pub type_: Option<ServiceType>,
    /// Further IPs that reach it.
    #[serde(rename = "externalIPs", skip_serializing_if = "omit")]
    pub external_ips: Vec<String>,
    /// `None` or `ClientIP`.
    #[serde(skip_serializing_if = "omit")]
    pub session_affinity: String,
    /// IP asked of the load balancer.
    #[serde(rename = "loadBalancerIP", skip_serializing_if = "omit")]
    pub load_balancer_ip: String,
    /// The DNS name of an ExternalName Service.
    #[serde(skip_serializing_if = "omit")]
    pub external_name: String,
    /// `Cluster` or `Local`.
    #[serde(skip_serializing_if = "omit")]
    pub external_traffic_policy: String,
    /// `Cluster` or `Local`.
    #[serde(skip_serializing_if = "omit")]
    pub internal_traffic_policy: String,
    /// `IPv4`, `IPv6`.
    #[serde(skip_serializing_if = "omit")]
    pub ip_families: Vec<String>,
    /// Single or dual stack.
    #[serde(skip_serializing_if = "omit")]
    pub ip_family_policy: Option<String>,
    /// Whether pods are listed before they are ready.
    #[serde(skip_serializing_if = "omit")]
    pub publish_not_ready_addresses: bool,
}

/// One port of a Service.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ServicePort {
    /// Its name; needed when there are several.
    #[serde(skip_serializing_if = "omit")]
    pub name: String,
    /// `TCP`, `UDP`; empty: TCP.
    #[serde(skip_serializing_if = "omit")]
    pub protocol: String,
    /// Application protocol.
    #[serde(skip_serializing_if = "omit")]
    pub app_protocol: Option<String>,
    /// The Service's port.
    pub port: i32,
    /// The pods' port by number or name; absent: `port`.
    #[serde(skip_serializing_if = "omit")]
    pub target_port: Option<IntOrString>,
    /// The nodes' port.
    #[serde(skip_serializing_if = "omit")]
    pub node_port: i32,
}

/// The load balancer of a Service.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ServiceStatus {
    /// The load balancer.
    #[serde(skip_serializing_if = "omit")]
    pub load_balancer: LoadBalancerStatus,
}

/// Where a load balancer listens.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LoadBalancerStatus {
    /// Its addresses.
    #[serde(skip_serializing_if = "omit")]
    pub ingress: Vec<LoadBalancerIngress>,
}

/// One address of a load balancer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LoadBalancerIngress {
    /// IP address.
    #[serde(skip_serializing_if = "omit")]
    pub ip: String,
    /// Or DNS name.
    #[serde(skip_serializing_if = "omit")]
    pub hostname: String,
}

/// The addresses behind a Service of the same name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Endpoints {
    /// Name, namespace, labels.
    pub metadata: ObjectMeta,
    /// Addresses with the same ports.
    #[serde(skip_serializing_if = "omit")]
    pub subsets: Vec<EndpointSubset>,
}

/// Addresses with the same ports.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct EndpointSubset {
    /// Ready ones.
    #[serde(skip_serializing_if = "omit")]
    pub addresses: Vec<EndpointAddress>,
    /// Those that are not ready.
    #[serde(skip_serializing_if = "omit")]
    pub not_ready_addresses: Vec<EndpointAddress>,
    /// Ports.
    #[serde(skip_serializing_if = "omit")]
    pub ports: Vec<EndpointPort>,
}

/// One address.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct EndpointAddress {
    /// IP address.
    pub ip: String,
    /// Host name.
    #[serde(skip_serializing_if = "omit")]
    pub hostname: String,
    /// Node.
    #[serde(skip_serializing_if = "omit")]
    pub node_name: Option<String>,
    /// The pod.
    #[serde(skip_serializing_if = "omit")]
    pub target_ref: Option<InvolvedObject>,
}

/// One port.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct EndpointPort {
    /// The Service port's name.
    #[serde(skip_serializing_if = "omit")]
    pub name: String,
    /// Number.
    pub port: i32,
    /// `TCP`, `UDP`; empty: TCP.
    #[serde(skip_serializing_if = "omit")]
    pub protocol: String,
}

/// A reference to any object, as core/v1 writes it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct InvolvedObject {
    /// Kind.
    #[serde(skip_serializing_if = "omit")]
    pub kind: String,
    /// Namespace.
    #[serde(skip_serializing_if = "omit")]
    pub namespace: String,
    /// Name.
    #[serde(skip_serializing_if = "omit")]
    pub name: String,
    /// Uid.
    #[serde(skip_serializing_if = "omit")]
    pub uid: String,
    /// Group and version.
    #[serde(skip_serializing_if = "omit")]
    pub api_version: String,
    /// The version that is meant.
    #[serde(skip_serializing_if = "omit")]
    pub resource_version: String,
    /// A part of the object.
    #[serde(skip_serializing_if = "omit")]
    pub field_path: String,
}

/// Something that happened to an object, for people to read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Event {
    /// Name, namespace, labels.
    pub metadata: ObjectMeta,
    /// What it is about.
    pub involved_object: InvolvedObject,
    /// One word, for machines.
    #[serde(skip_serializing_if = "omit")]
    pub reason: String,
    /// One sentence.
    #[serde(skip_serializing_if = "omit")]
    pub message: String,
    /// Who says it.
    #[serde(skip_serializing_if = "omit")]
    pub source: EventSource,
    /// When it was first seen.
    #[serde(skip_serializing_if = "omit")]
    pub first_timestamp: Option<Time>,
    /// When it was last seen.
    #[serde(skip_serializing_if = "omit")]
    pub last_timestamp: Option<Time>,
    /// How often it was seen.
    #[serde(skip_serializing_if = "omit")]
    pub count: i32,
    /// `Normal` or `Warning`.
    #[serde(skip_serializing_if = "omit")]
    pub type_: String,
    /// What was done.
    #[serde(skip_serializing_if = "omit")]
    pub action: String,
    /// The controller.
    #[serde(skip_serializing_if = "omit")]
    pub reporting_component: String,
    /// Which copy of it.
    #[serde(skip_serializing_if = "omit")]
    pub reporting_instance: String,
}

/// Who reports an event.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct EventSource {
    /// The controller.
    #[serde(skip_serializing_if = "omit")]
    pub component: String,
    /// Its node.
    #[serde(skip_serializing_if = "omit")]
    pub host: String,
}
string_enum! {
    /// How a Service is exposed.
    pub enum ServiceType {
        /// Inside of the cluster.
        ClusterIp = "ClusterIP",
        /// On a port of every node.
        NodePort = "NodePort",
        /// By a load balancer.
        LoadBalancer = "LoadBalancer",
        /// As an alias of a DNS name.
        ExternalName = "ExternalName",
    }
}

//! `networking.k8s.io/v1`: Ingress.

use serde::{Deserialize, Serialize};

use super::core::LoadBalancerStatus;
use super::meta::ObjectMeta;
use super::serial::omit;

/// HTTP routes into the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Ingress {
    /// Name, namespace, labels.
    pub metadata: ObjectMeta,
    /// The routes.
    #[serde(skip_serializing_if = "omit")]
    pub spec: IngressSpec,
    /// Where it listens.
    #[serde(skip_serializing_if = "omit")]
    pub status: IngressStatus,
}

/// The routes of an [`Ingress`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct IngressSpec {
    /// Which controller is to serve it.
    #[serde(skip_serializing_if = "omit")]
    pub ingress_class_name: Option<String>,
    /// Where requests without a rule go.
    #[serde(skip_serializing_if = "omit")]
    pub default_backend: Option<IngressBackend>,
    /// Certificates.
    #[serde(skip_serializing_if = "omit")]
    pub tls: Vec<IngressTls>,
    /// Rules by host.
    #[serde(skip_serializing_if = "omit")]
    pub rules: Vec<IngressRule>,
}

/// Hosts and the Secret with their certificate.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct IngressTls {
    /// Hosts.
    #[serde(skip_serializing_if = "omit")]
    pub hosts: Vec<String>,
    /// Secret.
    #[serde(skip_serializing_if = "omit")]
    pub secret_name: String,
}

/// The routes of one host.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct IngressRule {
    /// Host, exact or `*.`; empty: all.
    #[serde(skip_serializing_if = "omit")]
    pub host: String,
    /// Paths.
    #[serde(skip_serializing_if = "omit")]
    pub http: Option<HttpIngressRuleValue>,
}

/// The paths of one host.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpIngressRuleValue {
    /// Paths.
    pub paths: Vec<HttpIngressPath>,
}

/// One path and its backend.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpIngressPath {
    /// Path.
    #[serde(skip_serializing_if = "omit")]
    pub path: String,
    /// How the path is compared.
    pub path_type: Option<PathType>,
    /// Where its requests go.
    pub backend: IngressBackend,
}

/// Where requests go: a Service or another resource.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct IngressBackend {
    /// A Service.
    #[serde(skip_serializing_if = "omit")]
    pub service: Option<IngressServiceBackend>,
    /// Another resource.
    #[serde(skip_serializing_if = "omit")]
    pub resource: Option<TypedLocalObjectReference>,
}

/// A Service and a port of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct IngressServiceBackend {
    /// Service.
    pub name: String,
    /// Port.
    #[serde(skip_serializing_if = "omit")]
    pub port: ServiceBackendPort,
}

/// A Service port, by name or number.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ServiceBackendPort {
    /// Name.
    #[serde(skip_serializing_if = "omit")]
    pub name: String,
    /// Number.
    #[serde(skip_serializing_if = "omit")]
    pub number: i32,
}

/// An object in the same namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TypedLocalObjectReference {
    /// Group.
    #[serde(skip_serializing_if = "omit")]
    pub api_group: Option<String>,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
}

/// Where an Ingress listens.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct IngressStatus {
    /// The load balancer.
    #[serde(skip_serializing_if = "omit")]
    pub load_balancer: LoadBalancerStatus,
}
string_enum! {
    /// How a path is compared.
    pub enum PathType {
        /// The whole path.
        Exact = "Exact",
        /// Element by element.
        Prefix = "Prefix",
        /// As the controller likes.
        ImplementationSpecific = "ImplementationSpecific",
    }
}

//! `gateway.networking.k8s.io/v1`: Gateway and HTTPRoute, with the fields that routing and certificates need.
//!
//! Where the API server fills in a default (the mode of a listener's TLS, the group and kind of a reference to a
//! Secret), reading an absent field gives that default.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::meta::{Condition, ObjectMeta};
use super::scalar::RawJson;
use super::serial::omit;

/// A place where traffic enters the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Gateway {
    /// Name, namespace, labels.
    pub metadata: ObjectMeta,
    /// Its listeners.
    pub spec: GatewaySpec,
    /// What its controller found.
    #[serde(skip_serializing_if = "omit")]
    pub status: GatewayStatus,
}

/// The listeners of a [`Gateway`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GatewaySpec {
    /// Which controller is to serve it.
    pub gateway_class_name: String,
    /// Ports, protocols and host names.
    pub listeners: Vec<Listener>,
    /// Addresses asked for.
    #[serde(skip_serializing_if = "omit")]
    pub addresses: Vec<RawJson>,
    /// What to hand on to the resources behind it.
    #[serde(skip_serializing_if = "omit")]
    pub infrastructure: Option<RawJson>,
}

/// One port, protocol and host name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Listener {
    /// Its name.
    pub name: String,
    /// Host, exact or `*.`; absent: all.
    #[serde(skip_serializing_if = "omit")]
    pub hostname: Option<String>,
    /// Port.
    pub port: i32,
    /// `HTTP`, `HTTPS`, `TLS`, `TCP`, `UDP` or a controller's own.
    pub protocol: String,
    /// For `HTTPS` and `TLS`.
    #[serde(skip_serializing_if = "omit")]
    pub tls: Option<ListenerTlsConfig>,
    /// Which routes may attach; absent: those of the same namespace.
    #[serde(skip_serializing_if = "omit")]
    pub allowed_routes: Option<AllowedRoutes>,
}

/// The TLS of a listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ListenerTlsConfig {
    /// Who ends TLS.
    #[serde(skip_serializing_if = "omit")]
    pub mode: Option<TlsMode>,
    /// The Secrets with the certificates.
    #[serde(skip_serializing_if = "omit")]
    pub certificate_refs: Vec<SecretObjectReference>,
    /// Settings of the controller's own.
    #[serde(skip_serializing_if = "omit")]
    pub options: BTreeMap<String, String>,
}

impl Default for ListenerTlsConfig {
    fn default() -> Self {
        ListenerTlsConfig {
            mode: Some(TlsMode::Terminate),
            certificate_refs: Vec::new(),
            options: BTreeMap::new(),
        }
    }
}

/// A reference to a Secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SecretObjectReference {
    /// Group.
    #[serde(skip_serializing_if = "omit")]
    pub group: Option<String>,
    /// Kind.
    #[serde(skip_serializing_if = "omit")]
    pub kind: Option<String>,
    /// Name.
    pub name: String,
    /// Namespace; absent: the Gateway's.
    #[serde(skip_serializing_if = "omit")]
    pub namespace: Option<String>,
}

impl Default for SecretObjectReference {
    fn default() -> Self {
        SecretObjectReference {
            group: Some(String::new()),
            kind: Some("Secret".to_owned()),
            name: String::new(),
            namespace: None,
        }
    }
}

/// Which routes may attach to a listener.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AllowedRoutes {
    /// From which namespaces.
    #[serde(skip_serializing_if = "omit")]
    pub namespaces: Option<RouteNamespaces>,
    /// Of which kinds.
    #[serde(skip_serializing_if = "omit")]
    pub kinds: Vec<RawJson>,
}

/// The namespaces whose routes may attach.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RouteNamespaces {
    /// Absent: [`FromNamespaces::Same`].
    #[serde(skip_serializing_if = "omit")]
    pub from: Option<FromNamespaces>,
    /// For [`FromNamespaces::Selector`].
    #[serde(skip_serializing_if = "omit")]
    pub selector: Option<RawJson>,
}

/// What a controller found about a [`Gateway`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GatewayStatus {
    /// Addresses that it got.
    #[serde(skip_serializing_if = "omit")]
    pub addresses: Vec<RawJson>,
    /// `Accepted`, `Programmed`.
    #[serde(skip_serializing_if = "omit")]
    pub conditions: Vec<Condition>,
    /// By listener.
    #[serde(skip_serializing_if = "omit")]
    pub listeners: Vec<RawJson>,
}

/// HTTP routes through Gateways.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HTTPRoute {
    /// Name, namespace, labels.
    pub metadata: ObjectMeta,
    /// The routes.
    #[serde(skip_serializing_if = "omit")]
    pub spec: HttpRouteSpec,
    /// What the controllers of its Gateways found.
    #[serde(skip_serializing_if = "omit")]
    pub status: HttpRouteStatus,
}

/// The routes of an [`HTTPRoute`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpRouteSpec {
    /// The Gateways it attaches to.
    #[serde(skip_serializing_if = "omit")]
    pub parent_refs: Vec<ParentReference>,
    /// Hosts; none: those of the listeners.
    #[serde(skip_serializing_if = "omit")]
    pub hostnames: Vec<String>,
    /// What goes where.
    #[serde(skip_serializing_if = "omit")]
    pub rules: Vec<HttpRouteRule>,
}

/// The object that a route attaches to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ParentReference {
    /// Group; absent: that of Gateways.
    #[serde(skip_serializing_if = "omit")]
    pub group: Option<String>,
    /// Kind; absent: Gateway.
    #[serde(skip_serializing_if = "omit")]
    pub kind: Option<String>,
    /// Namespace; absent: the route's.
    #[serde(skip_serializing_if = "omit")]
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
    /// One listener; absent: all.
    #[serde(skip_serializing_if = "omit")]
    pub section_name: Option<String>,
    /// The listeners of one port; absent: all.
    #[serde(skip_serializing_if = "omit")]
    pub port: Option<i32>,
}

/// Which requests, and where they go.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpRouteRule {
    /// Which requests, any of them; none: all.
    #[serde(skip_serializing_if = "omit")]
    pub matches: Vec<HttpRouteMatch>,
    /// What is done to them.
    #[serde(skip_serializing_if = "omit")]
    pub filters: Vec<RawJson>,
    /// Where they go.
    #[serde(skip_serializing_if = "omit")]
    pub backend_refs: Vec<HttpBackendRef>,
}

/// What a request must be like.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpRouteMatch {
    /// Its path.
    #[serde(skip_serializing_if = "omit")]
    pub path: Option<HttpPathMatch>,
    /// Its headers.
    #[serde(skip_serializing_if = "omit")]
    pub headers: Vec<RawJson>,
    /// Its query.
    #[serde(skip_serializing_if = "omit")]
    pub query_params: Vec<RawJson>,
    /// Its method.
    #[serde(skip_serializing_if = "omit")]
    pub method: Option<String>,
}

/// A path, and how it is compared.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpPathMatch {
    /// Absent: [`PathMatchType::PathPrefix`].
    #[serde(skip_serializing_if = "omit")]
    pub type_: Option<PathMatchType>,
    /// Absent: `/`.
    #[serde(skip_serializing_if = "omit")]
    pub value: Option<String>,
}

/// A Service that requests go to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpBackendRef {
    /// Group; absent: the core group.
    #[serde(skip_serializing_if = "omit")]
    pub group: Option<String>,
    /// Kind; absent: Service.
    #[serde(skip_serializing_if = "omit")]
    pub kind: Option<String>,
    /// Name.
    pub name: String,
    /// Namespace; absent: the route's.
    #[serde(skip_serializing_if = "omit")]
    pub namespace: Option<String>,
    /// Port.
    #[serde(skip_serializing_if = "omit")]
    pub port: Option<i32>,
    /// Its share of the requests; absent: 1.
    #[serde(skip_serializing_if = "omit")]
    pub weight: Option<i32>,
    /// What is done to its requests.
    #[serde(skip_serializing_if = "omit")]
    pub filters: Vec<RawJson>,
}

/// What controllers found about an [`HTTPRoute`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpRouteStatus {
    /// By Gateway.
    pub parents: Vec<RouteParentStatus>,
}

/// What one controller found about a route.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RouteParentStatus {
    /// Which Gateway.
    pub parent_ref: ParentReference,
    /// The controller.
    pub controller_name: String,
    /// `Accepted`, `ResolvedRefs`.
    #[serde(skip_serializing_if = "omit")]
    pub conditions: Vec<Condition>,
}

string_enum! {
    /// Who ends TLS.
    pub enum TlsMode {
        /// The Gateway.
        Terminate = "Terminate",
        /// The service behind it.
        Passthrough = "Passthrough",
    }
}

string_enum! {
    /// The namespaces whose routes may attach.
    pub enum FromNamespaces {
        /// All.
        All = "All",
        /// The Gateway's own.
        Same = "Same",
        /// Those with some labels.
        Selector = "Selector",
        /// None.
        None = "None",
    }
}

string_enum! {
    /// How the path of a route is compared.
    pub enum PathMatchType {
        /// The whole path.
        Exact = "Exact",
        /// Element by element.
        PathPrefix = "PathPrefix",
        /// As the controller likes.
        RegularExpression = "RegularExpression",
    }
}

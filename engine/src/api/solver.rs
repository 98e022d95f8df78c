//! The solver configuration of an ACME issuer, copied into each Challenge.
//!
//! Order of fields and presence of empty ones are those of cert-manager's JSON, because the hash of a
//! Challenge's specification is part of its name (see [`super::hash`]).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::core::ServiceType;
use super::gateway::ParentReference;
use super::issuer::ServiceAccountRef;
use super::meta::{LocalObjectReference, SecretKeySelector};
use super::pod::{PodSecurityContext, ResourceRequirements, Toleration};
use super::scalar::{GoDuration, RawJson};
use super::serial::omit;

/// One way to solve challenges: exactly one of `http01`, `dns01` and `tlsALPN01`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AcmeChallengeSolver {
    /// The names and Certificates it is for; absent: all.
    #[serde(skip_serializing_if = "omit")]
    pub selector: Option<CertificateDnsNameSelector>,
    /// Serve the key over HTTP.
    #[serde(skip_serializing_if = "omit")]
    pub http01: Option<AcmeChallengeSolverHttp01>,
    /// Publish the key's digest in DNS.
    #[serde(skip_serializing_if = "omit")]
    pub dns01: Option<AcmeChallengeSolverDns01>,
    /// Serve the key's digest in a TLS handshake. Rehearse's own: cert-manager has none.
    #[serde(rename = "tlsALPN01", skip_serializing_if = "omit")]
    pub tls_alpn01: Option<AcmeChallengeSolverTlsAlpn01>,
    /// Wait this long and skip the self-check (1.21 on).
    #[serde(skip_serializing_if = "omit")]
    pub wait_instead_of_self_check: Option<GoDuration>,
}

/// Which names a solver is for; the most specific match wins.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CertificateDnsNameSelector {
    /// Labels that the Certificate must have.
    #[serde(skip_serializing_if = "omit")]
    pub match_labels: BTreeMap<String, String>,
    /// Exact names.
    #[serde(skip_serializing_if = "omit")]
    pub dns_names: Vec<String>,
    /// Zones; the longest match wins.
    #[serde(skip_serializing_if = "omit")]
    pub dns_zones: Vec<String>,
}

/// HTTP-01: exactly one of the fields.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AcmeChallengeSolverHttp01 {
    /// Through an Ingress.
    #[serde(skip_serializing_if = "omit")]
    pub ingress: Option<AcmeChallengeSolverHttp01Ingress>,
    /// Through a Gateway API HTTPRoute.
    #[serde(rename = "gatewayHTTPRoute", skip_serializing_if = "omit")]
    pub gateway_http_route: Option<AcmeChallengeSolverHttp01GatewayHttpRoute>,
}

/// HTTP-01 through an Ingress: at most one of class, name and ingressClassName.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AcmeChallengeSolverHttp01Ingress {
    /// Type of the solver Service; absent: NodePort.
    #[serde(skip_serializing_if = "omit")]
    pub service_type: Option<ServiceType>,
    /// `spec.ingressClassName` of the new Ingress (1.12 on).
    #[serde(skip_serializing_if = "omit")]
    pub ingress_class_name: Option<String>,
    /// The `kubernetes.io/ingress.class` annotation of the new Ingress.
    #[serde(skip_serializing_if = "omit")]
    pub class: Option<String>,
    /// An existing Ingress to edit in place.
    #[serde(skip_serializing_if = "omit")]
    pub name: String,
    /// Overrides for the solver pod.
    #[serde(skip_serializing_if = "omit")]
    pub pod_template: Option<AcmeChallengeSolverHttp01IngressPodTemplate>,
    /// Additions to the solver Ingress.
    #[serde(skip_serializing_if = "omit")]
    pub ingress_template: Option<AcmeChallengeSolverHttp01IngressTemplate>,
}

/// HTTP-01 through a Gateway API HTTPRoute.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AcmeChallengeSolverHttp01GatewayHttpRoute {
    /// Type of the solver Service; absent: NodePort.
    #[serde(skip_serializing_if = "omit")]
    pub service_type: Option<ServiceType>,
    /// Labels of the HTTPRoute.
    #[serde(skip_serializing_if = "omit")]
    pub labels: BTreeMap<String, String>,
    /// The Gateways to attach to.
    #[serde(skip_serializing_if = "omit")]
    pub parent_refs: Vec<ParentReference>,
    /// Overrides for the solver pod.
    #[serde(skip_serializing_if = "omit")]
    pub pod_template: Option<AcmeChallengeSolverHttp01IngressPodTemplate>,
}

/// TLS-ALPN-01 (RFC 8737): through an Ingress whose controller passes TLS through.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AcmeChallengeSolverTlsAlpn01 {
    /// Through an Ingress.
    #[serde(skip_serializing_if = "omit")]
    pub ingress: Option<AcmeChallengeSolverTlsAlpn01Ingress>,
}

/// TLS-ALPN-01 through an Ingress: at most one of class and ingressClassName.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AcmeChallengeSolverTlsAlpn01Ingress {
    /// Type of the solver Service; absent: NodePort.
    #[serde(skip_serializing_if = "omit")]
    pub service_type: Option<ServiceType>,
    /// `spec.ingressClassName` of the Ingress.
    #[serde(skip_serializing_if = "omit")]
    pub ingress_class_name: Option<String>,
    /// The `kubernetes.io/ingress.class` annotation of the Ingress.
    #[serde(skip_serializing_if = "omit")]
    pub class: Option<String>,
    /// Overrides for the solver pod.
    #[serde(skip_serializing_if = "omit")]
    pub pod_template: Option<AcmeChallengeSolverHttp01IngressPodTemplate>,
    /// Additions to the solver Ingress, such as another controller's annotation for passing TLS through.
    #[serde(skip_serializing_if = "omit")]
    pub ingress_template: Option<AcmeChallengeSolverHttp01IngressTemplate>,
}

/// Overrides for the solver pod.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AcmeChallengeSolverHttp01IngressPodTemplate {
    /// Labels and annotations.
    pub metadata: TemplateMeta,
    /// Scheduling.
    pub spec: AcmeChallengeSolverHttp01IngressPodSpec,
}

/// Additions to the solver Ingress.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AcmeChallengeSolverHttp01IngressTemplate {
    /// Labels and annotations.
    pub metadata: TemplateMeta,
}

/// The part of the metadata that a template may set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TemplateMeta {
    /// Annotations.
    #[serde(skip_serializing_if = "omit")]
    pub annotations: BTreeMap<String, String>,
    /// Labels.
    #[serde(skip_serializing_if = "omit")]
    pub labels: BTreeMap<String, String>,
}

/// The part of the solver pod's specification that a template may set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AcmeChallengeSolverHttp01IngressPodSpec {
    /// Node labels.
    #[serde(skip_serializing_if = "omit")]
    pub node_selector: BTreeMap<String, String>,
    /// Affinity rules.
    #[serde(skip_serializing_if = "omit")]
    pub affinity: Option<RawJson>,
    /// Tolerated taints.
    #[serde(skip_serializing_if = "omit")]
    pub tolerations: Vec<Toleration>,
    /// Priority class.
    #[serde(skip_serializing_if = "omit")]
    pub priority_class_name: String,
    /// Service account.
    #[serde(skip_serializing_if = "omit")]
    pub service_account_name: String,
    /// Registry credentials (1.13 on).
    #[serde(skip_serializing_if = "omit")]
    pub image_pull_secrets: Vec<LocalObjectReference>,
    /// Pod security context (1.16 on).
    #[serde(skip_serializing_if = "omit")]
    pub security_context: Option<PodSecurityContext>,
    /// Resources of the solver container (1.18 on).
    #[serde(skip_serializing_if = "omit")]
    pub resources: Option<ResourceRequirements>,
}

/// DNS-01: exactly one provider.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AcmeChallengeSolverDns01 {
    /// What to do with a CNAME at `_acme-challenge`.
    #[serde(skip_serializing_if = "omit")]
    pub cname_strategy: Option<CnameStrategy>,
    /// Akamai.
    #[serde(skip_serializing_if = "omit")]
    pub akamai: Option<Dns01Akamai>,
    /// Google Cloud DNS.
    #[serde(rename = "cloudDNS", skip_serializing_if = "omit")]
    pub cloud_dns: Option<Dns01CloudDns>,
    /// Cloudflare.
    #[serde(skip_serializing_if = "omit")]
    pub cloudflare: Option<Dns01Cloudflare>,
    /// AWS Route 53.
    #[serde(skip_serializing_if = "omit")]
    pub route53: Option<Dns01Route53>,
    /// Azure DNS.
    #[serde(rename = "azureDNS", skip_serializing_if = "omit")]
    pub azure_dns: Option<Dns01AzureDns>,
    /// DigitalOcean.
    #[serde(skip_serializing_if = "omit")]
    pub digitalocean: Option<Dns01DigitalOcean>,
    /// An acme-dns server.
    #[serde(rename = "acmeDNS", skip_serializing_if = "omit")]
    pub acme_dns: Option<Dns01AcmeDns>,
    /// Dynamic updates.
    #[serde(skip_serializing_if = "omit")]
    pub rfc2136: Option<Dns01Rfc2136>,
    /// An external solver.
    #[serde(skip_serializing_if = "omit")]
    pub webhook: Option<Dns01Webhook>,
}

/// Akamai edge DNS.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Dns01Akamai {
    /// The API host.
    pub service_consumer_domain: String,
    /// Client token.
    pub client_token_secret_ref: SecretKeySelector,
    /// Client secret.
    pub client_secret_secret_ref: SecretKeySelector,
    /// Access token.
    pub access_token_secret_ref: SecretKeySelector,
}

/// Google Cloud DNS.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Dns01CloudDns {
    /// Service account key; absent: ambient.
    #[serde(skip_serializing_if = "omit")]
    pub service_account_secret_ref: Option<SecretKeySelector>,
    /// Project.
    pub project: String,
    /// Managed zone; empty: found by name.
    #[serde(skip_serializing_if = "omit")]
    pub hosted_zone_name: String,
}

/// Cloudflare: API key with e-mail, or API token.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Dns01Cloudflare {
    /// The account's e-mail.
    #[serde(skip_serializing_if = "omit")]
    pub email: String,
    /// API key.
    #[serde(skip_serializing_if = "omit")]
    pub api_key_secret_ref: Option<SecretKeySelector>,
    /// API token.
    #[serde(skip_serializing_if = "omit")]
    pub api_token_secret_ref: Option<SecretKeySelector>,
}

/// DigitalOcean.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Dns01DigitalOcean {
    /// API token.
    pub token_secret_ref: SecretKeySelector,
}

/// AWS Route 53.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Dns01Route53 {
    /// Another way to log in (1.16 on).
    #[serde(skip_serializing_if = "omit")]
    pub auth: Option<Route53Auth>,
    /// Access key id.
    #[serde(rename = "accessKeyID", skip_serializing_if = "omit")]
    pub access_key_id: String,
    /// The same from a Secret.
    #[serde(rename = "accessKeyIDSecretRef", skip_serializing_if = "omit")]
    pub access_key_id_secret_ref: Option<SecretKeySelector>,
    /// Secret access key.
    pub secret_access_key_secret_ref: SecretKeySelector,
    /// Role to assume.
    #[serde(skip_serializing_if = "omit")]
    pub role: String,
    /// Hosted zone; empty: found by name.
    #[serde(rename = "hostedZoneID", skip_serializing_if = "omit")]
    pub hosted_zone_id: String,
    /// Region.
    pub region: String,
}

/// Login to AWS by a service account.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Route53Auth {
    /// A Kubernetes service account.
    #[serde(skip_serializing_if = "omit")]
    pub kubernetes: Option<Route53KubernetesAuth>,
}

/// Login to AWS by a service account token.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Route53KubernetesAuth {
    /// The service account.
    #[serde(skip_serializing_if = "omit")]
    pub service_account_ref: Option<ServiceAccountRef>,
}

/// Azure DNS.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Dns01AzureDns {
    /// Client id.
    #[serde(rename = "clientID", skip_serializing_if = "omit")]
    pub client_id: String,
    /// Client secret.
    #[serde(skip_serializing_if = "omit")]
    pub client_secret_secret_ref: Option<SecretKeySelector>,
    /// Subscription.
    #[serde(rename = "subscriptionID")]
    pub subscription_id: String,
    /// Tenant.
    #[serde(rename = "tenantID", skip_serializing_if = "omit")]
    pub tenant_id: String,
    /// Resource group.
    pub resource_group_name: String,
    /// Zone; empty: found by name.
    #[serde(skip_serializing_if = "omit")]
    pub hosted_zone_name: String,
    /// Which Azure cloud.
    #[serde(skip_serializing_if = "omit")]
    pub environment: Option<AzureDnsEnvironment>,
    /// A managed identity.
    #[serde(skip_serializing_if = "omit")]
    pub managed_identity: Option<AzureManagedIdentity>,
}

/// An Azure managed identity.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AzureManagedIdentity {
    /// Client id.
    #[serde(rename = "clientID", skip_serializing_if = "omit")]
    pub client_id: String,
    /// Resource id.
    #[serde(rename = "resourceID", skip_serializing_if = "omit")]
    pub resource_id: String,
    /// Tenant (1.17 on).
    #[serde(rename = "tenantID", skip_serializing_if = "omit")]
    pub tenant_id: String,
}

/// An acme-dns server.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Dns01AcmeDns {
    /// Its URL.
    pub host: String,
    /// The registered accounts, by name.
    pub account_secret_ref: SecretKeySelector,
}

/// RFC 2136 dynamic updates.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Dns01Rfc2136 {
    /// `host` or `host:port` of the primary.
    pub nameserver: String,
    /// TSIG secret.
    pub tsig_secret_secret_ref: SecretKeySelector,
    /// TSIG key name.
    #[serde(skip_serializing_if = "omit")]
    pub tsig_key_name: String,
    /// TSIG algorithm.
    #[serde(skip_serializing_if = "omit")]
    pub tsig_algorithm: String,
    /// Transport (1.18 on).
    #[serde(skip_serializing_if = "omit")]
    pub protocol: Option<Rfc2136Protocol>,
}

/// An external solver behind an aggregated API.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Dns01Webhook {
    /// Its API group.
    pub group_name: String,
    /// Its name in that group.
    pub solver_name: String,
    /// Whatever it wants to know.
    #[serde(skip_serializing_if = "omit")]
    pub config: Option<RawJson>,
}
string_enum! {
    /// What to do with a CNAME at `_acme-challenge.<name>`.
    pub enum CnameStrategy {
        /// Write the record below the name itself.
        None = "None",
        /// Follow CNAMEs and write the record at their end.
        Follow = "Follow",
    }
}

string_enum! {
    /// Which Azure cloud.
    pub enum AzureDnsEnvironment {
        /// The public one.
        Public = "AzurePublicCloud",
        /// China.
        China = "AzureChinaCloud",
        /// Germany.
        German = "AzureGermanCloud",
        /// United States government.
        UsGovernment = "AzureUSGovernmentCloud",
    }
}

string_enum! {
    /// Transport of dynamic updates.
    pub enum Rfc2136Protocol {
        /// UDP.
        Udp = "UDP",
        /// TCP.
        Tcp = "TCP",
    }
}

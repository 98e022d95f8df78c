//! `cert-manager.io/v1`: Issuer and ClusterIssuer with the configuration of each issuer type.
//!
//! Fields stand in the order in which cert-manager declares them: the solver configuration is part of the
//! JSON that names a Challenge (see [`super::hash`]).

use serde::{Deserialize, Serialize};

use super::meta::{Condition, LocalObjectReference, ObjectMeta, SecretKeySelector};
use super::scalar::ByteString;
use super::serial::omit;
use super::solver::AcmeChallengeSolver;

/// An issuer for the Certificates of its own namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Issuer {
    /// Name, namespace, labels.
    pub metadata: ObjectMeta,
    /// How it signs.
    pub spec: IssuerSpec,
    /// Whether it is ready.
    #[serde(skip_serializing_if = "omit")]
    pub status: IssuerStatus,
}

/// An issuer for the Certificates of every namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ClusterIssuer {
    /// Name, labels; never a namespace.
    pub metadata: ObjectMeta,
    /// How it signs.
    pub spec: IssuerSpec,
    /// Whether it is ready.
    #[serde(skip_serializing_if = "omit")]
    pub status: IssuerStatus,
}

/// The configuration of an issuer: exactly one of the fields is set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct IssuerSpec {
    /// Orders at an ACME server.
    #[serde(skip_serializing_if = "omit")]
    pub acme: Option<AcmeIssuer>,
    /// Signs with a key pair from a Secret.
    #[serde(skip_serializing_if = "omit")]
    pub ca: Option<CaIssuer>,
    /// Asks a Vault PKI mount.
    #[serde(skip_serializing_if = "omit")]
    pub vault: Option<VaultIssuer>,
    /// Signs with the certificate's own key.
    #[serde(skip_serializing_if = "omit")]
    pub self_signed: Option<SelfSignedIssuer>,
    /// Asks Venafi TPP or Cloud.
    #[serde(skip_serializing_if = "omit")]
    pub venafi: Option<VenafiIssuer>,
}

/// An account at an ACME server and the ways to prove control.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AcmeIssuer {
    /// The contact of the account.
    #[serde(skip_serializing_if = "omit")]
    pub email: String,
    /// The directory URL.
    pub server: String,
    /// Common name of the root (or issuer) of the chain to choose among alternates.
    #[serde(skip_serializing_if = "omit")]
    pub preferred_chain: String,
    /// PEM roots to trust for the server (1.11 on); not together with `skipTLSVerify`.
    #[serde(skip_serializing_if = "omit")]
    pub ca_bundle: ByteString,
    /// Do not verify the server's TLS certificate.
    #[serde(rename = "skipTLSVerify", skip_serializing_if = "omit")]
    pub skip_tls_verify: bool,
    /// Ties the account to one known to the CA.
    #[serde(skip_serializing_if = "omit")]
    pub external_account_binding: Option<AcmeExternalAccountBinding>,
    /// The Secret with the account key; created when absent.
    pub private_key_secret_ref: SecretKeySelector,
    /// The ways to solve challenges, with the names each is for.
    #[serde(skip_serializing_if = "omit")]
    pub solvers: Vec<AcmeChallengeSolver>,
    /// Never create the account key.
    #[serde(skip_serializing_if = "omit")]
    pub disable_account_key_generation: bool,
    /// Send `notAfter` with orders, from the duration asked for.
    #[serde(skip_serializing_if = "omit")]
    pub enable_duration_feature: bool,
    /// The certificate profile to order (1.18 on).
    #[serde(skip_serializing_if = "omit")]
    pub profile: String,
}

/// RFC 8555 external account binding.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AcmeExternalAccountBinding {
    /// The key identifier given by the CA.
    #[serde(rename = "keyID")]
    pub key_id: String,
    /// The MAC key, base64url in the Secret.
    pub key_secret_ref: SecretKeySelector,
    /// Deprecated and without effect: HS256 is used.
    #[serde(skip_serializing_if = "omit")]
    pub key_algorithm: Option<HmacKeyAlgorithm>,
}

/// Signs with a CA key pair.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CaIssuer {
    /// The Secret with `tls.crt` and `tls.key` of the CA.
    pub secret_name: String,
    /// CRL URLs to put in certificates.
    #[serde(skip_serializing_if = "omit")]
    pub crl_distribution_points: Vec<String>,
    /// OCSP URLs to put in certificates.
    #[serde(skip_serializing_if = "omit")]
    pub ocsp_servers: Vec<String>,
    /// AIA caIssuers URLs to put in certificates (1.15 on).
    #[serde(rename = "issuingCertificateURLs", skip_serializing_if = "omit")]
    pub issuing_certificate_urls: Vec<String>,
}

/// Signs each certificate with its own key.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SelfSignedIssuer {
    /// CRL URLs to put in certificates.
    #[serde(skip_serializing_if = "omit")]
    pub crl_distribution_points: Vec<String>,
}

/// A Vault PKI secrets engine.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct VaultIssuer {
    /// How to log in: exactly one way.
    pub auth: VaultAuth,
    /// The URL of the server.
    pub server: String,
    /// The TLS server name to verify (1.17 on).
    #[serde(skip_serializing_if = "omit")]
    pub server_name: String,
    /// The signing endpoint, such as `pki/sign/example-dot-com`.
    pub path: String,
    /// Vault namespace.
    #[serde(skip_serializing_if = "omit")]
    pub namespace: String,
    /// PEM roots to trust for the server.
    #[serde(skip_serializing_if = "omit")]
    pub ca_bundle: ByteString,
    /// The same from a Secret (1.10 on).
    #[serde(skip_serializing_if = "omit")]
    pub ca_bundle_secret_ref: Option<SecretKeySelector>,
    /// TLS client certificate (1.15 on).
    #[serde(skip_serializing_if = "omit")]
    pub client_cert_secret_ref: Option<SecretKeySelector>,
    /// TLS client key (1.15 on).
    #[serde(skip_serializing_if = "omit")]
    pub client_key_secret_ref: Option<SecretKeySelector>,
}

/// Ways to log in to Vault.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct VaultAuth {
    /// A token.
    #[serde(skip_serializing_if = "omit")]
    pub token_secret_ref: Option<SecretKeySelector>,
    /// An AppRole.
    #[serde(skip_serializing_if = "omit")]
    pub app_role: Option<VaultAppRole>,
    /// A TLS client certificate (1.17 on).
    #[serde(skip_serializing_if = "omit")]
    pub client_certificate: Option<VaultClientCertificateAuth>,
    /// A Kubernetes service account.
    #[serde(skip_serializing_if = "omit")]
    pub kubernetes: Option<VaultKubernetesAuth>,
}

/// AppRole login.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct VaultAppRole {
    /// Mount path.
    pub path: String,
    /// Role id.
    pub role_id: String,
    /// The secret id.
    pub secret_ref: SecretKeySelector,
}

/// TLS client certificate login.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct VaultClientCertificateAuth {
    /// Mount path; empty: `/v1/auth/cert`.
    #[serde(skip_serializing_if = "omit")]
    pub mount_path: String,
    /// The Secret with the client certificate.
    #[serde(skip_serializing_if = "omit")]
    pub secret_name: String,
    /// The certificate role.
    #[serde(skip_serializing_if = "omit")]
    pub name: String,
}

/// Kubernetes service account login.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct VaultKubernetesAuth {
    /// Mount path; empty: `/v1/auth/kubernetes`.
    #[serde(skip_serializing_if = "omit")]
    pub mount_path: String,
    /// A Secret with the service account's token.
    #[serde(skip_serializing_if = "omit")]
    pub secret_ref: SecretKeySelector,
    /// A service account to make a token for (1.12 on).
    #[serde(skip_serializing_if = "omit")]
    pub service_account_ref: Option<ServiceAccountRef>,
    /// The Vault role.
    pub role: String,
}

/// A service account to make a token for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ServiceAccountRef {
    /// Its name.
    pub name: String,
    /// Further audiences of the token (1.15 on).
    #[serde(skip_serializing_if = "omit")]
    pub audiences: Vec<String>,
}

/// A Venafi policy zone.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct VenafiIssuer {
    /// The zone.
    pub zone: String,
    /// Trust Protection Platform.
    #[serde(skip_serializing_if = "omit")]
    pub tpp: Option<VenafiTpp>,
    /// Venafi Cloud.
    #[serde(skip_serializing_if = "omit")]
    pub cloud: Option<VenafiCloud>,
}

/// Trust Protection Platform.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct VenafiTpp {
    /// The vedsdk URL.
    pub url: String,
    /// The Secret with user and password or token.
    pub credentials_ref: LocalObjectReference,
    /// PEM roots to trust for the server.
    #[serde(skip_serializing_if = "omit")]
    pub ca_bundle: ByteString,
    /// The same from a Secret (1.15 on).
    #[serde(skip_serializing_if = "omit")]
    pub ca_bundle_secret_ref: Option<SecretKeySelector>,
}

/// Venafi Cloud.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct VenafiCloud {
    /// The URL; empty: the public service.
    #[serde(skip_serializing_if = "omit")]
    pub url: String,
    /// The API key.
    pub api_token_secret_ref: SecretKeySelector,
}

/// Whether an issuer is ready.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct IssuerStatus {
    /// `Ready`.
    #[serde(skip_serializing_if = "omit")]
    pub conditions: Vec<Condition>,
    /// The ACME account.
    #[serde(skip_serializing_if = "omit")]
    pub acme: Option<AcmeIssuerStatus>,
}

/// The registered ACME account.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AcmeIssuerStatus {
    /// The account URL.
    #[serde(skip_serializing_if = "omit")]
    pub uri: String,
    /// The contact that was last registered.
    #[serde(skip_serializing_if = "omit")]
    pub last_registered_email: String,
    /// A hash of the account key that was last registered (1.12 on).
    #[serde(skip_serializing_if = "omit")]
    pub last_private_key_hash: String,
}
string_enum! {
    /// The MAC of an external account binding.
    pub enum HmacKeyAlgorithm {
        /// HMAC with SHA-256.
        Hs256 = "HS256",
        /// HMAC with SHA-384.
        Hs384 = "HS384",
        /// HMAC with SHA-512.
        Hs512 = "HS512",
    }
}

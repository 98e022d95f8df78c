//! What Certificates of `certmanager.k8s.io/v1alpha1` carry beyond v1. It is no part of v1 and not in its JSON.

use super::convert::{AcmeConfig, DomainConfig};
use super::scalar::Time;

/// `spec.acme` of v1alpha1: how each name is to be proven.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LegacyAcmeConfig {
    /// `config[]`.
    pub config: Vec<LegacyDomainConfig>,
}

impl From<AcmeConfig> for LegacyAcmeConfig {
    fn from(kept: AcmeConfig) -> Self {
        let domains = |DomainConfig { domains, http01, dns01 }: DomainConfig| LegacyDomainConfig {
            domains,
            http01: http01.map(|h| LegacyHttp01 { ingress: h.ingress, ingress_class: h.ingress_class }),
            dns01: dns01.map(|d| d.provider),
        };
        LegacyAcmeConfig { config: kept.config.into_iter().map(domains).collect() }
    }
}

/// One entry of `spec.acme.config`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LegacyDomainConfig {
    /// The names that it is for.
    pub domains: Vec<String>,
    /// By HTTP-01.
    pub http01: Option<LegacyHttp01>,
    /// By DNS-01, with the issuer's provider of this name.
    pub dns01: Option<String>,
}

/// `http01` of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LegacyHttp01 {
    /// An Ingress of the user's that gets the path; empty: one is made.
    pub ingress: String,
    /// The class of the one that is made.
    pub ingress_class: Option<String>,
}

/// `status.acme` of v1alpha1.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LegacyAcmeStatus {
    /// URL of the last order (0.3 to 0.5).
    pub order_url: String,
    /// The names that it is for.
    pub order_names: Vec<String>,
    /// Challenges that are presented or may be (0.3 to 0.5).
    pub challenges: Vec<LegacyChallenge>,
    /// Authorizations that were obtained (0.2).
    pub authorizations: Vec<LegacyAuthorization>,
    /// When the last order was found to have failed (the time of the condition ValidationFailed).
    pub failed_at: Option<Time>,
}

/// A challenge of an order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LegacyChallenge {
    /// Its URL.
    pub url: String,
    /// Its authorization's URL.
    pub authorization_url: String,
    /// `http-01` or `dns-01`.
    pub type_: String,
    /// For which name.
    pub domain: String,
    /// Its token.
    pub token: String,
    /// The key authorization.
    pub key: String,
    /// How HTTP-01 is to be solved.
    pub http01: LegacyHttp01,
}

/// An authorization that was obtained.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LegacyAuthorization {
    /// For which name.
    pub domain: String,
    /// Its URL.
    pub uri: String,
    /// For which account.
    pub account: String,
}

//! Who publishes a record: one door for all, and the way from a solver's configuration to it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::{AcmeDns, Rfc2136, Solver, Webhook};
use crate::api::{AcmeChallengeSolverDns01, Challenge, ObjectKey, SecretKeySelector};
use crate::controller::SyncError;

/// The TXT record that proves a challenge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TxtRecord {
    /// The name that is proved, without `*.`.
    pub dns_name: String,
    /// The record's name, in full and with its final dot.
    pub fqdn: String,
    /// The zone that it is in, with its final dot; empty for a provider that finds it itself.
    pub zone: String,
    /// Its value.
    pub value: String,
}

/// Why a record was not published, or not taken away: the reason that its Challenge shows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ProviderError(pub String);

impl ProviderError {
    /// An error with this text.
    pub fn new(text: impl fmt::Display) -> Self {
        ProviderError(text.to_string())
    }
}

/// What a provider's call gives.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Result<(), ProviderError>> + Send + 'a>>;

/// Publishes records, and takes them away.
pub trait Provider: fmt::Debug + Send + Sync {
    /// Adds the value to those of the name. Done again, it changes nothing.
    fn present<'a>(&'a self, record: &'a TxtRecord) -> Answer<'a>;

    /// Takes the value away, and leaves the others of the name.
    fn clean_up<'a>(&'a self, record: &'a TxtRecord) -> Answer<'a>;
}

/// The providers of cert-manager whose APIs are a cloud's own.
fn cloud(config: &AcmeChallengeSolverDns01) -> Option<&'static str> {
    let clouds = [
        (config.akamai.is_some(), "akamai"),
        (config.cloud_dns.is_some(), "cloudDNS"),
        (config.cloudflare.is_some(), "cloudflare"),
        (config.digitalocean.is_some(), "digitalocean"),
        (config.route53.is_some(), "route53"),
        (config.azure_dns.is_some(), "azureDNS"),
    ];
    clouds.into_iter().find(|(named, _)| *named).map(|(_, name)| name)
}

impl Solver {
    /// The provider that a solver names, with its credentials as the caches have them now.
    pub(super) fn provider(
        &self,
        challenge: &Challenge,
        config: &AcmeChallengeSolverDns01,
    ) -> Result<Arc<dyn Provider>, SyncError> {
        let world = &self.context.world;
        let namespace = self.resource_namespace(challenge);
        if let Some(webhook) = &config.webhook {
            let base = self.settings.options.webhooks.get(&webhook.group_name).map(String::as_str);
            let ambient = challenge.spec.issuer_ref.kind_or_default() == "ClusterIssuer";
            let provider = Webhook::new(world, &self.http, base, webhook, namespace, ambient);
            return Ok(Arc::new(provider));
        }
        if let Some(rfc2136) = &config.rfc2136 {
            let secret = self.tsig_secret(namespace, &rfc2136.tsig_secret_secret_ref)?;
            let provider = Rfc2136::new(world, &self.resolver, rfc2136, &secret);
            return Ok(Arc::new(provider.map_err(SyncError::other)?));
        }
        if let Some(acme_dns) = &config.acme_dns {
            let accounts = self.account(namespace, &acme_dns.account_secret_ref)?;
            let provider = AcmeDns::new(&self.http, &acme_dns.host, &accounts);
            let failed = |e| SyncError::Other(format!("error instantiating acmedns challenge solver: {e}"));
            return Ok(Arc::new(provider.map_err(failed)?));
        }
        match cloud(config) {
            Some(name) => Err(SyncError::Other(format!(
                "the DNS01 provider {name:?} is a cloud's own and is not offered here: use rfc2136, acmeDNS or webhook"
            ))),
            None => Err(SyncError::other("no dns provider config specified for challenge")),
        }
    }

    /// Where the Secrets are that the issuer of a challenge names.
    fn resource_namespace<'a>(&'a self, challenge: &'a Challenge) -> &'a str {
        match challenge.spec.issuer_ref.kind_or_default() {
            "ClusterIssuer" => &self.settings.cluster_resource_namespace,
            _ => &challenge.metadata.namespace,
        }
    }

    /// The secret of a TSIG key; none when no Secret is named.
    fn tsig_secret(&self, namespace: &str, selector: &SecretKeySelector) -> Result<String, SyncError> {
        if selector.name.is_empty() {
            return Ok(String::new());
        }
        if selector.key.is_empty() {
            return Err(SyncError::other("key of data in Secret resource must be specified"));
        }
        let secret = self.secrets.get(&ObjectKey::new(namespace, selector.name.as_str()));
        let secret = secret.ok_or_else(|| missing(&selector.name))?;
        let entry = secret.data.get(&selector.key).map(|data| text(data.as_slice()));
        let no_entry = || format!("data entry with key {:?} not found in secret", selector.key);
        entry.ok_or_else(|| SyncError::Other(no_entry()))
    }

    fn account(&self, namespace: &str, selector: &SecretKeySelector) -> Result<String, SyncError> {
        let failed = |why: String| SyncError::Other(format!("error getting acmedns accounts secret: {why}"));
        let secret = self.secrets.get(&ObjectKey::new(namespace, selector.name.as_str()));
        let secret = secret.ok_or_else(|| failed(missing(&selector.name).to_string()))?;
        let entry = secret.data.get(&selector.key).map(|data| text(data.as_slice()));
        entry.ok_or_else(|| failed(format!("key '{}' not found in secret", selector.key)))
    }
}

fn missing(name: &str) -> SyncError {
    SyncError::Other(format!("secret {name:?} not found"))
}

fn text(data: &[u8]) -> String {
    String::from_utf8_lossy(data).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Dns01Cloudflare, Dns01Route53};

    #[test]
    fn clouds_are_known_by_their_field() {
        let mut config = AcmeChallengeSolverDns01::default();
        assert_eq!(cloud(&config), None);
        config.route53 = Some(Dns01Route53::default());
        assert_eq!(cloud(&config), Some("route53"));
        config.cloudflare = Some(Dns01Cloudflare::default());
        assert_eq!(cloud(&config), Some("cloudflare"));
    }
}

//! The DNS-01 solver: a TXT record at `_acme-challenge.<name>`, published by a provider, and the check that
//! every nameserver has it.
//!
//! | file | what |
//! |---|---|
//! | `query.rs` | questions to nameservers, over UDP, TCP and HTTPS |
//! | `zone.rs` | aliases, zones, nameservers, and whether they have the value |
//! | `provider.rs` | who publishes: the door, and which solver configuration leads to whom |
//! | `webhook.rs`, `rfc2136.rs`, `acme_dns.rs` | the providers |

mod acme_dns;
mod provider;
mod query;
mod rfc2136;
mod webhook;
mod zone;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::Value;
use world::http::Client as HttpClient;
use world::resolver::Resolver;

use crate::acme::AcmeClients;
use crate::api::{AcmeChallengeSolverDns01, Challenge, CnameStrategy, Secret};
use crate::controller::{Context, SyncError, SyncResult};
use crate::informer::Lister;
use crate::log::{Logger, catalogue as msg};
use query::Questions;
use zone::Zones;

pub use acme_dns::AcmeDns;
pub use provider::{Answer, Provider, ProviderError, TxtRecord};
pub use rfc2136::Rfc2136;
pub use webhook::Webhook;

/// How the solver asks, and whom it has publish its records.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whom it asks for zones and aliases (`--dns01-recursive-nameservers`): `HOST:PORT`, or an `https://` URL
    /// where the release knows DNS over HTTPS. Without any, the nameservers of the process.
    pub nameservers: Vec<String>,
    /// The check asks these nameservers, too, instead of those of the zone
    /// (`--dns01-recursive-nameservers-only`).
    pub recursive_only: bool,
    /// Where the API groups of webhooks are served: `http://HOST[:PORT]` by group. In a cluster the API server
    /// hands such calls on (aggregation).
    pub webhooks: BTreeMap<String, String>,
    /// Publishes every record, whatever the solver of a Challenge says.
    pub instead: Option<Arc<dyn Provider>>,
}

/// The options, with what else the process was started with.
#[derive(Debug)]
pub(crate) struct Settings {
    options: Options,
    /// Where the Secrets are that a ClusterIssuer names.
    cluster_resource_namespace: String,
}

impl Settings {
    pub(crate) fn new(mut options: Options, own: &[SocketAddr], cluster_resource_namespace: &str) -> Self {
        if options.nameservers.is_empty() {
            options.nameservers = own.iter().map(ToString::to_string).collect();
        }
        Settings { options, cluster_resource_namespace: cluster_resource_namespace.to_owned() }
    }
}

/// Presents, checks and cleans up.
pub(super) struct Solver {
    context: Context,
    settings: Arc<Settings>,
    secrets: Lister<Secret>,
    questions: Questions,
    zones: Zones,
    http: HttpClient,
    resolver: Resolver,
}

/// The name of the record of a challenge, before aliases are followed.
fn record_name(dns_name: &str) -> String {
    format!("_acme-challenge.{}.", dns_name.strip_prefix("*.").unwrap_or(dns_name))
}

fn config(challenge: &Challenge) -> Result<&AcmeChallengeSolverDns01, SyncError> {
    let missing = || SyncError::other("no dns01 challenge solver configuration found");
    challenge.spec.solver.dns01.as_ref().ok_or_else(missing)
}

impl Solver {
    pub(super) fn new(context: &Context, clients: &AcmeClients) -> Self {
        let http = clients.http().without_keep_alive();
        let resolver = clients.resolver();
        Solver {
            settings: context.dns01.clone(),
            secrets: context.informers.lister(),
            questions: Questions {
                world: context.world.clone(),
                resolver: resolver.clone(),
                http: http.clone(),
                tries: context.compat.nameserver_tries,
                https: context.compat.features.dns_over_https,
            },
            zones: Zones::default(),
            http,
            resolver,
            context: context.clone(),
        }
    }

    fn nameservers(&self) -> &[String] {
        &self.settings.options.nameservers
    }

    /// The record of a challenge; its zone only if the provider wants to know it.
    async fn record(
        &self,
        log: &Logger,
        challenge: &Challenge,
        with_zone: bool,
    ) -> Result<TxtRecord, SyncError> {
        let spec = &challenge.spec;
        let mut fqdn = record_name(&spec.dns_name);
        if config(challenge)?.cname_strategy == Some(CnameStrategy::Follow) {
            let followed = self.questions.follow(log, &fqdn, self.nameservers()).await;
            fqdn = followed.map_err(SyncError::other)?;
        }
        let mut zone = String::new();
        if with_zone {
            let cache = (&self.zones, self.context.compat.zone_cache);
            let found = self.questions.zone_of(log, &fqdn, self.nameservers(), cache).await;
            zone = found.map_err(SyncError::other)?;
        }
        Ok(TxtRecord { dns_name: spec.dns_name.clone(), fqdn, zone, value: spec.key.clone() })
    }

    /// Has the record published.
    pub(super) async fn present(&self, log: &Logger, challenge: &Challenge) -> SyncResult {
        let log = log.with_name("Present").with_value("domain", challenge.spec.dns_name.clone());
        let (provider, record) = self.prepare(&log, challenge, &msg::DNS01_PRESENT).await?;
        provider.present(&record).await.map_err(SyncError::other)?;
        if config(challenge)?.webhook.is_some() {
            log.info(&msg::WEBHOOK_PRESENTED, &[]);
        }
        Ok(())
    }

    /// The provider of a challenge and its record. External providers get the record first, with its zone;
    /// the others are made first, so that a missing credential shows before a missing zone.
    async fn prepare(
        &self,
        log: &Logger,
        challenge: &Challenge,
        built_in: &crate::log::Message,
    ) -> Result<(Arc<dyn Provider>, TxtRecord), SyncError> {
        let config = config(challenge)?;
        if let Some(instead) = &self.settings.options.instead {
            let record = self.record(log, challenge, true).await?;
            log.info(&msg::DNS01_PRESENT_EXTERNAL, &[]);
            return Ok((instead.clone(), record));
        }
        if config.webhook.is_some() || config.rfc2136.is_some() {
            let record = self.record(log, challenge, true).await?;
            let clean_up = built_in == &msg::DNS01_CLEAN_UP;
            log.info(if clean_up { built_in } else { &msg::DNS01_PRESENT_EXTERNAL }, &[]);
            return Ok((self.provider(challenge, config)?, record));
        }
        let provider = self.provider(challenge, config)?;
        let record = self.record(log, challenge, false).await?;
        log.info(built_in, &[]);
        Ok((provider, record))
    }

    /// Whether the record is where the CA will look for it, and has been there for a while.
    pub(super) async fn check(&self, log: &Logger, challenge: &Challenge) -> SyncResult {
        let log = log.with_name("Check").with_value("domain", challenge.spec.dns_name.clone());
        let fqdn = record_name(&challenge.spec.dns_name);
        log.info(&msg::DNS01_CHECK, &[("nameservers", self.nameservers().into())]);
        let there = self.is_there(&log, &fqdn, &challenge.spec.key).await;
        if !there.map_err(SyncError::other)? {
            let name = &challenge.spec.dns_name;
            return Err(SyncError::Other(format!("DNS record for {name:?} not yet propagated")));
        }
        let settle = self.context.compat.dns01_settle;
        let values = [("ttl", Value::from(settle.as_secs())), ("fqdn", fqdn.clone().into())];
        log.info(&msg::DNS01_SETTLE, &values);
        // It holds the worker all that time.
        self.context.world.sleep(settle).await;
        log.info(&msg::DNS01_PROPAGATED, &[("fqdn", fqdn.into())]);
        Ok(())
    }

    /// Whether everybody who is asked has the value. The check follows aliases, whatever the strategy.
    async fn is_there(&self, log: &Logger, fqdn: &str, value: &str) -> Result<bool, zone::ZoneError> {
        let (ask, nameservers) = (&self.questions, self.nameservers());
        let name = ask.follow(log, fqdn, nameservers).await?;
        if self.settings.options.recursive_only {
            return ask.all_have(log, &name, value, nameservers).await;
        }
        let cache = (&self.zones, self.context.compat.zone_cache);
        let authorities = ask.authorities(log, &name, nameservers, cache).await?;
        ask.all_have(log, &name, value, &authorities).await
    }

    /// Has the record taken away: this value, and no other of the name.
    pub(super) async fn clean_up(&self, challenge: &Challenge) -> SyncResult {
        let name = &challenge.spec.dns_name;
        let log = self.context.log.with_value("dnsName", name.clone());
        let log = log.with_value("type", challenge.spec.type_.as_str()).with_resource(challenge);
        let log = log.with_name("CleanUp").with_value("domain", name.clone());
        let (provider, record) = self.prepare(&log, challenge, &msg::DNS01_CLEAN_UP).await?;
        provider.clean_up(&record).await.map_err(SyncError::other)?;
        if config(challenge)?.webhook.is_some() {
            log.info(&msg::WEBHOOK_CLEANED, &[]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_of_a_wildcard_is_that_of_its_base_name() {
        assert_eq!(record_name("example.test"), "_acme-challenge.example.test.");
        assert_eq!(record_name("*.example.test"), "_acme-challenge.example.test.");
    }

    #[test]
    fn the_nameservers_of_the_process_are_asked_when_no_others_are_given() {
        let own = ["10.0.0.53:53".parse().unwrap()];
        let settings = Settings::new(Options::default(), &own, "kube-system");
        assert_eq!(settings.options.nameservers, ["10.0.0.53:53"]);
        let given = Options { nameservers: vec!["https://dns.test/dns-query".into()], ..Options::default() };
        let settings = Settings::new(given, &own, "kube-system");
        assert_eq!(settings.options.nameservers, ["https://dns.test/dns-query"]);
    }
}

//! What the limits are: a preset, what configuration changes in it, and overrides for accounts and domains.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::bucket::{BucketId, LimitName};
use super::gcra::{BadQuota, Quota, Rate};
use super::presets::Preset;
use super::requests::{EndpointClass, RequestRate};
use super::text::TextVersion;
use std::time::Duration;

/// Configuration of the limits. Every key has a default, which is no limit at all; an unknown key is an error.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct LimitsConfig {
    /// The limits to start from.
    pub preset: Preset,
    /// Limits that are not as in the preset; `null` lifts one.
    pub limits: BTreeMap<LimitName, Option<Quota>>,
    /// Request limits that are not as in the preset; `null` lifts one.
    pub requests: BTreeMap<EndpointClass, Option<RequestRate>>,
    /// Limits of their own for some accounts and some registered domains; a later one wins.
    pub overrides: Vec<Override>,
    /// Which orders are renewals that some limits let pass.
    pub exemption: ExemptionRule,
    /// In whose words a refusal is written.
    pub text: TextVersion,
    /// Whether a time to retry is made up to 3 % longer, at random.
    pub jitter: bool,
    /// The page on which a paused account frees its identifiers; `?jwt=…` is added.
    pub unpause_url: String,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        LimitsConfig {
            preset: Preset::None,
            limits: BTreeMap::new(),
            requests: BTreeMap::new(),
            overrides: Vec::new(),
            exemption: ExemptionRule::Code,
            text: TextVersion::V2025,
            jitter: true,
            unpause_url: "https://portal.letsencrypt.org/sfe/v1/unpause".to_owned(),
        }
    }
}

/// A limit of their own for some.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Override {
    /// Of which limit.
    pub limit: LimitName,
    /// For these accounts. An account with an override of certificates per registered domain is counted for
    /// itself, in a bucket for each domain.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<u64>,
    /// For these registered domains, addresses or /64 ranges, as read-outs write them: certificates per
    /// registered domain only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub registered_domains: Vec<String>,
    /// The limit; `null` lifts it.
    pub quota: Option<Quota>,
}

/// Which orders with `replaces` count as renewals (RFC 9773 section 5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ExemptionRule {
    /// All of them, as Let's Encrypt's documentation says.
    Docs,
    /// Those that come inside of the certificate's suggested window, as Boulder decides.
    #[default]
    Code,
}

/// Why limits cannot be made of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLimits {
    /// A quota is no good.
    #[error("{place}: {why}")]
    Quota {
        /// Its key in the configuration.
        place: String,
        /// Why.
        why: BadQuota,
    },
    /// `limits` has a limit that is set in another place.
    #[error("limits.{0}: is set in `{1}`")]
    Elsewhere(LimitName, &'static str),
    /// An override for whom the limit does not count.
    #[error("overrides[{index}]: {limit} is not counted by {whom}")]
    Override {
        /// Which override, from 0.
        index: usize,
        /// Its limit.
        limit: LimitName,
        /// By what it is not counted.
        whom: &'static str,
    },
    /// An override for nobody.
    #[error("overrides[{0}]: needs `accounts` or `registeredDomains`")]
    ForNobody(usize),
}

/// All rates, by what they are for. `None` in an override is a limit that is lifted.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    limits: BTreeMap<LimitName, Rate>,
    requests: BTreeMap<EndpointClass, Rate>,
    accounts: BTreeMap<(LimitName, u64), Option<Rate>>,
    domains: BTreeMap<String, Option<Rate>>,
}

impl Table {
    pub(super) fn new(config: &LimitsConfig) -> Result<Self, BadLimits> {
        let mut table = Table::default();
        let preset = config.preset.tables();
        let limits = preset.limits.iter().map(|(name, quota)| (*name, Some(*quota)));
        for (name, quota) in limits.chain(config.limits.iter().map(|(name, quota)| (*name, *quota))) {
            match name {
                LimitName::RequestsPerIpAddress => return Err(BadLimits::Elsewhere(name, "requests")),
                LimitName::NewCertificatesPerRegisteredDomainPerAccount => {
                    return Err(BadLimits::Elsewhere(name, "overrides"));
                }
                _ => {}
            }
            put(&mut table.limits, name, quota, || format!("limits.{name}"))?;
        }
        let requests = preset.requests.iter().map(|(class, rate)| (*class, Some(*rate)));
        for (class, rate) in requests.chain(config.requests.iter().map(|(class, rate)| (*class, *rate))) {
            let quota = rate.map(|r| Quota::per(r.per_second, Duration::from_secs(1)).with_burst(r.burst));
            put(&mut table.requests, class, quota, || format!("requests.{}", class.as_str()))?;
        }
        for (index, each) in config.overrides.iter().enumerate() {
            table.add(index, each)?;
        }
        Ok(table)
    }

    fn add(&mut self, index: usize, each: &Override) -> Result<(), BadLimits> {
        let limit = each.limit;
        let wrong = |whom| Err(BadLimits::Override { index, limit, whom });
        let by_domain = limit == LimitName::NewCertificatesPerRegisteredDomain;
        let by_account = matches!(
            limit,
            LimitName::NewOrdersPerAccount
                | LimitName::NewCertificatesPerRegisteredDomain
                | LimitName::AuthorizationFailuresPerIdentifierPerAccount
                | LimitName::ConsecutiveAuthorizationFailuresPerIdentifierPerAccount
        );
        match (each.accounts.is_empty(), each.registered_domains.is_empty()) {
            (true, true) => return Err(BadLimits::ForNobody(index)),
            (false, _) if !by_account => return wrong("account"),
            (_, false) if !by_domain => return wrong("registered domain"),
            _ => {}
        }
        let place = || format!("overrides[{index}].quota");
        let rate = each.quota.map(Rate::new).transpose();
        let rate = rate.map_err(|why| BadLimits::Quota { place: place(), why })?;
        self.accounts.extend(each.accounts.iter().map(|account| ((limit, *account), rate)));
        self.domains.extend(each.registered_domains.iter().map(|domain| (domain.clone(), rate)));
        Ok(())
    }

    /// Whether certificates per registered domain are counted for this account alone.
    pub(super) fn counts_domains_of(&self, account: u64) -> bool {
        self.accounts.contains_key(&(LimitName::NewCertificatesPerRegisteredDomain, account))
    }

    /// The rate of a bucket; `None` when there is no such limit.
    pub(super) fn rate(&self, bucket: &BucketId) -> Option<Rate> {
        let limit = bucket.limit();
        let own = match bucket {
            BucketId::RequestsPerIpAddress(class, _) => return self.requests.get(class).copied(),
            BucketId::NewCertificatesPerRegisteredDomainPerAccount(account, _) => {
                let whose = (LimitName::NewCertificatesPerRegisteredDomain, *account);
                return self.accounts.get(&whose).copied().flatten();
            }
            BucketId::NewCertificatesPerRegisteredDomain(domain) => self.domains.get(domain),
            other => other.account().and_then(|account| self.accounts.get(&(limit, account))),
        };
        own.copied().unwrap_or_else(|| self.limits.get(&limit).copied())
    }
}

/// Sets or takes away one rate.
fn put<K: Ord>(
    rates: &mut BTreeMap<K, Rate>,
    key: K,
    quota: Option<Quota>,
    place: impl Fn() -> String,
) -> Result<(), BadLimits> {
    match quota {
        None => rates.remove(&key),
        Some(quota) => {
            let rate = Rate::new(quota).map_err(|why| BadLimits::Quota { place: place(), why })?;
            rates.insert(key, rate)
        }
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<LimitsConfig, String> {
        serde_json::from_str(text).map_err(|e| e.to_string())
    }

    fn refused(text: &str) -> String {
        Table::new(&read(text).unwrap()).unwrap_err().to_string()
    }

    fn burst(table: &Table, limit: LimitName, key: &str) -> Option<u64> {
        table.rate(&limit.bucket(key).unwrap()).map(|rate| rate.burst())
    }

    #[test]
    fn what_is_written_reads_back_and_an_empty_object_is_the_default() {
        assert_eq!(read("{}").unwrap(), LimitsConfig::default());
        let text = r#"{"preset":"letsencrypt-prod","limits":{"newOrdersPerAccount":{"count":2,"period":"1h"},
            "newRegistrationsPerIpAddress":null},"requests":{"acme":{"perSecond":1,"burst":2}},
            "overrides":[{"limit":"newOrdersPerAccount","accounts":[7],"quota":null}],
            "exemption":"docs","text":"2021","jitter":false}"#;
        let config = read(text).unwrap();
        assert_eq!(read(&serde_json::to_string(&config).unwrap()).unwrap(), config);
    }

    #[test]
    fn an_unknown_key_is_an_error_at_every_level() {
        for text in [
            r#"{"surprise":1}"#,
            r#"{"preset":"letsencrypt"}"#,
            r#"{"limits":{"surprise":null}}"#,
            r#"{"limits":{"newOrdersPerAccount":{"count":1,"period":"1h","surprise":1}}}"#,
            r#"{"requests":{"acme":{"perSecond":1,"burst":1,"surprise":1}}}"#,
            r#"{"overrides":[{"limit":"newOrdersPerAccount","accounts":[1],"quota":null,"surprise":1}]}"#,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_place() {
        for (text, why) in [
            (
                r#"{"limits":{"newOrdersPerAccount":{"count":0,"period":"1h"}}}"#,
                "limits.newOrdersPerAccount: count and burst must be at least 1; `null` lifts the limit",
            ),
            (
                r#"{"requests":{"acme":{"perSecond":1,"burst":0}}}"#,
                "requests.acme: count and burst must be at least 1; `null` lifts the limit",
            ),
            (
                r#"{"limits":{"requestsPerIpAddress":null}}"#,
                "limits.requestsPerIpAddress: is set in `requests`",
            ),
            (
                r#"{"overrides":[{"limit":"newOrdersPerAccount","registeredDomains":["a.com"],"quota":null}]}"#,
                "overrides[0]: newOrdersPerAccount is not counted by registered domain",
            ),
            (
                r#"{"overrides":[{"limit":"newRegistrationsPerIpAddress","accounts":[1],"quota":null}]}"#,
                "overrides[0]: newRegistrationsPerIpAddress is not counted by account",
            ),
            (
                r#"{"overrides":[{"limit":"newOrdersPerAccount","quota":null}]}"#,
                "overrides[0]: needs `accounts` or `registeredDomains`",
            ),
            (
                r#"{"overrides":[{"limit":"newOrdersPerAccount","accounts":[1],"quota":{"count":1,"period":"0s"}}]}"#,
                "overrides[0].quota: more than one token in a nanosecond",
            ),
        ] {
            assert_eq!(refused(text), why);
        }
    }

    #[test]
    fn overrides_come_before_limits_and_limits_before_the_preset() {
        let text = r#"{"preset":"letsencrypt-prod",
            "limits":{"newRegistrationsPerIpAddress":null,
                "newCertificatesPerExactSetOfIdentifiers":{"count":7,"period":"1h"}},
            "requests":{"acme":null},
            "overrides":[
                {"limit":"newOrdersPerAccount","accounts":[1,2],"quota":{"count":9,"period":"1h"}},
                {"limit":"newOrdersPerAccount","accounts":[2],"quota":null},
                {"limit":"newCertificatesPerRegisteredDomain","accounts":[1],"registeredDomains":["a.com"],
                    "quota":{"count":60,"period":"1h","burst":80}}]}"#;
        let table = Table::new(&read(text).unwrap()).unwrap();
        assert_eq!(burst(&table, LimitName::NewOrdersPerAccount, "1"), Some(9));
        assert_eq!(burst(&table, LimitName::NewOrdersPerAccount, "2"), None);
        assert_eq!(burst(&table, LimitName::NewOrdersPerAccount, "3"), Some(300));
        assert_eq!(burst(&table, LimitName::NewCertificatesPerRegisteredDomain, "a.com"), Some(80));
        assert_eq!(burst(&table, LimitName::NewCertificatesPerRegisteredDomain, "b.com"), Some(50));
        let of_account = LimitName::NewCertificatesPerRegisteredDomainPerAccount;
        assert_eq!(burst(&table, of_account, "1/b.com"), Some(80));
        assert_eq!(burst(&table, of_account, "2/b.com"), None);
        assert!(table.counts_domains_of(1) && !table.counts_domains_of(2));
        assert_eq!(burst(&table, LimitName::NewRegistrationsPerIpAddress, "10.0.0.1"), None);
        assert_eq!(burst(&table, LimitName::NewCertificatesPerExactSetOfIdentifiers, "a.com"), Some(7));
        assert_eq!(burst(&table, LimitName::RequestsPerIpAddress, "acme/10.0.0.1"), None);
        assert_eq!(burst(&table, LimitName::RequestsPerIpAddress, "newNonce/10.0.0.1"), Some(10));
    }
}

//! What an instance of the CA is a function of, apart from its world: one value, read from JSON or YAML by
//! whoever embeds it, with the defaults of Let's Encrypt's production in 2022.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use world::duration;

mod hierarchy;
mod letsencrypt;
mod pebble;
mod profile;
mod randomness;

use crate::db::ChallengeKind;
use crate::dialect::{DialectName, Endpoint};
use crate::faults::Script;
use crate::limits::LimitsConfig;
use crate::policy::IdentifierType;
pub use hierarchy::{
    Authority, Choice, HierarchyConfig, KeyType, LeafKeys, OwnAuthority, Publication, Usage,
};
pub use profile::{Change, Profile, Terms};
pub use randomness::Randomness;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Configuration of a CA. Every key has a default; an unknown key is an error.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Config {
    /// What every URL that the CA gives away starts with; no slash at the end. Empty: the scheme and the
    /// host that a request was sent to, as it says itself.
    pub base_url: String,
    /// Whose behaviours it has.
    pub dialect: DialectName,
    /// From a certificate's notBefore to one second after its notAfter.
    #[serde(with = "duration::one")]
    pub validity: Duration,
    /// How long before the issuance a certificate's validity starts.
    #[serde(with = "duration::one")]
    pub backdate: Duration,
    /// The port that http-01 validation and `http` redirects use.
    pub http_port: u16,
    /// The port that tls-alpn-01 validation uses.
    pub tls_port: u16,
    /// The nameservers that validation asks, unless a perspective has its own. None, in a real world, is
    /// those of the machine, and its file of hosts.
    pub resolvers: Vec<SocketAddr>,
    /// Where validation looks from, the primary first. None is one primary on the CA's own host.
    pub perspectives: Vec<Perspective>,
    /// How many remote perspectives may fail; `null` is Boulder's table (see [`crate::va::quorum`]).
    pub remote_failures_max: Option<usize>,
    /// How many times each perspective validates at once, all of which must pass; `null` is what the
    /// dialect does (Pebble: 3).
    pub validation_attempts: Option<NonZeroUsize>,
    /// Whether CAA records (RFC 8659) are obeyed.
    pub caa: bool,
    /// Finalize looks at CAA records again when that is longer ago.
    #[serde(with = "duration::one")]
    pub caa_recheck: Duration,
    /// How long the n-th request to an endpoint is worked on before it is decided; the last one repeats.
    /// The key `issuance` is the work behind an asynchronous finalize.
    #[serde(with = "duration::table")]
    pub service_time: BTreeMap<Endpoint, Vec<Duration>>,
    /// First numbers.
    pub ids: FirstIds,
    /// Challenge tokens that are handed out first, in this order; then random ones.
    pub tokens: Vec<String>,
    /// `Retry-After` on objects that are not done.
    pub retry_after: RetryAfter,
    /// Whether finalize answers `processing` and issues afterwards, or answers with the valid order.
    pub async_finalize: bool,
    /// Roots and intermediates.
    pub hierarchy: HierarchyConfig,
    /// Keys that nobody gets a certificate for: SHA-256 hashes of SubjectPublicKeyInfos, hexadecimal.
    pub blocked_keys: Vec<String>,
    /// How many of the latest nonces are good.
    pub nonce_window: usize,
    /// Life of an order.
    #[serde(with = "duration::one")]
    pub order_lifetime: Duration,
    /// Life of an authorization until it is decided.
    #[serde(with = "duration::one")]
    pub pending_authz_lifetime: Duration,
    /// Life of a valid authorization.
    #[serde(with = "duration::one")]
    pub valid_authz_lifetime: Duration,
    /// Whether a new order gets the valid authorizations that its account has.
    pub authz_reuse: bool,
    /// What orders can choose. Without any, orders have no profile.
    pub profiles: BTreeMap<String, Profile>,
    /// The profile of orders that name none; empty is none.
    pub default_profile: String,
    /// Types of identifiers that an order may have.
    pub identifier_types: Vec<IdentifierType>,
    /// Whether the subject of a certificate has a common name.
    pub common_name: bool,
    /// Whether certificates name their key (subject key identifier).
    pub subject_key_id: bool,
    /// Whether certificates may be used by TLS clients too.
    pub client_auth: bool,
    /// Whether certificates say where their revocation is published.
    pub crl_url: bool,
    /// Whether certificates name the policy of domain validation, 2.23.140.1.2.1.
    pub policies: bool,
    /// How many transparency logs promise to publish a certificate (signed certificate timestamps).
    pub timestamps: u8,
    /// Challenges that are offered, in this order; those that do not suit an identifier are left out.
    pub challenges: Vec<ChallengeKind>,
    /// Whether accounts can be authorized before they order (RFC 8555 section 7.4.1), where the dialect
    /// has a path for it.
    pub pre_authorization: bool,
    /// External account binding (RFC 8555 section 7.3.4).
    pub external_accounts: ExternalAccounts,
    /// Orders in one page of an account's list.
    pub orders_per_page: usize,
    /// Rate limits.
    pub limits: LimitsConfig,
    /// How many of the latest journal entries are kept in memory.
    pub journal_max: usize,
    /// What goes wrong, and when.
    pub faults: Script,
    /// What is left to chance.
    pub randomness: Randomness,
    /// Whether every challenge passes without a look at anything.
    pub always_valid: bool,
    /// Whether requests that only old drafts of ACME allow are refused.
    pub strict: bool,
    /// Names that nobody gets a certificate for, with all names below them.
    pub blocklist: Vec<String>,
    /// Suffixes that are no public ones (`test`, `corp.local`, …), and under which names are accepted all the
    /// same.
    pub extra_suffixes: Vec<String>,
    /// Labels that no name has twice unless it is a renewal: those that sites put in front of a name again
    /// and again when they make certificates on demand.
    pub recursive_labels: Vec<String>,
    /// Whether accounts keep their contacts; otherwise they are checked and forgotten, as Let's Encrypt does
    /// since 2025.
    pub contacts_kept: bool,
    /// The most names in one order.
    pub names_max: usize,
    /// Terms of service, in the directory and as a link of new accounts.
    pub terms_of_service: String,
    /// The website in the directory's meta.
    pub website: String,
    /// The CA's names in CAA records.
    pub caa_identities: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            base_url: "https://acme-v02.api.letsencrypt.org".to_owned(),
            dialect: DialectName::Boulder,
            validity: 90 * DAY,
            backdate: Duration::from_secs(3600),
            http_port: 80,
            tls_port: 443,
            resolvers: Vec::new(),
            perspectives: Vec::new(),
            remote_failures_max: None,
            validation_attempts: None,
            caa: true,
            caa_recheck: Duration::from_secs(7 * 3600),
            service_time: BTreeMap::new(),
            ids: FirstIds::default(),
            tokens: Vec::new(),
            retry_after: RetryAfter::default(),
            async_finalize: false,
            hierarchy: HierarchyConfig::default(),
            blocked_keys: Vec::new(),
            nonce_window: 65_536,
            order_lifetime: 7 * DAY,
            pending_authz_lifetime: 7 * DAY,
            valid_authz_lifetime: 30 * DAY,
            authz_reuse: true,
            profiles: BTreeMap::new(),
            default_profile: String::new(),
            identifier_types: vec![IdentifierType::Dns],
            common_name: true,
            subject_key_id: false,
            client_auth: true,
            crl_url: false,
            policies: true,
            timestamps: 0,
            challenges: vec![ChallengeKind::Http01, ChallengeKind::Dns01],
            pre_authorization: true,
            external_accounts: ExternalAccounts::default(),
            orders_per_page: 50,
            limits: LimitsConfig::default(),
            journal_max: crate::journal::ENTRIES_MAX,
            faults: Script::default(),
            randomness: Randomness::default(),
            always_valid: false,
            strict: false,
            blocklist: Vec::new(),
            extra_suffixes: Vec::new(),
            recursive_labels: Vec::new(),
            contacts_kept: true,
            names_max: 100,
            terms_of_service: "https://letsencrypt.org/documents/LE-SA-v1.2-November-15-2017.pdf".to_owned(),
            website: "https://letsencrypt.org".to_owned(),
            caa_identities: vec!["letsencrypt.org".to_owned()],
        }
    }
}

/// A place that validation looks from.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Perspective {
    /// The host whose view of the network it has.
    pub name: String,
    /// How long the n-th validation waits here before it starts; the last one repeats.
    #[serde(default, with = "duration::list")]
    pub queue: Vec<Duration>,
    /// Nameservers of its own.
    #[serde(default)]
    pub resolvers: Vec<SocketAddr>,
    /// The region that it is in.
    #[serde(default)]
    pub region: Option<Region>,
}

/// A regional internet registry: the part of the world that a perspective looks from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Region {
    /// Africa.
    Afrinic,
    /// Asia and the Pacific.
    Apnic,
    /// North America.
    Arin,
    /// Latin America and the Caribbean.
    Lacnic,
    /// Europe, the Middle East, Central Asia.
    Ripe,
}

/// External account binding.
#[derive(Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ExternalAccounts {
    /// Whether new accounts must have one.
    pub required: bool,
    /// MAC keys by key identifier, in base64url.
    pub keys: BTreeMap<String, String>,
}

impl std::fmt::Debug for ExternalAccounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ids: Vec<&String> = self.keys.keys().collect();
        f.debug_struct("ExternalAccounts").field("required", &self.required).field("keys", &ids).finish()
    }
}

/// The first number of each kind of object.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct FirstIds {
    /// Accounts.
    pub first_account: u64,
    /// Orders.
    pub first_order: u64,
    /// Authorizations.
    pub first_authorization: u64,
}

impl Default for FirstIds {
    fn default() -> Self {
        FirstIds { first_account: 1, first_order: 1, first_authorization: 1 }
    }
}

/// `Retry-After`, rounded up to seconds; `null` is no header.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct RetryAfter {
    /// On orders that are processing.
    #[serde(with = "duration::optional")]
    pub order: Option<Duration>,
    /// On authorizations that are pending.
    #[serde(with = "duration::optional")]
    pub authz: Option<Duration>,
}

impl Default for RetryAfter {
    fn default() -> Self {
        RetryAfter { order: Some(Duration::from_secs(3)), authz: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back_and_an_empty_object_is_the_default() {
        let text = serde_json::to_string(&Config::default()).unwrap();
        assert_eq!(serde_json::from_str::<Config>(&text).unwrap(), Config::default());
        assert_eq!(serde_json::from_str::<Config>("{}").unwrap(), Config::default());
    }

    #[test]
    fn an_unknown_key_is_an_error_at_every_level() {
        let good = serde_json::json!({
            "perspectives": [{"name": "us-east"}], "ids": {}, "retryAfter": {},
            "hierarchy": {"publication": {}, "authorities": [{"own": {}}]},
            "serviceTime": {"newOrder": ["1s"]},
        });
        assert!(serde_json::from_value::<Config>(good.clone()).is_ok());
        for path in [
            "",
            "/perspectives/0",
            "/ids",
            "/retryAfter",
            "/hierarchy",
            "/hierarchy/publication",
            "/hierarchy/authorities/0",
            "/hierarchy/authorities/0/own",
            "/serviceTime",
        ] {
            let mut bad = good.clone();
            bad.pointer_mut(path).unwrap()["surprise"] = serde_json::json!([]);
            assert!(serde_json::from_value::<Config>(bad).is_err(), "{path}");
        }
    }
}

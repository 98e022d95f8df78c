//! What a run is a function of: certificates, a CA, a policy of renewal, a window of time, and what fails in it.
//!
//! Every key has a default, and an unknown key is an error. Times are RFC 3339, durations as `45d`, `160h` or
//! `1m30s`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use engine::api::CertificateRenewal;
use mock_ca::limits::{LimitsConfig, Preset};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use world::{Timestamp, duration};

/// A fleet and what happens around it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Plan {
    /// From when until when.
    pub window: Window,
    /// What is to be issued and renewed.
    pub certificates: Certificates,
    /// Who issues.
    pub ca: Ca,
    /// How the engine renews.
    pub policy: Policy,
    /// What fails meanwhile. Several may hold at once.
    pub outages: Vec<Outage>,
    /// What everything drawn by chance is a function of.
    pub seed: u64,
    /// Whether the outcome has the list of all that happened.
    pub events: bool,
}

/// A span of time; its end is not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Window {
    /// The first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub until: Timestamp,
}

/// The year 2027.
impl Default for Window {
    fn default() -> Self {
        let from = Timestamp::from_unix_secs(1_798_761_600);
        Window { from, until: from + 365 * DAY }
    }
}

const DAY: Duration = Duration::from_secs(86_400);

impl Window {
    /// Whether it has this moment in it.
    pub fn contains(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }
}

/// Certificates one by one, by the number, or both.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Certificates {
    /// One by one.
    pub list: Vec<Certificate>,
    /// By the number.
    pub distributions: Vec<Distribution>,
}

/// One certificate. What it says of its renewal takes the place of what the policy says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Certificate {
    /// What it is called in the outcome.
    pub name: String,
    /// The names and addresses in it; none: its own name.
    pub names: Vec<String>,
    /// The number of the account that orders it; `null` is 1.
    pub account: Option<u64>,
    /// When it was issued, or is to be issued first. Before the window it is a certificate that exists; `null`,
    /// without `notAfter`, is the beginning of the window.
    pub issued: Option<Timestamp>,
    /// The last moment of the certificate that exists.
    pub not_after: Option<Timestamp>,
    /// How long the certificate that exists is valid in all; `null`: as the CA issues. Later ones are as long as the
    /// CA says.
    #[serde(with = "duration::optional")]
    pub lifetime: Option<Duration>,
    /// How long before its end to renew.
    #[serde(with = "duration::optional")]
    pub renew_before: Option<Duration>,
    /// The same in percent of the lifetime.
    pub renew_before_percentage: Option<i32>,
    /// Windows in which a renewal may start.
    pub renewal: Option<CertificateRenewal>,
}

/// Certificates that are alike: `c000000`, `c000001`, …, with names under `d0000.example`, `d0001.example`, ….
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Distribution {
    /// How many.
    pub count: u32,
    /// What their names begin with.
    pub prefix: String,
    /// How many names each has.
    pub names: u32,
    /// How many of them share a registered domain.
    pub per_domain: u32,
    /// How many accounts there are; all certificates of a domain have one.
    pub accounts: u64,
    /// The number of the first account.
    pub first_account: u64,
    /// Whether they were issued before the window, or are new in it.
    pub existing: bool,
    /// Over how long, before or from the beginning of the window, their first issuance is spread by chance. `null`:
    /// those that exist over the time from an issuance to its renewal, as in a fleet that has run for long, and those
    /// that are new not at all.
    #[serde(with = "duration::optional")]
    pub spread: Option<Duration>,
}

impl Default for Distribution {
    fn default() -> Self {
        Distribution {
            count: 1,
            prefix: "c".to_owned(),
            names: 1,
            per_domain: 1,
            accounts: 1,
            first_account: 1,
            existing: true,
            spread: None,
        }
    }
}

/// Who issues.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Ca {
    /// Whose profiles, lifetimes and limits are the ones that the other keys change. `none` issues for 90 days and
    /// limits nothing.
    pub preset: Preset,
    /// The profile of the orders; `null`: the preset's default.
    pub profile: Option<String>,
    /// Limits in place of the preset's.
    pub limits: Option<LimitsConfig>,
    /// How long certificates are valid, in place of the profile's days; later ones win from their time on.
    pub lifetimes: Vec<Lifetime>,
    /// How long before the issuance the validity starts; `null`: as the preset says (an hour).
    #[serde(with = "duration::optional")]
    pub backdate: Option<Duration>,
    /// Whether the CA suggests when to renew (RFC 9773). The engine asks if its switch `ari` is on.
    pub renewal_info: bool,
    /// Whether the accounts are new, and are registered when the window begins.
    pub new_accounts: bool,
    /// Where accounts are registered from.
    pub address: IpAddr,
}

impl Default for Ca {
    fn default() -> Self {
        Ca {
            preset: Preset::LetsencryptProd,
            profile: None,
            limits: None,
            lifetimes: Vec::new(),
            backdate: None,
            renewal_info: true,
            new_accounts: false,
            address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
        }
    }
}

/// How long certificates are valid, from a time on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Lifetime {
    /// From when on; `null` is from ever.
    #[serde(default)]
    pub from: Option<Timestamp>,
    /// From a certificate's notBefore to one second after its notAfter.
    #[serde(with = "duration::one")]
    pub lifetime: Duration,
    /// For how long a validated name need not be validated again; `null`: as the profile says.
    #[serde(default, with = "duration::optional")]
    pub authorizations: Option<Duration>,
}

/// How the engine renews.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Policy {
    /// The release that is reproduced: one of [`engine::compat::RELEASES`] with separate controllers.
    pub release: String,
    /// Single values of it, by the names of [`engine::compat::switches`].
    pub switches: BTreeMap<String, Value>,
    /// How long before the end to renew.
    #[serde(with = "duration::optional")]
    pub renew_before: Option<Duration>,
    /// The same in percent of the lifetime.
    pub renew_before_percentage: Option<i32>,
    /// Windows in which a renewal may start.
    pub renewal: Option<CertificateRenewal>,
    /// From an order to its certificate, when a name has to be validated. `null`: the least that the release's own
    /// check of HTTP-01 takes, or of DNS-01 for orders with a wildcard. Never less than a second.
    #[serde(with = "duration::optional")]
    pub order_time: Option<Duration>,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            release: "v1_21".to_owned(),
            switches: BTreeMap::new(),
            renew_before: None,
            renew_before_percentage: None,
            renewal: None,
            order_time: None,
        }
    }
}

/// A time in which something fails.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Outage {
    /// The first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub until: Timestamp,
    /// What fails.
    pub kind: OutageKind,
}

impl Outage {
    /// Its time.
    pub const fn window(&self) -> Window {
        Window { from: self.from, until: self.until }
    }
}

/// What fails.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OutageKind {
    /// The CA answers every request with 503.
    Unavailable,
    /// The CA cannot see the challenges that the engine sees: every validation fails.
    Validation,
    /// The CA has other limits. What was counted before still counts, and counts on afterwards.
    Limits(Box<LimitsConfig>),
}

impl OutageKind {
    /// In words.
    pub const fn as_str(&self) -> &'static str {
        match self {
            OutageKind::Unavailable => "the CA answers 503",
            OutageKind::Validation => "validation fails",
            OutageKind::Limits(_) => "other limits",
        }
    }
}

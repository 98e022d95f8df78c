//! A provider as data.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::LOG_MAX;
use crate::script::Occasions;

/// What a provider does, and what goes wrong there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct ProviderConfig {
    /// Who may call; without any account, everybody may, under the name that the token begins with.
    pub accounts: Vec<Account>,
    /// The view whose zones it manages; everybody's when empty.
    pub view: String,
    /// How long after a write the first nameserver can have it.
    #[serde(with = "world::duration::one")]
    pub publish_delay: Duration,
    /// How far lists and look-ups lag behind the writes (eventual consistency).
    #[serde(with = "world::duration::one")]
    pub stale: Duration,
    /// How long a write that is made of a read and a write takes between the two. Another write in between
    /// is lost. Adding to values, and removing from them, are such writes when this is not zero.
    #[serde(with = "world::duration::one")]
    pub write_time: Duration,
    /// What creating a record does to the others of its name and type.
    pub adds: Adds,
    /// What removing a record does to the others of its name and type.
    pub deletes: Deletes,
    /// The most records or zones in one answer.
    pub page_max: usize,
    /// How many calls an account may make.
    pub throttle: Option<Throttle>,
    /// Whether every error's text ends with the id of its request, and so is never the same twice.
    pub request_ids: bool,
    /// The id of the first record that is created. Records that were there before are counted from 1.
    pub first_record_id: u64,
    /// Scripted calls; the first rule that is applied counts.
    pub rules: Vec<ApiRule>,
    /// How many calls the audit log keeps.
    pub audit_max: usize,
}

impl Default for ProviderConfig {
    fn default() -> Self {
        ProviderConfig {
            accounts: Vec::new(),
            view: String::new(),
            publish_delay: Duration::ZERO,
            stale: Duration::ZERO,
            write_time: Duration::ZERO,
            adds: Adds::Value,
            deletes: Deletes::Value,
            page_max: 100,
            throttle: None,
            request_ids: false,
            first_record_id: 1_000_000_001,
            rules: Vec::new(),
            audit_max: LOG_MAX,
        }
    }
}

/// Somebody who may call.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Account {
    /// Its name, as the audit log has it.
    pub name: String,
    /// Its token: the bearer token of the REST front end, or DNSPod's `ID,TOKEN`.
    pub token: String,
    /// The zones that it manages; without any, all. The others do not exist for it.
    #[serde(default)]
    pub zones: Vec<String>,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the token.
        f.debug_struct("Account")
            .field("name", &self.name)
            .field("zones", &self.zones)
            .finish_non_exhaustive()
    }
}

/// What creating a record does to the others of its name and type.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Adds {
    /// They stay.
    #[default]
    Value,
    /// They go: the record replaces them.
    Replace,
}

/// What removing a record does to the others of its name and type.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Deletes {
    /// They stay.
    #[default]
    Value,
    /// They go too.
    Set,
}

/// A limit for the calls of one account, as a bucket that refills evenly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Throttle {
    /// How long it takes until one more call is allowed.
    #[serde(with = "world::duration::one")]
    pub per_call: Duration,
    /// How many calls may come at once.
    #[serde(default = "one")]
    pub burst: u32,
}

fn one() -> u32 {
    1
}

/// What a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Operation {
    /// Lists zones.
    ListZones,
    /// Looks a zone up.
    GetZone,
    /// Lists the records of a zone.
    ListRecords,
    /// Looks a record up.
    GetRecord,
    /// Creates a record.
    CreateRecord,
    /// Changes a record.
    UpdateRecord,
    /// Removes a record.
    DeleteRecord,
    /// Looks the values of a name and type up.
    GetSet,
    /// Writes the values of a name and type.
    PutSet,
    /// Removes the values of a name and type.
    DeleteSet,
}

/// A scripted rule for calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ApiRule {
    /// Its name, which the audit log has where it was applied.
    pub name: String,
    /// The calls that it fits; without any condition, all.
    #[serde(default)]
    pub when: ApiCondition,
    /// On which of those it is applied; without any limit, on all.
    #[serde(default)]
    pub occasions: Occasions,
    /// How long the call takes.
    #[serde(default, with = "world::duration::one")]
    pub delay: Duration,
    /// What comes of it.
    #[serde(default)]
    pub outcome: Outcome,
}

impl ApiRule {
    /// A rule for every call.
    pub fn new(name: &str, outcome: Outcome) -> Self {
        ApiRule {
            name: name.to_owned(),
            when: ApiCondition::default(),
            occasions: Occasions::default(),
            delay: Duration::ZERO,
            outcome,
        }
    }
}

/// Which calls a rule fits. All that is given has to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct ApiCondition {
    /// One of these operations; without any, every one.
    pub operations: Vec<Operation>,
    /// One of these zones; without any, every zone and none.
    pub zones: Vec<String>,
    /// One of these accounts; without any, every one.
    pub accounts: Vec<String>,
}

/// What comes of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[non_exhaustive]
pub enum Outcome {
    /// What would without the rule. With a delay it is a slow call.
    #[default]
    Pass,
    /// The account may not do this.
    Denied,
    /// Too many calls.
    Throttled,
    /// The zone does not exist; lists are without it.
    ZoneMissing,
    /// An error of its own.
    Error {
        /// The HTTP status.
        status: u16,
        /// The provider's code.
        code: String,
        /// The text.
        message: String,
    },
    /// A write is confirmed, and not made.
    Lost,
    /// A write is made, and an internal error reported.
    Unheard,
    /// No answer ever.
    Hang,
}

/// A rule and how often it came to be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiRuleState {
    /// The rule.
    pub rule: ApiRule,
    /// How many calls fitted it, within its time window, that no rule before it was applied to.
    pub fitted: u64,
    /// How many of them it was applied to.
    pub applied: u64,
}

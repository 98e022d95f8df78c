//! What people and other controllers do while a scenario runs.

use std::collections::BTreeMap;

use mock_ca::faults::Moment;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Durations, Link};

/// Somebody does something: at a time, or when an object comes to be so.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Step {
    /// When: a time after the start (`90m`), or RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Moment>,
    /// When an object first is so, from `at` on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Seen>,
    /// So long after that.
    #[serde(default)]
    pub after: Durations,
    /// Again and again, so long apart. With `when`, each further time waits for the object anew.
    #[serde(default, skip_serializing_if = "Durations::is_empty")]
    pub every: Durations,
    /// How often at most; without it once, or with `every` until the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// Not at this time or after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Moment>,
    /// What is done, one after the other.
    #[serde(rename = "do")]
    pub actions: Vec<Action>,
    /// The API server refuses it, with a text that has this in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// What is done.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// `kubectl apply` of these manifests (YAML as a text): what is not there is created; what is, gets the fields that
    /// are given.
    Apply(String),
    /// `kubectl delete`: `Kind namespace/name`.
    Delete(String),
    /// `kubectl patch --type merge`, of the status too.
    Patch(Patch),
    /// `cmctl renew`: `namespace/name` of a Certificate.
    Renew(String),
    /// Records of the DNS server are replaced.
    Records(Records),
    /// From now on these links go before those of the script; an empty list takes them away.
    Links(Vec<Link>),
}

/// A merge patch (RFC 7386).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Patch {
    /// `Kind namespace/name`; `*` at the end of the name is every one that begins so.
    pub object: String,
    /// What is changed; null takes a field away.
    pub with: Value,
}

/// The records of one name and type.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Records {
    /// The full name.
    pub name: String,
    /// `A`, `CNAME`, `TXT`, `CAA` and so on.
    #[serde(rename = "type")]
    pub kind: String,
    /// Their values; none takes them away.
    #[serde(default)]
    pub values: Vec<String>,
    /// Seconds.
    #[serde(default = "Records::ttl")]
    pub ttl: u32,
}

impl Records {
    const fn ttl() -> u32 {
        60
    }
}

/// An object that is so.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Seen {
    /// `Kind namespace/name`; `*` at the end of the name is every one that begins so.
    pub object: String,
    /// Field paths and their values. In a path, an item of a list goes by its number, or by its `type` or `name`:
    /// `status.conditions.Ready.status`. In a text, `*` is anything; null is a field that is not there.
    #[serde(default)]
    pub is: BTreeMap<String, Value>,
    /// It is gone.
    #[serde(default)]
    pub deleted: bool,
}

//! The data model.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Version of the record's schema. A reader refuses any other ([`crate::read`]).
pub const SCHEMA: u32 = 2;

/// One run of one scenario. All times are nanoseconds after its start, by the clock that no step of the wall clock changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunRecord {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Name of the scenario.
    pub scenario: String,
    /// What happens, in one line.
    pub title: String,
    /// Why.
    pub cause: String,
    /// The document or the failure that it comes from.
    pub source: String,
    /// Numbers of the failure catalogue.
    pub failures: Vec<String>,
    /// The release that is reproduced: `v1_21`.
    pub release: String,
    /// Of an ablation, what was taken away.
    pub without: Option<String>,
    /// Root seed.
    pub seed: u64,
    /// What was set otherwise than the scenario has it, as `path=value`.
    pub overrides: Vec<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// The wall clock at the beginning: RFC 3339, UTC.
    pub start: String,
    /// How long it lasted.
    pub virtual_nanos: u64,
    /// SHA-256 over all that crossed a boundary of the world, in hexadecimal.
    pub fingerprint: String,
    /// What it cost.
    pub counts: Counts,
    /// The limits of CAs that it came near to.
    pub limits: Vec<Limit>,
    /// What was there to go wrong.
    pub injected: Vec<Injected>,
    /// The engine's log, within the scenario's window.
    pub log: Vec<LogLine>,
    /// All else that happened, by time. Empty in a record that tells only how a run ended.
    pub events: Vec<Event>,
    /// Every write to the API server, by time; likewise.
    pub writes: Vec<Write>,
    /// The run in words; likewise.
    pub story: Vec<Told>,
}

/// How a run ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Outcome {
    /// All that was expected came.
    #[default]
    Passed,
    /// Something else came.
    Differs {
        /// What.
        differences: Vec<Difference>,
    },
    /// The run could not go on.
    Stopped {
        /// Who, where, when, and how to repeat it.
        report: String,
    },
}

/// One expectation that was not met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// What was looked at: `log line 7`, `Certificate cattle-system/x status.revision`.
    pub what: String,
    /// What was expected (`None`: nothing).
    pub expected: Option<String>,
    /// What came (`None`: nothing).
    pub actual: Option<String>,
}

/// Numbers of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Requests to the CAs, by endpoint.
    pub ca_requests: BTreeMap<String, u64>,
    /// Calls to the API server, by verb and kind.
    pub api_calls: BTreeMap<String, u64>,
    /// Writes that lost against the optimistic lock.
    pub conflicts: u64,
    /// Certificates that the CAs issued.
    pub certificates: u64,
    /// Authorizations that failed.
    pub failed_authorizations: u64,
    /// Requests that a limit refused.
    pub limited: u64,
    /// How often a process of the engine was started.
    pub engine_starts: u64,
}

/// A bucket of a CA's limit, at the end of the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Limit {
    /// The limit: `certificatesPerExactSet`.
    pub name: String,
    /// Whose bucket: a name, an account, an address.
    pub bucket: String,
    /// How much of it is used.
    pub used: u64,
    /// How much there is.
    pub most: u64,
    /// In which time an empty bucket fills: `168h`.
    pub window: String,
}

/// Something that a script has put there to go wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Injected {
    /// Where: `CA`, `DNS`, `API server`, `link`, `engine`, `clock`.
    #[serde(rename = "where")]
    pub place: String,
    /// What, as the script has it.
    pub what: String,
    /// From when on, if the script says.
    pub from: Option<u64>,
    /// Until when, if the script says.
    pub until: Option<u64>,
}

/// How bad a line of the log is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// `I`.
    #[default]
    Info,
    /// `E`.
    Error,
}

/// One line of the engine's log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogLine {
    /// What the wall clock showed: RFC 3339 with nanoseconds.
    pub at: String,
    /// When.
    pub nanos: u64,
    /// How bad it is.
    pub severity: Severity,
    /// The controller that wrote it.
    pub source: String,
    /// What it is about: `Certificate shop/shop`.
    pub object: Option<String>,
    /// The line in the release's form.
    pub text: String,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// When it began.
    pub at: u64,
    /// How long it lasted; 0 for a moment.
    pub lasts: u64,
    /// Whose doing it is: `controller orders`, `CA acme-v02 newOrder`, `DNS ns1`, `people`.
    pub lane: String,
    /// What kind of thing it is.
    pub kind: EventKind,
    /// What happened, in one line.
    pub text: String,
    /// The object that it is about.
    pub object: Option<String>,
    /// Something went wrong.
    pub trouble: bool,
    /// Why, when that is known: a rule of the script, the reason in the CA's journal.
    pub cause: Option<String>,
}

/// The kinds of things that happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EventKind {
    /// A request to a CA.
    Request,
    /// A CA looks at a challenge.
    Validation,
    /// A CA decides an authorization.
    Decision,
    /// A certificate is issued.
    Issued,
    /// A certificate is revoked.
    Revoked,
    /// A limit refuses a request.
    Limit,
    /// A rule of the script strikes.
    Fault,
    /// A question to a nameserver.
    Query,
    /// A request at an ingress or gateway.
    Proxied,
    /// A Kubernetes Event.
    Event,
    /// Somebody did something.
    Action,
    /// A Certificate becomes ready, or is not any more.
    Ready,
    /// A process starts or ends.
    Process,
    /// A call to a DNS provider.
    Audit,
}

/// A write to the API server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Write {
    /// When it was committed.
    pub at: u64,
    /// What was done.
    pub change: Change,
    /// Kind, namespace and name.
    pub object: String,
    /// The object's resourceVersion.
    pub version: u64,
    /// The whole object when it was added; its merge patch (RFC 7386) on the last state when it was modified; null when it
    /// was deleted. Of Secrets only the sizes of their entries.
    pub patch: Value,
}

/// What a write does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// The object was not there.
    Added,
    /// It was.
    Modified,
    /// It is gone.
    Deleted,
}

/// A sentence of a run's story: something that happened, perhaps several times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// When first.
    pub at: u64,
    /// When last.
    pub last: u64,
    /// How often.
    pub times: u64,
    /// What.
    pub text: String,
}

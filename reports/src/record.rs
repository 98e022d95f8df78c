//! The data model.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Version of the record's schema.
pub const SCHEMA: u32 = 1;

/// One run of one scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunRecord {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Name of the scenario.
    pub scenario: String,
    /// Root seed.
    pub seed: u64,
    /// What was set otherwise than the scenario has it, as `path=value`.
    pub overrides: Vec<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// Virtual time, nanoseconds.
    pub virtual_nanos: u64,
    /// SHA-256 over all that crossed a boundary of the world.
    pub fingerprint: String,
    /// What it cost.
    pub counts: Counts,
    /// The engine's log, within the scenario's window.
    pub log: Vec<LogLine>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Outcome {
    /// All that was expected came.
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
    /// Requests to the CA, by endpoint.
    pub ca_requests: BTreeMap<String, u64>,
    /// Calls to the API server, by verb and kind.
    pub api_calls: BTreeMap<String, u64>,
    /// Writes that lost against the optimistic lock.
    pub conflicts: u64,
    /// Certificates that the CA issued.
    pub certificates: u64,
    /// How often a process of the engine was started.
    pub engine_starts: u64,
}

/// One line of the engine's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogLine {
    /// RFC 3339 with nanoseconds.
    pub at: String,
    /// The line in the release's form.
    pub text: String,
}

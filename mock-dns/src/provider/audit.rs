//! The audit log: who called when, for what, and what came of it.

use std::net::IpAddr;

use serde::Serialize;
use world::Timestamp;

use super::config::Operation;

/// A call and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AuditEntry {
    /// When it was answered.
    pub at: Timestamp,
    /// The account; empty when it is none.
    pub account: String,
    /// Where the call came from.
    pub from: Option<IpAddr>,
    /// What was to be done.
    pub operation: Operation,
    /// The zone, as it was called for.
    pub zone: String,
    /// The record's name within the zone, its type and its value, as far as the call has them.
    pub name: String,
    /// The type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The value, or several with commas.
    pub value: String,
    /// The record's id.
    pub record_id: Option<u64>,
    /// `ok`, or the code of the error.
    pub result: String,
    /// The request's id.
    pub request_id: String,
    /// The scripted rule that was applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

impl std::fmt::Display for AuditEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let AuditEntry { at, account, operation, zone, name, kind, value, result, .. } = self;
        write!(f, "{at} {account} {operation:?} {zone} {name} {kind} {value}: {result}")?;
        match &self.rule {
            Some(rule) => write!(f, " by {rule}"),
            None => Ok(()),
        }
    }
}

//! A rule of a fault script: which calls it strikes, and what then happens to them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use world::duration::{self, Span};

use super::calls::Calls;
use super::select::{Endpoints, Identifier, Moment, PeerRange};
use crate::problem::{NAMESPACE, ProblemKind};

/// One rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Form", rename_all = "camelCase")]
pub struct Rule {
    /// Its name, by which it is listed, removed, and found in the journal; made up when it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Which calls.
    pub when: When,
    /// What happens to them.
    #[serde(rename = "do")]
    pub actions: Vec<Action>,
    /// Whether the request is decided (`after`) or not (`before`); without it, as [`Action::phase`] has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
}

/// A rule as it is written, before it is checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Form {
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) when: When,
    #[serde(rename = "do")]
    pub(super) actions: Vec<Action>,
    #[serde(default)]
    pub(super) phase: Option<Phase>,
}

/// Where a fault lies: does the client's request take effect?
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// The fault comes in place of the decision: nothing has happened on the server.
    Before,
    /// The request is decided, and the fault falls on its answer: the client does not learn what it has done.
    After,
}

/// Which calls a rule strikes: those that fit all that is said here. Nothing said is every call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct When {
    /// The resource, a list of them, or `*`.
    #[serde(skip_serializing_if = "Endpoints::is_any")]
    pub endpoint: Endpoints,
    /// The account: the last part of its URL, or the thumbprint of its key (RFC 7638).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// A name that the call is about, or with a point in front all names below one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identifier: Option<Identifier>,
    /// The address that the call comes from, or a network: `10.0.0.0/8`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<PeerRange>,
    /// The HTTP method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Of the calls that fit all else: the n-th, from 1; a range `2..4`, `3..`; or a list of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nth: Option<Calls>,
    /// Of these calls, so many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// Of these calls, each n-th.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<u64>,
    /// What has a count of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per: Option<Per>,
    /// From this moment on: a duration since the server's start, or an RFC 3339 time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Moment>,
    /// Before this moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Moment>,
    /// With this probability, 0 to 1, drawn from the world's seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chance: Option<f64>,
}

/// What a rule counts calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Per {
    /// Each account (each key, before it has an account).
    Account,
    /// Each set of names.
    Identifier,
    /// Each address.
    Peer,
    /// Each URL: an order, an authorization, a challenge.
    Object,
}

/// One thing that happens to a call.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// This status, without a body when the request is not decided.
    Status(u16),
    /// This problem document.
    Problem(FaultProblem),
    /// This body, as it is.
    Body(String),
    /// No body.
    EmptyBody,
    /// Only so many bytes of the body, as a complete answer.
    CutBody(usize),
    /// This content type.
    ContentType(String),
    /// These headers; `null` takes one away.
    Header(BTreeMap<String, Option<String>>),
    /// `Retry-After`, in seconds, rounded up.
    RetryAfter(Span),
    /// The connection is closed.
    DropConnection(DropAt),
    /// It takes so much longer: to be decided (`before`), or to be answered (`after`).
    Delay(Span),
    /// There is no answer until the client goes away.
    Hang,
    /// No `Replay-Nonce`.
    NoNonce,
    /// The `Replay-Nonce` is one that was given away before: the request's own, or else the last one.
    ReuseNonce,
    /// `badNonce`, whatever nonce the request has.
    RejectNonce,
    /// All nonces that are out become bad, as when a front end is replaced.
    LoseNonces,
    /// What the request starts (issuance, validation) begins so much later, or never; until then the
    /// object is `processing`. On the reading of an order or authorization: its state seems undecided.
    StuckProcessing(Option<Span>),
    /// The issuance fails: the order becomes invalid with this problem.
    FailIssuance(Option<FaultProblem>),
    /// The chain is not that of the certificate.
    WrongChain(WrongChain),
    /// The certificate is revoked as soon as it is there, with this reason (RFC 5280 section 5.3.1).
    Revoke(Option<u8>),
    /// The order, authorization or challenge that the URL names is over its time.
    ExpireObject,
    /// The order, authorization, challenge or certificate that the URL names is not known any more.
    ForgetObject,
    /// The account of the request is deactivated.
    DeactivateAccount,
    /// The account of the request is not known any more.
    ForgetAccount,
}

/// When a connection is closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DropAt {
    /// The request was read and has no effect; not a byte is answered.
    BeforeProcessing,
    /// The request has its effect; not a byte is answered.
    #[default]
    BeforeAnswer,
    /// The request has its effect; the answer ends in the middle of its body.
    MidBody,
}

/// In what way a chain is wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WrongChain {
    /// An intermediate that has not signed the certificate.
    #[default]
    OtherIntermediate,
    /// The certificate alone.
    NoIntermediate,
    /// The chain of another certificate: the latest other one that was issued.
    OtherLeaf,
    /// The certificate last.
    Reversed,
}

/// A problem document that a script names. In place of an object, its type alone.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FaultProblem {
    /// A type of ACME's (`rateLimited`), or any URI.
    #[serde(rename = "type")]
    pub kind: ProblemType,
    /// What a person reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The HTTP status, when it is not the usual one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// `Retry-After`.
    #[serde(skip_serializing_if = "Option::is_none", with = "duration::optional")]
    pub retry_after: Option<Duration>,
    /// One problem for each identifier.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subproblems: Vec<FaultSubproblem>,
}

/// A problem with one identifier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct FaultSubproblem {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: ProblemType,
    /// What a person reads.
    #[serde(default)]
    pub detail: String,
    /// The DNS name.
    pub identifier: String,
}

/// The type of a problem: one of ACME's by its last part, or a URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProblemType {
    /// One that the CA knows.
    Known(ProblemKind),
    /// Another one.
    Uri(String),
}

impl ProblemType {
    /// The whole URI.
    pub fn uri(&self) -> String {
        match self {
            ProblemType::Known(kind) => format!("{NAMESPACE}{}", kind.name()),
            ProblemType::Uri(uri) => uri.clone(),
        }
    }

    /// The status that goes with it.
    pub const fn status(&self) -> u16 {
        match self {
            ProblemType::Known(kind) => kind.status(),
            ProblemType::Uri(_) => 400,
        }
    }
}

impl FaultProblem {
    /// A problem of this type with nothing else said.
    pub fn of(kind: ProblemType) -> Self {
        FaultProblem { kind, detail: None, status: None, retry_after: None, subproblems: Vec::new() }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status.unwrap_or_else(|| self.kind.status())
    }

    /// What a person reads.
    pub fn detail(&self) -> &str {
        self.detail.as_deref().unwrap_or("fault of a script")
    }

    /// The problem document.
    pub fn to_json(&self) -> serde_json::Value {
        let mut document = serde_json::json!({
            "type": self.kind.uri(), "detail": self.detail(), "status": self.status(),
        });
        let list = self.subproblems.iter().map(|sub| {
            serde_json::json!({
                "type": sub.kind.uri(), "detail": sub.detail, "status": sub.kind.status(),
                "identifier": { "type": "dns", "value": sub.identifier },
            })
        });
        if !self.subproblems.is_empty() {
            document["subproblems"] = list.collect();
        }
        document
    }
}

impl Action {
    /// The phase that the action has when its rule does not name one.
    pub const fn phase(&self) -> Phase {
        match self {
            Action::Status(_)
            | Action::Problem(_)
            | Action::Body(_)
            | Action::Delay(_)
            | Action::Hang
            | Action::RejectNonce
            | Action::LoseNonces
            | Action::ExpireObject
            | Action::ForgetObject
            | Action::DeactivateAccount
            | Action::ForgetAccount
            | Action::DropConnection(DropAt::BeforeProcessing) => Phase::Before,
            _ => Phase::After,
        }
    }

    /// Its name, as scripts have it.
    pub const fn name(&self) -> &'static str {
        match self {
            Action::Status(_) => "status",
            Action::Problem(_) => "problem",
            Action::Body(_) => "body",
            Action::EmptyBody => "emptyBody",
            Action::CutBody(_) => "cutBody",
            Action::ContentType(_) => "contentType",
            Action::Header(_) => "header",
            Action::RetryAfter(_) => "retryAfter",
            Action::DropConnection(_) => "dropConnection",
            Action::Delay(_) => "delay",
            Action::Hang => "hang",
            Action::NoNonce => "noNonce",
            Action::ReuseNonce => "reuseNonce",
            Action::RejectNonce => "rejectNonce",
            Action::LoseNonces => "loseNonces",
            Action::StuckProcessing(_) => "stuckProcessing",
            Action::FailIssuance(_) => "failIssuance",
            Action::WrongChain(_) => "wrongChain",
            Action::Revoke(_) => "revoke",
            Action::ExpireObject => "expireObject",
            Action::ForgetObject => "forgetObject",
            Action::DeactivateAccount => "deactivateAccount",
            Action::ForgetAccount => "forgetAccount",
        }
    }
}

//! Problem documents (RFC 7807) with ACME's types (RFC 8555 section 6.7).

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::dialect::Answer;
use crate::policy::IdentifierType;

/// The name space of ACME's problem types.
pub const NAMESPACE: &str = "urn:ietf:params:acme:error:";

/// The most characters of the reason why something could not be read.
const REASON_MAX: usize = 200;

macro_rules! kinds {
    ($($(#[$doc:meta])* $Kind:ident = $name:literal, $status:literal;)+) => {
        /// A type of problem, with the status that it goes with.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
        pub enum ProblemKind { $($(#[$doc])* #[serde(rename = $name)] $Kind,)+ }

        impl ProblemKind {
            /// All of them.
            pub const ALL: &'static [ProblemKind] = &[$(ProblemKind::$Kind),+];

            /// The last part of the type URN.
            pub const fn name(self) -> &'static str {
                match self { $(ProblemKind::$Kind => $name),+ }
            }

            /// The HTTP status that it goes with.
            pub const fn status(self) -> u16 {
                match self { $(ProblemKind::$Kind => $status),+ }
            }
        }
    };
}

kinds! {
    /// The request names an account that does not exist.
    AccountDoesNotExist = "accountDoesNotExist", 400;
    /// The certificate that an order replaces has been replaced.
    AlreadyReplaced = "alreadyReplaced", 409;
    /// The certificate is revoked already.
    AlreadyRevoked = "alreadyRevoked", 400;
    /// The CSR is not acceptable.
    BadCsr = "badCSR", 400;
    /// The nonce is not one of ours, or was used.
    BadNonce = "badNonce", 400;
    /// The key is not good enough.
    BadPublicKey = "badPublicKey", 400;
    /// The reason is not allowed.
    BadRevocationReason = "badRevocationReason", 400;
    /// The JWS has an algorithm that is not supported.
    BadSignatureAlgorithm = "badSignatureAlgorithm", 400;
    /// CAA records forbid it.
    Caa = "caa", 403;
    /// Several errors at once (RFC 8555 section 6.7.1).
    Compound = "compound", 400;
    /// Another object has it already.
    Conflict = "conflict", 409;
    /// The server could not connect to what it validates.
    Connection = "connection", 400;
    /// A DNS query went wrong while validating.
    Dns = "dns", 400;
    /// The server wants an external account binding.
    ExternalAccountRequired = "externalAccountRequired", 403;
    /// A contact is no good address.
    InvalidContact = "invalidContact", 400;
    /// The server has no such profile.
    InvalidProfile = "invalidProfile", 400;
    /// The request is malformed.
    Malformed = "malformed", 400;
    /// The order is not in the state that finalization needs.
    OrderNotReady = "orderNotReady", 403;
    /// A limit was exceeded.
    RateLimited = "rateLimited", 429;
    /// The server does not issue for this name.
    RejectedIdentifier = "rejectedIdentifier", 400;
    /// The server failed.
    ServerInternal = "serverInternal", 500;
    /// A TLS error while validating.
    Tls = "tls", 400;
    /// The client may not do this.
    Unauthorized = "unauthorized", 403;
    /// A contact has a scheme that is not supported.
    UnsupportedContact = "unsupportedContact", 400;
    /// The server does not know this type of identifier.
    UnsupportedIdentifier = "unsupportedIdentifier", 400;
    /// The account's owner has to do something at another place.
    UserActionRequired = "userActionRequired", 403;
}

/// Why a request was refused, or a validation failed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, thiserror::Error)]
#[error("{}: {detail}", kind.name())]
pub struct Problem {
    /// Its type.
    pub kind: ProblemKind,
    /// What a person reads.
    pub detail: String,
    /// The HTTP status, which some situations change.
    pub status: u16,
    /// The algorithms that would have been good.
    #[serde(skip)]
    pub algorithms: &'static [&'static str],
    /// One problem for each identifier.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subproblems: Vec<Subproblem>,
    /// Whether it is about an object that is not there, which some servers say without a document.
    #[serde(skip)]
    pub missing: bool,
    /// Headers of its answer, as `Retry-After`.
    #[serde(skip)]
    pub headers: Vec<(&'static str, String)>,
}

/// A problem with one identifier (RFC 8555 section 6.7.1).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Subproblem {
    /// Its type.
    pub kind: ProblemKind,
    /// What a person reads.
    pub detail: String,
    /// The type of identifier.
    pub identifier: IdentifierType,
    /// The identifier.
    pub value: String,
}

impl Problem {
    /// A problem with the usual status of its type.
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Problem {
            kind,
            detail: detail.into(),
            status: kind.status(),
            algorithms: &[],
            subproblems: Vec::new(),
            missing: false,
            headers: Vec::new(),
        }
    }

    /// `malformed`, 400.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(ProblemKind::Malformed, detail)
    }

    /// `unauthorized`, 403.
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(ProblemKind::Unauthorized, detail)
    }

    /// `malformed`, 404: what Boulder says of objects that are not there.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::malformed(detail).with_status(404)
    }

    /// As [`Problem::not_found`], for objects with a URL of their own.
    pub fn missing(detail: impl Into<String>) -> Self {
        Problem { missing: true, ..Self::not_found(detail) }
    }

    /// `malformed`, 400: `what` could not be read, and why not. What of the request the reason repeats is cut
    /// after a while.
    pub fn unreadable(what: &str, why: &dyn std::fmt::Display) -> Self {
        let why = why.to_string();
        let end = why.char_indices().nth(REASON_MAX).map_or(why.len(), |(at, _)| at);
        Self::malformed(format!("{what}: {}", why.get(..end).unwrap_or_default()))
    }

    /// A problem in a situation that servers answer differently.
    pub fn answer(answer: Answer, detail: impl Into<String>) -> Self {
        Self::new(answer.kind, detail).with_status(answer.status)
    }

    /// `serverInternal`, 500.
    pub fn internal(detail: impl Into<String>) -> Self {
        Self::new(ProblemKind::ServerInternal, detail)
    }

    /// Another status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// With `what` in front of the detail, as Boulder's front end adds the operation that failed.
    #[must_use]
    pub fn during(mut self, what: &str) -> Self {
        self.detail = format!("{what} :: {}", self.detail);
        self
    }

    /// The problem document.
    pub fn to_json(&self) -> Value {
        let mut document = json!({
            "type": format!("{NAMESPACE}{}", self.kind.name()),
            "detail": self.detail,
            "status": self.status,
        });
        if !self.algorithms.is_empty() {
            document["algorithms"] = json!(self.algorithms);
        }
        if !self.subproblems.is_empty() {
            let list = self.subproblems.iter().map(|sub| {
                json!({
                    "type": format!("{NAMESPACE}{}", sub.kind.name()),
                    "detail": sub.detail,
                    "status": sub.kind.status(),
                    "identifier": { "type": sub.identifier.as_str(), "value": sub.value },
                })
            });
            document["subproblems"] = list.collect();
        }
        document
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_written_in_the_order_that_boulder_has() {
        let problem = Problem::not_found("No such challenge").during("Unable to update challenge");
        assert_eq!(
            problem.to_json().to_string(),
            r#"{"type":"urn:ietf:params:acme:error:malformed","detail":"Unable to update challenge :: No such challenge","status":404}"#
        );
    }
}

//! What the lines of the journal say.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::Serialize;
use world::{Timestamp, duration};

use crate::dialect::Endpoint;

/// What a journal line is about.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Event {
    /// A request was answered.
    Request {
        /// The resource, if the path is one.
        endpoint: Option<Endpoint>,
        /// Method.
        method: String,
        /// Path and query.
        path: String,
        /// Where it came from.
        #[serde(skip_serializing_if = "Option::is_none")]
        peer: Option<IpAddr>,
        /// When it arrived.
        received: Timestamp,
        /// The account that signed it.
        #[serde(skip_serializing_if = "Option::is_none")]
        account: Option<u64>,
        /// The names that it is about.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        identifiers: Vec<String>,
        /// Status of the answer.
        status: u16,
        /// Type of the problem in the answer.
        #[serde(skip_serializing_if = "Option::is_none")]
        problem: Option<&'static str>,
        /// Why this answer.
        reason: String,
    },
    /// A perspective starts to validate a challenge.
    ValidationStarted {
        /// The authorization.
        authorization: u64,
        /// Kind of challenge.
        challenge: &'static str,
        /// The name.
        name: String,
        /// Which validation of the authorization this is, from 1.
        attempt: u32,
        /// The perspective.
        perspective: String,
        /// How long it waited in the queue.
        #[serde(with = "duration::one")]
        queued: Duration,
    },
    /// A perspective is done.
    ValidationDone {
        /// The authorization.
        authorization: u64,
        /// Which validation, from 1.
        attempt: u32,
        /// The perspective.
        perspective: String,
        /// The URLs that were fetched and the addresses they were fetched from.
        fetched: Vec<String>,
        /// Type of the problem, if it failed.
        #[serde(skip_serializing_if = "Option::is_none")]
        problem: Option<&'static str>,
        /// What it saw.
        reason: String,
    },
    /// A nameserver was asked.
    DnsQuery {
        /// Whose view asked.
        perspective: String,
        /// The nameserver.
        server: SocketAddr,
        /// The name.
        name: String,
        /// The type of record: `TXT`, `CAA`.
        #[serde(rename = "type")]
        kind: String,
        /// The response code (`NOERROR`, `SERVFAIL`), or why there is none (`timeout`).
        rcode: String,
        /// The records of the answer.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        answers: Vec<String>,
    },
    /// All perspectives are done.
    ValidationDecided {
        /// The authorization.
        authorization: u64,
        /// Which validation, from 1.
        attempt: u32,
        /// The state of the authorization now.
        status: &'static str,
        /// Why.
        reason: String,
    },
    /// An account was made.
    AccountCreated {
        /// The account.
        account: u64,
        /// Thumbprint of its key.
        thumbprint: String,
    },
    /// A limit has refused a request.
    RateLimited {
        /// The limit.
        limit: String,
        /// Whose bucket of it: an address, an account, a name.
        bucket: String,
        /// When the bucket has room again; nothing for a pause, which does not end by itself.
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_at: Option<Timestamp>,
    },
    /// The server's clock was set.
    ClockMoved {
        /// What it was.
        from: Timestamp,
        /// What it is.
        to: Timestamp,
    },
    /// Rules of the fault script were added or removed while the server runs.
    FaultsChanged {
        /// Rules that are new.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        added: Vec<String>,
        /// Rules that are gone.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        removed: Vec<String>,
    },
    /// A certificate was made.
    Issued {
        /// Its serial number, hexadecimal.
        serial: String,
        /// The names in it.
        names: Vec<String>,
        /// Whose.
        account: u64,
        /// For which order.
        order: u64,
        /// Start of validity.
        not_before: Timestamp,
        /// End of validity.
        not_after: Timestamp,
    },
    /// A certificate was not made, although its order was ready.
    NotIssued {
        /// The order.
        order: u64,
        /// Why.
        reason: String,
    },
    /// A rule of the fault script has struck a request.
    Fault {
        /// The rule.
        rule: String,
        /// Which of the calls that fit it this was, from 1.
        call: u64,
        /// The names of its actions.
        actions: Vec<&'static str>,
        /// The resource, if the path is one.
        endpoint: Option<Endpoint>,
    },
    /// Something was left to chance.
    Draw {
        /// What was drawn.
        what: String,
        /// What came out.
        value: String,
    },
    /// A certificate was revoked.
    Revoked {
        /// Its serial number, hexadecimal.
        serial: String,
        /// The reason code (RFC 5280 section 5.3.1).
        code: u8,
    },
}

impl Event {
    /// Its name, as the key `event` has it.
    pub const fn name(&self) -> &'static str {
        match self {
            Event::Request { .. } => "request",
            Event::ValidationStarted { .. } => "validationStarted",
            Event::ValidationDone { .. } => "validationDone",
            Event::DnsQuery { .. } => "dnsQuery",
            Event::ValidationDecided { .. } => "validationDecided",
            Event::AccountCreated { .. } => "accountCreated",
            Event::RateLimited { .. } => "rateLimited",
            Event::ClockMoved { .. } => "clockMoved",
            Event::FaultsChanged { .. } => "faultsChanged",
            Event::Issued { .. } => "issued",
            Event::NotIssued { .. } => "notIssued",
            Event::Fault { .. } => "fault",
            Event::Draw { .. } => "draw",
            Event::Revoked { .. } => "revoked",
        }
    }

    /// The resource that it is about.
    pub const fn endpoint(&self) -> Option<Endpoint> {
        match self {
            Event::Request { endpoint, .. } | Event::Fault { endpoint, .. } => *endpoint,
            _ => None,
        }
    }

    /// The account that it is about.
    pub const fn account(&self) -> Option<u64> {
        match self {
            Event::Request { account, .. } => *account,
            Event::AccountCreated { account, .. } | Event::Issued { account, .. } => Some(*account),
            _ => None,
        }
    }

    /// The names that it is about.
    pub fn names(&self) -> &[String] {
        match self {
            Event::Request { identifiers: names, .. } | Event::Issued { names, .. } => names,
            Event::ValidationStarted { name, .. } | Event::DnsQuery { name, .. } => {
                std::slice::from_ref(name)
            }
            _ => &[],
        }
    }

    /// Status of the answer.
    pub const fn status(&self) -> Option<u16> {
        match self {
            Event::Request { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Type of the problem.
    pub const fn problem(&self) -> Option<&'static str> {
        match self {
            Event::Request { problem, .. } | Event::ValidationDone { problem, .. } => *problem,
            _ => None,
        }
    }
}

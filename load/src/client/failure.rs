//! Why an order came to nothing, and the name that it is counted under.

use std::time::Duration;

/// What went wrong with an order or a request.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// No connection, or one that ended before the answer did.
    #[error("{action}: {detail}")]
    Connection {
        /// What was being done.
        action: &'static str,
        /// The error below.
        detail: String,
    },
    /// No answer within the time that a request has: the server counts as hanging.
    #[error("no answer to {request} within {} s", .within.as_secs())]
    Hang {
        /// The kind of request: `newOrder`, `poll`, …
        request: &'static str,
        /// How long was waited.
        within: Duration,
    },
    /// Answers come, but the order's state does not change any more: this counts as hanging, too.
    #[error("the order stayed {status} for {} s", .within.as_secs())]
    Stuck {
        /// The state that it stayed in.
        status: String,
        /// How long was waited.
        within: Duration,
    },
    /// Another order met a hang; this one was given up.
    #[error("given up after another request hung")]
    GivenUp,
    /// An answer with a status that does not belong there.
    #[error("{request}: status {status}, {problem}: {detail}")]
    Refused {
        /// The kind of request.
        request: &'static str,
        /// HTTP status.
        status: u16,
        /// The problem's type, without its namespace; empty when the body has none.
        problem: String,
        /// The problem's detail, or the start of the body.
        detail: String,
    },
    /// The order or an authorization of it became invalid.
    #[error("the order became invalid: {0}")]
    Invalid(String),
    /// An answer that is not what RFC 8555 says.
    #[error("{request}: {detail}")]
    Malformed {
        /// The kind of request.
        request: &'static str,
        /// What is wrong with the answer.
        detail: String,
    },
    /// The certificate that came is not the one that was asked for.
    #[error("wrong certificate: {0}")]
    Certificate(String),
    /// This side could not make a key, a signature or a request.
    #[error("client: {0}")]
    Client(String),
}

impl Failure {
    /// An answer that does not make sense.
    pub(crate) fn malformed(request: &'static str, detail: impl ToString) -> Self {
        Failure::Malformed { request, detail: detail.to_string() }
    }

    /// Whether the server stopped answering, or stopped working.
    pub fn is_hang(&self) -> bool {
        matches!(self, Failure::Hang { .. } | Failure::Stuck { .. })
    }

    /// The name to count it under.
    pub fn kind(&self) -> String {
        match self {
            Failure::Connection { action, .. } => format!("connection: {action}"),
            Failure::Hang { request, .. } => format!("hang: {request}"),
            Failure::Stuck { status, .. } => format!("stuck: {status}"),
            Failure::GivenUp => "given up".to_owned(),
            Failure::Refused { request, status, problem, .. } => format!("{request}: {status} {problem}"),
            Failure::Invalid(_) => "invalid".to_owned(),
            Failure::Malformed { request, .. } => format!("malformed: {request}"),
            Failure::Certificate(_) => "wrong certificate".to_owned(),
            Failure::Client(_) => "client".to_owned(),
        }
    }
}

//! What an ACME call can end with.

use serde::Deserialize;
use world::http::HttpError;

/// A problem document (RFC 7807) of an ACME server.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Problem {
    /// `urn:ietf:params:acme:error:…`.
    #[serde(rename = "type", default)]
    pub type_: String,
    /// For people.
    #[serde(default)]
    pub detail: String,
    /// HTTP status.
    #[serde(default)]
    pub status: u16,
    /// Problems of single identifiers.
    #[serde(default)]
    pub subproblems: Vec<SubProblem>,
}

/// The problem of one identifier (RFC 8555 section 6.7.1).
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct SubProblem {
    /// Type.
    #[serde(rename = "type", default)]
    pub type_: String,
    /// For people.
    #[serde(default)]
    pub detail: String,
}

impl Problem {
    /// Whether the type is `urn:ietf:params:acme:error:<name>`.
    pub fn is(&self, name: &str) -> bool {
        self.type_.strip_prefix("urn:ietf:params:acme:error:") == Some(name)
    }
}

/// `<status> <type>: <detail>`, as the client's log lines have it.
impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}: {}", self.status, self.type_, self.detail)
    }
}

/// Why an ACME call did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum AcmeError {
    /// The server answered with a problem.
    #[error("{0}")]
    Problem(Problem),
    /// An authorization failed.
    #[error("acme: authorization error for {identifier}: {problem}")]
    Authorization {
        /// The name.
        identifier: String,
        /// The problem of its challenge.
        problem: Problem,
    },
    /// The call's time limit passed.
    #[error("context deadline exceeded")]
    Deadline,
    /// No answer.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// An answer that makes no sense.
    #[error("acme: {0}")]
    Malformed(String),
}

impl AcmeError {
    /// The problem, if the server sent one.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            AcmeError::Problem(problem) => Some(problem),
            _ => None,
        }
    }

    /// Whether the server said that the request itself was wrong (4xx).
    pub fn is_bad_request(&self) -> bool {
        self.problem().is_some_and(|p| (400..500).contains(&p.status))
    }
}

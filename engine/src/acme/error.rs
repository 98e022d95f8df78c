//! What an ACME call can end with.

use serde::Deserialize;
use world::http::HttpError;

use crate::api::State;

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

    /// Whether it is `badNonce`, in any of the spellings that servers have had for it.
    pub fn is_bad_nonce(&self) -> bool {
        self.type_.to_ascii_lowercase().ends_with(":badnonce")
    }
}

/// `<status> <type>: <detail>`, as the client's log lines have it.
impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}: {}", self.status, self.type_, self.detail)
    }
}

/// Why an ACME call did not do what it should. The texts are those of the release's client.
#[derive(Debug, thiserror::Error)]
pub enum AcmeError {
    /// The server answered with a problem, or with a status that it should not have.
    #[error("{0}")]
    Problem(Problem),
    /// An authorization failed.
    #[error("acme: authorization error for {identifier}: {}", joined(problems))]
    Authorization {
        /// The name.
        identifier: String,
        /// The problems of its challenges.
        problems: Vec<Problem>,
    },
    /// An order failed.
    #[error("acme: order {url} status: {status}{}", problem.as_ref().map(|p| format!("; problem: {p}")).unwrap_or_default())]
    Order {
        /// Its URL.
        url: String,
        /// Its status.
        status: State,
        /// Its problem, if the server told.
        problem: Option<Problem>,
    },
    /// The call's time limit passed.
    #[error("context deadline exceeded")]
    Deadline,
    /// No answer.
    #[error("{verb} {url:?}: {source}")]
    Http {
        /// `Get`, `Head` or `Post`.
        verb: &'static str,
        /// What was asked.
        url: String,
        /// Why.
        source: HttpError,
    },
    /// No answer in the time that one HTTP request has.
    #[error("{verb} {url:?}: context deadline exceeded (Client.Timeout exceeded while awaiting headers)")]
    HttpTimeout {
        /// `Get`, `Head` or `Post`.
        verb: &'static str,
        /// What was asked.
        url: String,
    },
    /// The head of an answer came, and its body not, or not whole. The client takes that for an answer that makes no
    /// sense, whatever the cause: it is not [`AcmeError::is_transient`].
    #[error("acme: invalid response: {0}")]
    Unread(String),
    /// An answer that makes no sense.
    #[error("acme: {0}")]
    Malformed(String),
    /// The directory has no `newOrder`.
    #[error("acme: server does not support the RFC 8555 version of ACME")]
    NotRfc8555,
    /// The key has no account.
    #[error("acme: account does not exist")]
    NoAccount,
    /// A profile is wanted, and the directory has none.
    #[error("acme: certificate authority does not support profiles")]
    NoProfiles,
    /// The profile that is wanted is not in the directory.
    #[error("acme: certificate authority does not advertise a profile with name {0}")]
    UnknownProfile(String),
    /// The directory has no `renewalInfo`.
    #[error("acme: certificate authority does not support ARI (renewalInfo)")]
    NoRenewalInfo,
}

fn joined(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
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

    /// Whether an order that was refused with this will be refused again: 4xx, or a profile that there is not.
    pub fn refuses_order(&self) -> bool {
        self.is_bad_request() || matches!(self, AcmeError::NoProfiles | AcmeError::UnknownProfile(_))
    }

    /// Whether an order was refused because of the certificate that it replaces (RFC 9773 section 5).
    pub fn refuses_replaces(&self) -> bool {
        matches!(self, AcmeError::NoRenewalInfo) || self.problem().is_some_and(|p| p.is("alreadyReplaced"))
    }

    /// Whether it is the network's or the clock's doing, not the server's word.
    pub fn is_transient(&self) -> bool {
        matches!(self, AcmeError::Deadline | AcmeError::Http { .. } | AcmeError::HttpTimeout { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(name: &str, status: u16) -> Problem {
        let type_ = format!("urn:ietf:params:acme:error:{name}");
        Problem { type_, status, detail: "no".to_owned(), ..Problem::default() }
    }

    #[test]
    fn texts_are_those_of_the_releases_client() {
        for (error, text) in [
            (
                AcmeError::Problem(problem("rateLimited", 429)),
                "429 urn:ietf:params:acme:error:rateLimited: no",
            ),
            (
                AcmeError::Authorization {
                    identifier: "a.test".to_owned(),
                    problems: vec![problem("dns", 400), problem("tls", 403)],
                },
                "acme: authorization error for a.test: 400 urn:ietf:params:acme:error:dns: no; \
                 403 urn:ietf:params:acme:error:tls: no",
            ),
            (
                AcmeError::Order { url: "u".to_owned(), status: State::Ready, problem: None },
                "acme: order u status: ready",
            ),
            (
                AcmeError::UnknownProfile("fast".to_owned()),
                "acme: certificate authority does not advertise a profile with name fast",
            ),
        ] {
            assert_eq!(error.to_string(), text);
        }
    }

    #[test]
    fn what_an_error_means_for_an_order() {
        for (error, refused, replaces, transient) in [
            (AcmeError::Problem(problem("malformed", 400)), true, false, false),
            (AcmeError::Problem(problem("alreadyReplaced", 409)), true, true, false),
            (AcmeError::Problem(problem("serverInternal", 500)), false, false, false),
            (AcmeError::NoProfiles, true, false, false),
            (AcmeError::UnknownProfile(String::new()), true, false, false),
            (AcmeError::NoRenewalInfo, false, true, false),
            (AcmeError::Deadline, false, false, true),
            (AcmeError::Malformed(String::new()), false, false, false),
        ] {
            let is = (error.refuses_order(), error.refuses_replaces(), error.is_transient());
            assert_eq!(is, (refused, replaces, transient), "{error}");
        }
    }
}

//! Answers: a status, headers, a body, the reason for the journal, and what has to happen next.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize as _;
use serde_json::Value;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use world::Timestamp;

use crate::ca::csr::Csr;
use crate::config::Config;
use crate::db::{Promise, PromiseKey};
use crate::dialect::Dialect;
use crate::draws::Drawn;
use crate::journal::Event;
use crate::limits::Denied;
use crate::problem::{Problem, ProblemKind};
use crate::ra::Task;

/// What has to be done once the answer is on its way.
#[derive(Debug)]
pub(crate) enum Job {
    /// Validate a challenge.
    Validate(Task),
    /// Issue the certificate of an order that is processing.
    Issue {
        /// The order.
        order: u64,
        /// What it asks for.
        csr: Box<Csr>,
        /// The request itself, DER.
        request: Box<[u8]>,
    },
}

impl Job {
    /// What it is in the store.
    pub(crate) fn promise(&self) -> (PromiseKey, Promise) {
        match self {
            Job::Validate(task) => (
                PromiseKey::Validate(task.authorization, task.attempt),
                Promise::Validate(Box::new(task.clone())),
            ),
            Job::Issue { order, request, .. } => (PromiseKey::Issue(*order), Promise::Issue(request.clone())),
        }
    }

    /// What was promised by an earlier process; `None` when this one cannot do it.
    pub(crate) fn resumed(key: PromiseKey, promise: Promise, config: &Config) -> Option<Self> {
        match (key, promise) {
            (_, Promise::Validate(task)) => Some(Job::Validate(*task)),
            (PromiseKey::Issue(order), Promise::Issue(request)) => {
                let csr =
                    Box::new(Csr::parse(&request, &config.dialect.table().csr, &config.blocked_keys).ok()?);
                Some(Job::Issue { order, csr, request })
            }
            (PromiseKey::Validate(..), Promise::Issue(_)) => None,
        }
    }
}

/// An answer that was decided.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
    pub(crate) reason: String,
    pub(crate) problem: Option<ProblemKind>,
    pub(crate) account: Option<u64>,
    pub(crate) events: Vec<Event>,
    pub(crate) draws: Vec<Drawn>,
    pub(crate) jobs: Vec<Job>,
}

/// Headers that do not depend on what was decided.
const KEPT_IN_FAILURE: [&str; 4] =
    ["replay-nonce", "cache-control", "access-control-allow-origin", "access-control-expose-headers"];

/// RFC 9110 section 5.6.7.
const HTTP_DATE: &[BorrowedFormatItem<'_>] =
    format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");

/// A moment as HTTP writes it.
pub(crate) fn http_date(at: Timestamp) -> String {
    at.to_offset_date_time().format(HTTP_DATE).unwrap_or_default()
}

/// JSON in lines, indented by as many blanks.
fn indented(value: &Value, blanks: usize) -> String {
    let indent = " ".repeat(blanks);
    let formatter = serde_json::ser::PrettyFormatter::with_indent(indent.as_bytes());
    let mut text = Vec::with_capacity(1024);
    // JSON of a value can always be written to memory, and it is UTF-8.
    let written = value.serialize(&mut serde_json::Serializer::with_formatter(&mut text, formatter));
    written.ok().and_then(|()| String::from_utf8(text).ok()).unwrap_or_default()
}

impl Reply {
    /// An answer without a body.
    pub(crate) fn empty(status: u16, reason: impl Into<String>) -> Self {
        Reply {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            headers: Vec::new(),
            body: String::new(),
            reason: reason.into(),
            problem: None,
            account: None,
            events: Vec::new(),
            draws: Vec::new(),
            jobs: Vec::new(),
        }
    }

    /// An answer with a body of this type.
    pub(crate) fn text(status: u16, kind: &str, body: String, reason: impl Into<String>) -> Self {
        let mut reply = Self::empty(status, reason);
        reply.header(header::CONTENT_TYPE.as_str(), kind.to_owned());
        reply.body = body;
        reply
    }

    /// A JSON object, indented as the dialect does.
    pub(crate) fn json(status: u16, object: &Value, dialect: &Dialect, reason: impl Into<String>) -> Self {
        Self::text(status, dialect.json_type, indented(object, dialect.indent), reason)
    }

    /// A problem document.
    pub(crate) fn problem(problem: &Problem, dialect: &Dialect) -> Self {
        let mut reply = if problem.missing && !dialect.missing_has_document {
            Self::empty(problem.status, problem.detail.clone())
        } else {
            let body = indented(&problem.to_json(), dialect.indent);
            Self::text(problem.status, dialect.problem_type, body, problem.detail.clone())
        };
        reply.problem = Some(problem.kind);
        for (name, value) in &problem.headers {
            reply.header(name, value.clone());
        }
        if let (500, Some(seconds)) = (problem.status, dialect.internal_error_retry_after) {
            reply.header(header::RETRY_AFTER.as_str(), seconds.to_string());
        }
        reply
    }

    /// A rate limit refuses.
    pub(crate) fn denied(denied: &Denied, dialect: &Dialect, now: Timestamp) -> Self {
        let mut reply = Self::problem(&denied.problem, dialect);
        for (name, value) in &denied.headers {
            reply.header(name, value.clone());
        }
        reply.reason = denied.reason();
        reply.events.push(Event::RateLimited {
            limit: denied.bucket.limit().to_string(),
            bucket: denied.bucket.key(),
            retry_at: denied.retry_in.map(|wait| now + wait),
        });
        reply
    }

    /// What was decided could not be kept, and has not happened.
    pub(crate) fn lost(self, dialect: &Dialect) -> Self {
        let mut reply = Self::problem(&Problem::internal("The server could not store its state"), dialect);
        let stays = |(name, value): &(String, String)| {
            KEPT_IN_FAILURE.contains(&name.as_str()) || value.ends_with(";rel=\"index\"")
        };
        reply.headers.extend(self.headers.into_iter().filter(stays));
        reply.account = self.account;
        reply.draws = self.draws;
        reply
    }

    /// There is no such path.
    pub(crate) fn unknown_path() -> Self {
        Self::text(404, "text/plain; charset=utf-8", "404 page not found\n".to_owned(), "no such path")
    }

    /// The resource has no such method.
    pub(crate) fn method_not_allowed(allowed: &str, dialect: &Dialect) -> Self {
        let mut reply = Self::problem(&Problem::malformed("Method not allowed").with_status(405), dialect);
        reply.header(header::ALLOW.as_str(), allowed.to_owned());
        reply
    }

    /// The answer to a preflight request.
    pub(crate) fn options(allowed: &str) -> Self {
        let mut reply = Self::empty(204, "options");
        reply.header(header::ALLOW.as_str(), allowed.to_owned());
        reply.header("access-control-allow-methods", allowed.to_owned());
        reply.header("access-control-allow-headers", "Content-Type".to_owned());
        reply.header("access-control-max-age", "86400".to_owned());
        reply
    }

    /// Adds a header.
    pub(crate) fn header(&mut self, name: &str, value: String) {
        self.headers.push((name.to_owned(), value));
    }

    /// The first value of a header.
    pub(crate) fn get_header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(there, _)| there.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Sets a header in place of all that have its name, or takes them away.
    pub(crate) fn set_header(&mut self, name: &str, value: Option<String>) {
        self.headers.retain(|(there, _)| !there.eq_ignore_ascii_case(name));
        self.headers.extend(value.map(|value| (name.to_owned(), value)));
    }

    /// Adds a header.
    #[must_use]
    pub(crate) fn with(mut self, name: HeaderName, value: String) -> Self {
        self.header(name.as_str(), value);
        self
    }

    /// With something to do.
    #[must_use]
    pub(crate) fn then(mut self, job: Job) -> Self {
        self.jobs.push(job);
        self
    }

    /// With something for the journal.
    #[must_use]
    pub(crate) fn noting(mut self, event: Event) -> Self {
        self.events.push(event);
        self
    }

    /// As the HTTP server wants it.
    pub(crate) fn into_response(self, now: Timestamp) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        for (name, value) in self.headers {
            // Texts of ours; a value that is none of HTTP's (from a configured URL) is left out.
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                headers.append(name, value);
            }
        }
        if let Ok(date) = HeaderValue::try_from(http_date(now)) {
            headers.insert(header::DATE, date);
        }
        response
    }
}

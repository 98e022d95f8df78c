//! What a run leaves to be looked at: by checks, by invariants, and by who tells its story.

use std::sync::{Arc, Mutex, PoisonError};

use mock_ca::journal::Event;
use world::Timestamp;

use crate::history::History;

/// Something that the CA did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// It answered a request.
    Request {
        /// The endpoint, empty for a path that is none.
        endpoint: String,
        /// Status of the answer.
        status: u16,
        /// The problem's type, without its namespace.
        problem: Option<String>,
    },
    /// It decided an authorization: `valid` or `invalid`.
    Decided(String),
    /// A limit refused a request.
    Refused(String),
    /// It issued a certificate.
    Issued,
}

impl Fact {
    fn of(event: &Event) -> Option<Self> {
        match event {
            Event::Request { endpoint, status, problem, .. } => Some(Fact::Request {
                endpoint: endpoint.map(endpoint_name).unwrap_or_default(),
                status: *status,
                problem: problem.map(|p| p.rsplit(':').next().unwrap_or(p).to_owned()),
            }),
            Event::ValidationDecided { status, .. } => Some(Fact::Decided((*status).to_owned())),
            Event::RateLimited { limit, .. } => Some(Fact::Refused(limit.clone())),
            Event::Issued { .. } => Some(Fact::Issued),
            _ => None,
        }
    }
}

/// An endpoint as scripts and journals call it: `newOrder`.
pub(crate) fn endpoint_name(endpoint: mock_ca::dialect::Endpoint) -> String {
    let name = serde_json::to_value(endpoint).ok();
    name.and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

/// What the CA did, as it goes on.
#[derive(Debug, Clone, Default)]
pub(crate) struct CaFacts(Arc<Mutex<Vec<(Timestamp, Fact)>>>);

impl CaFacts {
    /// Follows the journal of a CA.
    pub(crate) fn follow(&self, ca: &mock_ca::Ca) {
        let facts = self.0.clone();
        ca.journal().listen(move |entry| {
            if let Some(fact) = Fact::of(&entry.event) {
                facts.lock().unwrap_or_else(PoisonError::into_inner).push((entry.at, fact));
            }
        });
    }

    /// All until now.
    pub(crate) fn all(&self) -> Vec<(Timestamp, Fact)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// All that a run leaves, each thing with its time.
#[derive(Debug)]
pub struct Evidence {
    /// When the run began.
    pub start: Timestamp,
    /// When it ended.
    pub end: Timestamp,
    /// What was written to the API server.
    pub history: History,
    /// The engine's log.
    pub log: Vec<(Timestamp, String)>,
    /// What the CA did.
    pub ca: Vec<(Timestamp, Fact)>,
    /// The audit logs of the DNS providers.
    pub provider: Vec<(Timestamp, String)>,
    /// What the timeline did.
    pub actions: Vec<(Timestamp, String)>,
    /// The TXT records for DNS-01 that are left: name and value.
    pub records: Vec<(String, String)>,
}

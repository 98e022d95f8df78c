//! What the servers share: listening, latency, faults, and the journal.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use world::http::{CloseConnection, PeerCertificates};
use world::tls::Acceptor;
use world::{Timestamp, World};

use super::AuthorityError;
use crate::script::{Durations, InTurn};

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// Its authority cannot be made.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// It cannot listen.
    #[error("cannot listen on {at}: {source}")]
    Listen {
        /// Where.
        at: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
}

/// One request, as it was answered. Tokens and secrets are not in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// When it was answered.
    pub at: Timestamp,
    /// The endpoint, by its name in the script.
    pub endpoint: &'static str,
    /// The path that was asked for.
    pub path: String,
    /// The status of the answer; 0: the connection was closed without one.
    pub status: u16,
    /// `X-Vault-Namespace`, if it was sent.
    pub namespace: Option<String>,
}

/// What a server was asked, oldest first. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Journal(Arc<Mutex<Vec<Entry>>>);

impl Journal {
    /// All entries so far.
    pub fn entries(&self) -> Vec<Entry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How often an endpoint was asked.
    pub fn count(&self, endpoint: &str) -> usize {
        self.entries().iter().filter(|entry| entry.endpoint == endpoint).count()
    }

    fn note(&self, entry: Entry) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    }
}

/// How long the endpoints take, by name; `default` is for the others.
pub type Latency = BTreeMap<String, Durations>;

/// An answer in place of the real one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Fault {
    /// The endpoint that it strikes, by name.
    pub endpoint: String,
    /// How many requests it lets pass first.
    pub after: u64,
    /// How many it strikes; absent: all that follow.
    pub times: Option<u64>,
    /// The status of the answer; absent: the connection is closed without one.
    pub status: Option<u16>,
    /// Its body.
    pub body: String,
}

/// The faults of a server.
pub type Faults = Vec<Fault>;

/// How a server answers a request to one of its endpoints.
pub(super) trait Handler: Send + Sync + 'static {
    /// The name of the endpoint at this path.
    fn endpoint(&self, method: &Method, path: &str) -> &'static str;
    /// The answer.
    fn answer(&self, request: &Asked<'_>) -> Answered;
}

/// A request.
pub(super) struct Asked<'a> {
    pub(super) endpoint: &'static str,
    pub(super) path: &'a str,
    pub(super) headers: &'a HeaderMap,
    /// The certificates that the client showed, DER.
    pub(super) certificates: &'a [Vec<u8>],
    /// The body as JSON; `null` when it is none.
    pub(super) body: Value,
}

impl Asked<'_> {
    /// A header as text; empty when it is not there.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// A text in the body; empty when it is not there.
    pub(super) fn text(&self, member: &str) -> &str {
        self.body.get(member).and_then(Value::as_str).unwrap_or_default()
    }
}

/// An answer: JSON, or a text that is PEM.
pub(super) enum Answered {
    Json(u16, Value),
    Text(u16, String),
}

/// Latency, faults and journal around a handler.
pub(super) struct Shell<H> {
    world: World,
    handler: H,
    latency: BTreeMap<String, InTurn>,
    faults: Faults,
    asked: Mutex<BTreeMap<&'static str, u64>>,
    journal: Journal,
}

impl<H: Handler> Shell<H> {
    pub(super) fn new(
        world: &World,
        handler: H,
        latency: &Latency,
        faults: &Faults,
        journal: Journal,
    ) -> Self {
        let latency = latency.iter().map(|(name, d)| (name.clone(), InTurn::new(d.clone()))).collect();
        Shell {
            world: world.clone(),
            handler,
            latency,
            faults: faults.clone(),
            asked: Mutex::default(),
            journal,
        }
    }

    /// Listens at once; serves in the background until the world or the host ends.
    pub(super) async fn serve(
        self,
        at: SocketAddr,
        tls: Option<Acceptor>,
        name: &str,
    ) -> Result<(), BackendError> {
        let world = self.world.clone();
        let listener = world.listen(at).await.map_err(|source| BackendError::Listen { at, source })?;
        let shell = Arc::new(self);
        let any = move |parts: Parts, body: Bytes| {
            let shell = shell.clone();
            async move { shell.handle(&parts, &body).await }
        };
        let router = Router::new().fallback(any);
        world.spawn(name, world::http::serve(world.clone(), listener, tls, router));
        Ok(())
    }

    async fn handle(&self, parts: &Parts, body: &Bytes) -> Response {
        let (path, headers) = (parts.uri.path(), &parts.headers);
        let endpoint = self.handler.endpoint(&parts.method, path);
        let takes = self.latency.get(endpoint).or_else(|| self.latency.get("default"));
        self.world.sleep(takes.map(InTurn::next).unwrap_or_default()).await;
        let body = serde_json::from_slice(body).unwrap_or_default();
        let certificates = parts.extensions.get::<PeerCertificates>().map_or(&[][..], |shown| &shown.0);
        let asked = Asked { endpoint, path, headers, certificates, body };
        let namespace = headers.get("x-vault-namespace").and_then(|v| v.to_str().ok()).map(str::to_owned);
        let response = match self.fault(endpoint) {
            Some(fault) => faulty(fault),
            None => plain(self.handler.answer(&asked)),
        };
        let closed = response.extensions().get::<CloseConnection>().is_some();
        let status = if closed { 0 } else { response.status().as_u16() };
        let at = self.world.now();
        self.journal.note(Entry { at, endpoint, path: path.to_owned(), status, namespace });
        response
    }

    /// The fault that strikes this request, if one does.
    fn fault(&self, endpoint: &'static str) -> Option<&Fault> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let before = asked.entry(endpoint).or_default();
        let n = *before;
        *before += 1;
        let strikes = |fault: &&Fault| {
            let last = fault.times.map(|times| fault.after.saturating_add(times));
            fault.endpoint == endpoint && n >= fault.after && last.is_none_or(|last| n < last)
        };
        self.faults.iter().find(strikes)
    }
}

fn faulty(fault: &Fault) -> Response {
    let Some(status) = fault.status else {
        let mut response = StatusCode::OK.into_response();
        response.extensions_mut().insert(CloseConnection);
        return response;
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, fault.body.clone()).into_response()
}

fn plain(answered: Answered) -> Response {
    let (status, type_, body) = match answered {
        Answered::Json(status, body) => (status, "application/json", body.to_string()),
        Answered::Text(status, body) => (status, "text/plain", body),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, type_)], body).into_response()
}

//! The web front end: requests in, decisions through the [`crate::ra`], answers out.
//!
//! `answer` is a function of the request, the state and the time. The order of its checks is Boulder's:
//! method, content type, body, JWS ([`jws`]), account, and then what the resource itself asks.

pub(crate) mod accounts;
pub(crate) mod authorizations;
pub(crate) mod certificates;
pub mod jwk;
pub mod jws;
pub mod nonce;
pub(crate) mod orders;
pub(crate) mod reply;

use std::net::IpAddr;

use bytes::Bytes;
use http::{HeaderMap, Method, header};
use serde_json::{Map, Value, json};
use world::Timestamp;

use crate::Ca;
use crate::dialect::{Endpoint, Signer};
use crate::problem::{Problem, ProblemKind};
use crate::protocol::AccountState;
use crate::server::State;
use jwk::Jwk;
use jws::{Identity, Jws, Payload};
use reply::Reply;

/// A request, read whole.
#[derive(Clone, Debug)]
pub(crate) struct Incoming {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) path: String,
    /// What stands in the places of the route's path.
    pub(crate) params: Vec<String>,
    pub(crate) headers: HeaderMap,
    /// `None` when it was too long.
    pub(crate) body: Option<Bytes>,
    pub(crate) peer: Option<IpAddr>,
}

/// Who signed a request, when that has been verified.
#[derive(Clone, Debug)]
pub(crate) enum Requester {
    /// Nobody: a plain GET.
    Nobody,
    /// A key that was shown.
    Key(Jwk),
    /// An account.
    Account(u64),
}

/// A request whose signature is verified, and what it is about to change.
pub(crate) struct Call<'a> {
    pub(crate) ca: &'a Ca,
    pub(crate) state: &'a mut State,
    pub(crate) incoming: &'a Incoming,
    pub(crate) requester: Requester,
    pub(crate) payload: Payload,
    pub(crate) now: Timestamp,
}

impl Call<'_> {
    /// The account that signed, if it was one.
    pub(crate) fn account(&self) -> Option<u64> {
        match self.requester {
            Requester::Account(id) => Some(id),
            _ => None,
        }
    }

    /// The account that signed, on resources that only accounts post to.
    pub(crate) fn require_account(&self) -> Result<u64, Problem> {
        self.account().ok_or_else(|| Problem::malformed("No Key ID in JWS header"))
    }

    /// The number at this place of the path.
    pub(crate) fn number(&self, index: usize, otherwise: &str) -> Result<u64, Problem> {
        let text = self.incoming.params.get(index).map(String::as_str).unwrap_or_default();
        text.parse().map_err(|_| Problem::malformed(otherwise))
    }

    /// The text at this place of the path.
    pub(crate) fn text(&self, index: usize) -> &str {
        self.incoming.params.get(index).map(String::as_str).unwrap_or_default()
    }
}

/// What the server answers.
pub(crate) fn answer(ca: &Ca, state: &mut State, endpoint: Endpoint, incoming: &Incoming) -> Reply {
    let mut account = None;
    let result = decide(ca, state, endpoint, incoming, &mut account);
    let mut reply = result.unwrap_or_else(|problem| Reply::problem(&problem, ca.dialect()));
    reply.account = account;
    if incoming.method == Method::POST || endpoint == Endpoint::NewNonce {
        reply.header("replay-nonce", state.nonces.issue());
    }
    if endpoint != Endpoint::Directory {
        reply.header(header::LINK.as_str(), format!("<{}>;rel=\"index\"", ca.directory_url()));
    }
    reply.header(header::CACHE_CONTROL.as_str(), "public, max-age=0, no-cache".to_owned());
    if incoming.headers.contains_key(header::ORIGIN) {
        reply.header("access-control-allow-origin", "*".to_owned());
        let exposed = "Link, Location, Replay-Nonce, Retry-After".to_owned();
        reply.header("access-control-expose-headers", exposed);
    }
    if let (Some(name), Some(id)) = (ca.dialect().requester_header, account) {
        reply.header(name, id.to_string());
    }
    if incoming.method == Method::HEAD {
        reply.body.clear();
    }
    reply
}

fn decide(
    ca: &Ca,
    state: &mut State,
    endpoint: Endpoint,
    incoming: &Incoming,
    account: &mut Option<u64>,
) -> Result<Reply, Problem> {
    let now = ca.world().now();
    let route = ca.dialect().route(endpoint);
    let (get, post) = route.map_or((false, None), |route| (route.get, route.post));
    let (requester, payload) = match (&incoming.method, post) {
        (&Method::GET | &Method::HEAD, _) if get => (Requester::Nobody, Payload::default()),
        (&Method::POST, Some(signer)) => authenticate(ca, state, incoming, signer, account)?,
        (&Method::OPTIONS, _) => return Ok(Reply::options(&allowed(get, post.is_some()))),
        _ => return Ok(Reply::method_not_allowed(&allowed(get, post.is_some()), ca.dialect())),
    };
    let mut call = Call { ca, state, incoming, requester, payload, now };
    match endpoint {
        Endpoint::Directory => Ok(directory(&mut call)),
        Endpoint::NewNonce => Ok(new_nonce(&call)),
        Endpoint::NewAccount => accounts::create(&mut call, account),
        Endpoint::Account => accounts::update(&mut call),
        Endpoint::KeyChange => accounts::change_key(&mut call),
        Endpoint::NewOrder => orders::create(&mut call),
        Endpoint::Order => orders::show(&mut call),
        Endpoint::Finalize => orders::finalize(&mut call),
        Endpoint::Authorization => authorizations::show(&mut call),
        Endpoint::Challenge => authorizations::challenge(&mut call),
        Endpoint::Certificate => certificates::show(&mut call),
        Endpoint::RevokeCert => certificates::revoke(&mut call),
        Endpoint::Issuance => Err(Problem::not_found("No such resource")),
    }
}

fn allowed(get: bool, post: bool) -> String {
    let mut methods = Vec::new();
    if get {
        methods.extend(["GET", "HEAD"]);
    }
    if post {
        methods.push("POST");
    }
    methods.join(", ")
}

/// Checks that a POST is signed by whom the resource wants.
fn authenticate(
    ca: &Ca,
    state: &mut State,
    incoming: &Incoming,
    signer: Signer,
    account: &mut Option<u64>,
) -> Result<(Requester, Payload), Problem> {
    let content_type = incoming.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    if content_type != Some("application/jose+json") {
        return Err(Problem::malformed(
            "Invalid Content-Type header on POST. Content-Type must be \"application/jose+json\"",
        )
        .with_status(ca.dialect().wrong_content_type_status));
    }
    if incoming.headers.contains_key("replay-nonce") {
        return Err(Problem::malformed(
            "HTTP requests should NOT contain Replay-Nonce header. Use JWS nonce field",
        ));
    }
    let body = incoming.body.as_ref().ok_or_else(|| Problem::unauthorized("request body too large"))?;
    let jws = Jws::parse(body)?;
    let url = format!("{}{}", ca.config().base_url, incoming.path);
    match (signer, jws.identity()?) {
        (Signer::Key | Signer::Either, Some(Identity::Key(key))) => {
            key.check_strength().map_err(|weak| Problem::new(ProblemKind::BadPublicKey, weak.to_string()))?;
            let payload = jws.verify(&key, &mut state.nonces, &url)?;
            Ok((Requester::Key(key), payload))
        }
        (Signer::Account | Signer::Either, Some(Identity::Account(kid))) => {
            let (id, key) = account_of(ca, state, &kid)?;
            let payload = jws.verify(&key, &mut state.nonces, &url)?;
            *account = Some(id);
            Ok((Requester::Account(id), payload))
        }
        (Signer::Key, _) => Err(Problem::malformed("No embedded JWK in JWS header")),
        (Signer::Account, _) => Err(Problem::malformed("No Key ID in JWS header")),
        (Signer::Either, None) => Err(Problem::malformed("No Key ID or embedded JWK in JWS header")),
    }
}

fn account_of(ca: &Ca, state: &State, kid: &str) -> Result<(u64, Jwk), Problem> {
    let prefix = ca.url(Endpoint::Account, &[""]);
    let Some(id) = kid.strip_prefix(&prefix) else {
        let detail = format!("KeyID header contained an invalid account URL: {kid:?}");
        return Err(Problem::malformed(detail));
    };
    let malformed = |_| Problem::malformed(format!("Malformed account ID in KeyID header URL: {kid:?}"));
    let id = id.parse().map_err(malformed)?;
    let Some(account) = state.db.accounts.get(&id) else {
        let detail = format!("Account {kid:?} not found");
        return Err(Problem::new(ProblemKind::AccountDoesNotExist, detail));
    };
    if account.status != AccountState::Valid {
        let status = account.status.as_str();
        return Err(Problem::unauthorized(format!("Account is not valid, has status {status:?}")));
    }
    Ok((id, account.key.clone()))
}

/// The directory (RFC 8555 section 7.1.1), its keys sorted as Go sorts a map's.
fn directory(call: &mut Call<'_>) -> Reply {
    const EXPLANATION: &str =
        "https://community.letsencrypt.org/t/adding-random-entries-to-the-directory/33417";
    let config = call.ca.config();
    let mut entries = std::collections::BTreeMap::new();
    for route in call.ca.dialect().routes {
        if let Some(key) = route.directory_key {
            entries.insert(key.to_owned(), json!(call.ca.url(route.endpoint, &[])));
        }
    }
    entries.insert(
        "meta".to_owned(),
        json!({
            "caaIdentities": config.caa_identities,
            "termsOfService": config.terms_of_service,
            "website": config.website,
        }),
    );
    if call.ca.dialect().directory_random_key {
        let key = base64::Engine::encode(
            &base64::engine::general_purpose::URL_SAFE_NO_PAD,
            call.state.rng.bytes::<8>(),
        );
        entries.insert(key, json!(EXPLANATION));
    }
    let object: Map<String, Value> = entries.into_iter().collect();
    Reply::json(200, &Value::Object(object), call.ca.dialect(), "the directory")
}

/// A new nonce (RFC 8555 section 7.2): 200 to HEAD, 204 to GET.
fn new_nonce(call: &Call<'_>) -> Reply {
    let status = match call.incoming.method {
        Method::HEAD => 200,
        Method::GET => 204,
        _ => call.ca.dialect().post_nonce_status,
    };
    Reply::empty(status, "a new nonce")
}

//! The web front end: requests in, decisions through the [`crate::ra`], answers out.
//!
//! `answer` is a function of the request, the state and the time. The order of its checks is Boulder's:
//! method, content type, body, JWS ([`jws`]), account, and then what the resource itself asks. Signatures
//! are verified before the state is locked.

pub(crate) mod accounts;
pub(crate) mod authenticate;
pub(crate) mod authorizations;
pub(crate) mod certificates;
mod directory;
mod external;
pub mod jwk;
pub mod jws;
pub mod nonce;
pub(crate) mod orders;
mod renewal;
pub(crate) mod reply;
pub(crate) mod urls;

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, header};
use serde::Deserialize;
use world::Timestamp;

use crate::Ca;
use crate::dialect::{Dialect, Endpoint};
use crate::faults::apply::{self, Struck};
use crate::problem::Problem;
use crate::ra::renewal::key_identifiers as renewal_identifiers;
use crate::server::State;
use authenticate::Requester;
use jws::Payload;
use reply::Reply;
use urls::Urls;

/// A request, read whole.
#[derive(Clone, Debug)]
pub(crate) struct Incoming {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) path: String,
    /// What stands in the places of the route's path.
    pub(crate) params: Vec<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Result<Bytes, NoBody>,
    pub(crate) peer: Option<IpAddr>,
    pub(crate) urls: Urls,
    /// What it claims, and what the fault script does to it.
    pub(crate) struck: Struck,
    /// What CAA records say that were looked at for this request, if it finalizes an order.
    pub(crate) caa_problem: Option<Problem>,
}

/// Why there is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoBody {
    /// It is longer than the dialect allows.
    TooLong,
    /// It broke off, or did not come in time.
    NotWhole,
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

/// An identifier in a request.
#[derive(Deserialize)]
struct RawIdentifier {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    value: String,
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

    pub(crate) fn dialect(&self) -> &'static Dialect {
        self.ca.dialect()
    }

    pub(crate) fn urls(&self) -> &Urls {
        &self.incoming.urls
    }

    /// The text at this place of the path.
    pub(crate) fn text(&self, index: usize) -> &str {
        self.incoming.params.get(index).map(String::as_str).unwrap_or_default()
    }

    /// The identifier of an object at this place of the path. Where identifiers are numbers, what is none
    /// is malformed; where they are drawn, it is just not there.
    pub(crate) fn id(&self, index: usize, otherwise: &str) -> Result<u64, Problem> {
        let problem = match self.dialect().ids {
            crate::dialect::IdStyle::Decimal => Problem::malformed(otherwise),
            crate::dialect::IdStyle::Hex => Problem::missing(otherwise),
        };
        self.dialect().ids.parse(self.text(index)).ok_or(problem)
    }

    /// The key identifiers of all that issue here.
    pub(crate) fn issuers(&self) -> Vec<Vec<u8>> {
        let hierarchy = self.ca.hierarchy();
        let chains = (0..u16::MAX).map_while(|issuer| hierarchy.chain_pem(&[], issuer, 0));
        chains.flat_map(|chain| renewal_identifiers(&chain)).collect()
    }

    /// Whether the request only reads.
    pub(crate) fn require_empty(&self) -> Result<(), Problem> {
        if self.payload.is_empty() {
            return Ok(());
        }
        Err(Problem::malformed("POST-as-GET requests must have an empty payload"))
    }

    /// Adds a `Retry-After`: whole seconds, rounded up, or the date.
    pub(crate) fn retry_after(&mut self, reply: &mut Reply, wait: Option<Duration>) {
        let Some(wait) = wait else { return };
        let seconds = wait.as_nanos().div_ceil(1_000_000_000);
        let as_date = self.ca.config().randomness.retry_after_date
            && self.state.draws.percent("Retry-After is a date", 50);
        let value = if as_date { reply::http_date(self.now + wait) } else { seconds.to_string() };
        reply.header(header::RETRY_AFTER.as_str(), value);
    }
}

/// What the server answers.
pub(crate) fn answer(ca: &Ca, endpoint: Endpoint, incoming: &Incoming) -> Reply {
    let mut account = None;
    apply::prepare(ca, Some(endpoint), incoming);
    let result = match apply::instead(ca, incoming) {
        Some(reply) => Ok(reply),
        None => decide(ca, endpoint, incoming, &mut account),
    };
    let mut reply = result.unwrap_or_else(|problem| Reply::problem(&problem, ca.dialect()));
    reply.account = account;
    {
        let mut state = ca.state();
        reply.draws = state.draws.take();
        if incoming.method == Method::POST || endpoint == Endpoint::NewNonce {
            reply.header("replay-nonce", state.nonces.issue());
        }
    }
    let dialect = ca.dialect();
    if endpoint != Endpoint::Directory {
        let directory = incoming.urls.url(Endpoint::Directory, &[]);
        reply.header(header::LINK.as_str(), format!("<{directory}>;rel=\"index\""));
    }
    reply.header(header::CACHE_CONTROL.as_str(), "public, max-age=0, no-cache".to_owned());
    if incoming.headers.contains_key(header::ORIGIN) {
        reply.header("access-control-allow-origin", "*".to_owned());
        reply.header("access-control-expose-headers", dialect.exposed_headers.to_owned());
    }
    if let (Some(name), Some(id)) = (dialect.requester_header, account) {
        reply.header(name, dialect.ids.text(id));
    }
    if incoming.method == Method::HEAD {
        reply.body.clear();
    }
    apply::alter(ca, Some(endpoint), incoming, &mut reply);
    reply
}

fn decide(
    ca: &Ca,
    endpoint: Endpoint,
    incoming: &Incoming,
    account: &mut Option<u64>,
) -> Result<Reply, Problem> {
    let now = ca.world().now();
    let dialect = ca.dialect();
    let places = incoming.params.len();
    let fits = |route: &&crate::dialect::Route| {
        route.endpoint == endpoint && route.path.bytes().filter(|b| *b == b'{').count() == places
    };
    let route = dialect.routes.iter().find(fits).or_else(|| dialect.route(endpoint));
    let (get, post) = route.map_or((false, None), |route| (route.get, route.post));
    if dialect.user_agent_required
        && incoming.headers.get(header::USER_AGENT).is_none_or(http::HeaderValue::is_empty)
    {
        return Err(Problem::malformed("Request included no User-Agent header"));
    }
    let verified = match (&incoming.method, post) {
        (&Method::GET | &Method::HEAD, _) if get => None,
        (&Method::POST, Some(signer)) => Some(authenticate::verify(ca, incoming, signer)?),
        (&Method::OPTIONS, _) => return Ok(Reply::options(&allowed(get, post.is_some()))),
        _ => return Ok(Reply::method_not_allowed(&allowed(get, post.is_some()), dialect)),
    };
    let mut state = ca.state();
    let (requester, payload) = match verified {
        None => (Requester::Nobody, Payload::default()),
        Some(verified) => verified.admit(ca, &mut state, incoming, account)?,
    };
    let mut call = Call { ca, state: &mut state, incoming, requester, payload, now };
    let reply = match endpoint {
        Endpoint::Directory => Ok(directory::directory(&mut call)),
        Endpoint::NewNonce => Ok(directory::new_nonce(&call)),
        Endpoint::NewAccount => accounts::create(&mut call, account),
        Endpoint::Account => accounts::update(&mut call),
        Endpoint::OrdersList => orders::list(&mut call),
        Endpoint::KeyChange => accounts::change_key(&mut call),
        Endpoint::NewOrder => orders::create(&mut call),
        Endpoint::Order => orders::show(&mut call),
        Endpoint::Finalize => orders::finalize(&mut call),
        Endpoint::NewAuthz => authorizations::create(&mut call),
        Endpoint::Authorization => authorizations::show(&mut call),
        Endpoint::Challenge => authorizations::challenge(&mut call),
        Endpoint::Certificate => certificates::show(&mut call),
        Endpoint::RenewalInfo => renewal::show(&mut call),
        Endpoint::RevokeCert => certificates::revoke(&mut call),
        Endpoint::Issuance => Err(Problem::missing("No such resource")),
    }?;
    call.state.promise(&reply.jobs);
    Ok(reply)
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

//! One request to a CA in memory, from a text; what is wrong with the answer. The fuzz target and a plain
//! test over its seeds share it.
//!
//! ```text
//! POST /acme/new-order          {newOrder}, {account}, {order}, … stand for the path of such an object
//! account                       who signs what follows: account, key, or raw for nobody
//! {"identifiers":[…]}           the payload, or the body as it is; {certificate} is a CSR's or a certificate's
//! ```

use std::net::{IpAddr, SocketAddr};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use mock_ca::dialect::{DialectName, Endpoint};
use mock_ca::{Ca, Config};
use serde_json::{Value, json};
use world::http::{Client, Response};
use world::resolver::Resolver;
use world::{KeyAlgorithm, PrivateKey, World};

/// All dialects.
pub(crate) const DIALECTS: [DialectName; 2] = [DialectName::Boulder, DialectName::Pebble];

const BASE: &str = "http://10.0.0.1";

/// A client that has an account, an order and what belongs to it.
struct Known {
    http: Client,
    key: PrivateKey,
    kid: Option<String>,
    dialect: DialectName,
    /// Paths by the words that stand for them.
    places: Vec<(String, String)>,
}

impl Known {
    async fn new(world: &World, dialect: DialectName) -> Option<Known> {
        let http = Client::new(world, Resolver::new(world, Vec::new())).with_user_agent("fuzz");
        let key = world.keys("account").generate(KeyAlgorithm::EcdsaP256).ok()?;
        let mut known = Known { http, key, kid: None, dialect, places: Vec::new() };
        for (word, endpoint) in [
            ("{directory}", Endpoint::Directory),
            ("{newNonce}", Endpoint::NewNonce),
            ("{newAccount}", Endpoint::NewAccount),
            ("{newOrder}", Endpoint::NewOrder),
            ("{newAuthz}", Endpoint::NewAuthz),
            ("{keyChange}", Endpoint::KeyChange),
            ("{revokeCert}", Endpoint::RevokeCert),
            ("{renewalInfo}", Endpoint::RenewalInfo),
        ] {
            known.places.push((word.to_owned(), dialect.table().path(endpoint, &[])));
        }
        let account = known.post("{newAccount}", r#"{"termsOfServiceAgreed":true}"#).await?;
        known.kid = account.header("location").map(str::to_owned);
        known.place("{account}", known.kid.clone()?.as_str());
        let order = known.post("{newOrder}", r#"{"identifiers":[{"type":"dns","value":"a.com"}]}"#).await?;
        known.place("{order}", order.header("location")?);
        let order: Value = serde_json::from_slice(&order.body).ok()?;
        known.place("{finalize}", order["finalize"].as_str()?);
        known.place("{authorization}", order["authorizations"][0].as_str()?);
        let authorization = known.post("{authorization}", "").await?;
        let authorization: Value = serde_json::from_slice(&authorization.body).ok()?;
        known.place("{challenge}", authorization["challenges"][0]["url"].as_str()?);
        Some(known)
    }

    fn place(&mut self, word: &str, url: &str) {
        let path = url.strip_prefix(BASE).unwrap_or(url);
        self.places.push((word.to_owned(), path.to_owned()));
    }

    fn filled(&self, text: &str) -> String {
        self.places.iter().fold(text.to_owned(), |text, (word, path)| text.replace(word, path))
    }

    async fn post(&self, path: &str, payload: &str) -> Option<Response> {
        let path = self.filled(path);
        let body = self.sign(&path, payload, self.kid.is_none()).await?;
        self.send(Method::POST, &path, body).await?.ok()
    }

    /// A signed body: with a good nonce, for this path.
    async fn sign(&self, path: &str, payload: &str, by_key: bool) -> Option<String> {
        let nonce = self.http.get(&self.url("{newNonce}")?).await.ok()?;
        let mut header = json!({
            "alg": self.key.jws_algorithm(),
            "nonce": nonce.header("replay-nonce")?,
            "url": format!("{BASE}{path}"),
        });
        match (&self.kid, by_key) {
            (Some(kid), false) => header["kid"] = json!(kid),
            _ => header["jwk"] = serde_json::from_str(&self.key.public().jwk()).ok()?,
        }
        let protected = URL_SAFE_NO_PAD.encode(header.to_string());
        let payload = URL_SAFE_NO_PAD.encode(payload);
        let signature = self.key.sign_jws(format!("{protected}.{payload}").as_bytes()).signature;
        let signature = URL_SAFE_NO_PAD.encode(signature);
        Some(json!({ "protected": protected, "payload": payload, "signature": signature }).to_string())
    }

    fn url(&self, path: &str) -> Option<world::http::Url> {
        format!("{BASE}{}", self.filled(path)).parse().ok()
    }

    /// `None` when it is no URL that HTTP could ask for.
    async fn send(&self, method: Method, path: &str, body: String) -> Option<Result<Response, String>> {
        if path.bytes().any(|b| !b.is_ascii_graphic()) {
            return None;
        }
        let url = self.url(path)?;
        let headers = [("content-type", "application/jose+json")];
        let reply = self.http.request(method, &url, &headers, body.into()).await;
        Some(reply.map_err(|error| error.to_string()))
    }
}

/// Sends the request to a CA of this dialect.
///
/// # Errors
/// What is wrong with the answer: a broken connection, a failure, a refusal that does not say why.
pub(crate) fn run(text: &str, dialect: DialectName) -> Result<(), String> {
    let text = text.to_owned();
    let run = world::sim::run(world::sim::Config::default(), move |world| async move {
        let Some(net) = world.sim_net() else { return Ok(()) };
        net.add_host("acme", [IpAddr::from([10, 0, 0, 1])]);
        net.add_host(world.host(), [IpAddr::from([10, 0, 0, 2])]);
        let acme = world.process("acme");
        let config = match dialect {
            DialectName::Pebble => Config::pebble(),
            DialectName::Boulder => Config::default(),
        };
        let config = Config { base_url: BASE.to_owned(), always_valid: true, ..config };
        let ca = Ca::new(acme.clone(), config).map_err(|e| e.to_string())?;
        let at = SocketAddr::from(([10, 0, 0, 1], 80));
        let listener = acme.listen(at).await.map_err(|e| e.to_string())?;
        let router = ca.router();
        let server = acme.clone();
        acme.spawn("server", async move { world::http::serve(server, listener, None, router).await });
        let known = Known::new(&world, dialect).await.ok_or("no account, order or challenge")?;
        judge(&known, &text).await
    });
    run.map_err(|stopped| stopped.to_string())?.value
}

async fn judge(known: &Known, text: &str) -> Result<(), String> {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    let (who, content) = rest.split_once('\n').unwrap_or((rest, ""));
    let (method, path) = first.split_once(' ').unwrap_or(("POST", first));
    let Ok(method) = method.parse::<Method>() else { return Ok(()) };
    let path = known.filled(path);
    let content = known.filled(content);
    if method == Method::CONNECT || !path.starts_with('/') {
        return Ok(());
    }
    let body = match who {
        "account" | "key" => known.sign(&path, &content, who == "key").await.ok_or("no signature")?,
        _ => content,
    };
    let head = method == Method::HEAD;
    let reply = match known.send(method, &path, body).await {
        None => return Ok(()),
        Some(reply) => reply?,
    };
    let status = reply.status.as_u16();
    let wrong =
        |what: &str| Err(format!("{first}: {what}: {status} {}", String::from_utf8_lossy(&reply.body)));
    if status < 400 || head {
        return if status < 300 || head { Ok(()) } else { wrong("neither good nor bad") };
    }
    let kind = reply.header("content-type").unwrap_or_default();
    let pebble = known.dialect == DialectName::Pebble;
    if reply.body.is_empty() && pebble && matches!(status, 404 | 409) {
        return Ok(());
    }
    if status == 404 && kind.starts_with("text/plain") {
        return Ok(());
    }
    let Ok(problem) = serde_json::from_slice::<Value>(&reply.body) else { return wrong("no JSON") };
    let said = problem["detail"].as_str().unwrap_or_default();
    let named = problem["type"].as_str().unwrap_or_default().starts_with("urn:ietf:params:acme:error:");
    if !kind.starts_with("application/problem+json") || problem["status"] != json!(status) || !named {
        return wrong("no problem document");
    }
    if said.is_empty() {
        return wrong("a detail that says nothing");
    }
    // A server error is the client's doing only where Pebble says so.
    if status >= 500 && !(pebble && content_has_replaces(text)) {
        return wrong("a failure of the server");
    }
    Ok(())
}

fn content_has_replaces(text: &str) -> bool {
    text.contains("replaces")
}

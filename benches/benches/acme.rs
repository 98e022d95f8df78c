//! An ACME client whose requests go to the CA's own router in the process: no socket, no TLS, and no HTTP on a wire.

use std::pin::Pin;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use mock_ca::Ca;
use mock_ca::dialect::{Dialect, Endpoint};
use serde_json::{Value, json};
use world::PrivateKey;

/// An answer under way.
pub(crate) type Answering = Pin<Box<dyn Future<Output = Result<Response<Bytes>, String>> + Send>>;

/// A client of one CA.
pub(crate) struct Acme {
    router: Box<dyn Fn(Request<Full<Bytes>>) -> Answering + Send + Sync>,
    base: String,
    dialect: &'static Dialect,
    key: PrivateKey,
    kid: Option<String>,
}

/// An order that was made.
pub(crate) struct Order {
    /// `pending`, or `ready` if all of its names are authorized.
    pub(crate) status: String,
    /// Its authorizations.
    pub(crate) authorizations: Vec<String>,
    /// Where it is finalized.
    pub(crate) finalize: String,
}

/// The body of a request: a flattened JWS. No payload is POST-as-GET.
pub(crate) fn jws(key: &PrivateKey, mut header: Value, payload: &str) -> Bytes {
    header["alg"] = key.jws_algorithm().into();
    let protected = URL_SAFE_NO_PAD.encode(header.to_string());
    let payload = URL_SAFE_NO_PAD.encode(payload);
    let signature = key.sign_jws(format!("{protected}.{payload}").as_bytes()).signature;
    let signature = URL_SAFE_NO_PAD.encode(signature);
    json!({ "protected": protected, "payload": payload, "signature": signature }).to_string().into()
}

/// The payload of newOrder.
pub(crate) fn order_for(names: &[String]) -> String {
    let identifiers: Vec<_> = names.iter().map(|name| json!({ "type": "dns", "value": name })).collect();
    json!({ "identifiers": identifiers }).to_string()
}

/// A request for a certificate with these names and no subject, DER.
pub(crate) fn csr(names: &[String], key: &PrivateKey) -> Result<Vec<u8>, String> {
    let mut params = rcgen::CertificateParams::new(names).map_err(|e| e.to_string())?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    Ok(params.serialize_request(key).map_err(|e| e.to_string())?.der().to_vec())
}

/// The answer, if it has this status.
pub(crate) fn expected(status: u16, answer: Response<Bytes>) -> Result<Response<Bytes>, String> {
    if answer.status().as_u16() == status {
        return Ok(answer);
    }
    let text = String::from_utf8_lossy(answer.body());
    Err(format!("{} instead of {status}: {text}", answer.status()))
}

/// What the answer says.
pub(crate) fn json_of(answer: &Response<Bytes>) -> Result<Value, String> {
    serde_json::from_slice(answer.body()).map_err(|error| format!("no JSON: {error}"))
}

/// The text that a JSON object has at this place.
pub(crate) fn text(object: &Value, pointer: &str) -> Result<String, String> {
    let found = object.pointer(pointer).and_then(Value::as_str);
    found.map(str::to_owned).ok_or_else(|| format!("no {pointer} in {object}"))
}

/// The nonce that came with an answer.
pub(crate) fn nonce_of(answer: &Response<Bytes>) -> Result<String, String> {
    of_header(answer.headers(), "replay-nonce")
}

fn of_header(headers: &HeaderMap, name: &str) -> Result<String, String> {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.map(str::to_owned).ok_or_else(|| format!("an answer without {name}"))
}

impl Acme {
    /// A client of `ca` without an account.
    pub(crate) fn new(ca: &Ca, key: PrivateKey) -> Self {
        let router = TowerToHyperService::new(ca.router());
        let router = move |request| -> Answering {
            let answer = router.call(request);
            Box::pin(async move {
                let (parts, body) = match answer.await {
                    Ok(answer) => answer.into_parts(),
                    Err(never) => match never {},
                };
                let body = body.collect().await.map_err(|error| error.to_string())?;
                Ok(Response::from_parts(parts, body.to_bytes()))
            })
        };
        let (base, dialect) = (ca.config().base_url.clone(), ca.config().dialect.table());
        Acme { router: Box::new(router), base, dialect, key, kid: None }
    }

    /// The URL of a resource without identifiers.
    pub(crate) fn url(&self, endpoint: Endpoint) -> String {
        format!("{}{}", self.base, self.dialect.path(endpoint, &[]))
    }

    /// What the client's key signs for a challenge with this token.
    pub(crate) fn key_authorization(&self, token: &str) -> String {
        format!("{token}.{}", self.key.public().thumbprint())
    }

    /// Sends a request.
    pub(crate) fn send(&self, request: Request<Full<Bytes>>) -> Answering {
        (self.router)(request)
    }

    /// The request for a nonce.
    pub(crate) fn new_nonce(&self) -> Result<Request<Full<Bytes>>, String> {
        let request = Request::builder().method(Method::HEAD).uri(self.url(Endpoint::NewNonce));
        request.body(Full::default()).map_err(|error| error.to_string())
    }

    async fn nonce(&self) -> Result<String, String> {
        nonce_of(&expected(200, self.send(self.new_nonce()?).await?)?)
    }

    /// A signed request with a fresh nonce, not sent.
    pub(crate) async fn signed(&self, url: &str, payload: &str) -> Result<Request<Full<Bytes>>, String> {
        let mut header = json!({ "nonce": self.nonce().await?, "url": url });
        match &self.kid {
            Some(kid) => header["kid"] = kid.as_str().into(),
            None => {
                header["jwk"] = serde_json::from_str(&self.key.public().jwk()).map_err(|e| e.to_string())?;
            }
        }
        let request = Request::builder().method(Method::POST).uri(url);
        let request = request.header(header::CONTENT_TYPE, "application/jose+json");
        request.body(jws(&self.key, header, payload).into()).map_err(|error| error.to_string())
    }

    /// Signs, sends, and wants an answer with this status.
    pub(crate) async fn ask(&self, url: &str, payload: &str, status: u16) -> Result<Response<Bytes>, String> {
        let request = self.signed(url, payload).await?;
        expected(status, self.send(request).await?).map_err(|error| format!("{url}: {error}"))
    }

    /// The object at a URL.
    pub(crate) async fn get(&self, url: &str) -> Result<Value, String> {
        json_of(&self.ask(url, "", 200).await?)
    }

    /// Makes an account.
    pub(crate) async fn register(&mut self) -> Result<(), String> {
        let payload = json!({ "termsOfServiceAgreed": true }).to_string();
        let answer = self.ask(&self.url(Endpoint::NewAccount), &payload, 201).await?;
        self.kid = Some(of_header(answer.headers(), "location")?);
        Ok(())
    }

    /// Makes an order.
    pub(crate) async fn order(&self, names: &[String]) -> Result<Order, String> {
        let answer = self.ask(&self.url(Endpoint::NewOrder), &order_for(names), 201).await?;
        Order::read(&json_of(&answer)?)
    }
}

impl Order {
    /// From its JSON.
    pub(crate) fn read(order: &Value) -> Result<Self, String> {
        let list = order.get("authorizations").and_then(Value::as_array).into_iter().flatten();
        Ok(Order {
            status: text(order, "/status")?,
            authorizations: list.filter_map(Value::as_str).map(str::to_owned).collect(),
            finalize: text(order, "/finalize")?,
        })
    }
}

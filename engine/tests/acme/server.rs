//! An ACME server small enough to lie: honest answers, and one change to the answers of one endpoint.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{CertificateParams, CertificateSigningRequestParams, DnType, Issuer, SanType};
use serde_json::{Value, json};
use world::http::CloseConnection;
use world::keys::pem_encode;
use world::{KeyAlgorithm, PrivateKey, Timestamp, World};

use super::drip::Part;

pub(crate) const BASE: &str = "http://198.51.100.10";
pub(crate) const NAME: &str = "a.example.com";
const DAY: Duration = Duration::from_secs(86_400);

/// What is done to the answers of an endpoint.
#[derive(Clone, Debug)]
pub(crate) enum How {
    /// The member at this JSON pointer gets this value; `None`: it goes.
    Member(String, Option<Value>),
    /// Another body.
    Body(Vec<u8>),
    /// Another status.
    Status(u16),
    /// Another header, or none.
    Header(&'static str, Option<String>),
    /// No answer, and the connection stays.
    Silence,
    /// No answer, and the connection goes.
    Close,
    /// Another chain.
    Chain(Chain),
    /// A byte now and then, and no end.
    Drip(Part),
}

impl How {
    pub(crate) fn drips(&self) -> Option<Part> {
        if let How::Drip(part) = self { Some(*part) } else { None }
    }
}

/// Chains that are not what was ordered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Chain {
    OtherKey,
    OtherNames,
    Expired,
    NoCertificate,
    PrivateKey,
    TooLong,
}

/// One lie.
#[derive(Clone, Debug)]
pub(crate) struct Lie {
    pub(crate) endpoint: &'static str,
    pub(crate) how: How,
}

#[derive(Default)]
struct State {
    lie: Option<Lie>,
    registered: bool,
    nonce: u64,
    /// Whether the authorization is valid, and the chain, of each order.
    orders: Vec<(bool, Option<String>)>,
}

/// The server. Clones share it.
#[derive(Clone)]
pub(crate) struct Server {
    world: World,
    key: PrivateKey,
    state: Arc<Mutex<State>>,
}

impl Server {
    pub(crate) fn new(world: &World) -> Self {
        let key = world.keys("ca").generate(KeyAlgorithm::EcdsaP256).unwrap();
        Server { world: world.clone(), key, state: Arc::default() }
    }

    pub(crate) fn tell(&self, lie: Option<Lie>) {
        self.state.lock().unwrap().lie = lie;
    }

    pub(crate) fn lie(&self) -> Option<Lie> {
        self.state.lock().unwrap().lie.clone()
    }

    pub(crate) fn router(&self) -> Router {
        let server = self.clone();
        Router::new().fallback(move |request: Request| {
            let server = server.clone();
            async move { server.answer(request).await }
        })
    }

    /// A certificate by this CA.
    pub(crate) fn certify(
        &self,
        mut params: CertificateParams,
        key: &PrivateKey,
        start: Timestamp,
    ) -> String {
        self.dress(&mut params, start);
        let certificate = params.signed_by(key, &self.issuer()).unwrap();
        pem_encode("CERTIFICATE", certificate.der())
    }

    fn dress(&self, params: &mut CertificateParams, start: Timestamp) {
        params.not_before = start.to_offset_date_time();
        params.not_after = (start + DAY * 90).to_offset_date_time();
        params.serial_number = Some(7_u64.into());
        params.use_authority_key_identifier_extension = true;
    }

    fn issuer(&self) -> Issuer<'static, PrivateKey> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "Liar");
        Issuer::new(params, self.key.clone())
    }

    fn issue(&self, csr: &[u8], lie: Option<Chain>) -> String {
        let now = self.world.now();
        let start = if matches!(lie, Some(Chain::Expired)) { now - DAY * 200 } else { now - DAY / 24 };
        let der = rcgen::CertificateSigningRequestParams::from_der(&csr.to_vec().into());
        let Ok(mut request): Result<CertificateSigningRequestParams, _> = der else { return String::new() };
        self.dress(&mut request.params, start);
        match lie {
            Some(Chain::OtherNames) => {
                request.params.subject_alt_names = vec![SanType::DnsName("other.test".try_into().unwrap())];
            }
            Some(Chain::OtherKey) => {
                let mut params = CertificateParams::default();
                params.subject_alt_names = request.params.subject_alt_names.clone();
                return self.certify(params, &self.key, start);
            }
            Some(Chain::NoCertificate) => return pem_encode("CERTIFICATE", b"no DER"),
            Some(Chain::PrivateKey) => return self.key.to_pkcs8_pem(),
            _ => {}
        }
        let pem = pem_encode("CERTIFICATE", request.signed_by(&self.issuer()).unwrap().der());
        if matches!(lie, Some(Chain::TooLong)) { pem.repeat(20) } else { pem }
    }

    async fn answer(&self, request: Request) -> Response {
        let path = request.uri().path().to_owned();
        let body = to_bytes(request.into_body(), 1 << 20).await.unwrap_or_default();
        let jws: Value = serde_json::from_slice(&body).unwrap_or_default();
        let payload = URL_SAFE_NO_PAD.decode(jws["payload"].as_str().unwrap_or_default()).unwrap_or_default();
        let payload: Value = serde_json::from_slice(&payload).unwrap_or_default();
        let mut parts = path.trim_start_matches('/').split('/');
        let endpoint = parts.next().unwrap_or_default().to_owned();
        let n = parts.next().and_then(|n| n.parse::<usize>().ok());
        let lie = self.lie().filter(|lie| lie.endpoint == endpoint);
        let how = lie.map(|lie| lie.how);
        let (mut status, location, mut object) = self.decide(&endpoint, n, &payload, how.as_ref());
        match &how {
            Some(How::Silence) => {
                self.world.sleep(DAY * 1000).await;
            }
            Some(How::Close) => {
                let mut response = Response::new(Body::empty());
                response.extensions_mut().insert(CloseConnection);
                return response;
            }
            Some(How::Status(other)) => status = *other,
            Some(How::Member(pointer, value)) => change(&mut object, pointer, value.clone()),
            _ => {}
        }
        let nonce = {
            let mut state = self.state.lock().unwrap();
            state.nonce += 1;
            format!("nonce-{}", state.nonce)
        };
        let mut headers = vec![("replay-nonce", Some(nonce)), ("location", location)];
        if let Some(How::Header(name, value)) = &how {
            headers.retain(|(known, _)| known != name);
            headers.push((*name, value.clone()));
        }
        let body = match (how, object) {
            (Some(How::Body(body)), _) => body,
            (_, Value::String(text)) => text.into_bytes(),
            (_, object) => object.to_string().into_bytes(),
        };
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            if let Some(value) = value {
                response = response.header(name, value);
            }
        }
        response.body(Body::from(body)).unwrap_or_default()
    }

    fn decide(
        &self,
        endpoint: &str,
        n: Option<usize>,
        payload: &Value,
        how: Option<&How>,
    ) -> (u16, Option<String>, Value) {
        let mut state = self.state.lock().unwrap();
        let missing =
            (404, None, json!({ "type": "urn:ietf:params:acme:error:malformed", "detail": "no such thing" }));
        match endpoint {
            "directory" => {
                let url = |what: &str| format!("{BASE}/{what}");
                let object = json!({ "newNonce": url("nonce"), "newAccount": url("account"), "newOrder": url("order"),
                    "meta": { "termsOfService": "https://example.com" } });
                return (200, None, object);
            }
            "nonce" => return (200, None, json!("")),
            "account" => {
                let created = !std::mem::replace(&mut state.registered, true);
                let object = json!({ "status": "valid", "contact": ["mailto:ops@example.com"] });
                return (if created { 201 } else { 200 }, Some(format!("{BASE}/account/1")), object);
            }
            "order" if n.is_none() => {
                state.orders.push((false, None));
                let n = state.orders.len() - 1;
                return (201, Some(format!("{BASE}/order/{n}")), order(n, &state.orders[n]));
            }
            _ => {}
        }
        let Some((n, entry)) = n.and_then(|n| Some((n, state.orders.get_mut(n)?))) else { return missing };
        match endpoint {
            "order" => (200, None, order(n, entry)),
            "authz" => {
                let status = if entry.0 { "valid" } else { "pending" };
                let object = json!({ "status": status, "identifier": { "type": "dns", "value": NAME },
                    "challenges": [challenge(n, status)] });
                (200, None, object)
            }
            "chall" => {
                entry.0 = true;
                (200, None, challenge(n, "valid"))
            }
            "finalize" => {
                let csr =
                    URL_SAFE_NO_PAD.decode(payload["csr"].as_str().unwrap_or_default()).unwrap_or_default();
                let lie = if let Some(How::Chain(chain)) = how { Some(*chain) } else { None };
                entry.1 = Some(self.issue(&csr, lie));
                (200, Some(format!("{BASE}/order/{n}")), order(n, entry))
            }
            "cert" => (200, None, entry.1.clone().unwrap_or_default().into()),
            _ => missing,
        }
    }
}

fn order(n: usize, (proved, chain): &(bool, Option<String>)) -> Value {
    let status = match (proved, chain) {
        (_, Some(_)) => "valid",
        (true, None) => "ready",
        (false, None) => "pending",
    };
    let mut object = json!({ "status": status, "identifiers": [{ "type": "dns", "value": NAME }],
        "authorizations": [format!("{BASE}/authz/{n}")], "finalize": format!("{BASE}/finalize/{n}") });
    if chain.is_some() {
        object["certificate"] = format!("{BASE}/cert/{n}").into();
    }
    object
}

fn challenge(n: usize, status: &str) -> Value {
    json!({ "type": "http-01", "url": format!("{BASE}/chall/{n}"), "token": format!("token-{n}"), "status": status })
}

fn change(object: &mut Value, pointer: &str, value: Option<Value>) {
    let Some((parent, name)) = pointer.rsplit_once('/') else { return };
    match (object.pointer_mut(parent), value) {
        (Some(Value::Object(members)), Some(value)) => drop(members.insert(name.to_owned(), value)),
        (Some(Value::Object(members)), None) => drop(members.remove(name)),
        _ => {}
    }
}

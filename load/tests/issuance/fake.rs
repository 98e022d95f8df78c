//! An ACME server with a challenge test server's management API, that misbehaves when told to. It checks no signature.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{CertificateParams, CertificateSigningRequestParams, Issuer, KeyPair, SanType};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, CertificateSigningRequestDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What the server does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// Refuses every third nonce.
    BadNonce,
    /// Never answers the fourth newOrder, nor any after it.
    Silent,
    /// Leaves orders in `processing`.
    Stuck,
    /// Finds no token, wherever it is.
    Blind,
    /// Puts a name into certificates that nobody asked for.
    WrongName,
}

#[derive(Default)]
struct State {
    posts: u64,
    nonces: u64,
    /// Names, status and chain of each order.
    orders: Vec<(Vec<String>, &'static str, String)>,
    tokens: BTreeMap<String, String>,
}

/// A running server.
pub(crate) struct Fake {
    pub(crate) acme: SocketAddr,
    pub(crate) management: SocketAddr,
    /// The root of its HTTPS certificate.
    pub(crate) root: CertificateDer<'static>,
    inner: Arc<Inner>,
}

struct Inner {
    fault: Fault,
    acme: SocketAddr,
    issuer: Issuer<'static, KeyPair>,
    issuer_pem: String,
    state: Mutex<State>,
}

type Reply = Result<Response<Full<Bytes>>, Infallible>;

impl Fake {
    pub(crate) async fn start(fault: Fault) -> Fake {
        let acme = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let management = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addresses = (acme.local_addr().unwrap(), management.local_addr().unwrap());
        let key = KeyPair::generate().unwrap();
        let web = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![web.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
            .unwrap();
        let tls = TlsAcceptor::from(Arc::new(tls));
        let issuer_key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(Vec::<String>::new()).unwrap();
        let issuer_pem = params.self_signed(&issuer_key).unwrap().pem();
        let issuer = Issuer::new(params, issuer_key);
        let inner = Arc::new(Inner { fault, acme: addresses.0, issuer, issuer_pem, state: Mutex::default() });
        let served = inner.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = acme.accept().await {
                let (served, tls) = (served.clone(), tls.clone());
                tokio::spawn(async move {
                    let stream = TokioIo::new(tls.accept(stream).await.unwrap());
                    let service = service_fn(|request| served.acme(request));
                    hyper::server::conn::http1::Builder::new().serve_connection(stream, service).await
                });
            }
        });
        let served = inner.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = management.accept().await {
                let served = served.clone();
                tokio::spawn(async move {
                    let service = service_fn(|request| served.management(request));
                    let stream = TokioIo::new(stream);
                    hyper::server::conn::http1::Builder::new().serve_connection(stream, service).await
                });
            }
        });
        Fake { acme: addresses.0, management: addresses.1, root: web.der().clone(), inner }
    }

    /// Tokens that are still published.
    pub(crate) fn tokens(&self) -> usize {
        self.inner.state.lock().unwrap().tokens.len()
    }
}

impl Inner {
    fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.acme)
    }

    fn order(&self, state: &State, n: usize) -> Value {
        let (names, status, _) = &state.orders[n];
        let authorizations: Vec<String> =
            (0..names.len()).map(|k| self.url(&format!("/authz/{n}/{k}"))).collect();
        let (finalize, certificate) = (self.url(&format!("/finalize/{n}")), self.url(&format!("/cert/{n}")));
        json!({ "status": status, "authorizations": authorizations, "finalize": finalize, "certificate": certificate })
    }

    fn issue(&self, csr: &Value) -> String {
        let der = URL_SAFE_NO_PAD.decode(csr.as_str().unwrap()).unwrap();
        let mut request =
            CertificateSigningRequestParams::from_der(&CertificateSigningRequestDer::from(der)).unwrap();
        if self.fault == Fault::WrongName {
            request.params.subject_alt_names.push(SanType::DnsName("another.test".try_into().unwrap()));
        }
        request.signed_by(&self.issuer).unwrap().pem() + &self.issuer_pem
    }

    /// Status, Location and body of an answer; `None` for no answer at all.
    fn answer(&self, path: &str, payload: &Value) -> Option<(u16, String, String)> {
        let mut state = self.state.lock().unwrap();
        state.posts += 1;
        if self.fault == Fault::BadNonce && state.posts.is_multiple_of(3) {
            let problem = json!({ "type": "urn:ietf:params:acme:error:badNonce", "detail": "again" });
            return Some((400, String::new(), problem.to_string()));
        }
        let mut parts = path.split('/').skip(1);
        let (what, n, k) = (parts.next().unwrap(), parts.next(), parts.next());
        let n: usize = n.map_or(0, |n| n.parse().unwrap());
        let k = k.unwrap_or_default();
        let mut here = String::new();
        let mut code = 200;
        let body = match what {
            "new-account" => {
                (code, here) = (201, self.url("/account/1"));
                json!({ "status": "valid" }).to_string()
            }
            "new-order" => {
                let n = state.orders.len();
                if self.fault == Fault::Silent && n == 3 {
                    return None;
                }
                let identifiers = payload["identifiers"].as_array().unwrap();
                let names = identifiers.iter().map(|i| i["value"].as_str().unwrap().to_owned()).collect();
                state.orders.push((names, "pending", String::new()));
                (code, here) = (201, self.url(&format!("/order/{n}")));
                self.order(&state, n).to_string()
            }
            "authz" | "challenge" => {
                let token = format!("token-{n}-{k}");
                let mut challenge = json!({ "type": "http-01", "url": self.url(&format!("/challenge/{n}/{k}")), "token": token });
                if what == "challenge" {
                    let found = state.tokens.get(&token).is_some_and(|content| content.starts_with(&token));
                    let status = state.orders[n].1;
                    let found = found && self.fault != Fault::Blind && status != "invalid";
                    state.orders[n].1 = if found { "ready" } else { "invalid" };
                }
                let status = state.orders[n].1;
                if status == "invalid" {
                    challenge["error"] =
                        json!({ "type": "urn:ietf:params:acme:error:unauthorized", "detail": "no token" });
                }
                // An order with one good authorization is not ready; its others are still to be had.
                let status = if status == "ready" { "pending" } else { status };
                let name = k.parse().ok().and_then(|k: usize| state.orders[n].0.get(k));
                let identifier = json!({ "type": "dns", "value": name });
                json!({ "identifier": identifier, "status": status, "challenges": [challenge] }).to_string()
            }
            "finalize" => {
                let chain = self.issue(&payload["csr"]);
                state.orders[n].1 = "processing";
                state.orders[n].2 = chain;
                self.order(&state, n).to_string()
            }
            "order" => {
                if state.orders[n].1 == "processing" && self.fault != Fault::Stuck {
                    state.orders[n].1 = "valid";
                }
                self.order(&state, n).to_string()
            }
            "cert" => state.orders[n].2.clone(),
            other => panic!("{other}"),
        };
        Some((code, here, body))
    }

    async fn acme(&self, request: Request<Incoming>) -> Reply {
        let path = request.uri().path().to_owned();
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let answered = match path.as_str() {
            "/dir" => {
                let [nonce, account, order] =
                    ["/nonce", "/new-account", "/new-order"].map(|path| self.url(path));
                let directory = json!({ "newNonce": nonce, "newAccount": account, "newOrder": order });
                Some((200, String::new(), directory.to_string()))
            }
            "/nonce" => Some((200, String::new(), String::new())),
            path => {
                let jws: Value = serde_json::from_slice(&body).unwrap();
                let payload = URL_SAFE_NO_PAD.decode(jws["payload"].as_str().unwrap()).unwrap();
                self.answer(path, &serde_json::from_slice(&payload).unwrap_or_default())
            }
        };
        let Some((status, location, body)) = answered else { return std::future::pending().await };
        let nonce = {
            let mut state = self.state.lock().unwrap();
            state.nonces += 1;
            state.nonces.to_string()
        };
        let mut response = Response::builder().status(status).header("Replay-Nonce", nonce);
        if !location.is_empty() {
            response = response.header("Location", location);
        }
        Ok(response.body(Full::new(body.into())).unwrap())
    }

    async fn management(&self, request: Request<Incoming>) -> Reply {
        let path = request.uri().path().to_owned();
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap();
        let token = body["token"].as_str().unwrap().to_owned();
        let mut state = self.state.lock().unwrap();
        match path.as_str() {
            "/add-http01" => state.tokens.insert(token, body["content"].as_str().unwrap().to_owned()),
            "/del-http01" => state.tokens.remove(&token),
            other => panic!("{other}"),
        };
        Ok(Response::new(Full::default()))
    }
}

//! What the tests run against the CA: a small ACME client, a web server that answers challenges, and a
//! nameserver. All of it over the world, so that a test body runs simulated and on real sockets alike.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

pub mod both;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response as Answer};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, CNAME, TXT};
use hickory_proto::rr::{RData, Record, RecordType};
use http::Method;
use mock_ca::config::Perspective;
use mock_ca::dialect::{Dialect, Endpoint};
use mock_ca::{Ca, Config, StateDir};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use world::http::{Client, Response};
use world::resolver::Resolver;
use world::tls::{Acceptor, Connector};
use world::{KeyAlgorithm, PrivateKey, Timestamp, WallClock, World};

/// When simulated tests happen.
pub const START: &str = "2022-05-07T13:39:31Z";

/// The addresses of a test's hosts, by name.
pub const HOSTS: [(&str, [u8; 4]); 7] = [
    ("acme", [10, 0, 0, 1]),
    ("client", [10, 0, 0, 2]),
    ("dns", [10, 0, 0, 53]),
    ("site", [10, 0, 0, 80]),
    ("primary", [10, 1, 0, 1]),
    ("remote-1", [10, 1, 0, 2]),
    ("remote-2", [10, 1, 0, 3]),
];

/// Runs `body` in a simulated world with [`HOSTS`].
pub fn simulated<T, F>(body: impl FnOnce(World) -> F) -> world::sim::Finished<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let wall = WallClock { start: START.parse::<Timestamp>().unwrap(), ..WallClock::default() };
    let config = world::sim::Config { wall, keep_trace: true, ..world::sim::Config::default() };
    world::sim::run(config, |world| {
        for (name, ip) in HOSTS {
            world.sim_net().unwrap().add_host(name, [IpAddr::from(ip)]);
        }
        body(world)
    })
    .unwrap_or_else(|stopped| panic!("{stopped}"))
}

/// What a name has in the zone of the test's nameserver. A type of record behind the name (`example.com CAA`)
/// comes first.
#[derive(Clone, Debug)]
pub enum Answers {
    Address(Ipv4Addr),
    Alias(String),
    Texts(Vec<String>),
    Failure(ResponseCode),
    Records(Vec<RData>),
    /// Over UDP the answer is cut.
    Long(Vec<RData>),
    Silence,
}

pub type Zone = Arc<Mutex<BTreeMap<String, Answers>>>;

/// What the test's web server does with a path.
#[derive(Clone, Debug)]
pub enum Page {
    Text(String),
    Status(u16),
    Redirect(u16, String),
    Hang,
}

/// A running CA with all that is around it.
#[derive(Clone)]
pub struct Stage {
    pub world: World,
    pub ca: Ca,
    pub site: SocketAddr,
    pub zone: Zone,
    pub pages: Arc<Mutex<BTreeMap<String, Page>>>,
}

impl Stage {
    /// Starts CA, web server and nameserver. On real sockets all of them are on the loopback interface.
    pub async fn new(world: &World, change: impl FnOnce(&mut Config)) -> Stage {
        Self::with_state(world, None, change).await
    }

    /// The same, with a directory that outlives it.
    pub async fn with_state(
        world: &World,
        state: Option<&StateDir>,
        change: impl FnOnce(&mut Config),
    ) -> Stage {
        let ip = |name: &str| match world.sim_net() {
            Some(net) => net.addresses(name)[0],
            None => IpAddr::from(Ipv4Addr::LOCALHOST),
        };
        let zone = Arc::new(Mutex::new(BTreeMap::new()));
        let pages = Arc::new(Mutex::new(BTreeMap::new()));
        let resolver = serve_dns(&world.process("dns"), ip("dns"), zone.clone()).await;
        let at = SocketAddr::new(ip("site"), 0);
        let site = serve_site(&world.process("site"), at, None, pages.clone()).await;
        let acme = world.process("acme");
        let listener = acme.listen(SocketAddr::new(ip("acme"), 0)).await.unwrap();
        let mut config = Config {
            base_url: format!("https://{}", listener.local_addr()),
            http_port: site.port(),
            resolvers: vec![resolver],
            perspectives: vec![Perspective { name: "primary".to_owned(), ..Perspective::default() }],
            ..Config::default()
        };
        change(&mut config);
        let ca = Ca::open(acme.clone(), config, state).unwrap();
        let server = ca.clone();
        acme.spawn("acme server", async move { server.serve_on(listener).await.unwrap() });
        let stage = Stage { world: world.clone(), ca, site, zone, pages };
        for name in ["example.com", "www.example.com"] {
            stage.name(name, Answers::Address(Ipv4Addr::LOCALHOST));
            if let IpAddr::V4(ip) = site.ip() {
                stage.name(name, Answers::Address(ip));
            }
        }
        stage
    }

    /// Serves the pages on port 443 too, with TLS or without.
    pub async fn serve_443(&self, tls: Option<Acceptor>) {
        let at = SocketAddr::new(self.site.ip(), 443);
        serve_site(&self.world.process("site"), at, tls, self.pages.clone()).await;
    }

    pub fn name(&self, name: &str, answers: Answers) {
        self.zone.lock().unwrap().insert(name.to_owned(), answers);
    }

    pub fn page(&self, path: &str, page: Page) {
        self.pages.lock().unwrap().insert(path.to_owned(), page);
    }

    /// Serves a challenge as it should be.
    pub fn serve_challenge(&self, client: &Acme, token: &str) {
        let text = format!("{token}.{}\n", client.key.public().thumbprint());
        self.page(&format!("/.well-known/acme-challenge/{token}"), Page::Text(text));
    }

    /// A client with an account of its own.
    pub async fn client(&self, label: &str) -> Acme {
        let mut client = self.stranger(label, KeyAlgorithm::EcdsaP256);
        let reply = client.new_account(json!({ "termsOfServiceAgreed": true })).await;
        assert_eq!(reply.status, 201, "{}", text(&reply));
        client
    }

    /// A client without an account.
    pub fn stranger(&self, label: &str, algorithm: KeyAlgorithm) -> Acme {
        let world = self.world.process("client");
        let tls = Connector::new(&world, &[self.ca.web_root()]).unwrap();
        let http =
            Client::new(&world, Resolver::new(&world, Vec::new())).with_tls(tls).with_user_agent("tests");
        let key = world.keys(&format!("client {label}")).generate(algorithm).unwrap();
        let dialect = self.ca.config().dialect.table();
        Acme { base: self.ca.config().base_url.clone(), dialect, world, http, key, kid: None, nonce: None }
    }

    /// How many journal lines have this text.
    pub fn journaled(&self, text: &str) -> usize {
        self.ca.journal().to_json_lines().lines().filter(|line| line.contains(text)).count()
    }
}

/// A nameserver at a port of its own.
pub async fn serve_dns(world: &World, ip: IpAddr, zone: Zone) -> SocketAddr {
    // A port that is free for datagrams may be somebody's connection.
    let (socket, mut streams) = loop {
        let socket = world.bind_datagrams(SocketAddr::new(ip, 0)).await.unwrap();
        match world.listen(socket.local_addr()).await {
            Ok(streams) => break (socket, streams),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse),
        }
    };
    let at = socket.local_addr();
    let over_tcp = zone.clone();
    world.clone().spawn("dns server", async move {
        while let Ok((bytes, from)) = socket.recv_from().await {
            if let Some(answer) = answer(&zone, &bytes, true) {
                socket.send_to(&answer, from).await.unwrap();
            }
        }
    });
    world.clone().spawn("dns server, tcp", async move {
        while let Ok((mut stream, _)) = streams.accept().await {
            let length = stream.read_u16().await.unwrap();
            let mut bytes = vec![0; usize::from(length)];
            stream.read_exact(&mut bytes).await.unwrap();
            let answer = answer(&over_tcp, &bytes, false).unwrap();
            stream.write_all(&u16::try_from(answer.len()).unwrap().to_be_bytes()).await.unwrap();
            stream.write_all(&answer).await.unwrap();
        }
    });
    at
}

fn answer(zone: &Zone, bytes: &[u8], udp: bool) -> Option<Vec<u8>> {
    let question = Message::from_vec(bytes).unwrap();
    let query = question.queries[0].clone();
    let mut answer = Message::new(question.metadata.id, MessageType::Response, OpCode::Query);
    answer.add_query(query.clone());
    let name = query.name().to_ascii().trim_end_matches('.').to_ascii_lowercase();
    let found = {
        let zone = zone.lock().unwrap();
        zone.get(&format!("{name} {}", query.query_type())).or(zone.get(&name)).cloned()
    };
    let mut add = |data| {
        answer.add_answer(Record::from_rdata(query.name().clone(), 60, data));
    };
    match (found, query.query_type()) {
        (None, _) => answer.metadata.response_code = ResponseCode::NXDomain,
        (Some(Answers::Silence), _) => return None,
        (Some(Answers::Failure(code)), _) => answer.metadata.response_code = code,
        (Some(Answers::Alias(to)), _) => add(RData::CNAME(CNAME(to.parse().unwrap()))),
        (Some(Answers::Address(ip)), RecordType::A) => add(RData::A(A(ip))),
        (Some(Answers::Texts(texts)), RecordType::TXT) => {
            texts.into_iter().for_each(|text| add(RData::TXT(TXT::new(vec![text]))));
        }
        (Some(Answers::Long(_)), _) if udp => answer.metadata.truncation = true,
        (Some(Answers::Records(list) | Answers::Long(list)), kind) => {
            list.into_iter().filter(|data| data.record_type() == kind).for_each(add);
        }
        _ => {}
    }
    Some(answer.to_vec().unwrap())
}

async fn serve_site(
    world: &World,
    at: SocketAddr,
    tls: Option<Acceptor>,
    pages: Arc<Mutex<BTreeMap<String, Page>>>,
) -> SocketAddr {
    let listener = world.listen(at).await.unwrap();
    let at = listener.local_addr();
    let router = Router::new().fallback(move |request: Request| {
        let page = pages.lock().unwrap().get(request.uri().path()).cloned();
        async move {
            match page {
                None => Answer::builder().status(404).body("no such page".into()).unwrap(),
                Some(Page::Text(text)) => text.into_response(),
                Some(Page::Status(status)) => Answer::builder().status(status).body("".into()).unwrap(),
                Some(Page::Redirect(status, to)) => {
                    Answer::builder().status(status).header("location", to).body("".into()).unwrap()
                }
                Some(Page::Hang) => std::future::pending().await,
            }
        }
    });
    let server = world.clone();
    world.spawn("web server", async move { world::http::serve(server, listener, tls, router).await });
    at
}

/// A small ACME client.
pub struct Acme {
    pub world: World,
    pub base: String,
    pub dialect: &'static Dialect,
    pub http: Client,
    pub key: PrivateKey,
    pub kid: Option<String>,
    pub nonce: Option<String>,
}

pub fn text(response: &Response) -> String {
    String::from_utf8_lossy(&response.body).into_owned()
}

pub fn body(response: &Response) -> Value {
    serde_json::from_slice(&response.body).unwrap_or_else(|_| panic!("no JSON: {}", text(response)))
}

/// The end of a problem's type.
pub fn kind(response: &Response) -> String {
    let body = body(response);
    body["type"].as_str().unwrap_or_default().trim_start_matches(mock_ca::problem::NAMESPACE).to_owned()
}

impl Acme {
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The URL of a resource without identifiers.
    pub fn resource(&self, endpoint: Endpoint) -> String {
        self.url(&self.dialect.path(endpoint, &[]))
    }

    pub async fn fetch(&self, method: Method, url: &str) -> Response {
        self.http.request(method, &url.parse().unwrap(), &[], bytes::Bytes::new()).await.unwrap()
    }

    pub async fn nonce(&mut self) -> String {
        match self.nonce.take() {
            Some(nonce) => nonce,
            None => {
                let reply = self.fetch(Method::HEAD, &self.resource(Endpoint::NewNonce)).await;
                reply.header("replay-nonce").unwrap().to_owned()
            }
        }
    }

    /// A signed request body.
    pub fn sign(&self, mut header: Value, payload: &str) -> Value {
        sign(&self.key, &mut header, payload)
    }

    /// POSTs `payload` (empty is POST-as-GET), signed by account or key.
    pub async fn post(&mut self, url: &str, payload: &str) -> Response {
        let mut header = json!({ "nonce": self.nonce().await, "url": url });
        match &self.kid {
            Some(kid) => header["kid"] = json!(kid),
            None => header["jwk"] = serde_json::from_str(&self.key.public().jwk()).unwrap(),
        }
        let signed = self.sign(header, payload).to_string();
        self.post_raw(url, signed).await
    }

    pub async fn post_raw(&mut self, url: &str, signed: String) -> Response {
        let headers = [("content-type", "application/jose+json")];
        let url = url.parse().unwrap();
        let reply = self.http.request(Method::POST, &url, &headers, signed.into()).await.unwrap();
        self.nonce = reply.header("replay-nonce").map(str::to_owned);
        reply
    }

    pub async fn get(&mut self, url: &str) -> Value {
        let reply = self.post(url, "").await;
        assert_eq!(reply.status, 200, "{}", text(&reply));
        body(&reply)
    }

    pub async fn new_account(&mut self, payload: Value) -> Response {
        let reply = self.post(&self.resource(Endpoint::NewAccount), &payload.to_string()).await;
        self.kid = reply.header("location").map(str::to_owned).or(self.kid.take());
        reply
    }

    pub async fn new_order(&mut self, names: &[&str]) -> Response {
        let list: Vec<_> = names.iter().map(|n| json!({ "type": "dns", "value": n })).collect();
        self.post(&self.resource(Endpoint::NewOrder), &json!({ "identifiers": list }).to_string()).await
    }

    /// Polls until the object is in another state than `pending` and `processing`.
    pub async fn wait(&mut self, url: &str) -> Value {
        for _ in 0..200 {
            let object = self.get(url).await;
            if !matches!(object["status"].as_str(), Some("pending" | "processing")) {
                return object;
            }
            self.world.sleep(Duration::from_millis(250)).await;
        }
        panic!("{url} does not change")
    }

    /// The challenge of this kind of an authorization.
    pub async fn challenge(&mut self, authorization: &str, kind: &str) -> Value {
        let authorization = self.get(authorization).await;
        let list = authorization["challenges"].as_array().unwrap().clone();
        list.into_iter().find(|c| c["type"] == kind).unwrap()
    }

    pub fn csr(&self, names: &[&str]) -> String {
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        let mut params = rcgen::CertificateParams::new(names).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        let key = self.world.keys("certificate").generate(KeyAlgorithm::EcdsaP256).unwrap();
        finalize_body(&params, &key)
    }

    /// From newOrder to a ready order: its URL and the order.
    pub async fn ready_order(&mut self, stage: &Stage, names: &[&str]) -> (String, Value) {
        let reply = self.new_order(names).await;
        assert_eq!(reply.status, 201, "{}", text(&reply));
        let url = reply.header("location").unwrap().to_owned();
        for authorization in body(&reply)["authorizations"].as_array().unwrap() {
            let authorization = authorization.as_str().unwrap();
            let challenge = self.challenge(authorization, "http-01").await;
            stage.serve_challenge(self, challenge["token"].as_str().unwrap());
            self.post(challenge["url"].as_str().unwrap(), "{}").await;
            assert_eq!(self.wait(authorization).await["status"], "valid");
        }
        let order = self.get(&url).await;
        assert_eq!(order["status"], "ready");
        (url, order)
    }
}

/// The body of a finalize request.
pub fn finalize_body(params: &rcgen::CertificateParams, key: &PrivateKey) -> String {
    let csr = params.serialize_request(key).unwrap();
    json!({ "csr": URL_SAFE_NO_PAD.encode(csr.der()) }).to_string()
}

/// A flattened JWS; `alg` is added to the header when it has none.
pub fn sign(key: &PrivateKey, header: &mut Value, payload: &str) -> Value {
    if header.get("alg").is_none() {
        header["alg"] = json!(key.jws_algorithm());
    }
    let protected = URL_SAFE_NO_PAD.encode(header.to_string());
    let payload = URL_SAFE_NO_PAD.encode(payload);
    let signature = key.sign_jws(format!("{protected}.{payload}").as_bytes()).signature;
    json!({ "protected": protected, "payload": payload, "signature": URL_SAFE_NO_PAD.encode(signature) })
}

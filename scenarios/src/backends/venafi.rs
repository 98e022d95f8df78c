//! A mock of Venafi: Trust Protection Platform's WebSDK, or the REST API of Venafi's cloud.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engine::api::GoDuration;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use world::{Instant, World};

use super::server::{Answered, Asked, Handler, Shell};
use super::{Authority, BackendError, Faults, Journal, Latency};

/// Which of the two it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Flavour {
    /// Trust Protection Platform.
    #[default]
    Tpp,
    /// Venafi's cloud.
    Cloud,
}

/// What becomes of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// They are issued.
    #[default]
    Issue,
    /// They are rejected.
    Reject,
    /// They stay pending.
    Never,
    /// They get a certificate with somebody else's key.
    WrongKey,
}

/// A server, as a script describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Config {
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Which of the two it is.
    pub flavour: Flavour,
    /// The zone that it knows.
    pub zone: String,
    /// TPP: user name.
    pub user: String,
    /// TPP: password.
    pub password: String,
    /// TPP: whether user and password are traded for an API key (`vedsdk/authorize/`; up to 22.3).
    pub api_keys: bool,
    /// TPP: an access token that is good from the beginning.
    pub access_token: String,
    /// Cloud: the API key.
    pub api_key: String,
    /// From a request until its certificate is there.
    pub pending: Option<GoDuration>,
    /// What becomes of requests.
    pub outcome: Outcome,
    /// Lifetime of certificates.
    pub lifetime: GoDuration,
    /// What the endpoints `ping`, `authorize`, `verify`, `zone`, `application`, `request`, `retrieve`, `contents`
    /// take.
    pub latency: Latency,
    /// Answers in place of the real ones.
    pub faults: Faults,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            host: String::new(),
            port: 80,
            flavour: Flavour::Tpp,
            zone: String::new(),
            user: String::new(),
            password: String::new(),
            api_keys: true,
            access_token: String::new(),
            api_key: String::new(),
            pending: None,
            outcome: Outcome::Issue,
            lifetime: GoDuration(Duration::from_secs(90 * 24 * 3600)),
            latency: Latency::new(),
            faults: Faults::new(),
        }
    }
}

/// A server that runs.
#[derive(Clone, Debug)]
pub struct Venafi {
    authority: Arc<Authority>,
    journal: Journal,
    requests: Requests,
}

/// What was put in.
#[derive(Clone, Debug)]
struct Request {
    csr: String,
    at: Instant,
    body: Value,
}

type Requests = Arc<Mutex<BTreeMap<String, Request>>>;

impl Venafi {
    /// Starts it on its host's address `ip`, in the world of its host.
    ///
    /// # Errors
    /// [`BackendError`].
    pub async fn start(world: &World, config: &Config, ip: IpAddr) -> Result<Self, BackendError> {
        let authority = Arc::new(Authority::new(world, &format!("venafi {}", config.host))?);
        let stranger = world.keys("venafi's mistake").generate(world::KeyAlgorithm::EcdsaP256);
        let stranger = stranger.map_err(|e| super::AuthorityError(e.to_string()))?;
        let (journal, requests) = (Journal::default(), Requests::default());
        let handler = VenafiHandler {
            world: world.clone(),
            config: config.clone(),
            authority: authority.clone(),
            requests: requests.clone(),
            stranger,
        };
        let shell = Shell::new(world, handler, &config.latency, &config.faults, journal.clone());
        shell.serve(SocketAddr::new(ip, config.port), None, "venafi").await?;
        Ok(Venafi { authority, journal, requests })
    }

    /// Who signs.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// What it was asked.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The bodies of the requests for certificates, by pickup ID.
    pub fn requests(&self) -> BTreeMap<String, Value> {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.iter().map(|(id, request)| (id.clone(), request.body.clone())).collect()
    }
}

struct VenafiHandler {
    world: World,
    config: Config,
    authority: Arc<Authority>,
    requests: Requests,
    stranger: world::PrivateKey,
}

/// What a login gives, as token or API key.
const SESSION: &str = "session-of-the-mock";

/// How far a request is.
enum State {
    Unknown,
    Pending,
    Rejected,
    /// The chain, PEM.
    Issued(String),
}

impl VenafiHandler {
    fn knows(&self, asked: &Asked<'_>) -> bool {
        if self.config.flavour == Flavour::Cloud {
            return !self.config.api_key.is_empty() && asked.header("tppl-api-key") == self.config.api_key;
        }
        let bearer = asked.header("authorization").strip_prefix("Bearer ").unwrap_or_default();
        let own = !self.config.access_token.is_empty() && bearer == self.config.access_token;
        own || bearer == SESSION || asked.header("x-venafi-api-key") == SESSION
    }

    fn put(&self, id: String, csr: String, body: &Value) {
        let request = Request { csr, at: self.world.monotonic(), body: body.clone() };
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).insert(id, request);
    }

    fn state(&self, id: &str) -> State {
        let found = self.requests.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
        let Some(request) = found else { return State::Unknown };
        let due = request.at + self.config.pending.map_or(Duration::ZERO, |pending| pending.0);
        if self.config.outcome == Outcome::Never || self.world.monotonic() < due {
            return State::Pending;
        }
        let csr = match self.config.outcome {
            Outcome::Reject => return State::Rejected,
            Outcome::WrongKey => rcgen::CertificateParams::new(vec!["wrong.example.com".to_owned()])
                .and_then(|params| params.serialize_request(&self.stranger))
                .map(|csr| world::keys::pem_encode("CERTIFICATE REQUEST", csr.der()))
                .unwrap_or_default(),
            _ => request.csr,
        };
        match self.authority.sign(csr.as_bytes(), self.config.lifetime.0) {
            Ok(leaf) => State::Issued(leaf + &self.authority.issuing_pem() + &self.authority.root_pem()),
            Err(_) => State::Rejected,
        }
    }

    fn authorize(&self, asked: &Asked<'_>) -> Answered {
        let given = |lower: &str, upper: &str| {
            let text = asked.text(lower);
            if text.is_empty() { asked.text(upper).to_owned() } else { text.to_owned() }
        };
        let (user, password) = (given("username", "Username"), given("password", "Password"));
        let good = !user.is_empty() && user == self.config.user && password == self.config.password;
        let by_key = asked.path.starts_with("/vedsdk/");
        match (good, by_key, self.config.api_keys) {
            (false, ..) => Answered::Json(401, json!({ "error": "invalid_grant" })),
            (true, true, false) => Answered::Json(404, json!({ "Error": "API keys are not supported" })),
            (true, true, true) => Answered::Json(200, json!({ "APIKey": SESSION })),
            (true, false, _) => {
                let token = json!({ "access_token": SESSION, "refresh_token": "r", "expires": 3600 });
                Answered::Json(200, token)
            }
        }
    }

    fn tpp(&self, asked: &Asked<'_>) -> Answered {
        let policy = format!(r"\VED\Policy\{}", self.config.zone);
        match asked.endpoint {
            "verify" => Answered::Json(200, json!({ "identity": "local:{mock}" })),
            "zone" if asked.text("PolicyDN") == policy => Answered::Json(200, json!({ "Policy": {} })),
            "zone" => {
                let text = format!("PolicyDN: {} does not exist", asked.text("PolicyDN"));
                Answered::Json(400, json!({ "Error": text }))
            }
            "request" => {
                let id = format!(r"{policy}\{}", asked.text("ObjectName"));
                self.put(id.clone(), asked.text("PKCS10").to_owned(), &asked.body);
                Answered::Json(200, json!({ "CertificateDN": id }))
            }
            "retrieve" => match self.state(asked.text("CertificateDN")) {
                State::Unknown => Answered::Json(400, json!({ "Error": "no such certificate" })),
                State::Pending => Answered::Json(202, json!({ "Stage": 500, "Status": "Pending approval" })),
                State::Rejected => Answered::Json(500, json!({ "Stage": 400, "Status": "Rejected" })),
                State::Issued(chain) => {
                    let data = STANDARD.encode(chain);
                    Answered::Json(200, json!({ "CertificateData": data, "Format": "base64" }))
                }
            },
            _ => Answered::Json(404, json!({ "Error": "not found" })),
        }
    }

    fn cloud(&self, asked: &Asked<'_>) -> Answered {
        let last = asked.path.rsplit('/').next().unwrap_or_default();
        let error = |status, code: i64, message: &str| {
            Answered::Json(status, json!({ "errors": [{ "code": code, "message": message }] }))
        };
        let (application, alias) = self.config.zone.split_once('\\').unwrap_or_default();
        match asked.endpoint {
            "verify" => Answered::Json(200, json!({ "user": { "username": "mock" } })),
            "zone" => {
                let known = format!("/applications/{application}/certificateissuingtemplates/{alias}");
                if asked.path.ends_with(&known) {
                    return Answered::Json(200, json!({ "id": "template-1" }));
                }
                Answered::Json(400, json!({ "errors": [] }))
            }
            "application" => {
                let templates = json!({ alias: "template-1" });
                let details = json!({ "id": "app-1", "certificateIssuingTemplateAliasIdMap": templates });
                Answered::Json(200, details)
            }
            "request" => {
                let id = format!("request-{}", self.requests().len() + 1);
                self.put(id.clone(), asked.text("certificateSigningRequest").to_owned(), &asked.body);
                Answered::Json(201, json!({ "certificateRequests": [{ "id": id, "status": "REQUESTED" }] }))
            }
            "retrieve" => match self.state(last) {
                State::Unknown => error(404, 10051, "Unable to find certificate request"),
                State::Pending => Answered::Json(200, json!({ "id": last, "status": "PENDING" })),
                State::Rejected => {
                    let why = json!({ "type": "REJECTED", "message": "rejected by policy" });
                    Answered::Json(200, json!({ "id": last, "status": "FAILED", "errorInformation": why }))
                }
                State::Issued(_) => {
                    let issued = json!({ "id": last, "status": "ISSUED", "certificateIds": [last] });
                    Answered::Json(200, issued)
                }
            },
            "contents" => {
                let id = asked.path.rsplit('/').nth(1).unwrap_or_default();
                match self.state(id) {
                    State::Issued(chain) => Answered::Text(200, chain),
                    _ => error(409, 10702, "certificate not issued yet"),
                }
            }
            _ => error(404, 1, "not found"),
        }
    }

    fn requests(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Request>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Endpoints by the end of their paths, in this order.
const TPP_ENDPOINTS: &[(&str, &str)] = &[
    ("/vedsdk/authorize/", "authorize"),
    ("/vedauth/authorize/oauth", "authorize"),
    ("/vedauth/authorize/verify", "verify"),
    ("/vedsdk/certificates/checkpolicy", "zone"),
    ("/vedsdk/certificates/request", "request"),
    ("/vedsdk/certificates/retrieve", "retrieve"),
    ("/vedsdk/", "ping"),
];

impl Handler for VenafiHandler {
    fn endpoint(&self, method: &Method, path: &str) -> &'static str {
        if self.config.flavour == Flavour::Tpp {
            return TPP_ENDPOINTS.iter().find(|(end, _)| path.ends_with(end)).map_or("unknown", |(_, n)| n);
        }
        let has = |part: &str| path.contains(part);
        match *method {
            _ if path == "/v1/useraccounts" => "verify",
            _ if has("/certificateissuingtemplates/") => "zone",
            _ if has("/applications/name/") => "application",
            Method::POST if path.ends_with("/certificaterequests") => "request",
            Method::GET if has("/certificaterequests/") => "retrieve",
            _ if path.ends_with("/contents") => "contents",
            _ => "unknown",
        }
    }

    fn answer(&self, asked: &Asked<'_>) -> Answered {
        let open = matches!(asked.endpoint, "ping" | "authorize");
        match (self.config.flavour, open) {
            (Flavour::Tpp, true) if asked.endpoint == "authorize" => self.authorize(asked),
            (_, true) => Answered::Json(200, json!({})),
            _ if !self.knows(asked) => Answered::Json(401, json!({ "error": "invalid_token" })),
            (Flavour::Tpp, _) => self.tpp(asked),
            (Flavour::Cloud, _) => self.cloud(asked),
        }
    }
}

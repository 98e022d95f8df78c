//! A mock Vault: login by token, AppRole, Kubernetes and client certificate, health, and the PKI engine's signing endpoint.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use engine::api::GoDuration;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use world::World;
use world::keys::{SectionKind, pem_sections};
use world::tls::Acceptor;

use super::server::{Answered, Asked, Handler, Shell};
use super::{Authority, AuthorityError, BackendError, Faults, Journal, Latency};

/// A Vault, as a script describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Config {
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether it speaks TLS, with a certificate of its own authority.
    pub tls: bool,
    /// The one name in that certificate; empty: that of the host, and its address.
    pub server_name: String,
    /// The signing endpoint, such as `pki/sign/example`.
    pub path: String,
    /// The namespace that everything but health is in; empty: none.
    pub namespace: String,
    /// A token that is good from the beginning.
    pub token: String,
    /// AppRoles: role id to secret id.
    pub app_roles: BTreeMap<String, String>,
    /// Kubernetes roles: role to service account (`namespace/name`, any audience).
    pub kubernetes_roles: BTreeMap<String, String>,
    /// Tokens of service accounts that come from Secrets: the JWT to its service account.
    pub service_account_tokens: BTreeMap<String, String>,
    /// Certificate roles: role to the client certificate (PEM) that is let in by it.
    pub cert_roles: BTreeMap<String, String>,
    /// The status of its health endpoint: 200 active, 429 standby, 501 not initialised, 503 sealed.
    pub health: u16,
    /// The longest lifetime that it signs for.
    pub max_ttl: Option<GoDuration>,
    /// What the endpoints `login`, `sign`, `health` take.
    pub latency: Latency,
    /// Answers in place of the real ones.
    pub faults: Faults,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            host: String::new(),
            port: 8200,
            tls: false,
            server_name: String::new(),
            path: "pki/sign/example".to_owned(),
            namespace: String::new(),
            token: String::new(),
            app_roles: BTreeMap::new(),
            kubernetes_roles: BTreeMap::new(),
            service_account_tokens: BTreeMap::new(),
            cert_roles: BTreeMap::new(),
            health: 200,
            max_ttl: None,
            latency: Latency::new(),
            faults: Faults::new(),
        }
    }
}

/// A Vault that runs.
#[derive(Clone, Debug)]
pub struct Vault {
    authority: Arc<Authority>,
    journal: Journal,
    requests: Requests,
}

/// The bodies of the requests to sign, in turn.
type Requests = Arc<Mutex<Vec<Value>>>;

impl Vault {
    /// Starts it on its host's address `ip`, in the world of its host.
    ///
    /// # Errors
    /// [`BackendError`].
    pub async fn start(world: &World, config: &Config, ip: IpAddr) -> Result<Self, BackendError> {
        let authority = Arc::new(Authority::new(world, &format!("vault {}", config.host))?);
        let journal = Journal::default();
        let (name, address) = match config.server_name.as_str() {
            "" => (config.host.as_str(), Some(ip)),
            other => (other, None),
        };
        let identity = config.tls.then(|| authority.identity(name, address)).transpose()?;
        // Like a real one, it asks its clients for certificates, and takes those that have none.
        let tls = identity.map(|identity| Acceptor::asking_clients(world, identity)).transpose();
        let tls = tls.map_err(|error| AuthorityError(error.to_string()))?;
        let logins = world.rng(&format!("vault {} tokens", config.host));
        let requests = Requests::default();
        let handler = VaultHandler {
            config: config.clone(),
            authority: authority.clone(),
            logins,
            requests: requests.clone(),
        };
        let shell = Shell::new(world, handler, &config.latency, &config.faults, journal.clone());
        shell.serve(SocketAddr::new(ip, config.port), tls, "vault").await?;
        Ok(Vault { authority, journal, requests })
    }

    /// Who signs.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// What it was asked.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The bodies of the requests to sign that it took, in turn.
    pub fn requests(&self) -> Vec<Value> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct VaultHandler {
    config: Config,
    authority: Arc<Authority>,
    /// Where the tokens of logins come from: a token is good when it begins like them.
    logins: world::Rng,
    requests: Requests,
}

const LOGIN_TOKEN: &str = "hvs.login-";

fn refused(status: u16, errors: &[&str]) -> Answered {
    Answered::Json(status, json!({ "errors": errors }))
}

impl VaultHandler {
    fn knows(&self, token: &str) -> bool {
        let own = &self.config.token;
        (!own.is_empty() && token == own) || token.starts_with(LOGIN_TOKEN)
    }

    fn logged_in(&self) -> Answered {
        let token = format!("{LOGIN_TOKEN}{:016x}", self.logins.next_u64());
        Answered::Json(200, json!({ "auth": { "client_token": token, "lease_duration": 3600 } }))
    }

    /// By the certificate of the connection, whose role may be named; without a name each one is tried.
    fn certificate_login(&self, asked: &Asked<'_>) -> Answered {
        let Some(shown) = asked.certificates.first() else {
            return refused(400, &["client certificate must be supplied"]);
        };
        let name = asked.text("name");
        let mut roles = self.config.cert_roles.iter().filter(|(role, _)| name.is_empty() || *role == name);
        let lets_in =
            |pem: &String| pem_sections(pem.as_bytes(), SectionKind::Certificate).first() == Some(shown);
        if roles.any(|(_, pem)| lets_in(pem)) {
            self.logged_in()
        } else {
            refused(400, &["invalid certificate or no client certificate supplied"])
        }
    }

    /// AppRole sends `role_id`, Kubernetes `role` and `jwt`, what logs in by its certificate neither.
    fn login(&self, asked: &Asked<'_>) -> Answered {
        if !asked.text("role_id").is_empty() {
            let secret = self.config.app_roles.get(asked.text("role_id"));
            return match secret {
                Some(secret) if secret == asked.text("secret_id") => self.logged_in(),
                Some(_) => refused(400, &["invalid secret id"]),
                None => refused(400, &["invalid role or secret ID"]),
            };
        }
        let jwt = asked.text("jwt");
        if jwt.is_empty() {
            return self.certificate_login(asked);
        }
        let account = self.config.service_account_tokens.get(jwt).cloned().or_else(|| account_of(jwt));
        match (self.config.kubernetes_roles.get(asked.text("role")), account) {
            (Some(bound), Some(account)) if *bound == account => self.logged_in(),
            (Some(_), Some(_)) => refused(403, &["service account name not authorized"]),
            (None, _) => refused(400, &["invalid role name"]),
            (_, None) => refused(403, &["permission denied"]),
        }
    }

    fn sign(&self, asked: &Asked<'_>) -> Answered {
        if !self.knows(asked.header("x-vault-token")) {
            return refused(403, &["permission denied"]);
        }
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).push(asked.body.clone());
        let Ok(GoDuration(ttl)) = serde_json::from_value(Value::from(asked.text("ttl"))) else {
            return refused(400, &["error parsing ttl"]);
        };
        let most = self.config.max_ttl.map_or(Duration::MAX, |most| most.0);
        match self.authority.sign(asked.text("csr").as_bytes(), ttl.min(most)) {
            Err(error) => refused(400, &[error.to_string().as_str()]),
            Ok(leaf) => {
                let (issuing, root) = (self.authority.issuing_pem(), self.authority.root_pem());
                let data = json!({
                    "certificate": leaf.trim_end(),
                    "issuing_ca": issuing.trim_end(),
                    "ca_chain": [issuing.trim_end(), root.trim_end()],
                });
                Answered::Json(200, json!({ "data": data }))
            }
        }
    }
}

impl Handler for VaultHandler {
    fn endpoint(&self, _: &Method, path: &str) -> &'static str {
        match path {
            "/v1/sys/health" => "health",
            path if path.starts_with("/v1/auth/") && path.ends_with("/login") => "login",
            path if path.strip_prefix("/v1/") == Some(&self.config.path) => "sign",
            _ => "unknown",
        }
    }

    fn answer(&self, asked: &Asked<'_>) -> Answered {
        if asked.endpoint == "health" {
            let status = self.config.health;
            let (initialized, sealed) = (status != 501, matches!(status, 501 | 503));
            return Answered::Json(status, json!({ "initialized": initialized, "sealed": sealed }));
        }
        if asked.header("x-vault-namespace") != self.config.namespace {
            return refused(404, &["no handler for route"]);
        }
        match asked.endpoint {
            "login" => self.login(asked),
            "sign" => self.sign(asked),
            _ => refused(404, &["no handler for route"]),
        }
    }
}

/// The service account (`namespace/name`) that a JWT of the cluster says it is of. The mock asks no API server
/// whether it is true, as a real Vault does.
fn account_of(jwt: &str) -> Option<String> {
    let claims = URL_SAFE_NO_PAD.decode(jwt.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    let account = claims.get("sub")?.as_str()?.strip_prefix("system:serviceaccount:")?;
    account.split_once(':').map(|(namespace, name)| format!("{namespace}/{name}"))
}

//! An ACME client's conversation with a server: nonces, signed requests, problems.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::account::Account;
use super::connection::{Answer, Connection, Dialer};
use super::failure::Failure;
use crate::target::{Target, split};

/// How often one request is sent anew with a fresh nonce.
const NONCE_ATTEMPTS: u32 = 20;

/// The URLs of RFC 8555 section 7.1.1 that issuance needs.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Directory {
    pub(crate) new_nonce: String,
    pub(crate) new_account: String,
    pub(crate) new_order: String,
}

/// The parts of a problem document (RFC 7807) that are told.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Problem {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    pub(crate) detail: String,
}

impl Problem {
    /// The type without its namespace.
    pub(crate) fn kind(&self) -> &str {
        self.kind.rsplit(':').next().unwrap_or_default()
    }
}

/// A conversation with its nonce: one request at a time, over one connection to each host that the server names.
pub(crate) struct Session {
    dialer: Dialer,
    deadline: Duration,
    /// Nearly always one: the directory's.
    connections: Vec<Connection>,
    nonce: Option<String>,
    /// Nonces that the server refused.
    pub(crate) bad_nonces: u64,
}

/// Reads an answer's JSON.
pub(crate) fn parse<T: DeserializeOwned>(request: &'static str, answer: &Answer) -> Result<T, Failure> {
    serde_json::from_slice(&answer.body).map_err(|e| Failure::malformed(request, e))
}

fn refused(request: &'static str, answer: &Answer) -> Failure {
    let problem: Problem = serde_json::from_slice(&answer.body).unwrap_or_default();
    let detail = match problem.detail.as_str() {
        "" => String::from_utf8_lossy(&answer.body).chars().take(200).collect(),
        detail => detail.to_owned(),
    };
    let problem = problem.kind().to_owned();
    Failure::Refused { request, status: answer.status.as_u16(), problem, detail }
}

impl Session {
    pub(crate) fn new(dialer: Dialer, deadline: Duration) -> Self {
        Session { dialer, deadline, connections: Vec::new(), nonce: None, bad_nonces: 0 }
    }

    /// Requests sent, and connections made for them.
    pub(crate) fn sent(&self) -> (u64, u64) {
        let add = |(requests, made), c: &Connection| (requests + c.requests, made + c.made);
        self.connections.iter().fold((0, 0), add)
    }

    /// Sends one request to wherever its URL says.
    async fn send(
        &mut self,
        request: &'static str,
        method: Method,
        url: &str,
        content: Option<(&'static str, Vec<u8>)>,
    ) -> Result<Answer, Failure> {
        let (origin, path) = split(url).map_err(|e| Failure::malformed(request, e))?;
        let place = match self.connections.iter().position(|connection| connection.origin() == origin) {
            Some(place) => place,
            None => {
                let made = Connection::new(&self.dialer, origin, self.deadline);
                self.connections.push(made.map_err(|e| Failure::malformed(request, e))?);
                self.connections.len() - 1
            }
        };
        let answer = self.connections[place].send(request, method, path, content).await?;
        self.keep_nonce(&answer);
        Ok(answer)
    }

    fn keep_nonce(&mut self, answer: &Answer) {
        if let Some(nonce) = answer.header("replay-nonce") {
            self.nonce = Some(nonce.to_owned());
        }
    }

    /// The directory at this URL.
    pub(crate) async fn directory(&mut self, url: &str) -> Result<Directory, Failure> {
        let answer = self.send("directory", Method::GET, url, None).await?;
        if answer.status != StatusCode::OK {
            return Err(refused("directory", &answer));
        }
        parse("directory", &answer)
    }

    async fn take_nonce(&mut self, directory: &Directory) -> Result<String, Failure> {
        if let Some(nonce) = self.nonce.take() {
            return Ok(nonce);
        }
        self.send("newNonce", Method::HEAD, &directory.new_nonce, None).await?;
        self.nonce.take().ok_or_else(|| Failure::malformed("newNonce", "no Replay-Nonce"))
    }

    /// A signed request, sent again for as long as only its nonce is refused. `request` is its kind in failures. Any
    /// status from 300 is a failure.
    pub(crate) async fn post(
        &mut self,
        request: &'static str,
        directory: &Directory,
        account: &Account,
        url: &str,
        payload: Option<&Value>,
    ) -> Result<Answer, Failure> {
        let mut attempts = 0;
        loop {
            let nonce = self.take_nonce(directory).await?;
            let body = account.sign(url, &nonce, payload)?;
            let content = Some(("application/jose+json", body));
            let answer = self.send(request, Method::POST, url, content).await?;
            if answer.status.is_success() {
                return Ok(answer);
            }
            let failure = refused(request, &answer);
            attempts += 1;
            match &failure {
                Failure::Refused { problem, .. } if problem == "badNonce" && attempts < NONCE_ATTEMPTS => {
                    self.bad_nonces += 1;
                }
                _ => return Err(failure),
            }
        }
    }

    /// A new account, registered.
    pub(crate) async fn register(
        &mut self,
        directory: &Directory,
        target: &Target,
    ) -> Result<Arc<Account>, Failure> {
        let mut account = Account::generate()?;
        let url = &directory.new_account;
        let mut payload = json!({ "termsOfServiceAgreed": true });
        if let Some(contact) = &target.contact {
            payload["contact"] = json!([contact]);
        }
        if let Some(external) = &target.external_account {
            payload["externalAccountBinding"] = account.bind(external, url);
        }
        let answer = self.post("newAccount", directory, &account, url, Some(&payload)).await?;
        let url = location("newAccount", &answer)?;
        account.registered(url);
        Ok(Arc::new(account))
    }
}

/// The URL of what was made.
pub(crate) fn location(request: &'static str, answer: &Answer) -> Result<String, Failure> {
    let url = answer.header(http::header::LOCATION);
    Ok(url.ok_or_else(|| Failure::malformed(request, "no Location"))?.to_owned())
}

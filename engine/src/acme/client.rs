//! One client: one key, one server, one account.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::Method;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use world::http::{Client as HttpClient, Response, Url};
use world::{PrivateKey, World};

use super::error::{AcmeError, Problem};
use super::types::{Account, Authorization, Challenge, Directory, Identifier, Order};
use crate::api::State;

/// A client. Clones share nonces, directory and account URL.
#[derive(Clone, Debug)]
pub struct AcmeClient {
    world: World,
    http: HttpClient,
    directory_url: String,
    key: PrivateKey,
    /// Time limit of one call, if the release sets one.
    limit: Option<Duration>,
    state: Arc<Mutex<Session>>,
}

#[derive(Debug, Default)]
struct Session {
    directory: Option<Directory>,
    nonces: Vec<String>,
    account: Option<String>,
    backoffs: u64,
}

type Result<T> = std::result::Result<T, AcmeError>;

/// Who signs: a new account shows its key, a known one its URL.
#[derive(Clone, Copy)]
enum Identity<'a> {
    Key,
    Account(&'a str),
}

/// Nonces kept at most.
const NONCES_MAX: usize = 100;
/// How often a request with a bad nonce is sent again.
const RETRIES: u32 = 5;

impl AcmeClient {
    /// A client for the directory at `directory_url`. Nothing is sent yet.
    pub fn new(
        world: &World,
        http: HttpClient,
        directory_url: &str,
        key: PrivateKey,
        limit: Option<Duration>,
    ) -> Self {
        let (world, directory_url) = (world.clone(), directory_url.to_owned());
        AcmeClient { world, http, directory_url, key, limit, state: Arc::default() }
    }

    /// What is published for a challenge: `token.thumbprint` (RFC 8555 section 8.1).
    pub fn key_authorization(&self, token: &str) -> String {
        format!("{token}.{}", self.key.public().thumbprint())
    }

    fn session(&self) -> std::sync::MutexGuard<'_, Session> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn limited<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        match self.limit {
            None => call.await,
            Some(limit) => self.world.timeout(limit, call).await.unwrap_or(Err(AcmeError::Deadline)),
        }
    }

    /// Registers the key, or finds the account that it has (section 7.3).
    ///
    /// # Errors
    /// [`AcmeError`].
    pub async fn register(&self, contact: &[String]) -> Result<Account> {
        let payload = json!({ "contact": contact, "termsOfServiceAgreed": true });
        self.limited(self.new_account(payload)).await
    }

    /// Changes the contacts of the account (section 7.3.2).
    ///
    /// # Errors
    /// [`AcmeError`].
    pub async fn update_contact(&self, contact: &[String]) -> Result<Account> {
        self.limited(async {
            let url = self.account_url().await?;
            let response =
                self.post(&url, Some(json!({ "contact": contact })), Identity::Account(&url)).await?;
            Ok(Account { url, ..parse(&response)? })
        })
        .await
    }

    /// Orders a certificate for these identifiers (section 7.4).
    ///
    /// # Errors
    /// [`AcmeError`].
    pub async fn new_order(&self, identifiers: &[Identifier], not_after: Option<String>) -> Result<Order> {
        self.limited(async {
            let url = self.directory().await?.new_order;
            let mut payload = json!({ "identifiers": identifiers });
            if let (Some(not_after), Some(members)) = (not_after, payload.as_object_mut()) {
                members.insert("notAfter".to_owned(), not_after.into());
            }
            let response = self.post_as_account(&url, Some(payload)).await?;
            let url = response.header("location").unwrap_or_default().to_owned();
            Ok(Order { url, ..parse(&response)? })
        })
        .await
    }

    /// Reads an order.
    ///
    /// # Errors
    /// [`AcmeError`].
    pub async fn get_order(&self, url: &str) -> Result<Order> {
        self.limited(self.order(url)).await
    }

    /// Reads an authorization (section 7.5).
    ///
    /// # Errors
    /// [`AcmeError`].
    pub async fn get_authorization(&self, url: &str) -> Result<Authorization> {
        self.limited(async { parse(&self.post_as_account(url, None).await?) }).await
    }

    /// Says that a challenge is ready to be validated (section 7.5.1).
    ///
    /// # Errors
    /// [`AcmeError`].
    pub async fn accept(&self, challenge_url: &str) -> Result<Challenge> {
        self.limited(async { parse(&self.post_as_account(challenge_url, Some(json!({}))).await?) }).await
    }

    /// Asks for an authorization until it is valid: every `Retry-After`, or every second.
    ///
    /// # Errors
    /// [`AcmeError::Authorization`] when it became invalid, and others.
    pub async fn wait_authorization(&self, url: &str) -> Result<Authorization> {
        self.limited(async {
            loop {
                let response = self.post_as_account(url, None).await?;
                let authorization: Authorization = parse(&response)?;
                match authorization.status {
                    State::Valid => return Ok(authorization),
                    State::Pending | State::Processing => self.pause(&response).await,
                    _ => {
                        let mut challenges = authorization.challenges.into_iter();
                        let problem = challenges.find_map(|c| c.error).unwrap_or_default();
                        let identifier = authorization.identifier.value;
                        return Err(AcmeError::Authorization { identifier, problem });
                    }
                }
            }
        })
        .await
    }

    /// Sends the CSR, waits for the order to become valid and downloads the chain (section 7.4): PEM, leaf
    /// first, and the URL that it came from.
    ///
    /// # Errors
    /// [`AcmeError`].
    pub async fn finalize(&self, finalize_url: &str, csr: &[u8]) -> Result<(Vec<u8>, String)> {
        self.limited(async {
            let payload = json!({ "csr": URL_SAFE_NO_PAD.encode(csr) });
            let response = self.post_as_account(finalize_url, Some(payload)).await?;
            let location = response.header("location").map(str::to_owned);
            let mut order: Order = parse(&response)?;
            if order.status != State::Valid {
                let url = location.ok_or_else(|| {
                    AcmeError::Malformed("the answer to finalize names no order to ask for".to_owned())
                })?;
                self.pause(&response).await;
                order = self.wait_order(&url).await?;
            }
            let chain = self.certificate(&order.certificate).await?;
            Ok((chain, order.certificate))
        })
        .await
    }

    /// Downloads a chain in PEM.
    ///
    /// # Errors
    /// [`AcmeError`].
    pub async fn fetch_certificate(&self, url: &str) -> Result<Vec<u8>> {
        self.limited(self.certificate(url)).await
    }

    async fn certificate(&self, url: &str) -> Result<Vec<u8>> {
        Ok(self.post_as_account(url, None).await?.body.to_vec())
    }

    async fn order(&self, url: &str) -> Result<Order> {
        let response = self.post_as_account(url, None).await?;
        Ok(Order { url: url.to_owned(), ..parse(&response)? })
    }

    async fn wait_order(&self, url: &str) -> Result<Order> {
        loop {
            let response = self.post_as_account(url, None).await?;
            let order: Order = parse(&response)?;
            match order.status {
                State::Valid => return Ok(order),
                State::Pending | State::Processing | State::Ready => self.pause(&response).await,
                _ => {
                    let problem = order.error.unwrap_or_default();
                    return Err(AcmeError::Malformed(format!(
                        "order {url} status: {}: {problem}",
                        order.status
                    )));
                }
            }
        }
    }

    async fn pause(&self, response: &Response) {
        let secs = response.header("retry-after").and_then(|v| v.parse().ok()).unwrap_or(1);
        self.world.sleep(Duration::from_secs(secs)).await;
    }

    async fn directory(&self) -> Result<Directory> {
        if let Some(directory) = self.session().directory.clone() {
            return Ok(directory);
        }
        let url: Url = self.directory_url.parse()?;
        let response = self.http.get(&url).await?;
        if !response.status.is_success() {
            return Err(AcmeError::Problem(problem(&response)));
        }
        let directory: Directory = parse(&response)?;
        self.keep_nonce(&response);
        self.session().directory = Some(directory.clone());
        Ok(directory)
    }

    async fn new_account(&self, payload: Value) -> Result<Account> {
        let url = self.directory().await?.new_account;
        let response = self.post(&url, Some(payload), Identity::Key).await?;
        let url = response.header("location").unwrap_or_default().to_owned();
        self.session().account = Some(url.clone());
        Ok(Account { url, ..parse(&response)? })
    }

    /// The account's URL, asked for by the key once (`onlyReturnExisting`, section 7.3.1).
    async fn account_url(&self) -> Result<String> {
        if let Some(url) = self.session().account.clone() {
            return Ok(url);
        }
        Ok(self.new_account(json!({ "onlyReturnExisting": true })).await?.url)
    }

    async fn post_as_account(&self, url: &str, payload: Option<Value>) -> Result<Response> {
        let account = self.account_url().await?;
        self.post(url, payload, Identity::Account(&account)).await
    }

    /// A signed POST; without a payload a POST-as-GET (section 6.3). One with a bad nonce is sent again; so
    /// much only, as 429 and 5xx are for the caller to see.
    async fn post(&self, url: &str, payload: Option<Value>, identity: Identity<'_>) -> Result<Response> {
        let target: Url = url.parse()?;
        for attempt in 1.. {
            let nonce = self.nonce().await?;
            let body = self.sign(url, payload.as_ref(), identity, &nonce);
            let headers = [("content-type", "application/jose+json")];
            let response = self.http.request(Method::POST, &target, &headers, Bytes::from(body)).await?;
            self.keep_nonce(&response);
            if response.status.is_success() {
                return Ok(response);
            }
            let problem = problem(&response);
            if !problem.is("badNonce") || attempt > RETRIES {
                return Err(AcmeError::Problem(problem));
            }
            self.session().nonces.clear();
            self.world.sleep(self.backoff(attempt)).await;
        }
        Err(AcmeError::Malformed("no answer".to_owned()))
    }

    /// `2^(n-1)` seconds and up to one more, at most 3.
    fn backoff(&self, attempt: u32) -> Duration {
        let n = {
            let mut session = self.session();
            session.backoffs += 1;
            session.backoffs
        };
        let jitter = 1 + self.world.rng(&format!("acme back-off {n}")).below(1000);
        let whole = Duration::from_secs(1_u64 << (attempt - 1).min(8));
        (whole + Duration::from_millis(jitter)).min(Duration::from_secs(3))
    }

    async fn nonce(&self) -> Result<String> {
        if let Some(nonce) = self.session().nonces.pop() {
            return Ok(nonce);
        }
        let url: Url = self.directory().await?.new_nonce.parse()?;
        // The directory's answer may have brought one.
        if let Some(nonce) = self.session().nonces.pop() {
            return Ok(nonce);
        }
        let response = self.http.request(Method::HEAD, &url, &[], Bytes::new()).await?;
        let nonce = response.header("replay-nonce").map(str::to_owned);
        nonce.ok_or_else(|| AcmeError::Malformed("nonce not found".to_owned()))
    }

    fn keep_nonce(&self, response: &Response) {
        if let Some(nonce) = response.header("replay-nonce") {
            let mut session = self.session();
            if session.nonces.len() < NONCES_MAX {
                session.nonces.push(nonce.to_owned());
            }
        }
    }

    /// A flattened JWS (section 6.2).
    fn sign(&self, url: &str, payload: Option<&Value>, identity: Identity<'_>, nonce: &str) -> String {
        let alg = self.key.jws_algorithm();
        let who = match identity {
            Identity::Key => format!(r#""jwk":{}"#, self.key.public().jwk()),
            Identity::Account(url) => format!(r#""kid":{}"#, Value::from(url)),
        };
        let header =
            format!(r#"{{"alg":"{alg}",{who},"nonce":{},"url":{}}}"#, Value::from(nonce), Value::from(url));
        let protected = URL_SAFE_NO_PAD.encode(header);
        let payload = payload.map(|p| URL_SAFE_NO_PAD.encode(p.to_string())).unwrap_or_default();
        let signature = self.key.sign_jws(format!("{protected}.{payload}").as_bytes()).signature;
        json!({ "protected": protected, "payload": payload, "signature": URL_SAFE_NO_PAD.encode(signature) })
            .to_string()
    }
}

fn parse<T: DeserializeOwned>(response: &Response) -> Result<T> {
    serde_json::from_slice(&response.body).map_err(|e| AcmeError::Malformed(format!("invalid response: {e}")))
}

/// The problem in a response; a body that is none becomes the detail.
fn problem(response: &Response) -> Problem {
    let status = response.status.as_u16();
    let parsed = serde_json::from_slice::<Problem>(&response.body).ok();
    let mut problem = parsed.unwrap_or_else(|| Problem {
        detail: String::from_utf8_lossy(&response.body).into_owned(),
        ..Problem::default()
    });
    if problem.status == 0 {
        problem.status = status;
    }
    problem
}

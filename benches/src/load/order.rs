//! One worker, and one order from newOrder to the chain.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::account::Account;
use super::csr::{self, CertificateKeys};
use super::failure::Failure;
use super::responder::Responder;
use super::session::{Directory, Problem, Session, location, parse};

/// The longest pause between two polls.
const LONGEST_POLL: Duration = Duration::from_millis(250);

#[derive(Debug, Deserialize)]
struct Order {
    status: String,
    #[serde(default)]
    authorizations: Vec<String>,
    finalize: String,
    certificate: Option<String>,
    error: Option<Problem>,
}

#[derive(Debug, Deserialize)]
struct Authorization {
    status: String,
    challenges: Vec<Challenge>,
}

#[derive(Debug, Deserialize)]
struct Challenge {
    #[serde(rename = "type")]
    kind: String,
    url: String,
    #[serde(default)]
    token: String,
    error: Option<Problem>,
}

/// What all workers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) directory: Directory,
    pub(crate) keys: CertificateKeys,
    /// The pause before the first poll.
    pub(crate) poll: Duration,
    /// How long an order may stay in one state.
    pub(crate) patience: Duration,
    /// Somebody met a hang: nobody begins a request.
    pub(crate) hung: AtomicBool,
}

/// Works on one order at a time, over connections of its own.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) account: Arc<Account>,
    pub(crate) session: Session,
    pub(crate) responder: Responder,
    /// Polls of orders.
    pub(crate) polls: u64,
}

impl Worker {
    async fn post(
        &mut self,
        request: &'static str,
        url: &str,
        payload: Option<&Value>,
    ) -> Result<super::connection::Answer, Failure> {
        if self.shared.hung.load(Ordering::Relaxed) {
            return Err(Failure::GivenUp);
        }
        self.session.post(request, &self.shared.directory, &self.account, url, payload).await
    }

    /// One certificate for `names`. Tokens that were published are taken back by [`Worker::clean_up`], whatever came of
    /// the order.
    pub(crate) async fn issue(&mut self, names: &[String], tokens: &mut Vec<String>) -> Result<(), Failure> {
        let identifiers: Vec<Value> = names.iter().map(|n| json!({ "type": "dns", "value": n })).collect();
        let new_order = self.shared.directory.new_order.clone();
        let payload = json!({ "identifiers": identifiers });
        let answer = self.post("newOrder", &new_order, Some(&payload)).await?;
        let url = location("newOrder", &answer)?;
        let mut order: Order = parse("newOrder", &answer)?;
        for authorization in &order.authorizations {
            self.authorize(authorization, tokens).await?;
        }
        if order.status == "pending" {
            order = self.poll(&url, "pending").await?;
        }
        self.expect("ready", &order).await?;

        let key = self.shared.keys.next()?;
        let csr = URL_SAFE_NO_PAD.encode(csr::request(names, &key)?);
        let answer = self.post("finalize", &order.finalize, Some(&json!({ "csr": csr }))).await?;
        order = parse("finalize", &answer)?;
        if order.status == "processing" {
            order = self.poll(&url, "processing").await?;
        }
        self.expect("valid", &order).await?;
        let certificate =
            order.certificate.ok_or_else(|| Failure::malformed("finalize", "valid without certificate"))?;
        let chain = self.post("certificate", &certificate, None).await?;
        csr::check_chain(&chain.body, names, &key)
    }

    /// Takes the tokens of an order back.
    pub(crate) async fn clean_up(&mut self, tokens: &[String]) -> Result<(), Failure> {
        for token in tokens {
            self.responder.del_http01(token).await?;
        }
        Ok(())
    }

    async fn authorize(&mut self, url: &str, tokens: &mut Vec<String>) -> Result<(), Failure> {
        let answer = self.post("authorization", url, None).await?;
        let authorization: Authorization = parse("authorization", &answer)?;
        if authorization.status == "valid" {
            return Ok(());
        }
        let challenge = authorization.challenges.into_iter().find(|challenge| challenge.kind == "http-01");
        let challenge =
            challenge.ok_or_else(|| Failure::malformed("authorization", "no http-01 challenge"))?;
        let content = self.account.key_authorization(&challenge.token);
        self.responder.add_http01(&challenge.token, &content).await?;
        tokens.push(challenge.token);
        self.post("challenge", &challenge.url, Some(&json!({}))).await?;
        Ok(())
    }

    /// Asks for the order until its state is no more `from`.
    async fn poll(&mut self, url: &str, from: &str) -> Result<Order, Failure> {
        let begun = Instant::now();
        let mut pause = self.shared.poll;
        loop {
            tokio::time::sleep(pause).await;
            pause = (pause * 3 / 2).min(LONGEST_POLL);
            self.polls += 1;
            let order: Order = parse("poll", &self.post("poll", url, None).await?)?;
            if order.status != from {
                return Ok(order);
            }
            let within = self.shared.patience;
            if begun.elapsed() > within {
                return Err(Failure::Stuck { status: order.status, within });
            }
        }
    }

    /// An order that became invalid is told with the reason, which may be that of an authorization.
    async fn expect(&mut self, status: &str, order: &Order) -> Result<(), Failure> {
        if order.status == status {
            return Ok(());
        }
        if order.status != "invalid" {
            return Err(Failure::malformed("poll", format!("the order is {}, not {status}", order.status)));
        }
        if let Some(problem) = &order.error {
            return Err(Failure::Invalid(format!("{}: {}", problem.kind(), problem.detail)));
        }
        for url in &order.authorizations {
            let authorization: Authorization =
                parse("authorization", &self.post("authorization", url, None).await?)?;
            let problem = authorization.challenges.iter().find_map(|challenge| challenge.error.as_ref());
            if let Some(problem) = problem {
                return Err(Failure::Invalid(format!("{}: {}", problem.kind(), problem.detail)));
            }
        }
        Err(Failure::Invalid("no reason given".to_owned()))
    }
}

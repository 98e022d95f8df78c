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
use super::session::{Directory, Problem, Session, location, parse};
use crate::figures::Phase;
use crate::publish::{ChallengeType, Proof, Publisher};

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
    identifier: Identifier,
    status: String,
    challenges: Vec<Challenge>,
}

#[derive(Debug, Deserialize)]
struct Identifier {
    value: String,
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
pub(crate) struct Shared {
    pub(crate) directory: Directory,
    pub(crate) keys: CertificateKeys,
    pub(crate) challenge: ChallengeType,
    /// The pause before the first poll.
    pub(crate) poll: Duration,
    /// How long an order may stay in one state.
    pub(crate) patience: Duration,
    /// Somebody met a hang: nobody begins a request.
    pub(crate) hung: AtomicBool,
}

/// Where the time of an order went.
#[derive(Debug)]
pub(crate) struct Laps {
    last: Instant,
    pub(crate) phases: Vec<(Phase, Duration)>,
}

impl Laps {
    pub(crate) fn start() -> Self {
        Laps { last: Instant::now(), phases: Vec::with_capacity(Phase::ALL.len()) }
    }

    fn lap(&mut self, phase: Phase) {
        let now = Instant::now();
        self.phases.push((phase, now - self.last));
        self.last = now;
    }
}

/// Works on one order at a time, over connections of its own.
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) account: Arc<Account>,
    pub(crate) session: Session,
    pub(crate) publisher: Publisher,
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

    /// One certificate for `names`. Proofs that were published are taken back by [`Worker::clean_up`], whatever came of
    /// the order.
    pub(crate) async fn issue(
        &mut self,
        names: &[String],
        published: &mut Vec<Proof>,
        laps: &mut Laps,
    ) -> Result<(), Failure> {
        let identifiers: Vec<Value> = names.iter().map(|n| json!({ "type": "dns", "value": n })).collect();
        let new_order = self.shared.directory.new_order.clone();
        let payload = json!({ "identifiers": identifiers });
        let answer = self.post("newOrder", &new_order, Some(&payload)).await?;
        let url = location("newOrder", &answer)?;
        let mut order: Order = parse("newOrder", &answer)?;
        laps.lap(Phase::NewOrder);
        for authorization in &order.authorizations {
            self.authorize(authorization, published).await?;
        }
        laps.lap(Phase::Authorize);
        if order.status == "pending" {
            order = self.poll(&url, "pending").await?;
        }
        self.expect("ready", &order).await?;
        laps.lap(Phase::Validate);

        let key = self.shared.keys.next()?;
        let csr = URL_SAFE_NO_PAD.encode(csr::request(names, &key)?);
        let answer = self.post("finalize", &order.finalize, Some(&json!({ "csr": csr }))).await?;
        order = parse("finalize", &answer)?;
        if order.status == "processing" {
            order = self.poll(&url, "processing").await?;
        }
        self.expect("valid", &order).await?;
        laps.lap(Phase::Finalize);
        let certificate =
            order.certificate.ok_or_else(|| Failure::malformed("finalize", "valid without certificate"))?;
        let chain = self.post("certificate", &certificate, None).await?;
        csr::check_chain(&chain.body, names, &key)?;
        laps.lap(Phase::Download);
        Ok(())
    }

    /// Takes the proofs of an order back.
    pub(crate) async fn clean_up(&mut self, published: &[Proof]) -> Result<(), Failure> {
        for proof in published {
            self.publisher.clean_up(proof).await?;
        }
        Ok(())
    }

    async fn authorize(&mut self, url: &str, published: &mut Vec<Proof>) -> Result<(), Failure> {
        let answer = self.post("authorization", url, None).await?;
        let authorization: Authorization = parse("authorization", &answer)?;
        if authorization.status == "valid" {
            return Ok(());
        }
        let wanted = self.shared.challenge.name();
        let mut challenges = authorization.challenges.into_iter();
        let challenge = challenges.find(|challenge| challenge.kind == wanted).ok_or_else(|| {
            Failure::malformed("authorization", format!("no {wanted} challenge is offered"))
        })?;
        let key_authorization = self.account.key_authorization(&challenge.token);
        let name = authorization.identifier.value;
        let proof = Proof { name, token: challenge.token, key_authorization };
        self.publisher.present(&proof).await?;
        published.push(proof);
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

//! The registration authority: what requests and validations do to accounts, orders and authorizations.
//!
//! Pure steps over the [`Db`]: they take the time and give what comes of it; who calls them does the
//! waiting, the fetching and the signing.

use std::collections::BTreeMap;
use std::time::Duration;

use world::Timestamp;

use crate::config::Config;
use crate::db::{
    Account, Authorization, Challenge, ChallengeKind, Db, Issued, Order, ValidationRecord, challenge_id,
};
use crate::policy::DnsName;
use crate::problem::{Problem, ProblemKind};
use crate::protocol::{
    AccountState, AuthorizationEvent, AuthorizationState, ChallengeEvent, ChallengeState, InvalidTransition,
    OrderEvent, OrderState,
};
use crate::wfe::jwk::Jwk;

/// A valid authorization is used again only if it lives for another eighth of an order's life, though not
/// less than an hour or more than a day.
fn reuse_margin(order_lifetime: Duration) -> Duration {
    (order_lifetime / 8).clamp(Duration::from_secs(3600), Duration::from_secs(24 * 3600))
}

/// Makes an account.
pub fn new_account(db: &mut Db, key: Jwk, contacts: Vec<String>, now: Timestamp) -> u64 {
    db.add_account(Account { key, contacts, status: AccountState::Valid, created: now.truncate_to_secs() })
}

/// What a newOrder request comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewOrder {
    /// A new order, with this many authorizations that were valid before.
    Created {
        /// Its number.
        order: u64,
        /// How many of its authorizations are older.
        reused: usize,
    },
    /// An order for the same names that is still open.
    Reused(u64),
}

/// Makes an order, or finds one that is still open.
pub fn new_order(
    db: &mut Db,
    config: &Config,
    account: u64,
    names: Vec<DnsName>,
    now: Timestamp,
) -> NewOrder {
    if let Some(id) = db.latest_order.get(&(account, names.clone())).copied() {
        settle(db, id, now);
        let open = |order: &Order| matches!(order.status, OrderState::Pending | OrderState::Ready);
        if db.orders.get(&id).is_some_and(open) {
            return NewOrder::Reused(id);
        }
    }
    let mut expires = now + config.order_lifetime;
    let mut authorizations = Vec::with_capacity(names.len());
    let mut reused = 0;
    for name in &names {
        let old = config.authz_reuse.then(|| reusable(db, config, account, name, now)).flatten();
        reused += usize::from(old.is_some());
        let id = old.unwrap_or_else(|| new_authorization(db, config, account, name.clone(), now));
        if let Some(authorization) = db.authorizations.get(&id) {
            expires = expires.min(authorization.expires);
        }
        authorizations.push(id);
    }
    let order = db.add_order(Order {
        account,
        names,
        authorizations,
        status: OrderState::Pending,
        expires: expires.truncate_to_secs(),
        error: None,
        serial: None,
    });
    settle(db, order, now);
    NewOrder::Created { order, reused }
}

fn reusable(db: &Db, config: &Config, account: u64, name: &DnsName, now: Timestamp) -> Option<u64> {
    let id = *db.latest_valid.get(&(account, name.clone()))?;
    let authorization = db.authorizations.get(&id)?;
    let lives = authorization.expires > now + reuse_margin(config.order_lifetime);
    (authorization.status == AuthorizationState::Valid && lives).then_some(id)
}

fn new_authorization(db: &mut Db, config: &Config, account: u64, name: DnsName, now: Timestamp) -> u64 {
    let token = db.tokens.take();
    let challenge = |kind: &ChallengeKind| Challenge {
        id: challenge_id(&token, *kind),
        kind: *kind,
        token: token.clone(),
        status: ChallengeState::Pending,
        validated: None,
        error: None,
        records: Vec::new(),
    };
    let challenges = ChallengeKind::offered(name.is_wildcard()).iter().map(challenge).collect();
    db.add_authorization(Authorization {
        account,
        name,
        status: AuthorizationState::Pending,
        expires: (now + config.pending_authz_lifetime).truncate_to_secs(),
        challenges,
        attempts: 0,
    })
}

/// Brings an order to the state that its authorizations and the time have led to.
pub fn settle(db: &mut Db, id: u64, now: Timestamp) {
    let Some(order) = db.orders.get_mut(&id) else { return };
    let mut all_valid = true;
    let mut ended = order.expires <= now;
    for id in &order.authorizations {
        let Some(authorization) = db.authorizations.get_mut(id) else { continue };
        expire(authorization, now);
        match authorization.status {
            AuthorizationState::Valid => {}
            AuthorizationState::Pending => all_valid = false,
            _ => ended = true,
        }
    }
    let event = match (ended, all_valid) {
        (true, _) => OrderEvent::Fail,
        (false, true) => OrderEvent::Authorize,
        (false, false) => return,
    };
    // An order that is further on, or at its end, stays what it is.
    order.status = order.status.on(event).unwrap_or(order.status);
}

fn expire(authorization: &mut Authorization, now: Timestamp) {
    if authorization.expires <= now {
        let expired = authorization.status.on(AuthorizationEvent::Expire);
        authorization.status = expired.unwrap_or(authorization.status);
    }
}

/// An authorization that is not expired.
///
/// # Errors
/// 404 when there is none.
pub fn live_authorization(db: &mut Db, id: u64, now: Timestamp) -> Result<&mut Authorization, Problem> {
    let found = db.authorizations.get_mut(&id);
    let authorization = found.ok_or_else(|| Problem::not_found("No such authorization"))?;
    expire(authorization, now);
    if authorization.expires <= now {
        return Err(Problem::not_found("Expired authorization"));
    }
    Ok(authorization)
}

/// What there is to validate.
#[derive(Clone, Debug)]
pub struct Task {
    /// The authorization.
    pub authorization: u64,
    /// Kind of challenge.
    pub kind: ChallengeKind,
    /// The name, without `*.`.
    pub name: String,
    /// The challenge's token.
    pub token: String,
    /// The token and the account key's thumbprint (RFC 8555 section 8.1).
    pub key_authorization: String,
    /// Which validation of the authorization this is, from 1.
    pub attempt: u32,
}

/// The client says that it is ready for a challenge. `None` when there is nothing to do any more.
///
/// # Errors
/// `malformed` when the authorization is neither pending nor valid.
pub fn respond(
    db: &mut Db,
    id: u64,
    challenge: &str,
    shows_processing: bool,
) -> Result<Option<Task>, Problem> {
    let not_found = || Problem::not_found("No such challenge");
    let authorization = db.authorizations.get_mut(&id).ok_or_else(not_found)?;
    match authorization.status {
        AuthorizationState::Valid => return Ok(None),
        AuthorizationState::Pending => {}
        _ => return Err(Problem::malformed("authorization must be pending")),
    }
    let account = db.accounts.get(&authorization.account).ok_or_else(not_found)?;
    let challenge = authorization.challenges.iter_mut().find(|c| c.id == challenge).ok_or_else(not_found)?;
    if shows_processing {
        challenge.status = challenge.status.on(ChallengeEvent::Respond).unwrap_or(challenge.status);
    }
    authorization.attempts += 1;
    Ok(Some(Task {
        authorization: id,
        kind: challenge.kind,
        name: authorization.name.base().to_owned(),
        token: challenge.token.clone(),
        key_authorization: format!("{}.{}", challenge.token, account.key.thumbprint()),
        attempt: authorization.attempts,
    }))
}

/// What a validation has found out.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Why the challenge failed, if it did.
    pub problem: Option<Problem>,
    /// What the primary perspective has fetched.
    pub records: Vec<ValidationRecord>,
}

/// A validation has come to its end: decides the authorization, and drops its other challenges.
///
/// # Errors
/// [`InvalidTransition`] when it was decided before, by another validation or by its owner.
pub fn decide(
    db: &mut Db,
    config: &Config,
    task: &Task,
    verdict: Verdict,
    now: Timestamp,
) -> Result<AuthorizationState, InvalidTransition> {
    let gone = InvalidTransition { state: "gone", event: "Decide", repeated: false };
    let authorization = db.authorizations.get_mut(&task.authorization).ok_or(gone)?;
    expire(authorization, now);
    let (authorization_event, challenge_event) = match verdict.problem {
        None => (AuthorizationEvent::Pass, ChallengeEvent::Pass),
        Some(_) => (AuthorizationEvent::Fail, ChallengeEvent::Fail),
    };
    let status = authorization.status.on(authorization_event)?;
    let challenge = authorization.challenges.iter_mut().find(|c| c.kind == task.kind).ok_or(gone)?;
    challenge.status = challenge.status.on(challenge_event)?;
    challenge.error = verdict.problem;
    challenge.records = verdict.records;
    challenge.validated = Some(now.truncate_to_secs());
    authorization.challenges.retain(|c| c.kind == task.kind);
    authorization.status = status;
    if status == AuthorizationState::Valid {
        authorization.expires = (now + config.valid_authz_lifetime).truncate_to_secs();
        let key = (authorization.account, authorization.name.clone());
        db.latest_valid.insert(key, task.authorization);
    }
    Ok(status)
}

/// Starts the issuance for an order: from here on nobody else can.
///
/// # Errors
/// `orderNotReady` when the order is in any state but ready.
pub fn begin_finalize(db: &mut Db, id: u64) -> Result<(), Problem> {
    let order = db.orders.get_mut(&id).ok_or_else(|| Problem::not_found(format!("No order for ID {id}")))?;
    order.status = order.status.on(OrderEvent::Finalize).map_err(|_| not_ready(order.status))?;
    Ok(())
}

/// What finalize says of an order that is not ready.
pub fn not_ready(status: OrderState) -> Problem {
    let detail = format!("Order's status ({:?}) is not acceptable for finalization", status.as_str());
    Problem::new(ProblemKind::OrderNotReady, detail)
}

/// Ends the issuance for an order.
pub fn end_finalize(db: &mut Db, id: u64, outcome: Result<Issued, Problem>) {
    let Some(order) = db.orders.get_mut(&id) else { return };
    let event = if outcome.is_ok() { OrderEvent::Issue } else { OrderEvent::Fail };
    let Ok(status) = order.status.on(event) else { return };
    order.status = status;
    match outcome {
        Ok(issued) => {
            order.serial = Some(issued.serial.clone());
            db.add_certificate(issued);
        }
        Err(problem) => order.error = Some(problem),
    }
}

/// Whether `account` has a valid authorization for every name: then it may revoke a certificate that is
/// not its own (RFC 8555 section 7.6).
pub fn controls_all(db: &Db, account: u64, names: &[String], now: Timestamp) -> bool {
    let valid: BTreeMap<&str, ()> = db
        .latest_valid
        .range((account, DnsName::default())..)
        .take_while(|((owner, _), _)| *owner == account)
        .filter(|(_, id)| {
            db.authorizations
                .get(id)
                .is_some_and(|a| a.status == AuthorizationState::Valid && a.expires > now)
        })
        .map(|((_, name), _)| (name.as_str(), ()))
        .collect();
    names.iter().all(|name| valid.contains_key(name.as_str()))
}

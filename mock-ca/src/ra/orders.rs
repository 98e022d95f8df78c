//! Orders: how they are made, what becomes of them, and who may finalize.

use std::sync::Arc;
use std::time::Duration;

use world::Timestamp;

use super::authorizations::{expire, new_authorization};
use super::renewal;
use crate::config::{Config, Terms};
use crate::db::{Challenge, ChallengeKind, Db, Issued, Order};
use crate::draws::Draws;
use crate::policy::Identifier;
use crate::problem::{Problem, ProblemKind};
use crate::protocol::{AuthorizationState, ChallengeState, OrderEvent, OrderState};

/// How long a valid authorization must live on to be used again in Boulder: for an eighth of an order's
/// life, though not less than an hour or more than a day.
fn reuse_margin(order_lifetime: Duration) -> Duration {
    (order_lifetime / 8).clamp(Duration::from_secs(3600), Duration::from_secs(24 * 3600))
}

/// What a newOrder request asks for, when its names are good.
#[derive(Clone, Debug)]
pub struct Request {
    /// Who asks.
    pub account: u64,
    /// For what, sorted.
    pub identifiers: Vec<Identifier>,
    /// Under which profile.
    pub profile: Option<Arc<str>>,
    /// Start of validity.
    pub not_before: Option<Timestamp>,
    /// End of validity.
    pub not_after: Option<Timestamp>,
    /// The certificate to replace: its serial number.
    pub replaces: Option<Box<str>>,
}

/// What a newOrder request comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewOrder {
    /// A new order, with this many authorizations that were valid before.
    Created {
        /// Its identifier.
        order: u64,
        /// How many of its authorizations are older.
        reused: usize,
    },
    /// An order for the same identifiers that is still open.
    Reused(u64),
}

/// Makes an order, or finds one that is still open.
pub fn new_order(
    db: &mut Db,
    config: &Config,
    draws: &mut Draws,
    request: Request,
    now: Timestamp,
) -> NewOrder {
    let dialect = config.dialect.table();
    // An open order that replaces nothing is not what a client wants that replaces a certificate.
    if dialect.order_reuse
        && request.replaces.is_none()
        && let Some(id) = db.latest_order.get(&(request.account, request.identifiers.clone())).copied()
    {
        settle(db, id, now);
        let open = |order: &Order| {
            matches!(order.status, OrderState::Pending | OrderState::Ready)
                && order.profile == request.profile
        };
        if db.orders.get(&id).is_some_and(open) {
            return NewOrder::Reused(id);
        }
    }
    let terms = config.terms(request.profile.as_deref(), now);
    let mut expires = now + terms.order_lifetime;
    let mut identifiers = request.identifiers;
    if config.randomness.shuffle {
        draws.shuffle("identifiers of an order", &mut identifiers);
    }
    let mut authorizations = Vec::with_capacity(identifiers.len());
    let mut reused = 0;
    for identifier in &identifiers {
        let old = reusable(db, config, &terms, draws, &request.profile, request.account, identifier, now);
        reused += usize::from(old.is_some());
        let id = old.unwrap_or_else(|| {
            let profile = request.profile.clone();
            new_authorization(db, config, draws, request.account, identifier.clone(), profile, now)
        });
        if let Some(authorization) = db.authorizations.get(&id)
            && dialect.order_ends_with_authorizations
        {
            expires = expires.min(authorization.expires);
        }
        authorizations.push(id);
    }
    if config.randomness.shuffle {
        draws.shuffle("authorizations of an order", &mut authorizations);
    }
    let order = Order {
        account: request.account,
        identifiers,
        authorizations,
        status: OrderState::Pending,
        expires: expires.truncate_to_secs(),
        error: None,
        serial: None,
        profile: request.profile,
        not_before: request.not_before,
        not_after: request.not_after,
        replaces: request.replaces,
    };
    let id = db.add_order(order, dialect.order_reuse);
    renewal::replace(db, id);
    settle(db, id, now);
    NewOrder::Created { order: id, reused }
}

/// Whether a valid authorization that lives until `expires` is long enough for a new order.
pub fn serves_again(config: &Config, terms: &Terms, expires: Timestamp, now: Timestamp) -> bool {
    let margin = match config.dialect.table().authorization_reuse_margin {
        true => reuse_margin(terms.order_lifetime),
        false => Duration::ZERO,
    };
    expires > now + margin
}

#[expect(clippy::too_many_arguments, reason = "all that decides about one authorization")]
fn reusable(
    db: &Db,
    config: &Config,
    terms: &Terms,
    draws: &mut Draws,
    profile: &Option<Arc<str>>,
    account: u64,
    identifier: &Identifier,
    now: Timestamp,
) -> Option<u64> {
    let id = *db.latest_valid.get(&(account, identifier.clone()))?;
    let authorization = db.authorizations.get(&id)?;
    let dialect = config.dialect.table();
    let lives = serves_again(config, terms, authorization.expires, now);
    let decided_by =
        |c: &Challenge| c.status == ChallengeState::Valid && c.kind == ChallengeKind::DnsPersist01;
    let persistent = authorization.challenges.iter().any(decided_by);
    let good = authorization.status == AuthorizationState::Valid
        && lives
        && (dialect.persistent_reuse || !persistent);
    let fits = authorization.preauthorized || (config.authz_reuse && authorization.profile == *profile);
    if !good || !fits {
        return None;
    }
    let percent = if authorization.preauthorized { None } else { config.randomness.authz_reuse_percent };
    percent.is_none_or(|percent| draws.percent("authorization used again", percent)).then_some(id)
}

/// Brings an order to the state that its authorizations and the time have led to.
pub fn settle(db: &mut Db, id: u64, now: Timestamp) {
    let Some(order) = db.orders.get_mut(&id) else { return };
    if !matches!(order.status, OrderState::Pending | OrderState::Ready) && order.expires > now {
        return;
    }
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
        Err(problem) => order.error = Some(Box::new(problem)),
    }
}

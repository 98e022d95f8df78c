//! Authorizations and their challenges.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use world::Timestamp;

use crate::config::Config;
use crate::db::{Authorization, Challenge, ChallengeKind, Db, ValidationRecord};
use crate::draws::Draws;
use crate::policy::Identifier;
use crate::problem::Problem;
use crate::protocol::{
    AuthorizationEvent, AuthorizationState, ChallengeEvent, ChallengeState, InvalidTransition,
};

pub(super) fn new_authorization(
    db: &mut Db,
    config: &Config,
    draws: &mut Draws,
    account: u64,
    identifier: Identifier,
    profile: Option<Arc<str>>,
    now: Timestamp,
) -> u64 {
    let offered = config.challenges.iter().copied().filter(|kind| kind.suits(&identifier));
    let mut challenges: Vec<Challenge> = offered.map(Challenge::pending).collect();
    if config.randomness.shuffle {
        draws.shuffle("challenges of an authorization", &mut challenges);
    }
    let lifetime = config.terms(profile.as_deref(), now).pending_authz_lifetime;
    let token = db.tokens.take().into_boxed_str();
    db.add_authorization(Authorization {
        account,
        identifier,
        status: AuthorizationState::Pending,
        expires: (now + lifetime).truncate_to_secs(),
        token,
        challenges,
        attempts: 0,
        profile,
        caa_checked: None,
        preauthorized: false,
    })
}

/// Makes an authorization that no order has asked for, or finds the valid one that the account has
/// (RFC 8555 section 7.4.1). Whether it was made comes with it.
pub fn pre_authorize(
    db: &mut Db,
    config: &Config,
    draws: &mut Draws,
    account: u64,
    identifier: Identifier,
    now: Timestamp,
) -> (u64, bool) {
    if let Some(id) = db.latest_valid.get(&(account, identifier.clone())).copied()
        && let Some(authorization) = db.authorizations.get_mut(&id)
    {
        expire(authorization, now);
        if authorization.status == AuthorizationState::Valid && authorization.preauthorized {
            return (id, false);
        }
    }
    let id = new_authorization(db, config, draws, account, identifier, None, now);
    if let Some(authorization) = db.authorizations.get_mut(&id) {
        authorization.preauthorized = true;
    }
    (id, true)
}

pub(super) fn expire(authorization: &mut Authorization, now: Timestamp) {
    if authorization.expires <= now {
        let expired = authorization.status.on(AuthorizationEvent::Expire);
        authorization.status = expired.unwrap_or(authorization.status);
    }
}

/// An authorization, brought up to date.
///
/// # Errors
/// 404 when there is none.
pub fn live_authorization(db: &mut Db, id: u64, now: Timestamp) -> Result<&mut Authorization, Problem> {
    let found = db.authorizations.get_mut(&id);
    let authorization = found.ok_or_else(|| Problem::missing("No such authorization"))?;
    expire(authorization, now);
    Ok(authorization)
}

/// What there is to validate.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Task {
    /// The authorization.
    pub authorization: u64,
    /// Whose it is.
    pub account: u64,
    /// The URL of that account, as the client knows it.
    pub account_url: String,
    /// Kind of challenge.
    pub kind: ChallengeKind,
    /// What is validated; a wildcard is one still.
    pub identifier: Identifier,
    /// The name without `*.`, or the address.
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
/// `malformed` when the authorization is not pending, apart from valid ones in dialects that forgive that.
pub fn respond(
    db: &mut Db,
    config: &Config,
    id: u64,
    kind: ChallengeKind,
    account_url: String,
) -> Result<Option<Task>, Problem> {
    let dialect = config.dialect.table();
    let not_found = || Problem::missing("No such challenge");
    let authorization = db.authorizations.get_mut(&id).ok_or_else(not_found)?;
    match authorization.status {
        AuthorizationState::Valid if dialect.valid_challenge_again => return Ok(None),
        AuthorizationState::Pending => {}
        _ => return Err(Problem::malformed("authorization must be pending")),
    }
    let account = db.accounts.get(&authorization.account).ok_or_else(not_found)?;
    let challenge = authorization.challenges.iter_mut().find(|c| c.kind == kind).ok_or_else(not_found)?;
    if dialect.challenge_shows_processing {
        if challenge.status != ChallengeState::Pending {
            return Err(Problem::malformed("challenge must be pending"));
        }
        challenge.status = challenge.status.on(ChallengeEvent::Respond).unwrap_or(challenge.status);
    }
    authorization.attempts += 1;
    Ok(Some(Task {
        authorization: id,
        account: authorization.account,
        account_url,
        kind,
        identifier: authorization.identifier.clone(),
        name: authorization.identifier.base().into_owned(),
        token: authorization.token.to_string(),
        key_authorization: format!("{}.{}", authorization.token, account.key.thumbprint()),
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

/// A validation has come to its end: decides the authorization, and drops its other challenges where the
/// dialect does.
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
    let dialect = config.dialect.table();
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
    challenge.error = verdict.problem.map(Box::new);
    if dialect.validation_records {
        challenge.records = verdict.records;
    }
    challenge.validated = Some(now.truncate_to_secs());
    if !dialect.challenges_stay {
        authorization.challenges.retain(|c| c.kind == task.kind);
    }
    authorization.status = status;
    if status == AuthorizationState::Valid {
        authorization.caa_checked = config.caa.then_some(now);
        let lifetime = config.terms(authorization.profile.as_deref(), now).valid_authz_lifetime;
        authorization.expires = (now + lifetime).truncate_to_secs();
        let key = (authorization.account, authorization.identifier.clone());
        db.latest_valid.insert(key, task.authorization);
    }
    Ok(status)
}

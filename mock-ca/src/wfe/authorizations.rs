//! Authorizations and challenges (RFC 8555 section 7.5), and authorization before an order (section 7.4.1).

use http::header;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::reply::{Job, Reply};
use super::urls::{Urls, parse_challenge};
use super::{Call, RawIdentifier};
use crate::Ca;
use crate::db::{Authorization, Challenge, ChallengeKind, challenge_id};
use crate::problem::{Problem, ProblemKind};
use crate::protocol::{AuthorizationEvent, AuthorizationState, ChallengeState};
use crate::ra;

/// What Boulder says to an account that asks for what belongs to another.
const NOT_YOURS: &str = "User account ID doesn't match account ID in authorization";

fn render_challenge(
    ca: &Ca,
    urls: &Urls,
    id: u64,
    authorization: &Authorization,
    challenge: &Challenge,
) -> Value {
    let mut object = json!({
        "type": challenge.kind.as_str(),
        "status": challenge.status.as_str(),
    });
    if let Some(error) = &challenge.error {
        object["error"] = error.to_json();
    }
    object["url"] = json!(urls.challenge(id, authorization, challenge.kind));
    if challenge.kind == ChallengeKind::DnsPersist01 {
        object["accounturi"] = json!(urls.account(authorization.account));
        object["issuer-domain-names"] = json!(ca.config().caa_identities);
    } else {
        object["token"] = json!(authorization.token);
    }
    if !challenge.records.is_empty() {
        object["validationRecord"] = json!(challenge.records);
    }
    if let Some(validated) = challenge.validated {
        object["validated"] = json!(validated.rfc3339_secs());
    }
    object
}

fn render(ca: &Ca, urls: &Urls, id: u64, authorization: &Authorization) -> Value {
    let challenges =
        authorization.challenges.iter().map(|c| render_challenge(ca, urls, id, authorization, c));
    let kind = authorization.identifier.kind().as_str();
    let mut object = json!({
        "identifier": { "type": kind, "value": authorization.identifier.base() },
        "status": authorization.status.as_str(),
        "expires": authorization.expires.rfc3339_secs(),
        "challenges": challenges.collect::<Vec<_>>(),
    });
    if authorization.identifier.is_wildcard() {
        object["wildcard"] = json!(true);
    }
    object
}

#[derive(Deserialize)]
struct NewAuthorization {
    identifier: RawIdentifier,
}

/// newAuthz: an authorization that a later order can use.
pub(crate) fn create(call: &mut Call<'_>) -> Result<Reply, Problem> {
    let account = call.require_account()?;
    if !call.ca.config().pre_authorization {
        return Err(Problem::missing("This server does not authorize before an order"));
    }
    let request: NewAuthorization = call.payload.read("Unable to unmarshal newAuthz request body")?;
    let given = [(request.identifier.kind, request.identifier.value)];
    let identifier = call.ca.policy().check_order(&given)?.into_iter().next();
    let identifier = identifier.ok_or_else(|| Problem::malformed("newAuthz request has no identifier"))?;
    if identifier.is_wildcard() {
        // RFC 8555 section 7.4.1: a wildcard can be asked for in an order only.
        return Err(Problem::malformed("newAuthz request is for a wildcard"));
    }
    let config = call.ca.config();
    if !config.challenges.iter().any(|kind| kind.suits(&identifier)) {
        let detail = format!("No challenge is offered that suits {:?}", identifier.value());
        return Err(Problem::new(ProblemKind::RejectedIdentifier, detail));
    }
    let state = &mut *call.state;
    let (id, made) =
        ra::pre_authorize(&mut state.db, config, &mut state.draws, account, identifier, call.now);
    let authorization = ra::live_authorization(&mut state.db, id, call.now)?;
    let urls = &call.incoming.urls;
    let (status, reason) =
        if made { (201, "authorization created") } else { (200, "the account has this authorization") };
    let reply = Reply::json(status, &render(call.ca, urls, id, authorization), call.ca.dialect(), reason);
    Ok(reply.with(header::LOCATION, urls.authorization(id)))
}

#[derive(Deserialize)]
struct Update {
    status: String,
}

/// GET, POST-as-GET or deactivation of an authorization.
pub(crate) fn show(call: &mut Call<'_>) -> Result<Reply, Problem> {
    let id = call.id(0, "Invalid authorization ID")?;
    let update = (!call.payload.is_empty())
        .then(|| call.payload.read::<Update>("Error unmarshaling JSON"))
        .transpose()?;
    let requester = call.account();
    let expired = call.dialect().answers.authorization_expired;
    let authorization = ra::live_authorization(&mut call.state.db, id, call.now)?;
    if authorization.expires <= call.now && (expired.status == 404 || update.is_some()) {
        return Err(Problem::answer(expired, "Expired authorization"));
    }
    if requester.is_some_and(|requester| requester != authorization.account) {
        return Err(Problem::unauthorized("Account ID doesn't match ID for authorization"));
    }
    let mut reason = format!("the authorization is {}", authorization.status.as_str());
    if let Some(update) = update {
        if update.status != "deactivated" {
            return Err(Problem::malformed("Invalid status value"));
        }
        let was_pending = authorization.status == AuthorizationState::Pending;
        let state = authorization.status.on(AuthorizationEvent::Deactivate);
        let refused = |_| Problem::malformed("Authorization is not pending or valid");
        authorization.status = state.map_err(refused)?;
        if was_pending {
            // Giving up counts as a failure, so that nobody probes without a cost.
            let (account, value) = (authorization.account, authorization.identifier.value());
            call.state.limits.authorization_deactivated(call.now, account, &value);
        }
        reason = "authorization deactivated".to_owned();
    }
    // Boulder bids the client wait for what is pending; Pebble only for what is being validated.
    let processing = authorization.challenges.iter().any(|c| c.status == ChallengeState::Processing);
    let waits = authorization.status == AuthorizationState::Pending
        && (processing || !call.ca.dialect().challenge_shows_processing);
    let object = render(call.ca, &call.incoming.urls, id, authorization);
    let mut reply = Reply::json(200, &object, call.ca.dialect(), reason);
    if waits {
        call.retry_after(&mut reply, call.ca.config().retry_after.authz);
    }
    Ok(reply)
}

/// The challenge that the path names.
fn find_challenge(call: &mut Call<'_>) -> Result<(u64, ChallengeKind), Problem> {
    let not_found = || Problem::missing("No such challenge");
    if !call.urls().names_authorization() {
        let (id, kind) = parse_challenge(call.dialect(), call.text(0)).ok_or_else(not_found)?;
        let known = call.state.db.authorizations.get(&id);
        let known = known.is_some_and(|a| a.challenges.iter().any(|challenge| challenge.kind == kind));
        return if known { Ok((id, kind)) } else { Err(not_found()) };
    }
    let id = call.id(0, "Invalid authorization ID")?;
    let authorization = call.state.db.authorizations.get(&id).ok_or_else(not_found)?;
    let named = |c: &&Challenge| challenge_id(&authorization.token, c.kind) == call.text(1);
    let challenge = authorization.challenges.iter().find(named).ok_or_else(not_found)?;
    Ok((id, challenge.kind))
}

/// GET or POST-as-GET of a challenge, or the client's word that it is ready.
pub(crate) fn challenge(call: &mut Call<'_>) -> Result<Reply, Problem> {
    let not_found = || Problem::missing("No such challenge");
    let (id, kind) = find_challenge(call)?;
    let requester = call.account();
    let expired = call.dialect().answers.authorization_expired;
    let authorization = ra::live_authorization(&mut call.state.db, id, call.now)?;
    let owner = authorization.account;
    if authorization.expires <= call.now {
        return Err(Problem::answer(expired, "Expired authorization"));
    }
    if requester.is_some_and(|requester| requester != owner) {
        return Err(Problem::unauthorized(NOT_YOURS));
    }
    let mut reason = "the challenge".to_owned();
    let mut job = None;
    if !call.payload.is_empty() {
        check_response(call)?;
        let account_url = call.urls().account(owner);
        let task = ra::respond(&mut call.state.db, call.ca.config(), id, kind, account_url)
            .map_err(|problem| problem.during("Unable to update challenge"))?;
        reason = match &task {
            Some(task) => format!("validation {} of the authorization begins", task.attempt),
            None => "the authorization is valid already: nothing to do".to_owned(),
        };
        job = task.map(Job::Validate);
    }
    let authorization = call.state.db.authorizations.get(&id).ok_or_else(not_found)?;
    let challenge = authorization.challenges.iter().find(|c| c.kind == kind).ok_or_else(not_found)?;
    let urls = call.urls();
    let body = render_challenge(call.ca, urls, id, authorization, challenge);
    let up = format!("<{}>;rel=\"up\"", urls.authorization(id));
    let mut reply = Reply::json(200, &body, call.ca.dialect(), reason)
        .with(header::LOCATION, urls.challenge(id, authorization, kind))
        .with(header::LINK, up);
    reply.jobs.extend(job);
    Ok(reply)
}

/// Whether the body of a challenge response is one. Old clients send their key authorization along.
fn check_response(call: &Call<'_>) -> Result<(), Problem> {
    let body: Map<String, Value> = call.payload.read("Error unmarshaling challenge response")?;
    let old = body.get("keyAuthorization").is_some_and(|value| value.as_str() != Some(""));
    if call.dialect().key_authorization_refused && old {
        return Err(Problem::malformed(
            "Challenge response body contained legacy KeyAuthorization field, POST body should be `{}`",
        ));
    }
    if call.ca.config().strict && !body.is_empty() {
        return Err(Problem::malformed("Challenge response body must be `{}` in strict mode"));
    }
    Ok(())
}

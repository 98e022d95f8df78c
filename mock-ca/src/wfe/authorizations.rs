//! Authorizations and challenges (RFC 8555 section 7.5).

use http::header;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Call;
use super::orders::retry_after;
use super::reply::{Job, Reply};
use crate::Ca;
use crate::db::{Authorization, Challenge};
use crate::dialect::Endpoint;
use crate::problem::Problem;
use crate::protocol::{AuthorizationEvent, AuthorizationState};
use crate::ra;

/// What Boulder says to an account that asks for what belongs to another.
const NOT_YOURS: &str = "User account ID doesn't match account ID in authorization";

fn render_challenge(ca: &Ca, authorization: u64, challenge: &Challenge) -> Value {
    let mut object = json!({
        "type": challenge.kind.as_str(),
        "status": challenge.status.as_str(),
    });
    if let Some(error) = &challenge.error {
        object["error"] = error.to_json();
    }
    object["url"] = json!(ca.url(Endpoint::Challenge, &[&authorization.to_string(), &challenge.id]));
    object["token"] = json!(challenge.token);
    if !challenge.records.is_empty() {
        object["validationRecord"] = json!(challenge.records);
    }
    if let Some(validated) = challenge.validated {
        object["validated"] = json!(validated.rfc3339_secs());
    }
    object
}

fn render(ca: &Ca, id: u64, authorization: &Authorization) -> Value {
    let challenges = authorization.challenges.iter().map(|c| render_challenge(ca, id, c));
    let mut object = json!({
        "identifier": { "type": "dns", "value": authorization.name.base() },
        "status": authorization.status.as_str(),
        "expires": authorization.expires.rfc3339_secs(),
        "challenges": challenges.collect::<Vec<_>>(),
    });
    if authorization.name.is_wildcard() {
        object["wildcard"] = json!(true);
    }
    object
}

#[derive(Deserialize)]
struct Update {
    status: String,
}

/// GET, POST-as-GET or deactivation of an authorization.
pub(crate) fn show(call: &mut Call<'_>) -> Result<Reply, Problem> {
    let id = call.number(0, "Invalid authorization ID")?;
    let update = (!call.payload.is_empty())
        .then(|| call.payload.read::<Update>("Error unmarshaling JSON"))
        .transpose()?;
    let requester = call.account();
    let authorization = ra::live_authorization(&mut call.state.db, id, call.now)?;
    if requester.is_some_and(|requester| requester != authorization.account) {
        return Err(Problem::unauthorized("Account ID doesn't match ID for authorization"));
    }
    let mut reason = format!("the authorization is {}", authorization.status.as_str());
    if let Some(update) = update {
        if update.status != "deactivated" {
            return Err(Problem::malformed("Invalid status value"));
        }
        let state = authorization.status.on(AuthorizationEvent::Deactivate);
        let refused = |_| Problem::malformed("Authorization is not pending or valid");
        authorization.status = state.map_err(refused)?;
        reason = "authorization deactivated".to_owned();
    }
    let mut reply = Reply::json(200, &render(call.ca, id, authorization), call.ca.dialect(), reason);
    if let (AuthorizationState::Pending, Some(wait)) =
        (authorization.status, call.ca.config().retry_after.authz)
    {
        reply.header(header::RETRY_AFTER.as_str(), retry_after(wait));
    }
    Ok(reply)
}

/// GET or POST-as-GET of a challenge, or the client's word that it is ready.
pub(crate) fn challenge(call: &mut Call<'_>) -> Result<Reply, Problem> {
    let not_found = || Problem::not_found("No such challenge");
    let id = call.number(0, "Invalid authorization ID")?;
    let requester = call.account();
    let challenge_id = call.text(1).to_owned();
    let authorization = ra::live_authorization(&mut call.state.db, id, call.now)
        .map_err(|problem| if problem.detail.starts_with("No such") { not_found() } else { problem })?;
    if !authorization.challenges.iter().any(|challenge| challenge.id == challenge_id) {
        return Err(not_found());
    }
    if requester.is_some_and(|requester| requester != authorization.account) {
        return Err(Problem::unauthorized(NOT_YOURS));
    }
    let mut reason = "the challenge".to_owned();
    let mut job = None;
    if !call.payload.is_empty() {
        // Old clients send their key authorization along; only the form is looked at.
        call.payload.read::<serde_json::Map<String, Value>>("Error unmarshaling challenge response")?;
        let shows_processing = call.ca.dialect().challenge_shows_processing;
        let task = ra::respond(&mut call.state.db, id, &challenge_id, shows_processing)
            .map_err(|problem| problem.during("Unable to update challenge"))?;
        reason = match &task {
            Some(task) => format!("validation {} of the authorization begins", task.attempt),
            None => "the authorization is valid already: nothing to do".to_owned(),
        };
        job = task.map(Job::Validate);
    }
    let authorization = call.state.db.authorizations.get(&id).ok_or_else(not_found)?;
    let challenge = authorization.challenges.iter().find(|c| c.id == challenge_id).ok_or_else(not_found)?;
    let body = render_challenge(call.ca, id, challenge);
    let up = format!("<{}>;rel=\"up\"", call.ca.url(Endpoint::Authorization, &[&id.to_string()]));
    let mut reply = Reply::json(200, &body, call.ca.dialect(), reason)
        .with(header::LOCATION, call.ca.url(Endpoint::Challenge, &[&id.to_string(), &challenge_id]))
        .with(header::LINK, up);
    reply.jobs.extend(job);
    Ok(reply)
}

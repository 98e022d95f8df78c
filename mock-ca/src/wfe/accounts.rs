//! Accounts (RFC 8555 section 7.3): new ones, their update and end, and the change of their key.

use std::sync::Arc;

use http::header;
use serde::Deserialize;
use serde_json::{Value, json};

use super::authenticate::Requester;
use super::jwk::Jwk;
use super::jws::{Identity, Jws};
use super::reply::Reply;
use super::urls::Urls;
use super::{Call, external};
use crate::db::Account;
use crate::dialect::{Dialect, Endpoint};
use crate::journal::Event;
use crate::problem::{Problem, ProblemKind};
use crate::protocol::{AccountEvent, AccountState};
use crate::ra;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewAccount {
    #[serde(default)]
    contact: Vec<String>,
    #[serde(default)]
    terms_of_service_agreed: bool,
    #[serde(default)]
    only_return_existing: bool,
    external_account_binding: Option<Value>,
}

fn render(dialect: &Dialect, urls: &Urls, id: u64, account: &Account) -> Value {
    let mut object = json!({ "key": account.key.to_json() });
    if !account.contacts.is_empty() {
        object["contact"] = json!(account.contacts);
    }
    if dialect.account_has_orders {
        object["orders"] = json!(urls.url(Endpoint::OrdersList, &[&dialect.ids.text(id)]));
    } else {
        object["createdAt"] = json!(account.created.rfc3339_secs());
    }
    if let Some(external) = &account.external {
        object["externalAccountBinding"] = external.clone();
    }
    object["status"] = json!(account.status.as_str());
    object
}

/// The account, as it is now, in an answer.
fn show(call: &Call<'_>, status: u16, id: u64, reason: &str) -> Result<Reply, Problem> {
    let gone = || Problem::internal("the account is gone");
    let account = call.state.db.accounts.get(&id).ok_or_else(gone)?;
    Ok(Reply::json(status, &render(call.dialect(), call.urls(), id, account), call.dialect(), reason))
}

/// newAccount: finds the account of the key, or makes it.
pub(crate) fn create(call: &mut Call<'_>, who: &mut Option<u64>) -> Result<Reply, Problem> {
    let Requester::Key(key) = call.requester.clone() else {
        return Err(Problem::malformed("No embedded JWK in JWS header"));
    };
    let request: NewAccount = call.payload.read("Error unmarshaling JSON")?;
    let existing = call.state.db.account_of_key(&key);
    if let Some((id, account)) = existing.and_then(|id| call.state.db.accounts.get(&id).map(|a| (id, a))) {
        if account.status != AccountState::Valid {
            let detail = "An account with the provided public key exists but is deactivated";
            return Err(Problem::unauthorized(detail));
        }
        *who = Some(id);
        let reply = show(call, 200, id, "the key has an account")?;
        return Ok(reply.with(header::LOCATION, call.urls().account(id)));
    }
    if request.only_return_existing {
        let detail = "No account exists with the provided key";
        return Err(Problem::new(ProblemKind::AccountDoesNotExist, detail));
    }
    if !request.terms_of_service_agreed {
        let problem =
            Problem::answer(call.dialect().answers.terms_not_agreed, "must agree to terms of service");
        let user = problem.kind == ProblemKind::UserActionRequired;
        let reply = Reply::problem(&problem, call.dialect());
        return Ok(if user { reply.with(header::LINK, terms(call)) } else { reply });
    }
    check_contacts(&request.contact, call.dialect().contacts_max)
        .map_err(|problem| problem.during("Error creating new account"))?;
    let external = external::check(call, request.external_account_binding.as_ref(), &key)?;
    if let Some(peer) = call.incoming.peer
        && let Err(denied) = call.state.limits.new_account(call.now, peer)
    {
        return Ok(Reply::denied(&denied, call.dialect(), call.now));
    }
    let key = Arc::unwrap_or_clone(key);
    let thumbprint = key.thumbprint();
    let contacts = if call.ca.config().contacts_kept { request.contact } else { Vec::new() };
    let id = ra::new_account(&mut call.state.db, key, contacts, external, call.now);
    *who = Some(id);
    let reply = show(call, 201, id, "account created")?;
    Ok(reply
        .with(header::LOCATION, call.urls().account(id))
        .with(header::LINK, terms(call))
        .noting(Event::AccountCreated { account: id, thumbprint }))
}

/// Where the terms of service are.
fn terms(call: &Call<'_>) -> String {
    format!("<{}>;rel=\"terms-of-service\"", call.ca.config().terms_of_service)
}

/// Contacts are `mailto:` URLs with one plain address each.
fn check_contacts(contacts: &[String], max: Option<usize>) -> Result<(), Problem> {
    if let Some(max) = max.filter(|max| contacts.len() > *max) {
        let detail = format!("too many contacts provided: {} > {max}", contacts.len());
        return Err(Problem::malformed(detail));
    }
    let unsupported = |contact: &String| {
        let scheme = contact.split(':').next().unwrap_or_default();
        Problem::new(ProblemKind::UnsupportedContact, format!("contact method {scheme:?} is not supported"))
    };
    let invalid = |contact: &String| {
        let detail = format!("{contact:?} is not a valid e-mail address");
        Problem::new(ProblemKind::InvalidContact, detail)
    };
    for contact in contacts {
        let address = contact.strip_prefix("mailto:").ok_or_else(|| unsupported(contact))?;
        let (user, domain) = address.split_once('@').ok_or_else(|| invalid(contact))?;
        let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '?' | ',' | '<' | '>' | '"' | '@');
        if user.is_empty() || !domain.contains('.') || !user.chars().chain(domain.chars()).all(plain) {
            return Err(invalid(contact));
        }
    }
    Ok(())
}

#[derive(Deserialize)]
struct Update {
    contact: Option<Vec<String>>,
    status: Option<String>,
}

/// A POST to an account: shows, updates or ends it.
pub(crate) fn update(call: &mut Call<'_>) -> Result<Reply, Problem> {
    let id = call.id(0, "Account ID must be an integer")?;
    if call.require_account()? != id {
        return Err(Problem::unauthorized("Request signing key did not match account key"));
    }
    let payload = (!call.payload.is_empty())
        .then(|| call.payload.read::<Update>("Error unmarshaling account"))
        .transpose()?;
    let Some(update) = payload else { return show(call, 200, id, "the account") };
    let dialect = call.dialect();
    if dialect.empty_account_update_refused && update.status.is_none() && update.contact.is_none() {
        return Err(Problem::malformed("Use POST-as-GET to fetch an account: the update changes nothing"));
    }
    let kept = call.ca.config().contacts_kept;
    let gone = || Problem::internal("the account is gone");
    let account = call.state.db.accounts.get_mut(&id).ok_or_else(gone)?;
    let mut reason = "the account";
    if let Some(contacts) = update.contact.filter(|_| kept) {
        check_contacts(&contacts, dialect.contacts_max)
            .map_err(|problem| problem.during("Unable to update account"))?;
        account.contacts = contacts;
        reason = "account updated";
    }
    match update.status.as_deref() {
        None | Some("valid") => {}
        Some("deactivated") => {
            account.status = account.status.on(AccountEvent::Deactivate).unwrap_or(account.status);
            reason = "account deactivated";
        }
        Some(_) => return Err(Problem::malformed("Invalid value provided for status field")),
    }
    show(call, 200, id, reason)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeyChange {
    account: String,
    old_key: Value,
}

/// keyChange (RFC 8555 section 7.3.5): the outer JWS is the old key's, the inner one the new key's.
pub(crate) fn change_key(call: &mut Call<'_>) -> Result<Reply, Problem> {
    let id = call.require_account()?;
    let inner = Jws::parse(call.payload.json().to_string().as_bytes(), call.dialect())?;
    let Some(Identity::Key(new)) = inner.identity()? else {
        return Err(Problem::malformed("No embedded JWK in JWS header"));
    };
    if call.dialect().account_keys.strength {
        new.check_strength().map_err(|weak| Problem::new(ProblemKind::BadPublicKey, weak.to_string()))?;
    }
    inner.verify_signature(&new)?;
    inner.check_url(&call.urls().url(Endpoint::KeyChange, &[]))?;
    if inner.has_nonce() {
        return Err(Problem::malformed("Inner JWS of a key change must not have a nonce"));
    }
    let request: KeyChange =
        inner.payload()?.read("Inner JWS payload did not parse as JSON key rollover object")?;
    let account_url = call.urls().account(id);
    if request.account != account_url {
        return Err(Problem::malformed(
            "Inner key rollover request specified Account did not match outer JWS",
        ));
    }
    let gone = || Problem::internal("the account is gone");
    let old = call.state.db.accounts.get(&id).ok_or_else(gone)?.key.clone();
    if Jwk::parse(&request.old_key).as_ref() != Some(&*old) {
        return Err(Problem::malformed(
            "Inner JWS does not contain old key field matching current account key",
        ));
    }
    if new == *old {
        let detail = "New key specified by rollover request is the same as the old key";
        return Err(Problem::malformed(detail));
    }
    if let Some(other) = call.state.db.account_of_key(&new) {
        let location = call.urls().account(other);
        let detail = "New key is already in use for a different account";
        let problem = Problem::answer(call.dialect().answers.key_in_use, detail);
        let reply = if call.dialect().key_in_use_has_document {
            Reply::problem(&problem, call.dialect())
        } else {
            Reply::empty(problem.status, detail)
        };
        return Ok(reply.with(header::LOCATION, location));
    }
    call.state.db.change_key(id, new);
    Ok(show(call, 200, id, "account key changed")?.with(header::LOCATION, account_url))
}

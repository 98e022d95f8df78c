//! Orders (RFC 8555 section 7.4): new ones, their state, their list, and their finalization.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header;
use serde::Deserialize;
use serde_json::{Value, json};
use world::Timestamp;

use super::reply::{Job, Reply};
use super::urls::Urls;
use super::{Call, RawIdentifier};
use crate::ca::csr::Csr;
use crate::db::Order;
use crate::dialect::Endpoint;
use crate::issuance;
use crate::journal::Event;
use crate::policy::Identifier;
use crate::problem::{Problem, ProblemKind};
use crate::protocol::OrderState;
use crate::ra::limited::{self, Subject};
use crate::ra::{self, NewOrder};

fn render(urls: &Urls, id: u64, order: &Order) -> Value {
    let mut object = json!({
        "status": order.status.as_str(),
        "expires": order.expires.rfc3339_secs(),
        "identifiers": order.identifiers.iter().map(Identifier::to_json).collect::<Vec<_>>(),
        "authorizations": order.authorizations.iter().map(|id| urls.authorization(*id)).collect::<Vec<_>>(),
        "finalize": urls.finalize(order.account, id),
    });
    let dates = [("notBefore", order.not_before), ("notAfter", order.not_after)];
    for (key, date) in dates {
        if let Some(date) = date {
            object[key] = json!(date.rfc3339_secs());
        }
    }
    if let Some(profile) = &order.profile {
        object["profile"] = json!(profile);
    }
    if let Some(serial) = &order.serial {
        object["certificate"] = json!(urls.url(Endpoint::Certificate, &[serial]));
    }
    if let Some(error) = &order.error {
        object["error"] = error.to_json();
    }
    object
}

/// The order as an answer, with its Location, and a Retry-After while it is processing.
fn reply(call: &mut Call<'_>, status: u16, id: u64, locate: bool, reason: String) -> Result<Reply, Problem> {
    let gone = || Problem::internal("the order is gone");
    let order = call.state.db.orders.get(&id).ok_or_else(gone)?;
    let mut object = render(call.urls(), id, order);
    if let Some(replaced) = order.replaces.as_ref().and_then(|serial| call.state.db.certificates.get(serial))
    {
        object["replaces"] = json!(ra::renewal::identifier(&replaced.leaf));
    }
    let (account, processing) = (order.account, order.status == OrderState::Processing);
    let mut reply = Reply::json(status, &object, call.dialect(), reason);
    if locate {
        reply.header(header::LOCATION.as_str(), call.urls().order(account, id));
    }
    if processing {
        call.retry_after(&mut reply, call.ca.config().retry_after.order);
    }
    Ok(reply)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewOrderRequest {
    #[serde(default)]
    identifiers: Vec<RawIdentifier>,
    not_before: Option<String>,
    not_after: Option<String>,
    profile: Option<String>,
    replaces: Option<String>,
}

/// newOrder.
pub(crate) fn create(call: &mut Call<'_>) -> Result<Reply, Problem> {
    let account = call.require_account()?;
    let request: NewOrderRequest = call.payload.read("Unable to unmarshal NewOrder request body")?;
    let (not_before, not_after) = dates(call, &request)?;
    let given: Vec<_> = request.identifiers.into_iter().map(|i| (i.kind, i.value)).collect();
    let identifiers = call.ca.policy().check_order(&given).map_err(|problem| match problem.kind {
        ProblemKind::RejectedIdentifier => problem.during("Error creating new order"),
        _ => problem,
    })?;
    let config = call.ca.config();
    if let Err(denied) = limited::check_paused(&call.state.limits, account, &identifiers, call.now) {
        return Ok(Reply::denied(&denied, call.dialect(), call.now));
    }
    let replaces = request.replaces.filter(|id| !id.is_empty());
    let replaces = match replaces {
        None => None,
        Some(id) => {
            let (issuers, db) = (call.issuers(), &mut call.state.db);
            Some(ra::renewal::may_replace(db, config, &issuers, &id, account, &identifiers, call.now)?)
        }
    };
    let subject = Subject { account, identifiers: &identifiers, replaces: replaces.as_deref() };
    if !limited::is_renewal(&call.state.limits, &call.state.db, config, subject, call.now) {
        let refused = |problem: Problem| problem.during("Error creating new order");
        call.ca.policy().check_recursion(&identifiers).map_err(refused)?;
    }
    let profile = profile(call, account, request.profile.as_deref().unwrap_or_default())?;
    let state = &mut *call.state;
    let subject = Subject { account, identifiers: &identifiers, replaces: replaces.as_deref() };
    let receipt = match limited::new_order(&mut state.limits, &state.db, config, subject, call.now) {
        Ok(receipt) => receipt,
        Err(denied) => return Ok(Reply::denied(&denied, call.dialect(), call.now)),
    };
    if let Err(problem) = check_terms(call, profile.as_deref(), &identifiers) {
        call.state.limits.refund(call.now, receipt);
        return Err(problem);
    }
    let request = ra::Request { account, identifiers, profile, not_before, not_after, replaces };
    let state = &mut *call.state;
    let (id, reason) = match ra::new_order(&mut state.db, config, &mut state.draws, request, call.now) {
        NewOrder::Created { order, reused: 0 } => (order, "order created".to_owned()),
        NewOrder::Created { order, reused } => {
            (order, format!("order created with {reused} authorizations that were valid before"))
        }
        NewOrder::Reused(order) => (order, "the account has an open order for these names".to_owned()),
    };
    reply(call, 201, id, true, reason)
}

/// What a profile asks of an order, and that there is a way to show control of each identifier.
fn check_terms(call: &Call<'_>, profile: Option<&str>, identifiers: &[Identifier]) -> Result<(), Problem> {
    let config = call.ca.config();
    let terms = config.terms(profile, call.now);
    if identifiers.len() > terms.names_max {
        let detail = format!("Order cannot contain more than {} DNS names", terms.names_max);
        return Err(Problem::malformed(detail));
    }
    if let Some(other) = identifiers.iter().find(|i| !terms.identifier_types.contains(&i.kind())) {
        let detail = match profile {
            Some(profile) => {
                format!("Profile {profile:?} does not permit {} type identifiers", other.kind().as_str())
            }
            None => {
                format!("The ACME server can not issue a certificate for an IP address: {:?}", other.value())
            }
        };
        return Err(Problem::new(ProblemKind::RejectedIdentifier, detail).during("Error creating new order"));
    }
    if let Some(without) = identifiers.iter().find(|i| !config.challenges.iter().any(|kind| kind.suits(i))) {
        let detail = format!("No challenge is offered that suits {:?}", without.value());
        return Err(Problem::new(ProblemKind::RejectedIdentifier, detail));
    }
    Ok(())
}

/// The validity that was asked for: both ends are optional.
fn dates(
    call: &Call<'_>,
    request: &NewOrderRequest,
) -> Result<(Option<Timestamp>, Option<Timestamp>), Problem> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let (before, after) = (given(&request.not_before), given(&request.not_after));
    if !call.dialect().order_dates && (before.is_some() || after.is_some()) {
        return Err(Problem::malformed("NotBefore and NotAfter are not supported"));
    }
    let parse = |what: &str, text: Option<String>| {
        let bad = |text: &str| Problem::malformed(format!("{what} {text:?} is not a date of RFC 3339"));
        text.map(|text| text.parse::<Timestamp>().map_err(|_| bad(&text))).transpose()
    };
    let (before, after) = (parse("notBefore", before)?, parse("notAfter", after)?);
    if let (Some(before), Some(after)) = (before, after)
        && after <= before
    {
        return Err(Problem::malformed("notAfter is not later than notBefore"));
    }
    Ok((before, after))
}

/// The profile of a new order: the one that is named, or the default, or any.
fn profile(call: &mut Call<'_>, account: u64, named: &str) -> Result<Option<Arc<str>>, Problem> {
    let config = call.ca.config();
    if named.is_empty() {
        let count = config.profiles.len() as u64;
        if config.randomness.profile && count > 0 {
            let index = if count == 1 { 0 } else { call.state.draws.below("profile of an order", count) };
            let name = config.profiles.keys().nth(usize::try_from(index).unwrap_or_default());
            return Ok(name.map(|name| name.as_str().into()));
        }
        let default = config.default_profile.as_str();
        return Ok(config.profiles.contains_key(default).then(|| default.into()));
    }
    let Some(profile) = config.profiles.get(named) else {
        let detail = format!("Order includes unrecognized profile name {named:?}");
        return Err(Problem::new(ProblemKind::InvalidProfile, detail));
    };
    if profile.accounts.as_ref().is_some_and(|accounts| !accounts.contains(&account)) {
        let detail = format!("Account is not permitted to use profile {named:?}");
        return Err(Problem::unauthorized(detail));
    }
    Ok(Some(named.into()))
}

/// The order that the path names, brought up to date.
fn find(call: &mut Call<'_>) -> Result<u64, Problem> {
    let dialect = call.dialect();
    let with_account = call.incoming.params.len() > 1;
    let account = if with_account { Some(call.id(0, "Invalid request path")?) } else { None };
    let id = call.id(usize::from(with_account), "Order ID must be an integer")?;
    ra::settle(&mut call.state.db, id, call.now);
    let missing = || Problem::missing(format!("No order for ID {}", dialect.ids.text(id)));
    let order = call.state.db.orders.get(&id).ok_or_else(missing)?;
    if account.is_some_and(|account| account != order.account) || (with_account && order.expires <= call.now)
    {
        return Err(missing());
    }
    Ok(id)
}

/// Whether the order is the requester's own; nobody in particular may read it where the path can be read.
fn check_owner(call: &Call<'_>, id: u64, otherwise: crate::dialect::Answer) -> Result<(), Problem> {
    let owner = call.state.db.orders.get(&id).map(|order| order.account);
    if call.account().is_some_and(|requester| Some(requester) != owner) {
        let detail = match otherwise.status {
            404 => format!(
                "No order found for account ID {}",
                call.dialect().ids.text(owner.unwrap_or_default())
            ),
            _ => "Account that authenticated the request does not own the specified order".to_owned(),
        };
        return Err(Problem::answer(otherwise, detail));
    }
    Ok(())
}

/// GET or POST-as-GET of an order.
pub(crate) fn show(call: &mut Call<'_>) -> Result<Reply, Problem> {
    call.require_empty()?;
    let id = find(call)?;
    check_owner(call, id, call.dialect().answers.order_of_another)?;
    let status = call.state.db.orders.get(&id).map_or("gone", |order| order.status.as_str());
    reply(call, 200, id, false, format!("the order is {status}"))
}

/// POST-as-GET of a page of an account's orders (RFC 8555 section 7.1.2.1), newest last.
pub(crate) fn list(call: &mut Call<'_>) -> Result<Reply, Problem> {
    call.require_empty()?;
    let account = call.id(0, "No such account")?;
    if call.require_account()? != account {
        return Err(Problem::unauthorized(
            "Account that authenticated the request does not own the list of orders",
        ));
    }
    let page: usize = match call.incoming.params.get(1) {
        None => 1,
        Some(text) => {
            text.parse().ok().filter(|page| *page > 0).ok_or_else(|| Problem::missing("No such page"))?
        }
    };
    let size = call.ca.config().orders_per_page.max(1);
    let orders = call.state.db.orders_of.get(&account).map(Vec::as_slice).unwrap_or_default();
    let start = (page - 1).saturating_mul(size);
    if page > 1 && start >= orders.len() {
        return Err(Problem::missing("No such page"));
    }
    let shown = orders.iter().skip(start).take(size).map(|id| call.urls().order(account, *id));
    let object = json!({ "orders": shown.collect::<Vec<_>>() });
    let more = orders.len() > start.saturating_add(size);
    let mut reply = Reply::json(200, &object, call.dialect(), format!("page {page} of the orders"));
    if more {
        let next = call.urls().url(Endpoint::OrdersList, &[call.text(0), &(page + 1).to_string()]);
        reply.header(header::LINK.as_str(), format!("<{next}>;rel=\"next\""));
    }
    Ok(reply)
}

#[derive(Deserialize)]
struct Finalize {
    csr: String,
}

/// finalize: checks the CSR, and issues or promises to.
pub(crate) fn finalize(call: &mut Call<'_>) -> Result<Reply, Problem> {
    let account = call.require_account()?;
    let answers = &call.dialect().answers;
    if call.incoming.params.len() > 1 && call.id(0, "Invalid account ID")? != account {
        return Err(Problem::answer(answers.finalize_of_another, "Mismatched account ID"));
    }
    let id = find(call).map_err(|problem| Problem { missing: false, ..problem })?;
    check_owner(call, id, answers.finalize_of_another)?;
    let gone = || Problem::internal("the order is gone");
    let order = call.state.db.orders.get(&id).ok_or_else(gone)?;
    if order.expires <= call.now {
        return Err(Problem::not_found(format!("Order {} expired", call.dialect().ids.text(id))));
    }
    if order.status != OrderState::Ready {
        return Err(ra::not_ready(order.status));
    }
    let request: Finalize = call.payload.read("Error unmarshaling finalize order request")?;
    let unreadable = || Problem::malformed("Error parsing certificate request");
    let der = URL_SAFE_NO_PAD.decode(request.csr).map_err(|_| unreadable())?;
    let during = |problem: Problem| problem.during("Error finalizing order");
    let csr = Csr::parse(&der, &call.dialect().csr, &call.ca.config().blocked_keys)
        .map_err(|p| if p == unreadable() { p } else { during(p) })?;
    check_key(call, account, &csr).map_err(during)?;
    csr.check_identifiers(&order.identifiers).map_err(during)?;
    if let Some(problem) = &call.incoming.caa_problem {
        return Err(during(problem.clone()));
    }
    ra::begin_finalize(&mut call.state.db, id)?;
    let faults = &call.incoming.struck.effects;
    if call.ca.config().async_finalize || faults.stuck.is_some() {
        let reply = reply(call, 200, id, true, "issuance begins".to_owned())?;
        return Ok(reply.then(Job::Issue { order: id, csr: Box::new(csr), request: der.into() }));
    }
    let event = match issuance::prepare(call.state, id, call.now, call.ca.config(), &faults.issuance) {
        Ok(plan) => {
            let signed = issuance::sign(call.ca, &plan, &csr);
            issuance::store(call.ca, call.state, &plan, signed)
        }
        Err(event) => *event,
    };
    if !matches!(event, Event::Issued { .. }) {
        let problem = during(Problem::internal("the certificate was not made"));
        return Ok(Reply::problem(&problem, call.dialect()).noting(event));
    }
    Ok(reply(call, 200, id, true, "certificate issued".to_owned())?.noting(event))
}

/// Whether the key of a request is an account's, which nobody may use for both.
fn check_key(call: &Call<'_>, account: u64, csr: &Csr) -> Result<(), Problem> {
    let dialect = call.dialect();
    let db = &call.state.db;
    let is_account_key = if dialect.csr.any_account_key {
        db.account_of_key(&csr.key.as_jwk()).is_some()
    } else {
        db.accounts.get(&account).is_some_and(|account| csr.key.is(&account.key))
    };
    if is_account_key {
        let detail = "certificate public key must be different than account key";
        return Err(Problem::answer(dialect.answers.csr_has_account_key, detail));
    }
    Ok(())
}

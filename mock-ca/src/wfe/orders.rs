//! Orders (RFC 8555 section 7.4): new ones, their state, and their finalization.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header;
use serde::Deserialize;
use serde_json::{Value, json};
use world::Timestamp;

use super::Call;
use super::reply::{Job, Reply};
use crate::Ca;
use crate::ca::csr::Csr;
use crate::db::{Issued, Order};
use crate::dialect::Endpoint;
use crate::journal::Event;
use crate::policy::DnsName;
use crate::problem::Problem;
use crate::protocol::OrderState;
use crate::ra::{self, NewOrder};
use crate::server::State;

/// `Retry-After` in whole seconds, rounded up.
pub(super) fn retry_after(wait: Duration) -> String {
    wait.as_nanos().div_ceil(1_000_000_000).to_string()
}

fn render(ca: &Ca, id: u64, order: &Order) -> Value {
    let (account, id) = (order.account.to_string(), id.to_string());
    let authorization = |a: &u64| ca.url(Endpoint::Authorization, &[&a.to_string()]);
    let identifier = |name: &DnsName| json!({ "type": "dns", "value": name.as_str() });
    let mut object = json!({
        "status": order.status.as_str(),
        "expires": order.expires.rfc3339_secs(),
        "identifiers": order.names.iter().map(identifier).collect::<Vec<_>>(),
        "authorizations": order.authorizations.iter().map(authorization).collect::<Vec<_>>(),
        "finalize": ca.url(Endpoint::Finalize, &[&account, &id]),
    });
    if let Some(serial) = &order.serial {
        object["certificate"] = json!(ca.url(Endpoint::Certificate, &[serial]));
    }
    if let Some(error) = &order.error {
        object["error"] = error.to_json();
    }
    object
}

/// The order as an answer, with its Location, and a Retry-After while it is processing.
fn reply(ca: &Ca, status: u16, id: u64, order: &Order, locate: bool, reason: String) -> Reply {
    let mut reply = Reply::json(status, &render(ca, id, order), ca.dialect(), reason);
    if locate {
        let url = ca.url(Endpoint::Order, &[&order.account.to_string(), &id.to_string()]);
        reply.header(header::LOCATION.as_str(), url);
    }
    if let (OrderState::Processing, Some(wait)) = (order.status, ca.config().retry_after.order) {
        reply.header(header::RETRY_AFTER.as_str(), retry_after(wait));
    }
    reply
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewOrderRequest {
    #[serde(default)]
    identifiers: Vec<Identifier>,
    not_before: Option<String>,
    not_after: Option<String>,
}

#[derive(Deserialize)]
struct Identifier {
    #[serde(rename = "type")]
    kind: String,
    value: String,
}

/// newOrder.
pub(crate) fn create(call: &mut Call<'_>) -> Result<Reply, Problem> {
    let account = call.require_account()?;
    let request: NewOrderRequest = call.payload.read("Unable to unmarshal NewOrder request body")?;
    let given = |time: &Option<String>| time.as_ref().is_some_and(|text| !text.is_empty());
    if given(&request.not_before) || given(&request.not_after) {
        return Err(Problem::malformed("NotBefore and NotAfter are not supported"));
    }
    let identifiers: Vec<_> = request.identifiers.into_iter().map(|i| (i.kind, i.value)).collect();
    let names = call.ca.policy().check_order(&identifiers).map_err(|problem| match problem.kind {
        crate::problem::ProblemKind::RejectedIdentifier => problem.during("Error creating new order"),
        _ => problem,
    })?;
    let (id, reason) = match ra::new_order(&mut call.state.db, call.ca.config(), account, names, call.now) {
        NewOrder::Created { order, reused: 0 } => (order, "order created".to_owned()),
        NewOrder::Created { order, reused } => {
            (order, format!("order created with {reused} authorizations that were valid before"))
        }
        NewOrder::Reused(order) => (order, "the account has an open order for these names".to_owned()),
    };
    let order = call.state.db.orders.get(&id).ok_or_else(|| Problem::internal("the order is gone"))?;
    Ok(reply(call.ca, 201, id, order, true, reason))
}

/// The order that the path names, brought up to date. `requester` must own it.
fn find(call: &mut Call<'_>, requester: Option<u64>) -> Result<u64, Problem> {
    let account = call.number(0, "Invalid request path")?;
    let id = call.number(1, "Order ID must be an integer")?;
    ra::settle(&mut call.state.db, id, call.now);
    let not_found = || Problem::not_found(format!("No order found for account ID {account}"));
    let order = call.state.db.orders.get(&id).filter(|o| o.account == account && o.expires > call.now);
    let order = order.ok_or_else(|| Problem::not_found(format!("No order for ID {id}")))?;
    if requester.is_some_and(|requester| requester != order.account) {
        return Err(not_found());
    }
    Ok(id)
}

/// GET or POST-as-GET of an order.
pub(crate) fn show(call: &mut Call<'_>) -> Result<Reply, Problem> {
    if !call.payload.is_empty() {
        return Err(Problem::malformed("POST-as-GET requests must have an empty payload"));
    }
    let requester = call.account();
    let id = find(call, requester)?;
    let order = call.state.db.orders.get(&id).ok_or_else(|| Problem::internal("the order is gone"))?;
    Ok(reply(call.ca, 200, id, order, false, format!("the order is {}", order.status.as_str())))
}

#[derive(Deserialize)]
struct Finalize {
    csr: String,
}

/// finalize: checks the CSR, and issues or promises to.
pub(crate) fn finalize(call: &mut Call<'_>) -> Result<Reply, Problem> {
    let account = call.require_account()?;
    if call.number(0, "Invalid account ID")? != account {
        return Err(Problem::malformed("Mismatched account ID"));
    }
    let id = find(call, Some(account))?;
    let gone = || Problem::internal("the order is gone");
    let order = call.state.db.orders.get(&id).ok_or_else(gone)?;
    if order.status != OrderState::Ready {
        return Err(ra::not_ready(order.status));
    }
    let request: Finalize = call.payload.read("Error unmarshaling finalize order request")?;
    let unreadable = || Problem::malformed("Error parsing certificate request");
    let der = URL_SAFE_NO_PAD.decode(request.csr).map_err(|_| unreadable())?;
    let during = |problem: Problem| problem.during("Error finalizing order");
    let csr = Csr::parse(&der).map_err(|p| if p == unreadable() { p } else { during(p) })?;
    if call.state.db.accounts.get(&account).is_some_and(|account| csr.key.is(&account.key)) {
        let detail = "certificate public key must be different than account key";
        return Err(during(Problem::malformed(detail)));
    }
    let names: Vec<String> = order.names.iter().map(|name| name.as_str().to_owned()).collect();
    csr.check_names(&names).map_err(during)?;
    ra::begin_finalize(&mut call.state.db, id)?;
    if call.ca.config().async_finalize {
        let order = call.state.db.orders.get(&id).ok_or_else(gone)?;
        let reply = reply(call.ca, 200, id, order, true, "issuance begins".to_owned());
        return Ok(reply.then(Job::Issue { order: id, csr: Box::new(csr) }));
    }
    let (issued, event) = issue(call.ca, call.state, id, &csr, call.now);
    if !issued {
        return Ok(Reply::problem(
            &during(Problem::internal("the certificate was not made")),
            call.ca.dialect(),
        )
        .noting(event));
    }
    let order = call.state.db.orders.get(&id).ok_or_else(gone)?;
    Ok(reply(call.ca, 200, id, order, true, "certificate issued".to_owned()).noting(event))
}

/// Makes the certificate of an order that is processing. Gives whether it was made, and the journal entry.
pub(crate) fn issue(ca: &Ca, state: &mut State, id: u64, csr: &Csr, now: Timestamp) -> (bool, Event) {
    let not_issued = |reason: String| (false, Event::NotIssued { order: id, reason });
    let Some(order) = state.db.orders.get(&id) else { return not_issued("the order is gone".to_owned()) };
    let account = order.account;
    let names: Vec<String> = order.names.iter().map(|name| name.as_str().to_owned()).collect();
    match ca.hierarchy().sign(ca.config(), csr, &names, now) {
        Ok(signed) => {
            let event = Event::Issued {
                serial: signed.serial.clone(),
                names: names.clone(),
                account,
                order: id,
                not_before: signed.not_before,
                not_after: signed.not_after,
            };
            let issued = Issued {
                serial: signed.serial,
                names,
                account,
                order: id,
                at: now,
                not_before: signed.not_before,
                not_after: signed.not_after,
                leaf: signed.leaf,
                chain_pem: signed.chain_pem,
                revoked: None,
            };
            ra::end_finalize(&mut state.db, id, Ok(issued));
            (true, event)
        }
        Err(error) => {
            ra::end_finalize(&mut state.db, id, Err(Problem::internal("Error finalizing order")));
            not_issued(error.to_string())
        }
    }
}

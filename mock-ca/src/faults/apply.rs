//! Carrying out the effects: the one place where faults meet the server.
//!
//! In the order of a request: [`strike`] asks the rules, [`before`] waits, [`prepare`] changes objects,
//! [`instead`] answers in place of the decision, [`afterwards`] changes what was issued, [`alter`] changes the
//! answer, [`deliver`] sends it, late, in part, or not at all.

use http::Method;
use serde_json::{Value, json};
use world::World;

use axum::response::Response;

use super::effects::{Effects, Issuance, ObjectFault};
use super::facts::{self, Claims, Object};
use super::rule::{DropAt, FaultProblem, Phase, ProblemType};
use super::{Facts, chain, cut};
use crate::Ca;
use crate::dialect::Endpoint;
use crate::journal::Event;
use crate::problem::{Problem, ProblemKind};
use crate::protocol::AccountState;
use crate::server::State;
use crate::wfe::Incoming;
use crate::wfe::reply::Reply;

/// What the rules have said of a request, and what it claims.
#[derive(Clone, Debug, Default)]
pub(crate) struct Struck {
    pub(crate) effects: Effects,
    pub(crate) claims: Claims,
}

/// Asks the rules, and keeps the journal.
pub(crate) fn strike(ca: &Ca, endpoint: Option<Endpoint>, incoming: &Incoming) -> Struck {
    let none = ca.faults().lock().is_empty();
    let claims = facts::read(&ca.state().db, ca.dialect(), endpoint, incoming, !none);
    if none {
        return Struck { effects: Effects::default(), claims };
    }
    let mut faults = ca.faults().lock();
    let effects = faults.on_request(&Facts {
        endpoint,
        method: incoming.method.as_str(),
        path: &incoming.path,
        peer: incoming.peer,
        account: claims.account.as_deref(),
        thumbprint: claims.thumbprint.as_deref(),
        identifiers: &claims.identifiers,
        now: ca.world().now(),
    });
    drop(faults);
    for draw in &effects.draws {
        let what = format!("fault {}", draw.rule);
        ca.journal().add(ca.world(), Event::Draw { what, value: draw.struck.to_string() });
    }
    for hit in &effects.hits {
        let (rule, actions) = (hit.rule.clone(), hit.actions.clone());
        ca.journal().add(ca.world(), Event::Fault { rule, call: hit.call, actions, endpoint });
    }
    Struck { effects, claims }
}

/// The waiting before a decision.
pub(crate) async fn before(world: &World, effects: &Effects) {
    if effects.hang == Some(Phase::Before) {
        std::future::pending::<()>().await;
    }
    if !effects.delay_before.is_zero() {
        world.sleep(effects.delay_before).await;
    }
}

/// What happens to nonces, accounts and objects before the decision.
pub(crate) fn prepare(ca: &Ca, endpoint: Option<Endpoint>, incoming: &Incoming) {
    let Struck { effects, claims } = &incoming.struck;
    if effects.is_empty() {
        return;
    }
    let state = &mut *ca.state();
    if effects.nonce.lose {
        state.nonces.lose();
    }
    let now = ca.world().now();
    let account = claims.account.as_ref().and_then(|id| ca.dialect().ids.parse(id));
    let object = facts::object(ca.dialect(), endpoint, &incoming.params);
    for fault in &effects.objects {
        match (fault, &object, account) {
            (ObjectFault::Expire, Some(Object::Order(id)), _) => {
                if let Some(order) = state.db.orders.get_mut(id) {
                    order.expires = now;
                }
            }
            (ObjectFault::Expire, Some(Object::Authorization(id)), _) => {
                if let Some(authorization) = state.db.authorizations.get_mut(id) {
                    authorization.expires = now;
                }
            }
            (ObjectFault::Forget, Some(Object::Order(id)), _) => drop(state.db.orders.remove(id)),
            (ObjectFault::Forget, Some(Object::Authorization(id)), _) => {
                drop(state.db.authorizations.remove(id));
            }
            (ObjectFault::Forget, Some(Object::Certificate(serial)), _) => {
                drop(state.db.certificates.remove(serial.as_str()));
            }
            (ObjectFault::DeactivateAccount, _, Some(id)) => {
                if let Some(account) = state.db.accounts.get_mut(&id) {
                    account.status = AccountState::Deactivated;
                }
            }
            (ObjectFault::ForgetAccount, _, Some(id)) => state.db.forget_account(id),
            _ => {}
        }
    }
}

/// The answer in place of a decision, if the request is not to be decided.
pub(crate) fn instead(ca: &Ca, incoming: &Incoming) -> Option<Reply> {
    let effects = &incoming.struck.effects;
    effects.replaced.then(|| match &effects.answer.problem {
        Some(problem) => problem_reply(ca, problem),
        None => Reply::empty(effects.answer.status.unwrap_or(200), "fault: not decided"),
    })
}

fn problem_reply(ca: &Ca, problem: &FaultProblem) -> Reply {
    let body = format!("{:#}", problem.to_json());
    let mut reply = Reply::text(problem.status(), ca.dialect().problem_type, body, problem.detail());
    if let ProblemType::Known(kind) = problem.kind {
        reply.problem = Some(kind);
    }
    reply
}

/// The problem that an issuance fails with. Orders keep only types that ACME has.
pub(crate) fn issuance_problem(faults: &Issuance) -> Option<Problem> {
    let wanted = faults.fail.as_ref()?;
    let problem = match wanted {
        None => Problem::internal("Error finalizing order :: the issuance failed"),
        Some(problem) => {
            let kind = match problem.kind {
                ProblemType::Known(kind) => kind,
                ProblemType::Uri(_) => ProblemKind::ServerInternal,
            };
            Problem::new(kind, problem.detail()).with_status(problem.status())
        }
    };
    Some(problem)
}

/// What becomes of the certificate of an order that has just been issued, or of one that is asked for.
pub(crate) fn afterwards(
    ca: &Ca,
    state: &mut State,
    object: Option<&Object>,
    faults: &Issuance,
) -> Option<Event> {
    let (serial, is_order) = match object? {
        Object::Order(id) => (state.db.orders.get(id)?.serial.clone()?, true),
        Object::Certificate(serial) => (serial.clone().into_boxed_str(), false),
        Object::Authorization(_) => return None,
    };
    let now = ca.world().now();
    if let Some(how) = faults.chain.filter(|_| is_order) {
        let chain = wrong_chain(ca, state, &serial, how)?;
        state.db.certificates.get_mut(&serial)?.wrong_chain = Some(chain.into_boxed_str());
    }
    let code = faults.revoke?;
    let issued = state.db.certificates.get_mut(&serial).filter(|issued| issued.revoked.is_none())?;
    issued.revoked = Some((now, code));
    Some(Event::Revoked { serial: serial.into_string(), code })
}

fn wrong_chain(ca: &Ca, state: &State, serial: &str, how: super::WrongChain) -> Option<String> {
    let chain_of = |serial: &str| {
        let issued = state.db.certificates.get(serial)?;
        ca.hierarchy().chain_pem(&issued.leaf, issued.issuer, 0)
    };
    let mut others = state.db.issuance.iter().rev().filter(|other| &***other != serial);
    let other = others.find_map(|other| chain_of(other));
    let stray = ca.faults().stray(|| chain::stray_intermediate(ca.world()));
    Some(chain::wrong(&chain_of(serial)?, how, other.as_deref(), stray))
}

/// Changes a decided answer, or one in place of a decision.
pub(crate) fn alter(ca: &Ca, endpoint: Option<Endpoint>, incoming: &Incoming, reply: &mut Reply) {
    let Struck { effects, claims } = &incoming.struck;
    if !effects.is_empty() {
        if !effects.replaced && reply.status.is_success() {
            alter_objects(ca, &mut ca.state(), endpoint, incoming, reply);
        }
        alter_answer(ca, effects, reply);
        if incoming.method == Method::HEAD {
            reply.body.clear();
        }
        alter_nonce(ca, effects, claims, reply);
        for (name, value) in &effects.answer.headers {
            reply.set_header(name, value.clone());
        }
        let rules: Vec<&str> = effects.hits.iter().map(|hit| hit.rule.as_str()).collect();
        reply.reason = format!("{} (faults: {})", reply.reason, rules.join(", "));
    }
    if let Some(nonce) = reply.get_header("replay-nonce")
        && !ca.faults().lock().is_empty()
    {
        ca.faults().given(nonce);
    }
}

/// Wrong chains, revocation, and what seems undecided.
fn alter_objects(
    ca: &Ca,
    state: &mut State,
    endpoint: Option<Endpoint>,
    incoming: &Incoming,
    reply: &mut Reply,
) {
    let effects = &incoming.struck.effects;
    let object = facts::object(ca.dialect(), endpoint, &incoming.params);
    if let (Some(Object::Certificate(serial)), Some(how)) = (&object, effects.issuance.chain)
        && let Some(chain) = wrong_chain(ca, state, serial, how)
    {
        reply.body = chain;
    }
    // The chain of an order is made wrong once, with its issuance.
    let chain = effects.issuance.chain.filter(|_| endpoint == Some(Endpoint::Finalize));
    let issuance = Issuance { chain, ..effects.issuance.clone() };
    reply.events.extend(afterwards(ca, state, object.as_ref(), &issuance));
    if effects.stuck.is_some() && !reply.body.is_empty() {
        seem_undecided(ca, endpoint, reply);
    }
}

fn alter_answer(ca: &Ca, effects: &Effects, reply: &mut Reply) {
    let answer = &effects.answer;
    if let (Some(problem), false) = (&answer.problem, effects.replaced) {
        let other = problem_reply(ca, problem);
        (reply.status, reply.body, reply.problem) = (other.status, other.body, other.problem);
        reply.set_header("content-type", Some(ca.dialect().problem_type.to_owned()));
        reply.set_header("location", None);
        reply.set_header("retry-after", None);
    }
    if let Some(status) = answer.status.and_then(|status| http::StatusCode::from_u16(status).ok()) {
        reply.status = status;
    }
    if let Some(body) = &answer.body {
        reply.body.clone_from(body);
    }
    if let Some(bytes) = answer.cut {
        let cut = (0..=bytes.min(reply.body.len())).rev().find(|at| reply.body.is_char_boundary(*at));
        reply.body.truncate(cut.unwrap_or(0));
    }
    if let Some(kind) = &answer.content_type {
        reply.set_header("content-type", Some(kind.clone()));
    }
}

fn alter_nonce(ca: &Ca, effects: &Effects, claims: &Claims, reply: &mut Reply) {
    if effects.nonce.reuse
        && reply.get_header("replay-nonce").is_some()
        && let Some(nonce) = claims.nonce.clone().or_else(|| ca.faults().last_nonce())
    {
        reply.set_header("replay-nonce", Some(nonce));
    }
    if effects.nonce.none {
        reply.set_header("replay-nonce", None);
    }
}

/// An order or authorization that is read seems not to be decided.
fn seem_undecided(ca: &Ca, endpoint: Option<Endpoint>, reply: &mut Reply) {
    let Ok(mut object) = serde_json::from_str::<Value>(&reply.body) else { return };
    match endpoint {
        Some(Endpoint::Order) => {
            object["status"] = json!("processing");
            if let Some(fields) = object.as_object_mut() {
                fields.shift_remove("certificate");
                fields.shift_remove("error");
            }
            if let Some(wait) = ca.config().retry_after.order {
                let seconds = wait.as_nanos().div_ceil(1_000_000_000).to_string();
                reply.set_header("retry-after", Some(seconds));
            }
        }
        Some(Endpoint::Authorization) => {
            object["status"] = json!("pending");
            for challenge in object["challenges"].as_array_mut().into_iter().flatten() {
                challenge["status"] = json!("pending");
                if let Some(fields) = challenge.as_object_mut() {
                    for late in ["validated", "validationRecord", "error"] {
                        fields.shift_remove(late);
                    }
                }
            }
        }
        _ => return,
    }
    reply.body = format!("{object:#}");
}

/// Sends the answer: late, in part, or not at all.
pub(crate) async fn deliver(world: &World, effects: &Effects, response: Response) -> Response {
    if effects.hang == Some(Phase::After) {
        std::future::pending::<()>().await;
    }
    if !effects.delay_after.is_zero() {
        world.sleep(effects.delay_after).await;
    }
    match effects.drop {
        None => response,
        Some(DropAt::BeforeProcessing | DropAt::BeforeAnswer) => {
            let mut response = response;
            response.extensions_mut().insert(world::http::CloseConnection);
            response
        }
        Some(DropAt::MidBody) => cut::in_the_middle(response).await,
    }
}

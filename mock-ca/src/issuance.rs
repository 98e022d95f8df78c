//! From an order that is processing to its certificate, in three steps: what to sign (under the lock of the
//! state), the signature (without it), and what comes of it.

use world::Timestamp;

use crate::Ca;
use crate::ca::csr::Csr;
use crate::ca::{CaError, Signed};
use crate::config::{Config, Terms};
use crate::db::Issued;
use crate::faults::Issuance;
use crate::faults::apply::issuance_problem;
use crate::journal::Event;
use crate::policy::Identifier;
use crate::problem::Problem;
use crate::protocol::OrderState;
use crate::ra;
use crate::ra::limited::{self, Subject};
use crate::server::State;

/// What is to be signed.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The order.
    pub order: u64,
    /// Whose.
    pub account: u64,
    /// For what, sorted.
    pub identifiers: Vec<Identifier>,
    /// What holds for it.
    pub terms: Terms,
    /// The start of validity that was asked for.
    pub not_before: Option<Timestamp>,
    /// The end of validity that was asked for.
    pub not_after: Option<Timestamp>,
    /// Now.
    pub at: Timestamp,
}

/// What to sign for an order; the journal's entry when there is nothing to.
pub(crate) fn prepare(
    state: &mut State,
    order: u64,
    now: Timestamp,
    config: &Config,
    faults: &Issuance,
) -> Result<Plan, Box<Event>> {
    let not_issued = |reason: &str| Box::new(Event::NotIssued { order, reason: reason.to_owned() });
    let found = state.db.orders.get(&order).ok_or_else(|| not_issued("the order is gone"))?;
    if found.status != OrderState::Processing {
        return Err(not_issued("the order is not processing any more"));
    }
    if let Some(problem) = issuance_problem(faults) {
        let reason = format!("fault: {}", problem.detail);
        ra::end_finalize(&mut state.db, order, Err(problem));
        return Err(not_issued(&reason));
    }
    let mut identifiers = found.identifiers.clone();
    identifiers.sort();
    Ok(Plan {
        order,
        account: found.account,
        identifiers,
        terms: config.terms(found.profile.as_deref(), now),
        not_before: found.not_before,
        not_after: found.not_after,
        at: now,
    })
}

/// Signs.
pub(crate) fn sign(ca: &Ca, plan: &Plan, csr: &Csr) -> Result<Signed, CaError> {
    ca.hierarchy().sign(ca.config(), plan, csr)
}

/// Ends the order: with its certificate, or in error. Gives the journal's entry.
pub(crate) fn store(ca: &Ca, state: &mut State, plan: &Plan, signed: Result<Signed, CaError>) -> Event {
    let order = plan.order;
    let signed = match signed {
        Ok(signed) => signed,
        Err(error) => {
            ra::end_finalize(&mut state.db, order, Err(Problem::internal("Error finalizing order")));
            return Event::NotIssued { order, reason: error.to_string() };
        }
    };
    let issued = Issued {
        serial: signed.serial.into_boxed_str(),
        identifiers: plan.identifiers.clone(),
        account: plan.account,
        order,
        at: plan.at,
        not_before: signed.not_before,
        not_after: signed.not_after,
        leaf: signed.leaf.into_boxed_slice(),
        issuer: signed.issuer,
        revoked: None,
        replaced_by: None,
        renewal_info: None,
        wrong_chain: None,
    };
    let event = Event::Issued {
        serial: issued.serial.to_string(),
        names: issued.names(),
        account: plan.account,
        order,
        not_before: issued.not_before,
        not_after: issued.not_after,
    };
    let replaces = state.db.orders.get(&order).and_then(|order| order.replaces.clone());
    let replaces = replaces.as_deref();
    let subject = Subject { account: plan.account, identifiers: &plan.identifiers, replaces };
    limited::issued(&mut state.limits, &state.db, ca.config(), subject, plan.at);
    ra::end_finalize(&mut state.db, order, Ok(issued));
    event
}

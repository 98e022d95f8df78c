//! CAA records once more, before an order is finalized whose authorizations are old.
//!
//! A name's owner may have changed his mind since control was shown: Let's Encrypt looks again after seven
//! hours (the Baseline Requirements allow eight).

use std::time::Duration;

use tokio::sync::mpsc;
use world::Timestamp;

use super::caa::Issuance;
use super::lookup::Lookup;
use super::quorum::{Vote, quorum};
use super::{View, caa};
use crate::Ca;
use crate::db::{ChallengeKind, Db};
use crate::policy::{Identifier, IdentifierType};
use crate::problem::{Problem, ProblemKind, Subproblem};
use crate::protocol::{AuthorizationState, ChallengeState, OrderState};

/// An authorization whose CAA records are to be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Old {
    authorization: u64,
    identifier: Identifier,
    method: ChallengeKind,
    account: u64,
}

/// The authorizations of a ready order that were checked longer ago than `age`.
pub(crate) fn old(db: &Db, order: u64, now: Timestamp, age: Duration) -> Vec<Old> {
    let Some(order) = db.orders.get(&order) else { return Vec::new() };
    if !matches!(order.status, OrderState::Ready | OrderState::Pending) {
        return Vec::new();
    }
    let found = order.authorizations.iter().filter_map(|id| {
        let authorization = db.authorizations.get(id)?;
        let names = authorization.identifier.kind() == IdentifierType::Dns;
        let valid = authorization.status == AuthorizationState::Valid;
        let fresh = authorization.caa_checked.is_some_and(|at| at + age > now);
        let method = authorization.challenges.iter().find(|c| c.status == ChallengeState::Valid)?.kind;
        (names && valid && !fresh).then(|| Old {
            authorization: *id,
            identifier: authorization.identifier.clone(),
            method,
            account: authorization.account,
        })
    });
    found.collect()
}

/// Looks at the records of all of them, from all perspectives, and remembers those that are good. Gives
/// the problem that finalize answers with, if there is one; `account_url` is how the client knows it.
pub(crate) async fn check(ca: &Ca, list: Vec<Old>, account_url: impl Fn(u64) -> String) -> Option<Problem> {
    let (done, mut results) = mpsc::unbounded_channel();
    let perspectives = ca.views().len();
    for (number, old) in list.iter().enumerate() {
        let account_url = account_url(old.account);
        for (index, view) in ca.views().iter().enumerate() {
            let (ca, old, account_url, done) = (ca.clone(), old.clone(), account_url.clone(), done.clone());
            view.world.spawn("CAA check", async move {
                let problem = match ca.views().get(index) {
                    Some(view) => look(view, &old, &account_url).await.err(),
                    None => None,
                };
                // Nobody waits any more only when the request is gone.
                let _ = done.send((number, index, problem));
            });
        }
    }
    drop(done);
    let lost = || (Some(Problem::internal("Remote IsCAAValid RPC failed")), None);
    let mut votes: Vec<Vec<Vote>> =
        list.iter().map(|_| (0..perspectives).map(|_| lost()).collect()).collect();
    while let Some((number, index, problem)) = results.recv().await {
        let region = ca.views().get(index).and_then(|view| view.region);
        if let Some(vote) = votes.get_mut(number).and_then(|votes| votes.get_mut(index)) {
            *vote = (problem, region);
        }
    }
    let now = ca.world().now();
    let mut failed = Vec::new();
    for (old, votes) in list.iter().zip(&votes) {
        match quorum(votes, ca.config().remote_failures_max) {
            Some(problem) => failed.push((old, problem)),
            None => {
                if let Some(authorization) = ca.state().db.authorizations.get_mut(&old.authorization) {
                    authorization.caa_checked = Some(now);
                }
            }
        }
    }
    summary(&failed)
}

async fn look(view: &View, old: &Old, account_url: &str) -> Result<(), Problem> {
    let mut lookup = Lookup::new(view);
    let climb = caa::Climb::begin(&mut lookup, &old.identifier.base()).await;
    let issuance = Issuance {
        wildcard: old.identifier.is_wildcard(),
        identities: &view.identities,
        account_url,
        method: old.method.as_str(),
    };
    climb.end(view, &mut lookup, &issuance).await
}

/// One problem is said as it is; several have a sub-problem each.
fn summary(failed: &[(&Old, Problem)]) -> Option<Problem> {
    let processing = |old: &Old, problem: &Problem| {
        format!("While processing CAA for {}: {}", old.identifier.value(), problem.detail)
    };
    let (first, more) = failed.split_first()?;
    if more.is_empty() {
        let (old, problem) = first;
        return Some(Problem {
            detail: format!("Rechecking CAA: {}", processing(old, problem)),
            ..problem.clone()
        });
    }
    let detail = format!(
        "Rechecking CAA for {:?} and {} more identifiers failed. Refer to sub-problems for more information",
        first.0.identifier.value(),
        more.len()
    );
    let subproblem = |(old, problem): &(&Old, Problem)| Subproblem {
        kind: problem.kind,
        detail: processing(old, problem),
        identifier: old.identifier.kind(),
        value: old.identifier.value().into_owned(),
    };
    let subproblems = failed.iter().map(subproblem).collect();
    Some(Problem { subproblems, ..Problem::new(ProblemKind::Caa, detail) })
}

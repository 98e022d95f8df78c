//! The validation authority: looks at the client's hosts from one or more perspectives and decides.
//!
//! A perspective is a host of the world with its own view of network and names. All perspectives look at
//! once, each after its own queue; the challenge is decided when the last one is done ([`quorum`]).

mod dns;
mod http01;

use std::time::Duration;

use tokio::sync::mpsc;
use world::World;
use world::resolver::Resolver;
use world::tls::{BadTls, Connector};

use crate::Ca;
use crate::config::{Config, Perspective};
use crate::db::{ChallengeKind, ValidationRecord};
use crate::journal::Event;
use crate::policy::Policy;
use crate::problem::Problem;
use crate::ra::{Task, Verdict};

/// A place to look from.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) world: World,
    pub(crate) resolver: Resolver,
    pub(crate) tls: Connector,
    pub(crate) http_port: u16,
    pub(crate) policy: Policy,
    queue: Vec<Duration>,
}

/// What one perspective has found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Finding {
    pub(crate) problem: Option<Problem>,
    pub(crate) records: Vec<ValidationRecord>,
}

impl View {
    /// The views of a configuration, the primary first.
    pub(crate) fn all(world: &World, config: &Config, policy: &Policy) -> Result<Vec<View>, BadTls> {
        let own = [Perspective { name: world.host().to_owned(), ..Perspective::default() }];
        let list = if config.perspectives.is_empty() { &own } else { config.perspectives.as_slice() };
        let view = |perspective: &Perspective| {
            let world = world.process(&perspective.name);
            let servers = match perspective.resolvers.as_slice() {
                [] => config.resolvers.clone(),
                own => own.to_vec(),
            };
            Ok(View {
                resolver: Resolver::new(&world, servers),
                tls: Connector::unverified(&world)?,
                world,
                http_port: config.http_port,
                policy: policy.clone(),
                queue: perspective.queue.clone(),
            })
        };
        list.iter().map(view).collect()
    }

    async fn validate(&self, task: &Task) -> Finding {
        match task.kind {
            ChallengeKind::Http01 => http01::validate(self, task).await,
            ChallengeKind::Dns01 => dns::validate(self, task).await,
            ChallengeKind::TlsAlpn01 | ChallengeKind::DnsAccount01 | ChallengeKind::DnsPersist01 => {
                let problem = Problem::internal(format!("{} is not validated", task.kind.as_str()));
                Finding { problem: Some(problem), records: Vec::new() }
            }
        }
    }
}

/// How many remote perspectives may fail, by their number: Boulder's table.
pub const fn remote_failures_max(remotes: usize) -> usize {
    match remotes {
        0 | 1 => 0,
        2..=5 => 1,
        _ => 2,
    }
}

/// The problem that a challenge fails with, if it does, from what each perspective found (the primary
/// first): the primary's own, or else the first of too many remote ones.
pub fn quorum(findings: &[Option<Problem>], remote_failures: Option<usize>) -> Option<Problem> {
    let (primary, remotes) = findings.split_first()?;
    if primary.is_some() {
        return primary.clone();
    }
    let failed = remotes.iter().flatten().count();
    if failed <= remote_failures.unwrap_or(remote_failures_max(remotes.len())) {
        return None;
    }
    let mut problem = remotes.iter().flatten().next()?.clone();
    problem.detail = format!("During secondary validation: {}", problem.detail);
    Some(problem)
}

/// Validates from all perspectives, and hands the verdict to the registration authority.
pub(crate) async fn run(ca: Ca, task: Task, number: usize) {
    let sleep = ca.config().randomness.validation_sleep.as_secs();
    if sleep > 1 {
        let seconds = ca.state().draws.below("seconds before a validation", sleep);
        ca.world().sleep(Duration::from_secs(seconds)).await;
    }
    if ca.config().always_valid {
        return ca.decide(&task, Verdict { problem: None, records: Vec::new() });
    }
    let views = ca.views();
    let (done, mut results) = mpsc::channel(views.len().max(1));
    for (index, view) in views.iter().enumerate() {
        let (ca, task, done) = (ca.clone(), task.clone(), done.clone());
        let name = format!("validate {} #{}", task.name, task.attempt);
        view.world.spawn(&name, async move {
            let finding = look(&ca, index, &task, number).await;
            // Nobody waits any more only when the whole CA is gone.
            drop(done.send((index, finding)).await);
        });
    }
    drop(done);
    // A perspective that never reports has crashed.
    let lost = Finding {
        problem: Some(Problem::internal("Remote PerformValidation RPC failed")),
        ..Finding::default()
    };
    let mut findings = vec![lost; views.len()];
    while let Some((index, finding)) = results.recv().await {
        if let Some(slot) = findings.get_mut(index) {
            *slot = finding;
        }
    }
    let problems: Vec<_> = findings.iter().map(|finding| finding.problem.clone()).collect();
    let problem = quorum(&problems, ca.config().remote_failures_max);
    let records = findings.into_iter().next().map(|finding| finding.records).unwrap_or_default();
    ca.decide(&task, Verdict { problem, records });
}

/// One perspective: waits its turn, looks, and keeps the journal.
async fn look(ca: &Ca, index: usize, task: &Task, number: usize) -> Finding {
    let Some(view) = ca.views().get(index) else { return Finding::default() };
    let queued = view.queue.get(number).or(view.queue.last()).copied().unwrap_or_default();
    if !queued.is_zero() {
        view.world.sleep(queued).await;
    }
    let perspective = view.world.host().to_owned();
    ca.journal().add(
        ca.world(),
        Event::ValidationStarted {
            authorization: task.authorization,
            challenge: task.kind.as_str(),
            name: task.name.clone(),
            attempt: task.attempt,
            perspective: perspective.clone(),
            queued,
        },
    );
    let finding = view.validate(task).await;
    let fetched = finding.records.iter().map(|r| format!("{} {}", r.url, r.address_used)).collect();
    let reason = match &finding.problem {
        None => "the key authorization is there".to_owned(),
        Some(problem) => problem.detail.clone(),
    };
    ca.journal().add(
        ca.world(),
        Event::ValidationDone {
            authorization: task.authorization,
            attempt: task.attempt,
            perspective,
            fetched,
            problem: finding.problem.as_ref().map(|problem| problem.kind.name()),
            reason,
        },
    );
    finding
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(primary: bool, remotes: &[bool]) -> bool {
        let problem = |good: &bool| (!good).then(|| Problem::unauthorized("no"));
        let findings: Vec<_> = std::iter::once(&primary).chain(remotes).map(problem).collect();
        quorum(&findings, None).is_none()
    }

    #[test]
    fn the_primary_must_pass_and_few_remotes_may_fail() {
        assert!(decided(true, &[]));
        assert!(!decided(false, &[true, true, true]));
        assert!(!decided(true, &[false]));
        assert!(decided(true, &[true, false]));
        assert!(!decided(true, &[false, false, true]));
        assert!(decided(true, &[false, false, true, true, true, true]));
        assert!(!decided(true, &[false, false, false, true, true, true]));
    }

    #[test]
    fn a_remote_problem_says_where_it_was_found() {
        let findings = [None, None, Some(Problem::unauthorized("404"))];
        let problem = quorum(&findings, Some(0)).unwrap();
        assert_eq!(problem.detail, "During secondary validation: 404");
    }
}

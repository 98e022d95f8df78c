//! The validation authority: looks at the client's hosts from one or more perspectives and decides.
//!
//! A perspective is a host of the world with its own view of network and names. All perspectives look at
//! once, each after its own queue; the challenge is decided when the last one is done ([`quorum`]). What
//! differs between servers is a table ([`crate::dialect::VaRules`]).

pub mod caa;
pub mod certificate;
mod dial;
pub mod dns01;
mod http01;
pub mod issuer;
mod lookup;
mod quorum;
pub(crate) mod recheck;
mod redirect;
mod tls_alpn01;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::time::Duration;

use tokio::sync::mpsc;
use world::tls::{BadTls, Connector};
use world::{Rng, World, system};

use crate::Ca;
use crate::config::{Config, Perspective, Region};
use crate::db::{ChallengeKind, ValidationRecord};
use crate::dialect::{Answers, VaRules};
use crate::journal::{Event, Journal};
use crate::policy::{Identifier, Policy};
use crate::problem::Problem;
use crate::ra::{Task, Verdict};
use lookup::Lookup;
pub use quorum::{Vote, quorum, remote_failures_max};

/// A place to look from.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) world: World,
    pub(crate) region: Option<Region>,
    servers: Vec<SocketAddr>,
    /// Names that need no nameserver.
    hosts: BTreeMap<String, Vec<IpAddr>>,
    query_ids: Rng,
    journal: Journal,
    tls: Connector,
    /// For tls-alpn-01.
    alpn: Connector,
    http_port: u16,
    tls_port: u16,
    policy: Policy,
    rules: &'static VaRules,
    answers: &'static Answers,
    obeys_caa: bool,
    /// The CA's names in CAA records, and in persistent ones.
    identities: Vec<String>,
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
    pub(crate) fn all(
        world: &World,
        config: &Config,
        policy: &Policy,
        journal: &Journal,
    ) -> Result<Vec<View>, BadTls> {
        let own = [Perspective { name: world.host().to_owned(), ..Perspective::default() }];
        let list = if config.perspectives.is_empty() { &own } else { config.perspectives.as_slice() };
        let dialect = config.dialect.table();
        let view = |perspective: &Perspective| {
            let world = world.process(&perspective.name);
            let (servers, hosts) = match (perspective.resolvers.as_slice(), config.resolvers.as_slice()) {
                ([], []) if !world.is_virtual() => system::read(),
                ([], shared) => (shared.to_vec(), BTreeMap::new()),
                (own, _) => (own.to_vec(), BTreeMap::new()),
            };
            let tls = Connector::unverified(&world)?;
            Ok(View {
                region: perspective.region,
                servers,
                hosts,
                query_ids: world.rng(&format!("mock-ca {} query ids", world.host())),
                journal: journal.clone(),
                alpn: tls.clone().with_alpn(&[tls_alpn01::PROTOCOL]),
                tls,
                world,
                http_port: config.http_port,
                tls_port: config.tls_port,
                policy: policy.clone(),
                rules: &dialect.validation,
                answers: &dialect.answers,
                obeys_caa: config.caa,
                identities: config.caa_identities.clone(),
                queue: perspective.queue.clone(),
            })
        };
        list.iter().map(view).collect()
    }

    /// Looks for what the challenge asks for, and at the CAA records of the name.
    async fn validate(&self, task: &Task) -> Finding {
        let mut lookup = Lookup::new(self);
        let obeys = self.obeys_caa && matches!(task.identifier, Identifier::Dns(_));
        let climb = if obeys { Some(caa::Climb::begin(&mut lookup, &task.name).await) } else { None };
        let mut finding = match task.kind {
            ChallengeKind::Http01 => http01::validate(self, &mut lookup, task).await,
            ChallengeKind::TlsAlpn01 => tls_alpn01::validate(self, &mut lookup, task).await,
            ChallengeKind::Dns01 | ChallengeKind::DnsAccount01 | ChallengeKind::DnsPersist01 => {
                dns01::validate(self, &mut lookup, task).await
            }
        };
        if let (None, Some(climb)) = (&finding.problem, climb) {
            let issuance = caa::Issuance {
                wildcard: task.identifier.is_wildcard(),
                identities: &self.identities,
                account_url: &task.account_url,
                method: task.kind.as_str(),
            };
            finding.problem = climb.end(self, &mut lookup, &issuance).await.err();
        }
        finding
    }
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
    let findings = look_from_all(&ca, &task, number).await;
    let votes: Vec<Vote> =
        findings.iter().zip(ca.views()).map(|(f, view)| (f.problem.clone(), view.region)).collect();
    let problem = quorum(&votes, ca.config().remote_failures_max);
    let records = findings.into_iter().next().map(|finding| finding.records).unwrap_or_default();
    ca.decide(&task, Verdict { problem, records });
}

/// What each perspective finds.
async fn look_from_all(ca: &Ca, task: &Task, number: usize) -> Vec<Finding> {
    let views = ca.views();
    let attempts =
        ca.config().validation_attempts.map_or(ca.dialect().validation.attempts, NonZeroUsize::get);
    if let ([view], 1) = (views, attempts)
        && view.world.host() == ca.world().host()
    {
        // Nothing to wait for at the same time: no task of its own.
        return vec![look(ca, view, task, number).await];
    }
    let (done, mut results) = mpsc::channel(views.len() * attempts);
    for (index, view) in views.iter().enumerate() {
        for _ in 0..attempts {
            let (ca, task, done) = (ca.clone(), task.clone(), done.clone());
            let name = format!("validate {} #{}", task.name, task.attempt);
            view.world.spawn(&name, async move {
                let Some(view) = ca.views().get(index) else { return };
                let finding = look(&ca, view, &task, number).await;
                // Nobody waits any more only when the whole CA is gone.
                drop(done.send((index, finding)).await);
            });
        }
    }
    drop(done);
    let mut found: Vec<Vec<Finding>> = views.iter().map(|_| Vec::new()).collect();
    while let Some((index, finding)) = results.recv().await {
        if let Some(list) = found.get_mut(index) {
            list.push(finding);
        }
    }
    found.into_iter().map(|list| all_passed(list, attempts)).collect()
}

/// The first finding that is a failure, or else the first one. A perspective that does not report as often
/// as it was asked has crashed.
fn all_passed(mut list: Vec<Finding>, attempts: usize) -> Finding {
    if let Some(failed) = list.iter().position(|finding| finding.problem.is_some()) {
        return list.swap_remove(failed);
    }
    if list.len() < attempts {
        let problem = Problem::internal("Secondary validation RPC failed");
        return Finding { problem: Some(problem), records: Vec::new() };
    }
    list.into_iter().next().unwrap_or_default()
}

/// One perspective: waits its turn, looks, and keeps the journal.
async fn look(ca: &Ca, view: &View, task: &Task, number: usize) -> Finding {
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

//! The run: events in virtual time, over one small state for each certificate.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use engine::api::CertificateSpec;
use world::{Rng, Timestamp};

use crate::authority::{Authority, Ended, Ordered, config};
use crate::check::check;
use crate::error::PlanError;
use crate::event::Failure;
use crate::outcome::Outcome;
use crate::plan::{Outage, OutageKind, Plan};
use crate::policy::Engine;
use crate::population::{Builder, Member, Population, Start, introduce};
use crate::queue::{Queue, Wake};
use crate::renewal_info::{Known, RenewalInfos, Subject};
use crate::tally::Tally;

/// Runs a plan. The same plan has the same outcome.
///
/// # Errors
/// Why the plan cannot be run.
pub fn run(plan: &Plan) -> Result<Outcome, PlanError> {
    let mut fleet = Fleet::new(plan)?;
    while let Some((at, wake)) = fleet.queue.pop() {
        fleet.wake(at, wake);
    }
    let waiting = fleet.due().len();
    Ok(fleet.tally.finish(waiting))
}

/// One certificate.
#[derive(Debug, Default)]
struct State {
    /// From and until when what there is of it is valid.
    valid: Option<(Timestamp, Timestamp)>,
    /// Whether it must be issued.
    due: bool,
    /// When its order was made.
    ordered: Timestamp,
    /// Errors in a row that the queue of orders has counted.
    tries: u32,
    /// Failed issuances in a row.
    failures: u32,
    /// How often it was issued.
    issued: u32,
    /// Whether its end is waited for.
    watched: bool,
    known: Known,
}

/// An account that is not registered.
#[derive(Debug, Default)]
struct Unregistered {
    tries: u32,
    waiting: Vec<u32>,
}

struct Fleet<'a> {
    plan: &'a Plan,
    engine: Engine,
    authority: Authority,
    population: Population,
    states: Vec<State>,
    queue: Queue,
    tally: Tally,
    accounts: Vec<u64>,
    unregistered: BTreeMap<u64, Unregistered>,
    /// Outages that hold now, by their number.
    outages: BTreeSet<u32>,
    renewal_infos: Option<Rng>,
}

impl<'a> Fleet<'a> {
    fn new(plan: &'a Plan) -> Result<Self, PlanError> {
        check(plan)?;
        let rng = Rng::from_seed(plan.seed);
        let engine = Engine::new(&plan.policy)?;
        let builder = Builder::new(plan, &engine);
        let bare = Authority::new(&plan.ca, 0, 0, &rng)?;
        let population = builder.build(&bare, &rng)?;
        let mut authority = Authority::new(&plan.ca, population.sets.len(), population.names.len(), &rng)?;
        introduce(&population, &mut authority, config(&plan.ca)?.0.backdate);
        let names = population.members.iter().map(|member| member.name.clone()).collect();
        let accounts: BTreeSet<u64> = population.members.iter().map(|member| member.account).collect();
        let asks = engine.compat.features.ari && plan.ca.renewal_info;
        let mut fleet = Fleet {
            plan,
            engine,
            authority,
            states: population.members.iter().map(|_| State::default()).collect(),
            queue: Queue::default(),
            tally: Tally::new(plan, names),
            unregistered: BTreeMap::new(),
            accounts: accounts.into_iter().collect(),
            outages: BTreeSet::new(),
            renewal_infos: asks.then(|| rng.fork("fleet/renewal info")),
            population,
        };
        fleet.begin();
        Ok(fleet)
    }

    /// What is known to come.
    fn begin(&mut self) {
        for (number, outage) in (0_u32..).zip(&self.plan.outages) {
            let from = outage.from.max(self.plan.window.from);
            self.push(from, Wake::OutageBegins(number));
            self.push(outage.until.max(from), Wake::OutageEnds(number));
        }
        let from = self.plan.window.from;
        if self.plan.ca.new_accounts {
            self.unregistered = self.accounts.iter().map(|a| (*a, Unregistered::default())).collect();
            for number in (0_u32..).take(self.accounts.len()) {
                self.push(from, Wake::Register(number));
            }
        }
        let starts: Vec<Start> = self.population.members.iter().map(|member| member.start).collect();
        for (number, start) in (0_u32..).zip(starts) {
            match start {
                Start::New(at) => self.push(at.max(from), Wake::Due(number)),
                Start::Existing(not_before, not_after) => {
                    if let Some(state) = self.states.get_mut(number as usize) {
                        state.valid = Some((not_before, not_after));
                    }
                    self.schedule(number, from);
                }
            }
        }
    }

    fn push(&mut self, at: Timestamp, wake: Wake) {
        if at < self.plan.window.until {
            self.queue.push(at, wake);
        }
    }

    fn wake(&mut self, now: Timestamp, wake: Wake) {
        match wake {
            Wake::OutageBegins(number) => {
                self.outages.insert(number);
                self.limit(now);
            }
            Wake::OutageEnds(number) => {
                self.outages.remove(&number);
                self.limit(now);
                self.tally.outage_ended(number, self.due());
            }
            Wake::Register(number) => self.register(number, now),
            Wake::Due(certificate) => {
                if let Some(state) = self.states.get_mut(certificate as usize) {
                    state.due = true;
                }
                self.tally.due(now, certificate);
                self.order(certificate, now);
            }
            Wake::Order(certificate) => self.order(certificate, now),
            Wake::Released(certificate) => self.released(certificate, now),
            Wake::Finish(certificate) => self.finish(certificate, now),
            Wake::Expire(certificate, issued) => {
                let ended = |state: &&State| state.issued == issued;
                if let Some(state) = self.states.get(certificate as usize).filter(ended)
                    && let Some((_, not_after)) = state.valid
                {
                    // It may have ended before the window.
                    self.tally.expired(now, first_second_after(not_after), certificate);
                }
            }
        }
    }

    fn due(&self) -> BTreeSet<u32> {
        (0_u32..).zip(&self.states).filter(|(_, state)| state.due).map(|(number, _)| number).collect()
    }

    fn holds(&self, kind: &OutageKind) -> bool {
        self.current().any(|outage| outage.kind == *kind)
    }

    fn current(&self) -> impl Iterator<Item = &'a Outage> {
        let outages: &'a [Outage] = &self.plan.outages;
        self.outages.iter().filter_map(|number| outages.get(*number as usize))
    }

    /// The limits are those of the outages that hold.
    fn limit(&mut self, now: Timestamp) {
        let has_limits = |outage: &Outage| matches!(outage.kind, OutageKind::Limits(_));
        if !self.plan.outages.iter().any(has_limits) {
            return;
        }
        let limits = self.authority.limits_during(self.current()).clone();
        // They were checked before the run: see `check`.
        drop(self.authority.limit(now, &limits));
    }

    /// The set-up of an issuer. What the CA refuses with a 4xx is not tried again, and its certificates wait for
    /// ever.
    fn register(&mut self, number: u32, now: Timestamp) {
        let Some(account) = self.accounts.get(number as usize).copied() else { return };
        if self.holds(&OutageKind::Unavailable) {
            let Some(unregistered) = self.unregistered.get_mut(&account) else { return };
            unregistered.tries += 1;
            let again = now + self.engine.issuer_retry(unregistered.tries);
            return self.push(again, Wake::Register(number));
        }
        if let Err(bucket) = self.authority.register(now, self.plan.ca.address) {
            return self.tally.account_refused(now, account, bucket);
        }
        let registered = self.unregistered.remove(&account).unwrap_or_default();
        for certificate in registered.waiting {
            self.order(certificate, now);
        }
    }

    /// Sends newOrder.
    fn order(&mut self, certificate: u32, now: Timestamp) {
        let place = certificate as usize;
        let down = self.holds(&OutageKind::Unavailable);
        let (Some(member), Some(state)) = (self.population.members.get(place), self.states.get_mut(place))
        else {
            return;
        };
        if let Some(unregistered) = self.unregistered.get_mut(&member.account) {
            unregistered.waiting.push(certificate);
            return self.watch(certificate);
        }
        self.tally.request(now);
        if down {
            state.tries += 1;
            let again = now + self.engine.order_retry(state.tries);
            self.tally.unavailable(now, certificate);
            self.push(again, Wake::Order(certificate));
            return self.watch(certificate);
        }
        let Some(order) = ordered(&self.population, member, state, self.renewal_infos.is_some()) else {
            return;
        };
        state.tries = 0;
        match self.authority.order(now, order, &self.population.names) {
            Ok(validates) => {
                state.ordered = now;
                let time =
                    if validates { member.order_time } else { self.engine.order_time_without_challenges() };
                self.tally.ordered(now, certificate);
                if state.valid.is_some_and(|(_, end)| now + time > end) {
                    self.watch(certificate);
                }
                self.push(now + time, Wake::Finish(certificate));
            }
            Err(bucket) => {
                self.tally.refused(now, certificate, bucket);
                self.fail(certificate, now);
            }
        }
    }

    /// The order has failed: the Certificate's back-off begins.
    fn fail(&mut self, certificate: u32, now: Timestamp) {
        let Some(state) = self.states.get_mut(certificate as usize) else { return };
        state.failures = self.engine.counted(state.failures);
        let until = self.engine.held_until(now, state.failures);
        self.push(until, Wake::Released(certificate));
        self.watch(certificate);
    }

    /// The back-off is over. The CA may have suggested another time for the renewal meanwhile.
    fn released(&mut self, certificate: u32, now: Timestamp) {
        let renews = self.states.get(certificate as usize).is_some_and(|state| state.valid.is_some());
        let due =
            if self.renewal_infos.is_some() && renews { self.renewal(certificate, now) } else { Some(now) };
        match due {
            Some(at) if at <= now => {
                self.tally.retried(now, certificate);
                self.order(certificate, now);
            }
            later => {
                if let Some(state) = self.states.get_mut(certificate as usize) {
                    state.due = false;
                }
                self.tally.not_due(now, certificate);
                self.wait(certificate, now, later);
            }
        }
    }

    /// Asks for the order, whose challenges are done, and takes its certificate.
    fn finish(&mut self, certificate: u32, now: Timestamp) {
        let place = certificate as usize;
        let (down, fails) = (self.holds(&OutageKind::Unavailable), self.holds(&OutageKind::Validation));
        let (Some(member), Some(state)) = (self.population.members.get(place), self.states.get_mut(place))
        else {
            return;
        };
        if down {
            state.tries += 1;
            let again = now + self.engine.order_retry(state.tries);
            self.tally.unavailable(now, certificate);
            self.push(again, Wake::Finish(certificate));
            return self.watch(certificate);
        }
        state.tries = 0;
        let Some(order) = ordered(&self.population, member, state, self.renewal_infos.is_some()) else {
            return;
        };
        let why = match self.authority.finish(now, state.ordered, order, &self.population.names, fails) {
            Ended::Issued(not_before, not_after) => {
                let before = state.valid.replace((not_before, not_after)).map(|(_, end)| end);
                (state.due, state.watched, state.failures) = (false, false, 0);
                state.issued += 1;
                self.tally.issued(now, certificate, not_after, before);
                return self.schedule(certificate, now);
            }
            Ended::Invalid => Failure::Validation,
            Ended::Expired => Failure::OrderExpired,
        };
        self.tally.failed(now, certificate, why);
        self.fail(certificate, now);
    }

    /// Waits for the renewal of the certificate that there is.
    fn schedule(&mut self, certificate: u32, now: Timestamp) {
        let at = self.renewal(certificate, now);
        self.wait(certificate, now, at);
    }

    fn wait(&mut self, certificate: u32, now: Timestamp, renewal: Option<Timestamp>) {
        let end = self.states.get(certificate as usize).and_then(|state| state.valid);
        if end.is_some_and(|(_, end)| renewal.is_none_or(|at| at > end)) {
            self.watch(certificate);
        }
        if let Some(at) = renewal {
            self.push(at.max(now), Wake::Due(certificate));
        }
    }

    /// When what there is of a certificate is renewed, as it looks at `now`; `None`: never, or not in the window.
    fn renewal(&mut self, certificate: u32, now: Timestamp) -> Option<Timestamp> {
        let place = certificate as usize;
        let spec = self.population.members.get(place)?.spec as usize;
        let spec: &CertificateSpec = self.population.specs.get(spec)?;
        let state = self.states.get_mut(place)?;
        let valid = state.valid?;
        let by_itself = self.engine.renewal_time(valid, spec)?;
        let Some(rng) = &self.renewal_infos else { return Some(by_itself) };
        let infos = RenewalInfos {
            compat: &self.engine.compat,
            authority: &self.authority,
            outages: &self.plan.outages,
            rng,
        };
        infos.due(&mut state.known, Subject { valid, by_itself }, now, self.plan.window.until)
    }

    /// Sees to it that the end of what there is of a certificate is noted.
    fn watch(&mut self, certificate: u32) {
        let Some(state) = self.states.get_mut(certificate as usize).filter(|state| !state.watched) else {
            return;
        };
        if let Some((_, not_after)) = state.valid {
            state.watched = true;
            let issued = state.issued;
            let at = first_second_after(not_after).max(self.plan.window.from);
            self.push(at, Wake::Expire(certificate, issued));
        }
    }
}

fn first_second_after(not_after: Timestamp) -> Timestamp {
    not_after + Duration::from_secs(1)
}

/// The order of a certificate, as the CA gets it.
fn ordered<'a>(
    population: &'a Population,
    member: &Member,
    state: &State,
    replaces: bool,
) -> Option<Ordered<'a>> {
    let set = population.sets.get(member.set as usize)?;
    Some(Ordered { account: member.account, set, replaces: state.valid.filter(|_| replaces) })
}

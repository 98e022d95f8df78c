//! What goes on behind the answers: validations, issuances, and what is stored of them.

use std::time::Duration;

use super::{Ca, State};
use crate::ca::csr::Csr;
use crate::db::PromiseKey;
use crate::dialect::Endpoint;
use crate::faults::facts::Object;
use crate::faults::{Effects, Issuance, apply};
use crate::issuance;
use crate::journal::Event;
use crate::protocol::AuthorizationState;
use crate::ra::{self, Task, Verdict};
use crate::state::{Lost, Since, Store};
use crate::va;
use crate::wfe::reply::Job;

impl Ca {
    /// Changes the state from outside of the ACME API, and waits until that is stored.
    pub(crate) async fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> Result<T, Lost> {
        let since = self.0.store.as_ref().map(Store::now);
        let value = change(&mut self.state());
        self.written(since).await.map(|()| value)
    }

    async fn written(&self, since: Option<Since>) -> Result<(), Lost> {
        match (&self.0.store, since) {
            (Some(store), Some(since)) => store.written(since).await,
            _ => Ok(()),
        }
    }

    /// Waits until all that an answer shows is stored.
    pub(super) async fn stored(&self, endpoint: Option<Endpoint>, since: Option<Since>) -> Result<(), Lost> {
        match endpoint {
            // Of what these show nothing is kept.
            None | Some(Endpoint::Directory | Endpoint::NewNonce) => Ok(()),
            Some(_) => self.written(since).await,
        }
    }

    /// Goes back to what is stored, after a write has failed.
    pub(super) fn recover(&self) {
        let Some(store) = &self.0.store else { return };
        let mut state = self.state();
        // Until it works again every request is refused, and tries.
        let Ok(Some(loaded)) = store.recover() else { return };
        state.db = state.db.emptied();
        state.limits.reset_all();
        state.restore(loaded, self.dialect(), self.0.world.now());
        drop(state);
        self.resume();
    }

    /// Goes on with what was promised in answers of an earlier process, as [`Ca::serve_on`] does.
    pub fn resume(&self) {
        let mut state = self.state();
        let waiting = state.db.promises.iter().filter(|(key, _)| !state.running.contains(key));
        let waiting: Vec<_> = waiting.map(|(key, promise)| (*key, promise.clone())).collect();
        for (key, promise) in waiting {
            match Job::resumed(key, promise, &self.0.config) {
                Some(job) => self.start(job, &Effects::default(), &mut state),
                None => state.kept(key),
            }
        }
    }

    /// A validation is over.
    pub(crate) fn decide(&self, task: &Task, verdict: Verdict) {
        let reason = match &verdict.problem {
            None => "enough perspectives agree".to_owned(),
            Some(problem) => problem.detail.clone(),
        };
        let now = self.0.world.now();
        let mut state = self.state();
        let decided = ra::decide(&mut state.db, &self.0.config, task, verdict, now);
        let identifier = task.identifier.value();
        let paused = match decided {
            Ok(AuthorizationState::Valid) => {
                state.limits.validation_succeeded(task.account, &identifier);
                false
            }
            Ok(_) => state.limits.validation_failed(now, task.account, &identifier),
            Err(_) => false,
        };
        state.kept(PromiseKey::Validate(task.authorization, task.attempt));
        drop(state);
        let (status, reason) = match decided {
            Ok(status) => (status.as_str(), reason),
            Err(late) => (late.state, format!("decided before; {reason}")),
        };
        let reason =
            if paused { format!("{reason}; the account is paused for {identifier}") } else { reason };
        let (authorization, attempt) = (task.authorization, task.attempt);
        self.0
            .journal
            .add(&self.0.world, Event::ValidationDecided { authorization, attempt, status, reason });
    }

    /// How long this request, or this piece of work, takes.
    pub(super) async fn pace(&self, endpoint: Endpoint) {
        let Some(times) = self.0.config.service_time.get(&endpoint) else { return };
        let visit = {
            let mut state = self.state();
            let visits = state.visits.entry(endpoint).or_default();
            *visits += 1;
            *visits - 1
        };
        self.hold(times.get(visit).or(times.last()).copied().unwrap_or_default()).await;
    }

    /// Makes the certificate of an order that is processing, and signs it while the state is free.
    fn issue(&self, order: u64, csr: &Csr, faults: &Issuance) -> Event {
        let plan = issuance::prepare(&mut self.state(), order, self.0.world.now(), &self.0.config, faults);
        let signed = plan.map(|plan| (issuance::sign(self, &plan, csr), plan));
        let mut state = self.state();
        let event = match signed {
            Ok((signed, plan)) => issuance::store(self, &mut state, &plan, signed),
            Err(event) => *event,
        };
        state.kept(PromiseKey::Issue(order));
        event
    }

    /// Waits for work that is held back.
    async fn hold(&self, time: Duration) {
        if !time.is_zero() {
            self.0.world.sleep_wall(time).await;
        }
    }

    pub(super) fn start(&self, job: Job, effects: &Effects, state: &mut State) {
        let ca = self.clone();
        if state.db.promises.notes_changes() {
            state.running.insert(job.promise().0);
        }
        // Stuck for ever is never begun.
        let held = match effects.stuck {
            Some(None) => return,
            Some(Some(time)) => time,
            None => Duration::ZERO,
        };
        match job {
            Job::Validate(task) => {
                let number = state.validations;
                state.validations += 1;
                self.0.tasks.spawn("validation", async move {
                    ca.hold(held).await;
                    va::run(ca, task, number).await;
                });
            }
            Job::Issue { order, csr, .. } => {
                let faults = effects.issuance.clone();
                self.0.tasks.spawn("issuance", async move {
                    ca.hold(held).await;
                    ca.pace(Endpoint::Issuance).await;
                    let event = ca.issue(order, &csr, &faults);
                    ca.0.journal.add(&ca.0.world, event);
                    let object = Object::Order(order);
                    let fault = apply::afterwards(&ca, &mut ca.state(), Some(&object), &faults);
                    if let Some(event) = fault {
                        ca.0.journal.add(&ca.0.world, event);
                    }
                });
            }
        }
    }
}

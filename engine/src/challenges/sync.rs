//! The challenges controller's sync: one look at a Challenge, the steps that follow from it, one status write.

use std::time::Duration;

use world::Timestamp;

use super::solvers::Solvers;
use super::{LEGACY_FINALIZER, QUALIFIED_FINALIZER};
use crate::acme::{AcmeClient, AcmeClients, AcmeError};
use crate::api::{Challenge, ChallengeStatus, GoDuration, Kind, ObjectKey, Resource as _, State, Time};
use crate::compat::{CleanUp, Compat, FinalizerAdded, TransientError};
use crate::controller::{Context, Reconcile, SyncError, SyncResult, not_in_cache};
use crate::engine::EngineConfig;
use crate::informer::Lister;
use crate::log::{Logger, catalogue as msg};
use crate::queue::WorkQueue;
use crate::store::ApiError;
use crate::work::place;

pub(super) struct Challenges {
    context: Context,
    clients: AcmeClients,
    queue: WorkQueue,
    challenges: Lister<Challenge>,
    solvers: Solvers,
}

/// The first thing that a Challenge needs.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// It is being deleted: clean up, then let it go, whatever came of that.
    Release,
    /// Another finalizer is before ours, or the scheduler has not let it start.
    Nothing,
    /// It starts: our finalizer first.
    AddFinalizer,
    /// It is decided: clean up (releases that clean up in two places).
    Finish,
    /// It is decided or being deleted: clean up, and take our finalizer away only if that has worked.
    CleanUp,
    /// It is decided and cleaned up.
    Settle,
    /// The CA's state of it is not known.
    FetchState,
    /// Present (unless done), check, accept.
    Solve,
}

fn step(challenge: &Challenge, compat: &Compat) -> Step {
    let finalizers = &challenge.metadata.finalizers;
    let ours = finalizers.iter().any(|f| is_ours(f));
    let deleted = challenge.metadata.deletion_timestamp.is_some();
    let ended = challenge.status.state.is_final();
    if compat.clean_up == CleanUp::Retried && (deleted || ended) {
        return if ours { Step::CleanUp } else { Step::Settle };
    }
    if deleted {
        let first = finalizers.first().is_some_and(|f| is_ours(f));
        return if first { Step::Release } else { Step::Nothing };
    }
    if !challenge.status.processing {
        return Step::Nothing;
    }
    let has = |name: &str| finalizers.iter().any(|f| f == name);
    let lacks_finalizer = match compat.finalizer.added {
        FinalizerAdded::AtCreation => false,
        FinalizerAdded::AtStartByUpdate => !ours,
        // An older one is replaced.
        FinalizerAdded::AtStartByApply => !has(compat.finalizer.name) || has(LEGACY_FINALIZER),
    };
    if lacks_finalizer {
        Step::AddFinalizer
    } else if ended {
        Step::Finish
    } else if challenge.status.state == State::Unset {
        Step::FetchState
    } else {
        Step::Solve
    }
}

fn is_ours(finalizer: &str) -> bool {
    [LEGACY_FINALIZER, QUALIFIED_FINALIZER].contains(&finalizer)
}

/// Whether the CA can be asked to look.
#[derive(Debug, PartialEq, Eq)]
enum Readiness {
    /// The self-check says.
    Check,
    /// The wait is over.
    Ready,
    /// Not yet: when to look again, and what to say meanwhile.
    Wait { again: Duration, reason: String },
}

/// A solver can have a wait instead of the self-check, from when the challenge was presented.
fn readiness(
    challenge: &Challenge,
    presented_at: Option<Time>,
    now: Timestamp,
    compat: &Compat,
) -> Readiness {
    let wait = challenge.spec.solver.wait_instead_of_self_check;
    let Some(wait) = wait.filter(|_| compat.features.wait_instead_of_self_check) else {
        return Readiness::Check;
    };
    let whole = Duration::from(wait);
    let rest = presented_at.map_or(whole, |at| (at.timestamp() + whole).since(now));
    if rest.is_zero() {
        return Readiness::Ready;
    }
    let told = GoDuration::from(if compat.stable_wait_reason { whole } else { rest });
    Readiness::Wait {
        again: rest.min(compat.challenge_recheck),
        reason: format!(
            "Waiting {told} before accepting {} challenge without self-check",
            challenge.spec.type_
        ),
    }
}

impl Challenges {
    pub(super) fn new(
        context: &Context,
        clients: &AcmeClients,
        queue: &WorkQueue,
        config: &EngineConfig,
    ) -> Self {
        let challenges = context.informers.lister();
        Challenges {
            context: context.clone(),
            clients: clients.clone(),
            queue: queue.clone(),
            challenges,
            solvers: Solvers::new(context, clients, config),
        }
    }

    async fn process(&self, log: &Logger, challenge: &Challenge, status: &mut ChallengeStatus) -> SyncResult {
        match step(challenge, &self.context.compat) {
            Step::Release | Step::Nothing => Ok(()),
            Step::AddFinalizer => self.add_finalizer(challenge).await,
            Step::Finish => {
                if challenge.status.presented {
                    self.clean_up(log, challenge, status, |error| error.to_string()).await?;
                }
                status.presented = false;
                status.processing = false;
                Ok(())
            }
            Step::CleanUp => {
                let log = log.with_name("finalizer");
                let told = |error: &SyncError| format!("Error cleaning up challenge: {error}");
                self.clean_up(&log, challenge, status, told).await?;
                self.set_finalizers(challenge, None).await
            }
            Step::Settle => {
                status.presented = false;
                status.processing = false;
                Ok(())
            }
            Step::FetchState => Box::pin(self.fetch_state(log, challenge, status)).await,
            Step::Solve => Box::pin(self.solve(log, challenge, status)).await,
        }
    }

    async fn fetch_state(
        &self,
        log: &Logger,
        challenge: &Challenge,
        status: &mut ChallengeStatus,
    ) -> SyncResult {
        let fetched = self.client(challenge)?.get_authorization(&challenge.spec.authorization_url).await;
        let authorization = match fetched {
            Ok(authorization) => authorization,
            Err(error) => return self.absorb(log, status, &error),
        };
        let own = authorization.challenges.into_iter().find(|c| c.url == challenge.spec.url);
        let Some(own) = own else {
            return self.absorb_other(log, status, "challenge was not present in authorization");
        };
        status.reason = own.error.map(|problem| problem.detail).unwrap_or_default();
        status.state = own.status;
        if status.state == State::Unset {
            return Err(SyncError::other(
                "could not determine acme challenge status. retrying after applying back-off",
            ));
        }
        Ok(())
    }

    async fn solve(&self, log: &Logger, challenge: &Challenge, status: &mut ChallengeStatus) -> SyncResult {
        let compat = &self.context.compat;
        let now = self.context.world.now();
        if !challenge.status.presented {
            if let Err(error) = self.solvers.present(log, challenge).await {
                let text = format!("Error presenting challenge: {error}");
                self.context.recorder.warning(challenge, "PresentError", &text);
                status.reason = error.to_string();
                return Err(error);
            }
            status.presented = true;
            if compat.features.wait_instead_of_self_check {
                status.presented_at = Some(Time::new(self.context.world.now()));
            }
            let text = format!("Presented challenge using {} challenge mechanism", challenge.spec.type_);
            self.context.recorder.normal(challenge, "Presented", &text);
        }
        let waits = challenge.spec.solver.wait_instead_of_self_check.is_some();
        if waits && compat.features.wait_instead_of_self_check {
            // One that was presented before the release knew of this.
            status.presented_at.get_or_insert(Time::new(now));
        }
        let now = self.context.world.now();
        let (again, reason) = match readiness(challenge, status.presented_at, now, compat) {
            Readiness::Ready => return self.accept(log, challenge, status).await,
            Readiness::Wait { again, reason } => (again, reason),
            Readiness::Check => match self.solvers.check(log, challenge).await {
                Ok(()) => return self.accept(log, challenge, status).await,
                Err(error) => {
                    if compat.challenge_lines.check_failed {
                        log.error(&msg::PROPAGATION_CHECK_FAILED, Some(&error.to_string()), &[]);
                    }
                    let type_ = challenge.spec.type_;
                    let reason = format!("Waiting for {type_} challenge propagation: {error}");
                    (compat.challenge_recheck, reason)
                }
            },
        };
        status.reason = reason;
        self.queue.add_after(challenge.key(), again);
        Ok(())
    }

    async fn accept(&self, log: &Logger, challenge: &Challenge, status: &mut ChallengeStatus) -> SyncResult {
        let log = &log.with_name("acceptChallenge");
        let client = self.client(challenge)?;
        match client.accept(&challenge.spec.url).await {
            // The CA's state of the challenge counts from now on; Boulder's is still pending here.
            Ok(accepted) => status.state = accepted.status,
            Err(error) => {
                log.error(&msg::ACCEPT_FAILED, Some(&error.to_string()), &[]);
                status.reason = format!("Error accepting challenge: {error}");
                return self.absorb(log, status, &error);
            }
        }
        self.context.world.work(place("challenges/accepted")).await;
        let limit = self.context.compat.authorization_wait_limit;
        match client.wait_authorization(&challenge.spec.authorization_url, limit).await {
            Ok(authorization) => {
                status.state = authorization.status;
                status.reason = "Successfully authorized domain".to_owned();
                let (name, type_) = (&challenge.spec.dns_name, challenge.spec.type_.as_str());
                let text = format!("Domain {name:?} verified with {type_:?} validation");
                self.context.recorder.normal(challenge, "DomainVerified", &text);
                Ok(())
            }
            Err(error) => {
                log.error(&msg::WAIT_AUTHORIZATION_FAILED, Some(&error.to_string()), &[]);
                if let AcmeError::Authorization { .. } = &error {
                    status.state = State::Invalid;
                    status.reason = format!("Error accepting authorization: {error}");
                    let text = format!("Accepting challenge authorization failed: {error}");
                    self.context.recorder.warning(challenge, "Failed", &text);
                    return Ok(());
                }
                self.context.world.work(place("challenges/wait failed")).await;
                self.absorb(log, status, &error)
            }
        }
    }

    /// Takes down what was presented. An error becomes the reason, in the words of `told`, and an event.
    async fn clean_up(
        &self,
        log: &Logger,
        challenge: &Challenge,
        status: &mut ChallengeStatus,
        told: impl FnOnce(&SyncError) -> String,
    ) -> SyncResult {
        let Err(error) = self.solvers.clean_up(challenge).await else { return Ok(()) };
        let text = format!("Error cleaning up challenge: {error}");
        self.context.recorder.warning(challenge, "CleanUpError", &text);
        status.reason = told(&error);
        log.error(&msg::CLEAN_UP_FAILED, Some(&status.reason), &[]);
        Err(SyncError::other(&status.reason))
    }

    async fn add_finalizer(&self, challenge: &Challenge) -> SyncResult {
        let finalizer = self.context.compat.finalizer;
        if finalizer.added == FinalizerAdded::AtStartByApply {
            return self.set_finalizers(challenge, Some(finalizer.name)).await;
        }
        let mut started = challenge.clone();
        started.metadata.finalizers.push(finalizer.name.to_owned());
        present_still(self.context.client.update(started).await)
    }

    /// Has of our finalizers this one, or none, by server-side apply: only on the object that was read, never on a
    /// new one of its name.
    async fn set_finalizers(&self, challenge: &Challenge, ours: Option<&str>) -> SyncResult {
        let key = challenge.key();
        let applied = self.context.client.apply_existing(&key, |stored: &Challenge| {
            (stored.metadata.uid == challenge.metadata.uid).then(|| {
                let mut changed = stored.clone();
                changed.metadata.finalizers.retain(|f| !is_ours(f));
                changed.metadata.finalizers.extend(ours.map(str::to_owned));
                changed
            })
        });
        present_still(applied.await)
    }

    /// Cleans up if need be, writes the status, and takes our finalizer away, upon which the object goes. An error of
    /// the clean-up is logged and forgotten: what was presented stays behind.
    async fn release(&self, log: &Logger, challenge: &Challenge) -> SyncResult {
        let mut status = challenge.status.clone();
        if challenge.status.processing {
            let log = log.with_name("finalizer");
            // Told of already.
            drop(self.clean_up(&log, challenge, &mut status, |error| error.to_string()).await);
        }
        let mut released = challenge.clone();
        if status != challenge.status || self.context.compat.finalizer.added == FinalizerAdded::AtCreation {
            let write = self.context.client.update_status(challenge, |c| c.status.clone_from(&status)).await;
            released = write?.as_ref().clone();
        }
        released.metadata.finalizers.retain(|f| !is_ours(f));
        self.context.client.update(released).await?;
        Ok(())
    }

    fn client(&self, challenge: &Challenge) -> Result<AcmeClient, SyncError> {
        self.clients.get(&challenge.spec.issuer_ref, &challenge.metadata.namespace)
    }
}

/// An object that has gone meanwhile needs no more.
fn present_still<T>(written: Result<T, ApiError>) -> SyncResult {
    match written {
        Ok(_) | Err(ApiError::NotFound { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// What an error means for a Challenge.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// It is over at the CA.
    Expired,
    /// The CA says that it cannot be.
    Refused,
    /// It is for the requeue, with the state kept.
    Again,
    /// No word of the CA, and it ends the Challenge all the same.
    Ended,
}

/// `malformed` says that it is over, another 4xx that it cannot be; 5xx is for the requeue. What is not the CA's word
/// (network, a time limit, nonsense) is for the release to judge.
fn judge(error: &AcmeError, rule: TransientError) -> Verdict {
    match (error.problem(), rule) {
        (Some(problem), _) if problem.is("malformed") => Verdict::Expired,
        (Some(_), _) if error.is_bad_request() => Verdict::Refused,
        (Some(_), _) | (None, TransientError::Retried) => Verdict::Again,
        (None, TransientError::EndsChallenge) => Verdict::Ended,
        (None, TransientError::NetworkRetried) if error.is_transient() => Verdict::Again,
        (None, TransientError::NetworkRetried) => Verdict::Ended,
    }
}

impl Challenges {
    fn absorb(&self, log: &Logger, status: &mut ChallengeStatus, error: &AcmeError) -> SyncResult {
        let rule = self.context.compat.transient_error;
        match judge(error, rule) {
            Verdict::Expired => {
                status.state = State::Expired;
                Ok(())
            }
            Verdict::Refused => {
                status.state = State::Errored;
                status.reason = format!("Failed to retrieve Order resource: {error}");
                Ok(())
            }
            Verdict::Again => {
                if rule == TransientError::NetworkRetried && error.problem().is_none() {
                    log.error(&msg::TRANSIENT_NON_ACME_ERROR, Some(&error.to_string()), &[]);
                }
                Err(SyncError::other(error))
            }
            Verdict::Ended => self.end(log, status, &error.to_string()),
        }
    }

    /// As [`Challenges::absorb`], for an error that is none of the client.
    fn absorb_other(&self, log: &Logger, status: &mut ChallengeStatus, error: &str) -> SyncResult {
        match self.context.compat.transient_error {
            TransientError::Retried => Err(SyncError::other(error)),
            TransientError::EndsChallenge | TransientError::NetworkRetried => self.end(log, status, error),
        }
    }

    fn end(&self, log: &Logger, status: &mut ChallengeStatus, error: &str) -> SyncResult {
        status.state = State::Errored;
        status.reason = format!("unexpected non-ACME API error: {error}");
        log.error(&msg::NON_ACME_ERROR, Some(error), &[]);
        Err(SyncError::other(error))
    }
}

impl Reconcile for Challenges {
    async fn sync(&self, key: &ObjectKey) -> SyncResult {
        let Some(challenge) = self.challenges.get(key) else {
            if self.context.compat.challenge_lines.gone {
                let error = not_in_cache(Kind::Challenge, key);
                self.context.log.error(&msg::CHALLENGE_GONE, Some(&error), &[]);
            }
            return Ok(());
        };
        let type_ = challenge.spec.type_.as_str();
        let log = self.context.log.with_value("dnsName", challenge.spec.dns_name.clone());
        let log = log.with_value("type", type_).with_resource(challenge.as_ref());
        if step(&challenge, &self.context.compat) == Step::Release {
            return Box::pin(self.release(&log, &challenge)).await;
        }
        let mut status = challenge.status.clone();
        let result = Box::pin(self.process(&log, &challenge, &mut status)).await;
        if status == challenge.status {
            return result;
        }
        let write =
            self.context.client.update_status(challenge.as_ref(), |c| c.status.clone_from(&status)).await;
        let gone_is_fine = self.context.compat.lost_challenges_ignored;
        match (result, write) {
            (result, Ok(_)) => result,
            (result, Err(ApiError::NotFound { .. })) if gone_is_fine => result,
            (Ok(()), Err(lost)) => Err(lost.into()),
            (Err(first), Err(lost)) => Err(SyncError::Other(format!("[{first}, {lost}]"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acme::Problem;
    use crate::compat::{V1_7, V1_16, V1_21};

    fn of(processing: bool, state: State, finalizers: &[&str]) -> Challenge {
        let status = ChallengeStatus { processing, state, ..ChallengeStatus::default() };
        let mut challenge = Challenge { status, ..Challenge::default() };
        challenge.metadata.finalizers = finalizers.iter().map(|f| (*f).to_owned()).collect();
        challenge
    }

    fn deleted(challenge: Challenge) -> Challenge {
        let mut challenge = challenge;
        challenge.metadata.deletion_timestamp = Some(Timestamp::UNIX_EPOCH.into());
        challenge
    }

    const OLD: &str = LEGACY_FINALIZER;
    const NEW: &str = QUALIFIED_FINALIZER;

    #[test]
    fn steps_of_1_7() {
        for (challenge, want) in [
            (of(false, State::Unset, &[OLD]), Step::Nothing),
            (of(true, State::Unset, &[OLD]), Step::FetchState),
            (of(true, State::Pending, &[OLD]), Step::Solve),
            (of(true, State::Valid, &[OLD]), Step::Finish),
            (deleted(of(true, State::Pending, &[])), Step::Nothing),
            (deleted(of(true, State::Pending, &[OLD, "other"])), Step::Release),
            (deleted(of(true, State::Pending, &["other", OLD])), Step::Nothing),
        ] {
            assert_eq!(step(&challenge, &V1_7), want, "{challenge:?}");
        }
    }

    #[test]
    fn since_1_16_the_finalizer_is_put_on_when_processing_starts() {
        for (compat, challenge, want) in [
            (&V1_16, of(false, State::Unset, &[]), Step::Nothing),
            (&V1_16, of(true, State::Unset, &[]), Step::AddFinalizer),
            (&V1_16, of(true, State::Unset, &[OLD]), Step::FetchState),
            (&V1_16, of(true, State::Unset, &[NEW]), Step::FetchState),
            (&V1_21, of(true, State::Unset, &[]), Step::AddFinalizer),
            // The older one is replaced.
            (&V1_21, of(true, State::Unset, &[OLD]), Step::AddFinalizer),
            (&V1_21, of(true, State::Unset, &[OLD, NEW]), Step::AddFinalizer),
            (&V1_21, of(true, State::Unset, &[NEW]), Step::FetchState),
        ] {
            assert_eq!(step(&challenge, compat), want, "{} {challenge:?}", compat.release);
        }
    }

    #[test]
    fn in_1_21_what_is_decided_or_deleted_is_cleaned_up_in_one_place_and_then_settled() {
        for (challenge, want) in [
            (of(true, State::Valid, &[NEW]), Step::CleanUp),
            (of(false, State::Invalid, &[OLD]), Step::CleanUp),
            (of(true, State::Valid, &[]), Step::Settle),
            (deleted(of(true, State::Pending, &["other", NEW])), Step::CleanUp),
            (deleted(of(true, State::Pending, &["other"])), Step::Settle),
        ] {
            assert_eq!(step(&challenge, &V1_21), want, "{challenge:?}");
        }
    }

    #[test]
    fn what_an_error_means_depends_on_the_release_only_when_it_is_not_the_cas_word() {
        let problem = |type_: &str, status| {
            let type_ = format!("urn:ietf:params:acme:error:{type_}");
            AcmeError::Problem(Problem { type_, status, ..Problem::default() })
        };
        use Verdict::{Again, Ended, Expired, Refused};
        for (error, v1_7, v1_16, v1_21) in [
            (problem("malformed", 400), Expired, Expired, Expired),
            (problem("unauthorized", 403), Refused, Refused, Refused),
            (problem("rateLimited", 429), Refused, Refused, Refused),
            (problem("serverInternal", 500), Again, Again, Again),
            (AcmeError::Deadline, Again, Ended, Again),
            (AcmeError::Malformed("invalid response".into()), Again, Ended, Ended),
        ] {
            for (compat, want) in [(&V1_7, v1_7), (&V1_16, v1_16), (&V1_21, v1_21)] {
                assert_eq!(judge(&error, compat.transient_error), want, "{} {error}", compat.release);
            }
        }
    }

    #[test]
    fn a_wait_instead_of_the_self_check_counts_from_the_presentation_and_is_looked_at_each_10_s() {
        let mut challenge = Challenge::default();
        let at = |secs: u64| Timestamp::UNIX_EPOCH + Duration::from_secs(secs);
        let presented = Some(Time::new(at(100)));
        let of = |challenge: &Challenge, now, compat| readiness(challenge, presented, now, compat);
        assert_eq!(of(&challenge, at(100), &V1_21), Readiness::Check, "no wait is set");
        challenge.spec.solver.wait_instead_of_self_check = Some(Duration::from_secs(30).into());
        assert_eq!(of(&challenge, at(100), &V1_7), Readiness::Check, "the release does not know it");
        let wait = |again, rest: &str| Readiness::Wait {
            again,
            reason: format!("Waiting {rest} before accepting HTTP-01 challenge without self-check"),
        };
        let ten = Duration::from_secs(10);
        assert_eq!(of(&challenge, at(101), &V1_21), wait(ten, "29s"));
        let late = at(123) + Duration::from_nanos(1);
        assert_eq!(of(&challenge, late, &V1_21), wait(Duration::from_nanos(6_999_999_999), "6.999999999s"));
        assert_eq!(of(&challenge, at(130), &V1_21), Readiness::Ready);
        let mended = Compat { stable_wait_reason: true, ..V1_21 };
        assert_eq!(of(&challenge, late, &mended), wait(Duration::from_nanos(6_999_999_999), "30s"));
    }
}

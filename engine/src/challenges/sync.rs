//! The challenges controller's sync: one look at a Challenge, the steps that follow from it, one status write.

use super::FINALIZER;
use super::solvers::Solvers;
use crate::acme::{AcmeClient, AcmeClients, AcmeError};
use crate::api::{Challenge, ChallengeStatus, Kind, ObjectKey, Resource as _, State};
use crate::controller::{Context, Reconcile, SyncError, SyncResult, not_in_cache};
use crate::informer::Lister;
use crate::log::{Logger, catalogue as msg};
use crate::queue::WorkQueue;
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
    /// It is being deleted: clean up, then let it go.
    Release,
    /// Another finalizer is before ours, or the scheduler has not let it start.
    Nothing,
    /// It is decided: clean up.
    Finish,
    /// The CA's state of it is not known.
    FetchState,
    /// Present (unless done), check, accept.
    Solve,
}

fn step(challenge: &Challenge) -> Step {
    if challenge.metadata.deletion_timestamp.is_some() {
        let ours = challenge.metadata.finalizers.first().is_some_and(|f| f == FINALIZER);
        return if ours { Step::Release } else { Step::Nothing };
    }
    if !challenge.status.processing {
        Step::Nothing
    } else if challenge.status.state.is_final() {
        Step::Finish
    } else if challenge.status.state == State::Unset {
        Step::FetchState
    } else {
        Step::Solve
    }
}

impl Challenges {
    pub(super) fn new(context: &Context, clients: &AcmeClients, queue: &WorkQueue) -> Self {
        let challenges = context.informers.lister();
        Challenges {
            context: context.clone(),
            clients: clients.clone(),
            queue: queue.clone(),
            challenges,
            solvers: Solvers::new(context, clients),
        }
    }

    async fn process(&self, log: &Logger, challenge: &Challenge, status: &mut ChallengeStatus) -> SyncResult {
        match step(challenge) {
            Step::Release | Step::Nothing => Ok(()),
            Step::Finish => {
                if challenge.status.presented
                    && let Err(error) = self.solvers.clean_up(challenge).await
                {
                    let text = format!("Error cleaning up challenge: {error}");
                    self.context.recorder.warning(challenge, "CleanUpError", &text);
                    log.error(&msg::CLEAN_UP_FAILED, Some(&error.to_string()), &[]);
                    return Err(error);
                }
                status.presented = false;
                status.processing = false;
                Ok(())
            }
            Step::FetchState => {
                let client = self.client(challenge)?;
                let fetched = client.get_authorization(&challenge.spec.authorization_url).await;
                match fetched {
                    Ok(authorization) => {
                        let own = authorization.challenges.iter().find(|c| c.url == challenge.spec.url);
                        let missing = || SyncError::other("challenge was not present in authorization");
                        status.state = own.ok_or_else(missing)?.status;
                        Ok(())
                    }
                    Err(error) => absorb(status, &error, "Failed to retrieve Order resource"),
                }
            }
            Step::Solve => self.solve(log, challenge, status).await,
        }
    }

    async fn solve(&self, log: &Logger, challenge: &Challenge, status: &mut ChallengeStatus) -> SyncResult {
        if !challenge.status.presented {
            if let Err(error) = self.solvers.present(log, challenge).await {
                let text = format!("Error presenting challenge: {error}");
                self.context.recorder.warning(challenge, "PresentError", &text);
                status.reason = error.to_string();
                return Err(error);
            }
            status.presented = true;
            let text = format!("Presented challenge using {} challenge mechanism", challenge.spec.type_);
            self.context.recorder.normal(challenge, "Presented", &text);
        }
        if let Err(error) = self.solvers.check(log, challenge).await {
            log.error(&msg::PROPAGATION_CHECK_FAILED, Some(&error.to_string()), &[]);
            status.reason = format!("Waiting for {} challenge propagation: {error}", challenge.spec.type_);
            self.queue.add_after(challenge.key(), self.context.compat.challenge_recheck);
            return Ok(());
        }
        self.accept(&log.with_name("acceptChallenge"), challenge, status).await
    }

    async fn accept(&self, log: &Logger, challenge: &Challenge, status: &mut ChallengeStatus) -> SyncResult {
        let client = self.client(challenge)?;
        match client.accept(&challenge.spec.url).await {
            // The CA's state of the challenge counts from now on; Boulder's is still pending here.
            Ok(accepted) => status.state = accepted.status,
            Err(error) => {
                log.error(&msg::ACCEPT_FAILED, Some(&error.to_string()), &[]);
                status.reason = format!("Error accepting challenge: {error}");
                return absorb(status, &error, "Failed to retrieve Order resource");
            }
        }
        self.context.world.work(place("challenges/accepted")).await;
        match client.wait_authorization(&challenge.spec.authorization_url).await {
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
                absorb(status, &error, "Failed to retrieve Order resource")
            }
        }
    }

    /// Cleans up if need be, writes the status, and takes our finalizer away, upon which the object goes. In this
    /// release an error of the clean-up is logged and forgotten.
    async fn release(&self, log: &Logger, challenge: &Challenge) -> SyncResult {
        if challenge.status.processing
            && let Err(error) = self.solvers.clean_up(challenge).await
        {
            let text = format!("Error cleaning up challenge: {error}");
            self.context.recorder.warning(challenge, "CleanUpError", &text);
            log.error(&msg::CLEAN_UP_FAILED, Some(&error.to_string()), &[]);
        }
        let written = self.context.client.update_status(challenge, |c| c.status.processing = false).await?;
        let mut released = written.as_ref().clone();
        released.metadata.finalizers.remove(0);
        self.context.client.update(released).await?;
        Ok(())
    }

    fn client(&self, challenge: &Challenge) -> Result<AcmeClient, SyncError> {
        self.clients.get(&challenge.spec.issuer_ref, &challenge.metadata.namespace)
    }
}

/// What the CA's error means for a Challenge: `malformed` says that it is over, another 4xx that it cannot be;
/// anything else (5xx, network, a time limit) is for the requeue, with the state kept.
fn absorb(status: &mut ChallengeStatus, error: &AcmeError, what: &str) -> SyncResult {
    let problem = error.problem();
    if problem.is_some_and(|p| p.is("malformed")) {
        status.state = State::Expired;
        return Ok(());
    }
    if error.is_bad_request() {
        status.state = State::Errored;
        status.reason = format!("{what}: {error}");
        return Ok(());
    }
    Err(SyncError::other(error))
}

impl Reconcile for Challenges {
    async fn sync(&self, key: &ObjectKey) -> SyncResult {
        let Some(challenge) = self.challenges.get(key) else {
            self.context.log.error(&msg::CHALLENGE_GONE, Some(&not_in_cache(Kind::Challenge, key)), &[]);
            return Ok(());
        };
        let type_ = challenge.spec.type_.as_str();
        let log = self.context.log.with_value("dnsName", challenge.spec.dns_name.clone());
        let log = log.with_value("type", type_).with_resource(challenge.as_ref());
        if step(&challenge) == Step::Release {
            return self.release(&log, &challenge).await;
        }
        let mut status = challenge.status.clone();
        let result = self.process(&log, &challenge, &mut status).await;
        if status == challenge.status {
            return result;
        }
        let write =
            self.context.client.update_status(challenge.as_ref(), |c| c.status.clone_from(&status)).await;
        match (result, write) {
            (result, Ok(_)) => result,
            (Ok(()), Err(lost)) => Err(lost.into()),
            (Err(first), Err(lost)) => Err(SyncError::Other(format!("[{first}, {lost}]"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acme::Problem;

    #[test]
    fn steps() {
        let of = |processing, state| {
            let status = ChallengeStatus { processing, state, ..ChallengeStatus::default() };
            Challenge { status, ..Challenge::default() }
        };
        assert_eq!(step(&of(false, State::Unset)), Step::Nothing);
        assert_eq!(step(&of(true, State::Unset)), Step::FetchState);
        assert_eq!(step(&of(true, State::Pending)), Step::Solve);
        assert_eq!(step(&of(true, State::Valid)), Step::Finish);
        let mut deleted = of(true, State::Pending);
        deleted.metadata.deletion_timestamp = Some(world::Timestamp::UNIX_EPOCH.into());
        assert_eq!(step(&deleted), Step::Nothing);
        deleted.metadata.finalizers = vec![FINALIZER.into(), "other".into()];
        assert_eq!(step(&deleted), Step::Release);
        deleted.metadata.finalizers.reverse();
        assert_eq!(step(&deleted), Step::Nothing);
    }

    #[test]
    fn problems_end_a_challenge_and_time_limits_do_not() {
        let problem = |type_: &str, status| {
            let type_ = format!("urn:ietf:params:acme:error:{type_}");
            AcmeError::Problem(Problem { type_, status, ..Problem::default() })
        };
        for (error, state, kept) in [
            (problem("malformed", 400), State::Expired, true),
            (problem("unauthorized", 403), State::Errored, true),
            (problem("serverInternal", 500), State::Pending, false),
            (AcmeError::Deadline, State::Pending, false),
        ] {
            let mut status = ChallengeStatus { state: State::Pending, ..ChallengeStatus::default() };
            assert_eq!(absorb(&mut status, &error, "x").is_ok(), kept, "{error}");
            assert_eq!(status.state, state, "{error}");
        }
    }
}

//! Leader election: of several processes one works, the others wait (client-go's `leaderelection`).
//!
//! The lock is a Lease that its holder renews. Nobody trusts another's clock: a process counts the lease from when it
//! *saw* the record change, by its own monotonic clock. A holder that cannot renew in time ends its process, and what
//! it had in memory with it. Between another's taking over and the holder's noticing both may write; what keeps that
//! harmless is the resourceVersion on every write, as in reality.
//!
//! Up to 1.7 the release locks a ConfigMap besides the Lease (for older versions of itself); that one is left out.

use std::time::Duration;

use world::{Instant, Timestamp, World};

use crate::api::{Lease, LeaseSpec, MicroTime, ObjectKey, ObjectMeta};
use crate::client::Client;
use crate::compat::LeaderElection;
use crate::log::{Logger, catalogue as msg};
use crate::recorder::Recorder;
use crate::store::ApiError;

/// Name of the lock.
pub const LOCK_NAME: &str = "cert-manager-controller";

/// How much longer than the retry period a process that waits may wait, so that those who wait do not ask all at once.
const JITTER_PERCENT: u64 = 120;

/// That a process takes part in an election, and as whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The process among its likes: the pod's name.
    pub identity: String,
    /// Where the lock is (`--leader-election-namespace`).
    pub namespace: String,
}

/// The record as this process last saw it change, and when that was.
#[derive(Debug, Default)]
struct Observed {
    record: Option<LeaseSpec>,
    at: Instant,
}

/// What to do about the lock.
#[derive(Debug, PartialEq, Eq)]
enum Decision {
    /// There is none: make it.
    Create,
    /// Somebody else holds it.
    Wait,
    /// It is free, or its holder has not been heard of for too long.
    Take,
    /// It is ours: say that we are there.
    Renew,
}

fn decide(me: &str, observed: &Observed, now: Instant, lease: Duration) -> Decision {
    match &observed.record {
        None => Decision::Create,
        Some(record) if record.holder_identity == me => Decision::Renew,
        Some(record) if !record.holder_identity.is_empty() && observed.at + lease > now => Decision::Wait,
        Some(_) => Decision::Take,
    }
}

/// The record that a decision writes. Who renews keeps the time of acquisition and the count of holders.
fn record(me: &str, old: Option<&LeaseSpec>, now: Timestamp, lease: Duration) -> LeaseSpec {
    let now = MicroTime::new(now);
    let ours = old.filter(|old| old.holder_identity == me);
    LeaseSpec {
        holder_identity: me.to_owned(),
        lease_duration_seconds: u32::try_from(lease.as_secs()).unwrap_or(u32::MAX),
        acquire_time: ours.and_then(|old| old.acquire_time).or(Some(now)),
        renew_time: Some(now),
        lease_transitions: match (ours, old) {
            (Some(ours), _) => ours.lease_transitions,
            (None, Some(old)) => old.lease_transitions + 1,
            (None, None) => 0,
        },
    }
}

/// A process in an election.
pub(crate) struct Elector {
    world: World,
    client: Client,
    recorder: Recorder,
    log: Logger,
    times: LeaderElection,
    candidate: Candidate,
    observed: Observed,
}

impl Elector {
    pub(crate) fn new(
        world: &World,
        client: Client,
        recorder: &Recorder,
        log: &Logger,
        times: LeaderElection,
        candidate: Candidate,
    ) -> Self {
        Elector {
            world: world.clone(),
            client,
            recorder: recorder.clone(),
            log: log.clone(),
            times,
            candidate,
            observed: Observed::default(),
        }
    }

    fn key(&self) -> ObjectKey {
        ObjectKey::new(self.candidate.namespace.as_str(), LOCK_NAME)
    }

    fn say(&self, message: &crate::log::Message, end: &str) {
        self.log.plain(message, format!("{}{}{end}", message.text, self.key()));
    }

    /// Waits until this process holds the lock.
    pub(crate) async fn acquire(&mut self) {
        self.say(&msg::LEADER_ATTEMPT, "...");
        let rng = self.world.rng(&format!("leader election {}", self.candidate.identity));
        while !self.attempt().await {
            let most = u64::try_from(self.times.retry.as_nanos()).unwrap_or(u64::MAX) / 100 * JITTER_PERCENT;
            let jitter = Duration::from_nanos(rng.below(most.max(1)));
            self.world.sleep(self.times.retry + jitter).await;
        }
        self.say(&msg::LEADER_ACQUIRED, "");
    }

    /// Keeps the lock; returns when it is lost.
    pub(crate) async fn renew(&mut self) {
        let (world, times) = (self.world.clone(), self.times);
        loop {
            world.sleep(times.retry).await;
            let renewing = async {
                while !self.attempt().await {
                    world.sleep(times.retry).await;
                }
            };
            if world.timeout(times.renew_deadline, renewing).await.is_err() {
                self.say(&msg::LEADER_NOT_RENEWED, ": timed out waiting for the condition");
                return;
            }
        }
    }

    /// One try to get or to keep the lock; an error of the API server is a try that failed.
    async fn attempt(&mut self) -> bool {
        self.try_once().await.unwrap_or(false)
    }

    async fn try_once(&mut self) -> Result<bool, ApiError> {
        let key = self.key();
        let stored = match self.client.get::<Lease>(&key).await {
            Ok(lease) => Some(lease.as_ref().clone()),
            Err(ApiError::NotFound { .. }) => None,
            Err(error) => return Err(error),
        };
        let now = self.world.monotonic();
        let seen = stored.as_ref().map(|lease| lease.spec.clone());
        if self.observed.record != seen {
            self.observed = Observed { record: seen, at: now };
        }
        let me = self.candidate.identity.as_str();
        let decision = decide(me, &self.observed, now, self.times.lease);
        let record = record(me, self.observed.record.as_ref(), self.world.now(), self.times.lease);
        let written = match (decision, stored) {
            (Decision::Wait, _) => return Ok(false),
            (_, None) => {
                let metadata = ObjectMeta::named(&key);
                self.client.create(Lease { metadata, spec: record }).await?
            }
            // Guarded by the version that was read: of two who take it one loses.
            (_, Some(lease)) => self.client.update(Lease { spec: record, ..lease }).await?,
        };
        let was_ours = self.observed.record.as_ref().is_some_and(|r| r.holder_identity == me);
        if !was_ours {
            self.recorder.normal(written.as_ref(), "LeaderElection", &format!("{me} became leader"));
        }
        self.observed = Observed { record: Some(written.spec.clone()), at: self.world.monotonic() };
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(60);

    fn observed(holder: &str) -> Observed {
        let record = LeaseSpec { holder_identity: holder.into(), ..LeaseSpec::default() };
        Observed { record: Some(record), at: Instant::default() }
    }

    #[test]
    fn a_lock_is_taken_when_its_holder_has_not_been_seen_to_renew_it_for_the_lease() {
        let after = |secs| Instant::default() + Duration::from_secs(secs);
        assert_eq!(decide("a", &Observed::default(), after(0), LEASE), Decision::Create);
        assert_eq!(decide("a", &observed("a"), after(1000), LEASE), Decision::Renew);
        assert_eq!(decide("a", &observed("b"), after(59), LEASE), Decision::Wait);
        assert_eq!(decide("a", &observed("b"), after(60), LEASE), Decision::Take);
        // It was given back.
        assert_eq!(decide("a", &observed(""), after(0), LEASE), Decision::Take);
    }

    #[test]
    fn a_renewal_keeps_when_it_was_acquired_and_a_taking_over_counts() {
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let first = record("a", None, at("2022-01-01T00:00:00Z"), LEASE);
        assert_eq!((first.lease_transitions, first.lease_duration_seconds), (0, 60));
        let renewed = record("a", Some(&first), at("2022-01-01T00:00:15Z"), LEASE);
        assert_eq!((renewed.acquire_time, renewed.lease_transitions), (first.acquire_time, 0));
        let taken = record("b", Some(&renewed), at("2022-01-01T00:02:00Z"), LEASE);
        assert_eq!((taken.acquire_time, taken.lease_transitions), (taken.renew_time, 1));
    }
}

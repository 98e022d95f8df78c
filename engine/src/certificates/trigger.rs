//! certificates-trigger: sets `Issuing` when a Certificate must be issued, now or at its renewal time.

use std::sync::Arc;
use std::time::Duration;

use world::Timestamp;

use super::policies::{Input, Violation, must_be_issued};
use super::{CONDITION_ISSUING, Caches, begin, next_revision, requests_of, target_secret};
use crate::api::{Certificate, CertificateRequest, ConditionStatus, Kind, ObjectKey, Secret};
use crate::conditions::{self, is_true, put, transition};
use crate::controller::{self, Context, Reconcile, SyncError, SyncResult};
use crate::log::catalogue as msg;
use crate::pki;
use crate::queue::ScheduledQueue;
use crate::work::place;

const NAME: &str = "certificates-trigger";

struct Trigger {
    context: Context,
    caches: Caches,
    scheduled: ScheduledQueue,
}

pub(crate) fn start(context: &Context) {
    let (context, caches, queue) = begin(context, NAME, &[Kind::CertificateRequest]);
    controller::watch_named_secrets(&context, NAME, &queue, "spec.secretName", |c| Some(&c.spec.secret_name));
    let scheduled = ScheduledQueue::new(&context.world, NAME, &queue);
    let trigger = Trigger { context: context.clone(), caches, scheduled };
    controller::start(&context, NAME, &queue, Arc::new(trigger));
}

/// What is known of one Certificate.
struct Snapshot {
    certificate: Arc<Certificate>,
    secret: Option<Arc<Secret>>,
    current_request: Option<Arc<CertificateRequest>>,
    next_request: Option<Arc<CertificateRequest>>,
}

/// How a failed issuance holds back the next one.
#[derive(Debug, PartialEq, Eq)]
enum Backoff {
    No,
    /// Wait this long; whether a next request was there to compare with.
    Wait {
        rest: Duration,
        compared: bool,
    },
}

/// A failed issuance waits, unless the user has changed the specification since.
fn backoff(snapshot: &Snapshot, wait: Duration, now: Timestamp) -> Backoff {
    let Some(failed) = snapshot.certificate.status.last_failure_time else { return Backoff::No };
    let until = failed.timestamp() + wait;
    if now >= until {
        return Backoff::No;
    }
    let rest = until.since(now);
    match &snapshot.next_request {
        None => Backoff::Wait { rest, compared: false },
        Some(request) => match pki::request_violations(&request.spec, &snapshot.certificate.spec) {
            Ok(violations) if violations.is_empty() => Backoff::Wait { rest, compared: true },
            _ => Backoff::No,
        },
    }
}

impl Trigger {
    fn snapshot(&self, certificate: Arc<Certificate>) -> Result<Snapshot, SyncError> {
        let only = |revision: Option<u64>, which: &str| {
            let Some(revision) = revision else { return Ok(None) };
            let found = requests_of(&self.caches.requests, &certificate, revision);
            if found.len() > 1 {
                return Err(SyncError::Other(format!(
                    "multiple CertificateRequests were found for the '{which}' revision {revision}, issuance is \
                     skipped until there are no more duplicates"
                )));
            }
            Ok(found.into_iter().next())
        };
        Ok(Snapshot {
            current_request: only(certificate.status.revision, "current")?,
            next_request: only(Some(next_revision(&certificate)), "next")?,
            secret: target_secret(&self.caches.secrets, &certificate),
            certificate,
        })
    }

    async fn issue(
        &self,
        log: &crate::log::Logger,
        certificate: &Certificate,
        Violation { reason, message }: Violation,
    ) -> SyncResult {
        let world = &self.context.world;
        log.info(&msg::MUST_BE_REISSUED, &[("reason", reason.into()), ("message", message.as_str().into())]);
        world.work(place("certificates-trigger/issue")).await;
        let wanted = conditions::new(CONDITION_ISSUING, ConditionStatus::True, reason, message.clone());
        let condition = transition(world, log, certificate, wanted).await;
        let write = self.context.client.update_status(certificate, |c| put(c, &condition)).await;
        write?;
        self.context.recorder.normal(certificate, "Issuing", &message);
        Ok(())
    }
}

impl Reconcile for Trigger {
    async fn sync(&self, key: &ObjectKey) -> SyncResult {
        let Some(certificate) = self.caches.certificates.get(key) else { return Ok(()) };
        if is_true(certificate.as_ref(), CONDITION_ISSUING) {
            return Ok(());
        }
        let snapshot = self.snapshot(certificate)?;
        let now = self.context.world.now();
        let log = self.context.log.with_value("key", key.to_string());
        if let Backoff::Wait { rest, compared } =
            backoff(&snapshot, self.context.compat.failed_issuance.base, now)
        {
            if !compared {
                log.info(&msg::NEXT_REQUEST_NOT_AVAILABLE, &[]);
            }
            let nanos = u64::try_from(rest.as_nanos()).unwrap_or(u64::MAX);
            log.info(&msg::NOT_REISSUING, &[("retry_delay", nanos.into())]);
            self.scheduled.add(key.clone(), rest);
            return Ok(());
        }
        if let Some(renewal) = snapshot.certificate.status.renewal_time
            && renewal.timestamp() > now
        {
            self.scheduled.add(key.clone(), renewal.timestamp().since(now));
        }
        let input = Input {
            certificate: &snapshot.certificate,
            secret: snapshot.secret.as_deref(),
            current_request: snapshot.current_request.as_deref(),
            now,
        };
        match must_be_issued(&input) {
            None => Ok(()),
            Some(violation) => self.issue(&log, &snapshot.certificate, violation).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Time;

    #[test]
    fn a_failure_holds_the_next_issuance_back_for_an_hour() {
        let hour = Duration::from_secs(3600);
        let at = |secs| Timestamp::from_unix_secs(secs);
        let mut certificate = Certificate::default();
        certificate.status.last_failure_time = Some(Time::new(at(1000)));
        let snapshot = Snapshot {
            certificate: Arc::new(certificate),
            secret: None,
            current_request: None,
            next_request: None,
        };
        assert_eq!(
            backoff(&snapshot, hour, at(1600)),
            Backoff::Wait { rest: Duration::from_secs(3000), compared: false }
        );
        assert_eq!(backoff(&snapshot, hour, at(4600)), Backoff::No);
    }
}

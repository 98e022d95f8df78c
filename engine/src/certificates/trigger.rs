//! certificates-trigger: sets `Issuing` when a Certificate must be issued, now or at its renewal time.

use std::sync::Arc;
use std::time::Duration;

use world::{Reading, Timestamp};

use super::ownership::owns_secret;
use super::policies::{Input, Violation, WINDOW_ERROR, must_be_issued};
use super::readings::Readings;
use super::{
    BY_TARGET, CONDITION_ISSUING, Caches, begin, next_revision, requests_of, target_key, target_secret,
    watch_target_secrets,
};
use crate::api::{Certificate, CertificateRequest, Condition, ConditionStatus, Kind, ObjectKey, Secret};
use crate::compat::Compat;
use crate::conditions::{self, is_true, put, transition};
use crate::controller::{self, Context, Reconcile, SyncError, SyncResult};
use crate::log::{Logger, catalogue as msg};
use crate::pki;
use crate::queue::ScheduledQueue;
use crate::work::place;

pub(super) const NAME: &str = "certificates-trigger";

struct Trigger {
    context: Context,
    caches: Caches,
    scheduled: ScheduledQueue,
}

pub(crate) fn start(context: &Context) {
    let (context, caches, queue) = begin(context, NAME, &[Kind::CertificateRequest]);
    watch_target_secrets(&context, NAME, &queue);
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

/// What the trigger finds out about a failed issuance: whether it holds back the next one.
#[derive(Debug, PartialEq, Eq)]
enum Backoff {
    /// There was none, or the back-off is switched off.
    No,
    /// It is too long ago.
    Over,
    /// The user has changed the specification since.
    Changed(Vec<&'static str>),
    /// The request that it made cannot be read.
    Unreadable,
    /// The next one waits this long.
    Wait(Duration),
}

/// Until when an issuance that failed at `failed`, as the `failures`-th in a row, holds the next one back; `None` when
/// the back-off is switched off. Releases that do not count failures say 0.
pub fn held_until(compat: &Compat, failed: Timestamp, failures: u32) -> Option<Timestamp> {
    let backoff = compat.failed_issuance;
    (!backoff.base.is_zero()).then(|| failed + backoff.wait(failures.max(1)))
}

fn backoff(snapshot: &Snapshot, readings: &Readings, compat: &Compat, now: Timestamp) -> Backoff {
    let status = &snapshot.certificate.status;
    let Some(failed) = status.last_failure_time else { return Backoff::No };
    if let Some(request) = &snapshot.next_request {
        let asked = readings.request(request);
        let spec = &snapshot.certificate.spec;
        let differing = |csr| pki::request_violations(&request.spec, csr, spec, compat);
        match asked.as_ref().as_ref().map_err(Clone::clone).and_then(differing) {
            Err(_) => return Backoff::Unreadable,
            Ok(fields) if !fields.is_empty() => return Backoff::Changed(fields),
            Ok(_) => {}
        }
    }
    let failures = status.failed_issuance_attempts.unwrap_or_default();
    let Some(until) = held_until(compat, failed.timestamp(), failures) else { return Backoff::No };
    if now >= until { Backoff::Over } else { Backoff::Wait(until.since(now)) }
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

    fn owns_secret(&self, certificate: &Certificate) -> bool {
        let rivals = self.caches.certificates.indexed(BY_TARGET, target_key(certificate).as_str());
        let rivals: Vec<&Certificate> = rivals.iter().map(AsRef::as_ref).collect();
        owns_secret(certificate, &rivals, target_secret(&self.caches.secrets, certificate).as_deref())
    }

    /// How long the issuance has to wait because one has failed, with the lines that tell of it.
    fn hold_back(&self, log: &Logger, snapshot: &Snapshot, now: Timestamp) -> Option<Duration> {
        let compat = &self.context.compat;
        let failed = snapshot.certificate.status.last_failure_time?;
        if snapshot.next_request.is_none() {
            log.info(&msg::NEXT_REQUEST_NOT_AVAILABLE, &[]);
        }
        match backoff(snapshot, &self.caches.readings, compat, now) {
            Backoff::No => log.info(&msg::BACKOFF_DISABLED, &[]),
            Backoff::Unreadable => log.info(&msg::NEXT_REQUEST_UNREADABLE, &[]),
            Backoff::Changed(fields) => {
                log.info(&msg::NEXT_REQUEST_DIFFERS, &[("mismatches", fields.into())]);
            }
            Backoff::Over => {
                let since = nanos(now.since(failed.timestamp()));
                log.info(&msg::FAILED_LONG_AGO, &[("since_failure", since.into())]);
            }
            Backoff::Wait(rest) => {
                if compat.counts_failures {
                    let Reading { wall, since_start } = self.context.world.reading();
                    let at = Reading { wall: wall + rest, since_start: since_start + rest };
                    let text = format!("{} {}", msg::BACKING_OFF.text, at.go_string());
                    log.info_text(&msg::BACKING_OFF, &text, &[]);
                } else {
                    log.info(&msg::NOT_REISSUING, &[("retry_delay", nanos(rest).into())]);
                }
                return Some(rest);
            }
        }
        None
    }

    /// Windows that cannot be kept do not keep a certificate from being renewed; an event tells of them.
    fn without_windows(&self, certificate: &Certificate, violation: Violation) -> Violation {
        if violation.reason != WINDOW_ERROR {
            return violation;
        }
        let text =
            format!("Renewing certificate without satisfying renewal windows due to {}", violation.message);
        self.context.recorder.warning(certificate, WINDOW_ERROR, &text);
        let at = certificate.status.renewal_time.map_or("<nil>".to_owned(), |t| t.timestamp().go_string());
        let message = format!("Renewing certificate without satisfying renewal windows at: {at}");
        Violation { reason: "Renewing", message }
    }

    async fn issue(
        &self,
        log: &Logger,
        certificate: &Certificate,
        Violation { reason, message }: Violation,
    ) -> SyncResult {
        let world = &self.context.world;
        log.info(&msg::MUST_BE_REISSUED, &[("reason", reason.into()), ("message", message.as_str().into())]);
        world.work(place("certificates-trigger/issue")).await;
        let wanted = conditions::new(CONDITION_ISSUING, ConditionStatus::True, reason, message.clone());
        let wanted = Condition { observed_generation: certificate.metadata.generation, ..wanted };
        let condition = transition(world, log, certificate, wanted).await;
        let write = self.context.client.update_status(certificate, |c| put(c, &condition)).await;
        write?;
        self.context.recorder.normal(certificate, "Issuing", &message);
        Ok(())
    }
}

impl Reconcile for Trigger {
    async fn sync(&self, key: &ObjectKey) -> SyncResult {
        let Some(certificate) = self.caches.certificate(key) else { return Ok(()) };
        if is_true(certificate.as_ref(), CONDITION_ISSUING) {
            return Ok(());
        }
        let log = self.context.log.with_key(key);
        if let Some(period) = self.context.compat.secret_ownership
            && !self.owns_secret(&certificate)
        {
            self.scheduled.add(key.clone(), period);
            return Ok(());
        }
        let snapshot = self.snapshot(certificate)?;
        let now = self.context.world.now();
        if let Some(rest) = self.hold_back(&log, &snapshot, now) {
            self.scheduled.add(key.clone(), rest);
            return Ok(());
        }
        if let Some(renewal) = snapshot.certificate.status.renewal_time
            && renewal.timestamp() > now
        {
            self.scheduled.add(key.clone(), renewal.timestamp().since(now));
        }
        let input = Input {
            compat: &self.context.compat,
            certificate: &snapshot.certificate,
            secret: snapshot.secret.as_deref(),
            current_request: snapshot.current_request.as_deref(),
            now,
            readings: &self.caches.readings,
        };
        match must_be_issued(&input) {
            None => Ok(()),
            Some(violation) => {
                let violation = self.without_windows(&snapshot.certificate, violation);
                self.issue(&log, &snapshot.certificate, violation).await
            }
        }
    }
}

fn nanos(d: Duration) -> u64 {
    u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Time;
    use crate::compat::{V1_7, V1_21};

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_unix_secs(secs)
    }

    fn snapshot(failures: Option<u32>, next_request: Option<CertificateRequest>) -> Snapshot {
        let mut certificate = Certificate::default();
        certificate.status.last_failure_time = Some(Time::new(at(1000)));
        certificate.status.failed_issuance_attempts = failures;
        let next_request = next_request.map(Arc::new);
        Snapshot { certificate: Arc::new(certificate), secret: None, current_request: None, next_request }
    }

    #[test]
    fn a_failure_holds_the_next_issuance_back_for_an_hour_in_1_7() {
        let wait = |failures, now| backoff(&snapshot(failures, None), &Readings::default(), &V1_7, at(now));
        assert_eq!(wait(None, 1600), Backoff::Wait(Duration::from_secs(3000)));
        assert_eq!(wait(Some(5), 1600), Backoff::Wait(Duration::from_secs(3000)));
        assert_eq!(wait(None, 4600), Backoff::Over);
    }

    #[test]
    fn failures_in_a_row_double_the_wait_up_to_32_hours() {
        let hours =
            |failures| match backoff(&snapshot(failures, None), &Readings::default(), &V1_21, at(1000)) {
                Backoff::Wait(rest) => rest.as_secs() / 3600,
                other => panic!("{other:?}"),
            };
        let waits: Vec<_> =
            [None, Some(0), Some(1), Some(2), Some(3), Some(6), Some(7), Some(99)].map(hours).to_vec();
        assert_eq!(waits, [1, 1, 1, 2, 4, 32, 32, 32]);
    }

    #[test]
    fn a_back_off_of_zero_holds_nothing_back() {
        let mut compat = V1_21;
        compat.failed_issuance.base = Duration::ZERO;
        assert_eq!(backoff(&snapshot(Some(3), None), &Readings::default(), &compat, at(1000)), Backoff::No);
    }

    #[test]
    fn a_request_that_cannot_be_read_holds_nothing_back() {
        let found = backoff(
            &snapshot(None, Some(CertificateRequest::default())),
            &Readings::default(),
            &V1_21,
            at(1000),
        );
        assert_eq!(found, Backoff::Unreadable);
    }
}

//! The engine's part: when it renews, how long it waits after a failure, and how often it repeats, by the rows and
//! the functions of the [`engine`] itself.

use std::time::Duration;

use engine::api::CertificateSpec;
use engine::compat::{Compat, Design, RELEASES, switches};
use engine::schedule;
use world::Timestamp;

use crate::error::PlanError;
use crate::plan::Policy;

/// An order takes so long at least: it is made, finalized and fetched.
const ORDER_TIME_MIN: Duration = Duration::from_secs(1);

/// The engine of a release.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) compat: Compat,
    order_time: Option<Duration>,
}

impl Engine {
    pub(crate) fn new(policy: &Policy) -> Result<Self, PlanError> {
        let runnable = || RELEASES.iter().filter(|(_, compat)| compat.design == Design::Steps);
        let found = runnable().find(|(name, _)| *name == policy.release);
        let Some((_, compat)) = found else {
            let known = runnable().map(|(name, _)| *name).collect();
            return Err(PlanError::Release { name: policy.release.clone(), known });
        };
        let mut compat = (*compat).clone();
        for (name, value) in policy.switches.iter().filter(|(_, value)| !value.is_null()) {
            switches::set(&mut compat, name, value)?;
        }
        if compat.failed_issuance.base.is_zero() {
            return Err(PlanError::NoBackoff);
        }
        Ok(Engine { compat, order_time: policy.order_time })
    }

    /// When a certificate with this span of validity is renewed; windows that cannot be kept do not hold it back.
    /// `None` is never.
    pub(crate) fn renewal_time(
        &self,
        valid: (Timestamp, Timestamp),
        spec: &CertificateSpec,
    ) -> Option<Timestamp> {
        let time = schedule::renewal_time(valid.0, valid.1, spec, &self.compat.features, None);
        time.unwrap_or_else(|without_windows| Some(without_windows.desired))
    }

    /// Until when a failure at `at`, the `failures`-th in a row, holds the next issuance back.
    pub(crate) fn held_until(&self, at: Timestamp, failures: u32) -> Timestamp {
        let failed = at.truncate_to_secs();
        schedule::held_until(&self.compat, failed, failures).unwrap_or(at).max(at)
    }

    /// The failures in a row that are counted after one more.
    pub(crate) fn counted(&self, failures: u32) -> u32 {
        if self.compat.counts_failures { failures.saturating_add(1) } else { failures }
    }

    /// How long the queue of orders waits after the `tries`-th error in a row.
    pub(crate) fn order_retry(&self, tries: u32) -> Duration {
        self.compat.backoff_acme.wait(tries)
    }

    /// The same of the queue of issuers.
    pub(crate) fn issuer_retry(&self, tries: u32) -> Duration {
        self.compat.backoff_requests.wait(tries)
    }

    /// From an order to its certificate, when a name has to be validated.
    pub(crate) fn order_time(&self, wildcard: bool) -> Duration {
        let check = self.compat.self_check;
        let pauses = if check.pause_after_last { check.passes } else { check.passes.saturating_sub(1) };
        let least = if wildcard { self.compat.dns01_settle } else { check.pause.saturating_mul(pauses) };
        self.order_time.unwrap_or(least).max(ORDER_TIME_MIN)
    }

    /// The same when every name is validated already.
    pub(crate) const fn order_time_without_challenges(&self) -> Duration {
        ORDER_TIME_MIN
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn engine(release: &str) -> Engine {
        Engine::new(&Policy { release: release.to_owned(), ..Policy::default() }).unwrap()
    }

    #[test]
    fn waits_are_those_of_the_release() {
        let at = Timestamp::from_unix_secs(1_800_000_000) + Duration::from_millis(700);
        let hours =
            |engine: &Engine, n| engine.held_until(at, n).since(at.truncate_to_secs()).as_secs() / 3600;
        let (old, new) = (engine("v1_7"), engine("v1_21"));
        assert_eq!([1, 2, 3, 9].map(|n| hours(&old, n)), [1, 2, 3, 9].map(|_| 1));
        assert_eq!([1, 2, 3, 9].map(|n| hours(&new, n)), [1, 2, 4, 32]);
        assert_eq!((old.counted(0), new.counted(0), new.counted(3)), (0, 1, 4));
        let retries = [1, 2, 9, 10, 99].map(|n| new.order_retry(n).as_secs());
        assert_eq!(retries, [5, 10, 1280, 1800, 1800]);
        assert_eq!((old.order_time(false).as_secs(), new.order_time(false).as_secs()), (10, 8));
        assert_eq!(new.order_time(true).as_secs(), 60);
    }

    #[test]
    fn releases_and_switches_that_cannot_be_run_are_errors() {
        let error = |policy: Policy| Engine::new(&policy).unwrap_err().to_string();
        let release = Policy { release: "v0_5".to_owned(), ..Policy::default() };
        assert_eq!(error(release), r#"policy.release: there is no "v0_5"; there are v1_7, v1_16, v1_21"#);
        let switch =
            |name: &str, value| Policy { switches: [(name.to_owned(), value)].into(), ..Policy::default() };
        assert_eq!(
            error(switch("ari", json!("yes"))),
            r#"policy.switches: switch "ari" takes true or false, not "yes""#
        );
        assert_eq!(error(switch("failedIssuanceBase", json!("0s"))), PlanError::NoBackoff.to_string());
    }
}

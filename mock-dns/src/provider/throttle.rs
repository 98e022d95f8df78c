//! Limits for calls: a bucket per account, by the time at which it will be full again (GCRA).

use std::collections::BTreeMap;
use std::time::Duration;

use world::Instant;

use super::config::Throttle;

/// When the bucket of each account will be full again.
#[derive(Debug, Default)]
pub(super) struct Buckets(BTreeMap<String, Instant>);

impl Buckets {
    /// Takes a call of `account` out of its bucket; an error is the time until one is in it.
    pub(super) fn take(&mut self, limit: Throttle, account: &str, now: Instant) -> Result<(), Duration> {
        let full = self.0.get(account).copied().unwrap_or(now).max(now);
        let room = limit.per_call.saturating_mul(limit.burst.max(1) - 1);
        let ahead = full.since(now);
        if ahead > room {
            return Err(ahead.saturating_sub(room));
        }
        self.0.insert(account.to_owned(), full + limit.per_call);
        Ok(())
    }
}

//! The arithmetic of one bucket: the generic cell rate algorithm, as Let's Encrypt counts with it.
//!
//! A bucket's whole state is one time, its *theoretical arrival time* (TAT): when it will be full again. All
//! numbers are whole nanoseconds. The emission interval is `period / count` with its remainder cut off, as
//! Boulder divides, and everything else is a multiple of it: so nothing drifts, and a limit whose period does
//! not divide evenly gives its tokens back early by less than a nanosecond each.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use world::{Timestamp, duration};

/// How much of something there may be: `count` tokens come back in each `period`, and `burst` is the most
/// that can be saved up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Quota {
    /// Tokens that come back in a period.
    pub count: u64,
    /// The period.
    #[serde(with = "duration::one")]
    pub period: Duration,
    /// Capacity of the bucket; the count, when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<u64>,
}

impl Quota {
    /// `count` in each `period`, all of them at once if need be.
    pub const fn per(count: u64, period: Duration) -> Self {
        Quota { count, period, burst: None }
    }

    /// With another capacity.
    #[must_use]
    pub const fn with_burst(mut self, burst: u64) -> Self {
        self.burst = Some(burst);
        self
    }
}

/// Why a quota cannot be counted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadQuota {
    /// No token ever, or none at a time.
    #[error("count and burst must be at least 1; `null` lifts the limit")]
    Zero,
    /// More tokens than nanoseconds.
    #[error("more than one token in a nanosecond")]
    TooFast,
    /// A bucket that is not full again within a century.
    #[error("an empty bucket would need more than 100 years to fill")]
    TooSlow,
}

/// A quota that can be counted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    quota: Quota,
    interval: i64,
    burst: u64,
    offset: i64,
}

/// A century, in nanoseconds.
const OFFSET_MAX: u128 = 100 * 366 * 86_400 * 1_000_000_000;

/// What a bucket says to a cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether there are enough tokens.
    pub allowed: bool,
    /// The bucket's TAT if the cost is spent; as it was, when it is not allowed.
    pub tat: Timestamp,
    /// Tokens that are left then.
    pub remaining: u64,
    /// When the same cost fits again: from now if it is not allowed, else after this one.
    pub retry_in: Duration,
    /// How long until the bucket is full.
    pub reset_in: Duration,
}

impl Rate {
    /// A rate of this quota.
    ///
    /// # Errors
    /// When it has no token, more than one in a nanosecond, or fills in more than 100 years.
    pub fn new(quota: Quota) -> Result<Self, BadQuota> {
        let burst = quota.burst.unwrap_or(quota.count);
        if quota.count == 0 || burst == 0 {
            return Err(BadQuota::Zero);
        }
        let interval = quota.period.as_nanos() / u128::from(quota.count);
        if interval == 0 {
            return Err(BadQuota::TooFast);
        }
        let offset = interval.saturating_mul(u128::from(burst));
        let (Ok(interval), Ok(offset), true) =
            (i64::try_from(interval), i64::try_from(offset), offset <= OFFSET_MAX)
        else {
            return Err(BadQuota::TooSlow);
        };
        Ok(Rate { quota, interval, burst, offset })
    }

    /// What it was made of.
    pub const fn quota(&self) -> Quota {
        self.quota
    }

    /// Capacity of the bucket.
    pub const fn burst(&self) -> u64 {
        self.burst
    }

    /// The time in which one token comes back.
    pub const fn interval(&self) -> Duration {
        Duration::from_nanos(self.interval.unsigned_abs())
    }

    /// What a bucket with this TAT says to `cost` tokens; a bucket that nobody knows is full. A cost beyond
    /// the capacity is never allowed.
    pub fn decide(&self, tat: Option<Timestamp>, now: Timestamp, cost: u64) -> Decision {
        let now = now.unix_nanos();
        let start = tat.map_or(now, |tat| tat.unix_nanos().max(now));
        let increment = self.tokens(cost);
        let next = start.saturating_add(increment);
        let room = now.saturating_add(self.offset).saturating_sub(next);
        if room < 0 {
            return Decision {
                allowed: false,
                tat: Timestamp::from_unix_nanos(start),
                remaining: self.whole(now.saturating_add(self.offset).saturating_sub(start)),
                retry_in: nanos(room.saturating_neg()),
                reset_in: nanos(start.saturating_sub(now)),
            };
        }
        Decision {
            allowed: true,
            tat: Timestamp::from_unix_nanos(next),
            remaining: self.whole(room),
            retry_in: nanos(increment.saturating_sub(room)),
            reset_in: nanos(next.saturating_sub(now)),
        }
    }

    /// The TAT after `cost` tokens were given back: never before `now`.
    pub fn refund(&self, tat: Timestamp, now: Timestamp, cost: u64) -> Timestamp {
        let back = tat.unix_nanos().saturating_sub(self.tokens(cost));
        Timestamp::from_unix_nanos(back.max(now.unix_nanos()))
    }

    /// The TAT of a bucket that has just `remaining` tokens left (at most its capacity).
    pub fn holding(&self, remaining: u64, now: Timestamp) -> Timestamp {
        now + nanos(self.tokens(self.burst.saturating_sub(remaining)))
    }

    /// The time that `cost` tokens stand for.
    fn tokens(&self, cost: u64) -> i64 {
        i64::try_from(cost).unwrap_or(i64::MAX).saturating_mul(self.interval)
    }

    /// The whole tokens in `room`.
    fn whole(&self, room: i64) -> u64 {
        u64::try_from(room.max(0) / self.interval).unwrap_or(0)
    }
}

/// Nanoseconds that may be below zero, which is no time.
fn nanos(n: i64) -> Duration {
    Duration::from_nanos(u64::try_from(n).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_secs(1_800_000_000);

    fn rate(count: u64, period: Duration) -> Rate {
        Rate::new(Quota::per(count, period)).unwrap()
    }

    #[test]
    fn fifty_in_a_week_then_one_every_202_minutes() {
        let rate = rate(50, Duration::from_secs(7 * 86_400));
        let mut tat = None;
        for left in (0..50).rev() {
            let decision = rate.decide(tat, NOW, 1);
            assert!(decision.allowed);
            assert_eq!(decision.remaining, left);
            tat = Some(decision.tat);
        }
        let denied = rate.decide(tat, NOW, 1);
        assert!(!denied.allowed);
        assert_eq!((denied.remaining, denied.retry_in), (0, Duration::from_secs(12_096)));
        assert_eq!(denied.reset_in, Duration::from_secs(7 * 86_400));
        let nearly = NOW + Duration::from_nanos(12_096_000_000_000 - 1);
        assert!(!rate.decide(tat, nearly, 1).allowed);
        let then = NOW + Duration::from_secs(12_096);
        assert!(rate.decide(tat, then, 1).allowed);
        assert!(!rate.decide(tat, then, 2).allowed);
    }

    #[test]
    fn a_period_that_does_not_divide_evenly_is_cut_to_whole_nanoseconds() {
        let rate = rate(30_000, Duration::from_secs(1));
        assert_eq!(rate.interval(), Duration::from_nanos(33_333));
        let empty = rate.decide(None, NOW, 30_000);
        assert_eq!((empty.allowed, empty.reset_in), (true, Duration::from_nanos(999_990_000)));
    }

    #[test]
    fn a_cost_beyond_the_capacity_never_fits() {
        let rate = rate(5, Duration::from_secs(5));
        let denied = rate.decide(None, NOW, 6);
        assert_eq!((denied.allowed, denied.remaining), (false, 5));
        assert!(!rate.decide(None, NOW, u64::MAX).allowed);
    }

    #[test]
    fn a_refund_does_not_overfill() {
        let rate = rate(5, Duration::from_secs(5));
        let tat = rate.decide(None, NOW, 2).tat;
        assert_eq!(rate.refund(tat, NOW, 1), NOW + Duration::from_secs(1));
        assert_eq!(rate.refund(tat, NOW, 3), NOW);
        assert_eq!(rate.holding(2, NOW), NOW + Duration::from_secs(3));
        assert_eq!(rate.holding(9, NOW), NOW);
    }

    #[test]
    fn quotas_that_cannot_be_counted_with() {
        let second = Duration::from_secs(1);
        for (quota, why) in [
            (Quota::per(0, second), BadQuota::Zero),
            (Quota::per(1, second).with_burst(0), BadQuota::Zero),
            (Quota::per(1, Duration::ZERO), BadQuota::TooFast),
            (Quota::per(2_000_000_000, second), BadQuota::TooFast),
            (Quota::per(1, 86_400 * second).with_burst(36_601), BadQuota::TooSlow),
            (Quota::per(1, second).with_burst(u64::MAX), BadQuota::TooSlow),
        ] {
            assert_eq!(Rate::new(quota), Err(why), "{quota:?}");
        }
    }

    /// A plain token bucket: a level in token-nanoseconds that grows with time up to the capacity.
    struct Bucket {
        level: i128,
        at: i128,
    }

    impl Bucket {
        fn take(&mut self, rate: &Rate, now: Timestamp, cost: u64) -> Result<u64, i128> {
            let (interval, now) = (i128::from(rate.interval), i128::from(now.unix_nanos()));
            self.level = (self.level + now - self.at).min(i128::from(rate.burst) * interval);
            self.at = now;
            let missing = i128::from(cost) * interval - self.level;
            if missing > 0 {
                return Err(missing);
            }
            self.level = -missing;
            Ok(u64::try_from(self.level / interval).unwrap())
        }
    }

    proptest! {
        #[test]
        fn it_is_a_token_bucket(
            count in 1_u64..40,
            period_ms in 1_u64..100_000,
            burst in 1_u64..60,
            steps in prop::collection::vec((0_u64..20_000_000_000, 0_u64..4), 1..80),
        ) {
            let quota = Quota::per(count, Duration::from_millis(period_ms)).with_burst(burst);
            let rate = Rate::new(quota).unwrap();
            let mut model = Bucket { level: i128::from(rate.offset), at: i128::from(NOW.unix_nanos()) };
            let (mut now, mut tat) = (NOW, None);
            for (pause, cost) in steps {
                now = now + Duration::from_nanos(pause);
                let decision = rate.decide(tat, now, cost);
                match model.take(&rate, now, cost) {
                    Ok(left) => {
                        prop_assert!(decision.allowed);
                        prop_assert_eq!(decision.remaining, left);
                        tat = Some(decision.tat);
                    }
                    Err(missing) => {
                        prop_assert!(!decision.allowed);
                        prop_assert_eq!(decision.retry_in.as_nanos(), missing.unsigned_abs());
                        if cost <= burst {
                            prop_assert!(rate.decide(tat, now + decision.retry_in, cost).allowed);
                        }
                    }
                }
            }
        }

        #[test]
        fn no_number_overflows(count: u64, period: u64, burst: u64, tat: i64, now: i64, cost: u64) {
            let quota = Quota::per(count, Duration::from_nanos(period)).with_burst(burst);
            if let Ok(rate) = Rate::new(quota) {
                let (tat, now) = (Timestamp::from_unix_nanos(tat), Timestamp::from_unix_nanos(now));
                let decision = rate.decide(Some(tat), now, cost);
                let _ = rate.refund(decision.tat, now, cost);
                let _ = rate.holding(cost, now);
            }
        }
    }
}

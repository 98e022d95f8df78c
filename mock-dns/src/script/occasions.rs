//! When a rule is applied: a time window, and which of the calls that fit.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A time window, and which of the calls within it that fit a rule. A call that an earlier rule was applied
/// to does not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Occasions {
    /// From this time on, counted from the start of the server.
    #[serde(with = "world::duration::one")]
    pub from: Duration,
    /// Until this time, which is no longer in; without it, for ever.
    #[serde(with = "world::duration::optional")]
    pub until: Option<Duration>,
    /// Not on the first so many.
    pub skip: u64,
    /// Of those after them, on every so manieth, the first included.
    pub every: u64,
    /// At most so often.
    pub times: Option<u64>,
}

impl Default for Occasions {
    fn default() -> Self {
        Occasions { from: Duration::ZERO, until: None, skip: 0, every: 1, times: None }
    }
}

impl Occasions {
    /// The n-th call only, counted from 1.
    pub fn nth(n: u64) -> Self {
        Occasions { skip: n.saturating_sub(1), times: Some(1), ..Occasions::default() }
    }

    /// Whether a time after the start lies in the window.
    pub(crate) fn in_window(&self, since: Duration) -> bool {
        since >= self.from && self.until.is_none_or(|until| since < until)
    }

    /// What is wrong with it.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        if self.every == 0 {
            return Err("expected `every` to be 1 or more");
        }
        if self.until.is_some_and(|until| until <= self.from) {
            return Err("expected `until` to be later than `from`");
        }
        Ok(())
    }
}

/// How often a rule's turn came.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Turns {
    pub(crate) fitted: u64,
    pub(crate) applied: u64,
}

impl Turns {
    /// Counts a call that fits, `since` after the start; whether the rule is applied to it.
    pub(crate) fn take(&mut self, occasions: &Occasions, since: Duration) -> bool {
        if !occasions.in_window(since) {
            return false;
        }
        let n = self.fitted;
        self.fitted += 1;
        let turn = n >= occasions.skip
            && (n - occasions.skip).is_multiple_of(occasions.every)
            && occasions.times.is_none_or(|times| self.applied < times);
        self.applied += u64::from(turn);
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(occasions: &Occasions) -> Vec<u64> {
        let mut turns = Turns::default();
        (0..10).filter(|n| turns.take(occasions, Duration::from_secs(*n))).collect()
    }

    #[test]
    fn windows_and_counts() {
        let all = Occasions::default();
        assert_eq!(applied(&all).len(), 10);
        assert_eq!(applied(&Occasions::nth(3)), [2]);
        assert_eq!(applied(&Occasions { skip: 1, every: 3, ..all.clone() }), [1, 4, 7]);
        assert_eq!(applied(&Occasions { skip: 1, every: 3, times: Some(2), ..all.clone() }), [1, 4]);
        let window = Occasions {
            from: Duration::from_secs(4),
            until: Some(Duration::from_secs(7)),
            skip: 1,
            ..all.clone()
        };
        assert_eq!(applied(&window), [5, 6]);
        assert!(Occasions { every: 0, ..all.clone() }.check().is_err());
        assert!(Occasions { until: Some(Duration::ZERO), ..all }.check().is_err());
    }
}

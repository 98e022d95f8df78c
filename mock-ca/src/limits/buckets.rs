//! All buckets, and transactions over several of them.
//!
//! **Invariants:** a transaction spends everything or nothing. A bucket that nobody has touched since it was
//! full is not kept for long: whenever the map has doubled, it is swept, so that it is never much larger than
//! twice the buckets that are in use, at a constant cost for each spend.

use std::collections::{BTreeMap, BTreeSet};

use world::Timestamp;

use super::bucket::{BucketId, LimitName};
use super::gcra::{Decision, Rate};

/// The map is not swept below this size.
const SWEEP_MIN: usize = 1024;

/// What a transaction does with one bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Denies if the cost does not fit, else spends it.
    CheckAndSpend,
    /// Denies if the cost does not fit.
    CheckOnly,
    /// Spends the cost if it fits, and never denies.
    SpendOnly,
}

/// One bucket's part in a transaction.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) bucket: BucketId,
    pub(super) rate: Rate,
    pub(super) cost: u64,
    pub(super) mode: Mode,
}

/// The part that denied a transaction: the one that has to wait longest.
#[derive(Clone, Debug)]
pub(super) struct Denial {
    pub(super) bucket: BucketId,
    pub(super) rate: Rate,
    pub(super) decision: Decision,
}

/// The buckets that are not full, as far as it is known.
#[derive(Clone, Debug)]
pub(super) struct Buckets {
    tats: BTreeMap<BucketId, Timestamp>,
    sweep_at: usize,
    /// What changed since it was last asked, once somebody has asked.
    changed: Option<BTreeSet<BucketId>>,
}

impl Default for Buckets {
    fn default() -> Self {
        Buckets { tats: BTreeMap::new(), sweep_at: SWEEP_MIN, changed: None }
    }
}

impl Buckets {
    /// Decides a transaction, and carries it out if nothing denies it. Gives what was spent.
    pub(super) fn transact(
        &mut self,
        now: Timestamp,
        parts: Vec<Part>,
    ) -> Result<Vec<(BucketId, u64)>, Box<Denial>> {
        let mut denial: Option<Box<Denial>> = None;
        // A bucket may have several parts, so later ones see what earlier ones would spend.
        let mut new: BTreeMap<BucketId, (Timestamp, u64)> = BTreeMap::new();
        for Part { bucket, rate, cost, mode } in parts {
            let (tat, spent) = match new.get(&bucket) {
                Some((tat, spent)) => (Some(*tat), *spent),
                None => (self.tat(&bucket), 0),
            };
            let decision = rate.decide(tat, now, cost);
            match (decision.allowed, mode) {
                (true, Mode::CheckOnly) | (false, Mode::SpendOnly) => {}
                (true, _) => {
                    new.insert(bucket, (decision.tat, spent + cost));
                }
                (false, _) => {
                    let longest = denial.as_ref().map(|denial| denial.decision.retry_in);
                    if longest.is_none_or(|longest| decision.retry_in > longest) {
                        denial = Some(Box::new(Denial { bucket, rate, decision }));
                    }
                }
            }
        }
        if let Some(denial) = denial {
            return Err(denial);
        }
        let mut spent = Vec::with_capacity(new.len());
        for (bucket, (tat, cost)) in new {
            self.set(bucket.clone(), tat, now);
            spent.push((bucket, cost));
        }
        Ok(spent)
    }

    /// When a bucket is full again; `None` when it is full.
    pub(super) fn tat(&self, bucket: &BucketId) -> Option<Timestamp> {
        self.tats.get(bucket).copied()
    }

    /// Sets the time at which a bucket is full again.
    pub(super) fn set(&mut self, bucket: BucketId, tat: Timestamp, now: Timestamp) {
        if tat <= now {
            self.reset(&bucket);
            return;
        }
        self.note(&bucket);
        self.tats.insert(bucket, tat);
        if self.tats.len() >= self.sweep_at {
            self.sweep(now);
        }
    }

    /// Makes a bucket full.
    pub(super) fn reset(&mut self, bucket: &BucketId) -> bool {
        let there = self.tats.remove(bucket).is_some();
        if there {
            self.note(bucket);
        }
        there
    }

    /// Makes all buckets full.
    pub(super) fn reset_all(&mut self) -> usize {
        let all = std::mem::take(&mut self.tats);
        all.keys().for_each(|bucket| self.note(bucket));
        self.sweep_at = SWEEP_MIN;
        all.len()
    }

    /// Forgets the buckets that are full again.
    pub(super) fn sweep(&mut self, now: Timestamp) {
        let mut tats = std::mem::take(&mut self.tats);
        tats.retain(|bucket, tat| {
            let used = *tat > now;
            if !used {
                self.note(bucket);
            }
            used
        });
        self.sweep_at = (2 * tats.len()).max(SWEEP_MIN);
        self.tats = tats;
    }

    /// The buckets that are not known to be full, in the order of their names.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&BucketId, Timestamp)> {
        self.tats.iter().map(|(bucket, tat)| (bucket, *tat))
    }

    /// The changes since the last call, and from now on more of them. `None` for a bucket that is full.
    pub(super) fn take_changed(&mut self) -> Vec<(BucketId, Option<Timestamp>)> {
        let changed = self.changed.replace(BTreeSet::new()).unwrap_or_default();
        changed
            .into_iter()
            .map(|bucket| {
                let tat = self.tat(&bucket);
                (bucket, tat)
            })
            .collect()
    }

    fn note(&mut self, bucket: &BucketId) {
        if let Some(changed) = self.changed.as_mut().filter(|_| lasts(bucket)) {
            changed.insert(bucket.clone());
        }
    }
}

/// Whether a bucket outlives the process: the load balancer's do not, which are full again in seconds.
pub(super) fn lasts(bucket: &BucketId) -> bool {
    bucket.limit() != LimitName::RequestsPerIpAddress
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::super::gcra::Quota;
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_secs(1_800_000_000);

    fn rate(count: u64) -> Rate {
        Rate::new(Quota::per(count, Duration::from_secs(60 * count))).unwrap()
    }

    fn part(account: u64, count: u64, cost: u64, mode: Mode) -> Part {
        Part { bucket: BucketId::NewOrdersPerAccount(account), rate: rate(count), cost, mode }
    }

    #[test]
    fn a_denied_transaction_spends_nothing_and_reports_the_longest_wait() {
        let mut buckets = Buckets::default();
        buckets.transact(NOW, vec![part(1, 2, 2, Mode::CheckAndSpend)]).unwrap();
        buckets.transact(NOW, vec![part(2, 5, 5, Mode::CheckAndSpend)]).unwrap();
        let before: Vec<_> = buckets.iter().map(|(b, t)| (b.clone(), t)).collect();
        let denial = buckets
            .transact(
                NOW,
                vec![
                    part(3, 9, 1, Mode::CheckAndSpend),
                    part(1, 2, 1, Mode::CheckAndSpend),
                    part(2, 5, 3, Mode::CheckOnly),
                    part(4, 9, 1, Mode::SpendOnly),
                ],
            )
            .unwrap_err();
        assert_eq!(denial.bucket, BucketId::NewOrdersPerAccount(2));
        assert_eq!(denial.decision.retry_in, Duration::from_secs(180));
        assert_eq!(buckets.iter().map(|(b, t)| (b.clone(), t)).collect::<Vec<_>>(), before);
    }

    #[test]
    fn what_is_spent_only_takes_what_fits_and_never_denies() {
        let mut buckets = Buckets::default();
        let all = buckets.transact(NOW, vec![part(1, 1, 1, Mode::SpendOnly), part(1, 1, 1, Mode::SpendOnly)]);
        assert_eq!(all.unwrap(), [(BucketId::NewOrdersPerAccount(1), 1)]);
    }

    #[test]
    fn parts_of_the_same_bucket_add_up() {
        let mut buckets = Buckets::default();
        let parts = |n| vec![part(1, 2, 1, Mode::CheckAndSpend); n];
        assert!(buckets.transact(NOW, parts(3)).is_err());
        assert_eq!(buckets.transact(NOW, parts(2)).unwrap(), [(BucketId::NewOrdersPerAccount(1), 2)]);
    }

    #[test]
    fn a_million_clients_that_are_gone_leave_nothing_behind() {
        let mut buckets = Buckets::default();
        let mut now = NOW;
        let mut most = 0;
        for account in 0..1_000_000 {
            now = now + Duration::from_millis(100);
            buckets.transact(now, vec![part(account, 5, 1, Mode::CheckAndSpend)]).unwrap();
            most = most.max(buckets.tats.len());
        }
        // 600 of them are in use at a time: one token is back after a minute.
        assert!(most <= 2 * 1024, "{most}");
    }

    #[test]
    fn changes_are_noted_once_somebody_asks() {
        let mut buckets = Buckets::default();
        let spend = |account| vec![part(account, 5, 1, Mode::CheckAndSpend)];
        buckets.transact(NOW, spend(1)).unwrap();
        assert_eq!(buckets.take_changed(), []);
        buckets.transact(NOW, spend(2)).unwrap();
        buckets.transact(NOW, spend(1)).unwrap();
        buckets.reset(&BucketId::NewOrdersPerAccount(2));
        let request =
            BucketId::RequestsPerIpAddress(super::super::EndpointClass::Acme, "10.0.0.1".parse().unwrap());
        buckets.set(request, NOW + Duration::from_secs(1), NOW);
        assert_eq!(
            buckets.take_changed(),
            [
                (BucketId::NewOrdersPerAccount(1), Some(NOW + Duration::from_secs(120))),
                (BucketId::NewOrdersPerAccount(2), None),
            ]
        );
        buckets.sweep(NOW + Duration::from_secs(120));
        assert_eq!(buckets.take_changed(), [(BucketId::NewOrdersPerAccount(1), None)]);
        assert_eq!(buckets.take_changed(), []);
    }

    fn parts() -> impl Strategy<Value = Vec<Part>> {
        let mode = prop_oneof![Just(Mode::CheckAndSpend), Just(Mode::CheckOnly), Just(Mode::SpendOnly)];
        let each = (0_u64..4, 1_u64..4, mode);
        prop::collection::vec(
            each.prop_map(|(account, cost, mode)| part(account, account + 2, cost, mode)),
            1..6,
        )
    }

    proptest! {
        /// Against plain counters: all or nothing, and what is spent is what the counters lose.
        #[test]
        fn a_transaction_is_all_or_nothing(
            steps in prop::collection::vec((0_u64..200, parts()), 1..40),
        ) {
            let mut buckets = Buckets::default();
            // Tokens, in seconds that they stand for.
            let mut model: BTreeMap<u64, u64> = (0..4).map(|a| (a, 60 * (a + 2))).collect();
            let mut now = NOW;
            for (pause, parts) in steps {
                now = now + Duration::from_secs(pause);
                model.iter_mut().for_each(|(a, level)| *level = (*level + pause).min(60 * (a + 2)));
                let mut next = model.clone();
                let mut longest = 0;
                for part in &parts {
                    let account = part.bucket.account().unwrap();
                    let (level, cost) = (next[&account], 60 * part.cost);
                    match (level >= cost, part.mode) {
                        (true, Mode::CheckOnly) | (false, Mode::SpendOnly) => {}
                        (true, _) => { next.insert(account, level - cost); }
                        (false, _) => longest = longest.max(cost - level),
                    }
                }
                match buckets.transact(now, parts) {
                    Ok(spent) => {
                        prop_assert_eq!(longest, 0);
                        let lost: u64 = model.iter().map(|(a, level)| level - next[a]).sum();
                        prop_assert_eq!(spent.iter().map(|(_, cost)| 60 * cost).sum::<u64>(), lost);
                        model = next;
                    }
                    Err(denial) => {
                        prop_assert_eq!(denial.decision.retry_in, Duration::from_secs(longest));
                    }
                }
                for (account, level) in &model {
                    let full = 60 * (account + 2);
                    let tat = buckets.tat(&BucketId::NewOrdersPerAccount(*account));
                    let missing = tat.map_or(Duration::ZERO, |tat| tat.since(now));
                    prop_assert_eq!(missing, Duration::from_secs(full - level));
                }
            }
        }
    }
}

//! What the limits look like from outside: every bucket in words, and a form that can be stored.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use world::{Timestamp, duration};

use super::Limits;
use super::bucket::BucketId;
use super::buckets::lasts;

/// One bucket, read out.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BucketView {
    /// The limit and the key.
    #[serde(flatten)]
    pub bucket: BucketId,
    /// Tokens that come back in a period.
    pub count: u64,
    /// The period.
    #[serde(with = "duration::one")]
    pub period: Duration,
    /// The most tokens that it holds.
    pub capacity: u64,
    /// The whole tokens in it.
    pub remaining: u64,
    /// When there will be a token; `null` when there is one.
    pub retry_at: Option<Timestamp>,
    /// When it will be full; `null` when it is.
    pub reset_at: Option<Timestamp>,
}

/// An identifier that an account may not order.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Paused {
    /// The account.
    pub account: u64,
    /// The identifier.
    pub identifier: String,
    /// Since when; `null` among changes says that it is free again.
    pub since: Option<Timestamp>,
}

/// The state of a bucket, to be stored.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Level {
    /// The limit and the key.
    #[serde(flatten)]
    pub bucket: BucketId,
    /// When it is full again (its TAT); `null` among changes says that it need not be stored any more.
    pub full_at: Option<Timestamp>,
}

/// What is to be stored of the limits: all of it, or what has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Saved {
    /// Buckets, in the order of their names. Without the load balancer's, which are full again in seconds.
    pub buckets: Vec<Level>,
    /// Pauses, by account and identifier.
    pub paused: Vec<Paused>,
}

impl Saved {
    /// Whether there is nothing to store.
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty() && self.paused.is_empty()
    }
}

impl Limits {
    /// Every bucket that is not full, by limit and key.
    pub fn view(&self, now: Timestamp) -> Vec<BucketView> {
        let used = self.buckets.iter().filter(|(_, tat)| *tat > now);
        used.filter_map(|(bucket, _)| self.view_of(bucket, now)).collect()
    }

    /// One bucket; `None` when nothing limits it.
    pub fn view_of(&self, bucket: &BucketId, now: Timestamp) -> Option<BucketView> {
        let rate = self.table.rate(bucket)?;
        let tat = self.buckets.tat(bucket).filter(|tat| *tat > now);
        let token = rate.decide(tat, now, 1);
        Some(BucketView {
            bucket: bucket.clone(),
            count: rate.quota().count,
            period: rate.quota().period,
            capacity: rate.burst(),
            remaining: rate.decide(tat, now, 0).remaining,
            retry_at: (!token.allowed).then(|| now + token.retry_in),
            reset_at: tat,
        })
    }

    /// All pauses, by account and identifier.
    pub fn paused(&self) -> Vec<Paused> {
        let pauses = self.pauses.iter();
        pauses.map(|(pair, since)| paused(pair.clone(), Some(since))).collect()
    }

    /// Makes a bucket full. Whether it was not.
    pub fn reset(&mut self, bucket: &BucketId) -> bool {
        self.buckets.reset(bucket)
    }

    /// Makes all buckets full and ends all pauses. How many buckets there were.
    pub fn reset_all(&mut self) -> usize {
        self.pauses.clear();
        self.buckets.reset_all()
    }

    /// Leaves `remaining` tokens in a bucket, or its capacity if that is less. `false` when nothing limits it.
    pub fn set_remaining(&mut self, bucket: BucketId, remaining: u64, now: Timestamp) -> bool {
        let Some(rate) = self.table.rate(&bucket) else { return false };
        self.buckets.set(bucket, rate.holding(remaining, now), now);
        true
    }

    /// All that there is to store.
    pub fn save(&self, now: Timestamp) -> Saved {
        let buckets = self.buckets.iter().filter(|(bucket, tat)| *tat > now && lasts(bucket));
        Saved {
            buckets: buckets.map(|(bucket, tat)| level(bucket.clone(), Some(tat))).collect(),
            paused: self.paused(),
        }
    }

    /// Puts back what was stored, beside what is there. What has become full in the meantime is left out.
    pub fn restore(&mut self, saved: Saved, now: Timestamp) {
        for Level { bucket, full_at } in saved.buckets {
            if let Some(tat) = full_at {
                self.buckets.set(bucket, tat, now);
            }
        }
        for Paused { account, identifier, since } in saved.paused {
            if let Some(since) = since {
                self.pauses.pause(account, &identifier, since);
            }
        }
    }

    /// What has changed since the last call, each bucket and pause once, in its present state. The first call
    /// gives nothing, and has changes noted from then on: call it after [`Limits::restore`], and then with
    /// every transaction of the store.
    pub fn take_dirty(&mut self) -> Saved {
        let buckets = self.buckets.take_changed().into_iter();
        let pauses = self.pauses.take_changed().into_iter();
        Saved {
            buckets: buckets.map(|(bucket, tat)| level(bucket, tat)).collect(),
            paused: pauses.map(|(pair, since)| paused(pair, since)).collect(),
        }
    }
}

fn level(bucket: BucketId, full_at: Option<Timestamp>) -> Level {
    Level { bucket, full_at }
}

fn paused((account, identifier): (u64, String), since: Option<Timestamp>) -> Paused {
    Paused { account, identifier, since }
}

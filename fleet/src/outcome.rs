//! What comes of a run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mock_ca::limits::{BucketId, LimitName};
use serde::Serialize;
use world::{Timestamp, duration};

use crate::event::{Event, Failure};
use crate::plan::Window;

/// What comes of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The time that was looked at.
    pub window: Window,
    /// How many certificates there are.
    pub certificates: usize,
    /// First certificates that were issued.
    pub first_issuances: u64,
    /// Certificates that were issued in place of others.
    pub renewals: u64,
    /// Orders that the CA made.
    pub orders: u64,
    /// Requests for an order, whatever the answer.
    pub requests: u64,
    /// Requests for an order or of an order that the CA answered with 503.
    pub unavailable: u64,
    /// What limits refused.
    pub refusals: Refusals,
    /// Orders that came to nothing.
    pub failures: BTreeMap<Failure, u64>,
    /// Certificates that ended before there was another, in the order of their ends.
    pub expiries: Vec<Expiry>,
    /// Certificates that were due and not issued when the window ended.
    pub waiting: usize,
    /// The renewal that came last before the end of what it renewed, or longest after it.
    pub tightest: Option<Tightest>,
    /// The minute with the most orders.
    pub peak_orders: Option<Peak>,
    /// The minute with the most requests for orders.
    pub peak_requests: Option<Peak>,
    /// Day by day.
    pub days: Days,
    /// How each outage was got over, in their order.
    pub drains: Vec<Drain>,
    /// All that happened, when the plan asks for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Event>,
}

impl Outcome {
    /// Whether nothing expired and nothing was refused.
    pub fn is_clean(&self) -> bool {
        self.expiries.is_empty() && self.refusals.total == 0
    }

    /// All certificates that were issued.
    pub fn issued(&self) -> u64 {
        self.first_issuances + self.renewals
    }
}

/// What limits refused.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusals {
    /// How many requests.
    pub total: u64,
    /// By which limit.
    pub by_limit: BTreeMap<LimitName, u64>,
    /// The buckets that refused most, at most [`TOP`].
    pub top: Vec<Refusing>,
}

/// How many buckets are told of.
pub const TOP: usize = 10;

/// A bucket that refused.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusing {
    /// Which.
    #[serde(flatten)]
    pub bucket: BucketId,
    /// How often.
    pub count: u64,
    /// When first.
    pub first: Timestamp,
    /// When last.
    pub last: Timestamp,
}

/// A certificate that ended before there was another.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Expiry {
    /// Which.
    pub certificate: Arc<str>,
    /// The first second in which it was not valid.
    pub at: Timestamp,
    /// When there was another; `null`: not in the window.
    pub until: Option<Timestamp>,
    /// For how long, or until the end of the window.
    #[serde(with = "duration::one")]
    pub lasted: Duration,
}

/// A renewal, and what was left of the certificate before it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tightest {
    /// Which certificate.
    pub certificate: Arc<str>,
    /// When it was renewed.
    pub at: Timestamp,
    /// Seconds that were left; below zero, seconds that it was over for.
    pub left_secs: i64,
}

/// The most in one minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Peak {
    /// The minute.
    pub at: Timestamp,
    /// How many.
    pub count: u32,
}

/// Day by day from the beginning of the window, 24 hours each.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Days {
    /// Certificates that were issued in place of others.
    pub renewals: Vec<u32>,
    /// Orders that the CA made.
    pub orders: Vec<u32>,
    /// Orders and accounts that limits refused.
    pub refusals: Vec<u32>,
    /// Certificates that ended before there was another.
    pub expiries: Vec<u32>,
    /// The least that was left at a renewal, in seconds; `null` on days without one.
    pub least_left_secs: Vec<Option<i64>>,
}

/// Minutes around the end of an outage that are told of one by one: before it.
pub const MINUTES_BEFORE: u32 = 60;
/// After it.
pub const MINUTES_AFTER: u32 = 180;

/// How an outage was got over.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Drain {
    /// When the outage was.
    pub outage: Window,
    /// What it was.
    pub kind: &'static str,
    /// Certificates that were due and not issued at its end.
    pub waiting: usize,
    /// Those of them that were still not when the window ended.
    pub left: usize,
    /// From its end until the last of them was issued; `null`: not in the window, or there was none.
    #[serde(with = "duration::optional")]
    pub took: Option<Duration>,
    /// Orders in each minute from [`MINUTES_BEFORE`] before the end on, until [`MINUTES_AFTER`] after it.
    pub orders_by_minute: Vec<u32>,
    /// Requests for orders in the same minutes.
    pub requests_by_minute: Vec<u32>,
}

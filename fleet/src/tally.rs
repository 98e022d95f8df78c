//! Counts what happens, while it happens.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use mock_ca::limits::BucketId;
use world::Timestamp;

use crate::event::{Event, Failure, What};
use crate::outcome::{
    Days, Drain, Expiry, MINUTES_AFTER, MINUTES_BEFORE, Outcome, Peak, Refusals, Refusing, TOP, Tightest,
};
use crate::plan::{Outage, Plan, Window};

const DAY: Duration = Duration::from_secs(86_400);
const MINUTE: Duration = Duration::from_secs(60);

/// The most in one minute so far.
#[derive(Debug, Default)]
struct Minutes {
    now: Option<Peak>,
    most: Option<Peak>,
}

impl Minutes {
    fn count(&mut self, at: Timestamp) {
        let minute = Timestamp::from_unix_secs(at.unix_secs().div_euclid(60) * 60);
        let count = self.now.filter(|now| now.at == minute).map_or(1, |now| now.count + 1);
        self.now = Some(Peak { at: minute, count });
        if self.most.is_none_or(|most| count > most.count) {
            self.most = self.now;
        }
    }
}

/// An outage that has ended, and who still waits.
#[derive(Debug)]
struct Open {
    drain: usize,
    waiting: BTreeSet<u32>,
}

/// All counts.
#[derive(Debug)]
pub(crate) struct Tally {
    outcome: Outcome,
    keeps_events: bool,
    names: Vec<Arc<str>>,
    buckets: BTreeMap<BucketId, Refusing>,
    orders: Minutes,
    requests: Minutes,
    open: Vec<Open>,
    /// The place of a certificate's last expiry that lasts.
    expired: BTreeMap<u32, usize>,
}

impl Tally {
    pub(crate) fn new(plan: &Plan, names: Vec<Arc<str>>) -> Self {
        let days = plan.window.until.since(plan.window.from).as_secs().div_ceil(DAY.as_secs());
        let days = usize::try_from(days).unwrap_or_default();
        let minutes = (MINUTES_BEFORE + MINUTES_AFTER) as usize;
        let drain = |outage: &Outage| Drain {
            outage: outage.window(),
            kind: outage.kind.as_str(),
            waiting: 0,
            left: 0,
            took: None,
            orders_by_minute: vec![0; minutes],
            requests_by_minute: vec![0; minutes],
        };
        let outcome = Outcome {
            window: plan.window,
            certificates: names.len(),
            first_issuances: 0,
            renewals: 0,
            orders: 0,
            requests: 0,
            unavailable: 0,
            refusals: Refusals::default(),
            failures: BTreeMap::new(),
            expiries: Vec::new(),
            waiting: 0,
            tightest: None,
            peak_orders: None,
            peak_requests: None,
            days: Days {
                renewals: vec![0; days],
                orders: vec![0; days],
                refusals: vec![0; days],
                expiries: vec![0; days],
                least_left_secs: vec![None; days],
            },
            drains: plan.outages.iter().map(drain).collect(),
            events: Vec::new(),
        };
        Tally {
            outcome,
            keeps_events: plan.events,
            names,
            buckets: BTreeMap::new(),
            orders: Minutes::default(),
            requests: Minutes::default(),
            open: Vec::new(),
            expired: BTreeMap::new(),
        }
    }

    fn name(&self, certificate: u32) -> Arc<str> {
        self.names.get(certificate as usize).cloned().unwrap_or_else(|| "".into())
    }

    fn day(&self, at: Timestamp) -> usize {
        usize::try_from(at.since(self.outcome.window.from).as_secs() / DAY.as_secs()).unwrap_or_default()
    }

    fn event(&mut self, at: Timestamp, certificate: u32, what: What) {
        if self.keeps_events {
            let certificate = self.name(certificate);
            self.outcome.events.push(Event { at, certificate, what });
        }
    }

    pub(crate) fn due(&mut self, at: Timestamp, certificate: u32) {
        self.event(at, certificate, What::Due);
    }

    pub(crate) fn retried(&mut self, at: Timestamp, certificate: u32) {
        self.event(at, certificate, What::Retried);
    }

    /// A request for an order is sent.
    pub(crate) fn request(&mut self, at: Timestamp) {
        self.outcome.requests += 1;
        self.requests.count(at);
        self.minute(at, |drain| &mut drain.requests_by_minute);
    }

    pub(crate) fn unavailable(&mut self, at: Timestamp, certificate: u32) {
        self.outcome.unavailable += 1;
        self.event(at, certificate, What::Unavailable);
    }

    pub(crate) fn ordered(&mut self, at: Timestamp, certificate: u32) {
        self.outcome.orders += 1;
        self.orders.count(at);
        self.minute(at, |drain| &mut drain.orders_by_minute);
        let day = self.day(at);
        bump(&mut self.outcome.days.orders, day);
        self.event(at, certificate, What::Ordered);
    }

    fn minute(&mut self, at: Timestamp, series: fn(&mut Drain) -> &mut Vec<u32>) {
        for drain in &mut self.outcome.drains {
            let first = drain.outage.until - MINUTE * MINUTES_BEFORE;
            if at >= first {
                let minute = at.since(first).as_secs() / MINUTE.as_secs();
                bump(series(drain), usize::try_from(minute).unwrap_or(usize::MAX));
            }
        }
    }

    pub(crate) fn refused(&mut self, at: Timestamp, certificate: u32, bucket: BucketId) {
        let whom = self.name(certificate);
        self.refusal(at, whom, bucket);
    }

    pub(crate) fn account_refused(&mut self, at: Timestamp, account: u64, bucket: BucketId) {
        self.refusal(at, format!("account {account}").into(), bucket);
    }

    fn refusal(&mut self, at: Timestamp, certificate: Arc<str>, bucket: BucketId) {
        self.outcome.refusals.total += 1;
        *self.outcome.refusals.by_limit.entry(bucket.limit()).or_default() += 1;
        let day = self.day(at);
        bump(&mut self.outcome.days.refusals, day);
        let new = || Refusing { bucket: bucket.clone(), count: 0, first: at, last: at };
        let refusing = self.buckets.entry(bucket.clone()).or_insert_with(new);
        refusing.count += 1;
        refusing.last = at;
        if self.keeps_events {
            self.outcome.events.push(Event { at, certificate, what: What::Refused { bucket } });
        }
    }

    pub(crate) fn failed(&mut self, at: Timestamp, certificate: u32, why: Failure) {
        *self.outcome.failures.entry(why).or_default() += 1;
        self.event(at, certificate, What::Failed { why });
    }

    /// A certificate is issued until `not_after`, in place of one until `before`.
    pub(crate) fn issued(
        &mut self,
        at: Timestamp,
        certificate: u32,
        not_after: Timestamp,
        before: Option<Timestamp>,
    ) {
        match before {
            None => self.outcome.first_issuances += 1,
            Some(before) => self.renewed(at, certificate, before),
        }
        if let Some(place) = self.expired.remove(&certificate)
            && let Some(expiry) = self.outcome.expiries.get_mut(place)
        {
            expiry.until = Some(at);
            expiry.lasted = at.since(expiry.at);
        }
        self.not_due(at, certificate);
        self.event(at, certificate, What::Issued { not_after });
    }

    /// Nothing waits for a certificate any more.
    pub(crate) fn not_due(&mut self, at: Timestamp, certificate: u32) {
        for open in &mut self.open {
            if open.waiting.remove(&certificate)
                && open.waiting.is_empty()
                && let Some(drain) = self.outcome.drains.get_mut(open.drain)
            {
                drain.took = Some(at.since(drain.outage.until));
            }
        }
        self.open.retain(|open| !open.waiting.is_empty());
    }

    fn renewed(&mut self, at: Timestamp, certificate: u32, before: Timestamp) {
        self.outcome.renewals += 1;
        let day = self.day(at);
        bump(&mut self.outcome.days.renewals, day);
        let left_secs = before.unix_secs() - at.unix_secs();
        if let Some(least) = self.outcome.days.least_left_secs.get_mut(day) {
            *least = Some(least.map_or(left_secs, |least| least.min(left_secs)));
        }
        if self.outcome.tightest.as_ref().is_none_or(|tightest| left_secs < tightest.left_secs) {
            let certificate = self.name(certificate);
            self.outcome.tightest = Some(Tightest { certificate, at, left_secs });
        }
    }

    /// A certificate has ended, at `at`, before there was another; that is before `now` if it was before the window.
    pub(crate) fn expired(&mut self, now: Timestamp, at: Timestamp, certificate: u32) {
        let day = self.day(now);
        bump(&mut self.outcome.days.expiries, day);
        self.expired.insert(certificate, self.outcome.expiries.len());
        let name = self.name(certificate);
        let lasted = Duration::ZERO;
        self.outcome.expiries.push(Expiry { certificate: name, at, until: None, lasted });
        self.event(now, certificate, What::Expired);
    }

    /// An outage has ended, and these are due.
    pub(crate) fn outage_ended(&mut self, outage: u32, waiting: BTreeSet<u32>) {
        let place = outage as usize;
        if let Some(drain) = self.outcome.drains.get_mut(place) {
            drain.waiting = waiting.len();
        }
        if !waiting.is_empty() {
            self.open.push(Open { drain: place, waiting });
        }
    }

    /// The window has ended, and so many are due.
    pub(crate) fn finish(mut self, waiting: usize) -> Outcome {
        let Window { until, .. } = self.outcome.window;
        for place in self.expired.values() {
            if let Some(expiry) = self.outcome.expiries.get_mut(*place) {
                expiry.lasted = until.since(expiry.at);
            }
        }
        for open in &self.open {
            if let Some(drain) = self.outcome.drains.get_mut(open.drain) {
                drain.left = open.waiting.len();
            }
        }
        let mut top: Vec<Refusing> = self.buckets.into_values().collect();
        top.sort_by(|a, b| b.count.cmp(&a.count).then(a.first.cmp(&b.first)));
        top.truncate(TOP);
        self.outcome.refusals.top = top;
        self.outcome.waiting = waiting;
        self.outcome.peak_orders = self.orders.most;
        self.outcome.peak_requests = self.requests.most;
        self.outcome
    }
}

fn bump(counts: &mut [u32], place: usize) {
    if let Some(count) = counts.get_mut(place) {
        *count += 1;
    }
}

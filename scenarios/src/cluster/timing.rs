//! What the API server's calls and the watches take, by the rules of the script.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use engine::api::Kind;
use engine::client::{Call, CallTiming, Timing};
use engine::store::{ApiError, Change};
use world::{Instant, Timestamp};

use crate::script::{self, Api, CallRule, InTurn, LagRule, Watches};

/// Who the engine is to the API server, as its chart installs it.
const SERVICE_ACCOUNT: &str = "system:serviceaccount:cert-manager:cert-manager";

/// How often what was called, and how often it lost.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApiCounts {
    /// By `verb Kind`.
    pub calls: BTreeMap<String, u64>,
    /// Writes refused by the optimistic lock.
    pub conflicts: u64,
}

struct CallTimes {
    rule: CallRule,
    takes: InTurn,
    reply: InTurn,
    refused: AtomicU64,
}

struct LagTimes {
    rule: LagRule,
    lag: InTurn,
}

/// The rules, most specific first, and what has been counted.
pub struct ClusterTiming {
    start: Timestamp,
    calls: Vec<CallTimes>,
    lister: Vec<LagTimes>,
    handler: Vec<LagTimes>,
    counts: Mutex<ApiCounts>,
}

/// Whether a condition of a rule holds; one that is not given does.
fn holds<T: PartialEq>(condition: Option<&T>, value: &T) -> bool {
    condition.is_none_or(|c| c == value)
}

fn kind_holds(condition: Option<&String>, kind: Kind) -> bool {
    condition.is_none_or(|c| c == kind.as_str())
}

fn lags(rules: &BTreeMap<String, LagRule>) -> Vec<LagTimes> {
    let mut all: Vec<LagTimes> = rules
        .values()
        .map(|rule| LagTimes { lag: InTurn::new(rule.lag.clone()), rule: rule.clone() })
        .collect();
    let conditions = |r: &LagRule| [r.kind.is_some(), r.event.is_some(), r.controller.is_some()];
    all.sort_by_key(|t| std::cmp::Reverse(conditions(&t.rule).into_iter().filter(|c| *c).count()));
    all
}

impl ClusterTiming {
    /// From the rules of a script whose run begins at `start`.
    pub fn new(start: Timestamp, api: &Api, watches: &Watches) -> Self {
        let mut calls: Vec<CallTimes> = api
            .calls
            .values()
            .map(|rule| CallTimes {
                takes: InTurn::new(rule.takes.clone()),
                reply: InTurn::new(rule.reply.clone()),
                refused: AtomicU64::new(0),
                rule: rule.clone(),
            })
            .collect();
        let conditions = |r: &CallRule| [r.actor.is_some(), r.verb.is_some(), r.kind.is_some()];
        calls.sort_by_key(|t| std::cmp::Reverse(conditions(&t.rule).into_iter().filter(|c| *c).count()));
        ClusterTiming {
            start,
            calls,
            lister: lags(&watches.lister),
            handler: lags(&watches.handler),
            counts: Mutex::default(),
        }
    }

    /// What was called so far.
    pub fn counts(&self) -> ApiCounts {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The rule that counts for a call.
    fn rule(&self, call: &Call<'_>) -> Option<&CallTimes> {
        self.calls.iter().find(|t| {
            t.rule.actor.as_deref().is_none_or(|a| a == call.actor)
                && holds(t.rule.verb.as_ref(), &call.verb)
                && kind_holds(t.rule.kind.as_ref(), call.kind)
        })
    }

    fn lag(rules: &[LagTimes], change: &Change, controller: Option<&str>) -> Duration {
        let fits = |t: &&LagTimes| {
            kind_holds(t.rule.kind.as_ref(), change.object.kind())
                && holds(t.rule.event.as_ref(), &change.type_)
                && t.rule.controller.as_deref().is_none_or(|c| controller == Some(c))
        };
        rules.iter().find(fits).map_or(Duration::ZERO, |t| t.lag.next())
    }
}

impl Timing for ClusterTiming {
    fn call(&self, call: &Call<'_>) -> CallTiming {
        self.rule(call).map_or_else(CallTiming::default, |t| CallTiming {
            commit: t.takes.next(),
            reply: t.reply.next(),
        })
    }

    fn refusal(&self, call: &Call<'_>, now: Instant) -> Option<ApiError> {
        let CallTimes { rule, refused, .. } = self.rule(call)?;
        let error = match &rule.refuses {
            Some(why) => ApiError::Internal { why: why.clone() },
            None if rule.forbids => call.forbidden(SERVICE_ACCOUNT),
            None => return None,
        };
        let now = self.start + now.since(Instant::default());
        let begun = rule.since.is_none_or(|since| now >= since.of(self.start));
        let over = rule.until.is_some_and(|until| now >= until.of(self.start));
        if !begun || over {
            return None;
        }
        let before = refused.fetch_add(1, Ordering::Relaxed);
        rule.refusals.is_none_or(|n| before < n).then_some(error)
    }

    fn answered(&self, call: &Call<'_>, error: Option<&ApiError>) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.calls.entry(format!("{:?} {}", call.verb, call.kind)).or_default() += 1;
        if matches!(error, Some(ApiError::Conflict { .. })) {
            counts.conflicts += 1;
        }
    }

    fn lister_lag(&self, change: &Change) -> Duration {
        Self::lag(&self.lister, change, None)
    }

    fn handler_lag(&self, change: &Change, controller: &str) -> Duration {
        Self::lag(&self.handler, change, Some(controller))
    }
}

/// The pinned names of a script, by kind; kinds that are none were refused when it was loaded.
pub(crate) fn pinned_names(api: &Api) -> BTreeMap<Kind, Vec<String>> {
    api.names.iter().filter_map(|(kind, names)| Some((script::kind(kind)?, names.clone()))).collect()
}

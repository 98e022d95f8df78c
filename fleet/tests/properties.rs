//! What holds for every plan.

use std::collections::BTreeMap;
use std::time::Duration;

use fleet::plan::{Distribution, OutageKind, Plan};
use fleet::{Event, Outcome, What};
use mock_ca::limits::{LimitName, LimitsConfig, Quota};
use proptest::prelude::*;
use world::Timestamp;

use crate::common::{DAY, HOUR, outage, run, with, year};

#[derive(Clone, Debug)]
struct Given {
    plan: Plan,
    orders: Quota,
    set: Quota,
}

fn given() -> impl Strategy<Value = Given> {
    let certificates = (1_u32..40, 1_u32..5, 1_u32..3, any::<bool>(), 0_u32..40);
    let limits = (1_u32..20, 1_u32..50, 1_u32..4, 1_u32..100);
    let outages = prop::collection::vec((0_u32..60, 1_u32..200, 0_u8..2), 0..3);
    let policy = (prop_oneof![Just("v1_7"), Just("v1_21")], any::<bool>(), 24_u32..2000, any::<u64>());
    (certificates, limits, outages, policy).prop_map(|(certificates, limits, outages, policy)| {
        let (count, per_domain, names, existing, spread) = certificates;
        let (release, ari, hours, seed) = policy;
        let mut plan = Plan { seed, ..year(hours) };
        plan.window.until = plan.window.from + DAY * 90;
        plan.policy.release = release.to_owned();
        plan.policy.switches = [("ari".to_owned(), ari.into())].into();
        let spread = Some(HOUR * 6 * spread);
        let distribution = Distribution {
            count,
            per_domain,
            names,
            accounts: 2,
            existing,
            spread,
            ..Distribution::default()
        };
        plan = with(plan, distribution);
        for (day, hours, kind) in outages {
            let kind = if kind == 0 { OutageKind::Unavailable } else { OutageKind::Validation };
            plan.outages.push(outage(&plan, day, hours, kind));
        }
        let (orders, order_hours, set, set_hours) = limits;
        let quota = |count: u32, hours: u32| Quota::per(count.into(), HOUR * hours);
        let (orders, set) = (quota(orders, order_hours), quota(set, set_hours));
        plan.ca.limits = Some(LimitsConfig {
            limits: [
                (LimitName::NewOrdersPerAccount, Some(orders)),
                (LimitName::NewCertificatesPerExactSetOfIdentifiers, Some(set)),
            ]
            .into(),
            ..LimitsConfig::default()
        });
        Given { plan, orders, set }
    })
}

/// Whether no span of time has more of these moments than a bucket lets through.
fn within(quota: Quota, moments: &[Timestamp]) -> bool {
    let interval = quota.period.as_nanos() / u128::from(quota.count);
    moments.iter().enumerate().all(|(n, first)| {
        moments[n..].iter().zip(1_u64..).all(|(last, count)| {
            let back = last.since(*first).as_nanos() / interval;
            u128::from(count) <= u128::from(quota.count) + back + 1
        })
    })
}

fn by_certificate(outcome: &Outcome) -> BTreeMap<&str, Vec<&Event>> {
    let mut found: BTreeMap<&str, Vec<&Event>> = BTreeMap::new();
    for event in &outcome.events {
        found.entry(event.certificate.as_ref()).or_default().push(event);
    }
    found
}

/// What may come after each: its kind.
fn follows(what: &What, next: &What) -> bool {
    use What::{Due, Expired, Failed, Issued, Ordered, Refused, Retried, Unavailable};
    match (what, next) {
        // A certificate ends, and an order succeeds, at any time.
        (_, Issued { .. } | Expired) => true,
        (Due | Retried, Ordered | Refused { .. } | Unavailable) => true,
        (Ordered, Failed { .. } | Unavailable) => true,
        (Unavailable, Unavailable | Ordered | Refused { .. } | Failed { .. }) => true,
        (Refused { .. } | Failed { .. }, Retried | Due) => true,
        (Issued { .. }, Due) => true,
        (Expired, _) => true,
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_same_plan_has_the_same_outcome(given in given()) {
        let first = run(&given.plan);
        prop_assert_eq!(&first, &run(&given.plan));
        let silent = run(&Plan { events: false, ..given.plan });
        prop_assert_eq!(Outcome { events: Vec::new(), ..first }, silent);
    }

    #[test]
    fn never_more_is_issued_or_ordered_than_the_limits_let_through(given in given()) {
        let outcome = run(&given.plan);
        let mut first_orders: BTreeMap<u32, Vec<Timestamp>> = BTreeMap::new();
        let existing = given.plan.certificates.distributions[0].existing;
        let per_domain = given.plan.certificates.distributions[0].per_domain;
        for (name, events) in by_certificate(&outcome) {
            let of = |is: fn(&What) -> bool| -> Vec<Timestamp> {
                events.iter().filter(|e| is(&e.what)).map(|e| e.at).collect()
            };
            let issued = of(|what| matches!(what, What::Issued { .. }));
            let ari = given.plan.policy.switches["ari"] == true;
            // What replaces a certificate in its window is not limited.
            prop_assert!(ari || within(given.set, &issued), "{name}: {issued:?}");
            let ordered = of(|what| *what == What::Ordered);
            if !existing {
                let number: u32 = name[1..].parse().unwrap();
                let until = issued.first().copied().unwrap_or(given.plan.window.until);
                let new = ordered.into_iter().filter(|at| *at <= until);
                first_orders.entry(number / per_domain % 2).or_default().extend(new);
            }
        }
        for (_, mut moments) in first_orders {
            moments.sort();
            prop_assert!(within(given.orders, &moments), "{moments:?}");
        }
    }

    #[test]
    fn every_certificate_is_issued_or_told_why_not(given in given()) {
        let outcome = run(&given.plan);
        let end = given.plan.window.until;
        let mut waiting = 0;
        for (name, events) in by_certificate(&outcome) {
            for pair in events.windows(2) {
                let [event, next] = pair else { unreachable!() };
                prop_assert!(event.at <= next.at && follows(&event.what, &next.what), "{name}: {pair:?}");
            }
            let last = events.iter().rfind(|event| event.what != What::Expired).unwrap();
            waiting += usize::from(!matches!(last.what, What::Issued { .. }));
            // The longest that anything is waited for: 32 hours, and half an hour for an order.
            let wait = Duration::from_secs(33 * 3600);
            let told = matches!(last.what, What::Issued { .. }) || end.since(last.at) <= wait;
            let by_suggestion = given.plan.policy.switches["ari"] == true;
            prop_assert!(told || by_suggestion, "{name}: {last:?}");
        }
        prop_assert!(outcome.waiting <= waiting);
        let ordered = outcome.events.iter().filter(|event| event.what == What::Ordered).count() as u64;
        prop_assert_eq!(outcome.orders, ordered);
        prop_assert_eq!(finished(&outcome), outcome.issued() + outcome.failures.values().sum::<u64>());
    }

    #[test]
    fn nothing_expires_when_nothing_fails_and_limits_are_the_cas(
        count in 1_u32..60, per_domain in 1_u32..10, hours in 100_u32..2200, seed in any::<u64>(),
    ) {
        let distribution = Distribution { count, per_domain, ..Distribution::default() };
        let plan = Plan { seed, ..with(year(hours), distribution) };
        let outcome = run(&plan);
        prop_assert!(outcome.is_clean(), "{:?} {:?}", outcome.expiries, outcome.refusals);
        prop_assert!(outcome.tightest.unwrap().left_secs > 0);
    }
}

/// Orders that have come to an end, one way or the other.
fn finished(outcome: &Outcome) -> u64 {
    let ends = |event: &&Event| matches!(event.what, What::Issued { .. } | What::Failed { .. });
    outcome.events.iter().filter(ends).count() as u64
}

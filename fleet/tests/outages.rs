//! The CA is down, cannot see challenges, or has other limits; and, as the ablation of each, none of that.

use std::time::Duration;

use fleet::plan::{Distribution, OutageKind, Plan};
use fleet::{Failure, What};
use mock_ca::limits::{LimitName, LimitsConfig, Preset, Quota};

use crate::common::{DAY, HOUR, issued, named, outage, run, times, with, with_list, year};

fn fleet() -> Plan {
    with(year(45 * 24), Distribution { count: 600, ..Distribution::default() })
}

#[test]
fn three_days_without_the_ca_expire_no_certificate_of_45_days() {
    let mut plan = fleet();
    plan.outages = vec![outage(&plan, 100, 72, OutageKind::Unavailable)];
    let outcome = run(&plan);
    assert!(outcome.is_clean() && outcome.failures.is_empty());
    let drain = &outcome.drains[0];
    assert!(
        (40..80).contains(&drain.waiting),
        "a tenth of a fleet in three of thirty days: {}",
        drain.waiting
    );
    // The queue of orders waits half an hour at most.
    let took = drain.took.unwrap();
    assert!(took > Duration::from_secs(900) && took <= Duration::from_secs(1808), "{took:?}");
    assert_eq!(drain.left, 0);
    assert!(outcome.unavailable > 1000 && outcome.requests == outcome.orders + outcome.unavailable);
    let orders: u32 = drain.orders_by_minute.iter().sum();
    assert!(orders as usize >= drain.waiting && drain.orders_by_minute[..60].iter().sum::<u32>() == 0);
    assert!(outcome.tightest.unwrap().left_secs < 13 * 86_400);
}

#[test]
fn without_the_outage_nothing_is_answered_with_503_or_refused() {
    let outcome = run(&fleet());
    assert!(outcome.is_clean());
    assert_eq!((outcome.unavailable, outcome.refusals.total, outcome.drains.len()), (0, 0, 0));
    assert_eq!(outcome.requests, outcome.orders);
    assert!(outcome.tightest.unwrap().left_secs > 14 * 86_400);
}

#[test]
fn twenty_days_without_the_ca_expire_a_part_of_the_fleet_until_it_is_back() {
    let mut plan = fleet();
    plan.outages = vec![outage(&plan, 100, 20 * 24, OutageKind::Unavailable)];
    let outcome = run(&plan);
    // What was due in the first five days ends before the CA is back.
    assert!((60..140).contains(&outcome.expiries.len()), "{}", outcome.expiries.len());
    for expiry in &outcome.expiries {
        assert!(expiry.until.is_some() && expiry.lasted <= DAY * 5 + HOUR, "{expiry:?}");
        let made = times(&outcome, &expiry.certificate, issued);
        assert!(made.contains(&expiry.until.unwrap()));
    }
    assert!(outcome.tightest.unwrap().left_secs < 0);
}

#[test]
fn the_order_is_repeated_by_the_back_off_of_the_engines_queue() {
    let mut plan = with_list(year(90 * 24), [named("a.example.com")]);
    plan.outages = vec![outage(&plan, 0, 2, OutageKind::Unavailable)];
    let outcome = run(&plan);
    let tried = times(&outcome, "a.example.com", |what| *what == What::Unavailable);
    let after: Vec<u64> = tried.iter().map(|at| at.since(plan.window.from).as_secs()).collect();
    assert_eq!(after, [0, 5, 15, 35, 75, 155, 315, 635, 1275, 2555, 4355, 6155]);
    assert_eq!(outcome.drains[0].took, Some(Duration::from_secs(6155 + 1800 + 8 - 7200)));
}

#[test]
fn an_order_that_is_under_way_when_the_ca_goes_is_fetched_when_it_is_back_unless_it_has_ended() {
    for (profile, hours, why) in [("classic", 72, None), ("tlsserver", 72, Some(Failure::OrderExpired))] {
        let mut plan = with_list(year(90 * 24), [named("a.example.com")]);
        plan.ca.profile = Some(profile.to_owned());
        let mut down = outage(&plan, 0, hours, OutageKind::Unavailable);
        down.from = down.from + Duration::from_secs(3);
        plan.outages = vec![down];
        let outcome = run(&plan);
        assert_eq!(outcome.orders - outcome.issued(), u64::from(why.is_some()), "{profile}");
        assert_eq!(outcome.failures.keys().next().copied(), why, "{profile}");
    }
}

#[test]
fn failed_validations_hold_back_longer_each_time() {
    let mut plan = with_list(year(90 * 24), [named("a.example.com")]);
    plan.outages = vec![outage(&plan, 0, 72, OutageKind::Validation)];
    let outcome = run(&plan);
    let failed = times(&outcome, "a.example.com", |what| matches!(what, What::Failed { .. }));
    let hours: Vec<u64> = failed.iter().map(|at| at.since(failed[0]).as_secs() / 3600).collect();
    assert_eq!(hours, [0, 1, 3, 7, 15, 31, 63]);
    assert_eq!(outcome.failures[&Failure::Validation], 7);
    // 32 hours are the longest wait.
    assert_eq!(times(&outcome, "a.example.com", issued)[0].since(failed[6]).as_secs() / 3600, 32);
    assert_eq!(outcome.refusals.total, 0, "an hour is long enough for five failures an hour");
}

#[test]
fn names_that_are_validated_already_need_no_validation() {
    let mut plan = with_list(year(90 * 24), [named("a.example.com")]);
    plan.ca.lifetimes[0].authorizations = Some(DAY * 200);
    plan.outages = vec![outage(&plan, 1, 100 * 24, OutageKind::Validation)];
    let outcome = run(&plan);
    assert!(outcome.failures.is_empty());
    let (ordered, made) = (
        times(&outcome, "a.example.com", |what| *what == What::Ordered),
        times(&outcome, "a.example.com", issued),
    );
    assert_eq!(made[1].since(ordered[1]), Duration::from_secs(1));
}

#[test]
fn other_limits_hold_for_a_while_and_what_was_counted_stays() {
    let orders = Quota::per(10, HOUR * 3);
    let few = LimitsConfig {
        preset: Preset::LetsencryptProd,
        limits: [(LimitName::NewOrdersPerAccount, Some(orders))].into(),
        jitter: false,
        ..LimitsConfig::default()
    };
    let mut plan = year(90 * 24);
    let new = Distribution { count: 40, existing: false, ..Distribution::default() };
    plan = with(plan, new);
    plan.outages = vec![outage(&plan, 0, 1, OutageKind::Limits(Box::new(few)))];
    let outcome = run(&plan);
    // Ten of forty; the rest an hour later, when the preset's limits are back.
    assert_eq!(outcome.refusals.total, 30);
    assert_eq!(outcome.refusals.by_limit[&LimitName::NewOrdersPerAccount], 30);
    assert_eq!((outcome.drains[0].waiting, outcome.drains[0].took), (30, Some(Duration::from_secs(8))));
    assert_eq!(run(&Plan { outages: Vec::new(), ..plan }).refusals.total, 0);
}

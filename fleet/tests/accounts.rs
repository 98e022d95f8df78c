//! Limits of accounts and of registered domains, and accounts that are new.

use std::time::Duration;

use fleet::plan::{Distribution, OutageKind, Plan};
use mock_ca::limits::LimitName;

use crate::common::{DAY, issued, outage, run, times, with, year};

fn new(count: u32, per_domain: u32, accounts: u64, spread: Duration) -> Plan {
    let new = Distribution {
        count,
        per_domain,
        accounts,
        existing: false,
        spread: Some(spread),
        ..Distribution::default()
    };
    with(year(90 * 24), new)
}

#[test]
fn an_account_has_300_new_orders_in_three_hours_and_renewals_are_not_counted() {
    let outcome = run(&new(400, 1, 1, Duration::ZERO));
    assert_eq!(outcome.refusals.by_limit[&LimitName::NewOrdersPerAccount], 100);
    // A hundred tokens are back when their back-off is over.
    assert_eq!((outcome.refusals.total, outcome.first_issuances), (100, 400));
    assert_eq!(outcome.peak_orders.unwrap().count, 300);
    assert_eq!(outcome.peak_requests.unwrap().count, 400);
    assert_eq!(run(&new(400, 1, 2, Duration::ZERO)).refusals.total, 0, "two accounts");
}

#[test]
fn a_registered_domain_has_50_new_certificates_a_week_and_those_under_way_are_not_seen() {
    // Orders look only at certificates that are there: all are ordered before the first is issued.
    let outcome = run(&new(60, 60, 1, Duration::ZERO));
    assert_eq!((outcome.refusals.total, outcome.first_issuances), (0, 60));
    let outcome = run(&new(60, 60, 1, DAY));
    assert!(outcome.refusals.by_limit[&LimitName::NewCertificatesPerRegisteredDomain] > 10);
    assert_eq!(outcome.refusals.top[0].bucket.key(), "d0000.example");
    assert_eq!(outcome.first_issuances, 60, "a token comes back every 202 minutes");
}

#[test]
fn ten_new_accounts_of_an_address_are_registered_and_the_certificates_of_others_wait_for_ever() {
    let mut plan = new(12, 1, 12, Duration::ZERO);
    plan.ca.new_accounts = true;
    let outcome = run(&plan);
    assert_eq!(outcome.refusals.by_limit[&LimitName::NewRegistrationsPerIpAddress], 2);
    assert_eq!((outcome.first_issuances, outcome.waiting), (10, 2));
    assert!(times(&outcome, "c000011", issued).is_empty());
    assert_eq!(times(&outcome, "account 12", |_| true).len(), 1);
    plan.ca.new_accounts = false;
    assert_eq!(run(&plan).first_issuances, 12);
}

#[test]
fn an_account_that_meets_a_ca_that_is_down_is_registered_later() {
    let mut plan = new(3, 3, 1, Duration::ZERO);
    plan.ca.new_accounts = true;
    plan.outages = vec![outage(&plan, 0, 1, OutageKind::Unavailable)];
    let outcome = run(&plan);
    assert_eq!((outcome.first_issuances, outcome.unavailable), (3, 0), "orders wait for their account");
    // 5, 10, 20, … 300 s.
    assert_eq!(outcome.drains[0].waiting, 3);
    assert!(outcome.drains[0].took.unwrap() <= Duration::from_secs(308));
}
